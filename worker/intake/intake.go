// Package intake makes rows in the order of their numbers out of exports in any
// order: it reads numbers however people write them, sorts within a bound of memory,
// and merges, of each number the row that was loaded last. It opens nothing: rows
// come and go through callers, bytes through io.
//
//	exports ──► Number, Load ──► Sorter ──► pass ─┐
//	                               ▲   full       ├─► RunWriter ──► run: pieces by range
//	                               └──────────────┘
//	pieces of one range, of every run ──► Merge ──► keep: one row a number
//	                                          └───► drop: the others, each once
//
// # Which row is kept
//
// Rows are ordered by number, and of one number the best comes first: the highest
// load, then the later file, then the later row. That is a total order, so what is
// kept depends on the rows alone: not on how they were cut into runs, how much memory
// there was, or who merged them (invariant I5).
//
// # A run
//
// A run is a list of blocks: the length of the rows in it, the length of its bytes,
// their CRC-32C, and the bytes, compressed by S2. A block holds rows of one range, in
// order, and at least one row; whatever fits the sorter's memory is one pass, and each
// pass has a piece of consecutive blocks in every range that has rows. Where pieces
// lie is not in the run: the task reports it (job.Piece).
package intake

import (
	"encoding/binary"
	"errors"
	"fmt"

	"rescore/partition"
)

// ErrRun is returned for a run that is not what was written.
var ErrRun = errors.New("sorted run is damaged")

// Type is what the values of a column are.
type Type uint8

// Types, by their Parquet name.
const (
	Boolean   Type = 1 // one byte, 0 or 1
	Int32     Type = 2
	Int64     Type = 3
	Float     Type = 4
	Double    Type = 5
	ByteArray Type = 6
)

// Width returns the bytes of a value, 0 for one of any length.
func (t Type) Width() int {
	switch t {
	case Boolean:
		return 1
	case Int32, Float:
		return 4
	case Int64, Double:
		return 8
	case ByteArray:
	}
	return 0
}

// String returns the type's Parquet name.
func (t Type) String() string {
	names := [...]string{Boolean: "BOOLEAN", Int32: "INT32", Int64: "INT64", Float: "FLOAT", Double: "DOUBLE", ByteArray: "BYTE_ARRAY"}
	if t > 0 && int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// Field is one column of a base, as it comes and as it goes.
type Field struct {
	Name string
	Type Type
	// Meaning is what the values stand for beyond their type (text, a date, a decimal):
	// the Parquet schema element's, encoded. Only files of equal meaning go together.
	Meaning string
}

// Row is one row of an export. What it points to belongs to whoever gave it.
type Row struct {
	Number partition.Number
	File   uint32 // index of the input file; a later one wins
	Row    int64  // of the file, 0-based; a later one wins
	Load   []byte // order key: see Load
	Cells  []byte // the other columns: see Cells
}

// Cells encodes a row's columns one after another: first a bit for each column that
// says whether it has a value, then the values of those that have, numbers as their
// little-endian bytes, others behind their length.
type Cells struct {
	bytes []byte
	at    int
}

// Begin starts a row of so many columns, in the buffer of the row before.
func (c *Cells) Begin(columns int) {
	n := (columns + 7) / 8
	c.bytes = append(c.bytes[:0], make([]byte, n)...)
	c.at = 0
}

// Null adds a column without a value.
func (c *Cells) Null() { c.at++ }

func (c *Cells) set() {
	c.bytes[c.at>>3] |= 1 << (c.at & 7)
	c.at++
}

// Fixed adds a value of 1, 4 or 8 bytes.
func (c *Cells) Fixed(v uint64, width int) {
	c.set()
	switch width {
	case 1:
		c.bytes = append(c.bytes, byte(v))
	case 4:
		c.bytes = binary.LittleEndian.AppendUint32(c.bytes, uint32(v))
	default:
		c.bytes = binary.LittleEndian.AppendUint64(c.bytes, v)
	}
}

// Bytes adds a value of any length.
func (c *Cells) Bytes(v []byte) {
	c.set()
	c.bytes = binary.AppendUvarint(c.bytes, uint64(len(v)))
	c.bytes = append(c.bytes, v...)
}

// Encoded returns the row, valid until the next Begin.
func (c *Cells) Encoded() []byte { return c.bytes }

// Reader takes a row's columns apart again, in order.
type Reader struct {
	bits, rest []byte
	at         int
	bad        bool
}

// Open begins a row of so many columns.
func (r *Reader) Open(cells []byte, columns int) error {
	n := (columns + 7) / 8
	if len(cells) < n {
		return fmt.Errorf("%w: a row of %d bytes has not %d columns", ErrRun, len(cells), columns)
	}
	*r = Reader{bits: cells[:n], rest: cells[n:]}
	return nil
}

// Next returns the next column's value: nil and false when it has none.
func (r *Reader) Next(t Type) (value []byte, ok bool) {
	at := r.at
	r.at++
	if r.bits[at>>3]>>(at&7)&1 == 0 {
		return nil, false
	}
	n := t.Width()
	if n == 0 {
		length, k := binary.Uvarint(r.rest)
		if k <= 0 || length > uint64(len(r.rest)-k) {
			r.bad = true
			return nil, false
		}
		r.rest, n = r.rest[k:], int(length)
	}
	if n > len(r.rest) {
		r.bad = true
		return nil, false
	}
	value, r.rest = r.rest[:n:n], r.rest[n:]
	return value, true
}

// Close returns ErrRun unless the row ended with its last column.
func (r *Reader) Close() error {
	if r.bad || len(r.rest) > 0 {
		return fmt.Errorf("%w: a row is not of its columns", ErrRun)
	}
	return nil
}

// Hash returns a row's share of the sum of all rows: of its number and its columns,
// wherever it came from.
func Hash(n partition.Number, cells []byte) uint64 {
	h := partition.Mix(uint64(n) ^ 0x707265706172656c) // "preparel"
	for ; len(cells) >= 8; cells = cells[8:] {
		h = partition.Mix(h ^ binary.LittleEndian.Uint64(cells))
	}
	var tail [8]byte
	copy(tail[:], cells)
	return partition.Mix(h ^ binary.LittleEndian.Uint64(tail[:]) ^ uint64(len(cells))<<56)
}
