package ecdf

// Pairs are counted by cells: every propensity_score there is, beside a coarse
// bin of the mean bill. Bills below 64 fen have a bin each, and above that a bin
// is narrower than 1/32 of the bills in it; the last begins at 10 322 yuan a month.
const (
	// BillBins is how many bins of bills there are.
	BillBins      = 1 << 9
	billPrecision = 6
	billMax       = 1<<(billPrecision+BillBins>>(billPrecision-1)-2) - 1
	scores        = 1001 // propensity_score is 0 to 1000
)

// Cell returns the cell of a propensity score and a mean bill. Scores above 1000
// and bills outside the bins are in the nearest cell.
func Cell(score uint16, billFen int64) int {
	bill := binOf(uint64(min(max(billFen, 0), billMax)), billPrecision)
	return min(int(score), scores-1)*BillBins + bill
}

// Cells calls visit for every cell, with the rows in it, and in halves of a row
// the middle rank of its score and of its bill among all: below count twice,
// equal once.
func (h *Histogram) Cells(visit func(cell int, rows, score, bill int64)) {
	var byScore [scores]int64
	var byBill [BillBins]int64
	for cell, n := range h.rows {
		byScore[cell/BillBins] += n
		byBill[cell%BillBins] += n
	}
	middle(byScore[:])
	middle(byBill[:])
	for cell, n := range h.rows {
		visit(cell, n, byScore[cell/BillBins], byBill[cell%BillBins])
	}
}

// middle turns counts into middle ranks, in halves.
func middle(counts []int64) {
	var below int64
	for i, n := range counts {
		counts[i] = 2*below + n
		below += n
	}
}
