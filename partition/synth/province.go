package synth

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

	"rescore/partition"
	"rescore/partition/schema"
)

// ErrProvince is returned by New when a province cannot be made as described.
var ErrProvince = errors.New("impossible province")

// Province says which province to make. Two equal ones are the same rows.
type Province struct {
	Seed        uint64
	Subscribers int64   // 1 to about 1.2 thousand million
	Month       int32   // scoring month m, yyyymm, 200601 to 209912
	ChurnRate   float64 // share that leaves in m+1, at most 0.2. Zero means 0.03

	// Dirt rows, as a share of subscribers, each at most 0.25. Zero means none.
	DuplicateRate   float64 // copies of a subscriber's row
	NullKeyRate     float64 // rows without a number
	WrongNumberRate float64 // numbers of 10 or 12 digits
	IoTRate         float64 // 13-digit IoT numbers
}

// Default is a province with a little of every kind of dirt, well inside the
// default gates of a job.
func Default(seed uint64, subscribers int64, month int32) Province {
	return Province{
		Seed: seed, Subscribers: subscribers, Month: month, ChurnRate: 0.03,
		DuplicateRate: 0.0005, NullKeyRate: 0.0001, WrongNumberRate: 0.0002, IoTRate: 0.0005,
	}
}

// Base is a province ready to be read. It does not change: any number of
// goroutines may use it at once.
type Base struct {
	province Province
	segments catalogue
	key      uint64 // every stream hangs on it
	calendar calendar
	season   [schema.Months]int32 // log2(days/30) by months back
	tenure   [1024]int16          // quantiles of tenure, months
	leave    [2][tenurePast]uint32
	dirt     [4]uint32 // thresholds, cumulative, in the order of the row kinds
	clones   uint64    // how many IMEIs are shared by many
}

// tenurePast is one more than the longest tenure, in months.
const tenurePast = 181

// New checks p and prepares its catalogue of segments. Memory is 16 bytes a
// segment of 10 000 numbers.
func New(p Province) (*Base, error) {
	if p.ChurnRate == 0 {
		p.ChurnRate = 0.03
	}
	year, month := p.Month/100, p.Month%100
	switch {
	case p.Subscribers < 1:
		return nil, fmt.Errorf("%w: %d subscribers, at least 1 is needed", ErrProvince, p.Subscribers)
	case year < 2006 || year > 2099 || month < 1 || month > 12:
		return nil, fmt.Errorf("%w: month %d is not yyyymm between 200601 and 209912", ErrProvince, p.Month)
	case !(p.ChurnRate > 0 && p.ChurnRate <= 0.2):
		return nil, fmt.Errorf("%w: churn rate %v is not above 0 and at most 0.2", ErrProvince, p.ChurnRate)
	}
	b := &Base{province: p, key: partition.Mix(p.Seed + 0x9e3779b97f4a7c15)}
	var sum uint32
	for k, rate := range []float64{p.DuplicateRate, p.NullKeyRate, p.WrongNumberRate, p.IoTRate} {
		if !(rate >= 0 && rate <= 0.25) {
			return nil, fmt.Errorf("%w: dirt rate %v is not between 0 and 0.25", ErrProvince, rate)
		}
		// At 0.25 four times the sum is 2^32: saturate instead of wrapping.
		var carry uint32
		if sum, carry = bits.Add32(sum, uint32(math.Round(rate*(1<<32))), 0); carry != 0 {
			sum = math.MaxUint32
		}
		b.dirt[k] = sum
	}
	var err error
	if b.segments, err = survey(b.key, p.Subscribers); err != nil {
		return nil, err
	}
	b.calendar = newCalendar(p.Month)
	for k := range b.season {
		b.season[k] = [...]int32{-6523, -3205, 0, 3100}[b.calendar.days(int32(k))-28]
	}
	b.clones = uint64(max(1, p.Subscribers*3/1000/64))
	b.hazards(uint64(math.Round(p.ChurnRate * 1e6)))
	return b, nil
}

// Segments returns how many segments the subscribers live in.
func (b *Base) Segments() int { return len(b.segments) - 1 }

// Number returns the number of subscriber i, 0 ≤ i < Subscribers. Numbers
// increase with i.
func (b *Base) Number(i int64) partition.Number {
	return b.segments.number(b.segments.find(i), i, b.stream(i, clean))
}

// hazards fills the tenure quantiles and the probability to leave by pay mode
// and tenure: the dossier's hazards, scaled so that the mean is the churn rate,
// and prepaid twice postpaid.
func (b *Base) hazards(ppm uint64) {
	bands := [...]struct{ share, past, hazard int }{ // share of 1024, tenure past the band, 1/10000 a month
		{154, 4, 550}, {61, 6, 280}, {184, 13, 400}, {215, 25, 260}, {256, 61, 180}, {154, tenurePast, 100},
	}
	hazard := [tenurePast]uint64{}
	var mean uint64
	at, from := 0, 0
	for _, band := range bands {
		for t := from; t < band.past; t++ {
			hazard[t] = uint64(band.hazard)
		}
		for q := range band.share {
			b.tenure[at] = int16(from + q*(band.past-from)/band.share)
			at++
		}
		mean += uint64(band.share * band.hazard)
		from = band.past
	}
	// With 70 % prepaid, factors 20/17 and 10/17 keep the mean.
	for t, h := range hazard {
		for pay, factor := range [2]uint64{20, 10} {
			p := muldiv(int64(ppm*h*factor*1024), 1<<32, int64(mean*17*1_000_000))
			b.leave[pay][t] = uint32(min(p, 9<<32/10))
		}
	}
}

// muldiv is a·b/c for non-negative values whose product may not fit in 64 bits.
func muldiv(a, b, c int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	q, _ := bits.Div64(hi, lo, uint64(c))
	return int64(q)
}
