package source

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"unsafe"

	"rescore/worker/kernel/kerneltest"
)

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
	memory := kerneltest.Guarded(t, 64*1024)
	for range trials(20) {
		for width := 1; width <= 32; width++ {
			n := 8 * r.IntN(100)
			size := n * width / 8
			src := memory[len(memory)-size:]
			for i := range src {
				src[i] = byte(r.Uint32())
			}
			want, got := make([]uint32, n), make([]uint32, n)
			most, top := unpackCodesPlain(want, src, width), unpackCodes(got, src, width)
			if !slices.Equal(got, want) || top != most {
				t.Fatalf("%d values of width %d differ, or their greatest, %d, want %d", n, width, top, most)
			}
		}
	}
}

// Bits from any place of memory that ends where they do.
func TestVectorsMoveTheBitsThatGoMoves(t *testing.T) {
	if !vectors {
		t.Skip("this processor has none of the instructions")
	}
	r := rand.New(rand.NewPCG(15, 1))
	memory, room := kerneltest.Guarded(t, 4096), kerneltest.Guarded(t, 4096)
	for range trials(2000) {
		words, shift := r.IntN(40), r.IntN(8)
		size := 8 * words
		if shift > 0 {
			size += 8
		}
		src, got := memory[len(memory)-size:], room[len(room)-8*words:]
		for i := range src {
			src[i] = byte(r.Uint32() & r.Uint32())
		}
		clear(room)
		want := make([]byte, 8*words)
		copyBits(want, 0, append(slices.Clone(src), 0), shift, 64*words)
		plain := make([]byte, 8*words)
		set := moveWords(got, src, shift)
		inGo := moveWordsPlain(plain, src, shift)
		if count := countBits(want, 0, 64*words); !slices.Equal(got, want) || !slices.Equal(plain, want) || set != count || inGo != count {
			t.Fatalf("%d words from bit %d: %d set, in Go %d, want %d", words, shift, set, inGo, count)
		}
		if i := slices.IndexFunc(room[:len(room)-len(got)], func(b byte) bool { return b != 0 }); i >= 0 {
			t.Fatalf("%d words: byte %d before them was written", words, i)
		}
	}
}

func testHandful[T uint8 | int16](t *testing.T) {
	r := rand.New(rand.NewPCG(16, 1))
	memory := kerneltest.Guarded(t, 4096)
	for range trials(2000) {
		vals := make([]T, 1+r.IntN(handfulMax))
		for i := range vals {
			vals[i] = T(r.Uint32())
		}
		var e handful
		keepHandful(&e, vals)
		width := 1 + r.IntN(8)
		if !e.serve(width) {
			t.Fatalf("%d entries do not serve indexes of %d bits", len(vals), width)
		}
		groups := 1 + r.IntN(40)
		src := memory[len(memory)-groups*width:]
		for i := range src {
			src[i] = byte(r.Uint32())
		}
		index := make([]uint32, 8*groups)
		top := unpackCodesPlain(index, src, width)
		got := make([]T, len(index)+1)
		got[len(index)] = 77
		if greatest := fetch(got[:len(index)], src, width, &e); greatest != top {
			t.Fatalf("width %d: the greatest of %d indexes is %d, want %d", width, len(index), greatest, top)
		}
		for i, k := range index {
			if int(k) < len(vals) && (got[i] != vals[k] || entry[T](&e, k) != vals[k]) {
				t.Fatalf("width %d: index %d gives %d, want %d", width, k, got[i], vals[k])
			}
		}
		if got[len(index)] != 77 {
			t.Fatal("a value was written behind the last")
		}
	}
}

func TestVectorsFetchOfAHandfulWhatIsThere(t *testing.T) {
	if !vectors {
		t.Skip("this processor has none of the instructions")
	}
	testHandful[uint8](t)
	testHandful[int16](t)
	var e handful
	if keepHandful(&e, []int32{1}); e.serve(3) {
		t.Error("values of four bytes are kept")
	}
	if keepHandful(&e, []uint8(nil)); e.serve(3) {
		t.Error("an empty dictionary serves")
	}
}

func testFlood[T lane](t *testing.T, r *rand.Rand) {
	memory := kerneltest.Guarded(t, 4096)
	for range trials(200) {
		var v T
		size := int(unsafe.Sizeof(v))
		n := 1 + r.IntN(3000/size)
		v = T(r.Uint64() >> 11)
		dst := unsafe.Slice((*T)(unsafe.Pointer(&memory[len(memory)-n*size])), n)
		before := T(5)
		*(*T)(unsafe.Pointer(&memory[len(memory)-(n+1)*size])) = before
		floodMany(dst, v)
		plain := make([]T, n)
		floodPlain(plain, v)
		if i := slices.IndexFunc(dst, func(x T) bool { return x != v }); i >= 0 || !slices.Equal(plain, dst) {
			t.Fatalf("value %d of %d, %d bytes each, is not written", i, n, size)
		}
		if *(*T)(unsafe.Pointer(&memory[len(memory)-(n+1)*size])) != before {
			t.Fatal("a value was written before the first")
		}
	}
}

func TestVectorsFloodAllAndNoMore(t *testing.T) {
	if !vectors {
		t.Skip("this processor has none of the instructions")
	}
	r := rand.New(rand.NewPCG(17, 1))
	testFlood[uint8](t, r)
	testFlood[int16](t, r)
	testFlood[int32](t, r)
	testFlood[float64](t, r)
}

func testLook[T lane](t *testing.T) {
	r := rand.New(rand.NewPCG(14, 1))
	for trial := range trials(300) {
		vals := make([]T, 1+r.IntN([]int{4, 32, 33, 300, 70_000}[trial%5]))
		for i := range vals {
			vals[i] = T(r.Uint64() >> (1 + r.IntN(63)))
		}
		var wide []uint32
		widen(&wide, vals)
		codes := make([]uint32, r.IntN(200))
		for i := range codes {
			codes[i] = uint32(r.IntN(len(vals)))
		}
		got, want := make([]T, len(codes)), make([]T, len(codes))
		lookPlain(want, codes, vals)
		look(got, codes, vals, wide)
		if !slices.Equal(got, want) {
			t.Fatalf("%T: %d values of a dictionary of %d differ", want, len(codes), len(vals))
		}
	}
}

func TestValuesOfEveryWidthAreLookedUp(t *testing.T) {
	testLook[uint8](t)
	testLook[int16](t)
	testLook[int32](t)
	testLook[uint32](t)
	testLook[int64](t)
	testLook[uint64](t)
	testLook[float64](t)
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
		withAndWithout(func(how string) {
			got := make([]T, n)
			copy(got, values)
			spread(got, set, words, under)
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("%T, %s: row %d of %d (%d values) is %v, want %v", under, how, i, n, set, got[i], want[i])
				}
			}
		})
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

// scalar runs f as on a processor that has none of the instructions.
func scalar(f func()) {
	codes := codeTables
	codeTables = new(widthTables)
	defer func() { codeTables = codes }()
	f()
}

// Whatever a page holds, both ways say the same of it, and neither reads past it.
func FuzzRuns(f *testing.F) {
	f.Add([]byte{3, 0x88, 0xc6, 0xfa, 10, 7}, uint16(12), byte(3))
	f.Fuzz(func(t *testing.T, data []byte, count uint16, width byte) {
		n := int(count)
		read := func() (codes []uint32, said string) {
			codes = make([]uint32, n)
			var r runs
			err := r.open(data, n, int(width))
			for at := 0; at < n && err == nil; at += 100 {
				_, err = r.read(codes[at:min(n, at+100)])
			}
			if err != nil {
				return nil, err.Error()
			}
			return codes, ""
		}
		codes, said := read()
		scalar(func() {
			if c, s := read(); !slices.Equal(codes, c) || said != s {
				t.Fatalf("vectors say %q, Go says %q, or they differ in values", said, s)
			}
		})
	})
}

// Frames that lie end in an error, and in no byte past their page.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0, 0, 0, 3, 0, 0, 0, 4, 0x30, 1, 2, 3}, uint16(3))
	f.Fuzz(func(t *testing.T, data []byte, size uint16) {
		dst := make([]byte, int(size))
		if n, ok := unframe(dst, data); n > len(dst) || ok && n != len(dst) {
			t.Fatalf("%d bytes of %d", n, len(dst))
		}
	})
}
