package synth

// person writes who the subscriber is and what the contract says.
func (b *Base) person(t *Batch, at, n int) {
	for r := range n {
		p, i := &t.profiles[r], at+r
		if p.number == 0 {
			t.msisdn.null(i)
		} else {
			t.msisdn.put(i, p.number)
		}
		t.serviceType.put(i, p.service)
		pay := uint8(1)
		if p.is(postpaid) {
			pay = 2
		}
		t.payMode.put(i, pay)
		t.cityCode.put(i, p.city)

		dates := p.draw(drawDates)
		b.joined(t, i, p, dates)
		b.agreement(t, i, p, dates)
		b.identity(t, i, p)
		b.standing(t, i, p)
	}
	profiles := t.profiles[:n]
	var there nullness
	for r := range profiles {
		t.has[r] = profiles[r].on
		t.word[r] = profiles[r].brands()
	}
	there.of(&t.has, n)
	cover(&t.brand, &there, at, n)
	cover(&t.status, &there, at, n)
	for k := range t.brand {
		unpack(t.brand[k].window(at, n), t.word[:], k)
	}
	for r := range profiles {
		t.word[r] = profiles[r].statuses()
	}
	for k := range t.status {
		unpack(t.status[k].window(at, n), t.word[:], k)
	}
}

// joined writes the activation day and the tenure.
func (b *Base) joined(t *Batch, i int, p *profile, dates uint64) {
	switch {
	case p.is(undated):
		t.activation.null(i)
		t.tenureMonths.null(i)
	case p.is(future):
		t.activation.put(i, b.calendar.first(-1)+int32(dates&0xffff%31))
		t.tenureMonths.null(i)
	default:
		from := b.calendar.first(int32(p.tenure))
		days := uint64(b.calendar.first(int32(p.tenure)-1) - from)
		t.activation.put(i, from+int32(dates&0xffff*days>>16))
		t.tenureMonths.put(i, p.tenure)
	}
}

// agreement writes the end of the agreement: for about two in three there is
// none. Days 1 to 28 keep clear of month ends, which have rules of their own.
func (b *Base) agreement(t *Batch, i int, p *profile, dates uint64) {
	back := int32(0)
	switch u := lane(dates, 1); {
	case p.is(ending):
		back = -1 - int32(u&1)
	case u < runningShare:
		back = -3 - int32(u%22)
	case u < 30*share/100: // expired
		back = int32(u % 12)
	default:
		t.contractEnd.null(i)
		return
	}
	t.contractEnd.put(i, b.calendar.first(back)+int32(lane(dates, 2)*28>>16))
}

// identity writes age, sex and employer.
func (b *Base) identity(t *Batch, i int, p *profile) {
	crm := p.draw(drawCRM)
	year := b.calendar.year()
	switch u := lane(crm, 0); {
	case p.is(born1900):
		t.birthYear.put(i, 1900)
	case u < ageMissingShare:
		t.birthYear.null(i)
	case p.brand == 2: // students
		t.birthYear.put(i, int16(year-17-int32(u%10)))
	default:
		t.birthYear.put(i, int16(year-43-noise(uint32(crm>>32), 25)))
	}
	switch u := lane(crm, 1); {
	case u < sexMissingShare:
		t.sex.null(i)
	default:
		t.sex.put(i, uint8(1+u&1))
	}
	if group := crm >> 40; lane(crm, 2)&0xff < 38 { // 15 %
		t.groupID.put(i, 100_000+group%20_000)
	} else {
		t.groupID.null(i)
	}
}

// standing writes class, grade and the flags of events.
func (b *Base) standing(t *Batch, i int, p *profile) {
	events := p.draw(drawEvents)
	class, grade := uint8(0), uint8(0)
	if p.brand == 3 {
		switch { // 1700, 700, 300 and 100 yuan
		case p.level >= 1_138_699:
			class, grade = 1, 3
		case p.level >= 1_054_806:
			class, grade = 2, 2
		case p.level >= 974_696:
			class, grade = 3, 1
		case p.level >= 870_824 && events&7 == 0:
			class = 4
		}
	}
	t.vipClass.put(i, class)
	t.vipGrade.put(i, grade)

	var flags uint32
	rare := lane(events, 1)
	switch { // one in a thousand each
	case rare < 1*share/1000:
		flags = 1
	case rare < 2*share/1000:
		flags = 2
	case rare < 3*share/1000:
		flags = 4
	}
	if class != 0 && rare >= 97*share/100 {
		flags |= 8
	}
	if lane(events, 2) < 15*share/100 {
		flags |= 16
	}
	common := lane(events, 3)
	switch {
	case common < 8*share/100:
		flags |= 32
	case common < 85*share/1000:
		flags |= 64
	case common < 95*share/1000:
		flags |= 128
	}
	if age := b.calendar.year() - int32(t.birthYear.Values[i]); age >= 18 && age <= 24 && (p.brand == 2 || events>>3&3 == 0) {
		flags |= 256 // a student
	}
	t.eventFlags.put(i, flags)
}

// brands is the brand of every month on network, a byte each: one in two
// hundred came down from GoTone in the window.
func (p *profile) brands() uint64 {
	x := uint64(p.brand) * everyMonth
	if p.brand == 1 && p.h>>48&0xff == 0 {
		x += 2 * everyMonth << (8 * (1 + p.h>>40&3))
	}
	return x & p.onBytes
}

// statuses is the account's status of every month on network, a byte each.
func (p *profile) statuses() uint64 {
	x := uint64(everyMonth)
	if p.is(suspended) && p.h>>20&1 == 0 {
		x += (2 + p.h>>21&1) << (8 * p.when(8))
	}
	if p.is(gone | preCancelled | hold | owing) {
		var newest uint64
		switch {
		case p.is(gone):
			newest = 6 + p.h>>32&7/7 // one in eight took the number along
		case p.is(preCancelled):
			newest = 5
		case p.is(hold):
			newest = 2
		case p.h>>32&0xff < 26: // a tenth of those who owe is suspended
			newest = 4
		default:
			newest = x & 0xff
		}
		x = x&^0xff | newest
	}
	return x & p.onBytes
}

// when is the month, 0 to 2 and on network, of something planted in the last
// three months; shift picks the bits that decide.
func (p *profile) when(shift int) int {
	return min(int(p.h>>shift&0xff*3>>8), int(p.oldest))
}
