// Package kerneltest runs a kernel through every shape a batch can take and
// compares each row with what it should be.
//
//	hand cases ─┐                   ┌─ batch sizes 1, 2, 3, 8, 63, 64, 65, 1000, whole
//	            ├─► pool of rows ──►┤  bit offsets 0, 1, 7, 8, 9, 13, 63, 64, 65
//	random rows ┘   (Arrow arrays)  └─ bitmaps: none, all ones, real, all null
//
// Rows lie in real Arrow arrays from a checked allocator, sliced at odd places.
// The values behind nulls, and the rows before and after the slice, are poison:
// valid looking values that give a wrong answer when they are used. Output
// vectors are handed over dirty and longer than the batch, and what lies past
// the batch must stay as it was. Afterwards the inputs must be bit for bit
// what they were. Floats are compared by their bits, except that any NaN
// equals any NaN. Eval may not allocate.
//
// The functions measure allocations, so a test that calls them cannot be
// parallel.
package kerneltest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"rescore/worker/kernel"
)

// PoolRows is how many rows a pool holds: the size of the largest batch. The
// kernels handed to the harness must be built for at least that many.
const PoolRows = 4096

// sizes are the batch sizes tried; a pool is cut into batches of one of them,
// or of sizes drawn from them.
var sizes = []int{1, 2, 3, 8, 63, 64, 65, 1000, PoolRows}

// offsets are the array offsets tried.
var offsets = []int{0, 1, 7, 8, 9, 13, 63, 64, 65}

// Row is one hand-written row: values by column name. An input that is absent
// or nil is null; an output that is absent is not compared. Values are Go
// integers for integer columns and float64 or float32 for float columns.
type Row map[string]any

// Run evaluates hand-written rows in every shape and compares the outputs that
// want names; want[i] belongs to rows[i].
func Run(t testing.TB, k kernel.Kernel, rows, want []Row) {
	t.Helper()
	if err := check(k, rows, want); err != nil {
		t.Fatal(err)
	}
}

// Random compares a kernel with its reference on random rows.
type Random struct {
	// New makes the kernel for batches of up to batchRows rows.
	New func(batchRows int) kernel.Kernel
	// Reference works out one row from the domain's text, a row at a time. It
	// must write every output.
	Reference func(in *In, out *Out)
	// Rows is how many rows to try at least; 0 is a million, or ten million with
	// RESCORE_LONG=1.
	Rows int
	// Edges are values worth trying often, by column name; a monthly column may
	// be named without its month. Thresholds are tried with their neighbours.
	Edges map[string][]int64
	// Max bounds the absolute value of a column's integers, by name as in Edges,
	// where the kernel promises less than the type holds. The default for 64-bit
	// columns is kernel.MoneyMax.
	Max map[string]int64
	// Range bounds a float column's values, which then are never NaN, by name.
	Range map[string][2]float64
	// NeverNull are the integer inputs that are never null, having been made by
	// another kernel.
	NeverNull []string
	// Seed varies the rows.
	Seed uint64
}

// Run runs the comparison.
func (r Random) Run(t testing.TB) {
	t.Helper()
	if r.Rows == 0 {
		r.Rows = 1_000_000
		if os.Getenv("RESCORE_LONG") != "" {
			r.Rows = 10_000_000
		}
	}
	if err := r.check(); err != nil {
		t.Fatal(err)
	}
}

// check tiles the hand-written rows over one pool and tries every shape.
func check(k kernel.Kernel, rows, want []Row) error {
	if len(rows) == 0 || len(rows) != len(want) {
		return fmt.Errorf("%d rows, %d wanted", len(rows), len(want))
	}
	spec := k.Spec()
	for i := range rows {
		for name := range rows[i] {
			if position(spec.In, name) < 0 {
				return fmt.Errorf("row %d: %s has no input %q", i, spec.Name, name)
			}
		}
		for name := range want[i] {
			if position(spec.Out, name) < 0 {
				return fmt.Errorf("row %d: %s has no output %q", i, spec.Name, name)
			}
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	n := min(max(130, 2*len(rows)), PoolRows)
	pool := newPool(spec, n)
	defer pool.release()
	for _, offset := range offsets[:5] {
		for _, size := range sizes[:8] {
			pool.poison(rng, offset)
			for i := range n {
				if err := pool.put(i, rows[i%len(rows)], want[i%len(rows)]); err != nil {
					return fmt.Errorf("row %d: %w", i%len(rows), err)
				}
			}
			pool.seal()
			next := func() int { return size }
			if err := pool.run(k, n, next, rng); err != nil {
				return fmt.Errorf("offset %d, batches of %d: %w", offset, size, err)
			}
		}
	}
	return pool.allocations(k)
}

func (r Random) check() error {
	k := r.New(PoolRows)
	spec := k.Spec()
	if again := r.New(PoolRows).Spec(); fmt.Sprint(again) != fmt.Sprint(spec) {
		return fmt.Errorf("spec differs between two kernels of one constructor: %v, %v", spec, again)
	}
	for name := range r.Edges {
		if !named(spec.In, name) {
			return fmt.Errorf("%s has no input %q to give edges to", spec.Name, name)
		}
	}
	rng := rand.New(rand.NewPCG(r.Seed, 0x7265_7363_6f72_65))
	pool := newPool(spec, PoolRows)
	defer pool.release()
	draw := newDraw(spec, r)
	in, out := newIn(pool), newOut(pool)
	for done, round := 0, 0; done < r.Rows; done, round = done+PoolRows, round+1 {
		pool.poison(rng, offsets[round%len(offsets)])
		draw.fill(pool, rng)
		pool.seal()
		for i := range PoolRows {
			in.row, out.row = i, i
			out.written = 0
			r.Reference(in, out)
			if out.written != len(spec.Out) {
				return fmt.Errorf("reference of %s wrote %d of %d outputs", spec.Name, out.written, len(spec.Out))
			}
		}
		size := sizes[rng.IntN(len(sizes))]
		next := func() int { return size }
		if round%2 == 1 {
			next = func() int { return sizes[rng.IntN(len(sizes))] }
		}
		if err := pool.run(k, PoolRows, next, rng); err != nil {
			return fmt.Errorf("seed %d, round %d: %w", r.Seed, round, err)
		}
	}
	return pool.allocations(k)
}

// position returns the index of the field of that name, -1 if there is none.
func position(fields []kernel.Field, name string) int {
	for i, f := range fields {
		if f.Name == name {
			return i
		}
	}
	return -1
}

// named reports whether name is a field or the base name of a monthly one.
func named(fields []kernel.Field, name string) bool {
	for _, f := range fields {
		if f.Name == name || base(f.Name) == name {
			return true
		}
	}
	return false
}

// base returns a flat name without its month: fee for fee_m3.
func base(name string) string {
	if n := len(name); n > 3 && name[n-3:n-1] == "_m" && name[n-1] >= '0' && name[n-1] <= '5' {
		return name[:n-3]
	}
	return name
}
