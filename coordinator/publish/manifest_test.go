package publish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rescore/coordinator/plan"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
)

// encode is how a manifest is written, which is as encoding/json would.
func encode(t fataler, m Manifest) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.write(&b); err != nil {
		t.Fatalf("%v", err)
	}
	want, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		t.Fatalf("%v", err)
	}
	if !bytes.Equal(b.Bytes(), append(want, '\n')) {
		t.Fatalf("written\n%s\nwant\n%s", b.Bytes(), want)
	}
	return b.Bytes()
}

func TestAManifestOfNoPartitionIsWrittenToo(t *testing.T) {
	t.Parallel()
	_ = encode(t, Manifest{})
}

func TestAManifestDoesNotDependOnTheOrderTasksFinishedInI5(t *testing.T) {
	t.Parallel()
	want := encode(t, newSealed(t, 7, inOrder(7)).manifest())
	rapid.Check(t, func(t *rapid.T) {
		f := newSealed(t, 7, rapid.Permutation(inOrder(7)).Draw(t, "order"))
		if got := encode(t, f.manifest()); !bytes.Equal(got, want) {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
		if !bytes.Equal(encode(t, f.manifest()), encode(t, f.manifest())) {
			t.Fatalf("twice is not the same")
		}
	})
}

func TestTheDigestDoesNotDependOnPartitionsI5(t *testing.T) {
	t.Parallel()
	want := newSealed(t, 1, inOrder(1)).manifest()
	for n := 2; n <= units; n++ {
		got := newSealed(t, n, inOrder(n)).manifest()
		if got.Digest != want.Digest || got.Rows != want.Rows || got.Tally != want.Tally || len(got.Partitions) != n {
			t.Errorf("%d partitions: digest %s, rows %+v", n, got.Digest, got.Rows)
		}
	}
}

// The digest is what two parties compare: it may be worked out by another
// program, as this value was.
func TestTheDigestNeverChanges(t *testing.T) {
	t.Parallel()
	rows := job.Counts{In: 10, Scored: 6, Excluded: 1, Rejected: 2, Duplicate: 1}
	sum := partition.Sum{Hi: 0x0123456789abcdef, Lo: 0xfedcba9876543210}
	want := Digest("fp", 202610, rows, sum)
	if want != "d548c955ebbbedec534e485cec7cd5a0bf9bae62d934b1fc3bfa956279af9cae" {
		t.Errorf("got %s", want)
	}
	seen := map[string]bool{want: true}
	for _, d := range []string{
		Digest("fq", 202610, rows, sum), Digest("fp", 202611, rows, sum),
		Digest("fp", 202610, job.Counts{In: 10, Scored: 6, Excluded: 2, Rejected: 1, Duplicate: 1}, sum),
		Digest("fp", 202610, job.Counts{In: 10, Scored: 6, Excluded: 1, Rejected: 1, Duplicate: 2}, sum),
		Digest("fp", 202610, rows, partition.Sum{Hi: sum.Lo, Lo: sum.Hi}),
	} {
		if seen[d] {
			t.Error("two different versions have one digest")
		}
		seen[d] = true
	}
}

func TestAManifestSaysWhatTheLedgerKnows(t *testing.T) {
	t.Parallel()
	f := newSealed(t, 3, inOrder(3))
	m := f.manifest()
	if m.Format != 1 || m.Dataset != "base" || m.Job != theJob || m.Month != 202610 || m.Version != f.job.Version.ID ||
		m.Model != "model" || m.Rules != "rules" || m.Schema != fingerprint || string(m.Spec) != string(f.spec.Canonical()) ||
		len(m.Input) != 1 || m.Input[0].SHA256 != "in" {
		t.Errorf("got %+v", m)
	}
	var rows job.Counts
	var sum partition.Sum
	for i, p := range m.Partitions {
		rows, sum = rows.Add(p.Rows), sum.Add(p.RowSum)
		if p.Token == 0 || len(p.Files) != 1+i%2 || p.Files[0].Path != fmt.Sprintf("part-%05d-%020d-aa.parquet", i, i) ||
			i%2 == 1 && p.Files[1].Path != fmt.Sprintf("_rejects/rejects-%05d-aa.csv", i) {
			t.Errorf("partition %d: %+v", i, p)
		}
	}
	if rows != m.Rows || !rows.Conserved() || sum != f.job.Version.Digest {
		t.Errorf("the partitions hold %+v, the version %+v", rows, m.Rows)
	}
	if f.job.Score().Tasks[0].Result().Files[0].Path != theJob.StagingPrefix()+m.Partitions[0].Files[0].Path {
		t.Error("the manifest changed the ledger's own files")
	}
}

// Workers tell of two tables, of which the second is none of the job's.
func TestTablesAddUpOverPartitions(t *testing.T) {
	t.Parallel()
	f := newSealed(t, 3, inOrder(3))
	if got := Tables(f.job, f.spec); got != nil {
		t.Errorf("a job without tables has %+v", got)
	}
	f.spec.Input.Tables = []job.Table{{Name: "complaint"}}
	if got, want := Tables(f.job, f.spec), []Table{{"complaint", job.TableCounts{BadValues: 3}}}; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	f.spec.Input.Tables = []job.Table{{Name: "complaint"}, {Name: "contact"}, {Name: "payment"}}
	if got, want := Tables(f.job, f.spec), []Table{{"complaint", job.TableCounts{BadValues: 3}}, {"contact", job.TableCounts{BadValues: 300}}, {Name: "payment"}}; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAManifestOfTheLargestPlanCanBeReadBack(t *testing.T) {
	t.Parallel()
	long := job.File{Path: strings.Repeat("p", 80), Rows: 1 << 40, Bytes: 1 << 50, SHA256: strings.Repeat("a", 64), Content: strings.Repeat("b", 64)}
	m := Manifest{Partitions: make([]Partition, 1000)}
	for i := range m.Partitions {
		m.Partitions[i] = Partition{
			Range: "1300000-1999999", Token: 1 << 60, Files: []job.File{long, long},
			Rows: job.Counts{In: 1 << 40, Scored: 1 << 40, Excluded: 1 << 40, Rejected: 1 << 40, Duplicate: 1 << 40},
			Keys: partition.Sum{Hi: 1 << 63, Lo: 1 << 63}, RowSum: partition.Sum{Hi: 1 << 63, Lo: 1 << 63},
		}
	}
	if each := len(encode(t, m)) / len(m.Partitions); each*plan.TasksMax > manifestMax {
		t.Errorf("a partition takes up to %d bytes: %d of them are over the limit", each, plan.TasksMax)
	}
}

func TestAManifestThatWasTamperedWithIsNotRead(t *testing.T) {
	t.Parallel()
	f := newSealed(t, 3, inOrder(3))
	st, dir := f.output(t)
	p, err := f.publish(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadManifest(t.Context(), st, p)
	if err != nil || !bytes.Equal(encode(t, m), encode(t, f.manifest())) {
		t.Fatalf("got %+v, %v", m, err)
	}
	file := filepath.Join(dir, filepath.FromSlash(p.Path), "_MANIFEST.json")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rewrite := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < len(data); i += 97 {
		bad := bytes.Clone(data)
		bad[i] ^= 1
		rewrite(bad)
		_, err := ReadManifest(t.Context(), st, p)
		wantError(t, err, ErrDamaged, p.Version)
	}
	for _, bad := range [][]byte{nil, data[:len(data)-1], append(bytes.Clone(data), '\n')} {
		rewrite(bad)
		_, err := ReadManifest(t.Context(), st, p)
		wantError(t, err, ErrDamaged, p.Version)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	_, err = ReadManifest(t.Context(), st, p)
	wantError(t, err, store.ErrNotExist, p.Version)
}
