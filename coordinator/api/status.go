package api

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
)

// shownMax is how many quarantined tasks a status names.
const shownMax = 100

// pageMax is how many tasks a page holds at most.
const pageMax = 1000

// status says where a job stands.
func (h *Handler) status(r *http.Request) (any, error) {
	id, err := jobIn(r)
	if err != nil {
		return nil, err
	}
	ask, err := pageAsked(r.URL.Query())
	if err != nil {
		return nil, err
	}
	s, err := h.statusOf(id, ask)
	return s, err
}

// statusOf reads a job's status; ask is nil where no tasks are asked for.
func (h *Handler) statusOf(id job.ID, ask *asked) (Status, error) {
	var s Status
	var stage int
	var facts specFacts
	err := h.see(id, func(j *ledger.Job) {
		s = statusIn(j)
		stage = j.Stage()
		facts = specFacts{spec: j.Spec, base: j.SpecBase, planned: j.Score().Planned, files: j.Facts.Files, tally: j.Totals().Tally}
		if j.State == job.Published {
			version := *j.Version
			facts.version = &version
		}
		if ask != nil {
			s.Page = ask.page(j)
		}
	})
	if err != nil {
		return s, err
	}
	s.RowsInFlight, _ = h.cfg.Node.InFlight(id, stage)
	for _, w := range h.cfg.Node.Workers() {
		for _, u := range unfitIn(w) {
			if u.Job == id {
				s.Unfit = append(s.Unfit, u)
			}
		}
	}
	s.estimate()
	facts.fill(&s)
	return s, nil
}

// lineOf is a job's line in the list.
func lineOf(j *ledger.Job) Job {
	line := Job{
		Job: j.ID, Dataset: j.Name, State: j.State.String(), Stage: "publish", Paused: j.Paused != nil, Priority: cmp.Or(j.Priority, ledger.PriorityDefault),
		Submitter: j.Who, Base: j.Base,
	}
	at := j.Stage()
	var t ledger.Totals
	if at < len(j.Stages) {
		line.Stage = j.Stages[at].Kind.String()
		t = j.Stages[at].Totals()
	} else {
		t = j.Score().Totals()
	}
	line.Tasks, line.Done, line.Running, line.Quarantine = t.Tasks, t.Done, t.Leased, t.Failed
	line.Rows, line.RowsDone = t.PlannedRows, t.DoneRows
	if j.Version != nil {
		line.Version = j.Version.ID
	}
	return line
}

// statusIn takes what the ledger knows of a job: its maintained sums, its leases, and
// the tasks in quarantine where there are any.
func statusIn(j *ledger.Job) Status {
	s := Status{Job: lineOf(j), Stages: []Stage{}, Counts: j.Totals().Counts, Workers: []AtWork{}, Failure: j.FailReason, FailIndex: j.FailIndex}
	for i := range j.Stages {
		st := &j.Stages[i]
		t := st.Totals()
		stage := Stage{
			Stage: st.Kind.String(), Planned: st.Planned, Tasks: t.Tasks, Waiting: t.Waiting, Leased: t.Leased, Done: t.Done,
			Quarantined: t.Failed, Kept: t.Kept, Rows: t.PlannedRows, RowsDone: t.DoneRows, Seconds: t.Timing.Seconds(),
		}
		s.Stages = append(s.Stages, stage)
		s.Workers = atWork(s.Workers, st)
		s.Quarantined = quarantined(s.Quarantined, st)
	}
	slices.SortFunc(s.Workers, func(a, b AtWork) int {
		return cmp.Or(cmp.Compare(b.Tasks, a.Tasks), cmp.Compare(a.Worker, b.Worker))
	})
	if j.Held != nil {
		s.Held = &Refusal{Reason: j.Held.Reason, Figures: []Figure{}}
		for _, f := range j.Held.Figures {
			s.Held.Figures = append(s.Held.Figures, Figure(f))
		}
	}
	if j.Released != nil {
		s.Released = &Note{Who: j.Released.Who, Reason: j.Released.Reason}
	}
	if j.Paused != nil {
		s.Pausing = &Note{Who: j.Paused.Who}
	}
	for _, r := range j.Again {
		s.Again = append(s.Again, r.String())
	}
	for _, i := range j.Incidents {
		s.Incidents = append(s.Incidents, Incident{Stage: j.Stages[i.Stage].Kind.String(), Task: i.Task, Winner: i.Winner, Loser: i.Loser, What: i.What})
	}
	return s
}

// atWork adds the workers that hold leases of a stage.
func atWork(list []AtWork, st *ledger.Stage) []AtWork {
	at := map[string]int{}
	for t := range st.Leased() {
		at[st.Tasks[t].Worker]++
		if second := st.Tasks[t].Second; second != nil {
			at[second.Worker]++
		}
	}
	for worker, tasks := range at { // sorted by the caller
		list = append(list, AtWork{Worker: worker, Tasks: tasks})
	}
	return list
}

// quarantined adds a stage's tasks that are out of attempts, up to shownMax.
func quarantined(list []Task, st *ledger.Stage) []Task {
	for i := range st.Failed() {
		if len(list) == shownMax {
			break
		}
		list = append(list, taskOf(st, i))
	}
	return list
}

func taskOf(st *ledger.Stage, i int) Task {
	t := &st.Tasks[i]
	line := Task{
		Stage: st.Kind.String(), Task: i, Range: t.Range.String(), Rows: t.Rows, State: stateName(t.State), Worker: t.Worker,
		Attempts: t.Attempts, Failures: t.Failures, Silences: t.Silences, Reason: t.Reason, From: t.From,
	}
	if t.Second != nil && t.State == ledger.Leased {
		line.Second = t.Second.Worker
	}
	return line
}

// stateName is a task's state as people know it.
func stateName(s ledger.TaskState) string {
	if s == ledger.Failed {
		return "quarantined"
	}
	return s.String()
}

// estimate works out how fast the stage goes and when it will be done: what a task
// got through in a second of one core, times the tasks at work. It needs no memory of
// the past, so it is the same whoever leads.
func (s *Status) estimate() {
	for _, st := range s.Stages {
		if st.Stage != s.Stage || st.Seconds <= 0 || st.RowsDone == 0 {
			continue
		}
		s.RowsPerSecond = float64(st.RowsDone) / st.Seconds * float64(st.Leased)
		if s.RowsPerSecond > 0 {
			eta := float64(max(0, st.Rows-st.RowsDone-s.RowsInFlight)) / s.RowsPerSecond
			s.ETA = &eta
		}
	}
}

// specFacts is what of a job's status takes reading its spec, which is done
// outside the view.
type specFacts struct {
	spec    []byte
	base    string
	planned bool            // files are all there will be
	files   []job.InputFile // of the input; the ledger adds some, and changes none
	version *ledger.Version // nil until it is published
	tally   job.Tally
}

func (f specFacts) fill(s *Status) {
	m := madeOf(f.spec, f.base, f.version)
	s.Month, s.MissingMonths = m.spec.Month, f.missing(m.spec)
	if v := f.version; v != nil {
		s.Result = &Result{Version: v.ID, Path: m.path, Digest: m.digest, Manifest: v.ManifestDigest, Rows: v.Counts, Seconds: v.Seconds, Tally: f.tally}
	}
}

// missing returns what Status.MissingMonths is to be.
func (f specFacts) missing(spec job.Spec) []int32 {
	months := spec.MissingMonths(f.files)
	if len(months) > 0 && !f.planned || spec.Month == 0 {
		return nil // their files may come yet; or it is a spec of another release
	}
	return append([]int32{}, months...)
}

// asked is which tasks a client wants to see.
type asked struct {
	stage string // "" = the one at work
	state string // "" = all
	from  int
	limit int
}

// pageAsked reads ?tasks=1&stage=score&state=leased&from=0&limit=100.
func pageAsked(q url.Values) (*asked, error) {
	if q.Get("tasks") == "" {
		return nil, nil
	}
	a := &asked{stage: q.Get("stage"), state: q.Get("state"), limit: 100}
	for name, into := range map[string]*int{"from": &a.from, "limit": &a.limit} {
		if text := q.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return nil, usagef("write a count", "the page's %s is no count", name)
			}
			*into = n
		}
	}
	if a.limit < 1 || a.limit > pageMax {
		return nil, usagef("ask for 1 to 1000 tasks and go on at next", "a page of %d tasks", a.limit)
	}
	if a.state != "" && !slices.Contains([]string{"waiting", "leased", "done", "quarantined"}, a.state) {
		return nil, usagef("write waiting, leased, done or quarantined", "there is no such state of a task")
	}
	if a.stage != "" && !slices.Contains([]string{"survey", "score", "select"}, a.stage) {
		return nil, usagef("write survey, score or select", "there is no such stage")
	}
	return a, nil
}

// page returns the tasks asked for.
func (a *asked) page(j *ledger.Job) *Page {
	p := &Page{Tasks: []Task{}}
	at := j.Stage()
	for i := range j.Stages {
		st := &j.Stages[i]
		if a.stage != "" && st.Kind.String() != a.stage || a.stage == "" && i != min(at, len(j.Stages)-1) {
			continue
		}
		for t := a.from; t < len(st.Tasks); t++ {
			if a.state != "" && stateName(st.Tasks[t].State) != a.state {
				continue
			}
			if len(p.Tasks) == a.limit {
				p.Next = t
				break
			}
			p.Tasks = append(p.Tasks, taskOf(st, t))
		}
	}
	return p
}
