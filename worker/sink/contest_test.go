package sink

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"rescore/partition"
	"rescore/partition/contest"
	"rescore/partition/job"
	"rescore/partition/schema"
)

// challengedRow is what a naive reader sees of two challengers' columns.
type challengedRow struct {
	Msisdn int64   `parquet:"msisdn"`
	A      float32 `parquet:"propensity_a"`
	B2     float32 `parquet:"propensity_B2"`
}

// challengedAttempt has challengers a and B2.
func challengedAttempt() Attempt {
	a := theAttempt
	a.Challengers = []string{"a", "B2"}
	a.Policy = job.Default().Policy
	return a
}

// withChallengers puts columns behind a record's.
func withChallengers(r arrow.Record, columns ...[]float32) arrow.Record {
	fields, arrays := r.Schema().Fields(), r.Columns()
	for i, name := range challengedAttempt().Challengers[:len(columns)] {
		b := array.NewFloat32Builder(memory.DefaultAllocator)
		b.AppendValues(columns[i], nil)
		fields = append(fields, arrow.Field{Name: schema.ChallengerColumn(name), Type: arrow.PrimitiveTypes.Float32})
		arrays = append(arrays, b.NewArray())
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), arrays, r.NumRows())
}

// TestChallengersStandInBothFilesAndAreCounted follows two challengers' columns
// through both stages.
func TestChallengersStandInBothFilesAndAreCounted(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 5000} {
		st := newStore(t)
		rows := base(3, n, false)
		rng := rand.New(rand.NewPCG(9, uint64(n)))
		var champion, a, b []float32
		for i := range rows {
			rows[i].ExpectedLossFen = int64(i)
			champion, a, b = append(champion, rows[i].Propensity), append(a, rng.Float32()), append(b, rows[i].Propensity)
		}
		first, second := challengedAttempt(), selectAttempt()
		first.rowGroupRows, second.Challengers = 700, first.Challengers
		s, err := Create(t.Context(), st, first)
		check(t, err)
		drop := make([]job.Reason, n)
		for i := range drop {
			if i%10 == 7 {
				drop[i] = job.BadValue
			}
		}
		check(t, s.Write(withChallengers(record(rows, 0), a, b), drop))
		out, err := s.Finish(t.Context())
		check(t, err)
		selected, err := Select(t.Context(), st, second, selection(out.Files[0]))
		check(t, err)

		// What was counted: the rows that are scored, and no other.
		var kept []int
		for i := range rows {
			if drop[i] == 0 {
				kept = append(kept, i)
			}
		}
		want := []*contest.Counts{contest.New(), contest.New()}
		scale := contest.NewScale(first.Policy.RiskBandCut)
		var sum partition.Sum
		for _, i := range kept {
			var x, y, z [1]contest.Grade
			scale.Grade(x[:], champion[i:i+1])
			scale.Grade(y[:], a[i:i+1])
			scale.Grade(z[:], b[i:i+1])
			want[0].Add(x[:], y[:])
			want[1].Add(x[:], z[:])
			for _, h := range hashes(rows[i], []float32{a[i], b[i]}) {
				sum = sum.AddHash(h)
			}
		}
		same(t, "row sum", out.Rows, sum)
		file := out.Files[len(out.Files)-1]
		if file.Kind != job.FileContest || file.Rows != int64(len(kept)) || !bytes.Equal(bytesOf(t, st, file.Path), contest.Encode(want)) {
			t.Errorf("%d rows: file %+v does not hold what the rows say", n, file)
		}

		for name, read := range map[string][]byte{"score file": bytesOf(t, st, out.Files[0].Path), "published file": bytesOf(t, st, selected.Files[0].Path)} {
			got := make([]challengedRow, n+1)
			m, _ := parquet.NewGenericReader[challengedRow](bytes.NewReader(read)).Read(got)
			if m != len(kept) {
				t.Fatalf("%s: %d rows, want %d", name, m, len(kept))
			}
			for k, i := range kept {
				if want := (challengedRow{rows[i].Msisdn, a[i], b[i]}); got[k] != want {
					t.Fatalf("%s: row %d is %v, want %v", name, k, got[k], want)
				}
			}
		}
		if n > 10 {
			row, _, err := Find(t.Context(), st, selected.Files[0].Path, partition.Number(rows[9].Msisdn))
			check(t, err)
			if at := row.Schema().FieldIndices("propensity_a"); len(at) != 1 || row.Column(at[0]).(*array.Float32).Value(0) != a[9] {
				t.Error("a row that is found has no challenger")
			}
			row.Release()
		}
	}
}

func TestAChallengersColumnIsHeldToItsPlaceAndRange(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	rows := base(4, 3, false)
	good := []float32{0.1, 0.2, 0.3}
	write := func(nonce string, r arrow.Record) (Output, error) {
		a := challengedAttempt()
		a.Nonce = nonce
		s, err := Create(t.Context(), st, a)
		check(t, err)
		defer s.Close()
		if err := s.Write(r, nil); err != nil {
			return Output{}, err
		}
		return s.Finish(t.Context())
	}
	if _, err := write("none", record(rows, 0)); !errors.Is(err, ErrBatch) {
		t.Errorf("no challenger: %v", err)
	}
	if _, err := write("one", withChallengers(record(rows, 0), good)); !errors.Is(err, ErrBatch) {
		t.Errorf("one of two challengers: %v", err)
	}
	for name, p := range map[string]float32{"above": 1.5, "below": -0.5, "nan": float32(math.NaN())} {
		if _, err := write(name, withChallengers(record(rows, 0), good, []float32{0.1, p, 0.3})); !errors.Is(err, ErrContent) {
			t.Errorf("a challenger's propensity that is none, %s: %v", name, err)
		}
	}
	out, err := write("good", withChallengers(record(rows, 0), good, good))
	check(t, err)
	if _, err := Select(t.Context(), st, selectAttempt(), selection(out.Files[0])); !errors.Is(err, ErrLayout) {
		t.Errorf("a file with challengers in a job without: %v", err)
	}
}

// TestColumnsThatMakeNoKnownRecordAreRefused: challengers are known by the names of
// columns, and the fingerprint must agree.
func TestColumnsThatMakeNoKnownRecordAreRefused(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	rows := base(4, 3, false)
	good := []float32{0.1, 0.2, 0.3}
	s, err := Create(t.Context(), st, challengedAttempt())
	check(t, err)
	check(t, s.Write(withChallengers(record(rows, 0), good, good), nil))
	out, err := s.Finish(t.Context())
	check(t, err)
	data := bytesOf(t, st, out.Files[0].Path)
	for name, edit := range map[string][2]string{
		"another name": {"propensity_B2", "propensity_B3"}, "no challenger's name": {"propensity_B2", "propansity_B2"},
	} {
		file := put(t, st, name, bytes.ReplaceAll(data, []byte(edit[0]), []byte(edit[1])), 3)
		if _, err := Verify(t.Context(), st, file); !errors.Is(err, ErrLayout) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
