package progress

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// Mode is how progress is shown.
type Mode uint8

// Modes.
const (
	Quiet Mode = 1 // not at all
	Lines Mode = 2 // a line of JSON a second
	Bar   Mode = 3 // one line of a terminal, drawn over
)

// ModeFor chooses the mode: a bar only on a terminal that can draw over a line,
// which TERM=dumb says it cannot.
func ModeFor(terminal, quiet bool, term string) Mode {
	switch {
	case quiet:
		return Quiet
	case terminal && term != "dumb":
		return Bar
	}
	return Lines
}

// Terminal reports whether w is a terminal.
func Terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Display draws the newest sample from time to time. Update may be called from
// any goroutine and never waits for the terminal.
type Display struct {
	w     io.Writer
	mode  Mode
	every time.Duration
	width func() int

	mu     sync.Mutex
	newest *Sample
}

// NewDisplay returns a display on w. The bar is drawn five times a second, lines
// come once a second.
func NewDisplay(w io.Writer, mode Mode) *Display {
	d := &Display{w: w, mode: mode, every: time.Second, width: func() int { return 80 }}
	if mode == Bar {
		d.every = 200 * time.Millisecond
		if f, ok := w.(*os.File); ok {
			d.width = func() int {
				if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
					return columns
				}
				return 80
			}
		}
	}
	return d
}

// Update takes the newest sample.
func (d *Display) Update(s Sample) {
	d.mu.Lock()
	d.newest = &s
	d.mu.Unlock()
}

// Run draws until ctx is done, then once more, and leaves the cursor on a line
// of its own. A terminal that cannot be written to is not worth a job: write
// errors are ignored.
func (d *Display) Run(ctx context.Context) {
	if d.mode == Quiet {
		return
	}
	tick := time.NewTicker(d.every)
	defer tick.Stop()
	var m Meter
	started := time.Now()
	shift := time.Duration(0) // the sampler's elapsed minus ours: time goes on between its samples
	drawn := false
	var last *Sample
	draw := func() {
		d.mu.Lock()
		newest := d.newest
		d.mu.Unlock()
		if newest == nil {
			return
		}
		s := *newest
		if newest != last {
			last, shift = newest, newest.Elapsed-time.Since(started)
		}
		s.Elapsed = max(s.Elapsed, time.Since(started)+shift)
		m.Add(s)
		text := m.JSON() + "\n"
		if d.mode == Bar {
			text = "\r\x1b[K" + m.Bar(d.width())
			drawn = true
		}
		_, _ = io.WriteString(d.w, text)
	}
	for {
		select {
		case <-tick.C:
			draw()
		case <-ctx.Done():
			draw()
			if drawn {
				_, _ = io.WriteString(d.w, "\n")
			}
			return
		}
	}
}
