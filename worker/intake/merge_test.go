package intake

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"rescore/partition"
)

// random returns rows of few numbers, so that many are there several times.
func random(seed uint64, n int) []Row {
	rng := rand.New(rand.NewPCG(seed, 1))
	rows := make([]Row, n)
	for i := range rows {
		load := Load{}.Integer(nil, rng.Int64N(4)-2)
		if rng.IntN(5) == 0 {
			load = nil
		}
		rows[i] = Row{
			Number: partition.FirstNumber + partition.Number(rng.Int64N(int64(n)/3+1)*(6_900_000_000/(int64(n)/3+1))+rng.Int64N(2)),
			File:   uint32(rng.IntN(3)), Row: int64(i), Load: load,
			Cells: bytes.Repeat([]byte{byte(rng.IntN(256))}, rng.IntN(60)),
		}
	}
	return rows
}

// ranges cuts the number space into n parts between segments.
func ranges(n int) []partition.Range {
	step := (partition.PastNumber - partition.FirstNumber) / partition.Number(n) / partition.LinesPerSegment * partition.LinesPerSegment
	var list []partition.Range
	for first := partition.FirstNumber; len(list) < n; first += step {
		list = append(list, partition.Range{First: first, Past: first + step})
	}
	list[n-1].Past = partition.PastNumber
	return list
}

type told struct {
	number partition.Number
	file   uint32
	row    int64
	cells  string
}

func tell(r *Row) told { return told{r.Number, r.File, r.Row, string(r.Cells)} }

// reference keeps and drops as the package comment says, in memory.
func reference(rows []Row) (kept, dropped []told) {
	sorted := slices.Clone(rows)
	slices.SortFunc(sorted, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), -bytes.Compare(a.Load, b.Load), -cmp.Compare(a.File, b.File), -cmp.Compare(a.Row, b.Row))
	})
	for i := range sorted {
		if i == 0 || sorted[i].Number != sorted[i-1].Number {
			kept = append(kept, tell(&sorted[i]))
		} else {
			dropped = append(dropped, tell(&sorted[i]))
		}
	}
	return kept, dropped
}

// prepared sorts rows in some runs and merges them range by range.
func prepared(t *testing.T, rows []Row, runs, cut, memory, mergeMemory int) (kept, dropped []told) {
	t.Helper()
	bounds := ranges(cut)
	byRange := make([][]Piece, cut)
	sorter := NewSorter(memory)
	for k := range runs {
		var out bytes.Buffer
		w := NewRunWriter(&out, bounds)
		for i := k; i < len(rows); i += runs {
			if !sorter.Add(&rows[i]) {
				if err := w.Pass(sorter); err != nil {
					t.Fatal(err)
				}
				sorter.Reset()
				if !sorter.Add(&rows[i]) {
					t.Fatal("an empty sorter takes no row")
				}
			}
		}
		if err := w.Pass(sorter); err != nil {
			t.Fatal(err)
		}
		sorter.Reset()
		data := bytes.NewReader(out.Bytes())
		for _, p := range w.Pieces() {
			byRange[p.Range] = append(byRange[p.Range], Piece{From: data, Piece: p})
		}
	}
	for k, pieces := range byRange {
		inside := func(r *Row) error {
			if !bounds[k].Contains(r.Number) {
				return fmt.Errorf("a row of another range in %s", bounds[k])
			}
			return nil
		}
		err := Merge(t.Context(), pieces, mergeMemory,
			func(r *Row) error { kept = append(kept, tell(r)); return inside(r) },
			func(r *Row) error { dropped = append(dropped, tell(r)); return inside(r) })
		if err != nil {
			t.Fatal(err)
		}
	}
	return kept, dropped
}

func TestWhatIsKeptDependsOnTheRowsAlone(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		rows := random(seed, 1+int(seed)*900)
		kept, dropped := reference(rows)
		if len(kept)+len(dropped) != len(rows) {
			t.Fatal("the reference loses rows")
		}
		for _, way := range []struct{ runs, cut, memory int }{{1, 1, 64 << 20}, {1, 7, 3000}, {5, 1, 1 << 20}, {9, 30, 2 << 20}, {3, 4, 1}} {
			rand.New(rand.NewPCG(seed, uint64(way.runs))).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
			gotKept, gotDropped := prepared(t, rows, way.runs, way.cut, way.memory, 1<<30)
			if !slices.Equal(gotKept, kept) {
				t.Errorf("seed %d, %+v: other rows are kept", seed, way)
			}
			if !slices.Equal(gotDropped, dropped) {
				t.Errorf("seed %d, %+v: other rows are dropped", seed, way)
			}
		}
	}
}

func TestSortingStaysWithinItsMemory(t *testing.T) {
	const memory = 16 << 20
	rows := random(3, 1000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := NewSorter(memory)
	passes := 0
	for i := range 400_000 {
		if !s.Add(&rows[i%len(rows)]) {
			passes++
			if err := s.Each(func(*Row) error { return nil }); err != nil {
				t.Fatal(err)
			}
			s.Reset()
			s.Add(&rows[i%len(rows)])
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > memory+memory/8 {
		t.Errorf("%d bytes are held, %d were allowed", held, memory)
	}
	if passes == 0 {
		t.Error("it was never full: the test tests nothing")
	}
	runtime.KeepAlive(s)
}

func TestASortedRowAllocatesNothing(t *testing.T) {
	rows := random(5, 1000)
	s := NewSorter(4 << 20)
	fill := func() {
		for i := range rows {
			s.Add(&rows[i])
		}
		_ = s.Each(func(*Row) error { return nil })
		s.Reset()
	}
	fill()
	if n := testing.AllocsPerRun(10, fill); n > 3 { // of a whole pass
		t.Errorf("%v allocations a pass", n)
	}
}

func TestMergingAsksForTheMemoryItNeeds(t *testing.T) {
	t.Parallel()
	pieces := make([]Piece, 1000)
	err := Merge(t.Context(), pieces, 16<<20, nil, nil)
	if !errors.Is(err, ErrMemory) {
		t.Fatal(err)
	}
}

// Whatever there is to merge, no more is asked for than may be held, once.
func TestMergingStaysWithinItsMemory(t *testing.T) {
	const memory = 2 << 20
	rows := random(5, 120_000)
	rng := rand.New(rand.NewPCG(5, 5))
	for i := range rows {
		for k := range rows[i].Cells { // so that they do not get shorter
			rows[i].Cells[k] = byte(rng.Uint32())
		}
	}
	bounds := ranges(1)
	var pieces []Piece
	total := 0
	for k := range 20 {
		var out bytes.Buffer
		w, s := NewRunWriter(&out, bounds), NewSorter(16<<20)
		for i := k; i < len(rows); i += 20 {
			s.Add(&rows[i])
		}
		if err := w.Pass(s); err != nil {
			t.Fatal(err)
		}
		total += out.Len()
		pieces = append(pieces, Piece{From: bytes.NewReader(out.Bytes()), Piece: w.Pieces()[0]})
	}
	if total < 2*memory {
		t.Fatalf("%d bytes fit: the test tests nothing", total)
	}
	var before, after runtime.MemStats
	none := func(*Row) error { return nil }
	runtime.ReadMemStats(&before)
	if err := Merge(t.Context(), pieces, memory, none, none); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > memory+memory/16 {
		t.Errorf("%d bytes were taken, %d were allowed", took, memory)
	}
}

func TestADamagedRunIsFound(t *testing.T) {
	t.Parallel()
	rows := random(9, 3000)
	s := NewSorter(8 << 20)
	for i := range rows {
		s.Add(&rows[i])
	}
	var out bytes.Buffer
	w := NewRunWriter(&out, ranges(1))
	if err := w.Pass(s); err != nil {
		t.Fatal(err)
	}
	merge := func(data []byte, p Piece) error {
		p.From = bytes.NewReader(data)
		none := func(*Row) error { return nil }
		return Merge(t.Context(), []Piece{p}, 1<<20, none, none)
	}
	p := Piece{Piece: w.Pieces()[0]}
	if err := merge(out.Bytes(), p); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		data := bytes.Clone(out.Bytes())
		data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
		if err := merge(data, p); err == nil {
			t.Fatal("a flipped bit was not found")
		}
	}
	if err := merge(out.Bytes()[:out.Len()-1], p); err == nil {
		t.Error("a cut run was not found")
	}
	short := p
	short.Rows--
	if err := merge(out.Bytes(), short); !errors.Is(err, ErrRun) {
		t.Errorf("a row too many: %v", err)
	}
	other := p
	other.Keys.Lo++
	if err := merge(out.Bytes(), other); !errors.Is(err, ErrRun) {
		t.Errorf("other numbers: %v", err)
	}
}

func TestLoadsSortAsTheirValues(t *testing.T) {
	t.Parallel()
	text := func(l Load, s string) []byte {
		key, ok := l.Text(nil, []byte(s))
		if !ok {
			t.Fatalf("%q is no load", s)
		}
		return key
	}
	rising := func(name string, keys ...[]byte) {
		for i := 1; i < len(keys); i++ {
			if bytes.Compare(keys[i-1], keys[i]) >= 0 {
				t.Errorf("%s: key %d is not above the one before", name, i)
			}
		}
	}
	plain := Load{}
	rising("text", text(plain, " "), text(plain, "0"), text(plain, "9"), text(plain, "10"), text(plain, "20101130"), text(plain, "2010-11-29"), text(plain, "2010-11-30"), text(plain, "2010-11-30 12:00:00"))
	times := Load{Layout: "02/01/2006 15:04"}
	rising("times", text(times, ""), text(times, "30/11/2010 10:00"), text(times, "30/11/2010 10:01"), text(times, "01/12/2010 00:00"))
	if _, ok := times.Text(nil, []byte("2010-11-30")); ok {
		t.Error("a time in another form is taken")
	}
	rising("integers", nil, plain.Integer(nil, -1<<63), plain.Integer(nil, -1), plain.Integer(nil, 0), plain.Integer(nil, 1<<62))
	rising("floats", plain.Float(nil, -1e300), plain.Float(nil, -1), plain.Float(nil, 0), plain.Float(nil, 1e-300), plain.Float(nil, 2))
	if !bytes.Equal(plain.Float(nil, 0), plain.Float(nil, -1/1e400*0)) {
		t.Error("the two zeros differ")
	}
}

func TestCellsAreReadBackAsTheyWere(t *testing.T) {
	t.Parallel()
	types := []Type{Boolean, ByteArray, Int32, Double, ByteArray, Int64, Float, ByteArray, Boolean}
	var c Cells
	c.Begin(len(types))
	c.Fixed(1, 1)
	c.Bytes([]byte("移动"))
	c.Fixed(7, 4)
	c.Null()
	c.Bytes(nil)
	c.Fixed(1<<40, 8)
	c.Fixed(9, 4)
	c.Null()
	c.Null()
	var r Reader
	if err := r.Open(c.Encoded(), len(types)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, typ := range types {
		v, ok := r.Next(typ)
		got = append(got, fmt.Sprintf("%t%x", ok, v))
	}
	want := []string{"true01", fmt.Sprintf("true%x", "移动"), "true07000000", "false", "true", "true0000000000010000", "true09000000", "false", "false"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	for n := range len(c.Encoded()) {
		if err := r.Open(c.Encoded()[:n], len(types)); err != nil {
			continue
		}
		for _, typ := range types {
			r.Next(typ)
		}
		if r.Close() == nil {
			t.Errorf("a row cut to %d bytes is whole", n)
		}
	}
}
