package source

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/freelist"
	"rescore/worker/kernel"
)

// serviceType is read for every task whose job excludes service types.
const serviceType = "service_type"

// Reader delivers the rows of one task in input order, batch after batch. It
// owns all memory it hands out and serves one goroutine.
type Reader struct {
	d     *Dataset
	task  job.Task
	files []*inputFile
	index []job.InputFile
	names []string
	rows  int // a batch
	alloc memory.Allocator

	// What each row of the scoring month is, known before any column is read.
	keys []uint64
	drop []job.Reason
	room *keyRoom // of both; nil when they are closed
	sum  partition.Sum

	schema  *arrow.Schema
	out     []output
	months  []*stream // the files of each month; nil when it has none
	hidden  int       // index in out of service_type read only to exclude, -1
	service *vector   // of service_type, nil when nothing depends on it
	record  arrow.Record
	arrays  []arrow.Array
	coded   []*kernel.Coded // by array
	batch   Batch
	bad     []uint8
	first   int // row of the task
	next    int
	past    int
	counts  job.Counts
	err     error
	codecs  codecs
	events  []*events          // by table of the job
	tell    func(Reject) error // of events that are rejected; nil: nobody asks
}

// output is one column of the record.
type output struct {
	col   *column
	vec   *vector
	fixed arrow.Array // absent and constant columns: the same for every batch
	key   bool        // the number itself
}

// Reader opens a task of a survey, whose files it is given, for reading the
// named columns: flat canonical names and extra columns. Columns the input
// lacks are null; extra columns must exist. Batches have batchRows rows, the
// last one fewer. Memory comes from alloc and goes back with Close.
//
// It reads the numbers of the whole task first, 9 bytes a row, and returns
// ErrChanged when they are not the ones that were surveyed.
func (d *Dataset) Reader(task job.Task, files []job.InputFile, columns []string, batchRows int, alloc memory.Allocator) (r *Reader, err error) {
	if batchRows < 1 {
		return nil, fmt.Errorf("batches of %d rows: at least 1", batchRows)
	}
	r = &Reader{d: d, task: task, index: files, names: columns, rows: batchRows, alloc: alloc, hidden: -1}
	defer func() {
		if err != nil {
			err = fmt.Errorf("read partition %s: %w", task.Range, errors.Join(err, r.Close()))
			r = nil
		}
	}()
	if err := r.bindFiles(); err != nil {
		return r, err
	}
	if err := r.readKeys(); err != nil {
		return r, err
	}
	r.past = len(r.keys)
	if err := r.bindColumns(); err != nil {
		return r, err
	}
	if err := r.joinMonths(); err != nil {
		return r, err
	}
	return r, r.bindEvents()
}

// taskRowsMax bounds the rows of one month of a task, of which nine bytes each
// are kept in memory.
const taskRowsMax = 1 << 30

// bindFiles finds the surveyed files among the open ones.
func (r *Reader) bindFiles() error {
	r.files = make([]*inputFile, len(r.index))
	var rows [schema.Months]int64
	for _, s := range r.task.Slices {
		if s.Month >= schema.Months && s.Month-schema.Months < len(r.d.tables) {
			continue // its events check it
		}
		if s.File < 0 || s.File >= len(r.index) || s.Month < 0 || s.Month >= schema.Months || s.First < 0 || s.Rows < 0 || s.Offset < 0 || s.Bytes < 0 {
			return fmt.Errorf("slice of file %d, month %d is outside the survey: %w", s.File, s.Month, ErrChanged)
		}
		want := r.index[s.File]
		f, err := r.d.surveyed(want)
		if err != nil {
			return err
		}
		if f.month != s.Month || s.First+s.Rows > want.Rows || f.csv != nil && f.csv.packed == nil && s.Offset+s.Bytes > want.Bytes {
			return &FileError{File: want.Path, Row: -1, Err: fmt.Errorf("a slice lies outside the file: %w", ErrChanged)}
		}
		r.files[s.File] = f
		if rows[s.Month] += s.Rows; rows[s.Month] > taskRowsMax {
			return fmt.Errorf("more than %d rows in one task; lower run.partition_rows", taskRowsMax)
		}
	}
	if rows[0] != r.task.Rows {
		return fmt.Errorf("the slices hold %d rows, the task %d: %w", rows[0], r.task.Rows, ErrChanged)
	}
	return nil
}

// slices returns the slices of one month.
func (r *Reader) slices(month int) []job.Slice {
	var out []job.Slice
	for _, s := range r.task.Slices {
		if s.Month == month {
			out = append(out, s)
		}
	}
	return out
}

// sliceKeys calls out with the keys of a slice's rows and what each is, some at a time.
func (r *Reader) sliceKeys(s job.Slice, out func(numbers []uint64, why []verdict)) (err error) {
	f := r.files[s.File]
	defer guard(f.name, &err)
	row := int64(0)
	numbers, verdicts := make([]uint64, 1), make([]verdict, 1)
	one := func(number uint64, why verdict) {
		numbers[0], verdicts[0] = number, why
		out(numbers, verdicts)
	}
	if f.csv != nil {
		base := r.madeBase(s)
		sp := f.csv.splitter()
		sp.seek(s.Offset, s.Offset+s.Bytes)
		err = csvKeys(sp, f.csv, f.key, r.d.key, func(_ int64, number uint64, why verdict) error {
			if f.key < 0 {
				number, why = madeNumber(base, row, why)
			}
			if row++; row <= s.Rows {
				one(number, why)
			}
			return nil
		})
		if err == nil && row != s.Rows {
			err = fmt.Errorf("%d rows in bytes %d to %d where the survey saw %d: %w", row, s.Offset, s.Offset+s.Bytes, s.Rows, ErrChanged)
		}
		return inFile(f.name, err)
	}
	if f.key < 0 {
		base := r.madeBase(s)
		for row < s.Rows {
			one(madeNumber(base, row, goodKey))
			row++
		}
		return nil
	}
	col := f.table.column(f.fields[f.key], nil, &r.codecs)
	defer col.close()
	col.seek(s.First)
	return inFile(f.name, col.keys(s.Rows, r.d.key, out))
}

// madeBase returns the made number of a slice's first row.
func (r *Reader) madeBase(s job.Slice) uint64 {
	base := r.d.spec.Input.MakeNumbers
	for _, f := range r.index[:s.File] { // the survey kept the order of names
		if f.Month == 0 {
			base += uint64(f.Rows)
		}
	}
	return base + uint64(s.First)
}

// keyRoom is room for the numbers of a task and what each row is.
type keyRoom struct {
	keys []uint64
	drop []job.Reason
}

// keyPool keeps room from one task to the next: of a large one it is megabytes.
var keyPool = freelist.List[keyRoom]{New: func() *keyRoom { return new(keyRoom) }}

// readKeys decides of every row of the scoring month whether its number alone
// keeps it from being scored.
func (r *Reader) readKeys() error {
	r.room = keyPool.Get()
	r.keys = slices.Grow(r.room.keys[:0], int(r.task.Rows))
	r.drop = slices.Grow(r.room.drop[:0], int(r.task.Rows))
	excluded := r.d.spec.Input.Exclude.Segments
	last := uint64(0)
	segment, segmentExcluded := partition.Segment(0), false
	disorder, outside := false, false
	for _, s := range r.slices(0) {
		err := r.sliceKeys(s, func(numbers []uint64, verdicts []verdict) {
			at := len(r.drop)
			r.keys = append(r.keys, numbers...)
			r.drop = append(r.drop, make([]job.Reason, len(numbers))...)
			drop, sum := r.drop[at:], r.sum
			for i := 0; i < len(numbers); i++ {
				// Most rows only go on with the last: in order, of its segment.
				from := i
				for past := uint64(segment.Past()); i < len(numbers) && !segmentExcluded && verdicts[i] == goodKey && numbers[i] > last && numbers[i] < past; i++ {
					last = numbers[i]
				}
				sum = sum.Add(partition.SumOf(numbers[from:i]))
				outside = outside || last > 0 && !r.task.Range.Contains(partition.Number(last))
				if i == len(numbers) {
					break
				}
				if why := verdicts[i]; why != goodKey {
					drop[i] = why.reason()
					continue
				}
				number := numbers[i]
				n := partition.Number(number)
				sum = sum.AddNumber(n)
				disorder = disorder || number < last
				outside = outside || !r.task.Range.Contains(n)
				if seg := n.Segment(); seg != segment {
					segment, segmentExcluded = seg, slices.Contains(excluded, uint32(seg))
				}
				switch {
				case segmentExcluded:
					drop[i] = job.ExcludedSegment
				case number == last:
					drop[i] = job.RepeatedNumber
				}
				last = number
			}
			r.sum = sum
		})
		if err != nil {
			return err
		}
	}
	switch {
	case int64(len(r.keys)) != r.task.Rows:
		return fmt.Errorf("%d rows were read, the survey counted %d: %w", len(r.keys), r.task.Rows, ErrChanged)
	case disorder:
		return fmt.Errorf("numbers are out of order: %w", ErrChanged)
	case outside:
		return fmt.Errorf("a number lies outside the partition: %w", ErrChanged)
	case r.sum != r.task.Keys:
		return fmt.Errorf("the numbers are not the ones surveyed: %w", ErrChanged)
	}
	return nil
}

// bindColumns makes the outputs, and the streams that fill them.
func (r *Reader) bindColumns() error {
	want := slices.Clone(r.names)
	if len(r.d.spec.Input.Exclude.ServiceTypes) > 0 && !slices.Contains(want, serviceType) {
		r.hidden = len(want)
		want = append(want, serviceType)
	}
	var fields []arrow.Field
	extras := false
	for i, name := range want {
		if slices.Contains(want[:i], name) {
			return fmt.Errorf("column %s is asked for twice", name)
		}
		o := output{col: r.d.columns[name]}
		switch {
		case name == schema.Key:
			o.key, o.col = true, &column{name: name, typ: arrow.PrimitiveTypes.Uint64}
			o.vec = newVector(o.col.typ, r.rows, r.alloc)
		case o.col == nil:
			return fmt.Errorf("no column %s: neither canonical nor listed in extra", name)
		case o.col.field != "":
			o.vec = newVector(o.col.typ, r.rows, r.alloc)
		default:
			o.fixed = r.fixed(o.col)
		}
		r.out = append(r.out, o)
		if i == r.hidden {
			r.service = o.vec
			break
		}
		if name == serviceType && len(r.d.spec.Input.Exclude.ServiceTypes) > 0 {
			r.service = o.vec
		}
		extra := o.col.typ.ID() == arrow.FLOAT64
		if extras && !extra {
			return fmt.Errorf("column %s: canonical columns come before extra ones", name)
		}
		extras = extra
		fields = append(fields, arrow.Field{Name: name, Type: o.col.typ, Nullable: !extra})
	}
	r.schema = arrow.NewSchema(fields, nil)
	r.months = make([]*stream, schema.Months)
	for _, o := range r.out {
		if o.vec == nil || o.key || o.col.long != nil {
			continue
		}
		s := r.months[o.col.month]
		if s == nil {
			s = &stream{r: r, month: o.col.month, slices: r.slices(o.col.month)}
			r.months[o.col.month] = s
		}
		s.cols = append(s.cols, o.col)
		s.out = append(s.out, o.vec)
	}
	return nil
}

// fixed returns the array of a column that no file holds. Absent columns of one
// type share one.
func (r *Reader) fixed(c *column) arrow.Array {
	if c.constant == nil {
		for _, o := range r.out {
			if o.fixed != nil && o.col.constant == nil && o.col.typ.ID() == c.typ.ID() {
				o.fixed.Retain()
				return o.fixed
			}
		}
	}
	v := newVector(c.typ, r.rows, r.alloc)
	defer v.release()
	for i := range r.rows {
		if c.constant != nil {
			v.setInt(i, *c.constant)
		} else {
			v.setNull(i)
		}
	}
	a := v.array(r.rows)
	a.Retain()
	return a
}

// joinMonths finds, for every row to be scored, its row in each earlier month.
func (r *Reader) joinMonths() error {
	for k, s := range r.months {
		if k == 0 || s == nil {
			continue
		}
		s.rowOf = make([]int32, len(r.keys))
		for i := range s.rowOf {
			s.rowOf[i] = -1
		}
		i, row := 0, int32(0)
		last := uint64(0)
		disorder := false
		for _, sl := range s.slices {
			err := r.sliceKeys(sl, func(numbers []uint64, verdicts []verdict) {
				for j, number := range numbers {
					here := row
					row++
					if verdicts[j] != goodKey || number == last {
						continue // of a repeated number the first row counts
					}
					disorder = disorder || number < last
					last = number
					for i < len(r.keys) && (r.drop[i] != 0 || r.keys[i] < number) {
						i++
					}
					if i < len(r.keys) && r.keys[i] == number {
						s.rowOf[i] = here
						i++
					}
				}
			})
			if err != nil {
				return err
			}
		}
		if disorder {
			return fmt.Errorf("numbers of month %d are out of order: %w", job.MonthBack(r.d.spec.Month, k), ErrChanged)
		}
		for _, v := range s.out {
			s.scratch = append(s.scratch, newVector(v.typ, r.rows, r.alloc))
		}
	}
	return nil
}

// Code has the batches from now on bring some of their columns by dictionary in place
// of values (Batch.Coded): those columns that may come so, of the ones asked for, where
// they are extra ones. It saves fetching each row's value.
func (r *Reader) Code(may []bool) {
	for i, coded := range may {
		if v := r.out[i].vec; v != nil {
			v.wanted = coded
		}
	}
}

// Same says of each column asked for whether every row of every batch holds the same:
// null, where the input lacks it, or a constant of the job.
func (r *Reader) Same() []bool {
	same := make([]bool, r.schema.NumFields())
	for i := range same {
		same[i] = r.out[i].fixed != nil
	}
	return same
}

// Schema returns the schema of every batch's record.
func (r *Reader) Schema() *arrow.Schema { return r.schema }

// Counts returns the outcomes of the rows delivered so far; Scored counts the
// rows that were handed out to be scored. After the last batch In is the
// task's Rows, less those that Split has given away.
func (r *Reader) Counts() job.Counts { return r.counts }

// Keys returns the sum over all valid numbers of the task, duplicates counted.
func (r *Reader) Keys() partition.Sum { return r.sum }

// Next returns the next batch, or io.EOF after the last row. The batch belongs
// to the reader and is valid until the next call of Next or Close. After an
// error Next returns the same error again.
func (r *Reader) Next(ctx context.Context) (*Batch, error) {
	if r.err != nil {
		return nil, r.err
	}
	b, err := r.read(ctx)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			err = fmt.Errorf("read partition %s: %w", r.task.Range, err)
		}
		r.err = err
		return nil, err
	}
	return b, nil
}

func (r *Reader) read(ctx context.Context) (*Batch, error) {
	n := min(r.rows, r.past-r.next)
	if n <= 0 {
		for _, s := range r.months {
			if err := s.finish(); err != nil {
				return nil, err
			}
		}
		for _, e := range r.events {
			if err := e.finish(ctx); err != nil {
				return nil, err
			}
		}
		if r.counts.In != int64(r.past-r.first) || !r.counts.Conserved() {
			return nil, corrupt("%d rows were delivered of %d", r.counts.In, r.past-r.first)
		}
		return nil, io.EOF
	}
	b := &r.batch
	b.Len, b.Key, b.Drop, b.Bad = n, r.keys[r.next:r.next+n], nil, nil
	b.faults, b.Rejects = b.faults[:0], b.Rejects[:0]
	drop := r.drop[r.next : r.next+n]
	for _, s := range r.months {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := s.fill(r.next, n, drop, b); err != nil {
			return nil, err
		}
	}
	for _, e := range r.events {
		if err := e.fill(ctx, r.next, n, b); err != nil {
			return nil, err
		}
	}
	r.exclude(drop)
	r.promote(drop, b)
	r.describe(drop, b)
	r.assemble(n)
	b.Record, b.Coded = r.record, r.coded
	r.next += n
	return b, nil
}

// Eight reasons are looked at as eight bytes.
var _ [1]byte = [unsafe.Sizeof(job.Reason(0))]byte{}

// nextDrop returns the first row from i on that is dropped, or past the last one: few are.
func nextDrop(drop []job.Reason, i int) int {
	for ; i+8 <= len(drop); i += 8 {
		if binary.LittleEndian.Uint64(unsafe.Slice((*byte)(unsafe.Pointer(&drop[i])), 8)) != 0 {
			break
		}
	}
	for i < len(drop) && drop[i] == 0 {
		i++
	}
	return i
}

// exclude drops the rows of excluded service types: declared policy comes
// before a value that cannot be read.
func (r *Reader) exclude(drop []job.Reason) {
	if r.service == nil {
		return
	}
	types := lanes[uint8](r.service)
	for i := range drop {
		if (drop[i] == 0 || drop[i] == job.BadValue) && !r.service.isNull(i) && slices.Contains(r.d.spec.Input.Exclude.ServiceTypes, uint32(types[i])) {
			drop[i] = job.ExcludedService
		}
	}
}

// promote keeps a repeated row whose number no earlier row was kept for, because
// they all held values that cannot be read: a subscriber is not lost to the first
// of two rows when the second is sound.
func (r *Reader) promote(drop []job.Reason, b *Batch) {
	for i := nextDrop(drop, 0); i < len(drop); i = nextDrop(drop, i+1) {
		if drop[i] != job.RepeatedNumber {
			continue
		}
		at := r.next + i
		j := at - 1
		for j >= 0 && (r.keys[j] == 0 || r.keys[j] == r.keys[at] && r.drop[j] == job.BadValue) {
			j--
		}
		if j >= 0 && r.keys[j] == r.keys[at] {
			continue // that row stands for the subscriber
		}
		drop[i] = 0
		if slices.ContainsFunc(b.faults, func(f Reject) bool { return f.at == i }) {
			drop[i] = job.BadValue
		}
	}
}

// describe counts the batch's rows and lists the rejected ones and duplicates,
// one line a row: the first field at fault, in the order of the columns.
func (r *Reader) describe(drop []job.Reason, b *Batch) {
	slices.SortStableFunc(b.faults, func(x, y Reject) int { return cmp.Compare(x.at, y.at) })
	faults := b.faults
	scored := int64(len(drop))
	for i := nextDrop(drop, 0); i < len(drop); i = nextDrop(drop, i+1) {
		reason := drop[i]
		scored--
		b.Drop = drop
		line := Reject{Field: r.d.keyName, Reason: reason}
		switch reason {
		case job.IoTNumber, job.ExcludedSegment, job.ExcludedService:
			r.counts.Excluded++
			continue
		case job.RepeatedNumber:
			r.counts.Duplicate++
		case job.BadWidth:
			r.counts.Rejected++
			line.Field = "" // no field in particular
		case job.BadValue:
			r.counts.Rejected++
			for faults[0].at < i {
				faults = faults[1:]
			}
			line = faults[0]
			line.at = 0
			b.Rejects = append(b.Rejects, line)
			continue
		default:
			r.counts.Rejected++
		}
		line.File, line.Row = r.place(r.next + i)
		b.Rejects = append(b.Rejects, line)
	}
	r.counts.In += int64(len(drop))
	r.counts.Scored += scored
}

// place returns the file and row of row i of the task.
func (r *Reader) place(i int) (file string, row int64) {
	at := int64(i)
	for _, s := range r.task.Slices {
		if s.Month != 0 {
			continue
		}
		if at < s.Rows {
			return r.index[s.File].Path, s.First + at
		}
		at -= s.Rows
	}
	return "", -1
}

// assemble makes the record of n rows, or keeps the last one when no column's
// array changed.
func (r *Reader) assemble(n int) {
	alike := r.record != nil && r.record.NumRows() == int64(n) // the last one is as long
	same := alike
	for i := range r.out {
		if i == r.hidden {
			break
		}
		o := &r.out[i]
		if i == len(r.arrays) {
			r.arrays, r.coded = append(r.arrays, nil), append(r.coded, nil)
		}
		var a arrow.Array
		switch {
		case o.vec != nil:
			if o.key {
				r.keyVector(o.vec, n)
			}
			if r.coded[i] = nil; len(o.vec.coded.Runs) > 0 {
				r.coded[i] = &o.vec.coded
			}
			if a = o.vec.array(n); a == r.arrays[i] {
				continue
			}
			a.Retain()
		case alike:
			continue
		default:
			a = array.NewSlice(o.fixed, 0, int64(n))
		}
		if r.arrays[i] != nil {
			r.arrays[i].Release()
		}
		r.arrays[i], same = a, false
	}
	if same {
		return
	}
	if r.record != nil {
		r.record.Release()
	}
	r.record = array.NewRecord(r.schema, r.arrays, int64(n))
}

func (r *Reader) keyVector(v *vector, n int) {
	v.begin()
	out := lanes[uint64](v)
	for i, k := range r.keys[r.next : r.next+n] {
		out[i] = k
		if k == 0 {
			v.setNull(i)
		}
	}
}

// Close returns all memory. The last batch is no longer valid.
func (r *Reader) Close() error {
	if r.record != nil {
		r.record.Release()
		r.record = nil
	}
	for _, a := range r.arrays {
		a.Release()
	}
	for _, o := range r.out {
		if o.vec != nil {
			o.vec.release()
		}
		if o.fixed != nil {
			o.fixed.Release()
		}
	}
	for _, s := range slices.Backward(r.months) {
		if s == nil {
			continue
		}
		for _, v := range s.scratch {
			v.release()
		}
		s.closeParts()
	}
	for _, e := range r.events {
		e.close()
	}
	r.arrays, r.out, r.months, r.events = nil, nil, nil, nil
	if r.room != nil {
		r.room.keys, r.room.drop = r.keys, r.drop
		keyPool.Put(r.room)
		r.keys, r.drop, r.room = nil, nil, nil
	}
	r.codecs.close()
	if r.err == nil {
		r.err = errors.New("the reader is closed")
	}
	return nil
}
