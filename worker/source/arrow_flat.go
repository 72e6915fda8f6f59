package source

import "encoding/binary"

// flat is a FlatBuffers message whose offsets are not believed: each is held to the
// bytes that are there before it is followed. The first that leads outside stays in err,
// and everything read from then on is zero or absent. Nothing is built, and so nothing
// allocated; text is part of the message.
type flat struct {
	b   []byte
	err error
}

// flatTable is a table of a message; one that is absent has no slots.
type flatTable struct {
	f     *flat
	at    int // of the table
	size  int // bytes of its values
	slots int // of its vtable, in bytes
	from  int // of the vtable
}

func (f *flat) fail(format string, args ...any) {
	if f.err == nil {
		f.err = corrupt(format, args...)
	}
}

// has reports whether n bytes are at at.
func (f *flat) has(at, n int) bool {
	if f.err == nil && (at < 0 || n < 0 || at > len(f.b) || n > len(f.b)-at) {
		f.fail("metadata leads to byte %d of %d", at, len(f.b))
	}
	return f.err == nil
}

func (f *flat) u16(at int) int {
	if !f.has(at, 2) {
		return 0
	}
	return int(binary.LittleEndian.Uint16(f.b[at:]))
}

func (f *flat) u32(at int) int {
	if !f.has(at, 4) {
		return 0
	}
	return int(binary.LittleEndian.Uint32(f.b[at:]))
}

func (f *flat) i64(at int) int64 {
	if !f.has(at, 8) {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(f.b[at:]))
}

// root returns the message's table.
func (f *flat) root() flatTable { return f.table(f.u32(0)) }

func (f *flat) table(at int) flatTable {
	from := at - int(int32(f.u32(at)))
	slots, size := f.u16(from), f.u16(from+2)
	if f.err == nil && (slots < 4 || size < 4) {
		f.fail("metadata has a table of %d bytes", size)
	}
	if !f.has(from, slots) || !f.has(at, size) {
		return flatTable{f: f}
	}
	return flatTable{f: f, at: at, size: size, slots: slots, from: from}
}

// slot returns where value i of the table is, 0 when it is absent.
func (t flatTable) slot(i, width int) int {
	at := 4 + 2*i
	if t.f.err != nil || at+2 > t.slots {
		return 0
	}
	off := t.f.u16(t.from + at)
	if off == 0 {
		return 0
	}
	if off+width > t.size {
		t.f.fail("metadata has a value outside its table")
		return 0
	}
	return t.at + off
}

func (t flatTable) u8(i, absent int) int {
	if at := t.slot(i, 1); at != 0 {
		return int(t.f.b[at])
	}
	return absent
}

func (t flatTable) i16(i, absent int) int {
	if at := t.slot(i, 2); at != 0 {
		return int(int16(t.f.u16(at)))
	}
	return absent
}

func (t flatTable) i32(i, absent int) int {
	if at := t.slot(i, 4); at != 0 {
		return int(int32(t.f.u32(at)))
	}
	return absent
}

func (t flatTable) i64(i int) int64 {
	if at := t.slot(i, 8); at != 0 {
		return t.f.i64(at)
	}
	return 0
}

// table returns the table that value i leads to, and whether there is one.
func (t flatTable) table(i int) (flatTable, bool) {
	at := t.slot(i, 4)
	if at == 0 {
		return flatTable{f: t.f}, false
	}
	to := t.f.table(at + t.f.u32(at))
	return to, t.f.err == nil
}

// flatVector is a vector of a message.
type flatVector struct {
	f     *flat
	at    int
	n     int
	width int // of an element
}

// vector returns the vector that value i leads to, an empty one when there is none.
func (t flatTable) vector(i, width int) flatVector {
	v := flatVector{f: t.f, width: width}
	at := t.slot(i, 4)
	if at == 0 {
		return v
	}
	at += t.f.u32(at)
	n := t.f.u32(at)
	if t.f.err == nil && n > (len(t.f.b)-at)/width {
		t.f.fail("metadata states a list of %d where %d bytes are left", n, len(t.f.b)-at)
	}
	if t.f.has(at+4, n*width) {
		v.at, v.n = at+4, n
	}
	return v
}

// i64 returns number k of element i, of which each has some of eight bytes.
func (v flatVector) i64(i, k int) int64 { return v.f.i64(v.at + i*v.width + 8*k) }

// table returns element i of a vector of tables.
func (v flatVector) table(i int) flatTable {
	at := v.at + i*v.width
	return v.f.table(at + v.f.u32(at))
}

// text returns the text that value i leads to.
func (t flatTable) text(i int) string {
	v := t.vector(i, 1)
	return string(v.f.b[v.at : v.at+v.n])
}
