package province

import (
	"fmt"

	"rescore/partition/schema"
	"rescore/partition/synth"
)

// view is one month of a batch under layout months, or the whole batch.
type view struct {
	folder  string
	columns []synth.Column // what is written
	sources []synth.Column // what it is picked from; nil when nothing is left out
	status  *synth.Vector[uint8]
	keep    []int32
}

// newView picks the columns of the month k back. The monthly ones lose their
// suffix; the rest goes with the scoring month.
func newView(b *synth.Batch, k int, month int32) *view {
	year, m := month/100, month%100-int32(k)
	if m < 1 {
		year, m = year-1, m+12
	}
	v := &view{folder: fmt.Sprintf("month=%04d%02d/", year, m)}
	for _, c := range b.Columns {
		if c.Source.Name == "status" && c.Month == k {
			v.status = c.Vector.(*synth.Vector[uint8])
		}
		if c.Source.Monthly && c.Month != k || !c.Source.Monthly && k > 0 && c.Name != schema.Key {
			continue
		}
		v.sources = append(v.sources, c)
		c.Name = c.Source.Name
		if k > 0 {
			c.Vector = fresh(c.Vector)
		}
		v.columns = append(v.columns, c)
	}
	if k == 0 {
		v.sources = nil
	}
	return v
}

// look brings the view's columns up to date with the batch and returns the
// number of rows.
func (v *view) look(b *synth.Batch) int {
	if v.sources == nil {
		return b.Len
	}
	v.keep = v.keep[:0]
	for i := range b.Len {
		if !v.status.Null(i) && !b.Dirt(i) {
			v.keep = append(v.keep, int32(i))
		}
	}
	for i, s := range v.sources {
		switch d := v.columns[i].Vector.(type) {
		case *synth.Vector[uint8]:
			pick(d, s.Vector.(*synth.Vector[uint8]), v.keep)
		case *synth.Vector[int16]:
			pick(d, s.Vector.(*synth.Vector[int16]), v.keep)
		case *synth.Vector[int32]:
			pick(d, s.Vector.(*synth.Vector[int32]), v.keep)
		case *synth.Vector[uint32]:
			pick(d, s.Vector.(*synth.Vector[uint32]), v.keep)
		case *synth.Vector[int64]:
			pick(d, s.Vector.(*synth.Vector[int64]), v.keep)
		case *synth.Vector[uint64]:
			pick(d, s.Vector.(*synth.Vector[uint64]), v.keep)
		}
	}
	return len(v.keep)
}

func pick[T synth.Integer](d, s *synth.Vector[T], keep []int32) {
	d.Values = d.Values[:0]
	d.Valid = append(d.Valid[:0], make([]byte, (len(keep)+7)/8)...)
	for i, k := range keep {
		d.Values = append(d.Values, s.Values[k])
		d.Valid[i>>3] |= s.Valid[k>>3] >> (k & 7) & 1 << (i & 7)
	}
}

func fresh(v any) any {
	switch v.(type) {
	case *synth.Vector[uint8]:
		return new(synth.Vector[uint8])
	case *synth.Vector[int16]:
		return new(synth.Vector[int16])
	case *synth.Vector[int32]:
		return new(synth.Vector[int32])
	case *synth.Vector[uint32]:
		return new(synth.Vector[uint32])
	case *synth.Vector[int64]:
		return new(synth.Vector[int64])
	}
	return new(synth.Vector[uint64])
}
