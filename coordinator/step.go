package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rescore/coordinator/ledger"
	"rescore/coordinator/plan"
	"rescore/coordinator/publish"
	"rescore/coordinator/replica"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
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
	case job.Held, job.Published, job.Failed: // waits for somebody, or is over
	}
	return stepNone
}

// advance takes each job as far as it goes without workers. A job whose step
// cannot be carried out fails with the reason. A sealed one cannot fail any more:
// advance returns why it could not be published, and whoever leads next tries
// again. seen is when this leader first saw each job that is not over.
func (n *Node) advance(ctx context.Context, seen map[job.ID]time.Time) error {
	type todo struct {
		job  *ledger.Job
		step step
	}
	var todos []todo
	now := time.Now()
	n.View(func(s *ledger.State) {
		for j := range s.Jobs() {
			switch _, known := seen[j.ID]; {
			case j.State == job.Published || j.State == job.Failed:
				delete(seen, j.ID)
			case !known:
				seen[j.ID] = now
			}
			if at := next(j); at != stepNone {
				todos = append(todos, todo{j.Clone(), at}) // the ledger goes on while the step is carried out
			}
		}
	})
	for _, t := range todos {
		var err error
		switch t.step {
		case stepNone: // is not in the list
		case stepPlan:
			err = n.plan(ctx, t.job)
		case stepSeal:
			err = n.seal(ctx, t.job, seen[t.job.ID])
		case stepPublish:
			err = n.publish(ctx, t.job)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			continue
		case errors.Is(err, replica.ErrNotLeader), errors.Is(err, ledger.ErrState):
			continue // deposed, or the job was taken elsewhere meanwhile: no fault of the job's
		}
		n.cfg.Log.Error("job step", "job", t.job.ID, "err", err)
		if t.step == stepPublish {
			return fmt.Errorf("publish job %s: %w", t.job.ID, err) // it is sealed: start again and it goes on
		}
		if _, err := n.Propose(ctx, ledger.FailJob{Job: t.job.ID, Reason: err.Error()}); err != nil {
			n.cfg.Log.Warn("fail job", "job", t.job.ID, "err", err)
		}
	}
	return nil
}

// plan gives the next stage its tasks: one for the survey; number ranges of even
// weight, cut from the survey's answer, for the score stage; the same ranges, with
// what was staged of each, for the select stage.
func (n *Node) plan(ctx context.Context, j *ledger.Job) error {
	stage := j.Stage()
	kind := j.Stages[stage].Kind
	tasks := []job.Task{{Range: partition.Whole}}
	var facts ledger.Facts
	spec, err := job.ParseCanonical(j.Spec)
	if err != nil {
		return err
	}
	switch kind {
	case job.StageSurvey: // the whole input, which nobody knows yet
	case job.StageSelect:
		if tasks, err = n.planSelect(ctx, j, spec); err != nil {
			return err
		}
	case job.StageScore:
		survey, err := n.readSurvey(ctx, j, spec)
		if err != nil {
			return err
		}
		if tasks, err = plan.Cut(survey, n.cfg.PartitionRows); err != nil {
			return err
		}
		facts = ledger.Facts{Files: survey.Files, Model: survey.Model, Challengers: survey.Challengers, Rules: spec.RulesDigest()}
		if err := deliverable(j, tasks, facts); err != nil {
			return err
		}
	}
	chunks, err := ledger.Split(j.ID, stage, kind, tasks, facts)
	if err != nil {
		return err
	}
	for _, c := range chunks {
		if _, err := n.Propose(ctx, c); err != nil {
			return err
		}
	}
	return nil
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

// readSurvey reads what the survey's worker staged, and checks that it is that.
func (n *Node) readSurvey(ctx context.Context, j *ledger.Job, spec job.Spec) (job.Survey, error) {
	st, err := n.cfg.Output(j.SpecBase, spec.Output.Path)
	if err != nil {
		return job.Survey{}, err
	}
	for i := range j.Stages {
		if j.Stages[i].Kind != job.StageSurvey {
			continue
		}
		for _, f := range j.Stages[i].Tasks[0].Result.Files {
			data, err := getStaged(ctx, st, f)
			if err != nil {
				return job.Survey{}, fmt.Errorf("survey: %w", err)
			}
			return wire.DecodeSurvey(data)
		}
	}
	return job.Survey{}, fmt.Errorf("job %s has no survey to plan from", j.ID)
}

// seal checks the gates and seals, or holds the job with its figures.
func (n *Node) seal(ctx context.Context, j *ledger.Job, since time.Time) error {
	spec, err := job.ParseCanonical(j.Spec)
	if err != nil {
		return err
	}
	survey, err := n.readSurvey(ctx, j, spec)
	if err != nil {
		return err
	}
	if j.Released == nil {
		if refused := publish.Gate(j.Totals().Counts, publish.Stabilities(survey.Bins, j.Drift()), spec.Gates); len(refused) > 0 {
			var figures []ledger.Figure
			var lines []string
			for _, r := range refused {
				figures = append(figures, ledger.Figure{Gate: r.Gate, Value: r.Value, Limit: r.Limit})
				lines = append(lines, r.String())
			}
			_, err := n.Propose(ctx, ledger.Hold{Job: j.ID, Reason: strings.Join(lines, "; "), Figures: figures})
			return err
		}
	}
	// What publishing will read is there: a sealed job cannot fail any more.
	if _, err := n.contest(ctx, j, spec); err != nil {
		return err
	}
	now := time.Now()
	_, err = n.Propose(ctx, ledger.Seal{Job: j.ID, At: now.UnixNano(), Seconds: now.Sub(since).Seconds()})
	return err
}

// publish writes the version, moves the pointer, and says so in the ledger.
// Everything it writes follows from the ledger, so doing it twice is harmless.
func (n *Node) publish(ctx context.Context, j *ledger.Job) error {
	spec, err := job.ParseCanonical(j.Spec)
	if err != nil {
		return err
	}
	st, err := n.cfg.Output(j.SpecBase, spec.Output.Path)
	if err != nil {
		return err
	}
	names := spec.Model.Names()
	record := schema.PublishedWith(names)
	if j.Select() == nil {
		record = schema.ScoreWith(names)
	}
	figures, err := n.contest(ctx, j, spec)
	if err != nil {
		return err
	}
	survey, err := n.readSurvey(ctx, j, spec)
	if err != nil {
		return err
	}
	m := publish.NewManifest(j, spec, schema.Fingerprint(record), survey, figures)
	digest, err := publish.Write(ctx, st, m)
	if err != nil {
		return err
	}
	if err := publish.Point(ctx, st, publish.NewPointer(j.Version, m, digest)); err != nil {
		return err
	}
	_, err = n.Propose(ctx, ledger.Publish{Job: j.ID, Version: j.Version.ID, ManifestDigest: digest})
	return err
}
