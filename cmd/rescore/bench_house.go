package main

import (
	"bufio"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/bench"
	"rescore/cmd/internal/local"
	"rescore/cmd/internal/machine"
	"rescore/partition/job"
)

// benchHouse is the process in which bench job runs its jobs.
func (a *app) benchHouse() *cobra.Command {
	cmd := &cobra.Command{
		Use:    bench.HouseCommand + " JOB.yaml",
		Hidden: true,
		Short:  "Run a job again and again in one process, as bench job does",
		Long: `House reads folders from stdin, one a line, runs the job into each under a name of
its own, and prints for each what rescore run prints. Coordinator and worker stay
from one job to the next. It ends with stdin.`,
		Example: `  echo out | rescore bench house job.yaml --work work --output json`,
		Args:    exactly(1),
	}
	f := a.jobFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		o, err := f.options(a, cmd, args[0], job.KindScore)
		if err != nil {
			return err
		}
		machine.Spare(o.Spec.Run.Workers)
		house, err := local.Open(o)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, house.Close()) }()
		lines := bufio.NewScanner(a.in)
		for n := 1; lines.Scan(); n++ {
			next := o
			next.Spec.Name, next.Spec.Output.Path = fmt.Sprintf("%s-%d", o.Spec.Name, n), lines.Text()
			out, used, err := a.timed(cmd.Context(), next, machine.Used(), house.Run)
			if err != nil {
				return err
			}
			if err := a.printOutcome(out, used, nil); err != nil {
				return err
			}
		}
		if err := lines.Err(); err != nil {
			return fmt.Errorf("read the folders on stdin: %w", err)
		}
		return nil
	}
	return cmd
}
