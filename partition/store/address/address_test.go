package address_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"rescore/partition/store"
	"rescore/partition/store/address"
	"rescore/partition/store/s3/s3test"
)

func TestPathsLeadWhereTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ base, path, want string }{
		{"/job", "out", "/job/out"},
		{"/job", "../out/", "/out"},
		{"/job", "/data/out", "/data/out"},
		{"/job", "s3://bucket/out/", "s3://bucket/out"},
		{"/job", "s3://bucket//a/./b", "s3://bucket/a/b"},
		{"/job", "s3://bucket", "s3://bucket"},
		{"s3://bucket/job", "out", "s3://bucket/job/out"},
		{"s3://bucket/job", "/data", "/data"},
	} {
		if got := address.Resolve(c.base, c.path); got != c.want {
			t.Errorf("%s below %s is %s, want %s", c.path, c.base, got, c.want)
		}
	}
	if got := address.Join("s3://bucket/out", "month=202610/version=v1"); got != "s3://bucket/out/month=202610/version=v1" {
		t.Errorf("join: %s", got)
	}
}

// TestAnInputIsItsFolderAndTheRest: the same of files and of objects.
func TestAnInputIsItsFolderAndTheRest(t *testing.T) {
	dir := t.TempDir()
	folder, err := address.Open(filepath.Join(dir, "in"))
	check(t, err)
	server := s3test.Start(t)
	bucket := server.Bucket(t, "input")
	server.Setenv(t)
	remote, err := address.Open("s3://" + bucket + "/in")
	check(t, err)
	for _, st := range []store.Store{folder, remote} {
		check(t, st.Put(t.Context(), "usage/month=202610/a.parquet", []byte("a")))
	}
	for _, root := range []string{filepath.Join(dir, "in"), "s3://" + bucket + "/in"} {
		for _, c := range []struct{ pattern, rest, name string }{
			{"/usage", ".", "month=202610/a.parquet"},
			{"/usage/month={month}", "month={month}", "month=202610/a.parquet"},
			{"/usage/month={month}/*.parquet", "month={month}/*.parquet", "month=202610/a.parquet"},
			{"/*/month=202610", "*/month=202610", "usage/month=202610/a.parquet"},
			{"/usage/month=202610/a.parquet", "a.parquet", "a.parquet"},
		} {
			st, rest, err := address.OpenInput(t.Context(), root+c.pattern)
			check(t, err)
			if data, err := st.Get(t.Context(), c.name, 10); rest != c.rest || err != nil || string(data) != "a" {
				t.Errorf("%s%s: the rest is %s, want %s; %v", root, c.pattern, rest, c.rest, err)
			}
		}
	}
	if _, _, err := address.OpenInput(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if _, err := address.OpenExisting(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Error("to look at a folder made it")
	}
	for _, wrong := range []string{"s3://", "s3://B_/x", "s3://bucket/a/../b/.put-x"} {
		if _, err := address.Open(wrong); err == nil {
			t.Errorf("%s was opened", wrong)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
