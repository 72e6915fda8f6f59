// Package contest says how far a challenger agrees with the champion, over a whole
// base that no single machine sees.
//
//	partition ─► Counts ─┐
//	partition ─► Counts ─┼─► Merge ─► Figures: bands, top tenth, ranks, PSI, means
//	partition ─► Counts ─┘   integers: the order does not matter
//
// Both models scored the same rows in the same read, so that a row has two scores
// and every row counts. What is counted are published values and what follows from
// them: a reader of the version's files finds the same figures.
//
// Scores are counted by ecdf.ScoreBin, bands and means apart and exactly. Rows of
// one bin count as equal, for a champion as for a challenger.
package contest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"rescore/partition/ecdf"
)

// Bands is how many risk bands there are.
const Bands = 5

// Grade is what is counted of one model's propensity of a row.
type Grade struct {
	Bin        uint8 // ecdf.ScoreBin of round(1000·propensity), halves to even
	Band       uint8 // risk_band, 1 to 5
	Millionths int32 // the propensity, halves to even
}

// Scale grades propensities by the cut points of a policy.
type Scale struct{ cut [Bands - 1]float64 }

// NewScale returns the scale of policy.risk_band_cut.
func NewScale(cut [Bands - 1]float64) Scale {
	var s Scale
	for i, c := range cut {
		s.cut[i] = float64(float32(c)) // as propensities are rounded, so that 0.05 reaches 0.05
	}
	return s
}

// bins are the bins of all scores.
var bins = func() (list [1001]uint8) {
	for score := range list {
		list[score] = uint8(ecdf.ScoreBin(uint16(score)))
	}
	return list
}()

// Grade grades published propensities as the champion's are graded; dst is as long,
// or longer. What is no probability is graded somehow: it is for whoever proves the
// file to refuse it.
func (s *Scale) Grade(dst []Grade, propensities []float32) {
	for i, propensity := range propensities {
		p := float64(propensity)
		band := uint8(1)
		for _, cut := range s.cut {
			reached := uint8(0) // without a branch: bands are not to be foreseen
			if p >= cut {
				reached = 1
			}
			band += reached
		}
		dst[i] = Grade{Bin: bins[min(uint(int(math.RoundToEven(1000*p))), uint(len(bins)-1))], Band: band, Millionths: int32(math.RoundToEven(1e6 * p))}
	}
}

// Counts are rows by what two models say of them. New makes them.
type Counts struct {
	scores *ecdf.Histogram     // by the cell of both scores
	bands  [Bands][Bands]int64 // by the champion's band, then the challenger's
	sums   [2]int64            // of the propensities in millionths, the champion's first
}

// New returns counts of no rows, some 300 kB.
func New() *Counts { return &Counts{scores: ecdf.New(ecdf.Scores)} }

// Add counts rows by what the two models say of each; the slices are of one length.
func (c *Counts) Add(champion, challenger []Grade) {
	var sums [2]int64
	for i, a := range champion {
		b := challenger[i]
		c.scores.Add(ecdf.ScoreCell(int(a.Bin), int(b.Bin)))
		c.bands[a.Band-1][b.Band-1]++
		sums[0] += int64(a.Millionths)
		sums[1] += int64(b.Millionths)
	}
	c.sums[0] += sums[0]
	c.sums[1] += sums[1]
}

// Rows returns how many rows were counted.
func (c *Counts) Rows() int64 { return c.scores.Total() }

// Merge adds what o counted.
func (c *Counts) Merge(o *Counts) error {
	if err := c.scores.Merge(o.scores); err != nil {
		return err
	}
	for i := range c.bands {
		for k := range c.bands[i] {
			c.bands[i][k] += o.bands[i][k]
		}
	}
	c.sums[0] += o.sums[0]
	c.sums[1] += o.sums[1]
	return nil
}

// Reset makes them counts of no rows.
func (c *Counts) Reset() {
	c.scores.Reset()
	c.bands, c.sums = [Bands][Bands]int64{}, [2]int64{}
}

// A file holds the counts of all challengers of a job, in its order: number,
// version, how many; then of each the two sums, the bands row by row, and the
// length and bytes of the scores. Counts are varints.
const (
	fileNumber  = 102 // package ecdf's histograms are 101
	fileVersion = 1
)

// ErrCounts is returned for bytes that are not exactly a file of counts.
var ErrCounts = errors.New("not counts of champion and challengers")

// Encode writes the counts of a job's challengers. The same counts give the same
// bytes: at most 0.3 MB a challenger and partition, and a tenth of that where the
// models agree.
func Encode(challengers []*Counts) []byte {
	data := []byte{fileNumber, fileVersion, byte(len(challengers))}
	for _, c := range challengers {
		for _, s := range c.sums {
			data = binary.AppendUvarint(data, uint64(s))
		}
		for _, row := range c.bands {
			for _, n := range row {
				data = binary.AppendUvarint(data, uint64(n))
			}
		}
		scores := c.scores.Encode()
		data = binary.AppendUvarint(data, uint64(len(scores)))
		data = append(data, scores...)
	}
	return data
}

// Decode reads what Encode wrote of that many challengers, and nothing else.
func Decode(data []byte, challengers int) ([]*Counts, error) {
	if len(data) < 3 || data[0] != fileNumber || data[1] != fileVersion || int(data[2]) != challengers {
		return nil, fmt.Errorf("decode counts of %d challengers: %w of a format this build knows", challengers, ErrCounts)
	}
	list := make([]*Counts, challengers)
	rest := data[3:]
	for i := range list {
		c, left, err := decode(rest)
		if err != nil {
			return nil, fmt.Errorf("decode counts of challenger %d: %w", i, err)
		}
		list[i], rest = c, left
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("decode counts: %w: %d bytes are left over", ErrCounts, len(rest))
	}
	return list, nil
}

func decode(data []byte) (c *Counts, rest []byte, err error) {
	next := func() int64 {
		v, n := binary.Uvarint(data)
		if n <= 0 || v > math.MaxInt64 || n > 1 && data[n-1] == 0 { // a longer way to write a number is never written
			err = ErrCounts
			return 0
		}
		data = data[n:]
		return int64(v)
	}
	c = &Counts{}
	for i := range c.sums {
		c.sums[i] = next()
	}
	var rows int64
	for i := range c.bands {
		for k := range c.bands[i] {
			c.bands[i][k] = next()
			if rows += c.bands[i][k]; rows < 0 {
				return nil, nil, fmt.Errorf("%w: more rows than there can be", ErrCounts)
			}
		}
	}
	size := next()
	if err != nil || size > int64(len(data)) {
		return nil, nil, fmt.Errorf("%w: it ends early", ErrCounts)
	}
	if c.scores, err = ecdf.Decode(data[:size]); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrCounts, err)
	}
	if c.scores.Kind() != ecdf.Scores || c.scores.Total() != rows || max(c.sums[0], c.sums[1]) > 1e6*rows {
		return nil, nil, fmt.Errorf("%w: bands, sums and scores are of different rows", ErrCounts)
	}
	return c, data[size:], nil
}
