package source

import (
	"fmt"
	"slices"

	"rescore/partition/job"
)

// stream delivers the columns of one month's files, slice after slice. The
// scoring month fills the record directly; an earlier month is read into
// scratch and gathered to the rows of the scoring month.
type stream struct {
	r      *Reader
	month  int
	slices []job.Slice
	cols   []*column
	out    []*vector

	// Earlier months only.
	rowOf   []int32 // row of the month by row of the task, -1 when absent; ascending
	scratch []*vector
	at      int32   // rows of the month read
	taskRow []int32 // row of the batch by row of scratch, -1 when not wanted

	// The slice being read.
	slice int
	left  int64 // rows of the slice not yet read
	csv   *csvRows
	parts []tableColumn
	first int64 // row in the file of the next row read
	log   []issue
}

// read fills rows at to at+n of vecs with the next rows of the month, and
// calls bad for what did not fit.
func (s *stream) read(vecs []*vector, at, n int, bad func(e issue, file string, row int64)) error {
	for n > 0 {
		for s.left == 0 {
			if err := s.openSlice(); err != nil {
				return err
			}
		}
		k := int(min(int64(n), s.left))
		if err := s.readSlice(vecs, at, k, bad); err != nil {
			return err
		}
		at, n = at+k, n-k
	}
	return nil
}

func (s *stream) readSlice(vecs []*vector, at, n int, bad func(e issue, file string, row int64)) (err error) {
	f := s.r.files[s.slices[s.slice-1].File]
	defer guard(f.name, &err)
	s.log = s.log[:0]
	if s.csv != nil {
		for _, v := range vecs {
			v.write(at)
		}
		if s.log, err = s.csv.fill(vecs, at, n, s.log); err != nil {
			return inFile(f.name, err)
		}
	} else {
		for i, c := range s.parts {
			if s.log, err = c.fill(vecs[i], at, n, s.log); err != nil {
				return inFile(f.name, err)
			}
		}
	}
	for _, e := range s.log {
		bad(e, f.name, s.first+int64(int(e.at)-at))
	}
	s.first += int64(n)
	s.left -= int64(n)
	if s.left == 0 {
		return inFile(f.name, s.closeSlice())
	}
	return nil
}

// openSlice goes to the next slice; columns stay open when it is of the same file.
func (s *stream) openSlice() error {
	if s.slice >= len(s.slices) {
		return fmt.Errorf("the slices of month %d end early: %w", job.MonthBack(s.r.d.spec.Month, s.month), ErrChanged)
	}
	sl := s.slices[s.slice]
	f := s.r.files[sl.File]
	same := s.slice > 0 && s.slices[s.slice-1].File == sl.File
	follows := same && s.first == sl.First
	s.slice++
	s.left, s.first = sl.Rows, sl.First
	if f.csv != nil {
		if !same {
			s.csv = newCSVRows(f.csv)
			for i, c := range s.cols {
				s.csv.cols = append(s.csv.cols, csvColumn{index: f.byName[c.field], out: i, conv: c.convs[f.name]})
			}
		}
		s.csv.split.seek(sl.Offset, sl.Offset+sl.Bytes)
		return nil
	}
	s.csv = nil
	if !same {
		s.closeParts()
		for _, c := range s.cols {
			fd := f.fields[f.byName[c.field]]
			s.parts = append(s.parts, f.table.column(fd, c.convs[f.name], &s.r.codecs))
		}
	}
	for _, c := range s.parts {
		c.slice(sl.Rows)
		if !follows {
			c.seek(sl.First)
		}
	}
	return nil
}

// closeParts closes the columns, the last first: the next task opens them in order, and
// finds buffers of the size that each needs.
func (s *stream) closeParts() {
	for _, c := range slices.Backward(s.parts) {
		c.close()
	}
	s.parts = s.parts[:0]
}

// closeSlice checks that the slice held no more rows than it was said to.
func (s *stream) closeSlice() error {
	if s.csv == nil {
		for _, c := range s.parts {
			if err := c.finish(); err != nil {
				return err
			}
		}
		return nil
	}
	sp := s.csv.split
	if err := sp.next(); err == nil {
		return fmt.Errorf("rows go on at byte %d after the %d of the slice: %w", sp.start, s.slices[s.slice-1].Rows, ErrChanged)
	}
	return nil
}

// fill brings rows first to first+n of the task into the outputs.
func (s *stream) fill(first, n int, drop []job.Reason, b *Batch) error {
	if s == nil {
		return nil
	}
	for _, v := range s.out {
		v.begin()
	}
	if s.rowOf == nil {
		return s.read(s.out, 0, n, func(e issue, file string, row int64) {
			s.r.fault(e, int(e.at), file, row, drop, b)
		})
	}
	return s.join(s.rowOf[first:first+n], drop, b)
}

// join brings the rows of the month that want names into the outputs, stretch by
// stretch: most rows that follow each other do so in every month. The others are null.
func (s *stream) join(want []int32, drop []job.Reason, b *Batch) error {
	last := int32(-1)
	for i := 0; i < len(want); {
		n := 1
		if want[i] < 0 {
			for i+n < len(want) && want[i+n] < 0 {
				n++
			}
			for _, v := range s.out {
				v.lack(i, n)
			}
		} else {
			last = want[i]
		}
		i += n
	}
	next := 0 // row of the batch
	for s.at <= last {
		k := int(min(int32(s.r.rows), last+1-s.at))
		for _, v := range s.scratch {
			v.begin()
		}
		back := grow(&s.taskRow, k)
		for i := range back {
			back[i] = -1
		}
		from := next
		for next < len(want) && (want[next] < 0 || want[next] < s.at+int32(k)) {
			if want[next] >= 0 {
				back[want[next]-s.at] = int32(next)
			}
			next++
		}
		err := s.read(s.scratch, 0, k, func(e issue, file string, row int64) {
			if i := back[e.at]; i >= 0 {
				s.r.fault(e, int(i), file, row, drop, b)
			}
		})
		if err != nil {
			return err
		}
		for i := from; i < next; {
			n := 1
			if row := want[i]; row >= 0 {
				for i+n < next && want[i+n] == row+int32(n) {
					n++
				}
				for c, v := range s.out {
					v.join(i, s.scratch[c], int(row-s.at), n)
				}
			}
			i += n
		}
		s.at += int32(k)
	}
	return nil
}

// finish checks that every row of the month's slices can be read, when the last
// batch has been delivered: a column that is short is an error even where no
// row of it was wanted.
func (s *stream) finish() error {
	if s == nil || s.rowOf == nil {
		return nil
	}
	total := int64(0)
	for _, sl := range s.slices {
		total += sl.Rows
	}
	for int64(s.at) < total {
		k := int(min(int64(s.r.rows), total-int64(s.at)))
		for _, v := range s.scratch {
			v.begin()
		}
		if err := s.read(s.scratch, 0, k, func(issue, string, int64) {}); err != nil {
			return err
		}
		s.at += int32(k)
	}
	return nil
}

// fault counts a bad value of row i of the batch, or rejects the row.
func (r *Reader) fault(e issue, i int, file string, row int64, drop []job.Reason, b *Batch) {
	if e.reject {
		if drop[i] == 0 {
			drop[i] = job.BadValue
		}
		if drop[i] == job.BadValue || drop[i] == job.RepeatedNumber { // a repeated row may yet be the one that is kept
			b.faults = append(b.faults, Reject{File: file, Row: row, Field: e.field, Reason: job.BadValue, at: i})
		}
		return
	}
	r.spoil(i, b)
}

// spoil counts a bad value of row i of the batch.
func (r *Reader) spoil(i int, b *Batch) {
	if b.Bad == nil {
		b.Bad = grow(&r.bad, b.Len)
		clear(b.Bad)
	}
	if b.Bad[i] < 255 {
		b.Bad[i]++
	}
}
