package model

import (
	"fmt"
	"math"
	"strconv"

	"rescore/partition/job"
)

// check reports what is wrong with a scorecard beyond its keys and their bounds.
func (s *scorecard) check() []job.Problem {
	c := cardChecker{scorecard: s, seen: make(map[string]int)}
	if s.HigherIs == "" {
		c.add("higher_is", "the direction is missing", "write riskier when more points mean a subscriber more likely to leave, safer when they mean one less likely to")
	}
	c.scaling()
	if len(s.Characteristics) == 0 {
		c.add("characteristics", "there are no characteristics", "list at least one, with a feature and bins")
	}
	for i := range s.Characteristics {
		c.characteristic(fmt.Sprintf("characteristics[%d]", i), i)
	}
	c.shares()
	return c.found
}

type cardChecker struct {
	*scorecard
	found []job.Problem
	seen  map[string]int // features, with the number of the characteristic
	words int
}

func (c *cardChecker) add(at, message, remedy string) {
	c.found = append(c.found, job.Problem{Path: at, Message: message, Remedy: remedy})
}

func (c *cardChecker) scaling() {
	s := c.Scaling
	first := s.Offset != nil || s.Factor != nil
	second := s.Score != nil || s.Odds != nil || s.PDO != nil
	switch {
	case first && second:
		c.add("scaling", "offset and factor stand beside score, odds and pdo, which say the same", "keep one of the two")
	case first && (s.Offset == nil || s.Factor == nil):
		c.add("scaling", "one of offset and factor is missing", "write both")
	case second && (s.Score == nil || s.Odds == nil || s.PDO == nil):
		c.add("scaling", "one of score, odds and pdo is missing", "write all three")
	}
}

// characteristic checks that bins are ordered and disjoint, and leave nothing out.
func (c *cardChecker) characteristic(at string, number int) {
	one := &c.Characteristics[number]
	before, twice := c.seen[one.Feature]
	switch {
	case one.Feature == "":
		c.add(at+".feature", "the feature is missing", "write feature: and the name of a column")
	case twice:
		c.add(at+".feature", fmt.Sprintf("%s has a characteristic already, the %s one", one.title(), ordinal(before)), "put both into one")
	default:
		c.seen[one.Feature] = number
	}
	switch n := len(one.Bins); {
	case n == 0:
		c.add(at+".bins", one.title()+" has no bins", "list them, with points")
		return
	case n > binsMax:
		c.add(at+".bins", fmt.Sprintf("%s has %d bins, more than %d", one.title(), n, binsMax), "join some of them")
		return
	}
	b := binChecker{cardChecker: c, of: one, last: math.Inf(-1), listed: make(map[int64]int)}
	for i := range one.Bins {
		b.bin(fmt.Sprintf("%s.bins[%d]", at, i), i)
	}
	b.complete(at + ".bins")
}

// binChecker goes through the bins of a characteristic.
type binChecker struct {
	*cardChecker
	of      *characteristic
	upto    int     // bins with it
	last    float64 // the last of them
	above   bool
	lists   int // bins with categories
	listed  map[int64]int
	missing bool
	other   bool
	broken  bool // one is so wrong that it cannot be said what is left out
}

func (b *binChecker) bin(at string, number int) {
	one := &b.of.Bins[number]
	wrong := func(key, message, remedy string) {
		b.add(join(at, key), fmt.Sprintf("%s, %s bin: %s", b.of.title(), ordinal(number), message), remedy)
	}
	broken := func(key, message, remedy string) {
		b.broken = true
		wrong(key, message, remedy)
	}
	if one.Points == nil {
		wrong("points", "the points are missing", "write points:, 0 for none")
	}
	kinds := 0
	for _, there := range []bool{one.Upto != nil, one.Above != nil, len(one.Categories) > 0, one.Missing, one.Other} {
		if there {
			kinds++
		}
	}
	const oneOf = "write one of upto, above, categories, missing: true and other: true"
	switch {
	case kinds == 0:
		broken("", "it does not say which values are in it", oneOf)
	case kinds > 1:
		broken("", "it says more than once which values are in it", oneOf)
	case one.Upto != nil:
		b.upto++
		if b.above {
			broken("upto", "it comes after above, which takes all that is left", "put above behind every upto")
		} else if x := *one.Upto; !(x > b.last) {
			broken("upto", fmt.Sprintf("%s is not above the %s of the bin before", figure(x), figure(b.last)), "order the bins from the lowest up")
		} else {
			b.last = x
		}
	case one.Above != nil:
		if b.above {
			broken("above", "there are two of these bins", "keep one of the two")
		} else if b.above = true; b.upto > 0 && *one.Above != b.last {
			broken("above", fmt.Sprintf("%s is not %s, where the bin before ends", figure(*one.Above), figure(b.last)), "write above: "+figure(b.last))
		}
	case one.Missing:
		if b.missing {
			broken("missing", "there are two of these bins", "keep one of the two")
		}
		b.missing = true
	case one.Other:
		if b.other {
			broken("other", "there are two of these bins", "keep one of the two")
		}
		b.other = true
	default:
		b.lists++
		for i, category := range one.Categories {
			if category < 0 || category > 65535 {
				b.broken = true // the bounds of the key say so
				return
			}
			if first, ok := b.listed[category]; ok {
				b.broken = true
				wrong(fmt.Sprintf("categories[%d]", i), fmt.Sprintf("category %d is in the %s bin already", category, ordinal(first)), "list it once")
				continue
			}
			b.listed[category] = number
		}
		if old := b.words; old <= cardWordsMax {
			if b.words += one.words(); b.words > cardWordsMax {
				wrong("categories", "the categories of all bins so far take too much room", "number categories from 0 on")
			}
		}
	}
}

// complete reports what the bins leave out, and what does not go together.
func (b *binChecker) complete(at string) {
	wrong := func(message, remedy string) { b.add(at, b.of.title()+": "+message, remedy) }
	next := len(b.of.Bins)
	lacks := func(values, remedy string) { // reported at the bin that should be there
		b.add(fmt.Sprintf("%s[%d]", at, next), b.of.title()+": no bin takes "+values, remedy)
		next++
	}
	numbers, categories := b.upto > 0 || b.above, b.lists > 0 || b.other
	switch {
	case b.broken:
		return
	case numbers && categories:
		wrong("some bins cut up numbers, and others list categories", "use upto and above, or categories and other")
		return
	case numbers && !b.above:
		lacks("the values above "+figure(b.last), fmt.Sprintf("add {above: %s, points: …}", figure(b.last)))
	case numbers && b.upto == 0:
		lacks("the values up to where above begins", "add one with upto before it")
	case !numbers && !b.other:
		lacks("the values that no categories list", "add {other: true, points: …}")
	}
	if !b.missing {
		lacks("missing values", "add {missing: true, points: …}")
	}
}

// shares checks that all bins state a share, or none.
func (c *cardChecker) shares() {
	first := -1 // the characteristic that states them
	for i, one := range c.Characteristics {
		for _, b := range one.Bins {
			if b.Share != nil && first < 0 {
				first = i
			}
		}
	}
	if first < 0 {
		return
	}
	for i := range c.Characteristics {
		one := &c.Characteristics[i]
		at := fmt.Sprintf("characteristics[%d].bins", i)
		sum, whole := 0.0, len(one.Bins) > 0
		for j, b := range one.Bins {
			if b.Share == nil {
				c.add(fmt.Sprintf("%s[%d].share", at, j), fmt.Sprintf("%s, %s bin: the share is missing, and other bins state one", one.title(), ordinal(j)), "state the share of every bin of every characteristic, or of none")
				whole = false
				continue
			}
			sum += *b.Share
		}
		if whole && math.Abs(sum-1) > 0.01 {
			c.add(at, fmt.Sprintf("%s: the shares add up to %s", one.title(), figure(sum)), "they are fractions of all subscribers, and add up to 1")
		}
	}
}

func join(path, key string) string {
	if key == "" {
		return path
	}
	return path + "." + key
}

func figure(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// ordinal counts from the first, for people.
func ordinal(i int) string {
	n := i + 1
	end := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			end = "st"
		case 2:
			end = "nd"
		case 3:
			end = "rd"
		}
	}
	return strconv.Itoa(n) + end
}
