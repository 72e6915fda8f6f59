package sink

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/worker/kernel/kerneltest"
)

// byEveryPath runs a test on each path that this processor has.
func byEveryPath(t *testing.T, f func(t *testing.T)) {
	best := chosen
	defer func() { chosen = best }()
	for _, way := range processors() {
		chosen = way
		t.Run(way.String(), f)
	}
}

// magnitudes are n values, those of every magnitude alike.
func magnitudes[T uint8 | int8 | uint16 | int32 | uint32 | uint64 | int64](r *rand.Rand, n int) []T {
	values := make([]T, n)
	for i := range values {
		if values[i] = T(r.Uint64() >> r.UintN(64)); r.IntN(2) == 0 {
			values[i] = -values[i]
		}
	}
	return values
}

// TestEveryPathSumsUpTheSame holds what each processor does to what a row is defined
// to count.
func TestEveryPathSumsUpTheSame(t *testing.T) {
	byEveryPath(t, func(t *testing.T) {
		weighsAsDefined[uint8](t)
		weighsAsDefined[int8](t)
		weighsAsDefined[uint16](t)
		weighsAsDefined[int32](t)
		weighsAsDefined[uint32](t)
		weighsAsDefined[uint64](t)
		weighsAsDefined[int64](t)
	})
}

func weighsAsDefined[T uint8 | int8 | uint16 | int32 | uint32 | uint64 | int64](t *testing.T) {
	t.Helper()
	r := rand.New(rand.NewPCG(17, uint64(unsafe.Sizeof(T(0)))))
	for n := range 200 {
		values, h, want := magnitudes[T](r, n+3), magnitudes[uint64](r, n), make([]uint64, n)
		k := r.Uint64() >> r.UintN(64)
		first := r.IntN(4)
		for i := range h {
			want[i] = h[i] + k*uint64(int64(values[first+i]))
		}
		weighInts(h, k, values[first:])
		if !slices.Equal(h, want) {
			t.Fatalf("%d values of %T are weighed otherwise", n, values[0])
		}
	}
}

// TestEveryPathSumsUpRowsAsDefined, whatever the columns hold, of one value or not.
func TestEveryPathSumsUpRowsAsDefined(t *testing.T) {
	extremes := []uint64{0, 1, 1<<7 - 1, 1 << 7, 1<<8 - 1, 1<<15 - 1, 1 << 15, 1<<16 - 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 63, 1<<64 - 1}
	// As many as a job may have: nobody is refused for the room there is for columns.
	var challengers []string
	for i := range job.ChallengersMax {
		challengers = append(challengers, string(rune('a'+i)))
	}
	l := layoutsOf(challengers).published
	byEveryPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(18, 1))
		for trial := range 60 {
			g := newGroup(l, 0, nil)
			g.rows = 1 + r.IntN([]int{40, 3 * sumBlock}[trial%2])
			bits := make([][]uint64, len(g.columns)) // of each value, with its sign
			for i, c := range g.columns {
				alike := r.IntN(4) == 0
				one := r.Uint64()
				bits[i] = set(t, c, g.rows, func() uint64 {
					switch {
					case alike:
						return one
					case trial < 4:
						return 1<<64 - 1
					case r.IntN(2) == 0:
						return extremes[r.IntN(len(extremes))]
					}
					return r.Uint64()
				})
			}
			first := r.IntN(g.rows + 1)
			var want partition.Sum
			for _, terms := range l.sums {
				for row := first; row < g.rows; row++ {
					var h uint64
					for _, term := range terms {
						h += bits[term.column][row] * term.factor
					}
					want = want.AddHash(h)
				}
			}
			same(t, "the sum of rows", g.rowSum(first), want)
		}
	})
}

// set gives a column values, and returns them as 64 bits.
func set(t *testing.T, c column, rows int, next func() uint64) (bits []uint64) {
	for range rows {
		v := next()
		switch c := c.(type) {
		case *small[uint8]:
			c.add([]uint8{uint8(v)})
			v = uint64(uint8(v))
		case *small[int8]:
			c.add([]int8{int8(v)})
			v = uint64(int8(v))
		case *narrow[uint16]:
			c.add([]uint16{uint16(v)})
			v = uint64(uint16(v))
		case *narrow[int32]:
			c.add([]int32{int32(v)})
			v = uint64(int32(v))
		case *wide[int64]:
			c.add([]int64{int64(v)})
		case *wide[uint64]:
			c.add([]uint64{v})
		case *real:
			c.values = append(c.values, math.Float32frombits(uint32(v)))
			v = uint64(uint32(v))
		default:
			t.Fatalf("a column of type %T", c)
		}
		bits = append(bits, v)
	}
	return bits
}

// TestQuadsAreSummedUpAsDefined, as many as there may be, of the largest bytes and digits, in
// memory that ends where they do.
func TestQuadsAreSummedUpAsDefined(t *testing.T) {
	if processors()[len(processors())-1] != avx512 {
		t.Skip("this processor has none of the instructions")
	}
	r := rand.New(rand.NewPCG(23, 1))
	const rows = 96
	for trial := range 200 {
		var parts []part
		var values [][]uint64
		for len(parts) < 1+trial*quadsMax/199 {
			kind := r.IntN(kind64)
			size := kindBytes[kind]
			memory := kerneltest.Guarded(t, rows*size)
			for i := range memory {
				if memory[i] = uint8(r.Uint32()); trial%2 == 0 {
					memory[i] = 255
				}
			}
			list := make([]uint64, rows)
			for i := range list {
				for k := range size {
					list[i] |= uint64(memory[i*size+k]) << (8 * k)
				}
				if kind == kindInt8 || kind == kindInt32 {
					list[i] = uint64(int64(list[i]<<(64-8*size)) >> (64 - 8*size))
				}
			}
			values = append(values, list)
			factor := []uint64{0x7f7f7f7f7f7f7f7f, 0x7f7f7f7f7f7f7f80, r.Uint64()}[trial%3] // digits of 127, of -128
			parts = append(parts, part{kind, unsafe.Pointer(&memory[0]), factor})
		}
		var q quads
		q.gather(parts)
		same, at := r.Uint64(), 32*r.IntN(3)
		h, want := make([]uint64, rows-at), make([]uint64, rows-at)
		for i := range want {
			want[i] = same
			for k, p := range parts {
				want[i] += p.factor * values[k][at+i]
			}
		}
		if done := q.sum(h, same, at); done != len(h) || !slices.Equal(h, want) {
			t.Fatalf("%d columns are summed up otherwise", len(parts))
		}
	}
}
