package sink

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// TestEveryPathPacksTheSame holds what each processor does with bytes and codes to a
// loop over them.
func TestEveryPathPacksTheSame(t *testing.T) {
	pages := map[int][]byte{}
	byEveryPath(t, func(t *testing.T) {
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
			var halves [2][1 << 8]uint8
			wide, wider := make([]uint16, n), make([]uint16, n)
			for i := range table {
				halves[0][i], halves[1][i] = uint8(r.Uint32()), uint8(r.Uint32())
			}
			for i, v := range looked {
				wider[i] = uint16(halves[0][v]) + uint16(halves[1][v])<<8
			}
			lookup16(wide, looked, &halves)
			if !slices.Equal(wide, wider) {
				t.Fatalf("%s: %d pairs of bytes are looked up otherwise", chosen, n)
			}
			if !bytes.Equal(values, looked) {
				t.Fatalf("%s: %d bytes are looked up otherwise", chosen, n)
			}

			width := 1 + n%codeBitsMax
			codes := madeUp(r, n, width)
			var page []byte
			back := make([]uint16, n)
			if width <= 8 {
				page = appendCodes(nil, low[uint8](codes), width)
				small := make([]uint8, n, n+r.IntN(2*slack)) // with room for a block more, or without
				check(t, readCodes(small, page, width, new([]byte)))
				if !bytes.Equal(small, low[uint8](codes)) {
					t.Fatalf("%s: %d codes of %d bits are read as bytes otherwise", chosen, n, width)
				}
			} else {
				page = appendCodes(nil, codes, width)
			}
			check(t, readCodes(back, page, width, new([]byte)))
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
	})
}

// TestEveryPathBoundsAndCountsTheSame holds bounds, counts and shortened values to loops
// over all values.
func TestEveryPathBoundsAndCountsTheSame(t *testing.T) {
	byEveryPath(t, func(t *testing.T) {
		boundsAsDefined[uint8](t)
		boundsAsDefined[int8](t)
		boundsAsDefined[uint16](t)
		boundsAsDefined[uint32](t)
		boundsAsDefined[int32](t)
		boundsAsDefined[int64](t)
		r := rand.New(rand.NewPCG(21, 1))
		for n := range 700 {
			values, bytes := make([]uint16, n), make([]uint8, n)
			entries := 1 + r.IntN(40)
			dict, want := make([]int32, entries), make([]int64, entries)
			for i := range dict {
				dict[i] = int32(i - 3) // as of a column of signed bytes
			}
			for i := range values {
				code := r.IntN(entries)
				if i > 0 && r.IntN(3) > 0 {
					code = int(int8(bytes[i-1])) + 3
				}
				want[code]++
				bytes[i] = uint8(dict[code])
				values[i] = uint16(bytes[i])
			}
			if got := count8(nil, dict, bytes); !slices.Equal(got, want) {
				t.Fatalf("%d bytes are counted %v, not %v", n, got, want)
			}
			var rows, bits [16]int64
			wide := slices.Clone(values)
			for i := range wide {
				wide[i] *= 0x0303
				for b := range bits {
					bits[b] += int64(wide[i] >> b & 1)
				}
			}
			if countBits(&rows, wide); rows != bits {
				t.Fatalf("%d values have bits in %v rows, not %v", n, rows, bits)
			}
			short := make([]uint8, n)
			shorten(short, values)
			if !slices.Equal(short, bytes) {
				t.Fatalf("%d values are shortened otherwise", n)
			}
		}
	})
}

func boundsAsDefined[T uint8 | int8 | uint16 | uint32 | int32 | int64](t *testing.T) {
	t.Helper()
	r := rand.New(rand.NewPCG(20, uint64(unsafe.Sizeof(T(0)))))
	for n := 1; n < 300; n++ {
		values := magnitudes[T](r, n)
		low, high := bounds(values)
		if low != slices.Min(values) || high != slices.Max(values) {
			t.Fatalf("%d values of %T lie between %v and %v otherwise", n, low, low, high)
		}
	}
}

// TestBoundsOfFloatsAreTheirOrder and not that of their bits.
func TestBoundsOfFloatsAreTheirOrder(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		values    []float32
		low, high float32
		ordered   bool
	}{
		{[]float32{0.5}, 0.5, 0.5, true},
		{[]float32{0.25, 1e-6, 0.999}, 1e-6, 0.999, true},
		{[]float32{3, inf, 0}, 0, inf, true},
		{[]float32{3, -2, 1}, -2, 3, true},
		{[]float32{-inf, -2}, -inf, -2, true},
		{[]float32{0.1, nan, 0.2}, 0, 0, false},
	} {
		low, high, ordered := floatBounds(c.values)
		if ordered != c.ordered || ordered && (low != c.low || high != c.high) {
			t.Errorf("%v lie between %v and %v, ordered %t", c.values, low, high, ordered)
		}
	}
}

// TestEveryPathWritesTheSameFile, and finds it to be what was meant.
func TestEveryPathWritesTheSameFile(t *testing.T) {
	best := chosen
	defer func() { chosen = best }()
	st := newStore(t)
	rows := base(3, pageRows+777, false)
	var first Output
	for i, way := range processors() {
		chosen = way
		a := theAttempt
		a.Nonce = way.String()
		out := stage(t, st, a, rows, 2048)
		if i == 0 {
			first = out
		}
		same(t, "the pages by "+a.Nonce, out.Files[0].Content, first.Files[0].Content)
		same(t, "the sum of rows by "+a.Nonce, out.Rows, first.Rows)
		same(t, "the tally by "+a.Nonce, out.Tally, first.Tally)
		for _, chosen = range processors() {
			check(t, out.Verify(t.Context(), st))
		}
	}
}
