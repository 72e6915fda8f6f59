package synth

import "testing"

// TestSilentClassesAgreeWithTheRow works the classes that need no other row out
// again from the columns (dossier C06), and holds the others to the shares of
// dossier §8.3.
func TestSilentClassesAgreeWithTheRow(t *testing.T) {
	t.Parallel()
	base, b, n := sample(t, Province{Seed: 15, Subscribers: sampled, Month: 202410})
	class := vector[uint8](b, "silent_class")
	out, in := vector[int32](b, "out_cnt_m0"), vector[int32](b, "in_cnt_m0")
	status, arrears := vector[uint8](b, "status_m0"), vector[int64](b, "arrears_fen")
	carried := map[uint64]int{}
	for i, x := range b.imei[0].Values[:n] {
		if !b.imei[0].Null(i) {
			carried[x]++
		}
	}
	var count [9]int
	for i := range n {
		if class.Null(i) != out.Null(i) {
			t.Fatalf("row %d: a class is known exactly when the calls of m are", i)
		}
		if class.Null(i) {
			continue
		}
		c := class.Values[i]
		count[c]++
		owes, cancelled := arrears.Values[i] > 0, status.Values[i] >= 6
		seen, zero := false, false
		for k := range 3 {
			seen = seen || !b.imei[k].Null(i)
			zero = zero || !b.imei[k].Null(i) && b.imei[k].Values[i] == 0
		}
		matchable := seen && !zero
		ok := false
		switch c {
		case 0:
			ok = out.Values[i]+in.Values[i] > 0
		case 1, 2:
			ok = !cancelled && matchable && (b.imei[0].Null(i) || carried[b.imei[0].Values[i]] < 20)
		case 3:
			ok = owes && status.Values[i] == 4
		case 4:
			ok = owes && status.Values[i] != 4 && !cancelled
		case 5:
			ok = cancelled
		case 6:
			ok = !cancelled && !owes && matchable
		case 7:
			ok = !cancelled && !owes && !matchable
		case 8:
			ok = !cancelled && !owes && matchable && (b.imei[0].Null(i) || carried[b.imei[0].Values[i]] > 20)
		}
		if !ok || (c != 0) != (out.Values[i]+in.Values[i] == 0) {
			t.Fatalf("row %d: class %d does not go with the row", i, c)
		}
	}
	for c, rows := range count {
		if rows == 0 {
			t.Errorf("no row of class %d", c)
		}
	}
	silent := float64(base.Planted(0, sampled).Silent)
	within(t, "MULTI_SIM", float64(count[1])/silent, 0.22, 0.28)
	within(t, "INTERNAL_TRANSFER", float64(count[2])/silent, 0.13, 0.17)
	within(t, "arrears", float64(count[3]+count[4])/silent, 0.10, 0.16)
}

func TestFindingsAreThoseOfTheRow(t *testing.T) {
	t.Parallel()
	// February has the last days of January in its 30, March lacks its first day.
	for _, month := range []int32{202402, 202403} {
		base, b, n := sample(t, Province{Seed: 16, Subscribers: 100_000, Month: month})
		faults, before, window := vector[int16](b, "fault_cnt_m0"), vector[int16](b, "fault_cnt_m1"), vector[int16](b, "fault_cnt_30d")
		complained := vector[uint8](b, "complaint_result")
		tags, justified := vector[uint8](b, "complaint_tags"), vector[uint8](b, "complaint_justified")
		flags, born := vector[uint32](b, "event_flags"), vector[int16](b, "birth_year")
		prev, tenure := vector[uint8](b, "lifecycle_prev"), vector[int16](b, "tenure_months")
		cause, cities := vector[uint8](b, "cause_confirmed"), vector[uint8](b, "city_cnt")
		moved := 0
		for i := range n {
			change := window.Values[i] - faults.Values[i]
			if change < -1 || change > 1 || change < 0 && month == 202402 || change > 0 && (month == 202403 || before.Values[i] == 0) {
				t.Fatalf("row %d of %d: %d faults in m, %d in 30 days", i, month, faults.Values[i], window.Values[i])
			}
			if change != 0 {
				moved++
			}
			if tags.Null(i) != complained.Null(i) || !tags.Null(i) && (tags.Values[i] == 0 || tags.Values[i] > 63) {
				t.Fatalf("row %d: tags without a complaint or the other way round", i)
			}
			if decided := !complained.Null(i) && complained.Values[i] != 4; justified.Null(i) == decided {
				t.Fatalf("row %d: a complaint is justified or not exactly when it is closed", i)
			}
			if age := base.calendar.year() - int32(born.Values[i]); flags.Values[i]>>8&1 != 0 && (age < 18 || age > 24) {
				t.Fatalf("row %d: a student of %d", i, age)
			}
			if !prev.Null(i) && (tenure.Null(i) || tenure.Values[i] == 0) {
				t.Fatalf("row %d: a stage in the version before it joined", i)
			}
			if !cause.Null(i) && (cause.Values[i] < 1 || cause.Values[i] > 12) || !cities.Null(i) && (cities.Values[i] < 1 || cities.Values[i] > 3) {
				t.Fatalf("row %d: cause %d, %d cities", i, cause.Values[i], cities.Values[i])
			}
		}
		if moved == 0 {
			t.Errorf("month %d: the 30 days hold the faults of the month exactly", month)
		}
		within(t, "students", rate(n, func(i int) bool { return flags.Values[i]>>8&1 != 0 }), 0.05, 0.20)
		within(t, "justified complaints", rate(n, func(i int) bool { return justified.Values[i] == 1 })/rate(n, func(i int) bool { return !justified.Null(i) }), 0.3, 0.45)
		within(t, "a confirmed cause", rate(n, func(i int) bool { return !cause.Null(i) }), 0.004, 0.006)
		within(t, "one city", rate(n, func(i int) bool { return cities.Values[i] == 1 }), 0.85, 0.95)
		for stage := uint8(1); stage <= 4; stage++ {
			within(t, "stage before", rate(n, func(i int) bool { return prev.Values[i] == stage }), 0.01, 0.9)
		}
	}
}
