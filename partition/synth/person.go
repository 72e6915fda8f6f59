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
		standing(t, i, p)
	}
	for k := range t.brand {
		brand, status := t.brand[k], t.status[k]
		brands, statuses := brand.Values[at:at+n], status.Values[at:at+n]
		for r := range n {
			p, i := &t.profiles[r], at+r
			if k > int(p.oldest) {
				brand.null(i)
				status.null(i)
				continue
			}
			brands[r] = p.brandAt(k)
			statuses[r] = p.statusAt(k)
		}
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
func standing(t *Batch, i int, p *profile) {
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
	t.eventFlags.put(i, flags)
}

// brandAt is the brand k months back: one in two hundred came down from GoTone
// in the window.
func (p *profile) brandAt(k int) uint8 {
	if p.brand == 1 && p.h>>48&0xff == 0 && k > int(p.h>>40&3) {
		return 3
	}
	return p.brand
}

// statusAt is the account's status k months back.
func (p *profile) statusAt(k int) uint8 {
	if k == 0 {
		switch {
		case p.is(gone):
			return 6 + uint8(p.h>>32&7/7) // one in eight took the number along
		case p.is(preCancelled):
			return 5
		case p.is(hold):
			return 2
		case p.is(owing) && p.h>>32&0xff < 26: // a tenth is suspended
			return 4
		}
	}
	if p.is(suspended) && k == p.when(8) && p.h>>20&1 == 0 {
		return 3 + uint8(p.h>>21&1)
	}
	return 1
}

// when is the month, 0 to 2 and on network, of something planted in the last
// three months; shift picks the bits that decide.
func (p *profile) when(shift int) int {
	return min(int(p.h>>shift&0xff*3>>8), int(p.oldest))
}
