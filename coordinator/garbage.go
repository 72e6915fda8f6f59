package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/partition/store"
)

// Keep is how many of a dataset's newest versions keep their staged files unless
// somebody says otherwise, so that reruns can stand on them.
const Keep = 3

// Grace is how long a mark waits for its sweep unless somebody says otherwise.
const Grace = 24 * time.Hour

// ErrGrace is returned for a sweep that comes too early.
var ErrGrace = errors.New("marked too recently to be swept")

// Collector collects the garbage of one dataset, in two steps that may be a day and
// many leaders apart:
//
//	Mark    staged files − files that count = list ─► store, ledger
//	                       grace: what was under way when the list was made is in the ledger by now
//	Sweep   each file of the list that is garbage still ─► deleted
//
// What is garbage follows from the ledger as a leader has it that has just made sure
// that it leads. Versions are never touched: their folders are not staging. Between
// the two steps nothing new may stand on a listed file, which Term sees to when it
// plans a rerun.
type Collector struct {
	Ledger Ledger
	// Verify returns an error unless this coordinator leads and has seen all that was
	// committed before the call.
	Verify  func(ctx context.Context) error
	Store   store.Store // the dataset's folder
	Dataset string
	Keep    int // newest versions that keep their staged files
	Now     func() time.Time
}

// Garbage is what of a dataset nobody needs.
type Garbage struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
	// Marked is what was marked and not swept; nil for nothing.
	Marked *ledger.Marking `json:"marked,omitempty"`
}

// Swept is what became of a mark.
type Swept struct {
	Index   uint64 `json:"index"` // of the mark
	Deleted int    `json:"deleted"`
	Bytes   int64  `json:"bytes"`
	Spared  int    `json:"spared"` // needed again since they were marked
}

// Preview counts the garbage, and changes nothing.
func (c Collector) Preview(ctx context.Context) (Garbage, error) {
	_, _, g, err := c.look(ctx)
	return g, err
}

// Mark notes in the store and the ledger what is garbage now. With a mark that was not
// swept, or without garbage, it changes nothing.
func (c Collector) Mark(ctx context.Context) (Garbage, error) {
	list, index, g, err := c.look(ctx)
	if err != nil || g.Marked != nil || len(list) == 0 {
		return g, err
	}
	name, digest, err := publish.PutList(ctx, c.Store, index, list)
	if err != nil {
		return g, fmt.Errorf("write list of garbage: %w", err)
	}
	_, err = c.Ledger.Propose(ctx, ledger.Mark{
		Dataset: c.Dataset, List: name, SHA256: digest, Files: g.Files, Bytes: g.Bytes, At: c.Now().UnixNano(),
	})
	if err != nil {
		return g, err
	}
	g.Marked = c.marked()
	return g, nil
}

// look lists what is garbage by the ledger at index.
func (c Collector) look(ctx context.Context) (list []store.Info, index uint64, g Garbage, err error) {
	live, index, err := c.live(ctx)
	if err != nil {
		return nil, 0, g, err
	}
	list, g.Bytes, err = publish.Litter(ctx, c.Store, live)
	g.Files, g.Marked = len(list), c.marked()
	return list, index, g, err
}

// live reads the ledger as it is now.
func (c Collector) live(ctx context.Context) (live publish.Live, index uint64, err error) {
	if err := c.Verify(ctx); err != nil {
		return live, 0, err
	}
	c.Ledger.View(func(s *ledger.State) { live, index = publish.NewLive(s, c.Dataset, c.Keep), s.Index() })
	return live, index, nil
}

// marked returns the oldest mark that was not swept, nil for none.
func (c Collector) marked() (open *ledger.Marking) {
	c.Ledger.View(func(s *ledger.State) {
		for _, m := range s.Marks(c.Dataset) {
			if m.Swept == 0 && open == nil {
				open = &m
			}
		}
	})
	return open
}

// Sweep deletes what was marked at least grace ago and is garbage still. It can be
// cut short anywhere and done again: what is gone already counts as deleted. Without
// a mark it does nothing.
func (c Collector) Sweep(ctx context.Context, grace time.Duration) (Swept, error) {
	mark := c.marked()
	if mark == nil {
		return Swept{}, nil
	}
	if due := time.Unix(0, mark.At).Add(grace); c.Now().Before(due) {
		return Swept{}, fmt.Errorf("mark %d of %s may be swept from %s on: %w", mark.Index, c.Dataset, due.UTC().Format(time.RFC3339), ErrGrace)
	}
	list, err := publish.GetList(ctx, c.Store, *mark)
	if err != nil {
		return Swept{}, err
	}
	swept := Swept{Index: mark.Index}
	const batch = 256 // deleted by one look at the ledger
	for from := 0; from < len(list); from += batch {
		live, _, err := c.live(ctx)
		if err != nil {
			return swept, err
		}
		for _, info := range list[from:min(from+batch, len(list))] {
			if !live.Garbage(info.Name) {
				swept.Spared++
				continue
			}
			if err := c.Store.Delete(ctx, info.Name); err != nil {
				return swept, fmt.Errorf("sweep %s: %w", c.Dataset, err)
			}
			swept.Deleted++
			swept.Bytes += info.Size
		}
	}
	_, err = c.Ledger.Propose(ctx, ledger.Sweep{Dataset: c.Dataset, Index: mark.Index, Deleted: swept.Deleted, At: c.Now().UnixNano()})
	if err != nil {
		return swept, err
	}
	return swept, c.Store.Delete(ctx, mark.List)
}

// condemned returns the files of the dataset that are marked and may be gone at any
// moment.
func condemned(ctx context.Context, st store.Store, marks []ledger.Marking) (map[string]bool, error) {
	names := map[string]bool{}
	for _, m := range marks {
		if m.Swept != 0 {
			continue
		}
		list, err := publish.GetList(ctx, st, m)
		if err != nil {
			return nil, err
		}
		for _, info := range list {
			names[info.Name] = true
		}
	}
	return names, nil
}
