package synth

// traffic writes voice, messages and data: everything counted from CDRs.
func (b *Base) traffic(t *Batch, at, n int) {
	profiles := t.profiles[:n]
	for r := range profiles {
		t.has[r] = profiles[r].on &^ profiles[r].noCDR
	}
	var there nullness
	there.of(&t.has, n)
	for _, m := range [...]*months[int64]{&t.outSec, &t.inSec, &t.roamSec, &t.ldSec, &t.otherLDSec, &t.dataKB} {
		cover(m, &there, at, n)
	}
	for _, m := range [...]*months[int32]{&t.outCnt, &t.inCnt, &t.smsCnt} {
		cover(m, &there, at, n)
	}
	for k := range t.outSec {
		drifts(t.drift[:], profiles, k, b.season[k])
		draws(t.hash[:], profiles, drawVoice+k)
		present(t.mask[:n], t.has[:], k)
		hushed(t.mask[:], t.hash[:], profiles, k)
		out, in := t.outSec[k].window(at, n), t.inSec[k].window(at, n)
		calling(out, t.hash[:], t.drift[:], t.mask[:], profiles)
		called(in, t.hash[:], t.drift[:], t.mask[:], profiles)
		calls(t.outCnt[k].window(at, n), out, t.mask[:], profiles)
		calls(t.inCnt[k].window(at, n), in, t.mask[:], profiles)
		away(t.roamSec[k].window(at, n), t.ldSec[k].window(at, n), out, t.hash[:], profiles)
		others(t.otherLDSec[k].window(at, n), t.mask[:], t.hash[:], profiles)

		draws(t.hash[:], profiles, drawData+k)
		present(t.mask[:n], t.has[:], k)
		tastes(t.drift[:], t.mask[:], profiles, k)
		messages(t.smsCnt[k].window(at, n), t.hash[:], t.drift[:], t.mask[:])
		volumes(t.dataKB[k].window(at, n), t.hash[:], t.drift[:], t.mask[:], profiles)
	}
}

// drifts is how far the month is from the usual one.
func drifts(drift []int32, profiles []profile, k int, season int32) {
	drift = drift[:len(profiles)]
	for r := range profiles {
		p := &profiles[r]
		x := p.fadeAt(k) + season - int32(k)*p.trend
		if k == int(p.tenure) {
			x -= octave // joined during the month
		}
		drift[r] = x
	}
}

// hushed masks the months without a call.
func hushed(mask []int64, hash []uint64, profiles []profile, k int) {
	mask, hash = mask[:len(profiles)], hash[:len(profiles)]
	for r := range profiles {
		if quiet := int(profiles[r].quiet); k < quiet || k > quiet && lane(hash[r], 3) < 12*share/1000 {
			mask[r] = 0
		}
	}
}

// calling is the seconds called out: one at least.
func calling(out []int64, hash []uint64, drift []int32, mask []int64, profiles []profile) {
	hash, drift, mask, profiles = hash[:len(out)], drift[:len(out)], mask[:len(out)], profiles[:len(out)]
	for r := range out {
		x := profiles[r].voice + drift[r] + noise(uint32(hash[r]), octave*2/5)
		out[r] = (1 + exp2(x)) & mask[r]
	}
}

// called is the other direction: some are called more than they call.
func called(in []int64, hash []uint64, drift []int32, mask []int64, profiles []profile) {
	hash, drift, mask, profiles = hash[:len(in)], drift[:len(in)], mask[:len(in)], profiles[:len(in)]
	for r := range in {
		p := &profiles[r]
		x := p.voice + drift[r] + int32(p.h>>32&0x7fff) - 1<<14
		in[r] = (1 + exp2(x+noise(uint32(hash[r]>>16), octave*2/5))) & mask[r]
	}
}

// calls counts one call at least, each of 60 to 120 seconds: a habit.
func calls(count []int32, seconds, mask []int64, profiles []profile) {
	count, seconds, mask = count[:len(profiles)], seconds[:len(profiles)], mask[:len(profiles)]
	for r := range profiles {
		pace := int64(546 + profiles[r].h>>16&0x1ff) // 65536/120 and up
		count[r] = int32(seconds[r]*pace>>16 - mask[r])
	}
}

// away is how many of the seconds called were abroad and far away.
func away(roam, ld, seconds []int64, hash []uint64, profiles []profile) {
	roam, ld = roam[:len(profiles)], ld[:len(profiles)]
	seconds, hash = seconds[:len(profiles)], hash[:len(profiles)]
	for r := range profiles {
		h, habit := hash[r], profiles[r].h>>36
		roam[r] = seconds[r] * int64(h>>48&0xff) >> 9 & whole(habit&7)     // travels
		ld[r] = seconds[r] * int64(64+h>>56&0x3f) >> 8 & whole(habit>>3&3) // calls far away
	}
}

// others is the seconds through somebody else.
func others(other, mask []int64, hash []uint64, profiles []profile) {
	other, mask, hash = other[:len(profiles)], mask[:len(profiles)], hash[:len(profiles)]
	for r := range profiles {
		other[r] = int64(hash[r]>>40&0xfff) & mask[r] & whole(profiles[r].h>>41&31)
	}
}

// tastes adds the taste for data to the drift and masks those silent altogether.
func tastes(drift []int32, mask []int64, profiles []profile, k int) {
	drift, mask = drift[:len(profiles)], mask[:len(profiles)]
	for r := range profiles {
		p := &profiles[r]
		habit := p.h >> 44
		drift[r] += int32(habit>>3&0xff)*1024 - 2*octave
		if k < int(p.quiet) && habit&7 < 5 {
			mask[r] = 0
		}
	}
}

func messages(sms []int32, hash []uint64, drift []int32, mask []int64) {
	hash, drift, mask = hash[:len(sms)], drift[:len(sms)], mask[:len(sms)]
	for r := range sms {
		sms[r] = int32(exp2(5*octave+drift[r]+noise(uint32(hash[r]), octave*2/3)) & mask[r])
	}
}

// volumes is the kilobytes; some telephones only call.
func volumes(data []int64, hash []uint64, drift []int32, mask []int64, profiles []profile) {
	hash, drift, mask, profiles = hash[:len(data)], drift[:len(data)], mask[:len(data)], profiles[:len(data)]
	for r := range data {
		p := &profiles[r]
		x := 17*octave + (p.level-levelMedian)/2 + drift[r] + noise(uint32(hash[r]>>32), octave*2/3)
		data[r] = exp2(x) & mask[r] &^ whole(p.h>>55&3)
	}
}
