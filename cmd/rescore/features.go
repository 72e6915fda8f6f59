package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/feature"
	"rescore/worker/formula"
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

// listed is a feature as rescore features list prints it.
type listed struct {
	Name    string      `json:"name"`
	Type    string      `json:"type"` // number, or boolean: 1 or 0
	Unit    schema.Unit `json:"unit"`
	Formula string      `json:"formula"`
	Null    string      `json:"null"`    // when it is missing; "" = never
	Sources []string    `json:"sources"` // canonical flat columns
	Source  string      `json:"source"`  // dictionary, or where the user wrote it
}

func (a *app) featuresList() *cobra.Command {
	var jobFile string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List every feature: name, type, unit, formula, when it is missing, source",
		Long: `List prints the features that model.features in a job file can be bound to, and
that formulas can name, besides canonical columns and the input's extra columns.
With --job the job's own features are among them.`,
		Example: `  rescore features list --output json
  rescore features list --job job.yaml`,
		Args: exactly(0),
	}
	cmd.Flags().StringVar(&jobFile, "job", "", "job `file` whose own features are listed too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		spec, err := a.specOf(cmd, jobFile)
		if err != nil {
			return err
		}
		list := featuresOf(spec)
		if a.json() {
			return a.printJSON(list)
		}
		var b strings.Builder
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintf(t, "NAME\tTYPE\tUNIT\tFORMULA\tMISSING WHEN\tSOURCE\n")
		for _, f := range list {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, f.Type, f.Unit, f.Formula, f.Null, f.Source)
		}
		_ = t.Flush() // a strings.Builder takes everything
		return a.print("%s", b.String())
	}
	return cmd
}

// featuresOf lists the dictionary and a job's own features.
func featuresOf(spec job.Spec) []listed {
	var list []listed
	for _, e := range feature.Dictionary {
		list = append(list, listed{e.Name, "number", e.Unit, e.Formula, e.Null, append([]string{}, e.Sources...), "dictionary"})
	}
	at := map[string]string{}
	for _, f := range spec.Features {
		at[f.Name] = f.At.At(0).String()
	}
	for _, f := range formula.Describe(spec) {
		if f.Rule {
			continue
		}
		unit := schema.Unit(f.Unit)
		if f.Unit == f.Type { // a plain number
			unit = schema.None
		}
		list = append(list, listed{f.Name, f.Type, unit, f.Formula, f.Null, append([]string{}, f.Columns...), at[f.Name]})
	}
	return list
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
		o, err := f.options(a, cmd, args[0], job.KindScore)
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
