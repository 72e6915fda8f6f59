package score

//go:noescape
func credits256(sums *int32, leaf *uint8, table *[grouped]*int32, width int)

//go:noescape
func credit256(sums *int32, leaf *uint8, table *int32, width int)

func creditAVX2(sums []int32, leaf [][blockRows]uint8, table *[grouped]*int32, width int) {
	if len(leaf) == grouped {
		credits256(&sums[0], &leaf[0][0], table, 4*width)
		return
	}
	for i := range leaf {
		credit256(&sums[0], &leaf[i][0], table[i], 4*width)
	}
}
