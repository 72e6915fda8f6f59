package score

import (
	"errors"
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/attribution"
	"rescore/worker/kernel"
	"rescore/worker/lane"
	"rescore/worker/model"
)

// Reasons is how many features are named as a row's reasons.
const Reasons = 3

// Methods by which a row's reasons were found, the values of reason_method. The
// numbers are written to disk.
const (
	Unexplained uint8 = 0 // not asked for, or the model does not tell: no reason is named
	ByPath      uint8 = 1 // path attribution
	Exact       uint8 = 2 // Shapley values
)

// explained are the columns of a row's reasons, behind a kernel's others.
var explained = []kernel.Field{
	{Name: "reason1", Type: arrow.PrimitiveTypes.Uint16},
	{Name: "reason2", Type: arrow.PrimitiveTypes.Uint16},
	{Name: "reason3", Type: arrow.PrimitiveTypes.Uint16},
	{Name: "reason_method", Type: arrow.PrimitiveTypes.Uint8},
}

// explainer writes the reasons of rows that a scorer has scored: 1 + the places of
// the features with the largest three contributions above 0 among the model's
// features, 0 where there are no more. Of equal contributions the one of the first
// feature comes first. A row that the model refuses has no reasons.
type explainer struct {
	rows   *scorer
	credit *credits // nil when a score is no sum of leaves
	walk   *attribution.Path
	row    []float64 // of columns
	shares []float64 // of features
	known  lane.Mask // rows that the model does not refuse
}

// explain writes the reasons of the rows from first on that were scored last.
// It takes out to be a kernel's, of the explained columns. x may be nil.
func (x *explainer) explain(in, out []kernel.Vector, first int, scores []float64) {
	n := len(scores)
	code, method := [Reasons][]uint16{}, out[Reasons].U8[first:first+n]
	for i := range code {
		code[i] = out[i].U16[first : first+n]
	}
	if x == nil {
		for i := range method {
			code[0][i], code[1][i], code[2][i], method[i] = 0, 0, 0, Unexplained
		}
		return
	}
	if x.credit != nil {
		x.credit.explain(&code)
	} else {
		x.walkRows(in, first, &code)
	}
	lane.Known(&x.known, scores)
	lane.Flag(method, &x.known) // ByPath is 1, and Unexplained 0
	if x.known.Count(n) == n {
		return
	}
	for i, by := range method {
		if by == Unexplained {
			code[0][i], code[1][i], code[2][i] = 0, 0, 0
		}
	}
}

// walkRows explains row by row.
func (x *explainer) walkRows(in []kernel.Vector, first int, code *[Reasons][]uint16) {
	if x.rows.runner != nil {
		in, first = x.rows.columns, 0
	}
	for i := range code[0] {
		for column := range x.row {
			x.row[column] = known(in[column].F64[first+i])
		}
		x.walk.Walk(x.shares, x.row)
		for k, c := range Largest(x.shares[:len(x.shares)-1]) {
			code[k][i] = c
		}
	}
}

// Largest returns the codes of the largest contributions of features above 0: 1 +
// their places, and 0 where there are no more. Of equal ones the first comes first.
func Largest(contributions []float64) (code [Reasons]uint16) {
	var most [Reasons]float64
	for f, x := range contributions {
		for k := range most {
			if x > most[k] {
				copy(most[k+1:], most[k:])
				copy(code[k+1:], code[k:])
				most[k], code[k] = x, uint16(f)+1
				break
			}
		}
	}
	return code
}

// creditsMax bounds the tables of what leaves credit to 64 MiB.
const creditsMax = 1 << 24

// credits explains rows by path attribution (package attribution), in blocks whose
// leaves a forest finds:
//
//	leaves ──────────► sums ─────────────────► reasons
//	a byte a row       a number a feature,     the largest three
//	of each tree       of each row             above 0
//
// What a leaf credits to a feature is known beforehand, so that a tree costs a row a
// few additions. Credits are integers, in units of which 2^30 are the most that
// a sum can come to: rounding one moves it by less than a milliardth of that, and
// integers add up to the same whatever the order. They are kept in one of three forms:
//
//	lists    of each leaf the features on its path, and their credits
//	tables   of each leaf a number for every feature, mostly 0: for vectors, which
//	         make many additions side by side, and none is guessed wrong
//	bunches  of each feature what trees together credit to it: for vectors that look
//	         words up by themselves (bunch.go)
type credits struct {
	forest  *forest
	feature []uint16 // codes of the columns: of the features any tree asks for, in order
	width   int      // of a row of sums and of a table: columns, to a multiple of 16

	start []uint32 // of each leaf's list, in the order of forest.value, and the end
	list  []credit
	table []int32 // in the order of forest.value; nil where lists are used

	bunches []bunches // of each column; nil where lists or tables are used

	// Scratch.
	tables [grouped]*int32             // those of a group of trees
	sums   []int32                     // blockRows rows of width; of bunches: by column, rows in slots
	codes  *[Reasons][blockRows]uint16 // by row
	slots  *[Reasons][blockRows]uint16 // by slot
}

// credit is an item of a leaf's list.
type credit struct{ column, change int32 }

// unitsMax is the most that a sum can come to, in units of the credits, when every
// rounding went up.
const unitsMax = 1 << 30

// newCredits works out the credits of a forest by the path attribution of its model.
// They explain nothing yet (fresh), and never change.
func newCredits(f *forest, e *model.Ensemble, by *attribution.Path) (*credits, error) {
	r := &credits{forest: f}
	column := r.columns(e)
	unit, err := unitOf(e, by)
	if err != nil {
		return nil, err
	}
	r.start, r.list = make([]uint32, 0, len(f.value)+1), make([]credit, 0, by.Credits())
	for t, g := range f.trees {
		for i := range g.leaves() {
			r.start = append(r.start, uint32(len(r.list)))
			for _, c := range by.Leaf(t, int(f.origin[int(g.value)+i])) {
				if int(c.Feature) < len(column) { // what is credited to the bias is nobody's
					r.list = append(r.list, credit{column[c.Feature], units(c.Change, unit)})
				}
			}
		}
	}
	r.start = append(r.start, uint32(len(r.list)))
	if f.path.bunch != nil {
		r.bunches = r.newBunches()
	}
	if r.bunches != nil {
		return r, nil
	}
	if leaves := len(r.start) - 1; f.path.credit != nil && leaves <= creditsMax/r.width {
		r.table = make([]int32, leaves*r.width)
		for i := range leaves {
			for _, c := range r.list[r.start[i]:r.start[i+1]] {
				r.table[i*r.width+int(c.column)] = c.change
			}
		}
	}
	return r, nil
}

// fresh returns credits of the same tables with scratch of their own, for a forest that
// has some, and that keeps leaves from now on where they need them.
func (r *credits) fresh(f *forest) *credits {
	c := *r
	c.forest = f
	c.sums = make([]int32, blockRows*r.width)
	if r.bunches != nil {
		f.kept = make([][blockRows]uint8, len(f.trees))
		c.codes, c.slots = new([Reasons][blockRows]uint16), new([Reasons][blockRows]uint16)
	}
	return &c
}

// columns gives the features that trees ask for columns, in order, and returns the
// column of each feature.
func (r *credits) columns(e *model.Ensemble) []int32 {
	column := make([]int32, len(e.Features))
	for t := range e.Trees() {
		for _, asked := range e.Tree(t).Feature {
			if feature := e.Source(int(asked)); feature >= 0 {
				column[feature] = 1
			}
		}
	}
	for feature, asked := range column {
		if asked == 1 {
			column[feature] = int32(len(r.feature))
			r.feature = append(r.feature, uint16(feature)+1)
		}
	}
	r.width = max(16, (len(r.feature)+15)&^15)
	return column
}

// unitOf returns the unit of a model's credits.
func unitOf(e *model.Ensemble, by *attribution.Path) (float64, error) {
	most := 0.0
	for t := range e.Trees() {
		largest := 0.0
		for leaf := range e.Tree(t).Leaf {
			for _, c := range by.Leaf(t, leaf) {
				largest = max(largest, math.Abs(c.Change))
			}
		}
		most += largest
	}
	if !(most <= math.MaxFloat64) {
		return 0, errors.New("the values of the model's leaves add up to more than a float64 holds; train with a smaller learning rate")
	}
	return most / unitsMax, nil
}

// units rounds a credit to units, half to even. A unit of 0 is of a model without
// credits, or with none that a float64 can divide.
func units(change, unit float64) int32 {
	if unit == 0 {
		return 0
	}
	return int32(math.RoundToEven(change / unit))
}

// explain writes the reasons of the first rows of the block that the forest
// summed last, as many as code has room for. Where fewer than three features
// raise the score, the others are 0.
func (r *credits) explain(code *[Reasons][]uint16) {
	if r.bunches != nil {
		r.forest.path.bunch(r.codes, r)
		for k := range code {
			copy(code[k], r.codes[k][:])
		}
		return
	}
	clear(r.sums)
	f := r.forest
	for trees := f.trees; len(trees) > 0; {
		n := f.find(trees)
		switch {
		case n == 0:
			f.replay(trees[0])
			r.spread(f.masks[:trees[0].leaves()], trees[0])
			n = 1
		case r.table != nil:
			r.look(trees[:n])
		default:
			r.add(trees[:n])
		}
		trees = trees[n:]
	}
	first, second, third := code[0], code[1][:len(code[0])], code[2][:len(code[0])]
	for i := range first {
		a, b, c := largest(r.sums[i*r.width:][:len(r.feature)])
		first[i], second[i], third[i] = r.code(a), r.code(b), r.code(c)
	}
}

// add adds the lists of the rows' leaves.
func (r *credits) add(trees []grown) {
	for row := range blockRows {
		sums := r.sums[row*r.width:][:r.width]
		for i, g := range trees {
			at := int(g.value) + int(r.forest.leaves[i][row])
			for _, c := range r.list[r.start[at]:r.start[at+1]] {
				sums[c.column] += c.change
			}
		}
	}
}

// look adds the tables' rows of the rows' leaves.
func (r *credits) look(trees []grown) {
	for i, g := range trees {
		r.tables[i] = &r.table[int(g.value)*r.width]
	}
	r.forest.path.credit(r.sums, r.forest.leaves[:len(trees)], &r.tables, r.width)
}

// spread adds the lists of one tree's leaves, however many it has, to the rows in
// their masks.
func (r *credits) spread(masks []plane, g grown) {
	for i := range masks {
		at := int(g.value) + i
		list := r.list[r.start[at]:r.start[at+1]]
		for w, rows := range masks[i] {
			for ; rows != 0; rows &= rows - 1 {
				sums := r.sums[(w*64+bits.TrailingZeros64(rows))*r.width:][:r.width]
				for _, c := range list {
					sums[c.column] += c.change
				}
			}
		}
	}
}

// largest returns the largest three sums above 0, the largest first and of equal
// ones the first: each above its column's complement, 0 where there are no more.
// Nothing is known of which is larger, so no branch asks: where a is less than k,
// the sign of a-k is all ones, and swaps them.
func largest(sums []int32) (a, b, c int64) {
	for i, x := range sums {
		k := int64(x)<<16 | int64(^uint16(i))
		swap := (a ^ k) & ((a - k) >> 63)
		a, k = a^swap, k^swap
		swap = (b ^ k) & ((b - k) >> 63)
		b, k = b^swap, k^swap
		c ^= (c ^ k) & ((c - k) >> 63)
	}
	return a, b, c
}

// code returns the code of one of the largest: a sum of 0 is no reason.
func (r *credits) code(of int64) uint16 {
	if of>>16 == 0 {
		return 0
	}
	return r.feature[^uint16(of)]
}
