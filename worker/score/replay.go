package score

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// grouped is how many trees' leaves are found, as bytes, before they are looked up
// together.
const grouped = 4

// tableSize is how many values a tree's part of forest.table has room for, 0 when
// the tree is too large to have one.
func tableSize(leaves int) int {
	switch {
	case leaves <= 32:
		return 32
	case leaves <= 64:
		return 64
	}
	return 0
}

// drillStride is how many masks each of two trees takes, of which vectors replay one
// while they sum the other: its leaves', and as many for nodes that ask nothing. 4096
// bytes apart, caches would take masks of the two for the same.
const drillStride = 2*64 + 16

// leavesMax is how many leaves a tree may have for its rows' leaves to be bytes.
const leavesMax = 256

// replay splits masks[0], the rows of a block, as the nodes say: node i's rows
// that go right move from their leaf to leaf i+1.
func replay(masks, planes []plane, nodes []node) {
	for i, n := range nodes {
		at := n.at / planeSize
		a, b, l := &planes[at], &planes[at-1], &planes[n.low/planeSize]
		from, to := &masks[n.old/planeSize], &masks[i+1]
		// Written out: the loop would cost as much as what is in it.
		split(&from[0], &to[0], a[0], b[0], l[0])
		split(&from[1], &to[1], a[1], b[1], l[1])
		split(&from[2], &to[2], a[2], b[2], l[2])
		split(&from[3], &to[3], a[3], b[3], l[3])
		split(&from[4], &to[4], a[4], b[4], l[4])
		split(&from[5], &to[5], a[5], b[5], l[5])
		split(&from[6], &to[6], a[6], b[6], l[6])
		split(&from[7], &to[7], a[7], b[7], l[7])
	}
}

func split(from, to *uint64, a, b, l uint64) {
	rows := *from
	right := rows & (a | b&l)
	*to = right
	*from = rows ^ right
}

// encode writes the number of each row's leaf, of at most leavesMax.
func encode(leaf *[blockRows]uint8, masks []plane, _ *[8]plane) {
	masks = pad(masks)
	var x [8]uint64
	for w := range len(plane{}) {
		numbers(&x, masks, w)
		swapBytes(&x)
		rows := (*[64]uint8)(leaf[64*w:])
		for i := range x { // no copy: it would wait for all of x
			binary.LittleEndian.PutUint64(rows[8*i:], x[i])
		}
	}
}

// pad returns a tree's masks with those after the last, to a multiple of 32, cleared.
func pad(masks []plane) []plane {
	padded := masks[:(len(masks)+31)/32*32]
	clear(padded[len(masks):])
	return padded
}

// numbers writes the leaves of the rows of word w, a byte each: byte j of x[i] is that of
// row 8j+i.
func numbers(x *[8]uint64, masks []plane, w int) {
	words := unsafe.Slice(&masks[0][0], len(plane{})*len(masks))
	// Masks of odd numbers say bit 0 of the leaf's number, and so on.
	var b0, b1, b2, b3, b4, b5, b6, b7 uint64
	for first := 0; first < len(masks); first += 32 {
		m := (*[249]uint64)(words[8*first+w:]) // mask i at 8*i
		p0, p1, p2, all0 := fold((*[57]uint64)(m[:]))
		q0, q1, q2, all1 := fold((*[57]uint64)(m[64:]))
		r0, r1, r2, all2 := fold((*[57]uint64)(m[128:]))
		s0, s1, s2, all3 := fold((*[57]uint64)(m[192:]))
		b0 |= p0 | q0 | r0 | s0
		b1 |= p1 | q1 | r1 | s1
		b2 |= p2 | q2 | r2 | s2
		b3 |= all1 | all3
		b4 |= all2 | all3
		if first > 0 {
			all := all0 | all1 | all2 | all3
			b5 |= all & -uint64(first>>5&1)
			b6 |= all & -uint64(first>>6&1)
			b7 |= all & -uint64(first>>7)
		}
	}
	// Matrices of eight bits by eight are transposed, eight at once.
	b0, b1 = swap(b0, b1, 1, 0x5555555555555555)
	b2, b3 = swap(b2, b3, 1, 0x5555555555555555)
	b4, b5 = swap(b4, b5, 1, 0x5555555555555555)
	b6, b7 = swap(b6, b7, 1, 0x5555555555555555)
	b0, b2 = swap(b0, b2, 2, 0x3333333333333333)
	b1, b3 = swap(b1, b3, 2, 0x3333333333333333)
	b4, b6 = swap(b4, b6, 2, 0x3333333333333333)
	b5, b7 = swap(b5, b7, 2, 0x3333333333333333)
	b0, b4 = swap(b0, b4, 4, 0x0f0f0f0f0f0f0f0f)
	b1, b5 = swap(b1, b5, 4, 0x0f0f0f0f0f0f0f0f)
	b2, b6 = swap(b2, b6, 4, 0x0f0f0f0f0f0f0f0f)
	b3, b7 = swap(b3, b7, 4, 0x0f0f0f0f0f0f0f0f)
	x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7] = b0, b1, b2, b3, b4, b5, b6, b7
}

// fold returns, of eight masks, those of numbers with bit 0, 1, 2, and all.
func fold(m *[57]uint64) (b0, b1, b2, all uint64) {
	m1, m23, m5, m67 := m[8], m[16]|m[24], m[40], m[48]|m[56]
	upper := m[32] | m5 | m67
	return m1 | m[24] | m5 | m[56], m23 | m67, upper, m[0] | m1 | m23 | upper
}

// sumPlain sums tree by tree, in the order of the rows.
func sumPlain(f *forest, trees []grown) {
	for _, t := range trees {
		f.replay(t)
		switch {
		case t.leaves() > leavesMax:
			f.spread(t)
		case f.single:
			add(f.singles, f.masks[:t.leaves()], f.narrow[t.value:])
		default:
			add(f.doubles, f.masks[:t.leaves()], f.value[t.value:])
		}
	}
}

// order writes sums that stand in the order of their rows.
func order(f *forest, scores *[blockRows]float64) {
	if !f.single {
		*scores = *f.doubles
		return
	}
	for i, x := range f.singles {
		scores[i] = float64(x)
	}
}

// float is what sums are made of.
type float interface{ float32 | float64 }

// fill sets all sums.
func fill[F float](sum *[blockRows]F, x F) {
	sum[0] = x
	for n := 1; n < blockRows; n *= 2 {
		copy(sum[n:], sum[:n])
	}
}

// add adds the values of the leaves of one tree, of at most leavesMax.
func add[F float](sum *[blockRows]F, masks []plane, value []F) {
	v := (*[leavesMax]F)(value)
	masks = pad(masks)
	var x [8]uint64
	for w := range len(plane{}) {
		numbers(&x, masks, w)
		rows := (*[64]F)(sum[64*w:])
		for i := range x {
			x := x[i]
			row := (*[57]F)(rows[i:])
			row[0] += v[uint8(x)]
			row[8] += v[uint8(x>>8)]
			row[16] += v[uint8(x>>16)]
			row[24] += v[uint8(x>>24)]
			row[32] += v[uint8(x>>32)]
			row[40] += v[uint8(x>>40)]
			row[48] += v[uint8(x>>48)]
			row[56] += v[uint8(x>>56)]
		}
	}
}

// sumFound sums groups of trees whose leaves have been found.
func sumFound(f *forest, trees []grown) {
	for len(trees) > 0 {
		n := f.find(trees)
		switch {
		case n == 0: // rare, and slower
			f.replay(trees[0])
			f.spread(trees[0])
			n = 1
		case f.single:
			sum(f.singles, f.leaves, f.narrow, trees[:n])
		default:
			sum(f.doubles, f.leaves, f.value, trees[:n])
		}
		trees = trees[n:]
	}
}

// sum adds to each row's sum the values of its leaves, tree after tree.
func sum[F float](sum *[blockRows]F, leaf *[grouped][blockRows]uint8, value []F, trees []grown) {
	at := func(i int) *[leavesMax]F { return (*[leavesMax]F)(value[trees[i].value:]) }
	if len(trees) == grouped {
		v0, v1, v2, v3 := at(0), at(1), at(2), at(3)
		l0, l1, l2, l3 := &leaf[0], &leaf[1], &leaf[2], &leaf[3]
		for r := range sum {
			sum[r] = sum[r] + v0[l0[r]] + v1[l1[r]] + v2[l2[r]] + v3[l3[r]]
		}
		return
	}
	for i := range trees {
		v, l := at(i), &leaf[i]
		for r := range sum {
			sum[r] += v[l[r]]
		}
	}
}

// sumLarge sums one tree of more leaves than vectors look up.
func (f *forest) sumLarge(t *grown) {
	f.replay(*t)
	switch {
	case t.leaves() > leavesMax:
		f.spread(*t)
	case f.single:
		f.path.encode(&f.leaves[0], f.masks[:t.leaves()], &f.desk.bits)
		pick(f.singles, f.slot, &f.leaves[0], f.narrow[t.value:])
	default:
		f.path.encode(&f.leaves[0], f.masks[:t.leaves()], &f.desk.bits)
		pick(f.doubles, f.slot, &f.leaves[0], f.value[t.value:])
	}
}

// pick adds the values of the leaves of one tree.
func pick[F float](sum *[blockRows]F, slot *[blockRows]uint16, leaf *[blockRows]uint8, value []F) {
	v := (*[leavesMax]F)(value)
	for r, l := range leaf {
		sum[slot[r]%blockRows] += v[l]
	}
}

// spread adds the leaves' values of a tree that was replayed, however many it has, to
// the sums of the rows in their masks.
func (f *forest) spread(t grown) {
	masks := f.masks[:t.leaves()]
	if f.single {
		spread(f.singles, f.slot, masks, f.narrow[t.value:])
	} else {
		spread(f.doubles, f.slot, masks, f.value[t.value:])
	}
}

func spread[F float](sum *[blockRows]F, slot *[blockRows]uint16, masks []plane, value []F) {
	for i := range masks {
		v := value[i]
		for w, rows := range masks[i] {
			for ; rows != 0; rows &= rows - 1 {
				sum[slot[w*64+bits.TrailingZeros64(rows)]%blockRows] += v
			}
		}
	}
}
