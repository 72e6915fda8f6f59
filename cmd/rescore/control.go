package main

import (
	"github.com/spf13/cobra"

	"rescore/coordinator/api"
	"rescore/coordinator/client"
	"rescore/partition/job"
)

// changeCommand is a verb that changes one job of a cluster; verb is the API's.
func (a *app) changeCommand(cmd *cobra.Command, verb, done string, reasoned bool) *cobra.Command {
	var reason string
	cmd.Args = exactly(1)
	f := a.clusterFlags(cmd)
	if reasoned {
		cmd.Flags().StringVar(&reason, "reason", "", "`why`; it is kept in the ledger with your name")
	}
	cmd.RunE = a.ask(f, func(cmd *cobra.Command, args []string, c *client.Client) error {
		id, change := job.ID(args[0]), api.Change{Reason: reason}
		if verb == "retry" {
			s, err := c.Status(cmd.Context(), id)
			if err != nil {
				return err
			}
			change.FailIndex = s.FailIndex // an answer that is lost is no reason to retry a later failure
		}
		now, err := c.Change(cmd.Context(), id, verb, change)
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(now)
		}
		return a.print("job %s %s; it is %s\n", now.Job, done, stateOf(api.Job{State: now.State, Paused: now.Paused}))
	})
	return cmd
}

func (a *app) cancelCommand() *cobra.Command {
	return a.changeCommand(&cobra.Command{
		Use:   "cancel JOB",
		Short: "End a job of a cluster",
		Long: `Cancel ends a job that is not sealed. Its workers drop what they are at, and
nothing is published. What is done is kept: rescore retry lets it go on.`,
		Example: `  rescore cancel 202610-0123456789ab --reason "wrong month"`,
	}, "cancel", "cancelled", true)
}

func (a *app) pauseCommand() *cobra.Command {
	return a.changeCommand(&cobra.Command{
		Use:   "pause JOB",
		Short: "Give a job of a cluster no more work",
		Long: `Pause stops handing out a job's partitions. Those that workers have are done
to their end. Other jobs get the workers meanwhile.`,
		Example: `  rescore pause 202610-0123456789ab`,
	}, "pause", "paused", false)
}

func (a *app) resumeCommand() *cobra.Command {
	return a.changeCommand(&cobra.Command{
		Use:     "resume JOB",
		Short:   "Let a paused job go on",
		Example: `  rescore resume 202610-0123456789ab`,
	}, "resume", "goes on", false)
}

func (a *app) retryCommand() *cobra.Command {
	return a.changeCommand(&cobra.Command{
		Use:   "retry JOB",
		Short: "Let a failed or cancelled job run again, or quarantined partitions of one that runs",
		Long: `Retry sets everything that is not done waiting again, with all attempts anew.
What is done stays done. rescore rerun --failed says first what that would take.`,
		Example: `  rescore retry 202610-0123456789ab`,
	}, "retry", "is retried", false)
}

func (a *app) publishCommand() *cobra.Command {
	return a.changeCommand(&cobra.Command{
		Use:   "publish JOB",
		Short: "Release a held job, for a reason that is kept",
		Long: `Publish lets a job that a gate holds go on to its version all the same.
rescore status shows the gate's figures. The ledger and the version keep who
released it, and why.`,
		Example: `  rescore publish 202610-0123456789ab --reason "rejects are last month's test numbers"`,
	}, "release", "released", true)
}
