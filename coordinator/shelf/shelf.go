// Package shelf keeps a ledger's packed plans and results: a gigabyte of them, seldom
// asked for, and never changed. In lumps they cost the collector nothing; given a Spill,
// they cost no memory either.
package shelf

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
)

// Shelf is a ledger.Shelf that may be read while it is written.
type Shelf struct {
	spill  Spill
	spoilt func(error)

	mu    sync.RWMutex
	full  bool     // the spill takes no more
	lumps [][]byte // nil = in the spill, where it begins at its index times lumpBytes
}

// Spill is where a Shelf writes what it need not hold, such as a file that is gone when
// its process is: what it has is in the log and in snapshots too. A write that fails costs
// memory alone; a read that fails, or brings other bytes, ends the process.
type Spill interface {
	io.ReaderAt
	io.WriterAt
}

// New returns an empty shelf. Without a spill it is all in memory. The first write to the
// spill that fails is the last, and told to spoilt.
func New(spill Spill, spoilt func(error)) *Shelf { return &Shelf{spill: spill, spoilt: spoilt} }

// A record is its sum (CRC-32C) and its bytes, inside one lump. A packed text is at most
// as long as a log entry.
const (
	lumpBytes = 1 << 20
	sumBytes  = crc32.Size
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Put implements ledger.Shelf.
func (s *Shelf) Put(text string) uint64 {
	size := sumBytes + len(text)
	if size > lumpBytes {
		panic(fmt.Sprintf("shelf: a text of %d bytes", len(text))) // no log entry is as long
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.lumps) - 1
	if last < 0 || len(s.lumps[last])+size > lumpBytes {
		if last >= 0 {
			s.spillLump(last)
		}
		s.lumps, last = append(s.lumps, nil), last+1
	}
	lump := s.lumps[last]
	at := uint64(last)*lumpBytes + uint64(len(lump))
	lump = binary.LittleEndian.AppendUint32(lump, crc32.Checksum([]byte(text), castagnoli))
	s.lumps[last] = append(lump, text...)
	return at
}

// spillLump writes a full lump, and forgets it.
func (s *Shelf) spillLump(i int) {
	if s.spill == nil || s.full {
		return
	}
	if _, err := s.spill.WriteAt(s.lumps[i], int64(i)*lumpBytes); err != nil {
		s.full = true
		s.spoilt(err)
		return
	}
	s.lumps[i] = nil
}

// Get implements ledger.Shelf. It panics when a spill does not bring back what it was
// given.
func (s *Shelf) Get(at uint64, n int) string {
	record := make([]byte, sumBytes+n)
	s.mu.RLock()
	lump := s.lumps[at/lumpBytes]
	if lump != nil {
		copy(record, lump[at%lumpBytes:])
	}
	s.mu.RUnlock()
	if lump == nil {
		if _, err := s.spill.ReadAt(record, int64(at)); err != nil {
			panic(fmt.Sprintf("shelf: read back %d bytes at %d: %v", len(record), at, err))
		}
	}
	text := record[sumBytes:]
	if crc32.Checksum(text, castagnoli) != binary.LittleEndian.Uint32(record) {
		panic(fmt.Sprintf("shelf: %d bytes at %d are not what was written there", n, at))
	}
	return string(text)
}
