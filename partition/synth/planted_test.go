package synth

import (
	"math"
	"slices"
	"testing"
)

// sample is a province big enough for rates of one in a hundred to show.
func sample(t *testing.T, p Province) (*Base, *Batch, int) {
	t.Helper()
	base := open(t, p)
	b := NewBatch()
	return base, b, base.Fill(b, 0, p.Subscribers)
}

// vector returns a column by name.
func vector[T Integer](b *Batch, name string) *Vector[T] { return b.column(name).(*Vector[T]) }

func rate(n int, yes func(i int) bool) float64 {
	count := 0
	for i := range n {
		if yes(i) {
			count++
		}
	}
	return float64(count) / float64(n)
}

func within(t *testing.T, what string, got, low, high float64) {
	t.Helper()
	if math.IsNaN(got) || got < low || got > high {
		t.Errorf("%s is %.4f, want %.4f to %.4f", what, got, low, high)
	} else {
		t.Logf("%-44s %.4f", what, got)
	}
}

const sampled = 300_000

// TestAT25TopFifthPaysThreeFifths is acceptance figure AT-25: the top 20 % of
// subscribers hold 58 to 62 % of the revenue.
func TestAT25TopFifthPaysThreeFifths(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2, 3} {
		_, b, n := sample(t, Province{Seed: seed, Subscribers: 200_000, Month: 202410})
		fees := slices.Clone(vector[int64](b, "fee_m0").Values[:n])
		slices.Sort(fees)
		var all, top, zero float64
		for i, f := range fees {
			all += float64(f)
			if i >= n*4/5 {
				top += float64(f)
			}
			if f == 0 {
				zero++
			}
		}
		within(t, "share of the top fifth", top/all, 0.58, 0.62)
		within(t, "mean fee in yuan", all/float64(n)/100, 72, 78)
		within(t, "billed exactly zero", zero/float64(n), 0.08, 0.12)
	}
}

func TestPlantedRatesAreThoseOfTheDossier(t *testing.T) {
	t.Parallel()
	base, b, n := sample(t, Province{Seed: 11, Subscribers: sampled, Month: 202410})
	brand, pay := vector[uint8](b, "brand_m0"), vector[uint8](b, "pay_mode")
	within(t, "GoTone", rate(n, func(i int) bool { return brand.Values[i] == 3 }), 0.18, 0.22)
	within(t, "M-Zone", rate(n, func(i int) bool { return brand.Values[i] == 2 }), 0.12, 0.15)
	within(t, "Easyown", rate(n, func(i int) bool { return brand.Values[i] == 1 }), 0.63, 0.70)
	within(t, "postpaid", rate(n, func(i int) bool { return pay.Values[i] == 2 }), 0.28, 0.32)

	fee := vector[int64](b, "fee_m0")
	within(t, "bills of a rental level", rate(n, func(i int) bool {
		return slices.Contains([]int64{800, 1800, 2800, 3800, 5800, 8800, 12_800}, fee.Values[i])
	}), 0.15, 0.35)
	within(t, "fee missing", rate(n, fee.Null), 0.0015, 0.0025)
	within(t, "negative fee", rate(n, func(i int) bool { return fee.Values[i] < 0 }), 0.0002, 0.002)

	out, in := vector[int32](b, "out_cnt_m0"), vector[int32](b, "in_cnt_m0")
	out1 := vector[int32](b, "out_cnt_m1")
	quiet := func(i int) bool { return !out.Null(i) && out.Values[i]+in.Values[i] == 0 }
	within(t, "silent in m", rate(n, quiet), 0.12, 0.15)
	within(t, "of them, active in m-1", rate(n, func(i int) bool { return quiet(i) && !out1.Null(i) && out1.Values[i] > 0 })/rate(n, quiet), 0.65, 0.73)
	within(t, "CDR of m missing", rate(n, out.Null), 0.0022, 0.009)

	within(t, "IMEI of m missing", rate(n, vector[uint64](b, "imei_m0").Null), 0.03, 0.08)
	within(t, "age missing", rate(n, vector[int16](b, "birth_year").Null), 0.035, 0.045)
	within(t, "sex missing", rate(n, vector[uint8](b, "sex").Null), 0.015, 0.025)
	within(t, "no agreement", rate(n, vector[int32](b, "contract_end").Null), 0.60, 0.75)
	within(t, "out of the e-channel's scope", rate(n, vector[int16](b, "elogin_cnt_m0").Null), 0.70, 0.80)
	within(t, "joined in the window", rate(n, vector[uint8](b, "status_m5").Null), 0.15, 0.20)
	balance, arrears := vector[int64](b, "balance_fen"), vector[int64](b, "arrears_fen")
	for i := range n {
		if balance.Null(i) != (pay.Values[i] == 2) || arrears.Null(i) != (pay.Values[i] == 1) {
			t.Fatalf("row %d: balance is for prepaid and arrears for postpaid", i)
		}
	}
	p := base.Planted(0, sampled)
	within(t, "silent with an old user's handset", float64(p.MultiSIM)/float64(p.Silent), 0.22, 0.28)
	within(t, "silent with a new user's handset", float64(p.Transfer)/float64(p.Silent), 0.13, 0.17)
	arrearsSilent := rate(n, func(i int) bool { return quiet(i) && arrears.Values[i] > 0 }) / rate(n, quiet)
	within(t, "silent and in arrears", arrearsSilent, 0.11, 0.16)
}

func TestLeaversShowTheirSignals(t *testing.T) {
	t.Parallel()
	base, b, n := sample(t, Province{Seed: 12, Subscribers: sampled, Month: 202410})
	_, label := base.Labels(nil, nil, 0, sampled)
	at := 0
	churned := make([]bool, n)
	pay := vector[uint8](b, "pay_mode")
	status := vector[uint8](b, "status_m0")
	for i := range n {
		if status.Values[i] == 6 || status.Values[i] == 7 {
			continue // gone: no label
		}
		churned[i] = label[at] == 1
		at++
	}
	if at != len(label) {
		t.Fatalf("%d rows are in the base, %d have labels", at, len(label))
	}
	among := func(yes func(i int) bool, group func(i int) bool) float64 {
		return rate(n, func(i int) bool { return group(i) && yes(i) }) / rate(n, group)
	}
	leaver := func(i int) bool { return churned[i] }
	loyal := func(i int) bool { return !churned[i] }
	within(t, "churn", rate(n, leaver), 0.028, 0.032)
	within(t, "prepaid churn over postpaid",
		among(leaver, func(i int) bool { return pay.Values[i] == 1 })/among(leaver, func(i int) bool { return pay.Values[i] == 2 }), 1.7, 2.3)

	three := func(name string) func(i int) bool {
		a, c, d := vector[int16](b, name+"_m0"), vector[int16](b, name+"_m1"), vector[int16](b, name+"_m2")
		return func(i int) bool { return a.Values[i]+c.Values[i]+d.Values[i] > 0 }
	}
	within(t, "leavers who complained", among(three("complaint_cnt"), leaver), 0.11, 0.13)
	within(t, "loyal who complained", among(three("complaint_cnt"), loyal), 0.022, 0.028)
	within(t, "leavers who were suspended", among(three("suspend_cnt"), leaver), 0.165, 0.195)
	within(t, "loyal who were suspended", among(three("suspend_cnt"), loyal), 0.026, 0.034)

	end, first, past := vector[int32](b, "contract_end"), base.calendar.first(-1), base.calendar.first(-3)
	ending := func(i int) bool { return end.Values[i] >= first && end.Values[i] < past }
	within(t, "leavers whose agreement ends", among(ending, leaver), 0.135, 0.165)
	within(t, "loyal whose agreement ends", among(ending, loyal), 0.036, 0.044)

	tenure := vector[int16](b, "tenure_months")
	for _, band := range []struct {
		name           string
		from, past     int16
		low, high, all float64
	}{
		{"tenure 0 to 3", 0, 4, 0.05, 0.065, 0}, {"tenure 4 and 5", 4, 6, 0.024, 0.034, 0}, {"tenure 6 to 12", 6, 13, 0.037, 0.047, 0},
		{"tenure 13 to 24", 13, 25, 0.023, 0.031, 0}, {"tenure 25 to 60", 25, 61, 0.016, 0.022, 0}, {"tenure over 60", 61, 200, 0.008, 0.013, 0},
	} {
		within(t, "churn at "+band.name, among(leaver, func(i int) bool {
			return !tenure.Null(i) && tenure.Values[i] >= band.from && tenure.Values[i] < band.past
		}), band.low, band.high)
	}
	// A fade is ×0.55 to 0.85 a month; over three months against the three
	// before, usage falls below 0.8 for those who fade and few others.
	sec := [6]*Vector[int64]{}
	for k := range sec {
		sec[k] = b.outSec[k]
	}
	faded := func(i int) bool {
		if sec[5].Null(i) || sec[0].Null(i) || sec[3].Values[i] == 0 || sec[4].Values[i] == 0 {
			return false
		}
		return float64(sec[0].Values[i]) < 0.55*float64(sec[3].Values[i]+sec[4].Values[i])/2
	}
	old := func(i int) bool { return tenure.Values[i] > 6 }
	within(t, "leavers whose calls fell off", among(faded, func(i int) bool { return leaver(i) && old(i) }), 0.45, 0.65)
	within(t, "loyal whose calls fell off", among(faded, func(i int) bool { return loyal(i) && old(i) }), 0.10, 0.18)
	p := base.Planted(0, sampled)
	within(t, "leavers without a signal", float64(p.NoSignal)/float64(p.Churned), 0.24, 0.26)
}

func TestChurnRateIsWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	for _, want := range []float64{0.01, 0.03, 0.05} {
		p := open(t, Province{Seed: 4, Subscribers: 1_000_000, Month: 202410, ChurnRate: want}).Planted(0, 1_000_000)
		within(t, "churn", float64(p.Churned)/float64(p.Subscribers-p.Gone), want*0.96, want*1.04)
	}
}

func TestHistoryStartsWithTheActivation(t *testing.T) {
	t.Parallel()
	base, b, n := sample(t, dirty(6, 30_000))
	tenure, activation := vector[int16](b, "tenure_months"), vector[int32](b, "activation_date")
	asof := base.calendar.first(-1) - 1
	for i := range n {
		if activation.Null(i) != tenure.Null(i) && activation.Values[i] <= asof {
			t.Fatalf("row %d: an activation without a tenure", i)
		}
		if tenure.Null(i) {
			continue
		}
		back := int32(tenure.Values[i])
		if d := activation.Values[i]; d < base.calendar.first(back) || d >= base.calendar.first(back-1) {
			t.Fatalf("row %d: %d months on network, activated %d days before as-of", i, back, asof-d)
		}
		for _, c := range b.Columns {
			if !c.Source.Monthly || int32(c.Month) <= back {
				continue
			}
			if v, ok := c.Vector.(*Vector[int64]); ok && !v.Null(i) {
				t.Fatalf("row %d: %s before joining %d months ago", i, c.Name, back)
			}
			if v, ok := c.Vector.(*Vector[uint64]); ok && !v.Null(i) {
				t.Fatalf("row %d: %s before joining %d months ago", i, c.Name, back)
			}
		}
	}
}

func TestDirtRowsAreWhatTheySayAndFollowTheirSubscriber(t *testing.T) {
	t.Parallel()
	base, b, n := sample(t, dirty(8, 40_000))
	var got Planted
	last := uint64(0)
	for i := range n {
		x := b.msisdn.Values[i]
		switch digits := len(digits(x)); {
		case b.msisdn.Null(i):
			got.NullKeys++
		case digits == 13 && x/100_000_000 == 10_648:
			got.IoT++
		case digits == 10 || digits == 12:
			got.WrongNumbers++
		case x == last:
			if digest(b, i, i+1) != digest(b, i-1, i) {
				t.Fatalf("row %d is no copy of the row before", i)
			}
			got.Duplicates++
		case digits == 11 && x > last && !b.Dirt(i):
			got.Subscribers++
			last = x
		default:
			t.Fatalf("row %d is neither a subscriber in order nor dirt", i)
		}
		if b.Dirt(i) == (x == last && !b.msisdn.Null(i) && (i == 0 || b.msisdn.Values[i-1] != x)) {
			t.Fatalf("row %d: Dirt says %v", i, b.Dirt(i))
		}
	}
	want := base.Planted(0, 40_000)
	if want.Subscribers != got.Subscribers || want.Duplicates != got.Duplicates || want.NullKeys != got.NullKeys ||
		want.WrongNumbers != got.WrongNumbers || want.IoT != got.IoT {
		t.Fatalf("counted %+v, planted %+v", got, want)
	}
	within(t, "duplicates", float64(got.Duplicates)/40_000, 0.008, 0.012)
	within(t, "IoT", float64(got.IoT)/40_000, 0.008, 0.012)
}

func digits(x uint64) (d []byte) {
	for ; x > 0; x /= 10 {
		d = append(d, byte(x%10))
	}
	return d
}

func TestPlantedValuesAreInTheRows(t *testing.T) {
	t.Parallel()
	base, b, n := sample(t, Province{Seed: 9, Subscribers: sampled, Month: 202410})
	p := base.Planted(0, sampled)
	count := func(yes func(i int) bool) int64 {
		return int64(math.Round(rate(n, yes) * float64(n)))
	}
	born, activation, tenure := vector[int16](b, "birth_year"), vector[int32](b, "activation_date"), vector[int16](b, "tenure_months")
	asof := base.calendar.first(-1) - 1
	status := vector[uint8](b, "status_m0")
	out, in := vector[int32](b, "out_cnt_m0"), vector[int32](b, "in_cnt_m0")
	refunded := func(i int) bool {
		for _, v := range b.fee {
			if v.Values[i] < 0 {
				return true
			}
		}
		return false
	}
	for _, c := range []struct {
		name string
		want int64
		slip int64 // rows whose bill is missing hide a refund
		got  int64
	}{
		{"born 1900", p.Born1900, 0, count(func(i int) bool { return born.Values[i] == 1900 })},
		{"activated after as-of", p.Future, 0, count(func(i int) bool { return activation.Values[i] > asof })},
		{"activation unknown", p.Undated, 0, count(func(i int) bool { return activation.Null(i) && tenure.Null(i) })},
		{"gone", p.Gone, 0, count(func(i int) bool { return status.Values[i] == 6 || status.Values[i] == 7 })},
		{"silent", p.Silent, 0, count(func(i int) bool { return !out.Null(i) && out.Values[i] == 0 && in.Values[i] == 0 })},
		{"refunds", p.Refunds, 10, count(refunded)},
	} {
		if c.got > c.want || c.got < c.want-c.slip {
			t.Errorf("%s: %d rows, %d planted", c.name, c.got, c.want)
		}
	}
	var nocdr, nobill int64
	for k := range b.fee {
		status := b.status[k]
		nobill += count(func(i int) bool { return b.fee[k].Null(i) && !status.Null(i) })
		nocdr += count(func(i int) bool { return b.outSec[k].Null(i) && !status.Null(i) })
	}
	if nocdr != p.NoCDR || nobill != p.NoBill {
		t.Errorf("%d CDR months and %d bills missing, planted %d and %d", nocdr, nobill, p.NoCDR, p.NoBill)
	}

	carried := map[uint64]int{}
	for i, x := range b.imei[0].Values[:n] {
		if !b.imei[0].Null(i) {
			carried[x]++
		}
		if x != 0 && len(digits(x)) != 14 {
			t.Fatalf("row %d: an IMEI of %d digits", i, len(digits(x)))
		}
	}
	shared := 0
	for x, c := range carried {
		if x != 0 && c > 20 {
			shared += c
		}
	}
	within(t, "cloned IMEIs found of those planted", float64(shared)/float64(p.IMEICloned), 0.9, 1)
	within(t, "zero IMEIs found of those planted", float64(carried[0])/float64(p.IMEIZero), 0.9, 1)
}

func TestSilentHandsetsBelongToSomebodyWhoCalls(t *testing.T) {
	t.Parallel()
	const n = 60_000
	base := open(t, Province{Seed: 13, Subscribers: n, Month: 202410})
	newUser, oldUser := map[uint64]bool{}, map[uint64]bool{}
	var p profile
	for i := range int64(n) {
		if base.describe(&p, i, clean); p.is(silent | gone) {
			continue
		}
		own, _, _ := base.imeis(&p)
		if p.tenure == 0 {
			newUser[own] = true
		} else {
			oldUser[own] = true
		}
	}
	found, missed := 0, 0
	for i := range int64(n) {
		if base.describe(&p, i, clean); !p.is(multiSIM|transfer) || p.is(imeiZero|imeiCloned) {
			continue
		}
		imei, _, _ := base.imeis(&p)
		if p.is(transfer) && newUser[imei] || p.is(multiSIM) && oldUser[imei] {
			found++
		} else {
			missed++
		}
	}
	within(t, "silent handsets that call under another number", float64(found)/float64(found+missed), 0.98, 1)
}

func TestOneSegmentMonthInFiveHundredIsLate(t *testing.T) {
	t.Parallel()
	base := open(t, Province{Seed: 1, Subscribers: 200_000_000, Month: 202410})
	late := 0
	for _, s := range base.segments[:base.Segments()] {
		for m := base.late(s.id); m != 0; m &= m - 1 {
			late++
		}
	}
	within(t, "late segment-months", float64(late)/float64(6*base.Segments()), 0.0015, 0.0025)
}

func TestDuplicateIsScoredLikeItsOriginal(t *testing.T) {
	t.Parallel()
	// The clean province and the dirty one hold the same subscribers.
	const n = 3_000
	plain, soiled := NewBatch(), NewBatch()
	p := dirty(14, n)
	rows := open(t, p).Fill(soiled, 0, n)
	p.DuplicateRate, p.NullKeyRate, p.WrongNumberRate, p.IoTRate = 0, 0, 0, 0
	if got := open(t, p).Fill(plain, 0, n); got != n {
		t.Fatalf("%d rows without dirt", got)
	}
	at := 0
	for i := range rows {
		if soiled.Dirt(i) {
			continue
		}
		if digest(soiled, i, i+1) != digest(plain, at, at+1) {
			t.Fatalf("subscriber %d differs between the clean and the dirty province", at)
		}
		at++
	}
}
