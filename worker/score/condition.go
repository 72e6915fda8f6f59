package score

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// Codes of the canonical record that offers look for.
const (
	prepaid = 1 // pay_mode
	campus  = 3 // service_type
	classD  = 4 // vip_class
	student = 8 // event_flags, a bit
)

// conditions makes every condition of schema.OfferConditions under a policy.
func conditions(policy job.Policy, rules job.Rules, month int32) map[string]condition {
	u8 := arrow.PrimitiveTypes.Uint8
	one := func(name string, typ arrow.DataType) []kernel.Field { return []kernel.Field{{Name: name, Type: typ}} }
	equal := func(name string, code uint8) condition {
		return condition{fields: one(name, u8), holds: func(_ *offer, dst *lane.Mask, in []kernel.Vector, lo, hi int) {
			lane.Equal(dst, in[0].U8[lo:hi], code)
		}}
	}
	all := map[string]condition{
		"always":         {holds: func(_ *offer, dst *lane.Mask, _ []kernel.Vector, _, _ int) { dst.Fill(true) }},
		"network_cause":  equal("cause", network),
		"price_cause":    equal("cause", price),
		"stage_early":    equal("churn_stage", early),
		"stage_middle":   equal("churn_stage", middle),
		"stage_late":     equal("churn_stage", late),
		"stage_complete": equal("churn_stage", complete),
		"not_retained": {fields: one("retain_decision", u8), holds: func(_ *offer, dst *lane.Mask, in []kernel.Vector, lo, hi int) {
			lane.Equal(dst, in[0].U8[lo:hi], Retain)
			dst.Not(dst)
		}},
		"bill_shock": {fields: one("bill_shock", arrow.PrimitiveTypes.Float64), holds: func(_ *offer, dst *lane.Mask, in []kernel.Vector, lo, hi int) {
			lane.Equal(dst, in[0].F64[lo:hi], 1)
		}},
		"employer_pays": {fields: kernel.Columns("event_flags", 0, 0), holds: func(o *offer, dst *lane.Mask, in []kernel.Vector, lo, hi int) {
			o.event(dst, companyPays, &in[0], lo, hi)
		}},
		"vip": {fields: append(one("grade", u8), kernel.Columns("vip_class", 0, 0)...), holds: (*offer).vip},
		"student": {
			fields: slices.Concat(kernel.Columns("birth_year", 0, 0), kernel.Columns("service_type", 0, 0), kernel.Columns("event_flags", 0, 0)),
			holds: func(o *offer, dst *lane.Mask, in []kernel.Vector, lo, hi int) {
				o.student(dst, in, lo, hi, int64(month/100), policy.StudentAge)
			},
		},
		"traveller": {
			fields: append(slices.Concat(kernel.Columns("out_sec", 0, 0), kernel.Columns("in_sec", 0, 0), kernel.Columns("roam_sec", 0, 0), kernel.Columns("city_cnt", 0, 0)), kernel.History),
			holds: func(o *offer, dst *lane.Mask, in []kernel.Vector, lo, hi int) {
				o.traveller(dst, in, lo, hi, policy.RoamSharePct, policy.RoamCities)
			},
		},
		"low_balance": {
			fields: append(kernel.Columns("pay_mode", 0, 0), kernel.Columns("balance_fen", 0, 0)...),
			holds: func(o *offer, dst *lane.Mask, in []kernel.Vector, lo, hi int) {
				o.lowBalance(dst, in, lo, hi, rules.T3BalanceFen)
			},
		},
	}
	for t := 1; t <= 14; t++ {
		bit := uint(t - 1)
		all[fmt.Sprintf("t%d", t)] = condition{fields: one("trg_fired", arrow.PrimitiveTypes.Uint16), holds: func(_ *offer, dst *lane.Mask, in []kernel.Vector, lo, hi int) {
			lane.Bit(dst, in[0].U16[lo:hi], bit)
		}}
	}
	return all
}

// event sets dst where an event is recorded.
func (o *offer) event(dst *lane.Mask, bit uint, flags *kernel.Vector, lo, hi int) {
	lane.Bit(dst, flags.U32[lo:hi], bit)
	o.known.Valid(flags.Valid, lo, hi-lo)
	dst.And(dst, &o.known)
}

// vip: a VIP grade, or a class from A to D.
func (o *offer) vip(dst *lane.Mask, in []kernel.Vector, lo, hi int) {
	class := in[1].U8[lo:hi]
	o.known.Valid(in[1].Valid, lo, hi-lo)
	lane.Equal(&o.x, class, 0)
	o.known.AndNot(&o.known, &o.x)
	lane.AtMost(&o.x, class, classD)
	o.known.And(&o.known, &o.x)
	lane.Equal(dst, in[0].U8[lo:hi], 0)
	dst.Not(dst)
	dst.Or(dst, &o.known)
}

// student: of the age in the scoring year, and with a campus phone or marked so.
func (o *offer) student(dst *lane.Mask, in []kernel.Vector, lo, hi int, year int64, age [2]int64) {
	born := in[0].I16[lo:hi]
	o.event(dst, student, &in[2], lo, hi)
	lane.Equal(&o.x, in[1].U8[lo:hi], campus)
	o.known.Valid(in[1].Valid, lo, hi-lo)
	o.x.And(&o.x, &o.known)
	dst.Or(dst, &o.x)
	o.known.Valid(in[0].Valid, lo, hi-lo)
	dst.And(dst, &o.known)
	lane.Less(&o.x, born, int16(year-age[1])) // older
	dst.AndNot(dst, &o.x)
	lane.AtMost(&o.x, born, int16(year-age[0]))
	dst.And(dst, &o.x)
}

// traveller: so much of the month's voice was roaming, or in so many cities.
func (o *offer) traveller(dst *lane.Mask, in []kernel.Vector, lo, hi int, percent, cities int64) {
	lane.Bit(dst, in[4].U8[lo:hi], 0)
	for i := range 3 {
		o.known.Valid(in[i].Valid, lo, hi-lo)
		dst.And(dst, &o.known)
	}
	if dst.Count(hi-lo) > 0 { // the base may lack roaming
		voice, roam := o.voice[:hi-lo], o.roam[:hi-lo]
		lane.Add(voice, in[0].I64[lo:hi], in[1].I64[lo:hi])
		lane.AtMost(&o.x, voice, 0)
		dst.AndNot(dst, &o.x)
		lane.Scale(voice, voice, percent)
		lane.Scale(roam, in[2].I64[lo:hi], 100)
		lane.LessThan(&o.x, roam, voice)
		dst.AndNot(dst, &o.x)
	}

	lane.Less(&o.x, in[3].U8[lo:hi], uint8(cities))
	o.known.Valid(in[3].Valid, lo, hi-lo)
	o.x.AndNot(&o.known, &o.x)
	dst.Or(dst, &o.x)
}

// lowBalance is T3's first arm: prepaid and below the limit.
func (o *offer) lowBalance(dst *lane.Mask, in []kernel.Vector, lo, hi int, limit int64) {
	lane.Equal(dst, in[0].U8[lo:hi], prepaid)
	o.known.Valid(in[0].Valid, lo, hi-lo)
	dst.And(dst, &o.known)
	lane.Less(&o.x, in[1].I64[lo:hi], limit)
	dst.And(dst, &o.x)
	o.known.Valid(in[1].Valid, lo, hi-lo)
	dst.And(dst, &o.known)
}
