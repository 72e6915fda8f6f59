package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rescore/cmd/internal/bench"
	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/capacity"
	"rescore/cmd/internal/local"
	"rescore/cmd/internal/progress"
	"rescore/cmd/internal/province"
	"rescore/partition/job"
)

// called is what one run of the program did.
type called struct {
	code        int
	out, errors string
}

// good is work that succeeds with figures of its own.
func good() work {
	rows := job.Counts{In: 10, Scored: 6, Excluded: 1, Rejected: 2, Duplicate: 1}
	return work{
		run: func(_ context.Context, o local.Options) (local.Outcome, error) {
			return local.Outcome{Job: "202610-0123456789ab", Name: o.Spec.Name, Version: "v1", Path: filepath.Join(o.Base, "out", "v1"), Rows: rows, Digest: "d",
				Model: "m", Seconds: 2, RowsPerSecond: 5, Stages: []local.StageTime{{Stage: "score", Seconds: 1}}, Resumed: 3, Current: true}, nil
		},
		plan: func(context.Context, local.Options) (local.PlanReport, error) {
			return local.PlanReport{Job: "202610-0123456789ab", Rows: 10, Files: []job.InputFile{{Path: "a.csv", Rows: 10}}, Tasks: []local.PlanTask{{Range: "1380000-1380001", Rows: 10}}, Program: "a kernel"}, nil
		},
		versions: func(_ context.Context, dir string) ([]local.VersionInfo, error) {
			if _, err := os.Stat(dir); err != nil {
				return nil, fmt.Errorf("list versions: %w", err)
			}
			return []local.VersionInfo{{Job: "202610-0123456789ab", Name: "base", Version: "v1", Path: "out/v1", Rows: rows, Digest: "d", Seconds: 2, RowsPerSecond: 5, Month: 202610, PublishedAt: time.Unix(0, 0).UTC(), Current: true}}, nil
		},
		export: func(context.Context, local.Options, string, []string) (int64, error) { return 6, nil },
		bench: func(_ context.Context, j bench.Job) (list []bench.Report, err error) {
			j.Progress(progress.Sample{Stage: "bench", RowsDone: 1, RowsTotal: 2})
			for _, n := range j.Subscribers {
				r := bench.Report{Subscribers: n, Workers: j.Workers[len(j.Workers)-1], Seconds: 2, RowsPerSecond: 5, Stages: map[string]bench.Stage{"score": {Seconds: 1}},
					Repeats: []float64{2}, Record: j.Record, Model: "builtin:baseline", ModelDigest: "m", Measured: "2026-11-22T00:00:00Z"}
				r.Machine.Host, _ = os.Hostname()
				for _, w := range j.Workers {
					r.Sweep = append(r.Sweep, bench.Point{Run: capacity.Run{Workers: w, Seconds: 2}})
				}
				list = append(list, r)
			}
			return list, nil
		},
		synth: func(_ context.Context, dir string, o province.Options) (province.Summary, error) {
			return province.Summary{Rows: o.Province.Subscribers, Files: []string{"base/part-00000.parquet"}}, os.MkdirAll(dir, 0o755)
		},
	}
}

// failing is work that ends with err, whatever is asked.
func failing(err error) work {
	return work{
		run:      func(context.Context, local.Options) (local.Outcome, error) { return local.Outcome{}, err },
		plan:     func(context.Context, local.Options) (local.PlanReport, error) { return local.PlanReport{}, err },
		versions: func(context.Context, string) ([]local.VersionInfo, error) { return nil, err },
		export:   func(context.Context, local.Options, string, []string) (int64, error) { return 0, err },
		bench:    func(context.Context, bench.Job) ([]bench.Report, error) { return nil, err },
		synth: func(context.Context, string, province.Options) (province.Summary, error) {
			return province.Summary{}, err
		},
	}
}

func call(t *testing.T, w work, environ []string, args ...string) called {
	t.Helper()
	return callIn(t.Context(), w, environ, "", args...)
}

func callIn(ctx context.Context, w work, environ []string, stdin string, args ...string) called {
	var out, errs bytes.Buffer
	a := &app{in: strings.NewReader(stdin), out: &out, err: &errs, environ: environ, work: w, terminal: progress.Terminal}
	code := a.execute(ctx, args)
	return called{code, out.String(), errs.String()}
}

const jobText = "name: base\nmonth: 202610\ninput: {path: a.csv}\nmodel: {path: builtin:baseline}\noutput: {path: out}\n"

// folder makes a folder with job.yaml, bad.yaml and an output folder.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"job.yaml": jobText, "bad.yaml": "name: a b\nmonth: 1\nrun: {wrokers: 1}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestEveryCommandHasItsExitCodes(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	good1, bad, gone := filepath.Join(dir, "job.yaml"), filepath.Join(dir, "bad.yaml"), filepath.Join(dir, "gone.yaml")
	trees, rows, none := "../../worker/model/testdata/stump_v2.txt", filepath.Join(dir, "rows.csv"), filepath.Join(dir, "none.csv")
	for file, text := range map[string]string{rows: "1\n\n3\n", none: ""} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		want int
		args string
	}{
		{boot.Usage, ""}, {boot.OK, "--help"}, {boot.OK, "help"}, {boot.OK, "help run"}, {boot.OK, "help config view"}, {boot.OK, "help exit-codes"},
		{boot.Usage, "help nothing"}, {boot.Usage, "help run nothing"}, {boot.Usage, "nothing"}, {boot.Usage, "--nothing"}, {boot.Usage, "run --nothing"},
		{boot.OK, "run " + good1}, {boot.Usage, "run"}, {boot.Usage, "run a b"}, {boot.Usage, "run " + bad}, {boot.NotFound, "run " + gone}, {boot.Failure, "run " + dir},
		{boot.Usage, "run " + good1 + " --workers many"}, {boot.Usage, "run " + good1 + " --workers -1"}, {boot.Usage, "run " + good1 + " --set x=1"}, {boot.Usage, "run " + good1 + " --set x"},
		{boot.Usage, "run " + good1 + " --release="}, {boot.Usage, "run " + good1 + " --deadline -1s"}, {boot.Usage, "run " + good1 + " --deadline 0s"}, {boot.OK, "run " + good1 + " --deadline 1h"},
		{boot.Usage, "run " + good1 + " --output xml"}, {boot.Usage, "run " + good1 + " --log-level loud"}, {boot.OK, "run " + good1 + " --log-level debug"},
		{boot.OK, "plan " + good1}, {boot.Usage, "plan"}, {boot.Usage, "plan " + bad}, {boot.NotFound, "plan " + gone}, {boot.OK, "plan " + good1 + " --partitions --program"},
		{boot.OK, "versions " + good1}, {boot.OK, "versions --path " + dir}, {boot.NotFound, "versions --path " + gone}, {boot.NotFound, "versions " + gone}, {boot.Usage, "versions " + bad},
		{boot.Usage, "versions " + good1 + " --path " + dir}, {boot.Usage, "versions a b"},
		{boot.Usage, "config"}, {boot.Usage, "config nothing"}, {boot.OK, "config view " + good1}, {boot.OK, "config view --origin " + good1}, {boot.Usage, "config view " + bad}, {boot.Usage, "config view"}, {boot.NotFound, "config view " + gone},
		{boot.OK, "config validate " + good1}, {boot.Usage, "config validate " + bad}, {boot.Usage, "config validate"}, {boot.NotFound, "config validate " + gone},
		{boot.OK, "config schema"}, {boot.Usage, "config schema x"}, {boot.OK, "config default"}, {boot.Usage, "config default x"},
		{boot.Usage, "features"}, {boot.Usage, "features nothing"}, {boot.OK, "features list"}, {boot.Usage, "features list x"},
		{boot.OK, "features export " + good1 + " --out f"}, {boot.Usage, "features export " + good1}, {boot.Usage, "features export --out f"}, {boot.Usage, "features export --out f " + bad}, {boot.NotFound, "features export --out f " + gone},
		{boot.Usage, "model"}, {boot.Usage, "model nothing"}, {boot.OK, "model inspect " + trees}, {boot.Usage, "model inspect"}, {boot.NotFound, "model inspect " + gone}, {boot.Failure, "model inspect " + good1},
		{boot.OK, "model score " + trees + " " + rows}, {boot.OK, "model score " + trees + " " + rows + " --raw --missing -1 --iterations 0:1 --format csv --header no"},
		{boot.Usage, "model score " + trees}, {boot.NotFound, "model score " + trees + " " + gone}, {boot.NotFound, "model score " + gone + " " + rows}, {boot.Failure, "model score " + trees + " " + good1},
		{boot.Usage, "model score " + trees + " " + rows + " --missing x"}, {boot.Usage, "model score " + trees + " " + rows + " --iterations 3"}, {boot.Usage, "model score " + trees + " " + rows + " --iterations 9:10"},
		{boot.Usage, "model score " + trees + " " + rows + " --format xml"}, {boot.Usage, "model score " + trees + " " + rows + " --header maybe"}, {boot.Failure, "model score " + trees + " " + rows + " --label y"},
		{boot.Usage, "bench"}, {boot.Usage, "bench nothing"}, {boot.Usage, "bench score"}, {boot.Usage, "bench score x"}, {boot.OK, "bench score --rows 600 --path go --model " + trees}, {boot.NotFound, "bench score --model " + gone},
		{boot.Usage, "bench score --model " + trees + " --path sse9"}, {boot.Usage, "bench score --model " + trees + " --threads 2"}, {boot.Usage, "bench score --model " + trees + " --rows 0"},
		{boot.OK, "bench score --data " + rows + " --model " + trees}, {boot.NotFound, "bench score --data " + gone + " --model " + trees}, {boot.Failure, "bench score --data " + none + " --model " + trees},
		{boot.OK, "bench job --dir " + dir}, {boot.OK, "bench job --dir " + dir + " --workers 1,2 --repeat 1 --record narrow --figures " + filepath.Join(dir, "f.json") + " --report " + filepath.Join(dir, "r.md")}, {boot.Usage, "bench job"}, {boot.Usage, "bench job x"},
		{boot.Usage, "bench job --dir " + dir + " --workers 0"}, {boot.Usage, "bench job --dir " + dir + " --workers 1,1"}, {boot.Usage, "bench job --dir " + dir + " --workers 1,x"}, {boot.Usage, "bench job --dir " + dir + " --repeat 0"},
		{boot.Usage, "bench job --dir " + dir + " --subscribers 0"}, {boot.Usage, "bench job --dir " + dir + " --subscribers 5,5"}, {boot.OK, "bench job --dir " + dir + " --subscribers 10,5 --report " + filepath.Join(dir, "s.md")}, {boot.Usage, "bench job --dir " + dir + " --record wide"}, {boot.Usage, "bench job --dir " + dir + " --report r.txt"}, {boot.NotFound, "bench job --dir " + dir + " --model " + gone},
		{boot.OK, "bench store " + filepath.Join(dir, "store") + " --objects 2 --megabytes 1 --parallel 2"}, {boot.Usage, "bench store"}, {boot.Usage, "bench store " + dir + " --objects 0"}, {boot.Usage, "bench store " + dir + " --megabytes 0"}, {boot.Usage, "bench store " + dir + " --parallel 0"},
		{boot.OK, "capacity --subscribers 10 --deadline 2h --dir " + dir + " --figures " + filepath.Join(dir, "g.json")}, {boot.Usage, "capacity --subscribers 10"}, {boot.Usage, "capacity"}, {boot.Usage, "capacity x"},
		{boot.Usage, "capacity --subscribers 10 --deadline 0s"}, {boot.Usage, "capacity --subscribers 10 --reserve 1"}, {boot.Usage, "capacity --subscribers 10 --machines -1"}, {boot.Usage, "capacity --subscribers 10 --record wide"},
		{boot.NotFound, "capacity --subscribers 10 --model " + gone + " --figures " + filepath.Join(dir, "g.json")}, {boot.Failure, "capacity --subscribers 10 --figures " + bad},
		{boot.OK, "version"}, {boot.Usage, "version x"},
		{boot.OK, "completion bash"}, {boot.OK, "completion zsh"}, {boot.OK, "completion fish"}, {boot.OK, "completion powershell"}, {boot.Usage, "completion"}, {boot.Usage, "completion csh"},
		{boot.Usage, "synth"}, {boot.Usage, "synth x"}, {boot.OK, "synth --out " + filepath.Join(dir, "s1") + " --subscribers 10"}, {boot.Conflict, "synth --out " + dir}, {boot.Usage, "synth --out " + filepath.Join(dir, "s2") + " --workers -1"},
	} {
		for _, form := range []string{"text", "json"} {
			args := strings.Fields(c.args)
			if form == "json" {
				if strings.Contains(c.args, "synth --out "+filepath.Join(dir, "s1")) || strings.Contains(c.args, "--output") {
					continue // it was made by the text form; or the form itself is what is wrong
				}
				args = append(args, "--output", "json")
			}
			got := call(t, good(), nil, args...)
			if got.code != c.want {
				t.Errorf("%s (%s): exit code %d, want %d\n%s", c.args, form, got.code, c.want, got.errors)
			}
			if (got.code != boot.OK) && (got.out != "" || got.errors == "") {
				t.Errorf("%s (%s): an error belongs on stderr and nothing on stdout: %q, %q", c.args, form, got.out, got.errors)
			}
			if got.code == boot.OK && got.out == "" {
				t.Errorf("%s (%s): nothing on stdout", c.args, form)
			}
			if form == "json" && got.code != boot.OK {
				last := got.errors[strings.LastIndex(strings.TrimSuffix(got.errors, "\n"), "\n")+1:]
				var e struct {
					Code    int     `json:"code"`
					Message string  `json:"message"`
					Hint    *string `json:"hint"`
				}
				if err := json.Unmarshal([]byte(last), &e); err != nil || e.Code != c.want || e.Message == "" || e.Hint == nil {
					t.Errorf("%s: the error is not JSON with code, message and hint: %s", c.args, last)
				}
			}
		}
	}
}

func TestErrorsOfTheWorkHaveTheirExitCodes(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	file := filepath.Join(dir, "job.yaml")
	for _, c := range []struct {
		err  error
		want int
	}{
		{fmt.Errorf("rejects: %w", local.ErrHeld), boot.Held},
		{fmt.Errorf("work: %w", local.ErrLocked), boot.Conflict},
		{fmt.Errorf("out: %w", local.ErrOtherJob), boot.Conflict},
		{fmt.Errorf("in: %w", local.ErrInput), boot.Failure},
		{fmt.Errorf("open input.path: %w", fs.ErrNotExist), boot.NotFound},
		{context.DeadlineExceeded, boot.Deadline},
		{fmt.Errorf("%w by signal", boot.ErrInterrupted), boot.Interrupted},
		{errors.New("disk full"), boot.Failure},
	} {
		for _, args := range [][]string{{"run", file}, {"plan", file}, {"versions", file}, {"features", "export", file, "--out", "f"}} {
			if got := call(t, failing(c.err), nil, args...); got.code != c.want || !strings.Contains(got.errors, c.err.Error()) {
				t.Errorf("%v of %q: exit code %d, want %d: %s", args, c.err, got.code, c.want, got.errors)
			}
		}
	}
	if got := call(t, failing(province.ErrNotEmpty), nil, "synth", "--out", filepath.Join(dir, "new")); got.code != boot.Conflict {
		t.Errorf("synth over a province: exit code %d", got.code)
	}
	if got := call(t, failing(fmt.Errorf("%w: format", province.ErrOption)), nil, "synth", "--out", filepath.Join(dir, "new")); got.code != boot.Usage {
		t.Errorf("synth with a wrong option: exit code %d", got.code)
	}
	if got := call(t, failing(fs.ErrExist), nil, "features", "export", file, "--out", "f"); got.code != boot.Conflict {
		t.Errorf("export over a file: exit code %d", got.code)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("%w by signal", boot.ErrInterrupted))
	if got := callIn(ctx, failing(errors.New("leases given back")), nil, "", "run", file); got.code != boot.Interrupted {
		t.Errorf("interrupted: exit code %d", got.code)
	}
}

func TestRunEndsWithTheContractsObject(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	got := call(t, good(), nil, "run", filepath.Join(dir, "job.yaml"), "--output", "json")
	lines := strings.Split(strings.TrimSuffix(got.out, "\n"), "\n")
	want := fmt.Sprintf(`{"job":"202610-0123456789ab","version":"v1","path":%q,"rows":{"in":10,"scored":6,"excluded":1,"rejected":2,"duplicate":1},"digest":"d","seconds":2,"rows_per_second":5,`, filepath.Join(dir, "out", "v1"))
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, want) || !json.Valid([]byte(last)) {
		t.Errorf("got\n%s\nwant\n%s…", last, want)
	}
	if !strings.Contains(got.errors, "published version v1") {
		t.Errorf("no summary on stderr: %s", got.errors)
	}
	if quiet := call(t, good(), nil, "run", filepath.Join(dir, "job.yaml"), "--output", "json", "--quiet"); quiet.errors != "" || !strings.HasPrefix(quiet.out, want) {
		t.Errorf("quiet: %q", quiet.errors)
	}
	text := call(t, good(), nil, "run", filepath.Join(dir, "job.yaml"))
	if !strings.Contains(text.out, "published version v1") || !strings.Contains(text.out, "60.00%") {
		t.Errorf("got %s", text.out)
	}

	got = call(t, good(), nil, "versions", filepath.Join(dir, "job.yaml"), "--output", "json")
	var list []map[string]any
	if err := json.Unmarshal([]byte(got.out), &list); err != nil || len(list) != 1 {
		t.Fatalf("versions: %s: %v", got.out, err)
	}
	for _, key := range []string{"job", "version", "path", "rows", "digest", "seconds", "rows_per_second", "month", "current", "published_at"} {
		if _, ok := list[0][key]; !ok {
			t.Errorf("a version without %s: %s", key, got.out)
		}
	}
}

func TestWorkGetsWhatWasAsked(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	var got local.Options
	w := good()
	w.run = func(_ context.Context, o local.Options) (local.Outcome, error) {
		got = o
		o.Progress(local.Progress{Stage: "score", RowsDone: 1, RowsTotal: 2})
		return local.Outcome{}, nil
	}
	c := call(t, w, []string{"RESCORE_RUN__BATCH_ROWS=77"}, "run", filepath.Join(dir, "job.yaml"), "--set", "gates.reject_share_max=0.5", "--partition-rows", "99", "--release", "tested")
	if c.code != boot.OK {
		t.Fatal(c.errors)
	}
	if got.Base != dir || got.Spec.Run.BatchRows != 77 || got.Spec.Run.PartitionRows != 99 || got.Spec.Gates.RejectShareMax != 0.5 ||
		got.Release != "tested" || got.Spec.Run.Workers < 1 || got.Spec.Run.Work != ".rescore/base" || got.Log == nil {
		t.Errorf("got %+v", got)
	}
	for line := range strings.Lines(c.errors) {
		if !json.Valid([]byte(line)) {
			t.Errorf("progress that is no terminal's is JSON: %s", line)
		}
	}
	c = callIn(t.Context(), w, nil, jobText, "run", "-")
	if wd, err := os.Getwd(); err != nil || c.code != boot.OK || got.Base != wd {
		t.Errorf("a job file on stdin: code %d, base %s: %s", c.code, got.Base, c.errors)
	}
}

func TestADeadlineThatPassesIsSaidAsOne(t *testing.T) {
	t.Parallel()
	w := good()
	w.run = func(ctx context.Context, _ local.Options) (local.Outcome, error) {
		<-ctx.Done()
		return local.Outcome{}, context.Cause(ctx)
	}
	got := call(t, w, nil, "run", filepath.Join(folder(t), "job.yaml"), "--deadline", "1ms", "-q")
	if got.code != boot.Deadline || !strings.Contains(got.errors, "the time allowed, 1ms, ran out") || !strings.Contains(got.errors, "run the same command again") {
		t.Errorf("got %+v", got)
	}
}

func TestBadJobFileIsReportedWholeInBothForms(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(folder(t), "bad.yaml")
	got := call(t, good(), nil, "run", bad)
	for _, want := range []string{"the job file has 6 problems", bad + ":1:7: name", bad + ":2:8: month", bad + ":3:7: run.wrokers", "did you mean workers?", "input.path", "model.path", "output.path"} {
		if !strings.Contains(got.errors, want) {
			t.Errorf("no %q in\n%s", want, got.errors)
		}
	}
	got = call(t, good(), nil, "config", "validate", bad, "--output=json")
	var e struct{ Problems []job.Problem }
	if err := json.Unmarshal([]byte(got.errors), &e); err != nil || len(e.Problems) != 6 || e.Problems[0].Line != 1 || e.Problems[0].Remedy == "" {
		t.Errorf("%v: %s", err, got.errors)
	}
}

func TestViewSaysWhereEveryValueComesFrom(t *testing.T) {
	t.Parallel()
	file := filepath.Join(folder(t), "job.yaml")
	got := call(t, good(), []string{"RESCORE_RUN__WORKERS=3", "RESCORE_NAME=env"}, "config", "view", file, "--origin", "--set", "name=set", "--workers=4")
	for path, want := range map[string]string{"name": "flag --set name", "run.workers": "flag --workers", "month": file + ":2:8", "rules.t2_mode": "default"} {
		found := false
		for line := range strings.Lines(got.out) {
			found = found || strings.HasPrefix(line, path+" ") && strings.HasSuffix(line, want+"\n") && len(strings.TrimSuffix(line, want+"\n")) < 100
		}
		if !found {
			t.Errorf("no line for %s from %s in\n%s", path, want, got.out)
		}
	}
	// what view prints is a job file again
	got = call(t, good(), nil, "config", "view", file)
	if again := callIn(t.Context(), good(), nil, got.out, "config", "view", "-"); again.out != got.out || again.code != boot.OK {
		t.Errorf("%s\nbecame\n%s%s", got.out, again.out, again.errors)
	}
}

func TestDefaultFileNeedsOnlyWhatHasNoDefault(t *testing.T) {
	t.Parallel()
	got := call(t, good(), nil, "config", "default")
	if !strings.Contains(got.out, "# format is parquet, arrow or csv.") {
		t.Errorf("no comments in\n%s", got.out)
	}
	_, err := job.Decode("default", []byte(got.out), job.Overlay{Path: "name", Text: "a"}, job.Overlay{Path: "month", Text: "202610"},
		job.Overlay{Path: "input.path", Text: "a"}, job.Overlay{Path: "model.path", Text: "m"}, job.Overlay{Path: "output.path", Text: "o"})
	if err != nil {
		t.Error(err)
	}
}

func TestSynthWritesAJobFileThatIsRightAndKeepsOneThatIsThere(t *testing.T) {
	t.Parallel()
	for _, layout := range []string{"wide", "months"} {
		for _, format := range []string{"parquet", "csv"} {
			dir := filepath.Join(t.TempDir(), "p")
			var o province.Options
			w := good()
			make := w.synth
			w.synth = func(ctx context.Context, d string, got province.Options) (province.Summary, error) {
				o = got
				return make(ctx, d, got)
			}
			c := call(t, w, nil, "synth", "--out", dir, "--subscribers", "5", "--seed", "9", "--month", "202402", "--layout", layout, "--format", format, "--clean")
			if c.code != boot.OK || !strings.Contains(c.out, "next: rescore run "+filepath.Join(dir, "job.yaml")) {
				t.Fatalf("%+v", c)
			}
			if o.Layout != layout || o.Format != format || o.Province.Seed != 9 || o.Province.Month != 202402 || o.Province.DuplicateRate != 0 || o.Workers < 1 || o.Files < 1 || o.Files > 5 {
				t.Errorf("got %+v", o)
			}
			data, err := os.ReadFile(filepath.Join(dir, "job.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			d, err := job.Decode("job.yaml", data)
			if err != nil {
				t.Fatal(err)
			}
			if d.Spec.Month != 202402 || d.Spec.Input.Layout != layout || d.Spec.Input.Format != format {
				t.Errorf("got\n%s", data)
			}
			if c := call(t, w, nil, "synth", "--out", dir); c.code != boot.Conflict {
				t.Errorf("over a job file: %+v", c)
			}
			if c := call(t, w, nil, "synth", "--out", dir, "--force", "--output", "json"); c.code != boot.OK || !json.Valid([]byte(c.out)) {
				t.Errorf("with --force: %+v", c)
			}
		}
	}
}

// each visits every command a user can call.
func each(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, c := range cmd.Commands() {
		each(c, visit)
	}
}

func newRoot() *cobra.Command {
	return (&app{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}, work: good(), terminal: progress.Terminal}).root()
}

func TestEveryCommandExplainsItselfWithExamplesThatParse(t *testing.T) {
	t.Parallel()
	count := 0
	each(newRoot(), func(cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short help %q", cmd.CommandPath(), cmd.Short)
		}
		if cmd.Runnable() && cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Example) {
			start := strings.Index(line, "rescore ")
			if start < 0 {
				t.Errorf("%s: an example of something else: %s", cmd.CommandPath(), line)
				continue
			}
			line, _, _ = strings.Cut(strings.TrimSpace(line[start:]), " >")
			args := words(strings.TrimRight(line, ")"))[1:]
			found, rest, err := newRoot().Find(args)
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err == nil && found.Args != nil {
				err = found.Args(found, found.Flags().Args())
			}
			if err != nil || !found.Runnable() {
				t.Errorf("%s: example %q: %v", cmd.CommandPath(), line, err)
			}
			count++
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s has no help", cmd.CommandPath(), f.Name)
			}
		})
	})
	if count < 15 {
		t.Errorf("only %d examples", count)
	}
}

// words splits a command line at spaces outside double quotes.
func words(line string) []string {
	var list []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			list = append(list, part)
		} else {
			list = append(list, strings.Fields(part)...)
		}
	}
	return list
}

func TestCompletionKnowsCommandsFilesFlagsAndKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{""}, "run\t"},
		{[]string{"config", ""}, "validate\t"},
		{[]string{"run", "--output", ""}, "json\n"},
		{[]string{"run", "--set", "run.w"}, "run.workers=\n"},
		{[]string{"run", ""}, "yaml\n"},
		{[]string{"synth", "--layout", ""}, "months\n"},
		{[]string{"completion", ""}, "fish\n"},
	} {
		got := call(t, good(), nil, append([]string{"__complete"}, c.args...)...)
		if got.code != boot.OK || !strings.Contains(got.out, c.want) {
			t.Errorf("%q: code %d, no %q in %q", c.args, got.code, c.want, got.out)
		}
	}
	for shell, mark := range map[string]string{"bash": "__start_rescore", "zsh": "#compdef rescore", "fish": "complete -c rescore", "powershell": "Register-ArgumentCompleter"} {
		if got := call(t, good(), nil, "completion", shell); !strings.Contains(got.out, mark) {
			t.Errorf("%s: no %q", shell, mark)
		}
	}
}

func TestColourIsForTerminalsAndForThoseWhoDoNotObject(t *testing.T) {
	t.Parallel()
	file := filepath.Join(folder(t), "job.yaml")
	const bold = "\x1b[1m"
	for _, c := range []struct {
		terminal bool
		environ  []string
		args     []string
		want     bool
	}{
		{true, nil, nil, true},
		{true, []string{"TERM=xterm", "NO_COLOR="}, nil, true}, // NO_COLOR counts when it is not empty
		{false, []string{"TERM=xterm"}, nil, false},
		{true, []string{"NO_COLOR=1"}, nil, false},
		{true, []string{"TERM=dumb"}, nil, false},
		{true, nil, []string{"--no-color"}, false},
	} {
		var out, errs bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &errs, environ: c.environ, work: good(), terminal: func(io.Writer) bool { return c.terminal }}
		if code := a.execute(t.Context(), append([]string{"run", file}, c.args...)); code != boot.OK {
			t.Fatal(errs.String())
		}
		if got := strings.Contains(out.String(), bold); got != c.want {
			t.Errorf("%+v: coloured %v", c, got)
		}
	}
}

func TestProgressIsABarOnATerminalAndLinesUnderADumbOne(t *testing.T) {
	t.Parallel()
	file := filepath.Join(folder(t), "job.yaml")
	w := good()
	w.run = func(_ context.Context, o local.Options) (local.Outcome, error) {
		o.Progress(local.Progress{Stage: "score", RowsDone: 1, RowsTotal: 2})
		return local.Outcome{}, nil
	}
	for term, want := range map[string]string{"xterm": "\r\x1b[Kscore  50%", "dumb": `{"type":"progress","stage":"score"`} {
		var out, errs bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &errs, environ: []string{"TERM=" + term}, work: w, terminal: func(io.Writer) bool { return true }}
		if code := a.execute(t.Context(), []string{"run", file}); code != boot.OK || !strings.HasPrefix(errs.String(), want) {
			t.Errorf("%s: code %d, %q", term, code, errs.String())
		}
	}
}

// Not parallel: it changes the folder of the process.
func TestVersionsLooksHereWhenNothingIsNamed(t *testing.T) {
	dir := folder(t)
	var asked string
	w := good()
	w.versions = func(_ context.Context, dir string) ([]local.VersionInfo, error) {
		asked = dir
		return nil, nil
	}
	t.Chdir(dir)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	got := call(t, w, nil, "versions", "--output", "json")
	if asked != filepath.Join(here, "out") || got.out != "[]\n" {
		t.Errorf("beside a job file: asked %s, got %q", asked, got.out)
	}
	if err := os.Remove("job.yaml"); err != nil {
		t.Fatal(err)
	}
	if got := call(t, w, nil, "versions"); asked != "." || got.code != boot.OK || got.out != "" {
		t.Errorf("in a dataset: asked %s, got %+v", asked, got)
	}
}

func TestHelpListsTheExitCodes(t *testing.T) {
	t.Parallel()
	got := call(t, good(), nil, "help", "exit-codes")
	for _, c := range boot.Codes {
		if !strings.Contains(got.out, fmt.Sprintf("%3d  %s", c.Code, c.Kind)) {
			t.Errorf("no code %d in\n%s", c.Code, got.out)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("closed pipe") }

func TestAResultThatCannotBeWrittenIsAFailure(t *testing.T) {
	t.Parallel()
	file := filepath.Join(folder(t), "job.yaml")
	for _, args := range [][]string{{"run", file}, {"run", file, "--output", "json"}, {"plan", file}, {"versions", file}, {"config", "view", file}, {"config", "schema"}, {"version"}, {"features", "list"}} {
		a := &app{in: strings.NewReader(""), out: broken{}, err: &bytes.Buffer{}, work: good(), terminal: progress.Terminal}
		if code := a.execute(t.Context(), args); code != boot.Failure {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}
