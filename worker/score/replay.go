package score

import (
	"encoding/binary"
	"math/bits"
)

// grouped is how many trees are summed together: their leaves' numbers, a byte
// each, make up a word for each row.
const grouped = 4

// leafColumns leaves room to read a whole group from any column of one.
const leafColumns = 2*grouped - 1

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

// encode writes the number of each row's leaf, of at most leavesMax. It uses the
// masks up.
func encode(leaf *[blockRows]uint8, masks []plane, bit *[8]plane) {
	// Fold the masks in two, over and over: those of odd numbers say bit 0; joined
	// with their even neighbours, they are the masks of the numbers without it.
	*bit = [8]plane{}
	for b := 0; len(masks) > 1; b++ {
		var p0, p1, p2, p3, p4, p5, p6, p7 uint64
		half := len(masks) / 2
		for i := range half {
			even, odd, both := &masks[2*i], &masks[2*i+1], &masks[i]
			p0 |= fold(&both[0], even[0], odd[0])
			p1 |= fold(&both[1], even[1], odd[1])
			p2 |= fold(&both[2], even[2], odd[2])
			p3 |= fold(&both[3], even[3], odd[3])
			p4 |= fold(&both[4], even[4], odd[4])
			p5 |= fold(&both[5], even[5], odd[5])
			p6 |= fold(&both[6], even[6], odd[6])
			p7 |= fold(&both[7], even[7], odd[7])
		}
		bit[b] = plane{p0, p1, p2, p3, p4, p5, p6, p7}
		if len(masks)%2 == 1 {
			masks[half] = masks[len(masks)-1]
			half++
		}
		masks = masks[:half]
	}
	for w := range len(plane{}) {
		x := [8]uint64{bit[0][w], bit[1][w], bit[2][w], bit[3][w], bit[4][w], bit[5][w], bit[6][w], bit[7][w]}
		swapBytes(&x)
		rows := (*[64]uint8)(leaf[w*64:])
		for i, x := range x {
			binary.LittleEndian.PutUint64(rows[8*i:], transpose(x))
		}
	}
}

func fold(both *uint64, even, odd uint64) uint64 {
	*both = even | odd
	return odd
}

// sum adds to each row's score the values of its leaves, tree after tree.
func sum(score *[blockRows]float64, leaf [][blockRows]uint8, value []float64, trees []grown) {
	at := func(i int) *[leavesMax]float64 { return (*[leavesMax]float64)(value[trees[i].value:]) }
	if len(trees) == grouped {
		v0, v1, v2, v3 := at(0), at(1), at(2), at(3)
		l0, l1, l2, l3 := &leaf[0], &leaf[1], &leaf[2], &leaf[3]
		for r := range score {
			score[r] = score[r] + v0[l0[r]] + v1[l1[r]] + v2[l2[r]] + v3[l3[r]]
		}
		return
	}
	for i := range trees {
		v, l := at(i), &leaf[i]
		for r := range score {
			score[r] += v[l[r]]
		}
	}
}

// sumSingle adds as sum does, in float32.
func sumSingle(score *[blockRows]float64, leaf [][blockRows]uint8, value []float64, trees []grown) {
	for i := range leaf {
		v, l := (*[leavesMax]float64)(value[trees[i].value:]), &leaf[i]
		for r := range score {
			score[r] = float64(float32(score[r]) + float32(v[l[r]]))
		}
	}
}

// spread adds the leaves' values of one tree, however many it has, to the scores
// of the rows in their masks. To round the sum of two float32s twice, to float64
// and then to float32, gives what rounding it once does.
func spread(score *[blockRows]float64, masks []plane, value []float64, single bool) {
	for i := range masks {
		v := value[i]
		for w, rows := range masks[i] {
			for ; rows != 0; rows &= rows - 1 {
				r := w*64 + bits.TrailingZeros64(rows)
				if score[r] += v; single {
					score[r] = float64(float32(score[r]))
				}
			}
		}
	}
}
