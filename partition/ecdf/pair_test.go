package ecdf

import (
	"math/rand/v2"
	"testing"
)

func TestABillsBinIsMonotoneAndAtMostAThirtySecondWide(t *testing.T) {
	t.Parallel()
	low := int64(0)
	for bin := range BillBins {
		if Cell(7, low) != 7*BillBins+bin {
			t.Fatalf("a bill of %d is in cell %d, not in bin %d", low, Cell(7, low), bin)
		}
		if bin == BillBins-1 {
			break
		}
		width := int64(1)
		for Cell(7, low+width) == 7*BillBins+bin {
			width++
		}
		if low < 64 && width != 1 || low >= 64 && 32*width > low {
			t.Fatalf("bin %d from %d is %d wide", bin, low, width)
		}
		low += width
	}
	if low != 1_032_192 || Cell(1000, billMax) != Pairs.Keys()-1 || Cell(1000, 1<<62) != Pairs.Keys()-1 || Cell(1001, 0) != Cell(1000, 0) || Cell(0, -1) != 0 {
		t.Errorf("the last bin is from %d", low)
	}
}

func TestCellsHaveTheMiddleRanksOfBothSides(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 5))
	type pair struct {
		score uint16
		bill  int64
	}
	base := make([]pair, 500)
	h := New(Pairs)
	for i := range base {
		base[i] = pair{uint16(rng.IntN(30)), rng.Int64N(64)}
		h.Add(Cell(base[i].score, base[i].bill))
	}
	var rows int64
	h.Cells(func(cell int, n, score, bill int64) {
		rows += n
		if n == 0 {
			return
		}
		var wantRows, wantScore, wantBill int64
		for _, b := range base {
			s, p := int(b.score), int(b.bill)
			switch {
			case s < cell/BillBins:
				wantScore += 2
			case s == cell/BillBins:
				wantScore++
			}
			switch {
			case p < cell%BillBins:
				wantBill += 2
			case p == cell%BillBins:
				wantBill++
			}
			if s == cell/BillBins && p == cell%BillBins {
				wantRows++
			}
		}
		if n != wantRows || score != wantScore || bill != wantBill {
			t.Fatalf("cell %d: %d rows, ranks %d and %d, want %d, %d and %d", cell, n, score, bill, wantRows, wantScore, wantBill)
		}
	})
	if rows != int64(len(base)) {
		t.Errorf("%d rows in cells", rows)
	}
	if err := h.Merge(New(Amounts)); err == nil {
		t.Error("amounts were added to pairs")
	}
}

// A partition of 250 000 rows, scattered as widely as can be, stays below 800 kB.
func TestAPartitionsHistogramIsSmall(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(6, 6))
	h := New(Pairs)
	for range 250_000 {
		h.Add(rng.IntN(Pairs.Keys()))
	}
	if n := len(h.Encode()); n > 800_000 {
		t.Errorf("%d bytes", n)
	}
}
