package coordinator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"rescore/coordinator/ledger"
	"rescore/coordinator/plan"
	"rescore/coordinator/publish"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/psi"
	"rescore/partition/store"
)

// base returns the job whose version a rerun stands on, as it was published: it does
// not change any more.
func (t *Term) base(j *ledger.Job) (base *ledger.Job, err error) {
	t.ledger.View(func(s *ledger.State) {
		for _, v := range s.Versions(j.Name) {
			if v.ID == j.Base {
				base = s.Job(v.Job).Clone()
			}
		}
	})
	if base == nil {
		return nil, fmt.Errorf("stand on version %s of %s: %w; rescore versions lists those that are published", j.Base, j.Name, ledger.ErrNoVersion)
	}
	return base, nil
}

// planRerun plans the score stage of a rerun: the base's partitions, those that were
// not asked for kept where they can be.
func (t *Term) planRerun(ctx context.Context, j *ledger.Job, spec job.Spec, survey job.Survey) ([]job.Task, []ledger.Kept, error) {
	base, err := t.base(j)
	if err != nil {
		return nil, nil, err
	}
	was, err := job.ParseCanonical(base.Spec)
	if err != nil {
		return nil, nil, fmt.Errorf("stand on version %s: %w", j.Base, err)
	}
	bar, err := t.bar(ctx, j, base, spec, was, survey.Bins)
	if err != nil {
		return nil, nil, err
	}
	r, err := plan.Over(base, j.Again, survey, bar)
	if err != nil {
		return nil, nil, err
	}
	unasked := map[string]int{}
	for _, a := range r.Anew {
		if a.Reason != "" {
			unasked[a.Reason]++
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(unasked)) {
		t.cfg.Log.Warn("partitions are scored again that were not asked for", "job", j.ID, "base", j.Base, "partitions", unasked[reason], "reason", reason)
	}
	t.cfg.Log.Info("rerun planned", "job", j.ID, "base", j.Base, "kept", len(r.Kept), "again", len(r.Anew))
	return r.Tasks, keptOf(base.ID, r.Kept), nil
}

// bar says why a task of the base cannot be kept by j; "" when it can.
func (t *Term) bar(ctx context.Context, j, base *ledger.Job, spec, was job.Spec, bins []psi.Bins) (func(*ledger.Task) string, error) {
	all := func(reason string) func(*ledger.Task) string { return func(*ledger.Task) string { return reason } }
	if reason := spec.Beside(was); reason != "" {
		return all(reason), nil
	}
	st, err := t.output(j, spec)
	if err != nil {
		return nil, err
	}
	before, err := t.readSurvey(ctx, base, was)
	switch {
	case err != nil && fromStore(err) && !errors.Is(err, store.ErrNotExist): // it may answer the next time
		return nil, err
	case err != nil:
		return all("the survey of its version cannot be read any more"), ctx.Err()
	case !slices.EqualFunc(before.Bins, bins, sameBins):
		return all("model: another one is watched for drift, by other bins"), nil
	}
	there, err := staged(ctx, st, base)
	if err != nil {
		return nil, err
	}
	var marks []ledger.Marking
	t.ledger.View(func(s *ledger.State) { marks = s.Marks(j.Name) })
	gone, err := condemned(ctx, st, marks)
	if err != nil {
		return nil, err
	}
	placed := map[partition.Range]*ledger.Task{}
	if selected := base.Select(); selected != nil {
		for i := range selected.Tasks {
			placed[selected.Tasks[i].Range] = &selected.Tasks[i]
		}
	}
	need := []job.FileKind{job.FileScores}
	if j.Select() != nil {
		need = append(need, job.FileRanks)
	}
	if len(spec.Model.Challengers) > 0 {
		need = append(need, job.FileContest)
	}
	return func(task *ledger.Task) string {
		files := task.Result().Files
		for _, kind := range need {
			if !slices.ContainsFunc(files, func(f job.File) bool { return f.Kind == kind }) {
				return "it was scored by a release that staged less"
			}
		}
		if p := placed[task.Range]; p != nil {
			files = append(files, p.Result().Files...)
		}
		for _, f := range files {
			if size, ok := there.size(f.Path); !ok || size != f.Bytes || gone[f.Path] {
				return "its staged files were swept"
			}
		}
		return ""
	}, nil
}

func sameBins(a, b psi.Bins) bool {
	return a.Name == b.Name && slices.Equal(a.Edges, b.Edges) && slices.Equal(a.Shares, b.Shares) && a.Missing == b.Missing
}

// listing is what was listed, by name: hundreds of thousands of files, which would take
// twice the memory as a map.
type listing []store.Info

// size returns a listed file's size.
func (l listing) size(name string) (int64, bool) {
	i, there := slices.BinarySearchFunc(l, name, func(a store.Info, name string) int { return cmp.Compare(a.Name, name) })
	if !there {
		return 0, false
	}
	return l[i].Size, true
}

// staged lists what lies where the files of a job's results were staged: by itself, and
// by the jobs it kept results of.
func staged(ctx context.Context, st store.Store, j *ledger.Job) (listing, error) {
	folders := map[string]bool{}
	eachResult(j, func(r *job.Result) {
		for _, f := range r.Files {
			folders[path.Dir(f.Path)+"/"] = true
		}
	})
	var list listing
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		infos, err := st.List(ctx, folder)
		if err != nil {
			return nil, fmt.Errorf("list staged files: %w", err)
		}
		list = append(list, infos...)
	}
	slices.SortFunc(list, func(a, b store.Info) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// checkStaged returns an error unless what a job's results name is there to be
// published. Of a job that was brought back after its files were swept it is not.
func (t *Term) checkStaged(ctx context.Context, j *ledger.Job, spec job.Spec) error {
	st, err := t.output(j, spec)
	if err != nil {
		return err
	}
	there, err := staged(ctx, st, j)
	if err != nil {
		return err
	}
	var unlisted []job.File
	eachResult(j, func(r *job.Result) {
		for _, f := range r.Files {
			if size, ok := there.size(f.Path); !ok || size != f.Bytes {
				unlisted = append(unlisted, f)
			}
		}
	})
	gone := 0
	for _, f := range unlisted { // a listing may be older than the file: it decides nothing
		switch o, err := st.Open(ctx, f.Path); {
		case errors.Is(err, store.ErrNotExist):
			gone++
		case err != nil:
			return err
		default:
			if o.Size() != f.Bytes {
				gone++
			}
			if err := o.Close(); err != nil {
				return err
			}
		}
	}
	if gone > 0 {
		return fmt.Errorf("%d staged files of the job are gone or damaged; submit it as a rerun of a published version: %w", gone, publish.ErrDamaged)
	}
	return nil
}

func eachResult(j *ledger.Job, visit func(*job.Result)) {
	for i := range j.Stages {
		for k := range j.Stages[i].Tasks {
			if r := j.Stages[i].Tasks[k].Result(); r != nil {
				visit(r)
			}
		}
	}
}

// keepPlaced decides of which partitions the select stage of a rerun keeps the base's
// result, and what tasks of kept partitions may be explained anew: tasks are those of
// the whole stage, ranks is the digest of where everybody stands.
func (t *Term) keepPlaced(j *ledger.Job, spec job.Spec, ranks string, tasks []job.Task) ([]ledger.Kept, error) {
	base, err := t.base(j)
	if err != nil {
		return nil, err
	}
	alike := t.alike(j, spec)
	score := j.Score()
	for i := range tasks {
		made := &score.Tasks[i]
		ok, err := alike(made.From)
		if err != nil {
			return nil, err
		}
		if !ok { // it was judged otherwise: its reasons stay as they are
			tasks[i].Slices, tasks[i].Keys = nil, partition.Sum{}
		}
	}
	kept := plan.Placed(j, base, ranks)
	for _, k := range kept { // they are the tasks they were
		made, was := &score.Tasks[k.Task], &base.Select().Tasks[k.At]
		tasks[k.Task].Slices, tasks[k.Task].Keys = nil, was.Keys
		if len(was.Plan().Slices) > 0 {
			tasks[k.Task].Slices = made.Plan().Slices
		}
	}
	return keptOf(base.ID, kept), nil
}

// alike returns whether rows that a job scored were judged as j judges them; "" is j
// itself.
func (t *Term) alike(j *ledger.Job, spec job.Spec) func(job.ID) (bool, error) {
	mine := spec.Judgement(append([]string{j.Facts.Model}, j.Facts.Challengers...))
	known := map[job.ID]bool{"": true, j.ID: true}
	return func(id job.ID) (bool, error) {
		if alike, ok := known[id]; ok {
			return alike, nil
		}
		var canonical []byte
		var models []string
		t.ledger.View(func(s *ledger.State) {
			if o := s.Job(id); o != nil {
				canonical, models = o.Spec, append([]string{o.Facts.Model}, o.Facts.Challengers...)
			}
		})
		was, err := job.ParseCanonical(canonical)
		if err != nil {
			return false, fmt.Errorf("spec of job %s: %w", id, err)
		}
		known[id] = was.Judgement(models) == mine
		return known[id], nil
	}
}

// compose says in a rerun's manifest what it was made of; every other manifest it
// leaves as it is.
func (t *Term) compose(ctx context.Context, st store.Store, j *ledger.Job, m publish.Manifest) (publish.Manifest, error) {
	if j.Base == "" {
		return m, nil
	}
	p, err := publish.PointerTo(ctx, st, j.Base)
	if err != nil {
		return m, err
	}
	base, err := publish.ReadManifest(ctx, st, p)
	if err != nil {
		return m, err
	}
	return m.Over(base, j.Again)
}

// keptOf names the base's job.
func keptOf(base job.ID, list []plan.Kept) []ledger.Kept {
	kept := make([]ledger.Kept, len(list))
	for i, k := range list {
		kept[i] = ledger.Kept{Task: k.Task, Job: base, At: k.At}
	}
	return kept
}

// spread gives each chunk of a plan the kept tasks that are in it.
func spread(chunks []ledger.Plan, kept []ledger.Kept) {
	for i := range chunks {
		c := &chunks[i]
		for len(kept) > 0 && kept[0].Task < c.FirstTask+len(c.Tasks) {
			c.Kept = append(c.Kept, kept[0])
			kept = kept[1:]
		}
	}
}
