package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Fingerprint names a record's layout: 64 hexadecimal digits over the flat
// names and types of its columns in order. Units, sentinels and documentation
// are not part of it. Files carry it, so that a reader knows at once whether it
// understands them.
func Fingerprint(record []Column) string {
	h := sha256.New()
	for _, c := range record {
		for _, name := range c.Names() {
			fmt.Fprintf(h, "%s %s\n", name, c.Type)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
