// Package partition says what a subscriber number is, what a range of numbers
// is, and how a set of subscribers is summed up so that two sides can prove
// they saw the same ones. It is built on nothing.
//
// # The number space
//
//	1 3 8 0 0 1 3 | 8 0 0 0          an 11-digit MSISDN
//	└── segment ──┘ └ line ┘          号段: 7 digits, 10 000 numbers, one city
//
// Partitions are cut between segments, by how many rows a segment holds and
// never by how many numbers it could hold: about three segments in ten are
// empty, and the old ones are full.
package partition

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Number is an 11-digit mainland MSISDN, 13000000000 to 19999999999.
//
// It prints masked: a number that reaches a log line, an error, JSON or a test
// failure by accident shows 138****1234 (invariant I8). Code that must write the
// digits asks for them with Digits.
//
// What the language does not let a type prevent: fmt calls no method on an
// unexported field of a struct that is printed whole, nor where the format
// itself is wrong (%p, or %w without an error, both refused by go vet). A struct
// that is printed keeps its numbers in exported fields, or has none.
type Number uint64

// The number space, half open.
const (
	FirstNumber Number = 13_000_000_000
	PastNumber  Number = 20_000_000_000
)

// LinesPerSegment is how many numbers one segment (号段) holds.
const LinesPerSegment = 10_000

// ErrNumber is returned when text or an integer is not an 11-digit MSISDN.
// The error never carries the value.
var ErrNumber = errors.New("not an 11-digit number starting 13 to 19")

// ParseNumber reads exactly eleven ASCII digits.
func ParseNumber(s string) (Number, error) {
	if len(s) != 11 {
		return 0, ErrNumber
	}
	var n Number
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return 0, ErrNumber
		}
		n = n*10 + Number(d)
	}
	if !n.Valid() {
		return 0, ErrNumber
	}
	return n, nil
}

// Valid reports whether n lies in the number space.
func (n Number) Valid() bool { return n >= FirstNumber && n < PastNumber }

// String returns the masked form, 138****1234.
func (n Number) String() string {
	if !n.Valid() {
		return "***********"
	}
	d := n.Digits()
	return d[:3] + "****" + d[7:]
}

// GoString masks too, so that %#v cannot leak.
func (n Number) GoString() string { return "partition.Number(" + n.String() + ")" }

// Format masks under every verb, %d included.
func (n Number) Format(s fmt.State, verb rune) {
	if verb == 'v' && s.Flag('#') {
		_, _ = s.Write([]byte(n.GoString()))
		return
	}
	_, _ = s.Write([]byte(n.String()))
}

// MarshalText masks in JSON, values and keys alike: a structured log writes what
// it is given as JSON. What is masked cannot be read back, and is not meant to be.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// Digits returns the eleven digits. Only files of the user's own and output
// the user asked for unmasked may carry them.
func (n Number) Digits() string { return strconv.FormatUint(uint64(n), 10) }

// Segment returns the seven-digit prefix.
func (n Number) Segment() Segment { return Segment(n / LinesPerSegment) }

// Segment is a 号段, the first seven digits of a number. A segment is not a
// subscriber number and may be printed.
type Segment uint32

// First returns the segment's lowest number.
func (s Segment) First() Number { return Number(s) * LinesPerSegment }

// Past returns the number after the segment's highest.
func (s Segment) Past() Number { return (Number(s) + 1) * LinesPerSegment }

// Range is the half-open range of numbers [First, Past).
type Range struct {
	First Number `cbor:"1,keyasint"`
	Past  Number `cbor:"2,keyasint"`
}

// Whole is the range of every number.
var Whole = Range{First: FirstNumber, Past: PastNumber}

// Contains reports whether n lies in r.
func (r Range) Contains(n Number) bool { return n >= r.First && n < r.Past }

// Empty reports whether r holds no number.
func (r Range) Empty() bool { return r.First >= r.Past }

// Intersect returns the numbers in both ranges; it is Empty when there are none.
func (r Range) Intersect(o Range) Range {
	return Range{First: max(r.First, o.First), Past: min(r.Past, o.Past)}
}

// String prints the range by segments, 1380013-1380096. Ranges are cut between
// segments, so this loses nothing and names no subscriber.
func (r Range) String() string {
	if r.Empty() {
		return "empty"
	}
	return fmt.Sprintf("%07d-%07d", uint64(r.First)/LinesPerSegment, (uint64(r.Past)-1)/LinesPerSegment)
}

// MarshalText returns what String does, so that JSON shows ranges by segments.
func (r Range) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (r *Range) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRange(string(text))
	return err
}

// ErrRange is returned for text that is no range of segments.
var ErrRange = errors.New("not a range of segments, such as 1380013-1380096")

// ParseRange reads a range as String prints it, 1380013-1380096, or one segment.
func ParseRange(s string) (Range, error) {
	from, to, two := strings.Cut(s, "-")
	if !two {
		to = from
	}
	first, err := parseSegment(from)
	if err != nil {
		return Range{}, err
	}
	last, err := parseSegment(to)
	if err != nil {
		return Range{}, err
	}
	if first > last {
		return Range{}, fmt.Errorf("%w: it ends before it begins", ErrRange)
	}
	return Range{First: first.First(), Past: last.Past()}, nil
}

// parseSegment reads exactly seven ASCII digits of a segment in the number space.
func parseSegment(s string) (Segment, error) {
	if len(s) != 7 || strings.Trim(s, "0123456789") != "" {
		return 0, fmt.Errorf("%w: a segment has seven digits", ErrRange)
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRange, err)
	}
	if segment := Segment(n); segment.First().Valid() {
		return segment, nil
	}
	return 0, fmt.Errorf("%w: segments are from %d to %d", ErrRange, FirstNumber.Segment(), (PastNumber - 1).Segment())
}

// Join returns ranges in order, those that meet or overlap made one and empty ones
// left out: the same numbers always as the same list.
func Join(ranges []Range) []Range {
	sorted := slices.SortedFunc(slices.Values(ranges), func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	var out []Range
	for _, r := range sorted {
		switch n := len(out); {
		case r.Empty():
		case n > 0 && r.First <= out[n-1].Past:
			out[n-1].Past = max(out[n-1].Past, r.Past)
		default:
			out = append(out, r)
		}
	}
	return out
}

// CheckCover returns an error unless parts, in order, cover whole exactly:
// no gap, no overlap, nothing empty, nothing outside (invariant I1).
func CheckCover(whole Range, parts []Range) error {
	if len(parts) == 0 {
		return errors.New("no range covers the number space")
	}
	next := whole.First
	for i, p := range parts {
		switch {
		case p.Empty():
			return fmt.Errorf("range %d is empty", i)
		case p.First > next:
			return fmt.Errorf("gap before range %d (%s)", i, p)
		case p.First < next:
			return fmt.Errorf("range %d (%s) overlaps the one before", i, p)
		}
		next = p.Past
	}
	if next != whole.Past {
		return fmt.Errorf("the last range (%s) does not reach the end", parts[len(parts)-1])
	}
	return nil
}
