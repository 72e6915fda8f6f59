package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/bench"
	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/explain"
	"rescore/cmd/internal/local"
	"rescore/cmd/internal/progress"
	"rescore/cmd/internal/province"
	"rescore/cmd/internal/whatif"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/synth"
)

// app is one call of the program: where it reads and writes, what was asked of
// every command, and what does the work.
type app struct {
	in      io.Reader
	out     io.Writer // data, and nothing else
	err     io.Writer // progress, log, errors
	environ []string
	work    work
	// terminal reports whether a stream is one that people look at.
	terminal func(io.Writer) bool

	format   string // --output: text or json
	quiet    bool
	noColor  bool
	logLevel string
}

// work is what commands hand over to; tests put their own in its place.
type work struct {
	run      func(context.Context, local.Options) (local.Outcome, error)
	plan     func(context.Context, local.Options) (local.PlanReport, error)
	versions func(ctx context.Context, outputDir string) ([]local.VersionInfo, error)
	export   func(ctx context.Context, o local.Options, path string, features []string) (rows int64, err error)
	synth    func(ctx context.Context, dir string, o province.Options) (province.Summary, error)
	bench    func(context.Context, bench.Job) ([]bench.Report, error)
	explain  func(ctx context.Context, v *local.Version, n partition.Number, o explain.Options) (*explain.Answer, error)
	whatif   func(ctx context.Context, v *local.Version, o whatif.Options) (*whatif.Answer, error)
}

// ours is the work itself.
func ours() work {
	return work{local.Run, local.Plan, local.Versions, local.ExportFeatures, writeProvince, measureJob, explain.Ask, whatif.Ask}
}

func measureJob(ctx context.Context, j bench.Job) ([]bench.Report, error) { return j.Measure(ctx) }

// execute runs one command and returns its exit code.
func (a *app) execute(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	a.format = formatIn(args) // until flags are read: a wrong flag is reported in the form asked for
	err := answered(classify(root.ExecuteContext(ctx)))
	return boot.Report(ctx, a.err, a.json(), err)
}

// formatIn finds --output json in arguments that may not parse.
func formatIn(args []string) string {
	for i, arg := range args {
		if arg == "--output=json" || arg == "--output" && i+1 < len(args) && args[i+1] == "json" {
			return "json"
		}
	}
	return "text"
}

// classify gives the errors of the rooms below their exit codes.
func classify(err error) error {
	switch {
	case errors.Is(err, local.ErrHeld):
		return boot.WithCode(err, boot.Held, "look at the rejects, then mend the input or change the gate; to publish all the same, run it again with --release REASON, which is kept")
	case errors.Is(err, local.ErrLocked):
		return boot.WithCode(err, boot.Conflict, "wait for the other process, or give this job another run.work")
	case errors.Is(err, local.ErrOtherJob):
		return boot.WithCode(err, boot.Conflict, "") // the message says which folder it is, and what to do
	case errors.Is(err, syscall.ENOSPC):
		return boot.WithCode(err, boot.Failure, "make room on that disk and run the same command again: it goes on where it stopped")
	case errors.Is(err, province.ErrNotEmpty):
		return boot.WithCode(err, boot.Conflict, "choose another --out, or replace what is there with --force")
	case errors.Is(err, province.ErrOption), errors.Is(err, synth.ErrProvince):
		return boot.WithCode(err, boot.Usage, "see rescore synth --help")
	}
	return err
}

func (a *app) json() bool { return a.format == "json" }

// colored reports whether w is to be written in colour: it is a terminal that
// knows how, and nobody objects (NO_COLOR, TERM=dumb, --no-color).
func (a *app) colored(w io.Writer) bool {
	return !a.noColor && a.env("NO_COLOR") == "" && a.env("TERM") != "dumb" && a.terminal(w)
}

func (a *app) env(name string) string {
	for _, pair := range a.environ {
		if text, ok := strings.CutPrefix(pair, name+"="); ok {
			return text
		}
	}
	return ""
}

// printJSON writes one value on one line of stdout.
func (a *app) printJSON(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return a.print("%s\n", line)
}

// print writes data to stdout. A reader that went away is an error: what it
// missed may have been the result.
func (a *app) print(format string, args ...any) error {
	if _, err := fmt.Fprintf(a.out, format, args...); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

// jobFlags are the flags of every command that takes a job file.
type jobFlags struct{ sets []string }

func (a *app) jobFlags(cmd *cobra.Command) *jobFlags {
	f := &jobFlags{}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.sets, "set", nil, "set any `KEY=VALUE` of the job file, such as run.workers=4; repeatable")
	flags.Int("workers", 0, "scoring goroutines (run.workers); 0 is one per core")
	flags.Int64("partition-rows", 0, "rows per partition (run.partition_rows)")
	flags.String("work", "", "folder of the raft log and the lock (run.work)")
	boot.Bind(flags, "workers", "run.workers")
	boot.Bind(flags, "partition-rows", "run.partition_rows")
	boot.Bind(flags, "work", "run.work")
	complete(cmd, "set", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var keys []string
		for _, v := range job.Default().Values() {
			keys = append(keys, v.Path+"=")
		}
		return keys, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	})
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return f
}

// read decodes the job file that arg names, - for stdin, with environment and
// flags laid over it. base is the folder its paths are relative to.
func (f *jobFlags) read(a *app, cmd *cobra.Command, arg string) (d job.Decoded, base string, err error) {
	name, folder, r := "stdin", ".", a.in
	if arg != "-" {
		file, err := os.Open(arg)
		if err != nil {
			hint := "name a job file; rescore synth makes one to try, rescore config default prints every key"
			if errors.Is(err, fs.ErrNotExist) {
				return d, "", boot.WithCode(fmt.Errorf("read job file: %w", err), boot.NotFound, hint)
			}
			return d, "", boot.WithCode(fmt.Errorf("read job file: %w", err), boot.Failure, hint)
		}
		defer func() { _ = file.Close() }() // opened for reading only
		name, folder, r = arg, filepath.Dir(arg), file
	}
	data, err := io.ReadAll(io.LimitReader(r, job.BytesMax+1))
	if err != nil {
		return d, "", fmt.Errorf("read job file %s: %w", name, err)
	}
	if base, err = filepath.Abs(folder); err != nil {
		return d, "", fmt.Errorf("find the folder of %s: %w", name, err)
	}
	d, err = boot.Load(name, data, base, a.environ, cmd.Flags(), f.sets)
	return d, base, err
}

// options reads a job file of a kind and readies it for this machine.
func (f *jobFlags) options(a *app, cmd *cobra.Command, arg, kind string) (local.Options, error) {
	d, base, err := f.read(a, cmd, arg)
	if err != nil {
		return local.Options{}, err
	}
	switch {
	case d.Spec.Prepares() && kind != job.KindPrepare:
		return local.Options{}, boot.Usagef("rescore prepare runs it", "%s is a preparation: it says kind: prepare", arg)
	case !d.Spec.Prepares() && kind == job.KindPrepare:
		return local.Options{}, boot.Usagef("rescore run runs it; a preparation says kind: prepare", "%s is no preparation", arg)
	}
	log, err := boot.Logger(a.err, a.logLevel, a.environ)
	if err != nil {
		return local.Options{}, err
	}
	if d.Spec.Run.Workers == 0 {
		d.Spec.Run.Workers = runtime.GOMAXPROCS(0)
	}
	return local.Options{Spec: d.Spec, Base: base, Log: log}, nil
}

// show runs f while its progress is shown, and returns when both have ended.
func (a *app) show(f func(update func(progress.Sample)) error) error {
	d := progress.NewDisplay(a.err, progress.ModeFor(a.terminal(a.err), a.quiet, a.env("TERM")))
	ctx, cancel := context.WithCancel(context.Background()) // the display outlives an interrupt: it shows the last state
	var shown sync.WaitGroup
	shown.Go(func() { d.Run(ctx) })
	err := f(d.Update)
	cancel()
	shown.Wait()
	return err
}
