package local

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"go.uber.org/goleak"

	"rescore/cmd/internal/province"
	"rescore/coordinator/publish"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/synth"
	"rescore/worker/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, lasting...) }

// lasting are goroutines that are meant to last as long as the process.
var lasting []goleak.Option

const month = 202610

// clean is a province without dirt.
func clean(subscribers int64) synth.Province {
	return synth.Province{Seed: 3, Subscribers: subscribers, Month: month}
}

// write makes a province and returns its folder, which holds base.
func write(t testing.TB, o province.Options) (string, province.Summary) {
	t.Helper()
	dir := t.TempDir()
	st, err := store.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := province.Write(t.Context(), st, o)
	if err != nil {
		t.Fatal(err)
	}
	return dir, sum
}

// options is the default job over a province, publishing to folders of its own.
func options(t testing.TB, dir string, change ...func(*job.Spec)) Options {
	t.Helper()
	own := t.TempDir()
	spec := job.Default()
	spec.Name, spec.Month = "province", month
	spec.Input.Path, spec.Model.Path = "base", "builtin:baseline"
	spec.Output.Path, spec.Run.Work = filepath.Join(own, "out"), filepath.Join(own, "work")
	spec.Run.Workers, spec.Run.PartitionRows = 2, fewest()
	for _, c := range change {
		c(&spec)
	}
	return Options{Spec: spec, Base: dir}
}

// fewest is the rows of the smallest partitions worth testing: one, so that every
// segment is a partition, some fifty in a base. A partition costs a fifth of a
// second under the race detector, whatever it holds, so -short has fewer.
func fewest() int64 {
	if testing.Short() {
		return 3000
	}
	return 1
}

func run(t testing.TB, o Options) Outcome {
	t.Helper()
	out, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// version is a published version, read back.
type version struct {
	manifest   publish.Manifest
	numbers    []uint64
	propensity []float32
}

func read(t testing.TB, out Outcome) version {
	t.Helper()
	st, err := store.NewFile(filepath.Join(out.Path, "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	pointers, err := publish.Pointers(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	var v version
	for _, p := range pointers {
		if p.Job != out.Job {
			continue
		}
		if v.manifest, err = publish.ReadManifest(t.Context(), st, p); err != nil {
			t.Fatal(err)
		}
	}
	folder, err := store.NewFile(out.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range v.manifest.Partitions {
		f := part.Files[0]
		f.Kind = job.FileScores // the manifest lists it first, and does not say so
		if _, err := sink.Verify(context.Background(), folder, f); err != nil {
			t.Fatal(err)
		}
		if err := sink.Scan(t.Context(), folder, f.Path, []string{"propensity"}, func(keys []uint64, rec arrow.Record) error {
			v.numbers = append(v.numbers, keys...)
			v.propensity = append(v.propensity, rec.Column(0).(*array.Float32).Float32Values()...)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// missing fails the test when a path is there.
func missing(t testing.TB, path string) {
	t.Helper()
	if _, err := os.Lstat(path); err == nil {
		t.Errorf("%s is there", path)
	}
}
