package e2e

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gofrs/flock"
	"github.com/parquet-go/parquet-go"

	"rescore/deploy"
)

// refused runs a job that must not be published, and returns what was said. The
// job file is dir/job.yaml, its output dir/out.
func refused(t *testing.T, dir string, secret numbers, code int, says []string, args ...string) refusal {
	t.Helper()
	return refusedInto(t, filepath.Join(dir, "job.yaml"), filepath.Join(dir, "out"), secret, code, says, args...)
}

func refusedInto(t *testing.T, jobFile, output string, secret numbers, code int, says []string, args ...string) refusal {
	t.Helper()
	stdout, stderr, got := rescore(t, append([]string{"run", jobFile, "--output", "json"}, args...)...)
	if stdout != "" {
		t.Errorf("stdout carries %q", stdout)
	}
	r := lastRefusal(t, stderr)
	if got != code || r.Code != code {
		t.Errorf("exit code %d and reported code %d, want %d: %s", got, r.Code, code, r.text())
	}
	for _, part := range says {
		if !regexp.MustCompile(part).MatchString(r.text()) {
			t.Errorf("the message does not say %q:\n%s", part, r.text())
		}
	}
	secret.keep(t, stdout, stderr)
	unpublished(t, output)

	// People are told the same.
	stdout, stderr, got = rescore(t, append([]string{"run", jobFile, "--quiet"}, args...)...)
	if stdout != "" || got != code {
		t.Errorf("in text: stdout %q, exit code %d, want %d", stdout, got, code)
	}
	for _, part := range says {
		if !regexp.MustCompile(part).MatchString(stderr) {
			t.Errorf("in text the message does not say %q:\n%s", part, stderr)
		}
	}
	secret.keep(t, stdout, stderr)
	unpublished(t, output)
	return r
}

// accepted runs dir/job.yaml to its version and checks that no row was lost.
func accepted(t *testing.T, dir string, secret numbers, want counts, args ...string) (result, manifest) {
	t.Helper()
	stdout, stderr, code := rescore(t, append([]string{"run", filepath.Join(dir, "job.yaml"), "--output", "json"}, args...)...)
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, stderr)
	}
	secret.keep(t, stdout, stderr)
	r := parseResult(t, stdout)
	if got := r.Rows; got != want {
		t.Errorf("rows %+v, want %+v", got, want)
	}
	m := readManifest(t, r.Path)
	if m.Rows != want {
		t.Errorf("the manifest counts %+v, want %+v", m.Rows, want)
	}
	if n := len(published(t, r.Path)); n != int(want.Scored) {
		t.Errorf("%d rows are published, %d were scored", n, want.Scored)
	}
	lines := rejects(t, r.Path)
	if n := int64(len(lines)); n != want.Rejected+want.Duplicate {
		t.Errorf("the reject files hold %d lines for %d rejected and %d duplicates", n, want.Rejected, want.Duplicate)
	}
	secret.keep(t, text(lines))
	return r, m
}

func TestBadInputIsRefusedPlainly(t *testing.T) {
	t.Parallel()
	const rows = 200
	good := text(baseLines(rows))
	secret := people(rows)
	model, err := deploy.Model("baseline")
	if err != nil {
		t.Fatal(err)
	}
	type person struct {
		Msisdn int64 `parquet:"msisdn"`
		Fee    int64 `parquet:"fee_m0"`
	}
	var persons []person
	for i := range rows {
		persons = append(persons, person{int64(number(i)), 1000})
	}
	whole := t.TempDir()
	writeParquet(t, filepath.Join(whole, "base.parquet"), persons)
	parquetBytes := read(t, filepath.Join(whole, "base.parquet"))

	type bad struct {
		name  string
		input string // lines below input:
		files map[string]string
		put   func(t *testing.T, dir string)
		args  []string
		code  int
		says  []string
	}
	csv := func(lines []string) map[string]string { return map[string]string{"base.csv": text(lines)} }
	unsorted := baseLines(rows)
	replaceNumber(unsorted, 150, digits(number(3)))
	var list []bad
	list = append(list,
		bad{name: "missing file", input: "path: base.csv", code: 5, says: []string{`base\.csv`, "input.path", "(?i)check|exists"}},
		bad{name: "missing folder", input: "path: nowhere/*.parquet", code: 5, says: []string{"nowhere", "input.path"}},
		bad{name: "pattern that matches nothing", input: "path: '*.parquet'", files: csv(baseLines(1)), code: 5, says: []string{`\*\.parquet`, "input.path"}},
		bad{name: "empty CSV file", input: "path: base.csv", files: map[string]string{"base.csv": ""}, code: 1, says: []string{`base\.csv`, "empty", "write it again"}},
		bad{name: "empty Parquet file", input: "path: base.parquet", files: map[string]string{"base.parquet": ""}, code: 1, says: []string{`base\.parquet`, "empty", "write it again"}},
		bad{name: "Parquet without rows", input: "path: base.parquet", put: func(t *testing.T, dir string) {
			writeParquet(t, filepath.Join(dir, "base.parquet"), []person{})
		}, code: 1, says: []string{`base\.parquet`, "no row", "input.path"}},
		bad{name: "CSV with a header only", input: "path: base.csv", files: csv([]string{baseHeader}), code: 1, says: []string{`base\.csv`, "no row", "input.path"}},
		bad{name: "neither format", input: "path: base.xlsx", files: map[string]string{"base.xlsx": good}, code: 1, says: []string{`base\.xlsx`, "input.format"}},
		bad{name: "text that is called Parquet", input: "path: base.parquet", files: map[string]string{"base.parquet": good}, code: 1, says: []string{`base\.parquet`, "no Parquet", "input.format"}},
		bad{name: "truncated Parquet without its footer", input: "path: base.parquet", files: map[string]string{"base.parquet": string(parquetBytes[:len(parquetBytes)/2])}, code: 1, says: []string{`base\.parquet`, "truncated", "again"}},
		bad{name: "truncated Parquet by one byte", input: "path: base.parquet", files: map[string]string{"base.parquet": string(parquetBytes[:len(parquetBytes)-1])}, code: 1, says: []string{`base\.parquet`, "truncated", "again"}},
		bad{name: "Parquet that lost bytes in the middle", input: "path: base.parquet", files: map[string]string{"base.parquet": string(parquetBytes[:100]) + string(parquetBytes[400:])}, code: 1, says: []string{`base\.parquet`, "corrupt", "again"}},
		bad{name: "wrong column type", input: "path: base.parquet", put: func(t *testing.T, dir string) {
			type person struct {
				Msisdn int64 `parquet:"msisdn"`
				Fee    int32 `parquet:"fee_m0,date"`
				Joined bool  `parquet:"activation_date"`
			}
			writeParquet(t, filepath.Join(dir, "base.parquet"), []person{{int64(number(0)), 5, true}})
		}, code: 1, says: []string{`base\.parquet`, "fee", `"fee_m0"`, "wants a number", "activation_date", "wants a date"}},
		bad{name: "wrong column type of the number", input: "path: base.parquet", put: func(t *testing.T, dir string) {
			type person struct {
				Msisdn bool `parquet:"msisdn"`
			}
			writeParquet(t, filepath.Join(dir, "base.parquet"), []person{{true}})
		}, code: 1, says: []string{`base\.parquet`, `"msisdn"`, "11-digit number", "INT64 or text"}},
		bad{name: "no column of numbers", input: "path: base.csv", files: map[string]string{"base.csv": "phone,fee_m0\n1,2\n"}, code: 1, says: []string{`base\.csv`, `"msisdn"`, "make_numbers"}},
		bad{name: "unknown unit", input: "path: base.csv\ncolumns:\n  fee: {column: 'fee_m{k}', unit: parsec}", files: csv(baseLines(rows)), code: 2,
			says: []string{`job\.yaml:7`, `input\.columns\.fee\.unit`, "parsec", "write fen or yuan"}},
		bad{name: "unit of another dimension", input: "path: base.csv\ncolumns:\n  fee: {column: 'fee_m{k}', unit: minute}", files: csv(baseLines(rows)), code: 2,
			says: []string{`job\.yaml:7`, `input\.columns\.fee\.unit`, "minute", "write fen or yuan"}},
		bad{name: "missing model feature", input: "path: base.csv", files: map[string]string{"base.csv": good, "m.txt": strings.Replace(string(model), "arrears_fen", "lucky_number", 1)},
			args: []string{"--set", "model.path=m.txt"}, code: 1, says: []string{`m\.txt`, `"lucky_number"`, "model.features"}},
		bad{name: "missing model", input: "path: base.csv", files: csv(baseLines(rows)), args: []string{"--set", "model.path=m.txt"}, code: 5, says: []string{`m\.txt`, "model.path"}},
		bad{name: "unknown built-in model", input: "path: base.csv", files: csv(baseLines(rows)), args: []string{"--set", "model.path=builtin:nope"}, code: 1, says: []string{"nope", "model.path", "builtin:baseline"}},
		bad{name: "model that is no model", input: "path: base.csv", files: csv(baseLines(rows)), args: []string{"--set", "model.path=base.csv"}, code: 1, says: []string{`base\.csv`, "no LightGBM text model", "save_model"}},
		bad{name: "truncated model", input: "path: base.csv", files: map[string]string{"base.csv": good, "m.txt": string(model[:len(model)/2])},
			args: []string{"--set", "model.path=m.txt"}, code: 1, says: []string{`m\.txt`, "cut short", "again"}},
		bad{name: "unsorted input", input: "path: base.csv", files: csv(unsorted), code: 1, says: []string{`base\.csv`, "row 150", "sort the input by number"}},
		bad{name: "unsorted Parquet", input: "path: base.parquet", put: func(t *testing.T, dir string) {
			swapped := slices.Clone(persons)
			swapped[150] = persons[3]
			writeParquet(t, filepath.Join(dir, "base.parquet"), swapped, parquet.MaxRowsPerRowGroup(64), parquet.PageBufferSize(256))
		}, code: 1, says: []string{`base\.parquet`, "row 150", "sort the input by number"}},
		bad{name: "files that overlap", input: "path: base", files: map[string]string{
			"base/a.csv": text(baseLines(100)),
			"base/b.csv": text(slices.Concat([]string{baseHeader}, baseLines(rows)[51:])),
		}, code: 1, says: []string{`b\.csv`, "row 0", `a\.csv`, "overlap", "sort the input by number"}},
		bad{name: "files with other columns", input: "path: base", files: map[string]string{
			"base/a.csv": text(baseLines(100)), "base/b.csv": "msisdn\n" + digits(number(150)) + "\n",
		}, code: 1, says: []string{`a\.csv`, `b\.csv`, "fee_m0", "same columns"}},
		bad{name: "month gap", input: "path: usage/month={month}\nlayout: months", files: map[string]string{
			"usage/month=202610/a.csv": "msisdn,fee\n" + digits(number(0)) + ",5\n", "usage/month=202608/a.csv": "msisdn,fee\n" + digits(number(0)) + ",5\n",
		}, code: 1, says: []string{"202609, 202607, 202606, 202605", "input.missing_months to null"}},
		bad{name: "month gap at the scoring month", input: "path: usage/month={month}\nlayout: months\nmissing_months: 'null'", files: map[string]string{
			"usage/month=202609/a.csv": "msisdn,fee\n" + digits(number(0)) + ",5\n",
		}, code: 1, says: []string{"202610", "scoring month is always required"}},
		bad{name: "job file that is not there", code: 5, says: []string{`job\.yaml`}},
	)
	for _, b := range list {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if b.input != "" {
				write(t, dir, "job.yaml", jobText(b.input))
			}
			for name, text := range b.files {
				write(t, dir, name, text)
			}
			if b.put != nil {
				b.put(t, dir)
			}
			refused(t, dir, secret, b.code, b.says, b.args...)
		})
	}
}

func TestEveryMistakeOfAJobFileIsReported(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "base.csv", text(baseLines(5)))
	write(t, dir, "job.yaml", `version: 1
name: trial
month: 202613
inptu: {}
input:
  path: base.csv
  columns:
    fee: {column: 'fee_m{k}', unit: parsec}
    fees: {column: x}
model:
  path: builtin:baseline
policy:
  save_rate: 1.5
output:
  path: out
`)
	r := refused(t, dir, people(5), 2, []string{"problems"})
	var got []string
	for _, p := range r.Problems {
		if filepath.Base(p.File) != "job.yaml" || p.Message == "" || p.Remedy == "" {
			t.Errorf("no file, message or remedy: %+v", p)
		}
		got = append(got, fmt.Sprintf("%d %s", p.Line, p.Path))
	}
	want := []string{"3 month", "4 inptu", "8 input.columns.fee.unit", "9 input.columns.fees", "13 policy.save_rate"}
	if !slices.Equal(got, want) {
		t.Errorf("problems at %q, want %q", got, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "out")); err == nil {
		t.Error("the output folder was made for a job file with mistakes")
	}
}

func TestBadRowsAreCountedAndNoneIsLost(t *testing.T) {
	t.Parallel()
	const rows = 200
	lenient := []string{"--set", "gates.reject_share_max=1", "--set", "gates.duplicate_share_max=1"}
	plain := filepath.Join(t.TempDir(), "plain")
	write(t, plain, "base.csv", text(baseLines(rows)))
	write(t, plain, "job.yaml", jobText("path: base.csv"))
	undisturbed, _ := accepted(t, plain, people(rows), counts{In: rows, Scored: rows})
	want := published(t, undisturbed.Path)

	t.Run("duplicate number", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		lines := baseLines(rows)
		lines = slices.Insert(lines, 51, lines[50], lines[50]) // twice more, once with other values
		lines[52] = digits(number(49)) + ",1,1,9,9,9,9,9,9"
		write(t, dir, "base.csv", text(lines))
		write(t, dir, "job.yaml", jobText("path: base.csv"))
		r, m := accepted(t, dir, people(rows), counts{In: rows + 2, Scored: rows, Duplicate: 2}, lenient...)
		if got := published(t, r.Path); !slices.Equal(got, want) {
			t.Error("not the first row of the number was kept")
		}
		if m.Tally.Reason[4] != 2 {
			t.Errorf("reasons %v, want two of REPEATED_NUMBER", m.Tally.Reason)
		}
		if got, want := rejects(t, r.Path), []string{"base.csv,50,msisdn,REPEATED_NUMBER", "base.csv,51,msisdn,REPEATED_NUMBER"}; !slices.Equal(got, want) {
			t.Errorf("reject lines %q, want %q", got, want)
		}
	})
	t.Run("duplicate number across files", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		lines := baseLines(rows)
		write(t, dir, "base/a.csv", text(lines[:101]))
		write(t, dir, "base/b.csv", text(slices.Concat(lines[:1], lines[100:])))
		write(t, dir, "job.yaml", jobText("path: base"))
		r, _ := accepted(t, dir, people(rows), counts{In: rows + 1, Scored: rows, Duplicate: 1}, lenient...)
		if got := published(t, r.Path); !slices.Equal(got, want) {
			t.Error("not the first row of the number was kept")
		}
		if got, want := rejects(t, r.Path), []string{"b.csv,0,msisdn,REPEATED_NUMBER"}; !slices.Equal(got, want) {
			t.Errorf("reject lines %q, want %q", got, want)
		}
	})
	t.Run("number that is not 11 digits, null key", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		lines := baseLines(rows)
		bad := []string{"1380013000", "138001300011", "+8613800130012", "13800 13001", "12800130012", "abc", "", "NULL", "-3800130012", "1.38e10"}
		var lost []uint64
		for k, text := range bad {
			replaceNumber(lines, 20*k, text)
			lost = append(lost, number(20*k))
		}
		write(t, dir, "base.csv", text(lines))
		write(t, dir, "job.yaml", jobText("path: base.csv"))
		r, m := accepted(t, dir, people(rows), counts{In: rows, Scored: rows - 10, Rejected: 10}, lenient...)
		var wantLines []string
		for k, text := range bad {
			reason := "BAD_NUMBER"
			if text == "" || text == "NULL" {
				reason = "NULL_KEY"
			}
			wantLines = append(wantLines, fmt.Sprintf("base.csv,%d,msisdn,%s", 20*k, reason))
		}
		if got := rejects(t, r.Path); !slices.Equal(got, wantLines) {
			t.Errorf("reject lines %q, want %q", got, wantLines)
		}
		if m.Tally.Reason[1] != 2 || m.Tally.Reason[2] != 8 {
			t.Errorf("reasons %v, want 2 of NULL_KEY and 8 of BAD_NUMBER", m.Tally.Reason)
		}
		left := slices.DeleteFunc(slices.Clone(want), func(s scored) bool { return slices.Contains(lost, s.Msisdn) })
		if got := published(t, r.Path); !slices.Equal(got, left) {
			t.Error("the other rows are not scored as they were")
		}
		stdout, stderr, _ := rescore(t, "run", filepath.Join(dir, "job.yaml"))
		for _, text := range bad[:4] {
			if strings.Contains(stdout+stderr+strings.Join(wantLines, ""), text) {
				t.Errorf("what stood in the number's place was printed")
			}
		}
	})
	t.Run("null key in Parquet", func(t *testing.T) {
		t.Parallel()
		type person struct {
			Msisdn *int64 `parquet:"msisdn,optional"`
			Fee    int64  `parquet:"fee_m0"`
		}
		dir := t.TempDir()
		var list []person
		for i := range rows {
			n := int64(number(i))
			list = append(list, person{&n, 1000})
		}
		list[0].Msisdn, list[77].Msisdn, list[rows-1].Msisdn = nil, nil, nil
		writeParquet(t, filepath.Join(dir, "base.parquet"), list)
		write(t, dir, "job.yaml", jobText("path: base.parquet"))
		r, m := accepted(t, dir, people(rows), counts{In: rows, Scored: rows - 3, Rejected: 3}, lenient...)
		if got, want := rejects(t, r.Path), []string{"base.parquet,0,msisdn,NULL_KEY", "base.parquet,77,msisdn,NULL_KEY", "base.parquet,199,msisdn,NULL_KEY"}; !slices.Equal(got, want) || m.Tally.Reason[1] != 3 {
			t.Errorf("reject lines %q and reasons %v, want %q", got, m.Tally.Reason, want)
		}
	})
	t.Run("NaN and Inf", func(t *testing.T) {
		t.Parallel()
		type person struct {
			Msisdn int64   `parquet:"msisdn"`
			Fee    float64 `parquet:"fee_m0"`
			Before float64 `parquet:"fee_m1"`
			Out    float64 `parquet:"out_sec_m0"`
		}
		dir := t.TempDir()
		var list []person
		for i := range rows {
			list = append(list, person{int64(number(i)), 1000, 1000, 60})
		}
		list[3].Fee = math.NaN()
		list[4].Fee, list[4].Before, list[4].Out = math.NaN(), math.Inf(1), math.Inf(-1)
		list[5].Out = 1e300
		writeParquet(t, filepath.Join(dir, "base.parquet"), list)
		write(t, dir, "job.yaml", jobText("path: base.parquet"))
		r, m := accepted(t, dir, people(rows), counts{In: rows, Scored: rows}, lenient...)
		for i, s := range published(t, r.Path) {
			bad, fee := map[int]uint32{3: 1, 4: 3, 5: 1}[i], int64(1000)
			if i == 4 {
				fee = -1 // neither month has a bill
			}
			if s.BadValues != bad || s.Fee != fee || !(s.Propensity > 0 && s.Propensity < 1) {
				t.Errorf("row %d: %d bad values, arpu3 %d, propensity %g; want %d and %d", i, s.BadValues, s.Fee, s.Propensity, bad, fee)
			}
		}
		if m.Tally.BadValues != 5 {
			t.Errorf("%d bad values in all, want 5", m.Tally.BadValues)
		}
	})
	t.Run("value that cannot be read, row of another width", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		lines := baseLines(rows)
		lines[11] = strings.Replace(lines[11], ",1,", ",many,", 1)
		lines[21] += ",7"
		lines[31] = digits(number(30))
		write(t, dir, "base.csv", text(lines))
		write(t, dir, "job.yaml", jobText("path: base.csv"))
		r, _ := accepted(t, dir, people(rows), counts{In: rows, Scored: rows - 3, Rejected: 3}, lenient...)
		got := rejects(t, r.Path)
		if len(got) != 3 || got[0] != "base.csv,10,service_type,BAD_VALUE" || !strings.HasPrefix(got[1], "base.csv,20,") || !strings.HasSuffix(got[1], ",BAD_WIDTH") ||
			!strings.HasPrefix(got[2], "base.csv,30,") || !strings.HasSuffix(got[2], ",BAD_WIDTH") {
			t.Errorf("reject lines %q", got)
		}
	})
	t.Run("month gap read as null", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		for _, month := range []string{"202610", "202608"} {
			write(t, dir, "usage/month="+month+"/a.csv", "msisdn,fee\n"+digits(number(0))+",500\n"+digits(number(1))+",700\n")
		}
		write(t, dir, "job.yaml", jobText("path: usage/month={month}\nlayout: months\nmissing_months: 'null'"))
		r, _ := accepted(t, dir, people(2), counts{In: 2, Scored: 2})
		if got := published(t, r.Path); got[0].Fee != 500 || got[1].Fee != 700 {
			t.Errorf("arpu3 of the two months there are is %d and %d, want 500 and 700", got[0].Fee, got[1].Fee)
		}
		unquoted := filepath.Join(dir, "unquoted.yaml")
		if err := os.WriteFile(unquoted, []byte(strings.Replace(string(read(t, filepath.Join(dir, "job.yaml"))), "'null'", "null", 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		if again := must(t, "run", unquoted); !again.Already {
			t.Error("missing_months: null is not the same as 'null'")
		}
	})
}

// A gate holds what bad rows would otherwise publish; a reason releases it.
func TestTooManyBadRowsAreHeldUntilReleased(t *testing.T) {
	t.Parallel()
	const rows = 200
	dir := t.TempDir()
	lines := baseLines(rows)
	for i := range 5 {
		replaceNumber(lines, 10+30*i, "0")
	}
	write(t, dir, "base.csv", text(lines))
	write(t, dir, "job.yaml", jobText("path: base.csv"))
	secret := people(rows)
	refused(t, dir, secret, 6, []string{`gates\.reject_share_max`, "5 of 200", "limit is 1 %", "--release"})
	r, _ := accepted(t, dir, secret, counts{In: rows, Scored: rows - 5, Rejected: 5}, "--release", "five test numbers")
	if r.Resumed == 0 {
		t.Error("the release ran the partitions again")
	}
}

func TestFoldersOfOthersAreLeftAlone(t *testing.T) {
	t.Parallel()
	const rows = 50
	secret := people(rows)
	t.Run("output directory of another job", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		write(t, dir, "base.csv", text(baseLines(rows)))
		write(t, dir, "job.yaml", jobText("path: base.csv"))
		accepted(t, dir, secret, counts{In: rows, Scored: rows})
		before := listing(t, filepath.Join(dir, "out"))
		stdout, stderr, code := rescore(t, "run", filepath.Join(dir, "job.yaml"), "--output", "json", "--set", "name=other")
		if r := lastRefusal(t, stderr); code != 7 || stdout != "" || !strings.Contains(r.text(), `"trial"`) || !strings.Contains(r.text(), "output.path") {
			t.Errorf("exit code %d: %s", code, r.text())
		}
		if after := listing(t, filepath.Join(dir, "out")); !slices.Equal(before, after) {
			t.Errorf("the other job's folder was %q and is %q", before, after)
		}
	})
	t.Run("work directory of another output", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		write(t, dir, "base.csv", text(baseLines(rows)))
		write(t, dir, "job.yaml", jobText("path: base.csv"))
		write(t, filepath.Join(dir, "copy"), "base.csv", text(baseLines(rows)))
		jobFile := write(t, filepath.Join(dir, "copy"), "job.yaml", jobText("path: base.csv"))
		accepted(t, dir, secret, counts{In: rows, Scored: rows})
		refusedInto(t, jobFile, filepath.Join(dir, "copy", "out"), secret, 7, []string{"run.work"}, "--work", filepath.Join(dir, ".rescore", "trial"))
	})
	t.Run("work directory locked by another process", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		write(t, dir, "base.csv", text(baseLines(rows)))
		write(t, dir, "job.yaml", jobText("path: base.csv"))
		lock := flock.New(write(t, dir, "work/LOCK", ""))
		if held, err := lock.TryLock(); err != nil || !held {
			t.Fatalf("lock: %t, %v", held, err)
		}
		refused(t, dir, secret, 7, []string{filepath.Join(dir, "work"), "in use", "run.work"}, "--work", filepath.Join(dir, "work"))
		if err := lock.Unlock(); err != nil {
			t.Fatal(err)
		}
		accepted(t, dir, secret, counts{In: rows, Scored: rows}, "--work", filepath.Join(dir, "work"))
	})
}

// The work folder holds nothing that a version needs, and the output folder says
// itself what is in it.
func TestAFolderThatWasRemovedLeadsToNoWrongAnswer(t *testing.T) {
	t.Parallel()
	const rows = 50
	dir, secret := t.TempDir(), people(rows)
	write(t, dir, "base.csv", text(baseLines(rows)))
	write(t, dir, "job.yaml", jobText("path: base.csv"))
	work, output := filepath.Join(dir, ".rescore"), filepath.Join(dir, "out")
	remove := func(path string) {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	first, _ := accepted(t, dir, secret, counts{In: rows, Scored: rows})
	remove(work)
	if again, _ := accepted(t, dir, secret, counts{In: rows, Scored: rows}); !again.Already || again.Version != first.Version {
		t.Errorf("without its work folder, version %s was made where %s is", again.Version, first.Version)
	}
	accepted(t, dir, secret, counts{In: rows, Scored: rows}, "--set", "policy.save_rate=0.3")
	remove(output)
	refused(t, dir, secret, 1, []string{"no longer in", "run.work"}, "--set", "policy.save_rate=0.3")
	anew, _ := accepted(t, dir, secret, counts{In: rows, Scored: rows}, "--work", filepath.Join(dir, "other"))
	if anew.Already || anew.Digest != first.Digest {
		t.Errorf("anew: already %t, digest %s, want %s", anew.Already, anew.Digest, first.Digest)
	}
}

// A job on a full disk says which file and what to do, and goes on when there is
// room again. tmpfs mounts a small disk, or skips the test.
func TestAFullDiskIsSaidAndOutlived(t *testing.T) {
	t.Parallel()
	jobFile := synth(t, 20_000)
	calm := must(t, run(jobFile, t.TempDir())...)
	for _, c := range []struct {
		name, output, work string
		room               int64 // left on the disk, bytes
		says               string
	}{
		{"output", "disk/out", "work", 150_000, `(scores|part)-.*\.parquet`},
		{"output, from the start", "disk/out", "work", 0, "_DATASET|put-"},
		{"work, from the start", "out", "disk/work", 0, "disk/work"},
		{"work, for a page", "out", "disk/work", 4096, `raft\.db`},
		{"work, for three pages", "out", "disk/work", 3 * 4096, `raft\.db`},
		{"work, when the job is taken in", "out", "disk/work", 34_000, `raft\.db`},
		{"work, half-way", "out", "disk/work", 80_000, `raft\.db`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			disk := filepath.Join(dir, "disk")
			const size = 8 << 20
			tmpfs(t, disk, size)
			fill := filepath.Join(disk, "filler")
			if err := os.WriteFile(fill, make([]byte, size-c.room), 0o644); err != nil {
				t.Fatal(err)
			}
			output := filepath.Join(dir, c.output)
			args := []string{"--set", "output.path=" + output, "--set", "run.work=" + filepath.Join(dir, c.work), "--set", "run.partition_rows=1"}
			refusedInto(t, jobFile, output, nil, 1, []string{"no space left on device", c.says, "make room|free some"}, args...)
			if err := os.Remove(fill); err != nil {
				t.Fatal(err)
			}
			got := must(t, append([]string{"run", jobFile, "--quiet"}, args...)...)
			if got.Digest != calm.Digest || got.Rows != calm.Rows {
				t.Errorf("after there was room: digest %s and rows %+v, want %s and %+v", got.Digest, got.Rows, calm.Digest, calm.Rows)
			}
		})
	}
}
