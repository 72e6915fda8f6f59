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
	"rescore/worker/score"
	"rescore/worker/source"
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
	Outcome   string     `json:"outcome"` // scored, excluded, rejected
	Reason    string     `json:"reason"`  // why it is not scored: a job.Reason
	Rows      int64      `json:"rows"`    // of the number in the scoring month; all but one are duplicates
	Where     []place    `json:"where"`
	Record    []Column   `json:"record"`
	Features  []Feature  `json:"features"`
	Triggers  []Trigger  `json:"triggers"`
	UserRules []UserRule `json:"user_rules"`
	Decision  *Decision  `json:"decision"` // null unless scored
	Offer     *Offer     `json:"offer"`
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
	When  string `json:"when"`
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
		Outcome: "scored", Rows: r.rows, Where: r.places, Features: []Feature{}, Triggers: []Trigger{}, UserRules: []UserRule{}, Scores: []Score{},
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
	a.Features = r.dictionary(w)
	a.Triggers = r.triggers(w)
	a.UserRules = r.userRules()
	a.Decision = r.decision(w)
	a.Offer = r.offer(w)
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
				value.Month = source.MonthBack(r.spec.Month, k)
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
	for _, x := range r.spec.Input.Extra {
		c := r.record[x.Name]
		list = append(list, Column{Column: x.Name, Title: x.Name, Values: []Value{{Value: c.value(schema.Column{}), Text: w.plain(c)}}})
	}
	return list
}

// maskHandset keeps the model of a handset, which many have, and hides which one
// it is.
func maskHandset(imei int64) string {
	return fmt.Sprintf("%08d******", imei/1_000_000)
}

// dictionary lists every feature, the users' own after the house's.
func (r *row) dictionary(w words) []Feature {
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
			list = append(list, Feature{Feature: f.Name, Unit: f.Unit, Value: c.value(schema.Column{}), Text: w.amount(f.Unit, c), Formula: f.Text, Model: r.features[formula.Column(f.Name)]})
		}
	}
	return list
}

// scores lists the published row.
func (r *row) scores(w words) []Score {
	var list []Score
	for _, c := range schema.Published {
		if _, there := r.score[c.Name]; there && c.Name != schema.Key && (len(r.spec.Custom) > 0 || c.Name != formula.Fired && c.Name != formula.Unknown) {
			list = append(list, Score{Column: c.Name, Title: w.title(c.Name), Unit: c.Unit, Value: r.score[c.Name].value(c), Text: w.text(c, r.score[c.Name])})
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
	}
	return o
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

// Step is one decision that was asked about.
type Step struct {
	Decision  string     `json:"decision"`
	Title     string     `json:"title"`
	Condition string     `json:"condition"`
	Applies   bool       `json:"applies"`
	Taken     bool       `json:"taken"`
	Compared  []Compared `json:"compared"`
}

// Decision is how retain_decision came about.
type Decision struct {
	Decision   string      `json:"decision"`
	Title      string      `json:"title"`
	Path       []Step      `json:"path"` // in the order asked
	Net        Net         `json:"net"`
	Thresholds []Threshold `json:"thresholds"`
}

// Net is what retaining brings: p·s·ARPU·g·T less the contact and the offer.
type Net struct {
	Propensity float64 `json:"propensity"`
	Arpu       int64   `json:"arpu_fen"` // -1: no bill
	Gain       float64 `json:"gain_fen"`
	Cost       float64 `json:"cost_fen"`
	Net        float64 `json:"net_fen"`
}

// steps are the columns that each decision looks at.
var steps = map[score.Decision][]string{
	score.Gone: {"status_m0"}, score.DoNotContact: {"event_flags"}, score.GiveUpBadDebt: {"event_flags", "status_m0", "arrears_fen", "suspend_cnt_m1", "suspend_cnt_m2", "suspend_cnt_m3", "suspend_cnt_m4", "suspend_cnt_m5"},
	score.Involuntary: {"status_m0"}, score.GroupHandled: {"group_id", "event_flags"}, score.Migrant: {"city_code", "cell_city_code_m0", "cell_city_code_m1"},
	score.NoContactData: {"event_flags"}, score.NoValue: {"arpu3_fen"}, score.GiveUpLowValue: {"propensity", "arpu3_fen"}, score.Holdout: {"vip_class", "vip_grade"}, score.Retain: {},
}

func (r *row) decision(w words) *Decision {
	p := r.spec.Policy
	column, _ := schema.Find(schema.Score, "retain_decision")
	taken := score.Decision(r.made["retain_decision"].whole)
	net := Net{Propensity: r.made["propensity"].real, Arpu: r.made["arpu3_fen"].whole}
	net.Cost = float64(p.ContactCostFen) + float64(p.AcceptRate*float64(p.OfferCostFen))
	net.Gain = net.Propensity * float64(max(net.Arpu, 0)) * p.SaveRate * p.Margin * p.HorizonMonths
	net.Net = net.Gain - net.Cost
	d := &Decision{Net: net, Thresholds: r.thresholds("policy.save_rate", "policy.margin", "policy.horizon_months", "policy.contact_cost_fen", "policy.offer_cost_fen",
		"policy.accept_rate", "policy.bad_debt_fen", "policy.bad_debt_suspends", "policy.holdout_pct", "policy.holdout_vip", "policy.group_handled")}
	applies := r.made["decision_ranks"].whole
	figures := map[score.Decision][]any{
		score.GiveUpBadDebt:  {yuan(float64(p.BadDebtFen)), p.BadDebtSuspends},
		score.GiveUpLowValue: {yuan(net.Gain), yuan(net.Cost), yuan(net.Net)},
		score.Holdout:        {p.HoldoutPct},
	}
	for rank, decision := range score.Ranks() {
		code, _ := column.Label(uint8(decision))
		s := Step{
			Decision: strings.ToUpper(code.Name), Title: w.code(code), Taken: decision == taken,
			Applies:   applies>>rank&1 == 1 && (decision != score.Retain || decision == taken),
			Condition: w.say(fmt.Sprintf("decision.%d", decision), figures[decision]...), Compared: []Compared{},
		}
		for _, name := range steps[decision] {
			s.Compared = append(s.Compared, r.compared(w, name))
		}
		if s.Taken {
			d.Decision, d.Title = s.Decision, s.Title
		}
		d.Path = append(d.Path, s)
	}
	return d
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
	c, _ := schema.Find(schema.Published, flat)
	return Compared{flat, r.made[flat].value(c), w.text(c, r.made[flat])}
}
