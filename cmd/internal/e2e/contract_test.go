package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"rescore/cmd/internal/rig"
	"rescore/partition/schema"
)

// contractKeys are the keys other tools rely on, in their order.
var contractKeys = []string{"job", "version", "path", "rows", "digest", "seconds", "rows_per_second"}

// keysOf returns the keys of a JSON object in their order, and their values.
func keysOf(t *testing.T, object []byte) (keys []string, values map[string]json.RawMessage) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(object))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		t.Fatalf("%.80q is no JSON object: %v", object, err)
	}
	values = map[string]json.RawMessage{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key.(string))
		values[key.(string)] = value
	}
	return keys, values
}

// keepsContract checks names, order and types of a version's seven keys.
func keepsContract(t *testing.T, object []byte) map[string]json.RawMessage {
	t.Helper()
	keys, values := keysOf(t, object)
	if len(keys) < 7 || !slices.Equal(keys[:7], contractKeys) {
		t.Fatalf("the keys are %q, want %q first", keys, contractKeys)
	}
	for _, key := range []string{"job", "version", "path", "digest"} {
		var s string
		if err := json.Unmarshal(values[key], &s); err != nil || s == "" {
			t.Errorf("%s is %s, want text", key, values[key])
		}
	}
	for _, key := range []string{"seconds", "rows_per_second"} {
		var f float64
		if err := json.Unmarshal(values[key], &f); err != nil || !(f > 0) || math.IsInf(f, 0) {
			t.Errorf("%s is %s, want a number above 0", key, values[key])
		}
	}
	rowKeys, rows := keysOf(t, values["rows"])
	if want := []string{"in", "scored", "excluded", "rejected", "duplicate"}; !slices.Equal(rowKeys, want) {
		t.Fatalf("the keys of rows are %q, want %q", rowKeys, want)
	}
	var sum, in int64
	for key, value := range rows {
		var n int64
		if err := json.Unmarshal(value, &n); err != nil || n < 0 {
			t.Errorf("rows.%s is %s, want a count", key, value)
		}
		if key == "in" {
			in = n
		} else {
			sum += n
		}
	}
	if in != sum || in == 0 {
		t.Errorf("%d rows came in and %d came out: %s", in, sum, values["rows"])
	}
	if digest := regexp.MustCompile(`^"[0-9a-f]{64}"$`); !digest.Match(values["digest"]) {
		t.Errorf("digest is %s", values["digest"])
	}
	return values
}

func TestRunKeepsTheMachineContract(t *testing.T) {
	t.Parallel()
	jobFile, dir := synth(t, 20_000), t.TempDir()
	set := []string{"--set", "output.path=" + filepath.Join(dir, "out"), "--set", "run.work=" + filepath.Join(dir, "work")}
	stdout, stderr, code := rescore(t, append([]string{"run", jobFile, "--output", "json"}, set...)...)
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, stderr)
	}
	if strings.Count(stdout, "\n") != 1 || !strings.HasSuffix(stdout, "\n") {
		t.Errorf("stdout is more than one line:\n%s", stdout)
	}
	if strings.Contains(stdout+stderr, "\x1b") {
		t.Error("colour or cursor movements although NO_COLOR is set and nothing is a terminal")
	}
	if !strings.Contains(stderr, "warnings") || !strings.Contains(stderr, "risk bands") {
		t.Errorf("stderr has no closing summary:\n%s", stderr)
	}
	first := keepsContract(t, []byte(stdout))
	r := parseResult(t, stdout)
	if info, err := os.Stat(r.Path); err != nil || !info.IsDir() || !filepath.IsAbs(r.Path) {
		t.Errorf("path %s is no folder: %v", r.Path, err)
	}

	t.Run("run again says so and does nothing", func(t *testing.T) {
		before := listing(t, dir)
		stdout, _, code := rescore(t, append([]string{"run", jobFile, "--output", "json"}, set...)...)
		if code != 0 {
			t.Fatalf("exit code %d", code)
		}
		again := keepsContract(t, []byte(stdout))
		for _, key := range contractKeys {
			if !bytes.Equal(first[key], again[key]) {
				t.Errorf("%s was %s and is %s", key, first[key], again[key])
			}
		}
		if string(again["already"]) != "true" {
			t.Error("the object does not say that the version was there already")
		}
		stdout, stderr, code := rescore(t, append([]string{"run", jobFile}, set...)...)
		if code != 0 || !strings.Contains(stdout, "already") {
			t.Errorf("in text: exit code %d, stdout %q, stderr %q", code, stdout, stderr)
		}
		if after := listing(t, dir); !slices.Equal(before, after) {
			t.Errorf("files were\n%s\nand are\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
	})
	t.Run("versions lists the same fields", func(t *testing.T) {
		for _, args := range [][]string{{"versions", "--path", filepath.Join(dir, "out")}, {"versions", jobFile, "--set", "output.path=" + filepath.Join(dir, "out")}} {
			stdout, stderr, code := rescore(t, append(args, "--output", "json")...)
			var list []json.RawMessage
			if err := json.Unmarshal([]byte(stdout), &list); err != nil || code != 0 || len(list) != 1 {
				t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
			}
			listed := keepsContract(t, list[0])
			for _, key := range contractKeys {
				if !bytes.Equal(first[key], listed[key]) {
					t.Errorf("%s is %s after run and %s in the list", key, first[key], listed[key])
				}
			}
		}
	})
	t.Run("the next version is listed last and is current", func(t *testing.T) {
		second := must(t, append([]string{"run", jobFile, "--quiet", "--set", "policy.save_rate=0.3"}, set...)...)
		stdout, _, _ := rescore(t, "versions", "--path", filepath.Join(dir, "out"), "--output", "json")
		var list []struct {
			Version string
			Current bool
		}
		if err := json.Unmarshal([]byte(stdout), &list); err != nil || len(list) != 2 {
			t.Fatalf("%v: %s", err, stdout)
		}
		if list[0].Version != r.Version || list[0].Current || list[1].Version != second.Version || !list[1].Current {
			t.Errorf("versions %+v, want %s and then %s, the current one", list, r.Version, second.Version)
		}
	})
}

// I5: who works, with how many, on what share, decides nothing.
func TestTheDigestDependsOnRowsAlone(t *testing.T) {
	t.Parallel()
	const subscribers = 20_000
	jobFile := synth(t, subscribers)
	want := must(t, run(jobFile, t.TempDir())...)
	rows := published(t, want.Path)
	type variant struct {
		name    string
		jobFile string
		args    []string
		env     string
	}
	list := []variant{{"GOMAXPROCS=1", jobFile, []string{"--workers", "0"}, "GOMAXPROCS=1"}}
	for _, workers := range []string{"1", "2", "7"} {
		for _, partition := range []string{"1", "3000", "1000000"} {
			list = append(list, variant{workers + " workers, " + partition + " rows a partition", jobFile, []string{"--workers", workers, "--partition-rows", partition}, ""})
		}
	}
	for _, batch := range []string{"1", "7", "65536"} {
		list = append(list, variant{"batches of " + batch, jobFile, []string{"--set", "run.batch_rows=" + batch}, ""})
	}
	for _, base := range []string{"csv wide", "csv months", "parquet months"} {
		format, layout, _ := strings.Cut(base, " ")
		list = append(list, variant{"the same rows as " + base, synth(t, subscribers, "--format", format, "--layout", layout, "--files", "3"), nil, ""})
	}
	for _, v := range list {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			cmd := rig.Command(t, program, append(run(v.jobFile, t.TempDir(), v.args...), "--output", "json")...)
			if v.env != "" {
				cmd.Env = append(cmd.Env, v.env)
			}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			stdout, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
			got := parseResult(t, string(stdout))
			if got.Digest != want.Digest || got.Rows != want.Rows {
				t.Fatalf("digest %s and rows %+v, want %s and %+v", got.Digest, got.Rows, want.Digest, want.Rows)
			}
			if !slices.Equal(published(t, got.Path), rows) {
				t.Fatal("equal digests and other rows")
			}
		})
	}
}

// What is published is what was promised: every subscriber once, in order, of
// the score record, with provenance; and no subscriber anywhere else (I1, I8).
func TestPublishedFilesKeepTheirPromises(t *testing.T) {
	t.Parallel()
	jobFile, dir := synth(t, 20_000), t.TempDir()
	secret := numbers{}
	for _, name := range files(t, filepath.Join(filepath.Dir(jobFile), "base"), "*.parquet") {
		type person struct {
			Msisdn *int64 `parquet:"msisdn,optional"`
		}
		rows, err := parquet.ReadFile[person](name)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if r.Msisdn != nil && *r.Msisdn >= 13_000_000_000 && *r.Msisdn < 20_000_000_000 {
				secret[uint64(*r.Msisdn)] = true
			}
		}
	}
	stdout, stderr, code := rescore(t, append(run(jobFile, dir, "--partition-rows", "1", "--log-level", "debug"), "--output", "json")...)
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, stderr)
	}
	secret.keep(t, stdout, stderr)
	r := parseResult(t, stdout)
	m := readManifest(t, r.Path)
	if len(secret) != int(r.Rows.Scored) || len(m.Partitions) < 10 {
		t.Fatalf("%d subscribers, %d scored, %d partitions", len(secret), r.Rows.Scored, len(m.Partitions))
	}

	var last uint64
	left := len(secret)
	tokens := map[string]string{}
	for _, p := range m.Partitions {
		for _, f := range p.Files {
			tokens[filepath.Base(f.Path)] = fmt.Sprintf("%020d", p.Token)
		}
	}
	for _, name := range files(t, r.Path, "part-*.parquet") {
		data := read(t, name)
		f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		var columns []string
		for _, c := range f.Schema().Fields() {
			if !c.Required() || !c.Leaf() {
				t.Fatalf("%s: column %s is not required", filepath.Base(name), c.Name())
			}
			columns = append(columns, c.Name())
		}
		var record []string
		for _, c := range schema.Published {
			record = append(record, c.Name)
		}
		if !slices.Equal(columns, record) {
			t.Fatalf("%s: columns %q, want %q", filepath.Base(name), columns, record)
		}
		for _, key := range []string{"rescore.job", "rescore.model_digest", "rescore.rules_digest", "rescore.month", "rescore.token", "rescore.partition", "rescore.schema"} {
			value, ok := f.Lookup(key)
			if !ok || value == "" || key == "rescore.job" && value != r.Job ||
				key == "rescore.month" && value != "202610" || key == "rescore.token" && value != tokens[filepath.Base(name)] {
				t.Fatalf("%s: the footer says %s=%q", filepath.Base(name), key, value)
			}
		}
		rows, err := parquet.ReadFile[scored](name)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range rows {
			if s.Msisdn <= last {
				t.Fatalf("%s: numbers do not rise from row to row and file to file", filepath.Base(name))
			}
			if !secret[s.Msisdn] {
				t.Fatalf("%s: a number that is not in the base", filepath.Base(name))
			}
			last, left = s.Msisdn, left-1
		}
	}
	if left != 0 {
		t.Fatalf("%d subscribers were not scored", left)
	}

	scanned := map[string]int{}
	for _, name := range files(t, dir, "*") {
		data := read(t, name)
		if filepath.Ext(name) == ".parquet" {
			footer := int(binary.LittleEndian.Uint32(data[len(data)-8:]))
			data = data[len(data)-8-footer:]
		}
		scanned[filepath.Ext(name)]++
		if secret.leaked(data) {
			rel, _ := filepath.Rel(dir, name)
			t.Errorf("%s tells a subscriber's number", rel)
		}
	}
	for _, kind := range []string{".db", ".json", ".csv", ".cbor", ".parquet"} {
		if scanned[kind] == 0 {
			t.Errorf("no %s file was scanned: %v", kind, scanned)
		}
	}
}

func TestProgressIsOneLineOfJSONASecond(t *testing.T) {
	t.Parallel()
	jobFile := synth(t, 150_000)
	var out, errs bytes.Buffer
	cmd := rig.Command(t, program, "run", jobFile, "--output", "json", "--workers", "1", "--partition-rows", "3000", "--set", "run.batch_rows=16")
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	type line struct {
		Type, Stage string
		Level       string // of a log line: a slow disk may have raft complain
		Share       float64
		Rows        int64
		RowsTotal   int64    `json:"rows_total"`
		Elapsed     float64  `json:"elapsed_seconds"`
		Left        *float64 `json:"eta_seconds"`
		Partitions  int
		Total       int `json:"partitions_total"`
	}
	var lines []line
	for text := range strings.Lines(errs.String()) {
		if !strings.HasPrefix(text, "{") {
			break // the summary
		}
		var l line
		err := json.Unmarshal([]byte(text), &l)
		if l.Level != "" {
			continue
		}
		if err != nil || l.Type != "progress" {
			t.Fatalf("%q: %v", text, err)
		}
		if n := len(lines); n > 0 && (l.Elapsed < lines[n-1].Elapsed || l.Stage == lines[n-1].Stage && l.Rows < lines[n-1].Rows) {
			t.Errorf("progress went back: %+v after %+v", l, lines[n-1])
		}
		lines = append(lines, l)
	}
	if len(lines) == 0 {
		t.Fatalf("no progress on stderr:\n%s", errs.String())
	}
	end := lines[len(lines)-1]
	if end.Share != 1 || end.Partitions != end.Total || end.RowsTotal != parseResult(t, out.String()).Rows.In {
		t.Errorf("the last line is %+v", end)
	}
	if n := len(lines); n > int(end.Elapsed)+3 { // the first, the last, and one that came late
		t.Errorf("%d lines in %.1f s", n, end.Elapsed)
	}
}

func TestPlanListsWhatIsUnknownAndChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "base.csv", text(baseLines(200)))
	jobFile := write(t, dir, "job.yaml", jobText("path: base.csv"))
	before := listing(t, dir)
	stdout, stderr, code := rescore(t, "plan", jobFile, "--output", "json")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	people(200).keep(t, stdout, stderr)
	var plan struct {
		Job     string
		Already bool
		Rows    int64
		Absent  []string
		Unknown []struct {
			Output, Effect string
			Missing        []string
		}
	}
	if err := json.Unmarshal([]byte(stdout), &plan); err != nil {
		t.Fatal(err)
	}
	lacks := map[string][]string{}
	for _, u := range plan.Unknown {
		if trigger := strings.HasPrefix(u.Output, "T"); !trigger || strings.Contains(u.Effect, "UNKNOWN") {
			lacks[u.Output] = append(lacks[u.Output], u.Missing...)
		}
	}
	for output, column := range map[string]string{"T3": "balance_fen", "T4": "arrears_fen", "T7": "other_ld_sec_m0", "T8": "fault_cnt_m0", "silent": "out_cnt_m0", "account_state": "status_m0"} {
		if !slices.Contains(lacks[output], column) || !slices.Contains(plan.Absent, column) {
			t.Errorf("%s is not listed for the lack of %s: %v", output, column, lacks[output])
		}
	}
	if _, ok := lacks["T2"]; ok || plan.Rows != 200 || plan.Already {
		t.Errorf("T2 has its columns; rows %d, already %t", plan.Rows, plan.Already)
	}
	text, _, _ := rescore(t, "plan", jobFile)
	if !regexp.MustCompile(`T8 +UNKNOWN in every row +lacks fault_cnt_m0`).MatchString(text) {
		t.Errorf("in text:\n%s", text)
	}
	if after := listing(t, dir); !slices.Equal(before, after) {
		t.Errorf("files were %q and are %q", before, after)
	}

	published := must(t, "run", jobFile, "--quiet")
	if published.Job != plan.Job {
		t.Errorf("plan names job %s, run %s", plan.Job, published.Job)
	}
	before = listing(t, dir)
	if text, _, code := rescore(t, "plan", jobFile); code != 0 || !strings.Contains(text, published.Version) {
		t.Errorf("exit code %d; the plan does not say that the version is there:\n%s", code, text)
	}
	if after := listing(t, dir); !slices.Equal(before, after) {
		t.Errorf("after the run, files were %q and are %q", before, after)
	}
}

// Control-C is answered at once, with code 130, and costs nothing. A busy machine may
// look for scored partitions only when the run has ended: then another is begun.
func TestAnInterruptStopsQuicklyAndResumes(t *testing.T) {
	t.Parallel()
	const tries = 20
	jobFile := synth(t, 100_000)
	want := must(t, run(jobFile, t.TempDir())...)
	for range tries {
		dir := t.TempDir()
		args := run(jobFile, dir, "--partition-rows", "1", "--workers", "1", "--set", "run.batch_rows=16")
		if !interrupted(t, dir, args, os.Interrupt) || !interrupted(t, dir, args, syscall.SIGTERM) {
			continue
		}
		if got := must(t, args...); got.Digest != want.Digest || got.Rows != want.Rows || got.Resumed < 10-2*inFlight {
			t.Errorf("digest %s, rows %+v, %d partitions resumed; want %s and %+v", got.Digest, got.Rows, got.Resumed, want.Digest, want.Rows)
		}
		return
	}
	t.Errorf("%d runs ended as if nothing had been said", tries)
}

// interrupted starts a run, and stops it by a signal when it has scored some more
// partitions. It returns false when the run ended well.
func interrupted(t *testing.T, dir string, args []string, signal os.Signal) bool {
	t.Helper()
	staged := func() int { return len(files(t, filepath.Join(dir, "out", "_staging"), "scores-*")) }
	before := staged()
	p := start(t, append(args, "--output", "json"))
	for staged() < before+5 && !ended(p.gone, time.Millisecond) {
	}
	_ = p.cmd.Process.Signal(signal)   // an error when it has ended
	if !ended(p.gone, 2*time.Minute) { // it takes milliseconds, a stalled disk longer
		t.Fatalf("%v was not answered", signal)
	}
	if p.end() == 0 {
		return false
	}
	r := lastRefusal(t, p.errs.String())
	if code := p.end(); code != 130 || r.Code != 130 || r.Kind != "interrupted" || p.out.Len() > 0 || !strings.Contains(r.Hint, "again") {
		t.Errorf("%v: exit code %d, stdout %q, %+v", signal, code, p.out.String(), r)
	}
	unpublished(t, filepath.Join(dir, "out"))
	return true
}

func TestADeadlineEndsWithItsOwnCode(t *testing.T) {
	t.Parallel()
	jobFile, dir := synth(t, 20_000), t.TempDir()
	stdout, stderr, code := rescore(t, append(run(jobFile, dir, "--deadline", "30ms"), "--output", "json")...)
	if r := lastRefusal(t, stderr); code != 124 || r.Code != 124 || stdout != "" || !strings.Contains(fmt.Sprint(r.Message, r.Hint), "30ms") {
		t.Errorf("exit code %d, stdout %q, %+v", code, stdout, r)
	}
	unpublished(t, filepath.Join(dir, "out"))
	must(t, run(jobFile, dir)...)
}
