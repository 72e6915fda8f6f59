package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rescore/cmd/internal/bench"
	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/capacity"
)

func TestCapacityAnswersFromFiguresAndMeasuresOnlyWithoutThem(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	environ := []string{"HOME=" + home}
	model, err := readModel(t.Context(), "builtin:baseline")
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := bench.NarrowDigest()
	if err != nil {
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	for digest, record := range map[string]string{model.Digest: bench.Full, narrow: bench.Narrow} {
		m := capacity.Measured{Host: host, ModelDigest: digest, Record: record, Subscribers: 1_000_000, Runs: []capacity.Run{{Workers: 2, Seconds: 0.5, MaxRSS: 1e8}}}
		if err := bench.Keep(filepath.Join(home, ".cache", "rescore", figuresName), m); err != nil {
			t.Fatal(err)
		}
	}
	asked := good()
	asked.bench = nil // nothing is to be measured
	for _, record := range bench.Records {
		got := call(t, asked, environ, "capacity", "--subscribers", "170000000", "--deadline", "1m", "--record", record, "--output", "json")
		var c capacity.Answer
		if err := json.Unmarshal([]byte(got.out), &c); err != nil || got.code != boot.OK {
			t.Fatalf("code %d: %v: %s", got.code, err, got.errors)
		}
		// 85 s of one machine, of 48 that are allowed.
		if c.Machines != 2 || c.Workers != 4 || c.Seconds != 42.5 || !c.Meets || len(c.Assumptions) < 5 {
			t.Errorf("%s: %+v", record, c)
		}
	}
	text := call(t, asked, environ, "capacity", "--subscribers", "170000000", "--deadline", "1m", "--machines", "1")
	for _, want := range []string{"85 s on 1 machine with 2 workers each", "does not meet the deadline of 60 s", "assumed:"} {
		if !strings.Contains(text.out, want) {
			t.Errorf("%q is not said: %s", want, text.out)
		}
	}
	measured := false
	brief := good()
	inner := brief.bench
	brief.bench = func(ctx context.Context, j bench.Job) ([]bench.Report, error) {
		measured = slices.Equal(j.Subscribers, []int64{brieflySubscribers})
		return inner(ctx, j)
	}
	if got := call(t, brief, []string{"HOME=" + t.TempDir()}, "capacity", "--subscribers", "10"); got.code != boot.OK || !measured || !strings.Contains(got.errors, "briefly") {
		t.Errorf("without figures: code %d, measured %t: %s", got.code, measured, got.errors)
	}
}
