package main

import (
	"bufio"
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
	"rescore/cmd/internal/matrix"
	"rescore/worker/model"
)

func (a *app) modelCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "model",
		Short:   "Look at a model file, or score rows of text with it",
		Example: "  rescore model inspect model.txt",
	})
	cmd.AddCommand(a.modelScore(), a.modelInspect())
	return cmd
}

// modelBytesMax is how much of a model file is read: model.Load refuses more than
// 1 GiB.
const modelBytesMax = 1<<30 + 1

// readModel loads a model file, and gives its bytes too.
func readModel(path string) (*model.Ensemble, []byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, boot.WithCode(fmt.Errorf("read model: %w", err), boot.NotFound, "name a model file as LightGBM (.txt) or XGBoost (.json, .ubj) saves it")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read model: %w", err)
	}
	defer func() { _ = file.Close() }() // opened for reading only
	data, err := io.ReadAll(io.LimitReader(file, modelBytesMax))
	if err != nil {
		return nil, nil, fmt.Errorf("read model: %w", err)
	}
	e, err := model.Load(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return e, data, nil
}

// modelArgs completes a model's file, and then files of any kind.
func modelArgs(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return []string{"txt", "json", "ubj", "model"}, cobra.ShellCompDirectiveFilterFileExt
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
	flags.StringArrayVar(&missing, "missing", nil, "this `NUMBER` is missing too, such as -999; repeatable")
	flags.StringVar(&iterations, "iterations", "", "use iterations `A:B`, from A up to but not including B; an end left out is the model's own")
	flags.StringVar(&o.Label, "label", "", "leave out this `COLUMN`, the label: its name, or its number from 0")
	flags.StringVar(&o.Format, "format", "auto", "`form` of DATA: "+strings.Join(matrix.Formats, ", "))
	flags.StringVar(&o.Header, "header", "auto", "`whether` the first line is a header: "+strings.Join(matrix.Headers, ", "))
	complete(cmd, "format", cobra.FixedCompletions(matrix.Formats, cobra.ShellCompDirectiveNoFileComp))
	complete(cmd, "header", cobra.FixedCompletions(matrix.Headers, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
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
		e, _, err := readModel(args[0])
		if err != nil {
			return err
		}
		if e, err = iterationsOf(e, iterations); err != nil {
			return err
		}
		rows, done, err := a.openRows(args[1], e, o)
		if err != nil {
			return err
		}
		defer done()
		return a.printScores(cmd, e, rows, raw)
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
func (a *app) printScores(cmd *cobra.Command, e *model.Ensemble, rows *matrix.Reader, raw bool) error {
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
			e.TransformInto(scores, scores)
			if e.Link == model.Choice {
				scores[0], shown = float64(slices.Index(scores, 1)), scores[:1]
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
