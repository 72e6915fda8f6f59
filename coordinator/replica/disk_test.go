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
	term, err := r.Lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.store.Close(); err != nil { // every write fails from here on
		t.Fatal(err)
	}
	submit := ledger.Submit{Job: "202610-0123456789ab", Name: "trial", SpecDigest: "d", Stages: []job.StageKind{job.StageScore}, MaxAttempts: 1}
	for range 3 {
		if _, err := r.Propose(t.Context(), submit); !errors.Is(err, ErrBroken) {
			t.Fatalf("propose: %v, want ErrBroken", err)
		}
	}
	<-term.Done()
	if _, err := r.Lead(t.Context()); !errors.Is(err, ErrBroken) {
		t.Fatalf("lead: %v, want ErrBroken", err)
	}
	if err := r.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}
