package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/machine"
	"rescore/cmd/internal/progress"
)

// once is one run.
type once struct {
	subscribers int64
	workers     int
	warms       bool    // it warmed up, and is not measured
	process     float64 // seconds, from the start of its process to its answer; 0 unless it is the first there
	output      int64   // bytes of the published version
	rate        float64 // of the machine, of as many cores beside it; 0: not known
	said        said
}

// said is what a house prints of a run, as far as it is read here.
type said struct {
	Version string          `json:"version"`
	Path    string          `json:"path"`
	Digest  string          `json:"digest"`
	Model   string          `json:"model_digest"`
	Resumed int             `json:"resumed"`
	Already bool            `json:"already"`
	Summary progress.Report `json:"summary"`
}

// patience is how long a run that was told to stop may clean up.
const patience = 20 * time.Second

// beside is how long the machine's own rate is measured before and after a run.
const beside = 25 * time.Millisecond

// HouseCommand is the command, below rescore bench, that a house runs.
const HouseCommand = "house"

// house is a process in which coordinator and worker stand, for one job after another on
// one base.
type house struct {
	of      base
	workers int
	dir     string // its ledger and what it publishes are below it
	began   time.Time
	ran     int // jobs
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	errs    *listener
}

// open starts a house with a folder of its own below dir. It may use as many of this
// process's cores as it has workers.
func (j Job) open(ctx context.Context, dir string, b base, workers int) (h *house, err error) {
	if dir, err = os.MkdirTemp(dir, "house-"); err != nil {
		return nil, fmt.Errorf("make a folder for the ledger: %w", err)
	}
	h = &house{of: b, workers: workers, dir: dir, errs: &listener{}, began: time.Now()}
	model := j.Model
	if model == "" {
		model = models[j.Record]
	}
	cmd := exec.CommandContext(ctx, j.Program, "bench", HouseCommand, filepath.Join(b.dir, jobFile), "--output", "json", "--workers", fmt.Sprint(workers),
		"--work", filepath.Join(dir, "work"), "--set", "model.path="+model)
	cmd.Env = environ(j.Environ)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	cmd.Stderr = h.errs
	if h.in, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("run the job: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("run the job: %w", err)
	}
	h.process, h.out = cmd, bufio.NewReader(out)
	if err := machine.StartOn(workers, cmd); err != nil { // a worker is a core
		return nil, fmt.Errorf("run the job: %w", err)
	}
	return h, nil
}

// close ends the process. It returns why it failed, if it did.
func (h *house) close() error {
	_ = h.in.Close() // it may be gone already; then its end says why
	if err := h.process.Wait(); err != nil {
		return h.errs.explain(err)
	}
	return nil
}

// run scores the base once, into a folder that it empties.
func (j Job) run(ctx context.Context, h *house, update func(share float64)) (o once, err error) {
	dir := filepath.Join(h.dir, fmt.Sprintf("out-%d", h.ran))
	defer func() { err = errors.Join(err, empty(dir)) }()
	h.of.recall(ctx)
	h.errs.listen(update)
	before, _ := machine.Rate(h.workers, beside)
	_, asked := fmt.Fprintln(h.in, dir)
	line, answered := h.out.ReadBytes('\n')
	if h.ran++; h.ran == 1 {
		o.process = time.Since(h.began).Seconds()
	}
	after, known := machine.Rate(h.workers, beside)
	switch {
	case ctx.Err() != nil:
		return o, context.Cause(ctx)
	case asked != nil || answered != nil:
		return o, errHouse
	}
	o.subscribers, o.workers = h.of.subscribers, h.workers
	if known {
		o.rate = (before + after) / 2
	}
	if err := json.Unmarshal(line, &o.said); err != nil {
		return o, fmt.Errorf("read what the job's process printed: %w", err)
	}
	if o.said.Already || o.said.Resumed > 0 || o.said.Summary.Used.Seconds <= 0 {
		return o, fmt.Errorf("the job was not done whole, and no figure can be taken of it: version %s", o.said.Version)
	}
	o.output, err = size(o.said.Path)
	return o, err
}

// empty gives back the disk that the files below a folder take, and waits until it has
// them. The files stay: ext4 looks at every one that was deleted in the last minutes
// before it makes another, a third of a millisecond after some ten runs, and there would
// be none to look at where nobody measures.
func empty(dir string) error {
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			err = os.Truncate(name, 0)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) { // the run did not come so far, or is still ending
		return nil
	}
	if err != nil {
		return fmt.Errorf("empty the folder of a run: %w", err)
	}
	if f, err := os.Open(dir); err == nil {
		_ = f.Sync() // where folders cannot be synced, the next run waits for the disk
		_ = f.Close()
	}
	return nil
}

// errHouse is returned for a process that ended when it was asked: its end says why.
var errHouse = errors.New("the job's process has ended")

// listener reads what a house writes to stderr: a line of JSON a second while it is at
// work, and one last when it fails.
type listener struct {
	mu     sync.Mutex
	update func(share float64)
	rest   []byte
	last   string
}

// listen sets who is told how far a run is.
func (l *listener) listen(update func(share float64)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.update = update
}

// shares are how much of a run is done when a stage begins, and how much it is: what
// the bar goes by, and no figure.
var shares = map[string][2]float64{"survey": {0, 0.05}, "score": {0.05, 0.75}, "select": {0.8, 0.2}, "publish": {1, 0}}

func (l *listener) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.hear(line)
		l.rest = rest
	}
}

func (l *listener) hear(line []byte) {
	var s struct {
		Type  string  `json:"type"`
		Stage string  `json:"stage"`
		Share float64 `json:"share"`
	}
	if json.Unmarshal(line, &s) == nil && s.Type == "progress" {
		if at, ok := shares[s.Stage]; ok {
			l.update(at[0] + at[1]*s.Share)
		}
		return
	}
	if text := strings.TrimSpace(string(line)); text != "" {
		l.last = text
	}
}

// explain turns the end of a run into an error that says what the run said.
func (l *listener) explain(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hear(l.rest)
	var e struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Hint    string `json:"hint"`
	}
	if json.Unmarshal([]byte(l.last), &e) == nil && e.Message != "" {
		return boot.WithCode(fmt.Errorf("run the job: %s", e.Message), e.Code, e.Hint)
	}
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		if status, ok := ended.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return fmt.Errorf("run the job: %w: it was ended by a signal; is there memory enough?", err)
		}
	}
	return fmt.Errorf("run the job: %w: %s", err, l.last)
}

var _ io.Writer = (*listener)(nil)
