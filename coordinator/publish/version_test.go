package publish

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/store/storetest"
)

func mustPublish(t *testing.T, f sealed, st store.Store) Pointer {
	t.Helper()
	p, err := f.publish(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ordered notes what is written, in order.
type ordered struct {
	store.Store
	names []string
}

func (s *ordered) Put(ctx context.Context, name string, data []byte) error {
	s.names = append(s.names, name)
	return s.Store.Put(ctx, name, data)
}

func (s *ordered) Adopt(ctx context.Context, from, to string) error {
	s.names = append(s.names, to)
	return s.Store.Adopt(ctx, from, to)
}

func TestThePointerIsWrittenLastI4(t *testing.T) {
	t.Parallel()
	f := newSealed(t, 4, inOrder(4))
	st, _ := f.output(t)
	s := &ordered{Store: st}
	p, err := f.publish(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	n := len(s.names)
	if n != 4+2+3 || !slices.Equal(s.names[n-3:], []string{p.Path + "/_MANIFEST.json", p.Path + "/_SUCCESS", pointersDir + p.name()}) {
		t.Errorf("written in the order %v", s.names)
	}
}

func TestAVersionFolderHoldsExactlyTheManifestsFiles(t *testing.T) {
	t.Parallel()
	f := newSealed(t, 5, inOrder(5))
	st, _ := f.output(t)
	zombie := theJob.StagingPrefix() + "part-00000-zombie.parquet"
	if err := st.Put(t.Context(), zombie, []byte("of an attempt nobody accepted")); err != nil {
		t.Fatal(err)
	}
	p := mustPublish(t, f, st)
	late := theJob.StagingPrefix() + "part-00001-zombie.parquet"
	if err := st.Put(t.Context(), late, []byte("written after the version")); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, f, st) // once more changes nothing
	m, err := ReadManifest(t.Context(), st, p)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for i, part := range m.Partitions {
		for k, file := range part.Files {
			want[p.Path+"/"+file.Path] = f.files[f.job.Score().Tasks[i].Result().Files[k].Path]
		}
	}
	got := objects(t, st, p.Path+"/")
	delete(got, p.Path+"/_MANIFEST.json")
	if success, ok := got[p.Path+"/_SUCCESS"]; !ok || success != "" {
		t.Errorf("_SUCCESS is %q, %v", success, ok)
	}
	delete(got, p.Path+"/_SUCCESS")
	if len(want) != 7 || !maps.Equal(got, want) {
		t.Errorf("the folder holds %v, the manifest names %v", got, want)
	}
	for name := range f.files {
		if _, err := st.Get(t.Context(), name, 100); err != nil {
			t.Errorf("a staged file was moved: %v", err)
		}
	}
}

// version is all there is but the manifests that attempts to publish staged.
func version(t *testing.T, st store.Store) map[string]string {
	all := objects(t, st, "")
	maps.DeleteFunc(all, func(name, _ string) bool { return strings.HasPrefix(name, theJob.StagingPrefix()+"manifest-") })
	return all
}

// A leader is killed at any step, its last deed done or not; the next one does
// everything again and ends where nobody was killed.
func TestPublishingCutShortAnywhereAndDoneAgainEndsTheSame(t *testing.T) {
	t.Parallel()
	f := newSealed(t, 3, inOrder(3))
	calm, _ := f.output(t)
	p := mustPublish(t, f, calm)
	want := version(t, calm)
	const steps = 3 + 1 + 4 + 2 // score files, a reject file, manifest (created, written, committed, adopted), success, pointer
	for _, after := range []bool{false, true} {
		for step := 1; step <= steps+1; step++ {
			st, _ := f.output(t)
			faulty := &storetest.Faulty{Store: st, FailAt: step, After: after}
			_, err := f.publish(t.Context(), faulty)
			if faulty.Fired() != (step <= steps) || faulty.Fired() != (err != nil) {
				t.Fatalf("step %d: fired %v, %v", step, faulty.Fired(), err)
			}
			got := version(t, st)
			if _, there := got[pointersDir+p.name()]; there != (step > steps || step == steps && after) || there && !maps.Equal(got, want) {
				t.Errorf("step %d, after %v: pointer there %v, objects %d", step, after, there, len(got))
			}
			// the next leader is cut short as well, at every step of its own
			for again := 1; again <= steps; again += 2 {
				_, _ = f.publish(t.Context(), &storetest.Faulty{Store: st, FailAt: again, After: !after})
			}
			mustPublish(t, f, st)
			mustPublish(t, f, st)
			if got := version(t, st); !maps.Equal(got, want) {
				t.Errorf("step %d, after %v: ends with %v", step, after, slices.Sorted(maps.Keys(got)))
			}
		}
	}
}

func TestNobodyPointsAtAVersionWithAFileMissing(t *testing.T) {
	t.Parallel()
	f := newSealed(t, 3, inOrder(3))
	for name := range f.files {
		st, _ := f.output(t)
		if err := st.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		_, err := f.publish(t.Context(), st)
		wantError(t, err, store.ErrNotExist)
		for there := range objects(t, st, "") {
			if strings.HasPrefix(there, pointersDir) || strings.HasSuffix(there, "/_SUCCESS") || strings.HasSuffix(there, "/_MANIFEST.json") {
				t.Errorf("without %s there is %s", name, there)
			}
		}
	}
}

// On a store without links adopting copies, and a kill can leave half a copy
// under the final name.
func TestAnObjectThatIsThereWithOtherBytesStopsThePublishing(t *testing.T) {
	t.Parallel()
	f := newSealed(t, 2, inOrder(2))
	m := f.manifest()
	dir := VersionPath(m.Month, m.Version)
	calm, _ := f.output(t)
	p := mustPublish(t, f, calm)
	whole := version(t, calm)
	for _, name := range []string{
		dir + "/" + m.Partitions[0].Files[0].Path, dir + "/" + m.Partitions[1].Files[1].Path,
		dir + "/_MANIFEST.json", dir + "/_SUCCESS", pointersDir + p.name(),
	} {
		content := whole[name]
		for what, bad := range map[string]string{"longer": content + "x", "shorter": content[:len(content)/2], "other": strings.Repeat("?", len(content))} {
			if bad == content {
				continue // _SUCCESS is empty
			}
			st, folder := f.output(t)
			if err := st.Put(t.Context(), name, []byte(bad)); err != nil {
				t.Fatal(err)
			}
			_, err := f.publish(t.Context(), st)
			wantError(t, err, ErrDamaged, name[strings.LastIndex(name, "/")+1:])
			if pointed := objects(t, st, pointersDir); name != pointersDir+p.name() && len(pointed) > 0 {
				t.Errorf("%s %s is pointed at", what, name)
			}
			if err := os.Remove(filepath.Join(folder, filepath.FromSlash(name))); err != nil {
				t.Fatal(err)
			}
			mustPublish(t, f, st) // the remedy works
			if !maps.Equal(version(t, st), whole) {
				t.Errorf("%s %s, taken away: not the whole version", what, name)
			}
		}
	}
}

func TestTwoPartitionsCannotShareAFile(t *testing.T) {
	t.Parallel()
	f := newSealed(t, 2, inOrder(2))
	st, _ := f.output(t)
	m := f.manifest()
	m.Partitions[1].Files, m.Partitions[1].staged = m.Partitions[0].Files, m.Partitions[0].staged
	if _, err := Write(t.Context(), st, m, inTurn); err == nil {
		t.Error("a file stands for two partitions")
	}
}

func pointer(epoch, index uint64) Pointer {
	v := &ledger.Version{ID: ledger.VersionID(epoch, index), Dataset: "base", Job: theJob, Epoch: epoch, SealIndex: index, At: int64(index)}
	return NewPointer(v, Manifest{Month: 202610, Rows: job.Counts{In: 1, Scored: 1}}, "digest")
}

func TestTheHighestPointerIsCurrentHoweverLateALowerOneComesI4(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	claim(t, st, "base", "one") // epoch files lie beside the pointers and are none
	if got, err := Pointers(t.Context(), st); len(got) != 0 || err != nil {
		t.Fatalf("before the first version: %v, %v", got, err)
	}
	for _, at := range [][2]uint64{{1, 50}, {1, 9}, {2, 3}, {1, 1 << 60}, {1, 50}, {2, 1}, {9999, 1}, {10, 7}} {
		if err := Point(t.Context(), st, pointer(at[0], at[1])); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Pointers(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	want := []Pointer{pointer(1, 9), pointer(1, 50), pointer(1, 1<<60), pointer(2, 1), pointer(2, 3), pointer(10, 7), pointer(9999, 1)}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestAPointerThatIsNotTheOneItsNameSaysIsDamaged(t *testing.T) {
	t.Parallel()
	for name, content := range map[string][]byte{
		"another's": mustJSON(pointer(1, 41)), "another epoch's": mustJSON(pointer(2, 42)), "no JSON": []byte("{"), "empty": nil,
	} {
		st := newStore(t)
		if err := st.Put(t.Context(), pointersDir+pointer(1, 42).name(), content); err != nil {
			t.Fatal(err)
		}
		if err := st.Put(t.Context(), pointersDir+"README.txt", nil); err != nil {
			t.Fatal(err)
		}
		_, err := Pointers(t.Context(), st)
		if err == nil {
			t.Fatalf("%s is taken for a pointer", name)
		}
		wantError(t, err, ErrDamaged, pointer(1, 42).name())
	}
}

func TestASecondPointerOfTheSameNameMustBeTheSame(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	p := pointer(1, 42)
	for range 2 {
		if err := Point(t.Context(), st, p); err != nil {
			t.Fatal(err)
		}
	}
	other := p
	other.Manifest = "another"
	wantError(t, Point(t.Context(), st, other), ErrDamaged)
	if got, err := Pointers(t.Context(), st); err != nil || len(got) != 1 || got[0] != p {
		t.Errorf("got %+v, %v", got, err)
	}
}
