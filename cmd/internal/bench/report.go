package bench

import (
	"bytes"
	"fmt"
	"strings"

	"rescore/cmd/internal/chart"
)

// On says what the figures were taken on, in two sentences.
func (r Report) On() string {
	m := r.Machine
	about := fmt.Sprintf("Measured %s on %s: %s, %d cores", r.Measured, m.Host, m.CPU, m.Cores)
	if m.VectorSets != "" {
		about += " (" + m.VectorSets + ")"
	}
	if m.Virtual {
		about += ", a virtual machine"
	}
	if m.Memory > 0 {
		about += fmt.Sprintf(", %.1f GB of memory", float64(m.Memory)/1e9)
	}
	if m.Disk != "" {
		about += ", " + m.Disk
	}
	about += fmt.Sprintf(", %s, %s, rescore %s.", m.System, m.Go, m.Rescore)
	if r.Others != nil && r.Stolen != nil {
		about += fmt.Sprintf(" Meanwhile %.1f %% of the machine's time was spent on other programs and %.1f %% stolen by its host.", 100**r.Others, 100**r.Stolen)
	}
	return about
}

// Markdown is the report as a page; plots are the names of its plots.
func (r Report) Markdown(plots []string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Rescore: %d subscribers to a published version\n\n", r.Subscribers)
	fmt.Fprintf(&b, "`rescore bench job`, record %s, model %s (`%.12s`), %d workers: median of %d runs %s, after one that warmed up.\n\n", r.Record, code(r.Model), r.ModelDigest, r.Workers, len(r.Repeats), r.processes())
	b.WriteString("| | |\n|---|---:|\n")
	for _, line := range []struct{ name, value string }{
		{"seconds, median", fmt.Sprintf("%.3f", r.Seconds)},
		{"seconds, least; 10th and 90th percentile", fmt.Sprintf("%.3f; %.3f and %.3f", r.Fastest, r.P10, r.P90)},
		{"seconds from the start of a process to its first version", fmt.Sprintf("%.3f", r.ProcessSeconds)},
		{"subscribers a second", fmt.Sprintf("%.0f", r.RowsPerSecond)},
		{"nanoseconds a row of one core", fmt.Sprintf("%.1f", r.NsPerRowCore)},
		{"processors kept busy", fmt.Sprintf("%.0f %%", 100*r.CPUShare)},
		{"bytes read, a row", fmt.Sprintf("%d, %.1f", r.BytesRead, float64(r.BytesRead)/float64(r.Subscribers))},
		{"bytes written, a row", fmt.Sprintf("%d, %.1f", r.BytesWritten, float64(r.BytesWritten)/float64(r.Subscribers))},
		{"bytes of the base, of the version", fmt.Sprintf("%d, %d", r.InputBytes, r.OutputBytes)},
		{"memory at most", fmt.Sprintf("%.1f MB", float64(r.MaxRSS)/1e6)},
	} {
		fmt.Fprintf(&b, "| %s | %s |\n", line.name, line.value)
	}
	b.WriteString("\n## Stages\n\nHow long each stage was the one at work, the same in nanoseconds of one core a row, and what of that its tasks spent on what.\n\n")
	b.WriteString("| stage | seconds | ns a row | read | score | write | verify |\n|---|---:|---:|---:|---:|---:|---:|\n")
	for _, name := range StageOrder {
		s := r.Stages[name]
		fmt.Fprintf(&b, "| %s | %.3f | %.1f | %.1f | %.1f | %.1f | %.1f |\n", name, s.Seconds, s.NsPerRowCore, s.Read, s.Score, s.Write, s.Verify)
	}
	fmt.Fprintf(&b, "\n![nanoseconds a row by stage](%s)\n", plots[0])
	if len(r.Sweep) > 0 {
		b.WriteString("\n## Workers\n\n| workers | seconds | subscribers a second | ns a row of one core | speedup | efficiency | the machine's speedup | memory, MB |\n|---:|---:|---:|---:|---:|---:|---:|---:|\n")
		for _, p := range r.Sweep {
			speedup, efficiency, machine := "", "", ""
			if p.Speedup != nil {
				speedup, efficiency = fmt.Sprintf("%.2f", *p.Speedup), fmt.Sprintf("%.0f %%", 100**p.Efficiency)
			}
			if p.MachineSpeedup != nil {
				machine = fmt.Sprintf("%.2f", *p.MachineSpeedup)
			}
			fmt.Fprintf(&b, "| %d | %.3f | %.0f | %.1f | %s | %s | %s | %.0f |\n", p.Workers, p.Seconds, p.RowsPerSecond, p.NsPerRowCore, speedup, efficiency, machine, float64(p.MaxRSS)/1e6)
		}
		b.WriteString("\nThe machine's speedup is that of arithmetic in registers on as many cores, measured beside the same runs.\n")
		fmt.Fprintf(&b, "\n![subscribers a second by workers](%s)\n", plots[1])
	}
	fmt.Fprintf(&b, "\n%s Every run published the same rows, digest `%.12s`.\n", r.On(), r.Digest)
	return b.Bytes()
}

// processes is what the runs were done in.
func (r Report) processes() string {
	if r.Cold {
		return "in a process each"
	}
	return "in one process"
}

// code writes a name as code; none of ours holds a backquote that would end it.
func code(s string) string { return "`" + strings.ReplaceAll(s, "`", "'") + "`" }

// Charts are the plots: stages, and of a sweep workers.
func (r Report) Charts() []chart.Chart {
	stages := chart.Chart{
		Title: fmt.Sprintf("Where a row's time goes, %d workers", r.Workers), Unit: "ns", Axis: "stage",
		Labels: StageOrder, Series: []chart.Series{{Name: "read"}, {Name: "score"}, {Name: "write"}, {Name: "verify"}, {Name: "else and waiting"}},
	}
	for _, name := range StageOrder {
		s := r.Stages[name]
		for k, v := range []float64{s.Read, s.Score, s.Write, s.Verify, max(0, s.NsPerRowCore-s.Read-s.Score-s.Write-s.Verify)} {
			stages.Series[k].Values = append(stages.Series[k].Values, v)
		}
	}
	charts := []chart.Chart{stages}
	if len(r.Sweep) == 0 {
		return charts
	}
	workers := chart.Chart{Title: "Subscribers a second", Unit: "a second", Axis: "workers", Lines: true, Series: []chart.Series{{Name: "measured"}}}
	var ideal chart.Series
	for _, p := range r.Sweep {
		workers.Labels = append(workers.Labels, fmt.Sprint(p.Workers))
		workers.Series[0].Values = append(workers.Series[0].Values, p.RowsPerSecond)
		if p.Speedup != nil {
			ideal.Values = append(ideal.Values, p.RowsPerSecond / *p.Efficiency)
		}
	}
	if ideal.Name = "as many times one worker"; len(ideal.Values) > 0 {
		workers.Series = append(workers.Series, ideal)
	}
	return append(charts, workers)
}
