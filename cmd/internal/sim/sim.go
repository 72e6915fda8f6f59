// Package sim runs whole clusters under one seed: the real ledger, lease, plan,
// publish and coordinator.Term, over a log, a network, a store, clocks, workers and
// operators that fail as real ones do, and a checker that believes none of them.
//
//	operators ─► office: coordinator.Term ─► Propose ─► voter: ledger.Apply ─┐
//	workers  ◄─► network ◄─►  (a leadership)            (one of three)       ├─► checker
//	   └──────────────► disk ◄─────┘ publish ────────────────────────────────┘
//
// # One at a time
//
// Code that waits (Propose, the store, a worker that scores) runs in goroutines of its
// own, of which one runs at a time: each hands over to the scheduler and is let go when
// its turn comes on the agenda. Delays and faults are drawn from the seed alone, time
// is the fake clock of testing/synctest, and so a seed is a history: the same steps in
// the same order, on any machine. Where the code under test starts goroutines itself,
// synctest says when all of them wait, and they are taken in the order of what they
// wait for.
//
// # Faults
//
// Each seed draws its own mix, for a mix of everything hides what one fault alone
// would show; a quarter of the seeds have none. At the end of a run the faults heal,
// and every job must reach its end within a bound.
//
// # Replay
//
// Simulate writes a readable trace where it is given a writer: make sim SEED=…. What a
// seed found stays in testdata/seeds.txt, and as a mutant (package mutant) where it was
// a mistake.
package sim

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"rescore/partition"
	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/partition/wire"
)

// Report is what a run did.
type Report struct {
	Steps     int
	Time      time.Duration // simulated
	Messages  int
	Elections int
	Crashes   int // of coordinators and workers
	Snapshots int
	Installs  int // of a leader's snapshot on a follower
	Entries   uint64
	Fenced    int // reports refused because the lease was not current
	Published int
	Prepared  int // of them, bases
	Deleted   int // files
	Histories int // of tasks, that porcupine read
}

// Add sums up.
func (r Report) Add(o Report) Report {
	r.Steps += o.Steps
	r.Time += o.Time
	r.Messages += o.Messages
	r.Elections += o.Elections
	r.Crashes += o.Crashes
	r.Snapshots += o.Snapshots
	r.Installs += o.Installs
	r.Entries += o.Entries
	r.Fenced += o.Fenced
	r.Published += o.Published
	r.Prepared += o.Prepared
	r.Deleted += o.Deleted
	r.Histories += o.Histories
	return r
}

// simulation is everything of one run.
type simulation struct {
	w       *world
	mix     *mix
	net     *network
	disk    *disk
	cluster *cluster
	workers []*machine
	check   *checker
	history *history

	bases         map[job.ID]*base
	selects       map[job.ID]bool
	datasets      []string
	poison        map[job.ID]int64 // first number of the range that cannot be scored
	specs         map[string]job.Spec
	ranks         map[string]func(uint64) int64
	partitionRows int64
	partRows      int64 // worth a task of their own; 0 divides nothing
	atOnce        int
	healed        bool
	open          int // operators that are not done
	serials       int

	elections, crashes, snapshots, installs int
}

// patience bounds how long jobs may take once nothing fails any more.
const patience = 10 * time.Minute

// Simulate runs one seed and returns what broke, nil when nothing did. A trace, where
// one is given, tells what happened.
func Simulate(t *testing.T, seed uint64, trace io.Writer) (r Report, err error) {
	synctest.Test(t, func(*testing.T) {
		s := newSimulation(seed, trace)
		s.w.run(s.over)
		if s.w.failed == nil {
			s.check.finish()
		}
		err = s.w.failed
		r = s.report()
		s.stop()
	})
	if err != nil {
		err = fmt.Errorf("seed %d: %w", seed, err)
	}
	return r, err
}

func newSimulation(seed uint64, trace io.Writer) *simulation {
	s := &simulation{
		w: newWorld(seed, trace), bases: map[job.ID]*base{}, selects: map[job.ID]bool{}, poison: map[job.ID]int64{},
		specs: map[string]job.Spec{}, ranks: map[string]func(uint64) int64{},
	}
	w := s.w
	s.datasets = []string{"base", "side"}
	if partition.Mix(seed)%3 == 0 { // not drawn: the other seeds go on as they did
		s.datasets = append(s.datasets, exports)
	}
	s.mix = newMix(w)
	w.say("sim", "mix %+v", *s.mix)
	s.net = newNetwork(w, s.mix)
	s.disk = newDisk(s)
	s.check = newChecker(s)
	s.history = &history{}
	s.partitionRows = 2 + w.rng.Int64N(12)
	if w.chance(0.5) {
		s.partRows = 1 + w.rng.Int64N(4)
	}
	s.atOnce = 1
	if w.chance(0.5) {
		s.atOnce = 16
	}
	s.cluster = newCluster(s)
	for i := range 1 + w.rng.IntN(4) {
		m := &machine{s: s, name: fmt.Sprintf("w%d", i+1), slots: 1 + w.rng.IntN(3), slow: 1}
		if w.chance(s.mix.straggler) {
			m.slow = 8
		}
		s.workers = append(s.workers, m)
		m.start()
	}
	s.operate()
	s.mix.begin(s)
	return s
}

// over: every job has reached its end, after the faults have.
func (s *simulation) over() bool {
	if s.healed && s.open == 0 {
		return true
	}
	if s.w.now() > s.mix.until+patience {
		s.w.fail("jobs do not end within %s after the last fault: %s", patience, s.check.unfinished())
	}
	return false
}

func (s *simulation) report() Report {
	return Report{
		Steps: s.w.steps, Time: s.w.now(), Messages: s.net.sent, Elections: s.elections, Crashes: s.crashes, Snapshots: s.snapshots, Installs: s.installs,
		Entries: s.check.index, Fenced: s.check.fenced, Published: s.check.published, Prepared: s.check.prepared, Deleted: s.check.swept, Histories: s.check.histories,
	}
}

// stop lets every goroutine end, so that none outlives its run.
func (s *simulation) stop() {
	for _, v := range s.cluster.voters {
		if v.office != nil {
			v.office.cancel()
		}
		v.process.kill()
	}
	for _, m := range s.workers {
		m.now.process.kill()
	}
	s.check.operator.kill()
	for range 3 {
		s.w.release()
		synctest.Wait()
		s.w.admit()
	}
}

// offices are the leaderships that serve.
func (s *simulation) offices() []*office {
	var list []*office
	for _, v := range s.cluster.voters {
		if v.office != nil {
			list = append(list, v.office)
		}
	}
	return list
}

func (s *simulation) serial() int {
	s.serials++
	return s.serials
}

// skew draws how wrong a clock is.
func (s *simulation) skew() time.Duration {
	if !s.w.chance(s.mix.skew) {
		return 0
	}
	return s.w.within(-time.Hour, time.Hour)
}

func (s *simulation) specOf(canonical []byte) (job.Spec, error) {
	if spec, ok := s.specs[string(canonical)]; ok {
		return spec, nil
	}
	spec, err := job.ParseCanonical(canonical)
	if err == nil {
		s.specs[string(canonical)] = spec
	}
	return spec, err
}

// below reads the base's ranks: how many rows have less.
func (s *simulation) below(file []byte) (func(uint64) int64, error) {
	if known := s.ranks[string(file)]; known != nil {
		return known, nil
	}
	h, err := ecdf.Decode(bytes.Clone(file))
	if err != nil {
		return nil, err
	}
	places := map[int]int64{}
	h.Each(func(key int, below, equal int64) {
		if equal > 0 {
			places[key] = below
		}
	})
	s.ranks[string(file)] = func(score uint64) int64 { return places[ecdf.Bin(int64(score))] }
	return s.ranks[string(file)], nil
}

// poisoned reports whether the task holds what no attempt can score until somebody has
// seen to it.
func (s *simulation) poisoned(a wire.Assignment) bool {
	at, ok := s.poison[a.Job]
	return ok && (a.Kind == job.StageScore || a.Kind == job.StageMerge) && int64(a.Task.Range.First) <= at && at < int64(a.Task.Range.Past)
}
