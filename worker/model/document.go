package model

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// kind is what a value of a document is.
type kind uint8

const (
	kindObject kind = iota
	kindArray
	kindText
	kindNumber
	kindFlag
	kindNull
)

func (k kind) String() string {
	return [...]string{"an object", "an array", "a text", "a number", "a truth value", "null"}[k]
}

// depthMax is how deep objects and arrays may lie in one another. XGBoost's own
// files reach 7.
const depthMax = 32

// cursor walks a document once, value by value. JSON and UBJSON differ below it
// and are one above it. It holds no more than the document and a bounded stack:
// encoding/json knows no NaN, which XGBoost writes, and would box every number of
// a model in 24 bytes.
//
// Whoever learns the kind of the value that follows must take it, or skip it.
type cursor interface {
	// kind returns what the value that follows is.
	kind() (kind, error)
	// enter goes into an object or an array.
	enter(kind) error
	// next reports whether the innermost object or array has another member or
	// element; it leaves it when there is none.
	next() (bool, error)
	// key takes a member's name, which holds until the next call.
	key() ([]byte, error)
	// text takes a text, which holds until the next call.
	text() ([]byte, error)
	// pass takes a text and makes nothing of it.
	pass() error
	integer() (int64, error)
	// single takes a number as a float32, which may be infinite or NaN.
	single() (float32, error)
	flag() (bool, error)
	null() error
	// size returns how many elements the array just entered has, if it holds
	// numbers or truth values only, and never more than could lie in what is left
	// of the document.
	size() int
	// end proves that nothing follows.
	end() error
	// fork returns a cursor at the same place, to walk on from it again.
	fork() cursor
}

// fault says why a document was refused, without the place, which the loader
// adds. It never quotes the document.
type fault struct {
	problem     string
	unsupported bool
}

func (f *fault) Error() string { return f.problem }

func damaged(format string, args ...any) error { return &fault{problem: fmt.Sprintf(format, args...)} }

func refused(format string, args ...any) error {
	return &fault{problem: fmt.Sprintf(format, args...), unsupported: true}
}

var errCut = damaged("the file is cut short")

func errKind(want, got kind) error { return damaged("%s stands where %s should", got, want) }

func errDepth() error { return damaged("values lie more than %d deep in one another", depthMax) }

// skip takes a value of any kind.
func skip(c cursor) error {
	k, err := c.kind()
	if err != nil {
		return err
	}
	switch k {
	case kindObject, kindArray:
		if err := c.enter(k); err != nil {
			return err
		}
		for {
			more, err := c.next()
			if err != nil || !more {
				return err
			}
			if k == kindObject {
				if _, err := c.key(); err != nil {
					return err
				}
			}
			if err := skip(c); err != nil { // no deeper than depthMax
				return err
			}
		}
	case kindText:
		err = c.pass()
	case kindNumber:
		_, err = c.single()
	case kindFlag:
		_, err = c.flag()
	case kindNull:
		err = c.null()
	}
	return err
}

// array takes an array, of at most most elements, into dst, which it returns
// grown.
func array[T any](c cursor, dst []T, most int, take func() (T, error)) ([]T, error) {
	if err := c.enter(kindArray); err != nil {
		return nil, err
	}
	dst = dst[:0]
	if n := min(c.size(), most); n > cap(dst) {
		dst = slices.Grow(dst, max(n, min(2*cap(dst), most)))
	}
	for {
		more, err := c.next()
		if err != nil {
			return nil, err
		}
		if !more {
			return dst, nil
		}
		if len(dst) == most {
			return nil, refused("more than %d values", most)
		}
		x, err := take()
		if err != nil {
			var f *fault
			if errors.As(err, &f) && !errors.Is(err, errCut) {
				return nil, &fault{fmt.Sprintf("value %d: %s", len(dst), f.problem), f.unsupported}
			}
			return nil, err
		}
		dst = append(dst, x)
	}
}

// count takes an array without keeping it.
func count(c cursor) (int, error) {
	if err := c.enter(kindArray); err != nil {
		return 0, err
	}
	for n := 0; ; n++ {
		more, err := c.next()
		if err != nil || !more {
			return n, err
		}
		if err := skip(c); err != nil {
			return 0, err
		}
	}
}

// index takes an integer that fits an int32.
func index(c cursor) func() (int32, error) {
	return func() (int32, error) {
		n, err := c.integer()
		if err == nil && (n < math.MinInt32 || n > math.MaxInt32) {
			err = damaged("the integer is out of range")
		}
		return int32(n), err
	}
}

// choice takes a truth value, which may be written as 0 or 1.
func choice(c cursor) func() (bool, error) {
	return func() (bool, error) {
		k, err := c.kind()
		if err != nil {
			return false, err
		}
		if k == kindFlag {
			return c.flag()
		}
		n, err := c.integer()
		if err == nil && n != 0 && n != 1 {
			err = damaged("neither 0 nor 1")
		}
		return n == 1, err
	}
}
