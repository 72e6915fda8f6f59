package formula

import (
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
)

// op is what a step computes.
type op uint8

const (
	// Nothing to compute: a column as it is, a number.
	opField op = iota + 1 // field; history is 1 or 2 where months before activation are null
	opConst               // c

	// A mask: a bit a row.
	opKnown     // args[0] is a field: not null; with n = 1 by its bitmap alone, where null means 0
	opHas       // args[0] is a number: not NaN
	opRemembers // bit n of the history column: the month is not before activation

	// A number a row, NaN is null.
	opFloat // args: field, known; c where it is not known
	opFill  // args: number, has; c where it has none
	opAdd
	opSub
	opMul
	opDiv // by zero is null
	opShift
	opScale
	opAbs
	opSqrt
	opMin
	opMax
	opFlag  // args[0] is a mask: 1 or 0
	opGuard // args: number, count; null where the count is below c
	opPick  // args: condition, number, number
	opElse  // args: number, number: the second where the first is null
	opRank  // args[0] is a condition: 1, 0 or null
	opOut   // args[0] is a number as it is published: infinite is null, and there is one zero

	// A truth a row.
	opTruth    // n: 1 true, 0 false, -1 unknown
	opHolds    // args[0] is a mask: true or false (n = 1), false or true (n = 0) where it is set, unknown elsewhere
	opCompare  // args: field, known; rel n with the whole number c
	opCompareF // args: number, has; rel n with c
	opMatch    // args: field, field, known, known; rel n
	opMatchF   // args: number, number, has, has; rel n
	opBit      // args: field, known; bit n
	opTrigger  // args: fired, unknown; bit n
	opReal     // args: number: true where it is 1, false where it is 0
	opAnd
	opOr
	opNot
	opIsNull    // args[0] is a mask: known always
	opIsUnknown // args[0] is a condition: known always
	opChoose    // args: three conditions
	opInstead   // args: two conditions: the second where the first is unknown
)

// Relations a step compares by. The other three are their denials.
const (
	less = iota
	atMost
	equal
)

// value is one column of a chunk on its way: a node of the graph that the
// formulas share. Equal values are one value.
type value struct {
	op      op
	args    []*value
	c       float64
	n       int
	field   int // index into graph.fields
	history int // of opField: 0 none, 1 History, 2 HistoryCompare
	column  *column
	id      int
}

// class is the kind of register a value is kept in.
type class uint8

const (
	inPlace class = iota // a column of the batch, or a number
	masks
	floats
	truths
)

func (v *value) class() class {
	switch {
	case v.op >= opTruth:
		return truths
	case v.op >= opFloat:
		return floats
	case v.op >= opKnown:
		return masks
	}
	return inPlace
}

// graph holds the values of all formulas of a kernel, each after its arguments.
type graph struct {
	fields []kernel.Field
	values []*value
	seen   map[string]*value
}

func newGraph() *graph { return &graph{seen: map[string]*value{}} }

// make returns the value, the same one for the same question.
func (g *graph) make(v value) *value {
	key := fmt.Sprintf("%d %x %d %d %d", v.op, math.Float64bits(v.c), v.n, v.field, v.history)
	for _, a := range v.args {
		key += fmt.Sprintf(" %d", a.id)
	}
	if old, ok := g.seen[key]; ok {
		return old
	}
	v.id = len(g.values)
	g.values = append(g.values, &v)
	g.seen[key] = &v
	return &v
}

// read returns a column of the batch.
func (g *graph) read(f kernel.Field, c *column, month, history int) *value {
	at := -1
	for i, old := range g.fields {
		if old.Name == f.Name {
			at = i
		}
	}
	if at < 0 {
		at = len(g.fields)
		g.fields = append(g.fields, f)
	}
	return g.make(value{op: opField, field: at, column: c, history: history, n: month})
}

func (g *graph) constant(c float64) *value { return g.make(value{op: opConst, c: c}) }

func (g *graph) truth(n int) *value { return g.make(value{op: opTruth, n: n}) }

// known returns where a value is not null.
func (g *graph) known(v *value) *value {
	if v.op != opField {
		return g.make(value{op: opHas, args: []*value{v}})
	}
	if isFloat(v.column.typ) {
		return g.make(value{op: opHas, args: []*value{g.float(v)}})
	}
	return g.make(value{op: opKnown, args: append([]*value{v}, g.history(v)...)})
}

// history returns the mask of a month that may be believed; none for a column
// that has no months.
func (g *graph) history(v *value) []*value {
	source := [...]kernel.Field{{}, kernel.History, kernel.HistoryCompare}[v.history]
	if v.history == 0 {
		return nil
	}
	f := g.read(source, &column{name: source.Name, typ: source.Type}, 0, 0)
	return []*value{g.make(value{op: opRemembers, args: []*value{f}, n: v.n})}
}

func isFloat(t arrow.DataType) bool { return t.ID() == arrow.FLOAT64 || t.ID() == arrow.FLOAT32 }

// float returns a value as a number.
func (g *graph) float(v *value) *value {
	if v.op != opField || v.column.typ.ID() == arrow.FLOAT64 {
		return v
	}
	if v.column.typ.ID() == arrow.FLOAT32 {
		return g.make(value{op: opFloat, args: []*value{v}, c: math.NaN()})
	}
	if v.column.zero {
		return g.make(value{op: opFloat, args: []*value{v, g.make(value{op: opKnown, args: []*value{v}, n: 1})}})
	}
	return g.make(value{op: opFloat, args: []*value{v, g.known(v)}, c: math.NaN()})
}

// filled returns a number with c in place of null.
func (g *graph) filled(v *value, c float64) *value {
	if v.op == opConst {
		if v.c != v.c {
			return g.constant(c)
		}
		return v
	}
	if v.op == opField && !isFloat(v.column.typ) {
		return g.make(value{op: opFloat, args: []*value{v, g.known(v)}, c: c})
	}
	return g.make(value{op: opFill, args: []*value{g.float(v), g.known(v)}, c: c})
}

// arithmetic returns a op b, worked out now when both are numbers.
func (g *graph) arithmetic(o op, a, b *value) *value {
	a, b = g.float(a), g.float(b)
	if a.op == opConst && b.op == opConst {
		return g.constant(fold(o, a.c, b.c))
	}
	switch {
	case o == opAdd && b.op == opConst, o == opMul && b.op == opConst:
		return g.make(value{op: beside(o), args: []*value{a}, c: b.c})
	case o == opAdd && a.op == opConst, o == opMul && a.op == opConst:
		return g.make(value{op: beside(o), args: []*value{b}, c: a.c})
	case o == opSub && b.op == opConst:
		return g.make(value{op: opShift, args: []*value{a}, c: -b.c})
	}
	return g.make(value{op: o, args: []*value{a, b}})
}

// beside is the operation with a number instead of a column.
func beside(o op) op {
	if o == opAdd {
		return opShift
	}
	return opScale
}

func fold(o op, a, b float64) float64 {
	switch o {
	case opAdd:
		return a + b
	case opSub:
		return a - b
	case opMul:
		return a * b
	case opMin:
		return math.Min(a, b)
	case opMax:
		return math.Max(a, b)
	default: // opDiv
		if b == 0 {
			return math.NaN()
		}
		return a / b
	}
}

// function returns an operation on one number.
func (g *graph) function(o op, a *value, c float64) *value {
	a = g.float(a)
	if a.op == opConst {
		switch o {
		case opScale:
			return g.constant(a.c * c)
		case opAbs:
			return g.constant(math.Abs(a.c))
		case opSqrt:
			return g.constant(math.Sqrt(a.c))
		default: // worked out where it runs
		}
	}
	return g.make(value{op: o, args: []*value{a}, c: c})
}

// compare returns a rel b. Whole columns are compared as they are, without a
// conversion: a bound between two whole numbers becomes the right one of them.
func (g *graph) compare(rel int, a, b *value) *value {
	switch {
	case a.op == opConst && b.op == opConst:
		holds := a.c < b.c || rel == atMost && a.c == b.c
		if rel == equal {
			holds = a.c == b.c
		}
		if a.c != a.c || b.c != b.c {
			return g.truth(-1)
		}
		return g.truth(map[bool]int{true: 1}[holds])
	case a.op == opConst && rel == equal:
		return g.compare(rel, b, a)
	case a.op == opConst: // c < b is not b <= c
		return g.not(g.compare(atMost-rel, b, a))
	case b.op == opConst && b.c != b.c:
		return g.truth(-1)
	case b.op == opConst && a.op == opField && !isFloat(a.column.typ):
		return g.bound(rel, a, b.c)
	case b.op == opConst:
		a = g.float(a)
		return g.make(value{op: opCompareF, args: []*value{a, g.known(a)}, n: rel, c: b.c})
	case a.op == opField && b.op == opField && a.column.typ.ID() == b.column.typ.ID() && !isFloat(a.column.typ) && !a.column.zero && !b.column.zero:
		return g.make(value{op: opMatch, args: []*value{a, b, g.known(a), g.known(b)}, n: rel})
	}
	a, b = g.float(a), g.float(b)
	return g.make(value{op: opMatchF, args: []*value{a, b, g.known(a), g.known(b)}, n: rel})
}

// bound compares a whole column with a number.
func (g *graph) bound(rel int, a *value, c float64) *value {
	low, high := wholes(a.column.typ).span()
	always := func(holds bool) *value {
		return g.make(value{op: opHolds, args: []*value{g.known(a)}, n: map[bool]int{true: 1}[holds]})
	}
	switch {
	case rel == less && c > high:
		return always(true)
	case rel == less && c <= low, rel == atMost && c < low:
		return always(false)
	case rel == atMost && c >= high:
		return always(true)
	case rel == equal && (c != math.Trunc(c) || c < low || c > high):
		return always(false)
	case rel == less:
		c = math.Ceil(c)
	case rel == atMost:
		c = math.Floor(c)
	}
	return g.make(value{op: opCompare, args: []*value{a, g.known(a)}, n: rel, c: c})
}

func (g *graph) and(a, b *value) *value {
	switch {
	case a.op == opTruth && a.n == 1, b.op == opTruth && b.n == 0:
		return b
	case b.op == opTruth && b.n == 1, a.op == opTruth && a.n == 0:
		return a
	}
	return g.make(value{op: opAnd, args: []*value{a, b}})
}

func (g *graph) or(a, b *value) *value {
	switch {
	case a.op == opTruth && a.n == 0, b.op == opTruth && b.n == 1:
		return b
	case b.op == opTruth && b.n == 0, a.op == opTruth && a.n == 1:
		return a
	}
	return g.make(value{op: opOr, args: []*value{a, b}})
}

func (g *graph) not(a *value) *value {
	switch {
	case a.op == opTruth && a.n < 0:
		return a
	case a.op == opTruth:
		return g.truth(1 - a.n)
	case a.op == opNot:
		return a.args[0]
	}
	return g.make(value{op: opNot, args: []*value{a}})
}
