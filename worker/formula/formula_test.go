package formula

import (
	"math"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// spec returns a job of October 2026 with these features and rules, name and text
// in turn.
func spec(features, rules []string) job.Spec {
	s := job.Default()
	s.Month = 202610
	s.Input.Extra = []job.Extra{{Name: "score_x"}, {Name: "plan", Values: []string{"gold", "basic"}}}
	for i := 0; i+1 < len(features); i += 2 {
		s.Features = append(s.Features, job.Formula{Name: features[i], Text: features[i+1]})
	}
	for i := 0; i+1 < len(rules); i += 2 {
		s.Custom = append(s.Custom, job.Formula{Name: rules[i], Text: rules[i+1]})
	}
	return s
}

// feature returns the kernel of one feature; its output is formula(x).
func oneFeature(t testing.TB, text string) kernel.Kernel {
	t.Helper()
	k, err := NewFeatures(spec([]string{"x", text}, nil), []string{"x"})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return k
}

func oneRule(t testing.TB, text string) kernel.Kernel {
	t.Helper()
	k, err := NewRules(spec(nil, []string{"x", text}))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return k
}

var nan = math.NaN()

// all six months are the subscriber's.
const everyMonth = uint8(0x3f)

func fees(newestFirst ...any) kerneltest.Row {
	r := kerneltest.Row{kernel.History.Name: everyMonth, kernel.HistoryCompare.Name: everyMonth}
	for k, v := range newestFirst {
		if v != nil {
			v = int64(v.(int))
		}
		r["fee_m"+string(rune('0'+k))] = v
	}
	return r
}

func TestTheIssuesFeatureIsTheDropAgainstTheMeanOfThreeMonths(t *testing.T) {
	k := oneFeature(t, "1 - fee[0] / mean(fee[1:3])")
	rows := []kerneltest.Row{fees(4000, 5000, 6000, 7000), fees(4000, nil, 6000, 7000), fees(4000, nil, nil, 7000), fees(nil, 5000, 6000, 7000), fees(5, 0, 0, 0)}
	for i := range rows {
		delete(rows[i], kernel.HistoryCompare.Name)
	}
	kerneltest.Run(t, k, rows, []kerneltest.Row{
		{"formula(x)": drop(4000, 6000)}, {"formula(x)": drop(4000, 6500)}, {"formula(x)": nan}, {"formula(x)": nan}, {"formula(x)": nan},
	})
}

// drop is worked out in float64, as Go works out constants it is exact.
func drop(now, base float64) float64 { return 1 - now/base }

func TestTheIssuesRuleIsUnknownOnlyWhereItMatters(t *testing.T) {
	k := oneRule(t, `roam_sec[0] > 12000 and brand == "gotone"`)
	row := func(sec, brand any) kerneltest.Row {
		return kerneltest.Row{"roam_sec_m0": sec, "brand_m0": brand, "history": everyMonth}
	}
	kerneltest.Run(t, k,
		[]kerneltest.Row{row(int64(12001), uint8(3)), row(int64(12000), uint8(3)), row(nil, uint8(3)), row(nil, uint8(2)), row(int64(12000), nil), row(int64(12001), nil)},
		[]kerneltest.Row{
			{Fired: uint64(1), Unknown: uint64(0)}, {Fired: uint64(0), Unknown: uint64(0)}, {Fired: uint64(0), Unknown: uint64(1)},
			{Fired: uint64(0), Unknown: uint64(0)}, {Fired: uint64(0), Unknown: uint64(0)}, {Fired: uint64(0), Unknown: uint64(1)},
		})
}

func TestAJobWithoutRulesHasNoneThatFired(t *testing.T) {
	k, err := NewRules(job.Default())
	if err != nil {
		t.Fatal(err)
	}
	out := []kernel.Vector{kerneltest.NewVector(arrow.PrimitiveTypes.Uint64, 3000), kerneltest.NewVector(arrow.PrimitiveTypes.Uint64, 3000)}
	for _, v := range out {
		for i := range v.U64 {
			v.U64[i] = 7
		}
	}
	k.Eval(2900, nil, out)
	for i := range 3000 {
		want := uint64(0)
		if i >= 2900 {
			want = 7
		}
		if out[0].U64[i] != want || out[1].U64[i] != want {
			t.Fatalf("row %d: %d, %d", i, out[0].U64[i], out[1].U64[i])
		}
	}
}

// Null means no class and no flags; what stands behind it does not count.
func TestAColumnWhoseNullIsZeroIsNeverNull(t *testing.T) {
	k := oneRule(t, `vip_grade == grade and vip_class == "none" and "student" not in event_flags and not is_null(vip_class)`)
	row := func(mine, theirs, class, flags any) kerneltest.Row {
		return kerneltest.Row{"vip_grade": mine, "grade": theirs, "vip_class": class, "event_flags": flags}
	}
	kerneltest.Run(t, k,
		[]kerneltest.Row{row(nil, uint8(0), nil, nil), row(uint8(2), uint8(2), uint8(0), uint32(128)), row(nil, uint8(1), nil, nil), row(nil, uint8(0), uint8(1), nil), row(nil, uint8(0), nil, uint32(256))},
		[]kerneltest.Row{{Fired: uint64(1), Unknown: uint64(0)}, {Fired: uint64(1), Unknown: uint64(0)}, {Fired: uint64(0), Unknown: uint64(0)}, {Fired: uint64(0), Unknown: uint64(0)}, {Fired: uint64(0), Unknown: uint64(0)}})
}
