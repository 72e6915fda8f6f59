package source

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/rle"
)

// decodeRuns reads len(dst) values at once.
func decodeRuns(dst []uint32, src []byte, width int) error {
	var r runs
	if err := r.open(src, len(dst), width); err != nil {
		return err
	}
	_, err := r.read(dst)
	return err
}

// inParts calls read with dst in pieces of up to most values.
func inParts[T any](r *rand.Rand, dst []T, most int, read func([]T) error) error {
	for len(dst) > 0 {
		n := min(len(dst), r.IntN(most+1))
		if err := read(dst[:n]); err != nil {
			return err
		}
		dst = dst[n:]
	}
	return nil
}

func TestRunsOfEveryWidthDecodeWhatParquetGoEncodes(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	for width := range 33 {
		for _, n := range []int{0, 1, 7, 8, 9, 63, 64, 65, 1000} {
			src := make([]int32, n)
			for i := range src {
				if i > 0 && r.IntN(3) > 0 {
					src[i] = src[i-1]
				} else {
					src[i] = int32(uint32(r.Uint64() & (1<<width - 1)))
				}
			}
			enc := rle.Encoding{BitWidth: width}
			b, err := enc.EncodeInt32(nil, src)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]uint32, n)
			if err := decodeRuns(got, b, width); err != nil {
				t.Fatalf("width %d, %d values: %v", width, n, err)
			}
			for i := range got {
				if int32(got[i]) != src[i] {
					t.Fatalf("width %d, value %d of %d is %d, want %d", width, i, n, got[i], src[i])
				}
			}
			for _, most := range []int{1, 9, 100} {
				var cursor runs
				if err := cursor.open(b, n, width); err != nil {
					t.Fatal(err)
				}
				parts := make([]uint32, n)
				err := inParts(r, parts, most, func(part []uint32) error {
					top, err := cursor.read(part)
					if want := slices.Max(append(part, 0)); top != want {
						t.Fatalf("width %d: the greatest of %d values is %d, want %d", width, len(part), top, want)
					}
					return err
				})
				if err != nil || !slices.Equal(parts, got) {
					t.Fatalf("width %d, %d values read in parts of up to %d differ: %v", width, n, most, err)
				}
			}
			if n > 0 && width > 0 {
				if err := decodeRuns(make([]uint32, n+8), b, width); err == nil {
					t.Fatalf("width %d: %d values were read of %d", width, n+8, n)
				}
			}
		}
	}
}

func TestLevelsDecodeToBitmaps(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 4))
	for _, n := range []int{1, 7, 8, 9, 100, 1000} {
		for _, share := range []float64{0, 0.01, 0.5, 1} {
			levels := make([]byte, n)
			set := 0
			for i := range levels {
				if r.Float64() >= share {
					levels[i], set = 1, set+1
				}
			}
			enc := rle.Encoding{BitWidth: 1}
			b, err := enc.EncodeLevels(nil, levels)
			if err != nil {
				t.Fatal(err)
			}
			bitmap := make([]byte, (n+7)/8)
			got, err := decodeLevels(bitmap, n, b)
			if err != nil || got != set {
				t.Fatalf("%d levels: %d set, want %d: %v", n, got, set, err)
			}
			for i := range levels {
				if bit(bitmap, i) != (levels[i] == 1) {
					t.Fatalf("level %d of %d", i, n)
				}
			}
		}
	}
}

func TestBitCopiesAndCountsAgreeWithOneBitAtATime(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(6, 6))
	for range 20_000 {
		src, dst := make([]byte, 40), make([]byte, 40)
		for i := range src {
			src[i], dst[i] = byte(r.Uint32()), byte(r.Uint32())
		}
		from, at := r.IntN(100), r.IntN(100)
		n := r.IntN(320 - 100)
		want := slices.Clone(dst)
		count := 0
		for i := range n {
			setBit(want, at+i, bit(src, from+i))
			if bit(src, from+i) {
				count++
			}
		}
		copyBits(dst, at, src, from, n)
		if !slices.Equal(dst, want) {
			t.Fatalf("copy %d bits from %d to %d", n, from, at)
		}
		if got := countBits(src, from, n); got != count {
			t.Fatalf("%d of %d bits from %d, want %d", got, n, from, count)
		}
		v := r.IntN(2) == 0
		for i := range n {
			setBit(want, at+i, v)
		}
		setBits(dst, at, n, v)
		if !slices.Equal(dst, want) {
			t.Fatalf("set %d bits at %d", n, at)
		}
	}
}

// Sizes that a page claims are not believed.
func TestHostileRunsAreRefusedAndAllocateNothing(t *testing.T) {
	t.Parallel()
	dst := make([]uint32, 100)
	var txt text
	var a, b []int64
	for name, decode := range map[string]func() error{
		"run of nothing":         func() error { return decodeRuns(dst, []byte{0, 0}, 8) },
		"packed run of nothing":  func() error { return decodeRuns(dst, []byte{1}, 8) },
		"packed run cut":         func() error { return decodeRuns(dst, []byte{27, 1, 2}, 8) },
		"width 33":               func() error { return decodeRuns(dst, []byte{200, 1, 0, 0, 0, 0, 0}, 33) },
		"string past the end":    func() error { return txt.decodePlain(1, []byte{255, 255, 255, 255, 'x'}) },
		"more strings than fit":  func() error { return txt.decodePlain(1<<30, []byte{0, 0, 0, 0}) },
		"negative string length": func() error { return txt.decodeDeltaLength(1, []byte{128, 1, 4, 1, 1}, &a) },
		"prefix of nothing":      func() error { return txt.decodeDeltaText(1, []byte{128, 1, 4, 1, 2, 128, 1, 4, 1, 2, 'x'}, &a, &b) },
		"levels above one":       func() error { _, err := decodeLevels(make([]byte, 1), 8, []byte{16, 2}); return err },
	} {
		if err := decode(); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func BenchmarkRuns(b *testing.B) {
	for _, width := range []int{1, 4, 8, 12, 20} {
		b.Run(fmt.Sprintf("width=%d", width), func(b *testing.B) {
			src := make([]int32, 1<<16)
			for i := range src {
				src[i] = int32(rand.Uint32() & (1<<width - 1))
			}
			enc := rle.Encoding{BitWidth: width}
			data, err := enc.EncodeInt32(nil, src)
			if err != nil {
				b.Fatal(err)
			}
			dst := make([]uint32, len(src))
			for b.Loop() {
				if err := decodeRuns(dst, data, width); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(src)), "ns/value")
		})
	}
}
