package synth

import "rescore/partition"

// handset writes the IMEI and the city of each month.
func (b *Base) handset(t *Batch, at, n int) {
	profiles := t.profiles[:n]
	var newest, older [block]uint64
	var changed [block]uint8
	for r := range profiles {
		p := &profiles[r]
		newest[r], older[r], changed[r] = b.imeis(p)
		t.has[r] = p.on & above(p.draw(drawPlace), 13) // 5 % are missing
	}
	var there nullness
	there.of(&t.has, n)
	cover(&t.imei, &there, at, n)
	for k := range t.imei {
		carried(t.imei[k].window(at, n), newest[:], older[:], changed[:], k)
		keep(t.imei[k].window(at, n), t.has[:], k)
	}

	draws(t.hash[:], profiles, drawPlace+1)
	for r := range profiles {
		t.has[r] = profiles[r].on & above(t.hash[r], 1)
	}
	there.of(&t.has, n)
	cover(&t.cellCity, &there, at, n)
	for k := range t.cellCity {
		places(t.cellCity[k].window(at, n), t.hash[:], profiles, k)
		keep(t.cellCity[k].window(at, n), t.has[:], k)
	}
}

// above reports which of the months' bytes of h are least, at most 128, or more.
func above(h, least uint64) (months uint8) {
	const low, high = 0x7f7f7f7f7f7f, 0x808080808080
	top := (h&low + (128-least)*everyMonth | h) & high
	return uint8(top >> 7 * 0x0102040810204080 >> 56) // the bit of byte k goes to bit k
}

func carried(imei, newest, older []uint64, changed []uint8, k int) {
	newest, older, changed = newest[:len(imei)], older[:len(imei)], changed[:len(imei)]
	for r := range imei {
		imei[r] = older[r]
		if k < int(changed[r]) {
			imei[r] = newest[r]
		}
	}
}

// places is where a number was most: away 4 % of the time.
func places(city []uint32, hash []uint64, profiles []profile, k int) {
	city, hash = city[:len(profiles)], hash[:len(profiles)]
	for r := range profiles {
		city[r] = profiles[r].city
		if c := hash[r] >> (8 * (k & 7)) & 0xff; c < 11 {
			city[r] = cities[c%uint64(len(cities))].code
		}
	}
}

// imeis returns the IMEI of the newest months, of the ones before, and how many
// months back the change was.
func (b *Base) imeis(p *profile) (newest, older uint64, changed uint8) {
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
		p.marks &^= multiSIM | transfer // a province too small for it
		return own, own, 0
	}
	if c := p.h >> 8 & 63; c < 5 { // 8 % changed in the window, 1.5 % a month
		return own, imei(draw(p.h, drawHandset) + 1), uint8(c) + 1
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
