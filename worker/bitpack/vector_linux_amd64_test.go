package bitpack

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"rescore/worker/kernel/kerneltest"
)

// Parts of different widths, in memory that ends where they do.
func TestVectorsAddUpWhatGoAddsUp(t *testing.T) {
	if !vectors {
		t.Skip("this processor has none of the instructions")
	}
	r := rand.New(rand.NewPCG(13, 1))
	memory := kerneltest.Guarded(t, 64*1024)
	for range trials(2000) {
		part := 8 * (1 + r.IntN(16))
		widths := make([]byte, 1+r.IntN(8))
		size := 0
		for i := range widths {
			widths[i] = byte(r.IntN(65))
			size += int(widths[i]) * part / 8
		}
		src := memory[len(memory)-size:]
		for i := range src {
			src[i] = byte(r.Uint32())
		}
		least, last := int64(r.Uint64()), int64(r.Uint64())
		got, want := make([]int64, part*len(widths)), make([]int64, part*len(widths))
		end, from := last, src
		for i, w := range widths {
			end = sumsPlain(want[i*part:(i+1)*part], from, int(w), least, end)
			from = from[int(w)*part/8:]
		}
		for dst, left := got, widths; len(left) > 0; {
			next, done, size := sums(dst, src, left, part, least, last)
			if done == 0 { // one whose values span nine bytes
				done, size = 1, int(left[0])*part/8
				next = sumsPlain(dst[:part], src[:size], int(left[0]), least, last)
			}
			last, dst, src, left = next, dst[done*part:], src[size:], left[done:]
		}
		if !slices.Equal(got, want) || last != end {
			t.Fatalf("%d parts of %d: sums differ", len(widths), part)
		}
	}
}

// Whole blocks, of all widths and with heads of all lengths, in memory that ends where they
// do: most are read as vectors, and nothing behind them.
func TestBlocksAreReadFromTheirMemoryAlone(t *testing.T) {
	if !vectors {
		t.Skip("this processor has none of the instructions")
	}
	r := rand.New(rand.NewPCG(17, 1))
	memory := kerneltest.Guarded(t, 64*1024)
	for width := range 65 {
		whole, all := 0, 0
		for range trials(20) {
			want := walk(r, 1+blockValues*(1+r.IntN(20)), width)
			page := AppendDeltas(nil, want)
			src := memory[len(memory)-len(page):]
			copy(src, page)
			got := make([]int64, len(want))
			if rest, err := ReadDeltas(got, src); err != nil || len(rest) > 0 || !slices.Equal(got, want) {
				t.Fatalf("%d values of %d bits: %d bytes are left, %v", len(want), width, len(rest), err)
			}
			var d Deltas
			if err := d.Open(src, len(want)); err != nil {
				t.Fatal(err)
			}
			all += len(want) / blockValues
			whole += d.blocks(got[1:]) / blockValues
		}
		if width < 50 && whole < all/4 {
			t.Errorf("of %d blocks of some %d bits %d are read as vectors", all, width, whole)
		}
	}
}

// TestVectorsStayInTheirMemory, which ends where they may touch it.
func TestVectorsStayInTheirMemory(t *testing.T) {
	if !vectors {
		t.Skip("this processor has none of the instructions")
	}
	values := kerneltest.Guarded(t, 8*(1+blockValues))
	block, largest := kerneltest.Guarded(t, 8*blockValues), kerneltest.Guarded(t, 8*blockParts)
	differences((*[blockValues]int64)(unsafe.Pointer(&block[0])), unsafe.Slice((*int64)(unsafe.Pointer(&values[0])), 1+blockValues), (*[blockParts]uint64)(unsafe.Pointer(&largest[0])))
	part := unsafe.Slice((*int64)(unsafe.Pointer(&block[len(block)-8*partValues])), partValues)
	for width := 1; width <= 64; width++ {
		pack(kerneltest.Guarded(t, width*partValues/8+Slack), part, width)
	}
	for width := 9; width <= 16; width++ {
		codes := kerneltest.Guarded(t, 2*320)
		packCodes(kerneltest.Guarded(t, 320/8*width+Slack), unsafe.Slice((*uint16)(unsafe.Pointer(&codes[0])), 320), width)
	}
}
