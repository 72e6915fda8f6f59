//go:build hdfs

package local

import (
	"testing"

	"go.uber.org/goleak"

	"rescore/cmd/internal/province"
	"rescore/partition/job"
	"rescore/partition/store/address"
	"rescore/partition/store/hdfs/hdfstest"
)

func init() { // a process has one client of a cluster
	lasting = append(lasting, goleak.IgnoreAnyFunction("github.com/colinmarc/hdfs/v2/internal/rpc.(*NamenodeConnection).renewLeases"))
}

// Input and output are in a cluster of HDFS, and the version is the one of folders: of
// Parquet, and of Arrow that was prepared there.
func TestAJobOnHDFSEndsWithTheSameDigest(t *testing.T) {
	hdfstest.Setenv(t)
	cluster := hdfstest.Launch(t)
	t.Cleanup(cluster.Kill)
	o := province.Options{Province: clean(4000), Files: 2}
	dir, _ := write(t, o)
	few := func(s *job.Spec) { s.Run.PartitionRows = 1000 }
	want := run(t, options(t, dir, few))

	root := "hdfs://" + cluster.Address
	in, err := address.Open(root + "/in")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := province.Write(t.Context(), in, o); err != nil {
		t.Fatal(err)
	}
	far := options(t, t.TempDir(), few, func(s *job.Spec) { s.Input.Path, s.Output.Path = root+"/in/base", root+"/out" })
	got := run(t, far)
	if got.Digest != want.Digest || got.Rows != want.Rows || got.Job != want.Job {
		t.Errorf("on HDFS the job %s ends with %s and %v, in folders %s with %s and %v", got.Job, got.Digest, got.Rows, want.Job, want.Digest, want.Rows)
	}
	list, err := Versions(t.Context(), root+"/out")
	if err != nil || len(list) != 1 || list[0].Version != got.Version || list[0].Path != got.Path || !list[0].Current {
		t.Errorf("versions: %+v, %v; published was %s in %s", list, err, got.Version, got.Path)
	}
	if v, err := Verify(t.Context(), root+"/out", "", 2, func(Progress) {}); err != nil || len(v.Damage) > 0 || !v.Decoded {
		t.Errorf("it is verified as %+v, %v", v, err)
	}
	far.Spec.Run.Work = t.TempDir()
	if again := run(t, far); !again.Already || again.Version != got.Version {
		t.Errorf("asked again, the job made version %s beside %s", again.Version, got.Version)
	}

	prepared := run(t, preparation(t, t.TempDir(), few, func(s *job.Spec) {
		s.Input.Path, s.Output.Path, s.Prepare.Format = root+"/in/base", root+"/prepared", job.FormatArrow
	}))
	second := run(t, options(t, t.TempDir(), few, func(s *job.Spec) {
		s.Name, s.Input.Path, s.Output.Path = "second", prepared.Path, root+"/second"
	}))
	if second.Digest != want.Digest {
		t.Errorf("of what was prepared on HDFS the digest is %s, want %s", second.Digest, want.Digest)
	}
}
