package ecdf

import (
	"math/rand/v2"
	"testing"

	"rescore/partition/job"
)

// TestARankingByLossAsksForNothingElse but whether there is a bill; others do.
func TestARankingByLossAsksForNothingElse(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"", "expected_loss", "clv", "uplift", "weighted"} {
		policy := job.Default().Policy
		policy.Priority = by
		r := NewRanking(policy)
		random := rand.New(rand.NewPCG(1, 1))
		alike := true
		for range 1000 {
			row := Row{
				LossFen: random.Int64N(100_000) - 10, BillFen: random.Int64N(100_000) - 10, Propensity: random.Float32(),
				Score: uint16(random.UintN(1001)), RiskBand: uint8(random.UintN(6)), TenureClass: uint8(random.UintN(7)),
			}
			key, ok := r.Key(&row)
			there := row.LossFen >= 0 && row.BillFen >= 0
			alike = alike && ok == there && (!ok || key == Bin(row.LossFen))
		}
		if r.ByLoss() != alike {
			t.Errorf("%q ranks by the loss: %t, and says %t", by, alike, r.ByLoss())
		}
	}
}
