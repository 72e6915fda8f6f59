package machine

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestAHeapGrowsToItsLeastAndALargeOneByAsMuchAsItHas(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	for _, c := range []struct {
		live        uint64
		asked, want int
	}{{0, 100, 6400}, {4 * mb, 100, 6400}, {16 * mb, 100, 1500}, {64 * mb, 100, 300}, {128 * mb, 100, 100}, {4096 * mb, 100, 100}, {128 * mb, 50, 100}, {256 * mb, 50, 50}, {16 * mb, 2000, 2000}} {
		if got := share(c.live, c.asked); got != c.want {
			t.Errorf("of %d MB, asked for %d %%: %d %%, want %d %%", c.live/mb, c.asked, got, c.want)
		}
	}
}

// TestThePaceIsKeptWhateverIsUnderWayAtTheStart: a collection that has begun before, and
// that counts as live what is made meanwhile, must not set the pace of the next.
func TestThePaceIsKeptWhateverIsUnderWayAtTheStart(t *testing.T) {
	was := debug.SetGCPercent(100)
	defer debug.SetGCPercent(was)
	goal := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}, {Name: "/gc/heap/live:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64() - 2*max(s[1].Value.Uint64(), heapLeast/2) // beyond what it should be, if all is well
	}
	keep := func(what string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			runtime.GC() // one so soon after another may miss what tells of it
			beyond := int64(goal())
			if -heapLeast/16 < beyond && beyond < heapLeast/16 { // stacks and globals count too
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: the next collection comes %d MB later than it should", what, beyond>>20)
			}
		}
	}
	done := make(chan struct{})
	go func() { defer close(done); runtime.GC(); runtime.GC() }()
	Pace()
	large := make([]byte, 300<<20) // a page of it is taken at the most
	<-done
	keep("with a large heap")
	runtime.KeepAlive(large)
	keep("with a small heap again")
	Pace()
	keep("asked for twice")
}
