package progress

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"rescore/coordinator/publish"
	"rescore/partition/contest"
	"rescore/partition/job"
)

const second = time.Second

// at is a sample n seconds into a stage of a million rows.
func at(n float64, rows int64) Sample {
	return Sample{Stage: "score", RowsDone: rows, RowsTotal: 1_000_000, TasksDone: int(rows / 100_000), TasksTotal: 10, TasksRunning: 2, Elapsed: time.Duration(n * float64(second))}
}

func TestASteadyRateIsMeasuredFromTheFirstTwoSamples(t *testing.T) {
	t.Parallel()
	var m Meter
	if _, ok := m.Left(); ok || m.RowsPerSecond() != 0 {
		t.Error("an estimate before the first sample")
	}
	for i := range 5 {
		m.Add(at(float64(i), int64(i)*100_000))
		if i > 0 && math.Abs(m.RowsPerSecond()-100_000) > 1e-6 {
			t.Errorf("second %d: %.0f rows/s", i, m.RowsPerSecond())
		}
	}
	if left, ok := m.Left(); !ok || left.Round(time.Millisecond) != 6*second {
		t.Errorf("left %v %v", left, ok)
	}
}

func TestAStalledJobMovesItsEstimateOut(t *testing.T) {
	t.Parallel()
	var m Meter
	m.Add(at(0, 0))
	for i := 1; i <= 5; i++ {
		m.Add(at(float64(i), int64(i)*100_000))
	}
	before, _ := m.Left()
	for i := 6; i < 20; i++ {
		m.Add(at(float64(i), 500_000))
		left, ok := m.Left()
		if !ok || left <= before {
			t.Fatalf("second %d: %v after %v", i, left, before)
		}
		before = left
	}
	m.Add(at(1000, 500_000))
	if _, ok := m.Left(); ok {
		t.Error("an estimate after a quarter of an hour without a row")
	}
}

func TestResumedRowsAndANewStageAreNotSpeed(t *testing.T) {
	t.Parallel()
	var m Meter
	m.Add(at(0, 900_000))
	m.Add(at(1, 910_000))
	if r := m.RowsPerSecond(); math.Abs(r-10_000) > 1e-6 {
		t.Errorf("%.0f rows/s", r)
	}
	s := at(2, 0)
	s.Stage = "publish"
	m.Add(s)
	if r := m.RowsPerSecond(); r != 0 {
		t.Errorf("%.0f rows/s in a new stage", r)
	}
	m.Add(s) // the same moment twice must not divide by nothing
	if r := m.RowsPerSecond(); r != 0 {
		t.Errorf("%.0f rows/s", r)
	}
}

func TestBarFitsEveryWidthAndGivesUpTheLeastFirst(t *testing.T) {
	t.Parallel()
	var m Meter
	m.Add(at(0, 0))
	m.Add(at(4, 630_000))
	for columns := range 200 {
		line := m.Bar(columns)
		if n := utf8.RuneCountInString(line); n > max(0, columns-1) {
			t.Errorf("%d columns: %d used by %q", columns, n, line)
		}
	}
	for columns, want := range map[int]string{
		120: "score  63% " + gauge(0.63, 30) + " 630.0k/1.0M rows · 157.5k rows/s · 6/10 partitions · ETA 00:02",
		80:  "score  63% 630.0k/1.0M rows · 157.5k rows/s · 6/10 partitions · ETA 00:02",
		60:  "score  63% 630.0k/1.0M rows · 157.5k rows/s · ETA 00:02",
		30:  "score  63% ━━━━━─── ETA 00:02",
	} {
		got := m.Bar(columns)
		if got != want {
			t.Errorf("%d columns:\n%q want\n%q", columns, got, want)
		}
	}
}

func TestLineIsJSONWithFiniteNumbersWhateverComes(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	var m Meter
	for range 2000 {
		m.Add(Sample{Stage: string(rune('a' + rng.IntN(2))), RowsDone: rng.Int64N(1e6), RowsTotal: rng.Int64N(3) * 1e6, TasksDone: rng.IntN(5), TasksTotal: rng.IntN(6), Elapsed: time.Duration(rng.Int64N(int64(time.Hour)))})
		var l line
		if err := json.Unmarshal([]byte(m.JSON()), &l); err != nil {
			t.Fatalf("%s: %v", m.JSON(), err)
		}
		if l.Share < 0 || l.Share > 1 && l.RowsTotal > 0 || l.RowsPerSecond < 0 || l.Left != nil && *l.Left < 0 {
			t.Fatalf("got %s", m.JSON())
		}
	}
}

func TestShareIsWholeOnlyWhenEveryRowIsDone(t *testing.T) {
	t.Parallel()
	var m Meter
	m.Add(Sample{Stage: "score", RowsDone: 999_999_999, RowsTotal: 1_000_000_000})
	if strings.Contains(m.Bar(80), "100%") || strings.Contains(m.JSON(), `"share":1,`) {
		t.Errorf("%s\n%s", m.Bar(80), m.JSON())
	}
}

func TestNumbersAreShortAndTimesAreRounded(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]string{0: "0", 987: "987", 999.9: "1000", 1000: "1.0k", 999_960: "1.0M", 45_140: "45.1k", 189_200_000: "189.2M", 3e9: "3.0G"} {
		if got := short(f); got != want {
			t.Errorf("short(%v) = %s, want %s", f, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "00:00", 13400 * time.Millisecond: "00:13", 27 * second: "00:25", 10*time.Minute + 13*second: "10:00", 2*time.Hour + 3*time.Minute: "2:05:00"} {
		if got := clock(roundLeft(d)); got != want {
			t.Errorf("%v = %s, want %s", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1 000", -1234567: "-1 234 567"} {
		if got := group(n); got != want {
			t.Errorf("group(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestLinesComeOnceASecondAndOnceAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := NewDisplay(&out, Lines)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { d.Run(ctx); close(done) }()
		time.Sleep(1500 * time.Millisecond)
		if out.Len() != 0 {
			t.Errorf("a line before there is anything to say: %s", out.String())
		}
		d.Update(at(1.5, 0))
		for i := range 4 {
			time.Sleep(second)
			d.Update(at(2.5+float64(i), int64(i+1)*100_000))
		}
		cancel()
		<-done
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != 5 {
			t.Errorf("%d lines, want 5:\n%s", len(lines), out.String())
		}
		for _, l := range lines {
			if !json.Valid([]byte(l)) {
				t.Errorf("not JSON: %s", l)
			}
		}
		if !strings.Contains(lines[4], `"rows":400000`) {
			t.Errorf("the last line is not the newest: %s", lines[4])
		}
	})
}

func TestBarIsDrawnOverItselfAndEndsItsLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := NewDisplay(&out, Bar)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { d.Run(ctx); close(done) }()
		d.Update(at(0, 100_000))
		time.Sleep(1100 * time.Millisecond)
		cancel()
		<-done
		if got := strings.Count(out.String(), "\r\x1b[K"); got != 6 {
			t.Errorf("drawn %d times, want 6: %q", got, out.String())
		}
		if strings.Count(out.String(), "\n") != 1 || !strings.HasSuffix(out.String(), "\n") {
			t.Errorf("the line is not ended once: %q", out.String())
		}
	})
}

// Time goes on between two samples: a display that only redraws the newest one
// would show an estimate that stands still.
func TestSilenceFromTheJobMovesTheEstimateOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := NewDisplay(&out, Lines)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { d.Run(ctx); close(done) }()
		for i := range 4 {
			d.Update(at(float64(i), int64(i)*100_000))
			time.Sleep(second)
		}
		time.Sleep(5 * second)
		cancel()
		<-done
		var etas []float64
		for _, text := range strings.Split(strings.TrimSpace(out.String()), "\n") {
			var l line
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatal(err)
			}
			if l.Left != nil {
				etas = append(etas, *l.Left)
			}
		}
		if len(etas) < 5 || etas[len(etas)-1] <= etas[0] {
			t.Errorf("estimates %v do not move out", etas)
		}
	})
}

func TestQuietSaysNothing(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	d := NewDisplay(&out, Quiet)
	d.Update(at(0, 1))
	d.Run(t.Context())
	if out.Len() > 0 {
		t.Errorf("got %q", out.String())
	}
}

func TestModeIsABarOnlyOnATerminalThatCanDraw(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		terminal, quiet bool
		term            string
		want            Mode
	}{
		{true, false, "xterm", Bar}, {true, false, "", Bar}, {true, false, "dumb", Lines}, {false, false, "xterm", Lines},
		{true, true, "xterm", Quiet}, {false, true, "", Quiet},
	} {
		if got := ModeFor(c.terminal, c.quiet, c.term); got != c.want {
			t.Errorf("%+v: mode %d", c, got)
		}
	}
	if Terminal(&bytes.Buffer{}) {
		t.Error("a buffer is a terminal")
	}
}

// outcome is a job with something in every table.
func outcome() Summary {
	s := Summary{Job: "202610-0123456789ab", Name: "base", Version: "v1", Path: "out/v1", Digest: "d1", Seconds: 2.5, RowsPerSecond: 400_000, Resumed: 3,
		Rows:   job.Counts{In: 1000, Scored: 990, Excluded: 4, Rejected: 5, Duplicate: 1},
		Timing: job.Timing{Read: 1, Score: 2, Write: 3, Verify: 4}, Stages: []Stage{{Stage: "survey", Seconds: 0.5}, {Stage: "score", Seconds: 2}}}
	for i := range s.Tally.Fired {
		s.Tally.Fired[i], s.Tally.Unknown[i] = int64(1000+i), int64(2000+i)
	}
	s.Tally.Warn, s.Tally.BadValues = 77, 88
	for i := range s.Tally.Risk {
		s.Tally.Risk[i] = int64(300 + i)
	}
	s.Tally.Decision[1], s.Tally.Decision[11] = 555, 556
	s.Tally.Reason[job.NullKey] = 5
	s.Tally.Explained = job.Explained{None: 3, Path: 871, Exact: 116}
	ranks := 0.9512
	s.Challengers = []publish.Challenger{
		{Name: "xgb", Model: "d2", Figures: contest.Figures{Rows: 990, SameBand: 0.9231, TopDecile: 0.841, RankCorrelation: &ranks, PSI: 0.1234, Mean: 0.03251, MeanDifference: -0.0013}},
		{Name: "flat", Model: "d3", Figures: contest.Figures{Rows: 990, PSI: 0.5}},
	}
	s.Stability = []publish.Stability{
		{Column: "propensity", PSI: 0.0543, Reading: "stable"}, {Column: "fee_last", PSI: 0.3321, Reading: "major"},
		{Column: "tenure", PSI: 0.01, Reading: "stable"}, {Column: "data_kb_last", PSI: 0.09, Reading: "stable"},
	}
	return s
}

func TestSummaryShowsEveryFigure(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := outcome().Write(&out, false); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{"published version v1", "202610-0123456789ab", "out/v1", "d1", "3 partitions were done before", "1 000", "99.00%",
		"NULL_KEY 5", "values read as missing: 88", "T1 ", "T14", "1 013", "2 013", "77", "301", "305", "RETAIN", "555", "NO_VALUE", "survey", "0.50 s", "2.50 s", "400 000 rows/s",
		"read 10.00%", "92.31%", "84.10%", "0.9512", "0.1234  noticeable", "0.0325", "-0.0013", "0.5000       major",
		"reasons, rows by method", "path      871  87.98%", "exact     116  11.72%", "none        3   0.30%",
		"propensity                PSI 0.0543  stable", "fee_last                  PSI 0.3321   major", "2 features                 below 0.1  stable"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	column := -1
	for line := range strings.Lines(text) { // names of any length leave the figures in their columns
		if strings.HasPrefix(line, "  T") {
			if column < 0 {
				column = len(line)
			}
			if len(line) != column {
				t.Errorf("out of line: %q", line)
			}
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("colour where none was asked for")
	}
	s := outcome()
	s.Already = true
	out.Reset()
	if err := s.Write(&out, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "nothing was done") || !strings.Contains(out.String(), "\x1b[1mrows\x1b[0m") {
		t.Errorf("got\n%s", out.String())
	}
}

func TestASummaryShowsWhatBecameOfTheEventsOfTables(t *testing.T) {
	t.Parallel()
	s := outcome()
	s.Tables = []publish.Table{{Name: "complaint", TableCounts: job.TableCounts{In: 10_000, Within: 7000, Outside: 2900, Orphan: 88, Rejected: 12, BadValues: 5}}}
	var out bytes.Buffer
	if err := s.Write(&out, false); err != nil {
		t.Fatal(err)
	}
	if words := strings.Fields(out.String()); !strings.Contains(strings.Join(words, " "), "complaint 10 000 7 000 70.00% 2 900 88 12 5") {
		t.Errorf("got\n%s", out.String())
	}
	if got := s.Report().Tables; len(got) != 1 || got[0] != s.Tables[0] {
		t.Errorf("%+v", got)
	}
}

func TestASummaryOfAPreparationShowsWhatBecameOfTheRows(t *testing.T) {
	t.Parallel()
	s := outcome()
	s.Used.MaxRSS = 123_456_789
	var out bytes.Buffer
	if err := s.WritePrepared(&out, false); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{"published version v1", "202610-0123456789ab", "out/v1", "d1", "3 partitions were done before", "kept         990   99.00%", "rejected       5    0.50%", "duplicate      1    0.10%",
		"not kept: NULL_KEY 5", "replaced: 88", "survey        0.50 s", "in all        2.50 s, 400 000 rows/s", "memory at most 123 MB"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, not := range []string{"warnings", "RETAIN", "scored", "\x1b"} {
		if strings.Contains(text, not) {
			t.Errorf("%q in\n%s", not, text)
		}
	}
	s.Already = true
	out.Reset()
	if err := s.WritePrepared(&out, true); err != nil || !strings.Contains(out.String(), "nothing was done") || strings.Contains(out.String(), "time") || !strings.Contains(out.String(), "\x1b[1mrows\x1b[0m") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestReportNamesWhatTheTablesNumber(t *testing.T) {
	t.Parallel()
	r := outcome().Report()
	if r.Decisions["RETAIN"] != 555 || r.Decisions["NO_VALUE"] != 556 || r.Reasons["NULL_KEY"] != 5 || r.Risk != [5]int64{301, 302, 303, 304, 305} || r.Fired[13] != 1013 || len(r.Challengers) != 2 || r.Challengers[0].PSI != 0.1234 || len(r.Stability) != 4 {
		t.Errorf("got %+v", r)
	}
}

func TestAnEmptySummaryDividesByNothing(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := (Summary{}).Write(&out, false); err != nil || strings.Contains(out.String(), "NaN") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
