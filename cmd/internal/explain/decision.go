package explain

import (
	"fmt"
	"strings"

	"rescore/partition/schema"
	"rescore/worker/score"
)

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
	column := schema.Must(schema.Score, "retain_decision")
	taken := score.Decision(r.made["retain_decision"].whole)
	net := Net{Propensity: r.made["propensity"].real, Arpu: r.made["arpu3_fen"].whole}
	gain, cost := score.Stake(p)
	net.Gain, net.Cost = float64(float64(max(net.Arpu, 0))*net.Propensity)*gain, cost // in the kernel's order
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
		code, _ := column.Label(decision)
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
