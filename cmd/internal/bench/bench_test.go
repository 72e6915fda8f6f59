package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/capacity"
	"rescore/cmd/internal/machine"
	"rescore/cmd/internal/progress"
	"rescore/cmd/internal/rig"
	"rescore/worker/bundle"
)

var program string

func TestMain(m *testing.M) { rig.Main(m, &program) }

// small is a job that is measured in a moment.
func small(t *testing.T) Job {
	t.Helper()
	return Job{Subscribers: []int64{3000}, Workers: []int{2}, Repeat: 1, Record: Full, Dir: filepath.Join(t.TempDir(), "bench"), Program: program, Environ: os.Environ(), Rescore: "v1"}
}

func measure(t *testing.T, j Job) Report {
	t.Helper()
	r, err := j.Measure(t.Context())
	if err != nil || len(r) != 1 {
		t.Fatalf("%d reports, %v", len(r), err)
	}
	return r[0]
}

// inside lists what is left of a bench.
func inside(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// contract are the keys that other tools rely on, in their order.
var contract = []string{"subscribers", "workers", "seconds", "rows_per_second", "ns_per_row_core", "stages", "bytes_read", "bytes_written", "max_rss_bytes"}

func TestASweepIsMeasuredAndLeavesNothing(t *testing.T) {
	t.Parallel()
	j := small(t)
	j.Workers, j.Repeat = []int{1, 2}, 2
	j.Environ = append(j.Environ, "RESCORE_OUTPUT__PATH=/nowhere", "RESCORE_RUN__PARTITION_ROWS=nonsense") // not the bench's business
	stages := map[string]bool{}
	last := 0.0
	j.Progress = func(s progress.Sample) {
		stages[s.Stage] = true
		if s.Stage == "bench" {
			if done := float64(s.RowsDone) / float64(s.RowsTotal); done < last || done > 1 {
				t.Errorf("progress goes from %v to %v", last, done)
			} else {
				last = done
			}
		}
	}
	r := measure(t, j)
	if r.Subscribers != 3000 || r.Workers != 2 || len(r.Repeats) != 2 || len(r.Sweep) != 2 || r.Sweep[0].Workers != 1 || r.Sweep[1].Workers != 2 {
		t.Errorf("%+v", r)
	}
	if !(r.Seconds > 0 && r.Fastest <= r.P10 && r.P10 <= r.Seconds && r.Seconds <= r.P90 && r.ProcessSeconds > 0 && !r.Cold) {
		t.Errorf("seconds: %v, %v to %v, process %v, cold %t", r.Seconds, r.P10, r.P90, r.ProcessSeconds, r.Cold)
	}
	if near := r.RowsPerSecond * r.Seconds; near < 2999.9 || near > 3000.1 {
		t.Errorf("%v rows a second for %v s", r.RowsPerSecond, r.Seconds)
	}
	if near := r.NsPerRowCore * 3000 / 2e9 / r.Seconds; near < 0.999 || near > 1.001 {
		t.Errorf("%v ns a row and core for %v s of two", r.NsPerRowCore, r.Seconds)
	}
	for _, name := range []string{"survey", "score", "select", "publish"} {
		if s, ok := r.Stages[name]; !ok || s.Seconds < 0 || s.Seconds > r.P90 {
			t.Errorf("stage %s: %+v", name, s)
		}
	}
	if s := r.Stages["score"]; !(s.Read > 0 && s.Score > 0 && s.Write > 0 && s.Verify > 0) {
		t.Errorf("the score stage did not do everything: %+v", s)
	}
	if r.InputBytes < 3000 || r.OutputBytes < 3000 || r.Model != "builtin:baseline" || len(r.ModelDigest) != 64 || r.Digest == "" || r.Machine.Rescore != "v1" {
		t.Errorf("%+v", r)
	}
	if machine.Used().BytesRead > 0 && (r.BytesRead < r.InputBytes || r.BytesWritten < r.OutputBytes || r.MaxRSS < 1<<20 || r.CPUSeconds <= 0) {
		t.Errorf("read %d of %d, written %d of %d, memory %d", r.BytesRead, r.InputBytes, r.BytesWritten, r.OutputBytes, r.MaxRSS)
	}
	if e := r.Sweep[0].Efficiency; e == nil || *e != 1 {
		t.Errorf("one worker against itself: %v", e)
	}
	if one, two := r.Sweep[0].MachineSpeedup, r.Sweep[1].MachineSpeedup; runtime.GOOS == "linux" && (one == nil || *one != 1 || two == nil || *two <= 0) {
		t.Errorf("the machine's speedup of one worker %v, of two %v", one, two)
	}
	if !stages["base"] || !stages["bench"] || last == 0 {
		t.Errorf("progress showed %v, up to %v", stages, last)
	}
	if left := inside(t, j.Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	line, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, key := range contract {
		next := bytes.Index(line, []byte(`"`+key+`":`))
		if next < at {
			t.Fatalf("%s is not in its place: %s", key, line)
		}
		at = next
	}
	if m := r.Figures(); len(m.Runs) != 2 || m.Subscribers != 3000 || m.ModelDigest != r.ModelDigest {
		t.Errorf("figures %+v", m)
	}

	page := filepath.Join(t.TempDir(), "report.md")
	if err := Write(page, []Report{r}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, plot := range []string{"report.stages.svg", "report.workers.svg"} {
		if !strings.Contains(string(text), "]("+plot+")") {
			t.Errorf("the page does not show %s", plot)
		}
		if svg, err := os.ReadFile(filepath.Join(filepath.Dir(page), plot)); err != nil || !bytes.HasPrefix(svg, []byte("<svg ")) {
			t.Errorf("%s: %v", plot, err)
		}
	}
	if found := regexp.MustCompile(`(?m)^\|.*\b(NaN|Inf)\b`).Find(text); found != nil {
		t.Errorf("no figure: %s", found)
	}
}

func TestSizesAreMeasuredInTurns(t *testing.T) {
	t.Parallel()
	j := small(t)
	j.Subscribers, j.Workers = []int64{3000, 500}, []int{1, 2}
	before := []int64{0, 3000, 6000, 6500, 7000, 10_000, 13_000, 13_500, 14_000} // rows, when a run begins
	j.Progress = func(s progress.Sample) {
		if s.Stage != "bench" {
			return
		}
		if s.RowsTotal != 14_000 || s.TasksTotal != 8 || s.RowsDone < before[s.TasksDone] || s.RowsDone > before[s.TasksDone+1] {
			t.Errorf("%d of %d rows are done in run %d of %d", s.RowsDone, s.RowsTotal, s.TasksDone, s.TasksTotal)
		}
	}
	reports, err := j.Measure(t.Context())
	if err != nil || len(reports) != 2 {
		t.Fatalf("%d reports, %v", len(reports), err)
	}
	for i, r := range reports {
		if r.Subscribers != j.Subscribers[i] || r.Workers != 2 || len(r.Repeats) != 1 || len(r.Sweep) != 2 || r.InputBytes == 0 {
			t.Errorf("%+v", r)
		}
		if near := r.CPUNsPerRow * float64(r.Subscribers) / 1e9 / r.CPUSeconds; near < 0.999 || near > 1.001 {
			t.Errorf("%v ns a row of %v s", r.CPUNsPerRow, r.CPUSeconds)
		}
	}
	if reports[0].Digest == reports[1].Digest {
		t.Error("two bases gave the same rows")
	}
	if more := More(reports); min(more[0], more[1]) != 0 || max(more[0], more[1]) <= 0 {
		t.Errorf("a row costs more by %v", more)
	}
	if left := inside(t, j.Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	page := filepath.Join(t.TempDir(), "report.md")
	if err := Write(page, reports); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, plot := range []string{"report.sizes.svg", "report.3000.stages.svg", "report.3000.workers.svg", "report.500.stages.svg"} {
		if !strings.Contains(string(text), "]("+plot+")") {
			t.Errorf("the page does not show %s", plot)
		}
		if svg, err := os.ReadFile(filepath.Join(filepath.Dir(page), plot)); err != nil || !bytes.HasPrefix(svg, []byte("<svg ")) {
			t.Errorf("%s: %v", plot, err)
		}
	}
	if found := regexp.MustCompile(`(?m)^\|.*\b(NaN|Inf)\b`).Find(text); found != nil {
		t.Errorf("no figure: %s", found)
	}
}

func TestANarrowBaseIsKeptAndUsedAgain(t *testing.T) {
	t.Parallel()
	j := small(t)
	j.Record, j.Keep = Narrow, true
	first := measure(t, j)
	if len(inside(t, j.Dir)) != 1 || first.Model != narrowName || len(first.Sweep) != 0 {
		t.Fatalf("left %v of %+v", inside(t, j.Dir), first)
	}
	j.Keep = false
	j.Progress = func(s progress.Sample) {
		if s.Stage == "base" {
			t.Error("the base is made anew")
		}
	}
	second := measure(t, j)
	if first.Digest != second.Digest || first.InputBytes != second.InputBytes {
		t.Errorf("%s of %d bytes, then %s of %d", first.Digest, first.InputBytes, second.Digest, second.InputBytes)
	}
	if len(inside(t, j.Dir)) != 1 {
		t.Errorf("a base that was there before is gone: %v", inside(t, j.Dir))
	}
}

// TestAColdRunIsAProcess: its start counts, and what it used is its own.
func TestAColdRunIsAProcess(t *testing.T) {
	t.Parallel()
	j := small(t)
	warm := measure(t, j)
	j.Cold, j.Repeat = true, 2
	cold := measure(t, j)
	if !cold.Cold || cold.Digest != warm.Digest || len(cold.Repeats) != 2 || cold.ProcessSeconds <= cold.Fastest {
		t.Errorf("%+v", cold)
	}
	if machine.Used().BytesRead > 0 && cold.BytesWritten > 2*warm.BytesWritten {
		t.Errorf("a run that was warm wrote %d bytes, a cold one %d", warm.BytesWritten, cold.BytesWritten)
	}
	if left := inside(t, j.Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if !strings.Contains(string(cold.Markdown([]string{"a.svg"})), "median of 2 runs in a process each") || !strings.Contains(string(warm.Markdown([]string{"a.svg"})), "median of 1 runs in one process") {
		t.Error("the page does not say which")
	}
}

// TestAHouseThatEndsSaysWhy: in the middle of its runs, too.
func TestAHouseThatEndsSaysWhy(t *testing.T) {
	t.Parallel()
	j := small(t)
	j.Keep = true
	measure(t, j)
	base := filepath.Join(j.Dir, inside(t, j.Dir)[0], "base")
	runs := 0
	j.Repeat = 50
	j.Progress = func(s progress.Sample) {
		if s.Stage == "bench" && s.TasksDone > runs {
			if runs++; runs == 2 {
				if err := os.RemoveAll(base); err != nil {
					t.Error(err)
				}
			}
		}
	}
	_, err := j.Measure(t.Context())
	if err == nil || !strings.Contains(err.Error(), "input.path") || errors.Is(err, errHouse) {
		t.Errorf("a base that is gone: %v", err)
	}
	if left := inside(t, j.Dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// interrupted wants the end of a run that was interrupted: what was cut off may say
// that it was cancelled or why, and the process ends with the same code.
func interrupted(t *testing.T, ctx context.Context, err error) {
	t.Helper()
	if boot.ExitCode(ctx, err) != boot.Interrupted || !errors.Is(err, boot.ErrInterrupted) && !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted, and ended with %v", err)
	}
}

func TestAnInterruptLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, stage := range []string{"base", "bench"} {
		j := small(t)
		j.Subscribers, j.Repeat = []int64{60_000, 10}, 100
		ctx, stop := context.WithCancelCause(t.Context())
		j.Progress = func(s progress.Sample) {
			if s.Stage == stage {
				stop(boot.ErrInterrupted)
			}
		}
		_, err := j.Measure(ctx)
		interrupted(t, ctx, err)
		if left := inside(t, j.Dir); len(left) > 0 {
			t.Errorf("stopped at %s, left behind: %v", stage, left)
		}
	}
}

func TestWhatARunSaysOfItsFailureIsSaid(t *testing.T) {
	t.Parallel()
	j := small(t)
	j.Model = filepath.Join(t.TempDir(), "none.txt")
	_, err := j.Measure(t.Context())
	if err == nil || !strings.Contains(err.Error(), "none.txt") || boot.ExitCode(t.Context(), err) != boot.NotFound {
		t.Errorf("a model that is not there: %v, code %d", err, boot.ExitCode(t.Context(), err))
	}
	if left := inside(t, j.Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	j.Program = filepath.Join(t.TempDir(), "none")
	if _, err := j.Measure(t.Context()); err == nil {
		t.Error("a program that is not there was run")
	}
	j.Subscribers = []int64{1 << 50}
	if _, err := j.Measure(t.Context()); machine.Describe(j.Dir, "").DiskFree > 0 && (err == nil || !strings.Contains(err.Error(), "GB free")) {
		t.Errorf("a base larger than any disk: %v", err)
	}
}

func TestTheNarrowModelIsAHundredTreesOver40ColumnsOfTheBase(t *testing.T) {
	t.Parallel()
	text, err := narrowModel()
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Read(narrowName, text)
	if err != nil {
		t.Fatal(err)
	}
	if e := b.Model; e.Trees() != 100 || !slices.Equal(e.Features, narrowColumns()) || len(e.Features) != 40 {
		t.Errorf("%d trees over %d features", e.Trees(), len(e.Features))
	}
	asked := map[int32]bool{}
	for i := range b.Model.Trees() {
		tree := b.Model.Tree(i)
		if len(tree.Feature) != 30 {
			t.Errorf("tree %d has %d splits, want 30", i, len(tree.Feature))
		}
		for _, f := range tree.Feature {
			asked[f] = true
		}
	}
	if len(asked) < 35 {
		t.Errorf("the trees ask about %d columns only", len(asked))
	}
	if digest, err := NarrowDigest(); err != nil || digest != b.Digest {
		t.Errorf("its digest is %s, want %s, %v", digest, b.Digest, err)
	}
	if again, err := narrowModel(); err != nil || !bytes.Equal(text, again) {
		t.Errorf("made again it is another model, %v", err)
	}
}

func TestPercentilesAreThoseOfTheList(t *testing.T) {
	t.Parallel()
	list := []float64{5, 1, 4, 2, 3}
	for share, want := range map[float64]float64{0: 1, 0.25: 2, 0.5: 3, 0.9: 4.6, 1: 5} {
		if got := quantile(list, share); got < want-1e-12 || got > want+1e-12 {
			t.Errorf("%v of it lie below %v, want %v", share, got, want)
		}
	}
	if got := quantile([]float64{7}, 0.1); got != 7 || list[0] != 5 {
		t.Errorf("of one: %v; the list is now %v", got, list)
	}
}

func TestARunIsHeardLineByLine(t *testing.T) {
	t.Parallel()
	var seen []float64
	l := &listener{update: func(share float64) { seen = append(seen, share) }}
	for _, part := range []string{`{"type":"progress","stage":"score","sha`, "re\":1}\n", "a warning\n\n", `{"type":"progress","stage":"unheard of","share":1}` + "\n", `{"code":7,"message":"locked","hint":"wait"}`} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	err := l.explain(errors.New("exit status 7"))
	if len(seen) != 1 || seen[0] != 0.8 || !strings.Contains(err.Error(), "locked") || boot.ExitCode(t.Context(), err) != boot.Conflict {
		t.Errorf("%v, %v", seen, err)
	}
	if err := (&listener{last: "it fell over"}).explain(errors.New("exit status 2")); !strings.Contains(err.Error(), "it fell over") {
		t.Error(err)
	}
}

func TestFiguresAreKeptInAFileOfTheirOwn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "figures.json")
	if list, err := ReadFigures(path); err != nil || list != nil {
		t.Fatalf("of no file: %v, %v", list, err)
	}
	for _, seconds := range []float64{2, 1} {
		if err := Keep(path, capacity.Measured{Host: "h", Subscribers: 10, Runs: []capacity.Run{{Workers: 1, Seconds: seconds}}}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := ReadFigures(path)
	if err != nil || len(list) != 1 || list[0].Runs[0].Seconds != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if left := inside(t, filepath.Dir(path)); len(left) != 1 {
		t.Errorf("beside it: %v", left)
	}
	if err := os.WriteFile(path, []byte(`{"format":9}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFigures(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("another format: %v", err)
	}
	if err := Keep(path, capacity.Measured{}); err == nil {
		t.Error("a file that cannot be read was written over")
	}
}

func TestAReportWithoutASweepHasOnePlot(t *testing.T) {
	t.Parallel()
	share := 0.25
	r := Report{Subscribers: 10, Workers: 1, Stages: map[string]Stage{"score": {NsPerRowCore: 10, Read: 4}}, Others: &share, Stolen: &share}
	charts := r.Charts()
	if len(charts) != 1 || charts[0].Series[4].Values[1] != 6 || charts[0].Lines {
		t.Errorf("%+v", charts)
	}
	r.Sweep = []Point{{Run: capacity.Run{Workers: 2}, RowsPerSecond: 5}}
	if charts := r.Charts(); len(charts) != 2 || len(charts[1].Series) != 1 {
		t.Errorf("without a single worker nothing is ideal: %+v", charts)
	}
	if !strings.Contains(r.On(), "25.0 %") {
		t.Error(r.On())
	}
}
