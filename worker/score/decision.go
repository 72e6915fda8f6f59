package score

import (
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// Decision is what to do about a subscriber, the value of retain_decision. The
// numbers are written to disk.
type Decision = uint8

// Decisions.
const (
	Retain         Decision = 1
	GiveUpLowValue Decision = 2
	GiveUpBadDebt  Decision = 3
	NoContactData  Decision = 4
	Involuntary    Decision = 5
	GroupHandled   Decision = 6
	Migrant        Decision = 7
	DoNotContact   Decision = 8
	Holdout        Decision = 9
	Gone           Decision = 10
	NoValue        Decision = 11
)

// byRank orders the decisions: of all that apply, the first is taken. What
// cannot be done comes before what may not be, that before what is somebody
// else's business, and what does not pay after all of them; holdout is drawn only
// from those who would be retained, so that it measures what retaining does (C15).
var byRank = [...]Decision{
	atGone:         Gone,           // cancelled or ported out at m
	atDoNotContact: DoNotContact,   // asked not to be called
	atBadDebt:      GiveUpBadDebt,  // malicious arrears, or large ones after repeated suspension
	atInvoluntary:  Involuntary,    // suspended for arrears by us
	atGroup:        GroupHandled,   // member of a group whose company pays
	atMigrant:      Migrant,        // the last two months' city is known and is not home
	atNoContact:    NoContactData,  // nobody knows how to reach them
	atNoValue:      NoValue,        // no bill in three months
	atLowValue:     GiveUpLowValue, // retaining costs more than it brings
	atHoldout:      Holdout,        // kept back to measure uplift
}

// Ranks, positions in byRank.
const (
	atGone = iota
	atDoNotContact
	atBadDebt
	atInvoluntary
	atGroup
	atMigrant
	atNoContact
	atNoValue
	atLowValue
	atHoldout
	atRetain
)

// decision computes retain_decision (domain C11).
type decision struct {
	spec   kernel.Spec
	policy job.Policy
	gain   float64 // as Stake has it
	cost   float64
	key    uint64

	applies [atRetain]lane.Mask  // by rank
	history []*lane.Mask         // which months are the subscriber's
	known   [inHistory]lane.Mask // by input
	a, b    lane.Mask
	all     lane.Mask
	x, y    [lane.Rows]float64
}

// Stake returns what there is to win and to lose by retaining somebody: gain is fen
// for each fen of expected monthly loss p·ARPU, that is s·g·T; cost is fen of a
// contact and its expected offer. Retaining pays when gain·p·ARPU is not below cost.
func Stake(policy job.Policy) (gain, cost float64) {
	return float64(policy.SaveRate*policy.Margin) * policy.HorizonMonths,
		float64(policy.ContactCostFen) + float64(policy.AcceptRate*float64(policy.OfferCostFen))
}

// NewDecision returns the kernel of retain_decision.
func NewDecision(policy job.Policy) kernel.Kernel {
	gain, cost := Stake(policy)
	d := &decision{
		policy: policy,
		gain:   gain,
		cost:   cost,
		key:    partition.Mix(policy.HoldoutSeed + holdoutSalt),

		history: masks(schema.Months),
	}
	d.all.Fill(true)
	d.spec = kernel.Spec{Name: "score.decision", Out: []kernel.Field{{Name: "retain_decision", Type: arrow.PrimitiveTypes.Uint8}}}
	for _, column := range []struct {
		name     string
		from, to int // months
	}{
		{schema.Key, 0, 0}, {"status", 0, 0}, {"vip_class", 0, 0}, {"vip_grade", 0, 0}, {"event_flags", 0, 0}, {"group_id", 0, 0},
		{"arrears_fen", 0, 0}, {"suspend_cnt", 1, schema.Months - 1}, {"city_code", 0, 0}, {"cell_city_code", 0, 1},
	} {
		d.spec.In = append(d.spec.In, kernel.Columns(column.name, column.from, column.to)...)
	}
	d.spec.In = append(d.spec.In, kernel.History,
		kernel.Field{Name: "arpu3_fen", Type: arrow.PrimitiveTypes.Int64}, kernel.Field{Name: "propensity", Type: arrow.PrimitiveTypes.Float32})
	return d
}

func (d *decision) Spec() kernel.Spec { return d.spec }

// Inputs, by position.
const (
	inNumber = iota
	inStatus
	inClass
	inGrade
	inSigns
	inGroup
	inArrears
	inSuspend // m-1 … m-5
	inHome    = inSuspend + schema.Months - 1
	inCell    = inHome + 1 // m, m-1
	inHistory = inCell + 2
	inArpu    = inHistory + 1
	inChurn   = inArpu + 1
)

func (d *decision) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		d.find(in, lo, hi)
		decided := out[0].U8[lo:hi]
		lane.Put(decided, &d.all, Retain)
		for rank := atRetain - 1; rank >= 0; rank-- {
			lane.Put(decided, &d.applies[rank], byRank[rank])
		}
	}
}

// find fills applies for rows lo to hi-1.
func (d *decision) find(in []kernel.Vector, lo, hi int) {
	lane.Unpack(d.history, in[inHistory].U8[lo:hi])
	for column := range d.known {
		d.known[column].Valid(in[column].Valid, lo, hi-lo)
	}
	d.recorded(in, lo, hi)
	d.indebted(in, lo, hi)
	d.away(in, lo, hi)
	d.worth(in, lo, hi)
	d.holdout(in, lo, hi)
}

// Codes of the canonical record that decisions look for.
const (
	arrearsSuspended = 4 // status
	preCancelled     = 5
	cancelled        = 6
	portedOut        = 7

	companyPays = 4 // event_flags, bits
	incomplete  = 5
	malicious   = 6
	leaveAlone  = 7
)

// recorded finds what the record says outright. What is not known does not apply.
func (d *decision) recorded(in []kernel.Vector, lo, hi int) {
	status, signs := in[inStatus].U8[lo:hi], in[inSigns].U32[lo:hi]
	gone, group := &d.applies[atGone], &d.applies[atGroup]
	lane.Equal(gone, status, cancelled)
	lane.Equal(&d.a, status, portedOut)
	gone.Or(gone, &d.a)
	gone.And(gone, &d.known[inStatus])
	lane.Equal(&d.applies[atInvoluntary], status, arrearsSuspended)
	d.applies[atInvoluntary].And(&d.applies[atInvoluntary], &d.known[inStatus])

	for _, sign := range [...]struct {
		bit  uint
		rank int
	}{{leaveAlone, atDoNotContact}, {malicious, atBadDebt}, {incomplete, atNoContact}, {companyPays, atGroup}} {
		m := &d.applies[sign.rank]
		lane.Bit(m, signs, sign.bit)
		m.And(m, &d.known[inSigns])
	}
	if !d.policy.GroupHandled {
		group.Fill(false)
	}
	lane.Equal(&d.a, in[inGroup].U64[lo:hi], 0)
	group.AndNot(group, &d.a)
	group.And(group, &d.known[inGroup])
}

// indebted finds large arrears of a suspended number that was suspended often
// before m. Months that are not known count as none.
func (d *decision) indebted(in []kernel.Vector, lo, hi int) {
	status := in[inStatus].U8[lo:hi]
	lane.Equal(&d.a, status, preCancelled)
	d.a.And(&d.a, &d.known[inStatus])
	d.a.Or(&d.a, &d.applies[atInvoluntary])
	lane.Less(&d.b, in[inArrears].I64[lo:hi], d.policy.BadDebtFen)
	d.a.AndNot(&d.a, &d.b)
	d.a.And(&d.a, &d.known[inArrears])
	if d.a.Count(hi-lo) == 0 {
		return
	}
	times := d.x[:hi-lo]
	clear(times)
	for k := 1; k < schema.Months; k++ {
		c := inSuspend + k - 1
		d.b.And(&d.known[c], d.history[k])
		lane.AddFloat(times, in[c].I16[lo:hi], &d.b)
	}
	lane.Less(&d.b, times, float64(d.policy.BadDebtSuspends))
	d.a.AndNot(&d.a, &d.b)
	d.applies[atBadDebt].Or(&d.applies[atBadDebt], &d.a)
}

// away finds a number used in another city than home in m and in m-1.
func (d *decision) away(in []kernel.Vector, lo, hi int) {
	home := in[inHome].U32[lo:hi]
	m := &d.applies[atMigrant]
	lane.EqualTo(m, in[inCell].U32[lo:hi], home)
	lane.EqualTo(&d.a, in[inCell+1].U32[lo:hi], home)
	m.Or(m, &d.a)
	m.AndNot(d.history[1], m)
	for _, column := range [...]int{inHome, inCell, inCell + 1} {
		m.And(m, &d.known[column])
	}
}

// worth finds those without a bill, and those whom retaining would cost more
// than it brings: p·s·ARPU·g·T − (contact + a·offer) below zero.
func (d *decision) worth(in []kernel.Vector, lo, hi int) {
	gross, p, arpu := d.x[:hi-lo], d.y[:hi-lo], in[inArpu].I64[lo:hi]
	lane.Less(&d.applies[atNoValue], arpu, 0)
	lane.Widen(p, in[inChurn].F32[lo:hi])
	lane.Float(gross, arpu, &d.all, 0)
	lane.Mul(gross, gross, p)
	lane.Scale(gross, gross, d.gain)
	lane.Less(&d.applies[atLowValue], gross, d.cost) // as exact as the difference's sign
}

// holdoutSalt keeps the holdout draw apart from other uses of partition.Mix.
const holdoutSalt = 0x686f6c646f757431 // "holdout1"

// holdout draws from those who would be retained. VIPs, those with a
// large-customer class or a VIP grade, are spared unless the policy says
// otherwise.
func (d *decision) holdout(in []kernel.Vector, lo, hi int) {
	left := &d.applies[atHoldout]
	left.Fill(true)
	for rank := range atHoldout {
		left.AndNot(left, &d.applies[rank])
	}
	if !d.policy.HoldoutVIP {
		for _, column := range [...]int{inClass, inGrade} {
			lane.Equal(&d.a, in[column].U8[lo:hi], 0)
			d.a.AndNot(&d.known[column], &d.a)
			left.AndNot(left, &d.a)
		}
	}
	draw(left, in[inNumber].U64[lo:hi], d.key, uint64(max(d.policy.HoldoutPct, 0)))
}

// draw keeps percent of the numbers of a mask by a keyed hash: the same numbers
// for the same seed, whatever the month, the file or the partition.
func draw(m *lane.Mask, number []uint64, key, percent uint64) {
	for lo := 0; lo < len(number); lo += 64 {
		drawn := uint64(0)
		for rest := m[lo>>6]; rest != 0; rest &= rest - 1 {
			i := bits.TrailingZeros64(rest)
			if lo+i < len(number) && partition.Mix(number[lo+i]^key)%100 < percent {
				drawn |= 1 << i
			}
		}
		m[lo>>6] = drawn
	}
}
