package sink

import "unsafe"

// A processor multiplies 64 bits by 64 in three steps, for eight values at once. But what
// columns of few bits add to the hash of a row takes a step for 64 products, of a byte and
// a digit: a factor is eight digits of a byte each, from -128 to 127, and
//
//	value·factor = Σ byte(i)·digit(j) · 2^(8·(i+j))
//
// Four such products of one row, whatever columns their bytes are of, make one number of 32
// bits; these are added up over all columns by j, and only the eight sums are made 64 bits.

// quad is 32 bits of every row: columns of a byte, four of them; two of 16 bits; one of 32.
// It is known to the assembly.
type quad struct {
	from  [4]unsafe.Pointer // the columns' first values
	flip  [4]uint8          // by byte: 1<<7 where it has a sign, which is counted in the base
	digit [8][4]int8        // of its factor
}

// quadsMax is how many quads there may be at most: their sums of two digits, the second
// 2^8 times the first, are less than 2^31.
const quadsMax = 1 << 31 / (1<<8 + 1) / (4 * 255 * 128)

// quads are columns of up to 32 bits with their factors.
type quads struct {
	list  []quad
	sized [5]int // how many have columns of so many bytes, in this order
	base  uint64 // of every row
}

// gather makes quads of columns, those of up to 32 bits.
func (q *quads) gather(parts []part) {
	q.list, q.base = q.list[:0], 0
	for _, size := range [...]int{1, 2, 4} {
		before, place := len(q.list), 4
		for i := range parts {
			p := &parts[i]
			if kindBytes[p.kind] != size {
				continue
			}
			if place == 4 {
				q.list = append(q.list, quad{from: [4]unsafe.Pointer{p.from, p.from, p.from, p.from}})
				place = 0
			}
			of := &q.list[len(q.list)-1]
			of.from[place/size] = p.from
			q.base += of.put(place, size, p)
			place += size
		}
		q.sized[size] = len(q.list) - before
	}
}

// put gives the bytes of a value their digits. It returns what the value counts less where
// its sign is flipped.
func (q *quad) put(place, size int, p *part) (less uint64) {
	const half = 0x8080808080808080
	digits := (p.factor + half) ^ half // a byte over 127 is a digit below 0, and carries
	for i := range size {
		for j := range q.digit {
			q.digit[j][place+i] = int8(digits >> (8 * j))
		}
		digits <<= 8
	}
	if p.kind == kindInt8 || p.kind == kindInt32 {
		q.flip[place+size-1] = 1 << 7
		less = -(p.factor << (8*size - 1))
	}
	return less
}

// sum makes of h what the columns and same add to the hashes of rows, from one on. It does
// as many as it returns.
func (q *quads) sum(h []uint64, same uint64, from int) (done int) {
	if times := len(h) / 32; times > 0 {
		quads512(&h[0], unsafe.SliceData(q.list), q.sized[1], q.sized[2], q.sized[4], q.base+same, from, times)
		done = 32 * times
	}
	return done
}
