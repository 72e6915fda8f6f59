package rule

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// Codes of the canonical record that tell a switch from other silences and
// cancellations.
const (
	arrearsSuspended = 4 // status
	preCancelled     = 5

	unexplained = 6 // silent_class; above it the handset cannot tell
	gotone      = 3 // brand, the highest rank; 0, other, has none
)

// kinds finds the three kinds of churn (domain C04): to another operator, to a
// cheaper brand, to a smaller bill.
//
// # Switch
//
// A number ported out has left of its own will. A cancelled one has too, unless
// it went the operator's own way from arrears: the last state known before the
// cancellation is then arrears suspended or pre-cancelled, and leaving is not
// switching. Where no earlier state is known, neither is the will. A month
// without a status is no cancellation.
//
// A number that is silent, by the rules' silent_activity, and not cancelled is suspected when its handset does
// not explain the silence. Where the silence is not known, or not classified, or
// the handset is unknown or shared, neither is the suspicion.
//
// # Brand
//
// A brand is compared with that of the last earlier month that has one. A brand
// without a rank in either makes no downgrade.
//
// # Bill
//
// The bills of m-2..m are compared with those of m-5..m-3, as they were billed.
// All six are needed, of full months by the rules, so means are compared as sums
// of three.
type kinds struct {
	spec kernel.Spec
	mid  int64 // three bills from here on are of the middle tier
	high int64
	drop int64 // percent

	own, compare months

	gone, confirmed, suspected, open lane.Mask
	is, unknown                      [3]lane.Mask // of switch, brand, bill
	first, state                     [2]lane.Mask // bits of churn_primary, of switch_state
	bits                             [4][]*lane.Mask

	seen, hit, x, y lane.Mask // scratch of one step
	before          [lane.Rows]uint8
	old, recent     [lane.Rows]int64
}

// NewKinds returns the kernel of churn_kind, churn_kind_unknown, churn_primary
// and switch_state.
func NewKinds(rules job.Rules) kernel.Kernel {
	k := &kinds{mid: 3 * rules.ChurnTierFen[0], high: 3 * rules.ChurnTierFen[1], drop: rules.ArpuDropPct}
	u8 := arrow.PrimitiveTypes.Uint8
	k.spec = kernel.Spec{
		Name: "rule.kinds",
		Out:  []kernel.Field{{Name: "churn_kind", Type: u8}, {Name: "churn_kind_unknown", Type: u8}, {Name: "churn_primary", Type: u8}, {Name: "switch_state", Type: u8}},
	}
	for _, name := range []string{"status", "brand", "fee"} {
		k.spec.In = append(k.spec.In, kernel.Columns(name, 0, schema.Months-1)...)
	}
	k.spec.In = append(k.spec.In, kernel.Columns("silent_class", 0, 0)...)
	k.spec.In = append(k.spec.In, silence(rules), kernel.History, kernel.HistoryCompare)
	k.own.bind()
	k.compare.bind()
	k.bits = [4][]*lane.Mask{
		{&k.is[0], &k.is[1], &k.is[2]}, {&k.unknown[0], &k.unknown[1], &k.unknown[2]},
		{&k.first[0], &k.first[1]}, {&k.state[0], &k.state[1]},
	}
	return k
}

func (k *kinds) Spec() kernel.Spec { return k.spec }

func (k *kinds) Eval(n int, in, out []kernel.Vector) {
	const (
		status  = 0
		brand   = status + schema.Months
		fee     = brand + schema.Months
		class   = fee + schema.Months
		silent  = class + 1
		history = silent + 1
		compare = history + 1
	)
	for lo := 0; lo < n; lo += lane.Rows {
		hi := min(lo+lane.Rows, n)
		k.own.read(in[history].U8[lo:hi])
		k.compare.read(in[compare].U8[lo:hi])
		k.leaving(in[status:brand], lo, hi)
		k.silence(&in[class], in[silent].U8[lo:hi], lo, hi)
		k.branded(in[brand:fee], lo, hi)
		k.billed(in[fee:class], lo, hi)
		k.write(out, lo, hi)
	}
}

// leaving works out who is gone, and whether of their own will.
func (k *kinds) leaving(status []kernel.Vector, lo, hi int) {
	now := status[0].U8[lo:hi]
	k.seen.Valid(status[0].Valid, lo, hi-lo)
	lane.Equal(&k.confirmed, now, portedOut)
	k.confirmed.And(&k.confirmed, &k.seen)
	lane.Equal(&k.open, now, cancelled)
	k.open.And(&k.open, &k.seen)
	k.gone.Or(&k.confirmed, &k.open)

	// From the newest month back, until a state is found.
	for m := 1; m < schema.Months && k.open.Count(hi-lo) > 0; m++ {
		then := status[m].U8[lo:hi]
		k.own.known(&k.seen, m, &status[m], lo, hi)
		lane.Equal(&k.x, then, cancelled)
		k.seen.AndNot(&k.seen, &k.x)
		k.seen.And(&k.seen, &k.open)
		lane.Equal(&k.x, then, arrearsSuspended)
		lane.Equal(&k.y, then, preCancelled)
		k.x.Or(&k.x, &k.y)
		k.x.AndNot(&k.seen, &k.x)
		k.confirmed.Or(&k.confirmed, &k.x)
		k.open.AndNot(&k.open, &k.seen)
	}
}

// silence adds to the switch who is silent without an explanation.
func (k *kinds) silence(class *kernel.Vector, silent []uint8, lo, hi int) {
	code := class.U8[lo:hi]
	k.seen.Valid(class.Valid, lo, hi-lo)
	lane.Equal(&k.suspected, silent, yes)
	lane.Equal(&k.x, code, unexplained)
	k.x.And(&k.x, &k.seen)
	k.suspected.And(&k.suspected, &k.x)
	k.suspected.AndNot(&k.suspected, &k.gone)

	// Known not to be: gone, with calls, or explained.
	lane.Less(&k.x, code, unexplained)
	k.x.And(&k.x, &k.seen)
	lane.Equal(&k.y, silent, no)
	k.x.Or(&k.x, &k.y)
	k.x.Or(&k.x, &k.gone)
	k.x.Or(&k.x, &k.suspected)
	k.x.Not(&k.x)

	k.is[0].Or(&k.confirmed, &k.suspected)
	k.unknown[0].Or(&k.open, &k.x)
	k.state[0].Or(&k.suspected, &k.unknown[0])
	k.state[1].Or(&k.confirmed, &k.unknown[0])
}

// branded finds the downgrades.
func (k *kinds) branded(brand []kernel.Vector, lo, hi int) {
	now, before := brand[0].U8[lo:hi], k.before[:hi-lo]
	clear(before)
	had := &k.hit
	had.Fill(false)
	for m := schema.Months - 1; m > 0; m-- {
		k.own.known(&k.seen, m, &brand[m], lo, hi)
		lane.Select(before, &k.seen, brand[m].U8[lo:hi], before)
		had.Or(had, &k.seen)
	}
	k.own.known(&k.seen, 0, &brand[0], lo, hi)
	is, known := &k.is[1], &k.unknown[1]
	lane.LessThan(is, now, before)
	known.And(&k.seen, had)
	is.And(is, known)

	// Without a rank in either month it is known to be none, whatever the other.
	for _, month := range [2]struct {
		brand []uint8
		there *lane.Mask
	}{{now, &k.seen}, {before, had}} {
		lane.Equal(&k.x, month.brand, 0)
		lane.AtMost(&k.y, month.brand, gotone)
		k.y.AndNot(month.there, &k.y)
		k.x.And(&k.x, month.there)
		k.x.Or(&k.x, &k.y)
		is.AndNot(is, &k.x)
		known.Or(known, &k.x)
	}
	known.Not(known)
}

// billed finds the bills that fell below a tier, and far enough.
func (k *kinds) billed(fee []kernel.Vector, lo, hi int) {
	all := &k.hit
	all.Fill(true)
	for m := range fee {
		k.compare.known(&k.seen, m, &fee[m], lo, hi)
		all.And(all, &k.seen)
	}
	recent, old := k.recent[:hi-lo], k.old[:hi-lo]
	lane.Add(recent, fee[0].I64[lo:hi], fee[1].I64[lo:hi])
	lane.Add(recent, recent, fee[2].I64[lo:hi])
	lane.Add(old, fee[3].I64[lo:hi], fee[4].I64[lo:hi])
	lane.Add(old, old, fee[5].I64[lo:hi])

	is := &k.is[2]
	is.Fill(false)
	for _, least := range [2]int64{k.mid, k.high} {
		lane.Less(&k.x, recent, least)
		lane.Less(&k.y, old, least)
		k.x.AndNot(&k.x, &k.y)
		is.Or(is, &k.x)
	}
	// 100·(old − recent) ≥ drop·old, with old on one side.
	lane.Scale(old, old, 100-k.drop)
	lane.Scale(recent, recent, 100)
	lane.LessThan(&k.x, old, recent)
	is.AndNot(is, &k.x)
	is.And(is, all)
	k.unknown[2].Not(all)
}

// write publishes. The primary kind is the first of switch, brand and bill: 1
// to 3, in two bits.
func (k *kinds) write(out []kernel.Vector, lo, hi int) {
	k.first[1].AndNot(&k.is[1], &k.is[0])
	k.x.Or(&k.is[0], &k.is[1])
	k.x.AndNot(&k.is[2], &k.x) // the bill alone
	k.first[0].Or(&k.is[0], &k.x)
	k.first[1].Or(&k.first[1], &k.x)
	for i, bits := range k.bits {
		lane.Pack(out[i].U8[lo:hi], bits)
	}
}
