package intake

import (
	"encoding/binary"
	"math"
	"strings"
	"time"
	"unsafe"
)

// Load is how the column that says when a row was loaded is compared: its order key
// is bytes that sort as the values do. No value is before every value; numbers are
// before texts.
type Load struct {
	// Layout is how times in text are written, as package time has it. Without one,
	// text of up to 18 digits is a number, and other text is compared byte by byte:
	// what begins with the year sorts right.
	Layout string
}

const (
	keyNumber = 1
	keyText   = 2
)

// Text appends the key of a text. It reports false for one that is not as the layout
// says; blank is no value.
func (l Load) Text(key, text []byte) ([]byte, bool) {
	s := strings.TrimSpace(unsafe.String(unsafe.SliceData(text), len(text)))
	if s == "" {
		return key, true
	}
	if l.Layout != "" {
		t, err := time.Parse(l.Layout, s)
		if err != nil || t.Year() < 1900 || t.Year() > 2200 {
			return key, false
		}
		return integerKey(key, t.UnixNano()), true
	}
	if len(s) <= 18 {
		v := int64(0)
		for i := 0; ; i++ {
			if i == len(s) {
				return integerKey(key, v), true
			}
			d := s[i] - '0'
			if d > 9 {
				break
			}
			v = v*10 + int64(d)
		}
	}
	return append(append(key, keyText), s...), true
}

// Integer appends the key of an integer, a date or a time.
func (Load) Integer(key []byte, v int64) []byte { return integerKey(key, v) }

// Float appends the key of a float. NaN is no value.
func (Load) Float(key []byte, v float64) []byte {
	if math.IsNaN(v) {
		return key
	}
	bits := math.Float64bits(v + 0) // -0 is 0
	if v == 0 {
		bits = 0
	}
	if bits>>63 != 0 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	return binary.BigEndian.AppendUint64(append(key, keyNumber), bits)
}

func integerKey(key []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(append(key, keyNumber), uint64(v)^1<<63)
}
