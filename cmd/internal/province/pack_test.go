package province

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
)

// checkDeltas decodes what appendDeltas wrote with the library.
func checkDeltas(t *testing.T, amounts []int64) {
	t.Helper()
	for _, piece := range []int{len(amounts), 1, 100, 128, 300} {
		if piece == 0 {
			continue
		}
		var d deltas
		for range 2 { // the second page finds nothing of the first
			for at := 0; at < len(amounts); at += piece {
				values := append(slices.Clone(d.waiting[:d.left]), amounts[at:min(at+piece, len(amounts))]...)
				d.take(values)
			}
			got, err := new(delta.BinaryPackedEncoding).DecodeInt64(nil, d.finish())
			if err != nil || !slices.Equal(got, amounts) {
				t.Fatalf("%d amounts, %d at a time, came back as %d others: %v", len(amounts), piece, len(got), err)
			}
			d.reset()
		}
	}
}

func TestNoAmountsAreAPage(t *testing.T) {
	t.Parallel()
	var d deltas
	if got, err := new(delta.BinaryPackedEncoding).DecodeInt64(nil, d.finish()); err != nil || len(got) != 0 {
		t.Fatalf("%d amounts: %v", len(got), err)
	}
}

func TestDeltasOfEveryWidthAndLengthComeBack(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for width := range 65 {
		for _, n := range []int{0, 1, 2, 32, 33, 34, 128, 129, 130, 161, 1000} {
			amounts := make([]int64, n)
			for i := range amounts {
				amounts[i] = int64(r.Uint64() >> (64 - width))
			}
			checkDeltas(t, amounts)
		}
	}
	checkDeltas(t, []int64{math.MinInt64, math.MaxInt64, math.MinInt64, 0, -1, math.MaxInt64})
}

func FuzzDeltas(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 255, 255, 255, 255, 255, 255, 255, 127})
	f.Fuzz(func(t *testing.T, b []byte) {
		var amounts []int64
		for ; len(b) >= 8; b = b[8:] {
			amounts = append(amounts, int64(binary.LittleEndian.Uint64(b)))
		}
		checkDeltas(t, amounts)
	})
}

func TestPackedBitsAreTheValuesInOrder(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for width := 1; width <= 16; width++ {
		for _, n := range []int{1, 7, 8, 9, 63, 64, 65, 500} {
			values := make([]uint16, n)
			for i := range values {
				values[i] = uint16(r.Uint32() & (1<<width - 1))
			}
			packed := appendPacked([]byte{0xaa}, values, width)[1:]
			if len(packed) != (n+7)/8*width {
				t.Fatalf("%d values of %d bits take %d bytes", n, width, len(packed))
			}
			for i := range len(packed) * 8 / width {
				got := uint16(0)
				for k := range width {
					got |= uint16(packed[(i*width+k)/8]>>((i*width+k)%8)&1) << k
				}
				if want := append(values, make([]uint16, 8)...)[i]; got != want {
					t.Fatalf("value %d of %d at %d bits is %d, want %d", i, n, width, got, want)
				}
			}
		}
	}
}

func TestGatherKeepsWhatIsValidInOrder(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	for n := range 70 {
		values, valid := make([]int32, n), make([]byte, (n+7)/8)
		var want []int32
		for i := range values {
			values[i] = int32(r.Uint32())
			if r.Uint32()&1 != 0 {
				valid[i/8] |= 1 << (i % 8)
				want = append(want, values[i])
			}
		}
		out := make([]int32, n+8)
		if got := out[:gather(out, values, valid)]; !slices.Equal(got, want) {
			t.Fatalf("of %d values %d were kept, want %d", n, len(got), len(want))
		}
	}
}

// TestRunsComeBack decodes what appendRuns wrote with the library.
func TestRunsComeBack(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(9, 10))
	for width := 1; width <= 16; width++ {
		for _, n := range []int{1, 7, 8, 9, 63, 64, 65, 500, 3000} {
			for _, change := range []float64{0, 0.01, 0.1, 1} {
				values := make([]uint16, n)
				for i := range values {
					if i > 0 {
						values[i] = values[i-1]
					}
					if r.Float64() < change {
						values[i] = uint16(r.Uint32() & (1<<width - 1))
					}
				}
				page := appendRuns([]byte{0xaa}, values, width)[1:]
				got, err := (&rle.Encoding{BitWidth: int(page[0])}).DecodeInt32(nil, page[1:])
				if err != nil || len(got) < n {
					t.Fatalf("%d values of %d bits came back as %d: %v", n, width, len(got), err)
				}
				for i, want := range values {
					if got[i] != int32(want) {
						t.Fatalf("value %d of %d at %d bits is %d, want %d", i, n, width, got[i], want)
					}
				}
				if most := (n+7)/8*width + 12; len(page) > most {
					t.Fatalf("%d values of %d bits take %d bytes", n, width, len(page))
				}
			}
		}
	}
}

func TestLevelsOfPartsAreTheLevelsOfAll(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(11, 12))
	for range 200 {
		var l levels
		var want []byte
		rows := 0
		for range 1 + r.IntN(6) {
			n := r.IntN(300)
			valid, nulls := make([]byte, (n+7)/8), n
			for i := range n {
				if rows%8 == 0 {
					want = append(want, 0)
				}
				if r.IntN(3) > 0 {
					valid[i/8] |= 1 << (i % 8)
					want[rows/8] |= 1 << (rows % 8)
					nulls--
				}
				rows++
			}
			l.take(valid, n, nulls)
		}
		if l.rows != rows || !slices.Equal(l.bits[:(rows+7)/8], want) {
			t.Fatalf("levels of %d rows differ", rows)
		}
		l.reset()
	}
}
