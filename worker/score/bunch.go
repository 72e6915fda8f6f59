package score

import (
	"cmp"
	"slices"
)

// halfRows is how many rows of a block get their credits at once: registers hold a
// sum for each.
const halfRows = blockRows / 2

// bunchLeaves is how many leaves a tree may have to be in a bunch.
const bunchLeaves = 64

// bunchSums is how many different credits a bunch can come to: the words of two
// vectors.
const bunchSums = 32

// bunches are what trees credit to one feature, for vectors: rows stand side by side,
// and nothing goes by way of memory but their leaves.
//
//	leaf of tree 1 ──► class ─┐
//	leaf of tree 2 ──► class ─┼─► sum, below 32 ──► credit of all three
//	leaf of tree 3 ──► class ─┘
//
// A tree credits few different amounts to a feature: none where a row's path does not
// ask for it, and one for either answer where it does. Those are its classes. Trees
// whose classes have no more than 32 combinations are a bunch: they are looked up
// together, 64 classes at once and then 16 credits.
type bunches struct {
	trees  []uint32             // of each bunch: how many they are
	leaf   []uint32             // of each tree in a bunch: where its rows' leaves begin
	class  [][bunchLeaves]uint8 // of each: by leaf, and times the combinations of those before it
	credit [][bunchSums]int32   // of each bunch: by the sum of its trees' classes
}

// amounts are what a tree credits to a feature: which of a list, by leaf.
type amounts struct {
	tree  int
	list  []int32
	class [bunchLeaves]uint8
}

// newBunches returns the bunches of each of a forest's columns, nil when a tree has too
// many leaves, or all of them would take more memory than creditsMax.
func (r *credits) newBunches() []bunches {
	of := make([][]amounts, len(r.feature))
	for t, g := range r.forest.trees {
		if g.leaves() > bunchLeaves {
			return nil
		}
		r.collect(of, t, g)
	}
	size, all := 0, make([]bunches, len(of))
	for column, list := range of {
		// The largest first, each to the first bunch that has room.
		slices.SortStableFunc(list, func(a, b amounts) int { return cmp.Compare(len(b.list), len(a.list)) })
		var packs [][]amounts
		for _, a := range list {
			at := slices.IndexFunc(packs, func(p []amounts) bool { return combinations(p)*len(a.list) <= bunchSums })
			if at < 0 {
				at, packs = len(packs), append(packs, nil)
			}
			packs[at] = append(packs[at], a)
		}
		// The sizes in runs, so that it is foreseen when a bunch ends.
		slices.SortStableFunc(packs, func(a, b []amounts) int { return cmp.Compare(len(a), len(b)) })
		for _, p := range packs {
			all[column].add(p)
		}
		if size += len(list) + 2*len(packs); size > creditsMax/bunchLeaves*4 {
			return nil
		}
	}
	return all
}

// collect appends what tree t credits, column by column. What has more classes than a
// bunch has room for is split: a leaf then has its amount in one part and none in the
// others.
func (r *credits) collect(of [][]amounts, t int, g grown) {
	credit := make(map[int32]*[bunchLeaves]int32)
	var asked []int32
	for leaf := range g.leaves() {
		at := int(g.value) + leaf
		for _, c := range r.list[r.start[at]:r.start[at+1]] {
			if credit[c.column] == nil {
				credit[c.column] = new([bunchLeaves]int32)
				asked = append(asked, c.column)
			}
			credit[c.column][leaf] = c.change
		}
	}
	for _, column := range asked {
		var parts []amounts
		for leaf, x := range credit[column][:g.leaves()] {
			if x == 0 {
				continue
			}
			at := slices.IndexFunc(parts, func(a amounts) bool { return slices.Contains(a.list, x) })
			if at < 0 {
				if at = len(parts) - 1; at < 0 || len(parts[at].list) == bunchSums {
					at, parts = at+1, append(parts, amounts{tree: t, list: []int32{0}})
				}
				parts[at].list = append(parts[at].list, x)
			}
			parts[at].class[leaf] = uint8(slices.Index(parts[at].list, x))
		}
		if g.leaves() <= tableSize(1) { // the bit above a leaf's is anything
			for i := range parts {
				copy(parts[i].class[tableSize(1):], parts[i].class[:tableSize(1)])
			}
		}
		of[column] = append(of[column], parts...)
	}
}

// combinations is how many sums of credits trees can come to.
func combinations(trees []amounts) int {
	n := 1
	for _, a := range trees {
		n *= len(a.list)
	}
	return n
}

// add appends a bunch.
func (b *bunches) add(trees []amounts) {
	var credit [bunchSums]int32
	before := 1
	for _, a := range trees {
		class := a.class
		for leaf := range class {
			class[leaf] *= uint8(before)
		}
		b.leaf, b.class = append(b.leaf, uint32(a.tree)*blockRows), append(b.class, class)
		for at := range credit {
			credit[at] += a.list[at/before%len(a.list)]
		}
		before *= len(a.list)
	}
	b.trees, b.credit = append(b.trees, uint32(len(trees))), append(b.credit, credit)
}

// deal writes the codes that stand in slots, in the order of f.kept's rows, in their
// own.
func deal(code []uint16, slots *[blockRows]uint16) {
	var all [blockRows]uint16
	for i := range blockRows / bitsOfByte {
		// Slot 64s+16c+d has row 32d+8c+s.
		from := (*[blockRows - 63]uint16)(slots[i&3<<4|i>>2:])
		to := (*[bitsOfByte]uint16)(all[bitsOfByte*i:])
		for s := range to {
			to[s] = from[64*s]
		}
	}
	copy(code, all[:])
}

const bitsOfByte = 8
