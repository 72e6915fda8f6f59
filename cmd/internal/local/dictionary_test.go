package local

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/parquet-go/parquet-go"

	"rescore/partition/job"
)

// Extra columns that a model reads, once plain and once by dictionary.
type (
	plainRow struct {
		Number int64    `parquet:"msisdn"`
		Region *float64 `parquet:"region"`
		Plan   float64  `parquet:"plan"`
	}
	dictionaryRow struct {
		Number int64    `parquet:"msisdn"`
		Region *float64 `parquet:"region,dict"`
		Plan   float64  `parquet:"plan,dict"`
	}
)

const regional = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\nobjective=binary sigmoid:1\nfeature_names=region plan\nfeature_infos=[0:100] [0:100]\n\n" +
	"Tree=0\nnum_leaves=4\nnum_cat=0\nsplit_feature=0 1 0\nthreshold=5 2.5 12\ndecision_type=10 8 8\nleft_child=1 -1 -2\nright_child=2 -3 -4\nleaf_value=-0.5 0.25 0.75 1\nleaf_count=50 20 25 5\ninternal_count=100 75 25\n\n\nend of trees\n"

func TestADictionaryInTheFileChangesNothingThatIsPublished(t *testing.T) {
	t.Parallel()
	const rows = 7000
	var plain []plainRow
	var coded []dictionaryRow
	for i := range rows {
		r := plainRow{Number: 13_800_000_000 + int64(3*i), Plan: float64(i/2%7) - 1}
		if i%5 != 0 {
			region := float64(i % 17)
			r.Region = &region
		}
		plain, coded = append(plain, r), append(coded, dictionaryRow(r))
	}
	dirs := map[string]string{"plain": t.TempDir(), "dictionary": t.TempDir()}
	put(t, dirs["plain"], plain)
	put(t, dirs["dictionary"], coded)
	digests := make(map[string]string)
	for kind, dir := range dirs {
		for _, batch := range []int{100, 1000, 65_536} {
			out := run(t, options(t, dir, func(s *job.Spec) {
				s.Model.Path, s.Run.BatchRows = "model.txt", batch
				s.Input.Extra = []job.Extra{{Name: "region"}, {Name: "plan"}}
			}))
			if out.Rows.Scored != rows {
				t.Fatalf("%s: rows %+v", kind, out.Rows)
			}
			propensities := make(map[float32]int)
			for _, p := range read(t, out).propensity {
				propensities[p]++
			}
			if len(propensities) != 4 {
				t.Fatalf("%s: the leaves are not all reached: %v", kind, propensities)
			}
			digests[fmt.Sprint(kind, " in batches of ", batch)] = out.Digest
		}
	}
	want := digests["plain in batches of 1000"]
	for name, got := range digests {
		if got != want {
			t.Errorf("%s: digest %.12s, want %.12s", name, got, want)
		}
	}
}

// put writes a base of several row groups, and the model.
func put[T any](t *testing.T, dir string, rows []T) {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, parquet.MaxRowsPerRowGroup(3000))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "base"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"base/part.parquet": b.Bytes(), "model.txt": []byte(regional)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
