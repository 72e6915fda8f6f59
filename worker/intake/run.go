package intake

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/s2"

	"rescore/partition"
	"rescore/partition/job"
)

const (
	blockBytes = 32 << 10 // of rows, before compression; a block of one row may be larger
	blockHead  = 12
	// blockMax bounds what a damaged length can ask for.
	blockMax = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// RunWriter writes the passes of one task, cut by range. It serves one goroutine.
type RunWriter struct {
	out    io.Writer
	ranges []partition.Range // of the whole number space, in order
	offset int64
	pieces []job.Piece

	at          int       // range of the piece that is open
	piece       job.Piece // no rows: none is open
	raw, packed []byte
}

// NewRunWriter writes to out, whose first byte is the run's.
func NewRunWriter(out io.Writer, ranges []partition.Range) *RunWriter {
	return &RunWriter{out: out, ranges: ranges}
}

// Pass writes the rows of a sorter.
func (w *RunWriter) Pass(s *Sorter) error {
	w.at = 0
	if err := s.Each(w.add); err != nil {
		return err
	}
	return w.close()
}

func (w *RunWriter) add(r *Row) error {
	if !w.ranges[w.at].Contains(r.Number) {
		if err := w.close(); err != nil {
			return err
		}
		for !w.ranges[w.at].Contains(r.Number) {
			if w.at++; w.at == len(w.ranges) {
				return fmt.Errorf("a row is in no range, or out of order")
			}
		}
	}
	if len(w.raw) > 0 && len(w.raw)+rowMax(r) > blockBytes {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if w.piece.Rows == 0 {
		w.piece = job.Piece{Range: w.at, Offset: w.offset}
	}
	w.raw = appendRow(w.raw, r)
	w.piece.Rows++
	w.piece.Keys = w.piece.Keys.AddNumber(r.Number)
	return nil
}

// close ends the open piece.
func (w *RunWriter) close() error {
	if w.piece.Rows == 0 {
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	w.piece.Bytes = w.offset - w.piece.Offset
	w.pieces = append(w.pieces, w.piece)
	w.piece = job.Piece{}
	return nil
}

// flush writes a block.
func (w *RunWriter) flush() error {
	w.packed = append(w.packed[:0], make([]byte, blockHead)...)
	if need := blockHead + s2.MaxEncodedLen(len(w.raw)); cap(w.packed) < need {
		w.packed = append(make([]byte, 0, need), w.packed...)
	}
	body := s2.Encode(w.packed[blockHead:cap(w.packed)], w.raw)
	w.packed = w.packed[:blockHead+len(body)]
	binary.LittleEndian.PutUint32(w.packed, uint32(len(w.raw)))
	binary.LittleEndian.PutUint32(w.packed[4:], uint32(len(body)))
	binary.LittleEndian.PutUint32(w.packed[8:], crc32.Checksum(body, castagnoli))
	w.raw = w.raw[:0]
	w.offset += int64(len(w.packed))
	_, err := w.out.Write(w.packed)
	return err
}

// Pieces returns where the rows lie: by pass, then range.
func (w *RunWriter) Pieces() []job.Piece { return w.pieces }

// Piece is rows of one range in order, and where they lie.
type Piece struct {
	From io.ReaderAt
	job.Piece
}

// cursor reads a piece row by row.
type cursor struct {
	piece  Piece
	next   int64 // offset of the bytes after window
	window []byte
	ahead  []byte // of window, unread
	raw    []byte
	rest   []byte // of raw, unread
	row    Row
	rows   int64
	keys   partition.Sum
}

// advance makes the next row the current one, or returns io.EOF once the piece was
// proven to be what was written.
func (c *cursor) advance() error {
	for len(c.rest) == 0 {
		if len(c.ahead) == 0 && c.next == c.piece.Offset+c.piece.Bytes {
			if c.rows != c.piece.Rows || c.keys != c.piece.Keys {
				return fmt.Errorf("%w: %d rows where %d were written, or other numbers", ErrRun, c.rows, c.piece.Rows)
			}
			return io.EOF
		}
		if err := c.block(); err != nil {
			return err
		}
	}
	n := readRow(c.rest, &c.row)
	if n == 0 {
		return fmt.Errorf("%w: a row is cut off", ErrRun)
	}
	c.rest = c.rest[n:]
	c.rows++
	c.keys = c.keys.AddNumber(c.row.Number)
	return nil
}

// block decodes the next block.
func (c *cursor) block() error {
	head, err := c.bytes(blockHead)
	if err != nil {
		return err
	}
	size, packed, sum := binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[8:])
	if size == 0 || size > blockMax || packed > blockMax {
		return fmt.Errorf("%w: a block of %d bytes", ErrRun, size)
	}
	body, err := c.bytes(int(packed))
	if err != nil {
		return err
	}
	if crc32.Checksum(body, castagnoli) != sum {
		return fmt.Errorf("%w: checksum mismatch", ErrRun)
	}
	if n, err := s2.DecodedLen(body); err != nil || n != int(size) {
		return fmt.Errorf("%w: a block of %d bytes states %d", ErrRun, size, n)
	}
	if cap(c.raw) < int(size) {
		room := int(size)
		if c.raw != nil { // blocks are about as long: not a little more for each
			room = max(room, blockBytes)
		}
		c.raw = make([]byte, room)
	}
	if c.raw, err = s2.Decode(c.raw[:size], body); err != nil {
		return fmt.Errorf("%w: %w", ErrRun, err)
	}
	c.rest = c.raw
	return nil
}

// bytes returns the next n bytes of the piece, valid until the next call but one that
// finds them in the window.
func (c *cursor) bytes(n int) ([]byte, error) {
	if len(c.ahead) < n {
		left := c.piece.Offset + c.piece.Bytes - c.next
		if int64(n-len(c.ahead)) > left {
			return nil, fmt.Errorf("%w: a piece ends inside a block", ErrRun)
		}
		keep := len(c.ahead)
		size := int(min(int64(max(cap(c.window), n)), int64(keep)+left))
		if size > cap(c.window) {
			c.window = append(make([]byte, 0, size), c.ahead...)
		} else {
			c.window = append(c.window[:0], c.ahead...)
		}
		c.window = c.window[:size]
		read, err := c.piece.From.ReadAt(c.window[keep:], c.next)
		if read < size-keep {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("read a sorted run: %w", err)
		}
		c.next += int64(size - keep)
		c.ahead = c.window
	}
	b := c.ahead[:n]
	c.ahead = c.ahead[n:]
	return b, nil
}
