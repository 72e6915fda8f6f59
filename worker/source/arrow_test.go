package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/float16"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/partition/store"
)

// arrowShape is how a test file is written, by the library's own writer.
type arrowShape struct {
	stream  bool
	codec   string // "", lz4 or zstd
	types   string // plain: those of the Parquet files; other: all the others that hold the same
	coded   string // "", grown: by a dictionary that batches of a stream add to, or replaced: each has its own
	batches int    // rows of each
}

func (s arrowShape) String() string {
	return fmt.Sprintf("stream=%v,codec=%s,types=%s,coded=%s,rows=%d", s.stream, s.codec, s.types, s.coded, s.batches)
}

// arrowColumns returns the columns of rows: values, and whether each is there.
func arrowColumns(rows []subscriber, types string) ([]arrow.Field, []arrow.Array) {
	other := types == "other"
	pick := func(plain, otherwise arrow.DataType) arrow.DataType {
		if other {
			return otherwise
		}
		return plain
	}
	p := arrow.PrimitiveTypes
	var fields []arrow.Field
	var arrays []arrow.Array
	add := func(name string, t arrow.DataType, value func(s *subscriber) (string, bool)) {
		b := array.NewBuilder(memory.DefaultAllocator, t)
		defer b.Release()
		for i := range rows {
			text, ok := value(&rows[i])
			if !ok {
				b.AppendNull()
				continue
			}
			switch b := b.(type) {
			case *array.Float16Builder:
				x, err := strconv.ParseFloat(text, 32)
				if err != nil {
					panic(err)
				}
				b.Append(float16.New(float32(x)))
			default:
				if err := b.AppendValueFromString(text); err != nil {
					panic(err)
				}
			}
		}
		fields = append(fields, arrow.Field{Name: name, Type: t, Nullable: true})
		arrays = append(arrays, b.NewArray())
	}
	float := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	add("msisdn", pick(p.Int64, arrow.BinaryTypes.LargeString), func(s *subscriber) (string, bool) { return fmt.Sprint(s.Msisdn), true })
	add("sex", pick(p.Int32, p.Int8), func(s *subscriber) (string, bool) {
		if s.Sex == nil {
			return "", false
		}
		return fmt.Sprint(*s.Sex), true
	})
	add("fee_yuan_0", p.Float64, func(s *subscriber) (string, bool) {
		if s.Fee0 == nil {
			return "", false
		}
		return float(*s.Fee0), true
	})
	add("fee_m1", pick(p.Int64, &arrow.Decimal128Type{Precision: 20}), func(s *subscriber) (string, bool) { return fmt.Sprint(s.Fee1), true })
	add("out_min_0", pick(p.Float32, arrow.FixedWidthTypes.Float16), func(s *subscriber) (string, bool) {
		if s.Out0 == nil {
			return "", false
		}
		return float(float64(*s.Out0)), true
	})
	add("data_b_0", pick(p.Int64, p.Uint64), func(s *subscriber) (string, bool) {
		if s.Data0 == nil {
			return "", false
		}
		return fmt.Sprint(*s.Data0), true
	})
	add("brand_text", pick(arrow.BinaryTypes.String, arrow.BinaryTypes.LargeString), func(s *subscriber) (string, bool) {
		if s.Brand == nil {
			return "", false
		}
		return *s.Brand, true
	})
	add("activation_date", pick(p.Date32, p.Date64), func(s *subscriber) (string, bool) {
		if s.Activated == nil {
			return "", false
		}
		return arrow.Date32(*s.Activated).FormattedString(), true
	})
	add("contract_end", pick(arrow.BinaryTypes.String, arrow.FixedWidthTypes.Timestamp_us), func(s *subscriber) (string, bool) {
		if s.End == nil {
			return "", false
		}
		return *s.End, true
	})
	add("vip_class", pick(arrow.FixedWidthTypes.Boolean, p.Uint16), func(s *subscriber) (string, bool) {
		if s.VIP == nil {
			return "", false
		}
		if other {
			return map[bool]string{false: "0", true: "1"}[*s.VIP], true
		}
		return fmt.Sprint(*s.VIP), true
	})
	add("tenure_months", pick(p.Int32, p.Uint32), func(s *subscriber) (string, bool) { return fmt.Sprint(s.Tenure), true })
	add("score", p.Float64, func(s *subscriber) (string, bool) {
		if s.Score == nil {
			return "", false
		}
		return float(*s.Score), true
	})
	add("city", pick(arrow.BinaryTypes.String, arrow.BinaryTypes.LargeString), func(s *subscriber) (string, bool) { return s.City, true })
	return fields, arrays
}

// coder makes dictionaries of one column, batch after batch.
type coder struct {
	index arrow.DataType
	list  []string
	at    map[string]int
	grow  bool
}

// code returns a as indices into a dictionary. Every other null is one of the dictionary.
func (c *coder) code(t testing.TB, a arrow.Array) arrow.Array {
	t.Helper()
	if c.at == nil || !c.grow {
		c.list, c.at = nil, map[string]int{}
	}
	const null = "\x00null"
	indices := array.NewBuilder(memory.DefaultAllocator, c.index)
	defer indices.Release()
	for i := range a.Len() {
		v := null
		if !a.IsNull(i) {
			v = a.ValueStr(i)
		} else if i%2 == 0 {
			indices.AppendNull()
			continue
		}
		k, ok := c.at[v]
		if !ok {
			k = len(c.list)
			c.at[v], c.list = k, append(c.list, v)
		}
		if err := indices.AppendValueFromString(fmt.Sprint(k)); err != nil {
			t.Fatal(err)
		}
	}
	values := array.NewBuilder(memory.DefaultAllocator, a.DataType())
	defer values.Release()
	for _, v := range c.list {
		if v == null {
			values.AppendNull()
		} else if err := values.AppendValueFromString(v); err != nil {
			t.Fatal(err)
		}
	}
	return array.NewDictionaryArray(&arrow.DictionaryType{IndexType: c.index, ValueType: a.DataType()}, indices.NewArray(), values.NewArray())
}

func arrowBytes(t testing.TB, rows []subscriber, s arrowShape) []byte {
	t.Helper()
	fields, columns := arrowColumns(rows, s.types)
	p := arrow.PrimitiveTypes
	widths := []arrow.DataType{p.Int32, p.Uint8, p.Int16, p.Uint32, p.Int64, p.Uint16, p.Uint64}
	coders := make([]*coder, len(fields))
	if s.coded != "" {
		for i := range fields {
			switch fields[i].Type.ID() {
			case arrow.BOOL, arrow.FLOAT16, arrow.DATE64, arrow.DECIMAL128, arrow.TIMESTAMP:
				continue
			}
			coders[i] = &coder{index: widths[i%len(widths)], grow: s.coded == "grown"}
			if len(rows) > 100 && coders[i].index == p.Uint8 && fields[i].Name != "sex" {
				coders[i].index = p.Int32
			}
			fields[i].Type = &arrow.DictionaryType{IndexType: coders[i].index, ValueType: fields[i].Type}
			if !s.stream { // whose writer has one dictionary for all batches
				columns[i], coders[i] = coders[i].code(t, columns[i]), nil
			}
		}
	}
	schema := arrow.NewSchema(fields, nil)
	options := []ipc.Option{ipc.WithSchema(schema), ipc.WithDictionaryDeltas(s.coded == "grown")}
	switch s.codec {
	case "lz4":
		options = append(options, ipc.WithLZ4())
	case "zstd":
		options = append(options, ipc.WithZstd())
	}
	var out seekBuffer
	var w interface {
		Write(arrow.Record) error
		Close() error
	}
	if s.stream {
		w = ipc.NewWriter(&out, options...)
	} else {
		file, err := ipc.NewFileWriter(&out, options...)
		if err != nil {
			t.Fatal(err)
		}
		w = file
	}
	for from := 0; from < len(rows); from += s.batches {
		past := min(from+s.batches, len(rows))
		list := make([]arrow.Array, len(columns))
		for i, c := range columns {
			list[i] = array.NewSlice(c, int64(from), int64(past))
			if coders[i] != nil {
				list[i] = coders[i].code(t, list[i])
			}
		}
		if err := w.Write(array.NewRecord(schema, list, int64(past-from))); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// seekBuffer says where it is, which is all that a file writer asks.
type seekBuffer struct{ bytes.Buffer }

func (b *seekBuffer) Seek(off int64, whence int) (int64, error) {
	if off != 0 || whence != io.SeekCurrent {
		return 0, errors.ErrUnsupported
	}
	return int64(b.Len()), nil
}

func arrowShapes() []arrowShape {
	var list []arrowShape
	for _, stream := range []bool{false, true} {
		for _, codec := range []string{"", "lz4", "zstd"} {
			for _, types := range []string{"plain", "other"} {
				for _, coded := range []string{"", "grown", "replaced"} {
					for _, batches := range []int{1000, 97} {
						if coded == "replaced" && !stream || codec != "" && batches == 1000 {
							continue
						}
						list = append(list, arrowShape{stream: stream, codec: codec, types: types, coded: coded, batches: batches})
					}
				}
			}
		}
	}
	return list
}

func TestArrowOfEveryShapeEqualsTheReference(t *testing.T) {
	for _, shape := range arrowShapes() {
		for _, nulls := range []float64{0, 0.1, 1} {
			t.Run(fmt.Sprintf("%s,nulls=%v", shape, nulls), func(t *testing.T) {
				t.Parallel()
				rows := subscribers(uint64(shape.batches)+uint64(nulls*7), 400, nulls)
				data := arrowBytes(t, rows, shape)
				want := naive(rows)
				dir := t.TempDir()
				write(t, dir, "in.arrow", data)
				diff(t, readAll(t, dir, subscriberSpec("in.arrow"), subscriberColumns).rows, want)
				// A store that maps nothing gives the same rows.
				d, err := Open(context.Background(), memoryStore{"in.arrow": data}, subscriberSpec("in.arrow"))
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				sv := survey(t, d)
				var got []row
				for _, task := range cut(sv, groupers["threes"]) {
					r, err := readTask(t, d, sv, task, subscriberColumns, 7+shape.batches%50)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, r.rows...)
				}
				diff(t, got, want)
			})
		}
	}
}

func TestEveryCutOfArrowGivesTheSameRows(t *testing.T) {
	rows := subscribers(7, 1200, 0.1)
	want := naive(rows)
	dir := t.TempDir()
	for i, shape := range []arrowShape{
		{types: "plain", batches: 170}, {types: "plain", codec: "zstd", coded: "grown", batches: 101}, {types: "plain", stream: true, coded: "replaced", batches: 55},
	} {
		// Names in the opposite order: the first number decides.
		write(t, dir, fmt.Sprintf("in/part-%d.arrow", 3-i), arrowBytes(t, rows[len(rows)*i/3:len(rows)*(i+1)/3], shape))
	}
	s := subscriberSpec("in")
	s.Input.Columns["brand"] = subscriberSpec("").Input.Columns["brand"]
	d := open(t, dir, s)
	sv := survey(t, d)
	for _, name := range sortedKeys(groupers) {
		for _, batch := range []int{7, 2048} {
			var got []row
			for _, task := range cut(sv, groupers[name]) {
				r, err := readTask(t, d, sv, task, subscriberColumns, batch)
				if err != nil {
					t.Fatal(err)
				}
				if r.counts.In != task.Rows || r.keys != task.Keys {
					t.Fatalf("a task of %d rows delivered %+v", task.Rows, r.counts)
				}
				got = append(got, r.rows...)
			}
			diff(t, got, want)
		}
	}
	for i := 0; i < len(want); i += 37 {
		task, err := d.Find(context.Background(), sv.Files, rows0(rows[i:]))
		if err != nil {
			t.Fatal(err)
		}
		r, err := readTask(t, d, sv, task, subscriberColumns, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.rows) == 0 || r.rows[0].key != want[i].key {
			t.Fatalf("row %d was not found", i)
		}
	}
}

// spanStore notes which bytes of its one file are read.
type spanStore struct {
	memoryStore
	read *[][2]int64
}

func (s spanStore) Open(_ context.Context, name string) (store.Object, error) {
	return spanObject{object(s.memoryStore[name]), s.read}, nil
}

type spanObject struct {
	store.Object
	read *[][2]int64
}

func (o spanObject) ReadAt(p []byte, off int64) (int, error) {
	*o.read = append(*o.read, [2]int64{off, off + int64(len(p))})
	return o.Object.ReadAt(p, off)
}

func TestATaskReadsOnlyItsRecordBatchesAndColumns(t *testing.T) {
	rows := subscribers(3, 4000, 0.1)
	data := arrowBytes(t, rows, arrowShape{types: "plain", batches: 100})
	var read [][2]int64
	d, err := Open(context.Background(), spanStore{memoryStore{"in.arrow": data}, &read}, subscriberSpec("in.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	sv, err := d.Survey(context.Background(), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	tasks := cut(sv, groupers["each"])
	if len(tasks) < 5 {
		t.Fatalf("%d tasks", len(tasks))
	}
	read = nil
	if _, err := readTask(t, d, sv, tasks[2], []string{"fee_m0"}, 100); err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, span := range read {
		total += span[1] - span[0]
	}
	if share := float64(total) / float64(len(data)); share > 2/float64(len(tasks)) {
		t.Errorf("%.0f %% of the file was read for one of %d tasks and two columns", 100*share, len(tasks))
	}
}

func TestArrowColumnsThatCannotBeReadSaySo(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "msisdn", Type: arrow.PrimitiveTypes.Int64},
		{Name: "list", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64)},
		{Name: "wide", Type: &arrow.Decimal128Type{Precision: 38, Scale: 2}, Nullable: true},
		{Name: "time", Type: arrow.FixedWidthTypes.Time32s},
		{Name: "group", Type: arrow.StructOf(arrow.Field{Name: "a", Type: arrow.BinaryTypes.String}, arrow.Field{Name: "b", Type: arrow.PrimitiveTypes.Int8})},
		{Name: "bytes", Type: &arrow.FixedSizeBinaryType{ByteWidth: 3}},
		{Name: "nothing", Type: arrow.Null, Nullable: true},
		{Name: "last", Type: arrow.PrimitiveTypes.Int16},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	text := `{"msisdn":13800000001,"list":[1,2],"wide":"1.50","time":"01:02:03","group":{"a":"x","b":1},"bytes":"YWJj","nothing":null,"last":7}
{"msisdn":13800000002,"list":[],"wide":"123456789012345678901234567890.12","time":"01:02:03","group":{"a":"y","b":2},"bytes":"YWJj","nothing":null,"last":8}
{"msisdn":13800000003,"list":[3],"wide":null,"time":"01:02:03","group":{"a":"z","b":3},"bytes":"YWJj","nothing":null,"last":9}`
	if err := b.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	rec := b.NewRecord()
	defer rec.Release()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	if err := errors.Join(w.Write(rec), w.Close()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, "in.arrows", out.Bytes())
	s := spec("in.arrows")
	s.Input.Extra = []job.Extra{{Name: "wide"}, {Name: "nothing"}, {Name: "last"}}
	got := readAll(t, dir, s, []string{"msisdn", "wide", "nothing", "last"})
	want := [][]any{{int64(13800000001), 1.5, nil, 7.0}, {int64(13800000002), nil, nil, 8.0}, {int64(13800000003), nil, nil, 9.0}}
	for i, r := range got.rows {
		if fmt.Sprint(r.values) != fmt.Sprint(want[i]) || r.bad != map[int]uint8{1: 1}[i] {
			t.Errorf("row %d: %v, %d bad", i, r.values, r.bad)
		}
	}
	for _, name := range []string{"list", "time", "group", "bytes"} {
		s := spec("in.arrows")
		s.Input.Extra = []job.Extra{{Name: name}}
		if _, err := Open(context.Background(), rooted(t, dir), s); !errors.Is(err, ErrMapping) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Files that C++ wrote (testdata/arrow/write.py): columns of every type between those that
// are read, batches that are slices, dictionaries that grow, and the framing of 2019.
func TestArrowOfAnotherWriterIsReadWhole(t *testing.T) {
	s := spec("")
	s.Input.Columns = map[string]job.Mapping{
		"sex": {Column: "small"}, "brand": {Months: []string{"brand"}, Values: map[string]int64{"北京": 1, "上海": 2}},
		"activation_date": {Column: "day"}, "contract_end": {Column: "stamp"}, "vip_class": {Column: "truth"},
		"fee": {Months: []string{"fee", "wide"}, Unit: schema.Yuan},
	}
	s.Input.Extra = []job.Extra{{Name: "score"}, {Name: "half"}, {Name: "null"}, {Name: "large"}, {Name: "city", Values: []string{"北京", "上海", "广州"}}}
	columns := []string{"msisdn", "sex", "fee_m0", "fee_m1", "brand_m0", "vip_class", "activation_date", "contract_end", "score", "half", "null", "large", "city"}
	var want [][]any
	for i := range int64(20) {
		row := make([]any, len(columns))
		row[0], row[11] = 13800000001+7*i, float64(i)
		if i%5 != 3 {
			if i >= 10 { // of a column of uint8
				row[1] = i - 10
			}
			row[2], row[3] = 25*i-200, 25*i-200
			row[4], row[5] = 1+i%2, 1-i%2
			row[6], row[7] = 18262+i, 18262+i
			row[8], row[9], row[12] = float64(i)/8, float64(i)/8, float64(i%3)
		}
		want = append(want, row)
	}
	for _, name := range []string{"file.arrow", "file-lz4.arrow", "stream-zstd.arrow", "legacy.arrow"} {
		s.Input.Path = name
		got := readAll(t, "testdata/arrow", s, columns)
		if len(got.rows) != len(want) {
			t.Fatalf("%s: %d rows", name, len(got.rows))
		}
		for i, r := range got.rows {
			if fmt.Sprint(r.values) != fmt.Sprint(want[i]) {
				t.Errorf("%s, row %d:\n got  %v\n want %v", name, i, r.values, want[i])
			}
		}
	}
	for _, name := range []string{"list", "view", "list_view", "dense", "sparse", "map", "fixed_list", "group", "runs"} {
		s := spec("file.arrow")
		s.Input.Extra = []job.Extra{{Name: name}}
		if _, err := Open(context.Background(), rooted(t, "testdata/arrow"), s); !errors.Is(err, ErrMapping) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"grown-file.arrow", "grown-stream.arrow"} {
		s := spec(name)
		s.Input.Columns = map[string]job.Mapping{"brand": {Months: []string{"brand"}, Values: map[string]int64{"a": 0, "v0": 1, "v1": 2, "v2": 3, "v3": 4}}}
		got := readAll(t, "testdata/arrow", s, []string{"msisdn", "brand_m0"})
		if len(got.rows) != 20 {
			t.Fatalf("%s: %d rows", name, len(got.rows))
		}
		for i, r := range got.rows {
			if want := []any{int64(13800000001 + i), int64(i % 5 % (i/5 + 2))}; fmt.Sprint(r.values) != fmt.Sprint(want) {
				t.Errorf("%s, row %d: %v, want %v", name, i, r.values, want)
			}
		}
	}
}
