package formula

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// only leaves in a row what the kernel reads.
func only(k kernel.Kernel, row kerneltest.Row) kerneltest.Row {
	out := kerneltest.Row{}
	for _, f := range k.Spec().In {
		if v, ok := row[f.Name]; ok {
			out[f.Name] = v
		}
	}
	return out
}

// decline is the dossier's worked example of C02, newest first.
var decline = fees(4000, 5000, 6000, 7900, 8200, 8000)

func TestC02WorkedExampleInTheUsersLanguage(t *testing.T) {
	mean := 39100.0 / 6
	square := 0.0
	for _, x := range []float64{4000, 5000, 6000, 7900, 8200, 8000} {
		square += float64((x - mean) * (x - mean))
	}
	for text, want := range map[string]float64{
		"mean(fee[0:2])":                                 5000,
		"mean(fee[0:5])":                                 mean,
		"fee[0] / fee[1] - 1":                            ratioOf(4000, 5000) - 1,
		"mean(fee[0:2]) / mean(fee[3:5]) - 1":            ratioOf(5000, 24100.0/3) - 1,
		"slope(fee[0:5])":                                -900,
		"slope(fee[0:5]) / mean(fee[0:5])":               -900 / mean,
		"sd(fee[0:5])":                                   math.Sqrt(square / 6),
		"min(fee[0:5])":                                  4000,
		"max(fee[0:5])":                                  8200,
		"sum(fee[0:2])":                                  15000,
		"count(fee[0:5])":                                6,
		"max(abs(fee[0:4] - fee[1:5]))":                  1900,
		"fee[0] < yuan(40) ? 1 : 0":                      0,
		"fee <= yuan(40) and fee < fee[1] < fee[2]":      1,
		"min(fee[0], fee[1], 3500)":                      3500,
		"sqrt(fee[0] * fee[0])":                          4000,
		"fee in [1, 4000]":                               1,
		"is_null(fee[0])":                                0,
		"100 * (fee[3] - fee[0]) >= 40 * fee[3]":         1,
		"1 - fee[0] / mean(fee[1..3]) > 0.36":            1,
		"coalesce(fee[0], 1) - (fee[1] ?? fee[0])":       -1000,
		"mean(fee[0:2]) == 5000 and not (fee[5] > 8000)": 1,
	} {
		k := oneFeature(t, text)
		kerneltest.Run(t, k, []kerneltest.Row{only(k, decline)}, []kerneltest.Row{{"formula(x)": want}})
	}
}

// ratioOf divides at run time: Go works out constants exactly.
func ratioOf(a, b float64) float64 { return a / b }

func TestAWindowWantsHalfOfItsMonthsASumAllAndACountNone(t *testing.T) {
	known := func(n int) kerneltest.Row { // the n oldest of six
		list := make([]any, 6)
		for k := range list {
			if k >= 6-n {
				list[k] = 100
			}
		}
		return fees(list...)
	}
	for _, c := range []struct {
		f      string
		months int
		least  int // months that must be known
	}{
		{"mean", 6, 3}, {"min", 6, 3}, {"max", 6, 3}, {"sd", 6, 3}, {"slope", 6, 3}, {"sum", 6, 6}, {"count", 6, 0},
		{"mean", 3, 2}, {"mean", 2, 1}, {"mean", 1, 1}, {"slope", 3, 2}, {"slope", 2, 2}, {"sum", 2, 2}, {"max", 5, 3},
	} {
		k := oneFeature(t, fmt.Sprintf("%s(fee[%d:5])", c.f, 6-c.months))
		for n := range c.months + 1 {
			want := map[string]float64{"mean": 100, "min": 100, "max": 100, "sd": 0, "slope": 0, "sum": 100 * float64(n), "count": float64(n)}[c.f]
			if n < c.least {
				want = nan
			}
			kerneltest.Run(t, k, []kerneltest.Row{only(k, known(n))}, []kerneltest.Row{{"formula(x)": want}})
		}
	}
}

func TestMonthsBeforeActivationAreNull(t *testing.T) {
	three := fees(100, 100, 100, 7, 7, 7)
	three[kernel.History.Name], three[kernel.HistoryCompare.Name] = uint8(7), uint8(3) // joined in the month before last, partial
	for text, want := range map[string]float64{
		"count(fee[0:5])": 3, "fee[3] ?? -1": -1, "mean(fee[0:5])": 100, "sum(fee[0:3])": nan, "count(fee[0:2])": 3, "sd(fee[0:5])": nan, "sd(fee[0:2])": 0, "slope(fee[0:3])": 0,
	} {
		k := oneFeature(t, text)
		kerneltest.Run(t, k, []kerneltest.Row{only(k, three)}, []kerneltest.Row{{"formula(x)": want}})
	}
}

// Dossier 3.4: 310 minutes in January and 280 in February are both ten a day.
func TestPerDayMakesMonthsOfDifferentLengthEqual(t *testing.T) {
	s := spec([]string{"x", "per_day(out_sec[0]) - per_day(out_sec[1])", "y", "mean(per_day(out_sec[0:1]))"}, nil)
	s.Month = 202602
	k, err := NewFeatures(s, []string{"x", "y"})
	if err != nil {
		t.Fatal(err)
	}
	kerneltest.Run(t, k, []kerneltest.Row{{"out_sec_m0": int64(280 * 60), "out_sec_m1": int64(310 * 60), "history": everyMonth}}, []kerneltest.Row{{"formula(x)": 0.0, "formula(y)": 18000.0}})
}

func TestDivisionByZeroIsNullAndNullIsNotZero(t *testing.T) {
	for _, c := range []struct {
		text string
		row  kerneltest.Row
		want float64
	}{
		{"fee[0] / fee[1]", fees(5, 0), nan}, {"fee[0] / fee[1]", fees(0, 0), nan}, {"fee[0] / fee[1]", fees(0, 5), 0}, {"fee[0] / fee[1]", fees(nil, 5), nan},
		{"fee[0] + fee[1]", fees(nil, 5), nan}, {"(fee[0] ?? 0) + fee[1]", fees(nil, 5), 5}, {"fee[0] == 0", fees(nil, 5), nan}, {"fee[0] == 0", fees(0, 5), 1},
		{"fee[0] > 0 and fee[1] > 9", fees(nil, 5), 0}, {"fee[0] > 0 or fee[1] > 1", fees(nil, 5), 1}, {"not (fee[0] > 0)", fees(nil, 5), nan}, {"is_null(fee[0] > 0)", fees(nil, 5), 1},
		{"fee[0] > 0 ? fee[1] : fee[1]", fees(nil, 5), nan}, {"(fee[0] > 0) ?? true", fees(nil, 5), 1}, {"min(fee[0], fee[1])", fees(nil, 5), nan},
	} {
		k := oneFeature(t, c.text)
		kerneltest.Run(t, k, []kerneltest.Row{only(k, c.row)}, []kerneltest.Row{{"formula(x)": c.want}})
	}
}

// A bound between two whole numbers becomes the right one, and one that no value
// of the column reaches decides what is known.
func TestWholeColumnsAreComparedExactly(t *testing.T) {
	const big = int64(9_007_199_254_740_993) // 2^53 + 1, no float64
	for _, c := range []struct {
		text string
		m0   any
		want float64
	}{
		{"fee > 3500.5", int64(3500), 0}, {"fee > 3500.5", int64(3501), 1}, {"fee < 3500.5", int64(3500), 1}, {"fee <= 3500.5", int64(3501), 0}, {"fee >= 3500.5", int64(3500), 0},
		{"fee == 3500.5", int64(3500), 0}, {"fee != 3500.5", int64(3500), 1}, {"fee == 3500.5", nil, nan}, {"3500.5 < fee", int64(3501), 1}, {"fee == yuan(0.29)", int64(29), 1},
		{"fee < fee[1]", big - 1, 1}, {"fee == fee[1]", big - 1, 0}, {"fee > -1e15", int64(math.MinInt64), 0},
	} {
		k := oneFeature(t, c.text)
		kerneltest.Run(t, k, []kerneltest.Row{only(k, kerneltest.Row{"fee_m0": c.m0, "fee_m1": big, "history": everyMonth})}, []kerneltest.Row{{"formula(x)": c.want}})
	}
	for _, c := range []struct {
		text string
		want float64
	}{{"tenure_months < 40000", 1}, {"tenure_months > 40000", 0}, {"tenure_months >= -40000", 1}, {"tenure_months == 1e9", 0}, {"city_cnt >= 0", 1}, {"city_cnt < 0", 0}, {"city_cnt <= -0.5", 0}} {
		k := oneFeature(t, c.text)
		kerneltest.Run(t, k, []kerneltest.Row{only(k, kerneltest.Row{"tenure_months": int16(7), "city_cnt": uint8(0)}), {}}, []kerneltest.Row{{"formula(x)": c.want}, {"formula(x)": nan}})
	}
}

func TestFormulasShareWhatTheyHaveInCommon(t *testing.T) {
	t.Parallel()
	steps := func(rules ...string) int {
		k, err := NewRules(spec(nil, rules))
		if err != nil {
			t.Fatal(err)
		}
		return len(k.(*rulesKernel).machine.steps)
	}
	one := steps("a", "mean(fee[1:3]) > fee[0]")
	if two := steps("a", "mean(fee[1:3]) > fee[0]", "b", "mean(fee[1:3]) > fee[0] and brand == \"gotone\""); two-one > 7 {
		t.Errorf("%d steps more", two-one)
	}
}

func TestRegistersAreUsedAgain(t *testing.T) {
	t.Parallel()
	var parts []string
	for i := range 40 {
		parts = append(parts, fmt.Sprintf("(fee[0] + recharge_fen[0]) * %d.5 + arrears_fen * 3 > %d", i, i))
	}
	k, err := NewRules(spec(nil, []string{"a", strings.Join(parts, " and ")}))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(k.(*rulesKernel).machine.floats); n > 5 {
		t.Errorf("%d columns of scratch for forty parts", n)
	}
}
