// Package whatif counts whom other rules would warn, from a published version
// and the input it was made from, without scoring again. The model is read only
// when a rule of the users' own asks what it says.
//
//	manifest ─► partitions, their rows and sums, the tally before
//	input ────► numbers counted again ─► the same partitions, or some segments
//	            └─► the columns the rules read ─┬─► triggers as published ─┐
//	                                            └─► triggers as asked ─────┴─► before, after, newly, no longer
//
// # Exact
//
// Every row goes through the triggers twice. What the published rules say must
// be the published tally, row counts too, or the answer is an error: it is worth
// what the numbers behind it are.
//
// # Sampled
//
// Whole segments are read, drawn by a keyed hash: the same ones every time. What
// was published is known exactly, so only the change is estimated, by the ratio
// of changes to rows. Segments are clusters (a city's, an age's), and the
// interval is that of a sample of clusters.
//
// # Rows that were not scored
//
// A row is left out here for the reasons it was left out there. One reason needs
// more than the rules' columns: a value that cannot be read in any column of the
// job. Partitions that rejected a row are therefore read with all the job's
// columns, when the version has such rejects at all.
package whatif

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"rescore/cmd/internal/local"
	"rescore/coordinator/plan"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/program"
	"rescore/worker/source"
)

// ErrDiffers is returned when the published rules do not give the published
// tally.
var ErrDiffers = errors.New("the published rules do not give the published figures on this input; this must not happen, please report it with the version's manifest")

// Options say what to ask.
type Options struct {
	Spec     job.Spec // the rules asked about: Changed makes it
	Share    float64  // of the rows to look at; 0 is all of them
	Workers  int
	Progress func(local.Progress) // nil for none
}

// batchRows is how many rows are looked at at a time.
const batchRows = 2048

// Ask answers for one version.
func Ask(ctx context.Context, v *local.Version, o Options) (_ *Answer, err error) {
	start := time.Now()
	if o.Progress == nil {
		o.Progress = func(local.Progress) {}
	}
	switch mixed, err := v.Mixed(); {
	case err != nil:
		return nil, err
	case mixed:
		return nil, fmt.Errorf("version %s holds partitions that were judged by other models or rules; ask of a version that one job judged, or rerun all of it", v.Manifest.Version)
	}
	p := &pass{v: v, o: o, rules: rulesOf(v.Spec, o.Spec)}
	if err := p.plans(ctx); err != nil {
		return nil, err
	}
	if p.dataset, err = v.Input(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.dataset.Close()) }()
	total := int64(0)
	for _, f := range v.Manifest.Input {
		total += f.Rows
	}
	survey, err := p.dataset.Recount(ctx, v.Manifest.Input, o.Workers, func(rows int64) {
		o.Progress(local.Progress{Stage: "count", RowsDone: rows, RowsTotal: total, Elapsed: time.Since(start)})
	})
	if err != nil {
		return nil, err
	}
	drawn := draw(survey.Segments[0], o.Share)
	p.files = survey.Files
	ranges := drawn
	if drawn == nil {
		for _, part := range v.Manifest.Partitions {
			r, err := local.PartitionRange(part)
			if err != nil {
				return nil, err
			}
			ranges = append(ranges, r)
		}
	}
	tasks, err := plan.Within(survey, ranges)
	if err != nil {
		return nil, err
	}
	counts, err := p.run(ctx, tasks, start)
	if err != nil {
		return nil, err
	}
	a := p.answer(counts)
	if drawn != nil {
		a.sampled(counts, v.Manifest.Rows.Scored, segments(survey.Segments[0]))
		return a, nil
	}
	return a, p.check(counts)
}

// pass is one going over the input.
type pass struct {
	v             *local.Version
	o             Options
	rules         []string // users' own, of both specs, in order
	before, after func() (*program.Plan, error)
	columns       []string // the rules'
	whole         []string // the job's, where a reject may hide in one; nil when none can
	dataset       *source.Dataset
	files         []job.InputFile
}

func (p *pass) plans(ctx context.Context) error {
	model := sync.OnceValues(func() (program.Model, error) { return p.v.Model(ctx) })
	p.before = func() (*program.Plan, error) { return program.ForRules(p.v.Spec, model) }
	p.after = func() (*program.Plan, error) { return program.ForRules(p.o.Spec, model) }
	before, err := p.before()
	if err != nil {
		return fmt.Errorf("the version's rules: %w", err)
	}
	after, err := p.after()
	if err != nil {
		return fmt.Errorf("the rules asked about: %w", err)
	}
	p.columns = union(before.Columns(), after.Columns())
	if p.v.Manifest.Tally.Reason[job.BadValue] == 0 {
		return nil
	}
	m, err := model()
	if err != nil {
		return fmt.Errorf("the version rejected values that cannot be read, and which columns it looked at depends on its model: %w", err)
	}
	whole, err := program.ForJob(p.v.Spec, m)
	if err != nil {
		return err
	}
	p.whole = union(p.columns, whole.Columns())
	return nil
}

// union joins lists of columns in the order readers want them: canonical ones as
// in the record, then extra ones.
func union(a, b []string) []string {
	place := map[string]int{}
	for _, c := range schema.Subscriber {
		for _, name := range c.Names() {
			place[name] = len(place) - 1<<20 // before every extra column, whose place is 0
		}
	}
	all := slices.Clone(a)
	for _, name := range b {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	slices.SortStableFunc(all, func(x, y string) int { return place[x] - place[y] })
	return all
}

// run goes over the tasks, as many at a time as there are workers.
func (p *pass) run(ctx context.Context, tasks []job.Task, start time.Time) ([]count, error) {
	out := make([]count, len(tasks))
	var total, done, running atomic.Int64
	var finished atomic.Int64
	for _, t := range tasks {
		total.Add(t.Rows)
	}
	var showing sync.Mutex // one call of Progress at a time
	show := func() {
		showing.Lock()
		defer showing.Unlock()
		p.o.Progress(local.Progress{
			Stage: "judge", RowsDone: done.Load(), RowsTotal: total.Load(), TasksDone: int(finished.Load()), TasksTotal: len(tasks),
			TasksRunning: int(running.Load()), Elapsed: time.Since(start),
		})
	}
	show()
	group, gctx := errgroup.WithContext(ctx)
	next := atomic.Int64{}
	for range max(p.o.Workers, 1) {
		group.Go(func() error {
			j, err := newJudge(p)
			if err != nil {
				return err
			}
			defer j.release()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(tasks) {
					return nil
				}
				running.Add(1)
				err := j.task(gctx, tasks[i], &out[i], func(rows int64) { done.Add(rows); show() })
				running.Add(-1)
				finished.Add(1)
				if err != nil {
					return err
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	show()
	return out, nil
}

// check holds the pass to what was published.
func (p *pass) check(counts []count) error {
	m := p.v.Manifest
	lines := make([]line, 14+len(p.rules)+1)
	for i, c := range counts {
		if c.rows != m.Partitions[i].Rows {
			return fmt.Errorf("partition %s has %+v rows and %+v were published: %w", m.Partitions[i].Range, c.rows, m.Partitions[i].Rows, ErrDiffers)
		}
		for k, l := range c.lines {
			lines[k] = lines[k].add(l)
		}
	}
	for t := range 14 {
		if l := lines[t]; l.before != m.Tally.Fired[t] || l.unknownBefore != m.Tally.Unknown[t] {
			return fmt.Errorf("trigger T%d warns %d and is unknown for %d; %d and %d were published: %w", t+1, l.before, l.unknownBefore, m.Tally.Fired[t], m.Tally.Unknown[t], ErrDiffers)
		}
	}
	if warn := lines[len(lines)-1].before; warn != m.Tally.Warn {
		return fmt.Errorf("%d are warned and %d were published: %w", warn, m.Tally.Warn, ErrDiffers)
	}
	return nil
}
