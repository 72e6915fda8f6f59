package machine

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Rate is how much arithmetic the first n of this process's cores do side by side in such
// a time, a second; of more than it has, those it has. Only rates mean something beside
// each other. Each core is one thread's, and everything stays in registers: where two
// cores do less than twice what one does, the machine is why. They may be two threads of
// one core, share a budget of power, or be given by a host to others as well, and a
// virtual machine is not told. ok is false where no core can be asked for.
func Rate(n int, span time.Duration) (rate float64, ok bool) {
	var own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &own); err != nil {
		return 0, false
	}
	var some []int
	for i := 0; len(some) < min(n, own.Count(), runtime.GOMAXPROCS(0)); i++ {
		if own.IsSet(i) {
			some = append(some, i)
		}
	}
	return together(some, func() float64 { return compute(span) })
}

// together is the sum of what compute returns on cores side by side.
func together(cores []int, compute func() float64) (sum float64, ok bool) {
	rates := make([]float64, len(cores))
	var begin, threads sync.WaitGroup
	begin.Add(len(cores))
	for i, core := range cores {
		threads.Go(func() {
			runtime.LockOSThread() // and never unlocked: the thread, and its core, end with the goroutine
			var one unix.CPUSet
			one.Set(core)
			err := unix.SchedSetaffinity(0, &one)
			begin.Done()
			begin.Wait()
			if err == nil {
				rates[i] = compute()
			}
		})
	}
	threads.Wait()
	for _, r := range rates {
		if r == 0 {
			return 0, false
		}
		sum += r
	}
	return sum, len(cores) > 0
}

// compute computes for a time, and returns how many turns a second it made.
func compute(span time.Duration) float64 {
	const piece = 1 << 14 // some 10 µs
	var a, b, c, d uint64
	turns := 0
	began := time.Now()
	took := time.Duration(0)
	for took < span {
		for i := range uint64(piece) { // more sums side by side than a core has adders
			a, b, c, d = a+i, b^i+1, c+b&7, d-i
			a, c, d = a^5, c+d, d+7
		}
		turns += piece
		took = time.Since(began)
	}
	runtime.KeepAlive(a + b + c + d) // the sums are wanted
	return float64(turns) / took.Seconds()
}
