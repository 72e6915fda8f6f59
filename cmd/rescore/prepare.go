package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/local"
	"rescore/cmd/internal/progress"
	"rescore/partition/job"
)

func (a *app) prepareCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "prepare JOB.yaml",
		Short: "Sort unsorted exports into a base: one row a number, in order, in even partitions",
		Long: `Prepare reads a job file that says kind: prepare, reads the exports it names in
whatever order they are, normalises their numbers, keeps of each number the row
that was loaded last, and publishes the rows in the order of their numbers, as
Parquet files of even size that rescore run takes as its input. Every column is
kept. No row is lost: each is kept, or it is told in _rejects by file and row.

Everything happens in this process, within prepare.memory_mb a worker; on a
cluster, rescore submit does the same. Stopped in any way, the same command goes
on where it stopped. Run after success, it says so and does nothing. When too
many rows are rejected the job is held (exit code 6).

With --output json the last line of stdout is one object: job, version, path,
rows (in, scored = kept, excluded, rejected, duplicate), digest, seconds,
rows_per_second, and more.`,
		Example: `  rescore prepare exports.yaml
  rescore prepare exports.yaml --set prepare.load=load_time --set prepare.memory_mb=512
  rescore prepare exports.yaml --output json --quiet`,
		Args: exactly(1),
	}
	f := a.runFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		_, out, used, err := f.run(a, cmd, args[0], job.KindPrepare)
		if err != nil {
			return err
		}
		return a.printPrepared(out, used)
	}
	return cmd
}

// printPrepared writes what came of a preparation: to stdout for people, to stderr when
// stdout is for a program.
func (a *app) printPrepared(o local.Outcome, used progress.Used) error {
	p := progress.Prepared{
		Job: o.Job, Name: o.Name, Version: o.Version, Path: o.Path, Digest: o.Digest, Rows: o.Rows, Tally: o.Tally,
		Seconds: o.Seconds, RowsPerSecond: o.RowsPerSecond, Resumed: o.Resumed, Already: o.Already, Used: used,
	}
	for _, stage := range o.Stages {
		p.Stages = append(p.Stages, progress.Stage(stage))
	}
	if !a.json() {
		if err := p.Write(a.out, a.colored(a.out)); err != nil {
			return fmt.Errorf("write to stdout: %w", err)
		}
		return nil
	}
	if !a.quiet {
		_ = p.Write(a.err, a.colored(a.err)) // stdout has the result; a lost summary is no failure
	}
	return a.printJSON(struct {
		versionJSON
		Already bool             `json:"already"`
		Resumed int              `json:"resumed"`
		Reasons map[string]int64 `json:"reasons"`
		Broken  int64            `json:"broken_texts"`
		Stages  []progress.Stage `json:"stages"`
	}{
		versionJSON{o.Job, o.Version, o.Path, o.Rows, o.Digest, o.Seconds, o.RowsPerSecond, o.Name, o.Current},
		o.Already, o.Resumed, p.Reasons(), o.Tally.BadValues, p.Stages,
	})
}
