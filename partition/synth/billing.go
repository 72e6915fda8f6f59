package synth

import "math/bits"

// rental is the plan rental at or below 2^x fen, for plans of 8 to 128 yuan.
func rental(x int32) int64 {
	switch {
	case x >= log128:
		return 12_800
	case x >= log88:
		return 8_800
	case x >= log58:
		return 5_800
	case x >= log38:
		return 3_800
	case x >= log28:
		return 2_800
	case x >= log18:
		return 1_800
	}
	return 800
}

// log2 of the rentals in fen, in 1/65536 octave.
const (
	log18  = 708_692
	log28  = 750_467
	log38  = 779_340
	log58  = 819_320
	log88  = 858_737
	log128 = 894_164
	log168 = 919_875 // above it nobody is on a plain rental
)

// billing writes fees, top-ups, balance and arrears.
func (b *Base) billing(t *Batch, at, n int) {
	profiles := t.profiles[:n]
	var there nullness
	for r := range profiles {
		t.has[r] = profiles[r].on
	}
	there.of(&t.has, n)
	cover(&t.rechargeCnt, &there, at, n)
	cover(&t.rechargeFen, &there, at, n)
	for r := range profiles {
		p := &profiles[r]
		t.has[r] = p.on &^ p.noBill
		t.rent[r] = 0
		if p.is(planOnly) && p.level < log168 {
			t.rent[r] = rental(p.level)
		}
	}
	there.of(&t.has, n)
	cover(&t.fee, &there, at, n)
	for k := range t.fee {
		draws(t.hash[:], profiles, drawFee+k)
		fees := t.fee[k].window(at, n)
		bills(fees, t.hash[:], profiles, k)
		charge(fees, t.rent[:], t.hash[:], profiles, k)
		draws(t.hash[:], profiles, drawRecharge+k)
		topUps(t.rechargeCnt[k].window(at, n), t.rechargeFen[k].window(at, n), fees, t.hash[:], profiles, k)
		keep(fees, t.has[:], k)
	}
	for r := range profiles {
		p, i := &profiles[r], at+r
		if p.is(postpaid) {
			t.balance.null(i)
			t.arrears.put(i, p.arrears())
		} else {
			t.arrears.null(i)
			t.balance.put(i, p.balance())
		}
	}
}

// bills is the bill of the month by use.
func bills(fees []int64, hash []uint64, profiles []profile, k int) {
	fees, hash = fees[:len(profiles)], hash[:len(profiles)]
	for r := range profiles {
		p := &profiles[r]
		fees[r] = exp2(p.level + noise(uint32(hash[r]), octave/2) - int32(k)*p.trend + p.fadeAt(k)/4*3)
	}
}

// charge makes fees of bills by use: plain rentals, months without a charge, a
// first month, a refund or a spike.
func charge(fees, rent []int64, hash []uint64, profiles []profile, k int) {
	fees, rent, hash = fees[:len(profiles)], rent[:len(profiles)], hash[:len(profiles)]
	for r := range profiles {
		p, fee, h := &profiles[r], fees[r], hash[r]
		if rent[r] != 0 {
			fee = rent[r]
		}
		zero := uint64(2 * share / 100)
		if k < int(p.quiet) {
			zero = 12 * share / 100
		}
		if lane(h, 2) < zero || p.is(zeroBilled) {
			fee = 0
		}
		if k == int(p.tenure) {
			fee /= 2 // joined during the month
		}
		if p.is(refund|spike) && k == min(int(p.h>>12&7), int(p.oldest)) {
			fee += 20_000 + int64(h>>48)
			if p.is(refund) {
				fee = -100 - int64(h>>48%5000)
			}
		}
		fees[r] = fee
	}
}

// fadeAt is how far usage has faded k months back, as a logarithm.
func (p *profile) fadeAt(k int) int32 {
	if k >= int(p.fadeMonths) {
		return 0
	}
	return p.fade * int32(int(p.fadeMonths)-k)
}

// portion is 2^40 divided by 1, 2 and 3, rounded up: to multiply by instead of
// dividing, exact below 2^20.
var portion = [4]uint64{1: 1 << 40, 2: 1 << 39, 3: 1<<40/3 + 1}

// topUps is how often and what was paid in the month: prepaid in steps of ten
// yuan, postpaid the bill.
func topUps(counts []int32, paid, fees []int64, hash []uint64, profiles []profile, k int) {
	counts, paid = counts[:len(profiles)], paid[:len(profiles)]
	fees, hash = fees[:len(profiles)], hash[:len(profiles)]
	for r := range profiles {
		p, fee, h := &profiles[r], fees[r], hash[r]
		count := 1 + int64(bits.TrailingZeros16(uint16(h>>16)|4))
		amount := int64(uint64(fee)/1000*portion[count&3]>>40+1) * 1000 * count
		idle := uint64(15 * share / 100)
		if k < int(p.fadeMonths) {
			idle = 40 * share / 100
		}
		if p.is(postpaid) {
			idle = 6 * share / 100
		}
		if p.is(postpaid) {
			amount = fee
		}
		if p.is(postpaid) {
			count = 1
		}
		// Both are above 0 when something is paid.
		pays := (-fee >> 63) & (int64(idle-1-lane(h, 0)) >> 63) & -int64(p.on>>(k&7)&1)
		counts[r], paid[r] = int32(count&pays), amount&pays
	}
}

// balance of a prepaid account: about one in sixteen is below five yuan.
func (p *profile) balance() int64 {
	h := p.draw(drawMoney)
	u := h >> 40
	switch r := uint32(u & 0xff); {
	case r < 3:
		return -int64(h >> 48 % 1500)
	case r < 15 || p.is(fades) && r < 50:
		return int64(h >> 48 % 500)
	}
	return 500 + exp2(10*octave+noise(uint32(u^h), 5*octave/2))
}

// arrears of a postpaid account; most owe nothing.
func (p *profile) arrears() int64 {
	u := p.h >> 24 & 0xff
	if p.is(owing) || p.is(suspended) && u < 128 || u < 8 {
		return 100 + exp2(p.level+octave/2)
	}
	return 0
}
