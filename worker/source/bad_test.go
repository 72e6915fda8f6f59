package source

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
)

// openErr opens an input that must be refused.
func openErr(t *testing.T, dir string, s job.Spec) error {
	t.Helper()
	root, _ := splitRoot(s.Input.Path)
	d, err := Open(context.Background(), rooted(t, filepath.Join(dir, root)), s)
	if err == nil {
		d.Close()
		t.Fatal("the input was opened")
	}
	return err
}

func wantError(t *testing.T, err error, is error, words ...string) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Fatalf("error %v, want %v", err, is)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

func TestUnreadableInputIsRefusedByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := parquetBytes(t, subscribers(1, 200, 0.1))
	write(t, dir, "good.parquet", good)
	write(t, dir, "empty.parquet", nil)
	write(t, dir, "empty.csv", nil)
	write(t, dir, "cut.parquet", good[:len(good)/2])
	write(t, dir, "tail.parquet", good[len(good)/2:])
	write(t, dir, "text.parquet", []byte("msisdn,fee\n13800138000,1\n"))
	write(t, dir, "utf16.csv", []byte("\xff\xfem\x00s\x00"))
	write(t, dir, "packed.csv.gz", []byte{0x1f, 0x8b})
	write(t, dir, "packed.csv.bz2", []byte("BZh9"))
	write(t, dir, "a.parquet.gz", []byte{0x1f, 0x8b})
	write(t, dir, "odd/data.bin", []byte("x"))
	write(t, dir, "both/a.parquet", good)
	write(t, dir, "both/b.csv", []byte("msisdn\n13800138000\n"))
	write(t, dir, "hidden/_SUCCESS", nil)
	write(t, dir, "hidden/.part.crc", []byte("x"))
	write(t, dir, "twice.csv", []byte("msisdn,fee,fee\n"))
	write(t, dir, "headless.csv", []byte("13800138000,1\n13800138001,2\n"))
	for p, want := range map[string]struct {
		is    error
		words []string
	}{
		"nothing.parquet": {ErrNoInput, []string{"nothing.parquet"}},
		"none/*.parquet":  {ErrNoInput, []string{"none/*.parquet"}},
		"hidden":          {ErrNoInput, nil},
		"empty.parquet":   {ErrFormat, []string{"empty.parquet", "empty"}},
		"empty.csv":       {ErrFormat, []string{"empty.csv", "empty"}},
		"cut.parquet":     {ErrFormat, []string{"cut.parquet", "truncated"}},
		"tail.parquet":    {ErrFormat, []string{"tail.parquet", "start"}},
		"text.parquet":    {ErrFormat, []string{"text.parquet"}},
		"utf16.csv":       {ErrFormat, []string{"utf16.csv", "UTF-8"}},
		"packed.csv.gz":   {ErrCorrupt, []string{"packed.csv.gz", "unpack"}},
		"packed.csv.bz2":  {ErrFormat, []string{"packed.csv.bz2", "decompress"}},
		"a.parquet.gz":    {ErrFormat, []string{"a.parquet.gz", "decompress"}},
		"odd":             {ErrFormat, []string{"data.bin", "input.format"}},
		"both":            {ErrFormat, []string{"a.parquet", "b.csv"}},
		"headless.csv":    {ErrFormat, []string{"headless.csv", "csv.header"}},
		"twice.csv":       {ErrFormat, []string{"twice.csv", "fee"}},
		"":                {ErrNoInput, []string{"input.path"}},
	} {
		t.Run(p, func(t *testing.T) {
			err := openErr(t, dir, spec(p))
			wantError(t, err, want.is, want.words...)
			if strings.Contains(err.Error(), "1380013") {
				t.Errorf("the error %q holds a number", err)
			}
		})
	}
}

func TestFoldersGlobsAndKeysFindTheSameFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"base/region=a/p1.csv", "base/region=a/p2.csv", "base/region=b/deep/p3.csv", "base/_tmp/p4.csv", "base/region=b/.p5.csv", "baseline.csv"} {
		write(t, dir, name, []byte("msisdn\n13800138000\n"))
	}
	for p, want := range map[string][]string{
		"base":               {"base/region=a/p1.csv", "base/region=a/p2.csv", "base/region=b/deep/p3.csv"},
		"./base/":            {"base/region=a/p1.csv", "base/region=a/p2.csv", "base/region=b/deep/p3.csv"},
		"base/region=*":      {"region=a/p1.csv", "region=a/p2.csv", "region=b/deep/p3.csv"},
		"base/*/p*.csv":      {"region=a/p1.csv", "region=a/p2.csv"},
		"base/region=a/p1.*": {"p1.csv"},
		"baseline.csv":       {"baseline.csv"},
		"base*":              {"base/region=a/p1.csv", "base/region=a/p2.csv", "base/region=b/deep/p3.csv", "baseline.csv"},
	} {
		d := open(t, dir, spec(p))
		var got []string
		for _, f := range d.Files() {
			got = append(got, f.Path)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s finds %v, want %v", p, got, want)
		}
	}
}

func TestRootSplitsAPathWhereItStopsBeingAFolder(t *testing.T) {
	t.Parallel()
	for p, want := range map[string][2]string{
		"data/base.parquet": {"data", "base.parquet"}, "base.csv": {".", "base.csv"}, "/a/b": {"/a", "b"}, "/a": {"/", "a"}, ".": {".", ""}, "..": {"..", ""},
		"../x": {"..", "x"}, "a/*/b.csv": {"a", "*/b.csv"}, "u/month={month}": {"u", "month={month}"}, "{month}/x/y": {".", "{month}/x/y"}, "/": {"/", ""}, "a/": {".", "a"},
	} {
		if root, rest := splitRoot(p); root != want[0] || rest != want[1] {
			t.Errorf("splitRoot(%q) = %q, %q, want %q", p, root, rest, want)
		}
	}
}

func TestMissingMonthsAreListedTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, m := range []int{202606, 202605, 202603} {
		write(t, dir, fmt.Sprintf("u/%d.csv", m), []byte("msisdn,fee\n13800138000,5\n"))
	}
	s := spec("u/{month}.csv")
	s.Input.Layout = "months"
	wantError(t, openErr(t, dir, s), ErrMissingMonth, "202604", "202602", "202601", "missing_months")
	s.Input.MissingMonths = "null"
	d := open(t, dir, s)
	present, absent := d.Columns()
	if !reflect.DeepEqual(present, []string{"fee_m0", "fee_m1", "fee_m3"}) || len(absent) == 0 {
		t.Fatalf("present %v", present)
	}
	s.Month = 202607
	wantError(t, openErr(t, dir, s), ErrMissingMonth, "202607", "always required")
	s.Input.Path = "u/202606.csv"
	wantError(t, openErr(t, dir, s), ErrNoInput, "{month}")
}

func TestMappingProblemsAreReportedAllAtOnce(t *testing.T) {
	t.Parallel()
	type nested struct{ A int32 }
	type odd struct {
		Msisdn string   `parquet:"number"`
		Fixed  [16]byte `parquet:"fixed"`
		List   []int32  `parquet:"list"`
		Group  nested   `parquet:"group"`
		When   int64    `parquet:"when,timestamp(millisecond)"`
		Day    int32    `parquet:"day,date"`
		Sex    int32    `parquet:"gender"`
	}
	dir := t.TempDir()
	var b bytes.Buffer
	if err := parquet.Write(&b, []odd{{Msisdn: "13800138000"}}); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "in.parquet", b.Bytes())
	s := spec("in.parquet")
	s.Input.Columns = map[string]job.Mapping{
		"msisdn":        {Column: "nummer"},
		"sex":           {Column: "gendre"},
		"fee":           {Column: "fee_{k}", Unit: "yaun"},
		"out_sec":       {Column: "out_{month}", Unit: schema.Yuan},
		"pay_mode":      {Column: "gender", Unit: schema.Fen},
		"balance_fen":   {Column: "when"},
		"arrears_fen":   {Column: "fixed"},
		"vip_class":     {Column: "list"},
		"vip_grade":     {Column: "group"},
		"birth_year":    {Column: "day"},
		"sms_cnt":       {Months: []string{"a", "b", "c", "d", "e", "f", "g"}},
		"data_kb":       {Column: "gender"},
		"service_type":  {Constant: ptr(int64(300))},
		"group_id":      {Column: "gender", Format: "2006"},
		"contract_end":  {Column: "gender", Values: map[string]int64{"x": 1}},
		"complaint_cnt": {Column: "x{k}", Months: []string{"gender"}},
		"brnd":          {Column: "gender"},
	}
	s.Input.Extra = []job.Extra{{Name: "gender"}, {Name: "gender"}, {Name: "sex"}, {Name: "nope"}, {Name: ""}, {Name: "d", Column: "day"}}
	s.Input.Exclude.ServiceTypes = []uint32{2}
	err := openErr(t, dir, s)
	wantError(t, err, ErrMapping,
		`"nummer" (did you mean "number"?)`, `"gendre" (did you mean "gender"?)`, `no unit "yaun" (did you mean "yuan"?)`,
		`"yuan" is money, the column is time in second`, "columns.pay_mode.unit", `columns.balance_fen: column "when"`, "FIXED_LEN_BYTE_ARRAY", "repeated", "nested",
		`columns.birth_year: column "day"`, "7 names, at most 6", "one column for six months", "300 does not fit uint8", "columns.group_id.format",
		"a date has no codes", "columns.complaint_cnt: give column or months", `columns.brnd: no such canonical column (did you mean "brand"?)`,
		"extra[1] gender: another column", "extra[2] sex: another column", `no column "nope"`, "extra[4]", "extra[5] d",
	)
}

func TestExcludingByAColumnThatIsNotThereIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "in.csv", []byte("msisdn\n13800138000\n"))
	s := spec("in.csv")
	s.Input.Exclude.ServiceTypes = []uint32{2}
	wantError(t, openErr(t, dir, s), ErrMapping, "service_type")
}

func TestFilesOfAMonthNeedTheSameColumns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "in/a.csv", []byte("msisdn,sex\n13800138000,1\n"))
	write(t, dir, "in/b.csv", []byte("msisdn\n13800138001\n"))
	wantError(t, openErr(t, dir, spec("in")), ErrMapping, "in/a.csv", "in/b.csv", `"sex"`)
}

func TestUnsortedInputIsRefusedNamingTheFirstRow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	number := func(i int) string { return partition.Number(13800130000 + i).Digits() }
	write(t, dir, "one.csv", []byte("msisdn\n"+number(1)+"\n"+number(5)+"\n\n"+"junk\n"+number(4)+"\n"))
	write(t, dir, "two/a.csv", []byte("msisdn\n"+number(1)+"\n"+number(5)+"\n"))
	write(t, dir, "two/b.csv", []byte("msisdn\n"+number(4)+"\n"+number(9)+"\n"))
	rows := subscribers(1, 500, 0)
	rows[333].Msisdn = rows[0].Msisdn
	write(t, dir, "three.parquet", parquetBytes(t, rows, parquet.MaxRowsPerRowGroup(100), parquet.PageBufferSize(100)))
	rows = subscribers(1, 500, 0)
	rows[300].Msisdn = rows[0].Msisdn // at the start of a row group
	for i := 301; i < 400; i++ {
		rows[i].Msisdn = rows[0].Msisdn
	}
	write(t, dir, "four.parquet", parquetBytes(t, rows, parquet.MaxRowsPerRowGroup(100)))
	for p, want := range map[string]struct {
		row   int64
		words []string
	}{
		"one.csv":       {3, []string{"one.csv", "sort the input by number"}},
		"two":           {0, []string{"two/b.csv", "two/a.csv", "overlap"}},
		"three.parquet": {333, []string{"three.parquet"}},
		"four.parquet":  {300, []string{"four.parquet"}},
	} {
		d := open(t, dir, spec(p))
		_, err := d.Survey(context.Background(), 2, nil)
		wantError(t, err, ErrUnsorted, want.words...)
		var at *FileError
		if !errors.As(err, &at) || at.Row != want.row {
			t.Errorf("%s: error %v names row %d, want %d", p, err, at.Row, want.row)
		}
		if strings.Contains(err.Error(), "13800") {
			t.Errorf("%s: the error holds a number", p)
		}
	}
}

// Every kind of bad key and row, at the edges of files, tasks and batches: all
// are counted, none is lost (I2), and the reject lines say where they are.
func TestBadRowsAreCountedAndPlaced(t *testing.T) {
	t.Parallel()
	head := "msisdn,sex,fee_m0,service_type\n"
	a := head +
		",1,1,1\n" + // 0 null key, before any number
		"x,1,1,1\n" + // 1 bad
		"13800130001,1,5,1\n" + // 2 scored
		"13800130001,1,6,1\n" + // 3 repeated
		"1380013000,1,6,1\n" + // 4 ten digits
		"1.3800130002E+10,1,6,1\n" + // 5 as a spreadsheet writes it
		"8613800130002,1,6,1\n" + // 6 with the country code: not an IoT number
		"1064812345678,1,6,1\n" + // 7 IoT
		"13800130003,abc,6,1\n" + // 8 a field that is no number
		"13800130004,1,6\n" + // 9 too few fields
		"13800130004,1,6,1,1\n" + // 10 too many
		"13800130005,1,NaN,1\n" + // 11 scored, one bad value
		"13800130006,999,inf,1\n" + // 12 scored, two bad values
		"13800130007,1,6,3\n" + // 13 excluded service
		"13800130008,abc,6,3\n" + // 14 excluded service before bad value
		"13800140009,1,6,1\n" + // 15 excluded segment
		"13800140009,1,6,1\n" + // 16 excluded segment
		"13800150001,1,6,1\n" // 17 scored
	b := head +
		"13800150001,1,6,1\n" + // 0 repeated, from the file before
		"\"13800150002\",\"1\",\"6\",\"1\"\n" + // 1 scored
		"13800150003,\"1\x00\",6,1\n" + // 2 a zero byte
		"NULL,1,6,1\n" + // 3 null key
		"13800150004,1,\"6,1\n" + // 4 a quote that does not close
		"13800160001,1,1.005e2,1" // 5 scored, no line end
	dir := t.TempDir()
	write(t, dir, "in/a.csv", []byte(a))
	write(t, dir, "in/b.csv", []byte(b))
	s := spec("in")
	s.Input.Exclude = job.Exclude{IoT: true, Segments: []uint32{1380014}, ServiceTypes: []uint32{3}}
	s.Input.Columns = map[string]job.Mapping{"fee": {Months: []string{"fee_m0"}, Unit: schema.Yuan}}
	d := open(t, dir, s)
	sv := survey(t, d)
	wantCounts := job.Counts{In: 24, Scored: 6, Excluded: 5, Rejected: 11, Duplicate: 2}
	wantRejects := []Reject{
		{File: "in/a.csv", Row: 0, Field: "msisdn", Reason: job.NullKey},
		{File: "in/a.csv", Row: 1, Field: "msisdn", Reason: job.BadNumber},
		{File: "in/a.csv", Row: 3, Field: "msisdn", Reason: job.RepeatedNumber},
		{File: "in/a.csv", Row: 4, Field: "msisdn", Reason: job.BadNumber},
		{File: "in/a.csv", Row: 5, Field: "msisdn", Reason: job.BadNumber},
		{File: "in/a.csv", Row: 6, Field: "msisdn", Reason: job.BadNumber},
		{File: "in/a.csv", Row: 8, Field: "sex", Reason: job.BadValue},
		{File: "in/a.csv", Row: 9, Reason: job.BadWidth},
		{File: "in/a.csv", Row: 10, Reason: job.BadWidth},
		{File: "in/b.csv", Row: 0, Field: "msisdn", Reason: job.RepeatedNumber},
		{File: "in/b.csv", Row: 2, Field: "sex", Reason: job.BadValue},
		{File: "in/b.csv", Row: 3, Field: "msisdn", Reason: job.NullKey},
		{File: "in/b.csv", Row: 4, Reason: job.BadWidth},
	}
	for _, name := range sortedKeys(groupers) {
		for _, batch := range []int{1, 2, 5, 100} {
			var got result
			for _, task := range cut(sv, groupers[name]) {
				r, err := readTask(t, d, sv, task, []string{"fee_m0", "sex"}, batch)
				if err != nil {
					t.Fatal(err)
				}
				got.rows = append(got.rows, r.rows...)
				got.rejects = append(got.rejects, r.rejects...)
				got.counts = got.counts.Add(r.counts)
			}
			if got.counts != wantCounts {
				t.Fatalf("cut %s, batch %d: counts %+v, want %+v", name, batch, got.counts, wantCounts)
			}
			if !reflect.DeepEqual(got.rejects, wantRejects) {
				t.Fatalf("cut %s, batch %d: rejects\n%+v, want\n%+v", name, batch, got.rejects, wantRejects)
			}
			if got.rows[11].bad != 1 || got.rows[12].bad != 2 || !reflect.DeepEqual(got.rows[12].values, []any{nil, nil}) {
				t.Fatalf("bad values: %v %v", got.rows[11], got.rows[12])
			}
			if last := got.rows[23]; !reflect.DeepEqual(last.values, []any{int64(10050), int64(1)}) || last.drop != 0 {
				t.Fatalf("last row %v", last)
			}
		}
	}
	s.Input.Exclude = job.Exclude{}
	if got := readAll(t, dir, s, []string{"sex"}); got.rows[7].drop != job.BadNumber {
		t.Errorf("without exclusion an IoT number is %v", got.rows[7].drop)
	}
}

// The same keys as INT64 with nulls, DOUBLE and text in Parquet.
func TestKeysOfEveryTypeAreJudgedAlike(t *testing.T) {
	t.Parallel()
	type asInt struct {
		N *int64 `parquet:"msisdn"`
	}
	type asUint struct {
		N *uint64 `parquet:"msisdn"`
	}
	type asFloat struct {
		N *float64 `parquet:"msisdn"`
	}
	type asText struct {
		N *string `parquet:"msisdn,dict"`
	}
	numbers := []int64{-1, 13800130001, 13800130001, 12345, 13800130002, 1064812345678, 8613800130002, 0, 19999999999, 20000000000}
	want := []job.Reason{job.BadNumber, 0, job.RepeatedNumber, job.BadNumber, 0, job.IoTNumber, job.BadNumber, job.BadNumber, 0, job.BadNumber}
	var ints []asInt
	var uints []asUint
	var floats []asFloat
	var texts []asText
	for i, n := range numbers {
		if i == 3 {
			n = 0
			ints, uints, floats, texts = append(ints, asInt{}), append(uints, asUint{}), append(floats, asFloat{}), append(texts, asText{})
			continue
		}
		ints, floats, texts = append(ints, asInt{&n}), append(floats, asFloat{ptr(float64(n))}), append(texts, asText{ptr(fmt.Sprint(n))})
		uints = append(uints, asUint{ptr(uint64(n))})
	}
	want[3] = job.NullKey
	texts = append(texts, asText{ptr(" 13800130003")})
	floats = append(floats, asFloat{ptr(math.NaN())}, asFloat{ptr(13800130003.5)}, asFloat{ptr(math.Inf(1))})
	texts = append(texts, asText{ptr("")}, asText{ptr("138001300O3")}, asText{ptr("0013800130003")})
	dir := t.TempDir()
	save := func(name string, f func(*bytes.Buffer) error) {
		var b bytes.Buffer
		if err := f(&b); err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, b.Bytes())
	}
	save("int.parquet", func(b *bytes.Buffer) error { return parquet.Write(b, ints) })
	save("uint.parquet", func(b *bytes.Buffer) error { return parquet.Write(b, uints) })
	save("float.parquet", func(b *bytes.Buffer) error { return parquet.Write(b, floats) })
	save("text.parquet", func(b *bytes.Buffer) error { return parquet.Write(b, texts) })
	for name, more := range map[string][]job.Reason{
		"int.parquet": nil, "uint.parquet": nil,
		"float.parquet": {job.NullKey, job.BadNumber, job.BadNumber},
		"text.parquet":  {job.BadNumber, job.NullKey, job.BadNumber, job.BadNumber},
	} {
		got := readAll(t, dir, spec(name), []string{"msisdn"})
		var drops []job.Reason
		for _, r := range got.rows {
			drops = append(drops, r.drop)
		}
		if all := append(append([]job.Reason{}, want...), more...); !reflect.DeepEqual(drops, all) {
			t.Errorf("%s: %v, want %v", name, drops, all)
		}
	}
}

func TestMadeNumbersCountUpOverTheFilesInOrderOfTheirNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "in/b.csv", []byte("sex\n2\n2\n"))
	write(t, dir, "in/a.csv", []byte("sex\n1\n1,1\n1\n"))
	s := spec("in")
	s.Input.MakeNumbers = 13000009998
	d := open(t, dir, s)
	sv := survey(t, d)
	if len(sv.Segments[0]) != 3 {
		t.Fatalf("segments %+v", sv.Segments[0])
	}
	var keys []uint64
	for _, task := range cut(sv, groupers["each"]) {
		r, err := readTask(t, d, sv, task, []string{"sex"}, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range r.rows {
			keys = append(keys, x.key)
		}
	}
	if want := []uint64{13000009998, 0, 13000010000, 13000010001, 13000010002}; !reflect.DeepEqual(keys, want) {
		t.Fatal("made numbers are not consecutive")
	}
	s.Input.MakeNumbers = 19999999997
	d = open(t, dir, s)
	_, err := d.Survey(context.Background(), 1, nil)
	wantError(t, err, ErrMapping, "make_numbers", "in/b.csv")
	s.Input.Layout, s.Input.Path = "months", "{month}"
	wantError(t, openErr(t, dir, s), ErrMapping, "make_numbers")
}

func TestAnInputThatChangedAfterTheSurveyIsRefused(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"parquet", "csv"} {
		bytesOf := func(rows []subscriber) []byte {
			if format == "csv" {
				return csvBytes(rows)
			}
			return parquetBytes(t, rows, parquet.Compression(&parquet.Uncompressed))
		}
		dir := t.TempDir()
		rows := subscribers(1, 300, 0)
		write(t, dir, "in."+format, bytesOf(rows))
		d := open(t, dir, subscriberSpec("in."+format))
		sv := survey(t, d)
		task := cut(sv, whole)[0]
		read := func(d *Dataset, task job.Task, files []job.InputFile) error {
			sv := sv
			sv.Files = files
			_, err := readTask(t, d, sv, task, []string{"sex"}, 64)
			return err
		}
		if err := read(d, task, sv.Files); err != nil {
			t.Fatal(err)
		}
		other := task
		other.Keys.Lo++
		wantError(t, read(d, other, sv.Files), ErrChanged)
		other = task
		other.Rows++
		wantError(t, read(d, other, sv.Files), ErrChanged)
		other = task
		other.Range.Past = rows0(rows)
		wantError(t, read(d, other, sv.Files), ErrChanged, "outside")
		files := []job.InputFile{sv.Files[0]}
		files[0].Bytes++
		wantError(t, read(d, task, files), ErrChanged, "in."+format)
		files[0] = sv.Files[0]
		files[0].Path = "gone"
		wantError(t, read(d, task, files), ErrChanged, "gone")

		before, err := d.Fingerprint(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		rows[150].Msisdn++ // the same sizes, another number
		rows[150].Sex = rows[149].Sex
		write(t, dir, "new/in."+format, bytesOf(rows))
		d2 := open(t, filepath.Join(dir, "new"), subscriberSpec("in."+format))
		after, err := d2.Fingerprint(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if before == after {
			t.Error("another input has the same fingerprint")
		}
		sv2 := survey(t, d2)
		if sv2.Files[0].SHA256 == sv.Files[0].SHA256 && sv2.Files[0].BLAKE3 == sv.Files[0].BLAKE3 {
			t.Error("another file has the same digest")
		}
		if sv2.Files[0].Bytes == sv.Files[0].Bytes {
			if err := read(d2, task, sv.Files); !errors.Is(err, ErrChanged) {
				t.Errorf("a changed number is read: %v", err)
			}
		}
	}
}

func rows0(rows []subscriber) partition.Number { return partition.Number(rows[0].Msisdn) }

// The footer's counts are not believed: a column that ends early is an error.
func TestAColumnThatIsShortIsAnError(t *testing.T) {
	t.Parallel()
	rows := subscribers(1, 400, 0)
	data := parquetBytes(t, rows, parquet.MaxRowsPerRowGroup(100), parquet.Compression(&parquet.Uncompressed), parquet.PageBufferSize(200))
	f, err := openParquet(object(data))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*chunk){
		"pages end early":     func(c *chunk) { c.end -= (c.end - c.first) / 2 },
		"pages go on":         func(c *chunk) { c.rows -= 50 },
		"pages fewer":         func(c *chunk) { c.rows += 50 },
		"pages start in them": func(c *chunk) { c.first += 7 },
	} {
		g := *f
		g.groups = append([]rowGroup{}, f.groups...)
		g.groups[1].chunks = append([]chunk{}, f.groups[1].chunks...)
		for _, fd := range f.fields {
			if fd.name == "fee_m1" {
				change(&g.groups[1].chunks[fd.index])
				conv, why := adapt(conversion{goal: goalInt, num: 1, den: 1, lo: math.MinInt64, hi: math.MaxInt64}, fd)
				if why != "" {
					t.Fatal(why)
				}
				col := newParquetColumn(&g, fd, conv, &codecs{})
				col.seek(0)
				v := newVector(schema.Subscriber[7].Type, 400, memory.DefaultAllocator)
				_, err := col.fill(v, 0, 400, nil)
				if err == nil {
					err = col.finish()
				}
				if !errors.Is(err, ErrCorrupt) {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

// A footer of a few bytes that claims a list of billions is refused unbuilt.
func TestAFooterThatClaimsTooMuchIsRefused(t *testing.T) {
	t.Parallel()
	footer := []byte{0x15, 2, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f}
	b := append([]byte(magic), footer...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(footer)))
	b = append(b, magic...)
	if _, err := openParquet(object(b)); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("error %v", err)
	}
	deep := bytes.Repeat([]byte{0x1c}, 1<<20)
	b = append([]byte(magic), deep...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(deep)))
	b = append(b, magic...)
	if _, err := openParquet(object(b)); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("error %v", err)
	}
}

// TestASubscriberIsNotLostToAnUnreadableFirstRow: of rows with one number the
// first that can be read is kept, wherever batches end.
func TestASubscriberIsNotLostToAnUnreadableFirstRow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "a.csv", []byte("msisdn,fee_m0\n"+
		"13800130001,x\n"+ // 0 unreadable
		"13800130001,1\n"+ // 1 kept
		"13800130001,2\n"+ // 2 repeated
		"13800130002,x\n"+ // 3 unreadable
		"13800130002,y\n"+ // 4 unreadable too
		",9\n"+ // 5 no number
		"13800130002,3\n"+ // 6 kept
		"13800130003,4\n"+ // 7 kept
		"13800130003,z\n"+ // 8 repeated, whatever it holds
		"13800130004,x\n")) // 9 unreadable, and nobody stands in
	want := []job.Reason{job.BadValue, 0, job.RepeatedNumber, job.BadValue, job.BadValue, job.NullKey, 0, 0, job.RepeatedNumber, job.BadValue}
	d := open(t, dir, spec("a.csv"))
	sv := survey(t, d)
	for batch := 1; batch <= 11; batch++ {
		for _, task := range cut(sv, whole) {
			got, err := readTask(t, d, sv, task, []string{"fee_m0"}, batch)
			if err != nil {
				t.Fatal(err)
			}
			for i, row := range got.rows {
				if row.drop != want[i] {
					t.Errorf("batches of %d: row %d is %v, want %v", batch, i, row.drop, want[i])
				}
			}
			if c := (job.Counts{In: 10, Scored: 3, Rejected: 5, Duplicate: 2}); got.counts != c || len(got.rejects) != 7 {
				t.Errorf("batches of %d: %+v and %d reject lines, want %+v and 7", batch, got.counts, len(got.rejects), c)
			}
		}
	}
}
