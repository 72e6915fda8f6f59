package replica

import (
	"errors"
	"testing"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
)

func TestAReplicaThatCannotWriteSaysSoAndLeadsNoMore(t *testing.T) {
	t.Parallel()
	r, err := Open(Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	term, err := r.Lead(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.store.bolt.Close(); err != nil { // every write fails from here on
		t.Fatal(err)
	}
	submit := ledger.Submit{Job: "202610-0123456789ab", Name: "trial", SpecDigest: "d", Stages: []job.StageKind{job.StageScore}, MaxAttempts: 1}
	for range 3 {
		if _, err := r.Propose(patient(t), submit); !errors.Is(err, ErrBroken) {
			t.Fatalf("propose: %v, want ErrBroken", err)
		}
	}
	await(t, term.Done(), "the end of the term")
	if _, err := r.Lead(patient(t)); !errors.Is(err, ErrBroken) {
		t.Fatalf("lead: %v, want ErrBroken", err)
	}
	if err := r.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}
