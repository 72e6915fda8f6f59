package score

import (
	"math"
	"testing"

	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// fired returns the bits of triggers.
func fired(triggers ...int) int {
	bits := 0
	for _, t := range triggers {
		bits |= 1 << (t - 1)
	}
	return bits
}

func TestC24EvidencePointsToCauses(t *testing.T) {
	row := func(fired int, more kerneltest.Row) kerneltest.Row {
		r := kerneltest.Row{"trg_fired": fired, "churn_stage": 0, "bill_shock": 0.0}
		for k, v := range more {
			r[k] = v
		}
		return r
	}
	for _, c := range []struct {
		claim           string
		row             kerneltest.Row
		cause, evidence int
	}{
		{"T7 a competitor", row(fired(7), nil), 1, 1},
		{"T12 a competitor", row(fired(12), nil), 1, 1},
		{"T8 the network", row(fired(8), nil), 6, 1 << 5},
		{"T9 the service", row(fired(9), nil), 2, 1 << 1},
		{"T9 over billing integrity", row(fired(9), kerneltest.Row{"complaint_tags": 8}), 4, 1 << 3},
		{"T9 over an SP integrity", row(fired(9), kerneltest.Row{"complaint_tags": 16 + 4}), 4, 1 << 3},
		{"a billing complaint that ended well is none", row(0, kerneltest.Row{"complaint_tags": 8}), 0, 0},
		{"T11 the contract", row(fired(11), nil), 11, 1 << 10},
		{"T10 nature", row(fired(10), nil), 3, 1 << 2},
		{"T13 nature", row(fired(13), nil), 3, 1 << 2},
		{"T4 arrears", row(fired(4), nil), 10, 1 << 9},
		{"C06 several SIMs", row(0, kerneltest.Row{"silent_class": 1}), 8, 1 << 7},
		{"C06 an internal transfer", row(0, kerneltest.Row{"silent_class": 2}), 9, 1 << 8},
		{"an unexplained silence is none", row(0, kerneltest.Row{"silent_class": 6}), 0, 0},
		{"bill shock the price", row(0, kerneltest.Row{"bill_shock": 1.0}), 5, 1 << 4},
		{"an unknown shock is none", row(0, kerneltest.Row{"bill_shock": math.NaN()}), 0, 0},
		{"a tariff complaint the price", row(0, kerneltest.Row{"complaint_tags": 1}), 5, 1 << 4},
		{"a network complaint the network", row(0, kerneltest.Row{"complaint_tags": 2}), 6, 1 << 5},
		{"the complaint before the shock", row(fired(4, 8, 9, 11), kerneltest.Row{"bill_shock": 1.0}), 2, 1<<1 | 1<<4 | 1<<5 | 1<<9 | 1<<10},
		{"what a person confirmed", row(fired(8), kerneltest.Row{"cause_confirmed": 7}), 7, 1 << 5},
		{"not what a person did not find", row(fired(8), kerneltest.Row{"cause_confirmed": 12}), 6, 1 << 5},
		{"nor a code that is none", row(fired(8), kerneltest.Row{"cause_confirmed": 0}), 6, 1 << 5},
		{"a warning without evidence is UNKNOWN", row(fired(2), nil), 12, 0},
		{"so is a risk", row(0, kerneltest.Row{"churn_stage": 1}), 12, 0},
		{"nobody asked about the others", row(0, nil), 0, 0},
	} {
		t.Run(c.claim, func(t *testing.T) {
			kerneltest.Run(t, NewCause(), []kerneltest.Row{c.row}, []kerneltest.Row{{"cause": c.cause, "cause_evidence": c.evidence}})
		})
	}
}

func TestCauseEqualsItsReference(t *testing.T) {
	kerneltest.Random{
		New: func(int) kernel.Kernel { return NewCause() },
		Reference: func(in *kerneltest.In, out *kerneltest.Out) {
			code := func(name string) int64 {
				if p := in.Int(name); p != nil {
					return *p
				}
				return 0
			}
			triggers, tags := code("trg_fired"), code("complaint_tags")
			t := func(n int) bool { return triggers>>(n-1)&1 != 0 }
			evidence := map[int]bool{
				1:  t(7) || t(12),
				2:  t(9) && tags&(8|16) == 0,
				3:  t(10) || t(13),
				4:  t(9) && tags&(8|16) != 0,
				5:  in.Float("bill_shock") == 1 || tags&1 != 0,
				6:  t(8) || tags&2 != 0,
				8:  code("silent_class") == 1,
				9:  code("silent_class") == 2,
				10: t(4),
				11: t(11),
			}
			bits, cause := int64(0), int64(0)
			for _, c := range []int{10, 11, 5, 1, 6, 2, 4, 3, 8, 9} {
				if evidence[c] {
					bits |= 1 << (c - 1)
					cause = int64(c)
				}
			}
			if cause == 0 && (triggers != 0 || code("churn_stage") != 0) {
				cause = 12
			}
			if c := code("cause_confirmed"); c >= 1 && c <= 11 {
				cause = c
			}
			out.Int("cause", cause)
			out.Int("cause_evidence", bits)
		},
		Edges:     map[string][]int64{"bill_shock": {0, 1}, "cause_confirmed": {0, 7, 12}, "trg_fired": {1, 2, 8, 256}},
		Max:       map[string]int64{"trg_fired": 1<<14 - 1, "churn_stage": 4, "silent_class": 8},
		NeverNull: []string{"trg_fired", "churn_stage"},
	}.Run(t)
}

func BenchmarkCause(b *testing.B) {
	kerneltest.Benchmark(b, NewCause(), map[string][]int64{
		"trg_fired": {0, 0, 0, 2, 8, 256}, "silent_class": {0, 0, 6}, "cause_confirmed": {0}, "complaint_tags": {0, 1, 2}, "churn_stage": {0, 0, 1, 2, 3},
	})
}
