package ecdf

// Propensity scores below 64 have a bin each, and above that a bin is at most a 32nd
// of the scores in it: most subscribers stay, so that most scores are low.
const (
	// ScoreBins is how many bins of propensity scores there are.
	ScoreBins      = 191
	scorePrecision = 6
)

// ScoreBin returns the bin of a propensity score. Scores above 1000 are in the
// last.
func ScoreBin(score uint16) int {
	return binOf(min(uint64(score), scores-1), scorePrecision)
}

// ScoreCell returns the cell of two models' scores, by their bins.
func ScoreCell(champion, challenger int) int { return champion*ScoreBins + challenger }
