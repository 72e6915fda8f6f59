package plan

import (
	"strings"
	"testing"

	"rescore/partition/job"
)

// A digest of one kind tells nothing of one of the other.
func TestAPartitionIsKeptForTheSameDigestAlone(t *testing.T) {
	t.Parallel()
	task := job.Task{Rows: 7, Slices: []job.Slice{{Rows: 7}}}
	file := func(sha256, blake3 string) []job.InputFile {
		return []job.InputFile{{Path: "base.parquet", SHA256: sha256, BLAKE3: blake3}}
	}
	for _, c := range []struct {
		is, was []job.InputFile
		want    string
	}{
		{file("", "a"), file("", "a"), ""},
		{file("a", ""), file("a", ""), ""},
		{file("", "a"), file("", "b"), "other bytes"},
		{file("a", ""), file("b", ""), "other bytes"},
		{file("", "a"), file("a", ""), "another kind"},
		{file("a", ""), file("", "a"), "another kind"},
	} {
		got := moved(task, c.is, task, c.was)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v after %+v: %q, want %q", c.is, c.was, got, c.want)
		}
	}
}
