package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"rescore/coordinator"
	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/coordinator/replica"
	"rescore/partition"
	"rescore/partition/job"
)

// exports is the dataset of preparations, in simulations that have some.
const exports = "exports"

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
	s.check.operator.spawn("meddler", s.meddle)
}

// shepherd submits a job and does what its states ask for until it is over, and then
// perhaps the job again, upon what it published.
func (s *simulation) shepherd(i int) {
	w := s.w
	id := job.ID(fmt.Sprintf("202610-%012x", 0xabc000+i))
	prepares := len(s.datasets) > 2 && w.chance(0.6)
	var b *base
	if prepares {
		b = newExports(s)
	} else {
		b = newBase(s)
	}
	q := question{id: id, base: b, stages: []job.StageKind{job.StageSurvey, job.StageScore}}
	if w.chance(0.3) {
		q.stages = append(q.stages, job.StageSelect)
	}
	q.spec = job.Default()
	q.spec.Name, q.spec.Month, q.spec.Output.Path, q.spec.Input.Path = "base", 202610, "base", fmt.Sprintf("in-%d", i)
	if w.chance(0.3) {
		q.spec.Name, q.spec.Output.Path = "side", "side"
	}
	if prepares {
		q.stages = q.stages[:1:1]
		q.stages = append(q.stages, job.StageExchange, job.StageMerge)
		q.spec.Kind, q.spec.Name, q.spec.Output.Path = job.KindPrepare, exports, exports
	}
	q.spec.Gates.RejectShareMax, q.spec.Gates.DuplicateShareMax = 1, 1
	if w.chance(0.2) {
		q.spec.Gates.RejectShareMax = 0
	}
	if w.chance(s.mix.poison) {
		f := b.files[w.rng.IntN(len(b.files))]
		if len(f) > 0 {
			s.poison[id] = int64(f[w.rng.IntN(len(f))].number)
		}
	}
	s.check.operator.sleep(w.within(0, 10*time.Second))
	version := s.ask(q)
	for range 2 {
		if version == "" || prepares || !w.chance(s.mix.rerun) {
			return
		}
		q.over, q.again = version, nil
		if w.chance(0.7) {
			segments := b.survey.Segments[0]
			at := segments[w.rng.IntN(len(segments))].Segment
			q.again = []partition.Range{{First: at.First(), Past: at.Past()}}
		}
		if w.chance(s.mix.altered) {
			q.base = b.altered(s)
		}
		q.id = job.RerunID(id, version, q.again)
		version = s.ask(q)
	}
}

// question is a job to be asked for.
type question struct {
	id     job.ID
	spec   job.Spec
	base   *base
	stages []job.StageKind
	over   string // version that a rerun stands on
	again  []partition.Range
}

// ask submits a job and returns the version it published, "" when it was cancelled.
func (s *simulation) ask(q question) string {
	w, p, id := s.w, s.check.operator, q.id
	s.bases[id], s.selects[id] = q.base, q.stages[len(q.stages)-1] == job.StageSelect
	s.check.submitted(id, q.base, s.selects[id], q.spec)
	s.command(ledger.Found{Cluster: "ledger"})
	out := &view{disk: s.disk, process: p, folder: q.spec.Output.Path}
	var epoch uint64
	s.insist("claim", func() (err error) {
		epoch, err = publish.Claim(context.Background(), out, q.spec.Name, "ledger")
		return err
	})
	s.command(ledger.Submit{
		Job: id, Name: q.spec.Name, Spec: q.spec.Canonical(), SpecDigest: q.spec.Digest(), Epoch: epoch, Stages: q.stages, MaxAttempts: 2,
		Priority: w.rng.IntN(10), Base: q.over, Again: q.again, Who: "ops",
	})
	resumed := 0.3
	if s.mix.patient {
		resumed = 0.02
	}
	for {
		p.sleep(w.within(500*time.Millisecond, 3*time.Second))
		v := s.leader()
		if v == nil || v.state.Job(id) == nil {
			continue
		}
		j := v.state.Job(id).Clone()
		switch {
		case j.State == job.Published:
			return j.Version.ID
		case j.State == job.Cancelled && s.healed, s.check.swept > 0 && strings.Contains(j.FailReason, gone):
			return ""
		case j.Paused != nil && (s.healed || w.chance(resumed)):
			s.command(ledger.Resume{Job: id, Who: "ops"})
		case j.State == job.Held && (s.healed || w.chance(0.5)):
			s.command(ledger.Release{Job: id, Reason: "seen", Who: "ops"})
		case j.State == job.Failed && (s.healed || w.chance(0.3)), j.State == job.Cancelled && w.chance(0.3):
			s.check.text("the reason of a failed job", j.FailReason)
			if w.chance(s.mix.meddle) {
				s.command(ledger.Retry{Job: id, FailIndex: j.FailIndex - 1}) // answers nothing
			}
			s.command(ledger.Retry{Job: id, FailIndex: j.FailIndex})
		case j.State == job.Running && j.Score().Totals().Failed > 0 && (s.healed || w.chance(0.1)): // quarantined, and cured
			s.command(ledger.Retry{Job: id, FailIndex: j.FailIndex})
		case j.State == job.Sealed && w.chance(s.mix.meddle): // readers have not seen it
			s.command(ledger.Rollback{Dataset: j.Name, Version: j.Version.ID, Who: "ops", Reason: "by hand"})
		case j.State == job.Running && !s.healed && w.chance(s.mix.meddle):
			s.command(ledger.Pause{Job: id, Who: "ops"})
		case !s.healed && w.chance(s.mix.meddle/4):
			s.command(ledger.Cancel{Job: id, Who: "ops", Reason: "another month"})
		case j.State != job.Sealed && !s.healed && w.chance(s.mix.meddle/4):
			s.command(ledger.FailJob{Job: id, Reason: refused})
		}
	}
}

// meddle is what operators do besides: they roll back, collect garbage, and drain
// workers.
func (s *simulation) meddle() {
	w := s.w
	for !s.healed {
		s.check.operator.sleep(w.within(500*time.Millisecond, 5*time.Second))
		offices := s.offices()
		if len(offices) > 0 && w.chance(s.mix.echo) {
			s.echo(offices)
		}
		if len(offices) == 0 || !w.chance(s.mix.meddle*2) {
			continue
		}
		o := offices[w.rng.IntN(len(offices))]
		dataset := s.datasets[w.rng.IntN(len(s.datasets))]
		folder := &view{disk: s.disk, process: o.process, folder: dataset}
		heard := func(what string, err error) {
			if err != nil {
				s.check.text("an error", err.Error())
			}
			if w.trace != nil {
				w.say(o.v.name, "%s of %s: %v", what, dataset, err)
			}
		}
		switch versions := o.v.state.Versions(dataset); w.rng.IntN(4) {
		case 0:
			_ = o.term.Drain(s.workers[w.rng.IntN(len(s.workers))].name)
		case 1:
			if len(versions) > 0 {
				to := versions[w.rng.IntN(len(versions))].ID
				o.process.spawn("rollback", func() {
					_, err := coordinator.Rollback(o.ctx, o, folder, ledger.Rollback{Dataset: dataset, Version: to, Who: "ops", Reason: "wrong model"})
					heard("rollback", err)
				})
			}
		default:
			c := coordinator.Collector{Ledger: o, Verify: o.verify, Store: folder, Dataset: dataset, Keep: 1, Now: s.check.operator.clock}
			o.process.spawn("collect", func() {
				_, err := c.Mark(o.ctx)
				heard("mark", err)
				_, err = c.Sweep(o.ctx, grace) // of what was marked long ago
				heard("sweep", err)
			})
		}
	}
}

// echo proposes what was proposed before: every command is idempotent or fenced, so
// that one of unknown outcome can be sent again, however late.
func (s *simulation) echo(offices []*office) {
	if s.check.index == 0 {
		return
	}
	e := s.check.log[1+s.w.rng.Uint64N(s.check.index)]
	if s.w.chance(0.5) && s.check.index > 20 { // of late
		e = s.check.log[s.check.index-s.w.rng.Uint64N(20)]
	}
	if e.data == nil {
		return
	}
	cmd, err := ledger.DecodeCommand(e.data)
	if err != nil {
		s.w.fail("read an entry of the log: %w", err)
		return
	}
	s.w.say("op", "echo of %s", describe(cmd))
	_, _ = s.propose(s.check.operator, offices[s.w.rng.IntN(len(offices))].v, cmd)
}

// grace is longer than anything that is under way takes.
const grace = 90 * time.Second

// Why jobs may fail whole: somebody refuses them, or what they staged was collected
// before they were brought back.
const (
	refused = "its input is refused"
	gone    = "are gone or damaged"
)

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
