// Package capacity turns what was measured of one machine into what a base will
// take: arithmetic, and nothing else. It assumes what it says in Assumptions, and
// leaves what it cannot know (a network, a store, a neighbour) to a reserve.
package capacity

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Run is what one number of workers took for the measured base.
type Run struct {
	Workers      int     `json:"workers"`
	Seconds      float64 `json:"seconds"`
	CPUSeconds   float64 `json:"cpu_seconds"`
	MaxRSS       int64   `json:"max_rss_bytes"`
	BytesRead    int64   `json:"bytes_read"`
	BytesWritten int64   `json:"bytes_written"`
}

// Measured is a job that was measured on one machine.
type Measured struct {
	Host        string `json:"host"`
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	Memory      int64  `json:"memory_bytes"`
	Rescore     string `json:"rescore"`
	At          string `json:"measured"`     // when, RFC 3339
	Model       string `json:"model"`        // as it was named
	ModelDigest string `json:"model_digest"` // SHA-256
	Record      string `json:"record"`       // full or narrow
	Subscribers int64  `json:"subscribers"`
	InputBytes  int64  `json:"input_bytes"`  // of the base
	OutputBytes int64  `json:"output_bytes"` // of the published version
	Runs        []Run  `json:"runs"`         // by workers
}

// Ask is what is wanted.
type Ask struct {
	Subscribers int64
	Deadline    float64 // seconds; 0: none, and Machines says how many there are
	Reserve     float64 // share of the deadline that is kept back, 0 up to but not 1
	Machines    int     // 0: as many as the deadline asks for
}

// Answer is what it takes. Bytes are of the whole job unless they are each machine's.
type Answer struct {
	Subscribers  int64   `json:"subscribers"`
	Machines     int     `json:"machines"`
	WorkersEach  int     `json:"workers_each"`
	Workers      int     `json:"workers"` // of all machines
	Seconds      float64 `json:"seconds"`
	Deadline     float64 `json:"deadline_seconds,omitempty"`
	Meets        bool    `json:"meets_deadline"` // reserve kept; true without a deadline
	CPUSeconds   float64 `json:"cpu_seconds"`
	MaxRSSEach   int64   `json:"max_rss_bytes_each"`
	InputBytes   int64   `json:"input_bytes"`
	OutputBytes  int64   `json:"output_bytes"`
	DiskBytes    int64   `json:"disk_bytes"` // free space that the output's disk needs: what is written, staging included
	BytesRead    int64   `json:"bytes_read"`
	BytesWritten int64   `json:"bytes_written"`
	ReadEach     float64 `json:"read_bytes_per_second_each"`
	WriteEach    float64 `json:"write_bytes_per_second_each"`

	Assumptions []string `json:"assumptions"`
}

// Mistakes in what is asked or was measured.
var (
	ErrAsk      = errors.New("cannot be worked out")
	ErrMeasured = errors.New("the figures cannot be used")
)

// Plan works out what a base takes.
func Plan(m Measured, a Ask) (Answer, error) {
	if err := m.check(); err != nil {
		return Answer{}, err
	}
	switch {
	case a.Subscribers < 1:
		return Answer{}, fmt.Errorf("%w: %d subscribers", ErrAsk, a.Subscribers)
	case !(a.Deadline >= 0) || math.IsInf(a.Deadline, 0):
		return Answer{}, fmt.Errorf("%w: a deadline of %v seconds", ErrAsk, a.Deadline)
	case !(a.Reserve >= 0 && a.Reserve < 1):
		return Answer{}, fmt.Errorf("%w: a reserve of %v", ErrAsk, a.Reserve)
	case a.Machines < 0:
		return Answer{}, fmt.Errorf("%w: %d machines", ErrAsk, a.Machines)
	}
	allowed := a.Deadline * (1 - a.Reserve)
	run, machines := m.best(), max(1, a.Machines)
	if a.Deadline > 0 && a.Machines == 0 {
		machines = ceil(m.scaled(run.Seconds, a.Subscribers) / allowed)
	}
	if a.Deadline > 0 { // the fewest workers that were measured and do
		for _, r := range m.byWorkers() {
			if m.scaled(r.Seconds, a.Subscribers)/float64(machines) <= allowed {
				run = r
				break
			}
		}
	}
	each := func(bytes int64) int64 { return int64(math.Ceil(m.scaled(float64(bytes), a.Subscribers))) }
	answer := Answer{
		Subscribers: a.Subscribers, Machines: machines, WorkersEach: run.Workers, Workers: machines * run.Workers,
		Seconds: m.scaled(run.Seconds, a.Subscribers) / float64(machines), Deadline: a.Deadline,
		CPUSeconds: m.scaled(run.CPUSeconds, a.Subscribers), MaxRSSEach: run.MaxRSS,
		InputBytes: each(m.InputBytes), OutputBytes: each(m.OutputBytes), DiskBytes: each(run.BytesWritten),
		BytesRead: each(run.BytesRead), BytesWritten: each(run.BytesWritten),
	}
	answer.Meets = a.Deadline == 0 || answer.Seconds <= allowed
	answer.ReadEach = float64(answer.BytesRead) / float64(machines) / answer.Seconds
	answer.WriteEach = float64(answer.BytesWritten) / float64(machines) / answer.Seconds
	answer.Assumptions = assumptions(m, a, answer)
	return answer, nil
}

func assumptions(m Measured, a Ask, answer Answer) []string {
	list := []string{
		fmt.Sprintf("measured %s with rescore %s on %s (%s, %d cores): %d subscribers, record %s, model %s", m.At, m.Rescore, m.Host, m.CPU, m.Cores, m.Subscribers, m.Record, m.Model),
		fmt.Sprintf("a row costs the same in a base of %.4g times that size, and has as many bytes", float64(a.Subscribers)/float64(m.Subscribers)),
		"memory does not grow with the base: a worker holds one partition's batches",
		"files come as fast as when it was measured, from the page cache if the measured base fitted in it; the bytes a second below are what each machine's disk and network must give",
	}
	if answer.Machines > 1 {
		list = append(list, fmt.Sprintf("%d machines like this one do %d times its work: partitions are shared out, and the coordinators' own work is on other cores", answer.Machines, answer.Machines))
	}
	if a.Deadline > 0 {
		list = append(list, fmt.Sprintf("%.0f %% of the deadline is kept back for machines that die, stragglers and neighbours", 100*a.Reserve))
	}
	return list
}

// Expect says how long a base of so many rows takes with so many workers on the
// machine that was measured. It answers for numbers of workers that were measured,
// and no others.
func Expect(m Measured, rows int64, workers int) (seconds float64, ok bool) {
	if m.check() != nil || rows < 1 {
		return 0, false
	}
	for _, r := range m.Runs {
		if r.Workers == workers {
			return m.scaled(r.Seconds, rows), true
		}
	}
	return 0, false
}

// Efficiency is how much of the speed of so many single workers a run has: 1 is all.
// ok is false when no single worker was measured.
func Efficiency(runs []Run, r Run) (e float64, ok bool) {
	for _, one := range runs {
		if one.Workers == 1 && r.Workers > 0 && r.Seconds > 0 {
			return one.Seconds / r.Seconds / float64(r.Workers), true
		}
	}
	return 0, false
}

func (m Measured) check() error {
	if m.Subscribers < 1 || len(m.Runs) == 0 {
		return fmt.Errorf("%w: %d subscribers in %d runs", ErrMeasured, m.Subscribers, len(m.Runs))
	}
	for _, r := range m.Runs {
		if r.Workers < 1 || !(r.Seconds > 0) || math.IsInf(r.Seconds, 0) || r.BytesRead < 0 || r.BytesWritten < 0 || r.MaxRSS < 0 {
			return fmt.Errorf("%w: %d workers took %v seconds", ErrMeasured, r.Workers, r.Seconds)
		}
	}
	return nil
}

// scaled takes a figure of the measured base to another size.
func (m Measured) scaled(figure float64, rows int64) float64 {
	return figure * float64(rows) / float64(m.Subscribers)
}

// best is the run that took least time.
func (m Measured) best() Run {
	return slices.MinFunc(m.Runs, func(a, b Run) int {
		return cmp.Or(cmp.Compare(a.Seconds, b.Seconds), cmp.Compare(a.Workers, b.Workers))
	})
}

func (m Measured) byWorkers() []Run {
	return slices.SortedFunc(slices.Values(m.Runs), func(a, b Run) int { return cmp.Compare(a.Workers, b.Workers) })
}

// ceil rounds up, and not for what is an error of rounding.
func ceil(x float64) int {
	return int(max(1, math.Ceil(math.Min(x, math.MaxInt32)*(1-1e-12))))
}
