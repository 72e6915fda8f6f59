package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/machine"
	"rescore/cmd/internal/progress"
)

// once is one run: a process of its own.
type once struct {
	subscribers int64
	workers     int
	process     float64 // seconds, from its start to its end
	output      int64   // bytes of the published version
	rate        float64 // of the machine, of as many cores beside it; 0: not known
	said        said
}

// said is what rescore run prints, as far as it is read here.
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

// run scores the base once, into a folder that it removes.
func (j Job) run(ctx context.Context, b base, workers int, update func(share float64)) (o once, err error) {
	dir, err := os.MkdirTemp(j.Dir, "run-")
	if err != nil {
		return o, fmt.Errorf("make a folder for a run: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	model := j.Model
	if model == "" {
		model = models[j.Record]
	}
	cmd := exec.CommandContext(ctx, j.Program, "run", filepath.Join(b.dir, jobFile), "--output", "json", "--workers", fmt.Sprint(workers),
		"--work", filepath.Join(dir, "work"), "--set", "output.path="+filepath.Join(dir, "out"), "--set", "model.path="+model)
	cmd.Env = environ(j.Environ)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	var out bytes.Buffer
	errs := &listener{update: update}
	cmd.Stdout, cmd.Stderr = &out, errs
	before, _ := machine.Rate(workers, beside)
	start := time.Now()
	if err = machine.StartOn(workers, cmd); err == nil { // a worker is a core
		err = cmd.Wait()
	}
	o.process = time.Since(start).Seconds()
	after, known := machine.Rate(workers, beside)
	if ctx.Err() != nil {
		return o, context.Cause(ctx)
	}
	if err != nil {
		return o, errs.explain(err)
	}
	o.subscribers, o.workers = b.subscribers, workers
	if known {
		o.rate = (before + after) / 2
	}
	line := bytes.TrimSpace(out.Bytes())
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	if err := json.Unmarshal(line, &o.said); err != nil {
		return o, fmt.Errorf("read what rescore run printed: %w", err)
	}
	if o.said.Already || o.said.Resumed > 0 || o.said.Summary.Used.Seconds <= 0 {
		return o, fmt.Errorf("rescore run did not do the whole job, and no figure can be taken of it: version %s", o.said.Version)
	}
	o.output, err = size(o.said.Path)
	return o, err
}

// listener reads what a run writes to stderr: a line of JSON a second while it is at
// work, and one last when it fails.
type listener struct {
	update func(share float64)
	rest   []byte
	last   string
}

// shares are how much of a run is done when a stage begins, and how much it is: what
// the bar goes by, and no figure.
var shares = map[string][2]float64{"survey": {0, 0.05}, "score": {0.05, 0.75}, "select": {0.8, 0.2}, "publish": {1, 0}}

func (l *listener) Write(p []byte) (int, error) {
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
