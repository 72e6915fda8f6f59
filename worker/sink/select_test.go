package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"rescore/partition"
	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/partition/store"
	"rescore/partition/store/storetest"
)

// addedRow is what a naive reader sees of what the select stage added.
type addedRow struct {
	Msisdn         int64 `parquet:"msisdn"`
	Score          int32 `parquet:"action_priority_score"`
	ActionPriority int32 `parquet:"action_priority"`
}

// toAdd is a made-up priority that shows which row it was made of.
func toAdd(loss int64, decision int32) (score uint16, class uint8) {
	if loss < 0 {
		return math.MaxUint16, 0
	}
	return uint16(loss % 1001), uint8(decision % 6)
}

// selectAttempt is a later lease of the same partition.
func selectAttempt() Attempt {
	a := theAttempt
	a.Token, a.Nonce = 77, "n3w"
	return a
}

// selection evaluates toAdd in batches of 700 rows at most.
func selection(scores job.File) Selection {
	types := arrow.NewSchema([]arrow.Field{{Name: schema.Selected[0].Name, Type: schema.Selected[0].Type}, {Name: schema.Selected[1].Name, Type: schema.Selected[1].Type}}, nil)
	return Selection{
		Scores: scores, Columns: []string{"retain_decision", "expected_loss_fen"}, BatchRows: 700,
		Eval: func(r arrow.Record) (arrow.Record, error) {
			if r.NumCols() != 2 || r.NumRows() > 700 {
				return nil, fmt.Errorf("a batch of %d rows and %d columns", r.NumRows(), r.NumCols())
			}
			b := array.NewRecordBuilder(memory.DefaultAllocator, types)
			defer b.Release()
			for i := range int(r.NumRows()) {
				score, class := toAdd(r.Column(1).(*array.Int64).Value(i), int32(r.Column(0).(*array.Uint8).Value(i)))
				b.Field(0).(*array.Uint16Builder).Append(score)
				b.Field(1).(*array.Uint8Builder).Append(class)
			}
			return b.NewRecord(), nil
		},
	}
}

// addedSums works out by hand what Select adds to the sums of rows.
func addedSums(rows []row) (sum partition.Sum, t job.Tally) {
	for _, r := range rows {
		score, class := toAdd(r.ExpectedLossFen, r.RetainDecision)
		var h uint64
		for c, v := range []uint64{uint64(r.Msisdn), uint64(score), uint64(class)} {
			h += v * (partition.Mix(uint64(c+1)*0x9e3779b97f4a7c15^0x73656c6563743031) | 1)
		}
		sum = sum.AddHash(h)
		t.Priority[class]++
	}
	return sum, t
}

func TestSelectedFilesAreTheScoreFilesAndTheColumnsAdded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rows, group int
		compression string
	}{{0, 0, "zstd"}, {1, 0, "none"}, {5000, 700, "snappy"}, {5000, 512, ""}, {RowGroupRows + 5, 0, "zstd"}} {
		t.Run(fmt.Sprintf("%d rows, groups of %d, %s", c.rows, c.group, c.compression), func(t *testing.T) {
			t.Parallel()
			st := newStore(t)
			rows := base(uint64(c.rows), c.rows, false)
			for i := range rows {
				if i%11 == 3 {
					rows[i].ExpectedLossFen = -1
				}
			}
			a, b := theAttempt, selectAttempt()
			a.Compression, a.rowGroupRows, b.Compression = c.compression, c.group, c.compression
			scores := stage(t, st, a, rows, 512)
			out, err := Select(t.Context(), st, b, selection(scores.Files[0]))
			check(t, err)

			file := out.Files[0]
			same(t, "name", file.Path, "jobs/j/staging/part-00007-0003-00000000000000000077-n3w.parquet")
			same(t, "files", len(out.Files), 1)
			same(t, "counts", out.Counts, job.Counts{In: int64(c.rows), Scored: int64(c.rows)})
			_, scoredSum, _ := sums(rows)
			sum, tally := addedSums(rows)
			same(t, "row sum", out.Rows, sum)
			same(t, "tally", out.Tally, tally)

			whole, err := Verify(t.Context(), st, file) // every column of every row again
			check(t, err)
			same(t, "the published rows' sum", whole.RowSum, scoredSum.Add(sum))
			same(t, "token", whole.From.Token, 77)

			data, before := bytesOf(t, st, file.Path), bytesOf(t, st, scores.Files[0].Path)
			pages, err := footerOffset(object{bytes.NewReader(before)})
			check(t, err)
			if !bytes.HasPrefix(data, before[:pages]) {
				t.Error("the score file's pages are not copied as they are")
			}
			again := make([]row, len(rows)+1)
			n, _ := parquet.NewGenericReader[row](bytes.NewReader(data)).Read(again)
			added := make([]addedRow, len(rows)+1)
			m, _ := parquet.NewGenericReader[addedRow](bytes.NewReader(data)).Read(added)
			if !slices.Equal(again[:n], rows) || m != len(rows) {
				t.Error("a naive reader sees other score columns")
			}
			for i, r := range rows {
				score, class := toAdd(r.ExpectedLossFen, r.RetainDecision)
				if want := (addedRow{r.Msisdn, int32(score), int32(class)}); added[i] != want {
					t.Fatalf("row %d has score %d and class %d, want %d and %d", i, added[i].Score, added[i].ActionPriority, score, class)
				}
			}
			i := 0
			_, err = readAll(t, st, file.Path, func(r arrow.Record) error {
				same(t, "columns", int(r.NumCols()), len(schema.Published))
				for k := range int(r.NumRows()) {
					score, _ := toAdd(rows[i].ExpectedLossFen, rows[i].RetainDecision)
					if got := r.Column(len(schema.Score)).(*array.Uint16).Value(k); got != score {
						t.Fatalf("Read gives score %d in row %d, want %d", got, i, score)
					}
					i++
				}
				return nil
			})
			check(t, err)
			same(t, "rows read", i, len(rows))
		})
	}
}

// Invariant I5: two attempts, of both stages, differ in the token alone.
func TestSelectedFilesOfTwoAttemptsDifferInTheTokenAlone(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	rows := base(5, 3000, false)
	other, a, b := theAttempt, selectAttempt(), selectAttempt()
	other.Token, other.Nonce = 43, "zz"
	b.Token, b.Nonce, b.Epoch = math.MaxUint64, "late", 9
	one, err := Select(t.Context(), st, a, selection(stage(t, st, theAttempt, rows, 2048).Files[0]))
	check(t, err)
	two, err := Select(t.Context(), st, b, selection(stage(t, st, other, rows, 100).Files[0]))
	check(t, err)
	same(t, "content", two.Files[0].Content, one.Files[0].Content)
	same(t, "row sum", two.Rows, one.Rows)
	x, y := bytesOf(t, st, one.Files[0].Path), bytesOf(t, st, two.Files[0].Path)
	if x = bytes.Replace(x, []byte("00000000000000000077"), []byte("18446744073709551615"), 1); !bytes.Equal(x, y) {
		t.Error("attempts differ in more than the token")
	}
}

func TestSelectTakesThePartitionsOwnUndamagedScoreFileAlone(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	r := rand.New(rand.NewPCG(8, 8))
	file := stage(t, st, theAttempt, base(5, 2000, false), 2048).Files[0]
	good := bytesOf(t, st, file.Path)
	refused := func(what string, a Attempt, s Selection, want ...error) {
		t.Helper()
		_, err := Select(t.Context(), st, a, s)
		if !slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) }) || !strings.Contains(err.Error(), s.Scores.Path) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
		left, err := st.List(t.Context(), "jobs/j/staging/part-")
		check(t, err)
		if len(left) != 0 {
			t.Fatalf("%s: left %v", what, left)
		}
	}
	for i := range 300 {
		bad, at := bytes.Clone(good), r.IntN(len(good))
		switch i % 3 {
		case 0:
			bad[at] ^= 1 << r.IntN(8)
		case 1:
			bad = bad[:at]
		default:
			bad = append(bad, good[at:]...)
		}
		f := file
		f.Path = fmt.Sprintf("bad-%d", i)
		check(t, st.Put(t.Context(), f.Path, bad))
		refused(fmt.Sprintf("change %d at byte %d", i, at), selectAttempt(), selection(f), ErrDamaged, ErrLayout, ErrContent)
	}
	for what, change := range map[string]func(a *Attempt){
		"another job":       func(a *Attempt) { a.Job += "x" },
		"another partition": func(a *Attempt) { a.Range.Past = a.Range.First + partition.LinesPerSegment },
		"another month":     func(a *Attempt) { a.Month++ },
		"another model":     func(a *Attempt) { a.ModelDigest += "0" },
		"other rules":       func(a *Attempt) { a.RulesDigest += "0" },
	} {
		a := selectAttempt()
		change(&a)
		refused(what, a, selection(file), ErrContent)
	}
	gone := file
	gone.Path = "gone"
	refused("no file", selectAttempt(), selection(gone), store.ErrNotExist)

	wrong := func(change func(arrow.Record) arrow.Record) Selection {
		s := selection(file)
		eval := s.Eval
		s.Eval = func(r arrow.Record) (arrow.Record, error) {
			made, err := eval(r)
			return change(made), err
		}
		return s
	}
	refused("a row too few", selectAttempt(), wrong(func(r arrow.Record) arrow.Record { return r.NewSlice(0, r.NumRows()-1) }), ErrBatch)
	refused("the other columns", selectAttempt(), wrong(func(r arrow.Record) arrow.Record {
		return array.NewRecord(arrow.NewSchema([]arrow.Field{r.Schema().Field(1), r.Schema().Field(0)}, nil), []arrow.Array{r.Column(1), r.Column(0)}, r.NumRows())
	}), ErrBatch)
	for _, v := range []struct {
		score uint16
		class uint8
	}{{1001, 1}, {65534, 1}, {1, 6}} {
		refused(fmt.Sprintf("score %d, class %d", v.score, v.class), selectAttempt(), wrong(func(r arrow.Record) arrow.Record {
			b := array.NewRecordBuilder(memory.DefaultAllocator, r.Schema())
			for range r.NumRows() {
				b.Field(0).(*array.Uint16Builder).Append(v.score)
				b.Field(1).(*array.Uint8Builder).Append(v.class)
			}
			return b.NewRecord()
		}), ErrValue)
	}
	broken := selection(file)
	broken.Eval = func(arrow.Record) (arrow.Record, error) { return nil, errors.ErrUnsupported }
	refused("a failing program", selectAttempt(), broken, errors.ErrUnsupported)

	out, err := Select(t.Context(), st, selectAttempt(), selection(file))
	check(t, err)
	a := selectAttempt()
	a.Nonce = "again"
	if _, err := Select(t.Context(), st, a, selection(out.Files[0])); !errors.Is(err, ErrLayout) {
		t.Errorf("a published file is selected from: %v", err)
	}
	if _, err := Select(t.Context(), st, selectAttempt(), selection(file)); !errors.Is(err, store.ErrExist) {
		t.Errorf("an attempt is written twice: %v", err)
	}
}

func TestEveryFlippedBitOfASelectedFileIsFound(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	r := rand.New(rand.NewPCG(9, 9))
	a := theAttempt
	a.rowGroupRows = 700
	out, err := newSelection(t.Context(), st, selectAttempt(), selection(stage(t, st, a, base(4, 2000, false), 512).Files[0]))
	check(t, err)
	good := bytesOf(t, st, out.Files[0].Path)
	for i := range 300 {
		bad := bytes.Clone(good)
		bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
		if i%10 == 0 {
			bad = bad[:r.IntN(len(bad))]
		}
		damaged := out
		damaged.Files = slices.Clone(out.Files)
		damaged.Files[0].Path = fmt.Sprintf("bad-%d", i)
		check(t, st.Put(t.Context(), damaged.Files[0].Path, bad))
		if err := damaged.Verify(t.Context(), st); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrLayout) {
			t.Fatalf("change %d: %v", i, err)
		}
	}
	// Sums that differ are found when every byte is as it was written.
	for what, change := range map[string]func(o *Output){
		"rows": func(o *Output) { o.Counts.Scored++ },
		"sum":  func(o *Output) { o.Rows.Hi++ },
	} {
		other := out
		change(&other)
		if err := other.Verify(t.Context(), st); !errors.Is(err, ErrContent) {
			t.Errorf("other %s: %v", what, err)
		}
	}
	moved := out
	elsewhere := *out.carried
	moved.carried, elsewhere.columns = &elsewhere, slices.Clone(out.carried.columns)
	moved.carried.columns[1] = slices.Clone(moved.carried.columns[1])
	moved.carried.columns[1][2].MetaData.DataPageOffset++
	if err := moved.Verify(t.Context(), st); !errors.Is(err, ErrLayout) {
		t.Errorf("a column elsewhere: %v", err)
	}
}

// copying is a store that makes no object of the beginning of another.
type copying struct{ store.Store }

// rival is a store in which something happens once an object is open.
type rival struct {
	store.Store
	meanwhile func()
}

func (r *rival) Open(ctx context.Context, name string) (store.Object, error) {
	o, err := r.Store.Open(ctx, name)
	if r.meanwhile != nil {
		meanwhile := r.meanwhile
		r.meanwhile = nil
		meanwhile()
	}
	return o, err
}

// Whether the pages are copied or stay where they are, and whoever was there before, the
// published file is the same, and so is the score file.
func TestSelectWritesTheSameBytesWhereverThePagesAre(t *testing.T) {
	t.Parallel()
	rows := base(5, 3000, false)
	a := theAttempt
	a.rowGroupRows = 700
	st := newStore(t)
	file := stage(t, st, a, rows, 2048).Files[0]
	before := bytesOf(t, st, file.Path)
	n := 0
	written := func(st store.Store) []byte {
		t.Helper()
		b := selectAttempt()
		n++
		b.Nonce = fmt.Sprint("n", n)
		out, err := Select(t.Context(), st, b, selection(file))
		check(t, err)
		return bytesOf(t, st, out.Files[0].Path)
	}
	want := written(copying{st})
	// Who has opened the score file is overtaken by another attempt of its task.
	overtaken := &rival{Store: st}
	overtaken.meanwhile = func() {
		if !bytes.Equal(written(st), want) {
			t.Error("pages that stayed where they are make another file")
		}
		if _, err := st.(store.Extender).Extend(t.Context(), file.Path, file.Bytes, 4, "x"); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("the pages did not stay where they are: %v", err)
		}
	}
	for what, st := range map[string]store.Store{"overtaken": overtaken, "after it": st, "copied after it": copying{st}} {
		if !bytes.Equal(written(st), want) {
			t.Errorf("%s: another file", what)
		}
	}
	if !bytes.Equal(bytesOf(t, st, file.Path), before) {
		t.Error("the score file has changed")
	}
	check(t, func() error { _, err := Verify(t.Context(), st, file); return err }())

	again := newStore(t)
	file = stage(t, again, a, rows, 2048).Files[0]
	seen := 0
	check(t, Scan(t.Context(), &rival{Store: again, meanwhile: func() { written(again) }}, file.Path, []string{"retain_decision"}, func(keys []uint64, _ arrow.Record) error {
		seen += len(keys)
		return nil
	}))
	same(t, "rows scanned beside an attempt", seen, len(rows))
}

func TestSelectLeavesNothingOnAFullDisk(t *testing.T) {
	t.Parallel()
	rows := base(3, 20_000, false)
	for _, copies := range []bool{false, true} {
		for at := 1; ; at++ {
			inner := newStore(t)
			file := stage(t, inner, theAttempt, rows, 2048).Files[0]
			f := &storetest.Faulty{Store: inner, FailAt: at, Sticky: true, Partial: at * 10}
			st := store.Store(f)
			if copies {
				st = copying{f}
			}
			_, err := Select(t.Context(), st, selectAttempt(), selection(file))
			if !f.Fired() {
				check(t, err)
				if at < 3 {
					t.Errorf("only %d steps failed", at-1)
				}
				break
			}
			if !errors.Is(err, store.ErrNoSpace) {
				t.Fatalf("step %d: %v", at, err)
			}
			if left, err := inner.List(t.Context(), "jobs/j/staging/part-"); err != nil || len(left) != 0 {
				t.Fatalf("step %d left %v, %v", at, left, err)
			}
			if _, err := Verify(t.Context(), inner, file); err != nil {
				t.Fatalf("step %d: %v", at, err)
			}
		}
	}
}

// The histogram is of the rows that are in the file, eligible and with a bill.
func TestRanksCountTheLossesOfEligibleRows(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	a := theAttempt
	a.rowGroupRows = 300
	rows := base(6, 2000, false)
	drop := make([]job.Reason, len(rows))
	want := ecdf.New(ecdf.Amounts)
	for i := range rows {
		rows[i].RetainDecision = int32(1 + i%11)
		if i%7 == 0 {
			rows[i].ExpectedLossFen = -1
		}
		if i%13 == 0 {
			rows[i].Arpu3Fen = -1
		}
		if i%5 == 0 {
			drop[i] = job.BadValue
		} else if d := rows[i].RetainDecision; rows[i].ExpectedLossFen >= 0 && rows[i].Arpu3Fen >= 0 && (d == 1 || d == 9) {
			want.Add(ecdf.Bin(rows[i].ExpectedLossFen))
		}
	}
	s, err := Create(t.Context(), st, a)
	check(t, err)
	check(t, s.Write(record(rows, 0), drop))
	out, err := s.Finish(t.Context())
	check(t, err)
	file := out.Files[len(out.Files)-1]
	got, err := ecdf.Decode(bytesOf(t, st, file.Path))
	check(t, err)
	if !bytes.Equal(got.Encode(), want.Encode()) || file.Kind != job.FileRanks || file.Rows != want.Total() || want.Total() == 0 {
		t.Errorf("%d rows in %+v, want %d", got.Total(), file, want.Total())
	}
}

func BenchmarkSelect(b *testing.B) {
	st := newStore(b)
	rows := base(1, 250_000, false)
	file := stage(b, st, theAttempt, rows, 2048).Files[0]
	made := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(selected.arrow.Fields()[1:], nil))
	r := rand.New(rand.NewPCG(1, 1))
	for range 1 << 14 {
		made.Field(0).(*array.Uint16Builder).Append(uint16(r.IntN(1001)))
		made.Field(1).(*array.Uint8Builder).Append(uint8(max(r.IntN(12), 6) - 6))
	}
	full := made.NewRecord()
	s := Selection{Scores: file, Columns: []string{"expected_loss_fen", "retain_decision"}, BatchRows: 1 << 14, Eval: func(r arrow.Record) (arrow.Record, error) { return full.NewSlice(0, r.NumRows()), nil }}
	a := selectAttempt()
	measure(b, len(rows), func() {
		a.Token++
		out, err := Select(b.Context(), st, a, s)
		check(b, err)
		check(b, st.Delete(b.Context(), out.Files[0].Path))
	})
}

// TestAScoreFileThatARerunKeptStaysWhatItWasJudgedBy: it lies where the earlier job
// staged it, and the later one places it.
func TestAScoreFileThatARerunKeptStaysWhatItWasJudgedBy(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	rows := base(3, 100, false)
	a, b := theAttempt, selectAttempt()
	a.Prefix, a.Features = a.Job.StagingPrefix(), []string{"fee_last", "tenure"}
	b.Job, b.ModelDigest, b.RulesDigest, b.Features = "201011-later", "another model", "other rules", []string{"other"}
	kept := stage(t, st, a, rows, 64)
	out, err := Select(t.Context(), st, b, selection(kept.Files[0]))
	check(t, err)
	o, err := st.Open(t.Context(), out.Files[0].Path)
	check(t, err)
	defer o.Close()
	f, err := open(o)
	check(t, err)
	same(t, "provenance", f.from, Provenance{Job: b.Job, ModelDigest: a.ModelDigest, RulesDigest: a.RulesDigest, Partition: a.Range.String(), Month: a.Month, Token: b.Token})
	if !slices.Equal(f.features(), a.Features) {
		t.Errorf("reasons are of %v", f.features())
	}

	own := b
	own.Job = a.Job // the job itself has no other models
	for what, c := range map[string]struct {
		a      Attempt
		scores job.File
	}{
		"the job's own file of another model":  {own, kept.Files[0]},
		"an earlier job's file somewhere else": {b, stage(t, st, theAttempt, rows, 64).Files[0]},
	} {
		if _, err := Select(t.Context(), st, c.a, selection(c.scores)); !errors.Is(err, ErrContent) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
