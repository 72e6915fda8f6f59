package whatif

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Text writes an answer for people.
func (a *Answer) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "version %s, month %d: %s scored\n", a.Version, a.Month, thousands(a.Scored))
	if len(a.Changed) == 0 {
		b.WriteString("  nothing is changed\n")
	}
	for _, c := range a.Changed {
		before, after := c.Before, c.After
		if before == "" {
			before = "(none)"
		}
		if after == "" {
			after = "(none)"
		}
		fmt.Fprintf(&b, "  %s: %s → %s\n", c.Key, before, after)
	}
	if a.Sample == nil {
		b.WriteString("\nexact: every row was judged again, and the published rules gave the published figures\n\n")
	} else {
		fmt.Fprintf(&b, "\nsampled %.2f %%: %s rows in %d of %d segments; ± is half of a 95 %% interval, before is exact\n\n",
			100*a.Sample.Share, thousands(a.Sample.Rows), a.Sample.Segments, a.Sample.Of)
	}
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(t, "trigger\tbefore\tafter\tnewly warned\tno longer\tunknown after\t\t\n")
	row := func(l Line) {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\t%s\n", l.Rule, thousands(l.Before), l.After, l.Newly, l.NoLonger, l.UnknownAfter, l.Title)
	}
	for _, l := range a.Rules {
		row(l)
	}
	row(a.Warn)
	_ = t.Flush() // a strings.Builder takes everything
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ") // the table fills its last column
	}
	return strings.Join(lines, "\n")
}

// String writes a figure with half the width of its interval, when it has one.
func (f Figure) String() string {
	if f.Low == f.High {
		return thousands(f.Count)
	}
	return fmt.Sprintf("%s ±%s", thousands(f.Count), thousands(max(f.High-f.Count, f.Count-f.Low)))
}

// thousands sets digits in groups.
func thousands(n int64) string {
	text := fmt.Sprint(max(n, -n))
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	if n < 0 {
		return "-" + text
	}
	return text
}
