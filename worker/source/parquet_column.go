package source

import (
	"errors"
	"fmt"
	"io"
	"math"
	"runtime/debug"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition"
	"rescore/partition/store"
	"rescore/worker/freelist"
	"rescore/worker/kernel"
)

// parquetColumn streams one field of one Parquet file into vectors, row group
// after row group. It serves one goroutine.
type parquetColumn struct {
	file  *parquetFile
	field field
	conv  *conversion
	pages pages
	group int   // the row group that pages reads; the next one when it has ended
	skip  int64 // rows to pass over before the next one wanted
	open  bool  // pages is inside group
	rows  int64 // of the slice being read

	// The dictionary of the current chunk, converted once.
	dictReady bool
	dictBad   bool      // some entry is not valueOK
	dictState []outcome // by entry, when dictBad
	dictU8    []uint8
	dictU32   []uint32
	dictU64   []uint64
	dictI16   []int16
	dictI32   []int32
	dictI64   []int64
	dictF64   []float64
	dictWide  []uint32 // values of up to 32 bits, as these, and at least 32 of them
	dictFew   handful  // of those that are few, or none

	dictShared bool               // share was asked
	shared     *kernel.Dictionary // dictF64 as batches carry it; nil when it is not worth it

	log []issue // of one page, positions among its values
}

// columnPool keeps the buffers of columns from one task to the next: what is read of
// each and its dictionary, some megabytes of a wide table, need not be made again.
var columnPool = freelist.List[parquetColumn]{New: func() *parquetColumn { return new(parquetColumn) }}

// newParquetColumn opens a field for reading; seek comes first, and close last.
func newParquetColumn(f *parquetFile, fd field, conv *conversion, c *codecs) *parquetColumn {
	p := columnPool.Get()
	p.file, p.field, p.conv, p.open = f, fd, conv, false
	p.pages.codecs = c
	p.pages.win = window{obj: f.obj, ask: f.ask, mapped: f.mapped, passed: c.passing(f.mapper), buf: p.pages.win.buf[:0]}
	return p
}

func (c *parquetColumn) close() {
	c.leave()
	c.pages.win.leave()
	c.pages.release()
	c.file, c.conv, c.pages.codecs, c.pages.win = nil, nil, nil, window{buf: c.pages.win.buf}
	columnPool.Put(c)
}

// slice says how many rows will be read.
func (c *parquetColumn) slice(rows int64) { c.rows = rows }

// seek makes row the next one that fill delivers.
func (c *parquetColumn) seek(row int64) {
	c.leave()
	c.open, c.group, c.skip = false, 0, row
	for c.group < len(c.file.groups) && c.skip >= c.file.groups[c.group].rows {
		c.skip -= c.file.groups[c.group].rows
		c.group++
	}
	if c.skip == 0 && c.group < len(c.file.groups) {
		c.pages.win.begin(c.chunk(c.group)) // of all columns, before the first is waited for
	}
}

// place is the chunk that is read.
func (c *parquetColumn) place() markedChunk { return markedChunk{c.group, c.field.index} }

// leave marks where reading ends in the middle of a chunk: the next task begins there.
func (c *parquetColumn) leave() {
	if c.open && c.skip == 0 && c.pages.rows > 0 {
		if m := c.pages.mark(); m.row > 0 && m.row < c.pages.chunk.rows {
			c.file.marks.add(c.place(), m)
		}
	}
}

func (c *parquetColumn) chunk(group int) *chunk { return &c.file.groups[group].chunks[c.field.index] }

// advance makes the page that holds the next row the current one, positioned
// at that row.
func (c *parquetColumn) advance() error {
	for c.pages.pos >= c.pages.rows || !c.open {
		if !c.open {
			if c.group >= len(c.file.groups) {
				return corrupt("column %s ends before its last row", c.field.name)
			}
			var next *chunk
			if c.group+1 < len(c.file.groups) {
				next = c.chunk(c.group + 1)
			}
			c.pages.open(*c.chunk(c.group), next)
			c.open, c.dictReady, c.dictShared, c.shared = true, false, false, nil
			if m, ok := c.file.marks.before(c.place(), c.skip); ok {
				c.pages.jump(m)
				c.skip -= m.row
			}
		}
		switch err := c.pages.next(&c.skip); {
		case errors.Is(err, io.EOF):
			c.open = false
			c.group++
			continue
		case err != nil:
			c.open = false // nobody knows where
			return fmt.Errorf("column %s, row group %d: %w", c.field.name, c.group, err)
		}
		if c.skip > 0 {
			p := &c.pages
			k := int(c.skip)
			c.skip, p.pos = 0, k
			if p.levels != nil {
				k = countBits(p.levels, 0, k)
			}
			if err := p.pass(k); err != nil {
				return fmt.Errorf("column %s, row group %d: %w", c.field.name, c.group, err)
			}
		}
	}
	return nil
}

// fill writes the next n rows to v from row at on, and appends what did not
// fit to log, by row of v.
func (c *parquetColumn) fill(v *vector, at, n int, log []issue) (_ []issue, err error) {
	defer store.Faults(debug.SetPanicOnFault(true), &err, errCut)
	for n > 0 {
		if err := c.advance(); err != nil {
			return log, err
		}
		k := min(n, c.pages.rows-c.pages.pos)
		switch v.typ.ID() {
		case arrow.UINT8:
			log, err = fillPage(c, v, lanes[uint8](v)[at:at+k], &c.dictU8, at, log)
		case arrow.UINT32:
			log, err = fillPage(c, v, lanes[uint32](v)[at:at+k], &c.dictU32, at, log)
		case arrow.UINT64:
			log, err = fillPage(c, v, lanes[uint64](v)[at:at+k], &c.dictU64, at, log)
		case arrow.INT16:
			log, err = fillPage(c, v, lanes[int16](v)[at:at+k], &c.dictI16, at, log)
		case arrow.INT32, arrow.DATE32:
			log, err = fillPage(c, v, lanes[int32](v)[at:at+k], &c.dictI32, at, log)
		case arrow.INT64:
			log, err = fillPage(c, v, lanes[int64](v)[at:at+k], &c.dictI64, at, log)
		case arrow.FLOAT64:
			if c.pages.coded() && v.takes(at) {
				if d := c.share(); d != nil {
					err = c.code(v.code(at, k, d))
					break
				}
			}
			v.write(at)
			log, err = fillPage(c, v, lanes[float64](v)[at:at+k], &c.dictF64, at, log)
		default:
			err = fmt.Errorf("values of type %s cannot be filled", v.typ)
		}
		if err != nil {
			return log, fmt.Errorf("column %s, row group %d: %w", c.field.name, c.group, err)
		}
		at, n = at+k, n-k
	}
	return log, nil
}

// fillPage converts len(dst) rows of the current page. Values are converted
// densely, nulls left out, and then spread to their rows.
func fillPage[T lane](c *parquetColumn, v *vector, dst []T, dict *[]T, at int, log []issue) ([]issue, error) {
	p := &c.pages
	words, set := p.there(len(dst))
	c.log = c.log[:0]
	var err error
	if p.coded() {
		err = gatherDict(c, dst[:set], dict)
	} else {
		err = convertPage(c, dst[:set])
	}
	if err != nil {
		return log, err
	}
	spreadNulls(v, dst, set, words, at)
	if len(c.log) > 0 {
		log = c.settle(v, at, len(dst), set, log)
	}
	p.pos += len(dst)
	return log, nil
}

// worthRows is how many rows an entry of a dictionary must serve on average, lest more
// is worked out of entries that few rows have: of a chunk, or of the slice read of it.
const worthRows = 16

// share returns the current chunk's dictionary as batches carry it, with null as its
// last entry, nil where it is not worth it. Bad values are counted by row: a chunk with
// any comes by value.
func (c *parquetColumn) share() *kernel.Dictionary {
	if c.dictShared {
		return c.shared
	}
	c.dictShared = true
	n := c.pages.dictLen()
	if rows := min(c.rows, c.file.groups[c.group].rows); n >= kernel.DictionaryMax || int64(n) > rows/worthRows {
		return nil
	}
	if convertDict(c, &c.dictF64); !c.dictBad {
		value := make([]float64, n+1)
		copy(value, c.dictF64[:n])
		value[n] = nan
		c.shared = &kernel.Dictionary{Value: value}
	}
	return c.shared
}

// code writes the indices of the next rows of the current page.
func (c *parquetColumn) code(index []uint16) error {
	p := &c.pages
	n := len(index)
	words, set := p.there(n)
	codes := grow(&p.codecs.codes, set)
	if err := p.codes(codes); err != nil {
		return err
	}
	for i, k := range codes {
		index[i] = uint16(k)
	}
	if set < n {
		spread(index, set, words, uint16(len(c.shared.Value)-1))
	}
	p.pos += n
	return nil
}

// settle turns the positions of c.log, which count values, into rows of v, and
// makes those rows null.
func (c *parquetColumn) settle(v *vector, at, n, set int, log []issue) []issue {
	next, j := 0, 0
	for i := 0; i < n && next < len(c.log); i++ {
		if set < n && !bit(c.pages.levels, c.pages.pos+i) {
			continue
		}
		if int(c.log[next].at) == j {
			e := c.log[next]
			next++
			v.setNull(at + i)
			if !e.null {
				log = append(log, issue{at: int32(at + i), reject: e.reject, field: c.field.name})
			}
		}
		j++
	}
	return log
}

// convertDict converts the dictionary of the current chunk, unless it is.
func convertDict[T lane](c *parquetColumn, dict *[]T) {
	if c.dictReady {
		return
	}
	n := c.pages.dictLen()
	vals := grow(dict, n)
	c.log = c.log[:0]
	convertValues(c, vals, &c.pages.dict)
	c.dictBad = len(c.log) > 0
	if c.dictBad {
		state := grow(&c.dictState, n)
		clear(state)
		for _, e := range c.log {
			switch {
			case e.null:
				state[e.at] = valueNull
			case e.reject:
				state[e.at] = valueReject
			default:
				state[e.at] = valueBad
			}
		}
		c.log = c.log[:0]
	}
	widen(&c.dictWide, vals)
	few := vals
	if c.dictBad || len(vals) > handfulMax {
		few = nil
	}
	keepHandful(&c.dictFew, few)
	c.dictReady = true
}

// widen makes values of up to 32 bits as many, zero-extended, and zeros up to 32 of them.
func widen[T lane](wide *[]uint32, vals []T) {
	if unsafe.Sizeof(vals[0]) > 4 {
		return
	}
	list := grow(wide, max(len(vals), 32))
	clear(list[len(vals):])
	for i, v := range vals {
		list[i] = uint32(v)
	}
}

// lookPlain is look in Go.
func lookPlain[T lane](dst []T, codes []uint32, vals []T) {
	for i := range dst {
		dst[i] = vals[codes[i]]
	}
}

// gatherDict converts the next len(dst) values of the current page, which is coded.
func gatherDict[T lane](c *parquetColumn, dst []T, dict *[]T) error {
	p := &c.pages
	if code, ok := p.constant(len(dst)); ok {
		convertDict(c, dict)
		if !c.dictBad {
			flood(dst, (*dict)[code])
			p.passConstant(len(dst))
			return nil
		}
	}
	convertDict(c, dict)
	if c.dictFew.serve(p.runs.width) {
		return handed(p, dst, &c.dictFew)
	}
	index := grow(&p.codecs.codes, len(dst))
	if err := p.codes(index); err != nil {
		return err
	}
	look(dst, index, (*dict)[:p.dictLen()], c.dictWide)
	if c.dictBad {
		for i, k := range index {
			if s := c.dictState[k]; s != valueOK {
				c.log = append(c.log, issue{at: int32(i), reject: s == valueReject, null: s == valueNull})
			}
		}
	}
	return nil
}

// convertPage converts the next len(dst) values of the current page, which is not coded.
func convertPage[T lane](c *parquetColumn, dst []T) error {
	p := &c.pages
	switch c.field.kind {
	case kindF32, kindF64:
		list := grow(&p.codecs.values.floats, len(dst))
		p.floats(list)
		c.log = floats(dst, list, c.conv, c.log)
	case kindText:
		texts(c, dst, &p.txt, p.dense)
		p.dense += len(dst)
	default:
		list, inPlace := asInts(dst, c.conv)
		if !inPlace {
			list = grow(&p.codecs.values.ints, len(dst))
		}
		if err := p.ints(list); err != nil {
			return err
		}
		if !inPlace || c.conv.lo > math.MinInt64 || c.conv.hi < math.MaxInt64 {
			c.log = ints(dst, list, c.conv, c.log)
		}
	}
	return nil
}

// asInts returns dst as integers of 64 bits when those of the file need no more than to be
// in range.
func asInts[T lane](dst []T, c *conversion) (list []int64, ok bool) {
	if c.goal != goalInt || !c.plain() || unsafe.Sizeof(dst[0]) != 8 {
		return nil, false
	}
	return unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(dst))), len(dst)), true
}

// convertValues converts the first len(dst) values of a dictionary and logs issues in
// c.log.
func convertValues[T lane](c *parquetColumn, dst []T, vals *values) {
	switch c.field.kind {
	case kindF32, kindF64:
		c.log = floats(dst, vals.floats, c.conv, c.log)
	case kindText:
		texts(c, dst, &vals.txt, 0)
	default:
		c.log = ints(dst, vals.ints, c.conv, c.log)
	}
}

// texts converts len(dst) strings from number from on.
func texts[T lane](c *parquetColumn, dst []T, list *text, from int) {
	for i := range dst {
		x, o := one[T](list.at(from+i), c.conv)
		dst[i] = x
		if o != valueOK {
			dst[i] = 0
			c.log = append(c.log, issue{at: int32(i), reject: o == valueReject, null: o == valueNull})
		}
	}
}

// finish checks, after the last row of a row group, that its pages hold no more.
func (c *parquetColumn) finish() (err error) {
	defer store.Faults(debug.SetPanicOnFault(true), &err, errCut)
	if !c.open || c.pages.pos < c.pages.rows || c.pages.left > 0 {
		return nil
	}
	if err := c.pages.trailing(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("column %s, row group %d: %w", c.field.name, c.group, err)
	}
	return nil
}

// keyRows is how many keys are read at a time.
const keyRows = 1024

// keys calls out with the keys of the next n rows, and what each is, some at a time.
func (c *parquetColumn) keys(n int64, rule keyRule, out func(numbers []uint64, why []verdict)) (err error) {
	defer store.Faults(debug.SetPanicOnFault(true), &err, errCut)
	for n > 0 {
		if err := c.advance(); err != nil {
			return err
		}
		p := &c.pages
		k := int(min(n, int64(p.rows-p.pos), keyRows))
		numbers, why := grow(&p.codecs.keys, k), grow(&p.codecs.verdicts, k)
		if err := c.pageKeys(numbers, why, rule); err != nil {
			return fmt.Errorf("column %s, row group %d: %w", c.field.name, c.group, err)
		}
		out(numbers, why)
		p.pos += k
		n -= int64(k)
	}
	return nil
}

// pageKeys reads the keys of the next rows of the current page.
func (c *parquetColumn) pageKeys(numbers []uint64, why []verdict, rule keyRule) error {
	p := &c.pages
	words, set := p.there(len(numbers))
	vals, txt, from := &p.dict, &p.dict.txt, 0
	var index []uint32
	switch {
	case p.coded():
		index = grow(&p.codecs.codes, set)
		if err := p.codes(index); err != nil {
			return err
		}
	case c.field.kind == kindF64:
		vals = &p.codecs.values
		p.floats(grow(&vals.floats, set))
	case c.field.kind == kindText:
		txt, from = &p.txt, p.dense
		p.dense += set
	default:
		vals = &p.codecs.values
		if err := p.ints(grow(&vals.ints, set)); err != nil {
			return err
		}
	}
	if (c.field.kind == kindI32 || c.field.kind == kindI64) && index == nil { // most files, and most rows have one
		for i, v := range vals.ints[:set] {
			if numbers[i], why[i] = uint64(v), goodKey; !partition.Number(v).Valid() {
				numbers[i], why[i] = rule.integer(v)
			}
		}
	} else {
		for i := range set {
			j := from + i
			if index != nil {
				j = int(index[i])
			}
			switch c.field.kind {
			case kindI32, kindI64:
				numbers[i], why[i] = rule.integer(vals.ints[j])
			case kindF64:
				numbers[i], why[i] = rule.float(vals.floats[j])
			case kindText:
				numbers[i], why[i] = rule.text(txt.at(j))
			default: // the mapping refuses them as a number
				panic(fmt.Sprintf("source: a number read from a %s", c.field.kind))
			}
		}
	}
	spreadKeys(numbers, why, set, words)
	return nil
}
