package explain

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"rescore/cmd/internal/local"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/feature"
	"rescore/worker/formula"
)

// Options say how an answer is worded.
type Options struct {
	Lang   Lang
	Unmask bool // the number and the handset's, in full
}

// Answer is what is known of one subscriber. The names of its fields are a
// contract; words in it are in the language asked for.
type Answer struct {
	Version   string     `json:"version"`
	Job       job.ID     `json:"job"`
	Month     int32      `json:"month"`
	Number    string     `json:"number"`
	Outcome   string     `json:"outcome"`          // scored, excluded, rejected
	Reason    string     `json:"reason"`           // why it is not scored: a job.Reason
	Rows      int64      `json:"rows"`             // of the number in the scoring month; all but one are duplicates
	Events    int64      `json:"events,omitempty"` // of the number, in the job's tables
	Where     []place    `json:"where"`
	Record    []Column   `json:"record"`
	Features  []Feature  `json:"features"`
	Triggers  []Trigger  `json:"triggers"`
	UserRules []UserRule `json:"user_rules"`
	Decision  *Decision  `json:"decision"` // null unless scored
	Offer     *Offer     `json:"offer"`
	Reasons   []Reasons  `json:"reasons"` // why the propensity is high; none unless scored
	Scores    []Score    `json:"scores"`

	lang Lang
}

// Column is a column of the record used.
type Column struct {
	Column string      `json:"column"`
	Title  string      `json:"title"`
	Unit   schema.Unit `json:"unit"`
	Absent bool        `json:"absent"` // the input has no such column
	Values []Value     `json:"values"` // newest month first; one when it is not monthly
}

// Value is one value, as it is and in words.
type Value struct {
	Month int32  `json:"month,omitempty"`
	Value any    `json:"value"` // null: missing
	Text  string `json:"text"`
}

// Feature is a feature the kernels made.
type Feature struct {
	Feature string      `json:"feature"`
	Unit    schema.Unit `json:"unit"`
	Value   any         `json:"value"`
	Text    string      `json:"text"`
	Formula string      `json:"formula"`
	Missing string      `json:"missing_when"`
	Model   bool        `json:"model"` // the model reads it
}

// Compared is a value that a rule or a decision looked at.
type Compared struct {
	Column string `json:"column"`
	Value  any    `json:"value"`
	Text   string `json:"text"`
}

// Threshold is a key of the configuration and its value there.
type Threshold struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// UserRule is a rule the users wrote.
type UserRule struct {
	Rule    string `json:"rule"`
	Text    string `json:"text"`
	Doc     string `json:"doc"`
	Verdict string `json:"verdict"`
}

// Offer is the line of the matrix that matched.
type Offer struct {
	Offer string `json:"offer"`
	Title string `json:"title"`
	Line  int64  `json:"line"` // from 1; 0 when no line holds
	When  string `json:"when"` // the line's condition, as the policy has it
	Why   string `json:"why"`  // the same in words
}

// Score is a published column.
type Score struct {
	Column string      `json:"column"`
	Title  string      `json:"title"`
	Unit   schema.Unit `json:"unit"`
	Value  any         `json:"value"`
	Text   string      `json:"text"`
}

func answer(v *local.Version, r *row, o Options) *Answer {
	a := &Answer{
		Version: v.Manifest.Version, Job: v.Manifest.Job, Month: v.Spec.Month, Number: r.number.String(),
		Outcome: "scored", Rows: r.rows, Events: r.events, Where: r.places, Features: []Feature{}, Triggers: []Trigger{}, UserRules: []UserRule{}, Reasons: []Reasons{}, Scores: []Score{},
		lang: o.Lang,
	}
	if o.Unmask {
		a.Number = r.number.Digits()
	}
	w := words{o.Lang}
	if r.reason != 0 {
		a.Outcome, a.Reason = "rejected", r.reason.String()
		if r.reason == job.ExcludedSegment || r.reason == job.ExcludedService || r.reason == job.IoTNumber {
			a.Outcome = "excluded"
		}
	}
	a.Record = r.columns(w, o.Unmask)
	if r.reason != 0 {
		return a
	}
	a.Features = r.dictionary(w, o.Unmask)
	a.Triggers = r.triggers(w)
	a.UserRules = r.userRules()
	a.Decision = r.decision(w)
	a.Offer = r.offer(w)
	a.Reasons = r.reasons(w)
	a.Scores = r.scores(w)
	return a
}

// columns lists the record used.
func (r *row) columns(w words, unmask bool) []Column {
	var list []Column
	for _, c := range schema.Subscriber {
		if c.Name == schema.Key {
			continue
		}
		one := Column{Column: c.Name, Title: w.title(c.Name), Unit: c.Unit, Absent: true}
		for k, flat := range c.Names() {
			value := Value{Value: r.record[flat].value(c), Text: w.text(c, r.record[flat])}
			if c.Monthly {
				value.Month = job.MonthBack(r.spec.Month, k)
			}
			if c.Name == "imei" && r.record[flat].known && !unmask {
				value.Text = maskHandset(r.record[flat].whole)
				value.Value = value.Text
			}
			one.Absent = one.Absent && !r.present[flat]
			one.Values = append(one.Values, value)
		}
		list = append(list, one)
	}
	for _, name := range r.spec.Input.Extras() {
		c := r.record[name]
		value := Value{Value: c.value(schema.Column{}), Text: w.plain(c)}
		if masked, ok := c.maskNumber(); ok && !unmask {
			value = Value{Value: masked, Text: masked}
		}
		list = append(list, Column{Column: name, Title: name, Values: []Value{value}})
	}
	return list
}

// maskHandset keeps the model of a handset, which many have, and hides which one
// it is, however many digits the base has of it.
func maskHandset(imei int64) string {
	text := fmt.Sprintf("%014d", imei)
	return text[:8] + strings.Repeat("*", len(text)-8)
}

// maskNumber masks what may be a subscriber's number, eleven digits that begin
// with 1, as partition.Number does: a column of the user's own may hold one, of
// somebody else. ok is false when the cell cannot be one.
func (c cell) maskNumber() (masked string, ok bool) {
	n := c.whole
	if c.float {
		if math.Abs(c.real) < 1<<53 {
			n = int64(c.real) // a fraction hides nothing
		}
	}
	if n < 0 {
		n = -n
	}
	if !c.known || n < 10_000_000_000 || n > 19_999_999_999 {
		return "", false
	}
	return fmt.Sprintf("%03d****%04d", n/100_000_000, n%10_000), true
}

// dictionary lists every feature, the users' own after the house's.
func (r *row) dictionary(w words, unmask bool) []Feature {
	var list []Feature
	for _, e := range feature.Dictionary {
		c, ok := r.made[e.Name]
		if !ok {
			continue
		}
		list = append(list, Feature{
			Feature: e.Name, Unit: e.Unit, Value: c.value(schema.Column{}), Text: w.amount(e.Unit, c),
			Formula: w.formula(e.Formula), Missing: e.Null, Model: r.features[e.Name],
		})
	}
	for _, f := range r.spec.Features {
		if c, ok := r.made[formula.Column(f.Name)]; ok {
			own := Feature{Feature: f.Name, Unit: f.Unit, Value: c.value(schema.Column{}), Text: w.amount(f.Unit, c), Formula: f.Text, Model: r.features[formula.Column(f.Name)]}
			if masked, ok := c.maskNumber(); ok && !unmask {
				own.Value, own.Text = masked, masked
			}
			list = append(list, own)
		}
	}
	return list
}

// scores lists the published row.
func (r *row) scores(w words) []Score {
	var list []Score
	for _, c := range schema.PublishedWith(r.spec.Model.Names()) {
		if _, there := r.score[c.Name]; there && c.Name != schema.Key && (len(r.spec.Custom) > 0 || c.Name != formula.Fired && c.Name != formula.Unknown) {
			s := Score{Column: c.Name, Title: w.title(c.Name), Unit: c.Unit, Value: r.score[c.Name].value(c), Text: w.text(c, r.score[c.Name])}
			if code, ok := strings.CutPrefix(c.Name, "reason"); ok && len(code) == 1 {
				s.Text = r.named(w, r.score[c.Name].whole)
			}
			list = append(list, s)
		}
	}
	return list
}

// offer finds the line of the matrix.
func (r *row) offer(w words) *Offer {
	code, line := r.score["offer"], r.score["offer_line"].whole
	o := &Offer{Line: line}
	for _, c := range schema.Offers {
		if int64(c.Value) == code.whole {
			o.Offer, o.Title = strings.ToUpper(c.Name), w.code(c)
		}
	}
	if line > 0 && int(line) <= len(r.spec.Policy.Offers) {
		o.When = r.spec.Policy.Offers[line-1].When
		o.Why = w.condition(o.When)
	}
	return o
}

// condition words a condition of the matrix: a trigger's is called as the trigger.
func (w words) condition(when string) string {
	if trigger := strings.ToUpper(when); table[trigger][0] != "" {
		return trigger + " " + w.say(trigger)
	}
	return w.say("when." + when)
}

// value returns a cell as JSON has it.
func (c cell) value(column schema.Column) any {
	switch {
	case !c.known:
		return nil
	case c.float:
		return c.real
	case column.Type != nil && column.Type.Name() == "date32":
		return date(c.whole)
	}
	return c.whole
}

func date(days int64) string { return time.Unix(days*86400, 0).UTC().Format(time.DateOnly) }

// yuan writes an amount of fen.
func yuan(fen float64) string {
	text := fmt.Sprintf("%.2f", math.Abs(fen)/100)
	if fen < 0 && strings.Trim(text, "0.") != "" {
		return "-" + text
	}
	return text
}

// thresholds returns keys of the configuration as they stand in the manifest.
func (r *row) thresholds(keys ...string) []Threshold {
	list := []Threshold{}
	for _, v := range r.spec.Values() {
		if slices.Contains(keys, v.Path) {
			list = append(list, Threshold{v.Path, v.Text})
		}
	}
	return list
}

// compared returns a column that something looked at.
func (r *row) compared(w words, flat string) Compared {
	base := flat
	if i := strings.LastIndex(flat, "_m"); i > 0 {
		if _, ok := schema.Find(schema.Subscriber, flat); !ok {
			base = flat[:i]
		}
	}
	if c, ok := schema.Find(schema.Subscriber, base); ok {
		return Compared{flat, r.record[flat].value(c), w.text(c, r.record[flat])}
	}
	c := schema.Must(schema.Published, flat)
	return Compared{flat, r.made[flat].value(c), w.text(c, r.made[flat])}
}
