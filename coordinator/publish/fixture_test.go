package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"rescore/coordinator/ledger"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
)

const theJob job.ID = "202610-0123456789ab"

const (
	fingerprint = "fp"
	units       = 12 // pieces of the base; a partition holds some of them
)

// fataler is what testing and rapid have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// sealed is a job brought to its seal by the ledger's own commands, and the
// files its workers staged.
type sealed struct {
	job   *ledger.Job
	spec  job.Spec
	files map[string]string // staged name to content
}

// newSealed seals a job of n partitions, whose tasks finish in the order given.
func newSealed(t fataler, n int, order []int) sealed {
	t.Helper()
	st, index := ledger.New(), uint64(0)
	ok := func(cmd ledger.Command) ledger.Reply {
		t.Helper()
		index++
		reply, _, err := ledger.Apply(st, index, cmd)
		if err != nil {
			t.Fatalf("%v", err)
		}
		return reply
	}
	spec := job.Default()
	spec.Name, spec.Month = "base", 202610
	f := sealed{spec: spec, files: map[string]string{}}
	ok(ledger.Submit{
		Job: theJob, Name: spec.Name, Spec: spec.Canonical(), SpecDigest: spec.Digest(), Epoch: 3,
		Stages: []job.StageKind{job.StageSurvey, job.StageScore}, MaxAttempts: 2,
	})
	ok(ledger.Plan{Job: theJob, StageKind: job.StageSurvey, Tasks: []job.Task{{Range: partition.Whole}}, Last: true})
	survey := ok(ledger.Grant{Worker: "w", Tasks: []ledger.TaskRef{{Job: theJob}}}).(ledger.GrantReply).Leases[0]
	ok(ledger.Complete{Lease: survey})

	tasks, results := make([]job.Task, n), make([]job.Result, n)
	refs := make([]ledger.TaskRef, n)
	for u := range units {
		i := u * n / units
		rows := int64(10 + u)
		tasks[i].Rows += rows
		tasks[i].Keys = tasks[i].Keys.AddHash(uint64(u))
		r := &results[i]
		r.Counts = r.Counts.Add(job.Counts{In: rows, Scored: rows - 4, Excluded: 1, Rejected: 2, Duplicate: 1})
		r.Rows = r.Rows.AddHash(uint64(1000 + u))
		r.Tally.Warn++
	}
	var total int64
	for i := range tasks {
		first, past := partition.FirstNumber+partition.Number(i)*partition.LinesPerSegment, partition.FirstNumber+partition.Number(i+1)*partition.LinesPerSegment
		if i == n-1 {
			past = partition.PastNumber
		}
		tasks[i].Range = partition.Range{First: first, Past: past}
		total += tasks[i].Rows
		refs[i] = ledger.TaskRef{Job: theJob, Stage: 1, Task: i}
		r := &results[i]
		r.Keys = tasks[i].Keys
		r.Tables = []job.TableCounts{{BadValues: 1}, {BadValues: 100}}
		r.Files = append(r.Files, f.stage(job.FileScores, fmt.Sprintf("part-%05d-%020d-aa.parquet", i, i), fmt.Sprintf("scores of %d", i), r.Counts.Scored))
		if i%2 == 1 {
			r.Files = append(r.Files, f.stage(job.FileRejects, fmt.Sprintf("rejects-%05d-aa.csv", i), fmt.Sprintf("rejects of %d", i), r.Counts.Rejected))
		}
	}
	ok(ledger.Plan{
		Job: theJob, Stage: 1, StageKind: job.StageScore, Tasks: tasks, Model: "model", Rules: "rules", Last: true,
		Files: []job.InputFile{{Path: "base.parquet", Rows: total, Bytes: 7, SHA256: "in"}},
	})
	leases := ok(ledger.Grant{Worker: "w", Tasks: refs}).(ledger.GrantReply).Leases
	for _, i := range order {
		ok(ledger.Complete{Lease: leases[i], Result: results[i]})
	}
	ok(ledger.Seal{Job: theJob, At: 1_760_000_000_000_000_000, Seconds: 2.5})
	f.job = st.Job(theJob)
	return f
}

func (f sealed) stage(kind job.FileKind, name, content string, rows int64) job.File {
	name = theJob.StagingPrefix() + name
	f.files[name] = content
	sum := sha256.Sum256([]byte(content))
	return job.File{Kind: kind, Path: name, Rows: rows, Bytes: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), Content: "c"}
}

func (f sealed) manifest() Manifest {
	return NewManifest(f.job, f.spec, fingerprint, job.Survey{}, nil)
}

// publish does what a leader does.
func (f sealed) publish(ctx context.Context, st store.Store) (Pointer, error) {
	m := f.manifest()
	digest, err := Write(ctx, st, m, inTurn)
	if err != nil {
		return Pointer{}, err
	}
	p := NewPointer(f.job.Version, m, digest)
	return p, Point(ctx, st, p)
}

// output is a store with the staged files in it, in a folder of its own.
func (f sealed) output(t *testing.T) (store.Store, string) {
	t.Helper()
	dir := t.TempDir()
	st, err := store.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range f.files {
		if err := st.Put(t.Context(), name, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	return st, dir
}

// objects returns every object below a prefix with its bytes.
func objects(t *testing.T, st store.Store, prefix string) map[string]string {
	t.Helper()
	infos, err := st.List(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, info := range infos {
		data, err := st.Get(t.Context(), info.Name, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		out[info.Name] = string(data)
	}
	return out
}

func inOrder(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}

func wantError(t *testing.T, err, want error, says ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
}

// inTurn does one thing after another.
func inTurn(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	for i := range n {
		if err := do(ctx, i); err != nil {
			return err
		}
	}
	return nil
}
