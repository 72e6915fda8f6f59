package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
)

// Check holds the input to the files of a survey made before: all of them are
// there, none has joined, and each has its size and, but for CSV, its rows. It
// returns ErrChanged, naming the file.
func (d *Dataset) Check(files []job.InputFile) error {
	for _, l := range d.tables {
		if err := l.Check(l.own(files)); err != nil {
			return l.named(err)
		}
	}
	known := make(map[string]bool, len(files))
	for _, want := range ofBase(files) {
		known[want.Path] = true
		if _, err := d.surveyed(want); err != nil {
			return err
		}
	}
	for _, f := range d.files {
		if !known[f.name] {
			return &FileError{File: f.name, Row: -1, Err: fmt.Errorf("the file was not there: %w", ErrChanged)}
		}
	}
	return nil
}

// surveyed returns the open file that a survey saw.
func (d *Dataset) surveyed(want job.InputFile) (*inputFile, error) {
	f := d.byPath[want.Path]
	changed := func(format string, args ...any) (*inputFile, error) {
		return nil, &FileError{File: want.Path, Row: -1, Err: fmt.Errorf(format+": %w", append(args, ErrChanged)...)}
	}
	switch {
	case f == nil:
		return changed("the file is gone")
	case f.month != want.Month:
		return changed("it is of month %d where the survey saw month %d", f.month, want.Month)
	case f.obj.Size() != want.Bytes:
		return changed("%d bytes where the survey saw %d", f.obj.Size(), want.Bytes)
	case f.table != nil && f.table.count() != want.Rows:
		return changed("%d rows where the survey saw %d", f.table.count(), want.Rows)
	}
	return f, nil
}

// Find returns the rows of one number as a task of their own, which Reader then
// takes. files are those of the survey that was made of this input; nothing is
// surveyed again. Every month is searched by halves, piece by piece or,
// in CSV, block by block, so that what is read does not grow with the base. A
// number without a row in the scoring month is a task of no rows.
//
// The search believes what the survey proved, that numbers are in order. It
// reads no statistics, which nothing proves.
func (d *Dataset) Find(ctx context.Context, files []job.InputFile, n partition.Number) (job.Task, error) {
	task := job.Task{Range: partition.Range{First: n, Past: n + 1}}
	if d.spec.Input.MakeNumbers != 0 {
		if err := d.findMade(ctx, ofBase(files), n, &task); err != nil {
			return task, err
		}
		return task, d.findEvents(ctx, files, n, &task)
	}
	for month := range schema.Months {
		if err := ctx.Err(); err != nil {
			return task, err
		}
		s := search{d: d, number: n}
		for i, want := range files {
			if want.Month != month {
				continue
			}
			f, err := d.surveyed(want)
			if err != nil {
				return task, err
			}
			if err := s.add(ctx, f, i); err != nil {
				return task, inFile(f.name, err)
			}
		}
		if err := s.run(&task, month); err != nil {
			return task, err
		}
	}
	return task, d.findEvents(ctx, files, n, &task)
}

// search looks for a number in the files of one month.
type search struct {
	d      *Dataset
	number partition.Number
	units  []unit
	codecs codecs
}

// unit is a stretch of a file that can be read without what is before it.
type unit struct {
	file  *inputFile
	index int   // of the file in the survey
	first int64 // tables: first row
	rows  int64
	from  int64 // CSV: a row belongs to the unit in which it starts
	past  int64
}

func (s *search) add(ctx context.Context, f *inputFile, index int) error {
	if f.csv != nil {
		size, err := f.csv.size(ctx)
		for at := f.csv.first; at < size; at += blockBytes {
			s.units = append(s.units, unit{file: f, index: index, from: at, past: min(at+blockBytes, size)})
		}
		return err
	}
	first := int64(0)
	for _, rows := range f.table.pieces() {
		if rows > 0 {
			s.units = append(s.units, unit{file: f, index: index, first: first, rows: rows})
		}
		first += rows
	}
	return nil
}

// place is where a row is: a row number in a table, its bytes in CSV.
type place struct {
	unit      *unit
	row       int64
	from, end int64
}

// run adds the number's rows to the task.
func (s *search) run(task *job.Task, month int) (err error) {
	defer s.codecs.close()
	// The first number from each unit on never decreases. The number can begin in
	// the last unit where that is smaller, and in no earlier one.
	start := sort.Search(len(s.units), func(i int) bool {
		if err != nil {
			return true
		}
		var at partition.Number
		at, err = s.firstFrom(i)
		return at >= s.number
	})
	if err != nil {
		return err
	}
	between := int64(0) // rows of no number since the last one of this file
	return s.scan(max(start-1, 0), func(at place, number uint64, why verdict) bool {
		switch {
		case why != goodKey:
			between++
			return true
		case partition.Number(number) > s.number:
			return false
		case partition.Number(number) == s.number:
			include(task, at, between, month)
		}
		between = 0
		return true
	})
}

// firstFrom returns the first number in or after unit i, PastNumber when there
// is none.
func (s *search) firstFrom(i int) (partition.Number, error) {
	first := partition.PastNumber
	err := s.scan(i, func(_ place, number uint64, why verdict) bool {
		if why == goodKey {
			first = partition.Number(number)
		}
		return why != goodKey
	})
	return first, err
}

// probeRows is how many keys of a piece are asked for at a time.
const probeRows = 4096

// scan calls visit with the rows from unit i on until it says no.
func (s *search) scan(i int, visit func(at place, number uint64, why verdict) bool) error {
	for ; i < len(s.units); i++ {
		u := &s.units[i]
		more, err := s.scanUnit(u, visit)
		if err != nil || !more {
			return inFile(u.file.name, err)
		}
	}
	return nil
}

func (s *search) scanUnit(u *unit, visit func(at place, number uint64, why verdict) bool) (more bool, err error) {
	f := u.file
	defer guard(f.name, &err)
	more = true
	if f.csv != nil {
		sp := f.csv.splitter()
		from := u.from
		if from > f.csv.first { // what comes before the first line end belongs to the unit before
			sp.seek(from-1, f.csv.text.Size())
			if err := sp.skipLine(); err != nil {
				return more, err
			}
			from = sp.off()
		}
		sp.seek(from, f.csv.text.Size())
		err := csvKeys(sp, f.csv, f.key, s.d.key, func(off int64, number uint64, why verdict) error {
			if off >= u.past {
				return io.EOF
			}
			if more = visit(place{unit: u, from: off, end: sp.off()}, number, why); !more {
				return io.EOF
			}
			return nil
		})
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return more, err
	}
	col := f.table.column(f.fields[f.key], nil, &s.codecs)
	defer col.close()
	col.seek(u.first)
	for row := u.first; row < u.first+u.rows && more; {
		n := min(u.first+u.rows-row, probeRows)
		err := col.keys(n, s.d.key, func(numbers []uint64, verdicts []verdict) {
			for i, number := range numbers {
				if more {
					more = visit(place{unit: u, row: row}, number, verdicts[i])
				}
				row++
			}
		})
		if err != nil {
			return more, err
		}
	}
	return more, nil
}

// include takes a row of the number into the task, with what lies between it and
// the one before: rows whose numbers cannot be read.
func include(task *job.Task, at place, between int64, month int) {
	k := len(task.Slices) - 1
	if k < 0 || task.Slices[k].Month != month || task.Slices[k].File != at.unit.index {
		task.Slices = append(task.Slices, job.Slice{Month: month, File: at.unit.index, First: at.row, Offset: at.from})
		k, between = k+1, 0
	}
	s := &task.Slices[k]
	s.Rows += between + 1
	if at.unit.file.csv != nil {
		s.Bytes = at.end - s.Offset
	}
	if month == 0 {
		task.Rows += between + 1
		task.Keys = task.Keys.AddNumber(task.Range.First)
	}
}

// findMade finds the row whose number was made: it is the number's place in the
// input.
func (d *Dataset) findMade(ctx context.Context, files []job.InputFile, n partition.Number, task *job.Task) error {
	row := int64(n) - int64(d.spec.Input.MakeNumbers)
	for i, want := range files {
		f, err := d.surveyed(want)
		if err != nil {
			return err
		}
		if row < 0 || row >= want.Rows {
			row -= want.Rows
			continue
		}
		s := job.Slice{File: i, First: row, Rows: 1}
		good := true
		if f.csv != nil {
			at := int64(0)
			size, err := f.csv.size(ctx)
			if err != nil {
				return inFile(f.name, err)
			}
			sp := f.csv.splitter()
			sp.seek(f.csv.first, size)
			err = csvKeys(sp, f.csv, f.key, d.key, func(off int64, _ uint64, why verdict) error {
				if at++; at <= row {
					return nil
				}
				s.Offset, s.Bytes, good = off, sp.off()-off, why == goodKey
				return io.EOF
			})
			if err != nil && !errors.Is(err, io.EOF) {
				return inFile(f.name, err)
			}
		}
		task.Rows, task.Slices = 1, []job.Slice{s}
		if good {
			task.Keys = task.Keys.AddNumber(n)
		}
		return nil
	}
	return nil
}
