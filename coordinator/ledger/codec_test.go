package ledger

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"rescore/partition"
	"rescore/partition/job"
)

// commands has one of each kind with every field set.
func commands() []Command {
	plan := scorePlan(theJob, 2)
	plan.FirstTask, plan.FirstFile = 3, 4
	lease := Lease{score(1), 42}
	return []Command{
		submitOf(theJob), plan,
		Grant{Worker: "w1", Tasks: []TaskRef{score(0), score(1)}},
		Complete{Lease: lease, Result: resultOf(plan.Tasks[1])},
		Fail{Lease: lease, Reason: "disk full", Fatal: true},
		Expire{Lease: lease, Cause: Restart},
		Seal{Job: theJob, At: 7, Seconds: 1.5},
		Hold{Job: theJob, Reason: "rejects", Figures: []Figure{{Gate: "reject_share_max", Value: 0.02, Limit: 0.01}}},
		Release{theJob, "seen", "ops"},
		Publish{theJob, "v0001-0000000042", "mm"},
		FailJob{theJob, "cancelled"},
		Retry{Job: theJob, FailIndex: 41},
		Found{Cluster: "c2", After: "c1"},
		Pause{Job: theJob, Who: "ops"},
		Resume{Job: theJob, Who: "ops"},
		Cancel{Job: theJob, Who: "ops", Reason: "wrong month"},
		Divide{TaskRef: score(1), Parts: halves(plan.Tasks[1])},
		Double{Lease: lease, Worker: "w2"},
		Rollback{Dataset: "base", Version: "v0001-0000000042", Who: "ops", Reason: "bad input", Epoch: 2},
		Point{Dataset: "base", Index: 43},
		Mark{Dataset: "base", List: "_garbage/44.json", SHA256: "gg", Files: 3, Bytes: 12345, At: 7},
		Sweep{Dataset: "base", Index: 44, Deleted: 2, At: 8},
	}
}

// extended are commands with the fields that came after they were first written.
func extended(t testing.TB) map[string]Command {
	results := newFixture(t).scored(theJob, 2)
	submit := selectSubmit(theJob)
	submit.Priority, submit.Base, submit.Again, submit.Who = 9, "v0001-0000000042", []partition.Range{partition.Whole}, "ops"
	submit.PartitionRows = 250_000
	plan := scorePlan(theJob, 2)
	plan.Challengers, plan.Kept = []string{"rival"}, []Kept{{Task: 1, Job: "other", At: 2}}
	watched := resultOf(plan.Tasks[1])
	watched.Drift = [][]int64{{watched.Counts.Scored, 0}}
	watched.Tally.Explained = job.Explained{Path: watched.Counts.Scored}
	return map[string]Command{
		"command-01-submit-select-v1.bin":    selectSubmit(theJob),
		"command-01-submit-rerun-v1.bin":     submit,
		"command-02-plan-select-v1.bin":      selectPlanOf(theJob, results),
		"command-02-plan-kept-v1.bin":        plan,
		"command-04-complete-select-v2.bin":  Complete{Lease: Lease{TaskRef{theJob, 2, 1}, 42}, Result: selectResultOf(7)},
		"command-04-complete-watched-v2.bin": Complete{Lease: Lease{TaskRef{theJob, 1, 1}, 42}, Result: watched},
		"command-06-expire-returned-v1.bin":  Expire{Lease: Lease{score(1), 42}, Cause: Returned},
		"command-12-retry-epoch-v1.bin":      Retry{Job: theJob, FailIndex: 41, Epoch: 2},
	}
}

// golden compares data with a committed file, byte for byte. RESCORE_GOLDEN=write
// writes one that is missing, and never one that is there: logs and snapshots of that
// form are on disks by now.
func golden(t *testing.T, name string, data []byte) []byte {
	t.Helper()
	file := filepath.Join("testdata", name)
	want, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) && os.Getenv("RESCORE_GOLDEN") == "write" {
		want, err = data, os.WriteFile(file, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, want) {
		t.Errorf("%s: encoded to other bytes", name)
	}
	return want
}

// TestGoldenCommandsDecodeForEver reads log entries as they were first written.
// There is one for each number, and the numbers are as they ever were.
func TestGoldenCommandsDecodeForEver(t *testing.T) {
	for i, cmd := range commands() {
		data, err := EncodeCommand(cmd)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("command-%02d-%s-v%d.bin", i+1, strings.ReplaceAll(cmd.Kind().String(), " ", "-"), data[1])
		want := golden(t, name, data)
		if Kind(want[0]) != cmd.Kind() || int(want[0]) != i+1 {
			t.Errorf("%s begins with number %d", name, want[0])
		}
		got, err := DecodeCommand(want)
		if err != nil || !reflect.DeepEqual(got, cmd) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", name, err, got, cmd)
		}
	}
	if len(commands()) != int(KindSweep) {
		t.Error("a command has no golden file")
	}
}

// TestGoldenCompletionsOfFormat1DecodeForEver reads completions as they stand in logs
// that were written before their results were packed.
func TestGoldenCompletionsOfFormat1DecodeForEver(t *testing.T) {
	newer := extended(t)
	for old, cmd := range map[string]Command{
		"command-04-complete-v1.bin":         commands()[KindComplete-1],
		"command-04-complete-select-v1.bin":  newer["command-04-complete-select-v2.bin"],
		"command-04-complete-watched-v1.bin": newer["command-04-complete-watched-v2.bin"],
	} {
		data, err := os.ReadFile(filepath.Join("testdata", old))
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeCommand(data)
		if err != nil {
			t.Fatal(old, err)
		}
		want, err := EncodeCommand(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := EncodeCommand(got); err != nil || !bytes.Equal(again, want) {
			t.Errorf("%s: read as %+v, %v", old, got, err)
		}
	}
}

func TestACommandOfAnotherReleaseIsUnknown(t *testing.T) {
	t.Parallel()
	data, err := EncodeCommand(FailJob{theJob, "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []byte{0, byte(KindSweep) + 1, 255} {
		other := bytes.Clone(data)
		other[0] = kind
		if _, err := DecodeCommand(other); !errors.Is(err, ErrUnknownCommand) {
			t.Errorf("number %d: %v", kind, err)
		}
	}
	for _, format := range []byte{0, 2} {
		other := bytes.Clone(data)
		other[1] = format
		if _, err := DecodeCommand(other); !errors.Is(err, ErrUnknownCommand) {
			t.Errorf("format %d: %v", format, err)
		}
	}
	if _, err := EncodeCommand(nil); !errors.Is(err, ErrUnknownCommand) {
		t.Error(err)
	}
}

func TestDecodeCommandTakesExactlyOneCommand(t *testing.T) {
	t.Parallel()
	for _, cmd := range commands() {
		data, err := EncodeCommand(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeCommand(append(bytes.Clone(data), 0)); err == nil {
			t.Errorf("%s with a byte after it", cmd.Kind())
		}
		for n := range len(data) {
			if _, err := DecodeCommand(data[:n]); err == nil {
				t.Errorf("first %d bytes of %s", n, cmd.Kind())
			}
		}
		field := append([]byte{data[0], data[1], data[2] + 1}, data[3:]...) // a map of one field more
		if _, err := DecodeCommand(append(field, 23, 0)); err == nil {
			t.Errorf("%s with an unknown field", cmd.Kind())
		}
	}
	if _, err := DecodeCommand(make([]byte, EntryMax+1)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// snapshotted is a ledger with a job in every state.
func snapshotted(t testing.TB) *fixture {
	f := newFixture(t)
	f.ok(submitOf("submitted"))
	f.planned("running", 3)
	f.finish(TaskRef{"running", 1, 0})
	f.grant(TaskRef{"running", 1, 2})
	f.finished("held", 1)
	f.ok(Hold{Job: "held", Reason: "rejects", Figures: []Figure{{Gate: "g", Value: 2, Limit: 1}}})
	f.finished("sealed", 1)
	f.ok(Hold{Job: "sealed", Reason: "rejects"})
	f.ok(Release{"sealed", "seen", "ops"})
	f.ok(Seal{Job: "sealed"})
	f.finished("published", 1)
	v := f.ok(Seal{Job: "published"}).(SealReply).Version
	f.ok(Publish{"published", v.ID, "m"})
	f.planned("failed", 2)
	f.ok(Fail{Lease: f.grant(TaskRef{"failed", 1, 1}), Reason: "disk full", Fatal: true})
	return f
}

// clustered is a ledger with everything that came with clusters.
func clustered(t testing.TB) *fixture {
	f := newFixture(t)
	f.ok(Found{Cluster: "c0"})
	f.finished("first", 3)
	first := f.ok(Seal{Job: "first"}).(SealReply).Version
	f.ok(Publish{"first", first.ID, "m"})
	rerun := submitOf("rerun")
	rerun.Base, rerun.Again, rerun.Priority, rerun.Who = first.ID, []partition.Range{{First: partition.FirstNumber, Past: partition.FirstNumber + 1}}, 7, "ops"
	rerun.PartitionRows = 1000
	f.ok(rerun)
	f.ok(surveyPlan("rerun"))
	f.ok(Complete{Lease: f.grant(TaskRef{Job: "rerun"})})
	plan := scorePlan("rerun", 3)
	plan.Kept = []Kept{{Task: 1, Job: "first", At: 1}, {Task: 2, Job: "first", At: 2}}
	f.ok(plan)
	f.finish(TaskRef{"rerun", 1, 0})
	second := f.ok(Seal{Job: "rerun"}).(SealReply).Version
	f.ok(Publish{"rerun", second.ID, "n"})
	back := f.ok(Rollback{Dataset: "base", Version: first.ID, Who: "ops", Reason: "too many calls"}).(RollbackReply)
	f.ok(Point{Dataset: "base", Index: back.Index})
	f.ok(Rollback{Dataset: "base", Version: second.ID, Who: "ops", Reason: "after all"})
	f.ok(Mark{Dataset: "base", List: "_garbage/1", SHA256: "g", Files: 4, Bytes: 99, At: 5})
	f.ok(Sweep{Dataset: "base", Index: f.index, Deleted: 3, At: 6})
	f.ok(Mark{Dataset: "base", List: "_garbage/2", SHA256: "h", Files: 1, Bytes: 9, At: 7})
	f.planned("old", 2)
	f.ok(Found{Cluster: "c1", After: "c0"})
	f.planned("live", 4)
	f.ok(Divide{TaskRef: TaskRef{"live", 1, 3}, Parts: halves(f.task(TaskRef{"live", 1, 3}).Plan())})
	slow := f.grant(TaskRef{"live", 1, 0})
	fast := f.ok(Double{Lease: slow, Worker: "w2"}).(GrantReply).Leases[0]
	r := resultOf(f.task(slow.TaskRef).Plan())
	f.ok(Complete{Lease: fast, Result: r})
	r.Rows.Lo++
	f.ok(Complete{Lease: slow, Result: r})
	f.ok(Double{Lease: f.grant(TaskRef{"live", 1, 1}), Worker: "w3"})
	for range 3 {
		f.ok(Fail{Lease: f.grant(TaskRef{"live", 1, 2}), Reason: "disk full"})
	}
	f.ok(Pause{Job: "live", Who: "ops"})
	f.planned("cancelled", 2)
	f.ok(Cancel{Job: "cancelled", Who: "ops", Reason: "wrong month"})
	return f
}

// states says which job is in which state.
func states(s *State) string {
	var out []string
	for j := range s.Jobs() {
		out = append(out, fmt.Sprintf("%s is %s", j.ID, j.State))
	}
	return strings.Join(out, ", ")
}

// TestGoldenSnapshotRestoresForEver reads snapshots as they were first written: formats
// 1 to 3 by the releases that had them.
func TestGoldenSnapshotRestoresForEver(t *testing.T) {
	newest, err := clustered(t).st.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "snapshot-v4.bin", newest)

	const first = "submitted is submitted, running is running, held is held, sealed is sealed, published is published, failed is failed"
	for name, want := range map[string]string{
		"snapshot-v1.bin":         first,
		"snapshot-v2.bin":         first + ", selecting is running",
		"snapshot-v2-watched.bin": first + ", selecting is running, watched is running",
		"snapshot-v3.bin":         "first is published, rerun is published, old is failed, live is running, cancelled is cancelled",
		"snapshot-v4.bin":         "first is published, rerun is published, old is failed, live is running, cancelled is cancelled",
	} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		st, err := Restore(data)
		if err != nil {
			t.Fatal(name, err)
		}
		if got := states(st); got != want {
			t.Errorf("%s: %s", name, got)
		}
		again, err := st.Snapshot()
		if err != nil {
			t.Fatal(name, err)
		}
		if back, err := Restore(again); err != nil || !equalStates(t, back, st) {
			t.Errorf("%s: written in today's format it is another ledger, or none: %v", name, err)
		}
	}
}

// TestASnapshotOfFormat2IsTheLedgerItsCommandsLeadTo: what another release wrote down
// is, once read, the same bytes as what this one makes of the same log (I7).
func TestASnapshotOfFormat2IsTheLedgerItsCommandsLeadTo(t *testing.T) {
	t.Parallel()
	f := snapshotted(t)
	results := f.scored("selecting", 2)
	f.ok(selectPlanOf("selecting", results))
	f.ok(Complete{Lease: f.grant(TaskRef{"selecting", 2, 1}), Result: selectResultOf(results[1].Counts.Scored)})
	f.surveyed("watched")
	p := scorePlan("watched", 3)
	p.Challengers = []string{"rival"}
	f.ok(p)
	f.ok(Expire{Lease: f.grant(TaskRef{"watched", 1, 0}), Cause: Silent})
	f.ok(Fail{Lease: f.grant(TaskRef{"watched", 1, 1}), Reason: "disk full"})
	r := resultOf(p.Tasks[2])
	r.Drift = [][]int64{{r.Counts.Scored, 0}, {1, r.Counts.Scored - 1}}
	r.Tally.Explained = job.Explained{Path: r.Counts.Scored}
	f.ok(Complete{Lease: f.grant(TaskRef{"watched", 1, 2}), Result: r})
	f.ok(Fail{Lease: f.grant(TaskRef{"watched", 1, 1}), Reason: "no such file", Fatal: true})
	f.ok(Retry{Job: "watched", FailIndex: f.st.Job("watched").FailIndex})
	f.grant(TaskRef{"watched", 1, 0})

	data, err := os.ReadFile(filepath.Join("testdata", "snapshot-v2-watched.bin"))
	if err != nil {
		t.Fatal(err)
	}
	st, err := Restore(data)
	if err != nil {
		t.Fatal(err)
	}
	if !equalStates(t, st, f.st) {
		t.Error("it is another ledger")
	}
}

// TestGoldenExtendedCommandsDecodeForEver reads the commands with fields that came
// later.
func TestGoldenExtendedCommandsDecodeForEver(t *testing.T) {
	for name, cmd := range extended(t) {
		data, err := EncodeCommand(cmd)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeCommand(golden(t, name, data))
		if err != nil {
			t.Fatal(name, err)
		}
		if again, err := EncodeCommand(got); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%s: read as %+v, %v", name, got, err)
		}
	}
}

func TestRestoreGivesTheWholeLedgerBack(t *testing.T) {
	t.Parallel()
	for _, f := range []*fixture{snapshotted(t), clustered(t)} {
		data, err := f.st.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Restore(data)
		if err != nil {
			t.Fatal(err)
		}
		if !equalStates(t, got, f.st) || !equalStates(t, f.st.Clone(), f.st) {
			t.Error("it differs")
		}
		if sum := mustHash(t, f.st); !bytes.Equal(sum[:], data[len(data)-32:]) {
			t.Error("the hash is not the snapshot's")
		}
	}
}

// equalStates compares two ledgers with everything derived from them.
func equalStates(t fataler, a, b *State) bool {
	t.Helper()
	if mustHash(t, a) != mustHash(t, b) || len(a.byID) != len(b.byID) {
		return false
	}
	for i, j := range a.jobs {
		if a.byID[j.ID] != j {
			return false
		}
		for k := range j.Stages {
			x, y := j.Stages[k], b.jobs[i].Stages[k]
			if x.totals != y.totals || !reflect.DeepEqual(append(taskSet{}, x.waiting...), append(taskSet{}, y.waiting...)) ||
				!reflect.DeepEqual(append(taskSet{}, x.leased...), append(taskSet{}, y.leased...)) ||
				!reflect.DeepEqual(append(taskSet{}, x.failed...), append(taskSet{}, y.failed...)) ||
				!reflect.DeepEqual(x.drift, y.drift) {
				return false
			}
		}
	}
	return true
}

func TestACloneIsLeftAloneByWhatIsAppliedLater(t *testing.T) {
	t.Parallel()
	f := snapshotted(t)
	clone := f.st.Clone()
	data, err := f.st.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	before, err := Restore(data)
	if err != nil {
		t.Fatal(err)
	}
	f.finish(TaskRef{"running", 1, 1})
	f.ok(Publish{"sealed", f.st.Job("sealed").Version.ID, "m"})
	f.ok(Retry{Job: "failed", FailIndex: f.st.Job("failed").FailIndex})
	f.ok(Release{"held", "seen", "ops"})
	f.ok(submitOf("another"))
	f.ok(surveyPlan("submitted"))
	if !equalStates(t, clone, before) || equalStates(t, f.st, before) {
		t.Error("clone and ledger share something that changes")
	}
}

func TestRestoreRefusesAnyDamage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.planned("running", 2)
	f.finish(TaskRef{"running", 1, 0})
	data, err := f.st.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		spoilt := bytes.Clone(data)
		spoilt[i] ^= 1
		if _, err := Restore(spoilt); !errors.Is(err, ErrSnapshot) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	for n := range data {
		if _, err := Restore(data[:n]); !errors.Is(err, ErrSnapshot) {
			t.Fatalf("first %d bytes: %v", n, err)
		}
	}
	if _, err := Restore(append(bytes.Clone(data), 0)); !errors.Is(err, ErrSnapshot) {
		t.Errorf("a byte after it: %v", err)
	}
	if _, err := Restore(seal(append([]byte(magic), Format+1, 0xa0))); !errors.Is(err, ErrSnapshot) || !strings.Contains(err.Error(), "format 5") {
		t.Errorf("next format: %v", err)
	}
}

func TestRestoreRefusesWhatNoCommandLeadsTo(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*State){
		"a job twice":             func(s *State) { s.jobs = append(s.jobs, s.jobs[0]) },
		"job state zero":          func(s *State) { s.jobs[0].State = 0 },
		"job state unknown":       func(s *State) { s.jobs[0].State = 8 },
		"cancelled by nobody":     func(s *State) { s.jobs[0].State = job.Cancelled },
		"no priority":             func(s *State) { s.jobs[0].Priority = 0 },
		"a priority above all":    func(s *State) { s.jobs[0].Priority = 10 },
		"partitions below zero":   func(s *State) { s.jobs[0].PartitionRows = -1 },
		"a later generation":      func(s *State) { s.jobs[0].Generation = 1 },
		"waiting, but a second":   func(s *State) { s.Job("running").Score().Tasks[1].Second = &Second{Token: 1} },
		"a second of the future":  func(s *State) { s.Job("running").Score().Tasks[2].Second = &Second{Token: job.Token(s.index) + 1} },
		"kept, not done":          func(s *State) { s.Job("running").Score().Tasks[1].From = "held" },
		"sealed, no version":      func(s *State) { s.Job("sealed").Version = nil },
		"running, but a version":  func(s *State) { s.Job("running").Version = &Version{} },
		"held, no figures":        func(s *State) { s.Job("held").Held = nil },
		"no score stage":          func(s *State) { s.jobs[0].Stages = nil },
		"task state zero":         func(s *State) { s.Job("running").Score().Tasks[0].State = 0 },
		"task state unknown":      func(s *State) { s.Job("running").Score().Tasks[0].State = 5 },
		"done, no result":         func(s *State) { s.Job("running").Score().Tasks[0].result = packed{} },
		"waiting, but a result":   func(s *State) { s.Job("running").Score().Tasks[1].result = put(s.shelf, packResult(job.Result{})) },
		"leased, no token":        func(s *State) { s.Job("running").Score().Tasks[2].Token = 0 },
		"waiting, but a token":    func(s *State) { s.Job("running").Score().Tasks[1].Token = 1 },
		"leased of half a plan":   func(s *State) { s.Job("running").Score().Planned = false },
		"leased, job not running": func(s *State) { s.Job("running").State = job.Failed },
		"a token of the future":   func(s *State) { s.Job("running").Score().Tasks[2].Token = job.Token(s.index) + 1 },
	} {
		st := snapshotted(t).st
		spoil(st)
		data, err := st.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Restore(data); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// seal puts the digest behind a snapshot's head and body.
func seal(data []byte) []byte {
	sum := sha256.Sum256(data)
	return append(data, sum[:]...)
}

func FuzzDecodeCommand(f *testing.F) {
	for _, cmd := range commands() {
		data, err := EncodeCommand(cmd)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cmd, err := DecodeCommand(data)
		if err != nil {
			return
		}
		once, err := EncodeCommand(cmd)
		if errors.Is(err, ErrTooLarge) {
			return // it was just below, and not written by us
		}
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeCommand(once)
		if err != nil {
			t.Fatalf("own bytes: %v", err)
		}
		if twice, err := EncodeCommand(again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("encoding is not stable: %v", err)
		}
		// Whatever it says, applying it does not panic.
		st := clustered(t).st
		_, _, _ = Apply(st, st.index+1, cmd)
		if _, err := st.Snapshot(); err != nil {
			t.Fatal(err)
		}
	})
}

// records takes a snapshot of format 3 apart.
func records(t testing.TB, data []byte) [][]byte {
	t.Helper()
	in := bufio.NewReader(bytes.NewReader(data[len(magic)+1:]))
	var out [][]byte
	for {
		rec, err := readFrame(in, sha256.New())
		if err != nil {
			t.Fatal(err)
		}
		if rec == nil {
			return out
		}
		out = append(out, rec)
	}
}

// assemble is the inverse of records.
func assemble(records [][]byte) []byte {
	data := append([]byte(magic), Format)
	for _, rec := range records {
		data = append(binary.AppendUvarint(data, uint64(len(rec))), rec...)
	}
	return seal(append(data, 0))
}

func TestRestoreRefusesRecordsOutOfOrder(t *testing.T) {
	t.Parallel()
	data, err := clustered(t).st.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	whole := records(t, data) // head, job, tasks, tasks, job…
	if !bytes.Equal(assemble(whole), data) {
		t.Fatal("taken apart and put together it is another snapshot")
	}
	for name, spoilt := range map[string][][]byte{
		"nothing":              {},
		"no head":              whole[1:],
		"two heads":            slices.Concat(whole[:1], whole),
		"tasks of no job":      slices.Concat(whole[:1], whole[2:]),
		"a job twice":          slices.Concat(whole, whole[1:2]),
		"an empty record":      slices.Concat(whole[:1], [][]byte{{0xa0}}, whole[1:]),
		"a record of two":      slices.Concat(whole[:1], [][]byte{append(append([]byte{0xa2}, whole[0][1:]...), whole[1][1:]...)}),
		"something else":       slices.Concat(whole[:1], [][]byte{{0x01}}),
		"an unknown field":     slices.Concat(whole[:1], [][]byte{{0xa1, 0x09, 0x00}}),
		"tasks, of no stage":   slices.Concat(whole[:2], [][]byte{append(append([]byte{0xa2}, whole[2][1:]...), 0x04, 0x09)}),
		"tasks of stage minus": slices.Concat(whole[:2], [][]byte{append(append([]byte{0xa2}, whole[2][1:]...), 0x04, 0x20)}),
	} {
		if _, err := Restore(assemble(spoilt)); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Restore(append(append([]byte(magic), Format), 0xff, 0xff, 0xff, 0xff, 0x7f)); !errors.Is(err, ErrSnapshot) { // 32 GiB
		t.Errorf("a record larger than any: %v", err)
	}
}

func FuzzRestore(f *testing.F) {
	for _, name := range []string{"snapshot-v1.bin", "snapshot-v2.bin", "snapshot-v2-watched.bin", "snapshot-v3.bin"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data[:len(data)-sha256.Size])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = Restore(data) // as it comes
		st, err := Restore(seal(data))
		if err != nil {
			return
		}
		once, err := st.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Restore(once)
		if err != nil || !equalStates(t, again, st) {
			t.Fatalf("own bytes: %v", err)
		}
		// Whoever reads or works on it does not panic.
		for j := range st.Jobs() {
			_, _, _ = j.Totals(), j.Complete(), j.Drift()
			for s := range j.Stages {
				_ = j.Stages[s].ByRange()
				for i := range j.Stages[s].Tasks {
					ref := TaskRef{j.ID, s, i}
					t := &j.Stages[s].Tasks[i]
					_, _, _ = Apply(st, st.index+1, Grant{Worker: "w", Tasks: []TaskRef{ref}})
					_, _, _ = Apply(st, st.index+1, Double{Lease: Lease{ref, t.Token}, Worker: "v"})
					_, _, _ = Apply(st, st.index+1, Divide{TaskRef: ref, Parts: halves(t.Plan())})
					_, _, _ = Apply(st, st.index+1, Complete{Lease: Lease{ref, t.Token}})
					_, _, _ = Apply(st, st.index+1, Fail{Lease: Lease{ref, t.Token}})
				}
			}
			for _, cmd := range []Command{
				Seal{Job: j.ID}, Hold{Job: j.ID}, Pause{Job: j.ID, Who: "w"}, FailJob{j.ID, "x"}, Retry{Job: j.ID, FailIndex: j.FailIndex},
				Cancel{Job: j.ID, Who: "w"}, Rollback{Dataset: j.Name, Version: VersionID(1, 1), Who: "w", Reason: "r"}, Found{Cluster: "new", After: st.cluster},
			} {
				_, _, _ = Apply(st, st.index+1, cmd)
			}
			_, _ = st.Current(j.Name)
		}
	})
}
