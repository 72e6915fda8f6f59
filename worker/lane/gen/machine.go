package main

import "fmt"

// machine is a set of vector instructions. Registers are numbered: 0 holds a
// step's c, 1 its d, 2 and 3 are for passing use, 4 to 7 belong to the machine
// where masks are read, 8 to 15 are the step's own.
type machine interface {
	run() string
	bytes() int // of a vector
	reg(n int) string

	// truth asks q of 64 rows of x and y, of w bits each, and stores the bits at
	// to. It uses registers 2 to 5, BX and R9.
	truth(p *page, q question, w int, x, y operand, to string)

	// read prepares masks of places of w bits; mask fetches, from the word at
	// base, the bits of the vector of rows that begins at row, for the next only
	// (to is from where a bit is set and 0 elsewhere), choose (elsewhere otherwise)
	// or join (from's bits, which to has not, join to where a bit is set).
	read(p *page, w int)
	mask(p *page, w, row int, base string)
	only(p *page, w int, from, to string)
	choose(p *page, w int, from, otherwise, to string)
	join(p *page, w int, from, to string)

	// add and times are of floats: to + from, but to alone where a bit is clear,
	// and a·b, but 0 there. They use register 3. add may add 0, which does not
	// change a sum that is never -0.
	add(p *page, from, to string)
	times(p *page, a, b, to string)

	// convert turns a vector's worth of integers at x into float64 and extend into
	// int64; round turns float64 into int64, scale multiplies int64 by register 0.
	// What is prepared once is in registers 10 to 13, by scale in register 1.
	prepareConvert(p *page, kind string)
	convert(p *page, kind, x, to string)
	extend(p *page, kind, x, to string)
	prepareRound(p *page)
	round(p *page, x, to string)
	prepareScale(p *page)
	scale(p *page, x, to string)

	// shorten turns a vector of float64 at x into float32; whole rounds float64 to
	// whole numbers, halves to even; power multiplies by 2 to the k, rounding once, and
	// uses registers 2, 3 and 8.
	shorten(p *page, x, to string)
	whole(p *page, x, to string)
	power(p *page, k, to string)

	quarter(p *page, from, to string) // repeats 16 bytes

	// where asks q of the floats in two registers, for the next choose. month is
	// where month k of a window is kept, in memory of so many local bytes where
	// there are no registers left.
	where(p *page, q question, x, y string)
	month(k int) string
	local() int
}

// question is what truth finds out.
type question int

const (
	below   question = iota // x < y; integers in memory are turned over by register 1 first
	same                    // x = y
	atMost                  // x ≤ y, of floats only
	touches                 // x & y ≠ 0, and y is one bit
)

// operand is a register, or a place in memory that moves with the rows.
type operand struct{ register, base string }

func (o operand) at(off int) string {
	if o.base == "" {
		return o.register
	}
	return at(off, o.base)
}

func at(off int, base string) string { return fmt.Sprintf("%d%s", off, base) }

// float marks a width of 64 bits that holds floats.
const float = 64 | 1<<10

func size(w int) int { return w &^ (1 << 10) }

// floatTest is VCMPPD's number for a question; all are false for NaN.
var floatTest = map[question]int{below: 0x11, same: 0, atMost: 0x12}
