package score

import (
	"math"
	"math/big"
	"testing"

	"rescore/partition"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

func TestValueEqualsTheReferenceOnRandomRows(t *testing.T) {
	cut := policy().ValueCutFen
	kerneltest.Random{
		New: func(n int) kernel.Kernel { return NewValue(policy()) },
		Reference: func(in *kerneltest.In, out *kerneltest.Out) {
			sum, n := int64(0), int64(0)
			for k, name := range []string{"fee_m0", "fee_m1", "fee_m2"} {
				if p := in.Int(name); p != nil && *in.Int("history")>>k&1 == 1 {
					sum, n = sum+*p, n+1
				}
			}
			if n == 0 {
				out.Int("arpu3_fen", -1)
				out.Int("value_tier", 255)
				return
			}
			// Half to even: the nearest, and of two equally near the even one.
			low := new(big.Int).Div(big.NewInt(sum), big.NewInt(n)).Int64()
			switch twice := 2 * (sum - low*n); {
			case twice > n, twice == n && low&1 == 1:
				low++
			}
			low = max(low, 0)
			tier := int64(0)
			for _, c := range cut {
				if low >= c {
					tier++
				}
			}
			out.Int("arpu3_fen", low)
			out.Int("value_tier", tier)
		},
		Edges:     map[string][]int64{"fee": cut[:], "history": {0, 1, 3, 7, 63}},
		NeverNull: []string{"history"},
	}.Run(t)
}

func TestLossEqualsTheReferenceOnRandomRows(t *testing.T) {
	kerneltest.Random{
		New: func(int) kernel.Kernel { return NewLoss() },
		Reference: func(in *kerneltest.In, out *kerneltest.Out) {
			arpu := *in.Int("arpu3_fen")
			if arpu < 0 {
				out.Int("expected_loss_fen", -1)
				return
			}
			product := in.Float("propensity") * float64(arpu)
			low := math.Floor(product)
			if d := product - low; d > 0.5 || d == 0.5 && math.Mod(low, 2) == 1 {
				low++
			}
			out.Int("expected_loss_fen", int64(low))
		},
		Range:     map[string][2]float64{"propensity": {1e-6, 1 - 1e-6}},
		Edges:     map[string][]int64{"arpu3_fen": {-1, 1, 2, 3}},
		NeverNull: []string{"arpu3_fen"},
	}.Run(t)
}

func TestDecisionEqualsTheReferenceOnRandomRows(t *testing.T) {
	p := policy()
	p.HoldoutPct, p.HoldoutSeed = 30, 20101231
	code := func(v *int64) int64 {
		if v == nil {
			return 0
		}
		return *v
	}
	kerneltest.Random{
		New: func(n int) kernel.Kernel { return NewDecision(p) },
		Reference: func(in *kerneltest.In, out *kerneltest.Out) {
			history, status, flags := *in.Int("history"), code(in.Int("status_m0")), code(in.Int("event_flags"))
			earlier := int64(0)
			for k, name := range []string{"", "suspend_cnt_m1", "suspend_cnt_m2", "suspend_cnt_m3", "suspend_cnt_m4", "suspend_cnt_m5"} {
				if k > 0 && history>>k&1 == 1 {
					earlier += code(in.Int(name))
				}
			}
			arrears, home := in.Int("arrears_fen"), in.Int("city_code")
			cell0, cell1 := in.Int("cell_city_code_m0"), in.Int("cell_city_code_m1")
			arpu, churn := *in.Int("arpu3_fen"), in.Float("propensity")
			hash := partition.Mix(uint64(*in.Int("msisdn")) ^ partition.Mix(p.HoldoutSeed+holdoutSalt))
			decide := func() Decision {
				switch {
				case status == 6 || status == 7:
					return Gone
				case flags&128 != 0:
					return DoNotContact
				case flags&64 != 0 || arrears != nil && *arrears >= p.BadDebtFen && (status == 4 || status == 5) && earlier >= p.BadDebtSuspends:
					return GiveUpBadDebt
				case status == 4:
					return Involuntary
				case code(in.Int("group_id")) != 0 && flags&16 != 0:
					return GroupHandled
				case home != nil && cell0 != nil && cell1 != nil && history>>1&1 == 1 && *cell0 != *home && *cell1 != *home:
					return Migrant
				case flags&32 != 0:
					return NoContactData
				case arpu < 0:
					return NoValue
				case churn*float64(arpu)*(p.SaveRate*p.Margin*p.HorizonMonths)-(200+0.3*1000) < 0:
					return GiveUpLowValue
				case hash%100 < 30 && code(in.Int("vip_class")) == 0 && code(in.Int("vip_grade")) == 0:
					return Holdout
				}
				return Retain
			}
			out.Int("retain_decision", int64(decide()))
		},
		Range: map[string][2]float64{"propensity": {1e-6, 1 - 1e-6}},
		Edges: map[string][]int64{
			"status": {1, 1, 1, 4, 5, 7}, "event_flags": {0, 0, 0, 16, 32, 64, 128, 240}, "group_id": {0, 5}, "arrears_fen": {10000},
			"suspend_cnt": {0, 1}, "city_code": {10}, "cell_city_code": {10}, "arpu3_fen": {-1, 1389, 20000}, "history": {1, 3, 7, 15, 31, 63},
			"vip_class": {0, 0}, "vip_grade": {0, 0},
		},
		NeverNull: []string{"history", "arpu3_fen", "msisdn"},
	}.Run(t)
}
