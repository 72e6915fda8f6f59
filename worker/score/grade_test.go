package score

import (
	"fmt"
	"testing"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

func TestC08ARecordedGradeStandsAndBillsGradeTheOthers(t *testing.T) {
	row := func(grade any, fees ...any) kerneltest.Row {
		r := kerneltest.Row{"history": 63, "vip_grade": grade}
		for k, f := range fees {
			r[fmt.Sprintf("fee_m%d", k)] = f
		}
		return r
	}
	cut := row(nil, 30_000, 90_000_000)
	cut["history"] = 1
	kerneltest.Run(t, NewGrade(job.Default().Policy),
		[]kerneltest.Row{
			row(nil, 30_000, 30_000, 30_000, 30_000, 30_000, 30_000), // ≥300 yuan a month on average: silver
			row(nil, 30_000, 30_000, 30_000, 30_000, 30_000, 29_999),
			row(nil, 70_000),           // ≥700: gold
			row(nil, 169_999, 170_001), // ≥1700: diamond
			row(nil, 169_999, nil, 170_000),
			row(1, 999_999), row(3, 0), row(0, 170_000), row(nil), row(9, 30_000), row(2), cut,
		},
		[]kerneltest.Row{{"grade": 1}, {"grade": 0}, {"grade": 2}, {"grade": 3}, {"grade": 2}, {"grade": 1}, {"grade": 3}, {"grade": 3}, {"grade": 0}, {"grade": 1}, {"grade": 2}, {"grade": 1}})
}

func TestGradeEqualsItsReference(t *testing.T) {
	policy := job.Default().Policy
	kerneltest.Random{
		New: func(int) kernel.Kernel { return NewGrade(policy) },
		Reference: func(in *kerneltest.In, out *kerneltest.Out) {
			if g := in.Int("vip_grade"); g != nil && *g >= 1 && *g <= 3 {
				out.Int("grade", *g)
				return
			}
			sum, months := int64(0), int64(0)
			for k := range 6 {
				if p := in.Int(fmt.Sprintf("fee_m%d", k)); p != nil && *in.Int("history")>>k&1 != 0 {
					sum, months = sum+*p, months+1
				}
			}
			grade := int64(0)
			for i, c := range policy.VIPGradeFen {
				if months > 0 && sum >= c*months {
					grade = int64(i + 1)
				}
			}
			out.Int("grade", grade)
		},
		Edges:     map[string][]int64{"fee": {0, 30_000, 70_000, 170_000}, "history": {1, 7, 63}, "vip_grade": {0, 3}},
		Max:       map[string]int64{"vip_grade": 4, "history": 63},
		NeverNull: []string{"history"},
	}.Run(t)
}

func TestC08AProductBandIsTheServicesUsedInTheMonth(t *testing.T) {
	row := func(name string, v any) kerneltest.Row { return kerneltest.Row{"history": 1, name: v} }
	before := row("sms_cnt_m0", 5)
	before["history"] = 0
	all := kerneltest.Row{"history": 63, "out_sec_m0": 1, "in_sec_m0": 1, "sms_cnt_m0": 1, "data_kb_m0": 1, "bb_flow_kb_m0": 1, "roam_sec_m0": 1, "elogin_cnt_m0": 1, "group_id": 1}
	kerneltest.Run(t, NewProduct(),
		[]kerneltest.Row{row("out_sec_m0", 1), row("in_sec_m0", 9), row("sms_cnt_m0", 1), row("data_kb_m0", 1), row("bb_flow_kb_m0", 1), row("roam_sec_m0", 1), row("elogin_cnt_m0", 1), row("group_id", 7), row("group_id", 0), row("sms_cnt_m0", 0), row("data_kb_m0", -1), {"history": 63}, before, all},
		[]kerneltest.Row{{"product_band": 1}, {"product_band": 1}, {"product_band": 2}, {"product_band": 4}, {"product_band": 8}, {"product_band": 16}, {"product_band": 32}, {"product_band": 64}, {"product_band": 0}, {"product_band": 0}, {"product_band": 0}, {"product_band": 0}, {"product_band": 0}, {"product_band": 127}})
}

func TestProductEqualsItsReference(t *testing.T) {
	kerneltest.Random{
		New: func(int) kernel.Kernel { return NewProduct() },
		Reference: func(in *kerneltest.In, out *kerneltest.Out) {
			own := *in.Int("history")&1 != 0
			used := func(names ...string) (yes int64) {
				for _, name := range names {
					if p := in.Int(name); p != nil && *p > 0 && own {
						yes = 1
					}
				}
				return yes
			}
			band := used("out_sec_m0", "in_sec_m0") + 2*used("sms_cnt_m0") + 4*used("data_kb_m0") + 8*used("bb_flow_kb_m0") + 16*used("roam_sec_m0") + 32*used("elogin_cnt_m0")
			if g := in.Int("group_id"); g != nil && *g != 0 {
				band += 64
			}
			out.Int("product_band", band)
		},
		Edges:     map[string][]int64{"history": {1, 63}},
		Max:       map[string]int64{"history": 63},
		NeverNull: []string{"history"},
	}.Run(t)
}

func TestC23AComplaintHasItsLowestTopic(t *testing.T) {
	row := func(tags, justified any) kerneltest.Row {
		return kerneltest.Row{"complaint_tags": tags, "complaint_justified": justified}
	}
	kerneltest.Run(t, NewComplaint(),
		[]kerneltest.Row{row(nil, nil), row(0, 0), row(1, 1), row(2, 2), row(4, nil), row(8, 0), row(16, 1), row(32, 1), row(0b101010, 1), row(64, 255)},
		[]kerneltest.Row{
			{"complaint_topic": 0, "justified": 2}, {"complaint_topic": 0, "justified": 0}, {"complaint_topic": 1, "justified": 1}, {"complaint_topic": 2, "justified": 2}, {"complaint_topic": 3, "justified": 2},
			{"complaint_topic": 4, "justified": 0}, {"complaint_topic": 5, "justified": 1}, {"complaint_topic": 6, "justified": 1}, {"complaint_topic": 2, "justified": 1}, {"complaint_topic": 0, "justified": 2},
		})
}

func TestComplaintEqualsItsReference(t *testing.T) {
	kerneltest.Random{
		New: func(int) kernel.Kernel { return NewComplaint() },
		Reference: func(in *kerneltest.In, out *kerneltest.Out) {
			topic, justified := int64(0), int64(2)
			if tags := in.Int("complaint_tags"); tags != nil {
				for bit := int64(5); bit >= 0; bit-- {
					if *tags&(1<<bit) != 0 {
						topic = bit + 1
					}
				}
			}
			if p := in.Int("complaint_justified"); p != nil && *p <= 1 {
				justified = *p
			}
			out.Int("complaint_topic", topic)
			out.Int("justified", justified)
		},
		Edges: map[string][]int64{"complaint_justified": {1}},
	}.Run(t)
}

func TestC18AChurnStageIsARiskBandOrTheEnd(t *testing.T) {
	row := func(status any, band int) kerneltest.Row {
		return kerneltest.Row{"status_m0": status, "risk_band": band}
	}
	kerneltest.Run(t, NewChurnStage(),
		[]kerneltest.Row{row(1, 1), row(1, 2), row(1, 3), row(1, 4), row(1, 5), row(6, 1), row(7, 5), row(nil, 2)},
		[]kerneltest.Row{{"churn_stage": 0}, {"churn_stage": 1}, {"churn_stage": 2}, {"churn_stage": 3}, {"churn_stage": 3}, {"churn_stage": 4}, {"churn_stage": 4}, {"churn_stage": 1}})
}

func TestChurnStageEqualsItsReference(t *testing.T) {
	kerneltest.Random{
		New: func(int) kernel.Kernel { return NewChurnStage() },
		Reference: func(in *kerneltest.In, out *kerneltest.Out) {
			stage := []int64{0, 0, 1, 2, 3, 3}[*in.Int("risk_band")]
			if s := in.Int("status_m0"); s != nil && (*s == 6 || *s == 7) {
				stage = 4
			}
			out.Int("churn_stage", stage)
		},
		Edges:     map[string][]int64{"status": {1, 6, 7}},
		Max:       map[string]int64{"risk_band": 5},
		NeverNull: []string{"risk_band"},
	}.Run(t)
}

func BenchmarkGrade(b *testing.B) {
	kerneltest.Benchmark(b, NewGrade(job.Default().Policy), map[string][]int64{"history": {63}, "vip_grade": {0, 0, 0, 1}})
}

func BenchmarkProduct(b *testing.B) {
	kerneltest.Benchmark(b, NewProduct(), map[string][]int64{"history": {63}})
}

func BenchmarkComplaint(b *testing.B) {
	kerneltest.Benchmark(b, NewComplaint(), map[string][]int64{"complaint_tags": {0, 0, 1, 2, 10}, "complaint_justified": {0, 1}})
}

func BenchmarkChurnStage(b *testing.B) {
	kerneltest.Benchmark(b, NewChurnStage(), map[string][]int64{"risk_band": {1, 2, 3, 4, 5}, "status": {1, 1, 6}})
}
