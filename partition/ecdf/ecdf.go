// Package ecdf says where an amount stands in a whole base that no single
// machine sees.
//
//	partition ─► Histogram ─┐
//	partition ─► Histogram ─┼─► Merge ─► one Histogram ─► where any amount stands
//	partition ─► Histogram ─┘   integers: the order does not matter
//
// Amounts are counted by bins. Bin is monotone; amounts below 4096 have a bin
// each, and above that a bin is narrower than 1/2048 of the amounts in it. Two
// amounts of one bin count as equal: that is all that is lost against sorting
// the base.
//
// A merged histogram depends on the rows alone, not on how they were
// partitioned or in which order partitions finished (invariant I5).
package ecdf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

const (
	// Bins is how many bins there are.
	Bins = 1 << 16
	// precision is how many leading bits of an amount its bin keeps, so that the
	// last bin begins just below 2^42: 44 billion yuan in fen.
	precision = 12
	amountMax = 1<<(precision+Bins>>(precision-1)-2) - 1
)

// Bin returns the bin of an amount. Amounts below zero are in the bin of zero,
// those of 2^42 and more in the last.
func Bin(amount int64) int {
	a := uint64(min(max(amount, 0), amountMax))
	shift := max(bits.Len64(a)-precision, 0)
	return shift<<(precision-1) + int(a>>shift)
}

// Eligible reports whether a subscriber of that retain_decision is in the base
// that is ranked: RETAIN (1), and HOLDOUT (9), who would have been retained and
// must stay comparable with those who are. All others are excluded (domain C11).
func Eligible(decision uint8) bool { return decision == 1 || decision == 9 }

// Histogram counts amounts by bin. The zero Histogram is empty.
type Histogram struct {
	rows  [Bins]int64
	total int64
}

// Add counts one amount.
func (h *Histogram) Add(amount int64) {
	h.rows[Bin(amount)]++
	h.total++
}

// Merge adds what o counted.
func (h *Histogram) Merge(o *Histogram) {
	for i, n := range o.rows {
		h.rows[i] += n
	}
	h.total += o.total
}

// Reset empties the histogram.
func (h *Histogram) Reset() { *h = Histogram{} }

// Total returns how many amounts were counted.
func (h *Histogram) Total() int64 { return h.total }

// Each calls visit for every bin, lowest first, with how many amounts lie in
// lower bins and how many in it.
func (h *Histogram) Each(visit func(bin int, below, equal int64)) {
	var below int64
	for i, n := range h.rows {
		visit(i, below, n)
		below += n
	}
}

// A histogram as a file: number, version, then for each bin that is not empty
// the distance from the one before and its rows, as varints.
const (
	fileNumber  = 101 // package wire's surveys are 100
	fileVersion = 1
	// totalMax is more rows than a plan may have; within it no sum overflows.
	totalMax = 1 << 40
)

// BytesMax is the size of the longest histogram file.
const BytesMax = 2 + Bins*(1+6)

// ErrHistogram is returned for bytes that are not exactly one histogram.
var ErrHistogram = errors.New("not a histogram")

// Encode writes the histogram. The same histogram gives the same bytes.
func (h *Histogram) Encode() []byte {
	data := []byte{fileNumber, fileVersion}
	last := -1
	for i, n := range h.rows {
		if n > 0 {
			data = binary.AppendUvarint(data, uint64(i-last))
			data = binary.AppendUvarint(data, uint64(n))
			last = i
		}
	}
	return data
}

// Decode reads what Encode wrote, and nothing else.
func Decode(data []byte) (*Histogram, error) {
	if len(data) < 2 || data[0] != fileNumber || data[1] != fileVersion {
		return nil, fmt.Errorf("decode histogram: %w of a format this build knows", ErrHistogram)
	}
	h := new(Histogram)
	bin := -1
	for rest := data[2:]; len(rest) > 0; {
		var pair [2]uint64
		for k := range pair {
			v, n := binary.Uvarint(rest)
			if n <= 0 || v == 0 || n > 1 && rest[n-1] == 0 { // 0 is never written, nor a longer way to write a number
				return nil, fmt.Errorf("decode histogram after bin %d: %w", bin, ErrHistogram)
			}
			pair[k], rest = v, rest[n:]
		}
		if pair[0] > uint64(Bins-1-bin) || pair[1] > uint64(totalMax-h.total) {
			return nil, fmt.Errorf("decode histogram after bin %d: %w: more bins or rows than there can be", bin, ErrHistogram)
		}
		bin += int(pair[0])
		h.rows[bin] = int64(pair[1])
		h.total += int64(pair[1])
	}
	return h, nil
}
