package capacity

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// machine does a million subscribers in 1 s with one worker and in 0.5 with two; four
// do no better than two.
func machine() Measured {
	return Measured{
		Host: "h", CPU: "c", Cores: 2, Rescore: "v1", At: "2026-11-22T00:00:00Z", Model: "m", Record: "full", Subscribers: 1_000_000, InputBytes: 100e6, OutputBytes: 30e6,
		Runs: []Run{
			{Workers: 2, Seconds: 0.5, CPUSeconds: 1, MaxRSS: 300e6, BytesRead: 200e6, BytesWritten: 60e6},
			{Workers: 1, Seconds: 1, CPUSeconds: 1, MaxRSS: 200e6, BytesRead: 200e6, BytesWritten: 60e6},
			{Workers: 4, Seconds: 0.5, CPUSeconds: 1.2, MaxRSS: 500e6, BytesRead: 200e6, BytesWritten: 60e6},
		},
	}
}

func plan(t *testing.T, m Measured, a Ask) Answer {
	t.Helper()
	got, err := Plan(m, a)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTheFewestMachinesAndWorkersThatMeetTheDeadline(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name              string
		ask               Ask
		machines, workers int
		seconds           float64
		meets             bool
	}{
		{"one worker has time enough", Ask{Subscribers: 170e6, Deadline: 7200}, 1, 1, 170, true},
		{"just enough", Ask{Subscribers: 100e6, Deadline: 100}, 1, 1, 100, true},
		{"two workers", Ask{Subscribers: 100e6, Deadline: 99}, 1, 2, 50, true},
		{"the reserve counts", Ask{Subscribers: 100e6, Deadline: 100, Reserve: 0.2}, 1, 2, 50, true},
		{"three machines, each with two workers", Ask{Subscribers: 300e6, Deadline: 60}, 3, 2, 50, true},
		{"what just fits needs no machine more", Ask{Subscribers: 300e6, Deadline: 50}, 3, 2, 50, true},
		{"no deadline: as fast as the machine can", Ask{Subscribers: 100e6}, 1, 2, 50, true},
		{"two machines there are", Ask{Subscribers: 100e6, Machines: 2}, 2, 2, 25, true},
		{"too few machines", Ask{Subscribers: 300e6, Deadline: 60, Machines: 2}, 2, 2, 75, false},
		{"a tiny base", Ask{Subscribers: 1, Deadline: 1}, 1, 1, 1e-6, true},
	} {
		got := plan(t, machine(), c.ask)
		if got.Machines != c.machines || got.WorkersEach != c.workers || got.Workers != c.machines*c.workers || math.Abs(got.Seconds-c.seconds) > 1e-9 || got.Meets != c.meets {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestBytesGrowWithTheBaseAndMemoryDoesNot(t *testing.T) {
	t.Parallel()
	got := plan(t, machine(), Ask{Subscribers: 300e6, Deadline: 60})
	if got.InputBytes != 30e9 || got.OutputBytes != 9e9 || got.DiskBytes != 18e9 || got.BytesRead != 60e9 || got.BytesWritten != 18e9 || got.MaxRSSEach != 300e6 || got.CPUSeconds != 300 {
		t.Errorf("%+v", got)
	}
	if got.ReadEach != 60e9/3/50. || got.WriteEach != 18e9/3/50. {
		t.Errorf("each machine reads %v and writes %v a second", got.ReadEach, got.WriteEach)
	}
	text := strings.Join(got.Assumptions, "\n")
	for _, want := range []string{"300 times", "3 machines", "record full", "h (c, 2 cores)"} {
		if !strings.Contains(text, want) {
			t.Errorf("the assumptions do not say %q:\n%s", want, text)
		}
	}
}

func TestWhatCannotBeWorkedOutIsRefused(t *testing.T) {
	t.Parallel()
	for _, a := range []Ask{{}, {Subscribers: -1}, {Subscribers: 1, Deadline: -1}, {Subscribers: 1, Deadline: math.NaN()}, {Subscribers: 1, Deadline: math.Inf(1)}, {Subscribers: 1, Reserve: 1}, {Subscribers: 1, Reserve: -0.1}, {Subscribers: 1, Reserve: math.NaN()}, {Subscribers: 1, Machines: -1}} {
		if _, err := Plan(machine(), a); !errors.Is(err, ErrAsk) {
			t.Errorf("%+v: %v", a, err)
		}
	}
	for _, change := range []func(*Measured){
		func(m *Measured) { m.Subscribers = 0 }, func(m *Measured) { m.Runs = nil }, func(m *Measured) { m.Runs[0].Seconds = 0 },
		func(m *Measured) { m.Runs[1].Seconds = math.NaN() }, func(m *Measured) { m.Runs[1].Workers = 0 }, func(m *Measured) { m.Runs[1].BytesRead = -1 },
	} {
		m := machine()
		change(&m)
		if _, err := Plan(m, Ask{Subscribers: 1}); !errors.Is(err, ErrMeasured) {
			t.Errorf("%+v: %v", m, err)
		}
	}
}

func TestOnlyNumbersOfWorkersThatWereMeasuredAreForetold(t *testing.T) {
	t.Parallel()
	if s, ok := Expect(machine(), 3_000_000, 2); !ok || s != 1.5 {
		t.Errorf("%v, %t", s, ok)
	}
	for _, c := range []struct {
		m             Measured
		rows, workers int64
	}{{machine(), 1, 3}, {machine(), 0, 1}, {Measured{}, 1, 1}} {
		if s, ok := Expect(c.m, c.rows, int(c.workers)); ok {
			t.Errorf("%d rows with %d workers: %v", c.rows, c.workers, s)
		}
	}
}

func TestEfficiencyIsHeldAgainstOneWorker(t *testing.T) {
	t.Parallel()
	m := machine()
	for _, r := range m.Runs {
		want := map[int]float64{1: 1, 2: 1, 4: 0.5}[r.Workers]
		if e, ok := Efficiency(m.Runs, r); !ok || e != want {
			t.Errorf("%d workers: %v, %t", r.Workers, e, ok)
		}
	}
	if e, ok := Efficiency(m.Runs[:1], m.Runs[0]); ok {
		t.Errorf("without a single worker: %v", e)
	}
}

func TestFiguresOfTheNearestSizeAreFoundAndNewOnesReplaceTheirOwn(t *testing.T) {
	t.Parallel()
	of := func(host, record string, subscribers int64, seconds float64) Measured {
		m := machine()
		m.Host, m.ModelDigest, m.Record, m.Subscribers, m.Runs = host, "d", record, subscribers, []Run{{Workers: 1, Seconds: seconds}}
		return m
	}
	var list []Measured
	for _, m := range []Measured{of("b", "full", 1000, 1), of("a", "full", 1_000_000, 2), of("a", "narrow", 1000, 3), of("a", "full", 1000, 4), of("a", "full", 1000, 5)} {
		list = Keep(list, m)
	}
	if len(list) != 4 {
		t.Fatalf("%d are kept, want 4", len(list))
	}
	for _, c := range []struct {
		host, digest, record string
		rows                 int64
		want                 float64
	}{{"a", "d", "full", 10, 5}, {"a", "d", "full", 31_000, 5}, {"a", "d", "full", 32_000, 2}, {"a", "d", "full", 1e9, 2}, {"b", "d", "full", 1e9, 1}, {"a", "d", "narrow", 1, 3}} {
		if m, ok := Find(list, c.host, c.digest, c.record, c.rows); !ok || m.Runs[0].Seconds != c.want {
			t.Errorf("%+v: %+v, %t", c, m.Runs, ok)
		}
	}
	for _, c := range [][3]string{{"c", "d", "full"}, {"a", "e", "full"}, {"a", "d", "wide"}} {
		if m, ok := Find(list, c[0], c[1], c[2], 10); ok {
			t.Errorf("%v: %+v", c, m)
		}
	}
}
