package transform

import "slices"

// Runner runs a program over blocks of rows. It is for one goroutine.
type Runner struct {
	program *Program
	// Columns are the given columns, which the caller sets before a run, and those
	// that are made. A run never writes to a given column: where the program replaces
	// it, Columns has the Runner's own memory afterwards.
	Columns [][]float64

	own [][]float64 // where columns are written; nil for a given one that is not
	all [][]float64 // the columns of the block and the constants
	in  [][]float64 // the operands of a step
}

// Runner returns a Runner for blocks of at most rows rows.
func (p *Program) Runner(rows int) *Runner {
	columns := p.Columns()
	r := &Runner{
		program: p,
		Columns: make([][]float64, columns),
		own:     make([][]float64, columns),
		all:     make([][]float64, columns+len(p.constant)),
	}
	memory := make([]float64, rows*(p.made+len(p.replaced)+len(p.constant)))
	cut := func() []float64 {
		part := memory[:rows:rows]
		memory = memory[rows:]
		return part
	}
	for _, column := range p.replaced {
		r.own[column] = cut()
	}
	for column := p.given; column < columns; column++ {
		r.own[column] = cut()
		r.Columns[column] = r.own[column]
	}
	for i, x := range p.constant {
		r.all[columns+i] = cut()
		for row := range rows {
			r.all[columns+i][row] = x
		}
	}
	for _, s := range p.steps {
		if len(s.in) > len(r.in) {
			r.in = make([][]float64, len(s.in))
		}
	}
	return r
}

// Run computes the columns of n rows.
func (r *Runner) Run(n int) {
	columns := copy(r.all, r.Columns)
	for _, s := range r.program.steps {
		in := r.in[:len(s.in)]
		for i, column := range s.in {
			in[i] = r.all[column][:n]
		}
		s.function.fill(r.own[s.out][:n], in)
		r.all[s.out] = r.own[s.out]
	}
	copy(r.Columns, r.all[:columns])
}

// Row returns all columns of one row of given values, in new memory.
func (p *Program) Row(given []float64) []float64 {
	r := p.Runner(1)
	for i := range p.given {
		r.Columns[i] = given[i : i+1]
	}
	r.Run(1)
	row := slices.Grow([]float64(nil), len(r.Columns))
	for _, column := range r.Columns {
		row = append(row, column[0])
	}
	return row
}
