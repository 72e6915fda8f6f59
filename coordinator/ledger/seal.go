package ledger

import (
	"fmt"
	"slices"

	"rescore/partition"
	"rescore/partition/job"
)

func (c Seal) apply(s *State, index uint64) (Reply, []Event, error) {
	j, err := s.job(c.Job)
	if err != nil {
		return nil, nil, err
	}
	if j.Version != nil {
		return SealReply{Version: *j.Version}, nil, nil
	}
	if err := j.complete(); err != nil {
		return nil, nil, err
	}
	if err := j.checkSealed(); err != nil {
		return nil, nil, fmt.Errorf("job %s: %w", c.Job, err)
	}
	sum := j.Totals()
	j.State = job.Sealed
	j.Version = &Version{
		ID: VersionID(j.Epoch, index), Dataset: j.Name, Job: j.ID, Epoch: j.Epoch, SealIndex: index,
		Digest: sum.Rows, Keys: sum.Keys, Counts: sum.Counts, Tasks: sum.Tasks,
		At: c.At, Seconds: c.Seconds,
	}
	return SealReply{Version: *j.Version}, []Event{{Kind: JobSealed, Job: j.ID}}, nil
}

// complete returns an error unless j is running with every task done.
func (j *Job) complete() error {
	if j.State != job.Running {
		return fmt.Errorf("job %s is %s: %w", j.ID, j.State, ErrState)
	}
	if !j.Complete() {
		return fmt.Errorf("job %s stage %d: %w", j.ID, j.Stage(), ErrNotDone)
	}
	return nil
}

// checkSealed checks a finished job from the tasks up, trusting neither the sums
// that were maintained nor the checks that were made on the way here.
func (j *Job) checkSealed() error {
	if j.Exchange() != nil {
		return j.checkPrepared()
	}
	if err := checkScored(j.Score(), j.Facts); err != nil {
		return err
	}
	st := j.Select()
	if st == nil {
		return nil
	}
	if err := checkSelect(j.Score(), st.Tasks); err != nil {
		return err
	}
	var sum partition.Sum
	for i := range st.Tasks {
		t := &st.Tasks[i]
		r := t.Result()
		if t.State != Done || r == nil {
			return fmt.Errorf("select task %d is %s: %w", i, t.State, ErrNotDone)
		}
		if err := checkResult(st.Kind, t, *r); err != nil {
			return fmt.Errorf("select task %d: %w", i, err)
		}
		sum = sum.Add(r.Rows)
	}
	if sum != st.totals.Rows {
		return fmt.Errorf("maintained row sum %s, select tasks %s: %w", st.totals.Rows, sum, ErrCounts)
	}
	return nil
}

func checkScored(st *Stage, facts Facts) error {
	if err := checkCover(st.Tasks, st.ByRange()); err != nil { // I1
		return err
	}
	var counts job.Counts
	var planned, seen partition.Sum
	for i := range st.Tasks {
		t := &st.Tasks[i]
		r := t.Result()
		if t.State != Done || r == nil {
			return fmt.Errorf("task %d is %s: %w", i, t.State, ErrNotDone)
		}
		if err := checkResult(st.Kind, t, *r); err != nil { // I2, per task
			return fmt.Errorf("task %d: %w", i, err)
		}
		counts = counts.Add(r.Counts)
		planned = planned.Add(t.Keys)
		seen = seen.Add(r.Keys)
	}
	if !counts.Conserved() || counts.In != facts.rows() || planned != seen { // I2, in total
		return fmt.Errorf("in total %+v, files hold %d rows: %w", counts, facts.rows(), ErrCounts)
	}
	if sum := st.totals; sum.Counts != counts || sum.Keys != seen {
		return fmt.Errorf("maintained totals %+v, tasks %+v: %w", sum.Counts, counts, ErrCounts)
	}
	return nil
}

func (c Hold) apply(s *State, index uint64) (Reply, []Event, error) {
	j, err := s.job(c.Job)
	if err != nil {
		return nil, nil, err
	}
	if j.State == job.Held && j.Held.Reason == c.Reason && slices.Equal(j.Held.Figures, c.Figures) {
		return HoldReply{}, nil, nil
	}
	if err := j.complete(); err != nil {
		return nil, nil, err
	}
	if j.Released != nil {
		return nil, nil, fmt.Errorf("job %s was released by %s: %w", c.Job, j.Released.Who, ErrState)
	}
	j.State = job.Held
	j.Held = &Holding{Reason: c.Reason, Figures: c.Figures, Index: index}
	return HoldReply{}, []Event{{Kind: JobHeld, Job: j.ID}}, nil
}

func (c Release) apply(s *State, index uint64) (Reply, []Event, error) {
	if c.Who == "" || c.Reason == "" {
		return nil, nil, fmt.Errorf("release of job %s needs who and why: %w", c.Job, ErrCommand)
	}
	j, err := s.job(c.Job)
	if err != nil {
		return nil, nil, err
	}
	if r := j.Released; r != nil && r.Who == c.Who && r.Reason == c.Reason {
		return ReleaseReply{}, nil, nil
	}
	if j.State != job.Held {
		return nil, nil, fmt.Errorf("job %s is %s: %w", c.Job, j.State, ErrState)
	}
	j.State = job.Running
	j.Released = &Releasing{Who: c.Who, Reason: c.Reason, Index: index}
	return ReleaseReply{}, []Event{{Kind: JobReleased, Job: j.ID}}, nil
}

func (c Publish) apply(s *State, index uint64) (Reply, []Event, error) {
	if c.ManifestDigest == "" {
		return nil, nil, fmt.Errorf("publish of job %s needs a manifest: %w", c.Job, ErrCommand)
	}
	j, err := s.job(c.Job)
	if err != nil {
		return nil, nil, err
	}
	v := j.Version
	if v == nil {
		return nil, nil, fmt.Errorf("job %s is %s: %w", c.Job, j.State, ErrState)
	}
	if v.ID != c.Version || j.State == job.Published && v.ManifestDigest != c.ManifestDigest { // I4
		return nil, nil, fmt.Errorf("job %s version %s: %w", c.Job, v.ID, ErrConflict)
	}
	if j.State == job.Published {
		return PublishReply{Version: *v}, nil, nil
	}
	v.ManifestDigest, v.PublishIndex = c.ManifestDigest, index
	j.State = job.Published
	s.versions = append(s.versions, *v)
	return PublishReply{Version: *v}, []Event{{Kind: JobPublished, Job: j.ID}}, nil
}
