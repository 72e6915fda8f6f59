package sink

import (
	"slices"
	"unsafe"

	"rescore/partition"
	"rescore/partition/schema"
)

// sumBlock is how many rows are hashed at once: 8 KiB of hashes stay in the
// first-level cache while the columns pass by.
const sumBlock = 1024

// rowSum sums up the hashes of the rows from first on. A row of the score stage has the hash,
// modulo 2^64,
//
//	h = value(0)·k(0) + value(1)·k(1) + …   over the columns of schema.ScoreWith
//	                                        but schema.Reasons
//
// where value is the column's value as a 64-bit two's complement integer, or
// the 32 bits of a float32, and k(c) = Mix((c+1)·0x9e3779b97f4a7c15) | 1. The
// factors are odd, so rows that differ in one column always differ in h, and
// they differ, so a column's place counts. AddHash then mixes h into both lanes
// of the sum. One multiplication a value costs half of one Mix a value, or less: see quads.
// Batches, row groups and partitions do not show: sums add up.
//
// What the select stage adds to the row is hashed for itself, over the key and the
// columns of schema.Selected, with factors of its own. A published row counts
// with both hashes, tied together by the key, which no two rows share (I1): so
// the stage adds its part to the sum without reading what it does not need. So do
// the key and schema.Reasons: where the select stage writes them anew, it takes the
// old ones out of the sum.
func (g *group) rowSum(first int) partition.Sum {
	var sum partition.Sum
	if first == g.rows {
		return sum // and nobody points behind the last value
	}
	for _, terms := range g.layout.sums {
		same := g.part(terms, first)
		if chosen == avx512 {
			g.quads.gather(g.parts)
		}
		for at, rows := 0, g.rows-first; at < rows; at += sumBlock {
			h := g.sum[:min(sumBlock, rows-at)]
			done := 0 // of them, as to columns of up to 32 bits
			if chosen == avx512 {
				done = g.quads.sum(h, same, at)
			}
			fill(h[done:], same)
			for i := range g.parts {
				if p := &g.parts[i]; p.kind == kind64 {
					p.weigh(h, at)
				} else if done < len(h) {
					p.weigh(h[done:], at+done)
				}
			}
			sum = sum.Add(partition.SumOf(h))
		}
	}
	return sum
}

// part is a column's share of the hashes of some rows, where it is not known to be one value.
type part struct {
	kind   int
	from   unsafe.Pointer // its first value
	factor uint64
}

// part makes parts of columns, from a row on, and returns what the others add to every hash.
func (g *group) part(terms []term, first int) (same uint64) {
	g.parts = g.parts[:0]
	for _, t := range terms {
		c := g.columns[t.column]
		if one, is := c.only(); is {
			same += t.factor * one
			continue
		}
		kind, from := c.raw()
		g.parts = append(g.parts, part{kind, unsafe.Add(from, first*kindBytes[kind]), t.factor})
	}
	return same
}

// weigh adds the shares of rows from one on to h.
func (p *part) weigh(h []uint64, at int) {
	from := unsafe.Add(p.from, at*kindBytes[p.kind])
	switch p.kind {
	case kindUint8:
		weighInts(h, p.factor, unsafe.Slice((*uint8)(from), len(h)))
	case kindInt8:
		weighInts(h, p.factor, unsafe.Slice((*int8)(from), len(h)))
	case kindUint16:
		weighInts(h, p.factor, unsafe.Slice((*uint16)(from), len(h)))
	case kindInt32:
		weighInts(h, p.factor, unsafe.Slice((*int32)(from), len(h)))
	case kindUint32:
		weighInts(h, p.factor, unsafe.Slice((*uint32)(from), len(h)))
	default:
		weighInts(h, p.factor, unsafe.Slice((*uint64)(from), len(h)))
	}
}

// term is a column's share of a hash.
type term struct {
	column int
	factor uint64
}

// weight is a term before the layout says where the column is.
type weight struct {
	column string
	factor uint64
}

// Salts keep the factors of the other hashes apart from the score stage's.
const (
	selectSalt = 0x73656c6563743031 // "select01"
	reasonSalt = 0x726561736f6e3031 // "reason01"
)

var (
	selectTerms = weights(append([]schema.Column{schema.Score[0]}, schema.Selected...), selectSalt)
	reasonTerms = weights(append([]schema.Column{schema.Score[0]}, schema.Reasons...), reasonSalt)
)

// scoreTerms are the weights of the columns of the score stage that nobody writes
// anew.
func scoreTerms(challengers []string) []weight {
	return weights(slices.DeleteFunc(schema.ScoreWith(challengers), isReason), 0)
}

func isReason(c schema.Column) bool {
	_, is := schema.Find(schema.Reasons, c.Name)
	return is
}

func weights(columns []schema.Column, salt uint64) []weight {
	var list []weight
	for i, c := range columns {
		list = append(list, weight{c.Name, partition.Mix(uint64(i+1)*0x9e3779b97f4a7c15^salt) | 1})
	}
	return list
}
