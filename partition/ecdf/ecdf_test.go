package ecdf

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// amounts are random with every magnitude alike, and every power of two with its
// neighbours.
func amounts(n int, seed uint64) []int64 {
	rng := rand.New(rand.NewPCG(seed, 1))
	list := []int64{math.MinInt64, -1, 0, 1, amountMax, amountMax + 1, math.MaxInt64}
	for e := range 63 {
		list = append(list, 1<<e-1, 1<<e, 1<<e+1)
	}
	for len(list) < n {
		list = append(list, rng.Int64N(1<<(1+rng.IntN(62))))
	}
	return list
}

func TestBinIsMonotoneExactWhenSmallAndNarrowElsewhere(t *testing.T) {
	t.Parallel()
	list := amounts(1_000_000, 1)
	for i, a := range list {
		b := list[(i*7919+1)%len(list)]
		x, y := Bin(a), Bin(b)
		if x < 0 || x >= Bins || (a <= b && x > y) || (a >= b && x < y) {
			t.Fatalf("Bin(%d) is %d, Bin(%d) is %d", a, x, b, y)
		}
		if a >= 0 && a < 4096 && x != int(a) {
			t.Fatalf("Bin(%d) is %d", a, x)
		}
	}
	// Every bin is entered by its lowest amount and left by the next bin's, which
	// is less than one part in 2048 above it.
	low := int64(0)
	for bin := range Bins {
		if Bin(low) != bin {
			t.Fatalf("Bin(%d) is %d, not %d", low, Bin(low), bin)
		}
		width := int64(1)
		for Bin(low+width) == bin && bin < Bins-1 {
			width *= 2
		}
		if bin < Bins-1 && Bin(low+width-1) != bin {
			t.Fatalf("bin %d from %d is not %d wide", bin, low, width)
		}
		if low >= 4096 && width > low/2048 || low < 4096 && width != 1 {
			t.Fatalf("bin %d from %d is %d wide", bin, low, width)
		}
		low += width
	}
	if Bin(amountMax) != Bins-1 || amountMax != 1<<42-1 {
		t.Errorf("the largest amount %d is in bin %d", int64(amountMax), Bin(amountMax))
	}
}

func TestMergingIsCountingTogether(t *testing.T) {
	t.Parallel()
	list := amounts(20_000, 2)
	var whole Histogram
	parts := make([]Histogram, 5)
	for i, a := range list {
		whole.Add(a)
		parts[i*i%5].Add(a)
	}
	for _, order := range [][]int{{0, 1, 2, 3, 4}, {4, 2, 0, 3, 1}} {
		var sum Histogram
		for _, k := range order {
			sum.Merge(&parts[k])
		}
		if sum != whole || sum.Total() != int64(len(list)) || !bytes.Equal(sum.Encode(), whole.Encode()) {
			t.Error("parts do not add up to the whole")
		}
	}
	var below int64
	whole.Each(func(bin int, b, equal int64) {
		if b != below {
			t.Fatalf("below bin %d are %d, not %d", bin, b, below)
		}
		below += equal
	})
	if below != whole.Total() {
		t.Error("bins do not add up")
	}
	whole.Reset()
	if whole != (Histogram{}) {
		t.Error("reset leaves something")
	}
}

func TestDecodeTakesExactlyOneHistogram(t *testing.T) {
	t.Parallel()
	var h, full Histogram
	for _, a := range amounts(1000, 3) {
		h.Add(a)
	}
	for i := range full.rows {
		full.rows[i] = totalMax / Bins
	}
	full.total = totalMax
	for _, h := range []*Histogram{{}, &h, &full} {
		data := h.Encode()
		if got, err := Decode(data); err != nil || *got != *h || len(data) > BytesMax {
			t.Errorf("%d bytes: %v", len(data), err)
		}
	}
	for name, data := range map[string][]byte{
		"nothing": {}, "another number": {100, 1}, "another version": {101, 2}, "half a pair": {101, 1, 5}, "no distance": {101, 1, 0, 1},
		"no rows": {101, 1, 1, 0}, "a long zero": {101, 1, 0x81, 0, 1}, "past the last bin": {101, 1, 0x81, 0x80, 4, 1},
		"too many rows": {101, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, "an endless number": {101, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		if _, err := Decode(data); !errors.Is(err, ErrHistogram) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	var h Histogram
	for _, a := range amounts(200, 4) {
		h.Add(a)
	}
	f.Add(h.Encode())
	f.Add([]byte{101, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := Decode(data)
		if err == nil && !bytes.Equal(h.Encode(), data) {
			t.Error("read, and written differently")
		}
	})
}

func TestRetainAndHoldoutAloneAreEligible(t *testing.T) {
	t.Parallel()
	for d := range 256 {
		if Eligible(uint8(d)) != (d == 1 || d == 9) {
			t.Errorf("decision %d", d)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	list := amounts(1<<16, 5)
	var h Histogram
	i := 0
	for b.Loop() {
		h.Add(list[i&(1<<16-1)] & 0xffff)
		i++
	}
}
