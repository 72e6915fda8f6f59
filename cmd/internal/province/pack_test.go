package province

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/delta"
)

// checkDeltas decodes what appendDeltas wrote with the library.
func checkDeltas(t *testing.T, amounts []int64) {
	t.Helper()
	page := appendDeltas([]byte("before"), amounts)
	if string(page[:6]) != "before" {
		t.Fatal("what stood before was written over")
	}
	got, err := new(delta.BinaryPackedEncoding).DecodeInt64(nil, page[6:])
	if err != nil || !slices.Equal(got, amounts) {
		t.Fatalf("%d amounts came back as %d others: %v", len(amounts), len(got), err)
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

func TestBoundsAreTheLeastAndTheGreatest(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(9, 10))
	for n := 1; n < 40; n++ {
		values := make([]int64, n)
		for i := range values {
			values[i] = int64(r.Uint64())
		}
		if low, high := bounds(values); low != slices.Min(values) || high != slices.Max(values) {
			t.Fatalf("wrong bounds of %d values", n)
		}
	}
}
