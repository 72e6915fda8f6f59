package job

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rescore/partition/schema"
)

// Limits of the policy's lists.
const (
	// OffersMax is how many lines the offer matrix may have: a condition each, as many as
	// schema.OfferConditions.
	OffersMax = 28
	// KeywordBytesMax is how long all of policy.complaint_keywords may be together.
	KeywordBytesMax = 16 << 10
)

// tagged is the column that keywords make.
const tagged = "complaint_tags"

// rules checks what one threshold says of another.
func (c *checker) rules(r Rules) {
	rising(c, "rules.churn_tier_fen", "tiers", r.ChurnTierFen[:])
	rising(c, "rules.traffic_change_pct", "percentages", r.TrafficChangePct)
	if n := len(r.TrafficChangePct); n < 1 || n > 4 {
		c.add("rules.traffic_change_pct", fmt.Sprintf("%d percentages are listed", n), "list one to 4")
	}
	if r.TrialMonths > r.StableMonths {
		c.add("rules.stable_months", fmt.Sprintf("%d is below trial_months, %d: a subscriber cannot be stable and on trial", r.StableMonths, r.TrialMonths), "write trial_months or more")
	}
	if r.SilentActivity == "any" && r.DeclineSilentMonths > 1 && r.DeclineSilentMonths <= schema.Months {
		c.add("rules.decline_silent_months", fmt.Sprintf("%d silent months are counted by calls alone, and silent_activity is any", r.DeclineSilentMonths), "write 1, or 7 for never, or silent_activity: calls")
	}
	if r.StableSlopePct > r.DeclineSlopePct {
		c.add("rules.decline_slope_pct", fmt.Sprintf("%g is below stable_slope_pct, %g: a fee cannot fall slowly enough for one and too fast for the other", r.DeclineSlopePct, r.StableSlopePct), "write stable_slope_pct or more")
	}
}

func (c *checker) policy(p Policy) {
	rising(c, "policy.value_cut_fen", "cut points", p.ValueCutFen[:])
	rising(c, "policy.risk_band_cut", "cut points", p.RiskBandCut[:])
	rising(c, "policy.vip_grade_fen", "cut points", p.VIPGradeFen[:])
	rising(c, "policy.priority_cut_pct", "cut points", p.PriorityCutPct[:])
	if p.StudentAge[0] > p.StudentAge[1] {
		c.add("policy.student_age", fmt.Sprintf("nobody is at least %d and at most %d", p.StudentAge[0], p.StudentAge[1]), "write the lower age first")
	}
	c.offers(p.Offers)
	c.keywords(p.ComplaintKeywords)
}

// rising reports the first value of a list that is not above the one before it.
func rising[T cmp.Ordered](c *checker, path, what string, list []T) {
	for i := 1; i < len(list); i++ {
		if !(list[i] > list[i-1]) {
			c.add(path, fmt.Sprintf("the %s do not rise: %v is not above %v", what, list[i], list[i-1]), "list them from the lowest to the highest, all different")
			return
		}
	}
}

// OfferNames lists the offers as job files write them.
func OfferNames() []string {
	names := make([]string, len(schema.Offers))
	for i, o := range schema.Offers {
		names[i] = strings.ToUpper(o.Name)
	}
	return names
}

// offers checks the matrix. A line that can never be the first to hold is a
// mistake too.
func (c *checker) offers(offers []Offer) {
	if n := len(offers); n < 1 || n > OffersMax {
		c.add("policy.offers", fmt.Sprintf("the matrix has %d lines", n), fmt.Sprintf("write 1 to %d", OffersMax))
	}
	line := make(map[string]int)
	for i, o := range offers {
		at := fmt.Sprintf("policy.offers[%d]", i)
		before, twice := line[o.When]
		always, closed := line["always"]
		switch {
		case !slices.Contains(schema.OfferConditions, o.When):
			c.add(at+".when", fmt.Sprintf("there is no condition %q", clip(o.When)), writeOneOf(o.When, schema.OfferConditions))
		case closed:
			c.add(at, fmt.Sprintf("no subscriber gets to this line: line %d is for everybody", always+1), "put always last")
		case twice:
			c.add(at+".when", fmt.Sprintf("%s is line %d already, and the first line wins", o.When, before+1), "keep one of the two")
		default:
			line[o.When] = i
		}
		if _, ok := schema.FindOffer(o.Offer); !ok {
			c.add(at+".offer", fmt.Sprintf("there is no offer %q", clip(o.Offer)), writeOneOf(o.Offer, OfferNames()))
		}
	}
}

// keywords checks the words that tag complaints.
func (c *checker) keywords(words map[string][]string) {
	const path = "policy.complaint_keywords"
	var topics []string
	for _, t := range schema.Must(schema.Subscriber, tagged).Flags {
		if t.Name != schema.OtherTopic {
			topics = append(topics, t.Name)
		}
	}
	size := 0
	for _, topic := range slices.Sorted(maps.Keys(words)) {
		at := join(path, topic)
		switch {
		case topic == schema.OtherTopic:
			c.add(at, "other is what has none of the words", "remove it")
		case !slices.Contains(topics, topic):
			c.add(at, fmt.Sprintf("there is no topic %q", clip(topic)), writeOneOf(topic, topics))
		}
		for i, w := range words[topic] {
			size += len(w)
			if strings.TrimSpace(w) == "" {
				c.add(fmt.Sprintf("%s[%d]", at, i), "the word is empty: it would be in every text", "remove it")
			}
		}
	}
	if size > KeywordBytesMax {
		c.add(path, fmt.Sprintf("the words are %d bytes long together", size), fmt.Sprintf("keep them to %d", KeywordBytesMax))
	}
}

// tagging checks the columns whose text keywords tag.
func (c *checker) tagging(columns map[string]Mapping) {
	for _, key := range slices.Sorted(maps.Keys(columns)) {
		m := columns[key]
		at := join("input.columns", key) + ".keywords"
		switch {
		case !m.Keywords:
		case key != tagged:
			c.add(at, fmt.Sprintf("keywords make tags, and %s holds none", clip(key)), "remove keywords, or map the text under "+tagged)
		case m.Constant != nil:
			c.add(at, "a constant reads no text", "remove keywords")
		case m.Values != nil:
			c.add(at, "text is tagged or looked up, not both", "remove keywords or values")
		}
	}
}
