package sink

import "rescore/partition"

// sumBlock is how many rows are hashed at once: 8 KiB of hashes stay in the
// first-level cache while the columns pass by.
const sumBlock = 1024

// rowSum sums up the hashes of all rows. The hash of a row starts at 0 and
// takes in the columns of schema.Score in order:
//
//	h = Mix((h + 0x9e3779b97f4a7c15) ^ value)
//
// where value is the column's value as a 64-bit two's complement integer, or
// the 32 bits of a float32. Mix is a bijection, so rows that differ in one
// column always differ in their hash; the addition makes a column's place
// count. Batches, row groups and partitions do not: sums add up.
func (g *group) rowSum() partition.Sum {
	var sum partition.Sum
	for from := 0; from < g.rows; from += sumBlock {
		h := g.sum[:min(sumBlock, g.rows-from)]
		clear(h)
		for _, c := range g.columns {
			c.mix(h, from)
		}
		for _, x := range h {
			sum = sum.AddHash(x)
		}
	}
	return sum
}

// mixInts works the first len(h) values into h.
func mixInts[T uint8 | int8 | uint16 | int32 | uint32 | uint64 | int64](h []uint64, values []T) {
	values = values[:len(h)]
	for i, v := range values {
		h[i] = partition.Mix((h[i] + 0x9e3779b97f4a7c15) ^ uint64(v))
	}
}
