package lease

import (
	"slices"
	"time"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
)

// Book is what one leader has heard and given since it began to lead. It is not safe
// for concurrent use.
type Book struct {
	since  time.Time
	leases map[ledger.Lease]entry
	spans  map[stageRef]spans
	passes map[job.ID]float64 // of the jobs that wait
}

// entry is what is known of one lease.
type entry struct {
	granted time.Time // zero when an earlier leader granted it
	heard   time.Time
}

type stageRef struct {
	job   job.ID
	stage int
}

// spans are how long the last attempts of a stage took, in no order.
type spans []time.Duration

const (
	spansMin = 3 // fewer have no median to go by
	spansMax = 64
)

// NewBook begins the book of a leader that leads since then.
func NewBook(since time.Time) *Book {
	return &Book{since: since, leases: map[ledger.Lease]entry{}, spans: map[stageRef]spans{}, passes: map[job.ID]float64{}}
}

// Granted notes a lease that the ledger has since just now, and counts its task
// against its job.
func (b *Book) Granted(st *ledger.State, l ledger.Lease, at time.Time) {
	b.leases[l] = entry{granted: at, heard: at}
	j := st.Job(l.Job)
	b.passes[l.Job] = b.passOf(l.Job) + cost(j, &j.Stages[l.Stage].Tasks[l.Task])
}

// Heard notes that a lease was named in a heartbeat. A time before the last one is
// ignored.
func (b *Book) Heard(l ledger.Lease, at time.Time) {
	if e := b.leases[l]; at.After(e.heard) {
		e.heard = at
		b.leases[l] = e
	}
}

// Done notes that a lease completed its task.
func (b *Book) Done(l ledger.Lease, at time.Time) {
	e := b.leases[l]
	if e.granted.IsZero() {
		return // how long it took, an earlier leader knows
	}
	ref := stageRef{l.Job, l.Stage}
	list := append(b.spans[ref], at.Sub(e.granted))
	b.spans[ref] = list[max(0, len(list)-spansMax):]
	delete(b.leases, l)
}

// Forget drops what is no longer leased, the spans of stages that are over and the
// passes of jobs that wait for nothing, so that a book is as large as the work in
// flight.
func (b *Book) Forget(st *ledger.State) {
	for l := range b.leases {
		if !Current(st, l) {
			delete(b.leases, l)
		}
	}
	stages, waits := map[stageRef]bool{}, map[job.ID]bool{}
	for j, s := range running(st) {
		stages[stageRef{j.ID, s}] = true
		waits[j.ID] = j.Stages[s].Totals().Waiting > 0
	}
	for ref := range b.spans {
		if !stages[ref] {
			delete(b.spans, ref)
		}
	}
	for id := range b.passes {
		if !waits[id] {
			delete(b.passes, id)
		}
	}
}

// trusted returns the time until which a lease is left alone.
func (b *Book) trusted(l ledger.Lease, ttl time.Duration) time.Time {
	last := b.since
	if heard := b.leases[l].heard; heard.After(last) {
		last = heard
	}
	return last.Add(ttl)
}

// begun returns when a lease was granted, as far as this leader knows.
func (b *Book) begun(l ledger.Lease) time.Time {
	if e := b.leases[l]; !e.granted.IsZero() {
		return e.granted
	}
	return b.since
}

// median returns how long a stage's tasks take, when enough of them are done.
func (b *Book) median(ref stageRef) (time.Duration, bool) {
	list := b.spans[ref]
	if len(list) < spansMin {
		return 0, false
	}
	return slices.Sorted(slices.Values(list))[len(list)/2], true
}

// Enter lets every job that began to wait stand in line: at the smallest pass, for it
// owes nothing and nothing is owed to it.
func (b *Book) Enter(st *ledger.State) {
	least := b.least()
	for j, s := range running(st) {
		if _, known := b.passes[j.ID]; !known && j.Stages[s].Totals().Waiting > 0 {
			b.passes[j.ID] = least
		}
	}
}

// passOf returns a job's pass.
func (b *Book) passOf(id job.ID) float64 {
	if pass, ok := b.passes[id]; ok {
		return pass
	}
	return b.least()
}

// least returns the smallest pass, 0 when nobody has one.
func (b *Book) least() float64 {
	least, some := 0.0, false
	for _, pass := range b.passes {
		if !some || pass < least {
			least, some = pass, true
		}
	}
	return least
}
