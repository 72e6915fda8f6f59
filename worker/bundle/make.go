package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"rescore/partition/job"
)

// GoldenFile is the name of the golden rows in a package that Make makes.
const GoldenFile = "golden.csv"

// Make makes the files of a package: of a card, the model's bytes, and golden rows,
// which may be nil. The card's digest and the names of files are worked out here. The
// package is read back before it is given.
func Make(card Card, modelName string, modelBytes []byte, golden *Rows, features []string) ([]File, error) {
	sum := sha256.Sum256(modelBytes)
	card.Model = Model{File: modelName, SHA256: hex.EncodeToString(sum[:])}
	files := []File{{modelName, modelBytes}}
	if golden != nil {
		g := *card.Golden
		g.File = GoldenFile
		card.Golden = &g
		files = append(files, File{GoldenFile, golden.CSV(features, g)})
	}
	files = append(files, File{CardFile, append([]byte(head), job.EncodeFile(card)...)})
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	if err := pack(&b, files); err != nil {
		return nil, fmt.Errorf("make model package: %w", err)
	}
	if _, err := Read("the new package", b.Bytes()); err != nil {
		return nil, fmt.Errorf("make model package: %w", err)
	}
	return files, nil
}

const head = `# The card of a model: what it is, how its inputs and its scores are taken.
# rescore model inspect shows it, rescore model verify scores the golden rows. A job
# names this file's folder as its model.path.

`

// Spread chooses golden rows out of a number of rows: those that must be there, and
// evenly of the others, the first and the last among them, until there are n. The
// rows are in order, each once; there are more than n when so many must be there.
func Spread(rows, n int, must []int) []int {
	must = slices.Compact(slices.Sorted(slices.Values(must)))
	chosen := slices.Clone(must)
	room, others := min(n, rows)-len(must), rows-len(must)
	for i := range max(room, 0) {
		at := 0
		if room > 1 {
			at = int(int64(i) * int64(others-1) / int64(room-1))
		}
		for _, m := range must { // the at-th of the others
			if m <= at {
				at++
			}
		}
		chosen = append(chosen, at)
	}
	slices.Sort(chosen)
	return chosen
}
