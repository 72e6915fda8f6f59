package main

import (
	"crypto/rand"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/bench"
	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/progress"
	"rescore/partition/store/address"
)

func (a *app) benchStore() *cobra.Command {
	var s bench.Storage
	var megabytes int64
	cmd := &cobra.Command{
		Use:   "store PATH_OR_URL",
		Short: "Measure a store: a folder, or s3://BUCKET/PREFIX",
		Long: `Store writes objects of the size of a partition's files, reads them whole and in
ranges of 64 KiB, creates small ones under names that are free and under names that
are taken, adopts, lists and deletes: each --objects times, --parallel at a time. It
prints how many a second, how many bytes a second, and how long one took.

What is read is held against what was written, and a store that takes an object whose
name is taken is refused. Everything lies below a name of its own and is deleted at the
end, when it is interrupted too. A folder's objects come from the page cache when they
are read; an object is written through to the disk.`,
		Example: `  rescore bench store /data/scores
  rescore bench store s3://scores/2026 --parallel 32 --output json`,
		Args: exactly(1),
	}
	flags := cmd.Flags()
	flags.IntVar(&s.Objects, "objects", 32, "how many objects")
	flags.Int64Var(&megabytes, "megabytes", 16, "size of an object; a partition of 524 288 subscribers has about as much")
	flags.IntVar(&s.Parallel, "parallel", 4, "requests at a time")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		switch {
		case s.Objects < 1 || s.Objects > 100_000:
			return boot.Usagef("write a number from 1 to 100000", "--objects %d is out of range", s.Objects)
		case megabytes < 1 || megabytes > 1024:
			return boot.Usagef("write a number from 1 to 1024", "--megabytes %d is out of range", megabytes)
		case s.Parallel < 1 || s.Parallel > 1024:
			return boot.Usagef("write a number from 1 to 1024", "--parallel %d is out of range", s.Parallel)
		}
		if s.Store, err = address.Open(address.Resolve(".", args[0])); err != nil {
			return err
		}
		s.Bytes, s.Prefix = megabytes<<20, "bench-"+strings.ToLower(rand.Text())
		var r bench.StorageReport
		err = a.show(func(update func(progress.Sample)) (err error) {
			s.Progress = update
			r, err = s.Measure(cmd.Context())
			return err
		})
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(r)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s: %d objects of %d MiB, %d at a time\n\n", r.Store, r.Objects, megabytes, r.Parallel)
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		_, _ = fmt.Fprintf(t, "operation\ta second\tMB a second\tms, median\t90 %%\t99 %%\tmost\t\n")
		for _, o := range r.Operations {
			rate := "-"
			if o.BytesPerSecond > 0 {
				rate = fmt.Sprintf("%.1f", o.BytesPerSecond/1e6)
			}
			_, _ = fmt.Fprintf(t, "%s\t%.1f\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t\n", o.Name, o.PerSecond, rate, o.P50, o.P90, o.P99, o.Max)
		}
		_ = t.Flush() // a strings.Builder takes everything
		return a.print("%s", b.String())
	}
	return cmd
}
