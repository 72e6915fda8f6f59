package source

import (
	"context"
	"errors"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"go.uber.org/goleak"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
)

// Nothing here starts a goroutine that outlives its call: neither the survey's
// workers nor parquet-go and the codecs.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// spec returns the input half of a job for files in dir.
func spec(p string) job.Spec {
	return job.Spec{
		Version: 1, Name: "test", Month: 202606,
		Input: job.Input{Path: p, CSV: job.CSV{Header: true}, Exclude: job.Exclude{IoT: true}},
	}
}

// rooted returns a store at dir and fails the test when there is none.
func rooted(t testing.TB, dir string) store.Store {
	t.Helper()
	st, err := store.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func write(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	p := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string, s job.Spec) *Dataset {
	t.Helper()
	root, _ := splitRoot(s.Input.Path)
	d, err := Open(context.Background(), rooted(t, filepath.Join(dir, root)), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func survey(t testing.TB, d *Dataset) job.Survey {
	t.Helper()
	s, err := d.Survey(context.Background(), 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// cut makes one task per group of segments; group says to which task a segment
// belongs, and never decreases.
func cut(s job.Survey, group func(partition.Segment) int) []job.Task {
	var tasks []job.Task
	at := map[int]int{}
	for month, runs := range s.Segments {
		for _, r := range runs {
			g := group(r.Segment)
			i, ok := at[g]
			if !ok {
				i = len(tasks)
				at[g] = i
				tasks = append(tasks, job.Task{Range: partition.Range{First: r.Segment.First(), Past: r.Segment.Past()}})
			}
			t := &tasks[i]
			t.Range.First = min(t.Range.First, r.Segment.First())
			t.Range.Past = max(t.Range.Past, r.Segment.Past())
			if month == 0 {
				t.Rows += r.Rows
				t.Keys = t.Keys.Add(r.Keys)
			}
			if k := len(t.Slices) - 1; k >= 0 {
				if l := &t.Slices[k]; l.Month == month && l.File == r.File && l.First+l.Rows == r.First {
					l.Rows += r.Rows
					l.Bytes += r.Bytes
					continue
				}
			}
			t.Slices = append(t.Slices, job.Slice{Month: month, File: r.File, First: r.First, Rows: r.Rows, Offset: r.Offset, Bytes: r.Bytes})
		}
	}
	return tasks
}

func whole(partition.Segment) int { return 0 }

// row is one row as a reader delivers it: nil is null.
type row struct {
	key    uint64
	drop   job.Reason
	bad    uint8
	values []any
}

type result struct {
	rows    []row
	rejects []Reject
	counts  job.Counts
	keys    partition.Sum
}

// readTask reads a task to its end with a checked allocator.
func readTask(t testing.TB, d *Dataset, s job.Survey, task job.Task, columns []string, batch int) (result, error) {
	t.Helper()
	alloc := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer func() {
		if n := alloc.CurrentAlloc(); n != 0 {
			t.Errorf("%d bytes were not returned", n)
		}
	}()
	var out result
	r, err := d.Reader(task, s.Files, columns, batch, alloc)
	if err != nil {
		return out, err
	}
	defer r.Close()
	if err := out.read(t, r, len(columns), math.MaxInt); err != nil {
		return out, err
	}
	out.counts, out.keys = r.Counts(), r.Keys()
	if !out.counts.Conserved() {
		t.Errorf("rows are not conserved: %+v", out.counts)
	}
	return out, nil
}

// read adds what so many batches hold, or all that are left.
func (out *result) read(t testing.TB, r *Reader, columns, batches int) error {
	t.Helper()
	for range batches {
		b, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if b.Len != int(b.Record.NumRows()) || int(b.Record.NumCols()) != columns {
			t.Fatalf("a record of %d×%d for %d rows of %d columns", b.Record.NumRows(), b.Record.NumCols(), b.Len, columns)
		}
		for i := range b.Len {
			x := row{key: b.Key[i]}
			if b.Drop != nil {
				x.drop = b.Drop[i]
			}
			if b.Bad != nil {
				x.bad = b.Bad[i]
			}
			for _, c := range b.Record.Columns() {
				x.values = append(x.values, cellOf(t, c, i))
			}
			out.rows = append(out.rows, x)
		}
		out.rejects = append(out.rejects, b.Rejects...)
	}
	return nil
}

// cellOf returns the value as int64 or float64, nil when null or NaN. What lies
// under a null is zero, so that no run depends on the batch before it.
func cellOf(t testing.TB, a arrow.Array, i int) any {
	t.Helper()
	var v int64
	switch a := a.(type) {
	case *array.Uint8:
		v = int64(a.Value(i))
	case *array.Uint32:
		v = int64(a.Value(i))
	case *array.Uint64:
		v = int64(a.Value(i))
	case *array.Int16:
		v = int64(a.Value(i))
	case *array.Int32:
		v = int64(a.Value(i))
	case *array.Int64:
		v = a.Value(i)
	case *array.Date32:
		v = int64(a.Value(i))
	case *array.Float64:
		if a.NullN() != 0 {
			t.Fatal("a column of float64 has a bitmap")
		}
		if a.Value(i) != a.Value(i) {
			return nil
		}
		return a.Value(i)
	default:
		t.Fatal(a.DataType())
	}
	if a.IsNull(i) {
		if v != 0 {
			t.Fatalf("%d lies under a null", v)
		}
		return nil
	}
	return v
}

// readAll opens, surveys and reads an input in one task.
func readAll(t testing.TB, dir string, s job.Spec, columns []string) result {
	t.Helper()
	d := open(t, dir, s)
	sv := survey(t, d)
	out := result{}
	for _, task := range cut(sv, whole) {
		r, err := readTask(t, d, sv, task, columns, 100)
		if err != nil {
			t.Fatal(err)
		}
		out.rows = append(out.rows, r.rows...)
		out.rejects = append(out.rejects, r.rejects...)
		out.counts = out.counts.Add(r.counts)
		out.keys = out.keys.Add(r.keys)
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func newRooted(dir string) (store.Store, error) { return store.NewFile(dir) }

// memoryStore is a read-only store in memory, for fuzzing.
type memoryStore map[string][]byte

func (m memoryStore) Open(_ context.Context, name string) (store.Object, error) {
	b, ok := m[name]
	if !ok {
		return nil, store.ErrNotExist
	}
	return object(b), nil
}

func (m memoryStore) List(_ context.Context, prefix string) ([]store.Info, error) {
	var out []store.Info
	for _, name := range sortedKeys(m) {
		if strings.HasPrefix(name, prefix) {
			out = append(out, store.Info{Name: name, Size: int64(len(m[name]))})
		}
	}
	return out, nil
}

func (m memoryStore) Create(context.Context, string) (store.Writer, error) {
	return nil, errors.ErrUnsupported
}
func (m memoryStore) Put(context.Context, string, []byte) error { return errors.ErrUnsupported }
func (m memoryStore) Get(context.Context, string, int64) ([]byte, error) {
	return nil, errors.ErrUnsupported
}
func (m memoryStore) Adopt(context.Context, string, string) error { return errors.ErrUnsupported }
func (m memoryStore) Delete(context.Context, string) error        { return errors.ErrUnsupported }
func (m memoryStore) String() string                              { return "memory" }
