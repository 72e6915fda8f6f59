package progress

import (
	"fmt"
	"io"
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
	Tables      []publish.Table      // what became of the events of the job's tables

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
	p := page{color: color}
	p.head(s)
	p.rows(s, "scored")
	if s.Tally.BadValues > 0 {
		p.line("  values read as missing: %s", group(s.Tally.BadValues))
	}

	if len(s.Tables) > 0 {
		p.title("events of tables")
		p.table(func(t *tabwriter.Writer) {
			_, _ = fmt.Fprintf(t, "  %-16s\tread\tin windows\t\toutside\torphans\trejected\tbad values\t\n", "table")
			for _, e := range s.Tables {
				_, _ = fmt.Fprintf(t, "  %-16s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", e.Name,
					group(e.In), group(e.Within), percent(e.Within, e.In), group(e.Outside), group(e.Orphan), group(e.Rejected), group(e.BadValues))
			}
		})
	}

	p.title("warnings")
	p.table(func(t *tabwriter.Writer) {
		_, _ = fmt.Fprintf(t, "  %-40s\tfired\t\tunknown\t\t\n", "trigger")
		for i, name := range Triggers {
			_, _ = fmt.Fprintf(t, "  %-40s\t%s\t%s\t%s\t%s\t\n", fmt.Sprintf("T%-2d %s", i+1, name),
				group(s.Tally.Fired[i]), percent(s.Tally.Fired[i], s.Rows.Scored), group(s.Tally.Unknown[i]), percent(s.Tally.Unknown[i], s.Rows.Scored))
		}
		_, _ = fmt.Fprintf(t, "  %-40s\t%s\t%s\t\t\t\n", "any", group(s.Tally.Warn), percent(s.Tally.Warn, s.Rows.Scored))
	})

	p.title("risk bands")
	p.table(func(t *tabwriter.Writer) {
		for band := 1; band < len(s.Tally.Risk); band++ {
			_, _ = fmt.Fprintf(t, "  %d\t%s\t%s\t\n", band, group(s.Tally.Risk[band]), percent(s.Tally.Risk[band], s.Rows.Scored))
		}
	})

	p.title("decisions")
	p.table(func(t *tabwriter.Writer) {
		for code, n := range s.Tally.Decision {
			if n > 0 && code > 0 && code < len(Decisions) {
				_, _ = fmt.Fprintf(t, "  %-17s\t%s\t%s\t\n", Decisions[code], group(n), percent(n, s.Rows.Scored))
			}
		}
	})

	if priorities := s.Tally.Priority; priorities != ([6]int64{}) {
		p.title("action priorities")
		p.table(func(t *tabwriter.Writer) {
			for _, class := range []int{1, 2, 3, 4, 5, 0} {
				_, _ = fmt.Fprintf(t, "  %-8s\t%s\t%s\t\n", Priorities[class], group(priorities[class]), percent(priorities[class], s.Rows.Scored))
			}
		})
	}

	p.title("reasons, rows by method")
	p.table(func(t *tabwriter.Writer) {
		for _, m := range []struct {
			name string
			n    int64
		}{{"path", s.Tally.Explained.Path}, {"exact", s.Tally.Explained.Exact}, {"none", s.Tally.Explained.None}} {
			_, _ = fmt.Fprintf(t, "  %-8s\t%s\t%s\t\n", m.name, group(m.n), percent(m.n, s.Rows.Scored))
		}
	})

	if len(s.Challengers) > 0 {
		p.title("challengers, against the champion")
		p.table(func(t *tabwriter.Writer) {
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
		p.title("stability, against what the model was trained on")
		p.table(func(t *tabwriter.Writer) {
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

	p.title("time")
	p.table(func(t *tabwriter.Writer) {
		for _, stage := range s.Stages {
			_, _ = fmt.Fprintf(t, "  %-10s\t%.2f s\t\n", stage.Stage, stage.Seconds)
		}
		_, _ = fmt.Fprintf(t, "  %-10s\t%.2f s\t\n", "total", s.Seconds)
	})
	if total := s.Timing.Read + s.Timing.Score + s.Timing.Write + s.Timing.Verify; total > 0 {
		p.line("  of the work: read %s, compute %s, write %s, verify %s",
			percent(s.Timing.Read, total), percent(s.Timing.Score, total), percent(s.Timing.Write, total), percent(s.Timing.Verify, total))
	}
	if s.RowsPerSecond > 0 {
		p.line("  %s rows/s", group(int64(s.RowsPerSecond)))
	}
	if u := s.Used; u.MaxRSS > 0 && u.Seconds > 0 {
		p.line("  used: %.2f s of one core (%.1f cores), %s MB of memory at most, read %s MB, written %s MB",
			u.CPUSeconds, u.CPUSeconds/u.Seconds, group(u.MaxRSS/1e6), group(u.BytesRead/1e6), group(u.BytesWritten/1e6))
	}
	if e := s.Expected; e != nil {
		p.line("  predicted %.2f s by rescore bench job of %s; the job took %.2f s, %+.0f%%", e.Seconds, e.Measured, s.Used.Seconds, 100*(e.Share-1))
	}
	return p.to(w)
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
	Tables      []publish.Table      `json:"tables,omitempty"`      // as in the manifest

	Used     Used      `json:"used"`
	Expected *Expected `json:"predicted,omitempty"` // by rescore bench job; none: it was not run here with this model
}

// Report returns the tables.
func (s Summary) Report() Report {
	r := Report{Warn: s.Tally.Warn, Fired: s.Tally.Fired, Unknown: s.Tally.Unknown, BadValues: s.Tally.BadValues, Timing: s.Timing,
		Stages: append([]Stage{}, s.Stages...), Decisions: map[string]int64{}, Reasons: s.Reasons(), Priority: map[string]int64{}, Challengers: s.Challengers, Stability: s.Stability, Tables: s.Tables, Explained: s.Tally.Explained, Used: s.Used, Expected: s.Expected}
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
	return r
}

// Reasons are the rows that are not in the version, by reason.
func (s Summary) Reasons() map[string]int64 {
	reasons := map[string]int64{}
	for r, n := range s.Tally.Reason {
		if n > 0 && r > 0 {
			reasons[job.Reason(r).String()] = n
		}
	}
	return reasons
}
