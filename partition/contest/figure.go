package contest

import (
	"math"

	"rescore/partition/ecdf"
	"rescore/partition/psi"
)

// Figures are what the counts of a whole base say of a challenger. Shares and
// indexes are rounded to six decimals, means to nine, so that processors whose
// logarithms differ in the last bit write the same manifest.
type Figures struct {
	Rows int64 `json:"rows"`
	// SameBand is the share of rows that both models put in the same risk_band.
	SameBand float64 `json:"same_band"`
	// TopDecile is how much of the top tenths both have in common: the rows in both,
	// by the rows in the larger. A model's top tenth are its highest bins that
	// together hold a tenth of the rows or more.
	TopDecile float64 `json:"top_decile"`
	// RankCorrelation is Spearman's, equal scores at their middle rank; nil when a
	// model gives every row the same score.
	RankCorrelation *float64 `json:"rank_correlation"`
	// PSI is the index of the challenger's scores against the champion's, over the
	// champion's deciles: below 0.1 stable, up to 0.25 noticeable, above major.
	PSI            float64 `json:"psi"`
	Mean           float64 `json:"mean"`            // of the challenger's propensity
	MeanDifference float64 `json:"mean_difference"` // it less the champion's
	// Bands counts rows by the champion's risk_band, then the challenger's, band 1
	// first.
	Bands [Bands][Bands]int64 `json:"bands"`
}

// Figures works the figures out.
func (c *Counts) Figures() Figures {
	f := Figures{Rows: c.Rows(), Bands: c.bands}
	if f.Rows == 0 {
		return f
	}
	rows := float64(f.Rows)
	var same int64
	for i := range c.bands {
		same += c.bands[i][i]
	}
	f.SameBand = rounded(float64(same)/rows, 1e6)
	champion, challenger := c.marginals()
	f.TopDecile = rounded(c.overlap(topDecile(champion, f.Rows), topDecile(challenger, f.Rows)), 1e6)
	if r, ok := c.spearman(champion, challenger); ok {
		r = rounded(r, 1e6)
		f.RankCorrelation = &r
	}
	f.PSI, _ = PSI(champion, challenger)
	f.Mean = rounded(float64(c.sums[1])/rows/1e6, 1e9)
	f.MeanDifference = rounded(float64(c.sums[1]-c.sums[0])/rows/1e6, 1e9)
	return f
}

func rounded(x, unit float64) float64 { return math.Round(x*unit) / unit }

// marginals counts the rows by each model's own bins.
func (c *Counts) marginals() (champion, challenger []int64) {
	champion, challenger = make([]int64, ecdf.ScoreBins), make([]int64, ecdf.ScoreBins)
	for i := range champion {
		for k := range challenger {
			n := c.scores.Rows(ecdf.ScoreCell(i, k))
			champion[i] += n
			challenger[k] += n
		}
	}
	return champion, challenger
}

// topDecile returns the lowest of the highest bins that together hold a tenth of
// the rows or more.
func topDecile(bins []int64, rows int64) int {
	var held int64
	for i := len(bins) - 1; ; i-- {
		if held += bins[i]; 10*held >= rows {
			return i
		}
	}
}

// overlap returns the rows in both tops by those in the larger, the tops given by
// their lowest bins.
func (c *Counts) overlap(champion, challenger int) float64 {
	var first, second, both int64
	for i := range ecdf.ScoreBins {
		for k := range ecdf.ScoreBins {
			n := c.scores.Rows(ecdf.ScoreCell(i, k))
			if i >= champion {
				first += n
			}
			if k >= challenger {
				second += n
			}
			if i >= champion && k >= challenger {
				both += n
			}
		}
	}
	return float64(both) / float64(max(first, second))
}

// spearman returns the correlation of the middle ranks; false when one of the
// models ranks nobody before anybody.
func (c *Counts) spearman(champion, challenger []int64) (r float64, ok bool) {
	first, second := ranks(champion), ranks(challenger)
	var both, one, other float64
	for i, x := range first {
		one += float64(float64(float64(champion[i])*x) * x)
		other += float64(float64(float64(challenger[i])*second[i]) * second[i])
		for k, y := range second {
			both += float64(float64(float64(c.scores.Rows(ecdf.ScoreCell(i, k)))*x) * y)
		}
	}
	if one == 0 || other == 0 {
		return 0, false
	}
	return both / math.Sqrt(one) / math.Sqrt(other), true
}

// ranks returns the middle rank of each bin less the middle of all ranks, twice:
// a whole number.
func ranks(bins []int64) []float64 {
	var rows, below int64
	for _, n := range bins {
		rows += n
	}
	list := make([]float64, len(bins))
	for i, n := range bins {
		list[i] = float64(2*below + n - rows)
		below += n
	}
	return list
}

// PSI returns the index of rows against reference rows, both counted by
// ecdf.ScoreBin, over the reference's deciles; false when there are none of either.
func PSI(reference, rows []int64) (index float64, ok bool) {
	var of, all int64
	for i := range reference {
		of, all = of+reference[i], all+rows[i]
	}
	if of == 0 || all == 0 {
		return 0, false
	}
	return psi.Between(deciles(reference, rows, of, all)), true
}

// deciles returns the shares of both models' rows, which are so many, between the
// champion's deciles. A bin is not cut: a decile ends with the bin that completes it,
// and a bin that completes several leaves fewer than ten.
func deciles(champion, challenger []int64, rows, others int64) (of, against []float64) {
	var held, first, second int64 // held by all deciles, by the one at hand
	for i := range champion {
		held, first, second = held+champion[i], first+champion[i], second+challenger[i]
		// Complete when held passes the next tenth above what the deciles before hold.
		if tenth := 10 * (held - first) / rows; first > 0 && 10*held >= (tenth+1)*rows && held < rows {
			of, against = append(of, float64(first)/float64(rows)), append(against, float64(second)/float64(others))
			first, second = 0, 0
		}
	}
	return append(of, float64(first)/float64(rows)), append(against, float64(second)/float64(others))
}
