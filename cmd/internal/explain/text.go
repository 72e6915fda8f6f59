package explain

import (
	"fmt"
	"strings"
)

// Text writes an answer for people.
func (a *Answer) Text() string {
	w := words{a.lang}
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
	}
	line("%s", w.say("head", a.Number, a.Month, a.Version, a.Job))
	if a.Outcome != "scored" {
		line("%s", w.say("outcome", w.say(a.Outcome), w.say(a.Reason)))
	}
	if a.Rows > 1 {
		line("%s", w.say("rows", a.Rows))
	}
	title := func(key string) { line("\n%s", w.say(key)) }

	title("where")
	for _, p := range a.Where {
		line("  %06d  %s", p.Month, p.File)
	}
	if a.Events > 0 {
		line("  %s", w.say("events", a.Events))
	}
	title("record")
	a.writeRecord(w, line)
	if a.Outcome != "scored" {
		return b.String()
	}
	title("features")
	names, values := 0, 0
	for _, f := range a.Features {
		names, values = max(names, columnsOf(f.Feature)), max(values, columnsOf(f.Text))
	}
	for _, f := range a.Features {
		mark := " "
		if f.Model {
			mark = "*"
		}
		line(" %s%s  %s  %s", mark, pad(f.Feature, names), left(f.Text, values), strings.Join(strings.Fields(f.Formula), " "))
	}
	title("triggers")
	for _, t := range a.Triggers {
		line("  %-4s%s  %s", t.Trigger, pad(w.say(t.Verdict), 8), t.Title)
		line("      %s", t.Rule)
		line("      %s: %s", w.say("compared"), listed(t.Compared))
		if len(t.Thresholds) > 0 {
			var list []string
			for _, k := range t.Thresholds {
				list = append(list, k.Key+"="+k.Value)
			}
			line("      %s: %s", w.say("thresholds"), strings.Join(list, "  "))
		}
		if t.Why != "" {
			line("      %s", t.Why)
		}
	}
	if len(a.UserRules) > 0 {
		title("user rules")
		for _, r := range a.UserRules {
			line("  %s%s  %s", pad(w.say(r.Verdict), 8), r.Rule, strings.Join(strings.Fields(r.Text), " "))
		}
	}
	title("decision")
	for i, s := range a.Decision.Path {
		mark := w.say("applies not")
		if s.Applies {
			mark = w.say("applies")
		}
		if s.Taken {
			mark = w.say("taken")
		}
		line("  %2d  %s %s  %s", i+1, pad(mark, 8), pad(s.Title, 20), s.Condition)
		if s.Applies && len(s.Compared) > 0 {
			line("      %s: %s", w.say("compared"), listed(s.Compared))
		}
	}
	title("offer")
	if a.Offer.Line == 0 {
		line("  %s", w.say("offer none"))
	} else {
		line("  %s", w.say("offer line", a.Offer.Line, a.Offer.Why, a.Offer.Title))
	}
	if len(a.Reasons) > 0 {
		title("reasons")
		a.writeReasons(w, line)
	}
	title("scores")
	names = 0
	for _, s := range a.Scores {
		names = max(names, columnsOf(s.Title))
	}
	for _, s := range a.Scores {
		line("  %s  %s", pad(s.Title, names), s.Text)
	}
	return b.String()
}

// writeRecord writes the monthly columns as a table and the others as a list;
// columns the input lacks are named in one line.
func (a *Answer) writeRecord(w words, line func(string, ...any)) {
	var absent []string
	names := 0
	var widths []int
	for _, c := range a.Record {
		if c.Absent {
			absent = append(absent, c.Column)
			continue
		}
		names = max(names, columnsOf(c.Title))
		if len(c.Values) == 1 {
			continue
		}
		widths = append(widths, make([]int, len(c.Values)-len(widths))...)
		for k, v := range c.Values {
			widths[k] = max(widths[k], columnsOf(v.Text), 6)
		}
	}
	for _, c := range a.Record {
		if !c.Absent && len(c.Values) == 1 {
			line("  %s  %s", pad(c.Title, names), c.Values[0].Text)
		}
	}
	head := false
	for _, c := range a.Record {
		if c.Absent || len(c.Values) == 1 {
			continue
		}
		if !head {
			head = true
			text := "  " + pad("", names)
			for k, v := range c.Values {
				text += "  " + left(fmt.Sprint(v.Month), widths[k])
			}
			line("%s", text)
		}
		text := "  " + pad(c.Title, names)
		for k, v := range c.Values {
			text += "  " + left(v.Text, widths[k])
		}
		line("%s", text)
	}
	if len(absent) > 0 {
		line("  %s", w.say("absent columns", strings.Join(absent, " ")))
	}
}

func listed(list []Compared) string {
	words := make([]string, len(list))
	for i, c := range list {
		words[i] = c.Column + " " + c.Text
	}
	return strings.Join(words, ", ")
}

// columnsOf returns how many columns of a terminal a text takes: Chinese
// characters take two.
func columnsOf(text string) int {
	n := 0
	for _, r := range text {
		n++
		if r >= 0x2e80 && r <= 0x9fff || r >= 0xff00 && r <= 0xff60 {
			n++
		}
	}
	return n
}

// pad fills a text up to n columns; left fills it in front.
func pad(text string, n int) string { return text + strings.Repeat(" ", max(n-columnsOf(text), 0)) }

func left(text string, n int) string { return strings.Repeat(" ", max(n-columnsOf(text), 0)) + text }
