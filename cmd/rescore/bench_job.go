package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/bench"
	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/progress"
)

// cache is the folder for what may be thrown away, by the user's environment; "" when
// there is no home.
func (a *app) cache(name string) string {
	if dir := a.env("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rescore", name)
	}
	if home := a.env("HOME"); home != "" {
		return filepath.Join(home, ".cache", "rescore", name)
	}
	return ""
}

// figuresName is the file that bench job writes and capacity and run read.
const figuresName = "figures.json"

// figuresFlag adds --figures.
func (a *app) figuresFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "figures", "", "`file` of measured figures; default rescore/"+figuresName+" in the cache folder")
}

// figures is what --figures says, or the default.
func (a *app) figures(path string) string {
	if path == "" {
		return a.cache(figuresName)
	}
	return path
}

func (a *app) benchJob() *cobra.Command {
	var j bench.Job
	var subscribers, workers, report, figures string
	cmd := &cobra.Command{
		Use:   "job",
		Short: "Measure whole jobs: a synthetic base on disk to a published version",
		Long: `Job makes a synthetic base, as rescore synth does, and runs the job on it again and
again, each time under a name and into a folder of its own: once to warm up, then
--repeat times. A base that fits into half of the machine's memory is read before each
run, so that it is in the page cache. Coordinator and worker stand meanwhile, in one process for each size and number of workers, as they do in a
cluster; with --cold each run is a process of its own, as rescore run is.
Several sizes of the base, and several numbers of --workers, take turns in every
round. Each run is given as many processors as it has workers. Every run of a base
must publish the same rows.

seconds is the median time from reading the job file to the published pointer, and
process_seconds the time from the start of a process to its first; rows_per_second counts subscribers; ns_per_row_core is the time of all processors
given, a subscriber. Under stages stand how long each stage was the one at work, the
same by rows, and what its tasks spent, in nanoseconds of one core a row, reading,
computing, writing and verifying. Bytes are those that went through the system's
calls, from the page cache or the disk, or were looked at in place; memory is the most
that was resident, over all runs of the process.

Of a sweep, speedup is by one worker, and machine_speedup the same of arithmetic in
registers, on as many cores for a moment before and after each of the same runs. Where
that is less than the workers, so is what any program can have: two cores may be two
threads of one, or be given to others by a host, and change from run to run.

--record narrow is a base of forty columns beside the number, six months of bills
and use, and a made-up model of 100 trees with 31 leaves over them.

The base is removed at the end, or with --keep left in --dir for the next time; one
that was there before stays. Figures are kept for rescore capacity, and for rescore
run, which then says how long a job should have taken. --report writes a Markdown
page, with its plots as SVG beside it.

With --output json the last line of stdout is one object; its first keys are
subscribers, workers, seconds, rows_per_second, ns_per_row_core, stages, bytes_read,
bytes_written and max_rss_bytes. Of a sweep it is that of the last number of workers,
and sweep has all of them. Of several sizes there is a line for each, in their order.`,
		Example: `  rescore bench job --subscribers 1000000
  rescore bench job --subscribers 10000000 --workers 1,2,4 --report bench.md
  rescore bench job --subscribers 1000000,5000000,20000000
  rescore bench job --subscribers 1000000 --cold
  rescore bench job --record narrow --repeat 5 --keep --output json`,
		Args: exactly(0),
	}
	flags := cmd.Flags()
	flags.StringVar(&subscribers, "subscribers", "1000000", "size of the base, or several such as `1000000,5000000`")
	flags.StringVar(&workers, "workers", "", "how many scoring goroutines, or a sweep such as `1,2,4`; default one per core")
	flags.IntVar(&j.Repeat, "repeat", 3, "measured runs of each number of workers, after one that warms up")
	flags.BoolVar(&j.Cold, "cold", false, "a process for each run, as rescore run is: its start counts each time")
	flags.StringVar(&j.Model, "model", "", "model `file` or package; default is the committed builtin:baseline, or the narrow record's own")
	flags.StringVar(&j.Record, "record", bench.Full, strings.Join(bench.Records, " or ")+": the canonical record of six months, or forty columns of it")
	flags.StringVar(&j.Dir, "dir", "", "`folder` for base and runs, on the disk to be measured; default rescore/bench in the cache folder")
	flags.BoolVar(&j.Keep, "keep", false, "leave the base in --dir for the next time")
	flags.StringVar(&report, "report", "", "write a Markdown page to this `file`.md, and its plots beside it")
	a.figuresFlag(cmd, &figures)
	complete(cmd, "record", cobra.FixedCompletions(bench.Records, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if j.Subscribers, err = counts(subscribers, math.MaxInt64); err != nil {
			return boot.Usagef("write how many subscribers the base has, as in --subscribers 1000000, or several different sizes with commas between them", "--subscribers %s is no base", subscribers)
		}
		if j.Workers, err = workerCounts(workers); err != nil {
			return err
		}
		switch {
		case j.Repeat < 1 || j.Repeat > 1000:
			return boot.Usagef("write a number from 1 to 1000", "--repeat %d is out of range", j.Repeat)
		case !slices.Contains(bench.Records, j.Record):
			return boot.Usagef("write "+strings.Join(bench.Records, " or "), "--record %s is not known", j.Record)
		case report != "" && filepath.Ext(report) != ".md":
			return boot.Usagef("name a file that ends in .md", "--report %s is no Markdown file", report)
		}
		if j.Model != "" {
			if _, err := readModel(cmd.Context(), j.Model); err != nil { // before a base is made for it
				return err
			}
		}
		reports, err := a.measure(cmd.Context(), j, figures)
		if err != nil {
			return err
		}
		if report != "" {
			if err := bench.Write(report, reports); err != nil {
				return err
			}
			a.say("report: %s\n", report)
		}
		show := a.printBench
		if a.json() {
			show = func(r bench.Report) error { return a.printJSON(r) }
		}
		for _, r := range reports {
			if err := show(r); err != nil {
				return err
			}
		}
		if len(reports) > 1 && !a.json() {
			return a.printSizes(reports)
		}
		return nil
	}
	return cmd
}

// measure runs the bench and keeps its figures.
func (a *app) measure(ctx context.Context, j bench.Job, figures string) (reports []bench.Report, err error) {
	if j.Dir == "" {
		if j.Dir = a.cache("bench"); j.Dir == "" {
			return nil, boot.Usagef("name a folder on the disk to be measured, as in --dir /data/bench", "there is no cache folder for the base: HOME is not set")
		}
	}
	if j.Program, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("find this program, to run it: %w", err)
	}
	j.Environ, j.Rescore = a.environ, version
	err = a.show(func(update func(progress.Sample)) (err error) {
		j.Progress = update
		reports, err = a.work.bench(ctx, j)
		return err
	})
	if err != nil {
		return nil, err
	}
	if path := a.figures(figures); path != "" {
		for _, r := range reports {
			if err := bench.Keep(path, r.Figures()); err != nil {
				return nil, err
			}
		}
		a.say("figures: %s\n", path)
	}
	return reports, nil
}

// say tells people something on stderr.
func (a *app) say(format string, args ...any) {
	if !a.quiet {
		_, _ = fmt.Fprintf(a.err, format, args...) // a lost line is no failure
	}
}

// workerCounts reads numbers of workers, such as 1,2,4; "" is one per core.
func workerCounts(text string) (list []int, err error) {
	if text == "" {
		return []int{runtime.GOMAXPROCS(0)}, nil
	}
	numbers, err := counts(text, 1024)
	if err != nil {
		return nil, boot.Usagef("write one or more different numbers from 1 to 1024, as in --workers 1,2,4", "--workers %s cannot be run", text)
	}
	for _, n := range numbers {
		list = append(list, int(n))
	}
	return list, nil
}

// counts reads different numbers from 1 to most, such as 1,2,4.
func counts(text string, most int64) (list []int64, err error) {
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(word), 10, 64)
		if err != nil {
			return nil, err
		}
		if n < 1 || n > most || slices.Contains(list, n) {
			return nil, fmt.Errorf("%d is out of range, or stands there twice", n)
		}
		list = append(list, n)
	}
	return list, nil
}

// printBench writes the report for people.
func (a *app) printBench(r bench.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d subscribers, record %s, model %s, %d workers: %.2f s (median of %d, %.2f to %.2f), %.0f rows/s\n",
		r.Subscribers, r.Record, r.Model, r.Workers, r.Seconds, len(r.Repeats), r.P10, r.P90, r.RowsPerSecond)
	fmt.Fprintf(&b, "  %.1f ns a row of one core, %.0f %% of the processors given; read %.1f MB, written %.1f MB, memory %.0f MB at most\n\n",
		r.NsPerRowCore, 100*r.CPUShare, float64(r.BytesRead)/1e6, float64(r.BytesWritten)/1e6, float64(r.MaxRSS)/1e6)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(t, "stage\tseconds\tns/row/core\tread\tscore\twrite\tverify\t\n")
	for _, name := range bench.StageOrder {
		s := r.Stages[name]
		_, _ = fmt.Fprintf(t, "%s\t%.3f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", name, s.Seconds, s.NsPerRowCore, s.Read, s.Score, s.Write, s.Verify)
	}
	_ = t.Flush() // a strings.Builder takes everything
	if len(r.Sweep) > 0 {
		b.WriteByte('\n')
		t = tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		_, _ = fmt.Fprintf(t, "workers\tseconds\trows/s\tns/row/core\tspeedup\tefficiency\tmachine\tMB\t\n")
		for _, p := range r.Sweep {
			_, _ = fmt.Fprintf(t, "%d\t%.3f\t%.0f\t%.1f\t%s\t%s\t%s\t%.0f\t\n", p.Workers, p.Seconds, p.RowsPerSecond, p.NsPerRowCore, optional("%.2f", p.Speedup, 1), optional("%.0f %%", p.Efficiency, 100), optional("%.2f", p.MachineSpeedup, 1), float64(p.MaxRSS)/1e6)
		}
		_ = t.Flush() // a strings.Builder takes everything
	}
	fmt.Fprintf(&b, "\n%s\n", r.On())
	return a.print("%s", b.String())
}

// printSizes writes what a row costs by the size of the base.
func (a *app) printSizes(reports []bench.Report) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(t, "\nsubscribers\tseconds\trows/s\tns/row/core\tmore\tCPU ns/row\tMB\t\n")
	more := bench.More(reports)
	for i, r := range reports {
		_, _ = fmt.Fprintf(t, "%d\t%.3f\t%.0f\t%.1f\t%.1f %%\t%.1f\t%.0f\t\n", r.Subscribers, r.Seconds, r.RowsPerSecond, r.NsPerRowCore, 100*more[i], r.CPUNsPerRow, float64(r.MaxRSS)/1e6)
	}
	_ = t.Flush() // a strings.Builder takes everything
	return a.print("%s", b.String())
}

// optional writes a figure that may not be there.
func optional(format string, v *float64, times float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf(format, *v*times)
}
