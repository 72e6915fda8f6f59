// Command rescore scores a mobile operator's whole subscriber base and publishes
// one complete version of the result. See rescore --help.
package main

import (
	"context"
	"os"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/progress"
)

// version is set by the build: -ldflags "-X main.version=v1.2.3".
var version = "unversioned"

func main() {
	ctx, stop := boot.Signals(context.Background())
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ(), work: ours(), terminal: progress.Terminal}
	code := a.execute(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
