package whatif

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"rescore/partition"
	"rescore/partition/job"
)

// segmentsMin is the least number of segments a sample holds: an interval over
// fewer clusters is hardly one.
const segmentsMin = 30

// salt keeps the draw of segments apart from other uses of partition.Mix.
const salt = 0x7768617469663a31 // "whatif:1"

// draw picks segments by a keyed hash until they hold the share of the rows and
// are enough, and returns them in order; nil when that is, or is nearly, all.
func draw(runs []job.SegmentRows, share float64) []partition.Range {
	if share <= 0 || share >= 1 {
		return nil
	}
	rows, total := map[partition.Segment]int64{}, int64(0)
	for _, r := range runs {
		rows[r.Segment] += r.Rows
		total += r.Rows
	}
	var order []partition.Segment
	for s := range rows {
		order = append(order, s)
	}
	slices.SortFunc(order, func(a, b partition.Segment) int {
		return cmp.Compare(partition.Mix(uint64(a)^salt), partition.Mix(uint64(b)^salt))
	})
	n, seen := 0, int64(0)
	for n < len(order) && (n < segmentsMin || float64(seen) < share*float64(total)) {
		seen += rows[order[n]]
		n++
	}
	if n > len(order)*9/10 {
		return nil
	}
	chosen := slices.Sorted(slices.Values(order[:n]))
	ranges := make([]partition.Range, n)
	for i, s := range chosen {
		ranges[i] = partition.Range{First: s.First(), Past: s.Past()}
	}
	return ranges
}

// segments counts those with a row.
func segments(runs []job.SegmentRows) int {
	n, last := 0, partition.Segment(0)
	for _, r := range runs {
		if r.Segment != last {
			n++
		}
		last = r.Segment
	}
	return n
}

// sampled turns the counts of a sample into estimates for all scored rows.
func (a *Answer) sampled(counts []count, scored int64, all int) {
	a.Mode = "sampled"
	a.Sample = &Sample{Segments: len(counts), Of: all}
	x := make([]float64, len(counts))
	for i, c := range counts {
		x[i] = float64(c.rows.Scored)
		a.Sample.Rows += c.rows.Scored
	}
	a.Sample.Share = float64(a.Sample.Rows) / float64(scored)
	lines := make([]*Line, 0, len(a.Rules)+1)
	for i := range a.Rules {
		lines = append(lines, &a.Rules[i])
	}
	lines = append(lines, &a.Warn)
	for k, l := range lines {
		of := func(value func(line) int64) estimate {
			y := make([]float64, len(counts))
			for i, c := range counts {
				y[i] = float64(value(c.lines[k]))
			}
			return ratio(x, y, float64(scored))
		}
		if k >= 14 && k < len(lines)-1 { // no tally of the users' rules is published
			l.Before = of(func(l line) int64 { return l.before }).figure(0, scored).Count
			l.UnknownBefore = of(func(l line) int64 { return l.unknownBefore }).figure(0, scored).Count
		}
		if k < 14 && !touched(a.Changed, k+1) {
			l.Newly, l.NoLonger, l.After, l.UnknownAfter = exactly(0), exactly(0), exactly(l.Before), exactly(l.UnknownBefore)
			continue
		}
		l.Newly = of(func(l line) int64 { return l.newly }).figure(0, scored-l.Before)
		l.NoLonger = of(func(l line) int64 { return l.noLonger }).figure(0, l.Before)
		l.After = of(func(l line) int64 { return l.newly - l.noLonger }).plus(l.Before).figure(0, scored)
		l.UnknownAfter = of(func(l line) int64 { return l.unknownAfter - l.unknownBefore }).plus(l.UnknownBefore).figure(0, scored)
	}
}

// touched reports whether a change can change what a trigger says: one of its own
// keys, or one that all go by.
func touched(changed []Change, trigger int) bool {
	return slices.ContainsFunc(changed, func(c Change) bool {
		name := strings.TrimPrefix(c.Key, "rules.")
		return strings.HasPrefix(name, fmt.Sprintf("t%d_", trigger)) || slices.Contains(others, name)
	})
}

// estimate is a total and half the width of its 95 % interval.
type estimate struct {
	total, half float64
}

func (e estimate) plus(n int64) estimate { e.total += float64(n); return e }

func (e estimate) figure(least, most int64) Figure {
	within := func(x float64) int64 { return min(max(int64(math.Round(x)), least), max(most, least)) }
	return Figure{within(e.total), within(math.Floor(e.total - e.half)), within(math.Ceil(e.total + e.half))}
}

// ratio estimates the total of y over a population that holds all of x, from
// clusters: y's ratio to x, and its variance by the residuals (Cochran, Sampling
// Techniques, 6.3). Where nothing was seen the interval reaches to three in as
// many rows as were looked at, the rule of three.
func ratio(x, y []float64, all float64) estimate {
	var sx, sy float64
	for i := range x {
		sx += x[i]
		sy += y[i]
	}
	if sx == 0 {
		return estimate{half: all}
	}
	r := sy / sx
	var squares, changed float64
	for i := range x {
		e := y[i] - r*x[i]
		squares += e * e
		changed += math.Abs(y[i])
	}
	if changed == 0 {
		return estimate{half: 3 * all / sx * (1 - sx/all)}
	}
	m := float64(len(x))
	mean := sx / m
	variance := all * all / (m * mean * mean) * (1 - sx/all) * squares / (m - 1)
	return estimate{total: r * all, half: student(m-1) * math.Sqrt(variance)}
}

// student returns the 97.5 % point of Student's t, by the expansion of
// Cornish and Fisher: exact to 0.01 from ten degrees of freedom on.
func student(degrees float64) float64 {
	const z = 1.959963984540054
	return z + (z*z*z+z)/(4*degrees) + (5*math.Pow(z, 5)+16*z*z*z+3*z)/(96*degrees*degrees)
}
