package synth

import "math/bits"

// Labels appends the number and label (1 leaves in m+1, 0 stays) of every
// subscriber of a range who is in the base at the end of m: the ones already
// cancelled or ported out in m have no label. It panics where Fill does.
func (b *Base) Labels(numbers []uint64, churned []uint8, first, n int64) ([]uint64, []uint8) {
	b.inside(first, n)
	k := 0
	if n > 0 {
		k = b.segments.find(first)
	}
	var p profile
	for i := first; i < first+n; i++ {
		for b.segments[k+1].first <= i {
			k++
		}
		b.describe(&p, i, clean)
		if label := p.label(clean); label != unlabelled {
			numbers = append(numbers, uint64(b.segments.number(k, i, p.h)))
			churned = append(churned, label-stays)
		}
	}
	return numbers, churned
}

func (p *profile) label(k kind) uint8 {
	switch {
	case k != clean || p.is(gone):
		return unlabelled
	case p.is(leaves):
		return churns
	}
	return stays
}

// Planted counts exactly what is planted in a range. Rows = Subscribers +
// Duplicates + NullKeys + WrongNumbers + IoT; the rest are marks of subscribers,
// their dirt rows not counted.
type Planted struct {
	Subscribers  int64 `json:"subscribers"`
	Duplicates   int64 `json:"duplicates"`
	NullKeys     int64 `json:"null_keys"`
	WrongNumbers int64 `json:"wrong_numbers"`
	IoT          int64 `json:"iot"`

	Gone       int64 `json:"gone"`    // status 6 or 7 in m: no label
	Churned    int64 `json:"churned"` // label 1
	NoSignal   int64 `json:"churned_without_signal"`
	Silent     int64 `json:"silent"`        // no call in m, the ones with a CDR of m
	Recent     int64 `json:"recent_silent"` // of them, silent in m only
	MultiSIM   int64 `json:"multi_sim"`
	Transfer   int64 `json:"internal_transfer"`
	Future     int64 `json:"activated_after_asof"`
	Undated    int64 `json:"activation_unknown"`
	Born1900   int64 `json:"born_1900"`
	Refunds    int64 `json:"refunds"`
	Spikes     int64 `json:"fee_spikes"`
	IMEIZero   int64 `json:"imei_zero"`
	IMEICloned int64 `json:"imei_cloned"`
	NoCDR      int64 `json:"cdr_months_missing"`  // subscriber-months on network
	NoBill     int64 `json:"bill_months_missing"` // subscriber-months on network
}

// Rows is how many rows the counts make.
func (c Planted) Rows() int64 {
	return c.Subscribers + c.Duplicates + c.NullKeys + c.WrongNumbers + c.IoT
}

// Add returns the counts of two ranges together.
func (c Planted) Add(o Planted) Planted {
	a, b := c.fields(), o.fields()
	for k := range a {
		*a[k] += *b[k]
	}
	return c
}

func (c *Planted) fields() [21]*int64 {
	return [...]*int64{
		&c.Subscribers, &c.Duplicates, &c.NullKeys, &c.WrongNumbers, &c.IoT, &c.Gone, &c.Churned,
		&c.NoSignal, &c.Silent, &c.Recent, &c.MultiSIM, &c.Transfer, &c.Future, &c.Undated, &c.Born1900,
		&c.Refunds, &c.Spikes, &c.IMEIZero, &c.IMEICloned, &c.NoCDR, &c.NoBill,
	}
}

// Planted counts what Fill plants in a range. It panics where Fill does.
func (b *Base) Planted(first, n int64) Planted {
	b.inside(first, n)
	var c Planted
	if n == 0 {
		return c
	}
	k := b.segments.find(first)
	var p profile
	for i := first; i < first+n; i++ {
		for b.segments[k+1].first <= i {
			k++
		}
		b.describe(&p, i, clean)
		p.noCDR |= b.late(b.segments[k].id)
		c.row(&p, clean)
		if d := b.hanger(p.h); d != clean {
			c.row(nil, d)
		}
	}
	return c
}

// row counts a row: a dirt row by its kind, a subscriber by its marks.
func (c *Planted) row(p *profile, k kind) {
	switch k {
	case clean:
		c.Subscribers++
		c.count(p)
	case duplicate:
		c.Duplicates++
	case nullKey:
		c.NullKeys++
	case wrongNumber:
		c.WrongNumbers++
	case iot:
		c.IoT++
	}
}

func (c *Planted) count(p *profile) {
	const counted = gone | leaves | noSignal | multiSIM | transfer | future | undated | born1900 |
		refund | spike | imeiZero | imeiCloned | silent
	if p.is(counted) {
		for _, m := range [...]struct {
			mark  mark
			count *int64
		}{
			{gone, &c.Gone}, {leaves, &c.Churned}, {noSignal, &c.NoSignal}, {multiSIM, &c.MultiSIM}, {transfer, &c.Transfer},
			{future, &c.Future}, {undated, &c.Undated}, {born1900, &c.Born1900}, {refund, &c.Refunds}, {spike, &c.Spikes},
			{imeiZero, &c.IMEIZero}, {imeiCloned, &c.IMEICloned},
		} {
			if p.is(m.mark) {
				*m.count++
			}
		}
	}
	if p.is(silent) && p.noCDR&1 == 0 {
		c.Silent++
		if p.is(recent) {
			c.Recent++
		}
	}
	on := uint8(1)<<(p.oldest+1) - 1
	c.NoCDR += int64(bits.OnesCount8(p.noCDR & on))
	c.NoBill += int64(bits.OnesCount8(p.noBill & on))
}
