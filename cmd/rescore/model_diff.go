package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/matrix"
	"rescore/partition/psi"
	"rescore/worker/bundle"
)

// differences is what rescore model diff prints.
type differences struct {
	A       string            `json:"a"` // SHA-256 of each
	B       string            `json:"b"`
	Same    bool              `json:"same"` // both score every row alike: nothing changed that could matter
	Changes []bundle.Change   `json:"changes"`
	Data    *bundle.Agreement `json:"data,omitempty"`
	Scores  string            `json:"scores,omitempty"` // what was compared on DATA: propensity, or prediction
}

func (a *app) modelDiff() *cobra.Command {
	var missing []string
	var o matrix.Options
	cmd := &cobra.Command{
		Use:   "diff A B [DATA]",
		Short: "Say what changed from one model to another, and how far they agree on rows",
		Long: `Diff compares two models, files or packages: features, their columns, units and
policies, undersampling and calibration, trees and what they ask of each feature.

With DATA, rows as rescore model import reads them, both score every row: how many
have the same score, the mean and the largest difference, the rank correlation, how
many of the highest tenth they share, and the population stability index of B's
scores against A's (below 0.1 stable, to 0.25 noticeable, above major). Both models'
features are found by name, and B may have others than A. What differs is no error:
the exit code is 0.`,
		Example: `  rescore model diff churn-2026-10 churn-2026-11
  rescore model diff model.txt model.json rows.csv --output json`,
		Args: between(2, 3),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			return modelArgs(cmd, args[:max(0, len(args)-1)], word)
		},
	}
	rowFlags(cmd, &o, &missing)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkRowFlags(&o, missing); err != nil {
			return err
		}
		var models [2]*bundle.Bundle
		for i := range models {
			var err error
			if models[i], err = readModel(cmd.Context(), args[i]); err != nil {
				return err
			}
		}
		d := differences{A: models[0].Digest, B: models[1].Digest, Changes: bundle.Diff(models[0], models[1])}
		d.Same = len(d.Changes) == 0
		if len(args) == 3 {
			if err := a.agree(cmd, &d, models, args[2], o); err != nil {
				return err
			}
		}
		if a.json() {
			return a.printJSON(d)
		}
		return a.print("%s", d.text())
	}
	return cmd
}

// agree scores every row of a file with both models.
func (a *app) agree(cmd *cobra.Command, d *differences, models [2]*bundle.Bundle, path string, o matrix.Options) error {
	d.Scores = "prediction"
	if models[0].Model.Probability() && models[1].Model.Probability() {
		d.Scores = "propensity"
	}
	var scores [2][]float64
	for i, b := range models {
		if b.Model.Classes != 1 {
			return fmt.Errorf("compare scores: a model has %d classes; models of one output are compared on rows", b.Model.Classes)
		}
		s, err := a.sample(cmd, path, b, o, rowsMax, false)
		if err != nil {
			return err
		}
		rows, _, err := b.Score(s.columns, s.n)
		if err != nil {
			return fmt.Errorf("compare scores: %w", err)
		}
		if scores[i] = rows.Prediction; d.Scores == "propensity" {
			scores[i] = rows.Propensity
		}
		if at := slices.IndexFunc(scores[i], func(x float64) bool { return x != x }); at >= 0 {
			return boot.WithCode(fmt.Errorf("compare scores: model %d refuses row %d of %s", i+1, at, path), boot.Failure, "leave such rows out")
		}
	}
	if len(scores[0]) != len(scores[1]) {
		return fmt.Errorf("%s changed while it was read; try again", path)
	}
	g := bundle.Agree(scores[0], scores[1])
	d.Data = &g
	return nil
}

// rowsMax is how many rows of DATA are compared, evenly chosen where there are more.
const rowsMax = 1_000_000

func (d differences) text() string {
	var b strings.Builder
	if d.Same {
		b.WriteString("nothing differs\n")
	} else {
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintf(t, "WHAT\tA\tB\n")
		for _, c := range d.Changes {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", c.What, dash(c.From), dash(c.To))
		}
		_ = t.Flush() // a strings.Builder takes everything
	}
	if g := d.Data; g != nil {
		rank := "none: one of them scores all rows alike"
		if g.RankCorrelation != nil {
			rank = fmt.Sprintf("%.6f", *g.RankCorrelation)
		}
		fmt.Fprintf(&b, "\non %d rows, by %s\n  the same           %d\n  mean difference    %.6g\n  largest            %.6g, in row %d\n  rank correlation   %s\n  of the top tenth   %.2f %%\n  PSI                %.6f, %s\n",
			g.Rows, d.Scores, g.Same, g.MeanDifference, g.Largest, g.LargestRow, rank, 100*g.TopTenth, g.PSI, psi.Reading(g.PSI))
	}
	return b.String()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
