package feature

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// history computes the history columns of package kernel.
//
// Full months are calendar months spent on the network from their first day to
// their last: somebody who joined on 15 September has none of September, and
// somebody who joined on the 1st has all of it. tenure_months is believed where
// it is given; a tenure below zero, or a day of joining after the scoring month,
// is no full month.
type history struct {
	partial  bool  // a partial activation month is kept out of comparisons
	index    int32 // of the scoring month
	first    [schema.Months + 1]int32
	joinedOn []stay // by day of joining, from 1970 to asof

	undated, untold, m lane.Mask
	months             presence
}

// allMonths has a bit for each month.
const allMonths = 1<<schema.Months - 1

// stay is the time on network: full months, doubled, and 1 for a month begun
// after its first day.
type stay uint16

func (s stay) full() int16  { return int16(s >> 1) }
func (s stay) begun() uint8 { return uint8(min(s>>1+s&1, kernel.NoLimit-1)) }

// NewHistory returns the kernel that makes kernel.History, HistoryCompare,
// HistoryDepth and HistoryTenure from activation_date and tenure_months.
func NewHistory(rules job.Rules, month int32) kernel.Kernel {
	h := &history{
		partial: rules.ExcludePartialFirstMonth, index: kernel.MonthIndex(month),
		joinedOn: make([]stay, max(kernel.MonthEnd(month)+1, 0)), months: newPresence(schema.Months),
	}
	for k := range h.first {
		h.first[k] = kernel.MonthStart(kernel.MonthAdd(month, 1-k))
	}
	// Whoever joined after the first day of a month has been there as long as the others.
	for first := 0; first < len(h.joinedOn); {
		index, _ := kernel.DateMonth(int32(first))
		past := int(kernel.MonthStart(kernel.MonthOf(index + 1)))
		later := h.since(int32(first) + 1)
		for day := first + 1; day < past; day++ {
			h.joinedOn[day] = later
		}
		h.joinedOn[first] = h.since(int32(first))
		first = past
	}
	return h
}

// since works out the stay of somebody who joined on that day.
func (h *history) since(date int32) stay {
	joined, day := kernel.DateMonth(date)
	age := h.index - joined // months since the activation month
	switch {
	case age < 0:
		return 0
	case day == 1:
		return stay(min(age+1, math.MaxInt16)) << 1
	}
	return stay(min(age, math.MaxInt16))<<1 | 1
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
	for lo := 0; lo < n; lo += chunk {
		hi := min(lo+chunk, n)
		h.undated.Valid(in[0].Valid, lo, hi-lo)
		h.undated.Not(&h.undated)
		h.untold.Valid(in[1].Valid, lo, hi-lo)
		h.untold.Not(&h.untold)
		date, told := in[0].I32[lo:hi], in[1].I16[lo:hi]

		months, compare := out[0].U8[lo:hi], out[1].U8[lo:hi]
		depth, full := out[2].U8[lo:hi], out[3].I16[lo:hi]
		if h.undated.Count(hi-lo) < hi-lo { // the base may lack the date
			// Month k is the subscriber's when they joined before month k-1, and all of
			// it when they joined by its first day.
			h.when(months, date, h.first[:schema.Months], -1)
			if h.partial {
				h.when(compare, date, h.first[1:], 0)
			} else {
				copy(compare, months)
			}
			h.stay(depth, full, date)
		}
		lane.Put(months, &h.undated, allMonths)
		lane.Put(compare, &h.undated, allMonths)
		lane.Put(depth, &h.undated, kernel.NoLimit-1)
		lane.Put(full, &h.undated, -1)
		lane.Select(full, &h.untold, full, told)
		lane.Less(&h.m, full, 0) // a tenure given below zero
		h.m.AndNot(&h.m, &h.untold)
		lane.Put(full, &h.m, 0)
		lesser(depth, full)
		h.m.And(&h.undated, &h.untold)
		lane.Put(depth, &h.m, kernel.NoLimit)
	}
}

// when sets bit k where the date is late days after first[k] or before.
func (h *history) when(dst []uint8, date []int32, first []int32, late int32) {
	for k := range first {
		m := h.months[k]
		lane.AtMost(m, date, first[k]+late)
	}
	lane.Pack(dst, h.months)
}

// stay writes the months begun and the full months since each date.
func (h *history) stay(begun []uint8, full []int16, date []int32) {
	begun, full = begun[:len(date)], full[:len(date)]
	for i, d := range date {
		var s stay // none after asof
		if uint32(d) < uint32(len(h.joinedOn)) {
			s = h.joinedOn[d]
		} else if d < 0 { // before 1970
			s = h.since(d)
		}
		begun[i], full[i] = s.begun(), s.full()
	}
}

// lesser cuts a depth down to the full months, where they are known.
func lesser(depth []uint8, full []int16) {
	full = full[:len(depth)]
	for i := range depth {
		depth[i] = uint8(min(uint16(depth[i]), uint16(full[i]))) // unknown is -1, the largest
	}
}
