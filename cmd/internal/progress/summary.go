package progress

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"rescore/cmd/internal/machine"
	"rescore/coordinator/publish"
	"rescore/partition/job"
	"rescore/partition/psi"
)

// Stage is how long one stage took, and where its tasks' time went.
type Stage struct {
	Stage   string     `json:"stage"`
	Seconds float64    `json:"seconds"`
	Timing  job.Timing `json:"timing_nanoseconds"`
}

// Used is what the process took for the job: zero when that is not known.
type Used struct {
	Seconds float64 `json:"seconds"` // from the job file to the pointer
	machine.Usage
}

// Expected is what the figures of an earlier rescore bench job foretold.
type Expected struct {
	Seconds  float64 `json:"seconds"`
	Share    float64 `json:"actual_share"` // the time the job took, by Seconds
	Measured string  `json:"measured"`     // when the figures were
}

// Summary is what came of a job.
type Summary struct {
	Job           job.ID
	Name          string
	Version       string
	Path          string
	Digest        string
	Rows          job.Counts
	Tally         job.Tally
	Timing        job.Timing
	Stages        []Stage
	Seconds       float64
	RowsPerSecond float64
	Resumed       int  // tasks found done from an earlier run
	Already       bool // published before: nothing was done
	Superseded    bool // a newer version is the dataset's current one

	Challengers []publish.Challenger // beside the champion
	Stability   []publish.Stability  // of what the model's package watches for drift

	Used     Used
	Expected *Expected // nil: nothing was foretold
}

// Triggers are short names of the 14 triggers, in order (domain dossier C03).
var Triggers = [14]string{
	"large customer below its class", "fee falling three months", "no balance, or silent three months",
	"postpaid in arrears", "campus phone unused", "stopped broadband unused", "long distance by another operator",
	"repeated faults", "complaint not settled", "demolition due", "agreement ending", "signs of another network",
	"move cannot be served", "large customer's demand not met",
}

// Decisions are the words of retain_decision, by code.
var Decisions = [12]string{"", "RETAIN", "GIVE_UP_LOW_VALUE", "GIVE_UP_BAD_DEBT", "NO_CONTACT_DATA", "INVOLUNTARY",
	"GROUP_HANDLED", "MIGRANT", "DO_NOT_CONTACT", "HOLDOUT", "GONE", "NO_VALUE"}

// Priorities are the words of action_priority, by code.
var Priorities = [6]string{"NO_VALUE", "P1", "P2", "P3", "P4", "X"}

// Write renders the summary for people: rows by outcome, warnings by trigger,
// risk bands, decisions, action priorities, challengers, stability, time by stage. color adds bold headings.
func (s Summary) Write(w io.Writer, color bool) error {
	var b strings.Builder
	title := func(text string) {
		if color {
			text = "\x1b[1m" + text + "\x1b[0m"
		}
		fmt.Fprintf(&b, "\n%s\n", text)
	}
	table := func(fill func(t *tabwriter.Writer)) {
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		fill(t)
		_ = t.Flush() // a strings.Builder takes everything
	}
	if s.Already {
		fmt.Fprintf(&b, "%s: already published as version %s; nothing was done\n", s.Name, s.Version)
		if s.Superseded {
			b.WriteString("  a newer version is the current one: rescore versions lists them\n")
		}
	} else {
		fmt.Fprintf(&b, "%s: published version %s\n", s.Name, s.Version)
	}
	fmt.Fprintf(&b, "  job     %s\n  path    %s\n  digest  %s\n", s.Job, s.Path, s.Digest)
	if s.Resumed > 0 {
		fmt.Fprintf(&b, "  resumed: %d partitions were done before\n", s.Resumed)
	}

	title("rows")
	table(func(t *tabwriter.Writer) {
		for _, r := range []struct {
			name string
			n    int64
		}{{"in", s.Rows.In}, {"scored", s.Rows.Scored}, {"excluded", s.Rows.Excluded}, {"rejected", s.Rows.Rejected}, {"duplicate", s.Rows.Duplicate}} {
			_, _ = fmt.Fprintf(t, "  %-9s\t%s\t%s\t\n", r.name, group(r.n), percent(r.n, s.Rows.In))
		}
	})
	if reasons := s.reasons(); len(reasons) > 0 {
		fmt.Fprintf(&b, "  not scored: %s\n", strings.Join(reasons, ", "))
	}
	if s.Tally.BadValues > 0 {
		fmt.Fprintf(&b, "  values read as missing: %s\n", group(s.Tally.BadValues))
	}

	title("warnings")
	table(func(t *tabwriter.Writer) {
		_, _ = fmt.Fprintf(t, "  %-40s\tfired\t\tunknown\t\t\n", "trigger")
		for i, name := range Triggers {
			_, _ = fmt.Fprintf(t, "  %-40s\t%s\t%s\t%s\t%s\t\n", fmt.Sprintf("T%-2d %s", i+1, name),
				group(s.Tally.Fired[i]), percent(s.Tally.Fired[i], s.Rows.Scored), group(s.Tally.Unknown[i]), percent(s.Tally.Unknown[i], s.Rows.Scored))
		}
		_, _ = fmt.Fprintf(t, "  %-40s\t%s\t%s\t\t\t\n", "any", group(s.Tally.Warn), percent(s.Tally.Warn, s.Rows.Scored))
	})

	title("risk bands")
	table(func(t *tabwriter.Writer) {
		for band := 1; band < len(s.Tally.Risk); band++ {
			_, _ = fmt.Fprintf(t, "  %d\t%s\t%s\t\n", band, group(s.Tally.Risk[band]), percent(s.Tally.Risk[band], s.Rows.Scored))
		}
	})

	title("decisions")
	table(func(t *tabwriter.Writer) {
		for code, n := range s.Tally.Decision {
			if n > 0 && code > 0 && code < len(Decisions) {
				_, _ = fmt.Fprintf(t, "  %-17s\t%s\t%s\t\n", Decisions[code], group(n), percent(n, s.Rows.Scored))
			}
		}
	})

	if priorities := s.Tally.Priority; priorities != ([6]int64{}) {
		title("action priorities")
		table(func(t *tabwriter.Writer) {
			for _, class := range []int{1, 2, 3, 4, 5, 0} {
				_, _ = fmt.Fprintf(t, "  %-8s\t%s\t%s\t\n", Priorities[class], group(priorities[class]), percent(priorities[class], s.Rows.Scored))
			}
		})
	}

	title("reasons, rows by method")
	table(func(t *tabwriter.Writer) {
		for _, m := range []struct {
			name string
			n    int64
		}{{"path", s.Tally.Explained.Path}, {"exact", s.Tally.Explained.Exact}, {"none", s.Tally.Explained.None}} {
			_, _ = fmt.Fprintf(t, "  %-8s\t%s\t%s\t\n", m.name, group(m.n), percent(m.n, s.Rows.Scored))
		}
	})

	if len(s.Challengers) > 0 {
		title("challengers, against the champion")
		table(func(t *tabwriter.Writer) {
			_, _ = fmt.Fprintf(t, "  %-16s\tsame band\ttop tenth\trank corr.\tPSI\t\tmean p\tdifference\t\n", "model")
			for _, c := range s.Challengers {
				ranks := "-"
				if c.RankCorrelation != nil {
					ranks = fmt.Sprintf("%.4f", *c.RankCorrelation)
				}
				_, _ = fmt.Fprintf(t, "  %-16s\t%.2f%%\t%.2f%%\t%s\t%.4f\t%s\t%.4f\t%+.4f\t\n",
					c.Name, 100*c.SameBand, 100*c.TopDecile, ranks, c.PSI, psi.Reading(c.PSI), c.Mean, c.MeanDifference)
			}
		})
	}

	if len(s.Stability) > 0 {
		title("stability, against what the model was trained on")
		table(func(t *tabwriter.Writer) {
			still := 0
			for _, c := range s.Stability {
				if c.Column != "propensity" && c.PSI < psi.NoticeableFrom {
					still++
					continue
				}
				_, _ = fmt.Fprintf(t, "  %-24s\tPSI %.4f\t%s\t\n", c.Column, c.PSI, c.Reading)
			}
			if still > 0 {
				_, _ = fmt.Fprintf(t, "  %-24s\tbelow %.1f\tstable\t\n", fmt.Sprintf("%d features", still), psi.NoticeableFrom)
			}
		})
	}

	title("time")
	table(func(t *tabwriter.Writer) {
		for _, stage := range s.Stages {
			_, _ = fmt.Fprintf(t, "  %-10s\t%.2f s\t\n", stage.Stage, stage.Seconds)
		}
		_, _ = fmt.Fprintf(t, "  %-10s\t%.2f s\t\n", "total", s.Seconds)
	})
	if total := s.Timing.Read + s.Timing.Score + s.Timing.Write + s.Timing.Verify; total > 0 {
		fmt.Fprintf(&b, "  of the work: read %s, compute %s, write %s, verify %s\n",
			percent(s.Timing.Read, total), percent(s.Timing.Score, total), percent(s.Timing.Write, total), percent(s.Timing.Verify, total))
	}
	if s.RowsPerSecond > 0 {
		fmt.Fprintf(&b, "  %s rows/s\n", group(int64(s.RowsPerSecond)))
	}
	if u := s.Used; u.MaxRSS > 0 && u.Seconds > 0 {
		fmt.Fprintf(&b, "  used: %.2f s of one core (%.1f cores), %s MB of memory at most, read %s MB, written %s MB\n",
			u.CPUSeconds, u.CPUSeconds/u.Seconds, group(u.MaxRSS/1e6), group(u.BytesRead/1e6), group(u.BytesWritten/1e6))
	}
	if e := s.Expected; e != nil {
		fmt.Fprintf(&b, "  predicted %.2f s by rescore bench job of %s; the job took %.2f s, %+.0f%%\n", e.Seconds, e.Measured, s.Used.Seconds, 100*(e.Share-1))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s Summary) reasons() []string {
	var list []string
	for r, n := range s.Tally.Reason {
		if n > 0 && r > 0 {
			list = append(list, fmt.Sprintf("%s %s", job.Reason(r), group(n)))
		}
	}
	return list
}

// Report is the summary's tables as a program reads them.
type Report struct {
	Warn      int64            `json:"warn"`
	Fired     [14]int64        `json:"fired"`   // by trigger, T1 first
	Unknown   [14]int64        `json:"unknown"` // by trigger, T1 first
	Risk      [5]int64         `json:"risk"`    // by band, 1 first
	Decisions map[string]int64 `json:"decisions"`
	Reasons   map[string]int64 `json:"reasons"` // rows not scored, by reason
	BadValues int64            `json:"bad_values"`
	Stages    []Stage          `json:"stages"`
	Timing    job.Timing       `json:"timing_nanoseconds"`
	Priority  map[string]int64 `json:"priorities"` // by action_priority

	Explained   job.Explained        `json:"explained"`             // rows by how their reasons were found
	Challengers []publish.Challenger `json:"challengers,omitempty"` // as in the manifest
	Stability   []publish.Stability  `json:"stability,omitempty"`   // as in the manifest

	Used     Used      `json:"used"`
	Expected *Expected `json:"predicted,omitempty"` // by rescore bench job; none: it was not run here with this model
}

// Report returns the tables.
func (s Summary) Report() Report {
	r := Report{Warn: s.Tally.Warn, Fired: s.Tally.Fired, Unknown: s.Tally.Unknown, BadValues: s.Tally.BadValues, Timing: s.Timing,
		Stages: append([]Stage{}, s.Stages...), Decisions: map[string]int64{}, Reasons: map[string]int64{}, Priority: map[string]int64{}, Challengers: s.Challengers, Stability: s.Stability, Explained: s.Tally.Explained, Used: s.Used, Expected: s.Expected}
	copy(r.Risk[:], s.Tally.Risk[1:])
	for code := 1; code < len(Decisions); code++ {
		if n := s.Tally.Decision[code]; n > 0 {
			r.Decisions[Decisions[code]] = n
		}
	}
	for class, n := range s.Tally.Priority {
		if n > 0 {
			r.Priority[Priorities[class]] = n
		}
	}
	for reason, n := range s.Tally.Reason {
		if n > 0 && reason > 0 {
			r.Reasons[job.Reason(reason).String()] = n
		}
	}
	return r
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
