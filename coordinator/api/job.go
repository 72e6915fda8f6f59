package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/partition/job"
	"rescore/partition/wire"
)

// submit brings a job into the ledger. Everything that can be wrong with it is said
// before: the spec by itself, what it names by a worker, whose folder it is by the
// output store.
func (h *Handler) submit(r *http.Request) (any, error) {
	var s Submission
	if err := decode(r, &s); err != nil {
		return nil, err
	}
	who, err := userOf(r)
	if err != nil {
		return nil, err
	}
	spec, err := s.check()
	if err != nil {
		return nil, err
	}
	if err := h.sameFolder(spec, s.Base); err != nil {
		return nil, err
	}
	ctx := r.Context()
	found, err := h.cfg.Check(ctx, wire.CheckRequest{Spec: spec.Canonical(), SpecBase: s.Base})
	if err != nil {
		return nil, err
	}
	if found.Problem != "" {
		return nil, Error{Code: Failure, Message: found.Problem, Hint: "a worker looked at what the job names; mend it and submit again"}
	}
	epoch, err := h.claim(ctx, spec, s.Base)
	if err != nil {
		return nil, err
	}
	reply, err := h.cfg.Node.Propose(ctx, ledger.Submit{
		Job: found.Job, Name: spec.Name, Spec: spec.Canonical(), SpecDigest: spec.Digest(), SpecBase: s.Base,
		Epoch: epoch, Stages: spec.Stages(), MaxAttempts: s.MaxAttempts,
		Priority: s.Priority, Who: who, PartitionRows: s.PartitionRows,
	})
	if errors.Is(err, ledger.ErrConflict) {
		return nil, Error{Code: Conflict, Message: "job " + string(found.Job) + " is there already, for another folder", Hint: "the same input, model and rules are the same job; submit it from the folder it was submitted from"}
	}
	if err != nil {
		return nil, err
	}
	there := reply.(ledger.SubmitReply)
	return Submitted{Job: found.Job, State: there.State.String(), New: there.New}, nil
}

// sameFolder returns an error when the dataset is published to another folder already:
// which version is current, and which can be gone back to, is of one folder.
func (h *Handler) sameFolder(spec job.Spec, base string) error {
	var other []byte
	var folder string
	h.cfg.Node.View(func(s *ledger.State) {
		for j := range s.Jobs() { // the newest stands for all before it
			if j.Name == spec.Name && j.State != job.Failed && j.State != job.Cancelled {
				other, folder = j.Spec, j.SpecBase
			}
		}
	})
	was, err := job.ParseCanonical(other)
	if other == nil || err != nil { // none, or of another release, whose folder nobody can tell
		return nil
	}
	if at := place(was, folder); at != place(spec, base) {
		return Error{Code: Conflict, Message: "dataset " + spec.Name + " is published to " + at, Hint: "give the job the same output.path, or another name"}
	}
	return nil
}

// check returns the spec, or everything that is wrong with what was sent.
func (s Submission) check() (job.Spec, error) {
	spec, err := job.ParseCanonical(s.Spec)
	if err != nil {
		return spec, usagef("submit it with the release of rescore that the cluster runs", "the job's spec cannot be read: %v", err)
	}
	spec.Run = job.Default().Run // not part of what is asked
	if problems := job.Validate(spec); len(problems) > 0 {
		return spec, Error{Code: Usage, Message: job.Problems(problems).Error(), Hint: "rescore config validate says what is wrong, with its place", Problems: problems}
	}
	switch {
	case !filepath.IsAbs(s.Base):
		return spec, usagef("send the absolute folder of the job file", "the job's base is no absolute path")
	case s.MaxAttempts < 1 || s.MaxAttempts > 100:
		return spec, usagef("run.max_attempts is 1 to 100", "a job of %d attempts a partition", s.MaxAttempts)
	case s.PartitionRows < 0 || s.PartitionRows > 1e9:
		return spec, usagef("run.partition_rows is 1 to 1000000000", "a job of %d rows a partition", s.PartitionRows)
	case s.Priority < 0 || s.Priority > 9:
		return spec, usagef("a priority is 1 to 9; 5 is the default", "a job of priority %d", s.Priority)
	}
	return spec, nil
}

// jobs lists every job, oldest first.
func (h *Handler) jobs(*http.Request) (any, error) {
	list := Jobs{Jobs: []Job{}}
	h.cfg.Node.View(func(s *ledger.State) {
		list.Index = s.Index()
		for j := range s.Jobs() {
			list.Jobs = append(list.Jobs, lineOf(j))
		}
	})
	return list, nil
}

// claim returns the epoch under which the ledger may publish a job.
func (h *Handler) claim(ctx context.Context, spec job.Spec, base string) (uint64, error) {
	name, err := h.name(ctx)
	if err != nil {
		return 0, err
	}
	out, err := h.cfg.Output(base, spec.Output.Path)
	if err != nil {
		return 0, err
	}
	return publish.Claim(ctx, out, spec.Name, name)
}

// name returns what the ledger is called, and gives it a name that no other has when
// nobody has named it.
func (h *Handler) name(ctx context.Context) (string, error) {
	name := ""
	h.cfg.Node.View(func(s *ledger.State) { name = s.Cluster() })
	if name != "" {
		return name, nil
	}
	reply, err := h.cfg.Node.Propose(ctx, ledger.Found{Cluster: strings.ToLower(rand.Text())})
	if err != nil {
		return "", err
	}
	return reply.(ledger.FoundReply).Cluster, nil // somebody else's, when that came first
}

// cancel ends a job that is not sealed.
func (h *Handler) cancel(r *http.Request) (any, error) {
	return h.change(r, true, func(j *ledger.Job, who string, c Change) (ledger.Command, error) {
		return ledger.Cancel{Job: j.ID, Who: who, Reason: c.Reason}, nil
	})
}

// pause stops a job's grants; leases in flight go on.
func (h *Handler) pause(r *http.Request) (any, error) {
	return h.change(r, false, func(j *ledger.Job, who string, _ Change) (ledger.Command, error) {
		return ledger.Pause{Job: j.ID, Who: who}, nil
	})
}

// resume lets a paused job go on.
func (h *Handler) resume(r *http.Request) (any, error) {
	return h.change(r, false, func(j *ledger.Job, who string, _ Change) (ledger.Command, error) {
		return ledger.Resume{Job: j.ID, Who: who}, nil
	})
}

// retry lets a failed or cancelled job run again, and quarantined tasks of one that
// runs. Since it was submitted the ledger may have been restored, so the epoch is
// claimed again.
func (h *Handler) retry(r *http.Request) (any, error) {
	return h.change(r, false, func(j *ledger.Job, _ string, c Change) (ledger.Command, error) {
		return h.retryOf(r.Context(), j, c.FailIndex)
	})
}

// retryOf is the command that retries a job after its failure at an index, the last
// one when that is 0.
func (h *Handler) retryOf(ctx context.Context, j *ledger.Job, failIndex uint64) (ledger.Command, error) {
	spec, err := job.ParseCanonical(j.Spec)
	if err != nil {
		return nil, fmt.Errorf("job %s was submitted to another release: %w", j.ID, err)
	}
	epoch, err := h.claim(ctx, spec, j.SpecBase)
	if err != nil {
		return nil, err
	}
	return ledger.Retry{Job: j.ID, FailIndex: cmp.Or(failIndex, j.FailIndex), Epoch: epoch}, nil
}

// release lets a held job go on to its version.
func (h *Handler) release(r *http.Request) (any, error) {
	return h.change(r, true, func(j *ledger.Job, who string, c Change) (ledger.Command, error) {
		return ledger.Release{Job: j.ID, Who: who, Reason: c.Reason}, nil
	})
}

// change proposes what somebody asked to have done to a job, and answers where the
// job stands after. command gets what stays the same of a job, and where it stood.
func (h *Handler) change(r *http.Request, reason bool, command func(j *ledger.Job, who string, c Change) (ledger.Command, error)) (any, error) {
	id, err := jobIn(r)
	if err != nil {
		return nil, err
	}
	who, err := userOf(r)
	if err != nil {
		return nil, err
	}
	var c Change
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	c.Reason = strings.TrimSpace(c.Reason)
	if err := checkReason(c.Reason, reason); err != nil {
		return nil, err
	}
	var before ledger.Job
	err = h.see(id, func(j *ledger.Job) {
		before = ledger.Job{ID: j.ID, Spec: j.Spec, SpecBase: j.SpecBase, FailIndex: j.FailIndex}
	})
	if err != nil {
		return nil, err
	}
	cmd, err := command(&before, who, c)
	if err != nil {
		return nil, err
	}
	if _, err := h.cfg.Node.Propose(r.Context(), cmd); err != nil {
		return nil, err
	}
	h.cfg.Log.Info("job changed", "job", id, "command", cmd.Kind().String(), "who", who)
	var after Changed
	err = h.see(id, func(j *ledger.Job) {
		after = Changed{Job: id, State: j.State.String(), Paused: j.Paused != nil}
	})
	return after, err
}

// see shows a job inside a view.
func (h *Handler) see(id job.ID, look func(j *ledger.Job)) error {
	there := false
	h.cfg.Node.View(func(s *ledger.State) {
		if j := s.Job(id); j != nil {
			there = true
			look(j)
		}
	})
	if !there {
		return Error{Code: NotFound, Message: "there is no job " + string(id), Hint: "rescore jobs lists every job"}
	}
	return nil
}

// health says that the process serves.
func (h *Handler) health(*http.Request) (any, error) {
	return struct {
		OK bool `json:"ok"`
	}{true}, nil
}

// ready says that requests can be answered: that somebody leads.
func (h *Handler) ready(*http.Request) (any, error) {
	leader, ok := h.cfg.Cluster.Leader()
	if !ok {
		return nil, Error{Code: Unavailable, Message: "no coordinator leads just now", Hint: "it takes two of three coordinators"}
	}
	return struct {
		Ready  bool   `json:"ready"`
		Leader string `json:"leader"`
	}{true, leader}, nil
}
