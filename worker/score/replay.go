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
		a, b, l := &planes[n.at], &planes[n.at-1], &planes[n.low]
		from, to := &masks[n.old], &masks[i+1]
		for w := range to {
			right := a[w] | b[w]&l[w]
			rows := from[w]
			to[w] = rows & right
			from[w] = rows &^ right
		}
	}
}

// encode writes the number of each row's leaf, of at most leavesMax. It uses the
// masks up.
func encode(leaf *[blockRows]uint8, masks []plane, _ *[8]plane) {
	for w := range len(masks[0]) {
		// Fold the masks in two, over and over: those of odd numbers say bit 0; joined
		// with their even neighbours, they are the masks of the numbers without it.
		var bit [8]uint64
		digits := 0
		for n := len(masks); n > 1; digits++ {
			odds := uint64(0)
			for i := range n / 2 {
				odd := masks[2*i+1][w]
				odds |= odd
				masks[i][w] = masks[2*i][w] | odd
			}
			if n%2 == 1 {
				masks[n/2][w] = masks[n-1][w]
			}
			bit[digits%8] = odds
			n = (n + 1) / 2
		}
		rows := leaf[w*64:][:64]
		for s := 0; s < 64; s += 8 {
			var x uint64
			for b, odds := range bit[:digits] {
				x |= eight[odds>>s&0xff] << b
			}
			binary.LittleEndian.PutUint64(rows[s:], x)
		}
	}
}

// eight holds the bits of a byte as the low bits of eight bytes.
var eight = func() (spread [256]uint64) {
	for i := range spread {
		spread[i] = transpose(uint64(i))
	}
	return spread
}()

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

// spread adds the leaves' values of one tree, however many it has, to the scores
// of the rows in their masks.
func spread(score *[blockRows]float64, masks []plane, value []float64) {
	for i := range masks {
		v := value[i]
		for w, rows := range masks[i] {
			for ; rows != 0; rows &= rows - 1 {
				score[w*64+bits.TrailingZeros64(rows)] += v
			}
		}
	}
}
