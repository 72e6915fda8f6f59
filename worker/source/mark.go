package source

import (
	"cmp"
	"slices"
	"sync"
)

// mark is where a data page of a column chunk begins, as somebody found who read every
// header before it. Whoever reads on from there need not. A file's own index of its pages
// says as much of all of them and is not looked at: that its rows are those of the pages
// could be told by no less than their headers (decisions/0047).
type mark struct {
	row  int64 // of the row group: the page's first
	off  int64
	dict int64 // page of the dictionary that came before; 0 when none did
}

// bookmarks are where tasks of one process ended in the chunks of a file: where others go on.
type bookmarks struct {
	mu sync.Mutex
	of map[markedChunk][]mark // by row
}

type markedChunk struct{ group, leaf int }

// marksMax bounds the marks of a chunk, of which each task of it leaves one.
const marksMax = 256

func byRow(m mark, row int64) int { return cmp.Compare(m.row, row) }

func (s *bookmarks) add(c markedChunk, m mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.of[c]
	i, known := slices.BinarySearchFunc(list, m.row, byRow)
	if known || len(list) >= marksMax {
		return
	}
	if s.of == nil {
		s.of = map[markedChunk][]mark{}
	}
	s.of[c] = slices.Insert(list, i, m)
}

// before returns the last mark that is not behind a row.
func (s *bookmarks) before(c markedChunk, row int64) (m mark, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.of[c]
	i, exact := slices.BinarySearchFunc(list, row, byRow)
	if exact {
		i++
	}
	if i == 0 {
		return m, false
	}
	return list[i-1], true
}
