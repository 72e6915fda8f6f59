package score

import (
	"slices"
	"strings"
	"testing"

	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// Not parallel: the harness counts allocations.
func TestChallengerEqualsTheReferenceInEveryShape(t *testing.T) {
	for name, w := range map[string]written{
		"numerical":   write(24, 5, 15, 6, false, false, false),
		"categorical": write(25, 5, 15, 4, true, false, false),
	} {
		propensity := w.published(0.25)
		kerneltest.Random{
			New: func(int) kernel.Kernel {
				k, err := NewChallenger("x1", compiled(t, w.load(t)), float64s(w.names()), Correction{Beta: 0.25})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				return k
			},
			Reference: func(in *kerneltest.In, out *kerneltest.Out) {
				out.Float("propensity_x1", float64(propensity(in)))
			},
			Rows: 500_000,
			Seed: uint64(len(name)),
		}.Run(t)
	}
}

func TestChallengerReadsAsTheChampionAndWritesOneColumn(t *testing.T) {
	t.Parallel()
	w := write(31, 2, 4, 2, false, false, false)
	champion, err := propensityOf(w.load(t), float64s(w.names()), Correction{Beta: 1}, bands, nil)
	if err != nil {
		t.Fatal(err)
	}
	challenger, err := NewChallenger("x1", compiled(t, w.load(t)), float64s(w.names()), Correction{Beta: 1})
	if err != nil {
		t.Fatal(err)
	}
	a, b := champion.Spec(), challenger.Spec()
	if b.Name == a.Name || !strings.HasPrefix(b.Name, "score.propensity") || !slices.Equal(a.In, b.In) || len(b.Out) != 1 || b.Out[0] != (kernel.Field{Name: "propensity_x1", Type: a.Out[0].Type}) {
		t.Errorf("%+v beside %+v", b, a)
	}
	if _, err := NewChallenger("x1", compiled(t, w.load(t)), float64s(w.names()), Correction{}); err == nil || !strings.Contains(err.Error(), "undersampling_beta is 0") {
		t.Errorf("beta 0: %v", err)
	}
}
