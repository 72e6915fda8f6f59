package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/worker/bundle"
)

func (a *app) modelVerify() *cobra.Command {
	var goldenPath string
	var bound float64
	cmd := &cobra.Command{
		Use:   "verify MODEL",
		Short: "Score a model's golden rows, and fail when a score is not what it should be",
		Long: `Verify scores golden rows by the path that a job takes on this processor, and
compares them with the scores that are known of them. It fails (exit code 1) when one
is further off than the bound in the package's card; the default bound is 0: the same
bits. A job and every worker of it do the same before they begin.

--golden names other rows: CSV with a column for each feature, as in golden.csv of a
package (an empty field is missing), and with the known scores in columns raw,
prediction or propensity; --bound is how far a score may be off.`,
		Example: `  rescore model verify churn-2026-10
  rescore model verify model.txt --golden golden.csv --bound 1e-12`,
		Args:              exactly(1),
		ValidArgsFunction: modelArgs,
	}
	cmd.Flags().StringVar(&goldenPath, "golden", "", "`file` of rows with known scores, instead of the package's")
	cmd.Flags().Float64Var(&bound, "bound", 0, "how far a score of --golden may be off")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case !(bound >= 0):
			return boot.Usagef("write 0 for the same bits, or a small number", "--bound %v is below 0", bound)
		case goldenPath == "" && cmd.Flags().Changed("bound"):
			return boot.Usagef("the bounds of a package's own rows stand in its "+bundle.CardFile, "--bound is for the rows of --golden")
		}
		b, err := readModel(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if b.Golden == nil && goldenPath == "" {
			return boot.Usagef("name rows with known scores: --golden golden.csv; rescore model import writes them", "%s has no golden rows", args[0])
		}
		var v bundle.Verification
		if goldenPath == "" {
			v, err = b.Verify()
		} else if v, err = hold(b, goldenPath, bound); errors.Is(err, fs.ErrNotExist) {
			return boot.WithCode(err, boot.NotFound, "name a CSV file of golden rows")
		}
		if err != nil {
			return err
		}
		if a.json() {
			err = a.printJSON(v)
		} else {
			err = a.print("%s", verificationText(v))
		}
		return errors.Join(err, v.Err())
	}
	return cmd
}

// hold scores the rows of a file.
func hold(b *bundle.Bundle, path string, bound float64) (bundle.Verification, error) {
	info, err := os.Stat(path)
	if err != nil {
		return bundle.Verification{}, fmt.Errorf("read golden rows: %w", err)
	}
	if info.Size() > bundle.GoldenBytesMax {
		return bundle.Verification{}, fmt.Errorf("read golden rows: %s is larger than %d MiB; a thousand rows are enough", path, bundle.GoldenBytesMax>>20)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return bundle.Verification{}, fmt.Errorf("read golden rows: %w", err)
	}
	header, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(data[:min(len(data), 1<<20)]), "\xef\xbb\xbf"))).Read()
	if err != nil {
		return bundle.Verification{}, fmt.Errorf("read golden rows: %s has no header: %w", path, err)
	}
	known := func(name string) *bundle.Known {
		if !slices.Contains(header, name) || slices.Contains(b.Model.Features, name) {
			return nil
		}
		return &bundle.Known{Column: name, Bound: bound}
	}
	g := bundle.Golden{Raw: known("raw"), Prediction: known("prediction")}
	if b.Model.Probability() {
		g.Propensity = known("propensity")
	}
	if g.Raw == nil && g.Prediction == nil && g.Propensity == nil {
		return bundle.Verification{}, fmt.Errorf("read golden rows: %s has none of the columns raw, prediction and propensity: there is nothing to compare with", path)
	}
	if b.Model.Classes != 1 {
		return bundle.Verification{}, fmt.Errorf("score golden rows: the model has %d classes; rows of one score are compared", b.Model.Classes)
	}
	rows, err := bundle.ReadRows(path, data, b.Model.Features, g)
	if err != nil {
		return bundle.Verification{}, fmt.Errorf("read golden rows: %w", err)
	}
	return b.Hold(g, rows)
}

func verificationText(v bundle.Verification) string {
	var s strings.Builder
	verdict := "verified"
	if !v.Verified {
		verdict = fmt.Sprintf("%d ROWS ARE WRONG", v.Wrong)
	}
	name := v.Model
	if name == "" {
		name = "model"
	}
	fmt.Fprintf(&s, "%s, SHA-256 %s\n%d golden rows scored with %s: %s\n", name, v.Digest, v.Rows, v.Path, verdict)
	for _, c := range v.Columns {
		fmt.Fprintf(&s, "  %-10s largest difference %.3g, bound %g\n", c.Column, c.Largest, c.Bound)
	}
	for _, d := range v.First {
		fmt.Fprintf(&s, "  row %d: %s is off by %.3g\n", d.Row, d.Column, d.Difference)
	}
	return s.String()
}
