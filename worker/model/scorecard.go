package model

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"rescore/partition/job"
	"rescore/worker/elementary"
)

// scorecard is a scorecard as it is written. The yaml tags are its keys.
type scorecard struct {
	Format int `yaml:"scorecard" json:"scorecard" jsonschema:"required,enum=1"` // format of this file: 1; it is the first key
	// HigherIs says what more points mean: riskier, a subscriber more likely to leave,
	// or safer, one less likely to.
	HigherIs string `yaml:"higher_is" json:"higher_is" jsonschema:"required,enum=riskier,enum=safer"`
	// Base is what every subscriber has before the first characteristic. Default 0.
	Base float64 `yaml:"base" json:"base" jsonschema:"minimum=-1e9,maximum=1e9"`
	// Scaling turns points into odds. Default: points are logarithms of odds, offset 0
	// and factor 1.
	Scaling         scaling          `yaml:"scaling" json:"scaling"`
	Characteristics []characteristic `yaml:"characteristics" json:"characteristics" jsonschema:"required"` // whose points are added, in this order
}

// scaling turns a sum of points into odds: ln(odds) = (sum - offset) / factor. The odds
// are those of what more points speak for: of leaving to staying where higher is
// riskier, of staying to leaving where it is safer. It is written as offset and factor,
// or as score, odds and pdo, which are the same: factor = pdo / ln 2, and
// offset = score - factor·ln(odds).
type scaling struct {
	Offset *float64 `yaml:"offset" json:"offset,omitempty" jsonschema:"minimum=-1e9,maximum=1e9"` // points at which both are as likely
	Factor *float64 `yaml:"factor" json:"factor,omitempty" jsonschema:"minimum=1e-6,maximum=1e9"` // points that multiply the odds by e
	Score  *float64 `yaml:"score" json:"score,omitempty" jsonschema:"minimum=-1e9,maximum=1e9"`   // points at which the odds are odds
	Odds   *float64 `yaml:"odds" json:"odds,omitempty" jsonschema:"minimum=1e-9,maximum=1e9"`     // at score, to 1
	PDO    *float64 `yaml:"pdo" json:"pdo,omitempty" jsonschema:"minimum=1e-6,maximum=1e9"`       // points that double the odds
}

// characteristic gives points for the value of one feature. Its bins leave out no value:
// either they cut the numbers up, with upto and at last above, or they list
// categories, and other is for the rest. In both cases missing is for no value.
type characteristic struct {
	Feature string `yaml:"feature" json:"feature" jsonschema:"required"` // a column of the job, or what model.features calls one
	Bins    []bin  `yaml:"bins" json:"bins" jsonschema:"required"`
}

// bin is a part of a feature's values. It has one of upto, above, categories, missing and other.
type bin struct {
	Upto       *float64 `yaml:"upto" json:"upto,omitempty"`                                                  // numbers above the bin before, up to and including this one; ascending
	Above      *float64 `yaml:"above" json:"above,omitempty"`                                                // all numbers above this one, which the last upto has too
	Categories []int64  `yaml:"categories" json:"categories,omitempty" jsonschema:"minimum=0,maximum=65535"` // codes; the fraction of a value is cut off
	Missing    bool     `yaml:"missing" json:"missing,omitempty"`                                            // true: no value
	Other      bool     `yaml:"other" json:"other,omitempty"`                                                // true: values that no categories list, unseen ones too
	Points     *float64 `yaml:"points" json:"points" jsonschema:"required,minimum=-1e9,maximum=1e9"`
	// Share is the fraction of training's subscribers in this bin. With it in every bin,
	// reasons can be found: what counts is how far a subscriber's points are from the
	// mean. 0 counts as one in a million.
	Share *float64 `yaml:"share" json:"share,omitempty" jsonschema:"minimum=0,maximum=1"`
}

// Bounds of a scorecard. To read a value in YAML takes up to 2 KiB.
const (
	scorecardBytesMax = 1 << 18
	scorecardSigns    = ",:-?[{\n" // without one of these there is no further value
	scorecardSignsMax = 24_000
	binsMax           = 256
	cardWordsMax      = 1 << 20 // of sets of categories
	shareMin          = 1e-6
)

// Scorecard reads a scorecard, as people write it in YAML. It keeps nothing of data.
// The error is an *Error; all mistakes are in its Problems.
//
//	scorecard: 1
//	higher_is: safer
//	base: 480
//	scaling: {score: 600, odds: 50, pdo: 20}
//	characteristics:
//	  - feature: tenure
//	    bins:
//	      - {upto: 6, points: -15}
//	      - {upto: 24, points: 0}
//	      - {above: 24, points: 12}
//	      - {missing: true, points: -3}
//	  - feature: brand
//	    bins:
//	      - {categories: [1, 2], points: 5}
//	      - {other: true, points: 0}
//	      - {missing: true, points: -1}
//
// # The sum
//
// The raw score begins with base - offset and adds each characteristic's points, in
// float64, in the order of the file; where higher is safer, it is the negative of that.
// So it is what is above even odds, in points, and higher is riskier in every model. The
// prediction is 1/(1+exp(-raw/factor)), the probability to leave.
//
// # The trees
//
// A characteristic is a tree, bin i its leaf i: one node for each bin but the last asks
// whether a value is in it, and those that are not go right. The last two leaves are
//
//	above, missing     parted by x <= +Inf, which holds for every number
//	missing, other     parted by an empty set of categories, and missing goes left
func Scorecard(data []byte) (*Ensemble, error) {
	format, err := recognise(data)
	if err != nil {
		return nil, err
	}
	if format != scorecardFormat {
		return nil, notThis(format)
	}
	signs := 0
	for _, c := range data[:min(len(data), scorecardBytesMax)] {
		if strings.IndexByte(scorecardSigns, c) >= 0 {
			signs++
		}
	}
	if len(data) > scorecardBytesMax || signs > scorecardSignsMax {
		e := unsupported(Header, "", "the file is larger than %d bytes, or has more than %d of the signs that part values", scorecardBytesMax, scorecardSignsMax)
		e.Format, e.Remedy = scorecardFormat, "a scorecard has at most some 2000 bins; leave out bins or comments"
		return nil, e
	}
	var card scorecard
	err = job.DecodeFile(job.Text{Name: "scorecard", Data: data}, "a scorecard", &card, func() []job.Problem { return card.check() })
	if err != nil {
		e := malformed(Header, "", "there are mistakes in it")
		e.Format, e.Remedy = scorecardFormat, "mend each of them"
		errors.As(err, &e.Problems)
		return nil, e
	}
	return card.ensemble(), nil
}

// offsetFactor returns the scaling as offset and factor.
func (s *scaling) offsetFactor() (offset, factor float64) {
	switch {
	case s.Factor != nil:
		return *s.Offset, *s.Factor
	case s.PDO != nil:
		factor = *s.PDO / math.Ln2
		return *s.Score - float64(factor*elementary.Log(*s.Odds)), factor
	}
	return 0, 1
}

// ensemble lowers a scorecard that has no mistakes.
func (s *scorecard) ensemble() *Ensemble {
	offset, factor := s.Scaling.offsetFactor()
	sign := 1.0
	if s.HigherIs == "safer" {
		sign = -1
	}
	e := &Ensemble{
		Library: "scorecard", Version: fmt.Sprint(s.Format), Objective: "points, higher is " + s.HigherIs,
		Link: Logistic, Sigmoid: 1 / factor, Classes: 1, Best: -1,
		Base: []float64{sign * (s.Base - offset)}, round: len(s.Characteristics),
	}
	var size shape
	for _, c := range s.Characteristics {
		e.Features = append(e.Features, c.Feature)
		size.trees++
		size.leaves += len(c.Bins)
		if c.categorical() {
			size.bounds += len(c.Bins)
			for _, b := range c.Bins {
				size.words += b.words()
			}
		}
	}
	e.make(size)
	shared := s.Characteristics[0].Bins[0].Share != nil
	if shared {
		e.nodeCover, e.leafCover = make([]float32, size.leaves-size.trees), make([]float32, size.leaves)
	}
	for feature, c := range s.Characteristics {
		e.plant(int32(feature), c, sign)
	}
	return e
}

// plant makes the tree of a characteristic.
func (e *Ensemble) plant(feature int32, c characteristic, sign float64) {
	at := e.spans[len(e.spans)-1]
	trees := len(e.spans) - 1
	past := at
	past.leaf += int32(len(c.Bins))
	if c.categorical() {
		past.bound += int32(len(c.Bins))
	}
	leaves := c.ordered()
	nodes := len(leaves) - 1
	node := int(at.leaf) - trees
	for i, b := range leaves {
		e.leaf[int(at.leaf)+i] = sign * *b.Points
		if e.leafCover != nil {
			e.leafCover[int(at.leaf)+i] = float32(max(*b.Share, shareMin))
		}
		if i == nodes {
			break
		}
		n := node + i
		e.feature[n] = feature
		e.left[n], e.right[n] = int32(^i), int32(i+1)
		if i == nodes-1 {
			e.right[n] = int32(^(i + 1))
		}
		switch {
		case !c.categorical():
			e.decision[n] = Decision(MissingNaN << 2)
			if e.threshold[n] = math.Inf(1); b.Upto != nil {
				e.threshold[n] = *b.Upto
			}
		default:
			e.decision[n] = 1
			if b.Missing {
				e.decision[n] |= 2
			}
			e.threshold[n] = float64(i)
			words := e.word[past.word:][:b.words()]
			for _, category := range b.Categories {
				words[category/32] |= 1 << (category % 32)
			}
			past.word += int32(len(words))
			e.bound[int(at.bound)+i+1] = past.word - at.word
		}
	}
	if e.nodeCover != nil {
		below := e.leafCover[int(at.leaf)+nodes]
		for i := nodes - 1; i >= 0; i-- {
			below += e.leafCover[int(at.leaf)+i]
			e.nodeCover[node+i] = below
		}
	}
	e.spans = append(e.spans, past)
}

// categorical reports whether the bins list categories.
func (c *characteristic) categorical() bool {
	for _, b := range c.Bins {
		if b.Other {
			return true
		}
	}
	return false
}

// ordered returns the bins in the order of the leaves: the values' as they stand, then
// above and missing, or missing and other.
func (c *characteristic) ordered() []bin {
	var values, last []bin
	for _, b := range c.Bins {
		switch {
		case b.Missing && c.categorical():
			last = append([]bin{b}, last...)
		case b.Missing, b.Other:
			last = append(last, b)
		default:
			values = append(values, b)
		}
	}
	return append(values, last...)
}

// words returns how many words the set of a bin's categories takes.
func (b *bin) words() int {
	most := int64(-1)
	for _, c := range b.Categories {
		most = max(most, c)
	}
	return int(most+32) / 32
}

// title names a characteristic in an error.
func (c *characteristic) title() string {
	if c.Feature == "" {
		return "the characteristic without a feature"
	}
	name := c.Feature
	if len(name) > 60 {
		name = strings.ToValidUTF8(name[:60], "") + "…"
	}
	return fmt.Sprintf("%q", name)
}
