package synth

import "rescore/partition"

// Fill makes the rows of subscribers first to first+n-1, dirt rows included,
// and returns how many there are. Filling a range in one go or piece by piece
// gives the same rows. It panics when the range is not inside the province.
func (b *Base) Fill(batch *Batch, first, n int64) int {
	b.inside(first, n)
	batch.rows = batch.rows[:0]
	k := int32(0)
	if n > 0 {
		k = int32(b.segments.find(first))
	}
	for i := first; i < first+n; i++ {
		for b.segments[k+1].first <= i {
			k++
		}
		batch.rows = append(batch.rows, row{index: i, segment: k})
		if d := b.hanger(b.stream(i, clean)); d != clean {
			batch.rows = append(batch.rows, row{index: i, segment: k, kind: d})
		}
	}
	batch.size(len(batch.rows))
	batch.Planted = Planted{}
	for at := 0; at < len(batch.rows); at += block {
		rows := batch.rows[at:min(at+block, len(batch.rows))]
		for r := range rows {
			p := &batch.profiles[r]
			b.introduce(p, rows[r])
			batch.Planted.row(p, rows[r].kind)
			rows[r].label = p.label(rows[r].kind)
		}
		b.person(batch, at, len(rows))
		b.billing(batch, at, len(rows))
		b.traffic(batch, at, len(rows))
		b.care(batch, at, len(rows))
		b.handset(batch, at, len(rows))
		b.findings(batch, at, len(rows))
	}
	return batch.Len
}

// Rows counts the rows that Fill makes of a range. It panics where Fill does.
func (b *Base) Rows(first, n int64) int64 {
	b.inside(first, n)
	rows := n
	for i := first; i < first+n; i++ {
		if b.hanger(b.stream(i, clean)) != clean {
			rows++
		}
	}
	return rows
}

func (b *Base) inside(first, n int64) {
	if first < 0 || n < 0 || first > b.province.Subscribers-n {
		panic("synth: the range is not inside the province")
	}
}

// hanger is the dirt row that follows the subscriber with stream h; clean is none.
func (b *Base) hanger(h uint64) kind {
	u := uint32(draw(h, drawDirt))
	if u >= b.dirt[3] {
		return clean
	}
	for k, past := range b.dirt {
		if u < past {
			return kind(k + 1)
		}
	}
	return clean
}

// introduce describes a row and gives it its number and city.
func (b *Base) introduce(p *profile, r row) {
	b.describe(p, r.index, r.kind)
	s := &b.segments[r.segment]
	p.city = s.city
	p.noCDR |= b.late(s.id)
	p.on = 1<<(p.oldest+1) - 1
	p.onBytes = 1<<(8*(p.oldest+1)) - 1
	n := uint64(b.segments.number(int(r.segment), r.index, b.stream(r.index, clean)))
	switch r.kind {
	case nullKey:
		n = 0
	case wrongNumber:
		if p.h&1 == 0 {
			n /= 10
		} else {
			n *= 10
		}
	case iot: // 10648 and eight digits: 13
		n = 1_064_800_000_000 + p.h>>32%100_000_000
	case clean, duplicate: // the subscriber's own
	}
	p.number = n
}

// late is the months whose CDR feed of a whole segment never came, bit k: one
// in 512.
func (b *Base) late(id partition.Segment) uint8 {
	h := partition.Mix(b.key + uint64(id)*0x8cb92ba72f3d8dd7)
	var months uint8
	for k := range 6 {
		if h>>(9*k)&511 == 0 {
			months |= 1 << k
		}
	}
	return months
}
