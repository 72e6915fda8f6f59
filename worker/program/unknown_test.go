package program

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/feature"
)

// judged is one scored row and what it was scored from.
type judged struct {
	*rows
	i    int
	cell func(column string) int64
	spec job.Spec
}

func (j judged) fired(t int) bool   { return j.cell("trg_fired")>>(t-1)&1 != 0 }
func (j judged) unknown(t int) bool { return j.cell("trg_unknown")>>(t-1)&1 != 0 }

// is reports whether a column is known to hold one of the values.
func (j judged) is(column string, values ...int64) bool {
	v, ok := j.known(column, j.i)
	return ok && slices.Contains(values, v)
}

// mayBe reports whether it holds one of them, or nobody knows.
func (j judged) mayBe(column string, values ...int64) bool {
	_, ok := j.known(column, j.i)
	return !ok || j.is(column, values...)
}

// positive reports whether one of the columns is known not to be zero.
func (j judged) positive(columns ...string) bool {
	for _, c := range columns {
		if v, ok := j.known(c, j.i); ok && v != 0 {
			return true
		}
	}
	return false
}

func (j judged) gone() bool { return j.is("status_m0", 6, 7) }
func (j judged) held() bool { return j.spec.Rules.HoldSuppresses && j.is("status_m0", 2) }
func (j judged) flowing() bool {
	_, now := j.known("bb_flow_kb_m0", j.i)
	_, before := j.known("bb_flow_kb_m1", j.i)
	return now && before && j.positive("bb_flow_kb_m0", "bb_flow_kb_m1")
}
func (j judged) stopped() bool {
	return !j.spec.Rules.T6RequireStopped || j.mayBe("bb_status", 1)
}

var voice = []string{"out_sec_m0", "in_sec_m0", "out_sec_m1", "in_sec_m1", "out_sec_m2", "in_sec_m2"}

func (j judged) active() bool {
	if j.spec.Rules.T3Activity == "any" {
		return j.positive(slices.Concat(voice, months("sms_cnt", 0, 2), months("data_kb", 0, 2))...)
	}
	return j.positive(voice...)
}

// effects says, for an entry of needs by output and first column, what its words
// promise of a row. Where the columns are there, some row must break it.
var effects = map[string]func(judged) bool{
	"T1 vip_class": func(j judged) bool { return !j.fired(1) },
	"T1 fee_m0": func(j judged) bool {
		return j.gone() || !j.is("vip_class", 1, 2, 3, 4) || j.unknown(1)
	},
	"T2 fee_m0": func(j judged) bool { return j.gone() || j.held() || j.unknown(2) },
	"T3 pay_mode": func(j judged) bool {
		return j.gone() || j.unknown(3) || j.spec.Rules.T3PayModes == "all" && j.fired(3) && !j.active()
	},
	"T3 balance_fen": func(j judged) bool {
		return j.gone() || !j.is("pay_mode", 1) || j.unknown(3) || j.fired(3) && !j.active()
	},
	"T3 out_sec_m0": func(j judged) bool {
		balance, ok := j.known("balance_fen", j.i)
		low := ok && balance < j.spec.Rules.T3BalanceFen && j.is("pay_mode", 1)
		return j.gone() || j.held() || j.spec.Rules.T3PayModes != "all" && !j.is("pay_mode", 1) || low || j.active() || j.unknown(3)
	},
	"T4 pay_mode":    func(j judged) bool { return j.gone() || j.unknown(4) },
	"T4 arrears_fen": func(j judged) bool { return j.gone() || !j.is("pay_mode", 2) || j.unknown(4) },
	"T5 service_type": func(j judged) bool {
		return !j.fired(5) && (j.gone() || j.positive(voice[:2]...) || j.unknown(5))
	},
	"T5 out_sec_m0": func(j judged) bool {
		return !j.fired(5) && (j.gone() || !j.is("service_type", 3) || j.positive(voice[:2]...) || j.unknown(5))
	},
	"T6 service_type": func(j judged) bool {
		return !j.fired(6) && (j.gone() || !j.stopped() || j.flowing() || j.unknown(6))
	},
	"T6 bb_status": func(j judged) bool {
		return !j.fired(6) && (j.gone() || !j.is("service_type", 4) || j.flowing() || j.unknown(6))
	},
	"T6 bb_flow_kb_m0": func(j judged) bool {
		return j.gone() || !j.is("service_type", 4) || !j.stopped() || j.unknown(6)
	},
	"T7 other_ld_sec_m0":  func(j judged) bool { return j.gone() || j.unknown(7) },
	"T8 fault_cnt_m0":     func(j judged) bool { return j.gone() || j.unknown(8) },
	"T9 complaint_result": func(j judged) bool { return !j.fired(9) && !j.unknown(9) },
	"T10 event_flags":     func(j judged) bool { return !j.fired(10) && !j.unknown(10) },
	"T11 contract_end":    func(j judged) bool { return !j.fired(11) && !j.unknown(11) },
	"T12 event_flags":     func(j judged) bool { return !j.fired(12) && !j.unknown(12) },
	"T13 event_flags":     func(j judged) bool { return !j.fired(13) && !j.unknown(13) },
	"T14 event_flags":     func(j judged) bool { return !j.fired(14) && !j.unknown(14) },
	"T14 vip_class":       func(j judged) bool { return !j.fired(14) && !j.unknown(14) },
	"tenure: T1, T2, new_sub tenure_months": func(j judged) bool {
		return j.cell("trg_reason")&2 == 0 && j.cell("new_sub") == 2
	},
	"silent out_cnt_m0": func(j judged) bool {
		return j.cell("silent") == 2 || j.cell("silent") == 0 && j.positive("out_cnt_m0", "in_cnt_m0")
	},
	"silent_any out_cnt_m0": func(j judged) bool {
		return j.cell("silent_any") == 2 || j.cell("silent_any") == 0 && j.positive("out_cnt_m0", "in_cnt_m0", "sms_cnt_m0", "data_kb_m0")
	},
	"recent_silent out_cnt_m0": func(j judged) bool { return j.cell("recent_silent") != 1 },
	"recent_silent out_cnt_m1": func(j judged) bool {
		return j.cell("recent_silent") == 2 || j.cell("recent_silent") == 0 && j.positive("out_cnt_m0", "in_cnt_m0")
	},
	"silent_run, last_active_month out_cnt_m0": func(j judged) bool {
		return int8(j.cell("silent_run")) == -1 && j.cell("last_active_month") == 0 || j.positive("out_cnt_m0", "in_cnt_m0")
	},
	"account_state status_m0": func(j judged) bool { return j.cell("account_state") == 0 },
	"arpu3_fen, value_tier, expected_loss_fen fee_m0": func(j judged) bool {
		for _, fee := range months("fee", 0, 2) {
			if _, ok := j.known(fee, j.i); ok {
				return true // its own tests prove the mean
			}
		}
		return j.cell("arpu3_fen") == -1 && j.cell("value_tier") == 255 && j.cell("expected_loss_fen") == -1
	},
	"retain_decision MIGRANT city_code": func(j judged) bool { return j.cell("retain_decision") != 7 },
	"retain_decision GIVE_UP_BAD_DEBT arrears_fen": func(j judged) bool {
		flags, _ := j.known("event_flags", j.i)
		return j.cell("retain_decision") != 3 || flags>>6&1 != 0
	},
	"retain_decision GIVE_UP_BAD_DEBT suspend_cnt_m1": func(j judged) bool {
		flags, _ := j.known("event_flags", j.i)
		return j.cell("retain_decision") != 3 || flags>>6&1 != 0
	},
	"churn_kind SWITCH silent_class":                           func(j judged) bool { return j.cell("switch_state") != 1 },
	"churn_kind SWITCH out_cnt_m0":                             func(j judged) bool { return j.cell("switch_state") != 1 },
	"churn_kind SWITCH status_m0":                              func(j judged) bool { return j.cell("switch_state") != 2 },
	"churn_kind SWITCH status_m1":                              func(j judged) bool { return j.cell("switch_state") != 2 || j.is("status_m0", 7) },
	"churn_kind BRAND_DOWN brand_m0":                           func(j judged) bool { return j.cell("churn_kind")&2 == 0 },
	"churn_kind BRAND_DOWN brand_m1":                           func(j judged) bool { return j.cell("churn_kind")&2 == 0 },
	"churn_kind ARPU_DOWN fee_m0":                              func(j judged) bool { return j.cell("churn_kind_unknown")&4 != 0 },
	"lifecycle_stage tenure_months":                            func(j judged) bool { return j.cell("lifecycle_stage") == 0 },
	"lifecycle_stage fee_m0":                                   func(j judged) bool { return !slices.Contains([]int64{2, 3}, j.cell("lifecycle_stage")) },
	"traffic_class out_sec_m0":                                 func(j judged) bool { return j.cell("traffic_class") == 0 },
	"complaint_topic complaint_tags":                           func(j judged) bool { return j.cell("complaint_topic") == 0 },
	"justified complaint_justified":                            func(j judged) bool { return j.cell("justified") == 2 },
	"cause_evidence MULTI_SIM, INTERNAL_TRANSFER silent_class": func(j judged) bool { return j.cell("cause_evidence")&(1<<7|1<<8) == 0 },
	"grade fee_m0": func(j judged) bool {
		recorded, ok := j.known("vip_grade", j.i)
		if !ok || recorded > 3 {
			recorded = 0
		}
		return j.cell("grade") == recorded
	},
}

// TestNeedsAreWhatKernelsDo takes every entry's columns away, one at a time and
// all together, under every option of the rules that touches them, and holds the
// kernels to the words. With the columns there the words must be wrong, or they
// say nothing.
func TestNeedsAreWhatKernelsDo(t *testing.T) {
	t.Parallel()
	base, _ := standard(t)
	m, err := LoadModel(base, lightGBM(1, 3, []string{"fee_last"})) // the rules are what is looked at
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for name, change := range map[string]func(*job.Spec){
		"default": func(*job.Spec) {},
		"three_point": func(s *job.Spec) {
			s.Rules.T2Mode, s.Rules.T3Activity = "three_point", "any"
			s.Rules.SilentActivity = "any"
		},
		"non_monotone": func(s *job.Spec) { s.Rules.T2Mode, s.Rules.T2BaseMonths = "non_monotone", "mean3" },
		"sum_of_mom":   func(s *job.Spec) { s.Rules.T2Mode, s.Rules.T3PayModes = "sum_of_mom", "all" },
		"no stop": func(s *job.Spec) {
			s.Rules.T6RequireStopped, s.Rules.HoldSuppresses, s.Policy.BadDebtSuspends = false, false, 0
		},
	} {
		spec := base
		change(&spec)
		for _, n := range needs(spec) {
			if len(n.columns) == 0 {
				continue
			}
			key := n.output + " " + n.columns[0]
			holds, ok := effects[key]
			if !ok {
				t.Fatalf("nothing says what %q of %s means", n.effect, key)
			}
			used[key] = true
			t.Run(name+"/"+key, func(t *testing.T) {
				t.Parallel()
				away := [][]string{n.columns}
				if !n.every {
					for _, c := range n.columns {
						away = append(away, []string{c})
					}
				}
				proveNeed(t, spec, m, away, holds)
			})
		}
	}
	for key := range effects {
		if !used[key] {
			t.Errorf("no entry of needs is %s", key)
		}
	}
}

func proveNeed(t *testing.T, spec job.Spec, m Model, away [][]string, holds func(judged) bool) {
	const total = 512
	plan := planned(t, spec, m)
	g := plan.Program(total, memory.DefaultAllocator)
	defer g.Release()
	rng := rand.New(rand.NewPCG(11, 11))
	// broken counts the rows that break the words.
	broken := func(names []string) (count int) {
		r := draw(rng, plan, total)
		if names == nil {
			r.fillIn()
		}
		r.without(names...)
		all := r.eval(t, g, 0, total)
		for i := range total {
			j := judged{rows: r, i: i, spec: spec, cell: func(column string) int64 {
				return int64(all[i*len(schema.Score)+scoreColumn(column)])
			}}
			if !holds(j) {
				count++
			}
		}
		return count
	}
	for _, names := range away {
		for _, c := range names {
			if !slices.Contains(plan.Columns(), c) {
				t.Errorf("the program does not read %s", c)
			}
		}
		for range 2 {
			if n := broken(names); n > 0 {
				t.Errorf("without %v: %d of %d rows are otherwise", names, n, total)
			}
		}
	}
	if strings.Contains(t.Name(), "arpu3_fen") {
		return // its words hold with the bills there, too
	}
	for range 80 {
		if broken(nil) > 0 {
			return
		}
	}
	t.Error("the words hold with the columns there as well: they say nothing")
}

// fillIn makes every value known.
func (r *rows) fillIn() {
	for c := range r.null {
		clear(r.null[c])
	}
}

func TestUnknownsNamesWhatTheInputLacks(t *testing.T) {
	t.Parallel()
	spec, m := standard(t)
	find := func(list []Unknown, output string) []Unknown {
		return slices.DeleteFunc(slices.Clone(list), func(u Unknown) bool { return u.Output != output })
	}
	unknowns := func(absent ...string) []Unknown {
		list, err := Unknowns(spec, m, absent)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if list := unknowns(); len(list) != 0 {
		t.Errorf("with every column there: %v", list)
	}
	if list := unknowns("imei_m0", "roam_sec_m3", "sex"); len(list) != 0 {
		t.Errorf("without columns nobody needs: %v", list)
	}
	if list := unknowns("tenure_months"); len(list) != 0 {
		t.Errorf("tenure is known from the activation date: %v", list)
	}
	list := unknowns("fee_m1", "fee_m0", "balance_fen")
	if got := fmt.Sprint(find(list, "T1")); got != "[{T1 [fee_m0 fee_m1] UNKNOWN for classes A to D}]" {
		t.Errorf("T1 without bills: %s", got)
	}
	for feature, lost := range map[string]bool{
		"fee_last": true, "fee_chg1": true, "fee_avg6": false, "balance_fen": true, "bill_shock": true,
		"out_sec_last": false, "arrears_fen": false,
	} {
		if got := len(find(list, "model feature "+feature)) == 1; got != lost {
			t.Errorf("model feature %s is reported lost: %t", feature, got)
		}
	}
	var every []string
	for _, c := range schema.Subscriber {
		if c.Name != schema.Key {
			every = append(every, c.Names()...)
		}
	}
	list = unknowns(every...)
	for _, n := range needs(spec) {
		if !slices.ContainsFunc(list, func(u Unknown) bool { return u.Output == n.output && slices.Equal(u.Missing, n.columns) }) {
			t.Errorf("without anything, %s for want of %v is not reported", n.output, n.columns)
		}
	}
	if len(find(list, "model feature has_contract")) != 0 || len(find(list, "model feature region")) != 0 {
		t.Error("has_contract is never missing, and extra columns are not canonical")
	}
}

// TestMissingInEveryRowIsSaidOfTheRightFeatures compares the one row that
// missingWithout asks about with many random ones.
func TestMissingInEveryRowIsSaidOfTheRightFeatures(t *testing.T) {
	t.Parallel()
	const total = 512
	spec, _ := standard(t)
	rng := rand.New(rand.NewPCG(12, 12))
	for _, e := range feature.Dictionary {
		p, _, err := ForFeatures(spec, []string{e.Name})
		if err != nil {
			t.Fatal(err)
		}
		g := p.Program(total, memory.DefaultAllocator)
		away := [][]string{e.Sources}
		for _, s := range e.Sources {
			away = append(away, []string{s})
		}
		for _, names := range away {
			lost, err := missingWithout(spec, e.Name, names)
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for range 4 {
				r := draw(rng, p, total)
				r.fillIn()
				r.without(names...)
				for i, v := range r.eval(t, g, 0, total) {
					found = found || i%2 == 1 && v&0x7fffffffffffffff <= 0x7ff0000000000000
				}
			}
			if found == lost {
				t.Errorf("%s without %v: said to be missing in every row %t, random rows with a value %t", e.Name, names, lost, found)
			}
		}
		g.Release()
	}
}
