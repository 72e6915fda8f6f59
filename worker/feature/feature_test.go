package feature

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// rules are the defaults of domain C02.
var rules = job.Rules{ExcludePartialFirstMonth: true, BillShockPct: 150, BillShockFen: 2000, NewSubMonths: 3}

// one returns the kernel that makes the named features, which must be one.
func one(t testing.TB, r job.Rules, month int32, names ...string) kernel.Kernel {
	t.Helper()
	kernels, err := Kernels(names, r, month)
	if err != nil {
		t.Fatal(err)
	}
	if len(kernels) != 1 {
		t.Fatalf("%d kernels for %v", len(kernels), names)
	}
	return kernels[0]
}

// all names the ten features of a metric.
func all(metric string) []string {
	var names []string
	for _, s := range stats6 {
		names = append(names, metric+"_"+s.suffix)
	}
	return names
}

// months writes values newest first into a row; nil is a missing month.
func months(column string, newestFirst ...any) kerneltest.Row {
	row := kerneltest.Row{"history": 63, "history_compare": 63}
	for k, v := range newestFirst {
		c, _ := schema.Find(schema.Subscriber, column)
		row[c.At(k)] = v
	}
	return row
}

func TestC02WorkedExample(t *testing.T) {
	// The dossier prints five digits; the exact quotients round to them.
	kerneltest.Run(t, one(t, rules, 201011, all("fee")...),
		[]kerneltest.Row{months("fee", 4000, 5000, 6000, 7900, 8200, 8000)},
		[]kerneltest.Row{{
			"fee_last": 4000.0, "fee_avg3": 5000.0, "fee_avg6": 39100.0 / 6, "fee_chg1": -0.2,
			"fee_chg3": -27300.0 / 72300, "fee_slope": -900.0 * 6 / 39100, "fee_zero_run": 0.0,
			"fee_base_zero": 0.0, "fee_appeared": 0.0,
		}})
	for _, c := range []struct{ got, want float64 }{{39100.0 / 6, 6516.67}, {-27300.0 / 72300, -0.37759}, {-900.0 * 6 / 39100, -0.13811}} {
		if math.Abs(c.got-c.want) > 0.005*math.Abs(c.want)/100 {
			t.Errorf("%v is not the dossier's %v", c.got, c.want)
		}
	}
}

func TestChangeFromNothingIsNoNumber(t *testing.T) {
	kerneltest.Run(t, one(t, rules, 201011, all("fee")...),
		[]kerneltest.Row{
			months("fee", 0, 0, 0, 0, 0, 0),
			months("fee", 5, 0, 0, 0, 0, 0),
			months("fee", 0, 5, 0, 0, nil, 0),
			months("fee", 5, nil, 1, 1, 1, 1),
			months("fee", nil, 5, 1, 1, 1, 1),
			months("fee"),
			months("fee", 0, 0, nil, 0, 0, 0),
			months("fee", 7),
		},
		[]kerneltest.Row{
			{"fee_chg1": 0.0, "fee_chg3": 0.0, "fee_slope": nil, "fee_cv": nil, "fee_zero_run": 6.0, "fee_base_zero": 1.0, "fee_appeared": 0.0},
			{"fee_chg1": nil, "fee_chg3": nil, "fee_zero_run": 0.0, "fee_base_zero": 1.0, "fee_appeared": 1.0},
			{"fee_chg1": -1.0, "fee_zero_run": 1.0, "fee_base_zero": 0.0, "fee_appeared": 0.0},
			{"fee_chg1": nil, "fee_base_zero": nil, "fee_appeared": nil, "fee_last": 5.0, "fee_avg3": 3.0},
			{"fee_chg1": nil, "fee_base_zero": 0.0, "fee_appeared": nil, "fee_last": nil, "fee_avg3": 3.0, "fee_zero_run": nil},
			{"fee_last": nil, "fee_avg3": nil, "fee_avg6": nil, "fee_chg1": nil, "fee_chg3": nil, "fee_slope": nil, "fee_cv": nil, "fee_zero_run": nil},
			{"fee_zero_run": nil, "fee_avg3": 0.0},
			{"fee_last": 7.0, "fee_avg3": nil, "fee_avg6": nil, "fee_cv": 0.0, "fee_slope": nil},
		})
}

func TestUsageIsComparedPerDay(t *testing.T) {
	// Domain 3.4: 310 minutes in January and 280 in February are ten a day in both.
	kerneltest.Run(t, one(t, rules, 201102, "out_sec_last", "out_sec_chg1"),
		[]kerneltest.Row{months("out_sec", 280*60, 310*60)},
		[]kerneltest.Row{{"out_sec_last": 16800.0, "out_sec_chg1": 0.0}})
	fees := []kerneltest.Row{months("fee", 28000, 31000)}
	kerneltest.Run(t, one(t, rules, 201102, "fee_chg1"), fees, []kerneltest.Row{{"fee_chg1": -3000.0 / 31000}})
	perDay := rules
	perDay.FeeNormaliseDays = true
	kerneltest.Run(t, one(t, perDay, 201102, "fee_chg1"), fees, []kerneltest.Row{{"fee_chg1": 0.0}})
	tops := []kerneltest.Row{months("recharge_cnt", 28, 31)}
	kerneltest.Run(t, one(t, perDay, 201102, "recharge_cnt_chg1"), tops, []kerneltest.Row{{"recharge_cnt_chg1": -3.0 / 31}})
}

func TestOneKernelReadsOnlyTheMonthsItNeeds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		names []string
		in    string
	}{
		{[]string{"fee_last"}, "fee_m0 history history_compare"},
		{[]string{"fee_chg1", "fee_last"}, "fee_m0 fee_m1 history history_compare"},
		{[]string{"fee_avg3"}, "fee_m0 fee_m1 fee_m2 history history_compare"},
	} {
		var names []string
		for _, f := range one(t, rules, 201011, c.names...).Spec().In {
			names = append(names, f.Name)
		}
		if got := strings.Join(names, " "); got != c.in {
			t.Errorf("%v reads %s, want %s", c.names, got, c.in)
		}
	}
}

func TestEveryFeatureOfTheDictionaryHasOneKernel(t *testing.T) {
	t.Parallel()
	canonical := map[string]bool{}
	for _, c := range schema.Subscriber {
		for _, name := range c.Names() {
			canonical[name] = true
		}
	}
	var names []string
	for _, e := range Dictionary {
		if slices.Contains(names, e.Name) {
			t.Errorf("%s stands twice", e.Name)
		}
		names = append(names, e.Name)
		if e.Formula == "" || len(e.Sources) == 0 || e.Type == nil {
			t.Errorf("%s is not described", e.Name)
		}
		for _, s := range e.Sources {
			if !canonical[s] {
				t.Errorf("%s is worked out from %s, which is no canonical column", e.Name, s)
			}
		}
		if got, ok := Find(e.Name); !ok || got.Formula != e.Formula {
			t.Errorf("%s is not found", e.Name)
		}
	}
	made := map[string]int{}
	kernels, err := Kernels(names, rules, 201011)
	if err != nil {
		t.Fatal(err)
	}
	history := NewHistory(rules, 201011).Spec()
	for _, k := range kernels {
		spec := k.Spec()
		for _, f := range spec.In {
			if !canonical[f.Name] && made[f.Name] == 0 && !slices.ContainsFunc(history.Out, func(h kernel.Field) bool { return h.Name == f.Name }) {
				t.Errorf("%s reads %s, which nobody has made", spec.Name, f.Name)
			}
		}
		for _, f := range spec.Out {
			made[f.Name]++
		}
	}
	for _, name := range names {
		if made[name] != 1 {
			t.Errorf("%s is made %d times", name, made[name])
		}
	}
	if _, err := Kernels([]string{"fee_last", "fee_avg4", "x"}, rules, 201011); err == nil || !strings.Contains(err.Error(), `"fee_avg4" "x"`) {
		t.Errorf("unknown features: %v", err)
	}
	ratio, err := Kernels([]string{"out_in_ratio"}, rules, 201011)
	if err != nil || len(ratio) != 3 {
		t.Errorf("out_in_ratio: %d kernels, %v", len(ratio), err)
	}
}

// month is one month of a metric as the dossier's text sees it.
type month struct {
	value *int64
	days  int
}

// reference works out C02 for one metric, a row at a time.
type reference struct {
	column string
	perDay bool
	names  [6]string
	days   [6]int
	put    map[string]string // names of the outputs
}

func newReference(column string, perDay bool, asof int32) reference {
	r := reference{column: column, perDay: perDay, put: map[string]string{}}
	at := time.Date(int(asof/100), time.Month(asof%100), 1, 0, 0, 0, 0, time.UTC)
	for k := range r.days {
		first := at.AddDate(0, -k, 0)
		r.days[k] = int(first.AddDate(0, 1, 0).Sub(first).Hours() / 24)
		r.names[k] = fmt.Sprintf("%s_m%d", column, k)
	}
	for _, s := range stats6 {
		r.put[s.suffix] = column + "_" + s.suffix
	}
	return r
}

// read returns the months that mask lets through.
func (r reference) read(in *kerneltest.In, mask int64) (list [6]month) {
	for k := range list {
		list[k].days = r.days[k]
		if mask>>k&1 == 1 {
			list[k].value = in.Int(r.names[k])
		}
	}
	return list
}

// comparable returns the values that are compared, in L-ths, NaN for missing.
func (r reference) comparable(list [6]month) (ys [6]float64) {
	lcm := int64(13020) // of 28, 30 and 31; with February 29 days: 26970
	for _, m := range list {
		if m.days == 29 {
			lcm = 26970
		}
	}
	if !slices.Contains(r.days[:], 28) && !slices.Contains(r.days[:], 29) {
		lcm = 930
	}
	for k, m := range list {
		ys[k] = math.NaN()
		if m.value != nil {
			ys[k] = float64(*m.value)
			if r.perDay {
				ys[k] *= float64(lcm / int64(m.days))
			}
		}
	}
	return ys
}

func mean(ys []float64, least int) (sum, n float64) {
	for _, y := range ys {
		if !math.IsNaN(y) {
			sum, n = sum+y, n+1
		}
	}
	if n < float64(least) {
		return sum, math.NaN()
	}
	return sum, n
}

func (r reference) row(in *kerneltest.In, out *kerneltest.Out) {
	list := r.read(in, *in.Int("history"))
	plain := reference{}.comparable(list)
	ys := r.comparable(r.read(in, *in.Int("history_compare")))
	put := func(suffix string, v float64) {
		if v == 0 {
			v = 0 // never -0
		}
		out.Float(r.put[suffix], v)
	}

	put("last", plain[0])
	s, n := mean(plain[:3], 2)
	put("avg3", s/n)
	s, n = mean(plain[:], 3)
	put("avg6", s/n)

	run := 0.0
	for _, x := range plain {
		if math.IsNaN(x) {
			run = math.NaN()
		}
		if x != 0 {
			break
		}
		run++
	}
	put("zero_run", run)

	change, baseZero, appeared := math.NaN(), math.NaN(), math.NaN()
	if !math.IsNaN(ys[1]) {
		baseZero = 0
		if ys[1] == 0 {
			baseZero = 1
		}
		if !math.IsNaN(ys[0]) {
			appeared = 0
			switch {
			case ys[1] != 0:
				change = (ys[0] - ys[1]) / ys[1]
			case ys[0] == 0:
				change = 0
			case ys[0] > 0:
				appeared = 1
			}
		}
	}
	put("chg1", change)
	put("base_zero", baseZero)
	put("appeared", appeared)

	change = math.NaN()
	now, a := mean(ys[:3], 2)
	base, b := mean(ys[3:], 2)
	if !math.IsNaN(a) && !math.IsNaN(b) {
		if base != 0 {
			change = (float64(now*b) - float64(base*a)) / float64(base*a)
		} else if now == 0 {
			change = 0
		}
	}
	put("chg3", change)

	sum, n := mean(ys[:], 1)
	slope, cv := math.NaN(), math.NaN()
	if sum != 0 {
		var squares, positions, tilt float64
		var odd [6]float64
		for k, y := range ys {
			if !math.IsNaN(y) {
				i := float64(5 - k)
				positions += i
				squares += i * i
				d := float64(n*y) - sum
				odd[k] = float64(d * d)
			}
		}
		for k, y := range ys {
			term := 0.0
			if !math.IsNaN(y) {
				// The kernel's factor is (n·i − Σi)·w: y is already times w.
				term = float64((n*float64(5-k) - positions) * y)
			}
			tilt += term
		}
		dev := odd[0] + odd[1] + odd[2] + odd[3] + odd[4] + odd[5]
		cv = math.Sqrt(dev/n) / sum
		if n >= 3 {
			slope = float64(tilt*n) / float64((n*squares-positions*positions)*sum)
		}
	}
	put("slope", slope)
	put("cv", cv)
}
