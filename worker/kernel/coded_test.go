package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCodedRowsAreThoseOfTheirRun(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		const rows = 40
		var c Coded
		var want []float64
		var of []*Dictionary
		for past := 0; past < rows; {
			past = min(rows, past+r.IntN(15)) // some runs have no row
			d := &Dictionary{Value: []float64{r.Float64(), r.Float64(), r.Float64()}}
			c.Runs = append(c.Runs, Run{Dictionary: d, Past: past})
			for len(want) < past {
				k := uint16(r.IntN(3))
				c.Index, want, of = append(c.Index, k), append(want, d.Value[k]), append(of, d)
			}
		}
		first := r.IntN(rows)
		n := 1 + r.IntN(rows-first)
		got := make([]float64, n)
		c.Values(got, first)
		if !slices.Equal(got, want[first:first+n]) {
			t.Fatalf("rows %d to %d are %v, want %v", first, first+n, got, want[first:first+n])
		}
		var part Coded
		c.Cut(&part, first, n)
		again := make([]float64, n)
		if part.Values(again, 0); !slices.Equal(again, got) || part.Runs[len(part.Runs)-1].Past != n {
			t.Fatalf("rows %d to %d cut out are %v, want %v", first, first+n, again, got)
		}
		shared := of[first]
		if of[first+n-1] != shared {
			shared = nil
		}
		if got := c.Shared(first, n); got != shared {
			t.Fatalf("rows %d to %d share %p, want %p", first, first+n, got, shared)
		}
	}
}
