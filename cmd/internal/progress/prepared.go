package progress

import "io"

// WritePrepared renders what came of a preparation: rows by outcome, and time by stage.
// color adds bold headings.
func (s Summary) WritePrepared(w io.Writer, color bool) error {
	p := page{color: color}
	p.head(s)
	p.rows(s, "kept")
	if s.Tally.BadValues > 0 {
		p.line("  texts with bytes that are no text, replaced: %s", group(s.Tally.BadValues))
	}
	if len(s.Stages) > 0 && !s.Already {
		p.title("time")
		for _, stage := range s.Stages {
			p.line("  %-9s %8.2f s", stage.Stage, stage.Seconds)
		}
		p.line("  %-9s %8.2f s, %s rows/s", "in all", s.Seconds, group(int64(s.RowsPerSecond)))
		if u := s.Used; u.MaxRSS > 0 {
			p.line("  memory at most %s MB", group(u.MaxRSS/1e6))
		}
	}
	return p.to(w)
}
