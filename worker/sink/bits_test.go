package sink

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestEveryPathPacksTheSame holds what each processor does with bytes and codes to a
// loop over them.
func TestEveryPathPacksTheSame(t *testing.T) {
	best := chosen
	defer func() { chosen = best }()
	pages := map[int][]byte{}
	for _, chosen = range processors() {
		r := rand.New(rand.NewPCG(19, 1))
		for n := range 1500 {
			values := make([]uint8, n)
			limit := []uint{2, 8, 9, 31, 32, 33, 256}[n%7]
			for i := range values {
				values[i] = uint8(r.UintN(limit))
				if r.IntN(100) == 0 && n%2 == 0 {
					values[i] = 255
				}
			}
			var got, want seen
			var table [1 << 8]uint8
			looked := make([]uint8, n)
			for i := range table {
				table[i] = uint8(r.Uint32())
			}
			for i, v := range values {
				want[v] = 1
				looked[i] = table[v]
			}
			got.note(values)
			same(t, "values that occur", got, want)
			lookup(values, values, &table)
			if !bytes.Equal(values, looked) {
				t.Fatalf("%s: %d bytes are looked up otherwise", chosen, n)
			}

			width := 1 + n%codeBitsMax
			codes := madeUp(r, n, width)
			var page []byte
			back := make([]uint16, n)
			if width <= 8 {
				page = appendCodes8(nil, low[uint8](codes), width)
				small := make([]uint8, n)
				check(t, readCodes(small, slices.Grow(page, slack), width))
				if !bytes.Equal(small, low[uint8](codes)) {
					t.Fatalf("%s: %d codes of %d bits are read as bytes otherwise", chosen, n, width)
				}
			} else {
				page = appendCodes16(nil, codes, width)
			}
			check(t, readCodes(back, slices.Grow(page, slack), width))
			if !slices.Equal(back, codes) {
				t.Fatalf("%s: %d codes of %d bits are read otherwise", chosen, n, width)
			}
			if chosen == scalar {
				pages[n] = page
			}
			if !bytes.Equal(page, pages[n]) {
				t.Fatalf("%s: %d codes of %d bits are written otherwise", chosen, n, width)
			}
		}
	}
}
