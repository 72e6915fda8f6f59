package matrix

import (
	"bytes"
	"fmt"
	"math"
)

// sparse reads a libsvm line: a label, which may be left out, and index:value for
// each feature that is not missing, from 0. What stands behind # is a remark.
func (d *Reader) sparse(line []byte) error {
	for i := range d.row {
		d.row[i] = math.NaN()
	}
	clear(d.given)
	line, _, _ = bytes.Cut(line, []byte("#"))
	field := 0
	for entry := range bytes.FieldsSeq(line) {
		field++
		index, text, ok := pair(entry)
		switch {
		case ok:
		case field == 1: // the label, or anything without a colon in its place
			if bytes.IndexByte(entry, ':') < 0 {
				if _, ok := parse(entry); ok {
					continue
				}
			}
			return d.fault(field, "this is neither a label nor index:value", "begin the line with a number, then entries such as 3:1.5")
		case bytes.HasPrefix(entry, []byte("qid:")):
			continue
		default:
			return d.fault(field, "this is no index:value", "write entries such as 3:1.5, the index from 0")
		}
		if index >= len(d.row) {
			return d.fault(field, fmt.Sprintf("index %d is past the model's %d features", index, len(d.row)), "indices are from 0: take 1 from each where the file's begin at 1")
		}
		x, problem := d.number(text)
		switch {
		case len(text) == 0:
			problem = "the value is left out"
		case d.given[index]:
			problem = fmt.Sprintf("index %d is there twice", index)
		}
		if problem != "" {
			return d.fault(field, problem, "write entries such as 3:1.5, each index once; leave missing ones out")
		}
		d.row[index], d.given[index] = x, true
	}
	return nil
}
