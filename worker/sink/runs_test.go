package sink

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/rle"
)

// madeUp are codes below 1<<width with stretches of one code, such as columns have.
func madeUp(r *rand.Rand, n, width int) []uint16 {
	codes := make([]uint16, 0, n)
	for len(codes) < n {
		code := uint16(r.UintN(1 << width))
		times := 1
		if r.IntN(4) == 0 {
			times = 1 + r.IntN(40)
		}
		for range min(times, n-len(codes)) {
			codes = append(codes, code)
		}
	}
	return codes
}

func low[C uint8 | uint16](codes []uint16) []C {
	var list []C
	for _, c := range codes {
		list = append(list, C(c))
	}
	return list
}

// TestCodesAreReadAsParquetGoReadsThem holds what is written to another reader, and
// what is read to another writer.
func TestCodesAreReadAsParquetGoReadsThem(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(15, 1))
	rows := 400_000
	if os.Getenv("RESCORE_LONG") != "" {
		rows *= 25
	}
	for width := 1; width <= codeBitsMax; width++ {
		for left := rows / codeBitsMax; left > 0; {
			n := 1 + r.IntN(300)
			if r.IntN(20) == 0 {
				n = 1 + r.IntN(5000)
			}
			left -= n
			codes := madeUp(r, n, width)
			if r.IntN(10) == 0 {
				codes = slices.Repeat(codes[:1], n)
			}
			var page []byte
			if width <= 8 {
				page = appendCodes([]byte{9}, low[uint8](codes), width)[1:]
			} else {
				page = appendCodes([]byte{9}, codes, width)[1:]
			}
			e := rle.Encoding{BitWidth: width}
			got, err := e.DecodeInt32(nil, page)
			check(t, err)
			if len(got) < n || len(got) > n+7 || !slices.Equal(low16(got[:n]), codes) {
				t.Fatalf("%d codes of %d bits: another reader sees others", n, width)
			}
			own := func(page []byte) {
				t.Helper()
				if width <= 8 {
					back := make([]uint8, n)
					check(t, readCodes(back, page, width, new([]byte)))
					if !bytes.Equal(back, low[uint8](codes)) {
						t.Fatalf("%d codes of %d bits are read as bytes otherwise", n, width)
					}
				}
				back := make([]uint16, n)
				check(t, readCodes(back, page, width, new([]byte)))
				if !slices.Equal(back, codes) {
					t.Fatalf("%d codes of %d bits are read otherwise", n, width)
				}
			}
			own(page)
			wide := make([]int32, n)
			for i, c := range codes {
				wide[i] = int32(c)
			}
			theirs, err := e.EncodeInt32(nil, wide)
			check(t, err)
			own(theirs)
			if len(page) > len(theirs)+n/64+4+width {
				t.Fatalf("%d codes of %d bits take %d bytes, %d by another writer", n, width, len(page), len(theirs))
			}
		}
	}
}

func low16(codes []int32) []uint16 {
	var list []uint16
	for _, c := range codes {
		list = append(list, uint16(c))
	}
	return list
}

func TestCodesPastTheirDictionaryAreFound(t *testing.T) {
	byEveryPath(t, func(t *testing.T) {
		for width := 1; width <= 8; width++ {
			for known := 1; known < 1<<width; known++ {
				for _, n := range []int{1, 7, 8, 21, 64, 150} {
					codes := bytes.Repeat([]byte{byte(known - 1)}, n)
					if anyFrom(codes, known, width) {
						t.Fatalf("%s: code %d of %d is past the end", chosen, known-1, known)
					}
					codes[n/2] = byte(known)
					if !anyFrom(codes, known, width) {
						t.Fatalf("%s: code %d of %d is not past the end", chosen, known, known)
					}
				}
			}
		}
	})
}

// Whatever the bytes, codes are read or refused.
func FuzzAnyRunsAreReadOrRefused(f *testing.F) {
	r := rand.New(rand.NewPCG(16, 1))
	for _, width := range []int{1, 3, 8, 11} {
		codes := madeUp(r, 100, width)
		if width <= 8 {
			f.Add(appendCodes(nil, low[uint8](codes), width), uint8(width), uint16(100))
		} else {
			f.Add(appendCodes(nil, codes, width), uint8(width), uint16(100))
		}
	}
	f.Fuzz(func(t *testing.T, page []byte, width uint8, n uint16) {
		if width < 1 || width > codeBitsMax {
			return
		}
		codes := make([]uint16, n)
		err := readCodes(codes, page, int(width), new([]byte))
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("%v is none of the sink's errors", err)
		}
		if err == nil && n > 0 && int(slices.Max(codes))>>width != 0 {
			t.Fatal("a code of too many bits")
		}
		if width <= 8 {
			small := make([]uint8, n)
			if again := readCodes(small, page, int(width), new([]byte)); (again == nil) != (err == nil) || err == nil && !slices.Equal(low[uint8](codes), small) {
				t.Fatalf("as bytes: %v, as 16 bits: %v", again, err)
			}
		}
	})
}
