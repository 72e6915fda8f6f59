package sink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
)

// TestASealIsOfThePagesAndOfTheFooterThatHoldsIt: neither can be changed alone, nor both
// without changing what was reported.
func TestASealIsOfThePagesAndOfTheFooterThatHoldsIt(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	file := stage(t, st, theAttempt, base(5, 2000, false), 2048).Files[0]
	good := bytesOf(t, st, file.Path)
	at := bytes.Index(good, []byte(keySeal)) + len(keySeal) + 3 // behind the text's length
	text := good[at : at+16+2*108]
	end := len(good) - 8 - int(binary.LittleEndian.Uint32(good[len(good)-8:])) // of the pages
	n := 0
	refused := func(what string, want error, change func(bad []byte)) {
		t.Helper()
		bad := bytes.Clone(good)
		change(bad)
		f := file
		n++
		f.Path = fmt.Sprintf("bad-%d", n)
		check(t, st.Put(t.Context(), f.Path, bad))
		if _, err := Select(t.Context(), st, selectAttempt(), selection(f)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	for from := len(magic); from < end; from += end / 20 {
		refused(fmt.Sprintf("byte %d", from), errAltered, func(bad []byte) { bad[from] ^= 1 << (from % 8) })
	}
	for i := 0; i < len(text); i += 9 {
		refused(fmt.Sprintf("digit %d of the seal", i), ErrDamaged, func(bad []byte) { bad[at+i] ^= 1 })
	}
	refused("pages and checks", ErrDamaged, func(bad []byte) {
		bad[len(magic)] ^= 1
		var c checks
		_, _ = c.Write(bad[:end])
		copy(bad[at:], seal{checks: c}.text())
	})
	refused("no seal", ErrLayout, func(bad []byte) { bad[at-4] = 'x' })
}
