package sink

import (
	"fmt"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go/format"
)

// small is a column of bytes, which the file holds as INT32 by dictionary. Where codes
// of the values 0, 1, 2 … would take no more bits, the dictionary is just that, and
// values are codes.
type small[T uint8 | int8] struct {
	held[T]
	typ   arrow.DataType
	table [1 << 8]uint8 // of a chunk that is read: its dictionary
	known int           // how many entries that has
	dense bool          // whether they are 0, 1, 2 …
}

func (c *small[T]) take(data arrow.ArrayData, spans []span) {
	c.addSpans(arrow.GetValues[T](data, 1), spans)
}

func (c *small[T]) physical() format.Type { return format.Int32 }

func (c *small[T]) array() arrow.Array { return arrayOf(c.typ, c.all()) }

// bitsOf views bytes as unsigned ones, by their bits.
func bitsOf[T uint8 | int8](values []T) []uint8 {
	return unsafe.Slice((*uint8)(unsafe.Pointer(unsafe.SliceData(values))), len(values))
}

// lowest is the lowest value of the type.
func (c *small[T]) lowest() int {
	if zero := T(0); zero-1 < zero {
		return -1 << 7
	}
	return 0
}

func (c *small[T]) encode(k *chunk) error {
	if c.ones > 0 {
		return k.writeOne(int32(c.one), c.ones)
	}
	return k.writeBytes(bitsOf(c.values), c.lowest())
}

// writeOne writes a column of one value.
func (c *chunk) writeOne(value int32, rows int) error {
	c.bounds32(value, value)
	c.dict = append(c.dict, value)
	if c.tallied {
		c.dictRows = append(c.dictRows, int64(rows))
	}
	var code uint8
	if c.fillUp() {
		code = uint8(value)
	}
	if err := c.writeDictionary(); err != nil {
		return err
	}
	codes := c.codes8[:min(rows, pageRows)]
	fill(codes, code)
	for ; rows > 0; rows -= pageRows {
		if err := c.writeCodes8(codes[:min(rows, pageRows)]); err != nil {
			return err
		}
	}
	return nil
}

// writeBytes writes a column of bytes, which stand for the values from low on.
func (c *chunk) writeBytes(values []uint8, low int) error {
	var found seen
	found.note(values)
	for v := low; v < low+1<<8; v++ {
		if found[uint8(v)] != 0 {
			c.dict = append(c.dict, int32(v))
		}
	}
	c.bounds32(c.dict[0], c.dict[len(c.dict)-1])
	dense := c.fillUp()
	if c.tallied {
		c.dictRows = count8(c.dictRows, c.dict, values)
	}
	if err := c.writeDictionary(); err != nil {
		return err
	}
	var codes [1 << 8]uint8
	for code, v := range c.dict {
		codes[uint8(v)] = uint8(code)
	}
	for ; len(values) > 0; values = values[min(pageRows, len(values)):] {
		page := values[:min(pageRows, len(values))]
		if !dense {
			coded := c.codes8[:len(page)]
			lookup(coded, page, &codes)
			page = coded
		}
		if err := c.writeCodes8(page); err != nil {
			return err
		}
	}
	return nil
}

func (c *small[T]) dictionary(r *pageReader, n int) error {
	dict, err := r.plain32(n)
	if err != nil {
		return err
	}
	if n > len(c.table) {
		return fmt.Errorf("%w: a dictionary of %d bytes", ErrLayout, n)
	}
	c.known, c.dense = n, true
	for i, v := range dict {
		if int32(T(v)) != v {
			return errBits
		}
		c.table[i] = uint8(v)
		c.dense = c.dense && int(v) == i
	}
	return nil
}

func (c *small[T]) decode(r *pageReader, encoding format.Encoding, n int) error {
	if encoding != format.RLEDictionary {
		return fmt.Errorf("%w: encoded by %s", ErrLayout, encoding)
	}
	if code, is := r.one(n, c.known); is {
		c.same(T(c.table[code]), n)
		return nil
	}
	values := bitsOf(c.more(n))
	if err := r.codes8(values, c.known); err != nil {
		return err
	}
	if !c.dense {
		lookup(values, values, &c.table)
	}
	return nil
}

// errBits is said of a value that does not fit its column.
var errBits = fmt.Errorf("%w: more bits than its type has", ErrValue)

// count8 appends how many bytes stand for each entry of a dictionary.
func count8(rows []int64, dict []int32, values []uint8) []int64 {
	const scanned = 16 // so many entries are counted one by one
	whole := 0
	if n := len(values) / 64; chosen == avx512 && n > 0 && len(dict) <= scanned {
		for _, v := range dict {
			rows = append(rows, int64(count512(&values[0], uint8(v), n)))
		}
		whole = 64 * n
	} else {
		rows = append(rows, make([]int64, len(dict))...)
	}
	// A processor that adds to one counter again and again waits for itself: equal
	// neighbours are added at once, others go to different places in turn.
	var turns [4][1 << 8]uint32
	rest := values[whole:]
	for i := 0; len(rest) >= 4; i, rest = i+1, rest[4:] {
		a, b, c, d := rest[0], rest[1], rest[2], rest[3]
		if a == b && b == c && c == d {
			turns[i&3][a] += 4
			continue
		}
		turns[0][a]++
		turns[1][b]++
		turns[2][c]++
		turns[3][d]++
	}
	for _, v := range rest {
		turns[0][v]++
	}
	for i, v := range dict {
		v := uint8(v)
		rows[i] += int64(turns[0][v] + turns[1][v] + turns[2][v] + turns[3][v])
	}
	return rows
}
