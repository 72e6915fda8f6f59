package synth

// care writes what was reported, complained of and switched off, broadband and
// the e-channel.
func (b *Base) care(t *Batch, at, n int) {
	profiles := t.profiles[:n]
	var there nullness
	for r := range profiles {
		t.has[r], t.word[r] = profiles[r].on, profiles[r].complaints()
	}
	there.of(&t.has, n)
	for _, m := range [...]*months[int16]{&t.faultCnt, &t.complaintCnt, &t.suspendCnt} {
		cover(m, &there, at, n)
	}
	for k := range t.complaintCnt {
		unpack(t.complaintCnt[k].window(at, n), t.word[:], k)
	}
	lines := t.lines[:0]
	for r := range profiles {
		if profiles[r].broadband() {
			lines = append(lines, uint8(r))
		} else {
			t.has[r] = 0
		}
	}
	there.of(&t.has, n)
	cover(&t.bbFlow, &there, at, n)
	for r := range profiles {
		t.has[r], t.word[r] = 0, profiles[r].suspensions()
		if profiles[r].online() {
			t.has[r] = profiles[r].on
		}
	}
	there.of(&t.has, n)
	cover(&t.eloginCnt, &there, at, n)
	for k := range t.faultCnt {
		draws(t.hash[:], profiles, drawCare+k)
		faults(t.faultCnt[k].window(at, n), t.hash[:], profiles, k)
		suspend := t.suspendCnt[k].window(at, n)
		unpack(suspend, t.word[:], k)
		if k > 2 {
			suspensionsBefore(suspend, t.hash[:], profiles, k)
		}
		logins(t.eloginCnt[k].window(at, n), t.hash[:], profiles, k)
		keep(t.eloginCnt[k].window(at, n), t.has[:], k)
		flows(t.bbFlow[k].window(at, n), t.hash[:], profiles, lines, k)
	}
	for r := range profiles {
		p, i := &profiles[r], at+r
		switch {
		case !p.broadband():
			t.bbStatus.null(i)
		case p.stopped():
			t.bbStatus.put(i, 1)
		default:
			t.bbStatus.put(i, 0)
		}
		b.complaint(t, i, p)
	}
}

func faults(count []int16, hash []uint64, profiles []profile, k int) {
	count, hash = count[:len(profiles)], hash[:len(profiles)]
	for r := range profiles {
		count[r] = 0
		if u := lane(hash[r], 0); u < 12*share/1000 && profiles[r].on>>(k&7)&1 != 0 {
			count[r] = 1
			if u < 15*share/10000 {
				count[r] = 2
			}
		}
	}
}

// complained is the month of the last complaint, months back; -1 is none. One
// in 64 complained longer ago than the last three months.
func (p *profile) complained() int {
	if p.is(complains) {
		return p.when(0)
	}
	if k := 3 + int(p.h>>33&0xff*3>>8); p.h>>27&63 == 0 && k <= int(p.oldest) {
		return k
	}
	return -1
}

// complaints is how many there were in each month, a byte each.
func (p *profile) complaints() uint64 {
	if k := p.complained(); k >= 0 {
		return p.twice() << (8 * k)
	}
	return 0
}

// suspensions is how many are planted in each of the last three months, a byte
// each.
func (p *profile) suspensions() uint64 {
	if p.is(suspended) {
		return p.twice() << (8 * p.when(8))
	}
	return 0
}

// suspensionsBefore adds those of the months before: one in a hundred.
func suspensionsBefore(count []int16, hash []uint64, profiles []profile, k int) {
	count, hash = count[:len(profiles)], hash[:len(profiles)]
	for r := range profiles {
		if p := &profiles[r]; lane(hash[r], 3) < share/100 && p.on>>(k&7)&1 != 0 {
			count[r] = int16(p.twice())
		}
	}
}

// twice is 1, and 2 for one in four.
func (p *profile) twice() uint64 { return 1 + p.h>>30&3/3 }

// complaint writes the outcome of the last complaint. An open one has no date.
func (b *Base) complaint(t *Batch, i int, p *profile) {
	k := p.complained()
	if k < 0 {
		t.complaintResult.null(i)
		t.complaintDate.null(i)
		return
	}
	u := lane(p.draw(drawDates), 3)
	result := [8]uint8{1, 1, 1, 1, 2, 3, 3, 4}[u&7]
	if p.is(leaves) {
		result = [8]uint8{1, 1, 2, 2, 3, 3, 3, 4}[u&7]
	}
	t.complaintResult.put(i, result)
	if result == 4 {
		t.complaintDate.null(i)
		return
	}
	t.complaintDate.put(i, b.calendar.first(int32(k))+int32(u>>3*28>>13))
}

// online reports whether the e-channel knows the subscriber.
func (p *profile) online() bool { return p.h>>50&3 == 0 }

// logins of everybody: about one in four is online at all.
func logins(count []int16, hash []uint64, profiles []profile, k int) {
	count, hash = count[:len(profiles)], hash[:len(profiles)]
	for r := range profiles {
		p, h := &profiles[r], hash[r]
		count[r] = int16(h >> 24 & 7 * (h >> 27 & 3) >> 1)
		if k < int(p.quiet) || k < int(p.fadeMonths) && h>>20&1 == 0 {
			count[r] = 0
		}
	}
}

func (p *profile) broadband() bool { return p.service == 4 || p.h>>52&7 == 0 }

func (p *profile) stopped() bool { return p.h>>56&15 == 0 }

// flows is the kilobytes of the one line in eight that has broadband.
func flows(flow []int64, hash []uint64, profiles []profile, lines []uint8, k int) {
	clear(flow)
	for _, r := range lines {
		p := &profiles[r]
		if p.on>>(k&7)&1 != 0 && !(p.stopped() && k < 1+int(p.h>>60&3)) {
			flow[r] = exp2(23*octave + noise(uint32(hash[r]>>32), 2*octave) + p.fadeAt(k))
		}
	}
}
