package score

import "golang.org/x/sys/cpu"

// paths lists what this processor can run, the best last.
func paths() []path {
	list := []path{plain}
	x := &cpu.X86
	if x.HasAVX2 {
		list = append(list, path{
			name:      "avx2",
			quantise:  quantiseAVX2,
			translate: translateAVX2,
			replay:    replayAVX2,
			encode:    encodeAVX2,
			sum:       sumFound,
			row:       plain.row,
			order:     plain.order,
			credit:    creditAVX2,
		})
	}
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512VBMI && x.HasAVX512VBMI2 && x.HasAVX512GFNI && x.HasBMI2 {
		list = append(list, path{
			name:      "avx512",
			tables:    true,
			quantise:  quantiseAVX512,
			translate: translateAVX512,
			replay:    replayAVX512,
			encode:    encodeAVX512,
			sum:       sumAVX512,
			row:       rowAVX512,
			order:     orderAVX512,
			credit:    creditAVX2,
			bunch:     bunchAVX512,
		})
	}
	return list
}

//go:noescape
func replay256(masks, planes *plane, nodes *node, count int)

//go:noescape
func encode256(leaf *[blockRows]uint8, masks *plane, leaves int, bits *[8]plane)

func replayAVX2(masks, planes []plane, nodes []node) {
	if len(nodes) > 0 {
		replay256(&masks[0], &planes[0], &nodes[0], len(nodes))
	}
}

func encodeAVX2(leaf *[blockRows]uint8, masks []plane, bits *[8]plane) {
	encode256(leaf, &masks[0], len(masks), bits)
}

//go:noescape
func replay512(masks, planes *plane, nodes *node, count int)

//go:noescape
func encode512(leaf *[blockRows]uint8, masks *plane, leaves int, bits *[8]plane)

//go:noescape
func sum32(sum *float64, masks, planes *plane, drill *node, table *uint32, trees int, leaf *uint8)

//go:noescape
func sum64(sum *float64, masks, planes *plane, drill *node, table *uint32, trees int, leaf *uint8)

//go:noescape
func sum32Single(sum *float32, masks, planes *plane, drill *node, table *uint32, trees int, leaf *uint8)

//go:noescape
func sum64Single(sum *float32, masks, planes *plane, drill *node, table *uint32, trees int, leaf *uint8)

func replayAVX512(masks, planes []plane, nodes []node) {
	if len(nodes) > 0 {
		replay512(&masks[0], &planes[0], &nodes[0], len(nodes))
	}
}

func encodeAVX512(leaf *[blockRows]uint8, masks []plane, bits *[8]plane) {
	encode512(leaf, &masks[0], len(masks), bits)
}

// runMax is how many trees a call may take: nothing can interrupt it for as long, a
// tenth of a millisecond.
const runMax = 500

// sumAVX512 sums runs of trees whose tables are of a size.
func sumAVX512(f *forest, trees []grown) {
	masks, planes := &f.masks[0], &f.planes[0]
	kept := f.kept
	for len(trees) > 0 {
		t, size, n := &trees[0], tableSize(trees[0].leaves()), 1
		for size > 0 && n < min(len(trees), runMax) && tableSize(trees[n].leaves()) == size {
			n++
		}
		drill, table := &f.drill[t.drill], &f.table[t.table]
		var leaf *uint8
		if kept != nil {
			leaf, kept = &kept[0][0], kept[n:]
		}
		switch {
		case size == 0:
			f.sumLarge(t)
		case size == 32 && f.single:
			sum32Single(&f.singles[0], masks, planes, drill, table, n, leaf)
		case size == 32:
			sum32(&f.doubles[0], masks, planes, drill, table, n, leaf)
		case f.single:
			sum64Single(&f.singles[0], masks, planes, drill, table, n, leaf)
		default:
			sum64(&f.doubles[0], masks, planes, drill, table, n, leaf)
		}
		trees = trees[n:]
	}
}

//go:noescape
func order512(scores, sum *float64)

//go:noescape
func orderSingle512(scores *float64, sum *float32)

func orderAVX512(f *forest, scores *[blockRows]float64) {
	if f.single {
		orderSingle512(&scores[0], &f.singles[0])
	} else {
		order512(&scores[0], &f.doubles[0])
	}
}

// rowAVX512 returns the row of a slot. Dword i of the vector for bit s of each byte
// has rows 32i+8c+s in its bytes c; their values stand as they came, or, of
// doubles, as unpacking in lanes of 16 bytes leaves them.
func rowAVX512(slot int, single bool) int {
	s, c := slot>>6, slot>>4&3
	i := slot & 15
	if !single {
		i = slot>>1&3<<2 | slot>>3&1<<1 | slot&1
	}
	return 32*i + 8*c + s
}
