// Package ecdf says where an amount stands in a whole base that no single
// machine sees.
//
//	partition ─► Histogram ─┐
//	partition ─► Histogram ─┼─► Merge ─► one Histogram ─► where any amount stands
//	partition ─► Histogram ─┘   integers: the order does not matter
//
// What subscribers are ranked by, the job's policy says, and a Ranking turns it
// into keys: bins of amounts, or cells of pairs where two ranks are weighed.
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
	return binOf(uint64(min(max(amount, 0), amountMax)), precision)
}

// binOf keeps so many leading bits. It asks nothing: whether a has more of them is
// guessed wrong.
func binOf(a uint64, precision int) int {
	shift := bits.Len64(a|1<<(precision-1)) - precision
	return shift<<(precision-1) + int(a>>shift)
}

// Eligible reports whether a subscriber of that retain_decision is in the base
// that is ranked: RETAIN (1), and HOLDOUT (9), who would have been retained and
// must stay comparable with those who are. All others are excluded (domain C11).
// 1 and 9 differ in one bit, and one comparison is no branch to guess wrong.
func Eligible(decision uint8) bool { return decision&^8 == 1 }

// Kind says what the keys of a histogram are. Written to disk.
type Kind uint8

// Kinds.
const (
	Amounts Kind = 1 // bins of amounts: Bin
	Pairs   Kind = 2 // cells of a propensity score and a mean bill: Cell
	Scores  Kind = 3 // cells of the propensity scores of two models: ScoreCell
)

// Keys is how many keys there are of a kind: a key is below it.
func (k Kind) Keys() int {
	switch k {
	case Amounts:
		return Bins
	case Pairs:
		return scores * BillBins
	case Scores:
		return ScoreBins * ScoreBins
	}
	return 0
}

// Histogram counts rows by key. New makes one.
type Histogram struct {
	kind  Kind
	rows  []int64
	total int64
}

// New returns an empty histogram: half a megabyte for amounts, four for pairs, 0.3
// for scores.
func New(kind Kind) *Histogram { return &Histogram{kind: kind, rows: make([]int64, kind.Keys())} }

// Kind returns what the keys are.
func (h *Histogram) Kind() Kind { return h.kind }

// Add counts one row.
func (h *Histogram) Add(key int) {
	h.rows[key]++
	h.total++
}

// AddAll counts rows of those keys.
func (h *Histogram) AddAll(keys []int32) {
	for _, key := range keys {
		h.rows[key]++
	}
	h.total += int64(len(keys))
}

// Merge adds what o counted.
func (h *Histogram) Merge(o *Histogram) error {
	if h.kind != o.kind {
		return fmt.Errorf("merge histograms of kinds %d and %d: %w of that kind", h.kind, o.kind, ErrHistogram)
	}
	for i, n := range o.rows {
		if n != 0 { // see Reset
			h.rows[i] += n
		}
	}
	h.total += o.total
	return nil
}

// Reset empties the histogram. What is zero is not written: most keys have no rows, and
// the system gives memory to whoever writes.
func (h *Histogram) Reset() {
	for i, n := range h.rows {
		if n != 0 {
			h.rows[i] = 0
		}
	}
	h.total = 0
}

// Rows returns how many rows a key has.
func (h *Histogram) Rows(key int) int64 { return h.rows[key] }

// Total returns how many rows were counted.
func (h *Histogram) Total() int64 { return h.total }

// Each calls visit for every key, lowest first, with how many rows have lower
// keys and how many have it.
func (h *Histogram) Each(visit func(key int, below, equal int64)) {
	var below int64
	for i, n := range h.rows {
		visit(i, below, n)
		below += n
	}
}

// A histogram as a file: number, version, kind, then for each key that has rows
// the distance from the one before and its rows, as varints.
const (
	fileNumber  = 101 // package wire's surveys are 100
	fileVersion = 2
	// totalMax is more rows than a plan may have; within it no sum overflows.
	totalMax = 1 << 40
)

// BytesMax is more than the longest histogram file: 3.6 MB. A partition's has at
// most five bytes a row besides, for every key in it has a row.
const BytesMax = 3 + scores*BillBins*(1+6)

// ErrHistogram is returned for bytes that are not exactly one histogram.
var ErrHistogram = errors.New("not a histogram")

// Encode writes the histogram. The same histogram gives the same bytes.
func (h *Histogram) Encode() []byte {
	data := []byte{fileNumber, fileVersion, byte(h.kind)}
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
	if len(data) < 3 || Kind(data[2]).Keys() == 0 {
		return nil, fmt.Errorf("decode histogram: %w of a format this build knows", ErrHistogram)
	}
	h := New(Kind(data[2]))
	if err := h.MergeFile(data); err != nil {
		return nil, err
	}
	return h, nil
}

// MergeFile adds what was counted in a histogram of the same kind that Encode wrote,
// in time that follows the file and not the keys there could be. With an error it adds
// nothing.
func (h *Histogram) MergeFile(data []byte) error {
	total, err := h.scan(data, func(int, int64) {})
	if err != nil {
		return err
	}
	_, err = h.scan(data, func(key int, rows int64) { h.rows[key] += rows })
	h.total += total
	return err
}

// scan calls visit for each key of a file that has rows, and returns how many they are.
func (h *Histogram) scan(data []byte, visit func(key int, rows int64)) (total int64, err error) {
	if len(data) < 3 || data[0] != fileNumber || data[1] != fileVersion || Kind(data[2]) != h.kind {
		return 0, fmt.Errorf("decode histogram: %w of a format this build knows, of kind %d", ErrHistogram, h.kind)
	}
	key := -1
	for rest := data[3:]; len(rest) > 0; {
		var pair [2]uint64
		for k := range pair {
			v, n := binary.Uvarint(rest)
			if n <= 0 || v == 0 || n > 1 && rest[n-1] == 0 { // 0 is never written, nor a longer way to write a number
				return 0, fmt.Errorf("decode histogram after key %d: %w", key, ErrHistogram)
			}
			pair[k], rest = v, rest[n:]
		}
		if pair[0] > uint64(len(h.rows)-1-key) || pair[1] > uint64(totalMax-total) {
			return 0, fmt.Errorf("decode histogram after key %d: %w: more keys or rows than there can be", key, ErrHistogram)
		}
		key += int(pair[0])
		total += int64(pair[1])
		visit(key, int64(pair[1]))
	}
	return total, nil
}
