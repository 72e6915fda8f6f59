package source

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

const (
	arrowLZ4  = 0
	arrowZstd = 1
	arrowNone = -1
)

// A compressed buffer has no middle to begin at: it is unpacked whole. arrowHeldMax
// bounds what the columns of one reader keep of such batches, and of dictionaries.
const (
	arrowHeldMax   = 320 << 20
	arrowBufferMax = 64 << 20
	fewerRows      = "write record batches of fewer rows (65,536 will do)"
)

// batchMeta is the metadata of a record batch, or of a dictionary's values.
type batchMeta struct {
	arrowMessage
	rows    int64
	nodes   flatVector
	buffers flatVector
	views   flatVector
	codec   int // arrowNone when the body is not compressed
}

// checkRows bounds the rows that a message may claim.
func (f *arrowFile) checkRows(rows int64, m arrowMessage) error {
	if rows < 0 || rows > arrowRowsFree && (rows-arrowRowsFree)/arrowRowsRatio > m.size+int64(m.meta) {
		return corrupt("%d rows in %d bytes", rows, m.size+int64(m.meta))
	}
	return nil
}

// readBatch reads a RecordBatch table and holds it to its message.
func (f *arrowFile) readBatch(m arrowMessage, t flatTable) (batchMeta, error) {
	b := batchMeta{arrowMessage: m, rows: t.i64(0), nodes: t.vector(1, 16), buffers: t.vector(2, 16), views: t.vector(4, 8), codec: arrowNone}
	if packed, ok := t.table(3); ok {
		b.codec = int(int8(packed.u8(0, arrowLZ4)))
		if method := packed.u8(1, 0); t.f.err == nil && (method != 0 || b.codec != arrowLZ4 && b.codec != arrowZstd) {
			return b, fmt.Errorf("compression %d by method %d is not read; use lz4, zstd or none: %w", b.codec, method, ErrFormat)
		}
	}
	if t.f.err != nil {
		return b, t.f.err
	}
	if err := f.checkRows(b.rows, m); err != nil {
		return b, err
	}
	for i := range b.buffers.n {
		if off, n := b.buffers.i64(i, 0), b.buffers.i64(i, 1); off < 0 || n < 0 || n > m.size || off > m.size-n {
			return b, corrupt("buffer %d lies outside the body (%d bytes at %d of %d)", i, n, off, m.size)
		}
	}
	for i := range b.nodes.n {
		if rows, nulls := b.nodes.i64(i, 0), b.nodes.i64(i, 1); rows < 0 || nulls < 0 || nulls > rows {
			return b, corrupt("column part %d has %d rows of which %d are null", i, rows, nulls)
		}
	}
	return b, t.f.err
}

// batch reads the metadata of a record batch of the schema.
func (f *arrowFile) batch(m arrowMessage, t flatTable) (batchMeta, error) {
	b, err := f.readBatch(m, t)
	if err != nil {
		return b, err
	}
	if b.nodes.n != f.nodes || b.views.n != f.views {
		return b, corrupt("%d column parts where the schema has %d", b.nodes.n, f.nodes)
	}
	views := int64(0)
	for i := range b.views.n {
		n := b.views.i64(i, 0)
		if n < 0 || n > int64(b.buffers.n) {
			return b, corrupt("a view of %d buffers", n)
		}
		views += n
	}
	if int64(b.buffers.n) != int64(f.buffers)+views {
		return b, corrupt("%d buffers where the schema has %d", b.buffers.n, int64(f.buffers)+views)
	}
	for i, l := range f.layouts {
		if rows := b.nodes.i64(l.node, 0); rows != b.rows {
			return b, corrupt("column %s has %d rows in a batch of %d", f.fields[i].name, rows, b.rows)
		}
	}
	return b, t.f.err
}

// load reads the metadata of a message again, which was looked at when the file was
// opened.
func (f *arrowFile) load(m arrowMessage, meta *[]byte, dictionary bool) (batchMeta, error) {
	fl := &flat{b: grow(meta, m.meta)}
	if err := readFull(f.obj, fl.b, m.at); err != nil {
		return batchMeta{}, err
	}
	t := fl.root()
	size, kind := t.i64(3), t.u8(1, 0)
	header, ok := t.table(2)
	want := messageBatch
	if dictionary {
		want = messageDictionary
		if ok {
			header, ok = header.table(1)
		}
	}
	switch {
	case fl.err != nil:
		return batchMeta{}, fl.err
	case !ok || size != m.size || kind != want:
		return batchMeta{}, fmt.Errorf("the message at byte %d is another: %w", m.at, ErrChanged)
	case dictionary:
		return f.readBatch(m, header)
	}
	return f.batch(m, header)
}

// arrowScratch is what the Arrow columns of one reader share.
type arrowScratch struct {
	file  *arrowFile // whose batch is in batch; nil for none
	meta  []byte
	batch batchMeta
	held  int64 // bytes that columns keep: at most arrowHeldMax

	packed []byte
	lz4    *lz4.Reader
	bitmap []byte
	wide   []int64 // values as they are converted
	start  []int64 // of texts
}

// take counts bytes that are kept.
func (s *arrowScratch) take(n int64) error {
	if n > arrowHeldMax-s.held {
		return fmt.Errorf("its columns need more than %d MiB at once; %s: %w", arrowHeldMax>>20, fewerRows, ErrTooLarge)
	}
	s.held += n
	return nil
}

// current returns the metadata of a batch, which is the last one more often than not.
func (s *arrowScratch) current(f *arrowFile, m arrowMessage) (*batchMeta, error) {
	if s.file == f && s.batch.at == m.at {
		return &s.batch, nil
	}
	s.file = nil
	b, err := f.load(m, &s.meta, false)
	if err != nil {
		return nil, err
	}
	s.file, s.batch = f, b
	return &s.batch, nil
}

// arrowBuffer is one buffer of one column in one batch.
type arrowBuffer struct {
	off  int64 // in the file
	size int64
	mem  []byte // what it is unpacked to; nil when it lies in the file as it is
	kept []byte // memory of mem, for the next one
	win  window
}

// open makes b the buffer i of a batch.
func (b *arrowBuffer) open(f *arrowFile, m *batchMeta, i int, need int64, c *codecs) error {
	b.off, b.size, b.mem = m.body+m.buffers.i64(i, 0), m.buffers.i64(i, 1), nil
	b.win.obj, b.win.ask, b.win.mapped, b.win.passed = f.obj, f.ask, f.mapped, c.passing(f.mapper)
	b.win.buf, b.win.ahead = b.win.buf[:0], 4*windowMin
	b.win.enter(b.off, true)
	if m.codec != arrowNone && b.size > 0 {
		if err := b.unpack(m.codec, c); err != nil {
			return err
		}
	}
	if b.size < need {
		return corrupt("%d bytes where its rows need %d", b.size, need)
	}
	return nil
}

// unpack decompresses the buffer, which begins with what it unpacks to.
func (b *arrowBuffer) unpack(codec int, c *codecs) error {
	if b.size < 8 {
		return corrupt("a compressed buffer of %d bytes", b.size)
	}
	if b.size > arrowBufferMax {
		return fmt.Errorf("a compressed buffer of %d bytes; %s: %w", b.size, fewerRows, ErrTooLarge)
	}
	src := grow(&c.arrow.packed, int(b.size)) // the decoders are not ours: see window.open
	if err := readFull(b.win.obj, src, b.off); err != nil {
		return err
	}
	size := int64(binary.LittleEndian.Uint64(src))
	src = src[8:]
	switch {
	case size == -1: // it is not compressed after all
		b.off, b.size = b.off+8, b.size-8
		return nil
	case size < 0:
		return corrupt("a buffer of %d bytes unpacks to %d", b.size, size)
	case size > arrowBufferMax:
		return fmt.Errorf("a buffer unpacks to %d bytes; %s: %w", size, fewerRows, ErrTooLarge)
	case size > pageRatioFrom && size > int64(len(src))*pageRatioMax:
		return corrupt("%d bytes claim to unpack to %d", len(src), size)
	}
	if before := int64(cap(b.kept)); before < size {
		if err := c.arrow.take(size + size/4 - before); err != nil { // as grow makes it
			return err
		}
	}
	b.mem, b.size = grow(&b.kept, int(size)), size
	if size == 0 {
		return nil
	}
	if codec == arrowZstd {
		_, err := c.decompress(&b.kept, src, int(size), format.Zstd)
		return err
	}
	if c.arrow.lz4 == nil {
		c.arrow.lz4 = lz4.NewReader(nil)
	}
	c.arrow.lz4.Reset(bytes.NewReader(src))
	_, err := fill(c.arrow.lz4, b.mem)
	return err
}

// close gives back what the buffer keeps.
func (b *arrowBuffer) close(c *codecs) {
	b.win.leave()
	c.arrow.held -= int64(cap(b.kept))
	*b = arrowBuffer{}
}

// at returns n bytes from byte from. What the file holds there may change while it is
// looked at: who checks a value takes it once.
func (b *arrowBuffer) at(from, n int64) ([]byte, error) {
	if from < 0 || n < 0 || from > b.size || n > b.size-from {
		return nil, corrupt("bytes %d to %d of a buffer of %d", from, from+n, b.size)
	}
	switch {
	case b.mem != nil:
		return b.mem[from : from+n], nil
	case n == 0:
		return nil, nil
	case n > pageBytesMax && b.win.whole == nil:
		return nil, fmt.Errorf("%d bytes of text at once: %w", n, ErrTooLarge)
	}
	return b.win.at(b.off+from, int(n), b.off+b.size)
}
