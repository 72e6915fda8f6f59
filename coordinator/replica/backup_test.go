package replica

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"rescore/coordinator/ledger"
)

func backup(t *testing.T, r *Replica) []byte {
	t.Helper()
	var to bytes.Buffer
	eventually(t, func(ctx context.Context) error {
		to.Reset()
		return r.Backup(ctx, &to)
	})
	return to.Bytes()
}

func cluster(r *Replica) (name string) {
	r.View(func(s *ledger.State) { name = s.Cluster() })
	return name
}

func TestABackupIsRestoredOnEveryMemberUnderAnotherName(t *testing.T) {
	t.Parallel()
	old := mustOpen(t, Config{Dir: t.TempDir()})
	propose(t, old, ledger.Found{Cluster: "old"})
	for n := range 40 {
		propose(t, old, submit(n))
	}
	kept := backup(t, old)
	propose(t, old, submit(40)) // after the backup: not in it

	c := begin(t, nil)
	c.leader()
	var name string
	tried := false
	eventually(t, func(ctx context.Context) (err error) {
		name, err = c.leads(ctx).Restore(ctx, bytes.NewReader(kept), tried) // forced only when an earlier try may have come through
		tried = true
		return err
	})
	c.same(40)
	for id, r := range c.at {
		if got := cluster(r); got != name || got == "old" || got == "" {
			t.Errorf("%s has the name %q, want %q", id, got, name)
		}
	}
	c.submit(40)
	c.same(41)

	for _, p := range c.peers { // and it is on the disks
		c.shut(c.at[p.ID])
	}
	for _, p := range c.peers {
		c.open(p.ID, nil)
	}
	c.same(41)
	if got := cluster(c.leader()); got != name {
		t.Errorf("after a restart it has the name %q, want %q", got, name)
	}
}

func TestABackupTakesNoLedgersPlaceUnlessForced(t *testing.T) {
	t.Parallel()
	r := mustOpen(t, Config{Dir: t.TempDir()})
	kept := backup(t, r)
	propose(t, r, submit(1))
	before := digest(t, r)
	if _, err := r.Restore(patient(t), bytes.NewReader(kept), false); !errors.Is(err, ErrBackup) {
		t.Fatal(err)
	}
	if got := digest(t, r); got != before {
		t.Errorf("got %s, want %s", got, before)
	}
	if _, err := r.Restore(patient(t), bytes.NewReader(kept), true); err != nil {
		t.Fatal(err)
	}
	r.View(func(s *ledger.State) {
		if n := len(jobs(s)); n != 0 {
			t.Errorf("%d jobs are left", n)
		}
	})
}

func TestADamagedBackupIsRefusedWhereverTheDamageIs(t *testing.T) {
	t.Parallel()
	r := mustOpen(t, Config{Dir: t.TempDir()})
	propose(t, r, submit(1))
	whole := backup(t, r)
	if _, err := readBackup(bytes.NewReader(whole)); err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		if _, err := readBackup(bytes.NewReader(whole[:at])); !errors.Is(err, ErrBackup) {
			t.Errorf("cut at byte %d: %v", at, err)
		}
		flipped := bytes.Clone(whole)
		flipped[at] ^= 0x10
		if _, err := readBackup(bytes.NewReader(flipped)); !errors.Is(err, ErrBackup) {
			t.Errorf("flipped at byte %d: %v", at, err)
		}
	}
	for _, text := range []string{"", "\n", "{}\n", strings.Repeat("x", 1<<16), `{"rescore":"ledger backup","format":2}` + "\n"} {
		if _, err := readBackup(strings.NewReader(text)); !errors.Is(err, ErrBackup) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}
