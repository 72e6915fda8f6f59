package explain

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"rescore/partition/schema"
	"rescore/worker/feature"
	"rescore/worker/score"
)

// Reasons are the features that raise the score most, by one method.
type Reasons struct {
	Method    string   `json:"method"`         // path or exact
	Published bool     `json:"published"`      // these are the row's reason1 to reason3
	Raw       float64  `json:"raw_score"`      // the model's score before any transform
	Expected  float64  `json:"expected_score"` // of it, before anything is known of the subscriber
	Reasons   []Reason `json:"reasons"`
}

// Reason is one feature.
type Reason struct {
	Code         uint16   `json:"code"`
	Feature      string   `json:"feature"` // as the model names it
	Title        string   `json:"title"`   // what it is, where that is known
	Value        *float64 `json:"value"`   // null: missing
	Contribution float64  `json:"contribution"`
	// Share is the contribution's part of all that raises the score, 0 to 1.
	Share float64 `json:"share"`
}

// reasons explains the row by every method it was explained by, the published one
// first.
func (r *row) reasons(w words) []Reasons {
	list := []Reasons{}
	published := uint8(r.score["reason_method"].whole)
	for i := len(r.shares) - 1; i >= 0; i-- { // the exact one first, where there is one
		s := &r.shares[i]
		code, _ := schema.Must(schema.Score, "reason_method").Label(s.Method)
		one := Reasons{Method: code.Name, Published: s.Method == published, Raw: s.Raw, Expected: s.Expected, Reasons: []Reason{}}
		raised := 0.0
		for _, x := range s.Features {
			raised += max(x, 0)
		}
		for _, code := range s.Code() {
			if code == 0 {
				break
			}
			at := code - 1
			reason := Reason{Code: code, Feature: r.model.Features[at], Title: w.bound(r.model.Bound[at]), Contribution: s.Features[at], Share: s.Features[at] / raised}
			if x := r.values[at]; x == x {
				reason.Value = &x
			}
			one.Reasons = append(one.Reasons, reason)
		}
		list = append(list, one)
	}
	return list
}

// explain works the row's contributions out anew and holds the exact reasons to the
// published ones. Those by path are columns of a kernel, and compared as such.
func (r *row) explain(published map[string]cell) error {
	r.values = make([]float64, len(r.model.Bound))
	for i, column := range r.model.Bound {
		c, made := r.made[column]
		if !made {
			c = r.record[strings.TrimSuffix(strings.TrimPrefix(column, "extra("), ")")]
		}
		if r.values[i] = c.real; !c.known {
			r.values[i] = math.NaN()
		}
	}
	exact := uint8(published["reason_method"].whole) == score.Exact
	r.shares = r.model.Shares(r.values, exact)
	if !exact {
		return nil
	}
	for i := range r.shares {
		if s := &r.shares[i]; s.Method == score.Exact {
			for k, code := range s.Code() {
				r.made[fmt.Sprintf("reason%d", k+1)] = cell{known: true, whole: int64(code)}
			}
			r.made["reason_method"] = cell{known: true, whole: int64(score.Exact)}
			return nil
		}
	}
	return errors.New("the row was explained exactly, and the model cannot be any more")
}

// bound says what the column is that a feature reads, "" when nobody knows.
func (w words) bound(column string) string {
	if e, ok := feature.Find(column); ok {
		return w.formula(e.Formula)
	}
	flat, ok := feature.FromFeature(column)
	if !ok {
		return ""
	}
	for _, c := range schema.Subscriber {
		for _, name := range c.Names() {
			if name == flat {
				return strings.TrimSpace(w.title(c.Name) + strings.ReplaceAll(strings.TrimPrefix(flat, c.Name), "_m", " m-"))
			}
		}
	}
	return ""
}

// named writes a code of reason1 to reason3 as the feature's name.
func (r *row) named(w words, code int64) string {
	if code < 1 || int(code) > len(r.model.Features) {
		return w.say("none")
	}
	return r.model.Features[code-1]
}

// writeReasons writes the reasons of every method.
func (a *Answer) writeReasons(w words, line func(string, ...any)) {
	names := 0
	for _, m := range a.Reasons {
		for _, r := range m.Reasons {
			names = max(names, columnsOf(r.Feature))
		}
	}
	for _, m := range a.Reasons {
		line("  %s", w.say("reasons."+m.Method, m.Raw, m.Expected))
		for i, r := range m.Reasons {
			value := w.say("null")
			if r.Value != nil {
				value = w.plain(cell{known: true, float: true, real: *r.Value})
			}
			line("  %d  %s  %+.4f  %3.0f %%  %s  %s", i+1, pad(r.Feature, names), r.Contribution, 100*r.Share, value, r.Title)
		}
		if len(m.Reasons) == 0 {
			line("     %s", w.say("none"))
		}
	}
}
