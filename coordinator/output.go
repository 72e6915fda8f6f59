package coordinator

import (
	"context"
	"errors"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
	"rescore/partition/store"
)

// storeError marks what a store answered. A store that is full, away or slow says
// nothing about a job: its step is tried again for as long as it takes.
type storeError struct{ error }

func (e storeError) Unwrap() error { return e.error }

func fromStore(err error) bool {
	var e storeError
	return errors.As(err, &e)
}

// mark leaves an object that is larger than it should be to whoever knows the job.
func mark(err error) error {
	if err == nil || errors.Is(err, store.ErrTooLarge) {
		return err
	}
	return storeError{err}
}

// output opens the folder of a job's dataset. Its errors, and those of what is done
// there, are marked as the store's.
func (t *Term) output(j *ledger.Job, spec job.Spec) (store.Store, error) {
	st, err := t.cfg.Output(j.SpecBase, spec.Output.Path)
	if err != nil {
		return nil, mark(err)
	}
	return marked{st}, nil
}

// marked is a store whose errors are marked.
type marked struct{ store.Store }

func (m marked) Open(ctx context.Context, name string) (store.Object, error) {
	o, err := m.Store.Open(ctx, name)
	return o, mark(err)
}

func (m marked) Put(ctx context.Context, name string, data []byte) error {
	return mark(m.Store.Put(ctx, name, data))
}

func (m marked) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	data, err := m.Store.Get(ctx, name, limit)
	return data, mark(err)
}

func (m marked) Adopt(ctx context.Context, from, to string) error {
	return mark(m.Store.Adopt(ctx, from, to))
}

func (m marked) List(ctx context.Context, prefix string) ([]store.Info, error) {
	infos, err := m.Store.List(ctx, prefix)
	return infos, mark(err)
}

func (m marked) Delete(ctx context.Context, name string) error {
	return mark(m.Store.Delete(ctx, name))
}
