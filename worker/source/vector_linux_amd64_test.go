package source

import (
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"
)

// guarded returns size bytes behind which nobody may touch memory: what reads or writes
// past them stops the test.
func guarded(t *testing.T, size int) []byte {
	t.Helper()
	page := syscall.Getpagesize()
	room := (size + page - 1) / page * page
	b, err := syscall.Mmap(-1, 0, room+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(b); err != nil {
			t.Error(err)
		}
	})
	if err := syscall.Mprotect(b[room:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return b[room-size : room]
}

func trials(short int) int {
	if os.Getenv("RESCORE_LONG") != "" {
		return short * 20
	}
	return short
}

// Values of every width, in memory that ends where they do, are those of one bit at a time.
func TestVectorsUnpackWhatGoUnpacks(t *testing.T) {
	if !vectors {
		t.Skip("this processor has none of the instructions")
	}
	r := rand.New(rand.NewPCG(11, 1))
	memory := guarded(t, 64*1024)
	for range trials(20) {
		for width := range 65 {
			n := 8 * r.IntN(100)
			size := n * width / 8
			src := memory[len(memory)-size:]
			for i := range src {
				src[i] = byte(r.Uint32())
			}
			want := make([]int64, n)
			unpackTail(want, src, 0, width)
			if width > 0 && width <= 32 {
				got := make([]uint32, n)
				top := unpackCodes(got, src, width)
				for i, v := range got {
					if int64(v) != want[i] {
						t.Fatalf("width %d, value %d of %d is %d, want %d", width, i, n, v, want[i])
					}
				}
				if greatest := slices.Max(append(got, 0)); top != greatest {
					t.Fatalf("width %d: the greatest of %d values is %d, want %d", width, n, top, greatest)
				}
			}
			least, last := int64(r.Uint64()), int64(r.Uint64())
			got, plain := make([]int64, n), make([]int64, n)
			end, endPlain := sums(got, src, width, least, last), sumsPlain(plain, src, width, least, last)
			for i := range want {
				last += least + want[i]
				want[i] = last
			}
			if !slices.Equal(got, want) || !slices.Equal(plain, want) || end != last || endPlain != last {
				t.Fatalf("width %d, %d differences: sums differ", width, n)
			}
		}
	}
}

func testSpread[T lane | uint16](t *testing.T) {
	r := rand.New(rand.NewPCG(12, 1))
	for trial := range trials(300) {
		n := r.IntN(700)
		share := []float64{0, 0.01, 0.5, 0.95, 1}[trial%5]
		words := make([]uint64, (n+63)/64)
		set := 0
		for i := range n {
			if r.Float64() < share {
				words[i>>6] |= 1 << (i & 63)
				set++
			}
		}
		if trial%3 == 0 && n > 64 { // the first rows have values
			for i := range 64 {
				if words[0]>>i&1 == 0 {
					words[0] |= 1 << i
					set++
				}
			}
		}
		under := T(r.Uint64() & 127)
		values := make([]T, set)
		for i := range values {
			values[i] = T(r.Uint64() & 127)
		}
		want := make([]T, n)
		next := 0
		for i := range want {
			want[i] = under
			if words[i>>6]>>(i&63)&1 != 0 {
				want[i] = values[next]
				next++
			}
		}
		for _, vector := range []bool{false, true} {
			if vector && !vectors {
				continue
			}
			kept := vectors
			vectors = vector
			got := make([]T, n)
			copy(got, values)
			spread(got, set, words, under)
			vectors = kept
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("%T, vectors %v: row %d of %d (%d values) is %v, want %v", under, vector, i, n, set, got[i], want[i])
				}
			}
		}
	}
}

func TestSpreadsOfEveryWidthMoveValuesToTheirRows(t *testing.T) {
	testSpread[uint8](t)
	testSpread[uint16](t)
	testSpread[int16](t)
	testSpread[int32](t)
	testSpread[uint32](t)
	testSpread[int64](t)
	testSpread[uint64](t)
	testSpread[float64](t)
}
