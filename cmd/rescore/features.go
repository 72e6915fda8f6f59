package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/partition/schema"
	"rescore/worker/feature"
)

func (a *app) featuresCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "features",
		Short:   "List the features a model can use, or write a model's input matrix",
		Example: "  rescore features list",
	})
	cmd.AddCommand(a.featuresList(), a.featuresExport())
	return cmd
}

func (a *app) featuresList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List every feature: name, unit, formula, when it is missing",
		Long: `List prints the features that model.features in a job file can be bound to,
besides canonical columns and the input's extra columns.`,
		Example: "  rescore features list --output json",
		Args:    exactly(0),
		RunE: func(*cobra.Command, []string) error {
			entries := feature.Dictionary
			if a.json() {
				type object struct {
					Name    string      `json:"name"`
					Unit    schema.Unit `json:"unit"`
					Formula string      `json:"formula"`
					Null    string      `json:"null"` // when it is missing; "" = never
					Sources []string    `json:"sources"`
				}
				objects := make([]object, len(entries))
				for i, e := range entries {
					objects[i] = object{e.Name, e.Unit, e.Formula, e.Null, append([]string{}, e.Sources...)}
				}
				return a.printJSON(objects)
			}
			var b strings.Builder
			t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintf(t, "NAME\tUNIT\tFORMULA\tMISSING WHEN\n")
			for _, e := range entries {
				_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", e.Name, e.Unit, e.Formula, e.Null)
			}
			_ = t.Flush() // a strings.Builder takes everything
			return a.print("%s", b.String())
		},
	}
}

func (a *app) featuresExport() *cobra.Command {
	var out string
	var names []string
	cmd := &cobra.Command{
		Use:   "export JOB.yaml --out FILE",
		Short: "Write the features of a job's input as Parquet, to train a model on",
		Long: `Export reads the job's input and writes, for every row that would be scored,
the number and its features, worked out by the very code that scores. Labels are
the trainer's to join, by number. The file holds real numbers, as the base does.`,
		Example: `  rescore features export job.yaml --out matrix.parquet
  rescore features export job.yaml --out matrix.parquet --feature fee_m0 --feature tenure_months`,
		Args: exactly(1),
	}
	f := a.jobFlags(cmd)
	cmd.Flags().StringVar(&out, "out", "", "Parquet `file` to write; it must not be there yet")
	cmd.Flags().StringArrayVar(&names, "feature", nil, "write this `NAME`, in this order; repeatable; default every feature and extra column")
	complete(cmd, "feature", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var all []string
		for _, e := range feature.Dictionary {
			all = append(all, e.Name)
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if out == "" {
			return boot.Usagef("name the file to write, as in --out matrix.parquet", "features export needs --out")
		}
		o, err := f.options(a, cmd, args[0])
		if err != nil {
			return err
		}
		rows, err := a.work.export(cmd.Context(), o, out, names)
		if errors.Is(err, fs.ErrExist) {
			return boot.WithCode(err, boot.Conflict, "choose another --out, or remove the file")
		}
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(struct {
				Out  string `json:"out"`
				Rows int64  `json:"rows"`
			}{out, rows})
		}
		return a.print("%s: %d rows\n", out, rows)
	}
	return cmd
}
