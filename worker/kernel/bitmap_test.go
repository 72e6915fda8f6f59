package kernel

import (
	"bytes"
	"testing"
)

// naive reads one bit the slow way.
func naive(b Bitmap, i int) bool {
	if b.Bits == nil {
		return true
	}
	i += b.Offset
	return b.Bits[i/8]&(1<<(i%8)) != 0
}

func checkBitmap(t *testing.T, b Bitmap, n int) {
	t.Helper()
	const dirt = 0x40
	expanded, mask := bytes.Repeat([]byte{0xee}, n+8), bytes.Repeat([]byte{dirt}, n+8)
	ones, zeroes := bytes.Repeat([]byte{1}, n+8), make([]byte, n+8)
	b.And(ones, n)
	b.And(zeroes, n)
	b.Bytes(expanded, n)
	b.Mask(mask, n, 3)
	count := 0
	for i := range n {
		set := naive(b, i)
		want := uint8(0)
		if set {
			want = 1
			count++
		}
		if ones[i] != want || zeroes[i] != 0 {
			t.Fatalf("offset %d, %d rows, bit %d: and gives %d and %d, want %d and 0", b.Offset, n, i, ones[i], zeroes[i], want)
		}
		if b.Get(i) != set || expanded[i] != want || mask[i] != dirt|want<<3 {
			t.Fatalf("offset %d, %d rows, bit %d: get %v, byte %d, mask %x; want %v", b.Offset, n, i, b.Get(i), expanded[i], mask[i], set)
		}
	}
	if got := b.Count(n); got != count {
		t.Fatalf("offset %d, %d rows: count %d, want %d", b.Offset, n, got, count)
	}
	for i := n; i < n+8; i++ {
		if expanded[i] != 0xee || mask[i] != dirt || ones[i] != 1 {
			t.Fatalf("%d rows: row %d was written", n, i)
		}
	}
	if n > 0 {
		if from := b.From(n - 1); from.Get(0) != naive(b, n-1) {
			t.Fatalf("From(%d) starts at another bit", n-1)
		}
	}
}

func TestBitmapAgreesWithOneBitAtATimeAtEveryOffsetAndLength(t *testing.T) {
	t.Parallel()
	raw := make([]byte, 24)
	x := uint32(1)
	for i := range raw {
		x = x*1664525 + 1013904223
		raw[i] = byte(x >> 24)
	}
	for offset := range 67 {
		for n := range 24*8 - offset + 1 {
			// The slice ends with the last byte needed: reading one more panics.
			checkBitmap(t, Bitmap{Bits: raw[: (offset+n+7)/8 : (offset+n+7)/8], Offset: offset}, n)
		}
	}
	for n := range 70 {
		checkBitmap(t, Bitmap{}, n)
	}
}

func FuzzBitmap(f *testing.F) {
	f.Add([]byte{0x55, 0xaa, 0xff}, uint8(3), uint8(17))
	f.Fuzz(func(t *testing.T, raw []byte, offset, n uint8) {
		if int(offset)+int(n) > 8*len(raw) || len(raw) == 0 {
			return
		}
		checkBitmap(t, Bitmap{Bits: raw, Offset: int(offset)}, int(n))
	})
}

func BenchmarkBitmapBytes(b *testing.B) {
	raw, dst := make([]byte, 1024), make([]uint8, 2048)
	bitmap := Bitmap{Bits: raw, Offset: 3}
	for b.Loop() {
		bitmap.Bytes(dst, 2048)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2048, "ns/row")
}
