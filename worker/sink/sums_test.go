package sink

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"rescore/partition"
)

// TestEveryPathSumsUpTheSame holds what each processor does to what a row is defined
// to count.
func TestEveryPathSumsUpTheSame(t *testing.T) {
	best := chosen
	defer func() { chosen = best }()
	for _, way := range processors() {
		chosen = way
		t.Run(way.String(), func(t *testing.T) {
			weighsAsDefined[uint8](t)
			weighsAsDefined[int8](t)
			weighsAsDefined[uint16](t)
			weighsAsDefined[int32](t)
			weighsAsDefined[uint32](t)
			weighsAsDefined[uint64](t)
			weighsAsDefined[int64](t)
			r := rand.New(rand.NewPCG(18, 1))
			for n := range 200 {
				h := make([]uint64, n)
				var want partition.Sum
				for i := range h {
					h[i] = r.Uint64() >> r.UintN(64)
					want = want.AddHash(h[i])
				}
				same(t, "the sum of hashes", sumOf(h), want)
			}
		})
	}
}

func weighsAsDefined[T uint8 | int8 | uint16 | int32 | uint32 | uint64 | int64](t *testing.T) {
	t.Helper()
	r := rand.New(rand.NewPCG(17, uint64(unsafe.Sizeof(T(0)))))
	for n := range 200 {
		values, h, want := make([]T, n+3), make([]uint64, n), make([]uint64, n)
		k := r.Uint64() >> r.UintN(64)
		for i := range values {
			values[i] = T(r.Uint64() >> r.UintN(64))
		}
		first := r.IntN(4)
		for i := range h {
			h[i] = r.Uint64()
			want[i] = h[i] + k*uint64(int64(values[first+i]))
		}
		weighInts(h, k, values[first:])
		if !slices.Equal(h, want) {
			t.Fatalf("%d values of %T are weighed otherwise", n, values[0])
		}
	}
}
