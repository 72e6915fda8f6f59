package matrix

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// parse reads a number, or NaN where a field is empty or says that there is none. A
// number too large for a float64 is none.
func parse(cell []byte) (float64, bool) {
	cell = bytes.TrimSpace(cell)
	if len(cell) == 0 {
		return math.NaN(), true
	}
	if len(cell) <= 4 && cell[0] > '9' {
		switch strings.ToLower(string(cell)) {
		case "na", "nan", "null":
			return math.NaN(), true
		}
	}
	x, err := strconv.ParseFloat(string(cell), 64)
	return x, err == nil
}

// pair splits a libsvm entry into its index and its value.
func pair(entry []byte) (index int, value []byte, ok bool) {
	at, value, found := bytes.Cut(entry, []byte(":"))
	if !found || len(at) == 0 || len(at) > 9 {
		return 0, nil, false
	}
	for _, c := range at {
		if c < '0' || c > '9' {
			return 0, nil, false
		}
		index = index*10 + int(c-'0')
	}
	return index, value, true
}
