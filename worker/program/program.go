// Package program turns a job into a straight line of kernels.
//
//	catalogue of kernels ─┐
//	columns wanted ───────┼─► Build ─► steps in order, columns to read, scratch
//	columns at hand ──────┘
//
// Build starts from the columns wanted and walks back: a kernel nobody needs is
// left out, a column nobody reads is not read. What remains runs in dependency
// order, in a for loop, over one batch at a time. A program prints itself.
package program

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/schema"
	"rescore/worker/kernel"
)

// BadValues is the input column that carries source.Batch.Bad.
const BadValues = "dq_bad_values"

// errNoMaker marks a column that cannot be had.
var errNoMaker = errors.New("is neither in the input record nor made by a kernel")

// Plan is a program before it has memory: what runs, in order, and what is read.
type Plan struct {
	kernels []kernel.Kernel
	want    []kernel.Field
	read    []kernel.Field // from the record
	handed  []kernel.Field // handed over beside it: the number, the bad values
}

// Columns returns the names of the columns to read: canonical ones by flat name
// in the order of the subscriber record, then extra ones.
func (p *Plan) Columns() []string {
	names := make([]string, len(p.read))
	for i, f := range p.read {
		names[i] = f.Name
		if x, ok := extraName(f.Name); ok {
			names[i] = x
		}
	}
	return names
}

// Coded says, of each of Columns, whether EvalCoded takes it by dictionary: whether every
// kernel that reads it does.
func (p *Plan) Coded() []bool {
	takes := make([]bool, len(p.read))
	for i, f := range p.read {
		takes[i] = f.Type.ID() == arrow.FLOAT64
	}
	for _, k := range p.kernels {
		coder, ok := k.(kernel.Coder)
		for j, in := range k.Spec().In {
			if i := slices.IndexFunc(p.read, func(f kernel.Field) bool { return f.Name == in.Name }); i >= 0 {
				takes[i] = takes[i] && ok && coder.TakesCoded(j)
			}
		}
	}
	return takes
}

// Select chooses from the catalogue the kernels that compute want, and orders
// them. A column no kernel makes is read from the input; input says whether the
// input record can have it and of which type. Every column that cannot be had,
// or is of another type than its reader takes it for, is reported.
func Select(catalogue []kernel.Kernel, want []kernel.Field, input func(name string) (arrow.DataType, bool)) (*Plan, error) {
	makers := make(map[string]int)
	specs := make([]kernel.Spec, len(catalogue))
	for i, k := range catalogue {
		specs[i] = k.Spec()
		for _, f := range specs[i].Out {
			if j, taken := makers[f.Name]; taken {
				return nil, fmt.Errorf("build program: both %s and %s make column %s", specs[j].Name, specs[i].Name, f.Name)
			}
			makers[f.Name] = i
		}
	}
	p := &Plan{want: want}
	const (
		unseen, open, done = 0, 1, 2
	)
	state := make([]uint8, len(catalogue))
	seen := make(map[string]bool) // columns of the input
	var problems []error
	mistyped := func(f kernel.Field, typ arrow.DataType, by string) bool {
		if arrow.TypeEqual(typ, f.Type) {
			return false
		}
		problems = append(problems, fmt.Errorf("column %s is %s and %s reads it as %s", f.Name, typ, by, f.Type))
		return true
	}
	read := func(f kernel.Field, by string) {
		typ, ok := input(f.Name)
		switch {
		case !ok:
			problems = append(problems, fmt.Errorf("column %s, read by %s, %w", f.Name, by, errNoMaker))
		case mistyped(f, typ, by) || seen[f.Name]:
		case f.Name == schema.Key || f.Name == BadValues:
			p.handed = append(p.handed, f)
		default:
			p.read = append(p.read, f)
		}
		seen[f.Name] = seen[f.Name] || ok
	}
	var visit func(f kernel.Field, by string)
	visit = func(f kernel.Field, by string) {
		i, made := makers[f.Name]
		if !made {
			read(f, by)
			return
		}
		for _, out := range specs[i].Out {
			if out.Name == f.Name {
				mistyped(f, out.Type, by)
			}
		}
		switch state[i] {
		case done:
			return
		case open:
			problems = append(problems, fmt.Errorf("kernel %s depends on itself through %s", specs[i].Name, f.Name))
			return
		}
		state[i] = open
		for _, in := range specs[i].In {
			visit(in, specs[i].Name)
		}
		state[i] = done
		p.kernels = append(p.kernels, catalogue[i])
	}
	for _, f := range want {
		if _, made := makers[f.Name]; !made && f.Name != schema.Key && f.Name != BadValues {
			problems = append(problems, fmt.Errorf("no kernel makes the output %s", f.Name))
			continue
		}
		visit(f, "the output")
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("build program: %w", err)
	}
	// Canonical columns in the record's order, then extra ones as the kernels came.
	slices.SortStableFunc(p.read, func(a, b kernel.Field) int { return cmp.Compare(order(a.Name), order(b.Name)) })
	return p, nil
}

// Program is a plan with memory: kernels bound to slots. It serves one
// goroutine.
type Program struct {
	plan  *Plan
	steps []step
	slots []slot
	read  []column
	key   int          // slot of schema.Key, -1 when nothing reads it
	bad   int          // slot of BadValues, -1 when nothing reads it
	out   arrow.Record // batchRows rows, all of them slots' memory
	short arrow.Record // the last answer, when it was shorter
	rows  int
	held  int // rows that the steps that are still have made
}

// step is one kernel, and what it reads and writes.
type step struct {
	kernel  kernel.Kernel
	in, out []kernel.Vector
	makes   []int // slots
	still   bool  // it makes the same of every batch (Hold)
}

// slot is one column of the batch being scored. Slots a kernel writes, and the
// two the reader hands over beside the record, own their memory.
type slot struct {
	field  kernel.Field
	vector kernel.Vector
	array  arrow.Array // nil for a column of the record
	uses   []use       // by steps
}

// use is a place among a step's inputs.
type use struct{ step, at int }

// column is one of the record's.
type column struct {
	slot  int
	takes bool        // whether it may come by dictionary
	bound arrow.Array // that the slot looks at; nil for none, or a dictionary
}

// Program gives the plan memory for batches of at most batchRows rows. The
// plan's kernels keep scratch, so a plan makes one program. Release returns the
// memory to mem.
func (p *Plan) Program(batchRows int, mem memory.Allocator) *Program {
	g := &Program{plan: p, key: -1, bad: -1, rows: batchRows}
	index := make(map[string]int)
	slotOf := func(f kernel.Field, owned bool) int {
		if i, ok := index[f.Name]; ok {
			return i
		}
		s := slot{field: f}
		if owned {
			s.array = newArray(f.Type, batchRows, mem)
			s.vector = kernel.AsVector(s.array)
		}
		g.slots = append(g.slots, s)
		index[f.Name] = len(g.slots) - 1
		return len(g.slots) - 1
	}
	for _, f := range p.handed {
		i := slotOf(f, true)
		if f.Name == schema.Key {
			g.key = i
		} else {
			g.bad = i
		}
	}
	takes := p.Coded()
	for c, f := range p.read {
		g.read = append(g.read, column{slot: slotOf(f, false), takes: takes[c]})
	}
	for i, k := range p.kernels {
		spec := k.Spec()
		s := step{kernel: k, in: make([]kernel.Vector, len(spec.In)), out: make([]kernel.Vector, len(spec.Out))}
		for j, f := range spec.In {
			from := &g.slots[slotOf(f, false)]
			from.uses = append(from.uses, use{i, j})
			s.in[j] = from.vector
		}
		for j, f := range spec.Out {
			s.makes = append(s.makes, slotOf(f, true))
			s.out[j] = g.slots[s.makes[j]].vector
		}
		g.steps = append(g.steps, s)
	}
	fields := make([]arrow.Field, len(p.want))
	arrays := make([]arrow.Array, len(p.want))
	for j, f := range p.want {
		fields[j] = arrow.Field{Name: f.Name, Type: f.Type}
		arrays[j] = g.slots[index[f.Name]].array
	}
	g.out = array.NewRecord(arrow.NewSchema(fields, nil), arrays, int64(batchRows))
	return g
}

func newArray(typ arrow.DataType, rows int, mem memory.Allocator) arrow.Array {
	buffer := memory.NewResizableBuffer(mem)
	defer buffer.Release()
	buffer.Resize(rows * typ.(arrow.FixedWidthDataType).Bytes())
	data := array.NewData(typ, rows, []*memory.Buffer{nil, buffer}, nil, 0, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

// Eval scores one batch. rec holds Plan.Columns in that order; key is the number
// of each row; bad counts each row's bad values and may be nil. The answer holds
// the wanted columns, a row for each row of rec; it is the program's own memory,
// valid until the next call, and must not be released.
func (g *Program) Eval(rec arrow.Record, key []uint64, bad []uint8) (arrow.Record, error) {
	return g.EvalCoded(rec, nil, key, bad)
}

// EvalCoded is Eval of a batch some of whose columns come by dictionary: coded has one
// of rec's rows for each column of rec that does, nil for the others, and may be nil.
// What rec has in these columns is not looked at. The answer is the same, sooner.
func (g *Program) EvalCoded(rec arrow.Record, coded []*kernel.Coded, key []uint64, bad []uint8) (arrow.Record, error) {
	n := int(rec.NumRows())
	if n > g.rows || len(key) != n || (bad != nil && len(bad) != n) || int(rec.NumCols()) != len(g.read) || (coded != nil && len(coded) != len(g.read)) {
		return nil, fmt.Errorf("evaluate program: a batch of %d rows and %d columns, %d numbers; the program takes %d rows and %d columns",
			n, rec.NumCols(), len(key), g.rows, len(g.read))
	}
	for c, by := range coded {
		if by != nil && !g.read[c].takes {
			return nil, fmt.Errorf("evaluate program: column %s comes by dictionary, and not every kernel takes it so", rec.ColumnName(c))
		}
	}
	g.bind(rec, coded)
	if g.key >= 0 {
		copy(g.slots[g.key].vector.U64, key)
	}
	if g.bad >= 0 {
		dst := g.slots[g.bad].vector.U8[:n]
		if bad == nil {
			clear(dst)
		} else {
			copy(dst, bad)
		}
	}
	for i := range g.steps {
		if s := &g.steps[i]; !s.still || n > g.held {
			s.kernel.Eval(n, s.in, s.out)
		}
	}
	g.held = max(g.held, n)
	if n == g.rows {
		return g.out, nil
	}
	if g.short == nil || int(g.short.NumRows()) != n {
		if g.short != nil {
			g.short.Release()
		}
		g.short = g.out.NewSlice(0, int64(n))
	}
	return g.short, nil
}

// bind points the inputs at a record's columns. Readers hand the arrays of a batch out
// again with the next, which has written their memory anew, so that few change: where
// nulls, or a dictionary, come or go.
func (g *Program) bind(rec arrow.Record, coded []*kernel.Coded) {
	for c := range g.read {
		r, a := &g.read[c], rec.Column(c)
		if coded != nil && coded[c] != nil {
			r.bound = nil
			if g.slots[r.slot].vector.Coded != coded[c] {
				g.point(r.slot, kernel.Vector{Coded: coded[c]})
			}
		} else if a != r.bound {
			r.bound = a
			v := kernel.AsVector(a)
			if bits := a.NullBitmapBytes(); len(bits) > 0 { // the next batch may have nulls, if this has none
				v.Valid = kernel.Bitmap{Bits: bits, Offset: a.Data().Offset()}
			}
			g.point(r.slot, v)
		}
	}
}

// point gives a slot, and who reads it, another vector.
func (g *Program) point(slot int, v kernel.Vector) {
	s := &g.slots[slot]
	s.vector = v
	for _, in := range s.uses {
		g.steps[in.step].in[in.at] = v
	}
}

// Hold says of each of Plan.Columns whether it holds the same in every row of every batch
// from now on, until Forget: such as null, where the base lacks it. What is made of such
// columns alone is made once: outputs are the program's own memory, and stay.
func (g *Program) Hold(same []bool) {
	g.held = 0
	for i := range g.steps {
		g.steps[i].still = true
	}
	move := func(slot int) {
		for _, by := range g.slots[slot].uses {
			g.steps[by.step].still = false
		}
	}
	for _, handed := range [...]int{g.key, g.bad} {
		if handed >= 0 {
			move(handed)
		}
	}
	for c, r := range g.read {
		if !same[c] {
			move(r.slot)
		}
	}
	for i := range g.steps { // each after those that make what it reads
		if s := &g.steps[i]; !s.still {
			for _, slot := range s.makes {
				move(slot)
			}
		}
	}
}

// Plan returns what the program was made of.
func (g *Program) Plan() *Plan { return g.plan }

// Forget lets go of the record that was evaluated last, so that its memory may become
// another's. The program can be used again.
func (g *Program) Forget() {
	for c := range g.read {
		g.read[c].bound = nil
		g.point(g.read[c].slot, kernel.Vector{})
	}
	for i := range g.steps {
		g.steps[i].still = false
	}
}

// Release gives the program's memory back.
func (g *Program) Release() {
	if g.short != nil {
		g.short.Release()
	}
	g.out.Release()
	for _, s := range g.slots {
		if s.array != nil {
			s.array.Release()
		}
	}
}

// String prints the program: the columns read and the kernels in order.
func (p *Plan) String() string {
	var b strings.Builder
	bytes := 0
	for _, f := range p.read {
		bytes += f.Type.(arrow.FixedWidthDataType).Bytes()
	}
	fmt.Fprintf(&b, "read %d columns, %d bytes a row\n", len(p.read), bytes)
	for i, k := range p.kernels {
		spec := k.Spec()
		fmt.Fprintf(&b, "%3d  %-28s %s -> %s\n", i+1, spec.Name, names(spec.In), names(spec.Out))
	}
	fmt.Fprintf(&b, "write %s\n", names(p.want))
	return b.String()
}

func names(fields []kernel.Field) string {
	list := make([]string, len(fields))
	for i, f := range fields {
		list[i] = f.Name
	}
	return strings.Join(list, " ")
}
