package replica

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestRaftsFiguresAreShown(t *testing.T) {
	t.Parallel()
	shown := prometheus.NewRegistry()
	if err := Measure(shown); err != nil {
		t.Fatal(err)
	}
	r := mustOpen(t, Config{Dir: t.TempDir()})
	if _, err := r.Lead(patient(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Propose(patient(t), submit(0)); err != nil {
		t.Fatal(err)
	}
	families, err := shown.Gather()
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{"rescore_raft_commitTime": true, "rescore_raft_fsm_apply": true}
	for _, f := range families {
		delete(missing, f.GetName())
	}
	if len(missing) > 0 {
		t.Errorf("of %d there is no %v", len(families), missing)
	}
}
