package progress

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"rescore/partition/job"
)

// Prepared is what came of a preparation.
type Prepared struct {
	Job           job.ID
	Name          string
	Version       string
	Path          string
	Digest        string
	Rows          job.Counts
	Tally         job.Tally
	Stages        []Stage
	Seconds       float64
	RowsPerSecond float64
	Resumed       int  // tasks found done from an earlier run
	Already       bool // published before: nothing was done
	Used          Used
}

// Reasons are the rows that were not kept, by reason.
func (p Prepared) Reasons() map[string]int64 {
	reasons := map[string]int64{}
	for r, n := range p.Tally.Reason {
		if n > 0 && r > 0 {
			reasons[job.Reason(r).String()] = n
		}
	}
	return reasons
}

// Write renders it for people: rows by outcome, and time by stage. color adds bold
// headings.
func (p Prepared) Write(w io.Writer, color bool) error {
	var b strings.Builder
	title := func(text string) {
		if color {
			text = "\x1b[1m" + text + "\x1b[0m"
		}
		fmt.Fprintf(&b, "\n%s\n", text)
	}
	if p.Already {
		fmt.Fprintf(&b, "%s: already published as version %s; nothing was done\n", p.Name, p.Version)
	} else {
		fmt.Fprintf(&b, "%s: published version %s\n", p.Name, p.Version)
	}
	fmt.Fprintf(&b, "  job     %s\n  path    %s\n  digest  %s\n", p.Job, p.Path, p.Digest)
	if p.Resumed > 0 {
		fmt.Fprintf(&b, "  resumed: %d partitions were done before\n", p.Resumed)
	}
	title("rows")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, r := range []struct {
		name string
		n    int64
	}{{"in", p.Rows.In}, {"kept", p.Rows.Scored}, {"duplicate", p.Rows.Duplicate}, {"rejected", p.Rows.Rejected}, {"excluded", p.Rows.Excluded}} {
		_, _ = fmt.Fprintf(t, "  %-9s\t%s\t%s\t\n", r.name, group(r.n), percent(r.n, p.Rows.In))
	}
	_ = t.Flush() // a strings.Builder takes everything
	if reasons := (Summary{Tally: p.Tally}).reasons(); len(reasons) > 0 {
		fmt.Fprintf(&b, "  not kept: %s\n", strings.Join(reasons, ", "))
	}
	if p.Tally.BadValues > 0 {
		fmt.Fprintf(&b, "  texts with bytes that are no text, replaced: %s\n", group(p.Tally.BadValues))
	}
	if len(p.Stages) > 0 && !p.Already {
		title("time")
		for _, s := range p.Stages {
			fmt.Fprintf(&b, "  %-9s %8.2f s\n", s.Stage, s.Seconds)
		}
		fmt.Fprintf(&b, "  %-9s %8.2f s, %s rows/s\n", "in all", p.Seconds, group(int64(p.RowsPerSecond)))
		if u := p.Used; u.MaxRSS > 0 {
			fmt.Fprintf(&b, "  memory at most %s MB\n", group(u.MaxRSS>>20))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
