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

// amounts are what a tree credits to a feature: which of a list, by leaf. The first is
// none.
type amounts struct {
	tree  int
	list  []int32
	class [bunchLeaves]uint8
}

// newBunches returns the bunches of each of a forest's columns, nil when a tree has too
// many leaves, or all of them would take more memory than creditsMax.
func (r *credits) newBunches() []bunches {
	of := make([][]amounts, len(r.feature))
	credit := make([][bunchLeaves]int32, len(r.feature))
	for t, g := range r.forest.trees {
		if g.leaves() > bunchLeaves {
			return nil
		}
		r.collect(of, credit, t, g)
	}
	size, all := 0, make([]bunches, len(of))
	for column, list := range of {
		packs := pack(list)
		if size += len(list) + 2*len(packs); size > creditsMax/bunchLeaves*4 {
			return nil
		}
		all[column] = bunches{
			trees: make([]uint32, 0, len(packs)), leaf: make([]uint32, 0, len(list)),
			class: make([][bunchLeaves]uint8, 0, len(list)), credit: make([][bunchSums]int32, 0, len(packs)),
		}
		for i := range packs {
			all[column].add(&packs[i])
		}
	}
	return all
}

// bunch is trees to be looked up together.
type bunch struct {
	trees []*amounts
	sums  int // that their credits can come to
}

// pack puts the trees with the most amounts first, each into the first bunch that has
// room. Bunches of a size stand together, so that it is foreseen where one ends.
func pack(list []amounts) []bunch {
	order := make([]*amounts, len(list))
	for i := range list {
		order[i] = &list[i]
	}
	slices.SortStableFunc(order, func(a, b *amounts) int { return cmp.Compare(len(b.list), len(a.list)) })
	var packs []bunch
	for _, a := range order {
		at := slices.IndexFunc(packs, func(p bunch) bool { return p.sums*len(a.list) <= bunchSums })
		if at < 0 {
			at, packs = len(packs), append(packs, bunch{sums: 1})
		}
		p := &packs[at]
		p.trees, p.sums = append(p.trees, a), p.sums*len(a.list)
	}
	slices.SortStableFunc(packs, func(a, b bunch) int { return cmp.Compare(len(a.trees), len(b.trees)) })
	return packs
}

// collect appends what tree t credits, column by column. What has more amounts than a
// bunch has room for is split: a leaf then has its amount in one part and none in the
// others. All of credit is 0, and is left so.
func (r *credits) collect(of [][]amounts, credit [][bunchLeaves]int32, t int, g grown) {
	leaves := g.leaves()
	var asked []int32
	for leaf := range leaves {
		at := int(g.value) + leaf
		for _, c := range r.list[r.start[at]:r.start[at+1]] {
			credit[c.column][leaf] = c.change
			if !slices.Contains(asked, c.column) {
				asked = append(asked, c.column)
			}
		}
	}
	for _, column := range asked {
		var a *amounts
		first := len(of[column])
		for leaf, x := range credit[column][:leaves] {
			part, class := slices.IndexFunc(of[column][first:], func(a amounts) bool { return slices.Contains(a.list, x) }), 0
			switch {
			case x == 0:
				continue
			case part >= 0:
				a = &of[column][first+part]
				class = slices.Index(a.list, x)
			default:
				if n := len(of[column]); n == first || len(of[column][n-1].list) == bunchSums {
					of[column] = append(of[column], amounts{tree: t, list: append(make([]int32, 0, 8), 0)})
				}
				a = &of[column][len(of[column])-1]
				class = len(a.list)
				a.list = append(a.list, x)
			}
			a.class[leaf] = uint8(class)
			if leaves <= tableSize(1) { // the bit above a leaf's is anything
				a.class[tableSize(1)+leaf] = uint8(class)
			}
		}
		credit[column] = [bunchLeaves]int32{}
	}
}

// add appends a bunch.
func (b *bunches) add(p *bunch) {
	var credit [bunchSums]int32
	before := 1
	for _, a := range p.trees {
		class := a.class
		for leaf := range class {
			class[leaf] *= uint8(before)
		}
		b.leaf, b.class = append(b.leaf, uint32(a.tree)*blockRows), append(b.class, class)
		for at := range credit[:p.sums] {
			credit[at] += a.list[at/before%len(a.list)]
		}
		before *= len(a.list)
	}
	b.trees, b.credit = append(b.trees, uint32(len(p.trees))), append(b.credit, credit)
}
