package source

import (
	"math"
	"strconv"
	"unsafe"

	"rescore/worker/tag"
)

// nan is the null of extra columns.
var nan = math.NaN()

// issue is one value that could not be taken as it stands.
type issue struct {
	at     int32 // where: a position in what was converted, then a row of the batch
	reject bool  // the row is rejected: the field is not of its type
	null   bool  // it is null after all, as text can be; never leaves parquetColumn
	field  string
}

// goal is what a field is converted to.
type goal uint8

const (
	goalInt   goal = iota + 1 // a canonical integer
	goalDate                  // days since 1970
	goalFloat                 // an extra column
	goalKey                   // a table's number, or 1 for an IoT number
	goalTime                  // when an event was, in microseconds since 1970
)

// conversion turns the values of one field of one file into those of one
// column of the record. It is read-only once made.
//
// A value v becomes v·num/den, rounded half to even. What is not finite, does
// not fit lo to hi, is a fraction where exact asks for none, or is text that
// codes does not list, is missing and counted; text that is no number or date
// at all rejects its row.
type conversion struct {
	goal     goal
	from     kind
	unsigned bool
	num, den int64
	perDay   int64 // of a timestamp
	lo, hi   int64 // of the result
	inLo     int64 // least and greatest integer input whose result may fit
	inHi     int64
	exact    bool
	codes    map[string]int64 // text to code; nil when the field is no category
	intCodes map[int64]int64  // the same for fields that are integers
	layouts  []string         // of dates in text, tried in order; nil: the built-in ones
	nulls    []string         // texts that are null
	tags     *tag.Tagger      // of words in text; nil when the field has none
	digits   bool             // text of digits only, times num, is the result, and never null
	table    cellTable        // if so
	blank    bool             // empty text is null
	filter   bool             // what codes does not list is 0, and nothing is wrong with it
	key      keyRule          // of a table's number
	clock    *clock           // of an event's time
}

// plain reports whether every integer input is its own result.
func (c *conversion) plain() bool { return c.num == 1 && c.den == 1 && c.intCodes == nil }

// integer converts one integer.
func (c *conversion) integer(v int64) (int64, bool) {
	if c.intCodes != nil {
		code, ok := c.intCodes[v]
		return code, ok || c.filter
	}
	switch c.goal {
	case goalDate:
		return c.date(v)
	case goalKey:
		return tableNumber(c.key.integer(v))
	case goalTime:
		return c.clock.integer(c.from, c.perDay, v)
	case goalInt, goalFloat:
	}
	if v < c.inLo || v > c.inHi {
		return 0, false
	}
	r := v * c.num
	if c.den != 1 {
		if c.exact && r%c.den != 0 {
			return 0, false
		}
		r = divEven(r, c.den)
	}
	return r, r >= c.lo && r <= c.hi
}

// date converts a day number, a timestamp or yyyymmdd to days since 1970.
func (c *conversion) date(v int64) (int64, bool) {
	switch c.from {
	case kindDay:
	case kindStamp:
		v = floorDiv(v, c.perDay)
	default:
		if v < 0 || v > 99991231 {
			return 0, false
		}
		d, ok := civilDay(int(v/10000), int(v/100%100), int(v%100))
		return int64(d), ok
	}
	return v, v >= c.lo && v <= c.hi
}

// float converts one floating-point number to an integer.
func (c *conversion) float(v float64) (int64, bool) {
	if c.intCodes != nil || c.goal != goalInt {
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return 0, c.filter
		}
		return c.integer(int64(v))
	}
	x := float64(v * float64(c.num))
	if c.den != 1 {
		x /= float64(c.den)
	}
	r := math.RoundToEven(x)
	// 2^63 is not an int64; comparing with < catches it, and NaN fails both.
	if !(r >= float64(c.lo) && r <= float64(c.hi) && r < 1<<63) || c.exact && r != x {
		return 0, false
	}
	return int64(r), true
}

// outcome of reading a text.
type outcome uint8

const (
	valueOK     outcome = iota
	valueNull           // null
	valueBad            // missing, counted
	valueReject         // not of the field's type
)

// text converts text to an integer.
func (c *conversion) text(b []byte) (int64, outcome) {
	if c.codes != nil {
		if code, ok := c.codes[string(b)]; ok {
			return code, valueOK
		}
		b = trim(b)
		if code, ok := c.codes[string(b)]; ok {
			return code, valueOK
		}
		if c.null(b) {
			return 0, valueNull
		}
		if c.filter {
			return 0, valueOK
		}
		return 0, valueBad
	}
	if c.goal == goalKey {
		return textNumber(c.key.text(b))
	}
	b = trim(b)
	if c.null(b) {
		return 0, valueNull
	}
	if c.tags != nil {
		v := c.tags.Tag(b)
		if v == 0 {
			return 0, valueNull // blank
		}
		return int64(v), valueOK
	}
	if c.goal == goalTime {
		return c.clock.text(b)
	}
	if c.goal == goalDate {
		d, ok := parseDate(b, c.layouts)
		if !ok {
			return 0, valueReject
		}
		if int64(d) < c.lo || int64(d) > c.hi {
			return 0, valueBad
		}
		return int64(d), valueOK
	}
	if m, places, ok := fixed(b); ok && c.den == 1 && m >= c.inLo && m <= c.inHi { // most fields
		v, unit := m*c.num, tens[places]
		if c.exact && v%unit != 0 {
			return 0, valueBad
		}
		if places > 0 {
			v = divEven(v, unit)
		}
		if v < c.lo || v > c.hi {
			return 0, valueBad
		}
		return v, valueOK
	}
	d, o := parseDecimal(b)
	if o != valueOK {
		return 0, o
	}
	v, fits, whole := d.scaled(c.num, c.den)
	if !fits || c.exact && !whole || v < c.lo || v > c.hi {
		return 0, valueBad
	}
	return v, valueOK
}

// number converts text to a float64.
func (c *conversion) number(b []byte) (float64, outcome) {
	if c.codes != nil {
		code, o := c.text(b)
		return float64(code), o
	}
	b = trim(b)
	if c.null(b) {
		return nan, valueNull
	}
	if m, places, ok := fixed(b); ok && m > -1<<53 && m < 1<<53 && m != 0 {
		return float64(m) / float64(tens[places]), valueOK // both are exact, and so the quotient is the nearest
	}
	x, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(b), len(b)), 64)
	switch {
	case err != nil && (math.IsInf(x, 0)):
		return nan, valueBad // out of range
	case err != nil || !decimalText(b):
		if special(b) {
			return nan, valueBad
		}
		return nan, valueReject
	case math.IsNaN(x) || math.IsInf(x, 0):
		return nan, valueBad
	}
	return x, valueOK
}

func (c *conversion) null(b []byte) bool {
	for _, n := range c.nulls {
		if string(b) == n {
			return true
		}
	}
	return false
}

// ints converts src into dst, which is as long, and logs what does not fit.
func ints[T lane, S int32 | int64](dst []T, src []S, c *conversion, log []issue) []issue {
	src = src[:len(dst)]
	if c.goal == goalFloat && c.intCodes == nil {
		for i, v := range src {
			x := float64(v)
			if c.unsigned {
				x = float64(uint64(v))
			}
			if c.den != 1 {
				x /= float64(c.den)
			}
			dst[i] = T(x)
		}
		return log
	}
	if c.plain() && (c.goal == goalInt || c.from == kindDay) {
		// One sign bit gathers what is out of range, with no branch: where a
		// difference overflows, the value is out of range too.
		lo, hi := c.lo, c.hi
		if lo == math.MinInt64 && hi == math.MaxInt64 {
			for i, v := range src {
				dst[i] = T(v)
			}
			return log
		}
		var out int64
		for i, v := range src {
			dst[i] = T(v)
			out |= (int64(v) - lo) | (hi - int64(v))
		}
		if out >= 0 {
			return log
		}
	}
	for i, v := range src {
		r, ok := c.integer(int64(v))
		dst[i] = T(r)
		if !ok {
			dst[i] = 0
			log = append(log, issue{at: int32(i)})
		}
	}
	return log
}

// floats is ints for floating-point sources.
func floats[T lane, S float32 | float64](dst []T, src []S, c *conversion, log []issue) []issue {
	src = src[:len(dst)]
	if c.goal == goalFloat && c.intCodes == nil {
		for i, v := range src {
			x := float64(v)
			dst[i] = T(x)
			if x-x != 0 { // NaN or infinite
				log = append(log, issue{at: int32(i)})
			}
		}
		return log
	}
	for i, v := range src {
		r, ok := c.float(float64(v))
		dst[i] = T(r)
		if !ok {
			dst[i] = 0
			log = append(log, issue{at: int32(i)})
		}
	}
	return log
}

// one converts one text; null reports that it is null.
func one[T lane](b []byte, c *conversion) (v T, o outcome) {
	if c.goal == goalFloat {
		x, o := c.number(b)
		return T(x), o
	}
	r, o := c.text(b)
	return T(r), o
}

// divEven returns a/b rounded half to even; b > 0.
func divEven(a, b int64) int64 {
	q, r := a/b, a%b
	if r < 0 {
		q, r = q-1, r+b
	}
	if twice := r - (b - r); twice > 0 || twice == 0 && q&1 != 0 {
		q++
	}
	return q
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
