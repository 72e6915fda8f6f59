package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/worker/intake"
)

// keptTypes are columns as a base may have them, and what they are called in Arrow.
var keptTypes = []struct {
	typ     intake.Type
	element format.SchemaElement
	arrow   string
}{
	{intake.Int64, format.SchemaElement{}, "int64"}, // the number
	{intake.Boolean, format.SchemaElement{}, "bool"},
	{intake.Int32, format.SchemaElement{}, "int32"},
	{intake.Int32, logical(new(format.DateType)), "date32"},
	{intake.Int32, converted(deprecated.Date), "date32"},
	{intake.Int32, logical(&format.IntType{BitWidth: 8}), "uint32"},
	{intake.Int32, logical(&format.IntType{BitWidth: 16, IsSigned: true}), "int32"},
	{intake.Int32, logical(&format.DecimalType{Precision: 9, Scale: 2}), "decimal(9, 2)"},
	{intake.Int64, logical(&format.IntType{BitWidth: 64, IsSigned: true}), "int64"},
	{intake.Int64, converted(deprecated.Uint64), "uint64"},
	{intake.Int64, logical(&format.TimestampType{IsAdjustedToUTC: true, Unit: format.TimeUnit{Value: new(format.MilliSeconds)}}), "timestamp[ms, tz=UTC]"},
	{intake.Int64, logical(&format.TimestampType{Unit: format.TimeUnit{Value: new(format.MicroSeconds)}}), "timestamp[us]"},
	{intake.Int64, logical(&format.TimestampType{Unit: format.TimeUnit{Value: new(format.NanoSeconds)}}), "timestamp[ns]"},
	{intake.Int64, converted(deprecated.TimestampMillis), "timestamp[ms, tz=UTC]"},
	{intake.Int64, converted(deprecated.TimestampMicros), "timestamp[us, tz=UTC]"},
	{intake.Int64, format.SchemaElement{ConvertedType: thrift.New(deprecated.Decimal), Precision: thrift.New(int32(18)), Scale: thrift.New(int32(4))}, "decimal(18, 4)"},
	{intake.Int64, logical(new(format.DateType)), "int64"}, // as others are that are not as wide as their meaning
	{intake.Int64, converted(deprecated.Date), "int64"},
	{intake.Int32, logical(&format.TimestampType{Unit: format.TimeUnit{Value: new(format.MicroSeconds)}}), "int32"},
	{intake.Int32, converted(deprecated.TimestampMillis), "int32"},
	{intake.Int32, converted(deprecated.TimestampMicros), "int32"},
	{intake.Float, format.SchemaElement{}, "float32"},
	{intake.Double, format.SchemaElement{}, "float64"},
	{intake.ByteArray, logical(new(format.StringType)), "utf8"},
	{intake.ByteArray, converted(deprecated.UTF8), "utf8"},
	{intake.ByteArray, logical(new(format.EnumType)), "utf8"},
	{intake.ByteArray, logical(new(format.BsonType)), "binary"},
	{intake.ByteArray, format.SchemaElement{}, "binary"},
}

func logical(l format.LogicalTypeValue) format.SchemaElement {
	return format.SchemaElement{LogicalType: format.LogicalType{Value: l}}
}

func converted(c deprecated.ConvertedType) format.SchemaElement {
	return format.SchemaElement{ConvertedType: thrift.New(c)}
}

func keptFields(t testing.TB) []intake.Field {
	t.Helper()
	fields := make([]intake.Field, len(keptTypes))
	for i, k := range keptTypes {
		k.element.Type = thrift.New(physical(k.typ))
		meaning, err := thrift.Marshal(new(thrift.CompactProtocol), &k.element)
		check(t, err)
		fields[i] = intake.Field{Name: fmt.Sprintf("c%d", i), Type: k.typ, Meaning: string(meaning)}
	}
	return fields
}

// keptRow is a row of a base, and what each of its cells is, as a text.
type keptRow struct {
	number partition.Number
	cells  []byte
	texts  []string
}

const isNull = "null"

// keptRows are rows of any values, whose last column has texts of so many bytes. Every
// third column has no null, and one has nothing else.
func keptRows(r *rand.Rand, n, bytesOfText int) []keptRow {
	rows := make([]keptRow, n)
	number := partition.FirstNumber
	for k := range rows {
		number += partition.Number(r.Uint64N(3)) // numbers may stand twice
		row := keptRow{number: number, texts: []string{fmt.Sprint(uint64(number))}}
		var c intake.Cells
		c.Begin(len(keptTypes) - 1)
		for i, col := range keptTypes[1:] {
			if i == 3 || i%3 != 0 && r.IntN(4) == 0 {
				c.Null()
				row.texts = append(row.texts, isNull)
				continue
			}
			v := r.Uint64() >> (r.IntN(64))
			if r.IntN(2) == 0 {
				v = -v
			}
			var text string
			switch col.typ {
			case intake.Boolean:
				c.Fixed(v&1, 1)
				text = fmt.Sprint(v&1 != 0)
			case intake.Int32:
				c.Fixed(v, 4)
				text = fmt.Sprint(int32(v))
				if strings.HasPrefix(col.arrow, "uint") {
					text = fmt.Sprint(uint32(v))
				}
			case intake.Int64:
				c.Fixed(v, 8)
				text = fmt.Sprint(int64(v))
				if strings.HasPrefix(col.arrow, "uint") {
					text = fmt.Sprint(v)
				}
			case intake.Float:
				c.Fixed(v, 4)
				text = fmt.Sprint(uint32(v))
			case intake.Double:
				c.Fixed(v, 8)
				text = fmt.Sprint(v)
			case intake.ByteArray:
				text = strings.Repeat("文", r.IntN(4)) + fmt.Sprint(v)[:r.IntN(2)]
				if i == len(keptTypes)-2 {
					text += strings.Repeat("x", bytesOfText)
				}
				c.Bytes([]byte(text))
			}
			row.texts = append(row.texts, text)
		}
		row.cells = bytes.Clone(c.Encoded())
		rows[k] = row
	}
	return rows
}

// textOf is what a cell is, as the library of others reads it.
func textOf(t testing.TB, column arrow.Array, i int) string {
	t.Helper()
	if column.IsNull(i) {
		return isNull
	}
	switch c := column.(type) {
	case *array.Boolean:
		return fmt.Sprint(c.Value(i))
	case *array.Int32:
		return fmt.Sprint(c.Value(i))
	case *array.Uint32:
		return fmt.Sprint(c.Value(i))
	case *array.Date32:
		return fmt.Sprint(int32(c.Value(i)))
	case *array.Int64:
		return fmt.Sprint(c.Value(i))
	case *array.Uint64:
		return fmt.Sprint(c.Value(i))
	case *array.Timestamp:
		return fmt.Sprint(int64(c.Value(i)))
	case *array.Decimal128:
		return c.Value(i).BigInt().String()
	case *array.Float32:
		return fmt.Sprint(math.Float32bits(c.Value(i)))
	case *array.Float64:
		return fmt.Sprint(math.Float64bits(c.Value(i)))
	case *array.String:
		return c.Value(i)
	case *array.Binary:
		return string(c.Value(i))
	}
	t.Fatalf("a column of %s", column.DataType())
	return ""
}

// keep writes rows as an attempt at a base of a format.
func keep(t testing.TB, st store.Store, a Attempt, kind string, rows []keptRow) job.File {
	t.Helper()
	ctx := context.Background()
	b, err := CreateBase(ctx, st, a, kind, keptFields(t), "the schema")
	check(t, err)
	for i := range rows {
		check(t, b.Keep(&intake.Row{Number: rows[i].number, Cells: rows[i].cells}))
	}
	out, err := b.Finish(ctx)
	check(t, err)
	check(t, b.Close())
	same(t, "rows kept", out.Counts.Scored, int64(len(rows)))
	return out.Files[0]
}

// What others read of a base in Arrow is what was kept, whatever its type, packed or not.
func TestABaseInArrowIsWhatWasKept(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(61, 1))
	for _, c := range []struct {
		compression         string
		rows, text, batches int
	}{{"none", 0, 0, 0}, {"zstd", 1, 0, 1}, {"none", 3001, 0, 1}, {"zstd", 500, 100_000, 2}} {
		st, rows := newStore(t), keptRows(r, c.rows, c.text)
		a := theAttempt
		a.Compression = c.compression
		file := keep(t, st, a, job.FormatArrow, rows)
		data := bytesOf(t, st, file.Path)
		f, err := ipc.NewFileReader(bytes.NewReader(data))
		check(t, err)
		for i, field := range f.Schema().Fields() {
			if field.Type.String() != keptTypes[i].arrow || field.Nullable != (i > 0) {
				t.Errorf("column %d is %s, nullable %t, want %s", i, field.Type, field.Nullable, keptTypes[i].arrow)
			}
		}
		same(t, "batches", f.NumRecords(), c.batches)
		at := 0
		for k := range f.NumRecords() {
			record, err := f.Record(k)
			check(t, err)
			for i := range int(record.NumRows()) {
				for k, column := range record.Columns() {
					if got := textOf(t, column, i); got != rows[at].texts[k] {
						t.Fatalf("%s, row %d, column %d: %q, want %q", c.compression, at, k, got, rows[at].texts[k])
					}
				}
				at++
			}
		}
		same(t, "rows", at, c.rows)

		a.Token, a.Nonce, a.Epoch = a.Token+1, "n4w", a.Epoch+1
		again := keep(t, st, a, job.FormatArrow, rows)
		if again.SHA256 != file.SHA256 || again.Content != file.Content || again.Path == file.Path {
			t.Errorf("another attempt wrote other bytes, or in the same file: %+v, %+v", again, file)
		}
	}
}

// A column without values takes room in Arrow: batches are cut by that, and not by what
// the rows take to be kept.
func TestABatchOfABaseIsBoundedByTheRoomOfItsNulls(t *testing.T) {
	t.Parallel()
	const width = 4000
	number := keptFields(t)[0]
	fields := []intake.Field{number}
	for i := range width {
		fields = append(fields, intake.Field{Name: fmt.Sprintf("c%d", i), Type: intake.Int64, Meaning: number.Meaning})
	}
	st := newStore(t)
	b, err := CreateBase(t.Context(), st, theAttempt, job.FormatArrow, fields, "the schema")
	check(t, err)
	defer b.Close()
	var c intake.Cells
	c.Begin(width)
	cells := bytes.Clone(c.Encoded())
	for i := range 2500 {
		check(t, b.Keep(&intake.Row{Number: partition.FirstNumber + partition.Number(i), Cells: cells}))
	}
	out, err := b.Finish(t.Context())
	check(t, err)
	f, err := ipc.NewFileReader(bytes.NewReader(bytesOf(t, st, out.Files[0].Path)))
	check(t, err)
	rows := int64(0)
	for k := range f.NumRecords() {
		record, err := f.Record(k)
		check(t, err)
		if size := record.NumRows() * width * 8; size > baseGroupBytes {
			t.Errorf("batch %d takes %d bytes", k, size)
		}
		rows += record.NumRows()
	}
	same(t, "rows", rows, 2500)
}

// Rows come of runs that others staged: what is out of order is refused, at the beginning of
// a row group too.
func TestABaseRefusesRowsThatAreOutOfOrderOrNotOfItsColumns(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{1, baseGroupRows} {
		for _, kind := range []string{job.FormatArrow, job.FormatParquet} {
			st := newStore(t)
			b, err := CreateBase(t.Context(), st, theAttempt, kind, keptFields(t)[:1], "the schema")
			check(t, err)
			for range rows {
				check(t, b.Keep(&intake.Row{Number: partition.FirstNumber + 1}))
			}
			if err := b.Keep(&intake.Row{Number: partition.FirstNumber}); !errors.Is(err, ErrContent) || !strings.Contains(err.Error(), b.name) {
				t.Errorf("%s: a number that falls behind %d rows: %v", kind, rows, err)
			}
			if err := b.Keep(&intake.Row{Number: partition.FirstNumber + 1, Cells: []byte{1}}); !errors.Is(err, intake.ErrRun) || !strings.Contains(err.Error(), b.name) {
				t.Errorf("%s: cells of no column: %v", kind, err)
			}
			check(t, b.Close())
		}
	}
}

func TestBitsArePackedLowestFirst(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(61, 2))
	for n := range 70 {
		set := make([]byte, n)
		for i := range set {
			set[i] = byte(r.IntN(2))
		}
		got := appendBits([]byte{0xff}, set)
		want := make([]byte, 8+(n+7)/8)
		for i, b := range set {
			want[1+i/8] |= b << (i % 8)
		}
		if !bytes.Equal(got[1:], want[1:1+(n+7)/8]) || got[0] != 0xff {
			t.Fatalf("%v is %x", set, got)
		}
	}
}
