package synth

// traffic writes voice, messages and data: everything counted from CDRs.
func (b *Base) traffic(t *Batch, at, n int) {
	for k := range t.outSec {
		out, in := t.outSec[k].Values[at:at+n], t.inSec[k].Values[at:at+n]
		outCnt, inCnt := t.outCnt[k].Values[at:at+n], t.inCnt[k].Values[at:at+n]
		roam, ld, other := t.roamSec[k].Values[at:at+n], t.ldSec[k].Values[at:at+n], t.otherLDSec[k].Values[at:at+n]
		sms, data := t.smsCnt[k].Values[at:at+n], t.dataKB[k].Values[at:at+n]
		for r := range n {
			p := &t.profiles[r]
			if k > int(p.oldest) || p.noCDR>>k&1 != 0 {
				t.noTraffic(k, at+r)
				continue
			}
			drift := p.fadeAt(k) + b.season[k] - int32(k)*p.trend
			if k == int(p.tenure) {
				drift -= octave // joined during the month
			}
			v := p.voiceAt(k, drift)
			out[r], in[r], outCnt[r], inCnt[r] = v.out, v.in, v.outCnt, v.inCnt
			roam[r], ld[r], other[r] = v.roam, v.ld, v.other
			sms[r], data[r] = p.dataAt(k, drift)
		}
	}
}

// noTraffic is a month without a CDR.
func (b *Batch) noTraffic(k, i int) {
	b.outSec[k].null(i)
	b.inSec[k].null(i)
	b.outCnt[k].null(i)
	b.inCnt[k].null(i)
	b.roamSec[k].null(i)
	b.ldSec[k].null(i)
	b.otherLDSec[k].null(i)
	b.smsCnt[k].null(i)
	b.dataKB[k].null(i)
}

type voice struct {
	out, in, roam, ld, other int64
	outCnt, inCnt            int32
}

// voiceAt is the calls of the month k back. A month without calls is silent;
// a month with any has at least one second each way counted.
func (p *profile) voiceAt(k int, drift int32) (v voice) {
	h := p.draw(uint64(drawVoice + k))
	if k < int(p.quiet) || k > int(p.quiet) && lane(h, 3) < 12*share/1000 {
		return v
	}
	v.out = 1 + exp2(p.voice+drift+noise(uint32(h), octave*2/5))
	bias := int32(p.h>>32&0x7fff) - 1<<14 // some are called more than they call
	v.in = 1 + exp2(p.voice+drift+bias+noise(uint32(h>>16), octave*2/5))
	// 60 to 120 seconds a call, a habit.
	pace := int64(546 + p.h>>16&0x1ff) // 65536/120 and up
	v.outCnt = 1 + int32(v.out*pace>>16)
	v.inCnt = 1 + int32(v.in*pace>>16)
	habit := p.h >> 36
	if habit&7 == 0 { // travels
		v.roam = v.out * int64(h>>48&0xff) >> 9
	}
	if habit>>3&3 == 0 { // calls far away
		v.ld = v.out * int64(64+h>>56&0x3f) >> 8
	}
	if habit>>5&31 == 0 { // and through somebody else
		v.other = int64(h >> 40 & 0xfff)
	}
	return v
}

// dataAt is the messages and kilobytes of the month.
func (p *profile) dataAt(k int, drift int32) (int32, int64) {
	habit := p.h >> 44
	if k < int(p.quiet) && habit&7 < 5 {
		return 0, 0 // silent altogether
	}
	h := p.draw(uint64(drawData + k))
	taste := int32(habit>>3&0xff)*1024 - 2*octave
	sms := int32(exp2(5*octave + taste + drift + noise(uint32(h), octave*2/3)))
	if habit>>11&3 == 0 {
		return sms, 0 // a telephone that only calls
	}
	return sms, exp2(17*octave + (p.level-levelMedian)/2 + taste + drift + noise(uint32(h>>32), octave*2/3))
}
