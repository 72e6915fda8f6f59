package formula

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// writer writes random formulas that are well typed.
type writer struct {
	rng  *rand.Rand
	rule bool
}

func (w *writer) one(list ...string) string { return list[w.rng.IntN(len(list))] }

// leaves are names by unit.
var leaves = map[string][]string{
	"fen":    {"fee", "recharge_fen", "balance_fen", "arrears_fen", "fee_avg3", "fee_last"},
	"second": {"out_sec", "in_sec", "roam_sec", "ld_sec"},
	"ratio":  {"fee_chg1", "out_in_ratio", "score_x", "birth_year"},
}

var monthly = map[string]bool{"fee": true, "recharge_fen": true, "out_sec": true, "in_sec": true, "roam_sec": true, "ld_sec": true}

func (w *writer) leaf(unit string) string {
	n := w.one(leaves[unit]...)
	if monthly[n] && w.rng.IntN(4) > 0 {
		n += fmt.Sprintf("[%d]", w.rng.IntN(6))
	}
	return n
}

func (w *writer) constant() string {
	return w.one("0", "1", "2", "-1", "0.5", "3500", "3500.5", "12000", "1e6", "0.1")
}

// number writes a number of a unit: fen, second or ratio.
func (w *writer) number(unit string, depth int) string {
	if depth == 0 {
		if w.rng.IntN(5) == 0 {
			return map[string]string{"fen": "yuan(35.5)", "second": "minutes(40)", "ratio": "0.5"}[unit]
		}
		return w.leaf(unit)
	}
	depth--
	a := func() string { return w.number(unit, w.rng.IntN(depth+1)) }
	r := func() string { return w.number("ratio", w.rng.IntN(depth+1)) }
	switch w.rng.IntN(16) {
	case 0, 1:
		return fmt.Sprintf("(%s %s %s)", a(), w.one("+", "-"), a())
	case 2:
		return fmt.Sprintf("(%s %s %s)", a(), w.one("+", "-", "*", "/"), w.one("2", "0.5", "3500", "7"))
	case 3:
		return fmt.Sprintf("(%s * %s)", a(), r())
	case 4:
		return fmt.Sprintf("(%s / %s)", a(), r())
	case 5:
		return fmt.Sprintf("abs(%s)", a())
	case 6:
		return fmt.Sprintf("%s(%s, %s)", w.one("min", "max", "coalesce"), a(), a())
	case 7:
		return fmt.Sprintf("(%s ? %s : %s)", w.condition(depth), a(), a())
	case 8:
		return fmt.Sprintf("((%s) ?? (%s))", a(), a())
	case 9:
		return "-" + w.leaf(unit)
	case 10, 11, 12, 13:
		if unit == "ratio" {
			u := w.one("fen", "second")
			if w.rng.IntN(3) == 0 {
				return fmt.Sprintf("(%s / %s)", w.window("slope", u), w.window("slope", u))
			}
			return fmt.Sprintf("(%s / %s)", w.number(u, w.rng.IntN(depth+1)), w.number(u, w.rng.IntN(depth+1)))
		}
		return w.window(w.one("mean", "mean", "sum", "min", "max", "sd"), unit)
	case 14:
		if unit == "second" {
			return fmt.Sprintf("per_day(out_sec[%d])", w.rng.IntN(6))
		}
		return fmt.Sprintf("(1 - %s)", w.leaf(unit))
	}
	return w.leaf(unit)
}

// window writes a statistic over months.
func (w *writer) window(f, unit string) string {
	from := w.rng.IntN(6)
	to := from + w.rng.IntN(6-from)
	col := func() string {
		return w.one(map[string][]string{"fen": {"fee", "recharge_fen"}, "second": {"out_sec", "in_sec", "roam_sec"}}[unit]...) + fmt.Sprintf("[%d:%d]", from, to)
	}
	switch w.rng.IntN(8) {
	case 0:
		return fmt.Sprintf("%s(abs(%s - %s))", f, col(), col())
	case 1:
		return fmt.Sprintf("%s(%s * %s)", f, col(), w.leaf("ratio"))
	case 2:
		if unit == "second" {
			return fmt.Sprintf("%s(per_day(%s))", f, col())
		}
	case 3:
		return fmt.Sprintf("%s(%s + 1)", f, col())
	}
	return fmt.Sprintf("%s(%s)", f, col())
}

// condition writes a condition.
func (w *writer) condition(depth int) string {
	if depth == 0 {
		list := []string{
			fmt.Sprintf(`brand[%d] == "%s"`, w.rng.IntN(6), w.one("gotone", "全球通", "mzone", "other")), `brand in ["easyown", "动感地带"]`, `pay_mode != "prepaid"`,
			`vip_class == "none"`, `vip_class != "a"`, `vip_class in ["none", "b"]`, `"student" in event_flags`, `"免打扰" not in event_flags`, `"network" in complaint_tags`,
			"is_null(vip_class)", "is_null(group_id)", "is_null(contract_end)", `contract_end >= "2026-10-31"`, "asof - activation_date > 365", "contract_end - asof < days(60)",
			"imei[0] != imei[1]", "cell_city_code[0] == city_code", "city_code == 512", "brand[0] != brand[1]", "status[1] == status", `plan == "gold"`, `silent == "yes"`,
			"silent_run >= 2", "arpu3_fen > 3500", `is_null(account_state)`, "t1", "t9", "t14", "is_null(t3)", "birth_year < 1990", "count(fee[0:5]) >= 3", "true", "fee[0] in [0, 3500, 12000]",
			"tenure_months > 3",
		}
		if w.rule {
			list = append(list, "propensity > 0.3", "value_tier > 2", "drop > 0.4", "calm", "not calm or t2", "risk_band == 5", `is_null(silent)`, "vip_grade == grade", "grade != vip_grade")
		}
		return w.one(list...)
	}
	depth--
	unit := w.one("fen", "second", "ratio")
	c := func() string { return w.condition(w.rng.IntN(depth + 1)) }
	switch w.rng.IntN(12) {
	case 0, 1:
		return fmt.Sprintf("(%s and %s)", c(), c())
	case 2, 3:
		return fmt.Sprintf("(%s or %s)", c(), c())
	case 4:
		return fmt.Sprintf("not (%s)", c())
	case 5:
		return fmt.Sprintf("(%s ? %s : %s)", c(), c(), c())
	case 6:
		return fmt.Sprintf("((%s) ?? (%s))", c(), c())
	case 7:
		return fmt.Sprintf("%s %s %s %s %s", w.constant(), w.one("<", "<="), w.leaf(unit), w.one("<", "<="), w.leaf(unit))
	case 8:
		return fmt.Sprintf("is_null(%s)", w.number(unit, depth))
	case 9:
		return fmt.Sprintf("%s %s %s", w.leaf(unit), w.one("<", "<=", ">", ">=", "==", "!="), w.constant())
	}
	return fmt.Sprintf("%s %s %s", w.number(unit, depth), w.one("<", "<=", ">", ">=", "==", "!="), w.number(unit, depth))
}

// edges are values near what the random formulas compare with.
var edges = map[string][]int64{
	"fee": {0, 3500, 12000}, "brand": {0, 1, 2, 3}, "status": {1, 6}, "pay_mode": {0, 1, 2}, "vip_class": {0, 1, 2, 3}, "event_flags": {0, 128, 256}, "plan": {0, 1},
	"contract_end": {20757}, "activation_date": {20392}, "silent": {0, 1, 2}, "account_state": {0, 1}, "silent_run": {-1, 2}, "arpu3_fen": {-1, 3500}, "city_code": {512},
	"trg_fired": {0, 1, 2, 255}, "trg_unknown": {0, 2, 4}, "birth_year": {1990}, "tenure_months": {3}, "risk_band": {5}, "imei": {1, 2}, "cell_city_code": {512},
	"formula(calm)": {0, 1}, "propensity": {0, 1}, "history": {63, 7}, "value_tier": {2, 255}, "grade": {0, 1, 2, 3}, "vip_grade": {0, 1, 2, 3},
}

// given leaves out the edges of columns that k does not read.
func given(k kernel.Kernel) map[string][]int64 {
	own := map[string][]int64{}
	for _, f := range k.Spec().In {
		name := f.Name
		if base, month, ok := strings.Cut(name, "_m"); ok && len(month) == 1 {
			name = base
		}
		if list, ok := edges[name]; ok {
			own[name] = list
		}
		if list, ok := edges[strings.TrimSuffix(strings.TrimPrefix(f.Name, "extra("), ")")]; ok {
			own[f.Name] = list
		}
	}
	return own
}

// fromKernels are inputs that other kernels made, so that they are never null.
var fromKernels = []string{"history", "history_compare", "trg_fired", "trg_unknown", "silent", "silent_run", "account_state", "arpu3_fen", "risk_band", "value_tier", "grade"}

// kernels is how many random programs are tried, of perKernel formulas each on a
// pool of rows: more than a million evaluations.
func kernels() (count int) {
	if os.Getenv("RESCORE_LONG") != "" {
		return 240
	}
	return 24
}

const perKernel = 7

func compare(t *testing.T, seed uint64, s job.Spec, make func() (kernel.Kernel, error), reference func(in *kerneltest.In, out *kerneltest.Out)) {
	t.Helper()
	k, err := make()
	if err != nil {
		for _, f := range append(s.Features, s.Custom...) {
			t.Log(f.Text)
		}
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			for i, f := range append(s.Features, s.Custom...) {
				t.Logf("%d %s: %s", i, f.Name, f.Text)
			}
		}
	}()
	kerneltest.Random{
		New: func(int) kernel.Kernel {
			k, err := make()
			if err != nil {
				t.Fatal(err)
			}
			return k
		},
		Reference: reference, Rows: kerneltest.PoolRows, Edges: given(k), NeverNull: fromKernels, Seed: seed,
		Max: map[string]int64{"imei": math.MaxInt64},
	}.Run(t)
}

func TestRandomRulesAreWhatTheReferenceSays(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	w := &writer{rng: rng, rule: true}
	for i := range kernels() {
		s := spec([]string{"drop", "1 - fee[0] / fee[1]", "calm", "out_sec[0] == in_sec[0]"}, nil)
		var trees []*node
		for j := range perKernel {
			text := "is_null(fee) or " + w.condition(1+rng.IntN(5))
			tree, mistakes := parse(text)
			if len(mistakes) > 0 {
				t.Fatalf("%s: %v", text, mistakes)
			}
			trees = append(trees, tree)
			s.Custom = append(s.Custom, job.Formula{Name: fmt.Sprintf("r%d", j), Text: text})
		}
		compare(t, uint64(i), s, func() (kernel.Kernel, error) { return NewRules(s) }, func(in *kerneltest.In, out *kerneltest.Out) {
			r := row{in: in, spec: s}
			fired, unknown := int64(0), int64(0)
			for j, tree := range trees {
				switch v := r.eval(tree); {
				case !v.known:
					unknown |= 1 << j
				case v.holds:
					fired |= 1 << j
				}
			}
			out.Int(Fired, fired)
			out.Int(Unknown, unknown)
		})
	}
}

func TestRandomFeaturesAreWhatTheReferenceSays(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	w := &writer{rng: rng}
	for i := range kernels() {
		s := spec(nil, nil)
		trees := map[string]*node{}
		var names []string
		for j := range perKernel {
			name := fmt.Sprintf("f%d", j)
			text := fmt.Sprintf("(%s) + (is_null(fee) ? 0 : 1)", w.number("ratio", 1+rng.IntN(4)))
			switch {
			case j == 1:
				text = "is_null(fee) or " + w.condition(3)
			case j > 3:
				text = fmt.Sprintf("f%d * 2 + (f1 ? f0 : %s)", j-1, w.number("ratio", 2))
			}
			tree, mistakes := parse(text)
			if len(mistakes) > 0 {
				t.Fatalf("%s: %v", text, mistakes)
			}
			trees[name], names = tree, append(names, name)
			s.Features = append(s.Features, job.Formula{Name: name, Text: text})
		}
		compare(t, uint64(i), s, func() (kernel.Kernel, error) { return NewFeatures(s, names) }, func(in *kerneltest.In, out *kerneltest.Out) {
			r := row{in: in, spec: s, features: trees}
			for _, name := range names {
				v := r.name(&node{form: 0, text: name})
				x := v.or(nan)
				if name == "f1" && v.known {
					x = map[bool]float64{true: 1}[v.holds]
				}
				out.Float(Column(name), x+0)
			}
		})
	}
}
