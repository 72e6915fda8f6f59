package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"runtime"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"

	"rescore/partition/job"
	"rescore/partition/schema"
)

// Physical types, units and ranges, each against values worked out by hand.
func TestPhysicalTypesAndUnitsConvertExactly(t *testing.T) {
	t.Parallel()
	type in struct {
		Msisdn   int64            `parquet:"msisdn"`
		Decimal  int64            `parquet:"decimal,decimal(2:18)"`
		Decimal4 int32            `parquet:"decimal4,decimal(4:9)"`
		U32      uint32           `parquet:"u32"`
		U64      uint64           `parquet:"u64"`
		Millis   int64            `parquet:"millis,timestamp(millisecond)"`
		Micros   int64            `parquet:"micros,timestamp(microsecond)"`
		Nanos    int64            `parquet:"nanos,timestamp(nanosecond)"`
		Int96    deprecated.Int96 `parquet:"int96"`
		Ymd      int32            `parquet:"ymd"`
		YmdF     float64          `parquet:"ymdf"`
		Float    float32          `parquet:"float"`
		Double   float64          `parquet:"double"`
		Bytes    int64            `parquet:"bytes"`
		Code     int32            `parquet:"code"`
		Text     string           `parquet:"text"`
		Flag     bool             `parquet:"flag"`
	}
	rows := []in{
		{13800130001, 12345, 15000, 7, 9, 86_400_000, 86_399_999_999, -1, deprecated.Int96{0, 0, 2440588 + 3}, 20260630, 20260630, 35.1, 0.125, 1536, 10, "12.5", true},
		{13800130002, -1, -15000, math.MaxUint32, math.MaxUint64, -1, -1, 86_400_000_000_000, deprecated.Int96{5, 5, 2440588 - 3}, 20260631, 20260630.5, 0.005, 2.5, 512, 11, " 7 ", false},
		{13800130003, math.MaxInt64, 50, 0, 1 << 40, math.MinInt64, math.MaxInt64, math.MinInt64, deprecated.Int96{}, 0, math.NaN(), float32(math.Inf(1)), 1e300, -1536, 12, "NULL", false},
	}
	type want struct {
		column string
		m      job.Mapping
		values []any
		bad    []uint8
	}
	const bad = "bad"
	i := func(v int64) any { return v }
	cases := []want{
		{"balance_fen", job.Mapping{Column: "decimal", Unit: schema.Yuan}, []any{i(12345), i(-1), i(math.MaxInt64)}, nil},
		{"balance_fen", job.Mapping{Column: "decimal"}, []any{i(123), i(0), i(92233720368547758)}, nil},
		{"balance_fen", job.Mapping{Column: "decimal4", Unit: schema.Yuan}, []any{i(150), i(-150), i(0)}, nil}, // half a fen rounds to even
		{"city_code", job.Mapping{Column: "u32"}, []any{i(7), i(math.MaxUint32), i(0)}, nil},
		{"birth_year", job.Mapping{Column: "u32"}, []any{i(7), bad, i(0)}, nil},
		{"group_id", job.Mapping{Column: "u64"}, []any{i(9), bad, i(1 << 40)}, nil},
		{"balance_fen", job.Mapping{Column: "u64"}, []any{i(9), bad, i(1 << 40)}, nil},
		{"contract_end", job.Mapping{Column: "millis"}, []any{i(1), i(-1), bad}, nil},
		{"contract_end", job.Mapping{Column: "micros"}, []any{i(0), i(-1), bad}, nil},
		{"contract_end", job.Mapping{Column: "nanos"}, []any{i(-1), i(1), i(-106752)}, nil},
		{"contract_end", job.Mapping{Column: "int96"}, []any{i(3), i(-3), bad}, nil},
		{"contract_end", job.Mapping{Column: "ymd"}, []any{i(20634), bad, bad}, nil},
		{"contract_end", job.Mapping{Column: "ymdf"}, []any{i(20634), bad, bad}, nil},
		{"balance_fen", job.Mapping{Column: "float", Unit: schema.Yuan}, []any{i(3510), i(0), bad}, nil},
		{"balance_fen", job.Mapping{Column: "double", Unit: schema.Yuan}, []any{i(12), i(250), bad}, nil}, // 12.5 fen rounds to even
		{"arrears_fen", job.Mapping{Column: "double"}, []any{i(0), i(2), bad}, nil},
		{"sex", job.Mapping{Column: "double"}, []any{bad, bad, bad}, nil}, // a code is no fraction
		{"data_kb", job.Mapping{Months: []string{"bytes"}, Unit: schema.Byte}, []any{i(2), i(0), i(-2)}, nil},
		{"data_kb", job.Mapping{Months: []string{"bytes"}, Unit: schema.GB}, []any{i(1536 << 20), i(512 << 20), i(-1536 << 20)}, nil},
		{"sex", job.Mapping{Column: "code", Values: map[string]int64{"10": 1, "011": 2}}, []any{i(1), i(2), bad}, nil},
		{"balance_fen", job.Mapping{Column: "text", Unit: schema.Yuan}, []any{i(1250), i(700), nil}, nil},
		{"vip_class", job.Mapping{Column: "flag"}, []any{i(1), i(0), i(0)}, nil},
	}
	dir := t.TempDir()
	var b bytes.Buffer
	if err := parquet.Write(&b, rows); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "in.parquet", b.Bytes())
	for _, c := range cases {
		s := spec("in.parquet")
		s.Input.Columns = map[string]job.Mapping{c.column: c.m}
		name := c.column
		if c.m.Months != nil {
			name += "_m0"
		}
		got := readAll(t, dir, s, []string{name})
		for i, r := range got.rows {
			value, count := c.values[i], uint8(0)
			if value == bad {
				value, count = nil, 1
			}
			if r.values[0] != value || r.bad != count || r.drop != 0 {
				t.Errorf("%s of %+v, row %d: %v with %d bad, want %v with %d", name, c.m, i, r.values[0], r.bad, value, count)
			}
		}
	}
}

func TestTextThatIsNoNumberRejectsItsRowInParquetToo(t *testing.T) {
	t.Parallel()
	type in struct {
		Msisdn int64   `parquet:"msisdn"`
		Sex    *string `parquet:"sex,dict"`
		Year   *string `parquet:"birth_year"`
	}
	dir := t.TempDir()
	rows := []in{
		{13800130001, ptr("1"), nil}, {13800130002, nil, ptr("x")}, {13800130003, ptr("many"), ptr("y")}, {13800130004, ptr("2"), ptr("1980")},
		{13800130005, ptr("many"), nil},
	}
	var b bytes.Buffer
	if err := parquet.Write(&b, rows); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "in.parquet", b.Bytes())
	got := readAll(t, dir, spec("in.parquet"), []string{"sex", "birth_year"})
	want := []Reject{
		{File: "in.parquet", Row: 1, Field: "birth_year", Reason: job.BadValue},
		{File: "in.parquet", Row: 2, Field: "sex", Reason: job.BadValue},
		{File: "in.parquet", Row: 4, Field: "sex", Reason: job.BadValue},
	}
	if !reflect.DeepEqual(got.rejects, want) || got.counts.Rejected != 3 || got.counts.Scored != 2 {
		t.Errorf("rejects %+v, counts %+v", got.rejects, got.counts)
	}
}

// A bad value of an earlier month is told where it stands; rows nobody joins
// are nobody's reject.
func TestFaultsOfEarlierMonthsNameTheirOwnFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "u/202606.csv", []byte("msisdn,fee\n13800130001,1\n13800130003,1\n13800130005,1\n13800130007,1\n"))
	write(t, dir, "u/202605.csv", []byte("msisdn,fee\n13800130000,x\n13800130001,5\n13800130002,x\n13800130003,x\n13800130003,7\n13800130005,NaN\n13800130009,x\n"))
	s := spec("u/{month}.csv")
	s.Input.Layout, s.Input.MissingMonths = "months", "null"
	d := open(t, dir, s)
	sv := survey(t, d)
	for _, batch := range []int{1, 2, 3, 100} {
		got, err := readTask(t, d, sv, cut(sv, whole)[0], []string{"fee_m0", "fee_m1"}, batch)
		if err != nil {
			t.Fatal(err)
		}
		want := []row{
			{key: 13800130001, values: []any{int64(1), int64(5)}},
			{key: 13800130003, drop: job.BadValue, values: []any{int64(1), nil}},
			{key: 13800130005, bad: 1, values: []any{int64(1), nil}},
			{key: 13800130007, values: []any{int64(1), nil}},
		}
		diff(t, got.rows, want)
		if line := []Reject{{File: "202605.csv", Row: 3, Field: "fee", Reason: job.BadValue}}; !reflect.DeepEqual(got.rejects, line) {
			t.Errorf("rejects %+v, want %+v", got.rejects, line)
		}
	}
}

func TestFullBatchesShareOneRecordAndAllocateNothingARow(t *testing.T) {
	data := parquetBytes(t, subscribers(3, 20_000, 0))
	d, err := Open(context.Background(), memoryStore{"in.parquet": data}, subscriberSpec("in.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	sv := survey(t, d)
	columns := []string{"fee_m1", "recharge_fen_m1", "imei_m0", "pay_mode"} // without bad values: nothing is null
	r, err := d.Reader(cut(sv, whole)[0], sv.Files, columns[1:], 256, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var first arrow.Record
	var before, after runtime.MemStats
	rows := 0
	for {
		b, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case first == nil:
			first = b.Record
			runtime.ReadMemStats(&before)
		case b.Len == 256 && b.Record != first:
			t.Fatal("a full batch has a record of its own")
		}
		rows += b.Len
	}
	runtime.ReadMemStats(&after)
	if n := float64(after.Mallocs-before.Mallocs) / float64(rows); n > 0.02 {
		t.Errorf("%.3f allocations a row", n)
	}
	if _, err := r.Next(context.Background()); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

func TestAReaderStopsWhenItsContextDoes(t *testing.T) {
	t.Parallel()
	data := parquetBytes(t, subscribers(3, 500, 0))
	d, err := Open(context.Background(), memoryStore{"in.parquet": data}, subscriberSpec("in.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ctx, cancel := context.WithCancel(context.Background())
	sv := survey(t, d)
	r, err := d.Reader(cut(sv, whole)[0], sv.Files, []string{"sex"}, 100, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Next(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	for range 2 {
		if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v", err)
		}
	}
	if _, err := d.Survey(ctx, 2, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
}

func TestColumnsThatDoNotExistAreRefused(t *testing.T) {
	t.Parallel()
	d, err := Open(context.Background(), memoryStore{"in.csv": []byte("msisdn,x\n13800130001,2\n")}, job.Spec{
		Month: 202606, Input: job.Input{Path: "in.csv", CSV: job.CSV{Header: true}, Extra: []job.Extra{{Name: "x"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	sv := survey(t, d)
	for _, columns := range [][]string{{"nope"}, {"sex", "sex"}, {"x", "sex"}, {"fee"}} {
		if r, err := d.Reader(cut(sv, whole)[0], sv.Files, columns, 10, memory.DefaultAllocator); err == nil {
			t.Errorf("%v are read", columns)
			r.Close()
		}
	}
	r, err := d.Reader(cut(sv, whole)[0], sv.Files, []string{"sex", "x"}, 10, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := fmt.Sprint(r.Schema().Fields()); got == "" {
		t.Error("no schema")
	}
}
