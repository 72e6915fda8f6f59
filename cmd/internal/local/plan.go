package local

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"rescore/coordinator/plan"
	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/worker/program"
)

// PlanReport is what Run would do.
type PlanReport struct {
	Job      job.ID
	Files    []job.InputFile
	Rows     int64 // of the scoring month
	Tasks    []PlanTask
	Columns  []string // canonical columns the input has
	Absent   []string // canonical columns it lacks: null in every row
	Unknown  []program.Unknown
	Model    string // digest
	Features int    // the model's

	Challengers []PlanChallenger

	Already bool   // the job is published: Run would do nothing
	Version string // of that version
	Program string // the kernels, in order
	Picture program.Picture
	Select  program.Picture // of the select stage
}

// PlanChallenger is a model that would be scored beside the champion.
type PlanChallenger struct {
	Name     string   `json:"name"`
	Model    string   `json:"model"` // digest
	Features int      `json:"model_features"`
	Alone    []string `json:"features_alone"` // that read what the champion does not
}

// PlanTask is one partition as it would be cut.
type PlanTask struct {
	Range string // by segments
	Rows  int64
}

// Plan surveys the input and cuts it as Run would, and changes nothing.
func Plan(ctx context.Context, o Options) (_ PlanReport, err error) {
	q, err := ask(ctx, o)
	if err != nil {
		return PlanReport{}, err
	}
	model, err := o.models()
	if err != nil {
		return PlanReport{}, inputError(err)
	}
	steps, err := program.ForJob(o.Spec, model)
	if err != nil {
		return PlanReport{}, inputError(err)
	}
	places, err := program.Place(o.Spec, ecdf.New(ecdf.NewRanking(o.Spec.Policy).Kind()))
	if err != nil {
		return PlanReport{}, inputError(err)
	}
	second, err := program.ForSelect(o.Spec, places)
	if err != nil {
		return PlanReport{}, inputError(err)
	}
	dataset, err := openInput(ctx, o)
	if err != nil {
		return PlanReport{}, err
	}
	defer func() { err = errors.Join(err, dataset.Close()) }()
	survey, err := dataset.Survey(ctx, o.Spec.Run.Workers, func(int64) {})
	if err != nil {
		return PlanReport{}, inputError(err)
	}
	tasks, err := plan.Cut(survey, o.Spec.Run.PartitionRows)
	if err != nil {
		return PlanReport{}, inputError(err)
	}
	present, absent := dataset.Columns()
	unknown, err := program.Unknowns(o.Spec, model, absent)
	if err != nil {
		return PlanReport{}, err
	}
	r := PlanReport{
		Job: q.id, Files: survey.Files, Columns: present, Absent: absent,
		Unknown: unknown, Model: model.Digest, Features: len(model.Features), Program: steps.String(),
		Picture: steps.Picture(o.Spec.Run.BatchRows), Select: second.Picture(o.Spec.Run.BatchRows),
	}
	for i, c := range model.Challengers {
		r.Challengers = append(r.Challengers, PlanChallenger{o.Spec.Model.Challengers[i].Name, c.Digest, len(c.Features), model.Alone(i)})
	}
	for _, t := range tasks {
		r.Rows += t.Rows
		r.Tasks = append(r.Tasks, PlanTask{Range: t.Range.String(), Rows: t.Rows})
	}
	if _, err := os.Stat(q.dir); errors.Is(err, fs.ErrNotExist) {
		return r, nil // opening it would make it
	}
	if q.output, err = outputStore(o.Base, o.Spec.Output.Path); err != nil {
		return PlanReport{}, err
	}
	done, ok, err := q.published(ctx)
	if err != nil {
		return PlanReport{}, err
	}
	r.Already, r.Version = ok, done.Version
	return r, nil
}
