package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"golang.org/x/sync/errgroup"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
	"rescore/worker/comparison"
	"rescore/worker/program"
	"rescore/worker/source"
)

// Places turns paths of a job file, relative to the folder base, into places. Input
// splits off the part of the pattern below the root.
type Places struct {
	Input  func(ctx context.Context, base, path string) (root store.Store, rest string, err error)
	Output func(base, path string) (store.Store, error)
	Model  func(ctx context.Context, base, path string) ([]byte, error)
}

// Opened is what a job names: its input, found and mapped, and its models, whose
// golden rows were scored. Close the input.
type Opened struct {
	Dataset *source.Dataset // nil of a preparation
	Export  *source.Export  // of a preparation, which has nothing else
	Model   program.Model
}

// Close closes the input.
func (o Opened) Close() error {
	if o.Export != nil {
		return o.Export.Close()
	}
	return o.Dataset.Close()
}

// Open opens what a job names; nothing is written.
func (p Places) Open(ctx context.Context, spec job.Spec, base string) (o Opened, err error) {
	if spec.Prepares() {
		o.Export, err = p.openExport(ctx, spec, base)
		return o, err
	}
	if o.Model, err = p.OpenModels(ctx, spec, base); err == nil {
		o.Dataset, err = p.OpenInput(ctx, spec, base)
	}
	return o, err
}

func (p Places) openExport(ctx context.Context, spec job.Spec, base string) (*source.Export, error) {
	root, rest, err := p.Input(ctx, base, spec.Input.Path)
	if err != nil {
		return nil, fmt.Errorf("open input.path: %w", err)
	}
	spec.Input.Path = rest
	return source.OpenExport(ctx, root, spec)
}

// OpenModels loads the champion and its challengers.
func (p Places) OpenModels(ctx context.Context, spec job.Spec, base string) (program.Model, error) {
	return program.LoadModels(spec, func(path string) ([]byte, error) { return p.Model(ctx, base, path) }, models.freeze)
}

// OpenInput opens the base of a job that scores, and its tables.
func (p Places) OpenInput(ctx context.Context, spec job.Spec, base string) (*source.Dataset, error) {
	root, rest, err := p.Input(ctx, base, spec.Input.Path)
	if err != nil {
		return nil, fmt.Errorf("open input.path: %w", err)
	}
	spec.Input.Path = rest
	spec.Input.Tables = slices.Clone(spec.Input.Tables)
	var tables []store.Store
	for i := range spec.Input.Tables {
		t := &spec.Input.Tables[i]
		table, rest, err := p.Input(ctx, base, t.Path)
		if err != nil {
			return nil, fmt.Errorf("open the path of table %s: %w", t.Name, err)
		}
		tables, t.Path = append(tables, table), rest
	}
	return source.Open(ctx, root, spec, tables...)
}

// Sound is a job that was found to be sound: what it names, and its program. Close it.
type Sound struct {
	Job job.ID
	Opened
	plan  *program.Plan // nil of a preparation
	ahead *ahead        // nil unless Ahead was called
}

// Sound opens everything a job names and compiles its program, so that what is wrong
// is said before any work, and works out the job's ID. It writes nothing. An error is
// the job's fault, or its input's. Models are compiled while the input is opened, and while
// more than no goroutines ahead survey it, see Ahead.
func (p Places) Sound(ctx context.Context, spec job.Spec, base string, ahead int) (s *Sound, err error) {
	s = &Sound{}
	if spec.Prepares() {
		if s.Export, err = p.openExport(ctx, spec, base); err != nil {
			return nil, err
		}
		fingerprint, err := s.Export.Fingerprint(ctx)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.Job = job.NewID(spec, nil, fingerprint)
		return s, nil
	}
	var loading errgroup.Group
	loading.Go(func() (err error) {
		defer caught(&err, "check the job")
		if s.Model, err = p.OpenModels(ctx, spec, base); err == nil {
			s.plan, err = program.ForJob(spec, s.Model)
		}
		return err
	})
	s.Dataset, err = p.OpenInput(ctx, spec, base)
	if err == nil && ahead > 0 {
		s.Ahead(ctx, ahead)
	}
	wrong := loading.Wait()
	if err != nil {
		return nil, err
	}
	var fingerprint string
	if err = wrong; err == nil {
		fingerprint, err = s.Dataset.Fingerprint(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.Job = job.NewID(spec, s.Model.Digests(), fingerprint)
	return s, nil
}

// Check works out the ID of a job that is sound.
func (p Places) Check(ctx context.Context, spec job.Spec, base string) (job.ID, error) {
	s, err := p.Sound(ctx, spec, base, 0)
	if err != nil {
		return "", err
	}
	return s.Job, s.Close()
}

// Check answers a coordinator: is the job sound, what is it called, and in which
// segments do subscribers of some cities live? A panic is a problem with its place.
func (w *Worker) Check(ctx context.Context, r wire.CheckRequest) (reply wire.CheckReply) {
	var err error
	defer func() {
		if err != nil {
			reply = wire.CheckReply{Problem: failure(err).Reason}
		}
	}()
	defer caught(&err, "check the job")
	reply, err = w.check(ctx, r)
	return reply
}

func (w *Worker) check(ctx context.Context, r wire.CheckRequest) (reply wire.CheckReply, err error) {
	spec, err := job.ParseCanonical(r.Spec)
	if err != nil {
		return reply, fmt.Errorf("read the job's spec: %w", err)
	}
	if reply.Job, err = w.cfg.Check(ctx, spec, r.SpecBase); err != nil || len(r.Cities) == 0 {
		return reply, err
	}
	if reply.Segments, err = w.segments(ctx, spec, r.SpecBase, r.Cities); err != nil {
		return reply, fmt.Errorf("find the segments of the cities: %w", err)
	}
	return reply, nil
}

// segments returns the segments in which subscribers of some cities are, rising. It
// reads the number and the city of every row of the scoring month.
func (w *Worker) segments(ctx context.Context, spec job.Spec, base string, cities []uint32) (found []partition.Segment, err error) {
	const column = "city_code"
	o, err := w.cfg.Open(ctx, spec, base)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Dataset.Close()) }()
	if present, _ := o.Dataset.Columns(); !slices.Contains(present, column) {
		return nil, fmt.Errorf("the input has no column %s; name segments or ranges instead", column)
	}
	survey, err := o.Dataset.Survey(ctx, w.cfg.Slots, nil)
	if err != nil {
		return nil, err
	}
	lived := map[partition.Segment]bool{}
	for _, task := range bySegments(survey, 1<<18) {
		if err := w.cities(ctx, o.Dataset, task, survey.Files, column, cities, lived); err != nil {
			return nil, err
		}
	}
	for s := range lived {
		found = append(found, s)
	}
	slices.Sort(found)
	if len(found) > wire.SegmentsMax {
		return nil, fmt.Errorf("the cities have subscribers in %d segments, limit %d; name fewer cities", len(found), wire.SegmentsMax)
	}
	return found, nil
}

// cities notes the segments of one task's rows that are of one of the cities.
func (w *Worker) cities(ctx context.Context, d *source.Dataset, task job.Task, files []job.InputFile, column string, cities []uint32, lived map[partition.Segment]bool) (err error) {
	reader, err := d.Reader(task, files, []string{column}, w.cfg.BatchRows, memory.NewGoAllocator())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for {
		batch, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		city := batch.Record.Column(0).(*array.Uint32)
		for i := range batch.Len {
			if batch.Key[i] != 0 && city.IsValid(i) && slices.Contains(cities, city.Value(i)) {
				lived[partition.Number(batch.Key[i]).Segment()] = true
			}
		}
	}
}

// bySegments makes tasks of the scoring month's rows, of whole segments and of about
// so many rows each. A survey's runs are sorted.
func bySegments(survey job.Survey, rows int64) (tasks []job.Task) {
	if len(survey.Segments) == 0 {
		return nil
	}
	runs := survey.Segments[0]
	for i, run := range runs {
		if n := len(tasks); n == 0 || tasks[n-1].Rows >= rows && run.Segment != runs[i-1].Segment {
			tasks = append(tasks, job.Task{Range: partition.Range{First: run.Segment.First()}})
		}
		t := &tasks[len(tasks)-1]
		t.Range.Past, t.Rows, t.Keys = run.Segment.Past(), t.Rows+run.Rows, t.Keys.Add(run.Keys)
		s := job.Slice{File: run.File, First: run.First, Rows: run.Rows, Offset: run.Offset, Bytes: run.Bytes}
		if n := len(t.Slices); n == 0 || !t.Slices[n-1].Join(s) {
			t.Slices = append(t.Slices, s)
		}
	}
	return tasks
}

// Compare answers a coordinator: what do two published versions differ in? A panic is
// a problem with its place.
func (w *Worker) Compare(ctx context.Context, r wire.CompareRequest) (reply wire.CompareReply) {
	var err error
	defer func() {
		if err != nil {
			reply = wire.CompareReply{Problem: failure(err).Reason}
		}
	}()
	defer caught(&err, "compare versions")
	reply.Figures, err = w.compare(ctx, r)
	return reply
}

func (w *Worker) compare(ctx context.Context, r wire.CompareRequest) ([]byte, error) {
	st, err := w.cfg.Output(r.SpecBase, r.Output)
	if err != nil {
		return nil, fmt.Errorf("open output %s: %w", r.Output, err)
	}
	from, err := comparison.Open(ctx, st, r.Old)
	if err != nil {
		return nil, err
	}
	to, err := comparison.Open(ctx, st, r.New)
	if err != nil {
		return nil, err
	}
	figures, err := comparison.Compare(ctx, st, from, to, w.cfg.Slots, nil)
	if err != nil {
		return nil, err
	}
	return json.Marshal(figures)
}
