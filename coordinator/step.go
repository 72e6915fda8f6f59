package coordinator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"rescore/coordinator/ledger"
	"rescore/coordinator/plan"
	"rescore/coordinator/publish"
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
// cannot be carried out fails with the reason; sealed jobs are tried again.
func (n *Node) advance(ctx context.Context) error {
	type todo struct {
		job  ledger.Job
		step step
	}
	var todos []todo
	n.View(func(s *ledger.State) {
		for j := range s.Jobs() {
			if at := next(j); at != stepNone {
				todos = append(todos, todo{*j, at})
			}
		}
	})
	for _, t := range todos {
		var err error
		switch t.step {
		case stepNone: // is not in the list
		case stepPlan:
			err = n.plan(ctx, &t.job)
		case stepSeal:
			err = n.seal(ctx, &t.job)
		case stepPublish:
			err = n.publish(ctx, &t.job)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			continue
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
// weight, cut from the survey's answer, for the score stage.
func (n *Node) plan(ctx context.Context, j *ledger.Job) error {
	stage := j.Stage()
	kind := j.Stages[stage].Kind
	tasks := []job.Task{{Range: partition.Whole}}
	var facts ledger.Facts
	if kind == job.StageScore {
		spec, err := job.ParseCanonical(j.Spec)
		if err != nil {
			return err
		}
		survey, err := n.readSurvey(ctx, j, spec)
		if err != nil {
			return err
		}
		if tasks, err = plan.Cut(survey, n.cfg.PartitionRows); err != nil {
			return err
		}
		facts = ledger.Facts{Files: survey.Files, Model: survey.Model, Rules: spec.RulesDigest()}
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

// readSurvey reads what the survey's worker staged, and checks that it is that.
func (n *Node) readSurvey(ctx context.Context, j *ledger.Job, spec job.Spec) (job.Survey, error) {
	const surveyMax = 1 << 30
	st, err := n.cfg.Output(j.SpecBase, spec.Output.Path)
	if err != nil {
		return job.Survey{}, err
	}
	for i := range j.Stages {
		if j.Stages[i].Kind != job.StageSurvey {
			continue
		}
		for _, f := range j.Stages[i].Tasks[0].Result.Files {
			data, err := st.Get(ctx, f.Path, surveyMax)
			if err != nil {
				return job.Survey{}, fmt.Errorf("read survey: %w", err)
			}
			if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f.SHA256 {
				return job.Survey{}, fmt.Errorf("read survey %s: %w", f.Path, publish.ErrDamaged)
			}
			return wire.DecodeSurvey(data)
		}
	}
	return job.Survey{}, fmt.Errorf("job %s has no survey to plan from", j.ID)
}

// seal checks the gates and seals, or holds the job with its figures.
func (n *Node) seal(ctx context.Context, j *ledger.Job) error {
	spec, err := job.ParseCanonical(j.Spec)
	if err != nil {
		return err
	}
	if j.Released == nil {
		if refused := publish.Gate(j.Totals().Counts, spec.Gates); len(refused) > 0 {
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
	n.mu.Lock()
	start := n.start
	n.mu.Unlock()
	now := time.Now()
	_, err = n.Propose(ctx, ledger.Seal{Job: j.ID, At: now.UnixNano(), Seconds: now.Sub(start).Seconds()})
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
	m := publish.NewManifest(j, spec, schema.Fingerprint(schema.Score))
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
