package synth

import (
	"math/rand/v2"
	"testing"

	"rescore/partition/schema"
)

func TestBitTricksAreTheLoopsTheyStandFor(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		h := r.Uint64()
		if r.Uint32()&1 != 0 {
			h &= r.Uint64() & r.Uint64() & r.Uint64() // many zeros: the rare cases
		}
		x := transpose(h)
		for row := range 8 {
			for bit := range 8 {
				if h>>(8*row+bit)&1 != x>>(8*bit+row)&1 {
					t.Fatalf("transpose(%#x) has bit %d of row %d elsewhere", h, bit, row)
				}
			}
		}
		for _, least := range []uint64{1, 13, 128} {
			var want uint8
			for k := range schema.Months {
				if h>>(8*k)&0xff >= least {
					want |= 1 << k
				}
			}
			if got := above(h, least); got != want {
				t.Fatalf("above(%#x, %d) is %06b, want %06b", h, least, got, want)
			}
		}
		for _, c := range []struct{ mask, past uint64 }{{0x1ff, 1}, {0x3ff, 3}, {0x3ff, 4}} {
			var want uint8
			for k := range schema.Months {
				if h>>(10*k)&c.mask < c.past {
					want |= 1 << k
				}
			}
			if got := rarely(h, c.mask, c.past); got != want {
				t.Fatalf("rarely(%#x, %#x, %d) is %06b, want %06b", h, c.mask, c.past, got, want)
			}
		}
	}
}

func TestPortionDividesExactly(t *testing.T) {
	t.Parallel()
	for x := range uint64(1 << 20) {
		for n := uint64(1); n <= 3; n++ {
			if x*portion[n]>>40 != x/n {
				t.Fatalf("%d/%d is not %d", x, n, x*portion[n]>>40)
			}
		}
	}
}
