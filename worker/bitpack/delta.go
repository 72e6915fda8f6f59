package bitpack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// What AppendDeltas writes: as every writer does.
const (
	blockValues = 128
	partValues  = 32
	blockParts  = blockValues / partValues
)

// AppendDeltas appends values as DELTA_BINARY_PACKED, the bytes that parquet-go appends.
func AppendDeltas(dst []byte, values []int64) []byte {
	dst = binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(dst, blockValues), blockParts), uint64(len(values)))
	if len(values) == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, values[0])
	var block [blockValues]int64
	var largest [blockParts]uint64 // of each part, or what has as many bits
	for i := 1; i < len(values); i += blockValues {
		var least int64
		if n := len(values) - i; n >= blockValues {
			least = differences(&block, values[i-1:], &largest)
		} else { // filled up with zeros, whose differences the least is one of
			var filled [1 + blockValues]int64
			copy(filled[:], values[i-1:])
			least = differences(&block, filled[:], &largest)
			clear(block[n:])
			for part := range largest {
				largest[part] = 0
				for _, v := range block[part*partValues:][:partValues] {
					largest[part] |= uint64(v)
				}
			}
		}
		dst = binary.AppendVarint(dst, least)
		for _, v := range largest {
			dst = append(dst, byte(bits.Len64(v)))
		}
		at := len(dst)
		dst = slices.Grow(dst, 8*blockValues+Slack)[:at+8*blockValues+Slack]
		for part, v := range largest {
			if width := bits.Len64(v); width > 0 {
				pack(dst[at:], block[part*partValues:][:partValues], width)
				at += width * partValues / 8
			}
		}
		dst = dst[:at]
	}
	return dst
}

// differencesPlain is differences in Go.
func differencesPlain(block *[blockValues]int64, values []int64, largest *[blockParts]uint64) (least int64) {
	of := (*[1 + blockValues]int64)(values)
	least = of[1] - of[0]
	for i := range block {
		v := of[i+1] - of[i]
		block[i], least = v, min(least, v)
	}
	for part := range largest {
		var all uint64
		values := block[part*partValues:][:partValues]
		for i, v := range values {
			values[i] = v - least
			all |= uint64(v - least)
		}
		largest[part] = all
	}
	return least
}

// Deltas reads DELTA_BINARY_PACKED integers, some at a time. Sums wrap, as the format
// says. Open it first. What it reads may lie in a file that is mapped, and change: what
// decides where it reads or writes is taken once, and then checked.
type Deltas struct {
	src    []byte // what follows the current part
	total  int    // values not yet read
	last   int64  // the value before them
	first  bool   // it is the next one
	block  int    // values of a block
	part   int    // of a part of it
	widths []byte // of the parts of the block that follow, in own
	own    [16]byte
	least  int64 // difference in the block
	spare  []int64
	spared int // last values of spare: they are next
}

var (
	errHead  = errors.New("a delta header ends early")
	errBlock = errors.New("a delta block ends early")
	errPart  = errors.New("deltas end early")
)

// Open reads the start of a run and checks that it promises total values.
func (d *Deltas) Open(src []byte, total int) error {
	var head [3]uint64
	for i := range head {
		v, k := binary.Uvarint(src)
		if k <= 0 {
			return errHead
		}
		head[i], src = v, src[k:]
	}
	first, k := binary.Varint(src)
	if k <= 0 {
		return errHead
	}
	block, parts, count := head[0], head[1], head[2]
	if block == 0 || block%128 != 0 || block > 1<<16 || parts == 0 || parts > block || block%parts != 0 || block/parts%32 != 0 {
		return fmt.Errorf("delta blocks of %d values in %d parts", block, parts)
	}
	if count != uint64(total) {
		return fmt.Errorf("%d delta values where the page holds %d", count, total)
	}
	d.src, d.total, d.last, d.first = src[k:], total, first, true
	d.block, d.part, d.widths, d.spared = int(block), int(block/parts), nil, 0
	return nil
}

// Read reads the next values, of which there are as many.
func (d *Deltas) Read(dst []int64) error {
	if d.first && len(dst) > 0 {
		d.first = false
		dst[0] = d.last
		dst, d.total = dst[1:], d.total-1
	}
	for len(dst) > 0 {
		if d.spared > 0 {
			n := copy(dst, d.spare[len(d.spare)-d.spared:])
			dst, d.total, d.spared = dst[n:], d.total-n, d.spared-n
			continue
		}
		if len(d.widths) == 0 {
			if n := d.blocks(dst); n > 0 {
				dst, d.total = dst[n:], d.total-n
				continue
			}
			if len(dst) < blockValues && d.total >= blockValues && d.blocks(d.room(blockValues)) > 0 {
				d.spared = blockValues
				continue
			}
			if err := d.begin(); err != nil {
				return err
			}
		}
		if last, done, size := sums(dst, d.src, d.widths, d.part, d.least, d.last); done > 0 {
			d.last, d.src, d.widths = last, d.src[size:], d.widths[done:]
			done *= d.part
			dst, d.total = dst[done:], d.total-done
			continue
		}
		width := int(d.widths[0])
		if width > 64 {
			return fmt.Errorf("deltas %d bits wide", width)
		}
		count := min(d.part, d.total) // the last part may be cut, or padded
		if need := (count*width + 7) / 8; len(d.src) < need {
			return errPart
		}
		size := min(d.part*width/8, len(d.src))
		var part []int64
		if len(dst) >= count {
			part, dst, d.total = dst[:count], dst[count:], d.total-count
		} else {
			part, d.spared = d.room(count), count
		}
		if last, done, _ := sums(part, d.src, d.widths[:1], d.part, d.least, d.last); done > 0 {
			d.last = last
		} else {
			d.last = sumsPlain(part, d.src, width, d.least, d.last)
		}
		d.src, d.widths = d.src[size:], d.widths[1:]
	}
	return nil
}

// room returns room for n values that are not wanted yet.
func (d *Deltas) room(n int) []int64 {
	if cap(d.spare) < n {
		d.spare = make([]int64, max(n, blockValues))
	}
	d.spare = d.spare[:n]
	return d.spare
}

// blocks reads as many whole blocks as dst has room for, where they are as most writers
// write them, and returns how many values they are.
func (d *Deltas) blocks(dst []int64) int {
	if d.block != blockValues || d.part != partValues {
		return 0
	}
	last, n, size := blocks(dst, d.src, d.last)
	d.last, d.src = last, d.src[size:]
	return n
}

// begin goes to the next block.
func (d *Deltas) begin() error {
	least, k := binary.Varint(d.src)
	parts := d.block / d.part
	if k <= 0 || len(d.src)-k < parts {
		return errBlock
	}
	d.widths = append(d.own[:0], d.src[k:k+parts]...)
	d.least, d.src = least, d.src[k+parts:]
	return nil
}

// sumsPlain is sums of one part in Go; the part may be shorter than it claims, and bytes
// may follow it.
func sumsPlain(dst []int64, src []byte, width int, least, last int64) int64 {
	whole := 0 // values that eight bytes hold
	if width <= 56 && len(src) >= 8 {
		whole = min(len(dst), (8*(len(src)-8)+7)/max(width, 1)+1)
	}
	bit, mask := 0, uint64(1)<<(width&63)-1
	for i := range dst[:whole] {
		last += least + int64(binary.LittleEndian.Uint64(src[bit>>3:])>>(bit&7)&mask)
		dst[i] = last
		bit += width
	}
	dst = dst[whole:]
	unpackTail(dst, src, bit, width)
	for i, v := range dst {
		last += least + v
		dst[i] = last
	}
	return last
}

// ReadDeltas reads as many DELTA_BINARY_PACKED values as dst has and returns the bytes
// after them.
func ReadDeltas(dst []int64, src []byte) (rest []byte, err error) {
	var d Deltas
	if err := d.Open(src, len(dst)); err != nil {
		return nil, err
	}
	if err := d.Read(dst); err != nil {
		return nil, err
	}
	return d.src, nil
}
