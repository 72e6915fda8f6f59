package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/parquet-go/parquet-go"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
)

// found is a row of the months layout.
type found struct {
	Msisdn *int64  `parquet:"msisdn"`
	Fee    *int64  `parquet:"fee"`
	Text   *string `parquet:"out_sec"` // not every text is a number of seconds
}

// searched writes a base of some months with duplicates, numbers that cannot be
// read and values that cannot, in several files, and returns its numbers.
func searched(t *testing.T, dir, format string, seed uint64) []partition.Number {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 4))
	var numbers []partition.Number
	for k := range 6 {
		num, files := int64(13800130000), 1+r.IntN(3)
		for f := range files {
			var rows []found
			for range 50 + r.IntN(500) {
				row := found{Fee: ptr(int64(r.IntN(9000))), Text: ptr(fmt.Sprint(r.IntN(600)))}
				switch r.IntN(12) {
				case 0:
				case 1:
					row.Msisdn = ptr(int64(7))
				case 2:
					row.Text = ptr("long")
					fallthrough
				case 3: // the number before again
					row.Msisdn = ptr(num)
				default:
					num += int64(r.IntN(4))
					row.Msisdn = ptr(num)
				}
				if k == 0 && row.Msisdn != nil && *row.Msisdn > 7 {
					numbers = append(numbers, partition.Number(*row.Msisdn))
				}
				rows = append(rows, row)
			}
			var b bytes.Buffer
			name := fmt.Sprintf("month=%06d/p%d.%s", job.MonthBack(202606, k), f, format)
			if format == "csv" {
				b.WriteString("msisdn,fee,out_sec,note\n")
				for _, row := range rows {
					if row.Msisdn != nil {
						fmt.Fprint(&b, *row.Msisdn)
					}
					note := strings.Repeat("x", r.IntN(2000)) // so that a file is several blocks
					if r.IntN(9) == 0 {
						note = "\"a \"\"quoted\"\" note,\nof two lines\""
					}
					fmt.Fprintf(&b, ",%d,%s,%s\n", *row.Fee, *row.Text, note)
				}
			} else if err := parquet.Write(&b, rows, parquet.MaxRowsPerRowGroup(1+int64(r.IntN(90))), parquet.PageBufferSize(64)); err != nil {
				t.Fatal(err)
			}
			write(t, dir, name, b.Bytes())
		}
	}
	return numbers
}

func TestARowThatIsFoundIsTheRowThatAWholePassReads(t *testing.T) {
	t.Parallel()
	columns := []string{"fee_m0", "fee_m3", "out_sec_m0", "out_sec_m5"}
	for _, format := range []string{"parquet", "csv"} {
		for seed := range uint64(4) {
			dir := t.TempDir()
			numbers := searched(t, dir, format, seed)
			s := spec("month={month}")
			s.Input.Layout = "months"
			d := open(t, dir, s)
			sv := survey(t, d)
			if err := d.Check(sv.Files); err != nil {
				t.Fatal(err)
			}
			all := map[uint64][]row{}
			for _, task := range cut(sv, whole) {
				r, err := readTask(t, d, sv, task, columns, 100)
				if err != nil {
					t.Fatal(err)
				}
				for _, row := range r.rows {
					all[row.key] = append(all[row.key], row)
				}
			}
			if len(numbers) < 50 {
				t.Fatalf("only %d numbers", len(numbers))
			}
			numbers = append(numbers, 13_000_000_000, numbers[0]+3, numbers[len(numbers)/2]+1, 19_999_999_999)
			for i, n := range numbers {
				if i%5 != 0 && i < len(numbers)-8 {
					continue
				}
				task, err := d.Find(t.Context(), sv.Files, n)
				if err != nil {
					t.Fatal(err)
				}
				want := all[uint64(n)]
				if len(want) == 0 {
					if task.Rows != 0 {
						t.Fatalf("%s, seed %d: %d rows of a number that is not there", format, seed, task.Rows)
					}
					continue
				}
				got, err := readTask(t, d, sv, task, columns, 3)
				if err != nil {
					t.Fatal(err)
				}
				var rows []row
				for _, row := range got.rows {
					if row.key != 0 {
						rows = append(rows, row)
					}
				}
				if !reflect.DeepEqual(rows, want) {
					t.Fatalf("%s, seed %d: the rows found are not the ones that are read", format, seed)
				}
			}
		}
	}
}

func TestAMadeNumberIsFoundByItsPlace(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"csv", "parquet"} {
		dir := t.TempDir()
		for f := range 3 {
			var b bytes.Buffer
			var rows []found
			b.WriteString("fee\n")
			for i := range 50 {
				fmt.Fprintf(&b, "%d\n", 50*f+i)
				rows = append(rows, found{Fee: ptr(int64(50*f + i))})
			}
			if format == "parquet" {
				b.Reset()
				if err := parquet.Write(&b, rows, parquet.MaxRowsPerRowGroup(7)); err != nil {
					t.Fatal(err)
				}
			}
			write(t, dir, fmt.Sprintf("in/p%d.%s", f, format), b.Bytes())
		}
		s := spec("in")
		s.Input.MakeNumbers = 13_900_000_000
		s.Input.Columns = map[string]job.Mapping{"fee": {Months: []string{"fee"}}}
		d := open(t, dir, s)
		sv := survey(t, d)
		for i := range 150 {
			n := partition.Number(s.Input.MakeNumbers) + partition.Number(i)
			task, err := d.Find(t.Context(), sv.Files, n)
			if err != nil {
				t.Fatal(err)
			}
			got, err := readTask(t, d, sv, task, []string{"fee_m0"}, 10)
			if err != nil || len(got.rows) != 1 || got.rows[0].key != uint64(n) || got.rows[0].values[0] != int64(i) {
				t.Fatalf("%s: row %d is %d rows, %v", format, i, len(got.rows), err)
			}
		}
		if task, err := d.Find(t.Context(), sv.Files, 13_900_000_150); err != nil || task.Rows != 0 {
			t.Errorf("%s: after the last row there are %d, %v", format, task.Rows, err)
		}
	}
}

// TestFindingReadsLittle counts the bytes that are read for one number.
func TestFindingReadsLittle(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"csv", "parquet"} {
		var b bytes.Buffer
		var rows []found
		b.WriteString("msisdn,fee,note\n")
		for i := range int64(60_000) {
			fmt.Fprintf(&b, "%d,%d,%s\n", 13800130000+2*i, i, strings.Repeat("n", 100))
			rows = append(rows, found{Msisdn: ptr(13800130000 + 2*i), Fee: ptr(i)})
		}
		if format == "parquet" {
			b.Reset()
			if err := parquet.Write(&b, rows, parquet.MaxRowsPerRowGroup(500)); err != nil {
				t.Fatal(err)
			}
		}
		files := &counting{memoryStore: memoryStore{"in." + format: b.Bytes()}}
		d, err := Open(context.Background(), files, spec("in."+format))
		if err != nil {
			t.Fatal(err)
		}
		sv := survey(t, d)
		files.bytes.Store(0)
		task, err := d.Find(t.Context(), sv.Files, 13800200000)
		if err != nil || task.Rows != 1 {
			t.Fatalf("%d rows, %v", task.Rows, err)
		}
		if most := int64(b.Len()) * 2 / 3; format == "csv" && files.bytes.Load() > most || format == "parquet" && files.bytes.Load() > int64(b.Len())/8 {
			t.Errorf("%s: %d bytes were read of %d", format, files.bytes.Load(), b.Len())
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAFileThatChangedIsNamed(t *testing.T) {
	t.Parallel()
	const text = "msisdn,fee_m0\n13800130001,5\n13800130002,6\n"
	dir := t.TempDir()
	write(t, dir, "in/a.csv", []byte(text))
	write(t, dir, "in/b.csv", []byte("msisdn,fee_m0\n13800130003,5\n"))
	files := survey(t, open(t, dir, spec("in"))).Files
	for what, change := range map[string]func(){
		"longer": func() { write(t, dir, "in/a.csv", []byte(text+"13800130003,5\n")) },
		"new":    func() { write(t, dir, "in/a.csv", []byte(text)); write(t, dir, "in/c.csv", []byte(text)) },
	} {
		t.Run(what, func(t *testing.T) {
			change()
			d := open(t, dir, spec("in"))
			var named *FileError
			if err := d.Check(files); !errors.Is(err, ErrChanged) || !errors.As(err, &named) || named.File == "in/b.csv" {
				t.Errorf("%v", err)
			}
		})
	}
}

// counting counts the bytes that are read of its objects.
type counting struct {
	memoryStore
	bytes atomic.Int64 // a survey reads with many hands
}

func (c *counting) Open(ctx context.Context, name string) (store.Object, error) {
	o, err := c.memoryStore.Open(ctx, name)
	return countingObject{o, &c.bytes}, err
}

type countingObject struct {
	store.Object
	bytes *atomic.Int64
}

func (o countingObject) ReadAt(p []byte, at int64) (int, error) {
	o.bytes.Add(int64(len(p)))
	return o.Object.ReadAt(p, at)
}

func TestARecountIsTheSurveyWithTheDigestsThatAreKnown(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"parquet", "csv"} {
		dir := t.TempDir()
		searched(t, dir, format, 3)
		s := spec("month={month}")
		s.Input.Layout = "months"
		d := open(t, dir, s)
		want := survey(t, d)
		for i := range want.Files {
			want.Files[i].SHA256, want.Files[i].BLAKE3 = fmt.Sprint("known ", i), fmt.Sprint("of ", i)
		}
		got, err := d.Recount(t.Context(), want.Files, 2, nil)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v", format, err)
		}
		if _, err := d.Recount(t.Context(), want.Files[1:], 2, nil); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: a file that was not there: %v", format, err)
		}
	}
}
