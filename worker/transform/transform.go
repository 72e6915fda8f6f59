// Package transform computes what a model asks about from the columns it is given.
//
// A model's trees, or its weights, seldom stand alone. A missing tenure is first
// replaced by the mean, an income clipped, a tariff looked up in a table, a
// logarithm taken. A Program is a list of such steps, in order. Each writes one
// column: it replaces one that was given, or makes a new one behind all others.
//
//	given      fee    tenure           made
//	column     0      1                2              3
//	step 0            fill(1, 24)                             replaces tenure
//	step 1                             ln(0)
//	step 2                                            2 · 1
//
// Columns are float64s. A value that is not finite is missing, and every step
// writes NaN where its result is missing or would not be finite.
//
// # Blocks and rows
//
// A Runner holds the memory for blocks of a number of rows, and runs a program over
// them column by column without allocating. There is no second way: a row is a
// block of one, so that a row has the same bits whichever block it comes in.
package transform

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// ColumnsMax is how many columns a program may write and constants it may have, so
// that a Runner takes at most 64 MiB for blocks of 512 rows.
const ColumnsMax = 1 << 14

// ErrSize is returned when a program has too many columns.
var ErrSize = errors.New("program with too many columns")

// Operand is what a function is given: a column, or a number that is the same for
// all rows.
type Operand struct {
	column   int32
	constant float64
}

// Column returns column i as an operand.
func Column(i int) Operand { return Operand{column: int32(i)} }

// Constant returns a number as an operand; NaN is a missing value.
func Constant(x float64) Operand { return Operand{column: -1, constant: x} }

// Column returns the number of the operand's column, -1 for a constant.
func (o Operand) Column() int { return int(o.column) }

// Constant returns the number of an operand that is no column.
func (o Operand) Constant() float64 { return o.constant }

// Function computes a column from others.
type Function interface {
	// fill writes a value for each row. dst may be one of in, so that a row's
	// operands are read before its value is written. Operands that are not finite
	// are missing.
	fill(dst []float64, in [][]float64)
}

// Program is a list of steps. It is immutable; any number of goroutines may use it.
type Program struct {
	given    int
	made     int
	refusal  int32
	constant []float64
	steps    []step
	replaced []int32 // given columns that a step writes
	source   []int32 // of each column
}

type step struct {
	function Function
	in       []int32 // columns; constants stand behind the columns
	out      int32
}

// Given returns how many columns the program is given.
func (p *Program) Given() int { return p.given }

// Columns returns how many columns there are when it has run.
func (p *Program) Columns() int { return p.given + p.made }

// Source returns the given column that a column derives from, by the first
// operands; -1 for one that derives from constants alone. A given column derives
// from itself.
func (p *Program) Source(column int) int { return int(p.source[column]) }

// Refusal returns the column that is above 0 in rows that the model refuses to
// score, -1 when there is none.
func (p *Program) Refusal() int { return int(p.refusal) }

// Touches reports whether the program reads a given column or writes it. One that it does
// not touch comes out as it went in, and a Runner need not be given it.
func (p *Program) Touches(column int) bool {
	at := int32(column)
	return at == p.refusal || slices.ContainsFunc(p.steps, func(s step) bool { return s.out == at || slices.Contains(s.in, at) })
}

// After returns the program that runs first and then p. first makes no columns: it
// replaces given ones.
func (p *Program) After(first *Program) (*Program, error) {
	if first.given != p.given || first.made > 0 {
		return nil, fmt.Errorf("run a program of %d columns behind one that gives %d", p.given, first.Columns())
	}
	b := New(p.given)
	for _, part := range []*Program{first, p} {
		for _, s := range part.steps {
			in := make([]Operand, len(s.in))
			for i, column := range s.in {
				if at := int(column) - part.Columns(); at >= 0 {
					in[i] = Constant(part.constant[at])
				} else {
					in[i] = Column(int(column))
				}
			}
			if int(s.out) < p.given {
				b.Replace(int(s.out), s.function, in...)
			} else {
				b.Add(s.function, in...)
			}
		}
	}
	b.refusal = p.refusal
	return b.Program()
}

// Builder makes a Program, step by step.
type Builder struct {
	given   int
	source  []int32
	refusal int32
	steps   []draft
}

// draft is a step whose constants have no place yet.
type draft struct {
	function Function
	in       []Operand
	out      int32
}

// New begins a program that is given a number of columns.
func New(given int) *Builder {
	b := &Builder{given: given, refusal: -1, source: make([]int32, given)}
	for i := range b.source {
		b.source[i] = int32(i)
	}
	return b
}

// Add appends a step that makes a new column, and returns that column.
func (b *Builder) Add(f Function, in ...Operand) Operand {
	source := int32(-1)
	for _, o := range in {
		if o.column >= 0 && source < 0 {
			source = b.source[o.column]
		}
	}
	column := Column(len(b.source))
	b.source = append(b.source, source)
	b.steps = append(b.steps, draft{f, in, column.column})
	return column
}

// Replace appends a step that writes a given column anew: steps before it saw the
// old values, those behind it see the new ones.
func (b *Builder) Replace(column int, f Function, in ...Operand) {
	if column >= b.given {
		panic("transform: Replace of a column that was not given")
	}
	b.steps = append(b.steps, draft{f, in, int32(column)})
}

// Refuse says which column is above 0 in rows that the model refuses to score.
func (b *Builder) Refuse(column Operand) { b.refusal = column.column }

// Columns returns how many columns there are so far.
func (b *Builder) Columns() int { return len(b.source) }

// Program returns the program, nil when it has no steps. The error wraps ErrSize.
func (b *Builder) Program() (*Program, error) {
	if len(b.steps) == 0 {
		return nil, nil
	}
	p := &Program{given: b.given, made: len(b.source) - b.given, source: b.source, refusal: b.refusal}
	places := make(map[uint64]int32)
	for _, d := range b.steps {
		s := step{function: d.function, in: make([]int32, len(d.in)), out: d.out}
		for i, o := range d.in {
			if s.in[i] = o.column; o.column >= 0 {
				continue
			}
			bits := math.Float64bits(o.constant)
			if _, ok := places[bits]; !ok {
				places[bits] = int32(p.Columns() + len(p.constant))
				p.constant = append(p.constant, o.constant)
			}
			s.in[i] = places[bits]
		}
		p.steps = append(p.steps, s)
		if int(d.out) < p.given && !slices.Contains(p.replaced, d.out) {
			p.replaced = append(p.replaced, d.out)
		}
	}
	if n := p.made + len(p.replaced) + len(p.constant); n > ColumnsMax {
		return nil, fmt.Errorf("%w: %d values a row, more than %d", ErrSize, n, ColumnsMax)
	}
	return p, nil
}
