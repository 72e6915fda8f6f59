package score

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"rescore/worker/kernel"
	"rescore/worker/model"
	"rescore/worker/transform"
)

// loaded reads a model of worker/model's tests.
func loaded(t testing.TB, name string) *model.Ensemble {
	t.Helper()
	return modelAt(t, "../model/testdata/"+name)
}

// modelAt reads a model's file.
func modelAt(t testing.TB, path string) *model.Ensemble {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := model.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// prepared returns a model whose features are treated before they are asked for:
// filled, clipped, and refused where the last one is above 2.
func prepared(t testing.TB, e *model.Ensemble) *model.Ensemble {
	t.Helper()
	b := transform.New(len(e.Features))
	last := len(e.Features) - 1
	b.Refuse(b.Add(transform.Outside{{Intervals: []transform.Interval{{Low: math.Inf(-1), High: 2}}}}, transform.Column(last)))
	b.Replace(0, transform.Fill(0.25), transform.Column(0))
	b.Replace(last, transform.Clip{Low: -1, High: 1}, transform.Column(last))
	p, err := b.Program()
	if err != nil {
		t.Fatal(err)
	}
	with := *e
	with.Prepare = p
	return &with
}

// weighted returns a PMML-like regression: float64 weights, one of them 0.
func weighted(features int) *model.Ensemble {
	e := &model.Ensemble{Library: "none", Link: model.Logistic, Sigmoid: 1, Classes: 1, Features: make([]string, features), Base: []float64{0.3}}
	for f := range features {
		e.Features[f] = string(rune('a' + f))
		e.Weight = append(e.Weight, float64(f)/3)
	}
	return e
}

func TestScoresOfEveryKindEqualRawBitForBit(t *testing.T) {
	t.Parallel()
	linear, boosted := loaded(t, "linear_v4.txt"), loaded(t, "xgb_linear.json")
	models := map[string]*model.Ensemble{
		"linear trees": linear, "linear trees, prepared": prepared(t, linear),
		"weights": weighted(4), "weights, prepared": prepared(t, weighted(4)),
		"trees, prepared":         prepared(t, write(41, 20, 15, 5, false, false, false).load(t)),
		"float32 trees, prepared": prepared(t, writeXGBoost(t, 3, 20, 31)),
	}
	for _, name := range []string{"pmml_forest.xml", "pmml_card.xml", "pmml_logit.xml"} {
		models[name] = loaded(t, name)
	}
	if boosted.Classes == 1 {
		models["gblinear"], models["gblinear, prepared"] = boosted, prepared(t, boosted)
	}
	r := rand.New(rand.NewPCG(4, 4))
	for name, e := range models {
		refused := 0
		for _, p := range paths() {
			c, err := compileOn(e, nil, p)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			refused += checkScorer(t, r, name, e, c)
		}
		if e.Prepare != nil && e.Prepare.Refusal() >= 0 && refused == 0 {
			t.Errorf("%s: no row was refused", name)
		}
	}
}

// checkScorer compares blocks of random rows with Raw, and returns how many rows had
// no score.
func checkScorer(t *testing.T, r *rand.Rand, name string, e *model.Ensemble, compiled *Compiled) (refused int) {
	t.Helper()
	row, values := make([]float64, len(e.Features)), make([][]float64, len(e.Features))
	s, c := compiled.scorer(), coder{r: r, last: make([]*kernel.Dictionary, len(e.Features))}
	for range 40 {
		n := 1 + r.IntN(blockRows)
		first := r.IntN(70)
		in := make([]kernel.Vector, len(e.Features))
		for f := range in {
			in[f].F64 = make([]float64, first+n)
			for i := range in[f].F64 {
				in[f].F64[i] = r.NormFloat64() * 3
				switch k := r.IntN(12); {
				case k < 3:
					in[f].F64[i] = []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[k]
				case k < 7: // codes, and thresholds
					in[f].F64[i] = float64(r.IntN(8)-1) / 2
				}
			}
		}
		for f := range values {
			values[f] = in[f].F64
			if compiled.takesCoded(f) && r.IntN(2) == 0 {
				in[f] = c.column(f, values[f], func() float64 { return float64(r.IntN(8)-1) / 2 })
			}
		}
		for i, got := range s.score(in, first, n) {
			for f := range row {
				row[f] = known(values[f][first+i])
			}
			want := e.Raw(row)
			if want != want {
				refused++
			}
			if math.Float64bits(got) != math.Float64bits(want) && (got == got || want == want) {
				t.Fatalf("%s: row %v scores %v, want %v", name, row, got, want)
			}
		}
	}
	return refused
}

func TestARowThatTheModelRefusesIsWrittenAsTheLowest(t *testing.T) {
	t.Parallel()
	e := prepared(t, weighted(2))
	k, err := propensityOf(e, float64s(e.Features), Correction{Beta: 1}, bands, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := outputs(2)
	k.Eval(2, []kernel.Vector{{F64: []float64{1, 1}}, {F64: []float64{0, 9}}}, out)
	if p := out[0].F32; p[0] < 0.5 || p[1] != 1e-6 || out[1].U16[1] != 0 || out[2].U8[1] != 1 {
		t.Errorf("propensities %v, scores %v, bands %v", p, out[1].U16, out[2].U8)
	}
}

// Not parallel: allocations are counted.
func TestScoringAllocatesNothing(t *testing.T) {
	for name, e := range map[string]*model.Ensemble{"linear trees": prepared(t, loaded(t, "linear_v4.txt")), "weights": prepared(t, weighted(4))} {
		c, err := compileOn(e, nil, best())
		if err != nil {
			t.Fatal(err)
		}
		s := c.scorer()
		in := make([]kernel.Vector, len(e.Features))
		for f := range in {
			in[f].F64 = make([]float64, blockRows)
		}
		if n := testing.AllocsPerRun(10, func() { s.score(in, 0, blockRows) }); n != 0 {
			t.Errorf("%s: %v allocations a block", name, n)
		}
	}
}
