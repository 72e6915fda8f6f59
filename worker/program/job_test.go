package program

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/job"
	"rescore/worker/feature"
	"rescore/worker/kernel"
	"rescore/worker/model"
)

func TestLoadModelBindsToTheJobsWordThenToTheNearestName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		feature  string
		features map[string]string
		extra    []string
		bound    string
	}{
		{"a feature of the dictionary", "fee_last", nil, nil, "fee_last"},
		{"a canonical column", "fee_m0", nil, nil, "f64(fee_m0)"},
		{"a trigger", "trg_14", nil, nil, "trg_14"},
		{"an extra column", "region", nil, []string{"region"}, "extra(region)"},
		{"an extra column before the dictionary", "tenure", nil, []string{"tenure"}, "extra(tenure)"},
		{"an extra column before a trigger", "trg_1", nil, []string{"trg_1"}, "extra(trg_1)"},
		{"an extra column with a name from inside", "propensity", nil, []string{"propensity"}, "extra(propensity)"},
		{"the job's word before the name", "fee_last", map[string]string{"fee_last": "fee_avg3"}, nil, "fee_avg3"},
		{"the job's word before an extra column", "region", map[string]string{"region": "brand_m0"}, []string{"region"}, "f64(brand_m0)"},
		{"the model's own name", "Column_0", map[string]string{"Column_0": "balance_fen"}, nil, "f64(balance_fen)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			spec := job.Default()
			spec.Month, spec.Model.Features = month, c.features
			for _, x := range c.extra {
				spec.Input.Extra = append(spec.Input.Extra, job.Extra{Name: x})
			}
			m, err := LoadModel(spec, lightGBM(1, 3, []string{c.feature}))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(m.Bound, []string{c.bound}) || !slices.Equal(m.Features, []string{c.feature}) || len(m.Digest) != 64 {
				t.Errorf("%v is bound to %v, digest %s; want %s", m.Features, m.Bound, m.Digest, c.bound)
			}
			p, err := ForJob(spec, m)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.extra) > 0 && c.features == nil && !slices.Contains(p.Columns(), c.extra[0]) {
				t.Errorf("extra column %s is not read: %v", c.extra[0], p.Columns())
			}
		})
	}
}

// TestAnExtraColumnNamedAsAFeatureIsTheOneTheModelSees: the base brings its own
// tenure, and the dictionary has one too.
func TestAnExtraColumnNamedAsAFeatureIsTheOneTheModelSees(t *testing.T) {
	t.Parallel()
	spec := job.Default()
	spec.Month = month
	spec.Input.Extra = []job.Extra{{Name: "tenure"}}
	p, names, err := ForFeatures(spec, []string{"tenure", "tenure_band"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names, []string{"msisdn", "tenure", "tenure_band"}) {
		t.Errorf("names %v", names)
	}
	g := p.Program(64, memory.DefaultAllocator)
	defer g.Release()
	r := draw(rand.New(rand.NewPCG(1, 1)), p, 64)
	got := r.eval(t, g, 0, 64)
	for i := range 64 {
		own := r.columns[slices.Index(p.Columns(), "tenure")][i]
		if got[3*i] != r.key[i] || got[3*i+1] != own && math.Float64frombits(own) == math.Float64frombits(own) {
			t.Fatalf("row %d: %v, want the input's %v", i, math.Float64frombits(got[3*i+1]), math.Float64frombits(own))
		}
	}
}

func TestAModelWithoutItsColumnsIsRefusedWithAllOfThemAndTheRemedy(t *testing.T) {
	t.Parallel()
	spec := job.Default()
	spec.Month, spec.Model.Path = month, "m.txt"
	spec.Model.Features = map[string]string{"b": "nowhere", "stranger": "fee_last"}
	_, err := LoadModel(spec, lightGBM(1, 3, []string{"fee_last", "fee_lost", "b", "zzz"}))
	if !errors.Is(err, model.ErrFeature) {
		t.Fatalf("%v", err)
	}
	for _, say := range []string{"m.txt", `"fee_lost"`, `"fee_last"`, `"b" is bound to "nowhere"`, `"zzz"`, `"stranger"`, "model.features"} {
		if !strings.Contains(err.Error(), say) {
			t.Errorf("%q does not say %s", err, say)
		}
	}
	if _, err := LoadModel(spec, []byte("no model")); err == nil || !strings.Contains(err.Error(), "m.txt") {
		t.Errorf("a file that is no model: %v", err)
	}
}

func TestForFeaturesComputesWhatTheModelSees(t *testing.T) {
	t.Parallel()
	const total = 700
	spec, m := standard(t)
	features, names, err := ForFeatures(spec, forty)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names[1:], forty) {
		t.Errorf("names %v", names)
	}
	scores := planned(t, spec, m)
	r := draw(rand.New(rand.NewPCG(3, 3)), scores, total)
	g, f := scores.Program(total, memory.DefaultAllocator), features.Program(total, memory.DefaultAllocator)
	defer g.Release()
	defer f.Release()
	published := r.eval(t, g, 0, total)
	// The same rows, cut to the columns that the features need.
	few := &rows{plan: features, key: r.key, bad: r.bad}
	for _, field := range features.read {
		at := slices.IndexFunc(scores.read, func(o kernel.Field) bool { return o.Name == field.Name })
		if at < 0 {
			t.Fatalf("column %s is read for the features and not for the scores", field.Name)
		}
		few.columns, few.null = append(few.columns, r.columns[at]), append(few.null, r.null[at])
	}
	values := few.eval(t, f, 0, total)
	row := make([]float64, len(forty))
	width := len(published) / total
	for i := range total {
		for j := range row {
			row[j] = math.Float64frombits(values[i*len(names)+1+j])
		}
		want := m.bundle.Model.Transform(m.bundle.Model.Raw(row))
		got := math.Float32frombits(uint32(published[i*width+scoreColumn("propensity")]))
		if got != float32(min(max(want, 1e-6), 1-1e-6)) {
			t.Fatalf("row %d: propensity %v, the model says %v of the features", i, got, want)
		}
	}
}

func TestForFeaturesRefusesEveryNameThatIsNone(t *testing.T) {
	t.Parallel()
	spec, _ := standard(t)
	_, _, err := ForFeatures(spec, []string{"fee_last", "nonsense", "region", "msisdn"})
	if err == nil || !strings.Contains(err.Error(), `"nonsense", "msisdn"`) || strings.Contains(err.Error(), "region") {
		t.Errorf("%v", err)
	}
}

func TestEveryFeatureAndColumnCanBeExportedAtOnce(t *testing.T) {
	t.Parallel()
	spec, _ := standard(t)
	_, all := columns(spec)
	if len(all) < len(feature.Dictionary)+14+len(canonical)-1 {
		t.Fatalf("%d names", len(all))
	}
	p, names, err := ForFeatures(spec, all)
	if err != nil {
		t.Fatal(err)
	}
	g := p.Program(32, memory.DefaultAllocator)
	defer g.Release()
	r := draw(rand.New(rand.NewPCG(4, 4)), p, 32)
	if got := r.eval(t, g, 0, 32); len(got) != 32*len(names) {
		t.Errorf("%d values, want 32 rows of %d", len(got), len(names))
	}
}
