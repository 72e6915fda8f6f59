package comparison

import (
	"cmp"
	"math"
	"slices"

	"rescore/partition/contest"
	"rescore/partition/ecdf"
	"rescore/partition/schema"
)

const (
	codes     = 16   // of a coded column that is compared: more than any has
	blockRows = 4096 // are graded at once
	largest   = 10   // changes that are shown
	stepMax   = 1000 // changes of propensity are counted in thousandths
)

// matrix counts rows by what they were, then by what they are.
type matrix [codes][codes]int64

// counts are what was counted of some numbers of both versions.
type counts struct {
	rows                     [2]int64                 // of either version
	met                      int64                    // of both
	scores                   [2][ecdf.ScoreBins]int64 // rows of either version by the bin of their propensity
	moves                    *contest.Counts          // rows of both, by either propensity
	band, priority, decision matrix
	changed                  int64              // rows of both with another propensity
	sum                      int64              // of the changes without their sign, in millionths
	steps                    [stepMax + 1]int64 // rows of both by their change in thousandths, rounded up
	top                      []change           // the largest changes, the largest first

	scale  contest.Scale
	block  [2][]float32 // propensities of rows of both, not yet counted
	bands  [2][]uint8
	grades [2][]contest.Grade
	single [1]contest.Grade
}

// change is one row's, with its number while it is sorted.
type change struct {
	key  uint64
	size float64
	was  Row
	is   Row
}

func newCounts() *counts {
	c := &counts{moves: contest.New()}
	for k := range c.grades {
		c.grades[k] = make([]contest.Grade, blockRows)
	}
	return c
}

// only counts a row that one of the versions has: of is 0 for the old one.
func (c *counts) only(r *rows, i, of int) {
	c.rows[of]++
	c.scale.Grade(c.single[:], r.propensity[i:i+1])
	c.scores[of][c.single[0].Bin]++
}

// both counts a row that both have.
func (c *counts) both(a *rows, i int, b *rows, k int) {
	c.rows[0]++
	c.rows[1]++
	c.met++
	c.band[a.band[i]%codes][b.band[k]%codes]++
	c.priority[a.priority[i]%codes][b.priority[k]%codes]++
	c.decision[a.decision[i]%codes][b.decision[k]%codes]++
	for of, p := range [2]float32{a.propensity[i], b.propensity[k]} {
		c.block[of] = append(c.block[of], p)
	}
	c.bands[0], c.bands[1] = append(c.bands[0], a.band[i]), append(c.bands[1], b.band[k])
	if len(c.block[0]) == blockRows {
		c.flush()
	}
	if a.propensity[i] == b.propensity[k] {
		c.steps[0]++
		return
	}
	size := math.Abs(float64(b.propensity[k]) - float64(a.propensity[i]))
	c.changed++
	c.sum += int64(math.RoundToEven(1e6 * size))
	c.steps[min(int(math.Ceil(size*stepMax)), stepMax)]++
	if len(c.top) < largest || size >= c.top[len(c.top)-1].size {
		c.rank(change{key: a.keys[i], size: size, was: a.row(i), is: b.row(k)})
	}
}

// flush counts the block.
func (c *counts) flush() {
	n := len(c.block[0])
	for of := range c.block {
		grades := c.grades[of][:n]
		c.scale.Grade(grades, c.block[of])
		for i := range grades {
			grades[i].Band = min(max(c.bands[of][i], 1), contest.Bands) // as published
			c.scores[of][grades[i].Bin]++
		}
		c.block[of], c.bands[of] = c.block[of][:0], c.bands[of][:0]
	}
	c.moves.Add(c.grades[0][:n], c.grades[1][:n])
}

// rank puts a change among the largest.
func (c *counts) rank(x change) {
	at, _ := slices.BinarySearchFunc(c.top, x, func(a, b change) int {
		return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.key, b.key))
	})
	if c.top = slices.Insert(c.top, at, x); len(c.top) > largest {
		c.top = c.top[:largest]
	}
}

// merge adds what o counted.
func (c *counts) merge(o *counts) error {
	for of := range c.rows {
		c.rows[of] += o.rows[of]
		for i, n := range o.scores[of] {
			c.scores[of][i] += n
		}
	}
	c.met, c.changed, c.sum = c.met+o.met, c.changed+o.changed, c.sum+o.sum
	c.band.add(&o.band)
	c.priority.add(&o.priority)
	c.decision.add(&o.decision)
	for i, n := range o.steps {
		c.steps[i] += n
	}
	for _, x := range o.top {
		c.rank(x)
	}
	return c.moves.Merge(o.moves)
}

func (m *matrix) add(o *matrix) {
	for i := range m {
		for k := range m[i] {
			m[i][k] += o[i][k]
		}
	}
}

// row is what is shown of a row.
func (r *rows) row(i int) Row {
	out := Row{
		Propensity: r.propensity[i], RiskBand: r.band[i],
		Priority: label("action_priority", r.priority[i]), Decision: label("retain_decision", r.decision[i]),
	}
	for _, reason := range r.reason {
		if code := int(reason[i]); code > 0 && code <= len(r.features) {
			out.Reasons = append(out.Reasons, r.features[code-1])
		}
	}
	return out
}

// label is what a coded value is called.
func label(column string, value uint8) string {
	code, ok := schema.Must(schema.Published, column).Label(value)
	if !ok {
		return "?"
	}
	return code.Name
}
