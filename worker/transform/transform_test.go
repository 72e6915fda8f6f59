package transform

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"rescore/worker/elementary"
)

var nan, inf = math.NaN(), math.Inf(1)

// same reports whether two values are the same, missing ones included.
func same(a, b float64) bool { return a == b || a != a && b != b }

// one runs a single function over one row.
func one(t testing.TB, f Function, in ...float64) float64 {
	t.Helper()
	b := New(len(in))
	operands := make([]Operand, len(in))
	for i := range in {
		operands[i] = Column(i)
	}
	b.Add(f, operands...)
	p, err := b.Program()
	if err != nil {
		t.Fatal(err)
	}
	return p.Row(in)[len(in)]
}

func TestCallsGiveWhatPMMLSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   []float64
		want float64
	}{
		{"+", []float64{2, 3}, 5}, {"+", []float64{2, nan}, nan}, {"-", []float64{2, 3}, -1}, {"*", []float64{2, 3}, 6},
		{"/", []float64{3, 2}, 1.5}, {"/", []float64{3, 0}, nan}, {"*", []float64{1e300, 1e300}, nan},
		{"min", []float64{3, nan, 2}, 2}, {"max", []float64{3, nan, 2}, 3}, {"sum", []float64{3, nan, 2}, 5},
		{"product", []float64{3, nan, 2}, 6}, {"avg", []float64{3, nan, 2}, 2.5}, {"avg", []float64{nan, nan}, nan}, {"sum", []float64{nan}, nan},
		{"min", []float64{inf, 2}, 2},
		{"log10", []float64{1000}, 3}, {"ln", []float64{1}, 0}, {"ln", []float64{0}, nan}, {"ln", []float64{-1}, nan}, {"ln1p", []float64{0}, 0},
		{"sqrt", []float64{9}, 3}, {"sqrt", []float64{-1}, nan}, {"abs", []float64{-2}, 2}, {"exp", []float64{0}, 1}, {"exp", []float64{1000}, nan},
		{"pow", []float64{2, 10}, 1024}, {"pow", []float64{-8, 0.5}, nan}, {"pow", []float64{nan, 0}, nan},
		{"threshold", []float64{2, 1}, 1}, {"threshold", []float64{1, 1}, 0},
		{"floor", []float64{-1.5}, -2}, {"ceil", []float64{-1.5}, -1},
		{"round", []float64{2.5}, 3}, {"round", []float64{-2.5}, -2}, {"round", []float64{0.49999999999999994}, 0}, {"rint", []float64{2.5}, 2},
		{"float", []float64{0.1}, float64(float32(0.1))},
		{"if", []float64{1, 2, 3}, 2}, {"if", []float64{0, 2, 3}, 3}, {"if", []float64{0, 2}, nan}, {"if", []float64{nan, 2, 3}, nan}, {"if", []float64{1, 2, nan}, 2},
		{"and", []float64{1, 1}, 1}, {"and", []float64{1, 0}, 0}, {"and", []float64{nan, 0}, 0}, {"and", []float64{nan, 1}, nan}, {"and", []float64{0, nan}, 0},
		{"or", []float64{0, 0}, 0}, {"or", []float64{nan, 1}, 1}, {"or", []float64{nan, 0}, nan}, {"or", []float64{2, nan}, 1},
		{"not", []float64{0}, 1}, {"not", []float64{3}, 0}, {"not", []float64{nan}, nan},
		{"equal", []float64{1, 1}, 1}, {"equal", []float64{nan, nan}, nan}, {"notEqual", []float64{1, 1}, 0},
		{"lessThan", []float64{1, 1}, 0}, {"lessOrEqual", []float64{1, 1}, 1}, {"greaterThan", []float64{2, 1}, 1}, {"greaterOrEqual", []float64{0, 1}, 0},
		{"isMissing", []float64{nan}, 1}, {"isMissing", []float64{inf}, 1}, {"isMissing", []float64{0}, 0}, {"isNotMissing", []float64{0}, 1},
		{"isIn", []float64{2, 1, 2}, 1}, {"isIn", []float64{2, 1, nan}, 0}, {"isIn", []float64{nan, 1}, nan}, {"isNotIn", []float64{2, 1, 3}, 1}, {"isNotIn", []float64{3, 3}, 0},
	} {
		f, ok := Call(c.name, len(c.in))
		if !ok {
			t.Errorf("%s of %d operands is not known", c.name, len(c.in))
			continue
		}
		if got := one(t, f, c.in...); !same(got, c.want) {
			t.Errorf("%s%v = %v, want %v", c.name, c.in, got, c.want)
		}
	}
	for _, c := range []struct {
		name     string
		operands int
	}{{"ln", 2}, {"+", 3}, {"if", 1}, {"if", 4}, {"and", 1}, {"sum", 0}, {"concat", 2}, {"", 1}, {"isIn", 1}, {"avg", 0}} {
		if _, ok := Call(c.name, c.operands); ok {
			t.Errorf("%q of %d operands is known", c.name, c.operands)
		}
	}
}

func TestTablesGiveWhatPMMLSays(t *testing.T) {
	t.Parallel()
	line := func(o Outliers) Norm {
		return Norm{From: []float64{0, 10, 20}, To: []float64{1, 2, 0}, Outliers: o, Missing: 7}
	}
	half := Interval{Low: 0, High: 10, LowClosed: true}
	bins := Bins{Intervals: []Interval{half, {Low: 10, High: inf}}, Values: []float64{100, 200}, Otherwise: -1, Missing: -2}
	table := NewTable([][]float64{{1, 2}, {1, 1}, {0, 9}, {1, 2}}, []float64{12, 11, 9, 99}, -1, -2)
	domain := Domain{Intervals: []Interval{half}, Values: []float64{-5, 10}}
	for _, c := range []struct {
		name string
		f    Function
		in   []float64
		want float64
	}{
		{"a point", line(OutliersAsIs), []float64{10}, 2}, {"between", line(OutliersAsIs), []float64{15}, 1}, {"the first", line(OutliersMissing), []float64{0}, 1},
		{"the last", line(OutliersMissing), []float64{20}, 0}, {"before, as is", line(OutliersAsIs), []float64{-10}, 0}, {"behind, as is", line(OutliersAsIs), []float64{25}, -1},
		{"before, missing", line(OutliersMissing), []float64{-1}, nan}, {"before, extreme", line(OutliersExtremes), []float64{-1}, 1}, {"behind, extreme", line(OutliersExtremes), []float64{99}, 0},
		{"missing", line(OutliersExtremes), []float64{nan}, 7},
		{"closed end", bins, []float64{0}, 100}, {"open ends", bins, []float64{10}, -1}, {"no end", bins, []float64{1e300}, 200}, {"no bin", bins, []float64{nan}, -2},
		{"found", table, []float64{1, 1}, 11}, {"the first of equals", table, []float64{1, 2}, 12}, {"the lowest", table, []float64{0, 9}, 9},
		{"not found", table, []float64{1, 3}, -1}, {"not found above", table, []float64{5, 3}, -1}, {"part missing", table, []float64{1, nan}, -2},
		{"kept", Restrict{domain, nan}, []float64{5}, 5}, {"listed", Restrict{domain, nan}, []float64{10}, 10}, {"invalid", Restrict{domain, nan}, []float64{11}, nan},
		{"invalid by value", Restrict{domain, 3}, []float64{-4}, 3}, {"missing is not invalid", Restrict{domain, 3}, []float64{nan}, nan},
		{"inside", Outside{domain, domain}, []float64{5, 10}, 0}, {"outside", Outside{domain, domain}, []float64{5, 11}, 1}, {"missing is not outside", Outside{domain}, []float64{nan}, 0},
		{"clipped", Clip{1, 2}, []float64{3}, 2}, {"clipped from below", Clip{1, 2}, []float64{0}, 1}, {"not clipped", Clip{1, 2}, []float64{1.5}, 1.5}, {"missing is not clipped", Clip{1, 2}, []float64{nan}, nan},
		{"infinite is missing", Clip{1, 2}, []float64{inf}, nan},
		{"filled", Fill(4), []float64{nan}, 4}, {"not filled", Fill(4), []float64{1}, 1}, {"filled from a column", Fill(4), []float64{nan, 6}, 6},
	} {
		if got := one(t, c.f, c.in...); !same(got, c.want) {
			t.Errorf("%s: %v of %v, want %v", c.name, got, c.in, c.want)
		}
	}
}

func call(name string, operands int) Function {
	f, ok := Call(name, operands)
	if !ok {
		panic(name)
	}
	return f
}

// example replaces column 1, uses it before and afterwards, and makes four columns.
func example(t testing.TB) *Program {
	b := New(3)
	old := b.Add(call("+", 2), Column(1), Constant(1))
	b.Replace(1, Fill(24), Column(1))
	b.Replace(1, Clip{0, 100}, Column(1))
	log := b.Add(call("ln", 1), Column(0))
	product := b.Add(call("*", 2), log, Column(1))
	b.Refuse(b.Add(Outside{{Values: []float64{1, 2, 3}}}, Column(2)))
	b.Add(call("sum", 4), old, product, Constant(0.5), Constant(1))
	p, err := b.Program()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// exampleRow works the example out in the order of its steps, from the text of each.
func exampleRow(a, b, c float64) [8]float64 {
	missing := func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }
	old := b + 1
	if missing(b) {
		old, b = nan, 24
	}
	b = math.Min(math.Max(b, 0), 100)
	log := nan
	if !missing(a) && a > 0 {
		log = elementary.Log(a)
	}
	product := log * b
	refused := 0.0
	if !missing(c) && c != 1 && c != 2 && c != 3 {
		refused = 1
	}
	sum, first := 0.0, true
	for _, x := range []float64{old, product, 0.5, 1} {
		if !missing(x) {
			if sum += x; first {
				sum, first = x, false
			}
		}
	}
	return [8]float64{a, b, c, old, log, product, refused, sum}
}

func TestBlocksEqualTheReferenceForEverySize(t *testing.T) {
	t.Parallel()
	p := example(t)
	r := rand.New(rand.NewPCG(7, 7))
	value := func() float64 {
		switch r.IntN(8) {
		case 0:
			return nan
		case 1:
			return []float64{inf, -inf, 0, 1, 2, 3, -1, 100}[r.IntN(8)]
		}
		return r.NormFloat64() * 60
	}
	rows := 1_000_000
	for rows > 0 {
		size := 1 + r.IntN(600)
		run := p.Runner(size)
		for range 1 + r.IntN(20) {
			n := 1 + r.IntN(size)
			rows -= n
			given := make([][]float64, 3)
			for k := range given {
				given[k] = make([]float64, n)
				for i := range given[k] {
					given[k][i] = value()
				}
				run.Columns[k] = given[k]
			}
			kept := append([]float64(nil), given[1]...)
			run.Run(n)
			for i := range n {
				if !same(given[1][i], kept[i]) {
					t.Fatal("a given column was written to")
				}
				want := exampleRow(given[0][i], kept[i], given[2][i])
				for k, x := range want {
					if got := run.Columns[k][i]; !same(got, x) {
						t.Fatalf("column %d of (%v, %v, %v) is %v, want %v", k, given[0][i], kept[i], given[2][i], got, x)
					}
				}
			}
		}
	}
}

func TestARowIsABlockOfOne(t *testing.T) {
	t.Parallel()
	row := example(t).Row([]float64{2, nan, 9})
	for k, want := range exampleRow(2, nan, 9) {
		if !same(row[k], want) {
			t.Errorf("column %d is %v, want %v", k, row[k], want)
		}
	}
}

func TestSourceIsTheFirstGivenColumn(t *testing.T) {
	t.Parallel()
	b := New(2)
	constant := b.Add(call("+", 2), Constant(1), Constant(2))
	b.Add(call("+", 2), constant, Column(1))
	b.Add(call("+", 2), Column(3), Column(0))
	p, err := b.Program()
	if err != nil {
		t.Fatal(err)
	}
	for column, want := range []int{0, 1, -1, 1, 1} {
		if got := p.Source(column); got != want {
			t.Errorf("column %d derives from %d, want %d", column, got, want)
		}
	}
}

func TestAfterRunsOneProgramBehindAnother(t *testing.T) {
	t.Parallel()
	b := New(3)
	b.Replace(0, Fill(5), Column(0))
	b.Replace(2, Clip{1, 3}, Column(2))
	first, err := b.Program()
	if err != nil {
		t.Fatal(err)
	}
	second := example(t)
	both, err := second.After(first)
	if err != nil {
		t.Fatal(err)
	}
	if both.Refusal() != second.Refusal() || both.Columns() != second.Columns() || both.Given() != 3 {
		t.Errorf("%d columns of %d, refusal %d", both.Columns(), both.Given(), both.Refusal())
	}
	for _, in := range [][]float64{{nan, nan, 7}, {2, 3, 0}, {1, 200, nan}} {
		got, want := both.Row(in), second.Row(first.Row(in))
		for k := range want {
			if !same(got[k], want[k]) {
				t.Errorf("%v: column %d is %v, want %v", in, k, got[k], want[k])
			}
		}
	}
	if _, err := first.After(second); err == nil {
		t.Error("a program that makes columns ran before another")
	}
}

func TestProgramsAreBounded(t *testing.T) {
	t.Parallel()
	b := New(1)
	if p, err := b.Program(); p != nil || err != nil {
		t.Errorf("no steps make %v, %v", p, err)
	}
	for range ColumnsMax {
		b.Add(call("abs", 1), Column(0))
	}
	if _, err := b.Program(); err != nil {
		t.Error(err)
	}
	b.Add(call("+", 2), Column(0), Constant(1))
	if _, err := b.Program(); !errors.Is(err, ErrSize) {
		t.Errorf("error %v", err)
	}
}

// Not parallel: allocations are counted.
func TestRunAllocatesNothing(t *testing.T) {
	p := example(t)
	r := p.Runner(512)
	given := [3][512]float64{}
	if n := testing.AllocsPerRun(20, func() {
		for k := range given {
			r.Columns[k] = given[k][:]
		}
		r.Run(512)
	}); n != 0 {
		t.Errorf("%v allocations a block", n)
	}
}

func BenchmarkNorm(b *testing.B) {
	p := New(1)
	p.Add(Norm{From: []float64{0, 10, 20, 40}, To: []float64{1, 2, 0, 5}}, Column(0))
	program, _ := p.Program()
	r := program.Runner(512)
	x := make([]float64, 512)
	for i := range x {
		x[i] = float64(i*37%500) / 10
	}
	r.Columns[0] = x
	for b.Loop() {
		r.Run(512)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/512, "ns/row")
}

func BenchmarkOutside16Categories(b *testing.B) { benchmarkCategories(b, false) }

func BenchmarkTable16Categories(b *testing.B) { benchmarkCategories(b, true) }

func benchmarkCategories(b *testing.B, table bool) {
	p := New(16)
	var domains Outside
	var in []Operand
	for k := range 16 {
		domains = append(domains, Domain{Values: []float64{0, 1, 2, 3}})
		in = append(in, Column(k))
		if table {
			p.Add(NewTable([][]float64{{0}, {1}, {2}, {3}}, []float64{3, 1, 4, 1.5}, nan, nan), Column(k))
		}
	}
	if !table {
		p.Add(domains, in...)
	}
	program, _ := p.Program()
	r := program.Runner(512)
	for k := range 16 {
		r.Columns[k] = make([]float64, 512)
		for i := range r.Columns[k] {
			r.Columns[k][i] = float64((i * 7 * (k + 1)) % 4)
		}
	}
	for b.Loop() {
		r.Run(512)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/512, "ns/row")
}
