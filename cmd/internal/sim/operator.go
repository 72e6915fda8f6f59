package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/coordinator/replica"
	"rescore/partition/job"
)

// operate lets operators submit jobs and see them through.
func (s *simulation) operate() {
	s.check.operator = &process{w: s.w, name: "op"}
	for i := range 1 + s.w.rng.IntN(3) {
		s.open++
		s.check.operator.spawn(fmt.Sprintf("job %d", i), func() {
			s.shepherd(i)
			s.open--
		})
	}
}

// shepherd submits a job and does what its states ask for until it is over.
func (s *simulation) shepherd(i int) {
	w, p := s.w, s.check.operator
	id := job.ID(fmt.Sprintf("202610-%012x", 0xabc000+i))
	b := newBase(s)
	s.bases[id] = b
	stages := []job.StageKind{job.StageSurvey, job.StageScore}
	if w.chance(0.3) {
		stages = append(stages, job.StageSelect)
		s.selects[id] = true
	}
	spec := job.Default()
	spec.Name, spec.Month, spec.Output.Path, spec.Input.Path = "base", 202610, "out", fmt.Sprintf("in-%d", i)
	if w.chance(0.3) {
		spec.Name, spec.Output.Path = "side", "side"
	}
	spec.Gates.RejectShareMax, spec.Gates.DuplicateShareMax = 1, 1
	if w.chance(0.2) {
		spec.Gates.RejectShareMax = 0
	}
	if w.chance(s.mix.poison) {
		f := b.files[w.rng.IntN(len(b.files))]
		if len(f) > 0 {
			s.poison[id] = int64(f[w.rng.IntN(len(f))].number)
		}
	}
	p.sleep(w.within(0, 10*time.Second))
	s.check.submitted(id, b, s.selects[id], spec)

	out := &view{disk: s.disk, process: p, folder: spec.Output.Path}
	var epoch uint64
	s.insist("claim", func() (err error) {
		epoch, err = publish.Claim(context.Background(), out, spec.Name, "ledger")
		return err
	})
	s.command(ledger.Submit{
		Job: id, Name: spec.Name, Spec: spec.Canonical(), SpecDigest: spec.Digest(), Epoch: epoch, Stages: stages, MaxAttempts: 2,
	})
	for {
		var j *ledger.Job
		if v := s.leader(); v != nil {
			if found := v.state.Job(id); found != nil {
				j = found.Clone()
			}
		}
		switch {
		case j == nil:
		case j.State == job.Published:
			return
		case j.State == job.Held && (s.healed || w.chance(0.5)):
			s.command(ledger.Release{Job: id, Reason: "seen", Who: "ops"})
		case j.State == job.Failed && (s.healed || w.chance(0.3)):
			s.check.failed(id, j)
			s.command(ledger.Retry{Job: id, FailIndex: j.FailIndex})
		case j.State == job.Running && j.Score().Totals().Failed > 0 && s.healed: // quarantined, and cured
			s.command(ledger.Retry{Job: id, FailIndex: j.FailIndex})
		}
		p.sleep(w.within(500*time.Millisecond, 3*time.Second))
	}
}

// leader is a voter that believes that it leads, and may be wrong.
func (s *simulation) leader() *voter {
	offices := s.offices()
	if len(offices) == 0 {
		return nil
	}
	return offices[s.w.rng.IntN(len(offices))].v
}

// insist tries until there is no error.
func (s *simulation) insist(what string, try func() error) {
	for {
		err := try()
		if err == nil {
			return
		}
		s.check.text(what, err.Error())
		s.check.operator.sleep(s.w.within(100*time.Millisecond, time.Second))
	}
}

// command proposes until the outcome is known; a refusal is an outcome.
func (s *simulation) command(cmd ledger.Command) {
	s.insist("command", func() error {
		v := s.leader()
		if v == nil {
			return replica.ErrNotLeader
		}
		_, err := s.propose(s.check.operator, v, cmd)
		if errors.Is(err, replica.ErrNotLeader) || errors.Is(err, replica.ErrUnknownOutcome) {
			return err
		}
		return nil
	})
}
