package program

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/job"
	"rescore/partition/schema"
)

// shelf holds models by path.
type shelf map[string][]byte

func (s shelf) read(path string) ([]byte, error) {
	if data, ok := s[path]; ok {
		return data, nil
	}
	return nil, fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
}

// challenged is the standard job with two challengers: one reads ten of the
// champion's features, the other two of its own.
func challenged(t testing.TB) (job.Spec, shelf) {
	t.Helper()
	spec, _ := standard(t)
	spec.Model.Challengers = []job.Challenger{
		{Name: "ten", Path: "ten.txt", UndersamplingBeta: 0.5},
		{Name: "own", Path: "own.txt", Features: map[string]string{"faults": "fault_cnt_m4"}, UndersamplingBeta: 1},
	}
	return spec, shelf{
		"model.txt": lightGBM(20, 31, forty), "ten.txt": lightGBM(7, 9, forty[:10]),
		"own.txt": lightGBM(3, 5, []string{forty[0], "faults", "sms_cnt_m2"}),
	}
}

func loaded(t testing.TB, spec job.Spec, models shelf) Model {
	t.Helper()
	m, err := LoadModels(spec, models.read, Freeze)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// of returns the same rows, cut to the columns that another plan reads.
func (r *rows) of(p *Plan) *rows {
	few := &rows{plan: p, key: r.key, bad: r.bad, at: map[string]int{}}
	for i, f := range p.read {
		c := r.at[f.Name]
		few.at[f.Name] = i
		few.columns, few.null = append(few.columns, r.columns[c]), append(few.null, r.null[c])
	}
	return few
}

func TestEveryModelOfAProgramSaysWhatItSaysAlone(t *testing.T) {
	t.Parallel()
	const total = 3000
	spec, models := challenged(t)
	together := planned(t, spec, loaded(t, spec, models))
	width := len(schema.Score) + 2
	r := draw(rand.New(rand.NewPCG(6, 7)), together, total)
	g := together.Program(total, memory.DefaultAllocator)
	defer g.Release()
	all := r.eval(t, g, 0, total)
	alone := func(spec job.Spec) []uint64 {
		p := planned(t, spec, loaded(t, spec, models))
		h := p.Program(total, memory.DefaultAllocator)
		defer h.Release()
		return r.of(p).eval(t, h, 0, total)
	}
	same := func(name string, column int, own []uint64, of int) {
		t.Helper()
		for i := range total {
			if got, want := all[i*width+column], own[i*len(schema.Score)+of]; got != want {
				t.Fatalf("%s of row %d is %#x, alone %#x", name, i, got, want)
			}
		}
	}
	champion := spec
	champion.Model.Challengers = nil
	own := alone(champion)
	for c, column := range schema.Score {
		same(column.Name, c, own, c)
	}
	for i, c := range spec.Model.Challengers {
		same(c.Name, len(schema.Score)+i, alone(spec.Promoted(i)), scoreColumn("propensity"))
	}
}

func TestModelsShareWhatTheyRead(t *testing.T) {
	t.Parallel()
	spec, models := challenged(t)
	m := loaded(t, spec, models)
	if got := m.Alone(0); len(got) != 0 {
		t.Errorf("ten of the champion's features are called its own: %v", got)
	}
	if got := m.Alone(1); !slices.Equal(got, []string{"faults", "sms_cnt_m2"}) {
		t.Errorf("its own features are %v", got)
	}
	digests := m.Digests()
	if len(digests) != 3 || len(slices.Compact(slices.Sorted(slices.Values(digests)))) != 3 || digests[0] != m.Digest {
		t.Errorf("digests %v", digests)
	}
	p := planned(t, spec, m)
	for _, column := range []string{"fault_cnt_m4", "sms_cnt_m2"} {
		if !slices.Contains(p.Columns(), column) {
			t.Errorf("%s is not read", column)
		}
	}
	seen := map[string]int{}
	for _, k := range p.kernels {
		seen[k.Spec().Name]++
	}
	for name, n := range seen {
		if n > 1 && !strings.HasPrefix(name, "feature.") {
			t.Errorf("%s runs %d times", name, n)
		}
	}
	if seen["score.propensity"] != 1 || seen["score.propensity_ten"] != 1 || seen["score.propensity_own"] != 1 {
		t.Errorf("kernels %v", seen)
	}
}

func TestUnknownsSaysWhichModelLacksAFeature(t *testing.T) {
	t.Parallel()
	spec, models := challenged(t)
	list, err := Unknowns(spec, loaded(t, spec, models), []string{"fault_cnt_m4", "sms_cnt_m2", "fee_m0"})
	if err != nil {
		t.Fatal(err)
	}
	var outputs []string
	for _, u := range list {
		outputs = append(outputs, u.Output)
	}
	for _, want := range []string{"challenger own feature faults", "challenger own feature sms_cnt_m2", "model feature fee_last"} {
		if !slices.Contains(outputs, want) {
			t.Errorf("no %q in %q", want, outputs)
		}
	}
	if slices.Contains(outputs, "model feature faults") {
		t.Error("the champion is said to lack a challenger's feature")
	}
}

func TestAChallengerThatCannotBeLoadedIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*job.Spec, shelf)
		says   string
		is     error
	}{
		"no file":       {func(_ *job.Spec, s shelf) { delete(s, "own.txt") }, "challenger own: read model.challengers[1].path: open own.txt", fs.ErrNotExist},
		"no champion":   {func(_ *job.Spec, s shelf) { delete(s, "model.txt") }, "read model.path: open model.txt", fs.ErrNotExist},
		"no model":      {func(_ *job.Spec, s shelf) { s["ten.txt"] = []byte("none") }, "challenger ten: model ten.txt", nil},
		"not bound":     {func(s *job.Spec, _ shelf) { s.Model.Challengers[1].Features = nil }, `challenger own: model own.txt`, nil},
		"another's own": {func(s *job.Spec, _ shelf) { s.Model.Features = map[string]string{"faults": "fault_cnt_m4"} }, "model.txt", nil},
	} {
		spec, models := challenged(t)
		c.change(&spec, models)
		if _, err := LoadModels(spec, models.read, Freeze); err == nil || !strings.Contains(err.Error(), c.says) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}
