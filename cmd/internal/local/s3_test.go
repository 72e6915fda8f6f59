package local

import (
	"math/rand/v2"
	"net/http"
	"testing"

	"rescore/cmd/internal/province"
	"rescore/deploy"
	"rescore/partition/job"
	"rescore/partition/store/address"
	"rescore/partition/store/s3/s3test"
)

// TestAJobOnAnObjectStoreEndsWithTheSameDigest: input, model and output are in a
// bucket, requests fail on the way to it, and the version is the one of folders.
func TestAJobOnAnObjectStoreEndsWithTheSameDigest(t *testing.T) {
	server := s3test.Start(t)
	bucket := server.Bucket(t, "churn")
	o := province.Options{Province: clean(4000)}
	dir, _ := write(t, o)
	few := func(s *job.Spec) { s.Run.PartitionRows = 1000 }
	want := run(t, options(t, dir, few))

	chance := rand.New(rand.NewPCG(6, 3))
	proxy := s3test.NewProxy(t, server)
	proxy.Plan(func(int, *http.Request) s3test.Fault {
		if chance.IntN(20) > 0 {
			return s3test.None
		}
		return []s3test.Fault{s3test.Busy, s3test.Reset, s3test.Lost, s3test.LostBusy, s3test.Truncated, s3test.FlipUp}[chance.IntN(6)]
	})
	server.Endpoint = proxy.Endpoint
	server.Setenv(t)
	root := "s3://" + bucket
	in, err := address.Open(root + "/in")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := province.Write(t.Context(), in, o); err != nil {
		t.Fatal(err)
	}
	model, err := deploy.Model("baseline")
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Put(t.Context(), "model/baseline.txt", model); err != nil {
		t.Fatal(err)
	}
	far := options(t, t.TempDir(), few, func(s *job.Spec) {
		s.Input.Path, s.Model.Path, s.Output.Path = root+"/in/base", root+"/in/model/baseline.txt", root+"/out"
	})
	got := run(t, far)
	if got.Digest != want.Digest || got.Rows != want.Rows || got.Job != want.Job {
		t.Errorf("in a bucket the job %s ends with %s and %v, in folders %s with %s and %v", got.Job, got.Digest, got.Rows, want.Job, want.Digest, want.Rows)
	}
	if proxy.Fired() == 0 {
		t.Error("no request failed")
	}

	list, err := Versions(t.Context(), root+"/out")
	if err != nil || len(list) != 1 || list[0].Version != got.Version || list[0].Path != got.Path || !list[0].Current {
		t.Errorf("versions: %+v, %v; published was %s in %s", list, err, got.Version, got.Path)
	}
	v, err := OpenVersion(t.Context(), root+"/out", "", "")
	if err != nil {
		t.Fatal(err)
	}
	d, err := v.Input(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := v.Model(t.Context()); err != nil {
		t.Error(err)
	}
	far.Spec.Run.Work = t.TempDir()
	if again := run(t, far); !again.Already || again.Version != got.Version {
		t.Errorf("asked again, the job made version %s beside %s", again.Version, got.Version)
	}
	if report, err := Plan(t.Context(), far); err != nil || !report.Already {
		t.Errorf("the plan does not find the version: %v", err)
	}
	far.Spec.Run.Work = root + "/work"
	if _, err := Run(t.Context(), far); err == nil {
		t.Error("a ledger was kept in a bucket")
	}
}
