package rule

// One function per trigger: plain slices in, verdicts added. A slice named
// known holds 1 where the slice before it holds a value, and depth is
// kernel.HistoryDepth.

// t1: large customers of class A to D whose last two bills are both below their
// class's threshold. Without a class FALSE; a code above 4 is no class.
func t1(acc []verdict, class []uint8, fee0, fee1 []int64, known, depth []uint8, threshold [4]int64) {
	n := len(acc)
	class, fee0, fee1, known, depth = class[:n], fee0[:n], fee1[:n], known[:n], depth[:n]
	var least [8]int64
	copy(least[1:5], threshold[:])
	for i := range n {
		c := class[i]
		member := when(c-1 < 4)
		limit := least[c&7]
		short := when(depth[i] < 2) & member
		missing := flag(known[i]^1) & member &^ short
		low := when(fee0[i] < limit) & when(fee1[i] < limit)
		acc[i] |= judge(1, low&member, short, missing)
	}
}

// t3: prepaid with a balance below the limit, or three months without traffic.
// With allModes the second arm is for every pay mode. Hold suppresses it.
func t3(acc []verdict, pay []uint8, balance []int64, known []uint8, months *[3]traffic, depth, hold []uint8, limit int64, allModes bool) {
	n := len(acc)
	pay, balance, known, depth, hold = pay[:n], balance[:n], known[:n], depth[:n], hold[:n]
	some0, some1, some2 := months[0].some[:n], months[1].some[:n], months[2].some[:n]
	all0, all1, all2 := months[0].all[:n], months[1].all[:n], months[2].all[:n]
	every := when(allModes)
	for i := range n {
		pre := when(pay[i] == prepaid)
		neither := 1 ^ (pre | when(pay[i] == postpaid))
		low := when(balance[i] < limit) & flag(known[i]) & pre

		arm := (pre | every) &^ flag(hold[i])
		some := flag(some0[i] | some1[i] | some2[i])
		all := flag(all0[i] & all1[i] & all2[i])
		short := when(depth[i] < 3) & arm
		idle := all &^ some & arm &^ short

		fired := low | idle
		missing := pre&flag(known[i]^1) | neither | arm&^short&^all&^some
		acc[i] |= judge(3, fired, short&^fired, missing&^fired)
	}
}

// t4: postpaid and in arrears.
func t4(acc []verdict, pay []uint8, arrears []int64, known []uint8, limit int64) {
	n := len(acc)
	pay, arrears, known = pay[:n], arrears[:n], known[:n]
	for i := range n {
		pre, post := when(pay[i] == prepaid), when(pay[i] == postpaid)
		missing := 1 ^ (pre | post) | post&flag(known[i]^1)
		acc[i] |= judge(4, when(arrears[i] > limit)&post, 0, missing)
	}
}

// t5: a campus card phone without traffic in m.
func t5(acc []verdict, service []uint8, month *traffic, depth []uint8) {
	n := len(acc)
	service, depth = service[:n], depth[:n]
	some, all := month.some[:n], month.all[:n]
	for i := range n {
		is, maybe := when(service[i] == campus), when(service[i] == 0)
		short := when(depth[i] < 1) & (is | maybe)
		quiet := flag(all[i] &^ some[i])
		missing := (is|maybe)&^flag(all[i]|some[i]) | maybe&quiet
		acc[i] |= judge(5, is&quiet, short, missing&^short)
	}
}

// What halt says of a row.
const (
	haltedNo      = 0
	haltedYes     = 1
	haltedUnknown = 2
)

// halt says whether broadband is stopped.
func halt(dst, status, known []uint8) {
	status, known = status[:len(dst)], known[:len(dst)]
	for i := range dst {
		dst[i] = uint8(when(status[i] == stopped))&known[i] | (known[i]^1)*haltedUnknown
	}
}

// t6: stopped broadband without flow in m-1 and m.
func t6(acc []verdict, service, halted []uint8, flow0, flow1 []int64, known0, known1, depth []uint8) {
	n := len(acc)
	service, halted, depth = service[:n], halted[:n], depth[:n]
	flow0, flow1, known0, known1 = flow0[:n], flow1[:n], known0[:n], known1[:n]
	for i := range n {
		open := (when(service[i] == broadband) | when(service[i] == 0)) & when(halted[i] != haltedNo)
		short := when(depth[i] < 2) & open
		missing := flag(known0[i]&known1[i]^1) & open
		quiet := when(flow0[i]|flow1[i] == 0) & open
		doubtful := (when(service[i] == 0) | when(halted[i] == haltedUnknown)) & quiet
		acc[i] |= judge(6, quiet, short, (missing|doubtful)&^short)
	}
}

// t7: more than so many seconds of long distance through another operator in m.
func t7(acc []verdict, seconds []int64, known, depth []uint8, limit int64) {
	n := len(acc)
	seconds, known, depth = seconds[:n], known[:n], depth[:n]
	for i := range n {
		short := when(depth[i] < 1)
		acc[i] |= judge(7, when(seconds[i] > limit), short, flag(known[i]^1)&^short)
	}
}

// t8: so many faults reported in m.
func t8(acc []verdict, faults []int16, known []uint8, limit int64) {
	n := len(acc)
	faults, known = faults[:n], known[:n]
	for i := range n {
		acc[i] |= judge(8, when(int64(faults[i]) >= limit), 0, flag(known[i]^1))
	}
}

// t9: the last complaint ended badly, and was closed in the days up to the as-of
// date. A date after it is not yet known on that day; no date counts as recent.
func t9(acc []verdict, result []uint8, closed []int32, known []uint8, asof int32, days int64) {
	n := len(acc)
	result, closed, known = result[:n], closed[:n], known[:n]
	for i := range n {
		bad := when(result[i] == reluctant) | when(result[i] == dissatisfied)
		ago := int64(asof) - int64(closed[i])
		recent := when(ago >= 0)&when(ago <= days) | flag(known[i]^1)
		acc[i] |= judge(9, bad&recent, 0, 0)
	}
}

// t11: the agreement ends after from and not after due.
func t11(acc []verdict, end []int32, known []uint8, from, due int32) {
	n := len(acc)
	end, known = end[:n], known[:n]
	for i := range n {
		acc[i] |= judge(11, when(end[i] > from)&when(end[i] <= due)&flag(known[i]), 0, 0)
	}
}

// signs: T10, T12 and T13 are signs of a fixed line, guarded by the service
// type: not for a mobile number; where the type is unknown the recorded sign
// stands. T14 is for large customers and group members.
func signs(acc []verdict, seen []uint32, service, class []uint8, group []uint64, known []uint8) {
	n := len(acc)
	seen, service, class, group, known = seen[:n], service[:n], class[:n], group[:n], known[:n]
	for i := range n {
		s := uint64(seen[i])
		fixed := when(service[i] != mobile)
		large := when(class[i] != 0) | when(group[i] != 0)&flag(known[i])
		acc[i] |= (s>>demolition&fixed)<<9 | (s>>otherNetwork&fixed)<<11 | (s>>relocation&fixed)<<12 | (s>>demandNotMet&large)<<13
	}
}
