package synth

import (
	"encoding/binary"
	"errors"
	"hash"
	"hash/fnv"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"rescore/partition"
	"rescore/partition/schema"
)

func open(t testing.TB, p Province) *Base {
	t.Helper()
	b, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dirty has every kind of dirt often enough to meet in a short range.
func dirty(seed uint64, n int64) Province {
	return Province{
		Seed: seed, Subscribers: n, Month: 202402,
		DuplicateRate: 0.01, NullKeyRate: 0.005, WrongNumberRate: 0.005, IoTRate: 0.01,
	}
}

// digest hashes rows from to past of every column, nulls included.
func digest(b *Batch, from, past int) uint64 {
	h := fnv.New64a()
	for _, c := range b.Columns {
		switch v := c.Vector.(type) {
		case *Vector[uint8]:
			feed(h, v, from, past)
		case *Vector[int16]:
			feed(h, v, from, past)
		case *Vector[int32]:
			feed(h, v, from, past)
		case *Vector[uint32]:
			feed(h, v, from, past)
		case *Vector[int64]:
			feed(h, v, from, past)
		case *Vector[uint64]:
			feed(h, v, from, past)
		}
	}
	return h.Sum64()
}

func feed[T Integer](h hash.Hash64, v *Vector[T], from, past int) {
	var b [9]byte
	for i := from; i < past; i++ {
		binary.LittleEndian.PutUint64(b[:], uint64(v.Values[i]))
		b[8] = 0
		if v.Null(i) {
			b[8] = 1
		}
		h.Write(b[:])
	}
}

// TestFirstRowsNeverChange pins the rows of seed 1. A change here is a change
// of every synthetic base anybody made: do it on purpose and say so.
func TestFirstRowsNeverChange(t *testing.T) {
	t.Parallel()
	b := NewBatch()
	n := open(t, Default(1, 1_000_000, 202410)).Fill(b, 0, 10_000)
	const rows, golden = 10_012, uint64(0xa2e62fd3e1aeabdc)
	if got := digest(b, 0, n); n != rows || got != golden {
		t.Fatalf("%d rows with digest %#x, want %d with %#x", n, got, rows, golden)
	}
}

func TestAnyRangeInAnyOrderGivesTheSameRows(t *testing.T) {
	t.Parallel()
	const n = 5_000
	base := open(t, dirty(3, n))
	whole := NewBatch()
	base.Fill(whole, 0, n)
	piece := NewBatch()
	r := rand.New(rand.NewPCG(1, 1))
	for range 60 {
		first := r.Int64N(n)
		size := r.Int64N(min(700, n-first) + 1)
		at := int(base.Rows(0, first))
		rows := base.Fill(piece, first, size)
		if int64(rows) != base.Rows(first, size) || rows != piece.Len {
			t.Fatalf("%d rows of [%d, +%d), Rows says %d", rows, first, size, base.Rows(first, size))
		}
		if digest(piece, 0, rows) != digest(whole, at, at+rows) {
			t.Fatalf("[%d, +%d) differs from the same rows of the whole", first, size)
		}
		if piece.Planted != base.Planted(first, size) {
			t.Fatalf("[%d, +%d): Fill planted %+v, Planted says %+v", first, size, piece.Planted, base.Planted(first, size))
		}
		numbers, churned := base.Labels(nil, nil, first, size)
		fromBatch, churnedToo := piece.Labels(nil, nil)
		if !slices.Equal(numbers, fromBatch) || !slices.Equal(churned, churnedToo) {
			t.Fatalf("[%d, +%d): two sets of labels", first, size)
		}
	}
}

func TestPlantedAddsUp(t *testing.T) {
	t.Parallel()
	const n = 20_000
	base := open(t, dirty(5, n))
	sum := base.Planted(0, 1).Add(base.Planted(1, 12_345)).Add(base.Planted(12_346, n-12_346))
	if whole := base.Planted(0, n); whole != sum || whole.Rows() != base.Rows(0, n) {
		t.Fatalf("parts %+v, whole %+v of %d rows", sum, whole, base.Rows(0, n))
	}
	for k, f := range sum.fields() {
		if *f == 0 {
			t.Errorf("count %d of 20 000 subscribers is 0: the test proves nothing about it", k)
		}
	}
}

func TestNumbersIncreaseAndLieInTheirSegments(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{1, 2, 49, 5_000, 300_000, 3_000_000} {
		base := open(t, Province{Seed: uint64(n), Subscribers: n, Month: 202410})
		last := partition.Number(0)
		per := map[partition.Segment]int{}
		step := max(1, n/300_000)
		for i := int64(0); i < n; i += step {
			x := base.Number(i)
			if !x.Valid() || x <= last {
				t.Fatalf("%d subscribers: number %d is %v after %v", n, i, x, last)
			}
			last = x
			per[x.Segment()]++
		}
		if len(per) > base.Segments() || n >= 300_000 && len(per) != base.Segments() {
			t.Fatalf("%d subscribers live in %d segments, the catalogue has %d", n, len(per), base.Segments())
		}
	}
}

func TestSegmentsAreSixtyToSeventyFivePercentFullAndHaveGaps(t *testing.T) {
	t.Parallel()
	base := open(t, Province{Seed: 1, Subscribers: 20_000_000, Month: 202410})
	var gaps, old, oldLines, young, youngLines int
	for k := range base.Segments() {
		s, next := base.segments[k], base.segments[k+1]
		lines := int(next.first - s.first)
		if lines < 5_800 || lines > 7_700 {
			t.Fatalf("segment %d has %d lines", s.id, lines)
		}
		if k > 0 && s.id != base.segments[k-1].id+1 {
			gaps++
		}
		switch s.id / 10_000 {
		case 138, 139:
			old, oldLines = old+1, oldLines+lines
		case 195, 197:
			young, youngLines = young+1, youngLines+lines
		}
	}
	if gaps < base.Segments()/5 {
		t.Errorf("only %d gaps between %d segments", gaps, base.Segments())
	}
	if float64(oldLines)/float64(old) < 1.15*float64(youngLines)/float64(young) {
		t.Errorf("old segments hold %d in %d, young ones %d in %d", oldLines, old, youngLines, young)
	}
}

func TestAThousandMillionSubscribersFit(t *testing.T) {
	t.Parallel()
	const n = 1_000_000_000
	base := open(t, Default(9, n, 202410))
	b := NewBatch()
	if rows := base.Fill(b, n-3, 3); rows < 3 {
		t.Fatalf("%d rows", rows)
	}
	if base.Number(n-1) <= base.Number(n-2) {
		t.Fatal("the last numbers do not increase")
	}
}

func TestImpossibleProvincesAreRefused(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]Province{
		"subscribers": {Subscribers: 0, Month: 202410},
		"month":       {Subscribers: 1, Month: 202413},
		"churn":       {Subscribers: 1, Month: 202410, ChurnRate: 0.5},
		"nan":         {Subscribers: 1, Month: 202410, ChurnRate: math.NaN()},
		"dirt":        {Subscribers: 1, Month: 202410, IoTRate: -1},
		"numbers":     {Subscribers: 5_000_000_000, Month: 202410},
	} {
		if _, err := New(p); !errors.Is(err, ErrProvince) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestFillAllocatesNothing(t *testing.T) {
	base := open(t, dirty(1, 100_000))
	b := NewBatch()
	base.Fill(b, 0, 4096)
	first := int64(0)
	if got := testing.AllocsPerRun(10, func() {
		base.Fill(b, first, 4096)
		first += 4096
	}); got != 0 {
		t.Fatalf("%v allocations for 4096 subscribers", got)
	}
}

func TestEveryCanonicalColumnIsFilled(t *testing.T) {
	t.Parallel()
	b := NewBatch()
	n := open(t, Default(1, 100_000, 202410)).Fill(b, 0, 50_000)
	at := 0
	for _, c := range schema.Subscriber {
		for _, name := range c.Names() {
			if b.Columns[at].Name != name {
				t.Fatalf("column %d is %s, want %s", at, b.Columns[at].Name, name)
			}
			if digestOf(b.Columns[at], n) == 0 {
				t.Errorf("column %s has one value only", name)
			}
			at++
		}
	}
}

// digestOf is 0 when all rows of a column hold the same.
func digestOf(c Column, n int) int {
	switch v := c.Vector.(type) {
	case *Vector[uint8]:
		return varied(v, n)
	case *Vector[int16]:
		return varied(v, n)
	case *Vector[int32]:
		return varied(v, n)
	case *Vector[uint32]:
		return varied(v, n)
	case *Vector[int64]:
		return varied(v, n)
	case *Vector[uint64]:
		return varied(v, n)
	}
	return 0
}

func varied[T Integer](v *Vector[T], n int) int {
	different := 0
	for _, x := range v.Values[:n] {
		if x != v.Values[0] {
			different++
		}
	}
	return different
}

func TestNullsHideZeros(t *testing.T) {
	t.Parallel()
	b := NewBatch()
	n := open(t, dirty(2, 10_000)).Fill(b, 0, 10_000)
	for _, c := range b.Columns {
		if v, ok := c.Vector.(*Vector[int64]); ok {
			for i := range n {
				if v.Null(i) && v.Values[i] != 0 {
					t.Fatalf("%s row %d: a value under a null", c.Name, i)
				}
			}
		}
	}
}

func TestTablesAreTheFunctionsTheyStandFor(t *testing.T) {
	t.Parallel()
	for i, z := range tail {
		p := math.Ldexp(float64(16+i%16)/16, i/16-17)
		want := -math.Sqrt2 * math.Erfinv(2*p-1) * octave
		if math.Abs(float64(z)-want) > 1 {
			t.Errorf("tail[%d] is %d, want %v", i, z, want)
		}
	}
	for j, x := range power {
		if want := math.Exp2(float64(j)/256) * (1 << 30); math.Abs(float64(x)-want) > 1 {
			t.Errorf("power[%d] is %d, want %v", j, x, want)
		}
	}
	for x := int32(0); x < 38*octave; x += 12_345 {
		want := math.Exp2(float64(x) / octave)
		if got := float64(exp2(x)); math.Abs(got-want) > 1+want*2e-6 {
			t.Errorf("exp2(%d) is %v, want %v", x, got, want)
		}
	}
	if exp2(-1) != 0 {
		t.Error("exp2 of a negative is not 0")
	}
	for _, yuan := range []struct {
		log  int32
		fen  int64
		name string
	}{{log18, 1_800, "18"}, {log28, 2_800, "28"}, {log38, 3_800, "38"}, {log58, 5_800, "58"}, {log88, 8_800, "88"}, {log128, 12_800, "128"}} {
		if want := math.Log2(float64(yuan.fen)) * octave; math.Abs(float64(yuan.log)-want) > 2 {
			t.Errorf("log%s is %d, want %v", yuan.name, yuan.log, want)
		}
	}
}

func TestNormalIsNormal(t *testing.T) {
	t.Parallel()
	var sum, square float64
	beyond := 0
	const n = 1 << 16
	for i := range uint32(n) {
		z := float64(normal(i<<16|i>>1)) / octave
		sum += z
		square += z * z
		if z > 1.2816 {
			beyond++
		}
	}
	mean, deviation := sum/n, math.Sqrt(square/n)
	if math.Abs(mean) > 0.02 || math.Abs(deviation-1) > 0.01 || math.Abs(float64(beyond)/n-0.1) > 0.005 {
		t.Fatalf("mean %v, deviation %v, %d of %d beyond the ninth decile", mean, deviation, beyond, n)
	}
}

func TestDaysAreGregorian(t *testing.T) {
	t.Parallel()
	for y := int32(1999); y <= 2101; y++ {
		for m := int32(1); m <= 12; m++ {
			want := int32(time.Date(int(y), time.Month(m), 1, 0, 0, 0, 0, time.UTC).Unix() / 86_400)
			c := newCalendar(y*100 + m)
			if c.first(0) != want || c.year() != y || c.first(-1)-want != c.days(0) {
				t.Fatalf("%d-%02d starts on day %d, want %d", y, m, c.first(0), want)
			}
		}
	}
}

func TestMuldivIsExact(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 4))
	for range 1000 {
		a, c := r.Int64N(1<<40), 1+r.Int64N(1<<50)
		b := r.Int64N(c)
		want := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
		if got := muldiv(a, b, c); want.Div(want, big.NewInt(c)).Int64() != got {
			t.Fatalf("%d·%d/%d is %d", a, b, c, got)
		}
	}
}

func TestNoNumberInPanics(t *testing.T) {
	t.Parallel()
	base := open(t, Default(1, 10, 202410))
	defer func() {
		if r := recover(); r == nil || strings.ContainsAny(r.(string), "0123456789") {
			t.Fatalf("recovered %v", r)
		}
	}()
	base.Fill(NewBatch(), 5, 6)
}

func BenchmarkFill(b *testing.B) {
	const n = 8192
	base := open(b, Default(1, 10_000_000, 202410))
	t := NewBatch()
	base.Fill(t, 0, n)
	b.ReportAllocs()
	rows, first := 0, int64(0)
	for b.Loop() {
		rows += base.Fill(t, first, n)
		first = (first + n) % 9_000_000
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
