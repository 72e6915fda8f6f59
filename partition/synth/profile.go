package synth

import (
	"rescore/partition"
	"rescore/partition/schema"
)

// kind says what a row is. The numbers are part of every stream.
type kind uint8

const (
	clean     kind = iota
	duplicate      // a copy of the subscriber's row
	nullKey
	wrongNumber
	iot
)

// row is a row to be made: which subscriber it is or hangs on.
type row struct {
	index   int64
	segment int32
	kind    kind
	label   uint8 // of a subscriber's own row
}

// Labels of a row.
const (
	unlabelled uint8 = iota // gone in m, or a dirt row
	stays
	churns
)

// Draws of a subscriber's stream. Monthly ones take six places each.
const (
	drawDirt = iota
	drawPerson
	drawHabit
	drawLeave
	drawSignal
	drawTiming
	drawUsage
	drawRare
	drawCRM
	drawEvents
	drawDates
	drawMoney
	drawMissing
	drawHandset
	drawPartner
	drawFee      = 16
	drawVoice    = drawFee + schema.Months
	drawData     = drawVoice + schema.Months
	drawRecharge = drawData + schema.Months
	drawCare     = drawRecharge + schema.Months
	drawPlace    = drawCare + schema.Months
	drawFinding  = drawPlace + 2
)

// Rates planted, dossier §8.3, as thresholds of 16 random bits.
const (
	share = 1 << 16

	leaverNoSignal   = 25 * share / 100   // nothing beyond what loyal ones show
	leaverFades      = 60 * share / 100   // usage ×0.55 to 0.85 a month for 2 or 3 months
	leaverComplains  = 115 * share / 1000 // of those who fade; with the forced ones 12 % of all
	leaverSuspended  = 188 * share / 1000 // 18 % of all
	leaverEnding     = 158 * share / 1000 // 15 % of all
	leaverQuiet      = 15 * share / 100   // silent in m
	loyalFades       = 25 * share / 1000
	loyalComplains   = 25 * share / 1000
	loyalSuspended   = 3 * share / 100
	loyalEnding      = 4 * share / 100
	dormantShare     = 42 * share / 1000 // silent for two months or longer
	recentShare      = 90 * share / 1000 // silent in m, called in m-1
	zeroBilledShare  = 7 * share / 100
	planOnlyShare    = 30 * share / 100 // pays exactly the rental
	runningShare     = 24 * share / 100 // an agreement that ends later than m+2
	goneShare        = 3 * share / 1000
	holdShare        = 5 * share / 1000
	preCancelShare   = 4 * share / 1000
	refundShare      = 3 * share / 1000
	spikeShare       = 3 * share / 1000
	born1900Share    = 3 * share / 1000
	futureShare      = 5 * share / 10000
	undatedShare     = 1 * share / 1000
	imeiZeroShare    = 2 * share / 1000
	imeiClonedShare  = 3 * share / 1000
	imeiMissingShare = 5 * share / 100
	ageMissingShare  = 4 * share / 100
	sexMissingShare  = 2 * share / 100
	confirmedShare   = 5 * share / 1000
)

// mark is something planted in a subscriber.
type mark uint32

const (
	leaves mark = 1 << iota
	gone
	fades
	complains
	suspended
	ending
	silent
	recent
	zeroBilled
	planOnly
	refund
	spike
	born1900
	future
	undated
	imeiZero
	imeiCloned
	hold
	preCancelled
	postpaid
	multiSIM
	transfer
	owing
	noSignal
)

// profile is what the columns of one row have in common. Logarithms are in
// 1/65536 octave.
type profile struct {
	h          uint64 // the stream
	number     uint64 // as written, 0 for null
	index      int64
	city       uint32
	marks      mark
	level      int32 // log2 of the usual monthly fee in fen
	voice      int32 // log2 of the usual outgoing seconds
	trend      int32 // drift a month; positive grows
	fade       int32 // fade a month, negative
	fadeMonths int8  // how many of the newest months fade
	quiet      int8  // how many of the newest months are without calls
	oldest     int8  // the oldest month on network, months back, at most 5
	tenure     int16
	brand      uint8
	service    uint8
	noCDR      uint8  // months whose CDR is missing, bit k
	noBill     uint8  // months whose bill is missing, bit k
	on         uint8  // months on network, bit k
	onBytes    uint64 // the same, a byte a month
}

func (p *profile) is(m mark) bool { return p.marks&m != 0 }

// draw is the k-th hash of the stream.
func (p *profile) draw(k uint64) uint64 { return draw(p.h, k) }

func draw(h, k uint64) uint64 { return partition.Mix(h + k*0xd1342543de82ef95) }

// place is what to add to a stream before mixing to make its k-th draw.
func place(k int) uint64 { return uint64(k) * 0xd1342543de82ef95 }

// stream is the hash every draw of a row hangs on. A duplicate shares its
// subscriber's.
func (b *Base) stream(i int64, k kind) uint64 {
	if k == duplicate {
		k = clean
	}
	return partition.Mix(b.key + uint64(i)*0x9e3779b97f4a7c15 + uint64(k)<<56)
}

// lane is the n-th 16 bits of a hash.
func lane(h uint64, n int) uint64 { return h >> (16 * n) & 0xffff }

// describe works out the profile of a row from its stream alone.
func (b *Base) describe(p *profile, index int64, k kind) {
	*p = profile{h: b.stream(index, k), index: index}
	person := p.draw(drawPerson)
	p.tenure = b.tenure[person&1023]
	p.oldest = int8(min(p.tenure, schema.Months-1))
	z := normal(uint32(person >> 32))

	habit := p.draw(drawHabit)
	// GoTone is the top fifth by income and some chance, and mostly postpaid.
	if z+noise(uint32(habit), 2*octave) > 74_500 {
		p.brand = 3
	} else if lane(person, 1) < 17*share/100 {
		p.brand = 2
	} else {
		p.brand = 1
	}
	post := uint64(20 * share / 100)
	if p.brand == 3 {
		post = 70 * share / 100
	}
	pay := 0
	if lane(habit, 2) < post {
		pay, p.marks = 1, postpaid
	}
	p.level = levelMedian + int32(int64(z)*levelSpread>>16)
	p.service = service(lane(habit, 3))

	signal := p.draw(drawSignal)
	timing := p.draw(drawTiming)
	rare := p.draw(drawRare)
	leave := p.draw(drawLeave)
	if lane(rare, 0) < goneShare {
		p.marks |= gone
	} else if uint64(uint32(leave)) < bound(uint64(b.leave[pay][p.tenure]), p.draw(drawDates)) {
		p.marks |= leaves
	}
	if p.is(leaves) {
		p.foretell(signal)
	} else {
		p.marks |= pick(signal, 0, loyalFades, fades) | pick(signal, 1, loyalComplains, complains) |
			pick(signal, 2, loyalSuspended, suspended) | pick(signal, 3, loyalEnding, ending)
	}
	if p.is(fades) {
		p.fade = -15_366 - int32(lane(timing, 0)*41_159>>16) // log2 of 0.85 to 0.55
		p.fadeMonths = 2 + int8(timing>>16&1)
	}
	p.hush(leave >> 32)

	usage := p.draw(drawUsage)
	p.voice = voiceMedian + (p.level-levelMedian)/2 + noise(uint32(usage), 2*octave)
	p.trend = noise(uint32(usage>>32), octave/10)

	switch r := lane(rare, 1); {
	case r < holdShare:
		p.marks |= hold
	case r < holdShare+preCancelShare:
		p.marks |= preCancelled
	}
	p.marks |= pick(rare, 2, zeroBilledShare, zeroBilled) | pick(rare, 3, planOnlyShare, planOnly)

	money := p.draw(drawMoney)
	p.marks |= pick(money, 0, refundShare, refund) | pick(money, 1, born1900Share, born1900)
	switch r := lane(money, 2); {
	case r < spikeShare:
		p.marks |= spike
	case r < spikeShare+futureShare:
		p.marks |= future
		p.oldest = schema.Months - 1
	case r < spikeShare+futureShare+undatedShare:
		p.marks |= undated
	}
	switch r := lane(money, 3); {
	case r < imeiZeroShare:
		p.marks |= imeiZero
	case r < imeiZeroShare+imeiClonedShare:
		p.marks |= imeiCloned
	}

	missing := p.draw(drawMissing)
	p.noBill = rarely(missing, 0x1ff, 1)                              // 0.2 %
	p.noCDR = rarely(partition.Mix(missing>>60|missing<<4), 0x3ff, 3) // 0.3 %, and 0.2 % by late feeds
}

// rarely is the months, bit k, whose ten bits of h, masked, are below past, 1 to 4.
func rarely(h, mask, past uint64) (months uint8) {
	// With 255 added to what lies above the last two bits, bit 8 of a month stays
	// clear only when that was 0.
	const each = 1 | 1<<10 | 1<<20 | 1<<30 | 1<<40 | 1<<50
	if (h>>2&(each*(mask>>2))+each*0xff)&(each<<8) == each<<8 {
		return 0
	}
	for k := range schema.Months {
		if h>>(10*k)&mask < past {
			months |= 1 << k
		}
	}
	return months
}

// The usual fee: lognormal, so that with the zeros the top fifth pays three
// fifths of everything (AT-25) and the mean is about 75 yuan.
const (
	levelMedian = 815_500 // log2 of 55.7 yuan in fen
	levelSpread = 91_000  // a sigma of 0.96 of the natural logarithm
	voiceMedian = 843_000 // log2 of 7451 s
)

// bound lowers a probability to two fifths for those with an agreement that runs
// on, and raises it for the others so that the mean stays.
func bound(p, dates uint64) uint64 {
	if lane(dates, 1) < runningShare {
		return p * 2 / 5
	}
	return p * 19 / 16
}

// foretell gives a leaver its signals.
func (p *profile) foretell(signal uint64) {
	switch r := lane(signal, 0); {
	case r < leaverNoSignal:
		p.marks |= noSignal | pick(signal, 1, loyalComplains, complains) |
			pick(signal, 2, loyalSuspended, suspended) | pick(signal, 3, loyalEnding, ending)
	case r < leaverNoSignal+leaverFades:
		p.marks |= fades | pick(signal, 1, leaverComplains, complains) |
			pick(signal, 2, leaverSuspended, suspended) | pick(signal, 3, leaverEnding, ending)
	default:
		switch r := lane(signal, 1); {
		case r < 30*share/100:
			p.marks |= complains
		case r < 70*share/100:
			p.marks |= suspended
		default:
			p.marks |= ending
		}
	}
}

// hush decides in how many of the newest months there is no call, and why.
func (p *profile) hush(u uint64) {
	quiet := uint64(recentShare)
	if p.is(leaves) && p.is(fades) {
		quiet = leaverQuiet
	}
	switch r := u & 0xffff; {
	case p.is(gone):
		p.quiet = 1
	case r < dormantShare:
		p.quiet = 2 + int8(r%5)
	case r < dormantShare+quiet:
		p.quiet = 1
	default:
		return
	}
	// Nobody is silent in the month of joining: there is always a first call.
	if p.quiet = min(p.quiet, int8(min(p.tenure, schema.Months))); p.quiet == 0 {
		return
	}
	p.marks |= silent
	if p.quiet == 1 {
		p.marks |= recent
	}
	if p.is(gone) {
		return
	}
	switch r := u >> 16 & 0xffff; {
	case r < 25*share/100:
		p.marks |= multiSIM
	case r < 40*share/100:
		p.marks |= transfer
	case r < 80*share/100 && p.is(postpaid): // 40 % of the 30 % postpaid: 12 %
		p.marks |= owing
	}
}

func pick(h uint64, n int, threshold uint64, m mark) mark {
	if lane(h, n) < threshold {
		return m
	}
	return 0
}

func service(u uint64) uint8 {
	switch {
	case u < 975*share/1000:
		return 1
	case u < 985*share/1000:
		return 3
	case u < 993*share/1000:
		return 4
	case u < 998*share/1000:
		return 2
	}
	return 5
}
