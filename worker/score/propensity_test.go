package score

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
	"rescore/worker/model"
)

var bands = job.Policy{RiskBandCut: [4]float64{0.02, 0.05, 0.15, 0.40}}

func TestAT23UndersamplingCorrection(t *testing.T) {
	t.Parallel()
	const beta = 0.030928
	for _, c := range []struct{ p, want float64 }{{0.5, 0.0300}, {0.9, 0.2177}} {
		if got := AtBaseRate(c.p, beta); math.Abs(got-c.want) > 0.00005 {
			t.Errorf("%v at beta %v is %v, want %v", c.p, beta, got, c.want)
		}
		// and through the kernel: one leaf whose value is the logit of p
		w := write(1, 1, 1, 1, false, false, false)
		w.text = strings.Replace(w.text, "leaf_value="+leafText(w), "leaf_value="+number(math.Log(c.p/(1-c.p))/w.sigmoid), 1)
		k, err := propensityOf(w.load(t), float64s(w.names()), Correction{Beta: beta}, bands, nil)
		if err != nil {
			t.Fatal(err)
		}
		out := outputs(1)
		k.Eval(1, []kernel.Vector{{F64: []float64{0}}}, out)
		if got := float64(out[0].F32[0]); math.Abs(got-c.want) > 0.00005 {
			t.Errorf("the kernel gives %v for %v, want %v", got, c.p, c.want)
		}
	}
	for _, p := range []float64{1e-9, 0.1, 0.7, 1 - 1e-9} {
		if got := AtBaseRate(p, 1); got != p {
			t.Errorf("beta 1 makes %v of %v", got, p)
		}
	}
}

func outputs(n int) []kernel.Vector {
	u16 := func() kernel.Vector { return kernel.Vector{U16: make([]uint16, n)} }
	u8 := func() kernel.Vector { return kernel.Vector{U8: make([]uint8, n)} }
	return []kernel.Vector{{F32: make([]float32, n)}, u16(), u8(), u16(), u16(), u16(), u8()}
}

func TestPropensityIsClippedAndGraded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p         float64
		published float32
		score     uint16
		band      uint8
	}{
		{0, 1e-6, 0, 1},
		{1, 0.999999, 1000, 5},
		{1e-300, 1e-6, 0, 1},
		{0.0005, 0.0005, 1, 1},      // float32(0.0005) lies above the half
		{0.5, 0.5, 500, 5},          // exact
		{0.015625, 0.015625, 16, 1}, // 15.625
		{0.0625, 0.0625, 62, 3},     // 62.5: half to even
		{0.1875, 0.1875, 188, 4},    // 187.5: half to even
		{0.02, 0.02, 20, 2},         // a cut is reached by its own value
		{float64(math.Nextafter32(0.02, 0)), math.Nextafter32(0.02, 0), 20, 1},
		{0.05, 0.05, 50, 3},
		{0.15, 0.15, 150, 4},
		{0.4, 0.4, 400, 5},
	} {
		p := []float32{publish(c.p)}
		score, band := make([]uint16, 1), make([]uint8, 1)
		newGrading(bands).grade(score, band, p)
		if p[0] != c.published || score[0] != c.score || band[0] != c.band {
			t.Errorf("%v publishes %v, score %d, band %d; want %v, %d, %d", c.p, p[0], score[0], band[0], c.published, c.score, c.band)
		}
	}
	if p := publish(1); !(p < 1) || float64(p) > propensityMax {
		t.Errorf("certainty publishes %v", p)
	}
}

// published works the propensity out from the domain's text, C09, and the library's
// exp.
func (w written) published(beta float64) func(in *kerneltest.In) float32 {
	names := w.names()
	e, err := model.LightGBM([]byte(w.text))
	if err != nil {
		panic(err)
	}
	return func(in *kerneltest.In) float32 {
		sum := w.raw(func(feature int) float64 { return in.Float(names[feature]) })
		raw := sum
		if w.average {
			raw /= float64(len(w.trees))
		}
		p := 1 / (1 + math.Exp(-w.sigmoid*raw))
		p = beta * p / (beta*p - p + 1)
		p = math.Max(1e-6, math.Min(1-1e-6, p))
		// The library's exp may differ in the last bit of a float64; that the
		// float32 does not is checked here, and the bits are the kernel's own.
		own := e.Transform(sum)
		own = math.Max(1e-6, math.Min(1-1e-6, AtBaseRate(own, beta)))
		if math.Abs(own-p) > 4e-16 {
			panic("the model's sigmoid is not the library's")
		}
		return float32(own)
	}
}

// reference works out what follows from the propensity, too. why gives a row's
// reasons, and is nil when none are asked for.
func (w written) reference(beta float64, why func(value func(feature int) float64) [Reasons]int64) func(in *kerneltest.In, out *kerneltest.Out) {
	names, propensity := w.names(), w.published(beta)
	return func(in *kerneltest.In, out *kerneltest.Out) {
		published := propensity(in)
		out.Float("propensity", float64(published))
		out.Int("propensity_score", int64(math.RoundToEven(float64(published)*1000)))
		band := int64(5)
		for i := 3; i >= 0; i-- {
			if published < float32(bands.RiskBandCut[i]) {
				band = int64(i) + 1
			}
		}
		out.Int("risk_band", band)
		var code [Reasons]int64
		method := int64(0)
		if why != nil {
			code, method = why(func(feature int) float64 { return in.Float(names[feature]) }), 1
		}
		for i, c := range code {
			out.Int(fmt.Sprintf("reason%d", i+1), c)
		}
		out.Int("reason_method", method)
	}
}

// Not parallel: the harness counts allocations.
func TestPropensityEqualsTheReferenceInEveryShape(t *testing.T) {
	for name, w := range map[string]written{
		"numerical":   write(21, 5, 15, 6, false, false, false),
		"categorical": write(22, 5, 15, 4, true, false, false),
		"forest":      write(23, 4, 7, 3, true, true, true),
	} {
		for _, beta := range []float64{1, 0.030928} {
			edges := map[string][]int64{}
			for i, f := range w.names() {
				for _, x := range w.asked[i] {
					edges[f] = append(edges[f], int64(x))
				}
			}
			kerneltest.Random{
				New: func(int) kernel.Kernel {
					k, err := propensityOf(w.load(t), float64s(w.names()), Correction{Beta: beta}, bands, nil)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					return k
				},
				Reference: w.reference(beta, nil),
				Rows:      175_000,
				Edges:     edges,
				Seed:      uint64(len(name)),
			}.Run(t)
		}
	}
}

func TestPropensityRefusesWhatIsNoProbability(t *testing.T) {
	t.Parallel()
	w := write(31, 2, 4, 2, false, false, false)
	binary := w.load(t)
	objective := func(line string) *model.Ensemble {
		i := strings.Index(w.text, "objective=")
		end := i + strings.Index(w.text[i:], "\n") + 1
		e, err := model.LightGBM([]byte(w.text[:i] + line + w.text[end:]))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for _, c := range []struct {
		model    *model.Ensemble
		features []string
		beta     float64
		says     string
	}{
		{objective("objective=regression\n"), w.names(), 1, "objective is regression"},
		{objective("objective=poisson\n"), w.names(), 1, "objective is poisson"},
		{objective(""), w.names(), 1, "of the user's own"},
		{binary, w.names()[:1], 1, "1 columns bound to the 2 features"},
		{binary, w.names(), 0, "undersampling_beta is 0"},
		{binary, w.names(), 1.5, "undersampling_beta is 1.5"},
		{binary, w.names(), math.NaN(), "undersampling_beta is NaN"},
	} {
		if _, err := propensityOf(c.model, float64s(c.features), Correction{Beta: c.beta}, bands, nil); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("error %v, want one saying %q", err, c.says)
		}
	}
	if _, err := propensityOf(objective("objective=cross_entropy\n"), float64s(w.names()), Correction{Beta: 1}, bands, nil); err != nil {
		t.Errorf("cross_entropy: %v", err)
	}
}

func TestPropensitySpecNamesWhatItReadsAndWrites(t *testing.T) {
	t.Parallel()
	w := write(32, 2, 4, 3, false, false, false)
	k, err := propensityOf(w.load(t), float64s([]string{"arpu_m0", "dou", "tenure"}), Correction{Beta: 1}, bands, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := k.Spec()
	if s.Name != "score.propensity" || len(s.In) != 3 || s.In[1].Name != "dou" || !arrow.TypeEqual(s.In[1].Type, arrow.PrimitiveTypes.Float64) || len(s.Out) != 7 {
		t.Errorf("spec %+v", s)
	}
}

func TestInfiniteFeaturesAreMissing(t *testing.T) {
	t.Parallel()
	w := write(33, 10, 31, 5, true, true, false)
	k, err := propensityOf(w.load(t), float64s(w.names()), Correction{Beta: 1}, bands, nil)
	if err != nil {
		t.Fatal(err)
	}
	const n = 3 // NaN, +Inf, -Inf in each feature in turn
	for feature := range w.features {
		in := make([]kernel.Vector, w.features)
		for i := range in {
			in[i].F64 = []float64{3, 3, 3}
		}
		in[feature].F64 = []float64{math.NaN(), math.Inf(1), math.Inf(-1)}
		out := outputs(n)
		k.Eval(n, in, out)
		if p := out[0].F32; p[1] != p[0] || p[2] != p[0] {
			t.Errorf("feature %d: propensities %v", feature, p)
		}
	}
}

func BenchmarkPropensity100x31x40(b *testing.B) {
	w := write(11, 100, 31, 40, false, false, false)
	const n = 2048
	k, err := propensityOf(w.load(b), float64s(w.names()), Correction{Beta: 1}, bands, nil)
	if err != nil {
		b.Fatal(err)
	}
	in := make([]kernel.Vector, w.features)
	for i := range in {
		in[i].F64 = make([]float64, n)
		for j := range in[i].F64 {
			in[i].F64[j] = float64((j*7919+i*104729)%4001)/100 - 20
		}
	}
	out := outputs(n)
	b.ReportAllocs()
	for b.Loop() {
		k.Eval(n, in, out)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
}
