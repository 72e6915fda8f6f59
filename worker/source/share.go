package source

import (
	"errors"

	"rescore/partition/job"
)

// Left returns how many rows are still to be delivered.
func (r *Reader) Left() int { return r.past - r.next }

// Split gives the second half of the rows that are left to a reader of their own, and no more
// than most of them: batches of both, those of r first, are those of r alone but for
// their limits, for nothing of a row depends on another but of one number. The other
// reader may serve another goroutine, and is closed before r. It is nil where
// nothing can be given away: few rows, one number, a file that has to be read from the
// beginning, other months or tables to join.
func (r *Reader) Split(most int) (*Reader, error) {
	if r.err != nil || len(r.events) > 0 {
		return nil, nil
	}
	for k, s := range r.months {
		if k > 0 && s != nil {
			return nil, nil
		}
	}
	for _, f := range r.files {
		if f != nil && f.csv != nil {
			return nil, nil
		}
	}
	cut := r.past - min(most, r.Left()/2)
	// Before the first row of a number, and behind a row with another, so that who looks
	// back for the rows of a number stays on its side.
	for cut < r.past && (cut <= r.next || r.keys[cut] == 0 || r.keys[cut-1] == 0 || r.keys[cut] == r.keys[cut-1]) {
		cut++
	}
	if cut >= r.past {
		return nil, nil
	}
	o := &Reader{
		d: r.d, task: r.task, files: r.files, index: r.index, names: r.names, rows: r.rows, alloc: r.alloc, hidden: -1,
		keys: r.keys, drop: r.drop, sum: r.sum, first: cut, next: cut, past: r.past,
	}
	if err := o.bindColumns(); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	if s := o.months[0]; s != nil {
		s.slices = behind(s.slices, int64(cut))
	}
	for i := range o.out {
		if v := o.out[i].vec; v != nil {
			v.wanted = r.out[i].vec.wanted
		}
	}
	r.past = cut
	return o, nil
}

// behind returns slices without their first rows.
func behind(list []job.Slice, rows int64) []job.Slice {
	for len(list) > 0 && rows >= list[0].Rows {
		rows -= list[0].Rows
		list = list[1:]
	}
	if rows > 0 {
		list[0].First += rows // they are the reader's own
		list[0].Rows -= rows
	}
	return list
}
