package local

import (
	"path/filepath"
	"testing"

	"rescore/cmd/internal/province"
	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/partition"
	"rescore/partition/job"
)

// rerun runs a job that stands on a version, as a cluster does.
func rerun(t *testing.T, o Options, base string, again ...partition.Range) Outcome {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	q, err := ask(t.Context(), o, 0)
	must(err)
	must(q.sound.Close()) // it is of another job
	q.id = job.RerunID(q.id, base, again)
	q.output, err = outputStore(o.Base, o.Spec.Output.Path)
	must(err)
	h, err := Open(o)
	must(err)
	defer func() { must(h.Close()) }()
	must(h.open())
	_, err = h.replica.Lead(t.Context())
	must(err)
	epoch, err := publish.Claim(t.Context(), q.output, q.spec.Name, h.replica.ID())
	must(err)
	_, err = h.replica.Propose(t.Context(), ledger.Submit{
		Job: q.id, Name: q.spec.Name, Spec: q.spec.Canonical(), SpecDigest: q.spec.Digest(), SpecBase: o.Base, Epoch: epoch,
		Stages: []job.StageKind{job.StageSurvey, job.StageScore, job.StageSelect}, MaxAttempts: 1, Base: base, Again: again,
	})
	must(err)
	h.ran = true
	out, err := h.take(t.Context(), o, q)
	must(err)
	return out
}

// TestARerunOfARealBase: real rows, files and models, all of them read back.
func TestARerunOfARealBase(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(6000)})
	o := options(t, dir, func(s *job.Spec) { s.Run.PartitionRows = 1500 })
	first := run(t, o)
	was := read(t, first)
	ranges := make([]partition.Range, len(was.manifest.Partitions))
	for i, p := range was.manifest.Partitions {
		var err error
		if ranges[i], err = PartitionRange(p); err != nil {
			t.Fatal(err)
		}
	}
	if len(ranges) < 4 {
		t.Fatalf("%d partitions are too few", len(ranges))
	}

	same := rerun(t, o, first.Version, ranges[1])
	if same.Digest != first.Digest || same.Version == first.Version {
		t.Errorf("nothing changed: digest %.12s of %s, %.12s of %s", same.Digest, same.Version, first.Digest, first.Version)
	}
	if m := read(t, same).manifest; m.Partitions[1].Job != "" || m.Partitions[0].Job != first.Job || m.Partitions[0].Files[0] != was.manifest.Partitions[0].Files[0] {
		t.Errorf("partitions are of %q and %q", m.Partitions[0].Job, m.Partitions[1].Job)
	}

	other := o
	other.Spec.Model.Path = "builtin:triggers"
	mixed := rerun(t, other, same.Version, ranges[0], ranges[2])
	if mixed.Digest == first.Digest {
		t.Error("another model makes the same rows")
	}
	read(t, mixed) // every file is what its footer and the manifest say
	folder := filepath.Join(mixed.Path, "..", "..")
	v, err := OpenVersion(t.Context(), folder, "", o.Base)
	if err != nil {
		t.Fatal(err)
	}
	if yes, err := v.Mixed(); err != nil || !yes {
		t.Errorf("mixed: %v, %v", yes, err)
	}
	input, err := v.Input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := input.Close(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for at, number := range was.numbers {
		if at%97 != 0 {
			continue
		}
		n := partition.Number(number)
		row, _, err := v.Row(t.Context(), n)
		if err != nil || row == nil {
			t.Fatalf("a row that was scored: %v", err)
		}
		row.Release()
		of, err := v.Of(n)
		if err != nil {
			t.Fatal(err)
		}
		want := "builtin:baseline"
		if ranges[0].Contains(n) || ranges[2].Contains(n) {
			want = "builtin:triggers"
		}
		if of.Spec.Model.Path != want {
			t.Fatalf("a row was judged by %s, want %s", of.Spec.Model.Path, want)
		}
		if _, err := of.Model(t.Context()); err != nil {
			t.Fatal(err)
		}
		seen[want]++
	}
	if len(seen) != 2 {
		t.Errorf("rows were looked at of %v", seen)
	}

	// Back to one model, partition by partition: as if there had been no other.
	whole := rerun(t, o, mixed.Version, ranges[0], ranges[2])
	if whole.Digest != first.Digest {
		t.Errorf("digest %.12s, a full run's is %.12s", whole.Digest, first.Digest)
	}
	if v, err = OpenVersion(t.Context(), folder, whole.Version, o.Base); err != nil {
		t.Fatal(err)
	}
	if yes, err := v.Mixed(); err != nil || yes || len(v.Manifest.Origins) == 0 {
		t.Errorf("mixed: %v, %v, origins %d", yes, err, len(v.Manifest.Origins))
	}
}
