// Package comparison says what two versions of a dataset differ in.
//
//	old version ─► scores, by number ─┐
//	                                  ├─► join ─► counts ─┐
//	new version ─► scores, by number ─┘                   ├─► sum ─► Figures
//	                          …as many as there are cores ┘
//
// Files hold their rows by number, so that one pass over both meets every subscriber
// once; no more than a row group of each is in memory at a time. Everything that is
// counted adds up, so that the figures depend on the rows alone: not on how either
// version was partitioned, nor on who was first.
//
// No figure names a subscriber (I8): there are counts, means and quantiles, and of
// the largest changes what was changed and why, never whose it was.
package comparison

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"golang.org/x/sync/errgroup"

	"rescore/partition"
	"rescore/partition/store"
	"rescore/worker/sink"
)

// ErrDamaged is returned for a version that is not what it is published as.
var ErrDamaged = errors.New("published version is damaged")

// Compare compares two versions in the same store. At most workers partitions are
// read at once, one a core when that is 0. progress, unless nil, is told how many
// rows were read, from many goroutines.
func Compare(ctx context.Context, st store.Store, from, to Version, workers int, progress func(rows int64)) (Figures, error) {
	if from.Schema != to.Schema {
		return Figures{}, fmt.Errorf("compare %s and %s: their rows have other columns", from.ID, to.ID)
	}
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	if progress == nil {
		progress = func(int64) {}
	}
	whole := newCounts()
	var adding sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for _, part := range from.Parts { // together they cover the number space
		group.Go(func() error {
			c := newCounts()
			meeting := to.meeting(part.Range)
			a, b := read(ctx, st, []Part{part}, progress), read(ctx, st, meeting, progress)
			if err := join(within(a, part.Range), within(b, part.Range), c); err != nil {
				return err
			}
			adding.Lock()
			defer adding.Unlock()
			return whole.merge(c)
		})
	}
	if err := group.Wait(); err != nil {
		return Figures{}, fmt.Errorf("compare %s and %s: %w", from.ID, to.ID, err)
	}
	return whole.figures(from, to)
}

// columns are what is read of each row.
var columns = []string{"propensity", "risk_band", "action_priority", "retain_decision", "reason1", "reason2", "reason3"}

// read yields the rows of partitions, in order, a row group at a time; a group is
// valid until the next one is asked for. After an error nothing comes.
func read(ctx context.Context, st store.Store, parts []Part, progress func(int64)) iter.Seq2[rows, error] {
	return func(yield func(rows, error) bool) {
		for _, p := range parts {
			if p.Path == "" {
				continue // no row was scored
			}
			var n int64
			err := sink.Scan(ctx, st, p.Path, columns, func(keys []uint64, r arrow.Record) error {
				n += int64(len(keys))
				progress(int64(len(keys)))
				if !yield(rowsOf(keys, r, p.Features), nil) {
					return errStop
				}
				return nil
			})
			switch {
			case errors.Is(err, errStop):
				return
			case err == nil && n != p.Rows:
				err = fmt.Errorf("%s has %d rows, its manifest says %d: %w", p.Path, n, p.Rows, ErrDamaged)
			}
			if err != nil {
				yield(rows{}, err)
				return
			}
		}
	}
}

// errStop ends a read that nobody waits for any more.
var errStop = errors.New("stop")

// rows are some rows of a version, by number.
type rows struct {
	keys                     []uint64
	propensity               []float32
	band, priority, decision []uint8
	reason                   [3][]uint16
	features                 []string // of the model: what reasons mean
}

func rowsOf(keys []uint64, r arrow.Record, features []string) rows {
	u8 := func(i int) []uint8 { return r.Column(i).(*array.Uint8).Uint8Values() }
	u16 := func(i int) []uint16 { return r.Column(i).(*array.Uint16).Uint16Values() }
	return rows{
		keys: keys, propensity: r.Column(0).(*array.Float32).Float32Values(), band: u8(1), priority: u8(2), decision: u8(3),
		reason: [3][]uint16{u16(4), u16(5), u16(6)}, features: features,
	}
}

// from returns the rows from the i-th on, up to the past-th.
func (r rows) from(i, past int) rows {
	r.keys, r.propensity = r.keys[i:past], r.propensity[i:past]
	r.band, r.priority, r.decision = r.band[i:past], r.priority[i:past], r.decision[i:past]
	for k := range r.reason {
		r.reason[k] = r.reason[k][i:past]
	}
	return r
}

// within leaves out the rows outside a range: a partition of one version may meet
// several of the other's.
func within(all iter.Seq2[rows, error], r partition.Range) iter.Seq2[rows, error] {
	return func(yield func(rows, error) bool) {
		for g, err := range all {
			if err == nil {
				g = g.from(lower(g.keys, uint64(r.First)), lower(g.keys, uint64(r.Past)))
			}
			if !yield(g, err) {
				return
			}
		}
	}
}
