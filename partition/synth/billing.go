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
	var rent [block]int64 // of those who pay the plain rental
	for r := range profiles {
		p := &profiles[r]
		if p.is(planOnly) && p.level < log168 {
			rent[r] = rental(p.level)
		}
		t.has[r] = p.on
	}
	var bits nullness
	bits.of(&t.has, n)
	cover(&t.rechargeCnt, &bits, at, n)
	cover(&t.rechargeFen, &bits, at, n)
	for r := range profiles {
		t.has[r] = profiles[r].on &^ profiles[r].noBill
	}
	bits.of(&t.has, n)
	cover(&t.fee, &bits, at, n)
	for k := range t.fee {
		fees, counts, amounts := t.fee[k].window(at, n)[:n], t.rechargeCnt[k].window(at, n)[:n], t.rechargeFen[k].window(at, n)[:n]
		for r := range profiles {
			p := &profiles[r]
			there := all(p.on, k)
			fee := p.feeAt(k, rent[r&(block-1)])
			fees[r] = fee & all(p.on&^p.noBill, k)
			count, amount := p.topUp(k, fee)
			counts[r], amounts[r] = int32(count&there), amount&there
		}
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

// feeAt is the bill of the month k back; rent is 0 for those who pay by use.
func (p *profile) feeAt(k int, rent int64) int64 {
	h := p.draw(uint64(drawFee + k))
	fee := exp2(p.level + noise(uint32(h), octave/2) - int32(k)*p.trend + p.fadeAt(k)/4*3)
	if rent != 0 {
		fee = rent
	}
	zero := uint64(2 * share / 100)
	if k < int(p.quiet) {
		zero = 12 * share / 100
	}
	if p.is(zeroBilled) || lane(h, 2) < zero {
		fee = 0
	}
	if k == int(p.tenure) {
		fee /= 2 // joined during the month
	}
	if p.is(refund|spike) && k == min(int(p.h>>12&7), int(p.oldest)) {
		if p.is(refund) {
			return -100 - int64(h>>48%5000)
		}
		return fee + 20_000 + int64(h>>48)
	}
	return fee
}

// fadeAt is how far usage has faded k months back, as a logarithm.
func (p *profile) fadeAt(k int) int32 {
	if k >= int(p.fadeMonths) {
		return 0
	}
	return p.fade * int32(int(p.fadeMonths)-k)
}

// portion is 2^40 divided by 1, 2 and 3, rounded up: to multiply by instead
// of dividing, exact below 2^20.
var portion = [4]uint64{1: 1 << 40, 2: 1 << 39, 3: 1<<40/3 + 1}

// topUp is how often and what was paid in the month: prepaid in steps of ten
// yuan, postpaid the bill.
func (p *profile) topUp(k int, fee int64) (count, amount int64) {
	h := p.draw(uint64(drawRecharge + k))
	count = 1 + int64(bits.TrailingZeros16(uint16(h>>16)|4))
	amount = int64(uint64(fee)/1000*portion[count&3]>>40+1) * 1000 * count
	idle := uint64(15 * share / 100)
	if k < int(p.fadeMonths) {
		idle = 40 * share / 100
	}
	if p.is(postpaid) {
		count, amount, idle = 1, fee, 6*share/100
	}
	if fee <= 0 || lane(h, 0) < idle {
		return 0, 0
	}
	return count, amount
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
