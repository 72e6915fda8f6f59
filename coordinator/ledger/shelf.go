package ledger

// Shelf keeps the texts of plans and results, which are packed. There may be a gigabyte
// of them, seldom asked for and never changed: package shelf has one that takes no
// memory. Only Apply and Read put things on it; clones of a State share it, and may be
// read beside that if the shelf allows it.
type Shelf interface {
	// Put keeps a text, and returns a place below 1<<44.
	Put(text string) (place uint64)
	// Get returns the text of n bytes that was put at a place, now or from another goroutine.
	Get(place uint64, n int) string
}

// loose is a Shelf in memory for one goroutine.
type loose struct{ texts []string }

func (l *loose) Put(text string) uint64 {
	l.texts = append(l.texts, text)
	return uint64(len(l.texts) - 1)
}

func (l *loose) Get(place uint64, _ int) string { return l.texts[place] }

// lengthBits of packed.at are the text's length: a text is at most as long as a log entry.
const lengthBits = 20

// packed is a text on a shelf; its zero value is no text.
type packed struct {
	shelf Shelf
	at    uint64
}

// put keeps a text on a shelf.
func put(s Shelf, text string) packed {
	if text == "" {
		return packed{}
	}
	return packed{s, s.Put(text)<<lengthBits | uint64(len(text))}
}

// size is how many bytes the text has.
func (p packed) size() int { return int(p.at & (1<<lengthBits - 1)) }

// text returns the text.
func (p packed) text() string {
	if p.shelf == nil {
		return ""
	}
	return p.shelf.Get(p.at>>lengthBits, p.size())
}
