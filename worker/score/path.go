package score

// path is one way to run the steps of a forest. All paths give the same bits. The
// bits that encode is given are scratch.
type path struct {
	name   string
	tables bool // it reads forest.table and scale.chart
	// quantise lays the values of a block out in the planes of their scale.
	quantise func(planes []plane, x *[blockRows]float64, s *scale, d *desk)
	// translate lays the values of a block out by the bins of their dictionary, which
	// the scale has learned.
	translate func(planes []plane, codes *[blockRows]uint16, s *scale, d *desk)
	replay    func(masks, planes []plane, nodes []node)
	encode    func(leaf *[blockRows]uint8, masks []plane, bits *[8]plane)
	// sum adds to the sums of all slots the values of their leaves, tree after tree. The
	// trees are a part of f.trees.
	sum func(f *forest, trees []grown)
	row func(slot int, single bool) int // whose sum a slot has
	// order writes the sums in the order of their rows.
	order func(f *forest, scores *[blockRows]float64)
	// credit adds to each row's sums, width numbers, those of its leaf in the table
	// of each tree. Width is a multiple of 16. It is nil where lists are faster
	// (reason.go).
	credit func(sums []int32, leaf [][blockRows]uint8, table *[grouped]*int32, width int)
	// bunch writes the reasons of the rows whose leaves sum kept (bunch.go).
	// It is nil where sum keeps none.
	bunch func(code *[Reasons][blockRows]uint16, r *credits)
}

// best is the best path of this processor.
func best() path {
	list := paths()
	return list[len(list)-1]
}

// plain runs on every processor. Its functions are the twins that the other paths
// are tested against.
var plain = path{
	name:      "go",
	quantise:  quantise,
	translate: translate,
	replay:    replay,
	encode:    encode,
	sum:       sumPlain,
	row:       func(slot int, _ bool) int { return slot },
	order:     order,
}
