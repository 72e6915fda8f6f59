package sink

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/parquet-go/parquet-go"
)

// A tenth of the rows, at random, and none in some row groups.
func TestReasonsWrittenAnewStandInThePlaceOfTheOldOnes(t *testing.T) {
	t.Parallel()
	for seed, c := range []struct {
		rows, group int
		compression string
	}{{1, 0, "none"}, {5000, 700, "snappy"}, {5000, 512, ""}, {40_000, 0, "zstd"}} {
		st := newStore(t)
		r := rand.New(rand.NewPCG(uint64(seed), 6))
		rows := base(uint64(seed)+50, c.rows, false)
		a, b := theAttempt, selectAttempt()
		a.Compression, a.rowGroupRows, b.Compression = c.compression, c.group, c.compression
		scores := stage(t, st, a, rows, 512)
		want := slices.Clone(rows)
		s := selection(scores.Files[0])
		for i := range want {
			if c.rows > 1 && (i/900%3 == 1 || r.IntN(10) > 0) {
				continue
			}
			e := Explained{Number: uint64(want[i].Msisdn), Code: [3]uint16{uint16(r.IntN(50)), uint16(r.IntN(50)), 7}, Method: uint8(2 - r.IntN(20)/19*2)}
			s.Explained = append(s.Explained, e)
			want[i].Reason1, want[i].Reason2, want[i].Reason3, want[i].ReasonMethod = int32(e.Code[0]), int32(e.Code[1]), 7, int32(e.Method)
		}
		out, err := newSelection(t.Context(), st, b, s)
		check(t, err)

		_, before, tallied := sums(rows)
		_, after, wanted := sums(want)
		added, tally := addedSums(rows)
		same(t, "row sum", before.Add(out.Rows), after.Add(added))
		tally.Explained = out.Tally.Explained
		same(t, "tally", out.Tally, tally)
		same(t, "methods", tallied.Explained.Add(out.Tally.Explained), wanted.Explained)
		same(t, "rows by method", wanted.Explained.None+wanted.Explained.Path+wanted.Explained.Exact, int64(c.rows))

		whole, err := Verify(t.Context(), st, out.Files[0]) // every column of every row again
		check(t, err)
		same(t, "the published rows' sum", whole.RowSum, after.Add(added))
		again := make([]row, len(rows)+1)
		n, _ := parquet.NewGenericReader[row](bytes.NewReader(bytesOf(t, st, out.Files[0].Path))).Read(again)
		if !slices.Equal(again[:n], want) {
			t.Error("a naive reader sees other score columns")
		}

		twice := selectAttempt()
		twice.Compression, twice.Nonce, twice.Token = c.compression, "n4w", twice.Token+1
		same(t, "content of another attempt", must(Select(t.Context(), st, twice, s))(t).Files[0].Content, out.Files[0].Content)

		damaged := bytesOf(t, st, out.Files[0].Path)
		damaged[len(bytesOf(t, st, scores.Files[0].Path))-100] ^= 1 // among the pages behind the copied ones, or in the footer
		put := out
		put.Files = slices.Clone(out.Files)
		put.Files[0].Path = "damaged.parquet"
		check(t, st.Put(t.Context(), put.Files[0].Path, damaged))
		if err := put.Verify(t.Context(), st); !errors.Is(err, ErrDamaged) {
			t.Errorf("one damaged bit: %v", err)
		}
	}
}

func must(out Output, err error) func(*testing.T) Output {
	return func(t *testing.T) Output {
		t.Helper()
		check(t, err)
		return out
	}
}

func TestRowsToBeExplainedMustBeThere(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	rows := base(1, 100, false)
	scores := stage(t, st, theAttempt, rows, 512)
	number := func(i int) uint64 { return uint64(rows[i].Msisdn) }
	for says, list := range map[string][]Explained{
		"before all":   {{Number: number(0) - 1, Method: 2}},
		"after all":    {{Number: number(99) + 1, Method: 2}},
		"twice":        {{Number: number(5), Method: 2}, {Number: number(5) + 4, Method: 2}, {Number: number(5), Method: 2}},
		"out of order": {{Number: number(7), Method: 2}, {Number: number(5), Method: 2}},
		"by no method": {{Number: number(7), Method: 3}},
	} {
		s := selection(scores.Files[0])
		s.Explained = list
		b := selectAttempt()
		b.Nonce = "n" + string('a'+rune(len(says)))
		if _, err := Select(t.Context(), st, b, s); !errors.Is(err, ErrContent) && !errors.Is(err, ErrValue) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func TestScanReadsTheColumnsAskedFor(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	rows := base(2, 3000, false)
	a := theAttempt
	a.rowGroupRows = 700
	scores := stage(t, st, a, rows, 512)
	at := 0
	err := Scan(context.Background(), st, scores.Files[0].Path, []string{"retain_decision", "expected_loss_fen"}, func(keys []uint64, r arrow.Record) error {
		for i, key := range keys {
			decision, loss := r.Column(0).(*array.Uint8).Value(i), r.Column(1).(*array.Int64).Value(i)
			if row := rows[at]; key != uint64(row.Msisdn) || int32(decision) != row.RetainDecision || loss != row.ExpectedLossFen {
				t.Fatalf("row %d differs", at)
			}
			at++
		}
		return nil
	})
	check(t, err)
	same(t, "rows", at, len(rows))
	boom := errors.New("enough")
	if err := Scan(context.Background(), st, scores.Files[0].Path, nil, func([]uint64, arrow.Record) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
	if err := Scan(context.Background(), st, "none.parquet", nil, nil); err == nil {
		t.Error("a file that is not there was read")
	}
}
