package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rescore/cmd/internal/bench"
	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/local"
	"rescore/cmd/internal/progress"
)

func TestBenchJobEndsWithTheContractsObject(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	got := call(t, good(), []string{"HOME=" + dir}, "bench", "job", "--subscribers", "10", "--workers", "2", "--output", "json")
	if want := `{"subscribers":10,"workers":2,"seconds":2,"rows_per_second":5,"ns_per_row_core":0,"stages":{"score":{"seconds":1,`; got.code != boot.OK || !strings.HasPrefix(got.out, want) || !json.Valid([]byte(got.out)) {
		t.Errorf("code %d\n%s\nwant\n%s…", got.code, got.out, want)
	}
	if _, err := os.Stat(filepath.Join(dir, ".cache", "rescore", figuresName)); err != nil {
		t.Errorf("the figures are not kept: %v", err)
	}
	if text := call(t, good(), []string{"XDG_CACHE_HOME=" + dir}, "bench", "job", "--workers", "1,2", "--quiet"); text.errors != "" || !strings.Contains(text.out, "1000000 subscribers") || !strings.Contains(text.out, "efficiency") {
		t.Errorf("%q, %s", text.errors, text.out)
	}
}

func TestBenchJobSaysALineForEachSize(t *testing.T) {
	t.Parallel()
	kept := filepath.Join(t.TempDir(), "f.json")
	environ := []string{"HOME=" + t.TempDir()}
	got := call(t, good(), environ, "bench", "job", "--subscribers", "20, 10", "--figures", kept, "--output", "json", "--quiet")
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], `{"subscribers":20,`) || !strings.HasPrefix(lines[1], `{"subscribers":10,`) {
		t.Errorf("%s%s", got.errors, got.out)
	}
	if text := call(t, good(), environ, "bench", "job", "--subscribers", "20,10", "--quiet"); !strings.Contains(text.out, "CPU ns/row") {
		t.Errorf("%s%s", text.errors, text.out)
	}
	if list, err := bench.ReadFigures(kept); err != nil || len(list) != 2 {
		t.Errorf("of two sizes %d figures are kept: %v", len(list), err)
	}
}

func TestRunHoldsItsTimeAgainstTheFigures(t *testing.T) {
	t.Parallel()
	dir, home := folder(t), t.TempDir()
	environ := []string{"HOME=" + home}
	foretold := func(args ...string) *progress.Expected {
		t.Helper()
		got := call(t, good(), environ, append([]string{"run", filepath.Join(dir, "job.yaml"), "--output", "json"}, args...)...)
		var out struct{ Summary progress.Report }
		if err := json.Unmarshal([]byte(got.out), &out); err != nil {
			t.Fatalf("%v: %s", err, got.errors)
		}
		return out.Summary.Expected
	}
	if e := foretold("--workers", "2"); e != nil {
		t.Errorf("without figures: %+v", e)
	}
	for _, subscribers := range []int{20, 1_000_000} {
		if got := call(t, good(), environ, "bench", "job", "--subscribers", fmt.Sprint(subscribers), "--workers", "1,2", "--quiet"); got.code != boot.OK {
			t.Fatal(got.errors)
		}
	}
	// good publishes ten rows, half of what took two seconds; three were resumed, and
	// such a run is not held against anything.
	if e := foretold("--workers", "2"); e != nil {
		t.Errorf("a job that went on where it stopped: %+v", e)
	}
	whole := good()
	inner := whole.run
	whole.run = func(ctx context.Context, o local.Options) (local.Outcome, error) {
		out, err := inner(ctx, o)
		out.Resumed = 0
		return out, err
	}
	got := call(t, whole, environ, "run", filepath.Join(dir, "job.yaml"), "--workers", "2")
	if !strings.Contains(got.out, "predicted 1.00 s by rescore bench job of 2026-11-22T00:00:00Z") {
		t.Errorf("no prediction: %s", got.out)
	}
	for _, workers := range []string{"3"} {
		if got := call(t, whole, environ, "run", filepath.Join(dir, "job.yaml"), "--workers", workers); strings.Contains(got.out, "predicted") {
			t.Errorf("%s workers were not measured: %s", workers, got.out)
		}
	}
}
