package rule

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// triggers evaluates the fourteen, a chunk at a time. Each compares its own
// columns, which gives masks, and judges 64 rows a word.
type triggers struct {
	columns columns
	at      inputs
	rules   job.Rules
	decline decline // T2

	closedFrom, asof int32 // T9: complaints closed from closedFrom to the as-of date
	dueFrom, due     int32 // T11: agreements that end from dueFrom to due

	// What several triggers ask.
	shorter           [schema.Months + 1]lane.Mask // at k: fewer than k full months
	gone, hold        lane.Mask                    // hold: T2 and T3's activity arm are suppressed
	prepaid, postpaid lane.Mask
	service           codes
	untyped           lane.Mask // service type unknown
	large             lane.Mask // large customer of any class
	voice             traffic   // of m

	// The verdicts, t's at t-1, and why some are UNKNOWN.
	fired, unknown [Triggers]lane.Mask
	short, missing lane.Mask

	// Masks as lane.Pack and lane.Unpack take them.
	firedBits, unknownBits, reasonBits []*lane.Mask
	sign                               [demandNotMet + 1]lane.Mask
	signBits                           []*lane.Mask
}

// inputs are the places of the input columns.
type inputs struct {
	status, class, fee, pay, balance, out, in, sms, data, arrears, service, stopped, flow,
	other, fault, result, closed, signs, end, group, depth int
}

// NewTriggers returns the kernel of the fourteen triggers and their summary.
func NewTriggers(rules job.Rules, month int32) kernel.Kernel {
	g := &triggers{rules: rules, decline: newDecline(rules, month)}
	g.asof = kernel.MonthEnd(month)
	g.closedFrom = g.asof - int32(rules.T9Days)
	g.dueFrom, g.due = g.asof+1, kernel.AddMonths(g.asof, rules.T11Months)
	if rules.T11Mode == "exact_month" {
		exact := kernel.MonthAdd(month, rules.T11Months)
		g.dueFrom, g.due = kernel.MonthStart(exact), kernel.MonthEnd(exact)
	}
	g.declare()
	for t := range Triggers {
		g.firedBits = append(g.firedBits, &g.fired[t])
		g.unknownBits = append(g.unknownBits, &g.unknown[t])
	}
	g.reasonBits = []*lane.Mask{&g.gone, &g.short, &g.missing, &g.hold} // in the order of the reasons
	for i := range g.sign {
		g.signBits = append(g.signBits, &g.sign[i])
	}
	return g
}

// declare lists the inputs; a column that only an option needs, only with it.
func (g *triggers) declare() {
	read := g.columns.read
	fault := "fault_cnt"
	if g.rules.T8Window == "rolling_30d" {
		fault = "fault_cnt_30d"
	}
	g.at = inputs{
		status: read("status", 1), class: read("vip_class", 1), fee: read("fee", g.decline.months), pay: read("pay_mode", 1),
		balance: read("balance_fen", 1), out: read("out_sec", 3), in: read("in_sec", 3), arrears: read("arrears_fen", 1),
		service: read("service_type", 1), flow: read("bb_flow_kb", 2), other: read("other_ld_sec", 1), fault: read(fault, 1),
		result: read("complaint_result", 1), closed: read("complaint_date", 1), signs: read("event_flags", 1),
		end: read("contract_end", 1), group: read("group_id", 1), depth: g.columns.add(kernel.HistoryDepth),
	}
	if g.rules.T3Activity == "any" {
		g.at.sms, g.at.data = read("sms_cnt", 3), read("data_kb", 3)
	}
	if g.rules.T6RequireStopped {
		g.at.stopped = read("bb_status", 1)
	}
}

func (g *triggers) Spec() kernel.Spec {
	u8, u16 := arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16
	return kernel.Spec{
		Name: "rule.triggers",
		In:   g.columns,
		Out: []kernel.Field{
			{Name: "trg_fired", Type: u16}, {Name: "trg_unknown", Type: u16}, {Name: "trg_count", Type: u8},
			{Name: "trg_first", Type: u8}, {Name: "trg_reason", Type: u8}, {Name: "warn", Type: u8}, {Name: "dunning", Type: u8},
		},
	}
}

func (g *triggers) Eval(n int, in, out []kernel.Vector) {
	for lo := 0; lo < n; lo += lane.Rows {
		c := chunk{in, lo, min(lane.Rows, n-lo)}
		g.look(c)
		g.t1(c)
		g.t2(c)
		g.t3(c)
		g.t4(c)
		g.t5(c)
		g.t6(c)
		g.t7(c)
		g.t8(c)
		g.t9(c)
		g.t11(c)
		g.signs(c)
		g.publish(c, out)
	}
}

// look works out what several triggers ask.
func (g *triggers) look(c chunk) {
	depth := c.u8(g.at.depth)
	for k := range g.shorter {
		lane.Less(&g.shorter[k], depth, uint8(k))
	}
	var status, pay, class codes
	status.read(c, g.at.status)
	status.either(&g.gone, cancelled, portedOut)
	g.hold.Fill(false)
	if g.rules.HoldSuppresses {
		status.is(&g.hold, held)
	}
	pay.read(c, g.at.pay)
	pay.is(&g.prepaid, prepaid)
	pay.is(&g.postpaid, postpaid)
	class.read(c, g.at.class)
	class.given(&g.large)
	g.service.read(c, g.at.service)
	g.service.given(&g.untyped)
	g.untyped.Not(&g.untyped)

	g.voice.none()
	g.voice.i64(c, g.at.out)
	g.voice.i64(c, g.at.in)
	g.short.Fill(false)
	g.missing.Fill(false)
}

// publish turns verdicts into columns.
func (g *triggers) publish(c chunk, out []kernel.Vector) {
	hi := c.lo + c.n
	lane.Pack(out[0].U16[c.lo:hi], g.firedBits)
	lane.Pack(out[1].U16[c.lo:hi], g.unknownBits)
	count, first := out[2].U8[c.lo:hi], out[3].U8[c.lo:hi]
	clear(count)
	clear(first)
	var warn lane.Mask
	for t := Triggers; t > 0; t-- {
		fired := &g.fired[t-1]
		lane.Count(count, fired)
		lane.Put(first, fired, uint8(t)) // the lowest comes last
		warn.Or(&warn, fired)
	}
	lane.Pack(out[4].U8[c.lo:hi], g.reasonBits)
	lane.Flag(out[5].U8[c.lo:hi], &warn)
	lane.Flag(out[6].U8[c.lo:hi], &g.fired[4-1])
}
