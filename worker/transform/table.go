package transform

import (
	"math"
	"slices"
	"sort"
)

// Fill replaces missing values: by x, or by a second operand where there is one.
type Fill float64

func (f Fill) fill(dst []float64, in [][]float64) {
	for i, x := range in[0] {
		if absent(x) {
			if x = float64(f); len(in) > 1 {
				x = in[1][i]
			}
		}
		dst[i] = finite(x)
	}
}

// Clip moves values outside [Low, High] to the nearer end. Missing stays missing.
type Clip struct{ Low, High float64 }

func (c Clip) fill(dst []float64, in [][]float64) {
	for i, x := range in[0] {
		dst[i] = finite(min(max(finite(x), c.Low), c.High))
	}
}

// Interval is a range of numbers. An end that is infinite is no end.
type Interval struct {
	Low, High             float64
	LowClosed, HighClosed bool
}

// Contains reports whether x lies in the interval.
func (v Interval) Contains(x float64) bool {
	return (x > v.Low || v.LowClosed && x == v.Low) && (x < v.High || v.HighClosed && x == v.High)
}

// Domain is a set of valid values: those of a list, and those in an interval.
type Domain struct {
	Intervals []Interval
	Values    []float64 // ascending
}

// Contains reports whether x is in the domain.
func (d *Domain) Contains(x float64) bool {
	if guessed(d.Values, x) >= 0 {
		return true
	}
	if _, ok := slices.BinarySearch(d.Values, x); ok {
		return true
	}
	return slices.ContainsFunc(d.Intervals, func(v Interval) bool { return v.Contains(x) })
}

// guessed returns the place of x in an ascending list as if whole numbers followed one
// another there, as codes do; -1 where the guess is wrong.
func guessed(list []float64, x float64) int {
	if len(list) > 0 {
		if d := x - list[0]; d >= 0 && d < float64(len(list)) && list[int(d)] == x {
			return int(d)
		}
	}
	return -1
}

// Restrict writes Otherwise where a value is outside the domain; NaN makes it
// missing. Missing stays missing.
type Restrict struct {
	Domain
	Otherwise float64
}

func (r Restrict) fill(dst []float64, in [][]float64) {
	for i, x := range in[0] {
		switch {
		case absent(x):
			x = math.NaN()
		case !r.Contains(x):
			x = finite(r.Otherwise)
		}
		dst[i] = x
	}
}

// Outside is 1 where an operand is known and outside its domain, and 0 elsewhere.
// Operand i belongs to Domain i.
type Outside []Domain

func (o Outside) fill(dst []float64, in [][]float64) {
	for i := range dst {
		y := 0.0
		for k, column := range in {
			if x := column[i]; guessed(o[k].Values, x) < 0 && !absent(x) && !o[k].Contains(x) {
				y = 1
				break
			}
		}
		dst[i] = y
	}
}

// Bins gives the value of the first interval that contains the operand, Otherwise
// where none does, and Missing where it is missing.
type Bins struct {
	Intervals          []Interval
	Values             []float64 // of each interval
	Otherwise, Missing float64
}

func (b Bins) fill(dst []float64, in [][]float64) {
	for i, x := range in[0] {
		y := b.Missing
		if !absent(x) {
			y = b.Otherwise
			for k, v := range b.Intervals {
				if v.Contains(x) {
					y = b.Values[k]
					break
				}
			}
		}
		dst[i] = finite(y)
	}
}

// Outliers says what Norm does beyond its first and last point.
type Outliers uint8

// What Norm does beyond its ends.
const (
	OutliersAsIs     Outliers = iota // follow the first, or the last, line on
	OutliersMissing                  // give a missing value
	OutliersExtremes                 // give the value of the first, or the last, point
)

// Norm follows straight lines from point to point. From ascends strictly and has two
// values or more; To has as many.
type Norm struct {
	From, To []float64
	Outliers Outliers
	Missing  float64 // where the operand is missing
}

func (n Norm) fill(dst []float64, in [][]float64) {
	for i, x := range in[0] {
		y := n.Missing
		if !absent(x) {
			y = n.at(x)
		}
		dst[i] = finite(y)
	}
}

func (n *Norm) at(x float64) float64 {
	last := len(n.From) - 1
	if x < n.From[0] || x > n.From[last] {
		switch n.Outliers {
		case OutliersAsIs:
		case OutliersMissing:
			return math.NaN()
		case OutliersExtremes:
			if x < n.From[0] {
				return n.To[0]
			}
			return n.To[last]
		}
	}
	k := 1 // the first point not below x, but for the first
	for high := last; k < high; {
		if middle := (k + high) / 2; n.From[middle] < x {
			k = middle + 1
		} else {
			high = middle
		}
	}
	share := (x - n.From[k-1]) / (n.From[k] - n.From[k-1])
	return n.To[k-1] + float64(share*(n.To[k]-n.To[k-1]))
}

// Table finds the row whose keys equal the operands, as many as a row has.
type Table struct {
	keys               []float64 // row after row, ascending
	values             []float64
	otherwise, missing float64
}

// NewTable returns a table that gives values[i] where the operands equal the
// numbers keys[i], otherwise where no row does, and missing where an operand is
// missing. Of equal rows the first counts.
func NewTable(keys [][]float64, values []float64, otherwise, missing float64) Table {
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return slices.Compare(keys[a], keys[b]) })
	t := Table{otherwise: otherwise, missing: missing}
	for n, i := range order {
		if n > 0 && slices.Equal(keys[i], keys[order[n-1]]) {
			continue
		}
		t.keys = append(t.keys, keys[i]...)
		t.values = append(t.values, values[i])
	}
	return t
}

func (t Table) fill(dst []float64, in [][]float64) {
	if len(in) > 1 {
		for i := range dst {
			dst[i] = finite(t.find(in, i))
		}
		return
	}
	for i, x := range in[0] {
		y := t.missing
		if at := guessed(t.keys, x); at >= 0 {
			y = t.values[at]
		} else if !absent(x) {
			y = t.find(in, i)
		}
		dst[i] = finite(y)
	}
}

func (t *Table) find(in [][]float64, i int) float64 {
	for _, column := range in {
		if absent(column[i]) {
			return t.missing
		}
	}
	width := len(in)
	at := sort.Search(len(t.values), func(row int) bool {
		for k, column := range in {
			if key := t.keys[row*width+k]; key != column[i] {
				return key > column[i]
			}
		}
		return true
	})
	if at == len(t.values) {
		return t.otherwise
	}
	for k, column := range in {
		if t.keys[at*width+k] != column[i] {
			return t.otherwise
		}
	}
	return t.values[at]
}
