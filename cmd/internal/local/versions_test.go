package local

import (
	"testing"

	"rescore/coordinator/publish"
	"rescore/partition/store"
)

// A rollback writes a pointer to a version that has one already.
func TestAVersionThatWasRolledBackToIsListedOnceAndCurrent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	st, err := store.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	point := func(index uint64, version string) {
		t.Helper()
		if err := publish.Point(t.Context(), st, publish.Pointer{Format: 1, Dataset: "base", Epoch: 1, Index: index, Version: version, Path: "month=202610/version=" + version}); err != nil {
			t.Fatal(err)
		}
	}
	for at, versions := range [][]string{{"v1"}, {"v1", "v2"}, {"v1", "v2", "v1"}, {"v1", "v2", "v1", "v2"}} {
		point(uint64(at+1), versions[len(versions)-1])
		list, err := Versions(t.Context(), dir)
		if err != nil || len(list) != min(2, len(versions)) {
			t.Fatalf("%v: %+v, %v", versions, list, err)
		}
		for i, v := range list {
			if v.Version != []string{"v1", "v2"}[i] || v.Current != (v.Version == versions[len(versions)-1]) {
				t.Errorf("%v: version %d is %+v", versions, i, v)
			}
		}
	}
}
