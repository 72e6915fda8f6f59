package sim

import (
	"cmp"
	"fmt"
	"slices"

	"rescore/partition"
	"rescore/partition/job"
)

// newExports draws what a preparation reads: a few numbers, each in many rows, in any
// order, over files and loads. What a row holds is drawn with it, so that the checker
// knows what is to be kept and needs nobody to merge.
func newExports(s *simulation) *base {
	w := s.w
	b := &base{files: make([][]row, 1+w.rng.IntN(4)), exports: true}
	var numbers []partition.Number
	for range 1 + w.rng.IntN(20) {
		segment := partition.Segment(1_380_000 + w.rng.IntN(40)*w.rng.IntN(40))
		numbers = append(numbers, segment.First()+partition.Number(w.rng.IntN(10_000)))
	}
	for f := range b.files {
		for range 1 + w.rng.IntN(25) {
			r := row{number: numbers[w.rng.IntN(len(numbers))], load: w.rng.Int64N(4), value: w.rng.Uint64() % 1000}
			switch {
			case f == 0 && len(b.files[0]) == 0: // a base of no numbers is refused
			case w.chance(0.05):
				r.number, r.kind = 0, rejected
			case w.chance(0.05):
				r.number, r.kind = 0, excluded
			}
			b.files[f] = append(b.files[f], r)
		}
	}
	b.sealExports(s)
	return b
}

// sealExports says of the files what a survey would.
func (b *base) sealExports(s *simulation) {
	b.intake.Columns = []string{"msisdn INT64", "value INT64"}
	segments := map[partition.Segment]int64{}
	for f, rows := range b.files {
		b.intake.Files = append(b.intake.Files, job.InputFile{
			Path: fmt.Sprintf("export-%d.csv", f), Rows: int64(len(rows)), Bytes: int64(100 * len(rows)), SHA256: digest(b.bytes(f)),
		})
		for at := 0; at < len(rows); {
			n := min(1+s.w.rng.IntN(8), len(rows)-at)
			c := job.Chunk{Slice: job.Slice{File: f, First: int64(at), Rows: int64(n), Offset: int64(100 * at), Bytes: int64(100 * n)}}
			for _, r := range rows[at : at+n] {
				if r.number != 0 {
					c.Keys = c.Keys.AddNumber(r.number)
					segments[r.number.Segment()]++
				}
			}
			b.intake.Chunks = append(b.intake.Chunks, c)
			at += n
		}
	}
	for segment, n := range segments {
		b.intake.Segments = append(b.intake.Segments, job.SegmentRows{Segment: segment, Rows: n})
	}
	slices.SortFunc(b.intake.Segments, func(x, y job.SegmentRows) int { return cmp.Compare(x.Segment, y.Segment) })
}

// place is where a row of the exports is.
type place struct{ file, row int }

// in calls out with every row of the exports whose number is in a range.
func (b *base) in(within partition.Range, out func(place, row)) {
	for f, rows := range b.files {
		for i, r := range rows {
			if r.number != 0 && within.Contains(r.number) {
				out(place{f, i}, r)
			}
		}
	}
}

// keep returns the row to keep of every number in a range: the latest load, then the
// later file, then the later row.
func (b *base) keep(within partition.Range) map[partition.Number]place {
	best := map[partition.Number]place{}
	b.in(within, func(at place, r row) {
		was, known := best[r.number]
		if !known || b.files[was.file][was.row].load <= r.load { // files and rows come in order
			best[r.number] = at
		}
	})
	return best
}

// merged is what a range of the exports comes to.
func (b *base) merged(within partition.Range) made {
	var m made
	b.in(within, func(_ place, r row) {
		m.counts.In++
		m.keys = m.keys.AddNumber(r.number)
	})
	keep := b.keep(within)
	m.counts.Scored = int64(len(keep))
	m.counts.Duplicate = m.counts.In - m.counts.Scored
	for _, at := range keep {
		m.sum = m.sum.AddHash(keptHash(b.files[at.file][at.row]))
	}
	return m
}

// exchanged is what slices of the exports come to.
func (b *base) exchanged(list []job.Slice) made {
	var m made
	for _, r := range b.rows(list) {
		m.counts.In++
		switch {
		case r.kind == rejected:
			m.counts.Rejected++
		case r.kind == excluded:
			m.counts.Excluded++
		default:
			m.counts.Scored++
			m.keys = m.keys.AddNumber(r.number)
		}
	}
	m.sum = m.keys
	return m
}

// prepared is what the whole of the exports comes to.
func (b *base) prepared() made {
	m := b.merged(partition.Whole)
	read := int64(0)
	for _, rows := range b.files {
		for _, r := range rows {
			read++
			switch r.kind {
			case rejected:
				m.counts.Rejected++
			case excluded:
				m.counts.Excluded++
			case scored, duplicate:
			}
		}
	}
	m.counts.In = read
	return m
}

func keptHash(r row) uint64 {
	return partition.Mix(uint64(r.number)) ^ partition.Mix(r.value+3) ^ partition.Mix(uint64(r.load)+5)
}
