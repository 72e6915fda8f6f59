package feature

import (
	"math"

	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// chunk is how many rows a kernel works through at a time: few enough that the
// six months of a metric stay in the caches next to the core, enough that starting a step costs next to nothing.
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
	lane.Floats(dst, &columns[0], lo, months[0], 0)
	for k := 1; k < len(months); k++ {
		add(dst, &columns[k], lo, months[k])
	}
}

// window is one chunk of a metric.
type window struct {
	months monthly
	n      int // rows

	there    presence // known and not before activation
	compared presence // and may be compared with others
	w        factors  // of the months compared

	bytes   [chunk]uint8 // scratch
	a, b, c lane.Mask
}

// open reads a chunk: the months, and which of them are there.
func (w *window) open(columns []kernel.Vector, lo int, history, compare []uint8) {
	w.n = len(history)
	w.months.open(columns, lo, w.n)
	lane.Unpack(w.there, history)
	lane.Unpack(w.compared, compare)
	for k := range columns {
		w.a.Valid(columns[k].Valid, lo, w.n)
		if k < len(w.there) {
			w.there[k].And(w.there[k], &w.a)
		}
		if k < len(w.compared) {
			w.compared[k].And(w.compared[k], &w.a)
		}
	}
}
