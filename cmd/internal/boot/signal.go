package boot

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Signals returns a context that the first SIGINT or SIGTERM cancels, with a
// cause that is ErrInterrupted and names the signal. A second one ends the
// process at once: everything on disk is safe against that. stop gives the
// signals back and releases the goroutine.
func Signals(parent context.Context) (ctx context.Context, stop func()) {
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	ctx, end := watch(parent, ch, os.Exit)
	return ctx, func() {
		signal.Stop(ch)
		end()
	}
}

// watch is Signals on any channel and any way to exit.
func watch(parent context.Context, ch <-chan os.Signal, exit func(int)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	done, quit := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for count := 0; ; count++ {
			select {
			case s := <-ch:
				if count > 0 {
					exit(Interrupted)
					return
				}
				cancel(fmt.Errorf("%w: %s", ErrInterrupted, s))
			case <-quit:
				cancel(nil)
				return
			}
		}
	}()
	return ctx, func() {
		close(quit)
		<-done
	}
}
