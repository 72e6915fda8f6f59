package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/matrix"
	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/model"
	"rescore/worker/score"
)

func (a *app) benchCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "bench",
		Short:   "Measure how fast this machine does whole jobs, scores and stores",
		Example: "  rescore bench job --subscribers 1000000\n  rescore bench score --model model.txt",
	})
	cmd.AddCommand(a.benchJob(), a.benchHouse(), a.benchScore(), a.benchStore())
	return cmd
}

const (
	benchRows    = 64 << 10
	benchRowsMax = 64 << 20
	benchMissing = 50  // one value in so many is missing
	benchRepeats = 15  // after warming up
	benchMemory  = 4e9 // bytes of values
)

func (a *app) benchScore() *cobra.Command {
	var path, data, instructions string
	var rows, threads int
	known := []string{"auto", "avx512", "avx2", "go"}
	cmd := &cobra.Command{
		Use:   "score --model MODEL",
		Short: "Time a model's trees on one thread, whole and stage by stage",
		Long: `Score times a model on one thread as a job runs it, in batches of 2048 rows and
blocks of 512: from a column of float64s for each feature, just written, to raw
scores. The rows are those of --data, or made up: values are drawn evenly over the
range of the feature's thresholds (or its categories), and 2 % are missing; the
draw is the same each time. Reading files, the link, and what is derived from the
propensity are left out.

Every figure is nanoseconds a row. After a warm-up the rows are scored 15 times:
ns_per_row is the best time, ns_per_row_median the median. Stages are run by
themselves over the same rows, and the best of as many times is given:
quantise_ns turns features into bins and planes, trees_ns finds every row's leaf.
The leaves' values are summed while the leaves are at hand, and cannot be run
alone: leaves_ns is what both take together, less trees_ns. On a busy machine the
stages need not add up to the whole.

--path asks for one set of instructions; all give the same bits.`,
		Example: `  rescore bench score --model model.txt
  rescore bench score --model model.json --data rows.csv --path go --output json`,
		Args: exactly(0),
	}
	flags := cmd.Flags()
	flags.StringVar(&path, "model", "", "model `file`; one that a job can use, or any other of one class and constant leaves")
	flags.StringVar(&data, "data", "", "`file` of rows to score, read as rescore model score reads it; made up when left out")
	flags.IntVar(&rows, "rows", benchRows, "how many rows to score: made up, or the first of --data")
	flags.IntVar(&threads, "threads", 1, "how many threads; 1 is what is measured")
	flags.StringVar(&instructions, "path", "auto", "`instructions`: "+strings.Join(known, ", "))
	complete(cmd, "path", cobra.FixedCompletions(known, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case path == "":
			return boot.Usagef("name the model, as in --model model.txt", "bench score needs --model")
		case threads != 1:
			return boot.Usagef("leave --threads out, or write 1", "--threads %d: a row's cost is measured on one thread", threads)
		case rows < 1 || rows > benchRowsMax:
			return boot.Usagef("write a number from 1 to 67108864", "--rows %d is out of range", rows)
		case !slices.Contains(known, instructions):
			return boot.Usagef("write one of "+strings.Join(known, ", "), "--path %s is not known", instructions)
		case instructions != "auto" && !slices.Contains(score.Paths(), instructions):
			return boot.Usagef("write auto, or one of "+strings.Join(score.Paths(), ", "), "--path %s: this processor does not have it", instructions)
		}
		b, err := readModel(cmd.Context(), path)
		if err != nil {
			return err
		}
		e := b.Model
		if need := float64(rows) * float64(len(e.Features)) * 8; need > benchMemory {
			return boot.Usagef("write fewer rows", "--rows %d of %d features would take %.0f GB", rows, len(e.Features), need/1e9)
		}
		if instructions == "auto" {
			instructions = ""
		}
		stages, err := score.NewStages(e, instructions)
		if err != nil {
			return fmt.Errorf("time the trees of %s: %w", path, err)
		}
		var in []kernel.Vector
		if data == "" {
			in = draw(e, rows)
		} else if in, rows, err = a.firstRows(cmd, data, e, rows); err != nil {
			return err
		}
		t, err := timeScore(cmd, stages, in, rows)
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(t)
		}
		return a.print("path %s, %d rows on one thread, nanoseconds a row\n  best      %8.2f\n  median    %8.2f\n  quantise  %8.2f\n  trees     %8.2f\n  leaves    %8.2f\n",
			t.Path, t.Rows, t.Best, t.Median, t.Quantise, t.Trees, t.Leaves)
	}
	return cmd
}

// timed is what rescore bench score prints, in nanoseconds a row.
type timed struct {
	Path     string  `json:"path"`
	Rows     int     `json:"rows"`
	Best     float64 `json:"ns_per_row"`
	Median   float64 `json:"ns_per_row_median"`
	Quantise float64 `json:"quantise_ns"`
	Trees    float64 `json:"trees_ns"`
	Leaves   float64 `json:"leaves_ns"`
}

// timeScore times the stages, in turns, so that what else the machine does falls
// on all of them.
func timeScore(cmd *cobra.Command, s *score.Stages, in []kernel.Vector, rows int) (timed, error) {
	// A job's columns hold one batch at a time, which the kernels before have just
	// written: copying stands for them, and is not timed.
	size := min(rows, job.Default().Run.BatchRows)
	batch := make([]kernel.Vector, len(in))
	for f := range batch {
		batch[f].F64 = make([]float64, size)
	}
	pass := func(run func(first, n int)) float64 {
		var spent time.Duration
		for at := 0; at < rows; at += size {
			n := min(size, rows-at)
			for f := range batch {
				copy(batch[f].F64, in[f].F64[at:at+n])
			}
			start := time.Now()
			for first := 0; first < n; first += score.BlockRows {
				run(first, min(score.BlockRows, n-first))
			}
			spent += time.Since(start)
		}
		return float64(spent.Nanoseconds()) / float64(rows)
	}
	runs := []func(first, n int){
		func(first, n int) { s.Score(batch, first, n) },
		func(first, n int) { s.Quantise(batch, first, n) },
		func(int, int) { s.Trees() },
		func(int, int) { s.TreesAndLeaves() },
	}
	times := make([][]float64, len(runs))
	for repeat := range 1 + benchRepeats {
		for i, run := range runs {
			if err := cmd.Context().Err(); err != nil {
				return timed{}, err
			}
			if t := pass(run); repeat > 0 { // the first warms up
				times[i] = append(times[i], t)
			}
		}
	}
	for _, t := range times {
		slices.Sort(t)
	}
	whole, trees := times[0], times[2][0]
	return timed{s.Path(), rows, whole[0], whole[len(whole)/2], times[1][0], trees, max(0, times[3][0]-trees)}, nil
}

// firstRows reads a column of values for each feature, of at most so many rows,
// and says how many there were.
func (a *app) firstRows(cmd *cobra.Command, path string, e *model.Ensemble, most int) (in []kernel.Vector, n int, err error) {
	rows, done, err := a.openRows(path, e, matrix.Options{})
	if err != nil {
		return nil, 0, err
	}
	defer done()
	in = make([]kernel.Vector, len(e.Features))
	for ; n < most; n++ {
		if n%interruptRows == 0 && cmd.Context().Err() != nil {
			return nil, 0, cmd.Context().Err()
		}
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		for f, x := range row {
			in[f].F64 = append(in[f].F64, x)
		}
	}
	if n == 0 {
		return nil, 0, boot.WithCode(fmt.Errorf("%s: there are no rows to score", path), boot.Failure, "give a file with a row a line, or leave --data out")
	}
	return in, n, nil
}

// draw makes up a column of values for each feature.
func draw(e *model.Ensemble, rows int) []kernel.Vector {
	low, high := make([]float64, len(e.Features)), make([]float64, len(e.Features))
	last := make([]int, len(e.Features)) // category, plus 1; 0 for a number
	for f := range low {
		low[f], high[f] = math.Inf(1), math.Inf(-1)
	}
	for t := range e.Trees() {
		tree := e.Tree(t)
		for i, f := range tree.Feature {
			x := tree.Threshold[i]
			if int(f) >= len(e.Features) { // made of features, of which nothing is known
				continue
			}
			if tree.Decision[i].Categorical() {
				last[f] = max(last[f], 32*int(tree.Bound[int(x)+1]-tree.Bound[int(x)]))
			} else if !math.IsInf(x, 0) {
				low[f], high[f] = min(low[f], x), max(high[f], x)
			}
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	in := make([]kernel.Vector, len(e.Features))
	for f := range in {
		x := make([]float64, rows)
		for i := range x {
			switch share := r.Float64(); {
			case r.IntN(benchMissing) == 0:
				x[i] = math.NaN()
			case last[f] > 0:
				x[i] = float64(r.IntN(last[f]))
			case low[f] <= high[f]:
				x[i] = low[f]*(1-share) + high[f]*share
			}
		}
		in[f].F64 = x
	}
	return in
}
