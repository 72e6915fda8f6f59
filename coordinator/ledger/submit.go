package ledger

import (
	"cmp"
	"fmt"
	"slices"

	"rescore/partition"
	"rescore/partition/job"
)

func (c Submit) apply(s *State, index uint64) (Reply, []Event, error) {
	if err := c.check(); err != nil {
		return nil, nil, err
	}
	if j := s.byID[c.Job]; j != nil {
		if j.SpecDigest != c.SpecDigest || j.SpecBase != c.SpecBase { // the same paths below another folder are other files
			return nil, nil, fmt.Errorf("job %s: %w", c.Job, ErrConflict)
		}
		return SubmitReply{State: j.State, Epoch: j.Epoch}, nil, nil
	}
	j := &Job{
		ID: c.Job, Name: c.Name, Spec: c.Spec, SpecDigest: c.SpecDigest, SpecBase: c.SpecBase,
		Epoch: c.Epoch, MaxAttempts: c.MaxAttempts, SubmitIndex: index, State: job.Submitted,
		Priority: cmp.Or(c.Priority, PriorityDefault), Base: c.Base, Again: c.Again, Who: c.Who, Generation: s.generation,
		PartitionRows: c.PartitionRows,
	}
	for _, kind := range c.Stages {
		j.Stages = append(j.Stages, Stage{Kind: kind})
	}
	s.add(j)
	return SubmitReply{State: j.State, Epoch: j.Epoch, New: true}, []Event{{Kind: JobSubmitted, Job: j.ID}}, nil
}

func (c Submit) check() error {
	if c.Job == "" || c.Name == "" || c.SpecDigest == "" || c.MaxAttempts < 1 {
		return fmt.Errorf("job %q needs an ID, a name, a digest and at least one attempt: %w", c.Job, ErrCommand)
	}
	if c.PartitionRows < 0 {
		return fmt.Errorf("job %s has %d rows a partition: %w", c.Job, c.PartitionRows, ErrCommand)
	}
	if p := c.Priority; p != 0 && (p < PriorityMin || p > PriorityMax) {
		return fmt.Errorf("job %s has priority %d, must be %d to %d: %w", c.Job, p, PriorityMin, PriorityMax, ErrCommand)
	}
	if c.Base == "" && len(c.Again) > 0 {
		return fmt.Errorf("job %s scores ranges again, of no version: %w", c.Job, ErrCommand)
	}
	if err := checkStages(c.Stages); err != nil {
		return fmt.Errorf("job %s: %w", c.Job, err)
	}
	return nil
}

// checkStages returns an error unless there is one score stage, and at most one
// select stage, after it; or, of a preparation, an exchange and then a merge.
func checkStages(kinds []job.StageKind) error {
	scores, selects, exchanges, merges := 0, 0, 0, 0
	for _, kind := range kinds {
		switch {
		case kind == job.StageSurvey && exchanges == 0:
		case kind == job.StageScore && exchanges == 0:
			scores++
		case kind == job.StageSelect && scores > 0:
			selects++
		case kind == job.StageExchange && scores == 0 && merges == 0:
			exchanges++
		case kind == job.StageMerge && exchanges > 0:
			merges++
		default:
			return fmt.Errorf("%s is unknown or out of order: %w", kind, ErrCommand)
		}
	}
	if exchanges > 0 || merges > 0 {
		if exchanges != 1 || merges != 1 {
			return fmt.Errorf("%d exchange stages and %d merge stages: %w", exchanges, merges, ErrCommand)
		}
		return nil
	}
	if scores != 1 || selects > 1 {
		return fmt.Errorf("%d score stages and %d select stages: %w", scores, selects, ErrCommand)
	}
	return nil
}

func (c Plan) apply(s *State, _ uint64) (Reply, []Event, error) {
	j, err := s.job(c.Job)
	if err != nil {
		return nil, nil, err
	}
	if c.Stage < 0 || c.Stage >= len(j.Stages) || j.Stages[c.Stage].Kind != c.StageKind {
		return nil, nil, fmt.Errorf("job %s stage %d (%s): %w", c.Job, c.Stage, c.StageKind, ErrNoTask)
	}
	st := &j.Stages[c.Stage]
	for _, k := range c.Kept {
		if k.Task < c.FirstTask || k.Task >= c.FirstTask+len(c.Tasks) {
			return nil, nil, fmt.Errorf("job %s stage %d task %d is kept, and not in the chunk: %w", c.Job, c.Stage, k.Task, ErrCommand)
		}
	}
	reply := func() PlanReply {
		return PlanReply{Tasks: len(st.Tasks), Files: len(j.Facts.Files), Planned: st.Planned}
	}
	if st.Planned && st.Divided || c.there(s, j, st) { // the plan is there; parts took places in it since
		return reply(), nil, nil
	}
	switch {
	case st.Planned:
		return nil, nil, fmt.Errorf("job %s stage %d is planned: %w", c.Job, c.Stage, ErrConflict)
	case j.State != job.Submitted && j.State != job.Running:
		return nil, nil, fmt.Errorf("job %s is %s: %w", c.Job, j.State, ErrState)
	case j.Stage() != c.Stage:
		return nil, nil, fmt.Errorf("job %s stage %d: %w", c.Job, j.Stage(), ErrNotDone)
	}

	// Nothing is written before everything is checked. A chunk that differs takes
	// the place of all that was there from its start on: a leader with another
	// partition size must not be stuck with half a plan of its predecessor, of which
	// it may share the first chunks.
	tasks, files := st.Tasks, j.Facts.Files
	if c.FirstTask >= 0 && c.FirstTask < len(tasks) {
		tasks = tasks[:c.FirstTask:c.FirstTask]
	}
	switch {
	case c.FirstTask == 0 && c.FirstFile == 0 && c.brings():
		files = nil
	case len(c.Files) > 0 && c.FirstFile >= 0 && c.FirstFile < len(files):
		files = files[:c.FirstFile:c.FirstFile]
	}
	if c.FirstTask != len(tasks) || (len(c.Files) > 0 && c.FirstFile != len(files)) {
		return nil, nil, fmt.Errorf("job %s stage %d: chunk at task %d file %d, have %d and %d: %w",
			c.Job, c.Stage, c.FirstTask, c.FirstFile, len(tasks), len(files), ErrOrder)
	}
	for i, t := range c.Tasks {
		if t.Rows < 0 {
			return nil, nil, fmt.Errorf("job %s stage %d task %d has %d rows: %w", c.Job, c.Stage, c.FirstTask+i, t.Rows, ErrCommand)
		}
		tasks = append(tasks, newTask(s.shelf, t))
	}
	for _, k := range c.Kept {
		if err := s.keep(j, st, tasks, k); err != nil {
			return nil, nil, fmt.Errorf("job %s stage %d task %d: %w", c.Job, c.Stage, k.Task, err)
		}
	}
	if c.Last {
		tasks = append(make([]Task, 0, len(tasks)), tasks...) // they are all there will be, as a rule
	}
	facts := j.Facts
	facts.Files = append(files, c.Files...)
	if c.Model != "" {
		facts.Model = c.Model
	}
	if c.Rules != "" {
		facts.Rules = c.Rules
	}
	if len(c.Challengers) > 0 {
		facts.Challengers = c.Challengers
	}
	if c.Last {
		if err := j.checkPlan(st.Kind, tasks, facts); err != nil {
			return nil, nil, fmt.Errorf("job %s stage %d: %w", c.Job, c.Stage, err)
		}
	}

	st.Tasks, j.Facts, st.Planned = tasks, facts, c.Last
	j.State = job.Running
	if !c.Last {
		return reply(), nil, nil
	}
	st.derive() // only a whole plan is worked on
	events := []Event{{Kind: StagePlanned, Job: j.ID, Stage: c.Stage}}
	if st.Complete() { // of a rerun, all is kept
		events = append(events, Event{Kind: StageDone, Job: j.ID, Stage: c.Stage})
	}
	return reply(), events, nil
}

// brings reports whether the chunk carries any fact of the survey.
func (c Plan) brings() bool {
	return len(c.Files) > 0 || c.Model != "" || c.Rules != "" || len(c.Challengers) > 0
}

// there reports whether the ledger holds everything the chunk says.
func (c Plan) there(s *State, j *Job, st *Stage) bool {
	taskEnd, fileEnd := c.FirstTask+len(c.Tasks), c.FirstFile+len(c.Files)
	if c.FirstTask < 0 || taskEnd > len(st.Tasks) || c.FirstFile < 0 || fileEnd > len(j.Facts.Files) {
		return false
	}
	if c.Last && (!st.Planned || taskEnd != len(st.Tasks)) || !c.Last && len(c.Tasks)+len(c.Files) == 0 {
		return false
	}
	kept := map[int]Kept{}
	for _, k := range c.Kept {
		kept[k.Task] = k
	}
	for i, p := range c.Tasks {
		at := c.FirstTask + i
		t := &st.Tasks[at]
		if k, ok := kept[at]; !t.is(p) || ok != (t.From != "") || ok && !s.isKept(st.Kind, t, k) {
			return false
		}
	}
	return slices.Equal(c.Files, j.Facts.Files[c.FirstFile:fileEnd]) &&
		(c.Model == "" || c.Model == j.Facts.Model) && (c.Rules == "" || c.Rules == j.Facts.Rules) &&
		(len(c.Challengers) == 0 || slices.Equal(c.Challengers, j.Facts.Challengers))
}

// checkPlan checks a whole plan: a survey is one task; a score stage covers the
// number space exactly (I1) and every row of the scoring month's files (I2); a
// select stage goes over what the score stage made, partition by partition. For a
// preparation see checkExchange and checkMerge.
func (j *Job) checkPlan(kind job.StageKind, tasks []Task, facts Facts) error {
	switch kind {
	case job.StageSurvey:
		if len(tasks) != 1 {
			return fmt.Errorf("a %s has 1 task, not %d: %w", kind, len(tasks), ErrCommand)
		}
		return nil
	case job.StageSelect:
		return checkSelect(j.Score(), tasks)
	case job.StageExchange:
		return checkExchange(tasks, facts)
	case job.StageMerge:
		return checkMerge(j.Exchange(), tasks)
	case job.StageScore: // as follows
	}
	if err := checkCover(tasks, nil); err != nil {
		return err
	}
	var rows int64
	for i := range tasks {
		rows += tasks[i].Rows
	}
	if want := facts.rows(); rows != want {
		return fmt.Errorf("tasks hold %d rows, the files %d: %w", rows, want, ErrCounts)
	}
	return nil
}

// checkSelect returns an error unless each task works on the rows and the score
// file of the score task in its place (I1, I2), and all on the same ranks.
func checkSelect(score *Stage, tasks []Task) error {
	if len(tasks) != len(score.Tasks) {
		return fmt.Errorf("%d tasks for %d scored partitions: %w", len(tasks), len(score.Tasks), ErrCover)
	}
	var ranks job.File
	for i := range tasks {
		made := &score.Tasks[i]
		result := made.Result()
		if result == nil {
			return fmt.Errorf("partition %d: %w", i, ErrNotDone)
		}
		t, scored := tasks[i].Plan(), made.Plan()
		if i == 0 && len(t.Staged) == 2 {
			ranks = t.Staged[1]
		}
		switch {
		case t.Range != made.Range:
			return fmt.Errorf("task %d is of %s, partition %d of %s: %w", i, t.Range, i, made.Range, ErrCover)
		case len(t.Slices) > 0 && (!slices.Equal(t.Slices, scored.Slices) || t.Keys != made.Keys):
			return fmt.Errorf("task %d reads other rows again than partition %d: %w", i, i, ErrCover)
		case t.Rows != result.Counts.Scored:
			return fmt.Errorf("task %d has %d rows, %d were scored: %w", i, t.Rows, result.Counts.Scored, ErrCounts)
		case len(t.Staged) != 2 || t.Staged[0].Kind != job.FileScores || !slices.Contains(result.Files, t.Staged[0]) ||
			t.Staged[1].Kind != job.FileRanks || t.Staged[1] != ranks:
			return fmt.Errorf("task %d needs its partition's score file and the ranks of the base: %w", i, ErrCommand)
		}
	}
	return nil
}

// checkCover checks that tasks, in the order given (nil: as they are), cover the number
// space exactly.
func checkCover(tasks []Task, order []int) error {
	ranges := make([]partition.Range, len(tasks))
	for i := range tasks {
		at := i
		if order != nil {
			at = order[i]
		}
		ranges[i] = tasks[at].Range
	}
	if err := partition.CheckCover(partition.Whole, ranges); err != nil {
		return fmt.Errorf("%w: %w", ErrCover, err)
	}
	return nil
}

// Split cuts a stage's plan into Plan commands that each fit a log entry, the
// same way every time. Facts may be empty; Last is on the last command.
func Split(id job.ID, stage int, kind job.StageKind, tasks []job.Task, facts Facts) ([]Plan, error) {
	const chunk = EntryMax / 2
	var plans []Plan
	cur := Plan{Job: id, Stage: stage, StageKind: kind, Model: facts.Model, Rules: facts.Rules, Challengers: facts.Challengers}
	size := 0
	take := func(v any) error {
		b, err := encoder.Marshal(v)
		if err != nil {
			return fmt.Errorf("split plan of job %s: %w", id, err)
		}
		if len(b) > chunk {
			return fmt.Errorf("split plan of job %s: one task or file of %d bytes: %w", id, len(b), ErrTooLarge)
		}
		if size+len(b) > chunk {
			plans = append(plans, cur)
			cur = Plan{
				Job: id, Stage: stage, StageKind: kind,
				FirstTask: cur.FirstTask + len(cur.Tasks), FirstFile: cur.FirstFile + len(cur.Files),
			}
			size = 0
		}
		size += len(b)
		return nil
	}
	for _, f := range facts.Files {
		if err := take(f); err != nil {
			return nil, err
		}
		cur.Files = append(cur.Files, f)
	}
	for _, t := range tasks {
		if err := take(t); err != nil {
			return nil, err
		}
		cur.Tasks = append(cur.Tasks, t)
	}
	cur.Last = true
	return append(plans, cur), nil
}
