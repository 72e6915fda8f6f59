package ecdf

import "testing"

// TestScoreBinsAreNarrow walks all scores: a bin for each below 64, and from there on
// bins of at most a 32nd of their lowest score, one after the other.
func TestScoreBinsAreNarrow(t *testing.T) {
	t.Parallel()
	lowest := 0
	for score := 1; score < 1001; score++ {
		bin, before := ScoreBin(uint16(score)), ScoreBin(uint16(score-1))
		switch {
		case bin == before+1:
			lowest = score
		case bin != before:
			t.Fatalf("score %d is in bin %d after %d", score, bin, before)
		case score < 64 || 32*(score-lowest+1) > lowest:
			t.Fatalf("score %d is in the bin of %d", score, lowest)
		}
	}
	if first, last, beyond := ScoreBin(0), ScoreBin(1000), ScoreBin(65535); first != 0 || last != ScoreBins-1 || beyond != last {
		t.Errorf("bins %d to %d, %d beyond, of %d", first, last, beyond, ScoreBins)
	}
	if ScoreCell(ScoreBin(1000), ScoreBin(1000)) != Scores.Keys()-1 {
		t.Error("the last cell is not the last key")
	}
}
