package machine

import (
	"os"
	"runtime"
)

// cores is how many the process was given, by the machine, its container or GOMAXPROCS.
var cores = runtime.GOMAXPROCS(0)

// Spare gives the scheduler more processors than cores where so many tasks keep every
// core busy. A goroutine in a write or a sync of the disk keeps its processor until the
// runtime notices, up to 10 ms after long computing, and a core would stand idle
// meanwhile: of two, 5 to 10 % of the time. GOMAXPROCS in the environment goes before.
func Spare(tasks int) {
	if tasks >= cores && os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(cores + (cores+7)/8)
	}
}
