// Package tag finds words in texts: which topics a complaint is about, by a
// table of keywords (domain C23).
//
//	words by bit ─► New ─► automaton
//	text ─────────► Tag, a table look-up a byte ─► bits
//
// All words are looked for at once, by the automaton of Aho and Corasick: a
// state is the longest beginning of a word that the text read so far ends in,
// and the table says for every state and byte which state comes next. Texts and
// words are UTF-8, whose characters begin nowhere inside another, so that bytes
// are as good as characters. Bytes in no word share a column of the table.
//
// It is written here because it is a page: the libraries there are report where
// matches lie and allocate to say so, and all that is asked for is which.
package tag

import "bytes"

// Tagger tags texts. It is read-only and safe for concurrent use.
type Tagger struct {
	column [256]uint32 // of a byte
	// table holds, by state and column, the state that follows, as the index of
	// its first column in the upper 24 bits, and below it the bits of the words
	// that end there.
	table []uint32
	other uint8
}

// MaxBytes is how long all words of a tagger may be together.
const MaxBytes = 16 << 10

// New returns the tagger of words: words[k] have bit k, and other are the bits
// of a text in which there is none. ASCII letters match in either case. Words are
// not empty, and together no longer than MaxBytes.
func New(words [8][]string, other uint8) *Tagger {
	t := &Tagger{other: other}
	columns := uint32(1)
	for _, list := range words {
		for _, w := range list {
			for i := range len(w) {
				if b := lower(w[i]); t.column[b] == 0 {
					t.column[b] = columns
					columns++
				}
			}
		}
	}
	for b := 'A'; b <= 'Z'; b++ {
		t.column[b] = t.column[lower(byte(b))]
	}

	// The tree of all words: child holds states, 0 where there is none.
	child, ends := make([]uint32, columns), []uint8{0}
	for k, list := range words {
		for _, w := range list {
			s := uint32(0)
			for i := range len(w) {
				at := s*columns + t.column[w[i]]
				if child[at] == 0 {
					child[at] = uint32(len(ends))
					child, ends = append(child, make([]uint32, columns)...), append(ends, 0)
				}
				s = child[at]
			}
			ends[s] |= 1 << k
		}
	}

	// From the root outward: where a state has no child, go where the state of
	// its longest proper ending goes, which is nearer to the root and done.
	ending := make([]uint32, len(ends))
	queue := []uint32{0}
	for i := 0; i < len(queue); i++ {
		s := queue[i]
		ends[s] |= ends[ending[s]]
		for c := range columns {
			at := s*columns + c
			next := child[at]
			if next != 0 {
				queue = append(queue, next)
			}
			if s == 0 {
				continue
			}
			short := child[ending[s]*columns+c]
			if next == 0 {
				child[at] = short
			} else {
				ending[next] = short
			}
		}
	}
	t.table = make([]uint32, len(child))
	for at, s := range child {
		t.table[at] = s*columns<<8 | uint32(ends[s])
	}
	return t
}

// Tag returns the bits of the words in a text: the other ones where there is no
// word, and none where there is no text but blanks.
func (t *Tagger) Tag(text []byte) uint8 {
	var found, state uint32
	for _, b := range text {
		state = t.table[state>>8+t.column[b]]
		found |= state
	}
	if found&0xff == 0 && len(bytes.TrimSpace(text)) > 0 {
		return t.other
	}
	return uint8(found)
}

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}
