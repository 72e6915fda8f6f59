package intake

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"rescore/partition"
)

// Sorter holds rows within a bound of memory and gives them back in order. It serves
// one goroutine.
type Sorter struct {
	arenaMax int
	arena    [][]byte // blocks; a row lies in one
	used     int      // bytes of all blocks
	next     int      // block that is filled; those after it are left over
	entries  []entry
}

// entry is where a row lies.
type entry struct {
	number uint64
	block  uint32
	off    uint32
}

const (
	arenaBlock = 1 << 20
	entryBytes = 16
	entryShare = 5 // of the memory, one part in so many is for entries
)

// NewSorter returns a sorter of so many bytes, all told.
func NewSorter(memory int) *Sorter {
	entries := max(memory/entryShare/entryBytes, 1)
	return &Sorter{arenaMax: memory - entries*entryBytes, entries: make([]entry, 0, entries)}
}

// Add takes a copy of a row. It reports false, and does not take it, when the sorter is
// full; an empty one takes any row.
func (s *Sorter) Add(r *Row) bool {
	size := rowMax(r)
	if len(s.entries) > 0 {
		if len(s.entries) == cap(s.entries) {
			return false
		}
		if !s.fits(size) && s.used+max(size, arenaBlock) > s.arenaMax && s.next+1 >= len(s.arena) {
			return false
		}
	}
	if !s.fits(size) {
		s.grow(size)
	}
	b := &s.arena[s.next]
	s.entries = append(s.entries, entry{number: uint64(r.Number), block: uint32(s.next), off: uint32(len(*b))})
	*b = appendRow(*b, r)
	return true
}

// fits reports whether the block that is filled has room.
func (s *Sorter) fits(size int) bool {
	return s.next < len(s.arena) && cap(s.arena[s.next])-len(s.arena[s.next]) >= size
}

// grow makes a block with room the one that is filled.
func (s *Sorter) grow(size int) {
	if len(s.entries) > 0 {
		s.next++
	}
	if s.next < len(s.arena) && cap(s.arena[s.next]) >= size {
		return
	}
	n := max(size, arenaBlock)
	if s.next < len(s.arena) { // left over, and too small
		s.used += n - cap(s.arena[s.next])
		s.arena[s.next] = make([]byte, 0, n)
		return
	}
	s.arena = append(s.arena, make([]byte, 0, n))
	s.used += n
}

// Len returns how many rows it holds.
func (s *Sorter) Len() int { return len(s.entries) }

// Each sorts the rows and calls out with each in turn: by number, and of one number
// the one to keep first. The row is valid until out returns.
func (s *Sorter) Each(out func(*Row) error) error {
	var a, b Row
	slices.SortFunc(s.entries, func(x, y entry) int {
		if x.number != y.number {
			return cmp.Compare(x.number, y.number)
		}
		readRow(s.arena[x.block][x.off:], &a)
		readRow(s.arena[y.block][y.off:], &b)
		return best(&a, &b)
	})
	for _, e := range s.entries {
		readRow(s.arena[e.block][e.off:], &a)
		if err := out(&a); err != nil {
			return err
		}
	}
	return nil
}

// Reset empties the sorter and keeps its memory.
func (s *Sorter) Reset() {
	for i := range s.arena {
		s.arena[i] = s.arena[i][:0]
	}
	s.next, s.entries = 0, s.entries[:0]
}

// best compares two rows of one number: the one to keep comes first.
func best(a, b *Row) int {
	return cmp.Or(bytes.Compare(b.Load, a.Load), cmp.Compare(b.File, a.File), cmp.Compare(b.Row, a.Row))
}

// compare is the order of a run.
func compare(a, b *Row) int {
	if a.Number != b.Number {
		return cmp.Compare(a.Number, b.Number)
	}
	return best(a, b)
}

const rowHead = 8 + 4 + 8

// rowMax is at least the bytes that appendRow takes.
func rowMax(r *Row) int { return rowHead + 2*binary.MaxVarintLen32 + len(r.Load) + len(r.Cells) }

func appendRow(b []byte, r *Row) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Number))
	b = binary.LittleEndian.AppendUint32(b, r.File)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Row))
	b = binary.AppendUvarint(b, uint64(len(r.Load)))
	b = append(b, r.Load...)
	b = binary.AppendUvarint(b, uint64(len(r.Cells)))
	return append(b, r.Cells...)
}

// readRow reads the row at the front of b and returns its length, 0 when there is none.
func readRow(b []byte, r *Row) int {
	if len(b) < rowHead {
		return 0
	}
	r.Number = partition.Number(binary.LittleEndian.Uint64(b))
	r.File = binary.LittleEndian.Uint32(b[8:])
	r.Row = int64(binary.LittleEndian.Uint64(b[12:]))
	at := rowHead
	for _, part := range []*[]byte{&r.Load, &r.Cells} {
		n, k := binary.Uvarint(b[at:])
		if k <= 0 || n > uint64(len(b)-at-k) {
			return 0
		}
		at += k
		*part = b[at : at+int(n) : at+int(n)]
		at += int(n)
	}
	return at
}
