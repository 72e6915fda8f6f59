package source

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
	"time"
	"unsafe"
)

// decimal is mant·10^exp, the value of a decimal text exactly.
type decimal struct {
	mant uint64
	exp  int
	neg  bool
	long []byte // the text itself, when mant could not take all its digits
}

// Texts of more digits, or of an exponent further out, are out of range.
const (
	decimalBytesMax    = 256
	decimalExponentMax = 256
)

// zeros are eight digits.
const zeros = 0x3030303030303030

// digits reads the number that the first n bytes of b are, 1 to 16 of them, and reports
// whether they are all digits. b has 8 bytes, or 16 when n is more than 8: eight digits
// are read at a time, with zeros before the first.
func digits(b []byte, n int) (uint64, bool) {
	x := binary.LittleEndian.Uint64(b) ^ zeros
	if n <= 8 {
		x <<= 64 - 8*n
		return eight(x), digitBytes(x)
	}
	y := binary.LittleEndian.Uint64(b[8:]) ^ zeros
	y <<= 128 - 8*n
	return eight(x)*uint64(tens[n-8]) + eight(y), digitBytes(x) && digitBytes(y)
}

// digitBytes reports whether every byte is at most 9.
func digitBytes(x uint64) bool { return (x+0x7676767676767676|x)&highBits == 0 }

// eight returns the number whose digits are the bytes of x, the first digit in the
// lowest byte: neighbours become one of two digits, of four, and of eight.
func eight(x uint64) uint64 {
	x = x*10 + x>>8
	const pair = 0x000000ff000000ff
	return (x&pair*(100+1_000_000<<32) + x>>16&pair*(1+10_000<<32)) >> 32
}

// tens are the powers of ten.
var tens = [19]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// fixed reads [+-]digits[.digits] of at most 18 digits: mant / 10^places.
func fixed(b []byte) (mant int64, places int, ok bool) {
	neg := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		neg = b[0] == '-'
		b = b[1:]
	}
	if len(b) > 19 {
		return 0, 0, false
	}
	point := -1
	for i, c := range b {
		d := c - '0'
		if d > 9 {
			if c != '.' || point >= 0 {
				return 0, 0, false
			}
			point = i
			continue
		}
		mant = mant*10 + int64(d)
	}
	n := len(b)
	if point >= 0 {
		places = len(b) - point - 1
		n--
	}
	if neg {
		mant = -mant
	}
	return mant, places, n > 0 && n <= 18
}

// parseDecimal reads [+-]digits[.digits][e[+-]digits]. NaN and infinities are
// valueBad; anything else is valueReject.
func parseDecimal(b []byte) (d decimal, o outcome) {
	if special(b) {
		return d, valueBad
	}
	i := 0
	if i < len(b) && (b[i] == '-' || b[i] == '+') {
		d.neg = b[i] == '-'
		i++
	}
	digits, point := 0, false
	for ; i < len(b); i++ {
		c := b[i]
		if c == '.' && !point {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		digits++
		switch {
		case d.mant < math.MaxUint64/10-1:
			d.mant = d.mant*10 + uint64(c-'0')
			if point {
				d.exp--
			}
		default:
			d.long = b
			if !point {
				d.exp++
			}
		}
	}
	if digits == 0 {
		return d, valueReject
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		neg := false
		if i < len(b) && (b[i] == '-' || b[i] == '+') {
			neg = b[i] == '-'
			i++
		}
		start, e := i, 0
		for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
			if e < 1<<20 {
				e = e*10 + int(b[i]-'0')
			}
		}
		if i == start {
			return d, valueReject
		}
		if neg {
			e = -e
		}
		d.exp += e
	}
	if i != len(b) {
		return d, valueReject
	}
	return d, valueOK
}

// scaled returns d·num/den rounded half to even, whether it fits an int64, and
// whether it was whole. num and den are positive and below 2^40.
func (d decimal) scaled(num, den int64) (v int64, fits, whole bool) {
	if d.long != nil {
		return d.scaledLong(num, den)
	}
	if d.mant == 0 {
		return 0, true, true
	}
	hi, lo := bits.Mul64(d.mant, uint64(num)) // below 2^104
	exp := d.exp
	for ; exp > 0; exp-- {
		h, l := bits.Mul64(lo, 10)
		if hi > math.MaxUint64/10 {
			return 0, false, true
		}
		hi, lo = hi*10+h, l
		if hi < h {
			return 0, false, true
		}
	}
	// Divide by den, then by ten as often as the exponent says, keeping what
	// rounding needs: the last remainder, and whether anything lay below it.
	below := false
	divisor := uint64(den)
	r := div128(&hi, &lo, divisor)
	for ; exp < 0; exp++ {
		if hi == 0 && lo == 0 && r == 0 {
			return 0, true, !below
		}
		below = below || r != 0
		r = div128(&hi, &lo, 10)
		divisor = 10
		if exp < -60 && hi == 0 && lo == 0 {
			return 0, true, false // far below half
		}
	}
	whole = r == 0 && !below
	half := divisor - r // r against half of divisor
	switch {
	case r > half, r == half && below, r == half && lo&1 != 0:
		lo++
		if lo == 0 {
			hi++
		}
	}
	if hi != 0 || lo > math.MaxInt64 {
		return 0, false, whole
	}
	v = int64(lo)
	if d.neg {
		v = -v
	}
	return v, true, whole
}

// scaledLong is scaled for texts of twenty digits and more, which no export
// writes but a file may hold.
func (d decimal) scaledLong(num, den int64) (v int64, fits, whole bool) {
	if len(d.long) > decimalBytesMax || d.exp > decimalExponentMax || d.exp < -decimalExponentMax {
		return 0, false, false
	}
	x, ok := new(big.Rat).SetString(string(d.long))
	if !ok {
		return 0, false, false
	}
	x.Mul(x, big.NewRat(num, den))
	twice := new(big.Int).Lsh(x.Num(), 1)
	twice.Add(twice, x.Denom())
	double := new(big.Int).Lsh(x.Denom(), 1)
	q, rest := new(big.Int).DivMod(twice, double, new(big.Int)) // floor(x + 1/2)
	if rest.Sign() == 0 && q.Bit(0) != 0 {
		q.Sub(q, big.NewInt(1)) // exactly half, and odd
	}
	return q.Int64(), q.IsInt64(), x.IsInt()
}

// div128 divides hi:lo by d in place and returns the remainder.
func div128(hi, lo *uint64, d uint64) uint64 {
	var r uint64
	*hi, r = *hi/d, *hi%d
	*lo, r = bits.Div64(r, *lo, d)
	return r
}

// decimalText reports whether b is made of what parseDecimal reads: strconv
// also takes hexadecimal and underscores.
func decimalText(b []byte) bool {
	_, o := parseDecimal(b)
	return o == valueOK
}

// special reports whether b spells NaN or an infinity.
func special(b []byte) bool {
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		b = b[1:]
	}
	if len(b) != 3 && len(b) != 8 {
		return false
	}
	var low [8]byte
	for i, c := range b {
		low[i] = c | 0x20
	}
	switch string(low[:len(b)]) {
	case "nan", "inf", "infinity":
		return true
	}
	return false
}

// civilDay returns the days from 1970-01-01 to a date of the calendar.
func civilDay(y, m, d int) (int32, bool) {
	if y < 1 || y > 9999 || m < 1 || m > 12 || d < 1 || d > 31 || d > monthDays(y, m) {
		return 0, false
	}
	// Years from March on end with the day that only some have, and of their months
	// every five have 153 days.
	if m -= 3; m < 0 {
		m, y = m+12, y-1
	}
	return int32(y*365 + y/4 - y/100 + y/400 + (153*m+2)/5 + d - 1 - 719468), true
}

func monthDays(y, m int) int {
	switch {
	case m == 2 && y%4 == 0 && (y%100 != 0 || y%400 == 0):
		return 29
	case m == 2:
		return 28
	case m == 4, m == 6, m == 9, m == 11:
		return 30
	}
	return 31
}

// parseDate reads a date. Without layouts it takes 2006-01-02, 20060102 and
// 2006/1/2; the first may be followed by a time of day, which is dropped.
func parseDate(b []byte, layouts []string) (int32, bool) {
	if layouts != nil {
		for _, l := range layouts {
			t, err := time.Parse(l, unsafe.String(unsafe.SliceData(b), len(b)))
			if err == nil {
				return civilDay(t.Year(), int(t.Month()), t.Day())
			}
		}
		return 0, false
	}
	var part [3]int
	n, digits := 0, 0
	var sep byte
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9':
			digits++
			if digits > 8 {
				return 0, false
			}
			part[n] = part[n]*10 + int(c-'0')
		case (c == '-' || c == '/') && n < 2 && digits > 0 && (sep == 0 || c == sep):
			sep = c
			n++
			digits = 0
		case (c == ' ' || c == 'T') && sep == '-' && n == 2 && digits == 2 && clockText(b[i+1:]):
			return civilDay(part[0], part[1], part[2])
		default:
			return 0, false
		}
	}
	if n == 0 && digits == 8 {
		return civilDay(part[0]/10000, part[0]/100%100, part[0]%100)
	}
	if n != 2 || digits == 0 || part[0] < 1000 {
		return 0, false
	}
	return civilDay(part[0], part[1], part[2])
}

// clockText reports whether b looks like a time of day.
func clockText(b []byte) bool {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9', c == ':', c == '.', c == '+', c == '-', c == 'Z':
		default:
			return false
		}
	}
	return len(b) >= 5
}
