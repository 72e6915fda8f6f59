package sink

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/partition/store"
	"rescore/partition/store/storetest"
)

func TestANaiveReaderSeesTheRowsThatWereNotDropped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rows, group int
		wild        bool
		compression string
	}{
		{1, 0, false, "zstd"},
		{8, 8, true, "none"},
		{1000, 64, true, "snappy"},
		{2049, 1000, true, ""},
		{pageRows + 1, 0, true, ""},
		{RowGroupRows + 77, 0, false, "zstd"},
		{RowGroupRows, 0, false, "none"},
	} {
		t.Run(fmt.Sprintf("%d rows, groups of %d, %s", c.rows, c.group, c.compression), func(t *testing.T) {
			t.Parallel()
			if testing.Short() && c.rows >= RowGroupRows {
				t.Skip("a full row group takes a minute under the race detector, for which -short is; make test writes it")
			}
			r := rand.New(rand.NewPCG(uint64(c.rows), 2))
			all := base(uint64(c.rows), c.rows, c.wild)
			st := newStore(t)
			a := theAttempt
			a.Compression, a.rowGroupRows = c.compression, c.group
			s, err := Create(t.Context(), st, a)
			check(t, err)
			var kept []row
			var want job.Counts
			var reasons [job.Reasons]int64
			for rest := all; len(rest) > 0; {
				n := min(1+r.IntN(3000), len(rest))
				var drop []job.Reason
				if r.IntN(3) > 0 {
					drop = make([]job.Reason, n)
					for i := range drop {
						if r.IntN(20) == 0 {
							drop[i] = job.Reason(1 + r.IntN(int(job.Reasons)-1))
						}
					}
				}
				for i := range n {
					switch {
					case drop == nil || drop[i] == 0:
						kept = append(kept, rest[i])
						continue
					case drop[i] == job.RepeatedNumber:
						want.Duplicate++
					case drop[i] == job.IoTNumber || drop[i] == job.ExcludedSegment || drop[i] == job.ExcludedService:
						want.Excluded++
					default:
						want.Rejected++
					}
					reasons[drop[i]]++
				}
				batch := record(rest[:n], r.IntN(10))
				check(t, s.Write(batch, drop))
				batch.Release()
				rest = rest[n:]
			}
			out, err := s.Finish(t.Context())
			check(t, err)
			want.In, want.Scored = int64(len(all)), int64(len(kept))
			keys, sum, tally := sums(kept)
			tally.Reason = reasons
			same(t, "counts", out.Counts, want)
			same(t, "keys", out.Keys, keys)
			same(t, "row sum", out.Rows, sum)
			same(t, "tally", out.Tally, tally)

			data := bytesOf(t, st, out.Files[0].Path)
			got := make([]row, len(kept)+1)
			reader := parquet.NewGenericReader[row](bytes.NewReader(data))
			n, _ := reader.Read(got)
			if !slices.Equal(got[:n], kept) {
				t.Error("a naive reader sees other rows")
			}
			var again []row
			from, err := readAll(t, st, out.Files[0].Path, func(r arrow.Record) error {
				again = append(again, rowsOf(r)...)
				return nil
			})
			check(t, err)
			if !slices.Equal(again, kept) {
				t.Error("other rows are read")
			}
			same(t, "provenance", from, Provenance{a.Job, a.ModelDigest, a.RulesDigest, "1380013-1390000", a.Month, a.Token})
		})
	}
}

// rowsOf takes a record apart again.
func rowsOf(r arrow.Record) []row {
	rows := make([]row, r.NumRows())
	for i := range rows {
		for c, a := range r.Columns() {
			f := reflect.ValueOf(&rows[i]).Elem().Field(c)
			switch a := a.(type) {
			case *array.Uint64:
				f.SetInt(int64(a.Value(i)))
			case *array.Int64:
				f.SetInt(a.Value(i))
			case *array.Int32:
				f.SetInt(int64(a.Value(i)))
			case *array.Uint16:
				f.SetInt(int64(a.Value(i)))
			case *array.Uint8:
				f.SetInt(int64(a.Value(i)))
			case *array.Int8:
				f.SetInt(int64(a.Value(i)))
			case *array.Float32:
				f.SetFloat(float64(a.Value(i)))
			}
		}
	}
	return rows
}

func TestAnEmptyPartitionIsAValidFile(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	s, err := Create(t.Context(), st, theAttempt)
	check(t, err)
	rows := base(1, 3, false)
	check(t, s.Write(record(rows, 0), []job.Reason{job.NullKey, job.IoTNumber, job.RepeatedNumber}))
	check(t, s.Write(record(nil, 0), nil))
	out, err := s.Finish(t.Context())
	check(t, err)
	same(t, "counts", out.Counts, job.Counts{In: 3, Excluded: 1, Rejected: 1, Duplicate: 1})
	same(t, "files", len(out.Files), 2)
	f, err := parquet.OpenFile(bytes.NewReader(bytesOf(t, st, out.Files[0].Path)), out.Files[0].Bytes)
	check(t, err)
	same(t, "rows", f.NumRows(), 0)
	same(t, "columns", len(f.Root().Columns()), len(schema.Score))
}

func TestEveryColumnIsRequiredAndSigned(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	out := stage(t, st, theAttempt, base(1, 100, false), 100)
	f, err := parquet.OpenFile(bytes.NewReader(bytesOf(t, st, out.Files[0].Path)), out.Files[0].Bytes)
	check(t, err)
	for i, c := range f.Root().Columns() {
		want := parquet.Int32
		switch schema.Score[i].Name {
		case "msisdn", "arpu3_fen", "expected_loss_fen", "rule_fired", "rule_unknown":
			want = parquet.Int64
		case "propensity":
			want = parquet.Float
		}
		plain := f.Metadata().Schema[i+1]
		if c.Name() != schema.Score[i].Name || !c.Required() || c.Type().Kind() != want || plain.LogicalType.Value != nil || plain.ConvertedType.Valid {
			t.Errorf("column %d is %s", i, c)
		}
	}
}

// Invariant I5: batches, earlier work of the process and the attempt do not show.
func TestTheSameRowsGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	for _, compression := range []string{"zstd", "snappy", "none"} {
		st := newStore(t)
		a := theAttempt
		a.Compression, a.rowGroupRows = compression, 500
		rows := base(5, 1444, false)
		first := stage(t, st, a, rows, len(rows))
		want := bytesOf(t, st, first.Files[0].Path)
		for i, batch := range []int{1, 7, 256, 500, 1443} {
			a.Nonce = "again" + strconv.Itoa(i)
			stage(t, newStore(t), a, base(uint64(i), 1000+i, true), 1000) // leaves other traces in pooled encoders
			out := stage(t, st, a, rows, batch)
			if !bytes.Equal(bytesOf(t, st, out.Files[0].Path), want) {
				t.Errorf("%s: batches of %d rows give other bytes", compression, batch)
			}
		}
	}
}

func TestTwoAttemptsDifferInTwentyDigitsOfTheFooter(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	rows := base(5, 10_000, false)
	one, two := theAttempt, theAttempt
	two.Token, two.Epoch, two.Nonce = math.MaxUint64, 99, "other"
	first, second := stage(t, st, one, rows, 2048), stage(t, st, two, rows, 512)
	same(t, "content", second.Files[0].Content, first.Files[0].Content)
	if first.Files[0].SHA256 == second.Files[0].SHA256 {
		t.Error("the token is not in the file")
	}
	a, b := bytesOf(t, st, first.Files[0].Path), bytesOf(t, st, second.Files[0].Path)
	same(t, "length", len(b), len(a))
	at := bytes.Index(a, []byte("00000000000000000042"))
	if at < 0 {
		t.Fatal("no token of 20 digits")
	}
	copy(a[at:], "18446744073709551615")
	if !bytes.Equal(a, b) {
		t.Error("attempts differ in more than the token")
	}
	same(t, "name", first.Files[0].Path, "jobs/j/staging/scores-00007-0003-00000000000000000042-k3x9.parquet")
	same(t, "name", second.Files[0].Path, "jobs/j/staging/scores-00007-0099-18446744073709551615-other.parquet")
}

func TestAnAttemptIsNeverWrittenTwice(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	stage(t, st, theAttempt, base(1, 10, false), 10)
	if _, err := Create(t.Context(), st, theAttempt); !errors.Is(err, store.ErrExist) {
		t.Fatalf("second attempt of the same name: %v, want ErrExist", err)
	}
}

// Invariant I8: bounds in the footer are real numbers, so the key has none.
func TestFootersCarryNoSubscriberNumber(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	a := theAttempt
	a.rowGroupRows = 500
	rows := base(9, 5000, false)
	out := stage(t, st, a, rows, 2048)
	data := bytesOf(t, st, out.Files[0].Path)
	at := len(data) - 8 - int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	footer := data[at:]
	forms := func(v int64) [][]byte {
		return [][]byte{
			binary.LittleEndian.AppendUint64(nil, uint64(v)), binary.BigEndian.AppendUint64(nil, uint64(v)),
			binary.AppendVarint(nil, v), binary.AppendUvarint(nil, uint64(v)), strconv.AppendInt(nil, v, 10),
		}
	}
	for _, r := range rows {
		for _, form := range forms(r.Msisdn) {
			if bytes.Contains(footer, form) {
				t.Fatal("a number is in the footer")
			}
		}
	}
	// The scan can find bounds: those of another column are there.
	highest := slices.MaxFunc(rows, func(a, b row) int { return int(a.Arpu3Fen - b.Arpu3Fen) })
	if !bytes.Contains(footer, forms(highest.Arpu3Fen)[0]) {
		t.Error("bounds of arpu3_fen are not where the scan looks")
	}
	// Nor is there a page index between the pages and the footer.
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	check(t, err)
	for _, g := range f.Metadata().RowGroups {
		for _, c := range g.Columns {
			if c.ColumnIndexOffset != 0 || c.OffsetIndexOffset != 0 {
				t.Fatal("a page index is written")
			}
		}
		key := g.Columns[0].MetaData.Statistics
		if key.MinValue != nil || key.MaxValue != nil || key.Min != nil || key.Max != nil {
			t.Fatal("the key has bounds")
		}
	}
}

func TestABatchThatIsNoScoreRecordIsRefused(t *testing.T) {
	t.Parallel()
	good := base(1, 5, false)
	edit := func(change func(r *row)) arrow.Record {
		rows := slices.Clone(good)
		change(&rows[3])
		return record(rows, 0)
	}
	whole := record(good, 0)
	nulls := array.NewUint8Builder(memory.DefaultAllocator)
	nulls.AppendValues([]uint8{1, 2, 3, 4, 5}, []bool{true, true, false, true, true})
	columns := slices.Clone(whole.Columns())
	columns[3] = nulls.NewArray()
	fields := scored.arrow.Fields()
	fields[3], fields[4] = fields[4], fields[3]
	for name, c := range map[string]struct {
		batch arrow.Record
		drop  []job.Reason
		want  error
	}{
		"a null":           {array.NewRecord(scored.arrow, columns, 5), nil, ErrBatch},
		"missing column":   {array.NewRecord(arrow.NewSchema(fields[:22], nil), whole.Columns()[:22], 5), nil, ErrBatch},
		"swapped columns":  {array.NewRecord(arrow.NewSchema(fields, nil), whole.Columns(), 5), nil, ErrBatch},
		"too few reasons":  {whole, make([]job.Reason, 4), ErrBatch},
		"unknown reason":   {whole, []job.Reason{0, 0, 99, 0, 0}, ErrBatch},
		"risk band 6":      {edit(func(r *row) { r.RiskBand = 6 }), nil, ErrValue},
		"risk band 0":      {edit(func(r *row) { r.RiskBand = 0 }), nil, ErrValue},
		"decision 16":      {edit(func(r *row) { r.RetainDecision = 16 }), nil, ErrValue},
		"decision 0":       {edit(func(r *row) { r.RetainDecision = 0 }), nil, ErrValue},
		"trigger 15":       {edit(func(r *row) { r.TrgFired = 1 << 14 }), nil, ErrValue},
		"unknown 16":       {edit(func(r *row) { r.TrgUnknown = 1 << 15 }), nil, ErrValue},
		"warn 2":           {edit(func(r *row) { r.Warn = 2 }), nil, ErrValue},
		"nothing is wrong": {whole, make([]job.Reason, 5), nil},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStore(t)
			s, err := Create(t.Context(), st, theAttempt)
			check(t, err)
			err = s.Write(c.batch, c.drop)
			if err == nil {
				_, err = s.Finish(t.Context())
			}
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			check(t, s.Close())
			list, err := st.List(t.Context(), "")
			check(t, err)
			if (len(list) == 0) != (c.want != nil) {
				t.Errorf("left in the store: %v", list)
			}
			if err := s.Write(whole, nil); err == nil {
				t.Error("an ended sink takes rows")
			}
		})
	}
}

func TestABadAttemptIsRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(a *Attempt){
		"no nonce":             func(a *Attempt) { a.Nonce = "" },
		"a nonce with a slash": func(a *Attempt) { a.Nonce = "a/b" },
		"a negative task":      func(a *Attempt) { a.Task = -1 },
		"no range":             func(a *Attempt) { a.Range.Past = a.Range.First },
		"unknown compression":  func(a *Attempt) { a.Compression = "lzma" },
		"a prefix that climbs": func(a *Attempt) { a.Prefix = "../x" },
	} {
		a := theAttempt
		change(&a)
		if _, err := Create(t.Context(), newStore(t), a); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestRejectsSayWhereAndWhyAndNoMore(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	s, err := Create(t.Context(), st, theAttempt)
	check(t, err)
	check(t, s.Write(record(base(1, 10, false), 0), nil))
	check(t, s.Reject(t.Context(), "month=202606/a.csv", 17, "手机号", job.BadNumber))
	check(t, s.Reject(t.Context(), `odd, "name".csv`, 1<<40, "fee", job.BadValue))
	out, err := s.Finish(t.Context())
	check(t, err)
	same(t, "files", len(out.Files), 3)
	file := out.Files[1]
	same(t, "kind", file.Kind, job.FileRejects)
	same(t, "rows", file.Rows, 2)
	same(t, "path", file.Path, "jobs/j/staging/rejects-00007-0003-00000000000000000042-k3x9.csv")
	same(t, "text", string(bytesOf(t, st, file.Path)),
		"file,row,field,reason\nmonth=202606/a.csv,17,手机号,BAD_NUMBER\n\"odd, \"\"name\"\".csv\",1099511627776,fee,BAD_VALUE\n")
}

// A disk that fills up at any step leaves no committed file and one clear error.
func TestAFullDiskLeavesNoCommittedFile(t *testing.T) {
	t.Parallel()
	rows := base(3, 40_000, true)
	batches := []arrow.Record{record(rows[:15_000], 0), record(rows[15_000:], 0)}
	attempt := func(st store.Store) error {
		a := theAttempt
		a.Compression, a.rowGroupRows = "none", 10_000
		s, err := Create(t.Context(), st, a)
		if err != nil {
			return err
		}
		defer s.Close()
		for _, b := range batches {
			if err := s.Write(b, nil); err != nil {
				return err
			}
			if err := s.Reject(t.Context(), "a.csv", 1, "fee", job.BadValue); err != nil {
				return err
			}
		}
		_, err = s.Finish(t.Context())
		return err
	}
	steps := 0
	try := func(what string, f *storetest.Faulty) (fired bool) {
		inner := newStore(t)
		f.Store = inner
		err := attempt(f)
		if !f.Fired() {
			check(t, err)
			return false
		}
		if !errors.Is(err, store.ErrNoSpace) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("%s: %v, want ErrNoSpace", what, err)
		}
		if !strings.Contains(err.Error(), "scores-00007") && !strings.Contains(err.Error(), "rejects-00007") {
			t.Errorf("%s: the error names no file: %v", what, err)
		}
		list, err := inner.List(t.Context(), "")
		check(t, err)
		if len(list) != 0 {
			t.Fatalf("%s left %v", what, list)
		}
		return true
	}
	for at := 1; try(fmt.Sprintf("step %d", at), &storetest.Faulty{FailAt: at, Sticky: true, Partial: at * 10}); at++ {
		steps++
	}
	if steps < 8 {
		t.Fatalf("only %d steps failed: the sink writes in fewer pieces than this test believes", steps)
	}
	for capacity := int64(1); try(fmt.Sprintf("%d bytes of space", capacity), &storetest.Faulty{Capacity: capacity}); capacity = capacity*3 + 1 {
		steps++
	}
}

func TestAClosedSinkLeavesNothing(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	s, err := Create(t.Context(), st, theAttempt)
	check(t, err)
	check(t, s.Write(record(base(1, 10, false), 0), nil))
	check(t, s.Reject(t.Context(), "a", 1, "b", job.BadValue))
	check(t, s.Close())
	check(t, s.Close())
	if _, err := s.Finish(t.Context()); !errors.Is(err, ErrFinished) {
		t.Errorf("finish after close: %v", err)
	}
	list, err := st.List(t.Context(), "")
	check(t, err)
	same(t, "objects", len(list), 0)
}

func TestWritingAllocatesNothingPerRow(t *testing.T) {
	st := newStore(t)
	a := theAttempt
	s, err := Create(context.Background(), st, a)
	check(t, err)
	defer s.Close()
	batch := record(base(1, 2048, false), 0)
	drop := make([]job.Reason, 2048)
	drop[7] = job.BadValue
	if n := testing.AllocsPerRun(30, func() { check(t, s.Write(batch, drop)) }); n > 4 {
		t.Errorf("%v allocations for a batch of 2048 rows", n)
	}
}
