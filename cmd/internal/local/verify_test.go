package local

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rescore/cmd/internal/province"
	"rescore/partition/job"
	"rescore/partition/synth"
)

func verified(t testing.TB, dir string) Verified {
	t.Helper()
	var last Progress
	v, err := Verify(t.Context(), dir, "", 2, func(p Progress) {
		if p.RowsDone < last.RowsDone || p.RowsDone > p.RowsTotal {
			t.Errorf("%d rows of %d after %d", p.RowsDone, p.RowsTotal, last.RowsDone)
		}
		last = p
	})
	if err != nil {
		t.Fatal(err)
	}
	if last.RowsDone != last.RowsTotal || last.RowsTotal < v.Rows {
		t.Errorf("%d rows of %d were told of; %d are scored", last.RowsDone, last.RowsTotal, v.Rows)
	}
	return v
}

// overwrite replaces a published file, which nobody may write to, by another of that name.
func overwrite(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAPublishedVersionIsVerifiedAndEveryDamageNamed(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: synth.Default(3, 20000, month)})
	o := options(t, dir, func(s *job.Spec) { s.Run.PartitionRows = 5000 })
	out := run(t, o)
	where := o.Spec.Output.Path
	whole := verified(t, where)
	if len(whole.Damage) != 0 || !whole.Decoded || whole.Version != out.Version || whole.Rows != out.Rows.Scored {
		t.Fatalf("%+v", whole)
	}
	scores, err := filepath.Glob(filepath.Join(out.Path, "part-*.parquet"))
	if err != nil || len(scores) < 3 {
		t.Fatal(scores, err)
	}
	rejects, err := filepath.Glob(filepath.Join(out.Path, "_rejects", "*"))
	if err != nil || len(rejects) == 0 {
		t.Fatal(rejects, err)
	}
	if len(scores)+len(rejects) != whole.Files {
		t.Errorf("%d files of %d and %d", whole.Files, len(scores), len(rejects))
	}
	damaged := func(names ...string) {
		t.Helper()
		v := verified(t, where)
		var got []string
		for _, d := range v.Damage {
			got = append(got, filepath.Join(out.Path, d.File))
			if d.Problem == "" {
				t.Errorf("nothing is said of %s", d.File)
			}
		}
		slices.Sort(got)
		slices.Sort(names)
		if !slices.Equal(got, names) {
			t.Errorf("damaged are %v, found were %v", names, got)
		}
	}
	data := make(map[string][]byte)
	for _, name := range append(slices.Clone(scores), rejects[0]) {
		if data[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	flipped := bytes.Clone(data[scores[0]])
	flipped[len(flipped)/3] ^= 0x10
	overwrite(t, scores[0], flipped)
	damaged(scores[0])
	overwrite(t, rejects[0], data[rejects[0]][:len(data[rejects[0]])-1])
	damaged(scores[0], rejects[0])
	overwrite(t, scores[0], data[scores[1]]) // whole, and another's
	overwrite(t, rejects[0], data[rejects[0]])
	damaged(scores[0])
	overwrite(t, scores[0], data[scores[0]])
	if err := os.Remove(scores[2]); err != nil {
		t.Fatal(err)
	}
	damaged(scores[2])
}

func TestVerifyRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(1000)})
	o := options(t, dir, func(s *job.Spec) { s.Run.PartitionRows = 500 })
	out := run(t, o)
	where := o.Spec.Output.Path
	quiet := func(Progress) {}
	if _, err := Verify(t.Context(), filepath.Join(dir, "gone"), "", 1, quiet); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Verify(t.Context(), where, "v0009-0000000001", 1, quiet); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "v0009") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ctx, where, out.Version, 1, quiet); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAPreparedVersionIsVerifiedByItsBytes(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(2000)})
	o := preparation(t, dir, func(s *job.Spec) { s.Input.Path, s.Run.PartitionRows = "base", 1000 })
	out := run(t, o)
	if v := verified(t, o.Spec.Output.Path); len(v.Damage) != 0 || v.Decoded || v.Files == 0 {
		t.Errorf("%+v", v)
	}
	files, err := filepath.Glob(filepath.Join(out.Path, "*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	overwrite(t, files[0], data)
	if v := verified(t, o.Spec.Output.Path); len(v.Damage) != 1 || v.Damage[0].File != filepath.Base(files[0]) {
		t.Errorf("%+v", v)
	}
}
