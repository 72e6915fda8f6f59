package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rescore/coordinator/api"
	"rescore/coordinator/client"
	"rescore/partition/job"
)

func (a *app) jobsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "List the jobs of a cluster, oldest first",
		Example: `  rescore jobs --coordinators h1:7300,h2:7300,h3:7300 --token-file token
  rescore jobs --output json`,
		Args: exactly(0),
	}
	f := a.clusterFlags(cmd)
	cmd.RunE = a.ask(f, func(cmd *cobra.Command, _ []string, c *client.Client) error {
		list, err := c.Jobs(cmd.Context())
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(list.Jobs)
		}
		if len(list.Jobs) == 0 {
			_, _ = fmt.Fprintln(a.err, "no job was submitted to this cluster") // a remark, not the result
			return nil
		}
		return a.table(func(t *tabwriter.Writer) {
			_, _ = fmt.Fprintf(t, "JOB\tDATASET\tSTATE\tPRIORITY\tSTAGE\tDONE\tRUNNING\tQUARANTINED\tBY\tVERSION\n")
			for _, j := range list.Jobs {
				_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%d/%d\t%d\t%d\t%s\t%s\n", j.Job, j.Dataset, stateOf(j), j.Priority, j.Stage, j.Done, j.Tasks, j.Running, j.Quarantine, dash(j.Submitter), dash(j.Version))
			}
		})
	})
	return cmd
}

func (a *app) statusCommand() *cobra.Command {
	var tasks bool
	var stage, state string
	var from, limit int
	cmd := &cobra.Command{
		Use:   "status JOB",
		Short: "Say where a job of a cluster stands",
		Long: `Status says how far a job is, stage by stage, which workers are at it, how fast
it goes, what is in quarantine and why, and why it is held or failed.
With --tasks it lists tasks, a page at a time.`,
		Example: `  rescore status 202610-0123456789ab
  rescore status 202610-0123456789ab --tasks --state quarantined
  rescore status 202610-0123456789ab --tasks --stage score --from 1000 --limit 500 --output json`,
		Args: exactly(1),
	}
	f := a.clusterFlags(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&tasks, "tasks", false, "list tasks too")
	flags.StringVar(&stage, "stage", "", "of `stage` survey, score or select; the one at work when not given")
	flags.StringVar(&state, "state", "", "tasks in `state` waiting, leased, done or quarantined; all when not given")
	flags.IntVar(&from, "from", 0, "begin with the task of that `index`")
	flags.IntVar(&limit, "limit", 100, "list so many `tasks`, 1000 at most")
	cmd.RunE = a.ask(f, func(cmd *cobra.Command, args []string, c *client.Client) error {
		var s api.Status
		var err error
		if id := job.ID(args[0]); tasks {
			s, err = c.Tasks(cmd.Context(), id, stage, state, from, limit)
		} else {
			s, err = c.Status(cmd.Context(), id)
		}
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(s)
		}
		return a.printStatus(s)
	})
	return cmd
}

// printStatus writes a status for people.
func (a *app) printStatus(s api.Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "job %s of %s: %s\n", s.Job.Job, s.Dataset, stateOf(s.Job))
	if s.Result != nil {
		fmt.Fprintf(&b, "  version  %s\n  path     %s\n  digest   %s\n", s.Result.Version, s.Result.Path, s.Result.Digest)
	}
	for _, line := range []struct{ name, text string }{{"failure", s.Failure}, {"submitted by", s.Submitter}, {"stands on", s.Base}} {
		if line.text != "" {
			fmt.Fprintf(&b, "  %s: %s\n", line.name, line.text)
		}
	}
	if s.Pausing != nil {
		fmt.Fprintf(&b, "  paused by %s\n", s.Pausing.Who)
	}
	if s.Held != nil {
		fmt.Fprintf(&b, "  held: %s\n", s.Held.Reason)
	}
	if s.Released != nil {
		fmt.Fprintf(&b, "  released by %s: %s\n", s.Released.Who, s.Released.Reason)
	}
	for _, month := range s.MissingMonths {
		fmt.Fprintf(&b, "  month %06d has no files: it is read as missing\n", month)
	}
	fmt.Fprintf(&b, "  rows: %d in, %d scored, %d excluded, %d rejected, %d duplicate\n", s.Counts.In, s.Counts.Scored, s.Counts.Excluded, s.Counts.Rejected, s.Counts.Duplicate)
	if s.RowsPerSecond > 0 {
		fmt.Fprintf(&b, "  speed: about %.0f rows/s", s.RowsPerSecond)
		if s.ETA != nil {
			fmt.Fprintf(&b, ", %s left in this stage", time.Duration(*s.ETA*float64(time.Second)).Round(time.Second))
		}
		b.WriteByte('\n')
	}
	if len(s.Workers) > 0 {
		var at []string
		for _, w := range s.Workers {
			at = append(at, fmt.Sprintf("%s (%d)", w.Worker, w.Tasks))
		}
		fmt.Fprintf(&b, "  at work: %s\n", strings.Join(at, ", "))
	}
	for _, u := range s.Unfit {
		fmt.Fprintf(&b, "  unfit: %s: %s\n", u.Worker, u.Reason)
	}
	b.WriteByte('\n')
	table(&b, func(t *tabwriter.Writer) {
		_, _ = fmt.Fprintf(t, "STAGE\tTASKS\tWAITING\tLEASED\tDONE\tQUARANTINED\tROWS\tROWS DONE\n")
		for _, st := range s.Stages {
			_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", st.Stage, st.Tasks, st.Waiting, st.Leased, st.Done, st.Quarantined, st.Rows, st.RowsDone)
		}
	})
	tasks := s.Quarantined
	if s.Page != nil {
		tasks = s.Page.Tasks
	}
	if len(tasks) > 0 {
		b.WriteByte('\n')
		table(&b, func(t *tabwriter.Writer) {
			_, _ = fmt.Fprintf(t, "TASK\tRANGE\tROWS\tSTATE\tWORKER\tATTEMPTS\tFAILURES\tSILENCES\tREASON\n")
			for _, k := range tasks {
				_, _ = fmt.Fprintf(t, "%s/%d\t%s\t%d\t%s\t%s\t%d\t%d\t%d\t%s\n", k.Stage, k.Task, k.Range, k.Rows, k.State, dash(k.Worker), k.Attempts, k.Failures, k.Silences, k.Reason)
			}
		})
	}
	if s.Page != nil && s.Page.Next > 0 {
		fmt.Fprintf(&b, "\nmore: --from %d\n", s.Page.Next)
	}
	for _, i := range s.Incidents {
		fmt.Fprintf(&b, "INCIDENT: two attempts at %s task %d made other %s (tokens %d and %d); keep both files and call the developers\n", i.Stage, i.Task, i.What, i.Winner, i.Loser)
	}
	return a.print("%s", b.String())
}

// table writes an aligned table to stdout.
func (a *app) table(fill func(*tabwriter.Writer)) error {
	var b strings.Builder
	table(&b, fill)
	return a.print("%s", b.String())
}

func table(b *strings.Builder, fill func(*tabwriter.Writer)) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fill(t)
	_ = t.Flush() // a strings.Builder takes everything
}

// stateOf is a job's state as people read it.
func stateOf(j api.Job) string {
	if j.Paused {
		return j.State + ", paused"
	}
	return j.State
}
