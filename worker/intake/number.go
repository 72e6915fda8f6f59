package intake

import (
	"math"
	"unicode/utf8"

	"rescore/partition"
	"rescore/partition/job"
)

// Numbers is how numbers are read: 138 0013 8000, +86-138-0013-8000, 008613800138000,
// full-width digits, what spreadsheets make of them, and plain ones.
//
// Blanks, hyphens and signs that nobody sees are passed over, and an apostrophe in
// front, by which spreadsheets mark text. A country code +86, 86 or 0086 is taken off
// where eleven digits follow it. Exponents and fractions are read when the number is
// exact: whole, and written with enough digits that none was rounded away.
//
// Nothing is guessed: other letters, a leading zero of a trunk call, and eleven digits
// that do not start 13 to 19 are no number.
type Numbers struct {
	// IoT excludes 13-digit IoT numbers instead of rejecting them.
	IoT bool
	// Nulls are texts that are no number at all.
	Nulls []string
}

// exactDigits is how many digits a number with an exponent must show. Spreadsheets
// round to six (1.38001E+10) or fewer; programs that print the shortest text that is
// the same number leave out zeros alone (1.3800138E10).
const exactDigits = 8

// digitsMax bounds what is read: of a number with everything in front of it and a
// fraction behind.
const digitsMax = 40

// Text reads a number from text. The reason is 0 for a number.
func (r Numbers) Text(b []byte) (partition.Number, job.Reason) {
	if len(b) == 11 { // most
		n := uint64(0)
		i := 0
		for ; i < len(b); i++ {
			d := b[i] - '0'
			if d > 9 {
				break
			}
			n = n*10 + uint64(d)
		}
		if i == len(b) && partition.Number(n).Valid() {
			return partition.Number(n), 0
		}
	}
	for _, null := range r.Nulls {
		if string(b) == null {
			return 0, job.NullKey
		}
	}
	var d decimal
	if !d.read(b) {
		return 0, job.BadNumber
	}
	if d.empty() {
		return 0, job.NullKey
	}
	return r.whole(&d)
}

// Integer reads a number from an integer.
func (r Numbers) Integer(v int64) (partition.Number, job.Reason) {
	const code = 86 * 100_000_000_000 // the country's, before eleven digits
	switch n := partition.Number(v); {
	case v < 0:
		return 0, job.BadNumber
	case n.Valid():
		return n, 0
	case v >= code && partition.Number(v-code).Valid():
		return partition.Number(v - code), 0
	case r.IoT && (v/1e11 == 10 || v/1e11 == 14): // 10646…, 10648…, 10649…, 1410…, 1440…
		return 0, job.IoTNumber
	}
	return 0, job.BadNumber
}

// Float reads a number from a float: it is one when it is whole, for every number of
// sixteen digits has its own float64.
func (r Numbers) Float(v float64) (partition.Number, job.Reason) {
	if math.IsNaN(v) {
		return 0, job.NullKey
	}
	if v != math.Trunc(v) || v < 0 || v > 1e15 {
		return 0, job.BadNumber
	}
	return r.Integer(int64(v))
}

// decimal is a text taken apart: signs that mean nothing left out.
type decimal struct {
	digit    [digitsMax]byte // of the mantissa, 0 to 9
	digits   int
	point    int // digits before the point; all of them without one
	plus     bool
	pointed  bool
	exponent int
	raised   bool // it has an exponent
}

func (d *decimal) empty() bool { return d.digits == 0 && !d.plus && !d.pointed && !d.raised }

// read takes a text apart, and reports whether it is made of what numbers are made of.
func (d *decimal) read(b []byte) bool {
	const (
		mantissa = iota
		sign     // of the exponent, or its first digit
		power
	)
	state, negative, powers, first := mantissa, false, 0, true
	for len(b) > 0 {
		c, size := rune(b[0]), 1
		if c >= utf8.RuneSelf {
			if c, size = utf8.DecodeRune(b); c == utf8.RuneError {
				return false
			}
			c = narrow(c)
		}
		b = b[size:]
		switch {
		case c >= '0' && c <= '9' && state == mantissa:
			if d.digits == digitsMax {
				return false
			}
			d.digit[d.digits] = byte(c - '0')
			d.digits++
		case c >= '0' && c <= '9':
			state = power
			if d.exponent = d.exponent*10 + int(c-'0'); d.exponent > 99 {
				return false
			}
			powers++
		case c == ' ' || c == '\t':
			continue // first stays: an apostrophe may follow
		case c == '-' && state == mantissa:
			if first {
				return false // a number below zero
			}
		case c == '-' && state == sign:
			negative, state = true, power
		case c == '+' && state == sign:
			state = power
		case c == '+' && state == mantissa && d.digits == 0 && !d.plus && !d.pointed:
			d.plus = true
		case c == '.' && state == mantissa && !d.pointed:
			d.pointed, d.point = true, d.digits
		case (c == 'e' || c == 'E') && state == mantissa && d.digits > 0:
			d.raised, state = true, sign
		case c == '\'' && first:
		default:
			return false
		}
		first = false
	}
	if !d.pointed {
		d.point = d.digits
	}
	if negative {
		d.exponent = -d.exponent
	}
	return !d.raised || powers > 0
}

// narrow returns the ASCII character that a wide, an invisible or a typographer's one
// stands for; ' ' for what is to be passed over.
func narrow(c rune) rune {
	switch {
	case c >= 0xff01 && c <= 0xff5e: // full width
		return c - 0xff01 + '!'
	case c == 0x3000, c == 0xa0, c >= 0x2000 && c <= 0x200f, c == 0x202f, c == 0x205f, c == 0x2060, c == 0xfeff,
		c >= 0x202a && c <= 0x202e, c >= 0x2066 && c <= 0x2069, c == 0xad: // blanks, and marks of direction
		return ' '
	case c >= 0x2010 && c <= 0x2015, c == 0x2212, c == 0xfe63: // hyphens and dashes
		return '-'
	case c == 0x2018 || c == 0x2019:
		return '\''
	}
	return c
}

// whole makes the digits a number.
func (r Numbers) whole(d *decimal) (partition.Number, job.Reason) {
	digit := d.digit[:d.digits]
	if d.raised {
		for len(digit) > 0 && digit[0] == 0 { // 0.138E11 shows three digits
			digit, d.point = digit[1:], d.point-1
		}
		if len(digit) < exactDigits {
			return 0, job.BadNumber
		}
	}
	end := d.point + d.exponent // digits of the whole number
	if end < 1 || end > digitsMax {
		return 0, job.BadNumber
	}
	for i := end; i < len(digit); i++ {
		if digit[i] != 0 {
			return 0, job.BadNumber // a fraction
		}
	}
	at := func(i int) byte {
		if i < len(digit) {
			return digit[i]
		}
		return 0
	}
	from := 0
	coded := func(prefix ...byte) bool {
		if end < len(prefix)+11 {
			return false
		}
		for i, c := range prefix {
			if at(i) != c {
				return false
			}
		}
		return true
	}
	switch {
	case d.plus && !coded(8, 6):
		return 0, job.BadNumber // of another country
	case coded(0, 0, 8, 6) && !d.plus:
		from = 4
	case coded(8, 6):
		from = 2
	}
	switch end - from {
	case 11, 13:
	default:
		return 0, job.BadNumber
	}
	v := int64(0)
	for i := from; i < end; i++ {
		v = v*10 + int64(at(i))
	}
	if at(from) == 0 || end-from == 13 && v/100_000_000_000 == 86 { // 86 86 138…
		return 0, job.BadNumber
	}
	return r.Integer(v)
}
