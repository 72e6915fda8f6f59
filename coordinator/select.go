package coordinator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/partition/ecdf"
	"rescore/partition/failpoint"
	"rescore/partition/job"
	"rescore/partition/store"
)

// planSelect plans the select stage: a task for each scored partition, over its
// score file and the ranks of the whole base. All of it follows from the ledger and
// from files that never change, so whoever leads plans the same.
func (t *Term) planSelect(ctx context.Context, j *ledger.Job, spec job.Spec) ([]job.Task, []ledger.Kept, error) {
	st, err := t.output(j, spec)
	if err != nil {
		return nil, nil, err
	}
	ranks, err := t.mergeRanks(ctx, st, j, ecdf.NewRanking(spec.Policy).Kind())
	if err != nil {
		return nil, nil, err
	}
	score := j.Score()
	tasks := make([]job.Task, len(score.Tasks))
	for i := range score.Tasks {
		made := &score.Tasks[i]
		scores, err := fileOf(made, job.FileScores)
		if err != nil {
			return nil, nil, err
		}
		tasks[i] = job.Task{Range: made.Range, Rows: made.Result().Counts.Scored, Staged: []job.File{scores, ranks}}
		if spec.Model.Reasons.Exactly() { // who is explained exactly is read once more
			tasks[i].Slices, tasks[i].Keys = made.Plan().Slices, made.Keys
		}
	}
	if j.Base == "" {
		return tasks, nil, nil
	}
	kept, err := t.keepPlaced(j, spec, ranks.SHA256, tasks)
	return tasks, kept, err
}

// mergeRanks adds up the partitions' histograms and stages the base's, under a name
// that follows from its content.
func (t *Term) mergeRanks(ctx context.Context, st store.Store, j *ledger.Job, kind ecdf.Kind) (job.File, error) {
	base := ecdf.New(kind)
	var adding sync.Mutex
	err := t.eachCounted(ctx, st, j, job.FileRanks, func(data []byte) error {
		adding.Lock()
		defer adding.Unlock()
		return base.MergeFile(data)
	})
	if err != nil {
		return job.File{}, err
	}
	data := base.Encode()
	failpoint.Hit("coordinator.ranks")
	return stageOnce(ctx, st, j, job.File{Kind: job.FileRanks, Path: "ranks", Rows: base.Total()}, data)
}

// eachCounted gives add what every partition counted in a file of that kind, many at
// a time and in any order.
func (t *Term) eachCounted(ctx context.Context, st store.Store, j *ledger.Job, kind job.FileKind, add func(data []byte) error) error {
	score := j.Score()
	return t.cfg.each(ctx, len(score.Tasks), func(ctx context.Context, i int) error {
		file, err := fileOf(&score.Tasks[i], kind)
		if err != nil {
			return err
		}
		data, err := getStaged(ctx, st, file)
		if err != nil {
			return err
		}
		if err := add(data); err != nil {
			return fmt.Errorf("add up %s: %w", file.Path, err)
		}
		return nil
	})
}

// fileOf returns the file of a kind that a done task staged.
func fileOf(t *ledger.Task, kind job.FileKind) (job.File, error) {
	for _, f := range t.Result().Files {
		if f.Kind == kind {
			return f, nil
		}
	}
	return job.File{}, fmt.Errorf("partition %s was scored by a release that staged no file of kind %d; delete run.work and run the job again", t.Range, kind)
}

// getStaged reads a small staged file and checks that it is the one reported.
func getStaged(ctx context.Context, st store.Store, file job.File) ([]byte, error) {
	data, err := st.Get(ctx, file.Path, file.Bytes)
	if errors.Is(err, store.ErrTooLarge) {
		err = fmt.Errorf("%w: %w", publish.ErrDamaged, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file.Path, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != file.SHA256 {
		return nil, fmt.Errorf("read %s: %w", file.Path, publish.ErrDamaged)
	}
	return data, nil
}
