package score

import "rescore/worker/kernel"

// glossary is a dictionary's bins on a scale, worked out once for the rows of many
// blocks.
type glossary struct {
	of  *kernel.Dictionary
	bin []uint8 // of each value; gone of a missing one; at least shortMax
}

// gone is the bin of a missing value, above all others.
const gone = thresholdsMax + 1

// shortMax is how long a dictionary may be for vectors to look its bins up in
// registers.
const shortMax = 256

// learn works out the bins of a dictionary, unless they are known.
func (s *scale) learn(d *desk, dictionary *kernel.Dictionary) {
	g := &s.glossary
	if g.of == dictionary {
		return
	}
	g.of = dictionary
	s.ready()
	n := len(dictionary.Value)
	if cap(g.bin) < n {
		g.bin = make([]uint8, (n+shortMax-1)/shortMax*shortMax)
	}
	g.bin = g.bin[:max(n, shortMax)]
	for first := 0; first < n; first += blockRows {
		values := dictionary.Value[first:min(first+blockRows, n)]
		s.bin(&d.bins, d.block(values))
		for i := range values {
			g.bin[first+i] = d.bins[dealt(i)]
			if missing(values[i:i+1], s.zero) != 0 {
				g.bin[first+i] = gone
			}
		}
	}
}

// dealt returns where bins that are dealt have that of a row.
func dealt(row int) int { return row&^63 + row&7<<3 + row>>3&7 }

// translate lays the rows of a block out in the planes of their scale by the bins of
// their dictionary.
func translate(planes []plane, codes *[blockRows]uint16, s *scale, d *desk) {
	bin := s.glossary.bin
	for row := 0; row < blockRows; row += 8 {
		dealt := d.bins[dealt(row):][:57]
		for i, k := range (*[8]uint16)(codes[row:]) {
			dealt[8*i] = bin[k]
		}
	}
	stand(planes, &d.bins, nil, s)
}

// look writes the bins of a block in the order of its rows.
func (g *glossary) look(bins *[blockRows]uint8, codes *[blockRows]uint16) {
	bin := g.bin
	for row := 0; row < blockRows; row += 8 {
		k, b := (*[8]uint16)(codes[row:]), (*[8]uint8)(bins[row:])
		b[0], b[1], b[2], b[3] = bin[k[0]], bin[k[1]], bin[k[2]], bin[k[3]]
		b[4], b[5], b[6], b[7] = bin[k[4]], bin[k[5]], bin[k[6]], bin[k[7]]
	}
}
