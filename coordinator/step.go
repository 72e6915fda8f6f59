package coordinator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rescore/coordinator/lease"
	"rescore/coordinator/ledger"
	"rescore/coordinator/plan"
	"rescore/coordinator/publish"
	"rescore/partition"
	"rescore/partition/failpoint"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/partition/store"
	"rescore/partition/wire"
)

// step is what a job needs next; it is worked out from the ledger alone.
type step uint8

const (
	stepNone    step = iota // workers are at it, or it is over
	stepPlan                // the stage that is next has no tasks yet
	stepSeal                // every task is done: gates, then seal
	stepPublish             // sealed: files, manifest, pointer
)

// String names the step.
func (s step) String() string {
	return [...]string{stepNone: "division", stepPlan: "plan", stepSeal: "seal", stepPublish: "publish"}[s]
}

// next decides a job's next step.
func next(j *ledger.Job) step {
	switch j.State {
	case job.Submitted, job.Running:
		at := j.Stage()
		switch {
		case at == len(j.Stages):
			return stepSeal
		case !j.Stages[at].Planned:
			return stepPlan
		}
	case job.Sealed:
		return stepPublish
	case job.Held, job.Published, job.Failed, job.Cancelled: // waits for somebody, or is over
	}
	return stepNone
}

// work is what a leader remembers of a job that is not over.
type work struct {
	seen    time.Time // when this leader first saw it
	spec    *job.Spec // parsed, when a step needed it; nobody changes it
	trouble error     // why its last step could not be taken; nil when it was
	wait    time.Duration
	again   time.Time // not before then
	divide  []lease.Division
	divided map[ledger.TaskRef]bool // each task is tried once
}

// A step that could not be taken is taken again, each time after twice as long.
const againFirst, againMost = 250 * time.Millisecond, 30 * time.Second

// Todo returns the jobs with a step to take now without workers, oldest first.
func (t *Term) Todo() (ids []job.ID) {
	now := t.cfg.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledger.View(func(s *ledger.State) {
		for j := range s.Jobs() {
			w := t.jobs[j.ID]
			switch {
			case j.State.Over():
				delete(t.jobs, j.ID)
				continue
			case w == nil:
				w = &work{seen: now, divided: map[ledger.TaskRef]bool{}}
				t.jobs[j.ID] = w
			}
			if (next(j) != stepNone || len(w.divide) > 0) && !now.Before(w.again) {
				ids = append(ids, j.ID)
			}
		}
	})
	return ids
}

// Step takes a job as far as it goes without workers; one call for a job at a time. A
// job whose step is refused, whoever takes it, fails with the reason. What a store
// says, or a ledger that cannot be reached, is no fault of the job's, and a sealed job
// cannot fail any more: Step returns the error, and the job is to be done again.
func (t *Term) Step(ctx context.Context, id job.ID) error {
	var j *ledger.Job
	t.ledger.View(func(s *ledger.State) {
		if found := s.Job(id); found != nil {
			j = found.Clone() // the ledger goes on while the step is carried out
		}
	})
	if j == nil {
		return nil
	}
	var err error
	at := next(j)
	switch at {
	case stepNone:
		err = t.divide(ctx, j)
	case stepPlan:
		err = t.plan(ctx, j)
	case stepSeal:
		err = t.seal(ctx, j)
	case stepPublish:
		err = t.publish(ctx, j)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ledger.ErrState):
		err = nil // the job was taken elsewhere meanwhile
	case err != nil && at != stepPublish && at != stepNone && !fromStore(err) && answerTo(err) == wire.Refused:
		t.cfg.Log.Error("job fails", "job", id, "err", err)
		_, err = t.ledger.Propose(ctx, ledger.FailJob{Job: id, Reason: err.Error()})
	}
	if err != nil {
		err = fmt.Errorf("%s of job %s: %w", at, id, err)
	}
	t.troubled(id, err)
	return err
}

// troubled notes how a job's step went, and when it is to be taken again.
func (t *Term) troubled(id job.ID, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.jobs[id]
	switch {
	case w == nil: // over
	case err == nil:
		w.trouble, w.wait, w.again = nil, 0, time.Time{}
	default:
		w.wait = min(max(2*w.wait, againFirst), againMost)
		w.again = t.cfg.Now().Add(w.wait)
		if answerTo(err) != wire.Retry { // which says that somebody else may lead, and nothing of the job
			w.trouble = err
			t.cfg.Log.Warn("job is stuck", "job", id, "again", w.wait, "err", err)
		}
	}
}

// Trouble returns why a job's last step could not be taken; nil when it was, or none
// was needed.
func (t *Term) Trouble(id job.ID) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.jobs[id]; w != nil {
		return w.trouble
	}
	return nil
}

// plan gives the next stage its tasks: one for the survey; number ranges of even
// weight, cut from the survey's answer, for the score stage; the same ranges, with
// what was staged of each, for the select stage.
func (t *Term) plan(ctx context.Context, j *ledger.Job) error {
	stage := j.Stage()
	kind := j.Stages[stage].Kind
	tasks := []job.Task{{Range: partition.Whole}}
	var kept []ledger.Kept
	var facts ledger.Facts
	spec, err := t.spec(j)
	if err != nil {
		return err
	}
	switch kind {
	case job.StageSurvey: // the whole input, which nobody knows yet
	case job.StageSelect:
		if tasks, kept, err = t.planSelect(ctx, j, spec); err != nil {
			return err
		}
	case job.StageExchange:
		if tasks, facts, err = t.planExchange(ctx, j, spec); err != nil {
			return err
		}
		if err := deliverable(j, tasks, facts); err != nil {
			return err
		}
	case job.StageMerge:
		if tasks, err = t.planMerge(ctx, j, spec); err != nil {
			return err
		}
	case job.StageScore:
		survey, err := t.readSurvey(ctx, j, spec)
		if err != nil {
			return err
		}
		if j.Base != "" {
			tasks, kept, err = t.planRerun(ctx, j, spec, survey)
		} else {
			tasks, err = plan.Cut(survey, cmp.Or(j.PartitionRows, t.cfg.PartitionRows))
		}
		if err != nil {
			return err
		}
		facts = ledger.Facts{Files: survey.Files, Model: survey.Model, Challengers: survey.Challengers, Rules: spec.RulesDigest()}
		if err := deliverable(j, tasks, facts); err != nil {
			return err
		}
		t.warnOfMonths(j, spec, survey.Files)
	}
	chunks, err := ledger.Split(j.ID, stage, kind, tasks, facts)
	if err != nil {
		return err
	}
	spread(chunks, kept)
	failpoint.Hit("coordinator.plan")
	for _, c := range chunks {
		failpoint.Hit("coordinator.chunk")
		if _, err := t.ledger.Propose(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// warnOfMonths says in the log which months the survey found no file of. It is said
// before the plan is in the ledger: a leader that falls in between leaves the plan, and
// the line, to its successor, so it may be said twice but is not left out. In one process
// the run has said so itself, before the survey.
func (t *Term) warnOfMonths(j *ledger.Job, spec job.Spec, files []job.InputFile) {
	if months := spec.MissingMonths(files); len(months) > 0 && !t.cfg.Alone {
		t.cfg.Log.Warn("months without files are read as missing, as input.missing_months says", "job", j.ID, "months", months)
	}
}

// deliverable returns an error unless the largest answer to a work request fits a
// message: leases that cannot be delivered would run out, again and again.
func deliverable(j *ledger.Job, tasks []job.Task, facts ledger.Facts) error {
	widest := slices.MaxFunc(tasks, func(a, b job.Task) int { return len(a.Slices) - len(b.Slices) })
	var reply wire.WorkReply
	for range assignmentsMax {
		reply.Assignments = append(reply.Assignments, wire.Assignment{
			Job: j.ID, Kind: job.StageScore, Token: 1, Spec: j.Spec, SpecBase: j.SpecBase, Task: widest,
			Files: facts.Files, Model: facts.Model, Rules: facts.Rules, Challengers: facts.Challengers,
		})
	}
	if _, err := wire.Encode(reply); err != nil {
		return fmt.Errorf("%d input files, up to %d runs of rows a partition; join small files: %w", len(facts.Files), len(widest.Slices), err)
	}
	return nil
}

// readSurvey reads what the survey of a job that scores found.
func (t *Term) readSurvey(ctx context.Context, j *ledger.Job, spec job.Spec) (job.Survey, error) {
	data, err := t.readSurveyed(ctx, j, spec)
	if err != nil {
		return job.Survey{}, err
	}
	return wire.DecodeSurvey(data)
}

// readSurveyed reads what the survey's worker staged, and checks that it is that.
func (t *Term) readSurveyed(ctx context.Context, j *ledger.Job, spec job.Spec) ([]byte, error) {
	st, err := t.output(j, spec)
	if err != nil {
		return nil, err
	}
	for i := range j.Stages {
		if j.Stages[i].Kind != job.StageSurvey {
			continue
		}
		for _, f := range j.Stages[i].Tasks[0].Result().Files {
			data, err := getStaged(ctx, st, f)
			if err != nil {
				return nil, fmt.Errorf("survey: %w", err)
			}
			return data, nil
		}
	}
	return nil, fmt.Errorf("job %s has no survey to plan from", j.ID)
}

// spec returns what a job is to do. It is parsed once: that takes as long as half a step.
func (t *Term) spec(j *ledger.Job) (job.Spec, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.jobs[j.ID]
	if w != nil && w.spec != nil {
		return *w.spec, nil
	}
	spec, err := job.ParseCanonical(j.Spec)
	if w != nil && err == nil {
		w.spec = &spec
	}
	return spec, err
}

// since is when this leader first saw a job.
func (t *Term) since(id job.ID) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.jobs[id]; w != nil {
		return w.seen
	}
	return t.cfg.Now()
}

// seal checks the gates and seals, or holds the job with its figures.
func (t *Term) seal(ctx context.Context, j *ledger.Job) error {
	spec, err := t.spec(j)
	if err != nil {
		return err
	}
	var survey job.Survey // of a preparation, which nothing is watched in
	if !spec.Prepares() {
		if survey, err = t.readSurvey(ctx, j, spec); err != nil {
			return err
		}
	}
	if j.Released == nil {
		if refused := publish.Gate(j.Totals().Counts, publish.Stabilities(survey.Bins, j.Drift()), nulls(j, spec.Gates), publish.Tables(j, spec), spec.Gates); len(refused) > 0 {
			var figures []ledger.Figure
			var lines []string
			for _, r := range refused {
				figures = append(figures, ledger.Figure{Gate: r.Gate, Value: r.Value, Limit: r.Limit})
				lines = append(lines, r.String())
			}
			_, err := t.ledger.Propose(ctx, ledger.Hold{Job: j.ID, Reason: strings.Join(lines, "; "), Figures: figures})
			return err
		}
	}
	// What publishing will read is there: a sealed job cannot fail any more.
	if _, err := t.contest(ctx, j, spec); err != nil {
		return err
	}
	if err := t.checkStaged(ctx, j, spec); err != nil {
		return err
	}
	now := t.cfg.Now()
	failpoint.Hit("coordinator.seal")
	_, err = t.ledger.Propose(ctx, ledger.Seal{Job: j.ID, At: now.UnixNano(), Seconds: now.Sub(t.since(j.ID)).Seconds()})
	failpoint.Hit("coordinator.sealed")
	return err
}

// nulls adds up the scored rows without a value, by column that has a gate.
func nulls(j *ledger.Job, gates job.Gates) map[string]int64 {
	columns := gates.Nulls()
	if len(columns) == 0 {
		return nil
	}
	sum := map[string]int64{}
	for i := range j.Score().Tasks {
		r := j.Score().Tasks[i].Result()
		for k, column := range columns {
			if k < len(r.Nulls) {
				sum[column] += r.Nulls[k]
			} else {
				sum[column] += r.Counts.Scored // nobody counted: as if all were missing
			}
		}
	}
	return sum
}

// publish writes the version, moves the pointer, and says so in the ledger.
// Everything it writes follows from the ledger, so doing it twice is harmless.
func (t *Term) publish(ctx context.Context, j *ledger.Job) error {
	spec, err := t.spec(j)
	if err != nil {
		return err
	}
	st, err := t.output(j, spec)
	if err != nil {
		return err
	}
	m, err := t.manifest(ctx, st, j, spec)
	if err != nil {
		return err
	}
	digest, err := publish.Write(ctx, st, m, t.cfg.each)
	if err != nil {
		return err
	}
	if err := publish.Point(ctx, st, publish.NewPointer(j.Version, m, digest)); err != nil {
		return err
	}
	if spec.Prepares() {
		t.dropRuns(ctx, st, j)
	}
	_, err = t.ledger.Propose(ctx, ledger.Publish{Job: j.ID, Version: j.Version.ID, ManifestDigest: digest})
	return err
}

// manifest is what the version of a sealed job consists of.
func (t *Term) manifest(ctx context.Context, st store.Store, j *ledger.Job, spec job.Spec) (publish.Manifest, error) {
	if spec.Prepares() {
		in, err := t.readIntake(ctx, j, spec)
		if err != nil {
			return publish.Manifest{}, err
		}
		return publish.NewManifest(j, spec, job.BaseSchema(in.Columns), job.Survey{}, nil), nil
	}
	names := spec.Model.Names()
	record := schema.PublishedWith(names)
	if j.Select() == nil {
		record = schema.ScoreWith(names)
	}
	figures, err := t.contest(ctx, j, spec)
	if err != nil {
		return publish.Manifest{}, err
	}
	survey, err := t.readSurvey(ctx, j, spec)
	if err != nil {
		return publish.Manifest{}, err
	}
	return t.compose(ctx, st, j, publish.NewManifest(j, spec, schema.Fingerprint(record), survey, figures))
}
