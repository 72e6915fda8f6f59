package synth

import "rescore/partition"

// handset writes the IMEI and the city of each month.
func (b *Base) handset(t *Batch, at, n int) {
	for r := range n {
		p, i := &t.profiles[r], at+r
		newest, older, changed := b.imeis(p)
		missing := p.draw(drawPlace)
		city := p.draw(drawPlace + 1)
		for k := range t.imei {
			u := missing >> (8 * k) & 0xff
			switch {
			case k > int(p.oldest):
				t.imei[k].null(i)
				t.cellCity[k].null(i)
				continue
			case u < 13: // 5 %
				t.imei[k].null(i)
			case k < changed:
				t.imei[k].put(i, newest)
			default:
				t.imei[k].put(i, older)
			}
			switch c := city >> (8 * k) & 0xff; {
			case c == 0:
				t.cellCity[k].null(i)
			case c < 11: // away, 4 %
				t.cellCity[k].put(i, cities[c%uint64(len(cities))].code)
			default:
				t.cellCity[k].put(i, p.city)
			}
		}
	}
}

// imeis returns the IMEI of the newest months, of the ones before, and how many
// months back the change was.
func (b *Base) imeis(p *profile) (newest, older uint64, changed int) {
	own := imei(draw(p.h, drawHandset))
	switch {
	case p.is(imeiZero):
		return 0, 0, 0
	case p.is(imeiCloned):
		// Each of the pool's members is carried by about 64 numbers.
		shared := imei(partition.Mix(b.key ^ p.draw(drawPartner)%b.clones))
		return shared, shared, 0
	case p.is(multiSIM | transfer):
		if other, ok := b.partner(p); ok {
			return other, other, 0
		}
		return own, own, 0
	}
	if c := p.h >> 8 & 63; c < 5 { // 8 % changed in the window, 1.5 % a month
		return own, imei(draw(p.h, drawHandset) + 1), int(c) + 1
	}
	return own, own, 0
}

// partner finds the handset that a silent number's owner carries now: that of
// another number which calls, an old one (one handset, several SIMs) or one
// that joined this month (internal transfer).
func (b *Base) partner(p *profile) (uint64, bool) {
	h := p.draw(drawPartner)
	fresh := p.is(transfer)
	var q profile
	for t := range uint64(200) {
		j := int64(partition.Mix(h+t) % uint64(b.province.Subscribers))
		if s := b.stream(j, clean); (b.tenure[draw(s, drawPerson)&1023] == 0) != fresh {
			continue
		}
		b.describe(&q, j, clean)
		if q.marks&(silent|gone|imeiZero|imeiCloned|multiSIM|transfer|future) != 0 || j == p.index {
			continue
		}
		return imei(draw(q.h, drawHandset)), true
	}
	return 0, false
}

// imei makes 14 digits: a type allocation code of one of 64 models, and a serial.
func imei(h uint64) uint64 {
	tac := 35_000_000 + partition.Mix(h&63)%1_000_000*(1+h&1)
	return tac*1_000_000 + h>>32%1_000_000
}
