package api

import (
	"context"
	"errors"
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
	_, err := userOf(r)
	if err != nil {
		return nil, err
	}
	spec, err := s.check()
	if err != nil {
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
	out, err := h.cfg.Output(s.Base, spec.Output.Path)
	if err != nil {
		return nil, err
	}
	epoch, err := publish.Claim(ctx, out, spec.Name, h.cfg.Cluster.ID())
	if err != nil {
		return nil, err
	}
	reply, err := h.cfg.Node.Propose(ctx, ledger.Submit{
		Job: found.Job, Name: spec.Name, Spec: spec.Canonical(), SpecDigest: spec.Digest(), SpecBase: s.Base,
		Epoch: epoch, Stages: []job.StageKind{job.StageSurvey, job.StageScore, job.StageSelect}, MaxAttempts: s.MaxAttempts,
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

// retry lets a failed job run again.
func (h *Handler) retry(r *http.Request) (any, error) {
	return h.change(r, false, func(j *ledger.Job, _ string, c Change) ledger.Command {
		at := c.FailIndex
		if at == 0 {
			at = j.FailIndex
		}
		return ledger.Retry{Job: j.ID, FailIndex: at}
	})
}

// release lets a held job go on to its version.
func (h *Handler) release(r *http.Request) (any, error) {
	return h.change(r, true, func(j *ledger.Job, who string, c Change) ledger.Command {
		return ledger.Release{Job: j.ID, Who: who, Reason: c.Reason}
	})
}

// change proposes what somebody asked to have done to a job, and answers where the
// job stands after. command sees the job inside a view.
func (h *Handler) change(r *http.Request, reason bool, command func(j *ledger.Job, who string, c Change) ledger.Command) (any, error) {
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
	var cmd ledger.Command
	if err := h.see(id, func(j *ledger.Job) { cmd = command(j, who, c) }); err != nil {
		return nil, err
	}
	if err := h.propose(r.Context(), cmd); err != nil {
		return nil, err
	}
	h.cfg.Log.Info("job changed", "job", id, "command", cmd.Kind().String(), "who", who)
	var after Changed
	err = h.see(id, func(j *ledger.Job) { after = Changed{Job: id, State: j.State.String()} })
	return after, err
}

// see shows a job inside a view.
func (h *Handler) see(id job.ID, look func(j *ledger.Job)) error {
	err := error(nil)
	h.cfg.Node.View(func(s *ledger.State) {
		if j := s.Job(id); j != nil {
			look(j)
			return
		}
		err = Error{Code: NotFound, Message: "there is no job " + string(id), Hint: "rescore jobs lists every job"}
	})
	return err
}

func (h *Handler) propose(ctx context.Context, cmd ledger.Command) error {
	_, err := h.cfg.Node.Propose(ctx, cmd)
	return err
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
