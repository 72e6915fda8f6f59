package score

// path is one way to run the steps of a forest. All paths give the same bits. The
// bits that encode is given are scratch.
type path struct {
	name   string
	tables bool // it reads forest.table and scale.chart
	// quantise lays the values of a block out in the planes of their scale.
	quantise func(planes []plane, x *[blockRows]float64, s *scale, d *desk)
	// dictionaries says that looking a dictionary's bins up is faster than quantising.
	// With vectors it is not: a byte at a time is as slow as they are with the whole.
	dictionaries bool
	replay       func(masks, planes []plane, nodes []node)
	encode       func(leaf *[blockRows]uint8, masks []plane, bits *[8]plane)
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
}

// plain runs on every processor. Its functions are the twins that the other paths
// are tested against.
var plain = path{
	name:         "go",
	quantise:     quantise,
	dictionaries: true,
	replay:       replay,
	encode:       encode,
	sum:          sumPlain,
	row:          func(slot int, _ bool) int { return slot },
	order:        order,
}
