package progress

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"rescore/partition/job"
)

// page is a summary as people read it.
type page struct {
	text  strings.Builder
	color bool // headings are bold
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(&p.text, format+"\n", args...) }

func (p *page) title(text string) {
	if p.color {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	p.line("\n%s", text)
}

// table lines the cells up that fill writes, each ended by a tab.
func (p *page) table(fill func(t *tabwriter.Writer)) {
	t := tabwriter.NewWriter(&p.text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fill(t)
	_ = t.Flush() // a strings.Builder takes everything
}

// head says which version came of which job.
func (p *page) head(s Summary) {
	if s.Already {
		p.line("%s: already published as version %s; nothing was done", s.Name, s.Version)
		if s.Superseded {
			p.line("  a newer version is the current one: rescore versions lists them")
		}
	} else {
		p.line("%s: published version %s", s.Name, s.Version)
	}
	p.line("  job     %s\n  path    %s\n  digest  %s", s.Job, s.Path, s.Digest)
	if s.Resumed > 0 {
		p.line("  resumed: %d partitions were done before", s.Resumed)
	}
}

// rows shows the rows by outcome; kept is the word for those that are in the version.
func (p *page) rows(s Summary, kept string) {
	p.title("rows")
	p.table(func(t *tabwriter.Writer) {
		for _, r := range []struct {
			name string
			n    int64
		}{{"in", s.Rows.In}, {kept, s.Rows.Scored}, {"excluded", s.Rows.Excluded}, {"rejected", s.Rows.Rejected}, {"duplicate", s.Rows.Duplicate}} {
			_, _ = fmt.Fprintf(t, "  %-9s\t%s\t%s\t\n", r.name, group(r.n), percent(r.n, s.Rows.In))
		}
	})
	var reasons []string
	for r, n := range s.Tally.Reason {
		if n > 0 && r > 0 {
			reasons = append(reasons, fmt.Sprintf("%s %s", job.Reason(r), group(n)))
		}
	}
	if len(reasons) > 0 {
		p.line("  not %s: %s", kept, strings.Join(reasons, ", "))
	}
}

func (p *page) to(w io.Writer) error {
	_, err := io.WriteString(w, p.text.String())
	return err
}

// group writes 1234567 as 1 234 567.
func group(n int64) string {
	digits := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

func percent(n, of int64) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f%%", 100*float64(n)/float64(of))
}
