package bench

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rescore/cmd/internal/progress"
	"rescore/partition/store"
)

// Storage is a store to measure, with objects of the size of a partition's files.
type Storage struct {
	Store    store.Store
	Prefix   string // that nothing else has; what lies below it is deleted at the end
	Objects  int
	Bytes    int64 // of each
	Parallel int   // requests at a time
	Progress func(progress.Sample)
}

// StorageReport is what was measured.
type StorageReport struct {
	Store      string      `json:"store"`
	Objects    int         `json:"objects"`
	Bytes      int64       `json:"bytes"`
	Parallel   int         `json:"parallel"`
	Operations []Operation `json:"operations"`
}

// Operation is one kind of request: how many, how fast, and how long one took.
type Operation struct {
	Name           string  `json:"operation"`
	Count          int     `json:"count"`
	Seconds        float64 `json:"seconds"` // of all, Parallel at a time
	PerSecond      float64 `json:"per_second"`
	BytesPerSecond float64 `json:"bytes_per_second,omitempty"`
	P50            float64 `json:"ms_p50"`
	P90            float64 `json:"ms_p90"`
	P99            float64 `json:"ms_p99"`
	Max            float64 `json:"ms_max"`
}

const (
	pieceBytes = 1 << 20 // that an object is written and read in
	rangeBytes = 64 << 10
	smallBytes = 1 << 10 // a pointer, a manifest of a small version
	cleanUp    = time.Minute
)

var errOverwritten = errors.New("the store took an object whose name was taken: it cannot be used, for versions must not change")

// Measure measures the store, and deletes what it wrote. What it reads it holds
// against what it wrote.
func (s Storage) Measure(ctx context.Context) (r StorageReport, err error) {
	r = StorageReport{Store: s.Store.String(), Objects: s.Objects, Bytes: s.Bytes, Parallel: s.Parallel}
	defer func() {
		// What is stopped is cleaned up all the same.
		sweep, stop := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
		defer stop()
		err = errors.Join(err, s.remove(sweep))
	}()
	data := make([]byte, s.Bytes)
	random := rand.New(rand.NewPCG(seed, uint64(s.Bytes)))
	for i := range data {
		data[i] = byte(random.Uint32()) // so that nobody compresses it
	}
	sum := crc32.ChecksumIEEE(data)
	small := data[:min(smallBytes, len(data))]
	object := func(i int) string { return fmt.Sprintf("%s/part-%05d.parquet", s.Prefix, i) }
	pointer := func(i int) string { return fmt.Sprintf("%s/pointer-%05d.json", s.Prefix, i) }

	for _, o := range []struct {
		name  string
		bytes int64
		do    func(ctx context.Context, i int) error
	}{
		{"write", s.Bytes, func(ctx context.Context, i int) error { return write(ctx, s.Store, object(i), data) }},
		{"read", s.Bytes, func(ctx context.Context, i int) error { return s.read(ctx, object(i), sum) }},
		{"read_range", min(rangeBytes, s.Bytes), func(ctx context.Context, i int) error { return s.readRange(ctx, object(i), i, data) }},
		{"create", 0, func(ctx context.Context, i int) error { return s.Store.Put(ctx, pointer(i), small) }},
		{"create_taken", 0, func(ctx context.Context, i int) error {
			if err := s.Store.Put(ctx, pointer(i), small); !errors.Is(err, store.ErrExist) {
				return errors.Join(err, errOverwritten)
			}
			return nil
		}},
		{"adopt", 0, func(ctx context.Context, i int) error { return s.Store.Adopt(ctx, object(i), object(i)+".adopted") }},
		{"list", 0, func(ctx context.Context, _ int) error {
			if list, err := s.Store.List(ctx, s.Prefix+"/"); err != nil || len(list) < 3*s.Objects {
				return errors.Join(err, fmt.Errorf("%d objects are listed of %d that were written", len(list), 3*s.Objects))
			}
			return nil
		}},
		{"delete", 0, func(ctx context.Context, i int) error { return s.Store.Delete(ctx, object(i)+".adopted") }},
	} {
		done, err := s.operation(ctx, o.name, o.bytes, o.do)
		if err != nil {
			return r, fmt.Errorf("%s %s: %w", o.name, s.Store, err)
		}
		r.Operations = append(r.Operations, done)
	}
	return r, nil
}

// operation does one kind of request once for every object.
func (s Storage) operation(ctx context.Context, name string, bytes int64, do func(ctx context.Context, i int) error) (Operation, error) {
	o := Operation{Name: name, Count: s.Objects}
	var mu sync.Mutex
	var took []float64
	start := time.Now()
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(s.Parallel)
	for i := range s.Objects {
		group.Go(func() error {
			if running.Err() != nil {
				return context.Cause(running)
			}
			began := time.Now()
			if err := do(running, i); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(began).Seconds()*1e3)
			if s.Progress != nil {
				s.Progress(progress.Sample{Stage: name, TasksDone: len(took), TasksTotal: s.Objects, TasksRunning: s.Parallel, Elapsed: time.Since(start)})
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			return o, context.Cause(ctx)
		}
		return o, err
	}
	o.Seconds = time.Since(start).Seconds()
	o.PerSecond = float64(o.Count) / o.Seconds
	o.BytesPerSecond = float64(bytes) * o.PerSecond
	o.P50, o.P90, o.P99, o.Max = quantile(took, 0.5), quantile(took, 0.9), quantile(took, 0.99), quantile(took, 1)
	return o, nil
}

func write(ctx context.Context, st store.Store, name string, data []byte) (err error) {
	w, err := st.Create(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for rest := data; len(rest) > 0; {
		n, err := w.Write(rest[:min(pieceBytes, len(rest))])
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return w.Commit()
}

func (s Storage) read(ctx context.Context, name string, want uint32) error {
	o, err := s.Store.Open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { _ = o.Close() }() // opened for reading only
	piece, sum := make([]byte, pieceBytes), uint32(0)
	for at := int64(0); at < s.Bytes; at += pieceBytes {
		n := min(pieceBytes, s.Bytes-at)
		if read, err := o.ReadAt(piece[:n], at); int64(read) < n {
			return errors.Join(err, fmt.Errorf("read %d of %d bytes at %d", read, n, at))
		}
		sum = crc32.Update(sum, crc32.IEEETable, piece[:n])
	}
	if sum != want {
		return errors.New("what was read is not what was written")
	}
	return nil
}

func (s Storage) readRange(ctx context.Context, name string, i int, data []byte) error {
	o, err := s.Store.Open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { _ = o.Close() }() // opened for reading only
	piece := make([]byte, min(rangeBytes, s.Bytes))
	at := int64(i) * 7919 * 4096 % (s.Bytes - int64(len(piece)) + 1)
	if read, err := o.ReadAt(piece, at); read < len(piece) {
		return errors.Join(err, fmt.Errorf("read %d of %d bytes at %d", read, len(piece), at))
	}
	if crc32.ChecksumIEEE(piece) != crc32.ChecksumIEEE(data[at:at+int64(len(piece))]) {
		return errors.New("what was read is not what was written")
	}
	return nil
}

// remove deletes everything below the prefix.
func (s Storage) remove(ctx context.Context) error {
	list, err := s.Store.List(ctx, s.Prefix+"/")
	if err != nil {
		return fmt.Errorf("list what the bench wrote, to delete it: %w", err)
	}
	for _, o := range list {
		if err := s.Store.Delete(ctx, o.Name); err != nil {
			return fmt.Errorf("delete what the bench wrote: %w", err)
		}
	}
	return nil
}
