package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/progress"
	"rescore/coordinator/api"
	"rescore/coordinator/client"
	"rescore/partition/job"
)

func (a *app) submitCommand() *cobra.Command {
	var watch bool
	var priority int
	cmd := &cobra.Command{
		Use:   "submit JOB.yaml",
		Short: "Give a job to a cluster",
		Long: `Submit reads the job file with the files beside it, has one of the cluster's
workers look at the input and the models, and puts the job into the ledger.
From then on everything happens in the cluster: this machine is not needed.

The same job again is the same job: submit says where it stands and changes
nothing. Relative paths are those of the job file's folder, which coordinators
and workers must have under the same name.`,
		Example: `  rescore submit job.yaml --coordinators h1:7300,h2:7300,h3:7300 --token-file token
  rescore submit job.yaml --watch
  rescore submit job.yaml --priority 8 --output json`,
		Args: exactly(1),
	}
	f, c := a.jobFlags(cmd), a.clusterFlags(cmd)
	cmd.Flags().BoolVar(&watch, "watch", false, "follow the job to its end, as rescore watch does")
	cmd.Flags().IntVar(&priority, "priority", 5, "1 to `9`: each step doubles the job's share of the workers")
	cmd.RunE = a.ask(c, func(cmd *cobra.Command, args []string, c *client.Client) error {
		if priority < 1 || priority > 9 {
			return boot.Usagef("write 1 to 9; 5 is the default", "--priority %d is none", priority)
		}
		d, base, err := f.read(a, cmd, args[0])
		if err != nil {
			return err
		}
		done, err := c.Submit(cmd.Context(), api.Submission{
			Spec: d.Spec.Canonical(), Base: base, MaxAttempts: max(d.Spec.Run.MaxAttempts, 1), PartitionRows: d.Spec.Run.PartitionRows, Priority: priority,
		})
		if err != nil {
			return err
		}
		if watch {
			if !a.quiet {
				_, _ = fmt.Fprintf(a.err, "job %s\n", done.Job) // a remark, not the result
			}
			return a.watch(cmd.Context(), c, done.Job)
		}
		if a.json() {
			return a.printJSON(done)
		}
		if !done.New {
			return a.print("job %s is there already: %s\n", done.Job, done.State)
		}
		return a.print("job %s submitted\n  follow it with: rescore watch %s\n", done.Job, done.Job)
	})
	return cmd
}

func (a *app) watchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch JOB",
		Short: "Follow a job of a cluster to its end",
		Long: `Watch shows how far a job is until it is published, held, failed or cancelled,
and ends with the exit code of that. It follows the job when another coordinator
takes over. Stopping it does not stop the job.`,
		Example: `  rescore watch 202610-0123456789ab
  rescore watch 202610-0123456789ab --quiet --output json`,
		Args: exactly(1),
	}
	f := a.clusterFlags(cmd)
	cmd.RunE = a.ask(f, func(cmd *cobra.Command, args []string, c *client.Client) error {
		return a.watch(cmd.Context(), c, job.ID(args[0]))
	})
	return cmd
}

// watch shows a job's progress, and its outcome.
func (a *app) watch(ctx context.Context, c *client.Client, id job.ID) error {
	began := time.Now()
	var s api.Status
	err := a.show(func(update func(progress.Sample)) (err error) {
		s, err = c.Watch(ctx, id, func(s api.Status) { update(sampleOf(s, time.Since(began))) })
		return err
	})
	if err != nil {
		return err
	}
	if err := outcomeOf(s); err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(s)
	}
	return a.printStatus(s)
}

// sampleOf is a status as the progress bar takes it.
func sampleOf(s api.Status, elapsed time.Duration) progress.Sample {
	return progress.Sample{
		Stage: s.Stage, RowsDone: s.RowsDone + s.RowsInFlight, RowsTotal: s.Rows,
		TasksDone: s.Done, TasksTotal: s.Tasks, TasksRunning: s.Running, Elapsed: elapsed,
	}
}

// outcomeOf is the error that a job at its end, or held, ends a command with.
func outcomeOf(s api.Status) error {
	switch s.State {
	case job.Failed.String():
		return boot.WithCode(fmt.Errorf("job %s failed: %s", s.Job.Job, s.Failure), boot.Failure, "mend what the reason says, then: rescore retry "+string(s.Job.Job))
	case job.Cancelled.String():
		return boot.WithCode(fmt.Errorf("job %s: %s", s.Job.Job, s.Failure), boot.Failure, "to let it go on: rescore retry "+string(s.Job.Job))
	case job.Held.String():
		reason := "a gate refused it"
		if s.Held != nil {
			reason = s.Held.Reason
		}
		return boot.WithCode(errors.New("job "+string(s.Job.Job)+" is held: "+reason), boot.Held,
			"look at the rejects; to publish all the same: rescore publish "+string(s.Job.Job)+" --reason REASON, which is kept")
	}
	return nil
}
