package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/local"
	"rescore/cmd/internal/matrix"
	"rescore/worker/bundle"
)

const (
	goldenRows = 1000
	// referenceRows is how many rows of a reference base are looked at: tenths of
	// more would not be told apart.
	referenceRows = 200_000
)

// imported is what rescore model import prints.
type imported struct {
	Package   string   `json:"package"`
	ID        string   `json:"id"`
	Digest    string   `json:"digest"` // SHA-256 of the whole package
	Files     []string `json:"files"`
	Golden    int      `json:"golden_rows"`
	Source    string   `json:"golden_source"` // rescore, or library
	Reference int      `json:"reference_rows"`
}

func (a *app) modelImport() *cobra.Command {
	var out, goldenPath, referencePath, version, trainedAt string
	card := bundle.Default()
	var rows int
	var bound, predictionBound float64
	var missing []string
	var o matrix.Options
	cmd := &cobra.Command{
		Use:   "import MODEL --out DIR",
		Short: "Make a package of a model: card, golden rows, PSI bins",
		Long: `Import makes a folder of a model file: the model as it is, model.yaml, its card,
and golden.csv, rows whose scores are known. The card says what may be said of each
feature (column, unit, what becomes of invalid, unseen and missing values), of the
label, of undersampling and of calibration: write it there, by hand. MODEL may be a
package too, whose card is taken over.

--golden names rows of features, as rescore model score reads them, or a Parquet
file, as rescore features export writes it. --rows of them are taken, evenly, the
first with a missing value of each feature among them. Where the file has columns
raw or prediction, these are taken for the training library's own numbers, and the
package holds rescore to them; otherwise rescore's own are written. --reference names
rows of the base the model was trained on, of which the PSI bins are made. Files are
read twice.

The new package is verified before it is kept.`,
		Example: `  rescore model import model.txt --out churn-2026-10 --golden rows.csv
  rescore model import model.json --out churn-2026-10 --id churn --version 2026-10 --golden rows.csv --reference train.csv`,
		Args:              exactly(1),
		ValidArgsFunction: modelArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&out, "out", "", "`folder` to make; it must not be there, or be empty")
	flags.StringVar(&goldenPath, "golden", "", "`file` of rows to take golden rows from")
	flags.IntVar(&rows, "rows", goldenRows, "how many golden rows to take")
	flags.StringVar(&referencePath, "reference", "", "`file` of rows to make PSI bins of")
	flags.StringVar(&card.ID, "id", "", "the model's `name`; the file's when left out")
	flags.StringVar(&version, "version", "", "the model's version, as `text`")
	flags.StringVar(&trainedAt, "trained-at", "", "when and of what it was trained, as `text`")
	flags.Float64Var(&card.UndersamplingBeta, "undersampling-beta", 1, "share of non-churners kept in training")
	flags.Float64Var(&bound, "bound", 0, "how far a raw score may be from the library's")
	flags.Float64Var(&predictionBound, "prediction-bound", 1e-15, "how far a prediction may be from the library's, whose exponential may round otherwise")
	rowFlags(cmd, &o, &missing)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case out == "":
			return boot.Usagef("name a new folder, as in --out churn-2026-10", "model import needs --out")
		case rows < 1 || rows > 100_000:
			return boot.Usagef("write a number from 1 to 100000", "--rows %d is out of range", rows)
		case !(bound >= 0) || !(predictionBound >= 0):
			return boot.Usagef("write 0 for the same bits, or a small number", "a bound is below 0")
		}
		if err := checkRowFlags(&o, missing); err != nil {
			return err
		}
		if err := vacant(out); err != nil {
			return err
		}
		b, err := readModel(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		name, data := filepath.Base(args[0]), []byte(nil)
		if b.Packed {
			given := card
			card = b.Card
			name = card.Model.File
			for _, f := range b.Files {
				if f.Name == name {
					data = f.Data
				}
			}
			if given.ID != "" {
				card.ID = given.ID
			}
			if cmd.Flags().Changed("undersampling-beta") {
				card.UndersamplingBeta = given.UndersamplingBeta
			}
		} else if data, err = local.ReadModel(cmd.Context(), args[0]); err != nil {
			return fmt.Errorf("read model: %w", err)
		}
		if card.ID == "" {
			card.ID = identifier(name)
		}
		if version != "" {
			card.Version = version
		}
		if trainedAt != "" {
			card.TrainedAt = trainedAt
		}
		name = strings.TrimPrefix(name, "builtin:")
		if !b.Packed && slices.Contains([]string{bundle.CardFile, bundle.GoldenFile}, name) {
			name = "model-" + name
		}
		summary := imported{Package: out, ID: card.ID}
		b.Card = card
		if referencePath != "" {
			o := o
			o.Beside = []string{"raw", "prediction"}
			s, err := a.sample(cmd, referencePath, b, o, referenceRows, false)
			if err != nil {
				return err
			}
			if card.PSI, err = b.Reference(s.columns, s.n); err != nil {
				return err
			}
			summary.Reference = s.n
		}
		golden := b.Golden
		if goldenPath != "" {
			if golden, card.Golden, err = a.golden(cmd, goldenPath, b, o, rows, bound, predictionBound); err != nil {
				return err
			}
		}
		files, err := bundle.Make(card, name, data, golden, b.Model.Features)
		if err != nil {
			return err
		}
		made, err := writePackage(cmd.Context(), out, files)
		if err != nil {
			return err
		}
		v, err := made.Verify()
		if err == nil {
			err = v.Err()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", out, errors.Join(err, removePackage(out, files)))
		}
		summary.Digest, summary.Golden = made.Digest, v.Rows
		if card.Golden != nil {
			summary.Source = card.Golden.Source
		}
		for _, f := range files {
			summary.Files = append(summary.Files, f.Name)
		}
		if a.json() {
			return a.printJSON(summary)
		}
		return a.print("%s: package of %s, SHA-256 %s\n  %s\n  %s\nedit %s to bind features and to say what becomes of their values; then import the package again\n",
			out, card.ID, made.Digest, strings.Join(summary.Files, ", "), summary.text(), filepath.Join(out, bundle.CardFile))
	}
	return cmd
}

func (m imported) text() string {
	text := "no golden rows: nothing proves that it is scored right; name rows with --golden"
	if m.Golden > 0 {
		text = fmt.Sprintf("%d golden rows, scores by %s, verified", m.Golden, m.Source)
	}
	if m.Reference > 0 {
		text += fmt.Sprintf("; PSI bins of %d rows", m.Reference)
	}
	return text
}

// identifier makes an id of a file's name.
func identifier(name string) string {
	name = strings.TrimPrefix(name, "builtin:")
	name = strings.TrimSuffix(name, filepath.Ext(name))
	id := strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("._-", r)) {
			return r
		}
		return '-'
	}, name)
	if id = strings.TrimLeft(id, "._-"); id == "" {
		return "model"
	}
	return id[:min(len(id), 64)]
}

// rowFlags are the flags of commands that read rows of text.
func rowFlags(cmd *cobra.Command, o *matrix.Options, missing *[]string) {
	flags := cmd.Flags()
	flags.StringArrayVar(missing, "missing", nil, "this `NUMBER` is missing too, such as -999; repeatable")
	flags.StringVar(&o.Label, "label", "", "leave out this `COLUMN`, the label: its name, or its number from 0")
	flags.StringVar(&o.Format, "format", "auto", "`form` of DATA: "+strings.Join(matrix.Formats, ", "))
	flags.StringVar(&o.Header, "header", "auto", "`whether` the first line is a header: "+strings.Join(matrix.Headers, ", "))
	complete(cmd, "format", cobra.FixedCompletions(matrix.Formats, cobra.ShellCompDirectiveNoFileComp))
	complete(cmd, "header", cobra.FixedCompletions(matrix.Headers, cobra.ShellCompDirectiveNoFileComp))
}

func checkRowFlags(o *matrix.Options, missing []string) error {
	if !slices.Contains(matrix.Formats, o.Format) {
		return boot.Usagef("write one of "+strings.Join(matrix.Formats, ", "), "--format %s is not known", o.Format)
	}
	if !slices.Contains(matrix.Headers, o.Header) {
		return boot.Usagef("write one of "+strings.Join(matrix.Headers, ", "), "--header %s is not known", o.Header)
	}
	for _, text := range missing {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return boot.Usagef("write a number, as in --missing -999", "--missing %s is no number", text)
		}
		o.Missing = append(o.Missing, x)
	}
	return nil
}

// sampled are rows of a file, spread over it.
type sampled struct {
	n       int
	columns [][]float64 // of the features
	beside  [][]float64 // of Options.Beside; nil where the file has none
}

// sample reads a file twice: to count its rows, and to take at most n of them, evenly.
// With cover the first row that lacks each feature is among them.
func (a *app) sample(cmd *cobra.Command, path string, b *bundle.Bundle, o matrix.Options, n int, cover bool) (sampled, error) {
	if path == "-" {
		return sampled{}, boot.Usagef("name a file", "rows from stdin cannot be read twice")
	}
	if strings.HasSuffix(path, ".parquet") {
		return a.sampleParquet(cmd, path, b, o, n, cover)
	}
	total := 0
	first := make([]int, len(b.Model.Features)) // row that lacks it, from 1
	err := a.eachRow(cmd, path, b, o, func(row []float64, _ *matrix.Reader) {
		total++
		for f, x := range row {
			if x != x && first[f] == 0 {
				first[f] = total
			}
		}
	})
	if err != nil {
		return sampled{}, err
	}
	if total == 0 {
		return sampled{}, boot.WithCode(fmt.Errorf("%s: there are no rows", path), boot.Failure, "give a file with a row a line")
	}
	var must []int
	for _, at := range first {
		if cover && at > 0 {
			must = append(must, at-1)
		}
	}
	chosen := bundle.Spread(total, n, must)
	s := sampled{n: len(chosen), columns: make([][]float64, len(first)), beside: make([][]float64, len(o.Beside))}
	at := 0
	err = a.eachRow(cmd, path, b, o, func(row []float64, r *matrix.Reader) {
		if len(chosen) > 0 && at == chosen[0] {
			chosen = chosen[1:]
			for f, x := range row {
				s.columns[f] = append(s.columns[f], x)
			}
			for i, x := range r.Beside() {
				if r.Has(i) {
					s.beside[i] = append(s.beside[i], x)
				}
			}
		}
		at++
	})
	if err == nil && (at != total || len(chosen) > 0) {
		err = fmt.Errorf("%s changed while it was read; try again", path)
	}
	return s, err
}

// eachRow reads every row of a file.
func (a *app) eachRow(cmd *cobra.Command, path string, b *bundle.Bundle, o matrix.Options, take func(row []float64, r *matrix.Reader)) error {
	rows, done, err := a.openRows(path, b.Model, o)
	if err != nil {
		return err
	}
	defer done()
	for n := 0; ; n++ {
		if n%interruptRows == 0 && cmd.Context().Err() != nil {
			return cmd.Context().Err()
		}
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		take(row, rows)
	}
}

// golden takes golden rows from a file: the library's numbers where it has them, ours
// otherwise.
func (a *app) golden(cmd *cobra.Command, path string, b *bundle.Bundle, o matrix.Options, n int, bound, predictionBound float64) (*bundle.Rows, *bundle.Golden, error) {
	for _, name := range []string{"raw", "prediction"} {
		if !slices.Contains(b.Model.Features, name) {
			o.Beside = append(o.Beside, name)
		}
	}
	s, err := a.sample(cmd, path, b, o, n, true)
	if err != nil {
		return nil, nil, err
	}
	rows, _, err := b.Score(s.columns, s.n)
	if err != nil {
		return nil, nil, err
	}
	free := func(name string) string { // a column that no feature has
		for slices.Contains(b.Model.Features, name) {
			name += "_score"
		}
		return name
	}
	known := &bundle.Golden{Source: "rescore", Raw: &bundle.Known{Column: free("raw")}, Prediction: &bundle.Known{Column: free("prediction")}}
	if rows.Propensity != nil {
		known.Propensity = &bundle.Known{Column: free("propensity")}
	}
	for i, name := range o.Beside {
		values := s.beside[i]
		if values == nil {
			continue
		}
		if at := slices.IndexFunc(values, math.IsNaN); at >= 0 {
			return nil, nil, fmt.Errorf("%s: column %s, the library's numbers, lacks a value", path, name)
		}
		known.Source = "library"
		if name == "raw" {
			rows.Raw, known.Raw.Bound = values, bound
		} else {
			rows.Prediction, known.Prediction.Bound = values, predictionBound
		}
	}
	return rows, known, nil
}

// vacant refuses a folder that holds anything.
func vacant(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("make package: %w", err)
	case len(entries) > 0:
		return boot.WithCode(fmt.Errorf("make package: %s is there and not empty", dir), boot.Conflict, "name a new folder: a package that is in use must not change")
	}
	return nil
}

// writePackage writes a package's files, the card last, and reads them back.
func writePackage(ctx context.Context, dir string, files []bundle.File) (*bundle.Bundle, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make package: %w", err)
	}
	for _, last := range []bool{false, true} {
		for _, f := range files {
			if (f.Name == bundle.CardFile) != last {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o644); err != nil {
				return nil, fmt.Errorf("make package: %w", errors.Join(err, removePackage(dir, files)))
			}
		}
	}
	b, err := readModel(ctx, dir)
	if err != nil {
		return nil, errors.Join(err, removePackage(dir, files))
	}
	return b, nil
}

// removePackage takes back what writePackage wrote.
func removePackage(dir string, files []bundle.File) error {
	var all []error
	for _, f := range files {
		if err := os.Remove(filepath.Join(dir, f.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = append(all, err)
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		all = append(all, err)
	}
	return errors.Join(all...)
}
