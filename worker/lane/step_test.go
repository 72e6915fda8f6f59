package lane

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"rescore/worker/kernel/kerneltest"
)

// bed is memory for the slices of one call of a step. Every slice ends where its
// region ends.
type bed struct {
	tb      testing.TB
	regions [][]byte
	taken   int
}

func take[T Number | float32 | Mask](b *bed, n int) []T {
	if b.taken == len(b.regions) {
		b.regions = append(b.regions, kerneltest.Guarded(b.tb, Rows*8))
	}
	r := b.regions[b.taken]
	b.taken++
	var v T
	size := int(unsafe.Sizeof(v))
	if n == 0 {
		return []T{}
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&r[len(r)-n*size])), n)
}

func column[T Number](b *bed, r *rand.Rand, n int) []T {
	x := take[T](b, n)
	for i := range x {
		x[i] = draw[T](r)
	}
	return x
}

func mask(b *bed, r *rand.Rand) *Mask {
	m := &take[Mask](b, 1)[0]
	for i := range m {
		m[i] = r.Uint64()
	}
	return m
}

// draw is often an end of T's range or one of a few small values, so that columns
// agree in some rows, and otherwise any bits at all.
func draw[T Number](r *rand.Rand) T {
	var v T
	if f, ok := any(&v).(*float64); ok {
		odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 5e-324, math.MaxFloat64, -math.MaxFloat64, 1, -1, 0.1, 1.5}
		switch r.IntN(4) {
		case 0, 1:
			*f = odd[r.IntN(len(odd))]
		case 2:
			*f = float64(r.IntN(7) - 3)
		default:
			*f = math.Float64frombits(r.Uint64())
		}
		return v
	}
	size := 8 * uint(unsafe.Sizeof(v))
	switch r.IntN(4) {
	case 0: // the ends
		ends := []uint64{0, ^uint64(0), 1 << (size - 1), 1<<(size-1) - 1, 1}
		return T(ends[r.IntN(len(ends))])
	case 1:
		return T(r.IntN(7))
	case 2: // few bits, anywhere
		return T(r.Uint64() >> r.IntN(64))
	default:
		return T(r.Uint64())
	}
}

// agree says whether two values are the same bits, or both NaN: which NaN a step
// gives is not defined.
func agree[T Number](a, b T) bool { return raw(a) == raw(b) || a != a && b != b }

func sameMask(t *testing.T, step string, got *Mask, n int, want func(i int) bool) {
	t.Helper()
	for i := range n {
		if got.Get(i) != want(i) {
			t.Fatalf("%s, row %d of %d: %v, want %v", step, i, n, got.Get(i), want(i))
		}
	}
}

func same[T Number](t *testing.T, step string, got []T, want func(i int) T) {
	t.Helper()
	for i := range got {
		if w := want(i); !agree(got[i], w) {
			t.Fatalf("%s of %T, row %d of %d: %v, want %v", step, got, i, len(got), got[i], w)
		}
	}
}

// three calls do with dst apart from x and y, as x and as y.
func three[T Number](t *testing.T, b *bed, step string, x, y []T, do func(dst, x, y []T), want func(a, b T) T) {
	t.Helper()
	w := make([]T, len(x))
	for i := range w {
		w[i] = want(x[i], y[i])
	}
	keepX, keepY := slices.Clone(x), slices.Clone(y)
	dst := take[T](b, len(x))
	do(dst, x, y)
	same(t, step, dst, func(i int) T { return w[i] })
	do(x, x, y)
	same(t, step+" into x", x, func(i int) T { return w[i] })
	copy(x, keepX)
	do(y, x, y)
	same(t, step+" into y", y, func(i int) T { return w[i] })
	copy(y, keepY)
}

// two does the same for a step of one column.
func two[T Number](t *testing.T, b *bed, step string, x []T, do func(dst, x []T), want func(a T) T) {
	t.Helper()
	three(t, b, step, x, x, func(dst, x, _ []T) { do(dst, x) }, func(a, _ T) T { return want(a) })
}

// onEachPath runs f for every length of a chunk on every path.
func onEachPath(t *testing.T, f func(t *testing.T, b *bed, r *rand.Rand, n int)) {
	best := chosen
	defer func() { chosen = best }()
	for _, p := range paths() {
		t.Run(p.String(), func(t *testing.T) {
			chosen = p
			b, r := &bed{tb: t}, rand.New(rand.NewPCG(1, 2))
			for n := 0; n <= Rows; n++ {
				b.taken = 0
				f(t, b, r, n)
			}
		})
	}
}

func number[T Number](t *testing.T) {
	t.Run(fmt.Sprintf("%T", *new(T)), func(t *testing.T) {
		onEachPath(t, func(t *testing.T, b *bed, r *rand.Rand, n int) {
			x, y, m, dst := column[T](b, r, n), column[T](b, r, n), mask(b, r), mask(b, r)
			c := draw[T](r)
			if n > 0 && r.IntN(2) == 0 {
				c = x[r.IntN(n)]
			}
			Less(dst, x, c)
			sameMask(t, "Less", dst, n, func(i int) bool { return x[i] < c })
			AtMost(dst, x, c)
			sameMask(t, "AtMost", dst, n, func(i int) bool { return x[i] <= c })
			Equal(dst, x, c)
			sameMask(t, "Equal", dst, n, func(i int) bool { return x[i] == c })
			LessThan(dst, x, y)
			sameMask(t, "LessThan", dst, n, func(i int) bool { return x[i] < y[i] })
			EqualTo(dst, x, y)
			sameMask(t, "EqualTo", dst, n, func(i int) bool { return x[i] == y[i] })

			chosenOf := func(i int) T {
				if m.Get(i) {
					return x[i]
				}
				return y[i]
			}
			out := take[T](b, n)
			Select(out, m, x, y)
			same(t, "Select", out, chosenOf)
			copy(out, x)
			Select(out, m, out, y)
			same(t, "Select into x", out, chosenOf)
			copy(out, y)
			Select(out, m, x, out)
			same(t, "Select into y", out, chosenOf)
			copy(out, x)
			Put(out, m, c)
			same(t, "Put", out, func(i int) T {
				if m.Get(i) {
					return c
				}
				return x[i]
			})
		})
	})
}

func TestColumnsOfEveryTypeAreComparedAndChosenAsOneRowAtATime(t *testing.T) {
	number[int8](t)
	number[int16](t)
	number[int32](t)
	number[int64](t)
	number[uint8](t)
	number[uint16](t)
	number[uint32](t)
	number[uint64](t)
	number[float64](t)
}

func integer[T Integer](t *testing.T) {
	t.Run(fmt.Sprintf("%T", *new(T)), func(t *testing.T) {
		onEachPath(t, func(t *testing.T, b *bed, r *rand.Rand, n int) {
			x, known, dst := column[T](b, r, n), mask(b, r), mask(b, r)
			k := r.UintN(65)
			Bit(dst, x, k)
			sameMask(t, fmt.Sprintf("Bit %d", k), dst, n, func(i int) bool { return k < 8*uint(unsafe.Sizeof(x[i])) && x[i]>>k&1 == 1 })

			f, otherwise := take[float64](b, n), draw[float64](r)
			Float(f, x, known, otherwise)
			same(t, "Float", f, func(i int) float64 {
				if known.Get(i) {
					return float64(x[i])
				}
				return otherwise
			})
			sum := column[float64](b, r, n)
			before := slices.Clone(sum)
			AddFloat(sum, x, known)
			same(t, "AddFloat", sum, func(i int) float64 {
				if known.Get(i) {
					return before[i] + float64(x[i])
				}
				return before[i]
			})
			w, other := take[int64](b, n), draw[int64](r)
			Int(w, x, known, other)
			same(t, "Int", w, func(i int) int64 {
				if known.Get(i) {
					return int64(x[i])
				}
				return other
			})
			code := func(i int) T {
				if known.Get(i) {
					return x[i]
				}
				return 0
			}
			codes := take[T](b, n)
			Code(codes, x, known)
			same(t, "Code", codes, code)
			copy(codes, x)
			Code(codes, codes, known)
			same(t, "Code in place", codes, code)
		})
	})
}

func TestIntegersOfEveryTypeAreTakenApartAndConvertedAsOneRowAtATime(t *testing.T) {
	integer[int8](t)
	integer[int16](t)
	integer[int32](t)
	integer[int64](t)
	integer[uint8](t)
	integer[uint16](t)
	integer[uint32](t)
	integer[uint64](t)
}

func sums[T int64 | float64](t *testing.T, b *bed, r *rand.Rand, n int) {
	x, y, c := column[T](b, r, n), column[T](b, r, n), draw[T](r)
	three(t, b, "Add", x, y, Add[T], func(a, b T) T { return a + b })
	three(t, b, "Sub", x, y, Sub[T], func(a, b T) T { return a - b })
	two(t, b, "AddTo", x, func(dst, x []T) { AddTo(dst, x, c) }, func(a T) T { return a + c })
	two(t, b, "Scale", x, func(dst, x []T) { Scale(dst, x, c) }, func(a T) T { return a * c })
}

func TestArithmeticIsOneOperationARow(t *testing.T) {
	lesser := func(a, b float64) float64 {
		switch {
		case a != a || b != b:
			return math.NaN()
		case a < b || a == b && math.Signbit(a):
			return a
		}
		return b
	}
	greater := func(a, b float64) float64 {
		switch {
		case a != a || b != b:
			return math.NaN()
		case a > b || a == b && !math.Signbit(a):
			return a
		}
		return b
	}
	onEachPath(t, func(t *testing.T, b *bed, r *rand.Rand, n int) {
		sums[int64](t, b, r, n)
		sums[float64](t, b, r, n)
		x, y := column[float64](b, r, n), column[float64](b, r, n)
		three(t, b, "Mul", x, y, Mul, func(a, b float64) float64 { return a * b })
		three(t, b, "Div", x, y, Div, func(a, b float64) float64 { return a / b })
		three(t, b, "Min", x, y, Min, lesser)
		three(t, b, "Max", x, y, Max, greater)
		two(t, b, "Abs", x, Abs, math.Abs)
		two(t, b, "Sqrt", x, Sqrt, math.Sqrt)
		dst := mask(b, r)
		Known(dst, x)
		sameMask(t, "Known", dst, n, func(i int) bool { return !math.IsNaN(x[i]) })
	})
}

func TestFloatRoundsLargeIntegersToTheNearestEven(t *testing.T) {
	var x []uint64
	for shift := range 64 {
		for _, near := range []uint64{0, 1, 2, 3} {
			top := uint64(1) << shift
			x = append(x, top+near, top-near, ^(top + near), top|top>>52|near, top|top>>53|near, top|top>>52|top>>53, top|top>>53|1)
		}
	}
	for len(x)%64 != 0 {
		x = append(x, ^uint64(0))
	}
	var all Mask
	all.Fill(true)
	exact := func(v *big.Int) float64 {
		f, _ := new(big.Float).SetMode(big.ToNearestEven).SetPrec(53).SetInt(v).Float64()
		return f
	}
	best := chosen
	defer func() { chosen = best }()
	for _, p := range paths() {
		chosen = p
		for chunk := range slices.Chunk(x, 64) {
			signed := make([]int64, len(chunk))
			for i, v := range chunk {
				signed[i] = int64(v)
			}
			f := make([]float64, len(chunk))
			Float(f, chunk, &all, 0)
			same(t, p.String()+" Float of uint64", f, func(i int) float64 { return exact(new(big.Int).SetUint64(chunk[i])) })
			Float(f, signed, &all, 0)
			same(t, p.String()+" Float of int64", f, func(i int) float64 { return exact(big.NewInt(signed[i])) })
		}
	}
}

func TestMaskBecomesFlagsAndCounts(t *testing.T) {
	onEachPath(t, func(t *testing.T, b *bed, r *rand.Rand, n int) {
		m, bytes, floats := mask(b, r), take[uint8](b, n), take[float64](b, n)
		Flag(bytes, m)
		same(t, "Flag", bytes, func(i int) uint8 {
			if m.Get(i) {
				return 1
			}
			return 0
		})
		Flag(floats, m)
		same(t, "Flag", floats, func(i int) float64 {
			if m.Get(i) {
				return 1
			}
			return 0
		})
		before := column[uint8](b, r, n)
		copy(bytes, before)
		Count(bytes, m)
		same(t, "Count", bytes, func(i int) uint8 {
			if m.Get(i) {
				return before[i] + 1
			}
			return before[i]
		})
	})
}

func TestBytesAreLookedUpInATable(t *testing.T) {
	var table [64]uint8
	for i := range table {
		table[i] = uint8(i*i*7 + 3)
	}
	onEachPath(t, func(t *testing.T, b *bed, r *rand.Rand, n int) {
		guarded := take[uint8](b, len(table))
		copy(guarded, table[:])
		two(t, b, "Look", column[uint8](b, r, n), func(dst, x []uint8) { Look(dst, x, (*[64]uint8)(guarded)) },
			func(a uint8) uint8 { return table[a%64] })
	})
}

func TestFloatsAreRoundedToIntegersHalvesToEven(t *testing.T) {
	onEachPath(t, func(t *testing.T, b *bed, r *rand.Rand, n int) {
		x, dst := take[float64](b, n), take[int64](b, n)
		for i := range x {
			switch r.IntN(4) {
			case 0:
				x[i] = float64(r.IntN(41)-20) / 2
			case 1:
				x[i] = math.Copysign(0, -1)
			case 2: // of every size, up to the ends
				x[i] = max(-0x1p63, min(0x1.fffffffffffffp62, math.Ldexp(r.Float64()*2-1, r.IntN(65))))
			default:
				x[i] = float64(int64(r.Uint64()>>r.IntN(64))) * 0.5
			}
		}
		Round(dst, x)
		same(t, "Round", dst, func(i int) int64 {
			whole, part := math.Modf(x[i])
			n := int64(whole)
			if part = math.Abs(part); part > 0.5 || part == 0.5 && n%2 != 0 {
				if math.Signbit(x[i]) {
					return n - 1
				}
				return n + 1
			}
			return n
		})
	})
}

func TestFloatsAreWidened(t *testing.T) {
	onEachPath(t, func(t *testing.T, b *bed, r *rand.Rand, n int) {
		x, dst := take[float32](b, n), take[float64](b, n)
		for i := range x {
			x[i] = math.Float32frombits(r.Uint32() >> r.IntN(32))
		}
		Widen(dst, x)
		same(t, "Widen", dst, func(i int) float64 { return float64(x[i]) })
	})
}

func packed[T uint8 | uint16 | uint32 | uint64](t *testing.T, b *bed, r *rand.Rand, n int) {
	b.taken = 0
	masks := make([]*Mask, r.IntN(8*int(unsafe.Sizeof(T(0)))+1))
	for k := range masks {
		if r.IntN(4) != 0 {
			masks[k] = mask(b, r)
		}
	}
	dst := column[T](b, r, n)
	Pack(dst, masks)
	for k, m := range masks {
		for i, v := range dst {
			if v>>k&1 == 1 != (m != nil && m.Get(i)) {
				t.Fatalf("Pack of %d masks into %T, row %d of %d: bit %d is wrong", len(masks), dst, i, n, k)
			}
		}
	}
	for i, v := range dst {
		if uint64(v)>>len(masks) != 0 {
			t.Fatalf("Pack of %d masks into %T, row %d of %d: %x has a bit of no mask", len(masks), dst, i, n, v)
		}
	}
	x := column[T](b, r, n)
	Unpack(masks, x)
	for k, m := range masks {
		if m != nil {
			sameMask(t, fmt.Sprintf("Unpack of %T, mask %d of %d", x, k, len(masks)), m, n, func(i int) bool { return x[i]>>k&1 == 1 })
		}
	}
}

func TestMasksArePackedIntoRowsAndUnpacked(t *testing.T) {
	onEachPath(t, func(t *testing.T, b *bed, r *rand.Rand, n int) {
		packed[uint8](t, b, r, n)
		packed[uint16](t, b, r, n)
		packed[uint32](t, b, r, n)
		packed[uint64](t, b, r, n)
	})
}

func TestTooLongAChunkIsRefused(t *testing.T) {
	best := chosen
	defer func() { chosen = best }()
	for _, p := range paths() {
		chosen = p
		for _, n := range []int{Rows + 1, Rows + 64, 4 * Rows} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%v: Less of %d rows wrote past its mask", p, n)
					}
				}()
				var m Mask
				Less(&m, make([]int32, n), 1)
			}()
		}
	}
}

func TestStepsAllocateNothing(t *testing.T) {
	x8, x64, y64 := make([]uint8, Rows), make([]int64, Rows), make([]int64, Rows)
	f, g, rows := make([]float64, Rows), make([]float64, Rows), make([]uint16, Rows)
	best := chosen
	defer func() { chosen = best }()
	for _, p := range paths() {
		chosen = p
		allocs := testing.AllocsPerRun(10, func() {
			var a, b, c Mask
			Less(&a, x64, 3)
			AtMost(&b, f, 3)
			Equal(&c, x8, 3)
			LessThan(&c, x64, y64)
			Bit(&b, x8, 3)
			Known(&b, f)
			Float(f, x64, &a, math.NaN())
			Int(x64, x8, &a, 1)
			Code(x8, x8, &a)
			Select(f, &b, f, g)
			Put(x8, &b, 2)
			Count(x8, &c)
			Flag(f, &c)
			Pack(rows, []*Mask{&a, nil, &b, &c})
			Unpack([]*Mask{&a, nil, &b, &c}, rows)
			Add(x64, x64, y64)
			Scale(f, f, 2)
			months, known := [][]int64{x64, y64, x64}, []*Mask{&a, &b, &c}
			Mean(f, months, known, 2)
			Change(f, months[:2], known, &[6]float64{1, 1})
			six, all := [][]int64{x64, y64, x64, y64, x64, y64}, []*Mask{&a, &b, &c, &a, &b, &c}
			Compare(&Compared{f, g, f, g}, Rows-1, six, all, &[6]float64{1, 1, 1, 1, 1, 1})
		})
		if allocs != 0 {
			t.Errorf("%v: %v allocations, want none", p, allocs)
		}
	}
}
