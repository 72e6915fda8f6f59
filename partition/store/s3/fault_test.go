package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rescore/partition/store"
	"rescore/partition/store/s3"
	"rescore/partition/store/s3/s3test"
)

// large is more than one part of 5 MiB, S3's least, and more than one block.
var large = random(5<<20 + 12_345)

func random(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

// deed is something done to a store, and what must hold when it says that it is done.
// Objects small and big are there before.
type deed struct {
	name string
	do   func(ctx context.Context, st store.Store, name string) error
	made []byte // what name then holds; nil: it makes nothing
}

var deeds = []deed{
	{"put", func(ctx context.Context, st store.Store, name string) error { return st.Put(ctx, name, []byte("put")) }, []byte("put")},
	{"create", func(ctx context.Context, st store.Store, name string) error {
		return create(ctx, st, name, []byte("small"))
	}, []byte("small")},
	{"create in parts", func(ctx context.Context, st store.Store, name string) error {
		return create(ctx, st, name, large)
	}, large},
	{"adopt", func(ctx context.Context, st store.Store, name string) error { return st.Adopt(ctx, "big", name) }, large},
	{"get", func(ctx context.Context, st store.Store, _ string) error {
		data, err := st.Get(ctx, "small", 100)
		if err == nil && string(data) != "a small object" {
			return fmt.Errorf("get returned %q", data)
		}
		return err
	}, nil},
	{"read", func(ctx context.Context, st store.Store, _ string) error {
		return read(ctx, st, "small", []byte("a small object"))
	}, nil},
	{"read blocks", func(ctx context.Context, st store.Store, _ string) error { return read(ctx, st, "big", large) }, nil},
	{"list", func(ctx context.Context, st store.Store, _ string) error {
		list, err := st.List(ctx, "small")
		if err == nil && (len(list) != 1 || list[0] != store.Info{Name: "small", Size: 14}) {
			return fmt.Errorf("list returned %v", list)
		}
		return err
	}, nil},
	{"delete", func(ctx context.Context, st store.Store, name string) error { return st.Delete(ctx, name) }, nil},
}

func create(ctx context.Context, st store.Store, name string, data []byte) error {
	w, err := st.Create(ctx, name)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return errors.Join(err, w.Close())
	}
	return errors.Join(w.Commit(), w.Close())
}

func read(ctx context.Context, st store.Store, name string, want []byte) error {
	o, err := st.Open(ctx, name)
	if err != nil {
		return err
	}
	defer o.Close()
	got, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size()))
	if err == nil && !bytes.Equal(got, want) {
		return errFlipped
	}
	return err
}

var errFlipped = errors.New("other bytes were read, without an error")

// TestEveryFaultIsOvercomeOrSaid walks one fault through every request of everything
// a store does. All are overcome, but for bytes that change where S3 has no checksum.
func TestEveryFaultIsOvercomeOrSaid(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.Bucket(t, "faults")
	direct := newClient(t, server.Endpoint, bucket, nil)
	faults := s3test.Faults()
	if testing.Short() { // under the race detector
		faults = []s3test.Fault{s3test.Lost, s3test.Truncated, s3test.FlipDown}
	}
	for _, fault := range faults {
		t.Run(fault.String(), func(t *testing.T) {
			t.Parallel()
			prefix := strings.ReplaceAll(fault.String(), " ", "-")
			truth := below(t, direct, prefix)
			check(t, truth.Put(t.Context(), "small", []byte("a small object")))
			check(t, create(t.Context(), truth, "big", large))
			proxy := s3test.NewProxy(t, server)
			client := newClient(t, proxy.Endpoint, bucket, func(o *s3.Options) {
				if fault == s3test.Held || fault == s3test.HeldAfter {
					o.Patience, o.Pace = 500*time.Millisecond, 16<<20
				}
			})
			st := below(t, client, prefix)
			check(t, st.Put(t.Context(), "first", nil)) // the bucket is tried without a fault
			for _, d := range deeds {
				for at := 1; ; at++ {
					name := fmt.Sprintf("%s/%d", d.name, at)
					proxy.Plan(func(n int, _ *http.Request) s3test.Fault {
						if n == at {
							return fault
						}
						return s3test.None
					})
					err := d.do(t.Context(), st, name)
					fired := proxy.Fired() > 0
					switch {
					case err == nil:
						holds(t, truth, name, d.made)
					case fault == s3test.FlipDown && unguarded(d.name, err):
						if !errors.Is(err, errFlipped) {
							absent(t, truth, name)
						}
					default:
						t.Errorf("%s, request %d: %v", d.name, at, err)
					}
					if !fired {
						break
					}
				}
			}
			noUploads(t, server, bucket, prefix)
		})
	}
}

// unguarded says where a changed byte of an answer cannot be seen, or makes an attempt
// fail: in ranges, in listings, and in what the server calls an upload or a part.
func unguarded(deed string, err error) bool {
	switch deed {
	case "read blocks":
		return errors.Is(err, errFlipped)
	case "list":
		return true
	case "create in parts", "adopt":
		return errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrAbandoned) || errors.Is(err, s3.ErrProtocol)
	}
	return false
}

// TestAStoreThatStaysAwayIsSaid: no fault that lasts ends otherwise than in an error
// that says so, and nothing is there that was not made.
func TestAStoreThatStaysAwayIsSaid(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.Bucket(t, "away")
	truth := below(t, newClient(t, server.Endpoint, bucket, nil), "")
	check(t, truth.Put(t.Context(), "small", []byte("a small object")))
	check(t, create(t.Context(), truth, "big", large))
	proxy := s3test.NewProxy(t, server)
	lasting := []s3test.Fault{s3test.Lost, s3test.Busy, s3test.Broken, s3test.Reset, s3test.Truncated, s3test.LostBusy}
	if testing.Short() {
		lasting = lasting[:1]
	}
	for _, fault := range lasting {
		for _, d := range deeds {
			proxy.Plan(nil)
			client := newClient(t, proxy.Endpoint, bucket, func(o *s3.Options) { o.Attempts = 3 })
			st := below(t, client, "")
			check(t, st.Delete(t.Context(), "first"))
			check(t, st.Put(t.Context(), "first", nil))
			proxy.Plan(func(int, *http.Request) s3test.Fault { return fault })
			name := fmt.Sprintf("%s/%s", fault, d.name)
			err := d.do(t.Context(), st, name)
			if fault == s3test.Truncated && err == nil {
				continue // half of an answer without a body is the whole of it
			}
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s under %s: %v, want ErrUnavailable", d.name, fault, err)
			}
			if d.made != nil {
				wholeOrAbsent(t, truth, name, d.made)
			}
		}
	}
	proxy.Plan(func(int, *http.Request) s3test.Fault { return s3test.FlipDown })
	st := below(t, newClient(t, proxy.Endpoint, bucket, nil), "")
	if _, err := st.Get(t.Context(), "small", 100); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("get of bytes that always change: %v, want ErrCorrupt", err)
	}
	if err := read(t.Context(), st, "small", []byte("a small object")); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("read of bytes that always change: %v, want ErrCorrupt", err)
	}
}

// TestOfManyWhoMakeOneNameOneWins: whatever way they take, and although answers are
// lost on the way of all of them.
func TestOfManyWhoMakeOneNameOneWins(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.Bucket(t, "race")
	truth := below(t, newClient(t, server.Endpoint, bucket, nil), "")
	proxy := s3test.NewProxy(t, server)
	ways := []func(ctx context.Context, st store.Store, name string, data []byte) error{
		func(ctx context.Context, st store.Store, name string, data []byte) error {
			return st.Put(ctx, name, data)
		},
		create,
		func(ctx context.Context, st store.Store, name string, data []byte) error {
			from := fmt.Sprintf("from/%s/%x", name, data[:8])
			if err := st.Put(ctx, from, data); err != nil {
				return err
			}
			return st.Adopt(ctx, from, name)
		},
		func(ctx context.Context, st store.Store, name string, data []byte) error {
			return create(ctx, st, name, append(bytes.Clone(large), data...))
		},
	}
	const racers = 6
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	var stores []store.Store
	for range racers {
		client := newClient(t, proxy.Endpoint, bucket, nil)
		st := below(t, client, "")
		check(t, st.Delete(t.Context(), "first"))
		check(t, st.Put(t.Context(), "first", nil))
		stores = append(stores, st)
	}
	for round := range rounds {
		chance := rand.New(rand.NewPCG(uint64(round), 6))
		proxy.Plan(func(int, *http.Request) s3test.Fault {
			return []s3test.Fault{s3test.None, s3test.None, s3test.None, s3test.Lost, s3test.LostBusy, s3test.Busy}[chance.IntN(6)]
		})
		name := fmt.Sprintf("name-%d", round)
		errs := make([]error, racers)
		var all sync.WaitGroup
		for i := range racers {
			all.Go(func() {
				errs[i] = ways[(i+round)%len(ways)](t.Context(), stores[i], name, fmt.Appendf(nil, "racer %03d", i))
			})
		}
		all.Wait()
		winner := -1
		var unsure []int // were never answered: they may have made it
		for i, err := range errs {
			switch {
			case errors.Is(err, store.ErrUnavailable):
				unsure = append(unsure, i)
			case err == nil && winner >= 0:
				t.Errorf("%s: racers %d and %d were both told that they made it", name, winner, i)
			case err == nil:
				winner = i
			case !errors.Is(err, store.ErrExist):
				t.Errorf("%s: racer %d: %v", name, i, err)
			}
		}
		data, err := truth.Get(t.Context(), name, 1<<24)
		check(t, err)
		for _, i := range unsure {
			if winner < 0 && bytes.HasSuffix(data, fmt.Appendf(nil, "racer %03d", i)) {
				winner = i
			}
		}
		if winner < 0 {
			t.Fatalf("%s: nobody won", name)
		}
		if !bytes.HasSuffix(data, fmt.Appendf(nil, "racer %03d", winner)) {
			t.Errorf("%s: the object is not the winner's", name)
		}
	}
}

// TestAnObjectThatChangesIsNotRead: blocks of two objects never mix.
func TestAnObjectThatChangesIsNotRead(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	st := below(t, newClient(t, server.Endpoint, server.Bucket(t, "change"), nil), "")
	check(t, create(t.Context(), st, "x", large))
	for doing, then := range map[string]func() error{
		"deleted":  func() error { return nil },
		"replaced": func() error { return create(t.Context(), st, "x", bytes.Repeat([]byte("y"), len(large))) },
	} {
		o, err := st.Open(t.Context(), "x")
		check(t, err)
		check(t, st.Delete(t.Context(), "x"))
		check(t, then())
		if _, err := o.ReadAt(make([]byte, 10), 0); !errors.Is(err, store.ErrChanged) || errors.Is(err, store.ErrExist) || errors.Is(err, store.ErrNotExist) {
			t.Errorf("read of an object that was %s: %v, want ErrChanged", doing, err)
		}
		check(t, o.Close())
		check(t, st.Delete(t.Context(), "x"))
		check(t, create(t.Context(), st, "x", large))
	}
}

// TestCancelEndsWhatWaits: a server that does not answer holds nobody whose context ends.
func TestCancelEndsWhatWaits(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.Bucket(t, "cancel")
	truth := below(t, newClient(t, server.Endpoint, bucket, nil), "")
	check(t, truth.Put(t.Context(), "small", []byte("a small object")))
	check(t, create(t.Context(), truth, "big", large))
	proxy := s3test.NewProxy(t, server)
	st := below(t, newClient(t, proxy.Endpoint, bucket, nil), "")
	check(t, st.Put(t.Context(), "first", nil))
	for _, d := range deeds {
		ctx, cancel := context.WithCancel(t.Context())
		proxy.Plan(func(int, *http.Request) s3test.Fault { cancel(); return s3test.Held })
		if err := d.do(ctx, st, "new"); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", d.name, err)
		}
		absent(t, truth, "new")
	}
	// An object is read until it is closed, and Close ends a read.
	proxy.Plan(nil)
	o, err := st.Open(t.Context(), "big")
	check(t, err)
	asked := make(chan struct{})
	var once sync.Once
	proxy.Plan(func(int, *http.Request) s3test.Fault { once.Do(func() { close(asked) }); return s3test.Held })
	failed := make(chan error, 1)
	go func() { _, err := o.ReadAt(make([]byte, 10), 0); failed <- err }()
	<-asked
	check(t, o.Close())
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("read of an object that was closed: %v", err)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func holds(t testing.TB, st store.Store, name string, want []byte) {
	t.Helper()
	if want == nil {
		return
	}
	if got, err := st.Get(t.Context(), name, 1<<24); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is said to be made, and holds %d bytes of %d or others (%v)", name, len(got), len(want), err)
	}
}

func wholeOrAbsent(t testing.TB, st store.Store, name string, want []byte) {
	t.Helper()
	if got, err := st.Get(t.Context(), name, 1<<24); !errors.Is(err, store.ErrNotExist) && (err != nil || !bytes.Equal(got, want)) {
		t.Errorf("%s holds %d bytes of %d or others (%v)", name, len(got), len(want), err)
	}
}

func absent(t testing.TB, st store.Store, name string) {
	t.Helper()
	if _, err := st.Open(t.Context(), name); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("%s was not made, and open says %v", name, err)
	}
}

// noUploads fails when parts of an upload lie in the server. Those whose name was lost
// with an answer hold no parts.
func noUploads(t testing.TB, s s3test.Server, bucket, prefix string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(s.Buckets, bucket, ".sgwtmp"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.Contains(name, prefix) {
			t.Errorf("a part stayed behind: %s", name)
		}
		return nil
	})
	check(t, err)
}
