package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/progress"
	"rescore/partition/store"
)

func storage(t *testing.T) (Storage, string) {
	t.Helper()
	dir := t.TempDir()
	st, err := store.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	return Storage{Store: st, Prefix: "bench-test", Objects: 5, Bytes: 3<<20 + 17, Parallel: 2}, dir
}

// files counts what is left below a folder.
func files(t *testing.T, dir string) (n int) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAStoreIsMeasuredAndLeftEmpty(t *testing.T) {
	t.Parallel()
	s, dir := storage(t)
	seen := map[string]bool{}
	s.Progress = func(p progress.Sample) { seen[p.Stage] = true }
	r, err := s.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range r.Operations {
		names = append(names, o.Name)
		if o.Count != 5 || !(o.PerSecond > 0) || o.P50 > o.P90 || o.P90 > o.P99 || o.P99 > o.Max || !seen[o.Name] {
			t.Errorf("%+v", o)
		}
	}
	if got := strings.Join(names, " "); got != "write read read_range create create_taken adopt list delete" {
		t.Errorf("operations are %s", got)
	}
	if n := files(t, dir); n > 0 {
		t.Errorf("%d files are left", n)
	}
}

func TestAnObjectSmallerThanARangeIsMeasuredToo(t *testing.T) {
	t.Parallel()
	s, _ := storage(t)
	s.Bytes, s.Objects = 10, 1
	if _, err := s.Measure(t.Context()); err != nil {
		t.Error(err)
	}
}

// careless is a store that overwrites.
type careless struct{ store.Store }

func (c careless) Put(ctx context.Context, name string, data []byte) error {
	_ = c.Delete(ctx, name) // it is there or not
	return c.Store.Put(ctx, name, data)
}

func TestAStoreThatOverwritesIsRefused(t *testing.T) {
	t.Parallel()
	s, dir := storage(t)
	s.Store = careless{s.Store}
	if _, err := s.Measure(t.Context()); !errors.Is(err, errOverwritten) {
		t.Errorf("%v", err)
	}
	if n := files(t, dir); n > 0 {
		t.Errorf("%d files are left", n)
	}
}

func TestAnInterruptLeavesTheStoreEmpty(t *testing.T) {
	t.Parallel()
	s, dir := storage(t)
	ctx, stop := context.WithCancelCause(t.Context())
	s.Progress = func(p progress.Sample) {
		if p.Stage == "write" {
			stop(boot.ErrInterrupted)
		}
	}
	_, err := s.Measure(ctx)
	interrupted(t, ctx, err)
	if n := files(t, dir); n > 0 {
		t.Errorf("%d files are left", n)
	}
}
