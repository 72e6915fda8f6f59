package synth

// care writes what was reported, complained of and switched off, broadband and
// the e-channel.
func (b *Base) care(t *Batch, at, n int) {
	for k := range t.faultCnt {
		fault, complaint, suspend := t.faultCnt[k], t.complaintCnt[k], t.suspendCnt[k]
		login, flow := t.eloginCnt[k], t.bbFlow[k]
		faultCnt, complaints, suspensions := fault.Values[at:at+n], complaint.Values[at:at+n], suspend.Values[at:at+n]
		for r := range n {
			p, i := &t.profiles[r], at+r
			if k > int(p.oldest) {
				fault.null(i)
				complaint.null(i)
				suspend.null(i)
				login.null(i)
				flow.null(i)
				continue
			}
			h := p.draw(uint64(drawCare + k))
			faultCnt[r] = faults(lane(h, 0))
			complaints[r] = p.complaints(k)
			suspensions[r] = p.suspensions(k, h)
			if p.online() {
				login.put(i, p.logins(k, h))
			} else {
				login.null(i)
			}
			if p.broadband() {
				flow.put(i, p.flow(k, h))
			} else {
				flow.null(i)
			}
		}
	}
	for r := range n {
		p, i := &t.profiles[r], at+r
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

func faults(u uint64) int16 {
	switch {
	case u < 15*share/10000:
		return 2
	case u < 12*share/1000:
		return 1
	}
	return 0
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

func (p *profile) complaints(k int) int16 {
	if k != p.complained() {
		return 0
	}
	return p.twice()
}

// suspensions of month k: what is planted in the last three months, and one in
// a hundred before.
func (p *profile) suspensions(k int, h uint64) int16 {
	if p.is(suspended) && k == p.when(8) || k > 2 && lane(h, 3) < share/100 {
		return p.twice()
	}
	return 0
}

// twice is 1, and 2 for one in four.
func (p *profile) twice() int16 { return 1 + int16(p.h>>30&3/3) }

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

func (p *profile) logins(k int, h uint64) int16 {
	if k < int(p.quiet) || k < int(p.fadeMonths) && h>>20&1 == 0 {
		return 0
	}
	return int16(h >> 24 & 7 * (h >> 27 & 3) >> 1)
}

func (p *profile) broadband() bool { return p.service == 4 || p.h>>52&7 == 0 }

func (p *profile) stopped() bool { return p.h>>56&15 == 0 }

func (p *profile) flow(k int, h uint64) int64 {
	if p.stopped() && k < 1+int(p.h>>60&3) {
		return 0
	}
	return exp2(23*octave + noise(uint32(h>>32), 2*octave) + p.fadeAt(k))
}
