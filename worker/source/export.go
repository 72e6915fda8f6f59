package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"golang.org/x/sync/errgroup"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/partition/store"
	"rescore/worker/intake"
)

// Export is the input of a preparation, found and opened: files in any order, with the
// same columns, of which none is read as anything but itself. It is safe for concurrent
// use.
type Export struct {
	d       *Dataset
	numbers intake.Numbers
	load    intake.Load
	fields  []intake.Field // as they are written; the number's first, then as in the first file
	cast    []string       // by field: its Prepare.Types
	at      [][]int        // by file, then field: index of the file's field
	keyKind kind           // of the numbers, in every file
	loadAt  int            // index of the load's field, -1 for none
}

// OpenExport finds the input of a preparation in st, as Open does for another job's.
func OpenExport(ctx context.Context, st store.Store, spec job.Spec) (e *Export, err error) {
	e = &Export{
		d:       &Dataset{spec: spec, st: st, byPath: map[string]*inputFile{}},
		numbers: intake.Numbers{IoT: spec.Input.Exclude.IoT, Nulls: nullTokens(spec.Input)},
		load:    intake.Load{Layout: spec.Prepare.LoadFormat},
		loadAt:  -1,
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.d.Close())
			e = nil
		}
	}()
	if err := e.d.findFiles(ctx); err != nil {
		return e, err
	}
	return e, e.resolve()
}

// Close closes the files.
func (e *Export) Close() error { return e.d.Close() }

// Fingerprint identifies the input quickly, as Dataset.Fingerprint does.
func (e *Export) Fingerprint(ctx context.Context) (string, error) { return e.d.Fingerprint(ctx) }

// Fields returns the columns that are written, the number's first.
func (e *Export) Fields() []intake.Field { return e.fields }

// Columns names the columns that are written, with their types.
func (e *Export) Columns() []string {
	list := make([]string, len(e.fields))
	for i, f := range e.fields {
		list[i] = fmt.Sprintf("%s %s %x", f.Name, f.Type, f.Meaning)
	}
	return list
}

// resolve finds the columns of every file, and refuses what cannot be kept.
func (e *Export) resolve() error {
	spec := e.d.spec
	number := spec.Input.Number()
	var problems []string
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for i, f := range e.d.files {
		fields, err := f.kept()
		if err != nil {
			return inFile(f.name, err)
		}
		if i == 0 {
			e.take(f, fields, number, problem)
			if len(problems) > 0 {
				break
			}
		}
		at := make([]int, len(e.fields))
		for k, want := range e.fields {
			n, ok := f.byName[want.Name]
			switch {
			case !ok:
				problem("%s has no column %q, which %s has", f.name, want.Name, e.d.files[0].name)
			case k > 0 && e.cast[k] == "" && (fields[n].Type != want.Type || fields[n].Meaning != want.Meaning),
				k == 0 && f.fields[n].kind != e.keyKind:
				problem("column %q of %s is of another type than that of %s", want.Name, f.name, e.d.files[0].name)
			}
			at[k] = n
		}
		for name := range f.byName {
			if !slices.ContainsFunc(e.fields, func(x intake.Field) bool { return x.Name == name }) {
				problem("%s has a column %q, which %s has not", f.name, name, e.d.files[0].name)
			}
		}
		f.key = at[0]
		e.at = append(e.at, at)
	}
	if len(problems) > 0 {
		const most = 10
		slices.Sort(problems)
		more := ""
		if len(problems) > most {
			more = fmt.Sprintf("; and %d more", len(problems)-most)
			problems = problems[:most]
		}
		return fmt.Errorf("%s%s: %w", strings.Join(problems, "; "), more, ErrMapping)
	}
	return nil
}

// take makes the columns of the first file those that are written.
func (e *Export) take(f *inputFile, fields []intake.Field, number string, problem func(string, ...any)) {
	key, ok := f.byName[number]
	if !ok {
		problem("there is no column %q of numbers; name it under input.columns.%s", number, schema.Key)
		return
	}
	switch kind := f.fields[key].kind; kind {
	case kindText, kindI64, kindF64:
	default:
		problem("column %q is of type %s, which holds no numbers; write it as text or a 64-bit integer", number, kind)
	}
	p := e.d.spec.Prepare
	e.fields = []intake.Field{{Name: number, Type: intake.Int64, Meaning: meaning(format.SchemaElement{Type: thrift.New(format.Int64)})}}
	e.cast = []string{""}
	e.keyKind = f.fields[key].kind
	for i, fd := range fields {
		if i == key {
			continue
		}
		cast := p.Types[fd.Name]
		if cast != "" && fd.Type != intake.ByteArray {
			problem("prepare.types: column %q is a %s already", fd.Name, fd.Type)
		}
		switch cast {
		case job.TypeInt64:
			fd.Type, fd.Meaning = intake.Int64, meaning(format.SchemaElement{Type: thrift.New(format.Int64)})
		case job.TypeFloat64:
			fd.Type, fd.Meaning = intake.Double, meaning(format.SchemaElement{Type: thrift.New(format.Double)})
		}
		if fd.Name == p.Load {
			e.loadAt = len(e.fields)
		}
		e.fields, e.cast = append(e.fields, fd), append(e.cast, cast)
	}
	if p.Load != "" && e.loadAt < 0 {
		problem("there is no column %q, which prepare.load names", p.Load)
	}
	for name := range p.Types {
		if _, ok := f.byName[name]; !ok {
			problem("there is no column %q, which prepare.types names", name)
		}
	}
}

// kept returns what the columns of a file are written as.
func (f *inputFile) kept() ([]intake.Field, error) {
	list := make([]intake.Field, len(f.fields))
	if f.csv != nil {
		text := format.SchemaElement{
			Type:          thrift.New(format.ByteArray),
			ConvertedType: thrift.New(deprecated.UTF8), // for readers of before 2018
			LogicalType:   format.LogicalType{Value: new(format.StringType)},
		}
		for i, fd := range f.fields {
			list[i] = intake.Field{Name: fd.name, Type: intake.ByteArray, Meaning: meaning(text)}
		}
		return list, nil
	}
	for _, fd := range f.fields {
		if fd.refused != "" {
			return nil, fmt.Errorf("column %q cannot be kept: %s: %w", fd.name, fd.refused, ErrMapping)
		}
	}
	elements, err := f.table.elements()
	if err != nil {
		return nil, err
	}
	for i, fd := range f.fields {
		element := elements[i] // no column is nested: a refused one is the first that is
		types := map[format.Type]intake.Type{
			format.Boolean: intake.Boolean, format.Int32: intake.Int32, format.Int64: intake.Int64, format.Float: intake.Float,
			format.Double: intake.Double, format.ByteArray: intake.ByteArray,
		}
		t, ok := types[element.Type.V]
		if !ok || element.Name != fd.name {
			return nil, fmt.Errorf("column %q cannot be kept: %s is not written; write it as TIMESTAMP, a number or text: %w", fd.name, element.Type.V, ErrMapping)
		}
		list[i] = intake.Field{Name: fd.name, Type: t, Meaning: meaning(element)}
	}
	return list, nil
}

// meaning encodes what a schema element says but its name and place.
func meaning(e format.SchemaElement) string {
	e = format.SchemaElement{Type: e.Type, ConvertedType: e.ConvertedType, LogicalType: e.LogicalType, Scale: e.Scale, Precision: e.Precision}
	b, err := thrift.Marshal(new(thrift.CompactProtocol), &e)
	if err != nil {
		panic(fmt.Sprintf("source: encode a schema element: %v", err)) // it was decoded before
	}
	return string(b)
}

// intakeRows is how many rows a chunk holds: tasks are made of chunks.
const intakeRows = 4096

// counts are rows by segment.
type counts struct {
	first partition.Segment
	rows  []int64
}

func newCounts() *counts {
	first := partition.FirstNumber.Segment()
	return &counts{first: first, rows: make([]int64, (partition.PastNumber-1).Segment()-first+1)}
}

// Survey reads the number of every row, in up to workers goroutines. It counts rows by
// segment and says where the files can be cut. It returns ErrControl for a file that is
// not what its control file says.
func (e *Export) Survey(ctx context.Context, workers int, progress func(rowsSoFar int64)) (job.Intake, error) {
	var mu sync.Mutex
	var done int64
	total := newCounts()
	chunks := make([][][]job.Chunk, len(e.d.files)) // by file, then piece
	files := make([]job.InputFile, len(e.d.files))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(max(workers, 1))
	for i, f := range e.d.files {
		units := []int64{0} // rows; of CSV not known
		if f.table != nil {
			units = f.table.pieces()
		}
		chunks[i] = make([][]job.Chunk, len(units))
		first := int64(0)
		for g, rows := range units {
			slice := job.Slice{File: i, First: first, Rows: rows}
			first += rows
			if f.csv != nil {
				slice.Offset = f.csv.first
			}
			group.Go(func() (err error) {
				s := scanning{by: newCounts(), report: func(rows int64) {
					mu.Lock()
					defer mu.Unlock()
					done += rows
					progress(done)
				}}
				if f.table != nil {
					err = s.table(gctx, f, slice, e.numbers)
				} else {
					err = s.csv(gctx, f, slice, e.numbers)
				}
				chunks[i][g] = s.chunks
				mu.Lock()
				defer mu.Unlock()
				for k, n := range s.by.rows {
					total.rows[k] += n
				}
				return inFile(f.name, err)
			})
		}
	}
	for i, f := range e.d.files {
		e.d.digest(gctx, group, f, e.d.spec.Input.Digest, &files[i])
	}
	if err := group.Wait(); err != nil {
		return job.Intake{}, err
	}
	found := job.Intake{Columns: e.Columns()}
	for i, f := range e.d.files {
		in := files[i]
		in.Path, in.Bytes = f.name, f.obj.Size()
		for _, list := range chunks[i] {
			for _, c := range list {
				in.Rows += c.Rows
			}
			found.Chunks = append(found.Chunks, list...)
		}
		found.Files = append(found.Files, in)
	}
	for k, n := range total.rows {
		if n > 0 {
			found.Segments = append(found.Segments, job.SegmentRows{Segment: total.first + partition.Segment(k), Rows: n})
		}
	}
	return found, e.d.controlled(ctx, found.Files, workers)
}

// scanning is the survey of a CSV file or of a piece of a table.
type scanning struct {
	by     *counts
	chunks []job.Chunk
	report func(rows int64)
}

// add counts a row, which starts at byte off.
func (s *scanning) add(start job.Slice, off int64, n partition.Number, why job.Reason) {
	k := len(s.chunks) - 1
	if k < 0 || s.chunks[k].Rows == intakeRows {
		next := job.Chunk{Slice: job.Slice{File: start.File, First: start.First, Offset: off}}
		if k >= 0 {
			s.chunks[k].Bytes = off - s.chunks[k].Offset
			next.First = s.chunks[k].First + s.chunks[k].Rows
			s.report(intakeRows)
		}
		s.chunks = append(s.chunks, next)
		k++
	}
	c := &s.chunks[k]
	c.Rows++
	if why == 0 {
		c.Keys = c.Keys.AddNumber(n)
		s.by.rows[n.Segment()-s.by.first]++
	}
}

// end ends the last chunk at byte off.
func (s *scanning) end(off int64) {
	if k := len(s.chunks) - 1; k >= 0 {
		s.chunks[k].Bytes = off - s.chunks[k].Offset
		s.report(s.chunks[k].Rows)
	}
}

func (s *scanning) csv(ctx context.Context, f *inputFile, start job.Slice, rule intake.Numbers) error {
	size, err := f.csv.size(ctx)
	if err != nil {
		return err
	}
	sp := f.csv.splitter()
	sp.seek(start.Offset, size)
	text := decoded{text: f.csv.dialect.text}
	for row := 0; ; row++ {
		switch err := sp.next(); {
		case errors.Is(err, io.EOF):
			s.end(size)
			return nil
		case err != nil:
			return err
		}
		if row%intakeRows == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		n, why := partition.Number(0), job.BadWidth
		if sp.width() == len(f.fields) {
			n, why = rule.Text(text.utf8(sp.cell(f.key)))
		}
		s.add(start, sp.start, n, why)
	}
}

func (s *scanning) table(ctx context.Context, f *inputFile, slice job.Slice, rule intake.Numbers) (err error) {
	defer guard(f.name, &err)
	var c codecs
	defer c.close()
	col := f.table.column(f.fields[f.key], nil, &c)
	defer col.close()
	col.seek(slice.First)
	var v cells
	for left := slice.Rows; left > 0; {
		n := int(min(left, intakeRows))
		if err := col.cells(n, &v); err != nil {
			return err
		}
		for i := range n {
			number, why := numberIn(f.fields[f.key].kind, &v, i, rule)
			s.add(slice, 0, number, why)
		}
		if left -= int64(n); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	s.end(0)
	return col.finish()
}

// numberIn reads the number in row i of a column.
func numberIn(k kind, v *cells, i int, rule intake.Numbers) (partition.Number, job.Reason) {
	switch {
	case v.null[i]:
		return 0, job.NullKey
	case k == kindText:
		return rule.Text(v.text(i))
	case k == kindF64:
		return rule.Float(math.Float64frombits(v.fixed[i]))
	}
	return rule.Integer(int64(v.fixed[i]))
}

// Reading is what became of the rows of a task.
type Reading struct {
	Rows      int64
	Keys      partition.Sum // of the rows with a number, whatever else is wrong with them
	BadValues int64         // texts with bytes that are no text, which were replaced
}

// Read calls keep with every row of some slices that has a number and whose values can
// be read, and reject with every other. Rows are valid until keep returns.
func (e *Export) Read(ctx context.Context, slices []job.Slice, files []job.InputFile, keep func(*intake.Row) error, reject func(Reject) error) (Reading, error) {
	if err := e.d.Check(files); err != nil {
		return Reading{}, err
	}
	r := exportReader{e: e, keep: keep, reject: reject}
	defer r.codecs.close()
	for _, s := range slices {
		if s.File < 0 || s.File >= len(files) || s.File >= len(e.d.files) || e.d.files[s.File].name != files[s.File].Path {
			return r.Reading, fmt.Errorf("slice of file %d is outside the survey: %w", s.File, ErrChanged)
		}
		f := e.d.files[s.File]
		size := int64(math.MaxInt64)
		if f.csv != nil {
			var err error
			if size, err = f.csv.size(ctx); err != nil {
				return r.Reading, inFile(f.name, err)
			}
		}
		if s.First < 0 || s.Rows < 0 || s.First+s.Rows > files[s.File].Rows || s.Offset < 0 || s.Bytes < 0 || s.Offset > size-s.Bytes {
			return r.Reading, &FileError{File: f.name, Row: -1, Err: fmt.Errorf("a slice lies outside the file: %w", ErrChanged)}
		}
		var err error
		if f.table != nil {
			err = r.table(ctx, f, s)
		} else {
			err = r.csv(ctx, f, s)
		}
		if err != nil {
			return r.Reading, inFile(f.name, err)
		}
	}
	r.BadValues = r.text.broken
	return r.Reading, nil
}

// exportReader reads the slices of one task.
type exportReader struct {
	Reading
	e      *Export
	keep   func(*intake.Row) error
	reject func(Reject) error
	codecs codecs
	row    intake.Row
	cells  intake.Cells
	load   []byte
	text   decoded
	cut    cutter
	zero   bool // there may be zero bytes in the row
	high   bool // not all of it need be ASCII
}

// refuse rejects a row.
func (r *exportReader) refuse(f *inputFile, row int64, field int, why job.Reason) error {
	return r.reject(Reject{File: f.name, Row: row, Field: f.fields[field].name, Reason: why})
}

func (r *exportReader) csv(ctx context.Context, f *inputFile, s job.Slice) error {
	sp := f.csv.splitter()
	sp.seek(s.Offset, s.Offset+s.Bytes)
	r.text.text = f.csv.dialect.text
	at := r.e.at[s.File]
	for i := range s.Rows {
		switch err := sp.next(); {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%d rows in bytes %d to %d where the survey saw %d: %w", i, s.Offset, s.Offset+s.Bytes, s.Rows, ErrChanged)
		case err != nil:
			return err
		}
		if i%intakeRows == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		r.Rows++
		row := s.First + i
		if sp.width() != len(f.fields) {
			if err := r.reject(Reject{File: f.name, Row: row, Reason: job.BadWidth}); err != nil {
				return err
			}
			continue
		}
		values := r.cut.cut(sp, f)
		r.zero, r.high = sp.zero || sp.apart, sp.high || sp.apart
		n, why := r.e.numbers.Text(r.text.utf8(values[at[0]]))
		if why != 0 {
			if err := r.refuse(f, row, at[0], why); err != nil {
				return err
			}
			continue
		}
		r.Keys = r.Keys.AddNumber(n)
		bad := r.textRow(values, at)
		if bad >= 0 {
			if err := r.refuse(f, row, at[bad], job.BadValue); err != nil {
				return err
			}
			continue
		}
		r.row = intake.Row{Number: n, File: uint32(s.File), Row: row, Load: r.load, Cells: r.cells.Encoded()}
		if err := r.keep(&r.row); err != nil {
			return err
		}
	}
	if err := sp.next(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("more rows in bytes %d to %d than the survey saw: %w", s.Offset, s.Offset+s.Bytes, errors.Join(err, ErrChanged))
	}
	return nil
}

// textRow makes a row of texts, and returns the field that cannot be read, -1 for none.
func (r *exportReader) textRow(values [][]byte, at []int) (bad int) {
	r.cells.Begin(len(r.e.fields) - 1)
	r.load = r.load[:0]
	for k := 1; k < len(at); k++ {
		value := values[at[k]]
		ok := true
		switch {
		case r.null(value):
			r.cells.Null()
		case r.zero && containsZero(value):
			return k
		case r.e.cast[k] != "":
			ok = r.number(r.e.cast[k], value)
		case r.high:
			r.cells.Bytes(r.text.utf8(value))
		default:
			r.cells.Bytes(value)
		}
		if ok && k == r.e.loadAt && !r.null(value) {
			r.load, ok = r.e.load.Text(r.load, value)
		}
		if !ok {
			return k
		}
	}
	return -1
}

func (r *exportReader) null(value []byte) bool {
	for _, null := range r.e.numbers.Nulls {
		if string(value) == null {
			return true
		}
	}
	return false
}

// number adds a text as the number that it is.
func (r *exportReader) number(cast string, value []byte) bool {
	text := trim(value)
	if len(text) == 0 {
		r.cells.Null()
		return true
	}
	s := unsafe.String(unsafe.SliceData(text), len(text))
	if cast == job.TypeInt64 {
		v, err := strconv.ParseInt(s, 10, 64)
		r.cells.Fixed(uint64(v), 8)
		return err == nil
	}
	v, err := strconv.ParseFloat(s, 64)
	r.cells.Fixed(math.Float64bits(v), 8)
	return err == nil && v-v == 0 && decimalText(text)
}

func (r *exportReader) table(ctx context.Context, f *inputFile, s job.Slice) (err error) {
	defer guard(f.name, &err)
	at := r.e.at[s.File]
	columns := make([]tableColumn, len(at))
	defer func() {
		for _, c := range columns {
			if c != nil {
				c.close()
			}
		}
	}()
	for k, i := range at {
		columns[k] = f.table.column(f.fields[i], nil, &r.codecs)
		columns[k].seek(s.First)
	}
	const batch = 512
	values := make([]cells, len(at))
	for row := s.First; row < s.First+s.Rows; {
		n := int(min(batch, s.First+s.Rows-row))
		for k, c := range columns {
			if err := c.cells(n, &values[k]); err != nil {
				return err
			}
		}
		for i := range n {
			if err := r.fileRow(f, s.File, row+int64(i), values, i); err != nil {
				return err
			}
		}
		if row += int64(n); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	for _, c := range columns {
		if err := c.finish(); err != nil {
			return err
		}
	}
	return nil
}

// fileRow makes a row of row i of a batch.
func (r *exportReader) fileRow(f *inputFile, file int, row int64, values []cells, i int) error {
	at := r.e.at[file]
	r.Rows++
	n, why := numberIn(f.fields[at[0]].kind, &values[0], i, r.e.numbers)
	if why != 0 {
		return r.refuse(f, row, at[0], why)
	}
	r.Keys = r.Keys.AddNumber(n)
	r.cells.Begin(len(at) - 1)
	r.load = r.load[:0]
	for k := 1; k < len(at); k++ {
		v := &values[k]
		ok := true
		t := r.e.fields[k].Type
		switch {
		case v.null[i]:
			r.cells.Null()
		case r.e.cast[k] != "":
			if r.null(v.text(i)) {
				r.cells.Null()
				break
			}
			ok = r.number(r.e.cast[k], v.text(i))
		case t == intake.ByteArray:
			r.cells.Bytes(v.text(i))
		default:
			r.cells.Fixed(v.fixed[i], t.Width())
		}
		if ok && k == r.e.loadAt && !v.null[i] {
			switch f.fields[at[k]].kind {
			case kindText:
				if !r.null(v.text(i)) {
					r.load, ok = r.e.load.Text(r.load, v.text(i))
				}
			case kindF32:
				r.load = r.e.load.Float(r.load, float64(math.Float32frombits(uint32(v.fixed[i]))))
			case kindF64:
				r.load = r.e.load.Float(r.load, math.Float64frombits(v.fixed[i]))
			case kindI64, kindStamp:
				r.load = r.e.load.Integer(r.load, int64(v.fixed[i]))
			default:
				r.load = r.e.load.Integer(r.load, int64(int32(v.fixed[i])))
			}
		}
		if !ok {
			return r.refuse(f, row, at[k], job.BadValue)
		}
	}
	r.row = intake.Row{Number: n, File: uint32(file), Row: row, Load: r.load, Cells: r.cells.Encoded()}
	return r.keep(&r.row)
}

// cells are values of one column as they are in the file, row by row.
type cells struct {
	null  []bool
	fixed []uint64 // the value's bits; of text nothing
	end   []uint32 // of text, in data
	data  []byte
}

// text returns the text of row i.
func (v *cells) text(i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = v.end[i-1]
	}
	return v.data[from:v.end[i]]
}

// cells reads the next n rows.
func (c *parquetColumn) cells(n int, v *cells) (err error) {
	defer store.Faults(debug.SetPanicOnFault(true), &err, errCut)
	v.null, v.fixed, v.end, v.data = v.null[:0], v.fixed[:0], v.end[:0], v.data[:0]
	for n > 0 {
		if err := c.advance(); err != nil {
			return err
		}
		k := min(n, c.pages.rows-c.pages.pos)
		if err := c.pageCells(k, v); err != nil {
			return fmt.Errorf("column %s, row group %d: %w", c.field.name, c.group, err)
		}
		c.pages.pos += k
		n -= k
	}
	return nil
}

// pageCells is cells of n rows of the current page.
func (c *parquetColumn) pageCells(n int, v *cells) error {
	p := &c.pages
	set := n
	if p.levels != nil {
		set = countBits(p.levels, p.pos, n)
	}
	float, text := c.field.kind == kindF32 || c.field.kind == kindF64, c.field.kind == kindText
	var index []uint32
	var ints []int64
	var floats []float64
	from := p.dense // of strings
	switch {
	case p.coded():
		index = grow(&p.codecs.codes, set)
		if err := p.codes(index); err != nil {
			return err
		}
	case text:
		p.dense += set
	case float:
		floats = grow(&p.codecs.values.floats, set)
		p.floats(floats)
	default:
		ints = grow(&p.codecs.values.ints, set)
		if err := p.ints(ints); err != nil {
			return err
		}
	}
	j := 0
	for i := range n {
		there := p.levels == nil || bit(p.levels, p.pos+i)
		x := uint64(0)
		if there {
			switch {
			case text && index != nil:
				v.data = append(v.data, p.dict.txt.at(int(index[j]))...)
			case text:
				v.data = append(v.data, p.txt.at(from+j)...)
			case float && index != nil:
				x = floatBits(c.field.kind, p.dict.floats[index[j]])
			case float:
				x = floatBits(c.field.kind, floats[j])
			case index != nil:
				x = uint64(p.dict.ints[index[j]])
			default:
				x = uint64(ints[j])
			}
			j++
		}
		v.null, v.fixed, v.end = append(v.null, !there), append(v.fixed, x), append(v.end, uint32(len(v.data)))
	}
	return nil
}

// floatBits returns the bits that a value has in the file.
func floatBits(k kind, x float64) uint64 {
	if k == kindF32 {
		return uint64(math.Float32bits(float32(x)))
	}
	return math.Float64bits(x)
}
