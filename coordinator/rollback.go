package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/partition/job"
	"rescore/partition/store"
)

// OpenDataset opens the folder that a dataset's newest version lies in; open is
// Config.Output.
func OpenDataset(l Ledger, open func(base, path string) (store.Store, error), dataset string) (store.Store, error) {
	var spec []byte
	var base string
	l.View(func(s *ledger.State) {
		for _, v := range s.Versions(dataset) {
			if j := s.Job(v.Job); j != nil {
				spec, base = j.Spec, j.SpecBase
			}
		}
	})
	if spec == nil {
		return nil, fmt.Errorf("dataset %s: %w", dataset, ledger.ErrNoVersion)
	}
	parsed, err := job.ParseCanonical(spec)
	if err != nil {
		return nil, err
	}
	return open(base, parsed.Output.Path)
}

// Rollback makes a published version of a dataset the current one again, once it has
// made sure that the version is all there. The pointer comes last: a leader that
// stops before it is written leaves it to the next one, by Term.Repoint.
func Rollback(ctx context.Context, l Ledger, st store.Store, c ledger.Rollback) (publish.Pointer, error) {
	var cluster string
	var version ledger.Version
	l.View(func(s *ledger.State) {
		cluster = s.Cluster()
		versions := s.Versions(c.Dataset)
		if i := slices.IndexFunc(versions, func(v ledger.Version) bool { return v.ID == c.Version }); i >= 0 {
			version = versions[i]
		}
	})
	if version.ID == "" {
		return publish.Pointer{}, fmt.Errorf("version %s of %s: %w", c.Version, c.Dataset, ledger.ErrNoVersion)
	}
	if err := publish.Readable(ctx, st, version); err != nil {
		return publish.Pointer{}, err
	}
	if cluster != "" && c.Epoch == 0 {
		var err error
		if c.Epoch, err = publish.Claim(ctx, st, c.Dataset, cluster); err != nil {
			return publish.Pointer{}, err
		}
	}
	reply, err := l.Propose(ctx, c)
	if err != nil {
		return publish.Pointer{}, err
	}
	return repoint(ctx, l, st, c.Dataset, reply.(ledger.RollbackReply).Index)
}

// repoint writes the pointer of a rollback and says so in the ledger. Everything it
// writes follows from the ledger and from the version's own pointer, so that doing it
// twice, here or elsewhere, is harmless.
func repoint(ctx context.Context, l Ledger, st store.Store, dataset string, index uint64) (publish.Pointer, error) {
	var r ledger.Rolling
	l.View(func(s *ledger.State) {
		list := s.Rollbacks(dataset)
		if i := slices.IndexFunc(list, func(r ledger.Rolling) bool { return r.Index == index }); i >= 0 {
			r = list[i]
		}
	})
	own, err := publish.PointerTo(ctx, st, r.Version)
	if err != nil {
		return publish.Pointer{}, err
	}
	p := own.Back(r.Epoch, r.Index, publish.Rollback{Who: r.Who, Reason: r.Reason})
	if err := publish.Point(ctx, st, p); err != nil {
		return p, err
	}
	_, err = l.Propose(ctx, ledger.Point{Dataset: dataset, Index: index})
	return p, err
}

// Repoint writes the pointers of rollbacks that were decided and have none yet. A
// leader calls it when it begins, and again as long as there is an error.
func (t *Term) Repoint(ctx context.Context) error {
	var open []ledger.Rolling
	t.ledger.View(func(s *ledger.State) {
		datasets := map[string]bool{}
		for j := range s.Jobs() {
			if datasets[j.Name] {
				continue
			}
			datasets[j.Name] = true
			for _, r := range s.Rollbacks(j.Name) {
				if !r.Pointed {
					open = append(open, r)
				}
			}
		}
	})
	var errs []error
	for _, r := range open {
		st, err := OpenDataset(t.ledger, t.cfg.Output, r.Dataset)
		if err == nil {
			_, err = repoint(ctx, t.ledger, st, r.Dataset, r.Index)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("roll %s back to %s: %w", r.Dataset, r.Version, err))
		}
	}
	return errors.Join(errs...)
}
