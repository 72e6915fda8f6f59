package source

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/store"
)

const (
	arrowMagic = "ARROW1"
	// arrowMetaMax bounds the metadata of a message. That of a batch has some 50 bytes a
	// column.
	arrowMetaMax = 32 << 20
	// A row has its number, and numbers differ: less than a bit a row is a claim, and no
	// base, even where a batch is compressed.
	arrowRowsFree  = 1 << 16
	arrowRowsRatio = 512
	// arrowPieceRows is how many rows a piece has at least: batches may be small.
	arrowPieceRows = 1 << 16
	// arrowGapMax bounds the padding between messages: none is as short.
	arrowGapMax = 63
)

// The kinds of Message.fbs.
const (
	messageSchema = iota + 1
	messageDictionary
	messageBatch
)

// arrowFile is an open Arrow IPC file or stream. It is read-only and safe for concurrent
// use.
//
// The library that writes such files in our tests is not asked to read them: its reader
// trusts offsets, counts and sizes, and a process that it takes with it has no error.
// What is needed of the format is little (decisions/0050).
//
// A file has a footer that says where its messages are, a stream is walked through. Of
// both, every message is looked at once when the file is opened; its batches and
// dictionaries are then read at any row. What is kept of each is where it is.
type arrowFile struct {
	*arrowSchema
	obj    store.Object
	mapper store.Mapper // of mapped
	mapped []byte       // the whole file; nil where it is read
	ask    func(from, size int64)
	rows   int64
	// batches are in order of their rows, first the row of each, and the count at the end.
	batches []arrowBatch
	first   []int64
	dicts   map[int64][]arrowDict // by id, as they stand in the stream
}

// arrowMessage is where a message is.
type arrowMessage struct {
	at   int64 // of its metadata
	meta int   // bytes of it
	body int64
	size int64 // bytes of the body
}

func (m arrowMessage) end() int64 { return m.body + m.size }

type arrowBatch struct {
	arrowMessage
	seen int // dictionary messages before it: of files, all
}

type arrowDict struct {
	arrowMessage
	seen int // dictionary messages before it
	base int // index, of those of its id, of the one that this one adds to, itself for a whole one
	rows int64
}

// openArrow reads the metadata of every message and holds it to the file.
func openArrow(obj store.Object) (*arrowFile, error) {
	size := obj.Size()
	if size == 0 {
		return nil, fmt.Errorf("the file is empty; write it again, or move it out of the input: %w", ErrFormat)
	}
	head := make([]byte, min(size, 8))
	if err := readFull(obj, head, 0); err != nil {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("FEA1")):
		return nil, fmt.Errorf("it is Feather of version 1; write version 2: %w", ErrFormat)
	case bytes.HasPrefix(head, []byte(magic)):
		return nil, fmt.Errorf("it is Parquet; set input.format: %w", ErrFormat)
	}
	f := &arrowFile{obj: obj, dicts: map[int64][]arrowDict{}, first: []int64{0}}
	w := arrowWalk{f: f, win: window{obj: obj, ahead: windowMin}}
	var err error
	if bytes.HasPrefix(head, []byte(arrowMagic)) {
		err = w.file()
	} else {
		err = w.stream()
	}
	if err != nil {
		return nil, err
	}
	f.mapped, f.mapper = store.InPlace(obj)
	f.ask = asker(obj)
	return f, nil
}

func (f *arrowFile) format() string { return "arrow" }

func (f *arrowFile) count() int64 { return f.rows }

// pieces are the record batches, small ones joined.
func (f *arrowFile) pieces() []int64 {
	var list []int64
	for i := range f.batches {
		rows := f.first[i+1] - f.first[i]
		if k := len(list) - 1; k >= 0 && list[k] < arrowPieceRows {
			list[k] += rows
		} else {
			list = append(list, rows)
		}
	}
	return list
}

func (f *arrowFile) elements() ([]format.SchemaElement, error) {
	list := make([]format.SchemaElement, len(f.layouts))
	for i, l := range f.layouts {
		if l.unkept != "" {
			return nil, fmt.Errorf("column %q cannot be kept: %s: %w", f.fields[i].name, l.unkept, ErrMapping)
		}
		list[i] = l.element
		list[i].Name = f.fields[i].name
	}
	return list, nil
}

// chain returns the dictionaries of an id that make up the one which a batch refers to:
// the last whole one before it, and what was added to that.
func (f *arrowFile) chain(id int64, b arrowBatch) ([]arrowDict, int) {
	list := f.dicts[id]
	past := sort.Search(len(list), func(i int) bool { return list[i].seen >= b.seen })
	if past == 0 {
		return nil, 0
	}
	base := list[past-1].base
	return list[base:past], list[base].seen
}

// arrowWalk looks at every message of a file that is being opened.
type arrowWalk struct {
	f    *arrowFile
	win  window
	flat flat
	seen int // dictionaries
}

// stream walks from message to message.
func (w *arrowWalk) stream() error {
	m, t, err := w.message(0, w.f.obj.Size())
	if err != nil {
		return err
	}
	if err := w.schema(t); err != nil {
		return err
	}
	for at := m.end(); ; at = m.end() {
		end, past, err := w.ended(at, w.f.obj.Size())
		if err != nil {
			return err
		}
		if end {
			if past != w.f.obj.Size() {
				return corrupt("bytes go on at %d after the end of the stream", past)
			}
			return nil
		}
		if m, t, err = w.message(at, w.f.obj.Size()); err != nil {
			return err
		}
		if err := w.take(m, t); err != nil {
			return fmt.Errorf("message at byte %d: %w", at, err)
		}
	}
}

// ended reports whether a stream's end is marked at at, and where what follows begins.
func (w *arrowWalk) ended(at, limit int64) (end bool, past int64, err error) {
	if limit-at < 4 {
		return false, 0, corrupt("the stream stops at byte %d without its end mark", at)
	}
	b, err := w.win.at(at, int(min(8, limit-at)), limit)
	if err != nil {
		return false, 0, err
	}
	if len(b) == 8 && binary.LittleEndian.Uint32(b) == math.MaxUint32 && binary.LittleEndian.Uint32(b[4:]) == 0 {
		return true, at + 8, nil
	}
	if binary.LittleEndian.Uint32(b) == 0 { // as it was before 2019
		return true, at + 4, nil
	}
	return false, at, nil
}

// file reads the footer and goes to the messages it lists. They have to be all that the
// file holds: a batch that the footer leaves out would be rows that nobody reads.
func (w *arrowWalk) file() error {
	size := w.f.obj.Size()
	tail := make([]byte, min(10, size))
	if err := readFull(w.f.obj, tail, size-int64(len(tail))); err != nil {
		return err
	}
	if size < 8+10 || string(tail[4:]) != arrowMagic {
		return fmt.Errorf("no Arrow magic at the end, the file may be truncated; copy it again, whole: %w", ErrFormat)
	}
	n := int64(binary.LittleEndian.Uint32(tail))
	if n > size-8-10 || n > arrowMetaMax {
		return corrupt("a footer of %d bytes in a file of %d", n, size)
	}
	footer := flat{b: make([]byte, n)}
	limit := size - 10 - n // messages end before the footer
	if err := readFull(w.f.obj, footer.b, limit); err != nil {
		return err
	}
	t := footer.root()
	schema, ok := t.table(1)
	if footer.err == nil && !ok {
		return corrupt("the footer has no schema")
	}
	if err := w.checkVersion(t.i16(0, 0)); footer.err == nil && err != nil {
		return err
	}
	dicts, batches := t.vector(2, 24), t.vector(3, 24)
	if footer.err != nil {
		return fmt.Errorf("footer: %w", footer.err)
	}
	var err error
	if w.f.arrowSchema, err = readSchema(schema, t.i16(0, 0)); err != nil {
		return fmt.Errorf("footer: %w", err)
	}
	type block struct {
		at, size int64
		batch    int // -1 for a dictionary
	}
	var blocks []block
	add := func(v flatVector, i, batch int) {
		meta := int64(int32(v.i64(i, 1)))
		blocks = append(blocks, block{at: v.i64(i, 0), size: meta + v.i64(i, 2), batch: batch})
	}
	for i := range dicts.n {
		add(dicts, i, -1)
	}
	for i := range batches.n {
		add(batches, i, i)
	}
	slices.SortStableFunc(blocks, func(a, b block) int { return cmp.Compare(a.at, b.at) })
	first, t, err := w.message(8, limit)
	if err != nil {
		return err
	}
	if err := w.sameSchema(t); err != nil {
		return err
	}
	at, next := first.end(), 0
	for _, b := range blocks {
		if b.at < at || b.at-at > arrowGapMax {
			return corrupt("the footer has a message at byte %d where the one before ends at %d", b.at, at)
		}
		if b.batch >= 0 && b.batch != next {
			return corrupt("the footer has its batches out of order")
		}
		if b.batch >= 0 {
			next++
		}
		m, t, err := w.message(b.at, limit)
		if err != nil {
			return err
		}
		if m.end()-b.at != b.size {
			return corrupt("a message of %d bytes at byte %d, the footer says %d", m.end()-b.at, b.at, b.size)
		}
		if is := t.u8(1, 0) == messageBatch; is != (b.batch >= 0) {
			return corrupt("the message at byte %d is not what the footer says", b.at)
		}
		if err := w.take(m, t); err != nil {
			return fmt.Errorf("message at byte %d: %w", b.at, err)
		}
		at = m.end()
	}
	if limit-at > arrowGapMax {
		if end, past, err := w.ended(at, limit); err != nil || !end || limit-past > arrowGapMax {
			return corrupt("the footer leaves out what is at byte %d", at)
		}
	}
	for i := range w.f.batches { // a file's dictionaries serve all its batches
		w.f.batches[i].seen = math.MaxInt
	}
	return nil
}

// sameSchema holds the schema before the messages to the footer's.
func (w *arrowWalk) sameSchema(t flatTable) error {
	s, err := w.schemaOf(t)
	if err != nil {
		return err
	}
	same := s.nodes == w.f.nodes && s.buffers == w.f.buffers && s.views == w.f.views && slices.Equal(s.fields, w.f.fields)
	for i := range w.f.layouts {
		same = same && s.layouts[i].value == w.f.layouts[i].value && s.layouts[i].id == w.f.layouts[i].id &&
			s.layouts[i].coded == w.f.layouts[i].coded && s.layouts[i].index == w.f.layouts[i].index
	}
	if !same {
		return corrupt("the footer has another schema than the front of the file")
	}
	return nil
}

// message reads the metadata of the message at at; it and its body end before limit.
func (w *arrowWalk) message(at, limit int64) (arrowMessage, flatTable, error) {
	var m arrowMessage
	none := flatTable{f: &w.flat}
	if at < 0 || limit-at < 8 {
		return m, none, corrupt("a message at byte %d reaches past byte %d", at, limit)
	}
	b, err := w.win.at(at, 8, limit)
	if err != nil {
		return m, none, err
	}
	n := int64(binary.LittleEndian.Uint32(b))
	m.at = at + 4 // as it was before 2019
	if n == math.MaxUint32 {
		n = int64(binary.LittleEndian.Uint32(b[4:]))
		m.at = at + 8
	}
	if n > limit-m.at || n > arrowMetaMax {
		if at == 0 && w.f.arrowSchema == nil {
			return m, none, fmt.Errorf("it is no Arrow stream, nor a file; write it again, or set input.format: %w", ErrFormat)
		}
		return m, none, corrupt("a message at byte %d has %d bytes of metadata", at, n)
	}
	m.meta = int(n)
	if b, err = w.win.at(m.at, m.meta, limit); err != nil {
		return m, none, err
	}
	w.flat = flat{b: b}
	t := w.flat.root()
	m.body, m.size = m.at+n, t.i64(3)
	version := t.i16(0, 0)
	if w.flat.err != nil {
		return m, none, fmt.Errorf("message at byte %d: %w", at, w.flat.err)
	}
	if m.size < 0 || m.size > limit-m.body {
		return m, none, corrupt("a message at byte %d has a body of %d bytes", at, m.size)
	}
	return m, t, w.checkVersion(version)
}

func (w *arrowWalk) checkVersion(version int) error {
	switch version {
	case 3, 4:
		return nil
	case 0, 1, 2:
		return fmt.Errorf("its metadata is of version %d; write it with a later Arrow: %w", version+1, ErrFormat)
	}
	return corrupt("its metadata is of version %d", version+1)
}

func (w *arrowWalk) schemaOf(t flatTable) (*arrowSchema, error) {
	if kind := t.u8(1, 0); t.f.err == nil && kind != messageSchema {
		return nil, corrupt("the first message is not a schema")
	}
	s, ok := t.table(2)
	if t.f.err != nil {
		return nil, fmt.Errorf("schema: %w", t.f.err)
	}
	if !ok {
		return nil, corrupt("the first message is empty")
	}
	return readSchema(s, t.i16(0, 0))
}

func (w *arrowWalk) schema(t flatTable) (err error) {
	w.f.arrowSchema, err = w.schemaOf(t)
	return err
}

// take adds a message after the schema.
func (w *arrowWalk) take(m arrowMessage, t flatTable) error {
	kind := t.u8(1, 0)
	header, ok := t.table(2)
	if t.f.err != nil {
		return t.f.err
	}
	if !ok {
		return corrupt("it is empty")
	}
	switch kind {
	case messageSchema:
		return corrupt("it is a second schema")
	case messageBatch:
		b, err := w.f.batch(m, header)
		if err != nil {
			return err
		}
		if b.rows > math.MaxInt64-w.f.rows {
			return corrupt("%d rows", b.rows)
		}
		w.f.rows += b.rows
		w.f.batches = append(w.f.batches, arrowBatch{arrowMessage: m, seen: w.seen})
		w.f.first = append(w.f.first, w.f.rows)
		return nil
	case messageDictionary:
		return w.dictionary(m, header)
	}
	return fmt.Errorf("it is neither a batch nor a dictionary (%d): %w", kind, ErrFormat)
}

// dictionary adds a dictionary, or what is added to one.
func (w *arrowWalk) dictionary(m arrowMessage, t flatTable) error {
	id, delta := t.i64(0), t.u8(2, 0) != 0
	data, ok := t.table(1)
	if t.f.err != nil {
		return t.f.err
	}
	if !ok {
		return corrupt("a dictionary without values")
	}
	rows := data.i64(0)
	if err := w.f.checkRows(rows, m); err != nil {
		return err
	}
	list := w.f.dicts[id]
	d := arrowDict{arrowMessage: m, seen: w.seen, rows: rows, base: len(list)}
	if delta {
		if len(list) == 0 {
			return corrupt("values are added to a dictionary that is not there")
		}
		d.base = list[len(list)-1].base
	}
	w.seen++
	w.f.dicts[id] = append(list, d)
	return data.f.err
}
