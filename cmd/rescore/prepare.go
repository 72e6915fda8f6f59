package main

import (
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
Parquet or Arrow files of even size that rescore run takes as its input. Every
column is kept. No row is lost: each is kept, or it is told in _rejects by file
and row.

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

// printPrepared writes what came of a preparation.
func (a *app) printPrepared(o local.Outcome, used progress.Used) error {
	s := summary(o, used, nil)
	if err := a.printSummary(s.WritePrepared); err != nil || !a.json() {
		return err
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
		o.Already, o.Resumed, s.Reasons(), o.Tally.BadValues, s.Stages,
	})
}
