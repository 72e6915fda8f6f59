package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"

	"rescore/partition/store"
	"rescore/worker/bitpack"
)

// pageRowsMax bounds the values of one page: a run of a few bytes may claim
// billions. Writers cut pages at about a megabyte, and rarely past a million
// values.
const pageRowsMax = 1 << 25

// Pages from largeFrom bytes are counted, and all columns of a reader hold no more of them
// than largeBytesMax: each page is within its bounds, and there may be hundreds of columns.
// A text, or an entry of a dictionary, takes spreadBytes beside its bytes.
const (
	largeFrom     = 4 << 20
	largeBytesMax = 320 << 20
	prefixedMax   = 64 << 20 // texts of a page that share prefixes
	spreadBytes   = 24
)

// plainDictionary is the name of dictionary encoding in files of format 1.0, for
// data pages and dictionary pages alike.
const plainDictionary = format.PlainDictionary //nolint:staticcheck // deprecated for those who write

// lz4Hadoop is LZ4 in frames, as files had it before LZ4_RAW.
const lz4Hadoop = format.Lz4

// A column chunk is read a page at a time, or several small ones: what is read is in the
// cache when it is decoded. Stores that are far read ahead of that themselves; of a local
// file the system is asked for the bytes that follow, so that a disk is at work while rows
// are scored. Those wait in the system's cache, which gives them up before memory is short.
const (
	windowMin  = 16 << 10
	windowMax  = 1 << 20
	headerSize = 128 // and few headers have more
	askAhead   = 256 << 10
	heldMax    = 256 << 10 // that is looked at in place, of each column
)

// window is a piece of a file: read ahead or, of a file that is mapped, in place.
type window struct {
	obj   store.Object
	off   int64
	buf   []byte
	ahead int // how much to read

	mapped []byte  // the whole file; nil where it can only be read
	passed *passed // of mapped
	whole  []byte  // mapped, where it is looked at in place
	held   int64   // what was looked at and not passed yet begins here
	past   int64   // and ends here; 0 when there is nothing

	ask   func(from, size int64) // nil: nobody is to be asked
	begun int64                  // the chunk whose front was asked for
	asked int64                  // to where of the current one it was
	next  *chunk                 // where the column goes on after it; nil when it does not
}

// begin asks for the front of a chunk.
func (w *window) begin(c *chunk) {
	if w.ask != nil && w.begun != c.first {
		w.begun = c.first
		w.ask(c.first, min(c.end-c.first, askAhead))
	}
}

// enter begins with the stretch of the file from first on, in place if that can be.
func (w *window) enter(first int64, inPlace bool) {
	w.leave()
	w.asked, w.whole = first, nil
	if inPlace {
		w.whole = w.mapped
	}
}

// leave passes what was looked at in place.
func (w *window) leave() {
	if w.past > 0 {
		w.passed.add(w.held, w.past)
		w.held, w.past = 0, 0
	}
}

// open begins with a chunk, after which the column goes on with next. Compressed pages are
// read: decoders that are not ours may look at a byte twice, and it may have changed.
func (w *window) open(c *chunk, next *chunk) {
	w.enter(c.first, c.codec == format.Uncompressed)
	w.next = next
	if w.begun == c.first {
		w.asked += askAhead
	}
	w.expect(0)
}

// follow asks for what follows up to past, half as much at a time, unless pages are being
// passed over.
func (w *window) follow(past, end int64) {
	if w.ask == nil || w.ahead == headerSize || past+askAhead/2 <= w.asked {
		return
	}
	from, to := max(past, w.asked), past+askAhead
	w.asked = to
	if from < end {
		w.ask(from, min(to, end)-from)
	}
	if to >= end && w.next != nil {
		w.begin(w.next)
	}
}

// expect says how large a page was: the next one should fit in what is read.
func (w *window) expect(page int64) {
	w.ahead = int(min(max(page+page/8+256, windowMin), windowMax))
}

// pass says that a page was passed over, as the next one may be: of large ones, the
// headers are read and little else.
func (w *window) pass(page int64) {
	if page > windowMin/4 {
		w.ahead = headerSize
	}
}

// at returns n bytes from off, reading ahead but never past end.
func (w *window) at(off int64, n int, end int64) ([]byte, error) {
	if w.whole != nil {
		return w.look(off, n, end)
	}
	if off < w.off || off+int64(n) > w.off+int64(len(w.buf)) {
		size := int(min(int64(max(n, w.ahead)), end-off))
		if n > size {
			return nil, pastEnd(end)
		}
		grow(&w.buf, size)
		w.off = off
		w.follow(off+int64(size), end)
		if err := readFull(w.obj, w.buf, off); err != nil {
			w.buf = w.buf[:0]
			return nil, err
		}
	}
	return w.buf[off-w.off:][:n], nil
}

// look is at in place.
func (w *window) look(off int64, n int, end int64) ([]byte, error) {
	past := off + int64(n)
	if past > end {
		return nil, pastEnd(end)
	}
	w.follow(past, end)
	switch {
	case w.past == 0:
		w.held = off
	case off-w.held >= heldMax:
		w.passed.add(w.held, off)
		w.held = off
	}
	w.past = max(w.past, past)
	return w.whole[off:past:past], nil
}

func pastEnd(end int64) error {
	return corrupt("a page reaches past the end of its column at byte %d", end)
}

// values are all values of a dictionary or, where they cannot be read bit by bit, of a
// page, nulls left out. The one that is set is the one of the column's physical type:
// booleans are 0 and 1, INT96 are days since 1970, floats are doubles.
type values struct {
	ints   []int64
	floats []float64
	txt    text
}

// chunk is one column of one row group.
type chunk struct {
	first, end int64 // bytes of its pages
	rows       int64
	codec      format.CompressionCodec
	kind       format.Type
	optional   bool
	unsigned   bool // its integers of 32 bits
}

// pages reads the pages of one column chunk in order, and the values of a page bit by
// bit as they are asked for: what a batch needs stays in the nearest cache, and a page
// that claims millions of values costs no memory. All memory is its own and reused.
type pages struct {
	win     window
	codecs  *codecs
	chunk   chunk
	off     int64 // of the next page header
	left    int64 // rows of pages not yet read
	dict    values
	hasDict bool
	dictAt  int64 // its page
	then    int64 // where to go after it; 0 to what follows
	head    pageHeader

	// The current page.
	page   int64  // its header
	rows   int    // rows in it
	set    int    // of them not null
	pos    int    // rows consumed
	dense  int    // values consumed
	levels []byte // validity bitmap, with room for a word behind it; nil when no row is null
	shape  shape
	runs   runs           // of indexes into dict, or of booleans
	delta  bitpack.Deltas // of integers
	plain  []byte         // values as they are, not yet consumed
	txt    text           // all strings

	claimed      int64 // bytes that large pages take
	bitmap       []byte
	body         []byte // decompressed page
	whole        []byte // values put together from BYTE_STREAM_SPLIT
	intsA, intsB []int64
}

// shape is how the values of the current page are laid out.
type shape uint8

const (
	shapePlain shape = iota
	shapeCoded       // runs, of indexes
	shapeRuns        // runs, of booleans
	shapeDelta
	shapeText // in txt
)

// open begins with a chunk, after which the column goes on with next.
func (p *pages) open(c chunk, next *chunk) {
	p.win.open(&c, next)
	p.chunk, p.off, p.left = c, c.first, c.rows
	p.hasDict, p.dictAt, p.then = false, 0, 0
	p.rows, p.set, p.pos, p.dense, p.levels = 0, 0, 0, 0, nil
}

// header reads the page header at off and returns where its body starts.
func (p *pages) header() (h *pageHeader, body int64, err error) {
	for n := headerSize; ; n *= 8 {
		n = int(min(int64(n), p.chunk.end-p.off))
		b, err := p.win.at(p.off, n, p.chunk.end)
		if err != nil {
			return nil, 0, err
		}
		size, err := readHeader(&p.head, b)
		if err != nil {
			if int64(n) < p.chunk.end-p.off && n < pageHeaderMax {
				continue
			}
			return nil, 0, fmt.Errorf("page header at byte %d: %w", p.off, err)
		}
		return &p.head, p.off + int64(size), nil
	}
}

// mark returns where the next row is read: the current page, or the one after it.
func (p *pages) mark() mark {
	m := mark{row: p.chunk.rows - p.left, off: p.off, dict: p.dictAt}
	if p.pos < p.rows {
		m.row, m.off = m.row-int64(p.rows), p.page
	}
	return m
}

// jump goes to a mark of the chunk, which was opened just now, by way of its dictionary.
func (p *pages) jump(m mark) {
	p.off, p.left = m.off, p.chunk.rows-m.row
	if m.dict > 0 {
		p.off, p.then = m.dict, m.off
	}
}

// next makes the next data page the current one; skip is how many rows the
// caller does not want: pages that hold nothing else are passed over undecoded.
// It returns io.EOF after the last row of the chunk.
func (p *pages) next(skip *int64) error {
	for p.left > 0 {
		if p.off >= p.chunk.end {
			return corrupt("pages end %d rows before the footer's count", p.left)
		}
		h, body, err := p.header()
		if err != nil {
			return err
		}
		if err := p.checkSizes(h, body); err != nil {
			return fmt.Errorf("page at byte %d: %w", p.off, err)
		}
		page := p.off
		p.off = body + int64(h.packed)
		p.win.expect(p.off - page)
		var shape *pageShape
		switch {
		case h.kind == format.DictionaryPage && h.dict.given():
			if p.hasDict {
				return corrupt("page at byte %d: a second dictionary", page)
			}
			err := p.claim(p.weigh(h, h.dict.values, true))
			if err == nil {
				err = p.readDictionary(h, body)
			}
			if err != nil {
				return fmt.Errorf("dictionary at byte %d: %w", page, err)
			}
			if p.dictAt = page; p.then > 0 {
				p.off, p.then = p.then, 0
			}
			continue
		case p.then > 0:
			return corrupt("page at byte %d: it was a dictionary before", page)
		case h.kind == format.DataPage && h.data.given():
			shape = &h.data
		case h.kind == format.DataPageV2 && h.second.given():
			shape = &h.second
			if shape.rows != shape.values {
				return corrupt("page at byte %d: %d values in %d rows", page, shape.values, shape.rows)
			}
		case h.kind == format.IndexPage:
			continue
		default:
			return corrupt("page at byte %d: unknown kind %d", page, h.kind)
		}
		rows := shape.values
		if rows < 0 || int64(rows) > p.left || rows > pageRowsMax {
			return corrupt("page at byte %d: %d rows where %d are left (at most %d a page are read)", page, rows, p.left, pageRowsMax)
		}
		p.left -= int64(rows)
		if rows == 0 {
			continue
		}
		if *skip >= int64(rows) {
			*skip -= int64(rows)
			p.win.pass(p.off - page)
			continue
		}
		p.page = page
		err = p.claim(p.weigh(h, rows, p.chunk.kind == format.ByteArray))
		if err == nil {
			err = p.readData(h, shape, body, int(rows))
		}
		if err != nil {
			return fmt.Errorf("page at byte %d: %w", page, err)
		}
		return nil
	}
	return p.trailing()
}

// trailing looks at what follows the last row the footer counts: data there
// would be rows that nobody reads. It returns io.EOF when all is well.
func (p *pages) trailing() error {
	if p.off >= p.chunk.end {
		return io.EOF
	}
	h, _, err := p.header()
	if err != nil {
		return io.EOF // padding
	}
	if h.data.values > 0 || h.second.values > 0 {
		return corrupt("pages go on at byte %d after the last row the footer counts", p.off)
	}
	return io.EOF
}

func (p *pages) checkSizes(h *pageHeader, body int64) error {
	switch {
	case h.packed < 0 || h.plain < 0:
		return corrupt("negative size")
	case int64(h.packed) > p.chunk.end-body:
		return corrupt("%d bytes reach past the column's end", h.packed)
	case h.plain > pageBytesMax || h.packed > pageBytesMax:
		return corrupt("%d bytes, at most %d are read", max(h.plain, h.packed), pageBytesMax)
	case h.plain > pageRatioFrom && int64(h.plain) > int64(h.packed)*pageRatioMax:
		return corrupt("%d bytes claim to expand to %d", h.packed, h.plain)
	}
	return nil
}

// weigh is what reading a page takes. spread says that every value takes room of its own.
func (p *pages) weigh(h *pageHeader, values int32, spread bool) int64 {
	bytes := int64(h.packed)
	if p.chunk.codec != format.Uncompressed {
		bytes += int64(h.plain)
	}
	if spread {
		bytes += spreadBytes * int64(values)
	}
	return bytes
}

// claim counts what a large page takes, and refuses it when all columns of the reader
// would hold too much: buffers are kept, and of hundreds of columns each has its own.
func (p *pages) claim(bytes int64) error {
	more := bytes - p.claimed
	switch {
	case bytes < largeFrom || more <= 0:
		return nil
	case p.codecs.claimed+more > largeBytesMax:
		return fmt.Errorf("%d MB, beside the large pages of other columns, are more than %d; write the file with smaller pages and dictionaries: %w",
			bytes>>20, largeBytesMax>>20, ErrTooLarge)
	}
	p.claimed += more
	p.codecs.claimed += more
	return nil
}

// release gives back what large pages took.
func (p *pages) release() {
	if p.claimed == 0 {
		return
	}
	p.codecs.claimed -= p.claimed
	*p = pages{codecs: p.codecs}
}

// bytes returns the page's bytes as they are in the file, checksum verified.
func (p *pages) bytes(h *pageHeader, off int64) ([]byte, error) {
	b, err := p.win.at(off, int(h.packed), p.chunk.end)
	if err != nil {
		return nil, err
	}
	if h.crc != 0 && crc32.ChecksumIEEE(b) != uint32(h.crc) {
		return nil, corrupt("checksum mismatch")
	}
	return b, nil
}

func (p *pages) readDictionary(h *pageHeader, off int64) error {
	b, err := p.bytes(h, off)
	if err != nil {
		return err
	}
	if b, err = p.codecs.decompress(&p.body, b, int(h.plain), p.chunk.codec); err != nil {
		return err
	}
	d := &h.dict
	if d.encoding != format.Plain && d.encoding != plainDictionary {
		return corrupt("encoding %v", d.encoding)
	}
	if d.values < 0 || d.values > pageRowsMax {
		return corrupt("%d values", d.values)
	}
	p.hasDict = true
	n := int(d.values)
	switch p.chunk.kind {
	case format.ByteArray:
		return p.dict.txt.decodePlain(n, b)
	case format.Float, format.Double, format.Int32, format.Int64, format.Int96:
	default:
		return fmt.Errorf("a dictionary of %v values is not read: %w", p.chunk.kind, ErrFormat)
	}
	if len(b) < n*p.size() {
		return corrupt("%d values in %d bytes", n, len(b))
	}
	switch p.chunk.kind {
	case format.Float, format.Double:
		p.plainFloats(grow(&p.dict.floats, n), b)
	default:
		p.plainInts(grow(&p.dict.ints, n), b)
	}
	return nil
}

func (p *pages) readData(h *pageHeader, d *pageShape, off int64, rows int) error {
	b, err := p.bytes(h, off)
	if err != nil {
		return err
	}
	p.rows, p.set, p.pos, p.dense, p.levels = rows, rows, 0, 0, nil
	var levels []byte
	if h.kind == format.DataPage {
		if b, err = p.codecs.decompress(&p.body, b, int(h.plain), p.chunk.codec); err != nil {
			return err
		}
		if p.chunk.optional {
			if d.levels != format.RLE {
				return corrupt("definition levels in encoding %v", d.levels)
			}
			if len(b) < 4 {
				return corrupt("definition levels end early")
			}
			n := uint64(binary.LittleEndian.Uint32(b))
			if b = b[4:]; n > uint64(len(b)) {
				return corrupt("definition levels end early")
			}
			levels, b = b[:n], b[n:]
		}
	} else {
		rep, def := int64(d.rep), int64(d.def)
		if rep < 0 || def < 0 || rep+def > int64(len(b)) || rep+def > int64(h.plain) {
			return corrupt("levels of %d and %d bytes in a page of %d", rep, def, len(b))
		}
		if !p.chunk.optional && d.nulls != 0 {
			return corrupt("%d nulls in a required column", d.nulls)
		}
		levels, b = b[rep:rep+def], b[rep+def:]
		if !d.loose {
			size := int(int64(h.plain) - rep - def)
			if size > 0 || len(b) > 0 {
				if b, err = p.codecs.decompress(&p.body, b, size, p.chunk.codec); err != nil {
					return err
				}
			}
		}
	}
	if p.chunk.optional {
		bitmap := grow(&p.bitmap, (rows+7)/8+wordSlack)
		if p.set, err = decodeLevels(bitmap, rows, levels); err != nil {
			return err
		}
		if h.kind == format.DataPageV2 && int(d.nulls) != rows-p.set {
			return corrupt("%d nulls where the header states %d", rows-p.set, d.nulls)
		}
		if p.set < rows {
			p.levels = bitmap
		}
	}
	if d.encoding != format.RLEDictionary && d.encoding != plainDictionary {
		return p.lay(b, d.encoding)
	}
	p.shape = shapeCoded
	if !p.hasDict {
		return corrupt("indexes without a dictionary")
	}
	if p.set == 0 {
		return nil
	}
	if len(b) == 0 {
		return corrupt("indexes are missing")
	}
	return p.runs.open(b[1:], p.set, int(b[0]))
}

// there returns which of the next n rows are not null, as words, and how many; the words
// are nil where no row of the page is null.
func (p *pages) there(n int) (words []uint64, set int) {
	if p.levels == nil {
		return nil, n
	}
	return validity(&p.codecs.words, p.levels, p.pos, n)
}

func (p *pages) coded() bool { return p.shape == shapeCoded }

func (p *pages) dictLen() int {
	switch p.chunk.kind {
	case format.Float, format.Double:
		return len(p.dict.floats)
	case format.ByteArray:
		return p.dict.txt.len()
	}
	return len(p.dict.ints)
}

// lay prepares the current page's values, which are b, for being read.
func (p *pages) lay(b []byte, enc format.Encoding) error {
	kind, size := p.chunk.kind, p.size()
	switch {
	case size > 0 && enc == format.Plain:
		if len(b) < p.set*size {
			return corrupt("%d values in %d bytes", p.set, len(b))
		}
		p.shape, p.plain = shapePlain, b
		return nil
	case size > 0 && enc == format.ByteStreamSplit && kind != format.Int96:
		p.shape, p.plain = shapePlain, grow(&p.whole, p.set*size)
		return decodeSplit(p.plain, b, size)
	case enc == format.DeltaBinaryPacked && (kind == format.Int32 || kind == format.Int64):
		p.shape = shapeDelta
		return badDeltas(p.delta.Open(b, p.set))
	case kind == format.Boolean && enc == format.Plain:
		if len(b) < (p.set+7)/8 {
			return corrupt("%d values in %d bytes", p.set, len(b))
		}
		p.shape = shapeRuns
		p.runs.openPacked(b, p.set, 1)
		return nil
	case kind == format.Boolean && enc == format.RLE:
		p.shape = shapeRuns
		if p.set == 0 {
			return nil
		}
		if len(b) < 4 {
			return corrupt("booleans end early")
		}
		return p.runs.open(b[4:], p.set, 1)
	case kind == format.ByteArray:
		p.shape = shapeText
		switch enc {
		case format.Plain:
			return p.txt.decodePlain(p.set, b)
		case format.DeltaLengthByteArray:
			return p.txt.decodeDeltaLength(p.set, b, &p.intsA)
		case format.DeltaByteArray:
			if err := p.txt.decodeDeltaText(p.set, b, &p.intsA, &p.intsB); err != nil {
				return err
			}
			return p.claim(int64(len(b)) + int64(len(p.txt.data)) + spreadBytes*int64(p.set)) // prefixes expand
		}
	}
	return fmt.Errorf("%v values in encoding %v are not read: %w", kind, enc, ErrFormat)
}

// size is how many bytes a PLAIN value has; 0 where they differ.
func (p *pages) size() int {
	switch p.chunk.kind {
	case format.Int32, format.Float:
		return 4
	case format.Int64, format.Double:
		return 8
	case format.Int96:
		return 12
	}
	return 0
}

// plainInts reads len(out) PLAIN values of b, which holds as many.
func (p *pages) plainInts(out []int64, b []byte) {
	switch {
	case p.chunk.kind == format.Int64:
		b = b[:8*len(out)]
		for i := range out {
			out[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
		}
	case p.chunk.kind == format.Int96:
		const julian1970 = 2440588
		for i := range out {
			out[i] = int64(int32(binary.LittleEndian.Uint32(b[12*i+8:])) - julian1970)
		}
	default:
		b = b[:4*len(out)]
		for i := range out {
			out[i] = int64(int32(binary.LittleEndian.Uint32(b[4*i:])))
		}
		p.widen(out)
	}
}

// widen makes unsigned what is, of integers of 32 bits.
func (p *pages) widen(out []int64) {
	if p.chunk.unsigned {
		for i, v := range out {
			out[i] = int64(uint32(v))
		}
	}
}

// plainFloats reads len(out) PLAIN values of b, which holds as many.
func (p *pages) plainFloats(out []float64, b []byte) {
	if p.chunk.kind == format.Float {
		b = b[:4*len(out)]
		for i := range out {
			out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
		}
		return
	}
	b = b[:8*len(out)]
	for i := range out {
		out[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
}

// ints reads the next integers of the current page, which is not coded. There are as
// many.
func (p *pages) ints(out []int64) error {
	switch p.shape {
	case shapeDelta:
		if err := p.delta.Read(out); err != nil {
			return badDeltas(err)
		}
		if p.chunk.kind == format.Int32 {
			for i, v := range out { // sums of 32 bits wrap
				out[i] = int64(int32(v))
			}
			p.widen(out)
		}
	case shapeRuns:
		codes := grow(&p.codecs.codes, len(out))
		if _, err := p.runs.read(codes); err != nil {
			return err
		}
		for i, v := range codes {
			out[i] = int64(v & 1)
		}
	default:
		p.plainInts(out, p.plain)
		p.plain = p.plain[p.size()*len(out):]
	}
	p.dense += len(out)
	return nil
}

// floats is ints for floating-point numbers.
func (p *pages) floats(out []float64) {
	p.plainFloats(out, p.plain)
	p.plain = p.plain[p.size()*len(out):]
	p.dense += len(out)
}

// codes reads the next indexes into the dictionary of the current page, which is coded.
func (p *pages) codes(out []uint32) error {
	top, err := p.runs.read(out)
	if err != nil {
		return err
	}
	p.dense += len(out)
	if len(out) == 0 {
		return nil
	}
	return p.known(top)
}

// handed reads the next values of the current page, which is coded, run by run, where they
// are fetched from a few entries.
func handed[T lane](p *pages, dst []T, from *handful) error {
	top, r := uint32(0), &p.runs
	p.dense += len(dst)
	for len(dst) > 0 {
		k, unpacked, packed, err := r.piece(len(dst))
		if err != nil {
			return err
		}
		switch {
		case packed != nil:
			top = max(top, fetch(dst[:k], packed, r.width, from))
		case unpacked != nil:
			for i, v := range unpacked {
				dst[i] = entry[T](from, v)
				top = max(top, v)
			}
		default:
			flood(dst[:k], entry[T](from, r.value))
			top = max(top, r.value)
		}
		dst = dst[k:]
	}
	return p.known(top)
}

// known checks an index into the dictionary.
func (p *pages) known(top uint32) error {
	if int64(top) >= int64(p.dictLen()) {
		return corrupt("index %d into a dictionary of %d", top, p.dictLen())
	}
	return nil
}

// constant reports whether the next n values of the current page, which is coded, are one
// entry of the dictionary, and which.
func (p *pages) constant(n int) (code uint32, ok bool) {
	r := &p.runs
	if n == 0 || !r.same || r.left < n || int64(r.value) >= int64(p.dictLen()) {
		return 0, false
	}
	return r.value, true
}

// passConstant passes over n values that are the same.
func (p *pages) passConstant(n int) {
	p.runs.left, p.runs.total, p.dense = p.runs.left-n, p.runs.total-n, p.dense+n
}

// pass reads over n values of the current page.
func (p *pages) pass(n int) error {
	const step = 1024
	for n > 0 {
		k := min(n, step)
		var err error
		switch p.shape {
		case shapeCoded:
			err = p.codes(grow(&p.codecs.codes, k))
		case shapeText:
			p.dense += k
		case shapePlain:
			p.plain = p.plain[k*p.size():]
			p.dense += k
		default:
			err = p.ints(grow(&p.codecs.values.ints, k))
		}
		if err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// codecs decompress pages. Output is bounded by what the page header promised,
// which checkSizes has bounded before. A codecs value serves one goroutine, and all its
// columns: what they read for a batch goes through the same few lines of cache.
type codecs struct {
	zstd   *zstd.Decoder
	gzip   *gzip.Reader
	brotli *brotli.Reader

	claimed  int64 // bytes that large pages of all columns take
	passed   []*passed
	codes    []uint32
	values   values   // but for text
	words    []uint64 // validity
	keys     []uint64
	verdicts []verdict
	arrow    arrowScratch
}

// decompress returns src decompressed to exactly size bytes, in *buf; or src
// itself when it is not compressed.
func (c *codecs) decompress(buf *[]byte, src []byte, size int, codec format.CompressionCodec) ([]byte, error) {
	if codec == format.Uncompressed {
		return src, nil
	}
	dst := grow(buf, size)
	var n int
	switch codec {
	case format.Snappy:
		want, err := snappy.DecodedLen(src)
		if err != nil || want != size {
			return nil, corrupt("snappy states %d bytes where the header states %d", want, size)
		}
		out, err := snappy.Decode(dst, src)
		if err != nil {
			return nil, corrupt("decompress: %v", err)
		}
		return out, nil
	case format.Zstd:
		if c.zstd == nil {
			d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxMemory(pageBytesMax), zstd.WithDecodeAllCapLimit(true))
			if err != nil {
				return nil, err
			}
			c.zstd = d
		}
		out, err := c.zstd.DecodeAll(src, dst[:0:size])
		if err != nil {
			return nil, corrupt("decompress: %v", err)
		}
		n = len(out)
	case format.Gzip:
		in := bytes.NewReader(src)
		var err error
		if c.gzip == nil {
			c.gzip, err = gzip.NewReader(in)
		} else {
			err = c.gzip.Reset(in)
		}
		if err != nil {
			c.gzip = nil
			return nil, corrupt("decompress: %v", err)
		}
		if n, err = fill(c.gzip, dst); err != nil {
			return nil, err
		}
	case format.Brotli:
		if c.brotli == nil {
			c.brotli = brotli.NewReader(nil)
		}
		if err := c.brotli.Reset(bytes.NewReader(src)); err != nil {
			return nil, corrupt("decompress: %v", err)
		}
		var err error
		if n, err = fill(c.brotli, dst); err != nil {
			return nil, err
		}
	case format.Lz4Raw:
		var err error
		if n, err = lz4.UncompressBlock(src, dst); err != nil {
			return nil, corrupt("decompress: %v", err)
		}
	case lz4Hadoop:
		// Who wrote it had Hadoop's frames in mind, or forgot them.
		var framed bool
		if n, framed = unframe(dst, src); !framed {
			var err error
			if n, err = lz4.UncompressBlock(src, dst); err != nil {
				return nil, corrupt("decompress: %v", err)
			}
		}
	default:
		return nil, fmt.Errorf("compression %v is not read; use zstd, snappy, gzip, brotli, lz4 or none: %w", codec, ErrFormat)
	}
	if n != size {
		return nil, corrupt("a page of %d bytes decompressed to %d", size, n)
	}
	return dst, nil
}

// unframe decompresses Hadoop's frames, each the size of what it holds and then blocks of
// LZ4 with a size before each, when src is nothing else and fills dst.
func unframe(dst, src []byte) (n int, ok bool) {
	size := func() int {
		if len(src) < 4 {
			return -1
		}
		v := binary.BigEndian.Uint32(src)
		src = src[4:]
		return int(min(v, pageBytesMax+1))
	}
	for len(src) > 0 {
		left := size()
		if left < 0 || left > len(dst)-n {
			return 0, false
		}
		for left > 0 {
			packed := size()
			if packed < 1 || packed > len(src) {
				return 0, false
			}
			k, err := lz4.UncompressBlock(src[:packed], dst[n:n+left])
			if err != nil {
				return 0, false
			}
			n, left, src = n+k, left-k, src[packed:]
		}
	}
	return n, n == len(dst)
}

// fill reads len(dst) bytes and checks that r has no more.
func fill(r io.Reader, dst []byte) (int, error) {
	n, err := io.ReadFull(r, dst)
	if err == nil || errors.Is(err, io.EOF) && len(dst) == 0 {
		var more [1]byte
		if k, _ := io.ReadFull(r, more[:]); k > 0 {
			return n, corrupt("a page decompresses to more than %d bytes", len(dst))
		}
		return n, nil
	}
	return n, corrupt("decompress: %v", err)
}

func (c *codecs) close() {
	for _, p := range c.passed {
		p.letGo()
	}
	c.passed = nil
	if c.zstd != nil {
		c.zstd.Close()
		c.zstd = nil
	}
}
