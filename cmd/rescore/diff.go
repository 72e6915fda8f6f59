package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/coordinator/api"
	"rescore/partition/store/address"
	"rescore/worker/comparison"
)

func (a *app) diffCommand() *cobra.Command {
	var path, dataset string
	cmd := &cobra.Command{
		Use:   "diff [OLD [NEW]]",
		Short: "Say what two versions of a dataset differ in",
		Long: `Diff compares two published versions row by row: how many subscribers moved
between risk bands, priorities and decisions, how far propensities moved (PSI),
and the largest changes with their reasons. It names nobody.

NEW is the current version when not given, OLD the one before NEW. --path names
a dataset's folder, which is compared here; --dataset a dataset of a cluster,
where a worker compares.`,
		Example: `  rescore diff --path out
  rescore diff v0001-0000000042 v0001-0000000108 --path out --output json
  rescore diff v0001-0000000042 --dataset base`,
		Args: between(0, 2),
	}
	f := a.clusterFlags(cmd)
	cmd.Flags().StringVar(&path, "path", "", "`folder` of the dataset")
	cmd.Flags().StringVar(&dataset, "dataset", "", "`name` of a dataset of a cluster")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		from, to := "", ""
		if len(args) > 0 {
			from = args[0]
		}
		if len(args) > 1 {
			to = args[1]
		}
		var d api.Difference
		var err error
		switch {
		case (path == "") == (dataset == ""):
			return boot.Usagef("name a folder with --path, or a dataset of a cluster with --dataset", "diff takes one of --path and --dataset")
		case path != "":
			d, err = a.diffHere(cmd.Context(), path, from, to)
		default:
			c, cerr := f.connect(a)
			if cerr != nil {
				return cerr
			}
			defer c.Close()
			d, err = c.Diff(cmd.Context(), dataset, from, to)
		}
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(d)
		}
		var figures comparison.Figures
		if err := json.Unmarshal(d.Figures, &figures); err != nil {
			return fmt.Errorf("read the figures: %w", err)
		}
		return a.print("%s", figuresText(figures))
	}
	return cmd
}

// diffHere compares two versions in a folder, in this process.
func (a *app) diffHere(ctx context.Context, dir, from, to string) (d api.Difference, err error) {
	list, err := a.work.versions(ctx, dir)
	if err != nil {
		return d, boot.WithCode(err, codeOf(err), "name the dataset's folder, in which its versions are published")
	}
	if to == "" {
		for _, v := range list {
			if v.Current {
				to = v.Version
			}
		}
	}
	for i, v := range list {
		if v.Version == to && from == "" && i > 0 {
			from = list[i-1].Version
		}
	}
	if from == "" || to == "" {
		return d, boot.WithCode(fmt.Errorf("%s has no two versions to compare", dir), boot.NotFound, "rescore versions lists what is published")
	}
	st, err := address.Open(dir)
	if err != nil {
		return d, err
	}
	before, err := comparison.Open(ctx, st, from)
	if err != nil {
		return d, err
	}
	after, err := comparison.Open(ctx, st, to)
	if err != nil {
		return d, err
	}
	figures, err := comparison.Compare(ctx, st, before, after, 0, nil)
	if err != nil {
		return d, err
	}
	d = api.Difference{Old: from, New: to}
	if len(list) > 0 {
		d.Dataset = list[0].Name
	}
	d.Figures, err = json.Marshal(figures)
	return d, err
}

func codeOf(err error) int {
	if errors.Is(err, fs.ErrNotExist) {
		return boot.NotFound
	}
	return boot.Failure
}

// figuresText writes a comparison for people.
func figuresText(f comparison.Figures) string {
	var b strings.Builder
	table(&b, func(t *tabwriter.Writer) {
		_, _ = fmt.Fprintf(t, "\tVERSION\tMONTH\tROWS\tONLY HERE\tMODEL\tRULES\n")
		for _, s := range []struct {
			name string
			comparison.Side
		}{{"old", f.Old}, {"new", f.New}} {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%.12s\t%.12s\n", s.name, s.Version, s.Month, s.Rows, s.Only, s.Model, s.Rules)
		}
	})
	if f.Identical {
		b.WriteString("\nthe versions hold the same rows, to the last column\n")
		return b.String()
	}
	fmt.Fprintf(&b, "\nin both: %d rows, %d with another propensity\n", f.Both, f.Change.Rows)
	fmt.Fprintf(&b, "  change of the propensity: mean %.6f, half below %.3f, 90 %% below %.3f, 99 %% below %.3f, largest %.6f\n", f.Change.Mean, f.Change.Median, f.Change.P90, f.Change.P99, f.Change.Max)
	if f.PSI != nil {
		fmt.Fprintf(&b, "  PSI %.6f, %s\n", *f.PSI, f.Reading)
	}
	for _, m := range f.Columns {
		fmt.Fprintf(&b, "\n%s: %d rows moved\n", m.Column, m.Moved)
		if m.Moved == 0 {
			continue
		}
		table(&b, func(t *tabwriter.Writer) {
			_, _ = fmt.Fprintf(t, "  FROM\tTO\tROWS\n")
			for i, row := range m.Rows {
				for k, n := range row {
					if i != k && n > 0 {
						_, _ = fmt.Fprintf(t, "  %s\t%s\t%d\n", m.Labels[i], m.Labels[k], n)
					}
				}
			}
		})
	}
	if len(f.Largest) > 0 {
		b.WriteString("\nlargest changes\n")
		table(&b, func(t *tabwriter.Writer) {
			_, _ = fmt.Fprintf(t, "  WAS\tIS\tBAND\tPRIORITY\tDECISION\tREASONS NOW\n")
			for _, x := range f.Largest {
				_, _ = fmt.Fprintf(t, "  %.4f\t%.4f\t%d → %d\t%s → %s\t%s → %s\t%s\n", x.Old.Propensity, x.New.Propensity, x.Old.RiskBand, x.New.RiskBand,
					x.Old.Priority, x.New.Priority, x.Old.Decision, x.New.Decision, strings.Join(x.New.Reasons, ", "))
			}
		})
	}
	return b.String()
}
