// Package progress shows how far a job is, and what came of it.
//
//	samples ──► Meter: rows a second, time left ──► a bar on a terminal
//	                                            └─► a line of JSON a second otherwise
//	outcome ──► Summary: tables for people
//
// The bar is our own, some eighty lines: the libraries (schollz/progressbar,
// vbauerle/mpb) show one count each, and here three go together (rows,
// partitions, tasks running) with an estimate that must not freeze when rows
// stop coming: it moves out instead. Rendering is pure and tested with made-up
// times; the only goroutine is the ticker in Run.
package progress

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Sample is how far a job is. Counts only grow within one stage.
type Sample struct {
	Stage               string
	RowsDone, RowsTotal int64 // RowsTotal 0: not known yet
	TasksDone           int
	TasksTotal          int
	TasksRunning        int
	Elapsed             time.Duration // since the job started
}

// Meter smooths the rate of the current stage. The zero Meter is ready.
type Meter struct {
	last    Sample
	started bool
	rate    float64 // rows a second, smoothed
	weight  float64 // how much of the rate is measured, 0 to 1: the start is not averaged with nothing
	base    Sample  // first sample of the stage
}

// memory is the time in which an old rate loses all but 1/e of its say.
const memory = 8 * time.Second

// Add takes a sample. A later stage starts the measurement anew; rows found done
// already (a resumed job) are in its first sample and are not speed.
func (m *Meter) Add(s Sample) {
	if !m.started || s.Stage != m.last.Stage || s.RowsDone < m.last.RowsDone {
		*m = Meter{last: s, base: s, started: true}
		return
	}
	dt := (s.Elapsed - m.last.Elapsed).Seconds()
	if dt <= 0 {
		m.last.TasksDone, m.last.TasksTotal, m.last.TasksRunning = s.TasksDone, s.TasksTotal, s.TasksRunning
		return
	}
	keep := math.Exp(-dt / memory.Seconds())
	now := float64(s.RowsDone-m.last.RowsDone) / dt
	m.rate = keep*m.rate + (1-keep)*now
	m.weight = keep*m.weight + (1 - keep)
	m.last = s
}

// RowsPerSecond returns the smoothed rate, 0 before two samples.
func (m *Meter) RowsPerSecond() float64 {
	if m.weight == 0 {
		return 0
	}
	return m.rate / m.weight
}

// Left estimates the time the stage still takes; ok is false while there is
// nothing to go by: less than two seconds measured, or no row done.
func (m *Meter) Left() (left time.Duration, ok bool) {
	rate := m.RowsPerSecond()
	if m.last.RowsTotal == 0 || m.last.Elapsed-m.base.Elapsed < 2*time.Second || rate <= 0 {
		return 0, false
	}
	seconds := float64(m.last.RowsTotal-m.last.RowsDone) / rate
	if seconds > (1000 * time.Hour).Seconds() {
		return 0, false // stalled: no number is better than a silly one
	}
	return max(0, time.Duration(seconds*float64(time.Second))), true
}

// roundLeft says an estimate as exactly as it deserves.
func roundLeft(d time.Duration) time.Duration {
	switch {
	case d < 20*time.Second:
		return d.Round(time.Second)
	case d < 2*time.Minute:
		return d.Round(5 * time.Second)
	case d < time.Hour:
		return d.Round(time.Minute / 2)
	}
	return d.Round(5 * time.Minute)
}

// share returns the part done, 0 to 1. It is 1 only when every row is.
func (s Sample) share() float64 {
	switch {
	case s.RowsTotal > 0:
		return min(1, float64(s.RowsDone)/float64(s.RowsTotal))
	case s.TasksTotal > 0:
		return float64(s.TasksDone) / float64(s.TasksTotal)
	}
	return 0
}

// Bar renders the line for a terminal of that many columns, without a newline:
//
//	score  63% ━━━━━━━╺─── 189.2M/300.0M rows · 4.1M rows/s · 756/1200 partitions · ETA 00:27
//
// What does not fit is left out: the bar first, then the figures, the ETA last.
func (m *Meter) Bar(columns int) string {
	s := m.last
	head := s.Stage
	if s.RowsTotal > 0 || s.TasksTotal > 0 {
		head = fmt.Sprintf("%s %3d%%", s.Stage, int(100*s.share()))
	}
	var parts []string
	switch {
	case s.RowsTotal > 0:
		parts = append(parts, fmt.Sprintf("%s/%s rows", short(float64(s.RowsDone)), short(float64(s.RowsTotal))))
	case s.RowsDone > 0:
		parts = append(parts, short(float64(s.RowsDone))+" rows")
	}
	if rate := m.RowsPerSecond(); rate > 0 {
		parts = append(parts, short(rate)+" rows/s")
	}
	if s.TasksTotal > 0 {
		parts = append(parts, fmt.Sprintf("%d/%d partitions", s.TasksDone, s.TasksTotal))
	}
	if left, ok := m.Left(); ok {
		parts = append(parts, "ETA "+clock(roundLeft(left)))
	} else {
		parts = append(parts, clock(s.Elapsed))
	}
	for {
		tail := strings.Join(parts, " · ")
		line := head + " " + tail
		room := columns - 1 - utf8.RuneCountInString(line) - 1
		if room >= 8 {
			return head + " " + gauge(s.share(), min(room, 30)) + " " + tail
		}
		if room >= -1 || len(parts) == 1 {
			return clip(line, columns-1)
		}
		parts = append(parts[:len(parts)-2], parts[len(parts)-1])
	}
}

// gauge draws a share of width cells.
func gauge(share float64, width int) string {
	full := int(share * float64(width))
	return strings.Repeat("━", full) + strings.Repeat("─", width-full)
}

func clip(s string, columns int) string {
	r := []rune(s)
	return string(r[:max(0, min(len(r), columns))])
}

// line is one sample as a program reads it.
type line struct {
	Type            string   `json:"type"` // progress
	Stage           string   `json:"stage"`
	Share           float64  `json:"share"` // 0 to 1
	Rows            int64    `json:"rows"`
	RowsTotal       int64    `json:"rows_total"` // 0 until known
	RowsPerSecond   float64  `json:"rows_per_second"`
	Partitions      int      `json:"partitions"`
	PartitionsTotal int      `json:"partitions_total"`
	Running         int      `json:"running"`
	Elapsed         float64  `json:"elapsed_seconds"`
	Left            *float64 `json:"eta_seconds"` // null until there is an estimate
}

// JSON renders the line for programs, without a newline.
func (m *Meter) JSON() string {
	s := m.last
	l := line{
		Type: "progress", Stage: s.Stage, Share: math.Floor(s.share()*1e4) / 1e4,
		Rows: s.RowsDone, RowsTotal: s.RowsTotal, RowsPerSecond: math.Round(m.RowsPerSecond()),
		Partitions: s.TasksDone, PartitionsTotal: s.TasksTotal, Running: s.TasksRunning,
		Elapsed: math.Round(s.Elapsed.Seconds()*10) / 10,
	}
	if left, ok := m.Left(); ok {
		seconds := math.Round(left.Seconds())
		l.Left = &seconds
	}
	b, err := json.Marshal(l)
	if err != nil {
		panic(fmt.Sprintf("progress: write a line: %v", err)) // finite numbers and text only
	}
	return string(b)
}

// short writes a count with three or four digits: 987, 45.1k, 189.2M.
func short(f float64) string {
	for _, unit := range []struct {
		size float64
		mark string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if f >= unit.size*0.99995 {
			return fmt.Sprintf("%.1f%s", f/unit.size, unit.mark)
		}
	}
	return fmt.Sprintf("%.0f", f)
}

// clock writes a duration as 00:27 or 1:05:00.
func clock(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}
