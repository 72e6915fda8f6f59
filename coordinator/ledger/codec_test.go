package ledger

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"rescore/partition/job"
)

var update = flag.Bool("update", false, "write the golden files anew: only before a release has written their like")

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
	}
}

// golden compares data with a committed file, byte for byte.
func golden(t *testing.T, name string, data []byte) []byte {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
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
		name := fmt.Sprintf("command-%02d-%s-v1.bin", i+1, strings.ReplaceAll(cmd.Kind().String(), " ", "-"))
		want := golden(t, name, data)
		if Kind(want[0]) != cmd.Kind() || int(want[0]) != i+1 {
			t.Errorf("%s begins with number %d", name, want[0])
		}
		got, err := DecodeCommand(want)
		if err != nil || !reflect.DeepEqual(got, cmd) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", name, err, got, cmd)
		}
	}
	if len(commands()) != int(KindRetry) {
		t.Error("a command has no golden file")
	}
}

func TestACommandOfAnotherReleaseIsUnknown(t *testing.T) {
	t.Parallel()
	data, err := EncodeCommand(FailJob{theJob, "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []byte{0, byte(KindRetry) + 1, 255} {
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

// TestGoldenSnapshotRestoresForEver reads snapshots as they were first written.
func TestGoldenSnapshotRestoresForEver(t *testing.T) {
	f := snapshotted(t)
	results := f.scored("selecting", 2)
	f.ok(selectPlanOf("selecting", results))
	f.ok(Complete{Lease: f.grant(TaskRef{"selecting", 2, 1}), Result: selectResultOf(results[1].Counts.Scored)})
	newest, err := f.st.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(filepath.Join("testdata", "snapshot-v1.bin")) // format 1, before there was a select stage
	if err != nil {
		t.Fatal(err)
	}
	const want = "submitted is submitted, running is running, held is held, sealed is sealed, published is published, failed is failed"
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"snapshot-v1.bin", want, first},
		{"snapshot-v2.bin", want + ", selecting is running", golden(t, "snapshot-v2.bin", newest)},
	} {
		st, err := Restore(c.data)
		if err != nil {
			t.Fatal(c.name, err)
		}
		var states []string
		for j := range st.Jobs() {
			states = append(states, fmt.Sprintf("%s is %s", j.ID, j.State))
		}
		if got := strings.Join(states, ", "); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
	// What was there in format 1 is written as it was, but for the format's number.
	now, err := snapshotted(t).st.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	now[len(magic)] = 1
	if end := len(first) - sha256.Size; len(now) != len(first) || !bytes.Equal(now[:end], first[:end]) {
		t.Error("a ledger of format 1 is written differently")
	}
}

// TestGoldenSelectPlanDecodesForEver reads the commands that came with the select
// stage.
func TestGoldenSelectPlanDecodesForEver(t *testing.T) {
	results := newFixture(t).scored(theJob, 2)
	for name, cmd := range map[string]Command{
		"command-01-submit-select-v1.bin":   selectSubmit(theJob),
		"command-02-plan-select-v1.bin":     selectPlanOf(theJob, results),
		"command-04-complete-select-v1.bin": Complete{Lease: Lease{TaskRef{theJob, 2, 1}, 42}, Result: selectResultOf(7)},
	} {
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
	f := snapshotted(t)
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
				!reflect.DeepEqual(append(taskSet{}, x.leased...), append(taskSet{}, y.leased...)) {
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
	data, err := snapshotted(t).st.Snapshot()
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
	if _, err := Restore(seal(append([]byte(magic), Format+1, 0xa0))); !errors.Is(err, ErrSnapshot) || !strings.Contains(err.Error(), "format 3") {
		t.Errorf("next format: %v", err)
	}
}

func TestRestoreRefusesWhatNoCommandLeadsTo(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*State){
		"a job twice":             func(s *State) { s.jobs = append(s.jobs, s.jobs[0]) },
		"no job":                  func(s *State) { s.jobs[0] = nil },
		"job state zero":          func(s *State) { s.jobs[0].State = 0 },
		"job state unknown":       func(s *State) { s.jobs[0].State = 7 },
		"sealed, no version":      func(s *State) { s.Job("sealed").Version = nil },
		"running, but a version":  func(s *State) { s.Job("running").Version = &Version{} },
		"held, no figures":        func(s *State) { s.Job("held").Held = nil },
		"no score stage":          func(s *State) { s.jobs[0].Stages = nil },
		"task state zero":         func(s *State) { s.Job("running").Score().Tasks[0].State = 0 },
		"task state unknown":      func(s *State) { s.Job("running").Score().Tasks[0].State = 5 },
		"done, no result":         func(s *State) { s.Job("running").Score().Tasks[0].Result = nil },
		"waiting, but a result":   func(s *State) { s.Job("running").Score().Tasks[1].Result = &job.Result{} },
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
		st := snapshotted(t).st
		_, _, _ = Apply(st, st.index+1, cmd)
		if _, err := st.Snapshot(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzRestore(f *testing.F) {
	data, err := snapshotted(f).st.Snapshot()
	if err != nil {
		f.Fatal(err)
	}
	head := len(magic) + 1
	f.Add(data[head : len(data)-32])
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = Restore(body) // as it comes
		st, err := Restore(seal(append(append([]byte(magic), Format), body...)))
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
			_, _ = j.Totals(), j.Complete()
			for s := range j.Stages {
				for i := range j.Stages[s].Tasks {
					ref := TaskRef{j.ID, s, i}
					_, _, _ = Apply(st, st.index+1, Grant{Worker: "w", Tasks: []TaskRef{ref}})
					_, _, _ = Apply(st, st.index+1, Complete{Lease: Lease{ref, job.Token(st.index)}})
				}
			}
			for _, cmd := range []Command{Seal{Job: j.ID}, Hold{Job: j.ID}, FailJob{j.ID, "x"}, Retry{Job: j.ID, FailIndex: j.FailIndex}} {
				_, _, _ = Apply(st, st.index+1, cmd)
			}
		}
	})
}
