package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"rescore/coordinator/ledger"
	"rescore/coordinator/plan"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store/address"
	"rescore/partition/wire"
)

// Rerun is the body of a rerun: what of a version, or of a job that failed, is to be
// done again.
type Rerun struct {
	Dataset string `json:"dataset,omitempty"` // whose version it stands on
	Version string `json:"version,omitempty"` // "" = the current one
	// Job, in the dataset's place, is a job that did not end well: what it has not done
	// is done, which is a retry of it.
	Job job.ID `json:"job,omitempty"`

	// Ranges, Segments and Cities say what; none of them stands for everything.
	Ranges   []partition.Range   `json:"ranges,omitempty"`   // by segments, 1380013-1380096
	Segments []partition.Segment `json:"segments,omitempty"` // seven digits
	Cities   []uint32            `json:"cities,omitempty"`   // city codes

	// Spec is another model or other rules, canonical; nothing = as the version was made.
	// Base is its folder.
	Spec json.RawMessage `json:"spec,omitempty"`
	Base string          `json:"base,omitempty"`

	Priority int  `json:"priority,omitempty"` // 1 to 9; 0 = 5
	Apply    bool `json:"apply"`              // false: say what would be done, and do nothing
	List     bool `json:"list,omitempty"`     // name the partitions
}

// Rerunning answers a Rerun.
type Rerunning struct {
	plan.Preview
	Count int `json:"count"` // partitions that are scored again
	Slots int `json:"slots"` // tasks that the workers here do at once
	// WallSeconds is how long it takes with the workers that are here now, by what the
	// same work took; null with none.
	WallSeconds *float64 `json:"wall_seconds"`
	Rerun       job.ID   `json:"rerun"` // the job that does it
	Applied     bool     `json:"applied"`
	New         bool     `json:"new"`   // false: that job was there
	State       string   `json:"state"` // of that job; "" when it is not there
}

// listMax is how many ranges and segments a rerun may name: they go into the ledger.
const listMax = 4096

// rerun says what doing something again takes, and does it when it is told to.
func (h *Handler) rerun(r *http.Request) (any, error) {
	var q Rerun
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	who, err := userOf(r)
	if err != nil {
		return nil, err
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	if q.Job != "" {
		return h.redo(r, q, who)
	}
	base, err := h.baseOf(q)
	if err != nil {
		return nil, err
	}
	was, err := job.ParseCanonical(base.Spec)
	if err != nil {
		return nil, fmt.Errorf("job %s was submitted to another release: %w", base.ID, err)
	}
	if was.Prepares() {
		return nil, Error{Code: Conflict, Message: "version " + base.Version.ID + " is a prepared base, and none stands on another", Hint: "mend the exports and submit the preparation again"}
	}
	spec, folder := was, base.SpecBase
	if len(q.Spec) > 0 {
		if spec, err = (Submission{Spec: q.Spec, Base: q.Base, MaxAttempts: 1}).check(); err != nil {
			return nil, err
		}
		folder = q.Base
		if why := spec.Beside(was); why != "" {
			return nil, Error{Code: Conflict, Message: "the job cannot stand on version " + base.Version.ID + ": " + why, Hint: "submit it as a job of its own"}
		}
		if place(spec, folder) != place(was, base.SpecBase) {
			return nil, Error{Code: Conflict, Message: "the job publishes to another folder than version " + base.Version.ID + " lies in", Hint: "give it the same output.path"}
		}
	}
	ctx := r.Context()
	found, err := h.cfg.Check(ctx, wire.CheckRequest{Spec: spec.Canonical(), SpecBase: folder, Cities: q.Cities})
	if err != nil {
		return nil, err
	}
	if found.Problem != "" {
		return nil, Error{Code: Failure, Message: found.Problem, Hint: "a worker looked at what the job names; mend it and ask again"}
	}
	want := plan.Want{Ranges: slices.Concat(q.Ranges, plan.Segments(q.Segments), plan.Segments(found.Segments))}
	if len(q.Cities) > 0 && len(found.Segments) == 0 {
		return nil, Error{Code: NotFound, Message: "nobody in the base lives in the cities named", Hint: "cities are named by the codes that the input has"}
	}
	answer, err := h.preview(base, want, q.List)
	if err != nil {
		return nil, err
	}
	answer.Rerun = job.RerunID(found.Job, base.Version.ID, answer.Again)
	if !q.Apply {
		_ = h.see(answer.Rerun, func(j *ledger.Job) { answer.State = j.State.String() }) // none is the usual answer
		return answer, nil
	}
	epoch, err := h.claim(ctx, spec, folder)
	if err != nil {
		return nil, err
	}
	reply, err := h.cfg.Node.Propose(ctx, ledger.Submit{
		Job: answer.Rerun, Name: spec.Name, Spec: spec.Canonical(), SpecDigest: spec.Digest(), SpecBase: folder,
		Epoch: epoch, Stages: spec.Stages(), MaxAttempts: base.MaxAttempts, PartitionRows: base.PartitionRows,
		Priority: q.Priority, Base: base.Version.ID, Again: answer.Again, Who: who,
	})
	if err != nil {
		return nil, err
	}
	there := reply.(ledger.SubmitReply)
	h.cfg.Log.Info("rerun", "job", answer.Rerun, "base", base.Version.ID, "who", who)
	answer.Applied, answer.New, answer.State = true, there.New, there.State.String()
	return answer, nil
}

// redo is a rerun of what a job has not done.
func (h *Handler) redo(r *http.Request, q Rerun, who string) (any, error) {
	var j *ledger.Job
	if err := h.see(q.Job, func(found *ledger.Job) { j = found.Clone() }); err != nil {
		return nil, err
	}
	answer, err := h.preview(j, plan.Want{Failed: true}, q.List)
	if err != nil {
		return nil, err
	}
	answer.Rerun, answer.State = j.ID, j.State.String()
	if !q.Apply {
		return answer, nil
	}
	cmd, err := h.retryOf(r.Context(), j, 0)
	if err != nil {
		return nil, err
	}
	reply, err := h.cfg.Node.Propose(r.Context(), cmd)
	if err != nil {
		return nil, err
	}
	h.cfg.Log.Info("job changed", "job", j.ID, "command", cmd.Kind().String(), "who", who)
	answer.Applied, answer.State = true, reply.(ledger.RetryReply).State.String()
	return answer, nil
}

// check returns an error unless the request says what is to be done again.
func (q Rerun) check() error {
	switch {
	case (q.Job != "") == (q.Dataset != ""):
		return usagef("name a dataset whose version is done again, or a job that failed", "the request names neither a dataset nor a job, or both")
	case q.Job != "" && !jobShape().MatchString(string(q.Job)):
		return usagef("a job is named like 202610-0123456789ab", "the request names no job")
	case q.Job != "" && len(q.Ranges)+len(q.Segments)+len(q.Cities)+len(q.Spec)+len(q.Version) > 0:
		return usagef("a retry does what the job has not done, as it was submitted", "a job that failed is done again as a whole")
	case q.Dataset != "" && !datasetShape().MatchString(q.Dataset):
		return usagef("a dataset is named by name: in its job file", "the request names no dataset")
	case q.Priority < 0 || q.Priority > 9:
		return usagef("a priority is 1 to 9; 5 is the default", "a rerun of priority %d", q.Priority)
	case len(q.Ranges)+len(q.Segments) > listMax || len(q.Cities) > wire.CitiesMax:
		return usagef("join them to ranges", "the request names %d ranges and segments and %d cities", len(q.Ranges)+len(q.Segments), len(q.Cities))
	}
	for _, s := range q.Segments {
		if !s.First().Valid() {
			return usagef("a segment is the first seven digits of numbers, such as 1380013", "the request names a segment that is none")
		}
	}
	if q.Version != "" {
		return checkVersion(q.Version)
	}
	return nil
}

// baseOf returns the job whose version a rerun stands on.
func (h *Handler) baseOf(q Rerun) (*ledger.Job, error) {
	var base *ledger.Job
	version := q.Version
	h.cfg.Node.View(func(s *ledger.State) {
		if version == "" {
			current, _ := s.Current(q.Dataset)
			version = current.ID
		}
		for _, v := range s.Versions(q.Dataset) {
			if v.ID == version {
				base = s.Job(v.Job).Clone()
			}
		}
	})
	if base == nil {
		return nil, noVersion(q.Dataset, version)
	}
	return base, nil
}

// preview works out what it takes, with the workers that are here.
func (h *Handler) preview(j *ledger.Job, want plan.Want, list bool) (Rerunning, error) {
	p, err := plan.NewPreview(j, want)
	if err != nil {
		return Rerunning{}, err
	}
	a := Rerunning{Preview: p, Count: len(p.Partitions)}
	for _, w := range h.cfg.Node.Workers() {
		if !w.Draining {
			a.Slots += w.Slots
		}
	}
	if at := min(a.Slots, a.Count); at > 0 {
		seconds := p.Seconds / float64(at)
		a.WallSeconds = &seconds
	}
	if !list {
		a.Partitions = nil
	}
	return a, nil
}

// place is the folder that a job publishes to.
func place(spec job.Spec, base string) string {
	return address.Resolve(base, spec.Output.Path)
}
