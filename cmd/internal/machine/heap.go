package machine

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	heapLeast = 256 << 20 // bytes that a heap has at least when it is collected
	goLeast   = 4 << 20   // the same of Go, at 100 %
)

// Pace lets the heap grow to twice what lives before it is collected, as Go does, but to
// 256 MB at least: collected at 4, 8, 16 MB and so on, nothing in it is garbage yet. GOGC
// in the environment is another factor than two.
//
// The share that a heap grows by is set anew after every collection, by what lives then.
// A large one that stayed would let a large heap grow by as much.
func Pace() {
	asked := debug.SetGCPercent(100 * heapLeast / goLeast)
	if asked < 0 { // it is off
		debug.SetGCPercent(asked)
		return
	}
	var next func(int)
	next = func(int) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetGCPercent(share(live[0].Value.Uint64(), asked))
		runtime.AddCleanup(new([16]byte), next, 0) // the next collection finds it
	}
	runtime.AddCleanup(new([16]byte), next, 0)
}

// share is by how many percent a heap of which so many bytes live may grow.
func share(live uint64, asked int) int {
	if live <= goLeast {
		return 100 * heapLeast / goLeast
	}
	return max(asked, int(100*heapLeast/live)-100)
}
