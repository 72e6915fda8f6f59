package program

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/score"
)

// explainable is a model with the counts of its training rows. The second feature
// reads an extra column, and the third what the first one reads.
const explainable = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=2\nobjective=binary sigmoid:1\nfeature_names=fee_last region again\nfeature_infos=none none none\n\n" +
	"Tree=0\nnum_leaves=4\nnum_cat=0\nsplit_feature=0 1 2\nthreshold=4000 0.5 20000\ndecision_type=10 8 10\nleft_child=1 -1 -2\nright_child=2 -3 -4\nleaf_value=-0.5 0.25 0.75 1\nleaf_count=50 20 25 5\ninternal_count=100 75 25\n\n\nend of trees\n"

func TestAModelWithoutCountsIsScoredWithoutReasonsAndSaysWhy(t *testing.T) {
	t.Parallel()
	spec, m := standard(t) // a file without counts
	if m.ByPath() || m.Exact || !strings.Contains(m.Unexplained, "save it with its counts") {
		t.Fatalf("%q", m.Unexplained)
	}
	spec.Model.Reasons.Exact = "top"
	m.explain(spec.Model.Reasons)
	if m.Exact || m.Unexplained == "" || len(m.Shares(make([]float64, len(m.Features)), true)) != 0 {
		t.Errorf("it is explained exactly: %+v", m.Shares(make([]float64, len(m.Features)), true))
	}
	p := planned(t, spec, m)
	r := draw(rand.New(rand.NewPCG(1, 1)), p, 100)
	rec := r.record(memory.DefaultAllocator, 0, 100)
	defer rec.Release()
	prog := p.Program(100, memory.DefaultAllocator)
	defer prog.Release()
	out, err := prog.Eval(rec, r.key, r.bad)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range out.Column(scoreColumn("reason_method")).(*array.Uint8).Uint8Values() {
		if method != score.Unexplained {
			t.Fatal("a row has reasons")
		}
	}
	spec.Model.Reasons = job.Explanation{Method: "none", Exact: "none"}
	m.Unexplained = ""
	if m.explain(spec.Model.Reasons); m.Unexplained != "" {
		t.Errorf("nobody asked, and it says %s", m.Unexplained)
	}
}

func TestExactReasonsAreOfTheColumnsTheJobScores(t *testing.T) {
	t.Parallel()
	spec := job.Default()
	spec.Name, spec.Month, spec.Model.Path = "test", month, "model.txt"
	spec.Input.Extra = []job.Extra{{Name: "region"}}
	spec.Model.Features = map[string]string{"again": "fee_last"}
	spec.Model.Reasons.Exact = "contact"
	m, err := LoadModel(spec, []byte(explainable))
	if err != nil || !m.Exact || !m.ByPath() {
		t.Fatal(m.Unexplained, err)
	}
	features, err := ForModel(spec, m)
	if err != nil {
		t.Fatal(err)
	}
	whole := planned(t, spec, m)
	if len(features.Wanted()) != 2 {
		t.Fatalf("two columns are bound to three features: %v", features.Wanted())
	}
	at := map[string]bool{}
	for _, name := range whole.Columns() {
		at[name] = true
	}
	for _, name := range features.Columns() {
		if !at[name] {
			t.Errorf("the job does not read %s", name)
		}
	}
	by, err := NewExactly(m)
	if err != nil {
		t.Fatal(err)
	}
	const n = 500
	codes := map[[score.Reasons]uint16]int{}
	for seed := range uint64(5) { // each draws its own shares of missing values
		r := draw(rand.New(rand.NewPCG(seed, 2)), features, n)
		r.columns[r.at["extra(region)"]][3] = math.Float64bits(math.Inf(1))
		rec := r.record(memory.DefaultAllocator, 0, n)
		prog := features.Program(n, memory.DefaultAllocator)
		out, err := prog.Eval(rec, r.key, r.bad)
		if err != nil {
			t.Fatal(err)
		}
		fee, region := kernel.AsVector(out.Column(0)), kernel.AsVector(out.Column(1))
		for i := range n {
			row := []float64{fee.F64[i], region.F64[i], fee.F64[i]}
			list := m.Shares(row, true)
			if len(list) != 2 || list[0].Method != score.ByPath || list[1].Method != score.Exact {
				t.Fatalf("%+v", list)
			}
			for _, s := range list {
				sum := s.Expected
				for _, x := range s.Features {
					sum += x
				}
				if math.Abs(sum-s.Raw) > 1e-12 {
					t.Fatalf("%v adds up to %v, the score is %v", s, sum, s.Raw)
				}
			}
			code, method := by.Reasons([]kernel.Vector{fee, region}, i)
			if want := list[1].Code(); code != want || method != score.Exact {
				t.Fatalf("row %v: reasons %v by %d, want %v", row, code, method, want)
			}
			codes[code]++
		}
		prog.Release()
		rec.Release()
	}
	if len(codes) < 3 {
		t.Errorf("the rows prove little: %v", codes)
	}
}
