package feature

import (
	"math"

	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// chunk is how many rows a kernel works through at a time: few enough that the
// six months of a metric and what is worked out from them stay in the caches
// next to the core, enough that starting a step costs next to nothing.
const chunk = lane.Rows

var nan = math.NaN()

// presence holds a mask a month, newest first: in which rows the month is there.
type presence []*lane.Mask

func newPresence(n int) presence {
	p := make(presence, n)
	for k := range p {
		p[k] = new(lane.Mask)
	}
	return p
}

// read takes the months of a chunk from a history column, those in which the
// columns, one a month, hold a value in the rows from lo on.
func (p presence) read(history []uint8, columns []kernel.Vector, lo int, scratch *lane.Mask) {
	lane.Unpack(p, history)
	for k := range p {
		scratch.Valid(columns[k].Valid, lo, len(history))
		p[k].And(p[k], scratch)
	}
}

// total writes the sum of the months that are there, one column a month.
func total(dst []float64, columns []kernel.Vector, lo int, months presence) {
	load(dst, &columns[0], lo, months[0], 0)
	for k := 1; k < len(months); k++ {
		add(dst, &columns[k], lo, months[k])
	}
}

// window is one chunk of a metric.
type window struct {
	column []kernel.Vector // the months, newest first, as many as are read
	lo, n  int

	there    presence // known and not before activation
	compared presence // and may be compared with others

	// w is the factor of each month when months are compared; y the months times
	// it, 0 for a month that may not be compared.
	w [schema.Months]float64
	y [schema.Months][chunk]float64
	// With six months: the sums of the newest three and the oldest three, how many
	// may be compared, NaN for none, and the sum of all, NaN where it is 0.
	recent, earlier, count, sum [chunk]float64

	// scratch
	t              [chunk]float64
	bytes, pattern [chunk]uint8
	a, b, c        lane.Mask
}

// open reads a chunk: which months are there, and the values of those that are
// compared.
func (w *window) open(lo int, history, compare []uint8) {
	w.lo, w.n = lo, len(history)
	lane.Unpack(w.there, history)
	lane.Unpack(w.compared, compare)
	for k := range w.column {
		w.a.Valid(w.column[k].Valid, lo, w.n)
		if k < len(w.there) {
			w.there[k].And(w.there[k], &w.a)
		}
		if k < len(w.compared) {
			w.compared[k].And(w.compared[k], &w.a)
		}
	}
	for k, known := range w.compared {
		times(w.y[k][:w.n], &w.column[k], lo, known, w.w[k])
	}
	if len(w.compared) < schema.Months {
		return
	}
	recent, earlier, sum := w.recent[:w.n], w.earlier[:w.n], w.sum[:w.n]
	lane.Add(recent, w.y[0][:w.n], w.y[1][:w.n])
	lane.Add(recent, recent, w.y[2][:w.n])
	lane.Add(earlier, w.y[3][:w.n], w.y[4][:w.n])
	lane.Add(earlier, earlier, w.y[5][:w.n])
	lane.Add(sum, recent, earlier)
	lane.Equal(&w.a, sum, 0)
	lane.Put(sum, &w.a, nan)
	w.number(w.count[:w.n], w.compared, 1)
}

// number writes how many of the months a row has, NaN for fewer than least.
func (w *window) number(dst []float64, months presence, least uint8) {
	bytes := w.bytes[:w.n]
	clear(bytes)
	for _, there := range months {
		lane.Count(bytes, there)
	}
	w.atLeast(dst, bytes, least)
}

// atLeast writes the bytes, NaN for less than least.
func (w *window) atLeast(dst []float64, bytes []uint8, least uint8) {
	lane.Less(&w.a, bytes, least)
	w.a.Not(&w.a)
	lane.Float(dst, bytes, &w.a, nan)
}
