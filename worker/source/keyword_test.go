package source

import (
	"bytes"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"rescore/partition/job"
	"rescore/worker/tag"
)

// complaints are texts, "" for none, and the tags they become; -1 is null.
var complaints = []struct {
	text string
	tags int64
}{
	{"资费太贵", 1}, {"家里没有信号", 2}, {"营业厅服务态度差", 4}, {"账单多收了十元", 8}, {"没有订彩铃也扣费", 8 | 16}, {"想换个号码", 32},
	{"", -1}, {"   ", -1}, {"\u3000", -1}, {"NULL", -1}, {"12", 32}, {"Network, 网速 and PRICE", 1 | 2},
}

// tagged is a job whose complaint_tags are the words of a column.
func tagged(path string) job.Spec {
	s := spec(path)
	s.Policy = job.Default().Policy
	s.Input.Columns = map[string]job.Mapping{"complaint_tags": {Column: "text", Keywords: true}}
	return s
}

func wantTags(t *testing.T, got result, n int) {
	t.Helper()
	if len(got.rows) != n {
		t.Fatalf("%d rows, want %d", len(got.rows), n)
	}
	for i, r := range got.rows {
		c := complaints[i%len(complaints)]
		want := any(c.tags)
		if c.tags < 0 {
			want = nil
		}
		if r.values[0] != want || r.bad != 0 || r.drop != 0 {
			t.Errorf("row %d, %q: %v with %d bad and drop %d, want %v", i, c.text, r.values[0], r.bad, r.drop, want)
		}
	}
}

func TestC23ATextColumnOfACSVBecomesTags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("msisdn,text\n")
	for i, c := range complaints {
		b.WriteString("138001300" + string(rune('1'+i/10)) + string(rune('0'+i%10)) + ",\"" + c.text + "\"\n")
	}
	write(t, dir, "in.csv", []byte(b.String()))
	wantTags(t, readAll(t, dir, tagged("in.csv"), []string{"complaint_tags"}), len(complaints))
}

func TestC23ATextColumnOfParquetBecomesTags(t *testing.T) {
	t.Parallel()
	type plain struct {
		Msisdn int64   `parquet:"msisdn"`
		Text   *string `parquet:"text,optional"`
	}
	type coded struct {
		Msisdn int64   `parquet:"msisdn"`
		Text   *string `parquet:"text,optional,dict"`
	}
	const n = 3000
	var plains []plain
	var codeds []coded
	for i := range n {
		text := &complaints[i%len(complaints)].text
		if *text == "" {
			text = nil
		}
		plains, codeds = append(plains, plain{13800130000 + int64(i), text}), append(codeds, coded{13800130000 + int64(i), text})
	}
	dir := t.TempDir()
	var a, b bytes.Buffer
	if err := parquet.Write(&a, plains); err != nil {
		t.Fatal(err)
	}
	if err := parquet.Write(&b, codeds); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "plain.parquet", a.Bytes())
	write(t, dir, "coded.parquet", b.Bytes())
	for _, name := range []string{"plain.parquet", "coded.parquet"} {
		wantTags(t, readAll(t, dir, tagged(name), []string{"complaint_tags"}), n)
	}
}

func TestKeywordsAreOfTextAndMakeTags(t *testing.T) {
	t.Parallel()
	type in struct {
		Msisdn int64  `parquet:"msisdn"`
		Text   string `parquet:"text"`
		Code   int32  `parquet:"code"`
	}
	var b bytes.Buffer
	if err := parquet.Write(&b, []in{{13800130001, "资费", 1}}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, "in.parquet", b.Bytes())
	for _, c := range []struct {
		column string
		m      job.Mapping
		word   string
	}{
		{"complaint_tags", job.Mapping{Column: "code", Keywords: true}, "keywords are looked for in text"},
		{"complaint_tags", job.Mapping{Column: "text", Keywords: true, Values: map[string]int64{"a": 1}}, "not both"},
		{"complaint_tags", job.Mapping{Column: "text", Keywords: true, Unit: "fen"}, "it has no unit"},
		{"sex", job.Mapping{Column: "text", Keywords: true}, "map the text under complaint_tags"},
	} {
		s := spec("in.parquet")
		s.Input.Columns = map[string]job.Mapping{c.column: c.m}
		wantError(t, openErr(t, dir, s), ErrMapping, c.word)
	}
}

func TestAPolicysKeywordsFitATagger(t *testing.T) {
	t.Parallel()
	if job.KeywordBytesMax > tag.MaxBytes {
		t.Errorf("a policy may have %d bytes of keywords, a tagger %d", job.KeywordBytesMax, tag.MaxBytes)
	}
}
