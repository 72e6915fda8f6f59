package s3

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// budgetMax is how many attempts may be repeated in a row, over all requests of a
// client, before it stops repeating: a store in trouble is not helped by being asked
// eight times as often. Every success gives one back.
const budgetMax = 256

// budget counts repeated attempts that no success has made up for.
type budget struct{ spent atomic.Int64 }

func (b *budget) spend() bool {
	if b.spent.Add(1) <= budgetMax {
		return true
	}
	b.spent.Add(-1)
	return false
}

func (b *budget) earn() {
	for {
		n := b.spent.Load()
		if n == 0 || b.spent.CompareAndSwap(n, n-1) {
			return
		}
	}
}

// pause waits before the next attempt: any time up to first, doubled with every
// attempt, so that clients that failed together do not come back together.
func pause(ctx context.Context, first time.Duration, attempt int) error {
	longest := min(first<<min(attempt-1, 10), 100*first)
	t := time.NewTimer(rand.N(longest) + 1)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
