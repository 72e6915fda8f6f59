package synth

// findings writes what others found out about the subscriber: the network desk,
// the complaint desk, the IMEI exchange, the version before and whoever called.
func (b *Base) findings(t *Batch, at, n int) {
	profiles := t.profiles[:n]
	draws(t.hash[:], profiles, drawFinding)
	for _, v := range [...]*Vector[uint8]{t.complaintTags, t.complaintJustified, t.causeConfirmed} {
		v.vanish(at, n)
	}
	for r := range profiles {
		p, h, i := &profiles[r], t.hash[r], at+r
		t.faultCnt30d.put(i, b.recentFaults(t, i, lane(h, 0)))
		if !t.complaintResult.Null(i) {
			t.complaintTags.give(i, topics(lane(h, 1)))
			if t.complaintResult.Values[i] != 4 { // an open one is not decided
				t.complaintJustified.give(i, uint8(lane(h, 1)>>8&7/5))
			}
		}
		if class, known := silence(t, i, p); known {
			t.silentClass.put(i, class)
		} else {
			t.silentClass.null(i)
		}
		if t.cellCity[0].Null(i) {
			t.cityCnt.null(i)
		} else {
			t.cityCnt.put(i, cityCount(t.cellCity[0].Values[i] != p.city, h>>48))
		}
		if stage := p.stageBefore(); stage != 0 {
			t.lifecyclePrev.put(i, stage)
		} else {
			t.lifecyclePrev.null(i)
		}
		if lane(h, 2) < confirmedShare {
			t.causeConfirmed.give(i, p.confirmed(h>>56))
		}
	}
}

// recentFaults counts the faults of the last 30 days of m: without the first day
// of a month of 31, with the last days before a February.
func (b *Base) recentFaults(t *Batch, i int, u uint64) int16 {
	count := t.faultCnt[0].Values[i]
	switch missing := int64(30 - b.calendar.days(0)); {
	case missing < 0 && count > 0 && u&31 == 0:
		count--
	case t.faultCnt[1].Values[i] > 0 && int64(u&31) < missing:
		count++
	}
	return count
}

// topics are the tags of a complaint; one in four has a second one.
func topics(u uint64) uint8 {
	weighted := [8]uint8{1, 1, 2, 2, 4, 8, 16, 32}
	tags := weighted[u&7]
	if u>>3&3 == 0 {
		tags |= weighted[u>>5&7]
	}
	return tags
}

// silence is the class of dossier C06, by its precedence, from what the row
// itself shows and from whose handset was planted. It is not known when the CDR
// of m is missing.
func silence(t *Batch, i int, p *profile) (class uint8, known bool) {
	if p.noCDR&1 != 0 {
		return 0, false
	}
	unseen := func() bool { // an IMEI is looked for in the last three months
		return t.imei[0].Null(i) && t.imei[1].Null(i) && t.imei[2].Null(i)
	}
	switch {
	case !p.is(silent):
		return 0, true
	case p.is(gone):
		return 5, true
	case p.is(imeiZero | imeiCloned): // nobody is found by it
	case unseen():
	case p.is(transfer):
		return 2, true
	case p.is(multiSIM):
		return 1, true
	}
	switch {
	case t.arrears.Values[i] > 0 && t.status[0].Values[i] == 4:
		return 3, true
	case t.arrears.Values[i] > 0:
		return 4, true
	case p.is(imeiZero) || unseen():
		return 7, true
	case p.is(imeiCloned):
		return 8, true
	}
	return 6, true
}

// cityCount is in how many cities the handset was used: those seen away mostly
// were in two, one in sixteen in one more.
func cityCount(away bool, u uint64) uint8 {
	count := uint8(1)
	if away {
		count = 2
	}
	if u&15 == 0 {
		count++
	}
	return count
}

// stageBefore is the lifecycle stage (dossier C18) in the version before; 0 when
// the subscriber was not in it.
func (p *profile) stageBefore() uint8 {
	switch {
	case p.tenure < 1 || p.is(future|undated):
		return 0
	case p.tenure < 4:
		return 1
	case p.fadeMonths > 2 || p.quiet > 1: // it showed a month ago
		return 4
	case p.tenure < 13:
		return 2
	}
	return 3
}

// confirmed is the cause (dossier C24) somebody heard, by what is planted.
func (p *profile) confirmed(u uint64) uint8 {
	switch {
	case p.is(transfer):
		return 9
	case p.is(multiSIM):
		return 8
	case p.is(owing):
		return 10
	case p.is(ending):
		return 11
	case p.is(complains):
		return [2]uint8{2, 4}[u&1]
	}
	return [8]uint8{1, 1, 3, 3, 5, 6, 7, 12}[u&7]
}
