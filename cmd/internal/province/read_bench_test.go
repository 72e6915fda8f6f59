//go:build unix

package province

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"syscall"
	"testing"

	arrow "github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/synth"
	"rescore/worker/source"
)

// processor is the processor time of this process: what a benchmark costs where others
// share the machine.
func processor(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

// opened writes a province and opens it as the input of a job.
func opened(b *testing.B, o Options) (*source.Dataset, job.Survey) {
	b.Helper()
	folder := b.TempDir()
	st, err := store.NewFile(folder)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := Write(b.Context(), st, o); err != nil {
		b.Fatal(err)
	}
	spec := job.Spec{Month: o.Province.Month, Input: job.Input{Path: BaseFolder, Format: "parquet", Layout: o.Layout, Exclude: job.Exclude{IoT: true}}}
	if o.Layout == "months" {
		spec.Input.Path = BaseFolder + "/month={month}"
		if st, err = store.NewFile(filepath.Join(folder, BaseFolder)); err != nil { // before the pattern
			b.Fatal(err)
		}
	}
	d, err := source.Open(b.Context(), st, spec)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.Close() })
	survey, err := d.Survey(b.Context(), 1, nil)
	if err != nil {
		b.Fatal(err)
	}
	return d, survey
}

// BenchmarkRead reads every column of a base, as the default job does, on one core.
func BenchmarkRead(b *testing.B) {
	const n = 100_000
	for _, c := range []struct{ name, layout, codec string }{
		{"wide, snappy", "wide", "snappy"}, {"wide, zstd", "wide", "zstd"}, {"months, snappy", "months", "snappy"},
	} {
		b.Run(c.name, func(b *testing.B) {
			d, survey := opened(b, Options{
				Province: synth.Default(7, n, 202610), Layout: c.layout, Compression: c.codec, Files: 1,
			})
			task := job.Task{Range: partition.Range{First: partition.FirstNumber, Past: partition.PastNumber}}
			for month, runs := range survey.Segments {
				for _, r := range runs {
					task.Slices = append(task.Slices, job.Slice{Month: month, File: r.File, First: r.First, Rows: r.Rows})
					if month == 0 {
						task.Rows += r.Rows
						task.Keys = task.Keys.Add(r.Keys)
					}
				}
			}
			columns, _ := d.Columns()
			b.ReportAllocs()
			before := processor(b)
			for b.Loop() {
				r, err := d.Reader(task, survey.Files, columns, 2048, arrow.NewGoAllocator())
				if err != nil {
					b.Fatal(err)
				}
				for {
					if _, err = r.Next(context.Background()); err != nil {
						break
					}
				}
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
				r.Close()
			}
			spent := (processor(b) - before) / float64(b.N) / float64(task.Rows)
			b.ReportMetric(spent, "cpu-ns/row")
			b.ReportMetric(float64(len(columns)), "columns")
		})
	}
}

// BenchmarkSurvey reads the numbers of a base and works out the digests of its files.
func BenchmarkSurvey(b *testing.B) {
	d, survey := opened(b, Options{Province: synth.Default(7, 100_000, 202610), Files: 1})
	before := processor(b)
	for b.Loop() {
		if _, err := d.Survey(b.Context(), 1, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((processor(b)-before)/float64(b.N)/float64(survey.Files[0].Rows), "cpu-ns/row")
}
