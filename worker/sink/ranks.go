package sink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/worker/freelist"
)

// histograms keeps empty ones, up to four megabytes each, from one attempt to the
// next.
var histograms = map[ecdf.Kind]*freelist.List[ecdf.Histogram]{
	ecdf.Amounts: {New: func() *ecdf.Histogram { return ecdf.New(ecdf.Amounts) }},
	ecdf.Pairs:   {New: func() *ecdf.Histogram { return ecdf.New(ecdf.Pairs) }},
}

// Places of the columns that subscribers are ranked by.
var (
	lossColumn, decisionColumn   = scored.find("expected_loss_fen"), scored.find("retain_decision")
	billColumn, propensityColumn = scored.find("arpu3_fen"), scored.find("propensity")
	scoreColumn, riskColumn      = scored.find("propensity_score"), scored.find("risk_band")
	tenureColumn                 = scored.find("tenure_class")
)

// countRanks counts, by what they are ranked by, the rows from first on that are in the base
// that subscribers are ranked in: eligible, with a bill.
func (g *group) countRanks(first int, h *ecdf.Histogram, by *ecdf.Ranking) {
	losses := g.columns[lossColumn].(*wide[int64]).all()[first:]
	decisions := g.columns[decisionColumn].(*small[uint8]).all()[first:][:len(losses)]
	bills := g.columns[billColumn].(*wide[int64]).all()[first:][:len(losses)]
	propensities := g.columns[propensityColumn].(*real).values[first:][:len(losses)]
	scores := g.columns[scoreColumn].(*narrow[uint16]).all()[first:][:len(losses)]
	risks := g.columns[riskColumn].(*small[uint8]).all()[first:][:len(losses)]
	tenures := g.columns[tenureColumn].(*small[uint8]).all()[first:][:len(losses)]
	// Who is eligible looks random to a processor: they are listed first, without a branch.
	// And counters that are far apart are waited for together.
	var list, keys [sumBlock]int32
	var row ecdf.Row // set field by field: a copy of what was just written is waited for
	for from := 0; from < len(losses); from += sumBlock {
		n := 0
		for i, decision := range decisions[from:min(from+sumBlock, len(losses))] {
			list[n] = int32(from + i)
			if ecdf.Eligible(decision) {
				n++
			}
		}
		ranked := 0
		if by.ByLoss() {
			for _, i := range list[:n] {
				keys[ranked] = int32(ecdf.Bin(losses[i]))
				if losses[i]|bills[i] >= 0 {
					ranked++
				}
			}
			n = 0
		}
		for _, i := range list[:n] {
			row.LossFen, row.BillFen, row.Propensity = losses[i], bills[i], propensities[i]
			row.Score, row.RiskBand, row.TenureClass = scores[i], risks[i], tenures[i]
			if key, ok := by.Key(&row); ok {
				keys[ranked] = int32(key)
				ranked++
			}
		}
		h.AddAll(keys[:ranked])
	}
}

// putCounts stages counts of a partition's rows.
func putCounts(ctx context.Context, st store.Store, kind job.FileKind, name string, data []byte, rows int64) (job.File, error) {
	if err := st.Put(ctx, name, data); err != nil {
		return job.File{}, fmt.Errorf("stage %s: %w", name, err)
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	return job.File{Kind: kind, Path: name, Rows: rows, Bytes: int64(len(data)), SHA256: digest, Content: digest}, nil
}
