package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"rescore/cmd/internal/boot"
	"rescore/cmd/internal/progress"
	"rescore/cmd/internal/province"
	"rescore/partition/store"
	"rescore/partition/store/address"
	"rescore/partition/synth"
)

// writeProvince is province.Write on a folder, made when it is not there.
func writeProvince(ctx context.Context, dir string, o province.Options) (province.Summary, error) {
	if address.Remote(dir) {
		return province.Summary{}, boot.Usagef("write it to a folder, and copy that to the bucket", "synth does not write to %s", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return province.Summary{}, fmt.Errorf("make folder: %w", err)
	}
	st, err := store.NewFile(dir)
	if err != nil {
		return province.Summary{}, err
	}
	return province.Write(ctx, st, o)
}

func (a *app) synthCommand() *cobra.Command {
	var (
		out, format, layout, compression string
		subscribers                      int64
		seed                             uint64
		month                            int32
		workers, files                   int
		clean, force                     bool
	)
	cmd := &cobra.Command{
		Use:   "synth --out DIR",
		Short: "Write a synthetic province, and a job file ready to run on it",
		Long: `Synth writes a made-up subscriber base with the full canonical record: the
same seed gives the same rows, with planted churn, labels for the month after
(in labels/, never in the base) and a little dirt. Beside it goes job.yaml.`,
		Example: `  rescore synth --out province
  rescore synth --out small --subscribers 10000 --seed 7 --format csv --layout months --clean`,
		Args: exactly(0),
	}
	flags := cmd.Flags()
	flags.StringVar(&out, "out", "", "`folder` to write into; required")
	flags.Int64Var(&subscribers, "subscribers", 1_000_000, "how many")
	flags.Uint64Var(&seed, "seed", 1, "another seed is another province")
	flags.Int32Var(&month, "month", 202610, "scoring month, `yyyymm`")
	flags.StringVar(&format, "format", "parquet", "parquet, arrow or csv")
	flags.StringVar(&layout, "layout", "wide", "wide: months are columns; months: one folder a month")
	flags.StringVar(&compression, "compression", "", "of Parquet: snappy (default), zstd or none; of Arrow: none (default) or zstd")
	flags.BoolVar(&clean, "clean", false, "no dirt: no duplicates, no bad or missing numbers")
	flags.BoolVar(&force, "force", false, "replace the province that is there")
	flags.IntVar(&workers, "workers", 0, "files written at a time; 0 is one per core")
	flags.IntVar(&files, "files", 0, "files of the base; 0 is one per core or per million subscribers, whichever is more")
	for name, values := range map[string][]string{"format": {"parquet", "arrow", "csv"}, "layout": {"wide", "months"}, "compression": {"snappy", "zstd", "none"}} {
		complete(cmd, name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if out == "" {
			return boot.Usagef("name the folder to write into, as in --out province", "synth needs --out")
		}
		if workers < 0 || files < 0 {
			return boot.Usagef("write 0 for as many as there are cores", "--workers and --files cannot be negative")
		}
		jobFile := filepath.Join(out, "job.yaml")
		if _, err := os.Lstat(jobFile); err == nil && !force {
			return boot.WithCode(fmt.Errorf("there is a job file already: %s", jobFile), boot.Conflict, "choose another --out, or replace what is there with --force")
		}
		o := province.Options{
			Province: synth.Default(seed, subscribers, month),
			Format:   format, Layout: layout, Compression: compression, Files: files, Workers: workers, Force: force,
		}
		if clean {
			p := &o.Province
			p.DuplicateRate, p.NullKeyRate, p.WrongNumberRate, p.IoTRate = 0, 0, 0, 0
		}
		if o.Workers == 0 {
			o.Workers = runtime.GOMAXPROCS(0)
		}
		if o.Files == 0 {
			o.Files = int(max(1, min(subscribers, max(int64(o.Workers), (subscribers+999_999)/1_000_000))))
		}
		var sum province.Summary
		start := time.Now()
		err := a.show(func(update func(progress.Sample)) (err error) {
			o.Progress = func(rows int64) {
				update(progress.Sample{Stage: "synth", RowsDone: min(rows, subscribers), RowsTotal: subscribers, Elapsed: time.Since(start)})
			}
			sum, err = a.work.synth(cmd.Context(), out, o)
			return err
		})
		if err != nil {
			return err
		}
		seconds := time.Since(start).Seconds()
		if err := os.WriteFile(jobFile, provinceJob(month, format, layout), 0o644); err != nil {
			return fmt.Errorf("write job file: %w", err)
		}
		next := "rescore run " + jobFile
		if a.json() {
			return a.printJSON(struct {
				Out           string  `json:"out"`
				Job           string  `json:"job_file"`
				Seconds       float64 `json:"seconds"`
				RowsPerSecond float64 `json:"rows_per_second"`
				Next          string  `json:"next"`
				province.Summary
			}{out, jobFile, seconds, float64(sum.Rows) / max(seconds, 1e-9), next, sum})
		}
		return a.print("%s: %d rows in %d files, %.1f MB, %.0f rows/s\nnext: %s\n",
			out, sum.Rows, len(sum.Files), float64(sum.Bytes)/1e6, float64(sum.Rows)/max(seconds, 1e-9), next)
	}
	return cmd
}

// provinceJob is the job file beside a synthetic province.
func provinceJob(month int32, format, layout string) []byte {
	path := province.BaseFolder
	if layout == "months" {
		path += "/month={month}"
	}
	return fmt.Appendf(nil, `# Scores the synthetic province beside this file. Every key and its default:
# rescore config default
version: 1
name: province
month: %d
input:
  format: %s
  path: %s
  layout: %s
model:
  path: builtin:baseline
output:
  path: out
`, month, format, path, layout)
}
