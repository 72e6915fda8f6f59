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
	for k := range t.fee {
		fees, count, amount := t.fee[k], t.rechargeCnt[k], t.rechargeFen[k]
		feeValues, counts, amounts := fees.Values[at:at+n], count.Values[at:at+n], amount.Values[at:at+n]
		for r := range n {
			p, i := &t.profiles[r], at+r
			if k > int(p.oldest) {
				fees.null(i)
				count.null(i)
				amount.null(i)
				continue
			}
			fee := p.feeAt(k)
			if p.noBill>>k&1 != 0 {
				fees.null(i)
			} else {
				feeValues[r] = fee
			}
			counts[r], amounts[r] = p.topUp(k, fee)
		}
	}
	for r := range n {
		p, i := &t.profiles[r], at+r
		if p.is(postpaid) {
			t.balance.null(i)
			t.arrears.put(i, p.arrears())
		} else {
			t.arrears.null(i)
			t.balance.put(i, p.balance())
		}
	}
}

// feeAt is the bill of the month k back.
func (p *profile) feeAt(k int) int64 {
	h := p.draw(uint64(drawFee + k))
	var fee int64
	switch {
	case p.is(zeroBilled):
		fee = 0
	case lane(h, 2) < 2*share/100 || k < int(p.quiet) && lane(h, 2) < 12*share/100:
		fee = 0
	case p.is(planOnly) && p.level < log168:
		fee = rental(p.level)
	default:
		fee = exp2(p.level + noise(uint32(h), octave/2) - int32(k)*p.trend + p.fadeAt(k)/4*3)
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

// topUp is what was paid in the month: prepaid in steps of ten yuan, postpaid
// the bill.
func (p *profile) topUp(k int, fee int64) (int32, int64) {
	h := p.draw(uint64(drawRecharge + k))
	if fee <= 0 {
		return 0, 0
	}
	if p.is(postpaid) {
		if lane(h, 0) < 6*share/100 {
			return 0, 0
		}
		return 1, fee
	}
	idle := uint64(15 * share / 100)
	if k < int(p.fadeMonths) {
		idle = 40 * share / 100
	}
	if lane(h, 0) < idle {
		return 0, 0
	}
	count := 1 + int64(bits.TrailingZeros16(uint16(h>>16)|4))
	return int32(count), (fee/(1000*count) + 1) * 1000 * count
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
