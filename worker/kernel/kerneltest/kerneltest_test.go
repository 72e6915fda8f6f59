package kerneltest

import (
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/worker/kernel"
)

// half is a small kernel with every habit a kernel should have: y is x/2, NaN
// for null; known is 1 where x is not null. Its bugs can be planted one by one.
type half struct {
	known, scratch []uint8
	bug            string
	kept           float64 // state a kernel must not have
}

func newHalf(bug string) func(int) kernel.Kernel {
	return func(batchRows int) kernel.Kernel {
		return &half{known: make([]uint8, batchRows+8), scratch: make([]uint8, 8), bug: bug}
	}
}

func (h *half) Spec() kernel.Spec {
	return kernel.Spec{
		Name: "kerneltest.half",
		In:   []kernel.Field{{Name: "x_m0", Type: arrow.PrimitiveTypes.Int32}, {Name: "z", Type: arrow.PrimitiveTypes.Float64}},
		Out:  []kernel.Field{{Name: "y", Type: arrow.PrimitiveTypes.Float64}, {Name: "known", Type: arrow.PrimitiveTypes.Uint8}},
	}
}

func (h *half) Eval(n int, in, out []kernel.Vector) {
	valid, x, y := in[0].Valid, in[0].I32, out[0].F64
	if h.bug == "offset" && !valid.All() {
		valid.Offset = 0
	}
	if h.bug == "null" {
		valid = kernel.Bitmap{}
	}
	for i := range n {
		h.known[i] = 0
		if valid.Get(i) {
			h.known[i] = 1
		}
	}
	switch h.bug {
	case "all null by count":
		if in[0].Valid.All() {
			clear(h.known[:n])
		}
	case "scribble":
		x[0]++
	case "scribble bitmap":
		if !in[0].Valid.All() {
			in[0].Valid.Bits[0] ^= 1
		}
	case "allocate":
		h.scratch = make([]uint8, 64+n)
	case "past":
		out[1].U8[n] = 1
	}
	for i := range n {
		v := float64(x[i])
		switch h.bug {
		case "next row":
			v = float64(x[min(i+1, len(x)-1)])
		case "beyond":
			v += float64(x[i+1]) * 0
		case "beyond capacity":
			v = float64(x[:cap(x)][i+1])
		case "before":
			if i == n-1 {
				v = h.kept
			}
			h.kept = float64(x[i])
		case "edge":
			if x[i] == 77 {
				v++
			}
		case "tail":
			if i >= 8 && i == n-1 {
				continue
			}
		case "row 64":
			if i == 64 {
				v = 0
			}
		case "dirty":
			if x[i] == 0 {
				continue
			}
		case "last bit":
			v = math.Nextafter(v, math.Inf(1))
		}
		y[i] = v / 2
		if h.known[i] == 0 {
			y[i] = math.NaN()
			if h.bug == "nan" {
				y[i] = 0
			}
		}
	}
	copy(out[1].U8[:n], h.known)
	if h.bug == "bitmap out" {
		out[1].Valid = kernel.Bitmap{Bits: h.scratch}
	}
}

func reference(in *In, out *Out) {
	x := in.Int("x_m0")
	if x == nil {
		out.Float("y", math.NaN())
		out.Int("known", 0)
		return
	}
	out.Float("y", float64(*x)/2)
	out.Int("known", 1)
}

var bugs = []string{
	"offset", "null", "all null by count", "scribble", "scribble bitmap", "allocate", "past", "next row", "beyond",
	"beyond capacity", "before", "edge", "tail", "row 64", "dirty", "last bit", "nan", "bitmap out",
}

func TestRandomPassesAnHonestKernelAndCatchesEveryPlantedBug(t *testing.T) {
	comparison := func(bug string) Random {
		return Random{New: newHalf(bug), Reference: reference, Rows: 60_000, Edges: map[string][]int64{"x": {77}}}
	}
	if err := comparison("").check(); err != nil {
		t.Fatalf("honest kernel: %v", err)
	}
	for _, bug := range bugs {
		if err := comparison(bug).check(); err == nil {
			t.Errorf("planted bug %q not caught", bug)
		}
	}
}

func TestRunPassesAnHonestKernelAndCatchesEveryPlantedBug(t *testing.T) {
	rows := []Row{{"x_m0": 4}, {"x_m0": nil}, {}, {"x_m0": 77}, {"x_m0": 0}, {"x_m0": -9, "z": 1.5}}
	want := []Row{{"y": 2.0, "known": 1}, {"y": nil, "known": 0}, {"y": nil}, {"y": 38.5}, {"y": 0.0, "known": 1}, {"y": -4.5}}
	if err := check(newHalf("")(PoolRows), rows, want); err != nil {
		t.Fatalf("honest kernel: %v", err)
	}
	for _, bug := range bugs {
		if bug == "all null by count" {
			continue // needs a column without nulls
		}
		if err := check(newHalf(bug)(PoolRows), rows, want); err == nil {
			t.Errorf("planted bug %q not caught", bug)
		}
	}
}

func TestMistakesInCasesAreReported(t *testing.T) {
	k := newHalf("")(PoolRows)
	for _, c := range []struct {
		name       string
		rows, want []Row
		says       string
	}{
		{"no rows", nil, nil, "0 rows"},
		{"lengths", []Row{{}}, nil, "0 wanted"},
		{"input", []Row{{"w": 1}}, []Row{{}}, `no input "w"`},
		{"output", []Row{{}}, []Row{{"w": 1}}, `no output "w"`},
		{"too large", []Row{{"x_m0": int64(1) << 40}}, []Row{{}}, "does not fit"},
		{"float in integer", []Row{{"x_m0": 1.5}}, []Row{{}}, "float"},
		{"text", []Row{{"x_m0": "one"}}, []Row{{}}, "not a number"},
	} {
		err := check(k, c.rows, c.want)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want an error saying %q", c.name, err, c.says)
		}
	}
	lazy := Random{New: newHalf(""), Rows: 1, Reference: func(in *In, out *Out) { out.Int("known", 1) }}
	if err := lazy.check(); err == nil || !strings.Contains(err.Error(), "1 of 2 outputs") {
		t.Errorf("a reference that leaves an output out: %v", err)
	}
	stray := Random{New: newHalf(""), Rows: 1, Reference: reference, Edges: map[string][]int64{"w": {1}}}
	if err := stray.check(); err == nil {
		t.Error("edges for a column that is not there: no error")
	}
}
