package bench

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rescore/cmd/internal/chart"
)

// More is by how much a row costs more than in the report in which it costs least, in
// nanoseconds of one core, by report: 0.05 is a twentieth.
func More(reports []Report) []float64 {
	least := slices.MinFunc(reports, func(a, b Report) int { return cmp.Compare(a.NsPerRowCore, b.NsPerRowCore) }).NsPerRowCore
	more := make([]float64, len(reports))
	for i, r := range reports {
		more[i] = r.NsPerRowCore/least - 1
	}
	return more
}

// bySize is what several sizes of one job cost, as a page; plot is the name of its plot.
func bySize(reports []Report, plot string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Rescore: a row's cost by the size of the base\n\n`rescore bench job`, %d workers, the sizes in turns.\n\n", reports[0].Workers)
	b.WriteString("| subscribers | seconds | subscribers a second | ns a row of one core | more than the least | of them the processor's | memory, MB |\n|---:|---:|---:|---:|---:|---:|---:|\n")
	more := More(reports)
	for i, r := range reports {
		fmt.Fprintf(&b, "| %d | %.3f | %.0f | %.1f | %.1f %% | %.1f | %.0f |\n", r.Subscribers, r.Seconds, r.RowsPerSecond, r.NsPerRowCore, 100*more[i], r.CPUNsPerRow, float64(r.MaxRSS)/1e6)
	}
	fmt.Fprintf(&b, "\n![nanoseconds a row by size](%s)\n\n", plot)
	return b.Bytes()
}

// sizesChart is the plot of it.
func sizesChart(reports []Report) chart.Chart {
	c := chart.Chart{Title: fmt.Sprintf("A row's cost by the size of the base, %d workers", reports[0].Workers), Unit: "ns", Axis: "subscribers",
		Series: []chart.Series{{Name: "processor"}, {Name: "waiting"}}}
	for _, r := range reports {
		c.Labels = append(c.Labels, fmt.Sprint(r.Subscribers))
		c.Series[0].Values = append(c.Series[0].Values, r.CPUNsPerRow)
		c.Series[1].Values = append(c.Series[1].Values, max(0, r.NsPerRowCore-r.CPUNsPerRow))
	}
	return c
}

// Write writes a page of the reports, one for each size, and its plots beside it.
func Write(path string, reports []Report) error {
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	draw := func(c chart.Chart, ending string) (string, error) {
		name := stem + ending + ".svg"
		if err := os.WriteFile(name, c.SVG(), 0o644); err != nil {
			return "", fmt.Errorf("write the report's plot: %w", err)
		}
		return filepath.Base(name), nil
	}
	var page []byte
	if len(reports) > 1 {
		plot, err := draw(sizesChart(reports), ".sizes")
		if err != nil {
			return err
		}
		page = bySize(reports, plot)
	}
	for i, r := range reports {
		size := ""
		if len(reports) > 1 {
			size = fmt.Sprintf(".%d", r.Subscribers)
		}
		var plots []string
		for k, c := range r.Charts() {
			plot, err := draw(c, size+[]string{".stages", ".workers"}[k])
			if err != nil {
				return err
			}
			plots = append(plots, plot)
		}
		if i > 0 {
			page = append(page, '\n')
		}
		page = append(page, r.Markdown(plots)...)
	}
	if err := os.WriteFile(path, page, 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
