package synth

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"rescore/partition"
)

// prefix is a three-digit network code and how full its segments are, in lines
// of 10 000: the old ones are fuller.
type prefix struct {
	code  uint32
	lines uint32
}

// The network codes of one operator, oldest first. 1349 belongs to a satellite
// service and is left out below.
var prefixes = [...]prefix{
	{139, 7500}, {138, 7500}, {137, 7450}, {136, 7450}, {135, 7400}, {134, 7250},
	{159, 7150}, {158, 7150}, {150, 7100}, {151, 7050}, {152, 7000}, {157, 6850},
	{188, 6850}, {187, 6800}, {182, 6750}, {183, 6700}, {147, 6400}, {184, 6400},
	{178, 6400}, {198, 6200}, {172, 6100}, {195, 6050}, {197, 6000},
}

const (
	blocks          = 1000 // H0H1H2: ten segments each, given to a province whole
	segmentsMinimum = 48   // a small province is spread thin rather than narrow
)

// segment is a 号段 of the province and the subscribers that live in it.
type segment struct {
	first int64 // index of its first subscriber
	id    partition.Segment
	city  uint32
}

// catalogue lists the province's segments by number. The last entry is a
// sentinel whose first is the number of subscribers.
type catalogue []segment

// cities are area codes with their share of segments in 1/256: a capital and
// nine more.
var cities = [...]struct{ code, share uint32 }{
	{29, 84}, {910, 32}, {911, 16}, {912, 24}, {913, 30}, {914, 12}, {915, 16}, {916, 20}, {917, 18}, {919, 4},
}

// survey chooses blocks by hash until they hold n subscribers, then fills their
// segments in order of number. About three segments in ten of a block are empty.
func survey(seed uint64, n int64) (catalogue, error) {
	type block struct {
		order uint64
		id    uint32
		lines uint32
	}
	var all []block
	for _, p := range prefixes {
		for b := range uint32(blocks) {
			if p.code == 134 && b >= 900 {
				continue
			}
			id := p.code*blocks + b
			all = append(all, block{order: partition.Mix(seed ^ uint64(id)*0xd6e8feb86659fd93), id: id, lines: p.lines})
		}
	}
	slices.SortFunc(all, func(a, b block) int { return cmp.Compare(a.order, b.order) })

	type fill struct {
		id    partition.Segment
		lines int64
	}
	var chosen []fill
	var capacity int64
	for _, b := range all {
		if capacity >= n && len(chosen) >= segmentsMinimum {
			break
		}
		for h3 := range uint32(10) {
			h := partition.Mix(b.order + uint64(h3+1)*0x9e3779b97f4a7c15)
			if h>>32%10 < 3 {
				continue
			}
			lines := int64(b.lines) - 150 + int64(h&0xffff%301)
			chosen = append(chosen, fill{id: partition.Segment(b.id*10 + h3), lines: lines})
			capacity += lines
		}
	}
	if capacity < n {
		return nil, fmt.Errorf("%w: the numbers of one operator hold %d", ErrProvince, capacity)
	}
	slices.SortFunc(chosen, func(a, b fill) int { return cmp.Compare(a.id, b.id) })

	c := make(catalogue, 0, len(chosen)+1)
	var before int64
	for _, f := range chosen {
		// n·before/capacity spreads the surplus of the last block over all.
		c = append(c, segment{first: muldiv(n, before, capacity), id: f.id, city: cityOf(seed, f.id)})
		before += f.lines
	}
	return append(c, segment{first: n}), nil
}

// cityOf maps a segment to the one city it belongs to.
func cityOf(seed uint64, id partition.Segment) uint32 {
	u := uint32(partition.Mix(seed+uint64(id)*0xa0761d6478bd642f) & 255)
	for _, c := range cities {
		if u < c.share {
			return c.code
		}
		u -= c.share
	}
	return cities[0].code
}

// find returns the position of the segment that subscriber i lives in.
func (c catalogue) find(i int64) int {
	return sort.Search(len(c)-1, func(k int) bool { return c[k+1].first > i })
}

// number is the number of subscriber i, who lives in segment k. Lines are
// strata of 10000/fill with a hash inside each: increasing, never twice.
func (c catalogue) number(k int, i int64, h uint64) partition.Number {
	fill := uint64(c[k+1].first - c[k].first)
	j := uint64(i - c[k].first)
	low := j * partition.LinesPerSegment / fill
	past := (j + 1) * partition.LinesPerSegment / fill
	return c[k].id.First() + partition.Number(low+h>>32*(past-low)>>32)
}
