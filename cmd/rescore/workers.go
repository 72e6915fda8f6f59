package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rescore/coordinator/client"
)

func (a *app) workersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "workers",
		Short: "List the workers of a cluster",
		Long: `Workers lists the workers that the leading coordinator has heard of lately. A
coordinator that has just taken over hears of all of them within seconds.`,
		Example: `  rescore workers
  rescore workers --output json`,
		Args: exactly(0),
	}
	f := a.clusterFlags(cmd)
	cmd.RunE = a.ask(f, func(cmd *cobra.Command, _ []string, c *client.Client) error {
		list, err := c.Workers(cmd.Context())
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(list.Workers)
		}
		if len(list.Workers) == 0 {
			_, _ = fmt.Fprintln(a.err, "no worker is connected; start one with rescore worker") // a remark, not the result
			return nil
		}
		return a.table(func(t *tabwriter.Writer) {
			_, _ = fmt.Fprintf(t, "WORKER\tHOST\tVERSION\tSLOTS\tTASKS\tMEMORY\tSILENT\t\n")
			for _, w := range list.Workers {
				state := ""
				if w.Draining {
					state = "draining"
				}
				for _, u := range w.Unfit {
					state = strings.TrimPrefix(state+", unfit for "+string(u.Job), ", ")
				}
				_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d MiB\t%.1f s\t%s\n", w.Worker, dash(w.Host), dash(w.Version), w.Slots, w.Tasks, w.Memory>>20, w.Silent, state)
			}
		})
	})
	return cmd
}

func (a *app) drainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drain WORKER",
		Short: "Let a worker finish what it has, and leave",
		Long: `Drain gives a worker no more partitions. It finishes those it has and ends with
exit code 0. It does not come back by itself. SIGTERM to the worker does the same,
within its deadline.`,
		Example: `  rescore drain worker-7`,
		Args:    exactly(1),
	}
	f := a.clusterFlags(cmd)
	cmd.RunE = a.ask(f, func(cmd *cobra.Command, args []string, c *client.Client) error {
		done, err := c.Drain(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(done)
		}
		return a.print("worker %s finishes what it has and leaves\n", done.Worker)
	})
	return cmd
}
