package score

import (
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
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
var byRank = [16]Decision{
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
	atRetain:       Retain,
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
	spec      kernel.Spec
	policy    job.Policy
	gain      float64 // fen of gain for each fen of expected monthly loss: s·g·T
	cost      float64 // fen of a contact and its expected offer
	key       uint64
	chunk     int
	known     []uint8
	located   []uint8  // bits 0 to 2: home, city of m, city of m-1 known
	flags     []uint16 // bit r: byRank[r] applies
	state     []uint8
	class     []uint8
	grade     []uint8
	signs     []uint32
	group     []uint64
	suspended []int64 // earlier suspensions
}

// NewDecision returns the kernel of retain_decision.
func NewDecision(policy job.Policy, batchRows int) kernel.Kernel {
	d := &decision{
		policy: policy,
		gain:   float64(policy.SaveRate*policy.Margin) * policy.HorizonMonths,
		cost:   float64(policy.ContactCostFen) + float64(policy.AcceptRate*float64(policy.OfferCostFen)),
		key:    partition.Mix(policy.HoldoutSeed + holdoutSalt),
		chunk:  min(batchRows, kernel.ChunkRows),
	}
	for _, b := range []*[]uint8{&d.known, &d.located, &d.state, &d.class, &d.grade} {
		*b = make([]uint8, d.chunk)
	}
	d.flags, d.signs = make([]uint16, d.chunk), make([]uint32, d.chunk)
	d.group, d.suspended = make([]uint64, d.chunk), make([]int64, d.chunk)
	d.spec = kernel.Spec{Name: "score.decision", Out: []kernel.Field{{Name: "retain_decision", Type: arrow.PrimitiveTypes.Uint8}}}
	for _, column := range []struct {
		name        string
		first, past int // months
	}{
		{schema.Key, 0, 1}, {"status", 0, 1}, {"vip_class", 0, 1}, {"vip_grade", 0, 1}, {"event_flags", 0, 1}, {"group_id", 0, 1},
		{"arrears_fen", 0, 1}, {"suspend_cnt", 1, schema.Months}, {"city_code", 0, 1}, {"cell_city_code", 0, 2},
	} {
		c, ok := schema.Find(schema.Subscriber, column.name)
		if !ok {
			panic("score: no canonical column " + column.name)
		}
		for _, flat := range c.Names()[column.first:column.past] {
			d.spec.In = append(d.spec.In, kernel.Field{Name: flat, Type: c.Type})
		}
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
	for lo := 0; lo < n; lo += d.chunk {
		hi := min(lo+d.chunk, n)
		rows := hi - lo
		known := func(column int) []uint8 {
			in[column].Valid.From(lo).Bytes(d.known, rows)
			return d.known[:rows]
		}
		kernel.OrZero(d.state[:rows], in[inStatus].U8[lo:hi], known(inStatus))
		kernel.OrZero(d.class[:rows], in[inClass].U8[lo:hi], known(inClass))
		kernel.OrZero(d.grade[:rows], in[inGrade].U8[lo:hi], known(inGrade))
		kernel.OrZero(d.signs[:rows], in[inSigns].U32[lo:hi], known(inSigns))
		kernel.OrZero(d.group[:rows], in[inGroup].U64[lo:hi], known(inGroup))

		flags := d.flags[:rows]
		recorded(flags, d.state, d.signs, d.group, d.policy.GroupHandled)
		history := in[inHistory].U8[lo:hi]
		clear(d.suspended)
		for k := 1; k < schema.Months; k++ {
			c := inSuspend + k - 1
			earlier(d.suspended[:rows], in[c].I16[lo:hi], known(c), history, uint(k))
		}
		indebted(flags, d.state, in[inArrears].I64[lo:hi], known(inArrears), d.suspended, d.policy.BadDebtFen, d.policy.BadDebtSuspends)
		home := in[inHome].U32[lo:hi]
		clear(d.located)
		for b, column := range [...]int{inHome, inCell, inCell + 1} {
			in[column].Valid.From(lo).Mask(d.located, rows, uint(b))
		}
		away(flags, home, in[inCell].U32[lo:hi], in[inCell+1].U32[lo:hi], d.located, history)
		worth(flags, in[inArpu].I64[lo:hi], in[inChurn].F32[lo:hi], d.gain, d.cost)
		holdout(flags, in[inNumber].U64[lo:hi], d.class, d.grade, d.key, uint64(max(d.policy.HoldoutPct, 0)), d.policy.HoldoutVIP)
		take(out[0].U8[lo:hi], flags)
	}
}

// flag returns bit r of a row's flags where it holds.
func flag(r int, holds bool) uint16 {
	if holds {
		return 1 << r
	}
	return 0
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

// recorded sets what the record says outright; Retain always applies.
func recorded(flags []uint16, state []uint8, signs []uint32, group []uint64, groups bool) {
	n := len(flags)
	state, signs, group = state[:n], signs[:n], group[:n]
	company := flag(0, groups)
	for i := range flags {
		s := uint16(signs[i])
		f := uint16(1<<atRetain) | s>>leaveAlone&1<<atDoNotContact | s>>malicious&1<<atBadDebt | s>>incomplete&1<<atNoContact
		f |= flag(atGroup, group[i] != 0) & (s >> companyPays & company << atGroup)
		f |= flag(atGone, state[i] == cancelled) | flag(atGone, state[i] == portedOut)
		flags[i] = f | flag(atInvoluntary, state[i] == arrearsSuspended)
	}
}

// earlier adds month k's suspensions where they are known and the subscriber's.
func earlier(sum []int64, x []int16, known, history []uint8, k uint) {
	n := len(sum)
	x, known, history = x[:n], known[:n], history[:n]
	for i := range sum {
		sum[i] += int64(x[i]) & -int64(known[i]&(history[i]>>k))
	}
}

// indebted marks large arrears of a suspended number that was suspended often
// before m. Months that are not known count as none.
func indebted(flags []uint16, state []uint8, arrears []int64, known []uint8, suspended []int64, fen, times int64) {
	n := len(flags)
	state, arrears, known, suspended = state[:n], arrears[:n], known[:n], suspended[:n]
	for i := range flags {
		f := flag(atBadDebt, arrears[i] >= fen) & flag(atBadDebt, suspended[i] >= times)
		f &= flag(atBadDebt, state[i] == arrearsSuspended) | flag(atBadDebt, state[i] == preCancelled)
		flags[i] |= f & (uint16(known[i]) << atBadDebt)
	}
}

// away marks a number used in another city than home in m and in m-1. located
// says which of home, m and m-1 are known.
func away(flags []uint16, home, city0, city1 []uint32, located, history []uint8) {
	n := len(flags)
	home, city0, city1, located, history = home[:n], city0[:n], city1[:n], located[:n], history[:n]
	for i := range flags {
		f := flag(atMigrant, city0[i] != home[i]) & flag(atMigrant, city1[i] != home[i])
		// Month m-1 is bit 1 of history and bit 2 of located.
		flags[i] |= f & flag(atMigrant, located[i]&(history[i]<<1|3) == 7)
	}
}

// worth marks those without a bill, and those whom retaining would cost more
// than it brings: p·s·ARPU·g·T − (contact + a·offer) below zero.
func worth(flags []uint16, arpu []int64, p []float32, gain, cost float64) {
	n := len(flags)
	arpu, p = arpu[:n], p[:n]
	for i := range flags {
		net := float64(float64(float64(p[i])*float64(arpu[i]))*gain) - cost
		flags[i] |= flag(atNoValue, arpu[i] < 0) | flag(atLowValue, net < 0)
	}
}

// holdoutSalt keeps the holdout draw apart from other uses of partition.Mix.
const holdoutSalt = 0x686f6c646f757431 // "holdout1"

// holdout draws percent of all numbers by a keyed hash: the same numbers for the
// same seed, whatever the month, the file or the partition. VIPs, those with a
// large-customer class or a VIP grade, are spared unless vip says otherwise.
func holdout(flags []uint16, number []uint64, class, grade []uint8, key, percent uint64, vip bool) {
	n := len(flags)
	number, class, grade = number[:n], class[:n], grade[:n]
	all := flag(atHoldout, vip)
	for i := range flags {
		drawn := flag(atHoldout, partition.Mix(number[i]^key)%100 < percent)
		flags[i] |= drawn & (all | flag(atHoldout, class[i]|grade[i] == 0))
	}
}

// take writes the first decision that applies.
func take(dst []uint8, flags []uint16) {
	flags = flags[:len(dst)]
	for i := range dst {
		dst[i] = byRank[bits.TrailingZeros16(flags[i])&15]
	}
}
