package local

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"rescore/cmd/internal/province"
	"rescore/coordinator/publish"
	"rescore/partition/job"
	"rescore/partition/store"
)

// preparation is a job that prepares the exports in a folder.
func preparation(t testing.TB, dir string, change ...func(*job.Spec)) Options {
	t.Helper()
	return options(t, dir, append([]func(*job.Spec){func(s *job.Spec) {
		s.Kind, s.Name, s.Input.Path, s.Model.Path = job.KindPrepare, "prepared", "exports", ""
		s.Gates.DuplicateShareMax, s.Run.PartitionRows = 1, 5000
	}}, change...)...)
}

// scored runs the default job over a folder.
func scored(t testing.TB, dir, input string) Outcome {
	t.Helper()
	return run(t, options(t, dir, func(s *job.Spec) { s.Input.Path, s.Run.PartitionRows = input, 5000 }))
}

// messy writes a number as somebody might have.
func messy(rng *rand.Rand, n string) string {
	switch rng.IntN(8) {
	case 0:
		return "+86" + n
	case 1:
		return "0086 " + n
	case 2:
		return n[:3] + "-" + n[3:7] + "-" + n[7:]
	case 3:
		return n[:1] + "." + n[1:] + "E+10"
	case 4:
		wide := make([]rune, 0, len(n))
		for _, d := range n {
			wide = append(wide, '０'+d-'0')
		}
		return string(wide)
	case 5:
		return " " + n + "\t"
	}
	return n
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// exports makes unsorted CSV files of the clean base in dir, one of them packed: shuffled, every tenth
// subscriber there twice, the older row with other values, and some rows that are none.
func exports(t testing.TB, dir string) (duplicates, rejected int64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	files, err := filepath.Glob(filepath.Join(dir, "base", "*.csv"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	var header string
	var rows []string
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		header = lines[0] + ",loaded"
		for i, line := range lines[1:] {
			number, rest, _ := strings.Cut(line, ",")
			rows = append(rows, messy(rng, number)+","+rest+",30/09/2026 10:00")
			if i%10 == 0 {
				rows = append(rows, messy(rng, number)+","+strings.ReplaceAll(rest, "1", "7")+fmt.Sprintf(",%02d/09/2026 23:59", 1+rng.IntN(29)))
				duplicates++
			}
			if i%1000 == 0 {
				rows = append(rows, "1.38E+10,"+rest+",30/09/2026 10:00", "too few fields", number+","+rest+",yesterday")
				rejected += 3
			}
		}
	}
	rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	if err := os.MkdirAll(filepath.Join(dir, "exports"), 0o755); err != nil {
		t.Fatal(err)
	}
	for k := range 3 {
		var b strings.Builder
		b.WriteString(header + "\n")
		for i := k; i < len(rows); i += 3 {
			b.WriteString(rows[i] + "\n")
		}
		name, data := fmt.Sprintf("e%d.csv", k), []byte(b.String())
		if k == 1 {
			name, data = name+".gz", gzipped(t, data)
		}
		if err := os.WriteFile(filepath.Join(dir, "exports", name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return duplicates, rejected
}

// prepared reads the manifest of a prepared version, and the lines of its reject files.
func prepared(t testing.TB, out Outcome) (m publish.Manifest, rejects []string) {
	t.Helper()
	st, err := store.NewFile(filepath.Join(out.Path, "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	pointers, err := publish.Pointers(t.Context(), st)
	if err != nil || len(pointers) != 1 {
		t.Fatal(err, pointers)
	}
	if m, err = publish.ReadManifest(t.Context(), st, pointers[0]); err != nil {
		t.Fatal(err)
	}
	for _, p := range slices.Concat(m.Partitions, m.Intake) {
		for _, f := range p.Files {
			data, err := os.ReadFile(filepath.Join(out.Path, filepath.FromSlash(f.Path)))
			if err != nil {
				t.Fatal(err)
			}
			if int64(len(data)) != f.Bytes {
				t.Errorf("%s has %d bytes, the manifest says %d", f.Path, len(data), f.Bytes)
			}
			if strings.HasPrefix(f.Path, "_rejects/") {
				lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
				rejects = append(rejects, lines[1:]...)
			}
		}
	}
	return m, rejects
}

// content is what every attempt at a version makes alike.
func content(m publish.Manifest) (list []string) {
	for _, p := range slices.Concat(m.Partitions, m.Intake) {
		for _, f := range p.Files {
			list = append(list, p.Range+" "+f.Content)
		}
	}
	return list
}

func TestAPreparedBaseScoresAsTheSortedOne(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(24_000), Format: "csv", Files: 2})
	duplicates, rejected := exports(t, dir)
	want := scored(t, dir, "base")

	load := func(s *job.Spec) { s.Prepare.Load, s.Prepare.LoadFormat = "loaded", "02/01/2006 15:04" }
	o := preparation(t, dir, load)
	out := run(t, o)
	if want := (job.Counts{In: 24_000 + duplicates + rejected, Scored: 24_000, Rejected: rejected, Duplicate: duplicates}); out.Rows != want {
		t.Errorf("rows %+v, want %+v", out.Rows, want)
	}
	m, rejects := prepared(t, out)
	if int64(len(rejects)) != duplicates+rejected {
		t.Errorf("%d rows are told of, %d were not kept", len(rejects), duplicates+rejected)
	}
	slices.Sort(rejects)
	if len(slices.Compact(rejects)) != int(duplicates+rejected) {
		t.Error("a row is told of twice")
	}
	if got := scored(t, dir, out.Path); got.Digest != want.Digest || got.Rows != want.Rows {
		t.Errorf("scored from the prepared base: digest %s, rows %+v; from the sorted one %s, %+v", got.Digest, got.Rows, want.Digest, want.Rows)
	}
	if again := run(t, o); !again.Already || again.Digest != out.Digest {
		t.Errorf("prepared again: %+v", again)
	}
	runs, err := filepath.Glob(filepath.Join(out.Path, "..", "..", "_staging", "*", "run-*"))
	if err != nil || len(runs) > 0 {
		t.Errorf("sorted runs are left: %v, %v", runs, err)
	}

	// Arrow holds the same rows.
	arrow := run(t, preparation(t, dir, load, func(s *job.Spec) { s.Prepare.Format, s.Output.Compression = job.FormatArrow, "zstd" }))
	if arrow.Digest != out.Digest || arrow.Rows != out.Rows {
		t.Errorf("in Arrow the digest is %s, rows %+v; in Parquet %s, %+v", arrow.Digest, arrow.Rows, out.Digest, out.Rows)
	}
	if got := scored(t, dir, arrow.Path); got.Digest != want.Digest || got.Rows != want.Rows {
		t.Errorf("scored from the base in Arrow: digest %s, rows %+v; from the sorted one %s, %+v", got.Digest, got.Rows, want.Digest, want.Rows)
	}

	// The same bytes, whoever works on it; the same digest, however it is cut and in
	// whatever memory.
	alone, _ := prepared(t, run(t, preparation(t, dir, load, func(s *job.Spec) { s.Run.Workers = 1 })))
	if !slices.Equal(content(alone), content(m)) {
		t.Error("one worker makes other files than two")
	}
	small := run(t, preparation(t, dir, load, func(s *job.Spec) { s.Prepare.MemoryMB, s.Run.PartitionRows = 16, 1_000_000 }))
	if small.Digest != out.Digest {
		t.Errorf("in less memory and one partition the digest is %s, want %s", small.Digest, out.Digest)
	}
}

// Without a load the last file counts, and in Parquet every column is of the type it was.
func TestPreparedParquetKeepsItsTypesAndTheLastFilesRows(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(6_000), Files: 2})
	want := scored(t, dir, "base")
	files, err := filepath.Glob(filepath.Join(dir, "base", "*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	var schema *parquet.Schema
	var rows []parquet.Row
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		schema = f.Schema()
		for _, g := range f.RowGroups() {
			r := g.Rows()
			buffer := make([]parquet.Row, 128)
			for {
				n, err := r.ReadRows(buffer)
				for _, row := range buffer[:n] {
					rows = append(rows, row.Clone())
				}
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	rng := rand.New(rand.NewPCG(5, 6))
	rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	old := make([]parquet.Row, 300)
	for i := range old { // the number of one, the rest of another
		old[i] = rows[i+1].Clone()
		old[i][0] = rows[i][0]
	}
	if err := os.MkdirAll(filepath.Join(dir, "exports"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, part := range map[string][]parquet.Row{"0-old.parquet": old, "1.parquet": rows[:2500], "2.parquet": rows[2500:]} {
		var b bytes.Buffer
		w := parquet.NewWriter(&b, schema)
		if _, err := w.WriteRows(part); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "exports", name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := run(t, preparation(t, dir))
	if want := (job.Counts{In: 6300, Scored: 6000, Duplicate: 300}); out.Rows != want {
		t.Errorf("rows %+v, want %+v", out.Rows, want)
	}
	if got := scored(t, dir, out.Path); got.Digest != want.Digest {
		t.Errorf("scored from the prepared base: digest %s, from the sorted one %s", got.Digest, want.Digest)
	}
	arrow := run(t, preparation(t, dir, func(s *job.Spec) { s.Prepare.Format = job.FormatArrow }))
	if arrow.Digest != out.Digest {
		t.Errorf("in Arrow the digest is %s, in Parquet %s", arrow.Digest, out.Digest)
	}
	if got := scored(t, dir, arrow.Path); got.Digest != want.Digest {
		t.Errorf("scored from the base in Arrow: digest %s, from the sorted one %s", got.Digest, want.Digest)
	}
	_, rejects := prepared(t, out)
	for _, line := range rejects {
		if !strings.HasPrefix(line, "0-old.parquet,") || !strings.HasSuffix(line, ",msisdn,REPEATED_NUMBER") {
			t.Fatalf("a row of a later file is told of: %s", line)
		}
	}
}

func TestAPreparationThatCannotBeIsRefusedBeforeAnyWork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("exports/a.csv", "msisdn,x\n13800138000,1\n")
	refused := func(what, says string, change ...func(*job.Spec)) {
		t.Helper()
		o := preparation(t, dir, change...)
		_, err := Run(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, which does not say %q", what, err, says)
		}
		missing(t, filepath.Join(o.Spec.Output.Path, "_published"))
	}
	refused("no column of numbers", `no column "phone" of numbers`, func(s *job.Spec) { s.Input.Columns = map[string]job.Mapping{"msisdn": {Column: "phone"}} })
	refused("no column of loads", `no column "loaded"`, func(s *job.Spec) { s.Prepare.Load = "loaded" })
	refused("types of no column", `no column "y"`, func(s *job.Spec) { s.Prepare.Types = map[string]string{"y": "int64"} })
	put("exports/b.csv", "msisdn,y\n13800138001,1\n")
	refused("files of other columns", `b.csv has no column "x"`)

	put("exports/b.csv", "x,msisdn\nno number here,nobody\n")
	o := preparation(t, dir)
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrHeld) {
		t.Errorf("half of the rows are rejected, and the job is not held: %v", err)
	}
	put("exports/a.csv", "msisdn,x\nnobody,1\n")
	if _, err := Run(t.Context(), preparation(t, dir)); err == nil || !strings.Contains(err.Error(), "no row of a.csv, b.csv has a number") {
		t.Errorf("exports without any number: %v", err)
	}
}
