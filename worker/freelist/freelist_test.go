package freelist

import (
	"runtime"
	"sync"
	"testing"
)

func TestTheLastThatWasGivenBackIsTakenFirstByAnybody(t *testing.T) {
	made := 0
	l := List[[64]byte]{New: func() *[64]byte { made++; return new([64]byte) }}
	a, b := l.Get(), l.Get()
	if made != 2 || a == b {
		t.Fatalf("%d made for two who have one each", made)
	}
	l.Put(a)
	l.Put(b)
	got := make(chan *[64]byte)
	go func() {
		runtime.LockOSThread() // of another processor than this one, as likely as not
		got <- l.Get()
	}()
	if first, second := <-got, l.Get(); first != b || second != a || made != 2 {
		t.Errorf("not the last first, or %d made where two were free", made)
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}

func TestWhatNobodyUsesIsTheCollectors(t *testing.T) {
	made := 0
	l := List[[1 << 20]byte]{New: func() *[1 << 20]byte { made++; return new([1 << 20]byte) }}
	kept, lost := l.Get(), l.Get()
	l.Put(kept)
	l.Put(lost)
	lost = nil
	runtime.GC()
	if x := l.Get(); x != kept || made != 2 {
		t.Errorf("%d made, of which one is in use yet", made)
	}
	if x := l.Get(); x == kept || made != 3 {
		t.Errorf("%d made: what the collector took is handed out, or what somebody has", made)
	}
	if len(l.free) != 0 {
		t.Errorf("%d are listed as free where none is", len(l.free))
	}
	_ = lost
}

func TestNoTwoHaveTheSame(t *testing.T) {
	l := List[int]{New: func() *int { return new(int) }}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 10_000 {
				x := l.Get()
				if *x++; *x != 1 {
					t.Error("two have it")
				}
				*x--
				l.Put(x)
			}
		})
	}
	group.Wait()
}

// Of what is used again and again, giving back and taking allocate nothing.
func TestItAllocatesNothing(t *testing.T) {
	l := List[[64]byte]{New: func() *[64]byte { return new([64]byte) }}
	if n := testing.AllocsPerRun(1000, func() { l.Put(l.Get()) }); n > 0 {
		t.Errorf("%v allocations a turn", n)
	}
}
