package sink

import (
	"rescore/partition"
	"rescore/partition/schema"
)

// sumBlock is how many rows are hashed at once: 8 KiB of hashes stay in the
// first-level cache while the columns pass by.
const sumBlock = 1024

// rowSum sums up the hashes of all rows. The hash of a row is, modulo 2^64,
//
//	h = value(0)·k(0) + value(1)·k(1) + …   over the columns of schema.Score
//
// where value is the column's value as a 64-bit two's complement integer, or
// the 32 bits of a float32, and k(c) = Mix((c+1)·0x9e3779b97f4a7c15) | 1. The
// factors are odd, so rows that differ in one column always differ in h, and
// they differ, so a column's place counts. AddHash then mixes h into both lanes
// of the sum. One multiplication a value costs half of one Mix a value.
// Batches, row groups and partitions do not show: sums add up.
func (g *group) rowSum() partition.Sum {
	var sum partition.Sum
	for from := 0; from < g.rows; from += sumBlock {
		h := g.sum[:min(sumBlock, g.rows-from)]
		clear(h)
		for i, c := range g.columns {
			c.weigh(h, sumFactors[i], from)
		}
		for _, x := range h {
			sum = sum.AddHash(x)
		}
	}
	return sum
}

var sumFactors = func() []uint64 {
	k := make([]uint64, len(schema.Score))
	for c := range k {
		k[c] = partition.Mix(uint64(c+1)*0x9e3779b97f4a7c15) | 1
	}
	return k
}()

// weighInts adds k times each of the first len(h) values to h.
func weighInts[T uint8 | int8 | uint16 | int32 | uint32 | uint64 | int64](h []uint64, k uint64, values []T) {
	values = values[:len(h)]
	for i, v := range values {
		h[i] += uint64(v) * k
	}
}
