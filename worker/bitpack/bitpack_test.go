package bitpack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// scalar runs f as on a processor that has none of the instructions.
func scalar(f func()) {
	defer func(before bool) { vectors = before }(vectors)
	vectors = false
	f()
}

// both runs f by every path that this processor has.
func both(t *testing.T, f func(t *testing.T)) {
	t.Run("go", func(t *testing.T) { scalar(func() { f(t) }) })
	if vectors {
		t.Run("avx512", f)
	}
}

func trials(short int) int {
	if os.Getenv("RESCORE_LONG") != "" {
		return short * 20
	}
	return short
}

// walk are values whose differences have about so many bits.
func walk(r *rand.Rand, n, width int) []int64 {
	list := make([]int64, n)
	v := int64(r.Uint64())
	for i := range list {
		if i%partValues == 0 && r.IntN(4) == 0 {
			width = r.IntN(65)
		}
		if width > 0 {
			v += int64(r.Uint64() >> (64 - width))
		}
		list[i] = v
	}
	return list
}

func TestDeltasAreTheBytesOfParquetGo(t *testing.T) {
	both(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		for range trials(2) {
			for width := range 65 {
				for _, n := range []int{0, 1, 2, 31, 32, 33, 127, 128, 129, 130, 256, 257, 1000 + r.IntN(9000)} {
					values := walk(r, n, width)
					want, err := parquet.DeltaBinaryPacked.EncodeInt64(nil, values)
					if err != nil {
						t.Fatal(err)
					}
					if got := AppendDeltas([]byte("head"), values); !bytes.Equal(got, append([]byte("head"), want...)) {
						t.Fatalf("%d values of %d bits are other bytes", n, width)
					}
				}
			}
		}
	})
}

func TestDeltasAreReadAsTheyWereWritten(t *testing.T) {
	both(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 1))
		for range trials(2) {
			for width := range 65 {
				for _, n := range []int{1, 2, 31, 32, 33, 127, 128, 129, 130, 1000 + r.IntN(9000)} {
					values := walk(r, n, width)
					page := AppendDeltas(nil, values)
					got := make([]int64, n)
					if rest, err := ReadDeltas(got, append(slices.Clone(page), "rest"...)); err != nil || string(rest) != "rest" || !slices.Equal(got, values) {
						t.Fatalf("%d values of %d bits: rest %q, %v", n, width, rest, err)
					}
					clear(got)
					var d Deltas
					if err := d.Open(page, n); err != nil {
						t.Fatal(err)
					}
					for at := 0; at < n; {
						k := min(n-at, 1+r.IntN(200))
						if err := d.Read(got[at : at+k]); err != nil {
							t.Fatal(err)
						}
						at += k
					}
					if !slices.Equal(got, values) {
						t.Fatalf("%d values of %d bits are read in pieces otherwise", n, width)
					}
				}
			}
		}
	})
}

// TestPartsArePackedBitByBit holds every width to a loop over bits.
func TestPartsArePackedBitByBit(t *testing.T) {
	both(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 1))
		for range trials(100) {
			for width := 1; width <= 64; width++ {
				values := make([]int64, partValues)
				want := make([]byte, width*partValues/8)
				for i := range values {
					values[i] = int64(r.Uint64() >> (64 - width))
					for b := range width {
						at := i*width + b
						want[at/8] |= byte(values[i]>>b&1) << (at % 8)
					}
				}
				got := make([]byte, len(want)+Slack)
				pack(got, values, width)
				if !bytes.Equal(got[:len(want)], want) {
					t.Fatalf("%d bits are packed otherwise", width)
				}
				back := make([]int64, partValues)
				if Unpack(back, want, width); !slices.Equal(back, values) {
					t.Fatalf("%d bits are unpacked otherwise", width)
				}
			}
		}
	})
}

// TestGroupsArePackedBitByBit holds every width to a loop over bits.
func TestGroupsArePackedBitByBit(t *testing.T) {
	both(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(4, 1))
		for n := range 300 {
			for width := 9; width <= 16; width++ {
				codes := make([]uint16, n)
				want := make([]byte, (n+7)/8*width)
				for i := range codes {
					codes[i] = uint16(r.UintN(1 << width))
					for b := range width {
						at := i*width + b
						want[at/8] |= byte(codes[i]>>b&1) << (at % 8)
					}
				}
				got := make([]byte, len(want)+Slack)
				if PackGroups(got, codes, width); !bytes.Equal(got[:len(want)], want) {
					t.Fatalf("%d codes of %d bits are packed otherwise", n, width)
				}
			}
		}
	})
}

// TestDifferencesAreThoseOfALoop also where they wrap.
func TestDifferencesAreThoseOfALoop(t *testing.T) {
	both(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 1))
		for range trials(2000) {
			values := walk(r, 1+blockValues, r.IntN(65))
			var got, want [blockValues]int64
			var largest [blockParts]uint64
			low := values[1] - values[0]
			for i := range want {
				want[i] = values[i+1] - values[i]
				low = min(low, want[i])
			}
			least := differences(&got, values, &largest)
			for i := range want {
				want[i] -= low
			}
			if least != low || got != want {
				t.Fatalf("the least is %d, not %d, or differences differ", least, low)
			}
			for part, v := range largest {
				width := 0
				for _, v := range want[part*partValues:][:partValues] {
					width = max(width, bits.Len64(uint64(v)))
				}
				if bits.Len64(v) != width {
					t.Fatalf("part %d has %d bits, not %d", part, bits.Len64(v), width)
				}
			}
		}
	})
}

// Sizes that a page claims are not believed.
func TestHostileDeltasAreRefused(t *testing.T) {
	t.Parallel()
	for name, page := range map[string][]byte{
		"nothing":      {},
		"other length": {128, 1, 4, 255, 255, 255, 255, 15, 0},
		"width 65":     append([]byte{128, 1, 4, 5, 0, 0, 65, 0, 0, 0}, make([]byte, 999)...),
		"blocks of 3":  {3, 1, 5, 0},
		"no block":     {128, 1, 4, 5, 0},
		"part cut":     {128, 1, 4, 5, 0, 0, 9, 0, 0, 0, 1},
	} {
		if _, err := ReadDeltas(make([]int64, 5), page); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

// The page may lie in a file that somebody writes: widths that were looked at are those
// that are read by.
func TestWidthsThatChangeAreNotLookedAtAgain(t *testing.T) {
	both(t, func(t *testing.T) {
		want := walk(rand.New(rand.NewPCG(50, 1)), 1+blockValues, 9)
		page := AppendDeltas(nil, want)
		var d Deltas
		if err := d.Open(page, len(want)); err != nil {
			t.Fatal(err)
		}
		_, k := binary.Varint(d.src) // the least difference
		widths := d.src[k:][:blockParts]
		got := make([]int64, len(want))
		err := d.Read(got[:partValues/2])
		for i := range widths {
			widths[i] = 255
		}
		if err := errors.Join(err, d.Read(got[partValues/2:])); err != nil || !slices.Equal(got, want) {
			t.Errorf("other values are read: %v", err)
		}
	})
}

// Whatever a page holds, both ways say the same of it.
func FuzzDeltas(f *testing.F) {
	f.Add([]byte{128, 1, 4, 40, 2, 4, 3, 2, 1, 0, 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88, 0x77, 0x66, 0x55, 0x44}, uint16(20))
	f.Fuzz(func(t *testing.T, page []byte, count uint16) {
		n := int(count)
		read := func() (values []int64, said string) {
			values = make([]int64, n)
			var d Deltas
			err := d.Open(page, n)
			for at := 0; at < n && err == nil; at += 100 {
				err = d.Read(values[at:min(n, at+100)])
			}
			if err != nil {
				return nil, err.Error()
			}
			return values, ""
		}
		values, said := read()
		scalar(func() {
			if v, s := read(); !slices.Equal(values, v) || said != s {
				t.Fatalf("vectors say %q, Go says %q, or they differ in values", said, s)
			}
		})
	})
}

func BenchmarkDeltas(b *testing.B) {
	r := rand.New(rand.NewPCG(6, 1))
	for name, width := range map[string]int{"numbers": 7, "amounts": 16} {
		values := make([]int64, 1<<15)
		for i := range values {
			values[i] = int64(r.Uint64() >> (64 - width))
			if name == "numbers" && i > 0 {
				values[i] += values[i-1]
			}
		}
		page := AppendDeltas(nil, values)
		b.Run("append/"+name, func(b *testing.B) {
			b.SetBytes(int64(8 * len(values)))
			for b.Loop() {
				page = AppendDeltas(page[:0], values)
			}
		})
		b.Run("append/"+name+"/parquet-go", func(b *testing.B) {
			b.SetBytes(int64(8 * len(values)))
			for b.Loop() {
				page, _ = parquet.DeltaBinaryPacked.EncodeInt64(page[:0], values)
			}
		})
		b.Run("read/"+name, func(b *testing.B) {
			b.SetBytes(int64(8 * len(values)))
			for b.Loop() {
				if _, err := ReadDeltas(values, page); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("read/"+name+"/parquet-go", func(b *testing.B) {
			b.SetBytes(int64(8 * len(values)))
			for b.Loop() {
				if _, err := parquet.DeltaBinaryPacked.DecodeInt64(values[:0], page); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
