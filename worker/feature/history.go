package feature

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/kernel"
)

// history computes the history columns of package kernel.
//
// Full months are calendar months spent on the network from their first day to
// their last: somebody who joined on 15 September has none of September, and
// somebody who joined on the 1st has all of it. tenure_months is believed where
// it is given; a tenure below zero, or a day of joining after the scoring month,
// is no full month.
type history struct {
	index   int32 // of the scoring month
	partial bool  // a partial activation month is kept out of comparisons
	chunk   int
	dated   []uint8 // activation date known
	told    []uint8 // tenure_months known
}

// NewHistory returns the kernel that makes kernel.History, HistoryCompare,
// HistoryDepth and HistoryTenure from activation_date and tenure_months.
func NewHistory(rules job.Rules, month int32, batchRows int) kernel.Kernel {
	chunk := min(batchRows, kernel.ChunkRows)
	return &history{
		index: kernel.MonthIndex(month), partial: rules.ExcludePartialFirstMonth,
		chunk: chunk, dated: make([]uint8, chunk), told: make([]uint8, chunk),
	}
}

func (h *history) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "feature.history",
		In: []kernel.Field{
			{Name: "activation_date", Type: arrow.FixedWidthTypes.Date32},
			{Name: "tenure_months", Type: arrow.PrimitiveTypes.Int16},
		},
		Out: []kernel.Field{kernel.History, kernel.HistoryCompare, kernel.HistoryDepth, kernel.HistoryTenure},
	}
}

func (h *history) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += h.chunk {
		hi := min(lo+h.chunk, n)
		in[0].Valid.From(lo).Bytes(h.dated, hi-lo)
		in[1].Valid.From(lo).Bytes(h.told, hi-lo)
		look(out[0].U8[lo:hi], out[1].U8[lo:hi], out[2].U8[lo:hi], out[3].I16[lo:hi],
			in[0].I32[lo:hi], h.dated, in[1].I16[lo:hi], h.told, h.index, h.partial)
	}
}

func look(months, compare, depth []uint8, full []int16, date []int32, dated []uint8, told []int16, given []uint8, index int32, partial bool) {
	n := len(months)
	compare, depth, full = compare[:n], depth[:n], full[:n]
	date, dated, told, given = date[:n], dated[:n], told[:n], given[:n]
	for i := range n {
		m, c, seen, tenure := uint8(0x3f), uint8(0x3f), int32(kernel.NoLimit), int32(-1)
		if dated[i] != 0 {
			joined, day := kernel.DateMonth(date[i])
			age := index - joined // months since the activation month
			whole := int32(0)
			if day == 1 {
				whole = 1
			}
			seen = max(min(age+1, 254), 0)
			tenure = max(min(age+whole, math.MaxInt16), 0)
			m = uint8(1<<min(seen, 6) - 1)
			c = m
			if partial {
				c = uint8(1<<min(tenure, 6) - 1)
			}
		}
		if given[i] != 0 {
			tenure = max(int32(told[i]), 0)
		}
		months[i], compare[i], full[i] = m, c, int16(tenure)
		if tenure >= 0 {
			seen = min(seen, tenure, 254)
		}
		depth[i] = uint8(seen)
	}
}
