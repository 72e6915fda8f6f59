// Command rescore scores a mobile operator's whole subscriber base and publishes
// one complete version of the result. See rescore --help.
package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/progress"
)

// version is set by the build: -ldflags "-X main.version=v1.2.3".
var version = "unversioned"

// ballast is never written, so that it takes addresses and no memory. The collector counts
// it: it looks at a heap of 128 MB and not at one of 4, 8, 16 MB and so on, while nothing
// is garbage yet. A larger factor (GOGC) would do the same, and multiply a large heap: it
// is larger until the first collection only, for allocating the ballast not to cause one.
// That collection comes at 256 MB.
var ballast = func() []byte {
	first := new([16]byte)
	runtime.AddCleanup(first, func(factor int) { debug.SetGCPercent(factor) }, debug.SetGCPercent(6400))
	return make([]byte, 64<<20)
}()

func main() {
	runtime.MemProfileRate = 0 // nobody is shown a profile of the heap, and keeping it took 2.5 ms of a job of a million
	ctx, stop := boot.Signals(context.Background())
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ(), work: ours(), terminal: progress.Terminal}
	code := a.execute(ctx, os.Args[1:])
	stop()
	runtime.KeepAlive(ballast)
	os.Exit(code)
}
