// Command rescore scores a mobile operator's whole subscriber base and publishes
// one complete version of the result. See rescore --help.
package main

import (
	"context"
	"os"
	"runtime"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/machine"
	"rescore/cmd/internal/progress"
)

// version is set by the build: -ldflags "-X main.version=v1.2.3".
var version = "unversioned"

func main() {
	machine.Pace()
	runtime.MemProfileRate = 0 // nobody is shown a profile of the heap, and keeping it took 2.5 ms of a job of a million
	ctx, stop := boot.Signals(context.Background())
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ(), work: ours(), terminal: progress.Terminal}
	code := a.execute(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
