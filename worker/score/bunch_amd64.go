package score

// credit512 writes the sums of one feature's credits for half a block, whose leaves
// begin at leaf: of its trees those at leaf[at]. Sums stand in slots.
//
//go:noescape
func credit512(sum *int32, leaf *uint8, trees, at *uint32, class *[bunchLeaves]uint8, credit *[bunchSums]int32, bunches int)

// largest512 is largest for a block whose sums stand in slots, column after column,
// and writes the codes of the columns.
//
//go:noescape
func largest512(code *[Reasons][blockRows]uint16, sums *int32, feature *uint16, columns int)

// deal512 puts codes that stand in slots in the order of their rows: slot 64s+16c+d has
// row 32d+8c+s.
//
//go:noescape
func deal512(code, slots *[blockRows]uint16)

// bunchAVX512 writes the reasons of the rows whose leaves a forest kept.
func bunchAVX512(code *[Reasons][blockRows]uint16, r *credits) {
	if len(r.feature) == 0 {
		*code = [Reasons][blockRows]uint16{}
		return
	}
	for half := range blockRows / halfRows {
		leaf := &r.forest.kept[0][half*halfRows]
		for column := range r.bunches {
			b, sum := &r.bunches[column], r.sums[column*blockRows+half*halfRows:][:halfRows]
			if len(b.trees) == 0 {
				clear(sum)
				continue
			}
			credit512(&sum[0], leaf, &b.trees[0], &b.leaf[0], &b.class[0], &b.credit[0], len(b.trees))
		}
	}
	largest512(r.slots, &r.sums[0], &r.feature[0], len(r.feature))
	for k := range code {
		deal512(&code[k], &r.slots[k])
	}
}
