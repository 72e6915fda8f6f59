package model

import (
	"bytes"
	"math"
	"strconv"
)

// cutLine returns the first line, without its end, and what follows it.
func cutLine(text []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(text, []byte{'\n'})
	return line, rest
}

// skipBlank returns text from its first line that is not empty.
func skipBlank(text []byte) []byte { return bytes.TrimLeft(text, "\n") }

// cutToken returns the first of the values that spaces part, and what follows
// it. The token is empty when there is none.
func cutToken(list []byte) (token, rest []byte) {
	for len(list) > 0 && list[0] == ' ' {
		list = list[1:]
	}
	i := bytes.IndexByte(list, ' ')
	if i < 0 {
		return list, nil
	}
	return list[:i], list[i+1:]
}

// countTokens returns how many values spaces part.
func countTokens(list []byte) int {
	n, in := 0, false
	for _, c := range list {
		if c != ' ' && !in {
			n++
		}
		in = c != ' '
	}
	return n
}

// parseInt reads a decimal integer that fits an int32.
func parseInt(token []byte) (int32, bool) {
	digits := token
	negative := len(digits) > 0 && digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if len(digits) == 0 {
		return 0, false
	}
	n := int64(0)
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
		if n > 1<<31 {
			return 0, false
		}
	}
	if negative {
		n = -n
	}
	if n > math.MaxInt32 {
		return 0, false
	}
	return int32(n), true
}

// parseThreshold reads a decimal number or an infinity. LightGBM 4.6 writes inf
// at nodes that only part missing values from the rest.
func parseThreshold(token []byte) (float64, bool) {
	switch string(token) {
	case "inf":
		return math.Inf(1), true
	case "-inf":
		return math.Inf(-1), true
	}
	return parseFloat(token)
}

// parseFloat reads a finite decimal number. What strconv reads beside those
// (inf, nan, hexadecimal, underscores) LightGBM never writes there.
func parseFloat(token []byte) (float64, bool) {
	if len(token) > 64 || !decimal(token) {
		return 0, false
	}
	x, err := strconv.ParseFloat(string(token), 64)
	return x, err == nil
}

// decimal reports whether a token has only what decimal numbers are written in.
func decimal(token []byte) bool {
	for _, c := range token {
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return false
		}
	}
	return true
}

// parseWord reads a bitset word.
func parseWord(token []byte) (uint32, bool) {
	if len(token) == 0 || len(token) > 10 {
		return 0, false
	}
	n := uint64(0)
	for _, c := range token {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return uint32(n), n <= math.MaxUint32
}
