//go:build hdfs

package hdfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"rescore/partition/store"
	"rescore/partition/store/hdfs/hdfstest"
	"rescore/partition/store/storetest"
)

var folderNumber atomic.Int64

// open returns a store of the test's cluster with a client of its own, as another
// process would have it.
func open(t *testing.T, c *hdfstest.Cluster, user, folder string) *Store {
	t.Helper()
	o, err := fromEnvironment(c.Address)
	check(t, err)
	o.User = user
	client, err := hdfs.NewClient(o)
	check(t, err)
	t.Cleanup(func() { _ = client.Close() }) // whose cluster may be gone
	_, err = client.ServerDefaults()
	check(t, err)
	return &Store{client: client, folder: folder, name: Scheme + c.Address + folder}
}

func fresh() string { return fmt.Sprintf("/store %d/+ü", folderNumber.Add(1)) }

func TestHDFSConforms(t *testing.T) {
	c := start(t)
	storetest.Conformance(t, func(t *testing.T) store.Store {
		st, err := Open(c.Address, strings.TrimPrefix(fresh(), "/"))
		check(t, err)
		return st
	})
}

func TestOfTwoClientsOneTakesAName(t *testing.T) {
	c := start(t)
	folder := fresh()
	one, two := open(t, c, super, folder), open(t, c, super, folder)
	for round := range 5 {
		name := fmt.Sprintf("race-%d", round)
		var wins, taken atomic.Int64
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				st := one
				if i%2 == 1 {
					st = two
				}
				switch err := st.Put(t.Context(), name, []byte{byte(i)}); {
				case err == nil:
					wins.Add(1)
				case errors.Is(err, store.ErrExist):
					taken.Add(1)
					// Who is told that the name is taken finds the object.
					if _, err := st.Get(t.Context(), name, 1); err != nil {
						t.Errorf("get of what is taken: %v", err)
					}
				default:
					t.Errorf("put: %v", err)
				}
			})
		}
		all.Wait()
		if wins.Load() != 1 || taken.Load() != 7 {
			t.Fatalf("%d puts of one name succeeded, %d found it taken", wins.Load(), taken.Load())
		}
	}
}

// TestAFileUnderConstructionIsNoObject: nor is one whose writer was killed. Who removes
// it and writes another fences the writer off.
func TestAFileUnderConstructionIsNoObject(t *testing.T) {
	c := start(t)
	folder := fresh()
	killed, other := open(t, c, super, folder), open(t, c, super, folder)
	w, err := killed.Create(t.Context(), "a/x")
	check(t, err)
	_, err = w.Write(bytes.Repeat([]byte("half"), 100_000))
	check(t, err)

	_, err = other.Open(t.Context(), "a/x")
	if !errors.Is(err, store.ErrNotExist) || !errors.Is(err, ErrUnfinished) {
		t.Errorf("open: %v", err)
	}
	if list, err := other.List(t.Context(), "a"); err != nil || len(list) != 0 {
		t.Errorf("list: %v, %v", list, err)
	}
	if _, err := other.Create(t.Context(), "a/x"); !errors.Is(err, store.ErrExist) {
		t.Errorf("create: %v", err)
	}
	if err := other.Put(t.Context(), "a/x", nil); !errors.Is(err, ErrUnfinished) || errors.Is(err, store.ErrExist) {
		t.Errorf("put: %v", err)
	}
	check(t, other.client.Chtimes(folder+"/a/x", time.Now(), time.Now().Add(-2*staleAge)))
	if list, err := other.List(t.Context(), "a"); err != nil || len(list) != 1 {
		t.Errorf("list when it is old: %v, %v", list, err)
	}
	check(t, other.Delete(t.Context(), "a/x"))
	check(t, other.Put(t.Context(), "a/x", []byte("whole")))

	if err := w.Commit(); err == nil {
		t.Error("a writer whose file was removed committed")
	}
}

func TestAnObjectThatIsReplacedHasChanged(t *testing.T) {
	c := start(t)
	st := open(t, c, super, fresh())
	check(t, st.Put(t.Context(), "x", []byte("first")))
	o, err := st.Open(t.Context(), "x")
	check(t, err)
	defer o.Close()
	check(t, st.Delete(t.Context(), "x"))
	if _, err := o.ReadAt(make([]byte, 5), 0); !errors.Is(err, store.ErrChanged) {
		t.Errorf("removed: %v", err)
	}
	check(t, st.Put(t.Context(), "x", []byte("other")))
	if _, err := o.ReadAt(make([]byte, 5), 0); !errors.Is(err, store.ErrChanged) {
		t.Errorf("replaced: %v", err)
	}
}

// TestManyReadAnObjectOfManyBlocks at once, at any offset.
func TestManyReadAnObjectOfManyBlocks(t *testing.T) {
	c := start(t)
	st := open(t, c, super, fresh())
	data := make([]byte, 5*blockBytes+12_345)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	check(t, st.Put(t.Context(), "x", data))
	check(t, st.Adopt(t.Context(), "x", "y"))
	o, err := st.Open(t.Context(), "y")
	check(t, err)
	defer o.Close()
	var all sync.WaitGroup
	for reader := range 8 {
		all.Go(func() {
			for off := int64(reader * 1000); off < o.Size(); off += int64(100_000 + reader*77_777) {
				p := make([]byte, 150_000)
				n, err := o.ReadAt(p, off)
				if want := min(int64(len(p)), o.Size()-off); int64(n) != want || err != nil && (!errors.Is(err, io.EOF) || n == len(p)) || !bytes.Equal(p[:n], data[off:off+want]) {
					t.Errorf("at %d: %d bytes, %v, or other bytes", off, n, err)
				}
			}
		})
	}
	all.Wait()
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	c := start(t)
	folder := fresh()
	check(t, open(t, c, super, folder).Put(t.Context(), "x", []byte("x")))
	nobody := open(t, c, "nobody", folder)
	if err := nobody.Put(t.Context(), "y", nil); !errors.Is(err, store.ErrDenied) {
		t.Errorf("put of a stranger: %v", err)
	}
	if err := nobody.Delete(t.Context(), "x"); !errors.Is(err, store.ErrDenied) {
		t.Errorf("delete of a stranger: %v", err)
	}
	if err := nobody.Put(t.Context(), "a:b", nil); !errors.Is(err, store.ErrName) && !errors.Is(err, store.ErrDenied) {
		t.Errorf("put of what HDFS does not call a name: %v", err)
	}
	st := open(t, c, super, folder)
	if err := st.Put(t.Context(), strings.Repeat("n", 256), nil); !errors.Is(err, store.ErrName) {
		t.Errorf("put of a name that is too long: %v", err)
	}
	if err := st.Put(t.Context(), "x/below", nil); err == nil || errors.Is(err, store.ErrExist) {
		t.Errorf("put below an object: %v", err)
	}
}

// TestASilentClusterIsUnavailable: one that went away, and one that was never there.
func TestASilentClusterIsUnavailable(t *testing.T) {
	if _, err := Open("127.0.0.1:1", ""); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("open where nobody listens: %v", err)
	}
	hdfstest.Setenv(t)
	c := hdfstest.Launch(t)
	t.Cleanup(c.Kill)
	st := open(t, c, super, fresh())
	check(t, st.Put(t.Context(), "x", []byte("x")))
	w, err := st.Create(t.Context(), "y")
	check(t, err)
	c.Kill()
	_, err = w.Write(make([]byte, 1<<20))
	if err == nil {
		err = w.Commit()
	}
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("write: %v", err)
	}
	if err := st.Put(t.Context(), "z", nil); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("put: %v", err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
