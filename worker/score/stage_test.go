package score

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestStagesScoreAsTheWalkDoesOnEveryPath(t *testing.T) {
	t.Parallel()
	for _, leaves := range []int{31, 300} { // and more than a byte tells apart
		e := write(5, 9, leaves, 8, false, false, false).typical().load(t)
		r := rand.New(rand.NewPCG(2, 2))
		in := columns(len(e.Features), BlockRows)
		for k := range in {
			for i := range in[k].F64 {
				if in[k].F64[i] = r.NormFloat64() * 10; r.IntN(9) == 0 {
					in[k].F64[i] = math.NaN()
				}
			}
		}
		for _, name := range append(Paths(), "") {
			s, err := NewStages(e, name)
			if err != nil {
				t.Fatal(err)
			}
			if name != "" && s.Path() != name || name == "" && s.Path() != Paths()[len(Paths())-1] {
				t.Errorf("asked for %q, got %q", name, s.Path())
			}
			whole := slices.Clone(s.Score(in, 0, BlockRows))
			row := make([]float64, len(in))
			for i, got := range whole {
				for k := range in {
					row[k] = in[k].F64[i]
				}
				if want := e.Raw(row); got != want {
					t.Fatalf("%s, row %d: %v, want %v", s.Path(), i, got, want)
				}
			}
			// The stages one by one come to the same.
			clear(s.forest.scores[0][:])
			s.Quantise(in, 0, BlockRows)
			s.Trees()
			s.TreesAndLeaves()
			if !slices.Equal(s.forest.scores[0][:], whole) {
				t.Errorf("%s, %d leaves: the stages do not come to what the whole does", s.Path(), leaves)
			}
		}
		if _, err := NewStages(e, "sse9"); err == nil || !strings.Contains(err.Error(), "it has go") {
			t.Errorf("a path that no processor has: %v", err)
		}
	}
}
