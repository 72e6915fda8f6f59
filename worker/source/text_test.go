package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"rescore/partition/job"
)

// brands maps text to codes, some of whose characters have trail bytes that look like
// delimiters.
func brands(t testing.TB) (map[string]int64, []string) {
	t.Helper()
	words := trailing()
	codes := map[string]int64{"男": 1, "女": 2}
	list := []string{"男", "女"}
	for i := 0; i < len(words) && len(list) < 40; i += 3 {
		if _, twice := codes[words[i]]; !twice && words[i] != "€" {
			codes[words[i]] = int64(len(list) + 1)
			list = append(list, words[i])
		}
	}
	return codes, list
}

// A base in each encoding, with each delimiter, reads like the one in UTF-8 with commas.
func TestEveryEncodingAndDelimiterReadsTheSame(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	codes, list := brands(t)
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(3, 3))
	const n = 400
	type line struct{ number, brand, city, fee string }
	var lines []line
	for i := range n {
		l := line{number: fmt.Sprint(13800130000 + i*11), brand: list[r.IntN(len(list))], fee: fmt.Sprintf("%d.%02d", r.IntN(900), r.IntN(100))}
		for range r.IntN(4) {
			l.city += list[r.IntN(len(list))]
		}
		switch r.IntN(20) {
		case 0:
			l.brand = ""
		case 1:
			l.brand = "未知"
		case 2:
			l.fee = `\N`
		case 3:
			l.fee = "男"
		}
		lines = append(lines, l)
	}
	var want result
	for _, c := range charsets {
		for _, delim := range []string{",", "|", "\x01", "@", "|@|", "^|^", "\t"} {
			var b strings.Builder
			for _, l := range append([]line{{"用户号码", "品牌", "城市", "账单"}}, lines...) {
				b.WriteString(strings.Join([]string{l.number, l.city, l.brand, l.fee, "备注"}, delim) + "\r\n")
			}
			name := fmt.Sprintf("%s-%x.csv", c, delim)
			data := inCharset(t, c, b.String())
			if c == charsetGBK && !bytes.Equal(data, inCharset(t, charsetGB18030, b.String())) {
				data = inCharset(t, c, strings.NewReplacer(unencodable(t, list)...).Replace(b.String()))
			}
			write(t, dir, name, data)
			s := spec(name)
			s.Input.CSV.Delimiter, s.Input.CSV.Encoding, s.Input.CSV.Quote = delim, c.String(), "none"
			s.Input.Columns = map[string]job.Mapping{
				"msisdn": {Column: "用户号码"}, "sex": {Column: "品牌", Values: codes}, "arrears_fen": {Column: "账单", Unit: "yuan"},
			}
			got := readAll(t, dir, s, []string{"sex", "arrears_fen"})
			for i := range got.rejects {
				got.rejects[i].File = ""
			}
			if want.rows == nil {
				want = got
				checkBrands(t, got, func(i int) (string, string) { return lines[i].brand, lines[i].fee }, codes)
				continue
			}
			if c == charsetGBK { // the long characters are ? there
				if got.counts != want.counts {
					t.Errorf("%s: counts %+v, want %+v", name, got.counts, want.counts)
				}
				continue
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: other rows than in UTF-8 with commas: %+v, want %+v", name, got.counts, want.counts)
			}
		}
	}
}

// unencodable pairs what GBK lacks with a character that it has.
func unencodable(t testing.TB, list []string) []string {
	var out []string
	for _, s := range list {
		if bytes.Contains(inCharset(t, charsetGBK, s), []byte("\x1a")) {
			out = append(out, s, "缺")
		}
	}
	return out
}

func checkBrands(t *testing.T, got result, text func(i int) (brand, fee string), codes map[string]int64) {
	t.Helper()
	for i, row := range got.rows {
		brand, fee := text(i)
		var sex, fen any
		bad := uint8(0)
		if code, ok := codes[brand]; ok {
			sex = code
		} else if brand != "" {
			bad++
		}
		reason := job.Reason(0)
		switch {
		case fee == "男":
			reason = job.BadValue
		case fee != `\N`:
			v, _ := exact(fee, 100, 1)
			fen = v.Int64()
		}
		if !reflect.DeepEqual(row.values, []any{sex, fen}) || row.drop != reason || row.bad != bad {
			t.Fatalf("row %d, %q and %q: %+v", i, brand, fee, row)
		}
	}
}

// Every type of the record, from text of every shape, against math/big.
func TestColumnsOfTextReadLikeBigNumbers(t *testing.T) {
	t.Parallel()
	names := []string{"sex", "birth_year", "fee_m0", "fee_m1", "data_kb_m0", "data_kb_m1", "out_sec_m0", "imei_m0"}
	s := spec("in.csv")
	r := rand.New(rand.NewPCG(8, 1))
	text := func() string {
		digits := func(n int) string {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte('0' + r.IntN(10))
			}
			return string(b)
		}
		switch r.IntN(12) {
		case 0:
			return ""
		case 1:
			return "-" + digits(1+r.IntN(20))
		case 2:
			return digits(r.IntN(8)) + "." + digits(r.IntN(6))
		case 3:
			return " " + digits(1+r.IntN(9)) + "\t"
		case 4:
			return digits(1 + r.IntN(22))
		case 5:
			return digits(1+r.IntN(4)) + "e" + digits(1)
		case 6:
			b := []byte(digits(1 + r.IntN(17)))
			b[r.IntN(len(b))] = byte(1 + r.IntN(0x7e))
			return strings.NewReplacer(",", "x", "\n", "y", "\r", "z", `"`, "w", "e", "x", "E", "x").Replace(string(b))
		default:
			return digits(1 + r.IntN(10))
		}
	}
	const n = 4000
	var data strings.Builder
	data.WriteString("msisdn," + strings.Join(names, ",") + "\n")
	cells := make([][]string, n)
	for i := range n {
		fmt.Fprint(&data, 13800130000+i)
		for range names {
			c := text()
			cells[i] = append(cells[i], c)
			data.WriteString("," + c)
		}
		data.WriteString("\n")
	}
	// One unit a canonical column and job.
	for turn, units := range []map[string]job.Mapping{
		{"fee": {Column: "fee_m{k}"}, "data_kb": {Column: "data_kb_m{k}", Unit: "gb"}, "out_sec": {Column: "out_sec_m{k}", Unit: "minute"}},
		{"fee": {Column: "fee_m{k}", Unit: "yuan"}, "data_kb": {Column: "data_kb_m{k}", Unit: "byte"}},
	} {
		s.Input.Columns = units
		d, err := Open(context.Background(), memoryStore{"in.csv": []byte(data.String())}, s)
		if err != nil {
			t.Fatal(err)
		}
		sv := survey(t, d)
		got, err := readTask(t, d, sv, cut(sv, whole)[0], names, 333)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range got.rows {
			rejected, bad := false, uint8(0)
			for k, name := range names {
				num, den := int64(1), int64(1)
				switch flat := strings.TrimRight(name, "0123456789"); {
				case flat == "fee_m" && turn == 1:
					num = 100
				case flat == "data_kb_m" && turn == 0:
					num = 1024 * 1024
				case flat == "data_kb_m":
					den = 1024
				case flat == "out_sec_m" && turn == 0:
					num = 60
				}
				typ := d.columns[name].typ
				lo, hi := bounds(typ)
				want, o := bigCell(cells[i][k], num, den, lo, hi, d.columns[name].convs["in.csv"].exact)
				rejected = rejected || o == valueReject
				if o == valueBad {
					bad++
				}
				if !reflect.DeepEqual(row.values[k], want) {
					t.Fatalf("row %d, %s of %q is %v, want %v", i, name, cells[i][k], row.values[k], want)
				}
			}
			if (row.drop == job.BadValue) != rejected || row.bad != bad {
				t.Fatalf("row %d of %q: %+v, want rejected %v and %d bad values", i, cells[i], row, rejected, bad)
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// bigCell converts one cell with math/big.
func bigCell(text string, num, den, lo, hi int64, whole bool) (any, outcome) {
	text = strings.Trim(text, " \t")
	if text == "" {
		return nil, valueNull
	}
	mantissa, _, _ := strings.Cut(text, "e")
	if strings.Trim(text, "0123456789.e-+") != "" || !strings.ContainsAny(mantissa, "0123456789") {
		return nil, valueReject
	}
	if x, ok := new(big.Rat).SetString(text); !ok || x == nil {
		return nil, valueReject
	}
	v, isWhole := exact(text, num, den)
	if v.Cmp(big.NewInt(lo)) < 0 || v.Cmp(big.NewInt(hi)) > 0 || whole && !isWhole {
		return nil, valueBad
	}
	return v.Int64(), valueOK
}

func TestBrokenTextIsCountedAndNeverSilent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rows := "msisdn,note,sex,complaint\n" +
		"13800130000,fine,男,网络\n" +
		"13800130001,\xff\xfe,女,网络\n" + // two bytes of a column that is not mapped
		"13800130002,ok,\xc4\xd0,资费\n" + // GBK in a category
		"13800130003,ok,男,资费\xe7\xbd\n" // a text cut in a character
	write(t, dir, "in.csv", []byte(rows))
	s := spec("in.csv")
	s.Policy.ComplaintKeywords = map[string][]string{"network": {"网络"}, "tariff": {"资费"}}
	s.Input.Columns = map[string]job.Mapping{"sex": {Column: "sex", Values: map[string]int64{"男": 1, "女": 2}}, "complaint_tags": {Column: "complaint", Keywords: true}}
	d := open(t, dir, s)
	sv := survey(t, d)
	if sv.Files[0].Broken != 2+2+2 {
		t.Errorf("%d broken bytes, want 6", sv.Files[0].Broken)
	}
	line, err := json.Marshal(sv.Files[0])
	if err != nil || !strings.Contains(string(line), `"broken_bytes":6`) {
		t.Errorf("the manifest's line is %s, %v", line, err)
	}
	got := readAll(t, dir, s, []string{"sex", "complaint_tags"})
	for i, want := range []row{{values: []any{int64(1), int64(2)}}, {values: []any{int64(2), int64(2)}}, {values: []any{nil, int64(1)}, bad: 1}, {values: []any{int64(1), nil}, bad: 1}} {
		if !reflect.DeepEqual(got.rows[i].values, want.values) || got.rows[i].bad != want.bad {
			t.Errorf("row %d is %+v, want %+v", i, got.rows[i], want)
		}
	}
}

func TestAFileOfAnotherEncodingIsRefusedWithItsName(t *testing.T) {
	t.Parallel()
	text := "msisdn,note\n"
	for i := range 50 {
		text += fmt.Sprintf("%d,%s\n", 13800130000+i, []string{"全球通用户", "plain"}[i%2])
	}
	for _, c := range []struct {
		is, says charset
		text     string
		words    []string
	}{
		{charsetGB18030, charsetUTF8, text, []string{"25 of the 25 rows", "no utf-8", "input.csv.encoding to gb18030"}},
		{charsetGB18030, charsetUTF8, "号码" + text, []string{"first row is not utf-8", "input.csv.encoding to gb18030"}},
		{charsetUTF8, charsetGBK, text + strings.Repeat("13800139999,移动的\n", 30), []string{"no gbk", "input.csv.encoding to utf-8"}},
		{charsetUTF8, charsetGB18030, "\ufeff" + text, []string{"mark of UTF-8", "input.csv.encoding to utf-8"}},
	} {
		st := memoryStore{"in.csv": inCharset(t, c.is, c.text)}
		s := spec("in.csv")
		s.Input.CSV.Encoding = c.says.String()
		err := func() error {
			d, err := Open(context.Background(), st, s)
			if err != nil {
				return err
			}
			_, err = d.Survey(context.Background(), 1, nil)
			return errors.Join(err, d.Close())
		}()
		wantError(t, err, ErrFormat, append(c.words, "in.csv")...)
	}
}

func TestMarksAreNoText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ encoding, mark string }{{"utf-8", "\xef\xbb\xbf"}, {"gb18030", "\x84\x31\x95\x33"}, {"gbk", ""}} {
		dir := t.TempDir()
		write(t, dir, "in.csv", []byte(c.mark+"msisdn,fee_m0\r\n13800130000,7\r\n\r\n13800130001,8"))
		s := spec("in.csv")
		s.Input.CSV.Encoding = c.encoding
		got := readAll(t, dir, s, []string{"fee_m0"})
		if len(got.rows) != 2 || got.counts.Scored != 2 || got.rows[1].values[0] != int64(8) {
			t.Errorf("%s: %+v", c.encoding, got)
		}
	}
}

// FuzzCSV: whatever a file holds, it is refused with a type, or every row of it has one
// outcome, the same for every cut and size of batch.
func FuzzCSV(f *testing.F) {
	for i, seed := range []string{
		"msisdn,fee_m0\n13800130000,1\n13800150001,x\n", "msisdn|@|fee_m0\r\n13800130000|@|\\N\r\n", "msisdn,fee_m0\n\"13800130000\",\"1\n", "msisdn,fee_m0\n13800130000,\x00\n\n,\n",
		"msisdn|fee_m0|c\n13800130000|5|\x81|\x8a\n13800130001|6|\x81\x30\x81\x30\n",
	} {
		f.Add([]byte(seed), uint8(i*37))
	}
	f.Fuzz(func(t *testing.T, b []byte, how uint8) {
		s := spec("in.csv")
		s.Input.CSV = job.CSV{
			Delimiter: []string{",", "|", "|@|", "\x01"}[how&3], Header: how&4 == 0, Encoding: []string{"", "gbk", "gb18030", "utf-8"}[how>>3&3],
			Quote: []string{"double", "none"}[how>>5&1], Escape: []string{"none", "backslash"}[how>>6&1],
		}
		if !s.Input.CSV.Header {
			s.Input.Columns = map[string]job.Mapping{"msisdn": {Column: "c0"}, "fee": {Months: []string{"c1"}}}
		}
		d, err := Open(context.Background(), memoryStore{"in.csv": b}, s)
		if err != nil {
			if !typed(err) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		defer d.Close()
		sv, err := d.Survey(context.Background(), 1, nil)
		if err != nil {
			if !typed(err) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		var want *result
		for _, group := range []string{"one", "each"} {
			for _, batch := range []int{1, 50} {
				var all result
				for _, task := range cut(sv, groupers[group]) {
					r, err := readTask(t, d, sv, task, []string{"fee_m0"}, batch)
					if err != nil {
						t.Fatalf("a task of a surveyed file: %v", err)
					}
					all.rows, all.counts = append(all.rows, r.rows...), all.counts.Add(r.counts)
				}
				if int64(len(all.rows)) != sv.Files[0].Rows {
					t.Fatalf("%d rows were read, %d surveyed", len(all.rows), sv.Files[0].Rows)
				}
				if want == nil {
					want = &all
				} else if !reflect.DeepEqual(*want, all) {
					t.Fatalf("cut %s, batches of %d: %+v, want %+v", group, batch, all, *want)
				}
			}
		}
	})
}
