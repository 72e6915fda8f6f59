package bitpack

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// vectors reports whether vector_amd64.s is used: it gives what Go gives.
var vectors = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL &&
	cpu.X86.HasAVX512VBMI && cpu.X86.HasBMI1 && cpu.X86.HasBMI2

// sumTable says how eight values of one width are brought to lanes: the bytes of each, how
// far to shift them down, and which bits are left. Its size is known to the assembly.
type sumTable struct {
	bytes [64]byte
	shift [8]uint64
	mask  uint64
}

// sumTables are by width. Not every one fits: its values can span nine bytes.
var sumTables = func() (all struct {
	table [65]sumTable
	fits  [256]bool // of any byte
}) {
	for width := range all.table {
		t := &all.table[width]
		t.mask = 1<<width - 1
		all.fits[width] = true
		for i := range 8 {
			bit := i * width
			if bit&7+width > 64 {
				all.fits[width] = false
			}
			for k := range 8 {
				t.bytes[8*i+k] = byte(bit>>3 + k)
			}
			t.shift[i] = uint64(bit & 7)
		}
	}
	return all
}()

// narrowMax is the most bits of which 32 differences are summed up in lanes of 32; known to
// the assembly.
const narrowMax = 25

// narrowTable says how sixteen values of one width, of at most narrowMax bits, are brought
// to eight lanes of 32 bits, those of even place and those of odd. Its size is known to the
// assembly.
type narrowTable struct {
	bytes [2][32]byte
	shift [2][8]uint32
	mask  uint32
	_     [60]byte
}

// narrowTables are by width.
var narrowTables = func() (all [narrowMax + 1]narrowTable) {
	for width := range all {
		t := &all[width]
		t.mask = 1<<width - 1
		for i := range 16 {
			bit := i * width
			for k := range 4 {
				t.bytes[i&1][4*(i>>1)+k] = byte(bit>>3 + k)
			}
			t.shift[i&1][i>>1] = uint32(bit & 7)
		}
	}
	return all
}()

// joinTable says how eight fields of 33 to 64 bits, one a lane, are joined: the 64 bits of
// a lane begin in a field, which is shifted down, and go on in the next two, which are
// shifted up. A shift by 64 leaves nothing. Its size is known to the assembly.
type joinTable struct {
	field [3][8]uint64
	shift [3][8]uint64
}

// joinTables are by the bits of a field. Those of fewer bits than 33 are joined in pairs
// until they have as many.
var joinTables = func() (tables [65]joinTable) {
	for width := 33; width <= 64; width++ {
		t := &tables[width]
		for lane := range 8 {
			first, from := 64*lane/width, 64*lane%width
			for k, shift := range []int{from, width - from, 2*width - from} {
				if first+k > 7 {
					shift = 64
				}
				t.field[k][lane], t.shift[k][lane] = uint64(first+k)&7, uint64(shift)
			}
		}
	}
	return tables
}()

//go:noescape
func sums512(dst *int64, src *byte, widths *byte, parts, groups int, tables *sumTable, least, last int64) int64

//go:noescape
func blocks512(dst *int64, src *byte, size, blocks int, narrow *narrowTable, tables *sumTable, last int64) (end int64, left int, rest *byte)

//go:noescape
func differences512(block *[blockValues]int64, values *int64, largest *[blockParts]uint64) int64

//go:noescape
func pack512(dst *byte, values *int64, width int, tables *joinTable)

//go:noescape
func codes512(dst *byte, codes *uint16, width int, times int, table *joinTable)

// sums reads parts of part differences each, a multiple of eight, from src, of as many
// bits as widths says, and adds each, and least, to the value before it, which is last for
// the first. It takes as many parts as it can of those that src has and dst has room for,
// and returns the last value, how many parts they are, and their bytes.
func sums(dst []int64, src, widths []byte, part int, least, last int64) (end int64, parts, size int) {
	for room := len(dst); vectors && parts < len(widths); parts++ {
		width := widths[parts]
		bytes := int(width) * (part / 8)
		if room -= part; room < 0 || !sumTables.fits[width] || bytes > len(src)-size {
			break
		}
		size += bytes
	}
	if parts == 0 {
		return last, 0, 0
	}
	from := (*byte)(unsafe.Pointer(&dst[0])) // of no bytes, nothing is read
	if size > 0 {
		from = &src[0]
	}
	return sums512(&dst[0], from, &widths[0], parts, part/8, &sumTables.table[0], least, last), parts, size
}

// blocks reads blocks as AppendDeltas writes them, heads included, as many as dst has room
// for, up to one that is out of the ordinary or near the end of src. The value before them
// is last. It returns the last value, how many values they are, and their bytes.
func blocks(dst []int64, src []byte, last int64) (end int64, values, size int) {
	n := len(dst) / blockValues
	if !vectors || n == 0 || len(src) < 64 {
		return last, 0, 0
	}
	end, left, rest := blocks512(&dst[0], &src[0], len(src), n, &narrowTables[0], &sumTables.table[0], last)
	return end, (n - left) * blockValues, int(uintptr(unsafe.Pointer(rest)) - uintptr(unsafe.Pointer(&src[0])))
}

// differences makes a block of what each of values has more than the one before it, less
// the least of these differences. The first of values is the one before the block. In
// largest is, for each part, a number of as many bits as its largest.
func differences(block *[blockValues]int64, values []int64, largest *[blockParts]uint64) (least int64) {
	if !vectors {
		return differencesPlain(block, values, largest)
	}
	_ = values[blockValues]
	return differences512(block, &values[0], largest)
}

// pack packs a part: width is 1 to 64. It writes up to Slack bytes behind.
func pack(dst []byte, values []int64, width int) {
	if !vectors {
		packPlain(dst, values, width)
		return
	}
	_, _ = dst[width*partValues/8+Slack-1], values[partValues-1]
	pack512(&dst[0], &values[0], width, &joinTables[0])
}

// packCodes packs codes of width bits, 9 to 16, of which there are a multiple of 32, and
// returns how many. It writes up to Slack bytes behind.
func packCodes(dst []byte, codes []uint16, width int) int {
	if !vectors {
		return 0
	}
	_ = dst[len(codes)/8*width+Slack-1]
	codes512(&dst[0], &codes[0], width, len(codes)/32, &joinTables[4*width])
	return len(codes)
}
