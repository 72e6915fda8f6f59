package score

import (
	"math"
	"slices"
	"strings"
	"testing"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

func TestEveryConditionCanBeAskedForAndNoOther(t *testing.T) {
	d := job.Default()
	made := conditions(d.Policy, d.Rules, d.Month)
	for _, name := range schema.OfferConditions {
		if _, ok := made[name]; !ok {
			t.Errorf("condition %s is not made", name)
		}
		delete(made, name)
	}
	for name := range made {
		t.Errorf("condition %s is made and cannot be asked for", name)
	}
}

// matrix is a policy with one line a condition, none twice.
func matrix(conditions ...string) job.Policy {
	p := job.Default().Policy
	p.Offers = nil
	for i, c := range conditions {
		p.Offers = append(p.Offers, job.Offer{When: c, Offer: strings.ToUpper(schema.Offers[1+i%15].Name)})
	}
	return p
}

func TestC12EachConditionHoldsWhereItIsKnownTo(t *testing.T) {
	type row = kerneltest.Row
	for _, c := range []struct {
		when   string
		holds  []row
		passes []row // and is not known to hold
	}{
		{"always", []row{{}}, nil},
		{"not_retained", []row{{"retain_decision": 2}, {"retain_decision": 9}}, []row{{"retain_decision": 1}}},
		{"vip", []row{{"grade": 1}, {"grade": 0, "vip_class": 4}, {"grade": 0, "vip_class": 1}}, []row{{"grade": 0}, {"grade": 0, "vip_class": 0}, {"grade": 0, "vip_class": 5}}},
		{"t1", []row{{"trg_fired": 1}}, []row{{"trg_fired": 2}}},
		{"t14", []row{{"trg_fired": 1 << 13}}, []row{{"trg_fired": 1<<13 - 1}}},
		{"network_cause", []row{{"cause": 6}}, []row{{"cause": 5}}},
		{"price_cause", []row{{"cause": 5}}, []row{{"cause": 6}}},
		{"employer_pays", []row{{"event_flags": 16}}, []row{{"event_flags": 15}, {}}},
		{"bill_shock", []row{{"bill_shock": 1.0}}, []row{{"bill_shock": 0.0}, {"bill_shock": math.NaN()}}},
		{"stage_early", []row{{"churn_stage": 1}}, []row{{"churn_stage": 2}}},
		{"stage_middle", []row{{"churn_stage": 2}}, []row{{"churn_stage": 3}}},
		{"stage_late", []row{{"churn_stage": 3}}, []row{{"churn_stage": 1}}},
		{"stage_complete", []row{{"churn_stage": 4}}, []row{{"churn_stage": 0}}},
		// Aged 18 to 24 in 2010.
		{"student", []row{{"birth_year": 1992, "service_type": 3}, {"birth_year": 1986, "event_flags": 256}, {"birth_year": 1986, "service_type": 1, "event_flags": 256}},
			[]row{{"birth_year": 1993, "service_type": 3}, {"birth_year": 1985, "event_flags": 256}, {"birth_year": 1990, "service_type": 1, "event_flags": 255}, {"service_type": 3}, {"birth_year": 1990}}},
		{"traveller", []row{
			{"history": 1, "out_sec_m0": 60, "in_sec_m0": 40, "roam_sec_m0": 30}, {"history": 1, "city_cnt": 3}, {"history": 1, "out_sec_m0": 100, "in_sec_m0": 0, "roam_sec_m0": 0, "city_cnt": 4},
		}, []row{
			{"history": 1, "out_sec_m0": 60, "in_sec_m0": 40, "roam_sec_m0": 29}, {"history": 1, "out_sec_m0": 0, "in_sec_m0": 0, "roam_sec_m0": 0}, {"history": 1, "out_sec_m0": 60, "roam_sec_m0": 60},
			{"history": 1, "out_sec_m0": 60, "in_sec_m0": 40}, {"history": 0, "out_sec_m0": 60, "in_sec_m0": 40, "roam_sec_m0": 30}, {"history": 1, "city_cnt": 2},
		}},
		{"low_balance", []row{{"pay_mode": 1, "balance_fen": 499}, {"pay_mode": 1, "balance_fen": -120}}, []row{{"pay_mode": 1, "balance_fen": 500}, {"pay_mode": 2, "balance_fen": 1}, {"balance_fen": 1}, {"pay_mode": 1}}},
	} {
		t.Run(c.when, func(t *testing.T) {
			rows, want := slices.Concat(c.holds, c.passes), []kerneltest.Row{}
			for i := range rows {
				line := 0
				if i < len(c.holds) {
					line = 1
				}
				want = append(want, row{"offer_line": line, "offer": line})
			}
			kerneltest.Run(t, NewOffer(matrix(c.when), job.Default().Rules, 201011), rows, want)
		})
	}
}

// customer is a subscriber of whom the default matrix says POINTS_OR_DISCOUNT.
func customer(more kerneltest.Row) kerneltest.Row {
	r := kerneltest.Row{"retain_decision": 1, "grade": 0, "trg_fired": 0, "cause": 0, "bill_shock": 0.0, "churn_stage": 0, "history": 63}
	for k, v := range more {
		r[k] = v
	}
	return r
}

func TestC12TheFirstLineOfTheMatrixWins(t *testing.T) {
	d := job.Default()
	everything := kerneltest.Row{
		"grade": 2, "trg_fired": 1<<14 - 1, "cause": 6, "birth_year": 1990, "service_type": 3, "city_cnt": 5, "event_flags": 16 + 256,
		"bill_shock": 1.0, "pay_mode": 1, "balance_fen": 0, "churn_stage": 1,
	}
	rows := []kerneltest.Row{
		customer(nil), customer(everything), customer(kerneltest.Row{"retain_decision": 9, "grade": 2}), customer(kerneltest.Row{"trg_fired": fired(4, 8)}), customer(kerneltest.Row{"trg_fired": fired(8, 11)}),
		customer(kerneltest.Row{"trg_fired": fired(9)}), customer(kerneltest.Row{"cause": 6, "bill_shock": 1.0}), customer(kerneltest.Row{"trg_fired": fired(7, 11)}), customer(kerneltest.Row{"trg_fired": fired(7)}),
		customer(kerneltest.Row{"birth_year": 1990, "service_type": 3, "city_cnt": 5}), customer(kerneltest.Row{"city_cnt": 5, "event_flags": 16}), customer(kerneltest.Row{"event_flags": 16, "bill_shock": 1.0}),
		customer(kerneltest.Row{"cause": 5, "churn_stage": 3}), customer(kerneltest.Row{"pay_mode": 1, "balance_fen": 0, "churn_stage": 3}),
		customer(kerneltest.Row{"churn_stage": 1}), customer(kerneltest.Row{"churn_stage": 2}), customer(kerneltest.Row{"churn_stage": 3}), customer(kerneltest.Row{"churn_stage": 4}),
	}
	want := []kerneltest.Row{
		{"offer": 15, "offer_line": 19}, {"offer": 1, "offer_line": 2}, {"offer": 0, "offer_line": 1}, {"offer": 2, "offer_line": 3}, {"offer": 3, "offer_line": 4},
		{"offer": 3, "offer_line": 5}, {"offer": 3, "offer_line": 6}, {"offer": 4, "offer_line": 7}, {"offer": 5, "offer_line": 8},
		{"offer": 6, "offer_line": 9}, {"offer": 7, "offer_line": 10}, {"offer": 8, "offer_line": 11}, {"offer": 9, "offer_line": 13}, {"offer": 10, "offer_line": 14},
		{"offer": 11, "offer_line": 15}, {"offer": 12, "offer_line": 16}, {"offer": 13, "offer_line": 17}, {"offer": 14, "offer_line": 18},
	}
	kerneltest.Run(t, NewOffer(d.Policy, d.Rules, 201011), rows, want)
}

func TestAMatrixWithoutALineThatHoldsOffersNothing(t *testing.T) {
	k := NewOffer(matrix("t8"), job.Default().Rules, 201011)
	if in := k.Spec().In; len(in) != 1 || in[0].Name != "trg_fired" {
		t.Errorf("a matrix that asks for a trigger reads %v", in)
	}
	kerneltest.Run(t, k, []kerneltest.Row{{"trg_fired": 0}}, []kerneltest.Row{{"offer": 0, "offer_line": 0}})
}

// scalarOffer is C12's table a subscriber at a time.
func scalarOffer(p job.Policy, rules job.Rules, month int64) func(*kerneltest.In, *kerneltest.Out) {
	return func(in *kerneltest.In, out *kerneltest.Out) {
		get := func(name string) (int64, bool) {
			if p := in.Int(name); p != nil {
				return *p, true
			}
			return 0, false
		}
		holds := func(when string) bool {
			switch when {
			case "not_retained":
				v, _ := get("retain_decision")
				return v != 1
			case "vip":
				grade, _ := get("grade")
				class, _ := get("vip_class")
				return grade >= 1 || class >= 1 && class <= 4
			case "network_cause", "price_cause":
				v, _ := get("cause")
				return v == map[string]int64{"network_cause": 6, "price_cause": 5}[when]
			case "student":
				birth, known := get("birth_year")
				service, _ := get("service_type")
				events, _ := get("event_flags")
				age := month/100 - birth
				return known && age >= p.StudentAge[0] && age <= p.StudentAge[1] && (service == 3 || events&(1<<8) != 0)
			case "traveller":
				if cities, known := get("city_cnt"); known && cities >= p.RoamCities {
					return true
				}
				o, k1 := get("out_sec_m0")
				i, k2 := get("in_sec_m0")
				roam, k3 := get("roam_sec_m0")
				own, _ := get("history")
				return k1 && k2 && k3 && own&1 != 0 && o+i > 0 && roam*100 >= p.RoamSharePct*(o+i)
			case "employer_pays":
				v, _ := get("event_flags")
				return v&(1<<4) != 0
			case "bill_shock":
				return in.Float("bill_shock") == 1
			case "low_balance":
				mode, _ := get("pay_mode")
				balance, known := get("balance_fen")
				return mode == 1 && known && balance < rules.T3BalanceFen
			case "stage_early", "stage_middle", "stage_late", "stage_complete":
				v, _ := get("churn_stage")
				return v == map[string]int64{"stage_early": 1, "stage_middle": 2, "stage_late": 3, "stage_complete": 4}[when]
			case "always":
				return true
			}
			v, _ := get("trg_fired")
			trigger := slices.Index(schema.OfferConditions, when) - slices.Index(schema.OfferConditions, "t1")
			return v>>trigger&1 != 0
		}
		for i, l := range p.Offers {
			if holds(l.When) {
				code, _ := schema.FindOffer(l.Offer)
				out.Int("offer", int64(code.Value))
				out.Int("offer_line", int64(i+1))
				return
			}
		}
		out.Int("offer", 0)
		out.Int("offer_line", 0)
	}
}

func TestOfferEqualsItsReference(t *testing.T) {
	d := job.Default()
	for name, c := range map[string]struct {
		policy job.Policy
		rows   int
	}{
		"default":       {d.Policy, 0},
		"no VIP first":  {matrix("traveller", "student", "low_balance", "vip", "stage_complete", "t14", "t1", "t8", "bill_shock", "price_cause", "employer_pays"), 400_000},
		"63 lines":      {matrix(append(slices.Repeat([]string{"vip", "t8"}, 30), "student", "t1", "always")...), 50_000},
		"every trigger": {matrix("t2", "t3", "t4", "t5", "t6", "t7", "t9", "t10", "t11", "t12", "t13", "not_retained", "network_cause", "stage_late", "stage_middle", "stage_early"), 100_000},
	} {
		t.Run(name, func(t *testing.T) {
			k := NewOffer(c.policy, d.Rules, 201011)
			edges := map[string][]int64{
				"retain_decision": {1, 1, 1}, "grade": {0}, "trg_fired": {0, 0, 0, 1 << 7}, "cause": {0, 5, 6}, "birth_year": {1986, 1992, 1990}, "service_type": {1, 3},
				"event_flags": {0, 16, 256}, "city_cnt": {1, 3}, "pay_mode": {1, 2}, "balance_fen": {500}, "bill_shock": {0, 1}, "churn_stage": {0, 1, 4}, "history": {63}, "roam_sec": {30}, "out_sec": {100}, "in_sec": {0},
			}
			for name := range edges {
				if !slices.ContainsFunc(k.Spec().In, func(f kernel.Field) bool { return f.Name == name || f.Name == name+"_m0" }) {
					delete(edges, name)
				}
			}
			kerneltest.Random{
				New:       func(int) kernel.Kernel { return NewOffer(c.policy, d.Rules, 201011) },
				Reference: scalarOffer(c.policy, d.Rules, 201011),
				Rows:      c.rows,
				Edges:     edges,
				Max:       map[string]int64{"retain_decision": 11, "grade": 3, "vip_class": 5, "trg_fired": 1<<14 - 1, "cause": 12, "churn_stage": 4, "history": 63, "city_cnt": 9, "pay_mode": 3},
				NeverNull: []string{"retain_decision", "grade", "trg_fired", "cause", "churn_stage", "history"},
			}.Run(t)
		})
	}
}

func BenchmarkOffer(b *testing.B) {
	d := job.Default()
	kerneltest.Benchmark(b, NewOffer(d.Policy, d.Rules, 201011), map[string][]int64{
		"retain_decision": {1, 1, 1, 2}, "grade": {0, 0, 0, 1}, "trg_fired": {0, 0, 0, 2, 8, 256}, "cause": {0, 5, 6, 12}, "churn_stage": {0, 0, 1, 2, 3}, "history": {63}, "vip_class": {0},
	})
}
