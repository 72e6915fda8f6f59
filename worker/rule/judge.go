package rule

import "rescore/worker/lane"

// judge takes trigger t's verdict on 64 rows: where it fired, and where it is
// UNKNOWN for a short history or for a missing value. UNKNOWN wins. Whoever is
// gone has no verdict at all.
func (g *triggers) judge(t, w int, fired, short, missing uint64) {
	here := ^g.gone[w]
	unknown := (short | missing) & here
	g.fired[t-1][w], g.unknown[t-1][w] = fired&here&^unknown, unknown
	g.short[w] |= short & here
	g.missing[w] |= missing & here
}

// t1: large customers of class A to D whose last two bills are both below their
// class's threshold. Without a class FALSE; a code above 4 is no class.
func (g *triggers) t1(c chunk) {
	var member, low, billed, x lane.Mask
	class, fee0, fee1 := c.u8(g.at.class), c.i64(g.at.fee), c.i64(g.at.fee+1)
	for i, threshold := range g.rules.T1ThresholdFen {
		var of lane.Mask
		lane.Equal(&of, class, uint8(i+1))
		of.And(&of, &g.large) // the class is known
		if of.Count(c.n) == 0 {
			continue
		}
		member.Or(&member, &of)
		lane.Less(&x, fee0, threshold)
		of.And(&of, &x)
		lane.Less(&x, fee1, threshold)
		of.And(&of, &x)
		low.Or(&low, &of)
	}
	c.known(&billed, g.at.fee)
	c.known(&x, g.at.fee+1)
	for w := range member {
		short := g.shorter[2][w] & member[w]
		g.judge(1, w, low[w], short, member[w]&^(billed[w]&x[w])&^short)
	}
}

// t2: a bill that fell (decline). Hold suppresses it.
func (g *triggers) t2(c chunk) {
	var fell, known lane.Mask
	g.decline.judge(&fell, &known, c, g.at.fee)
	for w := range fell {
		active := ^g.hold[w]
		short := g.shorter[g.decline.months][w] & active
		g.judge(2, w, fell[w]&active, short, active&^known[w]&^short)
	}
}

// t3: prepaid with a balance below the limit, or three months without traffic.
// By an option the second arm is for every pay mode. Hold suppresses it.
func (g *triggers) t3(c chunk) {
	var below, known lane.Mask
	lane.Less(&below, c.i64(g.at.balance), g.rules.T3BalanceFen)
	c.known(&known, g.at.balance)
	activity := g.voice
	for k := 1; k < 3; k++ {
		activity.i64(c, g.at.out+k)
		activity.i64(c, g.at.in+k)
	}
	if g.rules.T3Activity == "any" {
		for k := range 3 {
			activity.i32(c, g.at.sms+k)
			activity.i64(c, g.at.data+k)
		}
	}
	every := uint64(0)
	if g.rules.T3PayModes == "all" {
		every = ^every
	}
	for w := range below {
		pre, post := g.prepaid[w], g.postpaid[w]
		arm := (pre | every) &^ g.hold[w]
		short := g.shorter[3][w] & arm
		some, all := activity.some[w], activity.all[w]
		fired := pre&known[w]&below[w] | arm&^short&all&^some
		missing := pre&^known[w] | ^(pre | post) | arm&^short&^(all|some)
		g.judge(3, w, fired, short&^fired, missing&^fired)
	}
}

// t4: postpaid and in arrears.
func (g *triggers) t4(c chunk) {
	var clear, known lane.Mask
	lane.AtMost(&clear, c.i64(g.at.arrears), g.rules.T4ArrearsFen)
	c.known(&known, g.at.arrears)
	for w := range known {
		pre, post := g.prepaid[w], g.postpaid[w]
		g.judge(4, w, post&^clear[w], 0, ^(pre|post)|post&^known[w])
	}
}

// t5: a campus phone without traffic in m.
func (g *triggers) t5(c chunk) {
	var campus, x lane.Mask
	maybe := uint64(0) // an unknown type may be one
	for _, code := range g.rules.T5ServiceTypes {
		g.service.is(&x, uint8(code))
		campus.Or(&campus, &x)
		maybe = ^uint64(0)
	}
	for w := range campus {
		open := campus[w] | g.untyped[w]&maybe
		short := g.shorter[1][w] & open
		some, all := g.voice.some[w], g.voice.all[w]
		missing := open&^(some|all) | open&^campus[w]&all&^some
		g.judge(5, w, campus[w]&all&^some, short, missing&^short)
	}
}

// t6: stopped broadband without flow in m-1 and m.
func (g *triggers) t6(c chunk) {
	var service, halted, known lane.Mask
	g.service.is(&service, broadband)
	halted.Fill(true)
	known.Fill(true)
	if g.rules.T6RequireStopped {
		var status codes
		status.read(c, g.at.stopped)
		status.is(&halted, stopped)
		known = status.known
	}
	var flow traffic
	flow.none()
	flow.i64(c, g.at.flow)
	flow.i64(c, g.at.flow+1)
	for w := range service {
		open := (service[w] | g.untyped[w]) & (halted[w] | ^known[w])
		short := g.shorter[2][w] & open
		quiet := flow.all[w] &^ flow.some[w] & open
		doubtful := (g.untyped[w] | ^known[w]) & quiet
		g.judge(6, w, quiet, short, (open&^flow.all[w]|doubtful)&^short)
	}
}

// t7: more than so many seconds of long distance through another operator in m.
func (g *triggers) t7(c chunk) {
	var within, known lane.Mask
	lane.AtMost(&within, c.i64(g.at.other), g.rules.T7Seconds)
	c.known(&known, g.at.other)
	for w := range known {
		short := g.shorter[1][w]
		g.judge(7, w, ^within[w], short, ^known[w]&^short)
	}
}

// t8: so many faults reported in m, or in the last 30 days.
func (g *triggers) t8(c chunk) {
	var fewer, known lane.Mask
	lane.Less(&fewer, c.i16(g.at.fault), int16(g.rules.T8Faults))
	c.known(&known, g.at.fault)
	for w := range known {
		g.judge(8, w, ^fewer[w], 0, ^known[w])
	}
}

// t9: the last complaint ended badly, and was closed in the days up to the as-of
// date. A date after it is not yet known on that day; no date counts as recent.
func (g *triggers) t9(c chunk) {
	var result codes
	var badly, recent, dated lane.Mask
	result.read(c, g.at.result)
	result.either(&badly, reluctant, dissatisfied)
	between(&recent, c.i32(g.at.closed), g.closedFrom, g.asof)
	c.known(&dated, g.at.closed)
	for w := range recent {
		g.judge(9, w, badly[w]&(recent[w]|^dated[w]), 0, 0)
	}
}

// t11: the agreement ends soon.
func (g *triggers) t11(c chunk) {
	var soon, known lane.Mask
	between(&soon, c.i32(g.at.end), g.dueFrom, g.due)
	c.known(&known, g.at.end)
	for w := range soon {
		g.judge(11, w, soon[w]&known[w], 0, 0)
	}
}

// signs: T10, T12 and T13 are signs of a fixed line, guarded by the service
// type: not for a mobile number; where the type is unknown the recorded sign
// stands. T14 is for large customers and group members.
func (g *triggers) signs(c chunk) {
	var known, mobiles, alone, member lane.Mask
	c.known(&known, g.at.signs)
	lane.Unpack(g.signBits, c.u32(g.at.signs))
	g.service.is(&mobiles, mobile)
	lane.Equal(&alone, c.u64(g.at.group), 0)
	c.known(&member, g.at.group)
	for w := range known {
		fixed := known[w] &^ mobiles[w]
		g.judge(10, w, g.sign[demolition][w]&fixed, 0, 0)
		g.judge(12, w, g.sign[otherNetwork][w]&fixed, 0, 0)
		g.judge(13, w, g.sign[relocation][w]&fixed, 0, 0)
		g.judge(14, w, g.sign[demandNotMet][w]&known[w]&(g.large[w]|member[w]&^alone[w]), 0, 0)
	}
}

// between sets dst where from <= x <= to.
func between(dst *lane.Mask, x []int32, from, to int32) {
	var early lane.Mask
	lane.Less(&early, x, from)
	lane.AtMost(dst, x, to)
	dst.AndNot(dst, &early)
}
