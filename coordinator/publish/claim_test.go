package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"rescore/partition/store"
	"rescore/partition/store/storetest"
)

func newStore(t *testing.T) store.Store {
	t.Helper()
	st, err := store.NewFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func claim(t *testing.T, st store.Store, dataset, ledger string) uint64 {
	t.Helper()
	epoch, err := Claim(t.Context(), st, dataset, ledger)
	if err != nil {
		t.Fatal(err)
	}
	return epoch
}

func TestALedgerKeepsItsEpochAndAnotherGetsTheNext(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	for _, c := range []struct {
		ledger string
		want   uint64
	}{{"one", 1}, {"one", 1}, {"two", 2}, {"one", 1}, {"three", 3}, {"two", 2}, {"three", 3}} {
		if got := claim(t, st, "base", c.ledger); got != c.want {
			t.Errorf("ledger %s has epoch %d, want %d", c.ledger, got, c.want)
		}
	}
}

func TestTheFolderOfAnotherDatasetIsRefusedAndLeftAsItIs(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	claim(t, st, "base", "one")
	before := objects(t, st, "")
	for _, ledger := range []string{"one", "two"} {
		_, err := Claim(t.Context(), st, "prepaid", ledger)
		wantError(t, err, ErrOtherDataset, `"base"`, `"prepaid"`, "output.path")
	}
	if after := objects(t, st, ""); !maps.Equal(before, after) {
		t.Errorf("a refused claim left %v", after)
	}
}

func TestLedgersThatClaimAtOnceGetDifferentEpochs(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	const ledgers = 8
	epochs := make([]uint64, 2*ledgers) // each ledger claims twice at once, as a restarted one may
	var group errgroup.Group
	for i := range epochs {
		group.Go(func() (err error) {
			epochs[i], err = Claim(t.Context(), st, "base", fmt.Sprint("ledger-", i%ledgers))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(epochs[:ledgers], epochs[ledgers:]) {
		t.Errorf("a ledger has two epochs: %v", epochs)
	}
	mine := slices.Sorted(slices.Values(epochs[:ledgers]))
	for i, e := range mine {
		if e != uint64(i+1) {
			t.Fatalf("epochs are %v", mine)
		}
	}
}

func TestAClaimCutShortIsMadeGoodByTheNext(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for step := 1; ; step++ {
			inner := newStore(t)
			faulty := &storetest.Faulty{Store: inner, FailAt: step, After: after}
			_, err := Claim(t.Context(), faulty, "base", "one")
			if !faulty.Fired() {
				if step != 3 {
					t.Fatalf("a first claim takes %d steps", step-1)
				}
				break
			}
			if err == nil {
				t.Errorf("step %d: the error is lost", step)
			}
			if got := claim(t, inner, "base", "one"); got != 1 {
				t.Errorf("step %d, after %v: epoch %d", step, after, got)
			}
			if got := claim(t, inner, "base", "two"); got != 2 {
				t.Errorf("step %d, after %v: the next ledger has epoch %d", step, after, got)
			}
		}
	}
}

func TestADamagedClaimIsNamed(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	if err := st.Put(t.Context(), "_DATASET.json", []byte(`{"format":1`)); err != nil {
		t.Fatal(err)
	}
	_, err := Claim(t.Context(), st, "base", "one")
	wantError(t, err, ErrDamaged, "_DATASET.json")

	st = newStore(t)
	if err := st.Put(t.Context(), "_published/epoch-0001.json", nil); err != nil {
		t.Fatal(err)
	}
	_, err = Claim(t.Context(), st, "base", "one")
	wantError(t, err, ErrDamaged, "epoch-0001.json")
}

// taken is a store in which every epoch is somebody else's.
type taken struct{ store.Store }

func (s taken) Put(ctx context.Context, name string, data []byte) error {
	if strings.HasPrefix(name, pointersDir) {
		return fmt.Errorf("put %s: %w", name, store.ErrExist)
	}
	return s.Store.Put(ctx, name, data)
}

func (s taken) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	if strings.HasPrefix(name, pointersDir) {
		return []byte(`{"ledger":"another"}`), nil
	}
	return s.Store.Get(ctx, name, limit)
}

func TestEpochsThatWouldNotSortAreNotGiven(t *testing.T) {
	t.Parallel()
	_, err := Claim(t.Context(), taken{newStore(t)}, "base", "one")
	if err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}
