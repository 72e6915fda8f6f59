package source

import (
	"context"
	"crypto/md5"  //nolint:gosec // as control files have it
	"crypto/sha1" //nolint:gosec // the same
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"rescore/partition/job"
)

func TestFilesAreHeldToTheirControlFiles(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	text := feeText(1000)
	packed := gzipped(t, text)
	sums := func(b []byte) (m, s, l string) {
		return fmt.Sprintf("%x", md5.Sum(b)), fmt.Sprintf("%X", sha1.Sum(b)), fmt.Sprintf("%x", sha256.Sum256(b))
	}
	m, s, l := sums(text)
	pm, _, _ := sums(packed)
	all := []string{"file", "rows", "bytes", "md5", "sha1", "sha256", "skip"}
	line := func(name string) string {
		return fmt.Sprintf("%s|1000|%d|%s|%s|%s|20260701", name, len(text), m, s, l)
	}
	for name, c := range map[string]struct {
		data    []byte // of base.csv; of base.csv.gz when it is packed
		control string // its name
		text    string
		spec    job.Control
		err     []string // nil: it holds
	}{
		"everything":            {text, "base.csv.chk", line("base.csv") + "\n", job.Control{Delimiter: "|", Fields: all}, nil},
		"in place of csv":       {text, "base.chk", "\xef\xbb\xbf" + line("base.csv") + "|\r\n\r\n", job.Control{Delimiter: "|", Fields: all}, nil},
		"one line of several":   {text, "base.chk", line("a.csv") + "\n" + strings.Replace(line("/data/out/base.csv"), "|", " | ", 3) + "\n", job.Control{Delimiter: "|", Fields: all}, nil},
		"md5sum":                {text, "base.csv.md5", m + "  *base.csv\n", job.Control{Suffix: ".md5", Fields: []string{"md5", "file"}}, nil},
		"only rows":             {text, "base.chk", "1000\n", job.Control{Fields: []string{"rows"}}, nil},
		"of a compressed file":  {packed, "base.csv.gz.chk", fmt.Sprintf("%d 1000 %s", len(packed), pm), job.Control{Fields: []string{"bytes", "rows", "md5"}}, nil},
		"beside the text":       {packed, "base.chk", "base.csv 1000", job.Control{Fields: []string{"file", "rows"}}, nil},
		"other rows":            {text, "base.chk", "999", job.Control{Fields: []string{"rows"}}, []string{"base.csv", "base.chk says rows 999", "has 1000"}},
		"other bytes":           {text, "base.chk", "base.csv 7", job.Control{Fields: []string{"file", "bytes"}}, []string{"says bytes 7", fmt.Sprint("has ", len(text))}},
		"other md5":             {text, "base.chk", strings.Repeat("0", 32), job.Control{Fields: []string{"md5"}}, []string{"says md5 0000", "has " + m}},
		"other sha1":            {text, "base.chk", strings.Repeat("0", 40), job.Control{Fields: []string{"sha1"}}, []string{"says sha1 0000"}},
		"other sha256":          {text, "base.chk", strings.Repeat("0", 64), job.Control{Fields: []string{"sha256"}}, []string{"says sha256 0000", l}},
		"none":                  {text, "other.chk", "1000", job.Control{Fields: []string{"rows"}}, []string{"base.csv.chk or in/base.chk", "wait"}},
		"about another":         {text, "base.chk", line("a.csv"), job.Control{Delimiter: "|", Fields: all}, []string{"no line is about"}},
		"empty":                 {text, "base.chk", "\n", job.Control{Fields: []string{"rows"}}, []string{"no line is about"}},
		"twice":                 {text, "base.chk", "1000\n1000\n", job.Control{Fields: []string{"rows"}}, []string{"line 2", "second"}},
		"too few fields":        {text, "base.chk", "base.csv|1000", job.Control{Delimiter: "|", Fields: all}, []string{"line 1 has 2 fields", "lists 7"}},
		"rows that are no rows": {text, "base.chk", "-1", job.Control{Fields: []string{"rows"}}, []string{"rows", "not a count"}},
		"a sum that is short":   {text, "base.chk", "abc", job.Control{Fields: []string{"md5"}}, []string{"md5", "32 hexadecimal"}},
		"too large":             {text, "base.chk", strings.Repeat("\n", controlBytesMax+1), job.Control{Fields: []string{"rows"}}, []string{"larger than"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, file := t.TempDir(), "base.csv"
			if packingOf(c.data[:4]) != packedNot {
				file = "base.csv.gz"
			}
			if c.spec.Suffix == "" {
				c.spec.Suffix = ".chk"
			}
			write(t, dir, "in/"+file, c.data)
			write(t, dir, "in/"+c.control, []byte(c.text))
			for what, err := range map[string]error{"a base": baseUnder(t, dir, c.spec), "exports": exportsUnder(t, dir, c.spec), "a table": tableUnder(t, dir, c.spec)} {
				if c.err != nil {
					wantError(t, err, ErrControl, c.err...)
				} else if err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

// baseUnder surveys the files of a folder, which are held to their control files.
func baseUnder(t *testing.T, dir string, control job.Control) error {
	t.Helper()
	s := spec("in")
	s.Input.Control = control
	d, err := Open(context.Background(), rooted(t, dir), s)
	if err != nil {
		return err
	}
	_, err = d.Survey(context.Background(), 2, nil)
	return errors.Join(err, d.Close())
}

// exportsUnder is baseUnder of a preparation.
func exportsUnder(t *testing.T, dir string, control job.Control) error {
	t.Helper()
	s := spec("in")
	s.Kind, s.Input.Control = job.KindPrepare, control
	e, err := OpenExport(context.Background(), rooted(t, dir), s)
	if err != nil {
		return err
	}
	_, err = e.Survey(context.Background(), 2, func(int64) {})
	return errors.Join(err, e.Close())
}

// tableUnder is baseUnder of a table beside a base that is held to nothing.
func tableUnder(t *testing.T, dir string, control job.Control) error {
	t.Helper()
	s := spec("base.csv")
	s.Input.Tables = []job.Table{{
		Name: "ev", Path: "in", CSV: s.Input.CSV, Control: control, Number: "msisdn", Time: "fee_m0", Months: 6,
		Columns: map[string]job.Aggregate{"events": {Function: job.Count}},
	}}
	d, err := Open(context.Background(), memoryStore{"base.csv": []byte("msisdn\n13800000005\n")}, s, rooted(t, dir))
	if err != nil {
		return err
	}
	_, err = d.Survey(context.Background(), 2, nil)
	return errors.Join(err, d.Close())
}

func FuzzControl(f *testing.F) {
	f.Add([]byte("base.csv|1|2\n"), "|")
	f.Add([]byte("\xef\xbb\xbf1 2 3\r\n\r\n"), "")
	f.Fuzz(func(t *testing.T, text []byte, delim string) {
		c, err := parseControl(text, []string{"base.csv"}, job.Control{Delimiter: delim, Fields: []string{"file", "rows", "md5"}})
		switch {
		case err == nil && (c.rows < 0 || len(c.sums["md5"]) != md5.Size):
			t.Errorf("%q is read as %+v", text, c)
		case err != nil && !errors.Is(err, ErrControl):
			t.Errorf("%q: untyped error %v", text, err)
		}
	})
}
