// Package psi says how far a column has moved from what a model was trained on:
// its population stability index (domain C15).
//
//	reference ─► Fit ─► Bins: edges, and the share of the reference in each bin
//	                     │
//	partition ─► Find ─► counts ─┐
//	partition ─► Find ─► counts ─┼─► sum ─► Index ─► Read: stable, noticeable, major
//
// Counts are whole numbers, so that partitions add up exactly, in any order.
// Missing values have a bin of their own: a feed that stops is the drift that
// matters most.
package psi

import (
	"fmt"
	"math"
	"slices"
)

// Limits of what is compared.
const (
	BinsMax    = 1000 // of a column, the one for missing values included
	ColumnsMax = 4096
)

// From here on a shift is noticeable, and above it major: the reading of every
// survey of the field (ecosystem 3.7). It grows as samples shrink.
const (
	NoticeableFrom = 0.10
	MajorAbove     = 0.25
)

// shareMin is what a share counts for that is less: an empty bin would make the
// index infinite. One row in ten thousand, as most scorecards have it.
const shareMin = 1e-4

// Bins cuts a column, with the share of the reference in each bin.
type Bins struct {
	Name    string    `yaml:"name" json:"name,omitempty" cbor:"4,keyasint"` // of the column
	Edges   []float64 `yaml:"edges" json:"edges" cbor:"1,keyasint"`         // increasing; bin i holds values above edge i-1 up to and with edge i, the last those above all
	Shares  []float64 `yaml:"shares" json:"shares" cbor:"2,keyasint"`       // of the reference, one more than edges; with missing they sum to 1
	Missing float64   `yaml:"missing" json:"missing" cbor:"3,keyasint"`     // share of the reference that is missing
}

// Len returns the number of bins, the last of which is for missing values.
func (b Bins) Len() int { return len(b.Edges) + 2 }

// Find returns the bin of x; NaN is missing.
func (b Bins) Find(x float64) int {
	if x != x {
		return len(b.Edges) + 1
	}
	low, past := 0, len(b.Edges)
	for low < past {
		if at := (low + past) / 2; x <= b.Edges[at] {
			past = at
		} else {
			low = at + 1
		}
	}
	return low
}

// Check says what is wrong with the bins, and nil when nothing is.
func (b Bins) Check() error {
	switch {
	case len(b.Shares) != len(b.Edges)+1:
		return fmt.Errorf("%d shares for %d edges; there is one share more than edges", len(b.Shares), len(b.Edges))
	case b.Len() > BinsMax:
		return fmt.Errorf("%d bins, and %d at most can be", b.Len(), BinsMax)
	}
	for i, e := range b.Edges {
		if math.IsNaN(e) || math.IsInf(e, 0) || i > 0 && e <= b.Edges[i-1] {
			return fmt.Errorf("edge %d is %v; edges are finite and increase", i, e)
		}
	}
	sum := b.Missing
	for _, s := range b.Shares {
		sum += s
	}
	for _, s := range append(b.Shares[:len(b.Shares):len(b.Shares)], b.Missing) {
		if !(s >= 0 && s <= 1) {
			return fmt.Errorf("the share %v is not from 0 to 1", s)
		}
	}
	if math.Abs(sum-1) > 1e-6 {
		return fmt.Errorf("the shares and missing sum to %v, not to 1", sum)
	}
	return nil
}

// Index returns the population stability index of rows that were counted by bin,
// Len counts, rounded to six decimals; false when there are no rows:
//
//	Σ (a − e)·ln(a / e), e the reference's share of a bin and a that of the rows
//
// A share below 0.0001 counts for 0.0001.
func (b Bins) Index(counts []int64) (index float64, ok bool) {
	var rows int64
	for _, n := range counts {
		rows += n
	}
	if rows == 0 {
		return 0, false
	}
	for i, n := range counts {
		e := b.Missing
		if i < len(b.Shares) {
			e = b.Shares[i]
		}
		index += term(e, float64(n)/float64(rows))
	}
	return math.Round(index*1e6) / 1e6, true
}

// Between returns the index of shares against reference shares, as many.
func Between(reference, shares []float64) float64 {
	index := 0.0
	for i, e := range reference {
		index += term(e, shares[i])
	}
	return math.Round(index*1e6) / 1e6
}

func term(e, a float64) float64 {
	e, a = max(e, shareMin), max(a, shareMin)
	return float64((a - e) * math.Log(a/e))
}

// Reading is an index in words.
func Reading(index float64) string {
	switch {
	case index < NoticeableFrom:
		return "stable"
	case index <= MajorAbove:
		return "noticeable"
	}
	return "major"
}

// Fit cuts the reference into at most n bins of even weight, besides the one for
// missing values. A value that many rows share is in one bin, so that there may be
// fewer. values is sorted on return. With no value that is not missing there is
// one bin.
func Fit(values []float64, n int) Bins {
	rows := len(values)
	slices.Sort(values) // NaNs first
	present := values
	for len(present) > 0 && present[0] != present[0] {
		present = present[1:]
	}
	b := Bins{Edges: []float64{}, Shares: []float64{}}
	if rows == 0 {
		b.Shares = append(b.Shares, 1)
		return b
	}
	first := 0 // of the bin being filled
	for k := 1; k < n && first < len(present); k++ {
		at := k*len(present)/n - 1
		if at < first {
			continue // the bin before has this one's rows
		}
		edge := present[at]
		past, _ := slices.BinarySearchFunc(present, edge, func(x, edge float64) int {
			if x <= edge {
				return -1
			}
			return 1
		})
		if past == len(present) || math.IsInf(edge, 0) {
			break
		}
		b.Edges = append(b.Edges, edge)
		b.Shares = append(b.Shares, float64(past-first)/float64(rows))
		first = past
	}
	b.Shares = append(b.Shares, float64(len(present)-first)/float64(rows))
	b.Missing = float64(rows-len(present)) / float64(rows)
	return b
}
