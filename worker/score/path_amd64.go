package score

import "golang.org/x/sys/cpu"

// paths lists what this processor can run, the best last.
func paths() []path {
	list := []path{plain}
	x := &cpu.X86
	if x.HasAVX2 {
		list = append(list, path{
			name:     "avx2",
			quantise: quantiseAVX2,
			replay:   replayAVX2,
			encode:   encodeAVX2,
			sum:      plain.sum,
			credit:   creditAVX2,
		})
	}
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512VBMI && x.HasAVX512VBMI2 && x.HasAVX512GFNI && x.HasBMI2 {
		list = append(list, path{
			name:     "avx512",
			tables:   true,
			quantise: quantiseAVX512,
			replay:   replayAVX512,
			encode:   encodeAVX512,
			sum:      sumAVX512,
			credit:   creditAVX512,
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
func sum32(score *float64, leaf *uint8, table *uint32, trees int)

//go:noescape
func sum64(score *float64, leaf *uint8, table *uint32, trees int)

func replayAVX512(masks, planes []plane, nodes []node) {
	if len(nodes) > 0 {
		replay512(&masks[0], &planes[0], &nodes[0], len(nodes))
	}
}

func encodeAVX512(leaf *[blockRows]uint8, masks []plane, bits *[8]plane) {
	encode512(leaf, &masks[0], len(masks), bits)
}

// sumAVX512 sums runs of trees whose tables are of a size.
func sumAVX512(score *[blockRows]float64, leaf *[leafColumns][blockRows]uint8, f *forest, trees []grown) {
	for i := 0; i < len(trees); {
		size := tableSize(trees[i].leaves())
		j := i + 1
		for j < len(trees) && tableSize(trees[j].leaves()) == size {
			j++
		}
		switch size {
		case 32:
			sum32(&score[0], &leaf[i][0], &f.table[trees[i].table], j-i)
		case 64:
			sum64(&score[0], &leaf[i][0], &f.table[trees[i].table], j-i)
		default:
			sum(score, leaf[i:], f.value, trees[i:j])
		}
		i = j
	}
}
