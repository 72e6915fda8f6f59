package program

import (
	"fmt"
	"slices"
	"strings"

	"rescore/partition/schema"
)

// Unknown is an output that lacks what it is worked out from.
type Unknown struct {
	Output  string   `json:"output"`
	Missing []string `json:"missing"` // canonical columns the input lacks, flat names
	Effect  string   `json:"effect"`
}

// need says what an output is worked out from and what becomes of it without.
type need struct {
	output string
	// all: each of these is needed, and one that is absent has the effect.
	all    []string
	effect string
}

const (
	neverFires = "never fires: absent means none"
	unknown    = "UNKNOWN in every row"
	unknownFor = "UNKNOWN unless it is decided without"
)

// needs is dossier C03's column "UNKNOWN when" and its like for C05 to C11, in
// the direction from column to output. TestNeedsAreWhatKernelsDo holds it to the
// kernels.
var needs = []need{
	{"T1", []string{"vip_class"}, neverFires},
	{"T1", months("fee", 0, 1), "UNKNOWN for classes A to D"},
	{"T2", months("fee", 0, 3), unknown},
	{"T3", []string{"pay_mode"}, unknown},
	{"T3", []string{"balance_fen"}, unknownFor + " the balance"},
	{"T3", slices.Concat(months("out_sec", 0, 2), months("in_sec", 0, 2)), unknownFor + " the activity"},
	{"T4", []string{"pay_mode"}, unknown},
	{"T4", []string{"arrears_fen"}, "UNKNOWN for postpaid"},
	{"T5", []string{"service_type"}, unknown},
	{"T5", slices.Concat(months("out_sec", 0, 0), months("in_sec", 0, 0)), "UNKNOWN for campus phones"},
	{"T6", []string{"service_type"}, unknown},
	{"T6", slices.Concat([]string{"bb_status"}, months("bb_flow_kb", 0, 1)), "UNKNOWN for broadband"},
	{"T7", months("other_ld_sec", 0, 0), unknown},
	{"T8", months("fault_cnt", 0, 0), unknown},
	{"T9", []string{"complaint_result"}, neverFires},
	{"T10", []string{"event_flags"}, neverFires},
	{"T11", []string{"contract_end"}, neverFires},
	{"T12", []string{"event_flags"}, neverFires},
	{"T13", []string{"event_flags"}, neverFires},
	{"T14", []string{"event_flags"}, neverFires},
	{"tenure: T1, T2, new_sub", []string{"tenure_months", "activation_date"}, "history is taken as long enough; new_sub is 2"},
	{"silent", slices.Concat(months("out_cnt", 0, 0), months("in_cnt", 0, 0)), unknown},
	{"silent_any", slices.Concat(months("sms_cnt", 0, 0), months("data_kb", 0, 0)), unknownFor + " it"},
	{"recent_silent", slices.Concat(months("out_cnt", 0, 1), months("in_cnt", 0, 1)), unknown},
	{"account_state", months("status", 0, 0), unknown},
	{"arpu3_fen, value_tier, expected_loss_fen", months("fee", 0, 2), "from the months there are; NO_VALUE when there is none"},
	{"retain_decision MIGRANT", slices.Concat([]string{"city_code"}, months("cell_city_code", 0, 1)), "never taken"},
	{"retain_decision GIVE_UP_BAD_DEBT", slices.Concat([]string{"arrears_fen"}, months("suspend_cnt", 0, 5)), "by the blacklist flag alone"},
}

func months(column string, from, to int) []string {
	var names []string
	c, _ := schema.Find(schema.Subscriber, column)
	for k := from; k <= to; k++ {
		names = append(names, c.At(k))
	}
	return names
}

// Unknowns lists the outputs that absent columns leave unknown, triggers first,
// then the model's features that are missing in every row.
func Unknowns(p *Plan, m Model, absent []string) []Unknown {
	var list []Unknown
	for _, n := range needs {
		var missing []string
		for _, c := range n.all {
			if slices.Contains(absent, c) {
				missing = append(missing, c)
			}
		}
		// Tenure is known from either of its two columns.
		if len(missing) == 0 || strings.HasPrefix(n.output, "tenure") && len(missing) < len(n.all) {
			continue
		}
		list = append(list, Unknown{Output: n.output, Missing: missing, Effect: n.effect})
	}
	for i, bound := range m.Bound {
		sources := p.sources(bound)
		if len(sources) == 0 {
			continue
		}
		if !slices.ContainsFunc(sources, func(s string) bool { return !slices.Contains(absent, s) }) {
			list = append(list, Unknown{
				Output:  fmt.Sprintf("model feature %s", m.Features[i]),
				Missing: sources, Effect: "missing in every row; the model takes its default branch",
			})
		}
	}
	return list
}

// sources returns the canonical columns a column is worked out from, sorted;
// extra columns are not canonical and are left out.
func (p *Plan) sources(name string) []string {
	seen := make(map[string]bool)
	var walk func(name string)
	walk = func(name string) {
		for _, k := range p.kernels {
			spec := k.Spec()
			for _, out := range spec.Out {
				if out.Name != name {
					continue
				}
				for _, in := range spec.In {
					walk(in.Name)
				}
				return
			}
		}
		if isCanonical(name) {
			seen[name] = true
		}
	}
	walk(name)
	var list []string
	for s := range seen {
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}

func isCanonical(flat string) bool {
	_, ok := canonical[flat]
	return ok
}
