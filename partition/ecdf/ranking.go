package ecdf

import (
	"math"

	"rescore/partition/job"
)

// NoAmount is the amount of a subscriber without a bill in three months.
const NoAmount = -1

// Row is what a subscriber is ranked by, of the published columns, so that a
// reader of the file can work it out again.
type Row struct {
	LossFen     int64 // expected_loss_fen
	BillFen     int64 // arpu3_fen; below 0: no bill
	Propensity  float32
	Score       uint16 // propensity_score
	RiskBand    uint8
	TenureClass uint8
}

// Ranking turns subscribers into keys, by a policy's priority (domain C10 and §11,
// 17). With p the propensity, g the margin and T the horizon:
//
//	expected_loss  expected_loss_fen
//	clv            round(p × bill × g × months), months = min(T, 1/h), h the
//	               monthly churn of the subscriber's tenure class: an exponential
//	               life has a mean of 1/h, and the horizon cuts it
//	uplift         max(round(s × p × bill × g × T − cost), 0), s the save rate of the
//	               risk band, cost that of a contact and its expected offer
//	weighted       no amount: the propensity_score and the bill, a cell
//
// Amounts are rounded half to even.
type Ranking struct {
	kind Kind
	by   string
	gain [8]float64 // by tenure class, or by risk band
	cost float64
}

// NewRanking returns the ranking of a policy.
func NewRanking(policy job.Policy) *Ranking {
	r := &Ranking{kind: Amounts, by: policy.Priority}
	switch r.by {
	case "clv":
		last := len(policy.ClvChurn) - 1 // of an unknown tenure
		for class := range r.gain {
			h := policy.ClvChurn[last]
			if class > 0 && class <= last {
				h = policy.ClvChurn[class-1]
			}
			r.gain[class] = policy.Margin * min(policy.HorizonMonths, 1/h)
		}
	case "uplift":
		for i, s := range policy.UpliftSaveRate {
			r.gain[1+i] = float64(s*policy.Margin) * policy.HorizonMonths
		}
		r.cost = float64(policy.ContactCostFen) + float64(policy.AcceptRate*float64(policy.OfferCostFen))
	case "weighted":
		r.kind = Pairs
	}
	return r
}

// Kind returns what its keys are.
func (r *Ranking) Kind() Kind { return r.kind }

// ByLoss reports whether the expected loss is the amount of all who have a bill: then
// nothing else of a row is asked for.
func (r *Ranking) ByLoss() bool { return r.kind == Amounts && r.by != "clv" && r.by != "uplift" }

// Amount returns what a subscriber is ranked by, in fen, or NoAmount. A ranking of
// pairs has the bill alone.
func (r *Ranking) Amount(row *Row) int64 {
	var gain float64
	switch {
	case row.BillFen < 0:
		return NoAmount
	case r.by == "clv":
		gain = r.gain[row.TenureClass&7]
	case r.by == "uplift":
		gain = r.gain[row.RiskBand&7]
	case r.kind == Pairs:
		return row.BillFen
	default:
		return row.LossFen
	}
	loss := float64(float64(row.Propensity) * float64(row.BillFen))
	return int64(max(math.RoundToEven(float64(loss*gain)-r.cost), 0))
}

// Key returns the key of a subscriber who has a bill.
func (r *Ranking) Key(row *Row) (key int, ok bool) {
	amount := r.Amount(row)
	switch {
	case amount < 0:
		return 0, false
	case r.kind == Pairs:
		return Cell(row.Score, row.BillFen), true
	}
	return Bin(amount), true
}
