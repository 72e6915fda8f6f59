package program

import (
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/schema"
)

// eval runs rows from to past-1 and returns their cells.
func (r *rows) eval(t testing.TB, g *Program, from, past int) []uint64 {
	t.Helper()
	rec := r.record(memory.DefaultAllocator, from, past)
	defer rec.Release()
	out, err := g.Eval(rec, r.key[from:past], r.bad[from:past])
	if err != nil {
		t.Fatal(err)
	}
	if int(out.NumRows()) != past-from {
		t.Fatalf("%d rows out of %d", out.NumRows(), past-from)
	}
	return cells(nil, out)
}

// TestARowDependsOnItselfAlone is the heart of invariant I5 within a partition:
// whatever the batches are, and whatever was scored before, a row's outputs are
// the same bits.
func TestARowDependsOnItselfAlone(t *testing.T) {
	t.Parallel()
	const total = 3000
	spec, m := standard(t)
	rng := rand.New(rand.NewPCG(5, 5))
	for round := range 4 {
		plan := planned(t, spec, m)
		whole := plan.Program(total, memory.DefaultAllocator)
		r := draw(rng, plan, total)
		want := r.eval(t, whole, 0, total)
		width := len(want) / total
		for _, size := range []int{1, 3, 64, 511, 512, 513, 2048} {
			g := planned(t, spec, m).Program(size, memory.DefaultAllocator)
			// Batches in any order, full and short ones mixed.
			var cuts []int
			for at := 0; at < total; at += 1 + rng.IntN(size) {
				cuts = append(cuts, at)
				if len(cuts) == 200 {
					break
				}
			}
			rng.Shuffle(len(cuts), func(i, j int) { cuts[i], cuts[j] = cuts[j], cuts[i] })
			for _, from := range cuts {
				past := min(from+size, total)
				if rng.IntN(3) == 0 {
					past = from + 1 + rng.IntN(past-from)
				}
				got := r.eval(t, g, from, past)
				for i, v := range got {
					if v != want[from*width+i] {
						t.Fatalf("round %d, batches of %d: row %d, %s is %#x, in one batch %#x", round, size, from+i/width, schema.Score[i%width].Name, v, want[from*width+i])
					}
				}
			}
			g.Release()
		}
		whole.Release()
	}
}

func TestOutputsStayWithinWhatTheSchemaSays(t *testing.T) {
	t.Parallel()
	const total = 4096
	spec, m := standard(t)
	plan := planned(t, spec, m)
	g := plan.Program(total, memory.DefaultAllocator)
	defer g.Release()
	rng := rand.New(rand.NewPCG(6, 6))
	active := map[uint64]bool{0: true, 201011: true, 201010: true, 201009: true, 201008: true, 201007: true, 201006: true}
	seen := map[string]map[uint64]bool{}
	for range 25 {
		r := draw(rng, plan, total)
		all := r.eval(t, g, 0, total)
		width := len(schema.Score)
		for i := range total {
			row := all[i*width : (i+1)*width]
			at := func(name string) uint64 { return row[scoreColumn(name)] }
			signed := func(name string) int64 { return int64(at(name)) }
			p := math.Float32frombits(uint32(at("propensity")))
			fired, unknown := at("trg_fired"), at("trg_unknown")
			for _, claim := range []struct {
				name string
				ok   bool
			}{
				{"msisdn", at("msisdn") == r.key[i]},
				{"trg_fired", fired < 1<<14 && fired&unknown == 0},
				{"trg_unknown", unknown < 1<<14},
				{"trg_count", int(at("trg_count")) == bits.OnesCount64(fired)},
				{"trg_first", fired == 0 && at("trg_first") == 0 || fired != 0 && int(at("trg_first")) == bits.TrailingZeros64(fired)+1},
				{"trg_reason", at("trg_reason") < 16 && (unknown == 0 || at("trg_reason")&6 != 0)},
				{"warn", at("warn") == min(fired, 1)},
				{"dunning", at("dunning") == fired>>3&1},
				{"silent", at("silent") <= 2},
				{"silent_any", at("silent_any") <= 2 && (at("silent") != 0 || at("silent_any") == 0)},
				{"recent_silent", at("recent_silent") <= 2 && (at("recent_silent") != 1 || at("silent") == 1)},
				{"silent_run", int8(at("silent_run")) >= -1 && int8(at("silent_run")) <= 6},
				{"last_active_month", active[at("last_active_month")] && (at("last_active_month") != 0) == (int8(at("silent_run")) >= 0 && int8(at("silent_run")) < 6)},
				{"account_state", at("account_state") <= 8},
				{"arpu3_fen", signed("arpu3_fen") >= -1},
				{"value_tier", at("value_tier") <= 5 && signed("arpu3_fen") >= 0 || at("value_tier") == 255 && signed("arpu3_fen") == -1},
				{"propensity", p >= float32(1e-6) && p <= float32(1-1e-6)}, // NaN is neither
				{"propensity_score", float64(at("propensity_score")) == math.RoundToEven(1000*float64(p))},
				{"risk_band", at("risk_band") >= 1 && at("risk_band") <= 5},
				{"new_sub", at("new_sub") <= 2},
				{"tenure_class", at("tenure_class") <= 6 && (at("tenure_class") == 0) == (at("new_sub") == 2)},
				{"dq_bad_values", at("dq_bad_values") == uint64(r.bad[i])},
				{"expected_loss_fen", signed("expected_loss_fen") >= -1 && (signed("expected_loss_fen") == -1) == (signed("arpu3_fen") == -1)},
				{"retain_decision", at("retain_decision") >= 1 && at("retain_decision") <= 11},
				{"churn_label", at("churn_label") <= 4},
			} {
				if !claim.ok {
					t.Fatalf("row %d: %s is %d (%v)", i, claim.name, at(claim.name), p)
				}
				if seen[claim.name] == nil {
					seen[claim.name] = map[uint64]bool{}
				}
				seen[claim.name][at(claim.name)] = true
			}
		}
	}
	for name, least := range map[string]int{
		"trg_count": 5, "trg_first": 15, "silent": 3, "silent_any": 3, "recent_silent": 3, "silent_run": 7, "account_state": 9,
		"value_tier": 7, "risk_band": 5, "new_sub": 3, "tenure_class": 7, "retain_decision": 11, "churn_label": 5,
	} {
		if len(seen[name]) < least {
			t.Errorf("%s took %d values, %d were to be seen", name, len(seen[name]), least)
		}
	}
}

func TestEvalAllocatesNothingAndReleaseGivesAllBack(t *testing.T) {
	const size = 256
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	spec, m := standard(t)
	plan := planned(t, spec, m)
	g := plan.Program(size, mem)
	defer g.Release()
	r := draw(rand.New(rand.NewPCG(7, 7)), plan, 2*size)
	one, two, short := r.record(mem, 0, size), r.record(mem, size, 2*size), r.record(mem, 3, 80)
	defer one.Release()
	defer two.Release()
	defer short.Release()
	eval := func(rec arrow.Record) {
		n := int(rec.NumRows())
		if _, err := g.Eval(rec, r.key[:n], r.bad[:n]); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"the same record again and again", func() { eval(one) }},
		{"another record each time", func() { eval(one); eval(two) }},
		{"short batches of one size", func() { eval(short) }},
		{"a partition's end", func() { eval(one); eval(short) }},
	} {
		if n := testing.AllocsPerRun(20, c.f); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

func TestTheAnswerIsOneRecordUntilItsSizeChanges(t *testing.T) {
	t.Parallel()
	const size = 64
	spec, m := standard(t)
	plan := planned(t, spec, m)
	g := plan.Program(size, memory.DefaultAllocator)
	defer g.Release()
	r := draw(rand.New(rand.NewPCG(8, 8)), plan, size)
	answer := func(n int) arrow.Record {
		rec := r.record(memory.DefaultAllocator, 0, n)
		defer rec.Release()
		out, err := g.Eval(rec, r.key[:n], r.bad[:n])
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	full, short := answer(size), answer(7)
	if full == short || answer(size) != full || answer(7) != short {
		t.Error("a full batch, or a short one as long as the one before, is answered with another record")
	}
	if got := answer(8); got == short || got.NumRows() != 8 {
		t.Errorf("a batch of 8 rows is answered with %d", got.NumRows())
	}
	for i, c := range schema.Score {
		if f := full.Schema().Field(i); f.Name != c.Name || !arrow.TypeEqual(f.Type, c.Type) {
			t.Errorf("column %d is %s of %s, the schema has %s of %s", i, f.Name, f.Type, c.Name, c.Type)
		}
	}
}

func TestBadValuesOfOneBatchDoNotReachTheNext(t *testing.T) {
	t.Parallel()
	const size = 32
	spec, m := standard(t)
	plan := planned(t, spec, m)
	g := plan.Program(size, memory.DefaultAllocator)
	defer g.Release()
	r := draw(rand.New(rand.NewPCG(9, 9)), plan, size)
	rec := r.record(memory.DefaultAllocator, 0, size)
	defer rec.Release()
	for _, bad := range [][]uint8{slices.Repeat([]uint8{9}, size), nil} {
		out, err := g.Eval(rec, r.key, bad)
		if err != nil {
			t.Fatal(err)
		}
		want := uint64(0)
		if bad != nil {
			want = 9
		}
		if got := cell(out.Column(scoreColumn(BadValues)), 3); got != want {
			t.Errorf("bad values %d, want %d", got, want)
		}
	}
}

func TestEvalRefusesABatchThatIsNotThePlans(t *testing.T) {
	t.Parallel()
	spec, m := standard(t)
	plan := planned(t, spec, m)
	g := plan.Program(16, memory.DefaultAllocator)
	defer g.Release()
	r := draw(rand.New(rand.NewPCG(10, 10)), plan, 32)
	good, long := r.record(memory.DefaultAllocator, 0, 16), r.record(memory.DefaultAllocator, 0, 17)
	narrow := (&rows{plan: &Plan{read: plan.read[1:]}, columns: r.columns[1:], null: r.null[1:]}).record(memory.DefaultAllocator, 0, 16)
	for name, call := range map[string]func() error{
		"too many rows":      func() error { _, err := g.Eval(long, r.key[:17], nil); return err },
		"too few numbers":    func() error { _, err := g.Eval(good, r.key[:15], nil); return err },
		"too few bad values": func() error { _, err := g.Eval(good, r.key[:16], r.bad[:15]); return err },
		"a column missing":   func() error { _, err := g.Eval(narrow, r.key[:16], nil); return err },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), "the program takes 16 rows") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := g.Eval(good, r.key[:16], r.bad[:16]); err != nil {
		t.Errorf("after refusals: %v", err)
	}
}

// A reader's record may lie where that of the reader before lay: what a program
// remembers of a record is where it lies.
func TestAProgramThatForgotAnswersForAnotherRecordInTheSamePlace(t *testing.T) {
	t.Parallel()
	spec, m := standard(t)
	plan := planned(t, spec, m)
	g := plan.Program(64, memory.DefaultAllocator)
	defer g.Release()
	other := planned(t, spec, m).Program(64, memory.DefaultAllocator)
	defer other.Release()
	r := draw(rand.New(rand.NewPCG(9, 4)), plan, 128)
	for from := 0; from < 128; from += 64 {
		rec := r.record(memory.DefaultAllocator, from, from+64)
		out, err := g.Eval(rec, r.key[from:from+64], r.bad[from:from+64])
		if err != nil {
			t.Fatal(err)
		}
		if got, want := cells(nil, out), r.eval(t, other, from, from+64); !slices.Equal(got, want) {
			t.Errorf("rows from %d are answered otherwise by a program that forgot", from)
		}
		g.Forget()
		if slices.ContainsFunc(g.read, func(c column) bool {
			v := &g.slots[c.slot].vector
			return c.bound != nil || v.I64 != nil || v.Valid.Bits != nil
		}) {
			t.Error("it remembers the record")
		}
		rec.Release()
	}
}

// A base lacks columns, the next other ones. Batches of any size, the answers of a
// program that works everything out.
func TestWhatHoldsTheSameInEveryBatchIsMadeOnce(t *testing.T) {
	t.Parallel()
	spec, m := standard(t)
	plan := planned(t, spec, m)
	g := plan.Program(64, memory.DefaultAllocator)
	defer g.Release()
	other := planned(t, spec, m).Program(64, memory.DefaultAllocator)
	defer other.Release()
	rng := rand.New(rand.NewPCG(9, 6))
	for base, share := range []float64{0.97, 0, 0.99, 1} {
		r := draw(rng, plan, 400)
		same := make([]bool, len(plan.read))
		for c, f := range plan.read {
			if same[c] = rng.Float64() < share; !same[c] {
				continue
			}
			null := rng.IntN(2) == 0 // or a constant
			for i := range r.null[c] {
				r.columns[c][i], r.null[c][i] = r.columns[c][0], null && f.Type.ID() != arrow.FLOAT64
			}
		}
		g.Hold(same)
		still := 0
		for _, s := range g.steps {
			if s.still && len(s.in) > 0 {
				still++
			}
		}
		if (still > 0) != (share > 0) || still == len(g.steps) {
			t.Errorf("base %d: %d of %d kernels need not run again", base, still, len(g.steps))
		}
		for from := 0; from < 400; {
			past := min(from+1+rng.IntN(64), 400)
			rec := r.record(memory.DefaultAllocator, from, past)
			out, err := g.Eval(rec, r.key[from:past], r.bad[from:past])
			if err != nil {
				t.Fatal(err)
			}
			if got, want := cells(nil, out), r.eval(t, other, from, past); !slices.Equal(got, want) {
				t.Errorf("base %d: rows %d to %d are answered otherwise", base, from, past)
			}
			rec.Release()
			from = past
		}
		if g.Forget(); slices.ContainsFunc(g.steps, func(s step) bool { return s.still }) {
			t.Error("a program that forgot holds columns to be the same")
		}
	}
}

// Readers write a batch over the one before, and hand its arrays out again.
func TestArraysOfTheBatchBeforeAreReadAnew(t *testing.T) {
	t.Parallel()
	spec, m := standard(t)
	plan := planned(t, spec, m)
	g := plan.Program(64, memory.DefaultAllocator)
	defer g.Release()
	other := planned(t, spec, m).Program(64, memory.DefaultAllocator)
	defer other.Release()
	r := draw(rand.New(rand.NewPCG(9, 5)), plan, 64)
	for c := range r.null {
		clear(r.null[c])
		r.null[c][63] = plan.read[c].Type.ID() != arrow.FLOAT64 // so that there is a bitmap
	}
	const before = 5
	rec := r.recordAt(memory.DefaultAllocator, 0, 64, before)
	defer rec.Release()
	for batch := range 4 {
		for c, column := range rec.Columns() {
			if column.DataType().ID() == arrow.FLOAT64 { // NaN is its null
				continue
			}
			buffers := column.Data().Buffers()
			width := column.DataType().(arrow.FixedWidthDataType).Bytes()
			copy(buffers[1].Bytes()[(before+63)*width:][:width], binary.LittleEndian.AppendUint64(nil, r.columns[c][63]))
			for i := range 64 {
				r.null[c][i] = batch > 0 && (i+c+batch)%3 == 0 // in the first, none
				at, bits := before+i, buffers[0].Bytes()
				if bits[at>>3] |= 1 << (at & 7); r.null[c][i] {
					bits[at>>3] &^= 1 << (at & 7)
				}
			}
			column.Data().(*array.Data).SetNullN(array.UnknownNullCount)
		}
		given := rec
		if batch == 2 { // another record of them
			given = array.NewRecord(rec.Schema(), rec.Columns(), 64)
			defer given.Release()
		}
		out, err := g.Eval(given, r.key, r.bad)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := cells(nil, out), r.eval(t, other, 0, 64); !slices.Equal(got, want) {
			t.Errorf("batch %d is answered as one before", batch)
		}
	}
}
