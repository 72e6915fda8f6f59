package boot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"rescore/partition/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const file = "name: base\nmonth: 202610\ninput: {path: a.csv}\nmodel: {path: builtin:baseline}\noutput: {path: out}\n"

func TestFlagsWinOverEnvironmentOverFileOverDefaults(t *testing.T) {
	t.Parallel()
	env := "RESCORE_RUN__WORKERS=3"
	for _, c := range []struct {
		name    string
		file    string
		environ []string
		args    []string
		sets    []string
		want    int
		origin  string
	}{
		{"default", file, nil, nil, nil, 0, "default"},
		{"file", file + "run: {workers: 2}\n", nil, nil, nil, 2, "job.yaml:6:16"},
		{"environment", file + "run: {workers: 2}\n", []string{env}, nil, nil, 3, "environment RESCORE_RUN__WORKERS"},
		{"environment alone", file, []string{env}, nil, nil, 3, "environment RESCORE_RUN__WORKERS"},
		{"flag", file + "run: {workers: 2}\n", []string{env}, []string{"--workers=4"}, nil, 4, "flag --workers"},
		{"set", file + "run: {workers: 2}\n", []string{env}, []string{"--workers=4"}, []string{"run.workers=5"}, 5, "flag --set run.workers"},
		{"flag to its default", file + "run: {workers: 2}\n", nil, []string{"--workers=0"}, nil, 0, "flag --workers"},
		{"empty environment", file + "run: {workers: 2}\n", []string{"RESCORE_RUN__WORKERS="}, nil, nil, 2, "job.yaml:6:16"},
		{"not ours", file, []string{"RUN__WORKERS=9", "RESCORE_LONG=1", "RESCORE_LOG_LEVEL=debug", "RESCORE_", "PATH=/bin"}, nil, nil, 0, "default"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fs := pflag.NewFlagSet("t", pflag.ContinueOnError)
			fs.Int("workers", 0, "")
			Bind(fs, "workers", "run.workers")
			if err := fs.Parse(c.args); err != nil {
				t.Fatal(err)
			}
			d, err := Load("job.yaml", []byte(c.file), t.TempDir(), c.environ, fs, c.sets)
			if err != nil {
				t.Fatal(err)
			}
			if d.Spec.Run.Workers != c.want || d.Origin("run.workers").String() != c.origin {
				t.Errorf("workers %d from %s, want %d from %s", d.Spec.Run.Workers, d.Origin("run.workers"), c.want, c.origin)
			}
		})
	}
}

func TestUnknownVariablesAndKeysAreErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		environ, sets []string
		want          string
	}{
		{[]string{"RESCORE_RUN__WRKERS=3"}, nil, "environment RESCORE_RUN__WRKERS: run.wrkers: this key is not known; did you mean workers?"},
		{[]string{"RESCORE_RUN_WORKERS=3"}, nil, "environment RESCORE_RUN_WORKERS: run_workers: this key is not known"},
		{nil, []string{"runs.workers=3"}, "flag --set runs.workers: runs: this key is not known; did you mean run?"},
		{nil, []string{"run.workers"}, "--set run.workers has no key and value"},
		{nil, []string{"=3"}, "--set =3 has no key and value"},
	} {
		_, err := Load("job.yaml", []byte(file), t.TempDir(), c.environ, nil, c.sets)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || ExitCode(t.Context(), err) != Usage {
			t.Errorf("%v %v: got %v, want %s", c.environ, c.sets, err, c.want)
		}
	}
}

type coded struct{ code int }

func (c coded) Error() string { return "coded" }
func (c coded) ExitCode() int { return c.code }
func (c coded) Hint() string  { return "do this" }

func TestEveryErrorHasItsExitCode(t *testing.T) {
	t.Parallel()
	interrupted, cancel := context.WithCancelCause(context.Background())
	cancel(fmt.Errorf("%w by signal", ErrInterrupted))
	for _, c := range []struct {
		ctx  context.Context
		err  error
		want int
	}{
		{t.Context(), nil, OK},
		{t.Context(), errors.New("x"), Failure},
		{t.Context(), Usagef("", "x"), Usage},
		{t.Context(), job.Problems{{Message: "x"}}, Usage},
		{t.Context(), fmt.Errorf("open: %w", fs.ErrNotExist), NotFound},
		{t.Context(), fmt.Errorf("run: %w", coded{Held}), Held},
		{t.Context(), errors.Join(errors.New("a"), coded{Conflict}), Conflict},
		{t.Context(), fmt.Errorf("x: %w", WithCode(fs.ErrNotExist, Failure, "")), Failure},
		{t.Context(), context.DeadlineExceeded, Deadline},
		{t.Context(), context.Canceled, Interrupted},
		{interrupted, errors.New("write: closed"), Interrupted},
		{interrupted, coded{Failure}, Interrupted},
		{interrupted, nil, OK},
	} {
		if got := ExitCode(c.ctx, c.err); got != c.want {
			t.Errorf("%v: code %d, want %d", c.err, got, c.want)
		}
	}
	seen := map[int]bool{}
	for _, c := range Codes {
		if seen[c.Code] || Kind(c.Code) != c.Kind || c.Meaning == "" {
			t.Errorf("the table is wrong at %+v", c)
		}
		seen[c.Code] = true
	}
}

func TestAnErrorIsReportedForPeopleAndForPrograms(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if code := Report(t.Context(), &out, true, fmt.Errorf("run: %w", coded{Held})); code != Held {
		t.Errorf("code %d", code)
	}
	if got, want := out.String(), `{"code":6,"message":"run: coded","hint":"do this","kind":"held"}`+"\n"; got != want {
		t.Errorf("got %s want %s", got, want)
	}
	out.Reset()
	Report(t.Context(), &out, false, coded{Held})
	if got, want := out.String(), "rescore: coded\n  do this\n"; got != want {
		t.Errorf("got %q want %q", got, want)
	}
	out.Reset()
	problems := job.Problems{{File: "j", Line: 1, Column: 2, Path: "p", Message: "m", Remedy: "r"}, {File: "flag", Message: "n"}}
	Report(t.Context(), &out, false, problems)
	if got, want := out.String(), "rescore: the job file has 2 problems\n  j:1:2: p: m; r\n  flag: n\n"; got != want {
		t.Errorf("got %q want %q", got, want)
	}
	out.Reset()
	Report(t.Context(), &out, true, problems)
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Code != Usage || len(r.Problems) != 2 || r.Problems[0].Remedy != "r" || r.Hint == "" {
		t.Errorf("got %s: %v", out.String(), err)
	}
	out.Reset()
	for _, err := range []error{context.DeadlineExceeded, context.Canceled, fs.ErrNotExist} {
		Report(t.Context(), &out, true, err)
		if strings.Contains(out.String(), `"hint":""`) {
			t.Errorf("%v has no hint: %s", err, out.String())
		}
		out.Reset()
	}
	if code := Report(t.Context(), &out, true, nil); code != OK || out.Len() > 0 {
		t.Errorf("success wrote %q", out.String())
	}
}

func TestFirstSignalCancelsWithACauseAndSecondExits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan os.Signal)
		code := -1
		ctx, stop := watch(t.Context(), ch, func(c int) { code = c })
		defer stop()
		ch <- syscall.SIGTERM
		synctest.Wait()
		if !errors.Is(context.Cause(ctx), ErrInterrupted) || !strings.Contains(context.Cause(ctx).Error(), "terminated") || code != -1 {
			t.Fatalf("cause %v, exit %d", context.Cause(ctx), code)
		}
		ch <- os.Interrupt
		synctest.Wait()
		if code != Interrupted {
			t.Errorf("exit %d, want %d", code, Interrupted)
		}
	})
}

func TestWithoutASignalStoppingIsNoInterrupt(t *testing.T) {
	t.Parallel()
	ctx, stop := Signals(t.Context())
	stop()
	if ctx.Err() == nil || errors.Is(context.Cause(ctx), ErrInterrupted) {
		t.Errorf("cause %v", context.Cause(ctx))
	}
}

func TestLogIsJSONAtTheLevelAskedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		level   string
		environ []string
		lines   int
	}{
		{"", nil, 1}, {"info", nil, 2}, {"", []string{"RESCORE_LOG_LEVEL=info"}, 2}, {"error", []string{"RESCORE_LOG_LEVEL=info"}, 0},
	} {
		var out bytes.Buffer
		l, err := Logger(&out, c.level, c.environ)
		if err != nil {
			t.Fatal(err)
		}
		l.Info("a", "job", "x")
		l.Warn("b")
		if got := strings.Count(out.String(), "\n"); got != c.lines {
			t.Errorf("%+v: %d lines", c, got)
		}
		for line := range strings.Lines(out.String()) {
			if !json.Valid([]byte(line)) {
				t.Errorf("not JSON: %s", line)
			}
		}
	}
	if _, err := Logger(nil, "loud", nil); ExitCode(t.Context(), err) != Usage {
		t.Errorf("level loud: %v", err)
	}
	if _, err := Logger(nil, "", []string{"RESCORE_LOG_LEVEL=loud"}); err == nil || !strings.Contains(err.Error(), "RESCORE_LOG_LEVEL loud") {
		t.Errorf("level loud: %v", err)
	}
}
