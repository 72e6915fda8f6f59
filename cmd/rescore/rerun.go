package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/coordinator/api"
	"rescore/coordinator/client"
	"rescore/partition"
	"rescore/partition/job"
)

func (a *app) rerunCommand() *cobra.Command {
	var q api.Rerun
	var version, with, failed string
	var ranges []string
	var segments, cities []uint
	var yes, watch bool
	cmd := &cobra.Command{
		Use:   "rerun [DATASET]",
		Short: "Do part of a published version again, or all of it",
		Long: `Rerun makes a new version of a dataset on top of a published one: partitions
that meet the ranges, segments or cities that are named are scored again, the
others are kept as they are. Without any everything is scored again. Partitions
whose input has changed are scored again too. The old version stays.

Rerun first says exactly what would run, and how long the same work took. It
does it with --yes only. With --with another model or other rules are used.
With --failed JOB what a job has not done is done, which is a retry of it.`,
		Example: `  rescore rerun base --segment 1380013 --segment 1380014
  rescore rerun base --range 1380013-1380096 --yes --watch
  rescore rerun base --city 571 --with job.yaml --set model.path=new.json
  rescore rerun --failed 202610-0123456789ab --partitions`,
		Args: between(0, 1),
	}
	f, c := a.jobFlags(cmd), a.clusterFlags(cmd)
	cmd.ValidArgsFunction = nil
	flags := cmd.Flags()
	flags.StringVar(&version, "version", "", "stand on that `version`; the current one when not given")
	flags.StringSliceVar(&ranges, "range", nil, "segments `FROM-TO`, such as 1380013-1380096; repeatable")
	flags.UintSliceVar(&segments, "segment", nil, "a `segment`: the first seven digits of numbers; repeatable")
	flags.UintSliceVar(&cities, "city", nil, "the `code` of a city whose subscribers are meant; repeatable")
	flags.StringVar(&with, "with", "", "`job file` with the model and rules to use; as the version was made when not given")
	flags.StringVar(&failed, "failed", "", "do what that `job` has not done")
	flags.BoolVar(&q.List, "partitions", false, "list the partitions")
	flags.IntVar(&q.Priority, "priority", 5, "1 to `9`: each step doubles the job's share of the workers")
	flags.BoolVar(&yes, "yes", false, "do it")
	flags.BoolVar(&watch, "watch", false, "follow it to its end, as rescore watch does")
	cmd.RunE = a.ask(c, func(cmd *cobra.Command, args []string, c *client.Client) error {
		if (len(args) == 1) == (failed != "") {
			return boot.Usagef("the usage is: "+cmd.UseLine(), "rerun takes a dataset, or --failed with a job")
		}
		if len(args) == 1 {
			q.Dataset = args[0]
		}
		q.Version, q.Job, q.Apply = version, job.ID(failed), yes
		for _, text := range ranges {
			r, err := partition.ParseRange(text)
			if err != nil {
				return boot.Usagef("write --range 1380013-1380096", "--range: %v", err)
			}
			q.Ranges = append(q.Ranges, r)
		}
		for _, s := range segments {
			q.Segments = append(q.Segments, partition.Segment(min(s, 9999999)))
		}
		for _, code := range cities {
			q.Cities = append(q.Cities, uint32(min(code, 1<<31)))
		}
		if with != "" {
			d, base, err := f.read(a, cmd, with)
			if err != nil {
				return err
			}
			q.Spec, q.Base = d.Spec.Canonical(), base
		}
		done, err := c.Rerun(cmd.Context(), q)
		if err != nil {
			return err
		}
		return a.printRerun(cmd.Context(), c, done, watch)
	})
	return cmd
}

// printRerun says what a rerun does, or would do, and follows it when asked to.
func (a *app) printRerun(ctx context.Context, c *client.Client, r api.Rerunning, watch bool) error {
	if r.Applied && watch {
		return a.watch(ctx, c, r.Rerun)
	}
	if a.json() {
		return a.printJSON(r)
	}
	var b strings.Builder
	what := "version " + r.Base + " of " + r.Dataset
	if r.Base == "" {
		what = "job " + string(r.Job)
	}
	fmt.Fprintf(&b, "rerun of %s, as job %s\n", what, r.Rerun)
	fmt.Fprintf(&b, "  again    %d partitions, %d rows\n  kept     %d partitions, %d rows\n", r.Count, r.Rows, r.Kept, r.KeptRows)
	fmt.Fprintf(&b, "  work     %s of one core, as the same work took\n", seconds(r.Seconds))
	if r.PlacingSeconds > 0 {
		fmt.Fprintf(&b, "  placing  up to %s more when ranks move and those that are kept are placed anew\n", seconds(r.PlacingSeconds))
	}
	if r.WallSeconds != nil {
		fmt.Fprintf(&b, "  time     about %s with the %d slots that are here now\n", seconds(*r.WallSeconds), r.Slots)
	} else {
		b.WriteString("  time     no worker is here now\n")
	}
	if len(r.Partitions) > 0 {
		table(&b, func(t *tabwriter.Writer) {
			_, _ = fmt.Fprintf(t, "SEGMENTS\tROWS\tSECONDS\n")
			for _, p := range r.Partitions {
				_, _ = fmt.Fprintf(t, "%s\t%d\t%.2f\n", p.Range, p.Rows, p.Seconds)
			}
		})
	}
	switch {
	case !r.Applied:
		b.WriteString("nothing was done; the same command with --yes does it\n")
	case r.New || r.Base == "":
		fmt.Fprintf(&b, "job %s: %s\n  follow it with: rescore watch %s\n", r.Rerun, r.State, r.Rerun)
	default:
		fmt.Fprintf(&b, "job %s is there already: %s\n", r.Rerun, r.State)
	}
	return a.print("%s", b.String())
}

// seconds writes a time for people.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < time.Minute {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func (a *app) rollbackCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "rollback DATASET VERSION",
		Short: "Make an older version of a dataset the current one again",
		Long: `Rollback writes a new pointer to an older version, once it has made sure that the
version is all there. No version is changed or removed, and the ledger keeps who
did it, and why. Rolling back to the newer version undoes it.`,
		Example: `  rescore rollback base v0001-0000000042 --reason "the new model misjudges prepaid"`,
		Args:    exactly(2),
	}
	f := a.clusterFlags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "`why`; it is kept in the ledger with your name")
	cmd.RunE = a.ask(f, func(cmd *cobra.Command, args []string, c *client.Client) error {
		done, err := c.Rollback(cmd.Context(), args[0], api.Back{Version: args[1], Reason: reason})
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(done)
		}
		return a.print("version %s is the current one of %s\n", done.Version, done.Dataset)
	})
	return cmd
}

func (a *app) gcCommand() *cobra.Command {
	var mark, sweep bool
	var keep int
	cmd := &cobra.Command{
		Use:   "gc DATASET",
		Short: "Count, list and delete staged files that nobody needs",
		Long: `Gc counts the staged files of a dataset that no version, no job and no rerun
needs. With --mark it writes them to a list; a day later --sweep deletes those
of the list that are still needed by nobody. Published versions are never
touched. Either step can be cut short and done again.`,
		Example: `  rescore gc base
  rescore gc base --mark --keep 6
  rescore gc base --sweep`,
		Args: exactly(1),
	}
	f := a.clusterFlags(cmd)
	cmd.Flags().BoolVar(&mark, "mark", false, "list what nobody needs, for a later --sweep")
	cmd.Flags().BoolVar(&sweep, "sweep", false, "delete what was listed at least a day ago")
	cmd.Flags().IntVar(&keep, "keep", 0, "keep what reruns of the newest `versions` need; 3 when not given")
	cmd.MarkFlagsMutuallyExclusive("mark", "sweep")
	cmd.RunE = a.ask(f, func(cmd *cobra.Command, args []string, c *client.Client) error {
		step := api.Collect{Keep: keep}
		switch {
		case mark:
			step.Step = "mark"
		case sweep:
			step.Step = "sweep"
		}
		done, err := c.Collect(cmd.Context(), args[0], step)
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(done)
		}
		if sweep {
			return a.print("%s: %d files deleted, %d bytes; %d were needed again\n", done.Dataset, done.Deleted, done.Bytes, done.Spared)
		}
		text := fmt.Sprintf("%s: nobody needs %d files, %d bytes\n", done.Dataset, done.Files, done.Bytes)
		if m := done.Marked; m != nil {
			text += fmt.Sprintf("  listed: %d files, %d bytes; rescore gc %s --sweep deletes them from %s UTC on\n", m.Files, m.Bytes, done.Dataset, m.Due.UTC().Format(time.DateTime))
		}
		return a.print("%s", text)
	})
	return cmd
}
