package province

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/schema"
	"rescore/partition/synth"
)

// amounts encodes a column of 64 bits as DELTA_BINARY_PACKED, block by block as
// rows come in: a column's values are read once, while they are near.
type amounts[T int64 | uint64] struct {
	pages
	deltas
}

func (c *amounts[T]) take(vector any, n int) {
	v := vector.(*synth.Vector[T])
	nulls := v.Nulls(n)
	c.levels.take(v.Valid, n, nulls)
	// Same size and layout: a T is an int64 or a uint64.
	values := unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(v.Values))), n)
	room := c.file.amounts(n)
	waiting := copy(room, c.waiting[:c.left])
	if nulls == 0 {
		room = room[:waiting+copy(room[waiting:], values)]
	} else {
		room = room[:waiting+gather(room[waiting:], values, v.Valid)]
	}
	if c.name == schema.Key {
		c.widen(room[waiting:])
	}
	c.deltas.take(room)
}

// widen keeps the bounds of the key, by which readers skip row groups: numbers
// increase through a file. Nothing else is in any order.
func (c *amounts[T]) widen(numbers []int64) {
	if len(numbers) == 0 {
		return
	}
	s := &c.statistics
	low, high := slices.Min(numbers), slices.Max(numbers) // none is above the signed maximum
	if s.MinValue == nil || low < int64(binary.LittleEndian.Uint64(s.MinValue)) {
		s.MinValue = binary.LittleEndian.AppendUint64(nil, uint64(low))
	}
	if s.MaxValue == nil || high > int64(binary.LittleEndian.Uint64(s.MaxValue)) {
		s.MaxValue = binary.LittleEndian.AppendUint64(nil, uint64(high))
	}
}

func (c *amounts[T]) closePage() {
	c.add(format.DeltaBinaryPacked, c.finish())
	c.deltas.reset()
}

func (c *amounts[T]) flush() (format.ColumnChunk, error) { return c.pages.flush(nil, 0) }

// The shape of delta encoding.
const (
	deltaBlock = 128
	deltaMini  = 32
	deltaMinis = deltaBlock / deltaMini
	headMax    = 4 * binary.MaxVarintLen64
)

// deltas is a run of amounts being encoded. A block is written when it is full;
// what comes before the first one is known last and stands right before it then.
type deltas struct {
	encoded  []byte // room for the head, then blocks
	waiting  [deltaBlock]int64
	left     int
	count    int
	first    int64
	previous int64
}

// take encodes values, those waiting at their start. It writes a block's
// values over.
func (d *deltas) take(values []int64) {
	if d.count == 0 && len(values) > 0 {
		d.first, d.previous, d.count = values[0], values[0], 1
		values = values[1:]
	}
	d.count += len(values) - d.left
	for len(values) >= deltaBlock {
		d.block((*[deltaBlock]int64)(values), deltaMinis)
		values = values[deltaBlock:]
	}
	d.left = copy(d.waiting[:], values)
}

// finish encodes what is waiting and returns everything.
func (d *deltas) finish() []byte {
	if d.left > 0 {
		for i := d.left; i < deltaBlock; i++ { // the last value again
			d.waiting[i] = d.waiting[d.left-1]
		}
		d.block(&d.waiting, (d.left+deltaMini-1)/deltaMini)
	}
	var head [headMax]byte
	h := binary.AppendUvarint(head[:0], deltaBlock)
	h = binary.AppendUvarint(h, deltaMinis)
	h = binary.AppendUvarint(h, uint64(d.count))
	h = binary.AppendVarint(h, d.first)
	if d.encoded == nil {
		d.encoded = make([]byte, headMax)
	}
	copy(d.encoded[headMax-len(h):], h)
	return d.encoded[headMax-len(h):]
}

func (d *deltas) reset() {
	d.encoded = d.encoded[:min(headMax, len(d.encoded))]
	d.left, d.count, d.first, d.previous = 0, 0, 0, 0
}

// block writes the first minis miniblocks of a block. A miniblock's width is
// rounded up so that a turn, four values of up to 30 bits or two wider ones, ends
// between bytes: one amount in thirty grows by a bit, and no turn has to pick up
// what the one before left.
func (d *deltas) block(values *[deltaBlock]int64, minis int) {
	var differences [deltaBlock]int64
	var greatest [deltaMinis]int64
	previous := d.previous
	least := values[0] - previous // differences wrap, as the format has it
	for m := range minis {
		part, to := (*[deltaMini]int64)(values[m*deltaMini:]), (*[deltaMini]int64)(differences[m*deltaMini:])
		most := part[0] - previous
		for i := 0; i < deltaMini; i += 2 {
			x, y := part[i]-previous, part[i+1]-part[i]
			previous = part[i+1]
			to[i], to[i+1] = x, y
			least, most = min(least, min(x, y)), max(most, max(x, y))
		}
		greatest[m] = most
	}
	d.previous = previous

	if d.encoded == nil {
		d.encoded = make([]byte, headMax, pageRows*4)
	}
	d.encoded = binary.AppendVarint(d.encoded, least)
	at := len(d.encoded)
	d.encoded = slices.Grow(d.encoded, deltaMinis+deltaBlock*8+slack)
	room := d.encoded[at:cap(d.encoded)]
	clear(room[:deltaMinis])
	p := deltaMinis
	for m := range minis {
		width := roundedWidth(uint64(greatest[m] - least))
		room[m] = uint8(width)
		p += packMini(room[p:], (*[deltaMini]int64)(differences[m*deltaMini:]), least, uint(width))
	}
	d.encoded = d.encoded[:at+p]
}

// roundedWidth is how many bits a miniblock spends on a value up to most.
func roundedWidth(most uint64) int {
	width := bits.Len64(most)
	if width <= 30 {
		return (width + 1) &^ 1
	}
	return (width + 3) &^ 3
}

// packMini writes a miniblock and returns its size in bytes.
func packMini(dst []byte, differences *[deltaMini]int64, least int64, width uint) int {
	p := 0
	switch {
	case width == 0:
	case width <= 30:
		w, w2 := width&31, 2*width&63
		step := int(width / 2)
		for i := 0; i < deltaMini; i += 4 {
			d := (*[4]int64)(differences[i:])
			a := uint64(d[0]-least) | uint64(d[1]-least)<<w
			b := uint64(d[2]-least) | uint64(d[3]-least)<<w
			to := (*[16]byte)(dst[p:])
			binary.LittleEndian.PutUint64(to[:8], a|b<<w2)
			binary.LittleEndian.PutUint64(to[8:], b>>(64-w2&63))
			p += step
		}
	default:
		for i := 0; i < deltaMini; i += 2 {
			a, b := uint64(differences[i]-least), uint64(differences[i+1]-least)
			to := (*[16]byte)(dst[p:])
			binary.LittleEndian.PutUint64(to[:8], a|b<<width)
			binary.LittleEndian.PutUint64(to[8:], b>>(64-width))
			p += int(width / 4)
		}
	}
	return p
}
