package source

import (
	"encoding/binary"
	"fmt"
	"unsafe"
)

// arrowEntriesMax bounds the values of a dictionary, of which each column keeps what they
// are converted to.
const arrowEntriesMax = 1 << 24

// arrowDictionary is the dictionary that a column's batches refer to, converted once. A
// stream may replace it between batches, or add to it; then only what was added is read.
type arrowDictionary struct {
	base   int // dictionary messages before the one it begins with; what is loaded is of that
	parts  int // messages loaded
	n      int // values
	part   arrowPart
	meta   []byte
	values []uint64 // memory of what fill converts to
	wide   []uint32 // those of up to 32 bits, as these
	bad    bool     // some value is not valueOK
	state  []outcome
	keys   []uint64 // of a number's column
	why    []verdict
	cells  cells // of a preparation's
	held   int64
}

func (d *arrowDictionary) close(c *codecs) {
	d.part.close(c)
	c.arrow.held -= d.held
	d.held = 0
}

// dictionary makes the dictionary of the current batch the one that is loaded; add reads
// the values of part to those before, of which there are then n.
func (c *arrowColumn) dictionary(add func(p *arrowPart, n int) error) error {
	d := &c.dict
	list, base := c.file.chain(c.layout.id, c.file.batches[c.batch])
	if len(list) == 0 {
		return corrupt("there is no dictionary %d before it", c.layout.id)
	}
	if d.parts > 0 && (d.base != base || d.parts > len(list)) {
		c.codecs.arrow.held -= d.held
		d.parts, d.n, d.held, d.bad = 0, 0, 0, false
	}
	d.base = base
	if d.parts == len(list) {
		return nil
	}
	words := c.codecs.words // of the rows; the dictionary has nulls of its own
	defer func() { c.codecs.words = words }()
	c.codecs.words = nil
	for _, m := range list[d.parts:] {
		b, err := c.file.load(m.arrowMessage, &d.meta, true)
		if err != nil {
			return fmt.Errorf("dictionary at byte %d: %w", m.at, err)
		}
		if err := c.addDictionary(m, &b, add); err != nil {
			return fmt.Errorf("dictionary at byte %d: %w", m.at, err)
		}
		d.parts++
	}
	return nil
}

func (c *arrowColumn) addDictionary(m arrowDict, b *batchMeta, add func(p *arrowPart, n int) error) error {
	d := &c.dict
	buffers := map[arrowClass]int{classNull: 0, classText: 3}
	want, ok := buffers[c.layout.value.class]
	if !ok {
		want = 2
	}
	switch {
	case b.nodes.n != 1 || b.buffers.n != want || b.nodes.i64(0, 0) != b.rows || b.views.n != 0:
		return corrupt("%d column parts and %d buffers where its values have 1 and %d", b.nodes.n, b.buffers.n, want)
	case b.rows != m.rows:
		return fmt.Errorf("%d values where there were %d: %w", b.rows, m.rows, ErrChanged)
	case b.rows > arrowEntriesMax-int64(d.n):
		return fmt.Errorf("it has more than %d values; write the column without a dictionary: %w", arrowEntriesMax, ErrTooLarge)
	}
	if err := d.part.open(c.file, b, 0, 0, c.layout.value, c.codecs); err != nil {
		return err
	}
	const each = 24 // bytes, or some more where they are text
	if err := c.codecs.arrow.take(each * b.rows); err != nil {
		return err
	}
	d.held += each * b.rows
	n := d.n + int(b.rows)
	if err := add(&d.part, n); err != nil {
		return err
	}
	d.n = n
	return nil
}

// extend returns *s with length n and what was in it.
func extend[T any](s *[]T, n int) []T {
	for cap(*s) < n {
		*s = append((*s)[:cap(*s)], *new(T))
	}
	*s = (*s)[:n]
	return *s
}

// inSteps calls f with some rows of n at a time.
func inSteps(n int64, f func(from int64, k int) error) error {
	const step = 4096
	for from := int64(0); from < n; from += step {
		if err := f(from, int(min(step, n-from))); err != nil {
			return err
		}
	}
	return nil
}

// lookArrow converts the rows of the current batch, which has indices, as convertArrow
// does.
func lookArrow[T lane](c *arrowColumn, dst []T, words []uint64, set int) error {
	if set == 0 {
		return nil
	}
	d := &c.dict
	if err := c.dictionary(func(p *arrowPart, n int) error { return convertDictionary[T](c, p, n) }); err != nil {
		return err
	}
	codes, err := c.codes(len(dst), words, set)
	if err != nil {
		return err
	}
	c.log = c.log[:0]
	look(dst[:set], codes, entries[T](d, d.n), d.wide)
	if d.bad {
		for j, k := range codes {
			if s := d.state[k]; s != valueOK {
				c.log = append(c.log, issue{at: int32(j), reject: s == valueReject, null: s == valueNull})
			}
		}
	}
	return nil
}

// entries returns the first n values of the dictionary as fill converted them.
func entries[T lane](d *arrowDictionary, n int) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(d.values))), n)
}

// convertDictionary converts the values of a part to the end of those before.
func convertDictionary[T lane](c *arrowColumn, p *arrowPart, n int) error {
	d := &c.dict
	extend(&d.values, max(n, 1))
	extend(&d.state, n)
	list := entries[T](d, n)
	at := d.n
	err := inSteps(p.rows, func(from int64, k int) error {
		words, set, err := p.there(from, k, c.codecs)
		if err != nil {
			return err
		}
		dst, state := list[at:at+k], d.state[at:at+k]
		c.log = c.log[:0]
		if err := convertArrow(c, p, from, dst, words, set); err != nil {
			return err
		}
		for i := range state {
			state[i] = valueOK
			if words != nil && words[i>>6]>>(i&63)&1 == 0 {
				state[i], d.bad = valueNull, true
			}
		}
		if set < k {
			spread(dst, set, words, 0)
		}
		next := 0
		each(k, words, func(i, j int) {
			if next < len(c.log) && int(c.log[next].at) == j {
				switch e := c.log[next]; {
				case e.null:
					state[i] = valueNull
				case e.reject:
					state[i] = valueReject
				default:
					state[i] = valueBad
				}
				next++
				d.bad = true
			}
		})
		at += k
		return nil
	})
	widen(&d.wide, list)
	return err
}

// codes returns the indices of n rows of the current batch, nulls left out.
func (c *arrowColumn) codes(n int, words []uint64, set int) ([]uint32, error) {
	p := &c.part
	w := p.value.width
	b, err := p.values.at(c.row*int64(w), int64(n)*int64(w))
	if err != nil {
		return nil, err
	}
	codes := grow(&c.codecs.codes, set)
	top := uint64(0)
	each(n, words, func(i, j int) {
		x := uint64(0) // a negative one is past every dictionary
		switch w {
		case 1:
			x = uint64(b[i])
		case 2:
			x = uint64(binary.LittleEndian.Uint16(b[2*i:]))
		case 4:
			x = uint64(binary.LittleEndian.Uint32(b[4*i:]))
		default:
			x = binary.LittleEndian.Uint64(b[8*i:])
		}
		if !p.value.unsigned && x>>(8*w-1) != 0 {
			x = 1 << 63
		}
		codes[j] = uint32(x)
		top = max(top, x)
	})
	if top >= uint64(c.dict.n) {
		return nil, corrupt("an index outside its dictionary of %d values", c.dict.n)
	}
	return codes, nil
}

// dictionaryKeys is partKeys of a column with indices.
func (c *arrowColumn) dictionaryKeys(numbers []uint64, why []verdict, words []uint64, set int, rule keyRule) error {
	if set == 0 {
		return nil
	}
	d := &c.dict
	err := c.dictionary(func(p *arrowPart, n int) error {
		keys, verdicts := extend(&d.keys, n)[d.n:], extend(&d.why, n)[d.n:]
		return inSteps(p.rows, func(from int64, k int) error {
			words, set, err := p.there(from, k, c.codecs)
			if err != nil {
				return err
			}
			keys, verdicts := keys[from:from+int64(k)], verdicts[from:from+int64(k)]
			if err := partKeys(p, from, keys, verdicts, words, set, rule, c.codecs); err != nil {
				return err
			}
			spreadKeys(keys, verdicts, set, words)
			return nil
		})
	})
	if err != nil {
		return err
	}
	codes, err := c.codes(len(numbers), words, set)
	if err != nil {
		return err
	}
	for j, k := range codes {
		numbers[j], why[j] = d.keys[k], d.why[k]
	}
	return nil
}

// dictionaryCells is partCells of the next n rows of a column with indices.
func (c *arrowColumn) dictionaryCells(n int, v *cells) error {
	d := &c.dict
	words, set, err := c.part.there(c.row, n, c.codecs)
	if err != nil {
		return err
	}
	var codes []uint32
	if set > 0 {
		err := c.dictionary(func(p *arrowPart, _ int) error {
			if d.n == 0 {
				d.cells = cells{}
			}
			return inSteps(p.rows, func(from int64, k int) error {
				before := len(d.cells.data)
				err := partCells(p, from, k, &d.cells, c.field.kind, c.codecs)
				if grown := int64(len(d.cells.data) - before); err == nil {
					err = c.codecs.arrow.take(grown)
					d.held += grown
				}
				return err
			})
		})
		if err != nil {
			return err
		}
		if codes, err = c.codes(n, words, set); err != nil {
			return err
		}
	}
	j := 0
	for i := range n {
		null, x := true, uint64(0)
		if words == nil || words[i>>6]>>(i&63)&1 != 0 {
			k := int(codes[j])
			j++
			if null = d.cells.null[k]; !null {
				x = d.cells.fixed[k]
				if len(d.cells.data) > 0 {
					v.data = append(v.data, d.cells.text(k)...)
				}
			}
			if len(v.data) > pageBytesMax {
				return fmt.Errorf("more than %d bytes of text in %d rows: %w", pageBytesMax, n, ErrTooLarge)
			}
		}
		v.null, v.fixed, v.end = append(v.null, null), append(v.fixed, x), append(v.end, uint32(len(v.data)))
	}
	return nil
}
