package partition

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Sum is an order-independent 128-bit digest of a multiset of 64-bit hashes:
// two lanes, each the sum modulo 2^64 of differently mixed terms. Sums of parts
// add up to the sum of the whole, so it does not depend on how a base is
// partitioned or in which order partitions finish.
//
// It proves that two honest sides saw the same rows; it is not a cryptographic
// commitment, and files carry SHA-256 beside it.
type Sum struct {
	Hi uint64 `cbor:"1,keyasint"`
	Lo uint64 `cbor:"2,keyasint"`
}

// Add returns s + o.
func (s Sum) Add(o Sum) Sum { return Sum{Hi: s.Hi + o.Hi, Lo: s.Lo + o.Lo} }

// Sub returns s without o, which was counted in s.
func (s Sum) Sub(o Sum) Sum { return Sum{Hi: s.Hi - o.Hi, Lo: s.Lo - o.Lo} }

// AddHash returns s with the 64-bit hash h counted once more.
func (s Sum) AddHash(h uint64) Sum {
	return Sum{Hi: s.Hi + Mix(h^0x9e3779b97f4a7c15), Lo: s.Lo + Mix(h^0xd1b54a32d192ed03)}
}

// SumOf returns the sum of hashes, each counted once: what AddHash gives, many at a time.
func SumOf(hashes []uint64) (s Sum) {
	if n := len(hashes) / 16; vectors && n > 0 {
		var lanes [2][8]uint64
		mix512(&lanes, &hashes[0], n)
		for i := range 8 {
			s.Hi, s.Lo = s.Hi+lanes[0][i], s.Lo+lanes[1][i]
		}
		hashes = hashes[16*n:]
	}
	for _, h := range hashes {
		s = s.AddHash(h)
	}
	return s
}

// AddNumber returns s with the subscriber n counted once more.
func (s Sum) AddNumber(n Number) Sum { return s.AddHash(uint64(n)) }

// String returns 32 hexadecimal digits.
func (s Sum) String() string { return fmt.Sprintf("%016x%016x", s.Hi, s.Lo) }

// MarshalText writes the hexadecimal form: as JSON numbers the lanes would lose
// digits in readers that have float64 alone.
func (s Sum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Sum) UnmarshalText(text []byte) error {
	var lanes [16]byte
	if len(text) != 2*len(lanes) {
		return fmt.Errorf("read sum of %d characters: 32 hexadecimal digits are needed", len(text))
	}
	if _, err := hex.Decode(lanes[:], text); err != nil {
		return fmt.Errorf("read sum: %w", err)
	}
	s.Hi, s.Lo = binary.BigEndian.Uint64(lanes[:8]), binary.BigEndian.Uint64(lanes[8:])
	return nil
}

// Mix is the finaliser of SplitMix64: a bijection of the 64-bit integers in
// which every input bit reaches every output bit. (Steele, Lea, Flood 2014.)
func Mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return x
}
