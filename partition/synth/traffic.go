package synth

// traffic writes voice, messages and data: everything counted from CDRs. It
// works out every value and masks those that are not there: which ones are is
// a habit of the subscriber, and a wrongly guessed branch costs more.
func (b *Base) traffic(t *Batch, at, n int) {
	profiles := t.profiles[:n]
	for r := range profiles {
		t.has[r] = profiles[r].on &^ profiles[r].noCDR
	}
	var bits nullness
	bits.of(&t.has, n)
	for _, m := range []*months[int64]{&t.outSec, &t.inSec, &t.roamSec, &t.ldSec, &t.otherLDSec, &t.dataKB} {
		cover(m, &bits, at, n)
	}
	for _, m := range []*months[int32]{&t.outCnt, &t.inCnt, &t.smsCnt} {
		cover(m, &bits, at, n)
	}
	for k := range t.outSec {
		b.month(t, k, at, profiles)
	}
}

// month writes the month k back. One with calls has at least one second each way.
func (b *Base) month(t *Batch, k, at int, profiles []profile) {
	n := len(profiles)
	out, in := t.outSec[k].window(at, n)[:n], t.inSec[k].window(at, n)[:n]
	outCnt, inCnt := t.outCnt[k].window(at, n)[:n], t.inCnt[k].window(at, n)[:n]
	roam, ld, other := t.roamSec[k].window(at, n)[:n], t.ldSec[k].window(at, n)[:n], t.otherLDSec[k].window(at, n)[:n]
	sms, data := t.smsCnt[k].window(at, n)[:n], t.dataKB[k].window(at, n)[:n]
	months, season := int32(k), b.season[k]
	for r := range profiles {
		p := &profiles[r]
		there := all(p.on&^p.noCDR, k)
		drift := p.fadeAt(k) + season - months*p.trend
		if k == int(p.tenure) {
			drift -= octave // joined during the month
		}

		h := p.draw(uint64(drawVoice + k))
		calls := there
		if k < int(p.quiet) || k > int(p.quiet) && lane(h, 3) < 12*share/1000 {
			calls = 0
		}
		seconds := (1 + exp2(p.voice+drift+noise(uint32(h), octave*2/5))) & calls
		bias := int32(p.h>>32&0x7fff) - 1<<14 // some are called more than they call
		called := (1 + exp2(p.voice+drift+bias+noise(uint32(h>>16), octave*2/5))) & calls
		pace := int64(546 + p.h>>16&0x1ff) // 60 to 120 seconds a call, a habit: 65536/120 and up
		out[r], in[r] = seconds, called
		outCnt[r], inCnt[r] = int32(1&calls+seconds*pace>>16), int32(1&calls+called*pace>>16)
		habit := p.h >> 36
		roam[r] = seconds * int64(h>>48&0xff) >> 9 & whole(habit&7)     // travels
		ld[r] = seconds * int64(64+h>>56&0x3f) >> 8 & whole(habit>>3&3) // calls far away
		other[r] = int64(h>>40&0xfff) & calls & whole(habit>>5&31)      // and through somebody else

		h = p.draw(uint64(drawData + k))
		habit = p.h >> 44
		if k < int(p.quiet) && habit&7 < 5 {
			there = 0 // silent altogether
		}
		taste := int32(habit>>3&0xff)*1024 - 2*octave
		sms[r] = int32(exp2(5*octave+taste+drift+noise(uint32(h), octave*2/3)) & there)
		there &^= whole(habit >> 11 & 3) // a telephone that only calls
		data[r] = exp2(17*octave+(p.level-levelMedian)/2+taste+drift+noise(uint32(h>>32), octave*2/3)) & there
	}
}
