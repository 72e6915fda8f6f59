package local

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"rescore/cmd/internal/province"
	"rescore/coordinator"
	"rescore/coordinator/publish"
	"rescore/partition/job"
	"rescore/partition/synth"
)

// TestAVersionHoldsEverySubscriberOnce is invariants I1 and I2 from the planted
// dirt to the published files.
func TestAVersionHoldsEverySubscriberOnce(t *testing.T) {
	t.Parallel()
	p := clean(30_000)
	p.DuplicateRate, p.NullKeyRate, p.WrongNumberRate, p.IoTRate = 0.005, 0.002, 0.003, 0.004
	dir, sum := write(t, province.Options{Province: p, Files: 3})
	o := options(t, dir)
	var seen []Progress
	o.Progress = func(p Progress) { seen = append(seen, p) } // a race if it is called twice at once
	out := run(t, o)

	planted := sum.Planted
	if want := (job.Counts{In: sum.Rows, Scored: p.Subscribers, Excluded: planted.IoT, Rejected: planted.NullKeys + planted.WrongNumbers, Duplicate: planted.Duplicates}); out.Rows != want {
		t.Errorf("rows %+v, planted were %+v", out.Rows, want)
	}
	if r := out.Tally.Reason; r[job.NullKey] != planted.NullKeys || r[job.BadNumber] != planted.WrongNumbers || r[job.RepeatedNumber] != planted.Duplicates || r[job.IoTNumber] != planted.IoT {
		t.Errorf("reasons %v, planted were %+v", r, planted)
	}
	if planted.Duplicates == 0 || planted.NullKeys == 0 || planted.WrongNumbers == 0 || planted.IoT == 0 {
		t.Fatalf("nothing was planted: %+v", planted)
	}
	base, err := synth.New(p)
	if err != nil {
		t.Fatal(err)
	}
	v := read(t, out)
	if int64(len(v.numbers)) != p.Subscribers {
		t.Fatalf("%d rows published of %d subscribers", len(v.numbers), p.Subscribers)
	}
	for i, n := range v.numbers {
		if n != uint64(base.Number(int64(i))) {
			t.Fatalf("row %d of the version is not subscriber %d", i, i)
		}
	}
	total := job.Counts{}
	for _, part := range v.manifest.Partitions {
		if !part.Rows.Conserved() {
			t.Errorf("partition %s: %+v", part.Range, part.Rows)
		}
		total = total.Add(part.Rows)
	}
	if total != out.Rows || len(v.manifest.Partitions) < 3 {
		t.Errorf("%d partitions of %+v together, the version says %+v", len(v.manifest.Partitions), total, out.Rows)
	}

	if out.Already || !out.Current || out.Resumed != 0 || out.Name != "province" || out.Seconds <= 0 || out.RowsPerSecond <= 0 {
		t.Errorf("outcome %+v", out)
	}
	if tm := out.Timing; tm.Read <= 0 || tm.Score <= 0 || tm.Write <= 0 || tm.Verify <= 0 {
		t.Errorf("timing %+v", tm)
	}
	var stages []string
	for _, s := range out.Stages {
		stages = append(stages, s.Stage)
	}
	if !slices.Equal(stages, []string{"survey", "score", "select", "publish"}) && !slices.Equal(stages, []string{"score", "select", "publish"}) {
		t.Errorf("stages %v", stages)
	}
	for i, p := range seen {
		if i > 0 && p.Elapsed < seen[i-1].Elapsed || p.TasksDone > p.TasksTotal || p.Stage == "" {
			t.Errorf("progress %d: %+v", i, p)
		}
	}
}

// TestTheDigestIsOfTheRows is invariant I5: whatever the workers, the partitions,
// the files and their format are, the same subscribers are the same version.
func TestTheDigestIsOfTheRows(t *testing.T) {
	t.Parallel()
	const subscribers = 12_000
	layouts := map[string]province.Options{}
	for _, format := range []string{"parquet", "csv"} {
		for _, layout := range []string{"wide", "months"} {
			layouts[format+"/"+layout] = province.Options{Province: clean(subscribers), Format: format, Layout: layout}
		}
	}
	digest := ""
	var challengers []publish.Challenger
	for name, l := range layouts {
		dir, _ := write(t, l)
		for _, c := range []struct {
			workers   int
			partition int64
			batch     int
		}{{1, fewest(), 2048}, {2, fewest(), 100}, {7, fewest(), 2048}, {1, 5000, 2048}, {2, 5000, 65_536}, {7, 250_000, 2048}} {
			if name != "parquet/wide" && c.workers != 2 {
				continue
			}
			out := run(t, options(t, dir, func(s *job.Spec) {
				s.Run.Workers, s.Run.PartitionRows, s.Run.BatchRows = c.workers, c.partition, c.batch
				s.Input.Layout = l.Layout
				if l.Layout == "months" {
					s.Input.Path = "base/month={month}"
				}
				s.Model.Challengers = []job.Challenger{{Name: "half", Path: "builtin:baseline", UndersamplingBeta: 0.5}}
				s.Model.Reasons.Exact, s.Model.Reasons.ExactPct = "contact", 7
			}))
			if e := out.Tally.Explained; e.None != 0 || e.Exact == 0 || e.Exact > subscribers*7/100 || e.Path+e.Exact != subscribers {
				t.Errorf("%s, %+v: rows explained %+v", name, c, e)
			}
			if digest == "" {
				digest, challengers = out.Digest, out.Challengers
			}
			if len(challengers) != 1 || !reflect.DeepEqual(out.Challengers, challengers) {
				t.Errorf("%s, %+v: challengers %+v, want %+v", name, c, out.Challengers, challengers)
			}
			if out.Digest != digest || out.Rows.Scored != subscribers {
				t.Errorf("%s, %+v: digest %.12s of %+v, want %.12s", name, c, out.Digest, out.Rows, digest)
			}
		}
	}
}

func TestAJobThatIsPublishedIsNotRunAgain(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(2000)})
	o := options(t, dir)
	first := run(t, o)
	again := func(name string, current bool) {
		t.Helper()
		out := run(t, o)
		if !out.Already || out.Current != current || out.Version != first.Version || out.Digest != first.Digest || out.Path != first.Path || out.Rows != first.Rows || out.Seconds != first.Seconds || out.Tally != first.Tally {
			t.Errorf("%s: %+v, the first time it was %+v", name, out, first)
		}
		if out.Stages != nil || out.Timing != (job.Timing{}) || out.Resumed != 0 {
			t.Errorf("%s: nothing was done, and it took %+v %+v", name, out.Stages, out.Timing)
		}
	}
	again("at once", true)
	if err := os.RemoveAll(o.Spec.Run.Work); err != nil {
		t.Fatal(err)
	}
	again("without the work folder", true)
	missing(t, filepath.Join(o.Spec.Run.Work, "raft"))

	other := o
	other.Spec.Policy.SaveRate = 0.3
	second := run(t, other)
	if second.Already || second.Version == first.Version || second.Digest == first.Digest || !second.Current {
		t.Errorf("another policy: %+v", second)
	}
	again("when a newer version is there", false)
	versions, err := Versions(t.Context(), o.Spec.Output.Path)
	if err != nil || len(versions) != 2 {
		t.Fatalf("%d versions, %v", len(versions), err)
	}
	for i, want := range []Outcome{first, second} {
		got := versions[i]
		if got.Version != want.Version || got.Digest != want.Digest || got.Rows != want.Rows || got.Job != want.Job || got.Path != want.Path || got.Month != month || got.Current != (i == 1) || got.PublishedAt.IsZero() {
			t.Errorf("version %d is listed as %+v, it is %+v", i, got, want)
		}
	}
}

func TestFoldersBelongToOneProcessAndOneDataset(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(500)})
	o := options(t, dir)
	unlock, err := lock(o.Spec.Run.Work)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), o.Spec.Run.Work) {
		t.Errorf("work folder in use: %v", err)
	}
	missing(t, o.Spec.Output.Path)
	unlock()
	run(t, o)

	other := options(t, dir, func(s *job.Spec) { s.Name, s.Output.Path = "another", o.Spec.Output.Path })
	if _, err := Run(t.Context(), other); !errors.Is(err, ErrOtherJob) || !strings.Contains(err.Error(), `"province"`) {
		t.Errorf("output of another dataset: %v", err)
	}

	// The same question of the same bytes, but in another place: the ID is the
	// same, the folders are not.
	copied, _ := write(t, province.Options{Province: clean(500)})
	relative := func(s *job.Spec) { s.Output.Path = "out" }
	here, there := options(t, dir, relative), options(t, copied, relative)
	there.Spec.Run.Work = here.Spec.Run.Work
	a := run(t, here)
	if _, err := Run(t.Context(), there); !errors.Is(err, ErrOtherJob) || !strings.Contains(err.Error(), "run.work") || !strings.Contains(err.Error(), here.Spec.Run.Work) {
		t.Errorf("job %s in a work folder that has it for other folders: %v", a.Job, err)
	}
}

func TestAGateHoldsTheJobUntilItIsReleased(t *testing.T) {
	t.Parallel()
	p := clean(5000)
	p.WrongNumberRate = 0.02
	dir, sum := write(t, province.Options{Province: p})
	o := options(t, dir)
	for range 2 {
		_, err := Run(t.Context(), o)
		if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "gates.reject_share_max") || !strings.Contains(err.Error(), "limit is 1 %") {
			t.Fatalf("%v", err)
		}
		if versions, err := Versions(t.Context(), o.Spec.Output.Path); err != nil || len(versions) != 0 {
			t.Fatalf("a held job has %d versions: %v", len(versions), err)
		}
	}
	staged := count(t, filepath.Join(o.Spec.Output.Path, "_staging"))
	other := o // sets the held job aside, and is held itself
	other.Spec.Rules.T2DropPct++
	if _, err := Run(t.Context(), other); !errors.Is(err, ErrHeld) {
		t.Fatal(err)
	}
	staged *= 2 // its files stand beside, and stay: it may be released yet
	o.Release = "they are last month's test numbers"
	out := run(t, o)
	manifest, err := os.ReadFile(filepath.Join(out.Path, "_MANIFEST.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(manifest), o.Release) || !strings.Contains(string(manifest), "gates.reject_share_max: ") {
		t.Error("the manifest does not say that a gate was overridden, and why")
	}
	if out.Rows.Rejected != sum.Planted.WrongNumbers || out.Resumed < 1 || out.Already {
		t.Errorf("released: %+v", out)
	}
	if got := count(t, filepath.Join(o.Spec.Output.Path, "_staging")); got != staged+1 { // the manifest
		t.Errorf("%d files staged before, %d after: partitions were scored again", staged, got)
	}
}

func TestWhatJobsOfOldVersionsStagedIsSwept(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(3000)})
	o := options(t, dir, func(s *job.Spec) { s.Run.PartitionRows = 1000 })
	staging := filepath.Join(o.Spec.Output.Path, "_staging")
	stranger := filepath.Join(staging, "202610-00000000abcd", "part")
	if err := errors.Join(os.MkdirAll(filepath.Dir(stranger), 0o755), os.WriteFile(stranger, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	var runs []Outcome
	for range coordinator.Keep + 2 {
		runs = append(runs, run(t, o))
		o.Spec.Rules.T2DropPct++
	}
	for i, out := range runs {
		left, err := os.ReadDir(filepath.Join(staging, string(out.Job)))
		if kept := i >= len(runs)-coordinator.Keep; kept && (err != nil || len(left) == 0) || !kept && len(left) > 0 {
			t.Errorf("of version %d of %d there are %d staged files: %v", i+1, len(runs), len(left), err)
		}
		if v, err := Verify(t.Context(), o.Spec.Output.Path, out.Version, 1, func(Progress) {}); err != nil || len(v.Damage) > 0 || v.Rows != 3000 {
			t.Errorf("%+v, %v", v, err)
		}
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Errorf("a file of a job that nobody here knows: %v", err)
	}
	o.Spec.Rules.T2DropPct -= coordinator.Keep + 2
	if again := run(t, o); !again.Already || again.Digest != runs[0].Digest {
		t.Errorf("%+v", again)
	}
}

func count(t *testing.T, dir string) (files int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestADamagedPageFailsTheJobAndNamesTheFile: the survey, which reads numbers
// alone, does not see it.
func TestADamagedPageFailsTheJobAndNamesTheFile(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(20_000), Files: 2, Compression: "zstd"})
	name := filepath.Join(dir, "base", "part-00001.parquet")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	damaged := slices.Clone(data)
	for _, c := range file.Metadata().RowGroups[0].Columns {
		if c.MetaData.PathInSchema[0] == "fee_m0" {
			clear(damaged[c.MetaData.DataPageOffset : c.MetaData.DataPageOffset+c.MetaData.TotalCompressedSize])
		}
	}
	if slices.Equal(damaged, data) {
		t.Fatal("nothing was damaged")
	}
	if err := os.WriteFile(name, damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	o := options(t, dir)
	for range 2 { // and it does not help to ask again
		if _, err = Run(t.Context(), o); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "part-00001.parquet") {
			t.Errorf("a damaged page: %v", err)
		}
	}
}

// TestAFailedJobGoesOnWhereItFailed takes the staging folder away in the middle
// of the scoring, until the job gives up, and brings it back.
func TestAFailedJobGoesOnWhereItFailed(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(30_000)})
	want := run(t, options(t, dir))
	o := options(t, dir, func(s *job.Spec) { s.Run.Workers = 1 })
	staging, aside := "", filepath.Join(o.Spec.Output.Path, "aside")
	o.Progress = func(p Progress) {
		if p.Stage != "score" || p.TasksDone == 0 || staging != "" {
			return
		}
		list, err := filepath.Glob(filepath.Join(o.Spec.Output.Path, "_staging", "*"))
		if err != nil || len(list) != 1 {
			t.Errorf("staging folders %v, %v", list, err)
			return
		}
		staging = list[0]
		if err := errors.Join(os.Rename(staging, aside), os.WriteFile(staging, nil, 0o644)); err != nil {
			t.Error(err)
		}
	}
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "_staging/") {
		t.Fatalf("without its staging folder: %v", err)
	}
	if err := errors.Join(os.Remove(staging), os.Rename(aside, staging)); err != nil {
		t.Fatal(err)
	}
	out := run(t, o)
	if out.Digest != want.Digest || out.Resumed < 1 {
		t.Errorf("with it again: digest %.12s, want %.12s; %d partitions kept", out.Digest, want.Digest, out.Resumed)
	}
}

func TestACancelledRunStopsAtOnceAndIsResumed(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(30_000)})
	rival := func(s *job.Spec) {
		s.Model.Challengers = []job.Challenger{{Name: "half", Path: "builtin:baseline", UndersamplingBeta: 0.5}}
		s.Model.Reasons.Exact, s.Model.Reasons.ExactPct = "top", 3
	}
	want := run(t, options(t, dir, rival))
	for _, stage := range []string{"survey", "score", "select"} {
		stop := errors.New("stopped by the test")
		var o Options
		stopped := false
		for range 5 { // on a machine that stands still, a stage may go by unseen, or the run end before it hears
			o = options(t, dir, rival, func(s *job.Spec) { s.Run.Workers = 1 })
			ctx, cancel := context.WithCancelCause(t.Context())
			o.Progress = func(p Progress) {
				if p.Stage == stage && (stage != "score" || p.TasksDone > 0) {
					cancel(stop)
				}
			}
			_, err := Run(ctx, o)
			cancel(nil)
			if err == nil {
				continue
			}
			if stopped = errors.Is(err, stop); !stopped {
				t.Errorf("cancelled in %s: %v", stage, err)
			}
			break
		}
		if !stopped {
			t.Fatalf("no run was stopped in the stage %s", stage)
		}
		if _, err := os.Stat(filepath.Join(o.Spec.Output.Path, "month=202610")); err == nil {
			t.Errorf("cancelled in %s: a version folder is there", stage)
		}
		o.Progress = nil
		out := run(t, o)
		if !reflect.DeepEqual(out.Challengers, want.Challengers) || len(out.Challengers) != 1 {
			t.Errorf("resumed in %s: challengers %+v, want %+v", stage, out.Challengers, want.Challengers)
		}
		if out.Digest != want.Digest || stage != "survey" && out.Resumed < 1 {
			t.Errorf("resumed in %s: digest %.12s, want %.12s; %d partitions kept", stage, out.Digest, want.Digest, out.Resumed)
		}
	}
	ctx, cancel := context.WithDeadlineCause(t.Context(), time.Unix(0, 0), context.DeadlineExceeded)
	defer cancel()
	if _, err := Run(ctx, options(t, dir)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a deadline that has passed: %v", err)
	}
}

func TestAMonthGapIsRefusedOrRead(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(500), Layout: "months"})
	if err := os.RemoveAll(filepath.Join(dir, "base", "month=202608")); err != nil {
		t.Fatal(err)
	}
	months := func(s *job.Spec) { s.Input.Layout, s.Input.Path = "months", "base/month={month}" }
	if _, err := Run(t.Context(), options(t, dir, months)); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "202608") || !strings.Contains(err.Error(), "missing_months") {
		t.Errorf("a gap: %v", err)
	}
	var said bytes.Buffer
	o := options(t, dir, months, func(s *job.Spec) { s.Input.MissingMonths = "null" })
	o.Log = slog.New(slog.NewTextHandler(&said, nil))
	if r, err := Plan(t.Context(), o); err != nil || !slices.Equal(r.Missing, []int32{202608}) {
		t.Errorf("the plan says that %v are missing, %v", r.Missing, err)
	}
	out := run(t, o)
	if !strings.Contains(said.String(), "level=WARN") || !strings.Contains(said.String(), "[202608]") {
		t.Errorf("of a gap the run says %q", said.String())
	}
	if out.Rows.Scored != 500 || out.Tally.Unknown[1] < 450 { // T2 needs m-2
		t.Errorf("a gap read as null: %+v, T2 unknown %d times", out.Rows, out.Tally.Unknown[1])
	}
	if err := os.RemoveAll(filepath.Join(dir, "base", "month=202610")); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), options(t, dir, months, func(s *job.Spec) { s.Input.MissingMonths = "null" })); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "scoring month is always required") {
		t.Errorf("no scoring month: %v", err)
	}
}

func TestWhatIsWrongWithTheInputIsSaidBeforeAnyWork(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(300)})
	binary := string(lightGBM(stump{"fee_last", 1, 0, 1}, stump{"fee_last", 2, 0, 1}, stump{"fee_last", 3, 0, 1}))
	for name, text := range map[string]string{
		"classes.txt":    strings.NewReplacer("num_class=1", "num_class=3", "iteration=1", "iteration=3", "binary sigmoid:1", "multiclass num_class:3").Replace(binary),
		"regression.txt": strings.Replace(binary, "binary sigmoid:1", "regression", 1),
		"unbound.txt":    string(lightGBM(stump{"moon_phase", 1, 0, 1})),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	challenger := func(path string) func(*job.Spec) {
		return func(s *job.Spec) {
			s.Model.Challengers = []job.Challenger{{Name: "rival", Path: path, UndersamplingBeta: 1}}
		}
	}
	for name, c := range map[string]struct {
		change func(*job.Spec)
		says   string
	}{
		"no input":                                {func(s *job.Spec) { s.Input.Path = "nowhere" }, "input.path"},
		"no model":                                {func(s *job.Spec) { s.Model.Path = "nowhere.txt" }, "model.path"},
		"no such built-in":                        {func(s *job.Spec) { s.Model.Path = "builtin:best" }, "builtin:baseline"},
		"no model's bytes":                        {func(s *job.Spec) { s.Model.Path = "base/part-00000.parquet" }, "binary file"},
		"no challenger":                           {challenger("nowhere.txt"), "challenger rival: read model.challengers[0].path"},
		"challenger of many classes":              {challenger("classes.txt"), "challenger rival: propensity: the model's objective is multiclass"},
		"challenger of a number":                  {challenger("regression.txt"), "challenger rival: propensity: the model's objective is regression"},
		"challenger of a feature that is nowhere": {challenger("unbound.txt"), "challenger rival: model unbound.txt"},
		"a strange column": {func(s *job.Spec) {
			s.Input.Columns = map[string]job.Mapping{"fee": {Column: "bill_{k}"}}
		}, "bill_"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, dir, c.change)
			for _, f := range []func() error{
				func() error { _, err := Run(t.Context(), o); return err },
				func() error { _, err := Plan(t.Context(), o); return err },
			} {
				if err := f(); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v, want %q", err, c.says)
				}
			}
			missing(t, filepath.Join(o.Spec.Run.Work, "raft"))
			missing(t, o.Spec.Output.Path)
		})
	}
}
