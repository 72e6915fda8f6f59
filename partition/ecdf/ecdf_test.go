package ecdf

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
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
	whole := New(Amounts)
	parts := [5]*Histogram{}
	for k := range parts {
		parts[k] = New(Amounts)
	}
	for i, a := range list {
		whole.Add(Bin(a))
		parts[i*i%5].Add(Bin(a))
	}
	for _, order := range [][]int{{0, 1, 2, 3, 4}, {4, 2, 0, 3, 1}} {
		sum := New(Amounts)
		for _, k := range order {
			if err := sum.Merge(parts[k]); err != nil {
				t.Fatal(err)
			}
		}
		if sum.Total() != int64(len(list)) || !bytes.Equal(sum.Encode(), whole.Encode()) {
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
	if !bytes.Equal(whole.Encode(), New(Amounts).Encode()) || whole.Total() != 0 {
		t.Error("reset leaves something")
	}
}

func TestDecodeTakesExactlyOneHistogram(t *testing.T) {
	t.Parallel()
	h, full, pairs, scores := New(Amounts), New(Pairs), New(Pairs), New(Scores)
	pairs.Add(Cell(1000, math.MaxInt64))
	scores.Add(ScoreCell(ScoreBin(1000), ScoreBin(1000)))
	for _, a := range amounts(1000, 3) {
		h.Add(Bin(a))
	}
	for i := range full.rows {
		full.rows[i] = totalMax / int64(len(full.rows))
	}
	full.total = totalMax / int64(len(full.rows)) * int64(len(full.rows))
	for _, h := range []*Histogram{New(Amounts), New(Pairs), New(Scores), h, full, pairs, scores} {
		data := h.Encode()
		if got, err := Decode(data); err != nil || got.Kind() != h.Kind() || got.Total() != h.Total() || !slices.Equal(got.rows, h.rows) || len(data) > BytesMax {
			t.Errorf("%d bytes: %v", len(data), err)
		}
	}
	for name, data := range map[string][]byte{
		"nothing": {}, "another number": {100, 2, 1}, "another kind": {101, 2, 4}, "no kind": {101, 2}, "another version": {101, 1, 1}, "half a pair": {101, 2, 1, 5}, "no distance": {101, 2, 1, 0, 1},
		"no rows": {101, 2, 1, 1, 0}, "a long zero": {101, 2, 1, 0x81, 0, 1}, "past the last bin": {101, 2, 1, 0x81, 0x80, 4, 1},
		"too many rows": {101, 2, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, "an endless number": {101, 2, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		if _, err := Decode(data); !errors.Is(err, ErrHistogram) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	h := New(Amounts)
	for _, a := range amounts(200, 4) {
		h.Add(Bin(a))
	}
	f.Add(h.Encode())
	f.Add([]byte{101, 2, 1})
	f.Add([]byte{101, 2, 2, 7, 3})
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
	h := New(Amounts)
	i := 0
	for b.Loop() {
		h.Add(Bin(list[i&(1<<16-1)] & 0xffff))
		i++
	}
}

func TestMergingAFileIsMergingWhatWasCounted(t *testing.T) {
	for seed := range uint64(20) {
		one, other, file := New(Amounts), New(Amounts), New(Amounts)
		for _, a := range amounts(300, 2*seed) {
			one.Add(Bin(a))
			file.Add(Bin(a))
		}
		for _, a := range amounts(200, 2*seed+1) {
			other.Add(Bin(a))
		}
		data := other.Encode()
		if err := errors.Join(one.Merge(other), file.MergeFile(data)); err != nil {
			t.Fatal(err)
		}
		want := one.Encode()
		if !bytes.Equal(file.Encode(), want) || file.Total() != one.Total() {
			t.Fatalf("seed %d: the file was merged into another histogram", seed)
		}
		for _, bad := range [][]byte{data[:len(data)-1], append(bytes.Clone(data), 0), New(Scores).Encode(), nil} {
			if err := file.MergeFile(bad); !errors.Is(err, ErrHistogram) {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if !bytes.Equal(file.Encode(), want) {
				t.Fatalf("seed %d: a file that was refused was merged in part", seed)
			}
		}
	}
}
