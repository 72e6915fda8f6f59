package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rescore/cmd/internal/capacity"
	"rescore/cmd/internal/machine"
	"rescore/cmd/internal/progress"
)

// Job is a job to measure.
type Job struct {
	Subscribers []int64 // sizes of the base; each is measured
	Workers     []int   // each is measured on each size
	Repeat      int     // rounds after the one that warms up
	Cold        bool    // a process for each run, as rescore run is, and not one for all of a base and number of workers
	Record      string
	Model       string // as a job file names it, absolute; "" is the record's own
	Dir         string // base and runs are below it
	Keep        bool   // leave the base for the next time
	Program     string // the binary that runs the job
	Environ     []string
	Rescore     string // the binary's version
	Progress    func(progress.Sample)

	started time.Time
}

// Report is what was measured. The first nine keys are a contract: other tools rely
// on their names. Figures that do not name a percentile are medians of the repeats.
type Report struct {
	Subscribers   int64            `json:"subscribers"`
	Workers       int              `json:"workers"`
	Seconds       float64          `json:"seconds"`         // of the job, from its file to its pointer
	RowsPerSecond float64          `json:"rows_per_second"` // subscribers by seconds
	NsPerRowCore  float64          `json:"ns_per_row_core"` // seconds of all processors given, by subscribers
	Stages        map[string]Stage `json:"stages"`
	BytesRead     int64            `json:"bytes_read"`
	BytesWritten  int64            `json:"bytes_written"`
	MaxRSS        int64            `json:"max_rss_bytes"` // the most of any repeat

	Fastest        float64         `json:"seconds_min"`
	P10            float64         `json:"seconds_p10"`
	P90            float64         `json:"seconds_p90"`
	Repeats        []float64       `json:"seconds_repeats"`
	Cold           bool            `json:"cold"`            // each run had a process of its own
	ProcessSeconds float64         `json:"process_seconds"` // from the start of a process to its first version; unless cold, the run that warmed up
	CPUSeconds     float64         `json:"cpu_seconds"`
	CPUShare       float64         `json:"cpu_share"`      // of the processors given
	CPUNsPerRow    float64         `json:"cpu_ns_per_row"` // cpu_seconds, by subscribers
	Record         string          `json:"record"`
	Model          string          `json:"model"`
	ModelDigest    string          `json:"model_digest"`
	Digest         string          `json:"digest"` // of the published rows: the same of every run
	InputBytes     int64           `json:"input_bytes"`
	OutputBytes    int64           `json:"output_bytes"`
	Sweep          []Point         `json:"sweep,omitempty"` // when more than one number of workers was measured
	Measured       string          `json:"measured"`
	Machine        machine.Machine `json:"machine"`
	Others         *float64        `json:"others_share"` // of the machine's processors, at work for other programs; null: not known
	Stolen         *float64        `json:"stolen_share"` // of the machine's processors, taken by its host
}

// Stage is one stage: how long it was the one at work, what that is by rows, and of
// that what its tasks spent on what, in nanoseconds of one core a row.
type Stage struct {
	Seconds      float64 `json:"seconds"`
	NsPerRowCore float64 `json:"ns_per_row_core"`
	Read         float64 `json:"read"`
	Score        float64 `json:"score"`
	Write        float64 `json:"write"`
	Verify       float64 `json:"verify"`
}

// Point is one number of workers of a sweep.
type Point struct {
	capacity.Run
	RowsPerSecond float64  `json:"rows_per_second"`
	NsPerRowCore  float64  `json:"ns_per_row_core"`
	Speedup       *float64 `json:"speedup"`    // by one worker's time; null when one was not measured
	Efficiency    *float64 `json:"efficiency"` // speedup by workers
	// MachineSpeedup is the same of arithmetic in registers, by machine.Rate beside the same
	// runs. Null where one worker was not measured, or the system does not let it be.
	MachineSpeedup *float64 `json:"machine_speedup"`
}

// StageOrder is the order of a job's stages.
var StageOrder = []string{"survey", "score", "select", "publish"}

// Measure measures the job: a report for each size of the base, which is of the last
// number of workers; its sweep is of all of them.
func (j Job) Measure(ctx context.Context) (reports []Report, err error) {
	if j.Model != "" && !strings.HasPrefix(j.Model, "builtin:") {
		if j.Model, err = filepath.Abs(j.Model); err != nil {
			return nil, fmt.Errorf("find the model: %w", err)
		}
	}
	if j.Dir, err = filepath.Abs(j.Dir); err != nil {
		return nil, fmt.Errorf("find the folder: %w", err)
	}
	if err := os.MkdirAll(j.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder: %w", err)
	}
	j.started = time.Now()
	var bases []base
	defer func() {
		for _, b := range bases {
			if b.made && !j.Keep {
				err = errors.Join(err, os.RemoveAll(b.dir))
			}
		}
	}()
	for _, n := range j.Subscribers {
		b, err := j.prepare(ctx, n)
		bases = append(bases, b)
		if err != nil {
			return nil, err
		}
	}
	about := machine.Describe(j.Dir, j.Rescore)
	at, before := time.Now(), load(nil)
	runs, err := j.rounds(ctx, bases)
	if err != nil {
		return nil, err
	}
	others := load(&before)
	for _, b := range bases {
		r := j.report(runs, b)
		r.Measured, r.Machine = at.UTC().Format(time.RFC3339), about
		if others.ok {
			r.Others, r.Stolen = &others.others, &others.stolen
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// report is the report of one size.
func (j Job) report(runs []once, b base) Report {
	points := make([]capacity.Run, len(j.Workers))
	for i, w := range j.Workers {
		points[i] = of(runs, b.subscribers, w).run()
	}
	r := of(runs, b.subscribers, j.Workers[len(j.Workers)-1])
	if len(points) > 1 {
		for i, w := range j.Workers {
			one := of(runs, b.subscribers, w)
			p := Point{Run: points[i], RowsPerSecond: one.RowsPerSecond, NsPerRowCore: one.NsPerRowCore}
			if e, ok := capacity.Efficiency(points, points[i]); ok {
				speedup := e * float64(w)
				p.Speedup, p.Efficiency = &speedup, &e
			}
			if alone, all := rate(runs, b.subscribers, 1), rate(runs, b.subscribers, w); alone > 0 && all > 0 {
				speedup := all / alone
				p.MachineSpeedup = &speedup
			}
			r.Sweep = append(r.Sweep, p)
		}
	}
	r.Record, r.Model, r.InputBytes, r.Cold = j.Record, j.Model, b.bytes, j.Cold
	if r.Model == "" {
		r.Model = models[j.Record]
	}
	return r
}

// rounds runs every number of workers on every base once to warm up, and then all of
// them in each round, so that what else the machine does falls on all.
func (j Job) rounds(ctx context.Context, bases []base) (runs []once, err error) {
	dir, err := os.MkdirTemp(j.Dir, "runs-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the runs: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var houses []*house
	defer func() {
		for _, h := range houses {
			ended := h.close()
			switch {
			case ctx.Err() != nil: // that is why it ended
			case errors.Is(err, errHouse) && ended != nil:
				err = ended
			default:
				err = errors.Join(err, ended)
			}
		}
	}()
	var done, all int64 // rows
	for _, b := range bases {
		all += b.subscribers * int64(len(j.Workers)*(1+j.Repeat))
	}
	tasks := 0
	digests := map[int64]string{}
	for round := range 1 + j.Repeat {
		for _, b := range bases {
			for _, w := range j.Workers {
				at := slices.IndexFunc(houses, func(h *house) bool { return h.of.subscribers == b.subscribers && h.workers == w })
				if at < 0 {
					h, err := j.open(ctx, dir, b, w)
					if err != nil {
						return nil, err
					}
					at, houses = len(houses), append(houses, h)
				}
				o, err := j.run(ctx, houses[at], func(share float64) {
					j.show(progress.Sample{
						Stage: "bench", RowsDone: done + int64(share*float64(b.subscribers)), RowsTotal: all,
						TasksDone: tasks, TasksTotal: len(bases) * len(j.Workers) * (1 + j.Repeat), TasksRunning: 1,
					})
				})
				if err != nil {
					return nil, err
				}
				done, tasks = done+b.subscribers, tasks+1
				if before, ok := digests[b.subscribers]; ok && before != o.said.Digest {
					return nil, fmt.Errorf("two runs of one job published different rows, %.12s and %.12s: nothing that was measured of them can be compared", before, o.said.Digest)
				}
				digests[b.subscribers] = o.said.Digest
				o.warms = round == 0
				runs = append(runs, o)
				if j.Cold {
					h := houses[at]
					houses = slices.Delete(houses, at, at+1)
					if err := h.close(); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	return runs, nil
}

// only are the runs of one size and one number of workers.
func only(runs []once, subscribers int64, workers int) []once {
	return slices.DeleteFunc(slices.Clone(runs), func(o once) bool { return o.subscribers != subscribers || o.workers != workers })
}

// measured are those of them that did not warm up.
func measured(runs []once, subscribers int64, workers int) []once {
	return slices.DeleteFunc(only(runs, subscribers, workers), func(o once) bool { return o.warms })
}

// rate is the machine's beside such runs; 0 where there are none, or it is not known of each.
func rate(runs []once, subscribers int64, workers int) float64 {
	var all []float64
	for _, o := range measured(runs, subscribers, workers) {
		all = append(all, o.rate)
	}
	if len(all) == 0 || slices.Min(all) == 0 {
		return 0
	}
	return quantile(all, 0.5)
}

// of is the report of one size and one number of workers.
func of(runs []once, subscribers int64, workers int) Report {
	all := only(runs, subscribers, workers)
	runs = measured(runs, subscribers, workers)
	r := Report{Subscribers: subscribers, Workers: workers, Stages: map[string]Stage{}}
	median := func(figure func(once) float64) float64 {
		var all []float64
		for _, o := range runs {
			all = append(all, figure(o))
		}
		return quantile(all, 0.5)
	}
	row := func(seconds float64) float64 { return seconds * 1e9 / float64(subscribers) }
	for _, o := range runs {
		r.Repeats = append(r.Repeats, o.said.Summary.Used.Seconds)
		r.MaxRSS = max(r.MaxRSS, o.said.Summary.Used.MaxRSS)
	}
	r.Seconds, r.P10, r.P90 = quantile(r.Repeats, 0.5), quantile(r.Repeats, 0.1), quantile(r.Repeats, 0.9)
	r.Fastest = slices.Min(r.Repeats)
	r.RowsPerSecond, r.NsPerRowCore = float64(subscribers)/r.Seconds, row(r.Seconds*float64(workers))
	for i, name := range StageOrder {
		var s Stage
		figure := func(pick func(progress.Stage) float64) float64 {
			return median(func(o once) float64 {
				for _, found := range o.said.Summary.Stages {
					if found.Stage == StageOrder[i] {
						return pick(found)
					}
				}
				return 0
			})
		}
		s.Seconds = figure(func(p progress.Stage) float64 { return p.Seconds })
		s.NsPerRowCore = row(s.Seconds * float64(workers))
		s.Read = row(figure(func(p progress.Stage) float64 { return float64(p.Timing.Read) / 1e9 }))
		s.Score = row(figure(func(p progress.Stage) float64 { return float64(p.Timing.Score) / 1e9 }))
		s.Write = row(figure(func(p progress.Stage) float64 { return float64(p.Timing.Write) / 1e9 }))
		s.Verify = row(figure(func(p progress.Stage) float64 { return float64(p.Timing.Verify) / 1e9 }))
		r.Stages[name] = s
	}
	used := func(pick func(progress.Used) int64) int64 {
		return int64(median(func(o once) float64 { return float64(pick(o.said.Summary.Used)) }))
	}
	r.BytesRead = used(func(u progress.Used) int64 { return u.BytesRead })
	r.BytesWritten = used(func(u progress.Used) int64 { return u.BytesWritten })
	r.CPUSeconds = median(func(o once) float64 { return o.said.Summary.Used.CPUSeconds })
	r.CPUShare, r.CPUNsPerRow = r.CPUSeconds/r.Seconds/float64(workers), row(r.CPUSeconds)
	if r.ProcessSeconds = median(func(o once) float64 { return o.process }); r.ProcessSeconds == 0 {
		r.ProcessSeconds = all[0].process
	}
	r.OutputBytes = int64(median(func(o once) float64 { return float64(o.output) }))
	r.ModelDigest, r.Digest = runs[0].said.Model, runs[0].said.Digest
	return r
}

// run is the report as capacity takes it.
func (r Report) run() capacity.Run {
	return capacity.Run{Workers: r.Workers, Seconds: r.Seconds, CPUSeconds: r.CPUSeconds, MaxRSS: r.MaxRSS, BytesRead: r.BytesRead, BytesWritten: r.BytesWritten}
}

// Figures is the report as capacity keeps it.
func (r Report) Figures() capacity.Measured {
	m := capacity.Measured{
		Host: r.Machine.Host, CPU: r.Machine.CPU, Cores: r.Machine.Cores, Memory: r.Machine.Memory, Rescore: r.Machine.Rescore, At: r.Measured,
		Model: r.Model, ModelDigest: r.ModelDigest, Record: r.Record, Subscribers: r.Subscribers, InputBytes: r.InputBytes, OutputBytes: r.OutputBytes,
	}
	for _, p := range r.Sweep {
		m.Runs = append(m.Runs, p.Run)
	}
	if len(r.Sweep) == 0 {
		m.Runs = append(m.Runs, r.run())
	}
	return m
}

func (j Job) show(s progress.Sample) {
	if s.Elapsed = time.Since(j.started); j.Progress != nil {
		j.Progress(s)
	}
}

// quantile is the value that a share of a list lies below, between two of its values
// where it has to be: the median of 1 and 2 is 1.5.
func quantile(list []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	at := share * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
