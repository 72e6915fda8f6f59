package formula

import (
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// step does one thing to a chunk: a call of package lane, or two.
type step func(f *frame)

// frame is the chunk that the steps work on.
type frame struct {
	lo, n int
	in    []kernel.Vector
	out   []kernel.Vector
}

// machine is a graph turned into steps. Its registers are columns and masks of
// one chunk, used again as soon as nobody reads them any more, so that a chunk's
// work stays in the first-level cache.
type machine struct {
	steps []step
	frame frame

	left   map[*value]int // how many still read it
	float  map[*value][]float64
	mask   map[*value]*lane.Mask
	truth  map[*value]*lane.Truth
	floats [][]float64
	masks  []*lane.Mask
	truths []*lane.Truth
}

// run evaluates a batch a chunk at a time. It allocates nothing.
func (m *machine) run(n int, in, out []kernel.Vector) {
	m.frame.in, m.frame.out = in, out
	for m.frame.lo = 0; m.frame.lo < n; m.frame.lo += lane.Rows {
		m.frame.n = min(lane.Rows, n-m.frame.lo)
		for _, s := range m.steps {
			s(&m.frame)
		}
	}
}

// newMachine compiles what roots need, in the order of the graph, which has every
// value after its arguments. sink emits what is done with a root when it is
// there.
func newMachine(g *graph, roots []*value, sink func(m *machine, root int)) *machine {
	m := &machine{
		left:  map[*value]int{},
		float: map[*value][]float64{}, mask: map[*value]*lane.Mask{}, truth: map[*value]*lane.Truth{},
	}
	at := map[*value][]int{}
	for i, r := range roots {
		m.need(r)
		at[r] = append(at[r], i)
	}
	for _, v := range g.values {
		if m.left[v] == 0 {
			continue
		}
		m.emit(v)
		for _, a := range v.args {
			m.release(a)
		}
		for _, i := range at[v] {
			sink(m, i)
			m.release(v)
		}
	}
	return m
}

// need counts the readers of every value that r is made of.
func (m *machine) need(r *value) {
	if m.left[r]++; m.left[r] > 1 {
		return
	}
	for _, a := range r.args {
		m.need(a)
	}
}

// release gives a register back when its last reader has read it.
func (m *machine) release(v *value) {
	if m.left[v]--; m.left[v] > 0 {
		return
	}
	if r, ok := m.float[v]; ok && v.class() == floats {
		m.floats = append(m.floats, r)
	}
	if r, ok := m.mask[v]; ok {
		m.masks = append(m.masks, r)
	}
	if r, ok := m.truth[v]; ok {
		m.truths = append(m.truths, r)
	}
}

func pop[T any](free *[]T, make func() T) T {
	if n := len(*free); n > 0 {
		r := (*free)[n-1]
		*free = (*free)[:n-1]
		return r
	}
	return make()
}

func (m *machine) newFloat() []float64 {
	return pop(&m.floats, func() []float64 { return make([]float64, lane.Rows) })
}

func (m *machine) newMask() *lane.Mask {
	return pop(&m.masks, func() *lane.Mask { return new(lane.Mask) })
}

func (m *machine) newTruth() *lane.Truth {
	return pop(&m.truths, func() *lane.Truth { return new(lane.Truth) })
}

// numbers is a number a row: a register, or a column of the batch that is one.
type numbers struct {
	register []float64
	field    int
}

func (c numbers) of(f *frame) []float64 {
	if c.register != nil {
		return c.register[:f.n]
	}
	return f.in[c.field].F64[f.lo : f.lo+f.n]
}

// numbers returns where a value's numbers are.
func (m *machine) numbers(v *value) numbers {
	if v.op == opField {
		return numbers{field: v.field}
	}
	if v.op == opConst && m.float[v] == nil {
		m.float[v] = make([]float64, lane.Rows)
		for i := range m.float[v] {
			m.float[v][i] = v.c
		}
	}
	return numbers{register: m.float[v]}
}

// emit adds the steps of one value.
func (m *machine) emit(v *value) {
	switch v.class() {
	case inPlace: // there is nothing to compute
	case masks:
		dst := m.newMask()
		m.mask[v] = dst
		m.emitMask(v, dst)
	case floats:
		dst := m.newFloat()
		m.float[v] = dst
		m.emitFloat(v, dst)
	case truths:
		dst := m.newTruth()
		m.truth[v] = dst
		m.emitTruth(v, dst)
	}
}

func (m *machine) then(s step) { m.steps = append(m.steps, s) }

func (m *machine) emitMask(v *value, dst *lane.Mask) {
	a := v.args[0]
	switch v.op {
	case opRemembers:
		field, k := a.field, uint(v.n)
		m.then(func(f *frame) { lane.Bit(dst, f.in[field].U8[f.lo:f.lo+f.n], k) })
	case opHas:
		x := m.numbers(a)
		m.then(func(f *frame) { lane.Known(dst, x.of(f)) })
	case opKnown:
		m.emitKnown(v, dst)
	default:
		panic(fmt.Sprintf("formula: operation %d makes no mask", v.op))
	}
}

// emitKnown is where a column is not null: by its bitmap, by its history, and by
// the values that mean null.
func (m *machine) emitKnown(v *value, dst *lane.Mask) {
	a := v.args[0]
	field := a.field
	if a.column.zero && v.n == 0 {
		m.then(func(*frame) { dst.Fill(true) })
	} else {
		m.then(func(f *frame) { dst.Valid(f.in[field].Valid, f.lo, f.n) })
	}
	if len(v.args) > 1 {
		history := m.mask[v.args[1]]
		m.then(func(*frame) { dst.And(dst, history) })
	}
	if len(a.column.null) == 0 {
		return
	}
	steps, other := wholes(a.column.typ), m.newMask()
	for _, null := range a.column.null {
		m.then(func(f *frame) {
			steps.compare(other, &f.in[field], f.lo, f.n, equal, null)
			dst.AndNot(dst, other)
		})
	}
	m.masks = append(m.masks, other)
}

func (m *machine) emitFloat(v *value, dst []float64) {
	a := v.args[0]
	c := v.c
	switch v.op {
	case opFloat:
		field := a.field
		if a.column.typ.ID() == arrow.FLOAT32 {
			m.then(func(f *frame) { widen(dst[:f.n], f.in[field].F32[f.lo:f.lo+f.n]) })
			return
		}
		steps, known := wholes(a.column.typ), m.mask[v.args[1]]
		m.then(func(f *frame) { steps.float(dst[:f.n], &f.in[field], f.lo, known, c) })
	case opFlag:
		mask := m.mask[a]
		m.then(func(f *frame) { lane.Flag(dst[:f.n], mask) })
	case opRank:
		m.emitRank(m.truth[a], dst)
	case opOut:
		x, rest := m.numbers(a), m.newFloat()
		m.floats = append(m.floats, rest)
		m.then(func(f *frame) {
			lane.Sub(rest[:f.n], x.of(f), x.of(f)) // 0, or NaN for what is not finite
			lane.Add(dst[:f.n], x.of(f), rest[:f.n])
		})
	case opPick:
		test, x, y := m.truth[a], m.numbers(v.args[1]), m.numbers(v.args[2])
		unknown := m.newMask()
		m.masks = append(m.masks, unknown)
		m.then(func(f *frame) {
			lane.Select(dst[:f.n], &test.Is, x.of(f), y.of(f))
			test.Unknown(unknown)
			lane.Put(dst[:f.n], unknown, math.NaN())
		})
	case opAdd, opSub, opMul, opDiv, opMin, opMax, opFill, opGuard, opElse:
		m.emitPair(v, dst, m.numbers(a))
	default:
		m.emitOne(v, dst, m.numbers(a))
	}
}

func (m *machine) emitOne(v *value, dst []float64, x numbers) {
	c := v.c
	m.then(map[op]step{
		opShift: func(f *frame) { lane.AddTo(dst[:f.n], x.of(f), c) },
		opScale: func(f *frame) { lane.Scale(dst[:f.n], x.of(f), c) },
		opAbs:   func(f *frame) { lane.Abs(dst[:f.n], x.of(f)) },
		opSqrt:  func(f *frame) { lane.Sqrt(dst[:f.n], x.of(f)) },
	}[v.op])
}

func (m *machine) emitPair(v *value, dst []float64, x numbers) {
	c, mask := v.c, m.newMask()
	m.masks = append(m.masks, mask) // for the step alone
	if v.op == opFill {
		known := m.mask[v.args[1]]
		m.then(func(f *frame) {
			copy(dst[:f.n], x.of(f))
			mask.Not(known)
			lane.Put(dst[:f.n], mask, c)
		})
		return
	}
	y := m.numbers(v.args[1])
	m.then(map[op]step{
		opAdd: func(f *frame) { lane.Add(dst[:f.n], x.of(f), y.of(f)) },
		opSub: func(f *frame) { lane.Sub(dst[:f.n], x.of(f), y.of(f)) },
		opMul: func(f *frame) { lane.Mul(dst[:f.n], x.of(f), y.of(f)) },
		opMin: func(f *frame) { lane.Min(dst[:f.n], x.of(f), y.of(f)) },
		opMax: func(f *frame) { lane.Max(dst[:f.n], x.of(f), y.of(f)) },
		opDiv: func(f *frame) {
			lane.Equal(mask, y.of(f), 0)
			lane.Div(dst[:f.n], x.of(f), y.of(f))
			lane.Put(dst[:f.n], mask, math.NaN())
		},
		opGuard: func(f *frame) {
			lane.Less(mask, y.of(f), c)
			copy(dst[:f.n], x.of(f))
			lane.Put(dst[:f.n], mask, math.NaN())
		},
		opElse: func(f *frame) {
			lane.Known(mask, x.of(f))
			lane.Select(dst[:f.n], mask, x.of(f), y.of(f))
		},
	}[v.op])
}

// emitRank is a condition as a number.
func (m *machine) emitRank(t *lane.Truth, dst []float64) {
	unknown := m.newMask()
	m.masks = append(m.masks, unknown)
	m.then(func(f *frame) {
		lane.Flag(dst[:f.n], &t.Is)
		t.Unknown(unknown)
		lane.Put(dst[:f.n], unknown, math.NaN())
	})
}

func widen(dst []float64, src []float32) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = float64(src[i])
	}
}

func (m *machine) emitTruth(v *value, dst *lane.Truth) {
	other := m.newMask()
	m.masks = append(m.masks, other) // for the step alone
	c, n := v.c, v.n
	mask := func(i int) *lane.Mask { return m.mask[v.args[i]] }
	truth := func(i int) *lane.Truth { return m.truth[v.args[i]] }
	switch v.op {
	case opTruth:
		m.then(func(*frame) { dst.Is.Fill(n == 1); dst.Not.Fill(n == 0) })
	case opHolds:
		known := mask(0)
		m.then(func(*frame) {
			other.Fill(n == 1)
			dst.Know(other, known)
		})
	case opCompare:
		m.emitCompare(v, dst, other)
	case opCompareF:
		x, known := m.numbers(v.args[0]), mask(1)
		m.then(func(f *frame) {
			compareTo(other, x.of(f), n, c)
			dst.Know(other, known)
		})
	case opMatch:
		steps, a, b, known, there := wholes(v.args[0].column.typ), v.args[0].field, v.args[1].field, mask(2), mask(3)
		m.then(func(f *frame) {
			steps.match(&dst.Is, &f.in[a], &f.in[b], f.lo, f.n, n)
			other.And(known, there)
			dst.Know(&dst.Is, other)
		})
	case opMatchF:
		x, y, known, there := m.numbers(v.args[0]), m.numbers(v.args[1]), mask(2), mask(3)
		m.then(func(f *frame) {
			match(&dst.Is, x.of(f), y.of(f), n)
			other.And(known, there)
			dst.Know(&dst.Is, other)
		})
	case opBit:
		m.emitBit(v, dst, other)
	case opTrigger:
		fired, unknown := v.args[0].field, v.args[1].field
		m.then(func(f *frame) {
			lane.Bit(&dst.Is, f.in[fired].U16[f.lo:f.lo+f.n], uint(n))
			lane.Bit(other, f.in[unknown].U16[f.lo:f.lo+f.n], uint(n))
			dst.Not.Or(&dst.Is, other)
			dst.Not.Not(&dst.Not)
		})
	case opReal:
		x := m.numbers(v.args[0])
		m.then(func(f *frame) {
			lane.Equal(&dst.Is, x.of(f), 1)
			lane.Equal(&dst.Not, x.of(f), 0)
		})
	case opAnd, opOr:
		a, b := truth(0), truth(1)
		if v.op == opAnd {
			m.then(func(*frame) { dst.And(a, b) })
		} else {
			m.then(func(*frame) { dst.Or(a, b) })
		}
	case opNot:
		a := truth(0)
		m.then(func(*frame) { dst.Negate(a) })
	case opIsNull:
		known := mask(0)
		m.then(func(*frame) { dst.Is.Not(known); dst.Not.And(known, known) })
	case opIsUnknown:
		a := truth(0)
		m.then(func(*frame) { dst.Not.Or(&a.Is, &a.Not); dst.Is.Not(&dst.Not) })
	case opChoose:
		test, a, b := truth(0), truth(1), truth(2)
		m.then(func(*frame) {
			choose(&dst.Is, test, &a.Is, &b.Is, other)
			choose(&dst.Not, test, &a.Not, &b.Not, other)
		})
	case opInstead:
		a, b := truth(0), truth(1)
		m.then(func(*frame) {
			a.Unknown(other)
			instead(&dst.Is, &a.Is, &b.Is, other)
			instead(&dst.Not, &a.Not, &b.Not, other)
		})
	default:
		panic(fmt.Sprintf("formula: operation %d makes no truth", v.op))
	}
}

// emitCompare compares a column as it is with a whole number. Where null means 0
// it is compared as 0, whatever stands behind it.
func (m *machine) emitCompare(v *value, dst *lane.Truth, other *lane.Mask) {
	a, known, rel, c := v.args[0], m.mask[v.args[1]], v.n, v.c
	steps, field := wholes(a.column.typ), a.field
	if !a.column.zero {
		m.then(func(f *frame) {
			steps.compare(other, &f.in[field], f.lo, f.n, rel, c)
			dst.Know(other, known)
		})
		return
	}
	zero := rel == less && 0 < c || rel == atMost && 0 <= c || rel == equal && c == 0
	m.then(func(f *frame) {
		steps.compare(&dst.Is, &f.in[field], f.lo, f.n, rel, c)
		other.Valid(f.in[field].Valid, f.lo, f.n)
		if zero {
			other.Not(other)
			dst.Is.Or(&dst.Is, other)
		} else {
			dst.Is.And(&dst.Is, other)
		}
		dst.Not.Not(&dst.Is)
	})
}

// emitBit asks for one flag; null has none where it means 0.
func (m *machine) emitBit(v *value, dst *lane.Truth, other *lane.Mask) {
	a, known, k := v.args[0], m.mask[v.args[1]], v.n
	steps, field := wholes(a.column.typ), a.field
	m.then(func(f *frame) {
		steps.bit(other, &f.in[field], f.lo, f.n, k)
		if a.column.zero {
			dst.Is.Valid(f.in[field].Valid, f.lo, f.n)
			other.And(other, &dst.Is)
		}
		dst.Know(other, known)
	})
}

func compareTo(dst *lane.Mask, x []float64, rel int, c float64) {
	switch rel {
	case less:
		lane.Less(dst, x, c)
	case atMost:
		lane.AtMost(dst, x, c)
	default:
		lane.Equal(dst, x, c)
	}
}

// match compares two columns of numbers; rows without a number are for the caller
// to leave out.
func match(dst *lane.Mask, x, y []float64, rel int) {
	switch rel {
	case less:
		lane.LessThan(dst, x, y)
	case atMost: // not y < x
		lane.LessThan(dst, y, x)
		dst.Not(dst)
	default:
		lane.EqualTo(dst, x, y)
	}
}

// choose is a where the test holds and b where it does not.
func choose(dst *lane.Mask, test *lane.Truth, a, b, other *lane.Mask) {
	other.And(&test.Not, b)
	dst.And(&test.Is, a)
	dst.Or(dst, other)
}

// instead is a, and b where a is unknown.
func instead(dst, a, b, unknown *lane.Mask) {
	for i := range dst {
		dst[i] = a[i] | b[i]&unknown[i]
	}
}
