package score

import (
	"encoding/binary"

	"rescore/worker/kernel"
)

// Dictionaries reports whether forests score sooner on this processor when their
// inputs come by dictionary too.
func Dictionaries() bool { return paths()[len(paths())-1].dictionaries }

// glossary is a dictionary's bins on a scale, worked out once for the rows of many
// blocks.
type glossary struct {
	of  *kernel.Dictionary
	bin [kernel.DictionaryMax]uint8 // of each value; gone of a missing one
}

// gone is above all bins of a scale with fewer than thresholdsMax thresholds.
const gone = thresholdsMax

// translate lays rows out in the planes of their scale by the bins of their
// dictionary. What a scale needs is allocated with its first dictionary.
func (s *scale) translate(planes []plane, d *desk, c *kernel.Coded, first, n int) {
	if s.glossary == nil {
		s.glossary = new(glossary)
	}
	if s.glossary.of != c.Dictionary {
		s.learn(d, c.Dictionary)
	}
	s.glossary.look(d, c.Index[first:first+n])
	stand(planes, &d.bins, &d.absent, s)
}

// learn works out the bins of a dictionary.
func (s *scale) learn(d *desk, dictionary *kernel.Dictionary) {
	g := s.glossary
	for first := 0; first < len(dictionary.Value); first += blockRows {
		values := dictionary.Value[first:min(first+blockRows, len(dictionary.Value))]
		s.bin(&d.bins, d.block(values))
		for i := range values {
			g.bin[first+i] = d.bins[i&^63+i&7<<3+i>>3&7]
			if missing(values[i:i+1], s.zero) != 0 {
				g.bin[first+i] = gone
			}
		}
	}
	g.of = dictionary
}

// look writes the bins of rows, dealt, and their missing marks.
func (g *glossary) look(d *desk, index []uint32) {
	for row := 0; row < len(index); row += 8 {
		dealt := d.bins[row&^63+row>>3&7:][:57]
		if row+8 > len(index) {
			for i, k := range index[row:] {
				dealt[8*i] = g.bin[k%kernel.DictionaryMax]
			}
			break
		}
		for i, k := range (*[8]uint32)(index[row:]) {
			dealt[8*i] = g.bin[k%kernel.DictionaryMax]
		}
	}
	for w := range d.absent {
		rows := (*[64]uint8)(d.bins[w*64:])
		var absent uint64
		for i := range 8 {
			x := binary.LittleEndian.Uint64(rows[8*i:])
			full := x & (x&0x7f7f7f7f7f7f7f7f + 0x0101010101010101) // the top bit of each byte that is gone
			absent |= full >> 7 & 0x0101010101010101 << i
		}
		d.absent[w] = absent
	}
}
