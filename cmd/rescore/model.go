package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/local"
	"rescore/cmd/internal/matrix"
	"rescore/partition/job"
	"rescore/worker/bundle"
	"rescore/worker/model"
	"rescore/worker/score"
)

func (a *app) modelCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "model",
		Short:   "Make, look at, verify and compare models and their packages, or score rows of text",
		Example: "  rescore model inspect model.txt\n  rescore model import model.txt --out churn-2026-10 --golden rows.csv",
	})
	cmd.AddCommand(a.modelImport(), a.modelInspect(), a.modelVerify(), a.modelScore(), a.modelDiff())
	return cmd
}

// readModel reads a model file or a package's folder.
func readModel(ctx context.Context, path string) (*bundle.Bundle, error) {
	data, err := local.ReadModel(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, boot.WithCode(fmt.Errorf("read model: %w", err), boot.NotFound, "name a model file as LightGBM (.txt) or XGBoost (.json, .ubj) saves it, a PMML document, a scorecard (.yaml), or a package's folder")
	}
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	b, err := bundle.Read(path, data)
	if p := (job.Problems{}); errors.As(err, &p) {
		return nil, boot.Named(err, p[0].File)
	}
	return b, err
}

// modelArgs completes a model's file, and then files of any kind.
func modelArgs(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return []string{"txt", "json", "ubj", "pmml", "xml", "yaml", "model"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return nil, cobra.ShellCompDirectiveDefault
}

func (a *app) modelScore() *cobra.Command {
	var raw bool
	var missing []string
	var iterations string
	var o matrix.Options
	cmd := &cobra.Command{
		Use:   "score MODEL DATA",
		Short: "Score rows of text and print one line a row, with 17 significant digits",
		Long: `Score prints, for each row of DATA (- for stdin), the model's prediction, or with
--raw its margin: the classes of a multiclass model are parted by tabs. It walks
the trees plainly, which is the specification that the fast paths equal bit for
bit, and gives what the library that trained the model gives. A model trained
for multi:softmax gives the number of the class, as XGBoost does.

Of a package the propensity is printed: its policies are applied to the features,
then the link, the correction for undersampling and the calibration. --raw prints
the margin after policies.

DATA is CSV, TSV, fields parted by blanks, or libsvm with indices from 0; the
first line tells, and whether it is a header. A header's names are matched to the
model's features, other columns are left. Without a header, or where the model
has no names of its own, columns are taken in the model's order. Fields are
missing that are empty or say na, nan or null, and so is what a libsvm line leaves
out. A libsvm line's label is passed over; a table's is with --label.

Categories of LightGBM models trained from pandas are read by their text; one that
training did not have is missing. All other categories are read as numbers.
--output json changes the form of errors alone.`,
		Example: `  rescore model score model.txt rows.csv
  rescore model score model.json rows.libsvm --raw --iterations 0:10
  rescore model score model.ubj rows.tsv --label 0 --missing -999 > predictions.txt`,
		Args:              exactly(2),
		ValidArgsFunction: modelArgs,
	}
	flags := cmd.Flags()
	flags.BoolVar(&raw, "raw", false, "print margins, before the link")
	flags.StringVar(&iterations, "iterations", "", "use iterations `A:B`, from A up to but not including B; an end left out is the model's own")
	rowFlags(cmd, &o, &missing)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkRowFlags(&o, missing); err != nil {
			return err
		}
		b, err := readModel(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		e := b.Model
		if e, err = iterationsOf(e, iterations); err != nil {
			return err
		}
		rows, done, err := a.openRows(args[1], e, o)
		if err != nil {
			return err
		}
		defer done()
		return a.printScores(cmd, e, b.Card.Correction(), rows, raw)
	}
	return cmd
}

// openRows opens a file of rows, - for stdin, until done is called.
func (a *app) openRows(path string, e *model.Ensemble, o matrix.Options) (rows *matrix.Reader, done func(), err error) {
	name, in, done := "stdin", a.in, func() {}
	if path != "-" {
		file, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, boot.WithCode(fmt.Errorf("read rows: %w", err), boot.NotFound, "name a file of rows: CSV, TSV or libsvm")
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read rows: %w", err)
		}
		name, in, done = path, file, func() { _ = file.Close() } // opened for reading only
	}
	rows, err = matrix.NewReader(name, in, e, o)
	if err != nil {
		done()
		return nil, nil, err
	}
	return rows, done, nil
}

// iterationsOf returns the part of e that --iterations asks for, "" for all.
func iterationsOf(e *model.Ensemble, text string) (*model.Ensemble, error) {
	if text == "" {
		return e, nil
	}
	hint := "write --iterations A:B, as in 0:10 for the first ten"
	from, past, found := strings.Cut(text, ":")
	ends := [2]int{}
	for i, end := range []string{from, past} {
		n, err := strconv.Atoi(end)
		if end != "" && (err != nil || n < 0) || !found {
			return nil, boot.Usagef(hint, "--iterations %s is no range", text)
		}
		ends[i] = n
	}
	part, err := e.Between(ends[0], ends[1])
	if err != nil {
		return nil, boot.Usagef(hint, "--iterations %s: %v", text, err)
	}
	return part, nil
}

// interruptRows is how many rows are scored before an interrupt is looked for.
const interruptRows = 1024

// printScores prints a line for each row.
func (a *app) printScores(cmd *cobra.Command, e *model.Ensemble, odds score.Correction, rows *matrix.Reader, raw bool) error {
	out := bufio.NewWriterSize(a.out, 64<<10)
	scores := make([]float64, e.Classes)
	var line []byte
	for n := 0; ; n++ {
		if n%interruptRows == 0 && cmd.Context().Err() != nil {
			return cmd.Context().Err()
		}
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(err, flushed(out))
		}
		e.RawInto(scores, row)
		shown := scores
		if !raw {
			margin := scores[0]
			e.TransformInto(scores, scores)
			switch {
			case e.Link == model.Choice:
				scores[0], shown = float64(slices.Index(scores, 1)), scores[:1]
			case e.Probability():
				scores[0] = odds.Apply(margin, scores[0])
			}
		}
		line = line[:0]
		for i, x := range shown {
			if i > 0 {
				line = append(line, '\t')
			}
			line = appendDigits(line, x)
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("write to stdout: %w", err)
		}
	}
	return flushed(out)
}

func flushed(out *bufio.Writer) error {
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

// appendDigits appends a number with 17 significant digits, which no two float64s
// share, in the words that Python and C read.
func appendDigits(line []byte, x float64) []byte {
	switch {
	case math.IsNaN(x):
		return append(line, "nan"...)
	case math.IsInf(x, 1):
		return append(line, "inf"...)
	case math.IsInf(x, -1):
		return append(line, "-inf"...)
	}
	return strconv.AppendFloat(line, x, 'g', 17, 64)
}
