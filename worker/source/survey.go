package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
)

// remedy is what to do about unsorted input.
const remedy = "sort the input by number, as rescore prepare does, and run again"

// stretch is what the keys of a file, or of one piece of it, are made of.
// Runs of segment 0 are rows before the first valid number.
type stretch struct {
	rows        int64
	runs        []job.SegmentRows
	first, last partition.Number // 0 when no row has a valid number
	firstRow    int64            // of the first valid number
	text        textCheck        // of a CSV file
}

// add counts one row, which starts at byte off, or returns ErrUnsorted.
func (s *stretch) add(row, off int64, number uint64, why verdict) error {
	s.rows++
	if why != goodKey {
		if len(s.runs) == 0 {
			s.runs = append(s.runs, job.SegmentRows{First: row, Offset: off})
		}
		s.runs[len(s.runs)-1].Rows++
		return nil
	}
	n := partition.Number(number)
	if n < s.last {
		return &FileError{Row: row, Err: fmt.Errorf("the number is smaller than one before it; %s: %w", remedy, ErrUnsorted)}
	}
	if s.first == 0 {
		s.first, s.firstRow = n, row
	}
	s.last = n
	seg := n.Segment()
	if k := len(s.runs); k == 0 || s.runs[k-1].Segment != seg {
		s.runs = append(s.runs, job.SegmentRows{Segment: seg, First: row, Offset: off})
	}
	r := &s.runs[len(s.runs)-1]
	r.Rows++
	r.Keys = r.Keys.AddNumber(n)
	return nil
}

// extend counts the first rows that only go on with the last run: in order, of its segment.
// It returns how many.
func (s *stretch) extend(numbers []uint64, verdicts []verdict) int {
	if s.first == 0 {
		return 0
	}
	r := &s.runs[len(s.runs)-1]
	last, past := s.last, r.Segment.Past()
	n := 0
	for ; n < len(numbers); n++ {
		number := partition.Number(numbers[n])
		if verdicts[n] != goodKey || number < last || number >= past {
			break
		}
		last = number
	}
	s.last, r.Keys = last, r.Keys.Add(partition.SumOf(numbers[:n]))
	s.rows += int64(n)
	r.Rows += int64(n)
	return n
}

// end closes the last run at byte off: runs of CSV files know their bytes.
func (s *stretch) end(off int64) {
	for i := range s.runs {
		next := off
		if i+1 < len(s.runs) {
			next = s.runs[i+1].Offset
		}
		s.runs[i].Bytes = next - s.runs[i].Offset
	}
}

// Survey reads the number of every row, in up to workers goroutines, and counts
// rows by segment and file. It checks what planning and streaming rely on: rows
// are as many as each file says, and in the order of their numbers, within and
// across the files of a month (equal neighbours are duplicates, not disorder).
// progress, unless nil, is told how many rows have been read in all, one call at
// a time.
//
// Files are ordered by their first number. Rows without a valid number belong
// to the segment of the row before them, or to the first one. It returns
// ErrUnsorted, naming file and row, ErrCorrupt, ErrChanged, ErrTooLarge, ErrFormat for
// text of another encoding, or ErrControl. Survey.Model is left to the caller.
func (d *Dataset) Survey(ctx context.Context, workers int, progress func(rowsSoFar int64)) (job.Survey, error) {
	s, err := d.survey(ctx, workers, progress, func(ctx context.Context, group *errgroup.Group, f *inputFile, to *job.InputFile) {
		d.digest(ctx, group, f, d.spec.Input.Digest, to)
	})
	if err == nil {
		err = d.controlled(ctx, s.Files, workers)
	}
	for _, l := range d.tables {
		if err == nil {
			err = l.join(&s, func() (job.Survey, error) { return l.Survey(ctx, workers, onward(s, progress)) })
		}
	}
	return s, err
}

// Recount surveys an input that was surveyed before without reading all of it
// again: files have the digests they had then. That they are still the same is
// Check's to say, and the sums of their numbers'.
func (d *Dataset) Recount(ctx context.Context, files []job.InputFile, workers int, progress func(rowsSoFar int64)) (job.Survey, error) {
	if err := d.Check(files); err != nil {
		return job.Survey{}, err
	}
	known := make(map[string]job.InputFile, len(files))
	for _, f := range files {
		known[f.Path] = f
	}
	s, err := d.survey(ctx, workers, progress, func(_ context.Context, _ *errgroup.Group, f *inputFile, to *job.InputFile) {
		to.SHA256, to.BLAKE3 = known[f.name].SHA256, known[f.name].BLAKE3
	})
	for i, f := range s.Files {
		if err == nil && f.Path == files[i].Path && f.Rows != files[i].Rows {
			err = inFile(f.Path, fmt.Errorf("%d rows where the survey saw %d: %w", f.Rows, files[i].Rows, ErrChanged))
		}
	}
	for _, l := range d.tables {
		if err == nil {
			err = l.join(&s, func() (job.Survey, error) { return l.Recount(ctx, l.own(files), workers, onward(s, progress)) })
		}
	}
	return s, err
}

func (d *Dataset) survey(ctx context.Context, workers int, progress func(rowsSoFar int64), digest func(context.Context, *errgroup.Group, *inputFile, *job.InputFile)) (job.Survey, error) {
	if progress == nil {
		progress = func(int64) {}
	}
	var mu sync.Mutex
	var done int64
	report := func(rows int64) {
		runtime.Gosched() // whoever grants the survey, or what follows it, has little to do and is waited for
		mu.Lock()
		defer mu.Unlock()
		done += rows
		progress(done)
	}
	stretches := make([][]stretch, len(d.files)) // by file, then piece
	files := make([]job.InputFile, len(d.files))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(max(workers, 1))
	for i, f := range d.files {
		if d.spec.Input.MakeNumbers == 0 {
			units := []int64{0} // rows; of CSV not known
			if f.table != nil {
				units = f.table.pieces()
			}
			stretches[i] = make([]stretch, len(units))
			first := int64(0)
			for g, rows := range units {
				at := first
				group.Go(func() (err error) {
					stretches[i][g], err = d.scan(gctx, f, at, rows, report)
					return inFile(f.name, err)
				})
				first += rows
			}
		}
	}
	for i, f := range d.files { // behind the numbers of all, whose pieces are larger
		digest(gctx, group, f, &files[i])
	}
	err := group.Wait()
	if err == nil && d.spec.Input.MakeNumbers != 0 {
		err = d.numberRows(ctx, stretches, report)
	}
	if err != nil {
		return job.Survey{}, err
	}
	whole := make([]stretch, len(d.files))
	for i, f := range d.files {
		if whole[i], err = concat(stretches[i]); err != nil {
			return job.Survey{}, inFile(f.name, err)
		}
		if f.table != nil && whole[i].rows != f.table.count() {
			return job.Survey{}, inFile(f.name, corrupt("%d rows were read, the file states %d", whole[i].rows, f.table.count()))
		}
	}
	return d.assemble(whole, files)
}

// scan reads the keys of one piece of a table, rows from first on, or of a CSV file.
func (d *Dataset) scan(ctx context.Context, f *inputFile, first, left int64, report func(int64)) (s stretch, err error) {
	if f.csv != nil {
		size, err := f.csv.size(ctx)
		if err != nil {
			return s, err
		}
		sp := f.csv.splitter()
		sp.seek(f.csv.first, size)
		row := int64(0)
		err = csvKeys(sp, f.csv, f.key, d.key, func(off int64, number uint64, why verdict) error {
			s.text.add(sp.text, sp.line)
			if err := s.add(row, off, number, why); err != nil {
				return err
			}
			if row++; row%65536 == 0 {
				report(65536)
				return ctx.Err()
			}
			return nil
		})
		report(row % 65536)
		s.end(size)
		return s, errors.Join(err, s.text.check(f.csv.dialect.text))
	}
	defer guard(f.name, &err)
	var c codecs
	defer c.close()
	col := f.table.column(f.fields[f.key], nil, &c)
	defer col.close()
	col.seek(first)
	row := first
	for left > 0 {
		n := min(left, 65536)
		var bad error
		err := col.keys(n, d.key, func(numbers []uint64, verdicts []verdict) {
			for len(numbers) > 0 && bad == nil {
				k := s.extend(numbers, verdicts)
				if k == 0 {
					k, bad = 1, s.add(row, 0, numbers[0], verdicts[0])
				}
				row, numbers, verdicts = row+int64(k), numbers[k:], verdicts[k:]
			}
		})
		if err == nil {
			err = bad
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return s, err
		}
		left -= n
		report(n)
	}
	return s, col.finish()
}

// numberRows gives rows made numbers, in order of the files' names.
func (d *Dataset) numberRows(ctx context.Context, out [][]stretch, report func(int64)) error {
	next := d.spec.Input.MakeNumbers
	for i, f := range d.files {
		var s stretch
		var err error
		if f.csv != nil {
			size, e := f.csv.size(ctx)
			if e != nil {
				return inFile(f.name, e)
			}
			sp := f.csv.splitter()
			sp.seek(f.csv.first, size)
			err = csvKeys(sp, f.csv, -1, d.key, func(off int64, _ uint64, why verdict) error {
				s.text.add(sp.text, sp.line)
				n, made := madeNumber(next, s.rows, why)
				return s.add(s.rows, off, n, made)
			})
			s.end(size)
			err = errors.Join(err, s.text.check(f.csv.dialect.text))
		} else {
			for range f.table.count() {
				n, made := madeNumber(next, s.rows, goodKey)
				if err = s.add(s.rows, 0, n, made); err != nil {
					break
				}
			}
		}
		if err != nil {
			return inFile(f.name, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		next += uint64(s.rows)
		if next > uint64(partition.PastNumber) || next < uint64(partition.FirstNumber) {
			return inFile(f.name, fmt.Errorf("input.make_numbers and %d rows leave the number space; start between 13000000000 and 20000000000, low enough for every row: %w",
				int64(next-d.spec.Input.MakeNumbers), ErrMapping))
		}
		report(s.rows)
		out[i] = []stretch{s}
	}
	return nil
}

// madeNumber returns the number of row i after the number next.
func madeNumber(next uint64, i int64, why verdict) (uint64, verdict) {
	if why != goodKey {
		return 0, why
	}
	if n := next + uint64(i); partition.Number(n).Valid() {
		return n, goodKey
	}
	return 0, badKey
}

// concat joins the stretches of one file.
func concat(parts []stretch) (stretch, error) {
	var s stretch
	for _, p := range parts {
		if p.first != 0 {
			if p.first < s.last {
				return s, &FileError{Row: p.firstRow, Err: fmt.Errorf("the number is smaller than one before it; %s: %w", remedy, ErrUnsorted)}
			}
			if s.first == 0 {
				s.first = p.first
			}
			s.last = p.last
		}
		s.rows += p.rows
		s.text = p.text
		s.runs = appendRuns(s.runs, p.runs)
	}
	return s, nil
}

// appendRuns joins neighbouring runs of the same file and segment.
func appendRuns(to, runs []job.SegmentRows) []job.SegmentRows {
	for _, r := range runs {
		if k := len(to) - 1; k >= 0 && to[k].File == r.File && to[k].Segment == r.Segment {
			to[k].Rows += r.Rows
			to[k].Bytes += r.Bytes
			to[k].Keys = to[k].Keys.Add(r.Keys)
			continue
		}
		to = append(to, r)
	}
	return to
}

// assemble orders the files of each month by their first number and gives rows
// without a number their segment.
func (d *Dataset) assemble(whole []stretch, files []job.InputFile) (job.Survey, error) {
	order := make([]int, len(d.files))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		fa, fb := d.files[a], d.files[b]
		return cmp.Or(
			cmp.Compare(fa.month, fb.month),
			cmp.Compare(orLast(whole[a].first), orLast(whole[b].first)),
			cmp.Compare(whole[a].last, whole[b].last),
			strings.Compare(fa.name, fb.name),
		)
	})
	s := job.Survey{Segments: make([][]job.SegmentRows, schema.Months), Columns: d.present}
	var before *inputFile
	var last partition.Number
	for _, i := range order {
		f, w := d.files[i], whole[i]
		if before == nil || before.month != f.month {
			last = 0
		}
		if w.first != 0 && w.first < last {
			return s, inFile(f.name, &FileError{File: f.name, Row: w.firstRow, Err: fmt.Errorf(
				"the number is smaller than the last one of %s: the files overlap; %s: %w", before.name, remedy, ErrUnsorted)})
		}
		if w.last != 0 {
			last, before = w.last, f
		} else if before == nil || before.month != f.month {
			before = f
		}
		index := len(s.Files)
		file := files[i]
		file.Path, file.Month, file.Bytes, file.Rows, file.Broken = f.name, f.month, f.obj.Size(), w.rows, w.text.bytes
		s.Files = append(s.Files, file)
		segments := s.Segments[f.month]
		for _, r := range w.runs {
			r.File = index
			if r.Segment == 0 { // rows before the file's first number
				r.Segment = partition.FirstNumber.Segment()
				if k := len(segments); k > 0 {
					r.Segment = segments[k-1].Segment
				} else if len(w.runs) > 1 {
					r.Segment = w.runs[1].Segment
				}
			}
			segments = appendRuns(segments, []job.SegmentRows{r})
		}
		s.Segments[f.month] = segments
	}
	return s, nil
}

// orLast sorts files without any number behind the others.
func orLast(n partition.Number) partition.Number {
	if n == 0 {
		return partition.PastNumber
	}
	return n
}
