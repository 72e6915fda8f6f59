package local

import (
	"context"
	"errors"
	"io/fs"

	"rescore/coordinator/plan"
	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/partition/store/address"
	"rescore/worker/program"
)

// PlanReport is what Run would do.
type PlanReport struct {
	Job      job.ID
	Files    []job.InputFile
	Rows     int64 // of the scoring month
	Tasks    []PlanTask
	Missing  []int32  // months of the window without files, read as missing
	Columns  []string // canonical columns the input has
	Absent   []string // canonical columns it lacks: null in every row
	Unknown  []program.Unknown
	Model    string // digest
	Features int    // the model's

	Package    string   // the model's id and version; "" of a bare file
	Overruled  []string // features that the job file binds otherwise than the package
	Watched    int      // columns that are watched for drift
	GoldenRows int      // of the package, which were scored and found right

	Challengers []PlanChallenger

	Reasons PlanReasons

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

// PlanReasons is how rows would be explained.
type PlanReasons struct {
	Method string `json:"method"` // of every row: path, or none
	Exact  string `json:"exact"`  // whose reasons would be exact instead: contact, top, or none
	// ExactRows is the most of them: exact_pct of the rows, of whom only those that are
	// ranked count.
	ExactRows   int64  `json:"exact_rows_max"`
	Unexplained string `json:"unexplained"` // why reasons that are asked for cannot be had; "" when they can
}

// planReasons says how rows of the scoring month would be explained.
func planReasons(asked job.Explanation, m program.Model, rows int64) PlanReasons {
	r := PlanReasons{Method: "none", Exact: "none", Unexplained: m.Unexplained}
	if m.ByPath() {
		r.Method = "path"
	}
	if m.Exact {
		r.Exact, r.ExactRows = asked.Exact, int64(asked.ExactPct/100*float64(rows))
	}
	return r
}

// PlanTask is one partition as it would be cut.
type PlanTask struct {
	Range string // by segments
	Rows  int64
}

// Plan surveys the input and cuts it as Run would, and changes nothing.
func Plan(ctx context.Context, o Options) (_ PlanReport, err error) {
	q, err := ask(ctx, o, 0)
	if err != nil {
		return PlanReport{}, err
	}
	model, dataset := q.sound.Model, q.sound.Dataset
	defer func() { err = errors.Join(err, q.sound.Close()) }()
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
		Job: q.id, Files: survey.Files, Missing: q.missing(), Columns: present, Absent: absent,
		Unknown: unknown, Model: model.Digest, Features: len(model.Features), Program: steps.String(),
		Picture: steps.Picture(o.Spec.Run.BatchRows), Select: second.Picture(o.Spec.Run.BatchRows),
	}
	r.Package, r.Overruled, r.Watched, r.GoldenRows = model.Name, model.Overruled, len(model.Bins), model.GoldenRows
	for i, c := range model.Challengers {
		r.Challengers = append(r.Challengers, PlanChallenger{o.Spec.Model.Challengers[i].Name, c.Digest, len(c.Features), model.Alone(i)})
	}
	for _, t := range tasks {
		r.Rows += t.Rows
		r.Tasks = append(r.Tasks, PlanTask{Range: t.Range.String(), Rows: t.Rows})
	}
	r.Reasons = planReasons(o.Spec.Model.Reasons, model, r.Rows)
	if q.output, err = address.OpenExisting(q.dir); errors.Is(err, fs.ErrNotExist) {
		return r, nil // opened to write, it would be made
	}
	if err != nil {
		return PlanReport{}, err
	}
	done, ok, err := q.published(ctx)
	if err != nil {
		return PlanReport{}, err
	}
	r.Already, r.Version = ok, done.Version
	return r, nil
}
