package coordinator

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
	"rescore/partition/wire"
)

// verdict is what a worker said last of a job that it cannot work on.
type verdict struct {
	reason string
	at     time.Time
}

// unfitAgain is for how long a worker is not offered a job that it was unfit for. Then
// it looks again: the mount that it lacked may be back.
const unfitAgain = time.Minute

// unfitTold is how many reasons are told of a job that no worker can work on.
const unfitTold = 3

// judged notes which jobs a worker can work on, and which not: a worker that is unfit
// says so once, and may be ready later; t.mu is held.
func (t *Term) judged(r wire.WorkRequest, now time.Time) {
	for _, id := range r.Ready {
		delete(t.unfit[id], r.Worker)
	}
	for _, u := range r.Unfit {
		said := t.unfit[u.Job]
		if said == nil {
			said = map[string]verdict{}
			t.unfit[u.Job] = said
		}
		if said[r.Worker].reason != u.Reason {
			t.cfg.Log.Error("worker is unfit for job", "worker", r.Worker, "job", u.Job, "reason", u.Reason)
		}
		said[r.Worker] = verdict{u.Reason, now}
	}
}

// settled returns the jobs that a worker need not be offered: those it is ready for, and
// those it was unfit for just now; t.mu is held.
func (t *Term) settled(r wire.WorkRequest, now time.Time) []job.ID {
	ids := slices.Clip(r.Ready)
	for id, said := range t.unfit {
		if v, ok := said[r.Worker]; ok && now.Sub(v.at) < unfitAgain {
			ids = append(ids, id)
		}
	}
	return ids
}

// hopeless fails the jobs that have work of which every worker that is alive said that
// it cannot do it. Until this leader has led for the TTL of a lease there may be others.
// What was said of such a job is forgotten: brought back, it is offered to all again.
// t.mu is held.
func (t *Term) hopeless(s *ledger.State, now time.Time) (fails []ledger.Command) {
	ttl := t.cfg.Lease.WithDefaults().TTL
	if len(t.unfit) == 0 || !t.cfg.Alone && now.Sub(t.began) <= ttl {
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(t.unfit)) {
		if !waits(s.Job(id)) {
			continue
		}
		said := t.unfit[id]
		alive := 0
		for worker, w := range t.workers {
			if now.Sub(w.Heard) > ttl {
				continue
			}
			if _, unfit := said[worker]; !unfit {
				alive = 0
				break
			}
			alive++
		}
		if alive > 0 {
			reason := reasonOf(said)
			t.cfg.Log.Error("job fails: no worker can work on it", "job", id, "workers", alive, "reason", reason)
			fails = append(fails, ledger.FailJob{Job: id, Reason: reason})
			delete(t.unfit, id)
		}
	}
	return fails
}

// waits reports whether a job has tasks to be given to somebody.
func waits(j *ledger.Job) bool {
	if j == nil || j.State != job.Running || j.Paused != nil {
		return false
	}
	at := j.Stage()
	return at < len(j.Stages) && j.Stages[at].Totals().Waiting > 0
}

// reasonOf tells why nobody can work on a job: the only reason there is, or the first
// ones with who said them first.
func reasonOf(said map[string]verdict) string {
	workers := slices.SortedFunc(maps.Keys(said), func(a, b string) int {
		return cmp.Or(said[a].at.Compare(said[b].at), cmp.Compare(a, b))
	})
	var reasons, lines []string
	for _, worker := range workers {
		if reason := said[worker].reason; !slices.Contains(reasons, reason) {
			reasons, lines = append(reasons, reason), append(lines, worker+": "+reason)
		}
	}
	if len(reasons) == 1 {
		return reasons[0]
	}
	if len(lines) > unfitTold {
		lines = append(lines[:unfitTold], "…")
	}
	return wire.Cut(fmt.Sprintf("none of %d workers can work on it; %s", len(workers), strings.Join(lines, "; ")))
}

// forget drops what was said of jobs that are over, and by workers that are long gone;
// t.mu is held.
func (t *Term) forget(s *ledger.State) {
	for id, said := range t.unfit {
		maps.DeleteFunc(said, func(worker string, _ verdict) bool { return t.workers[worker] == nil })
		if j := s.Job(id); len(said) == 0 || j == nil || j.State.Over() {
			delete(t.unfit, id)
		}
	}
}

// unfitFor returns the jobs that a worker cannot work on, by ID; t.mu is held.
func (t *Term) unfitFor(worker string) (list []wire.Unfit) {
	for _, id := range slices.Sorted(maps.Keys(t.unfit)) {
		if v, ok := t.unfit[id][worker]; ok {
			list = append(list, wire.Unfit{Job: id, Reason: v.reason})
		}
	}
	return list
}
