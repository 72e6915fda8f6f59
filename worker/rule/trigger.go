package rule

import (
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
)

// verdict is what the triggers have said about one row so far: bits 0 to 13
// fired, 16 to 29 unknown, 32 onwards the reasons.
type verdict = uint64

const (
	unknownAt = 16
	reasonAt  = 32
)

// flag is a truth value as 0 or 1, for arithmetic instead of branches.
type flag = uint64

// when returns 1 for true.
func when(b bool) flag {
	if b {
		return 1
	}
	return 0
}

// judge returns trigger t's part of a verdict. A trigger that is UNKNOWN, for
// want of history or of a value, has not fired.
func judge(t int, fired, short, missing flag) verdict {
	unknown := short | missing
	return (fired&^unknown)<<(t-1) | unknown<<(unknownAt+t-1) | (short*ShortHistory|missing*MissingValue)<<reasonAt
}

// triggers evaluates the fourteen. One pass per trigger over a chunk; a pass
// reads plain slices, nulls already turned into zeroes with a byte that says so.
type triggers struct {
	spec  kernel.Spec
	rules job.Rules
	at    inputs
	chunk int

	asof, due, dueFrom int32 // as-of date; T11: after dueFrom, up to due
	depthT2            uint8
	scale              [4]int64 // factor of fee m-k in T2, for comparisons per day

	acc     []verdict
	class   []uint8  // 0 none
	pay     []uint8  // 0 unknown
	service []uint8  // 0 unknown
	status  []uint8  // 0 unknown
	signs   []uint32 // event_flags, 0 none
	hold    []uint8  // 1: T2 and T3's activity arm are suppressed
	voice   [3]traffic
	usage   [3]traffic // voice, messages and data
	work    [3][]uint8 // for one trigger at a time
}

// inputs are the indexes of the input columns; of a monthly one, month m's, the
// older months following.
type inputs struct {
	status, class, fee, pay, balance, out, in, sms, data, arrears, service, stopped, flow,
	other, fault, result, closed, signs, end, group, depth int
}

// NewTriggers returns the kernel of the fourteen triggers and their summary.
func NewTriggers(rules job.Rules, month int32, batchRows int) kernel.Kernel {
	g := &triggers{rules: rules, chunk: min(batchRows, kernel.ChunkRows)}
	g.asof = kernel.MonthEnd(month)
	g.due, g.dueFrom = kernel.AddMonths(g.asof, rules.T11Months), g.asof
	if rules.T11Mode == "exact_month" {
		exact := kernel.MonthAdd(month, rules.T11Months)
		g.due, g.dueFrom = kernel.MonthEnd(exact), kernel.MonthStart(exact)-1
	}
	g.depthT2 = 4
	if rules.T2Mode == "three_point" {
		g.depthT2 = 3
	}
	if rules.T2BaseMonths == "mean3" {
		g.depthT2 = schema.Months
	}
	g.scale = dayFactors(month, rules.FeeNormaliseDays)
	g.declare()
	g.acc, g.signs = make([]verdict, g.chunk), make([]uint32, g.chunk)
	for _, b := range []*[]uint8{&g.class, &g.pay, &g.service, &g.status, &g.hold, &g.work[0], &g.work[1], &g.work[2]} {
		*b = make([]uint8, g.chunk)
	}
	for k := range g.voice {
		g.voice[k], g.usage[k] = newTraffic(g.chunk), newTraffic(g.chunk)
	}
	return g
}

// declare lists the inputs, and columns that only an option needs only with it.
func (g *triggers) declare() {
	read := func(name string, months int) int {
		c, ok := schema.Find(schema.Subscriber, name)
		if !ok {
			panic("rule: no canonical column " + name)
		}
		first := len(g.spec.In)
		for _, flat := range c.Names()[:months] {
			g.spec.In = append(g.spec.In, kernel.Field{Name: flat, Type: c.Type})
		}
		return first
	}
	g.at = inputs{
		status: read("status", 1), class: read("vip_class", 1), fee: read("fee", g.bills()), pay: read("pay_mode", 1),
		balance: read("balance_fen", 1), out: read("out_sec", 3), in: read("in_sec", 3), arrears: read("arrears_fen", 1),
		service: read("service_type", 1), flow: read("bb_flow_kb", 2), other: read("other_ld_sec", 1), fault: read("fault_cnt", 1),
		result: read("complaint_result", 1), closed: read("complaint_date", 1), signs: read("event_flags", 1),
		end: read("contract_end", 1), group: read("group_id", 1),
	}
	if g.rules.T3Activity == "any" {
		g.at.sms, g.at.data = read("sms_cnt", 3), read("data_kb", 3)
	}
	if g.rules.T6RequireStopped {
		g.at.stopped = read("bb_status", 1)
	}
	g.at.depth = len(g.spec.In)
	g.spec.In = append(g.spec.In, kernel.HistoryDepth)

	g.spec.Name = "rule.triggers"
	u8, u16 := arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16
	g.spec.Out = []kernel.Field{
		{Name: "trg_fired", Type: u16}, {Name: "trg_unknown", Type: u16}, {Name: "trg_count", Type: u8},
		{Name: "trg_first", Type: u8}, {Name: "trg_reason", Type: u8}, {Name: "warn", Type: u8}, {Name: "dunning", Type: u8},
	}
}

// bills is how many months of fees T1 and T2 read.
func (g *triggers) bills() int { return int(g.depthT2) }

func (g *triggers) Spec() kernel.Spec { return g.spec }

func (g *triggers) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += g.chunk {
		hi := min(lo+g.chunk, n)
		g.score(in, lo, hi)
		summarise(g.acc[:hi-lo], g.status, g.hold, out[0].U16[lo:hi], out[1].U16[lo:hi],
			out[2].U8[lo:hi], out[3].U8[lo:hi], out[4].U8[lo:hi], out[5].U8[lo:hi], out[6].U8[lo:hi])
	}
}

// score fills acc for rows lo to hi-1.
func (g *triggers) score(in []kernel.Vector, lo, hi int) {
	n := hi - lo
	acc, at := g.acc[:n], &g.at
	clear(acc)
	// known says which rows of a column hold a value, in one of the work slices.
	known := func(w, column int) []uint8 {
		in[column].Valid.From(lo).Bytes(g.work[w], n)
		return g.work[w][:n]
	}
	code := func(dst []uint8, column int) { kernel.OrZero(dst[:n], in[column].U8[lo:hi], known(0, column)) }
	i64 := func(column int) []int64 { return in[column].I64[lo:hi] }
	depth := in[at.depth].U8[lo:hi]
	code(g.class, at.class)
	code(g.pay, at.pay)
	code(g.service, at.service)
	code(g.status, at.status)
	kernel.OrZero(g.signs[:n], in[at.signs].U32[lo:hi], known(0, at.signs))
	suppress(g.hold[:n], g.status, g.rules.HoldSuppresses)

	var fee [schema.Months]bill
	for k := range g.bills() {
		fee[k] = bill{i64(at.fee + k), in[at.fee+k].Valid.From(lo)}
	}
	billed := known(0, at.fee)
	fee[1].valid.And(billed, n)
	t1(acc, g.class, fee[0].fen, fee[1].fen, billed, depth, g.rules.T1ThresholdFen)
	g.t2(acc, &fee, depth)

	for k := range g.voice {
		o, i := &in[at.out+k], &in[at.in+k]
		two(&g.voice[k], o.I64, i.I64, o.Valid, i.Valid, lo, n)
	}
	activity := &g.voice
	if g.rules.T3Activity == "any" {
		activity = &g.usage
		for k := range g.usage {
			s, d := &in[at.sms+k], &in[at.data+k]
			two(&g.usage[k], s.I32, d.I64, s.Valid, d.Valid, lo, n)
			join(&g.usage[k], &g.usage[k], &g.voice[k], n)
		}
	}
	t3(acc, g.pay, i64(at.balance), known(0, at.balance), activity, depth, g.hold, g.rules.T3BalanceFen, g.rules.T3PayModes == "all")
	t4(acc, g.pay, i64(at.arrears), known(0, at.arrears), g.rules.T4ArrearsFen)
	t5(acc, g.service, &g.voice[0], depth)

	halted := g.work[2][:n]
	if g.rules.T6RequireStopped {
		halt(halted, in[at.stopped].U8[lo:hi], known(0, at.stopped))
	} else {
		for i := range halted {
			halted[i] = haltedYes
		}
	}
	t6(acc, g.service, halted, i64(at.flow), i64(at.flow+1), known(0, at.flow), known(1, at.flow+1), depth)
	t7(acc, i64(at.other), known(0, at.other), depth, g.rules.T7Seconds)
	t8(acc, in[at.fault].I16[lo:hi], known(0, at.fault), g.rules.T8Faults)
	code(g.work[2], at.result)
	t9(acc, g.work[2], in[at.closed].I32[lo:hi], known(0, at.closed), g.asof, g.rules.T9Days)
	t11(acc, in[at.end].I32[lo:hi], known(0, at.end), g.dueFrom, g.due)
	signs(acc, g.signs, g.service, g.class, in[at.group].U64[lo:hi], known(0, at.group))
}

// suppress marks voluntary holds.
func suppress(hold, status []uint8, suppresses bool) {
	status = status[:len(hold)]
	on := uint8(when(suppresses))
	for i := range hold {
		hold[i] = uint8(when(status[i] == held)) & on
	}
}

// summarise turns verdicts into the published columns. Whoever is gone has no
// bits at all and one reason.
func summarise(acc []verdict, status, hold []uint8, fired, unknown []uint16, count, first, reason, warn, dunning []uint8) {
	n := len(acc)
	status, hold, fired, unknown = status[:n], hold[:n], fired[:n], unknown[:n]
	count, first, reason, warn, dunning = count[:n], first[:n], reason[:n], warn[:n], dunning[:n]
	for i := range n {
		v := acc[i] | uint64(hold[i])*Hold<<reasonAt
		if status[i] == cancelled || status[i] == portedOut {
			v = Gone << reasonAt
		}
		f := uint16(v)
		fired[i], unknown[i], reason[i] = f, uint16(v>>unknownAt), uint8(v>>reasonAt)
		count[i] = uint8(bits.OnesCount16(f))
		// Trailing zeros of f with bit 16 set: 16 when nothing fired.
		first[i] = uint8((bits.TrailingZeros32(uint32(f)|1<<16) + 1) % 17)
		warn[i] = uint8(when(f != 0))
		dunning[i] = uint8(f >> 3 & 1)
	}
}
