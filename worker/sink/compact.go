package sink

import (
	"encoding/binary"
	"errors"
)

// checkCompact walks a struct in Thrift's compact protocol and returns an error
// unless every length in it is covered by bytes that are there. The decoder
// makes room for a list by its claimed length before it reads the first
// element: one flipped bit in a footer could ask for terabytes.
func checkCompact(b []byte) error {
	w := compact{rest: b}
	w.structure(0)
	if w.bad || len(w.rest) > 0 {
		return errors.New("lengths do not add up")
	}
	return nil
}

type compact struct {
	rest []byte
	bad  bool
}

// nestingMax is deeper than any Parquet footer.
const nestingMax = 16

func (w *compact) take(n uint64) []byte {
	if w.bad || n > uint64(len(w.rest)) {
		w.bad, w.rest = true, nil
		return nil
	}
	taken := w.rest[:n]
	w.rest = w.rest[n:]
	return taken
}

func (w *compact) byte() byte {
	if b := w.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (w *compact) varint() uint64 {
	v, n := binary.Uvarint(w.rest)
	if n <= 0 {
		w.bad, w.rest = true, nil
		return 0
	}
	w.take(uint64(n))
	return v
}

func (w *compact) structure(depth int) {
	for !w.bad {
		header := w.byte()
		if header == 0 {
			return // the end, or no more bytes: then bad is set
		}
		if header>>4 == 0 {
			w.varint() // field number in full
		}
		if kind := header & 15; kind > 2 { // 1 and 2 are true and false: no bytes
			w.value(kind, depth+1)
		}
	}
}

func (w *compact) value(kind byte, depth int) {
	if depth > nestingMax {
		w.bad = true
	}
	if w.bad {
		return
	}
	switch kind {
	case 1, 2, 3: // a boolean in a list, a byte
		w.take(1)
	case 4, 5, 6: // integers
		w.varint()
	case 7: // double
		w.take(8)
	case 8: // bytes
		w.take(w.varint())
	case 9, 10: // list, set
		header := w.byte()
		n := uint64(header >> 4)
		if n == 15 {
			n = w.varint()
		}
		if n > uint64(len(w.rest)) { // an element takes a byte at least
			w.bad = true
		}
		for ; n > 0 && !w.bad; n-- {
			w.value(header&15, depth+1)
		}
	case 12:
		w.structure(depth)
	default: // maps do not occur in Parquet
		w.bad = true
	}
}
