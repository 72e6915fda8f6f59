package source

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"runtime/debug"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/float16"

	"rescore/partition/store"
)

// arrowPart is one column's values in one batch, or those of a dictionary.
type arrowPart struct {
	value   arrowValue
	rows    int64
	nulls   int64 // as the batch states
	seen    int64 // nulls found so far: never more
	all     bool  // there is no bitmap: no row is null
	valid   arrowBuffer
	values  arrowBuffer // or the bytes of texts
	offsets arrowBuffer
}

// open makes p the values at node and buffer of a batch.
func (p *arrowPart) open(f *arrowFile, m *batchMeta, node, buffer int, value arrowValue, c *codecs) error {
	p.value, p.rows, p.nulls, p.seen = value, m.nodes.i64(node, 0), m.nodes.i64(node, 1), 0
	if value.class == classNull {
		return nil
	}
	if p.all = m.buffers.i64(buffer, 1) == 0; p.all {
		if p.nulls > 0 {
			return corrupt("%d nulls without a bitmap", p.nulls)
		}
	} else if err := p.valid.open(f, m, buffer, (p.rows+7)/8, c); err != nil {
		return fmt.Errorf("nulls: %w", err)
	}
	need := p.rows * int64(value.width)
	if value.class == classBit {
		need = (p.rows + 7) / 8
	}
	if value.class != classText {
		return p.values.open(f, m, buffer+1, need, c)
	}
	if p.rows > 0 {
		need += int64(value.width)
	}
	if err := p.offsets.open(f, m, buffer+1, need, c); err != nil {
		return err
	}
	return p.values.open(f, m, buffer+2, 0, c)
}

func (p *arrowPart) close(c *codecs) {
	p.valid.close(c)
	p.values.close(c)
	p.offsets.close(c)
}

// there returns which of n rows from row from on are not null, as words, and how many;
// the words are nil when all are.
func (p *arrowPart) there(from int64, n int, c *codecs) (words []uint64, set int, err error) {
	switch {
	case p.value.class == classNull:
		words = grow(&c.words, (n+63)>>6)
		clear(words)
		return words, 0, nil
	case p.all:
		return nil, n, nil
	}
	b, err := p.valid.at(from>>3, (from+int64(n)+7)>>3-from>>3)
	if err != nil {
		return nil, 0, err
	}
	bitmap := grow(&c.arrow.bitmap, len(b)+wordSlack)
	clear(bitmap[copy(bitmap, b):])
	if words, set = validity(&c.words, bitmap, int(from&7), n); set == n {
		return nil, n, nil
	}
	if p.seen += int64(n - set); p.seen > p.nulls {
		return nil, 0, corrupt("more nulls than the %d that its batch states", p.nulls)
	}
	return words, set, nil
}

// each calls f with the rows whose bit is set, in order, and which of those it is.
func each(n int, words []uint64, f func(i, j int)) {
	j := 0
	for i := range n {
		if words == nil || words[i>>6]>>(i&63)&1 != 0 {
			f(i, j)
			j++
		}
	}
}

// elements returns b as values of type T, in place where they are aligned, and otherwise
// in *buf. T has no pointers.
func elements[T any](b []byte, n int, buf *[]T) []T {
	var x T
	if n == 0 {
		return nil
	}
	b = b[:n*int(unsafe.Sizeof(x))]
	if at := unsafe.Pointer(unsafe.SliceData(b)); uintptr(at)%unsafe.Alignof(x) == 0 {
		return unsafe.Slice((*T)(at), n)
	}
	list := grow(buf, n)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(list))), len(b)), b)
	return list
}

// widenTo64 makes integers of another width ones of 64 bits, those whose bit is set.
func widenTo64[T int8 | uint8 | int16 | uint16 | int32 | uint32 | int64](b []byte, n int, words []uint64, buf *[]int64) []int64 {
	var own []T
	src := elements(b, n, &own)
	dst := grow(buf, n)
	if words == nil {
		for i, x := range src {
			dst[i] = int64(x)
		}
		return dst
	}
	j := 0
	for i, x := range src {
		if words[i>>6]>>(i&63)&1 != 0 {
			dst[j] = int64(x)
			j++
		}
	}
	return dst[:j]
}

// ints returns the integers of n rows from row from on, nulls left out, until the next
// call. Decimals that do not fit are in misfits, which is nil when all do.
func (p *arrowPart) ints(from int64, n int, words []uint64, c *codecs) (list []int64, misfits []bool, err error) {
	s := &c.arrow
	if p.value.class == classBit {
		b, err := p.values.at(from>>3, (from+int64(n)+7)>>3-from>>3)
		if err != nil {
			return nil, nil, err
		}
		list = grow(&s.wide, n)[:0]
		shift := int(from & 7)
		each(n, words, func(i, _ int) {
			list = append(list, int64(b[(i+shift)>>3]>>((i+shift)&7)&1))
		})
		return list, nil, nil
	}
	w := int64(p.value.width)
	b, err := p.values.at(from*w, int64(n)*w)
	if err != nil {
		return nil, nil, err
	}
	if p.value.class == classDecimal {
		list = grow(&s.wide, n)[:0]
		each(n, words, func(i, j int) {
			x := b[i*int(w):][:w]
			low := int64(binary.LittleEndian.Uint64(x))
			for k := 8; k < len(x); k += 8 {
				if int64(binary.LittleEndian.Uint64(x[k:])) != low>>63 {
					if misfits == nil {
						misfits = make([]bool, n)
					}
					misfits[j] = true
				}
			}
			list = append(list, low)
		})
		return list, misfits, nil
	}
	switch {
	case w == 8 && words == nil:
		return elements(b, n, &s.wide), nil, nil
	case w == 8:
		list = widenTo64[int64](b, n, words, &s.wide)
	case w == 4 && p.value.unsigned:
		list = widenTo64[uint32](b, n, words, &s.wide)
	case w == 4:
		list = widenTo64[int32](b, n, words, &s.wide)
	case w == 2 && p.value.unsigned:
		list = widenTo64[uint16](b, n, words, &s.wide)
	case w == 2:
		list = widenTo64[int16](b, n, words, &s.wide)
	case p.value.unsigned:
		list = widenTo64[uint8](b, n, words, &s.wide)
	default:
		list = widenTo64[int8](b, n, words, &s.wide)
	}
	return list, nil, nil
}

// floats is ints of floating-point numbers, as doubles.
func (p *arrowPart) floats(from int64, n int, words []uint64, c *codecs) ([]float64, error) {
	w := int64(p.value.width)
	b, err := p.values.at(from*w, int64(n)*w)
	if err != nil {
		return nil, err
	}
	list := grow(&c.values.floats, n)
	switch {
	case w == 8 && words == nil:
		return elements(b, n, &c.values.floats), nil
	case w == 8:
		each(n, words, func(i, j int) { list[j] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:])) })
	case w == 4:
		each(n, words, func(i, j int) { list[j] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))) })
	default:
		each(n, words, func(i, j int) {
			list[j] = float64(float16.FromBits(binary.LittleEndian.Uint16(b[2*i:])).Float32())
		})
	}
	return list, nil
}

// texts returns where the texts of n rows from row from on lie, and the bytes they lie
// in: text i is data[start[i]:start[i+1]]. That of a null is not looked at.
func (p *arrowPart) texts(from int64, n int, c *codecs) (start []int64, data []byte, err error) {
	w := int64(p.value.width)
	b, err := p.offsets.at(from*w, int64(n+1)*w)
	if err != nil {
		return nil, nil, err
	}
	start = grow(&c.arrow.start, n+1)
	for i := range start {
		if w == 4 {
			start[i] = int64(int32(binary.LittleEndian.Uint32(b[4*i:])))
		} else {
			start[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
		}
		if start[i] < 0 || i > 0 && start[i] < start[i-1] {
			return nil, nil, corrupt("offset %d of a text after %d", start[i], start[max(i-1, 0)])
		}
	}
	first := start[0]
	if data, err = p.values.at(first, start[n]-first); err != nil {
		return nil, nil, err
	}
	for i := range start {
		start[i] -= first
	}
	return start, data, nil
}

// arrowColumn streams one field of one file into vectors, batch after batch. It serves
// one goroutine.
type arrowColumn struct {
	file   *arrowFile
	field  field
	layout *arrowLayout
	conv   *conversion
	codecs *codecs
	typ    arrow.DataType // of what fill writes
	batch  int            // the one that part is of; the next one when it has ended
	row    int64          // of the batch
	opened bool
	part   arrowPart
	dict   arrowDictionary

	log []issue // of one stretch, positions among its values
}

func (f *arrowFile) column(fd field, conv *conversion, c *codecs) tableColumn {
	return &arrowColumn{file: f, field: fd, layout: &f.layouts[fd.index], conv: conv, codecs: c}
}

func (c *arrowColumn) close() {
	c.part.close(c.codecs)
	c.dict.close(c.codecs)
	c.codecs.arrow.file = nil
}

func (c *arrowColumn) slice(int64) {}

// seek makes row the next one that is read.
func (c *arrowColumn) seek(row int64) {
	c.opened, c.batch = false, 0
	lo, hi := 0, len(c.file.batches)
	for lo < hi { // the last batch that begins at the row or before
		if mid := (lo + hi + 1) / 2; mid < len(c.file.batches) && c.file.first[mid] <= row {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	c.batch = lo
	c.row = row - c.file.first[lo]
}

// next makes the batch that holds the next row the current one, and returns how many
// rows of it are left.
func (c *arrowColumn) next() (int64, error) {
	for {
		if c.batch >= len(c.file.batches) {
			return 0, corrupt("column %s ends before its last row", c.field.name)
		}
		rows := c.file.first[c.batch+1] - c.file.first[c.batch]
		if c.row >= rows {
			c.row -= rows
			c.batch++
			c.opened = false
			continue
		}
		if c.opened {
			return rows - c.row, nil
		}
		m, err := c.codecs.arrow.current(c.file, c.file.batches[c.batch].arrowMessage)
		if err != nil {
			return 0, err
		}
		if m.rows != rows {
			return 0, fmt.Errorf("%d rows where there were %d: %w", m.rows, rows, ErrChanged)
		}
		value, buffer := c.layout.value, c.layout.buffer
		if c.layout.coded {
			value = c.layout.index
		}
		for i := range c.layout.views {
			buffer += int(m.views.i64(i, 0))
		}
		if err := c.part.open(c.file, m, c.layout.node, buffer, value, c.codecs); err != nil {
			return 0, err
		}
		c.opened = true
	}
}

// where says in an error which column of which batch it is about.
func (c *arrowColumn) where(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("column %s, record batch %d: %w", c.field.name, c.batch, err)
}

// fill writes the next n rows to v from row at on, and appends what did not fit to log.
func (c *arrowColumn) fill(v *vector, at, n int, log []issue) (_ []issue, err error) {
	defer store.Faults(debug.SetPanicOnFault(true), &err, errCut)
	v.write(at)
	c.typ = v.typ
	for n > 0 {
		left, err := c.next()
		if err != nil {
			return log, c.where(err)
		}
		k := int(min(int64(n), left))
		switch v.typ.ID() {
		case arrow.UINT8:
			log, err = fillArrow(c, v, lanes[uint8](v)[at:at+k], at, log)
		case arrow.UINT32:
			log, err = fillArrow(c, v, lanes[uint32](v)[at:at+k], at, log)
		case arrow.UINT64:
			log, err = fillArrow(c, v, lanes[uint64](v)[at:at+k], at, log)
		case arrow.INT16:
			log, err = fillArrow(c, v, lanes[int16](v)[at:at+k], at, log)
		case arrow.INT32, arrow.DATE32:
			log, err = fillArrow(c, v, lanes[int32](v)[at:at+k], at, log)
		case arrow.INT64:
			log, err = fillArrow(c, v, lanes[int64](v)[at:at+k], at, log)
		case arrow.FLOAT64:
			log, err = fillArrow(c, v, lanes[float64](v)[at:at+k], at, log)
		default:
			err = fmt.Errorf("values of type %s cannot be filled", v.typ)
		}
		if err != nil {
			return log, c.where(err)
		}
		at, n = at+k, n-k
		c.row += int64(k)
	}
	return log, nil
}

// fillArrow converts len(dst) rows of the current batch. Values are converted densely,
// nulls left out, and then spread to their rows.
func fillArrow[T lane](c *arrowColumn, v *vector, dst []T, at int, log []issue) ([]issue, error) {
	words, set, err := c.part.there(c.row, len(dst), c.codecs)
	if err != nil {
		return log, err
	}
	c.log = c.log[:0]
	if !c.layout.coded {
		done, err := copyArrow(c, &c.part, c.row, dst, words)
		if done && words != nil {
			v.invalidate(words, at, len(dst))
		}
		if done || err != nil {
			return log, err
		}
	}
	if c.layout.coded {
		err = lookArrow(c, dst, words, set)
	} else {
		err = convertArrow(c, &c.part, c.row, dst, words, set)
	}
	if err != nil {
		return log, err
	}
	spreadNulls(v, dst, set, words, at)
	if len(c.log) > 0 {
		log = c.settle(v, at, len(dst), words, log)
	}
	return log, nil
}

// convertArrow converts the values of len(dst) rows from row from on, of which set are
// not null, to the front of dst.
func convertArrow[T lane](c *arrowColumn, p *arrowPart, from int64, dst []T, words []uint64, set int) error {
	if set == 0 {
		return nil
	}
	n := len(dst)
	if p.value.class == classFloat {
		list, err := p.floats(from, n, words, c.codecs)
		if err != nil {
			return err
		}
		c.log = floats(dst[:set], list, c.conv, c.log)
		return nil
	}
	if p.value.class == classText {
		start, data, err := p.texts(from, n, c.codecs)
		if err != nil {
			return err
		}
		each(n, words, func(i, j int) {
			x, o := one[T](data[start[i]:start[i+1]], c.conv)
			dst[j] = x
			if o != valueOK {
				dst[j] = 0
				c.log = append(c.log, issue{at: int32(j), reject: o == valueReject, null: o == valueNull})
			}
		})
		return nil
	}
	list, misfits, err := p.ints(from, n, words, c.codecs)
	if err != nil {
		return err
	}
	if misfits == nil {
		c.log = ints(dst[:set], list, c.conv, c.log)
		return nil
	}
	for j := range set {
		k := len(c.log)
		if misfits[j] {
			dst[j] = 0
			c.log = append(c.log, issue{})
		} else {
			c.log = ints(dst[j:j+1], list[j:j+1], c.conv, c.log)
		}
		if len(c.log) > k {
			c.log[k].at = int32(j)
		}
	}
	return nil
}

// copyArrow copies the values of len(dst) rows from row from on as they are, zero where
// they are null, and reports whether that is what converting them would give.
func copyArrow[T lane](c *arrowColumn, p *arrowPart, from int64, dst []T, words []uint64) (bool, error) {
	var x T
	w := int64(unsafe.Sizeof(x))
	if p.value.class != classInt || int64(p.value.width) != w || w < 8 && p.value.unsigned != (x-1 > 0) ||
		!c.conv.plain() || c.conv.goal != goalInt && c.conv.from != kindDay {
		return false, nil
	}
	b, err := p.values.at(from*w, int64(len(dst))*w)
	if err != nil {
		return false, err
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(dst))), len(b)), b)
	for k, word := range words {
		for gone := ^word; gone != 0; gone &= gone - 1 {
			i := 64*k + bits.TrailingZeros64(gone)
			if i >= len(dst) {
				break
			}
			dst[i] = 0
		}
	}
	// One sign bit gathers what is out of range, as in ints.
	lo, hi := c.conv.lo, c.conv.hi
	if least, most := bounds(c.typ); lo <= least && hi >= most && (w < 8 || least < 0) {
		return true, nil
	}
	var out int64
	for _, x := range dst {
		out |= (int64(x) - lo) | (hi - int64(x))
	}
	return out >= 0, nil
}

// settle turns the positions of c.log, which count values, into rows of v, and makes
// those rows null.
func (c *arrowColumn) settle(v *vector, at, n int, words []uint64, log []issue) []issue {
	next := 0
	each(n, words, func(i, j int) {
		if next == len(c.log) || int(c.log[next].at) != j {
			return
		}
		e := c.log[next]
		next++
		v.setNull(at + i)
		if !e.null {
			log = append(log, issue{at: int32(at + i), reject: e.reject, field: c.field.name})
		}
	})
	return log
}

// finish has nothing to say: a batch states its rows, and they are all.
func (c *arrowColumn) finish() error { return nil }

// keys calls out with the keys of the next n rows, and what each is, some at a time.
func (c *arrowColumn) keys(n int64, rule keyRule, out func(numbers []uint64, why []verdict)) (err error) {
	defer store.Faults(debug.SetPanicOnFault(true), &err, errCut)
	for n > 0 {
		left, err := c.next()
		if err != nil {
			return c.where(err)
		}
		k := int(min(n, left, keyRows))
		numbers, why := grow(&c.codecs.keys, k), grow(&c.codecs.verdicts, k)
		words, set, err := c.part.there(c.row, k, c.codecs)
		if err == nil && c.layout.coded {
			err = c.dictionaryKeys(numbers, why, words, set, rule)
		} else if err == nil {
			err = partKeys(&c.part, c.row, numbers, why, words, set, rule, c.codecs)
		}
		if err != nil {
			return c.where(err)
		}
		spreadKeys(numbers, why, set, words)
		out(numbers, why)
		c.row += int64(k)
		n -= int64(k)
	}
	return nil
}

// partKeys reads the keys of len(numbers) rows, nulls left out.
func partKeys(p *arrowPart, from int64, numbers []uint64, why []verdict, words []uint64, set int, rule keyRule, c *codecs) error {
	if set == 0 {
		return nil
	}
	n := len(numbers)
	switch p.value.class {
	case classFloat:
		list, err := p.floats(from, n, words, c)
		if err != nil {
			return err
		}
		for j, x := range list[:set] {
			numbers[j], why[j] = rule.float(x)
		}
	case classText:
		start, data, err := p.texts(from, n, c)
		if err != nil {
			return err
		}
		each(n, words, func(i, j int) { numbers[j], why[j] = rule.text(data[start[i]:start[i+1]]) })
	default:
		list, misfits, err := p.ints(from, n, words, c)
		if err != nil {
			return err
		}
		for j, x := range list {
			numbers[j], why[j] = rule.integer(x)
			if misfits != nil && misfits[j] {
				numbers[j], why[j] = 0, badKey
			}
		}
	}
	return nil
}

// cells reads the next n rows.
func (c *arrowColumn) cells(n int, v *cells) (err error) {
	defer store.Faults(debug.SetPanicOnFault(true), &err, errCut)
	v.null, v.fixed, v.end, v.data = v.null[:0], v.fixed[:0], v.end[:0], v.data[:0]
	for n > 0 {
		left, err := c.next()
		if err != nil {
			return c.where(err)
		}
		k := int(min(int64(n), left))
		if c.layout.coded {
			err = c.dictionaryCells(k, v)
		} else {
			err = partCells(&c.part, c.row, k, v, c.field.kind, c.codecs)
		}
		if err != nil {
			return c.where(err)
		}
		c.row += int64(k)
		n -= k
	}
	return nil
}

// partCells appends n rows from row from on.
func partCells(p *arrowPart, from int64, n int, v *cells, k kind, c *codecs) error {
	words, set, err := p.there(from, n, c)
	if err != nil {
		return err
	}
	first := len(v.null)
	for i := range n {
		v.null = append(v.null, words != nil && words[i>>6]>>(i&63)&1 == 0)
		v.fixed, v.end = append(v.fixed, 0), append(v.end, 0)
	}
	if set > 0 && p.value.class == classText {
		start, data, err := p.texts(from, n, c)
		if err != nil {
			return err
		}
		for i := range n {
			if !v.null[first+i] {
				v.data = append(v.data, data[start[i]:start[i+1]]...)
			}
			if len(v.data) > pageBytesMax {
				return fmt.Errorf("more than %d bytes of text in %d rows: %w", pageBytesMax, n, ErrTooLarge)
			}
			v.end[first+i] = uint32(len(v.data))
		}
		return nil
	}
	for i := range n {
		v.end[first+i] = uint32(len(v.data))
	}
	if set == 0 {
		return nil
	}
	if p.value.class == classFloat {
		list, err := p.floats(from, n, words, c)
		if err != nil {
			return err
		}
		each(n, words, func(i, j int) { v.fixed[first+i] = floatBits(k, list[j]) })
		return nil
	}
	list, misfits, err := p.ints(from, n, words, c)
	if err != nil {
		return err
	}
	if misfits != nil {
		return corrupt("a decimal has more digits than its type")
	}
	each(n, words, func(i, j int) { v.fixed[first+i] = uint64(list[j]) })
	return nil
}
