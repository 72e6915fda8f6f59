package sink

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go/format"
)

// TestValuesAreHeldAsTheyWereTaken, whether they are a number of one value or not.
func TestValuesAreHeldAsTheyWereTaken(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(22, 1))
	for range 2000 {
		var got held[int32]
		var want []int32
		for range r.IntN(6) {
			batch := make([]int32, r.IntN(70))
			v := int32(r.IntN(2)) - 1
			for i := range batch {
				batch[i] = v
			}
			if len(batch) > 0 && r.IntN(3) == 0 {
				batch[r.IntN(len(batch))] = 7
			}
			switch r.IntN(4) {
			case 0:
				got.same(v, len(batch))
				fill(batch, v)
			case 1:
				copy(got.more(len(batch)), batch)
			default:
				got.add(batch)
			}
			want = append(want, batch...)
			same(t, "rows", got.len(), len(want))
		}
		constant := len(want) > 0 && len(slices.Compact(slices.Clone(want))) == 1
		if got.ones > 0 && !constant {
			t.Fatalf("%v are held as one value", want)
		}
		if !slices.Equal(got.all(), want) || got.len() != len(want) {
			t.Fatalf("%v are held as %v", want, got.values)
		}
		got.reset()
		same(t, "rows after a reset", got.len(), 0)
	}
}

// TestAColumnOfOneValueIsWrittenAsAnyOther: bytes, footer and tally do not show how it
// was held.
func TestAColumnOfOneValueIsWrittenAsAnyOther(t *testing.T) {
	t.Parallel()
	written := func(name string, c column, rows int) (format.ColumnMetaData, []int32, []int64, string) {
		var to bytes.Buffer
		e := newEncoder(newOutput(nullWriter{&to}), codecs["none"])
		defer e.release()
		e.chunk.begin(name, c.physical(), rows)
		check(t, c.encode(e.chunk))
		check(t, e.out.drain())
		return e.chunk.meta, slices.Clone(e.chunk.dict), slices.Clone(e.chunk.dictRows), to.String()
	}
	for _, name := range []string{"warn", "grade"} { // counted by value, and not
		for _, rows := range []int{1, 5, 8, 1000, pageRows + 3} {
			for _, value := range []int{0, 1, 2, 100, -1} {
				one := [][2]column{
					twice(uint8(value), rows, func(h held[uint8]) column { return &small[uint8]{held: h} }),
					twice(int8(value), rows, func(h held[int8]) column { return &small[int8]{held: h} }),
					twice(uint16(3*value), rows, func(h held[uint16]) column { return &narrow[uint16]{held: h} }),
					twice(int32(3000*value), rows, func(h held[int32]) column { return &narrow[int32]{held: h} }),
					twice(int64(value), rows, func(h held[int64]) column { return &wide[int64]{held: h, bounds: true} }),
					twice(uint64(value), rows, func(h held[uint64]) column { return &wide[uint64]{held: h} }),
				}
				for i, c := range one {
					meta, dict, counts, data := written(name, c[0], rows)
					meta1, dict1, counts1, data1 := written(name, c[1], rows)
					if data != data1 || !reflect.DeepEqual(meta, meta1) || !slices.Equal(dict, dict1) || !slices.Equal(counts, counts1) {
						t.Errorf("column %d: %d rows of %d are written otherwise where they are held as one value", i, rows, value)
					}
				}
			}
		}
	}
}

// twice makes a column of one value, held as that and value by value.
func twice[T uint8 | int8 | uint16 | int32 | uint64 | int64](value T, rows int, made func(held[T]) column) [2]column {
	return [2]column{made(held[T]{one: value, ones: rows}), made(held[T]{values: slices.Repeat([]T{value}, rows)})}
}
