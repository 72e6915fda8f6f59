package score

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"rescore/worker/kernel"
	"rescore/worker/model"
)

// topic is a feature that categorical nodes ask about. A block's rows are dealt
// to a plane for each category that is in a set; the planes of a set are joined.
type topic struct {
	feature    int32
	single     bool // values are rounded to float32 first, and negative ones are no categories
	sets       []answer
	categories []uint32    // in sets, sorted
	at         uint32      // plane of the first category; after the last one, that of all others, and of missing values
	place      [256]uint32 // of the low categories, which most are, in categories

	of    *kernel.Dictionary // that spots are of
	spots []uint32           // of each value
}

// answer is a set of categories and the plane of the rows that are not in it,
// which go right.
type answer struct {
	at      uint32
	missing bool     // missing values are in the set
	members []uint32 // categories, sorted; places in topic.categories once settled
}

// words returns the bits of the set that node i asks for. Categories are numbers
// below 1<<31 (model.Tree.Member).
func words(tree model.Tree, i int) []uint32 {
	s := int(tree.Threshold[i])
	w := tree.Word[tree.Bound[s]:tree.Bound[s+1]]
	return w[:min(len(w), 1<<31/32)]
}

// size returns how many categories' bits are set.
func size(words []uint32) int {
	n := 0
	for _, w := range words {
		n += bits.OnesCount32(w)
	}
	return n
}

// members lists the categories whose bits are set.
func members(words []uint32) []uint32 {
	var set []uint32
	for w, word := range words {
		for ; word != 0; word &= word - 1 {
			set = append(set, uint32(w*32+bits.TrailingZeros32(word)))
		}
	}
	return set
}

// setKey tells the sets of a model apart.
func setKey(feature int32, words []uint32, missing bool) string {
	key := binary.LittleEndian.AppendUint32(nil, uint32(feature))
	if missing {
		key = append(key, 1) // no whole word: no other set's key is as long
	}
	for _, w := range words {
		key = binary.LittleEndian.AppendUint32(key, w)
	}
	return string(key)
}

// settle gives the categories their planes, from next on, and returns the next
// free one.
func (t *topic) settle(next int) int {
	for _, s := range t.sets {
		t.categories = append(t.categories, s.members...)
	}
	slices.Sort(t.categories)
	t.categories = slices.Compact(t.categories)
	for _, s := range t.sets {
		for i, c := range s.members {
			s.members[i] = t.find(c)
		}
	}
	for c := range t.place {
		t.place[c] = t.find(uint32(c))
	}
	t.at = uint32(next)
	return next + len(t.categories) + 2
}

// find returns the place of a category, past the last for one in no set.
func (t *topic) find(category uint32) uint32 {
	if place, ok := slices.BinarySearch(t.categories, category); ok {
		return uint32(place)
	}
	return uint32(len(t.categories))
}

// spot returns the place of a value: past the last one that of what is in no set, and
// then that of missing values.
func (t *topic) spot(x float64) uint32 {
	v := x
	if t.single {
		v = float64(float32(x))
	}
	if !(v > -1 && v < 1<<31) || t.single && v < 0 {
		return uint32(len(t.categories)) + uint32(absent(x, present(false), 1))
	}
	c := uint32(v)
	if c >= uint32(len(t.place)) {
		return t.find(c)
	}
	return t.place[c]
}

// answer works a topic's sets out for a block's values.
func (t *topic) answer(planes []plane, x []float64) {
	category := t.deal(planes)
	for i, v := range x {
		category[t.spot(v)][i/64] |= 1 << (i % 64)
	}
	t.join(planes)
}

// learn works out the places of a dictionary's values, unless they are known.
func (t *topic) learn(dictionary *kernel.Dictionary) {
	if t.of == dictionary {
		return
	}
	t.of, t.spots = dictionary, t.spots[:0]
	for _, v := range dictionary.Value {
		t.spots = append(t.spots, t.spot(v))
	}
}

// translate is answer for the rows of a block by the places of their dictionary.
func (t *topic) translate(planes []plane, codes []uint16) {
	category := t.deal(planes)
	for i, k := range codes {
		category[t.spots[k]][i/64] |= 1 << (i % 64)
	}
	t.join(planes)
}

// deal returns the planes that rows are dealt to by place, cleared.
func (t *topic) deal(planes []plane) []plane {
	category := planes[t.at:][:len(t.categories)+2]
	clear(category)
	return category
}

// join makes of the planes of categories those of sets.
func (t *topic) join(planes []plane) {
	category := planes[t.at:]
	for _, s := range t.sets {
		var in plane
		if s.missing {
			in = category[len(t.categories)+1]
		}
		for _, place := range s.members {
			for w, rows := range &category[place] {
				in[w] |= rows
			}
		}
		for w, rows := range in {
			planes[s.at][w] = ^rows
		}
	}
}
