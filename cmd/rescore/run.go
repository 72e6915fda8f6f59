package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/bench"
	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/capacity"
	"rescore/cmd/internal/local"
	"rescore/cmd/internal/machine"
	"rescore/cmd/internal/progress"
	"rescore/partition/job"
)

// versionJSON is a version as programs read it. The first seven keys are a
// contract: other tools rely on their names and their order.
type versionJSON struct {
	Job           job.ID     `json:"job"`
	Version       string     `json:"version"`
	Path          string     `json:"path"`
	Rows          job.Counts `json:"rows"`
	Digest        string     `json:"digest"`
	Seconds       float64    `json:"seconds"`
	RowsPerSecond float64    `json:"rows_per_second"`
	Name          string     `json:"name"`
	Current       bool       `json:"current"`
}

// runFlags are the flags of the commands that take a job to its version in this process.
type runFlags struct {
	*jobFlags
	release  string
	deadline time.Duration
}

func (a *app) runFlags(cmd *cobra.Command) *runFlags {
	f := &runFlags{jobFlags: a.jobFlags(cmd)}
	cmd.Flags().StringVar(&f.release, "release", "", "publish a held job, for this `REASON`; the ledger keeps it")
	cmd.Flags().DurationVar(&f.deadline, "deadline", 0, "stop after this `time`, such as 2h30m, with exit code 124; run again to go on")
	return f
}

// run takes the job that arg names, which is of a kind, to its version.
func (f *runFlags) run(a *app, cmd *cobra.Command, arg, kind string) (o local.Options, out local.Outcome, used progress.Used, err error) {
	if cmd.Flags().Changed("release") && f.release == "" {
		return o, out, used, boot.Usagef("say why the version may be published", "--release has no reason")
	}
	if f.deadline < 0 || f.deadline == 0 && cmd.Flags().Changed("deadline") {
		return o, out, used, boot.Usagef("write a time such as 2h30m", "--deadline %s is no time to run in", f.deadline)
	}
	if o, err = f.options(a, cmd, arg, kind); err != nil {
		return o, out, used, err
	}
	o.Release = f.release
	machine.Spare(o.Spec.Run.Workers)
	ctx := cmd.Context()
	if f.deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, f.deadline, fmt.Errorf("the time allowed, %s, ran out: %w", f.deadline, context.DeadlineExceeded))
		defer cancel()
	}
	out, used, err = a.timed(ctx, o, machine.Usage{}, a.work.run) // the start of the process is the job's
	return o, out, used, err
}

// timed shows the progress of a job that is run, and measures what it takes: of what this
// process has used, all after before.
func (a *app) timed(ctx context.Context, o local.Options, before machine.Usage, run func(context.Context, local.Options) (local.Outcome, error)) (out local.Outcome, used progress.Used, err error) {
	start := time.Now()
	err = a.show(func(update func(progress.Sample)) (err error) {
		o.Progress = func(p local.Progress) { update(progress.Sample(p)) }
		out, err = run(ctx, o)
		return err
	})
	return out, progress.Used{Seconds: time.Since(start).Seconds(), Usage: machine.Used().Since(before)}, err
}

func (a *app) runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run JOB.yaml",
		Short: "Run a job to its published version, or go on where it stopped",
		Long: `Run reads the job file, surveys the input, scores every subscriber and
publishes one version. Everything happens in this process; no port is opened.

Stopped in any way, the same command goes on where it stopped: finished
partitions are not run again. Run after success, it says so and does nothing.
When a gate refuses the version the job is held (exit code 6): mend the input,
or publish all the same with --release.

With --output json the last line of stdout is one object: job, version, path,
rows (in, scored, excluded, rejected, duplicate), digest, seconds,
rows_per_second, and more.`,
		Example: `  rescore run job.yaml
  rescore run job.yaml --workers 8 --set gates.reject_share_max=0.02
  rescore run job.yaml --release "rejects are last month's test numbers"
  rescore run job.yaml --output json --quiet`,
		Args: exactly(1),
	}
	f := a.runFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, out, used, err := f.run(a, cmd, args[0], job.KindScore)
		if err != nil {
			return err
		}
		return a.printOutcome(out, used, a.expected(out, used, o.Spec.Run.Workers))
	}
	return cmd
}

// expected is what figures of this machine and this model, which an earlier bench job
// kept, foretell of a job that was run whole; nil when they say nothing. A base much
// smaller than the measured one mostly waits, which the figures do not tell of.
func (a *app) expected(o local.Outcome, used progress.Used, workers int) *progress.Expected {
	path := a.cache(figuresName)
	if o.Already || o.Resumed > 0 || path == "" || used.Seconds <= 0 {
		return nil
	}
	list, err := bench.ReadFigures(path)
	if err != nil { // they are of no account here; capacity says what is wrong with them
		return nil
	}
	host, _ := os.Hostname()
	m, ok := capacity.Find(list, host, o.Model, bench.Full, o.Rows.In)
	if !ok || o.Rows.In < m.Subscribers/smallestExpected {
		return nil
	}
	seconds, ok := capacity.Expect(m, o.Rows.In, workers)
	if !ok {
		return nil
	}
	return &progress.Expected{Seconds: seconds, Share: used.Seconds / seconds, Measured: m.At}
}

// smallestExpected is how many times smaller than a measured base one may be that
// anything is foretold of.
const smallestExpected = 4

// summary is what came of a job, for people.
func summary(o local.Outcome, used progress.Used, expected *progress.Expected) progress.Summary {
	s := progress.Summary{
		Job: o.Job, Name: o.Name, Version: o.Version, Path: o.Path, Digest: o.Digest, Rows: o.Rows, Tally: o.Tally, Timing: o.Timing,
		Seconds: o.Seconds, RowsPerSecond: o.RowsPerSecond, Resumed: o.Resumed, Already: o.Already,
		Superseded: o.Already && !o.Current, Challengers: o.Challengers, Stability: o.Stability, Tables: o.Tables,
		Used: used, Expected: expected,
	}
	for _, stage := range o.Stages {
		s.Stages = append(s.Stages, progress.Stage(stage))
	}
	return s
}

// printSummary writes one where it is to be read: on stdout, or on stderr when stdout is
// for a program.
func (a *app) printSummary(write func(w io.Writer, color bool) error) error {
	switch {
	case !a.json():
		if err := write(a.out, a.colored(a.out)); err != nil {
			return fmt.Errorf("write to stdout: %w", err)
		}
	case !a.quiet:
		_ = write(a.err, a.colored(a.err)) // stdout has the result; a lost summary is no failure
	}
	return nil
}

// printOutcome writes what came of a job.
func (a *app) printOutcome(o local.Outcome, used progress.Used, expected *progress.Expected) error {
	s := summary(o, used, expected)
	if err := a.printSummary(s.Write); err != nil || !a.json() {
		return err
	}
	return a.printJSON(struct {
		versionJSON
		Model   string          `json:"model_digest"`
		Already bool            `json:"already"`
		Resumed int             `json:"resumed"`
		Summary progress.Report `json:"summary"`
	}{
		versionJSON{o.Job, o.Version, o.Path, o.Rows, o.Digest, o.Seconds, o.RowsPerSecond, o.Name, o.Current},
		o.Model, o.Already, o.Resumed, s.Report(),
	})
}
