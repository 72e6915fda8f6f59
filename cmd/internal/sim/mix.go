package sim

import "time"

// mix is what goes wrong in one run: probabilities of an event of its kind, or how
// often. Zero is never.
type mix struct {
	calm  bool
	until time.Duration // the faults end then

	loss, duplicate, delay float64 // of a message
	longest                time.Duration
	lostAnswer             float64 // of a proposal that was applied
	snapshot               float64 // after an entry
	leaderLease            time.Duration

	storeError, storeTimeout, slowDisk float64 // of a request
	stale                              time.Duration

	skew        float64 // of a process
	straggler   float64 // of a task, and of a worker
	taskError   float64 // of an attempt
	wrongCounts float64
	poison      float64 // of a job
	poisonKills bool
	rerun       float64 // of a job that published
	meddle      float64 // of an operator who looks
	patient     bool    // operators take their time
	echo        float64 // of an operator who looks: a command of the log is proposed once more
	restage     float64 // of a report that is sent again: it says something else
	altered     float64 // of a rerun: the input has changed since

	// Mean times between two of a kind; 0 is never.
	workerCrash, voterCrash, powerLoss, partition, pause, clockJump, transfer, full time.Duration
}

func newMix(w *world) *mix {
	m := &mix{calm: w.chance(0.25), leaderLease: 5 * time.Second, snapshot: 0.05, rerun: 0.3}
	if m.calm {
		return m
	}
	m.until = w.within(15*time.Second, 60*time.Second)
	some := func(most float64) float64 {
		if w.chance(0.5) {
			return 0
		}
		return most * w.rng.Float64()
	}
	often := func(p float64, least, most time.Duration) time.Duration {
		if !w.chance(p) {
			return 0
		}
		return w.within(least, most)
	}
	m.loss, m.duplicate, m.delay = some(0.3), some(0.3), some(0.3)
	m.longest = w.within(time.Second, 3*ttl)
	m.lostAnswer = some(0.1)
	m.snapshot = some(0.15)
	m.leaderLease = w.within(3*time.Second, 15*time.Second)
	m.storeError, m.storeTimeout, m.slowDisk = some(0.2), some(0.2), some(0.05)
	m.stale = often(0.5, time.Second, 5*time.Minute)
	m.skew = some(1)
	m.straggler = some(0.5)
	m.taskError, m.wrongCounts = some(0.1), some(0.1)
	m.meddle, m.echo, m.restage = some(0.3), some(0.6), some(0.3)
	m.altered = 0.4
	if m.meddle > 0 && w.chance(0.2) {
		m.until += 2 * grace // long enough for garbage to be collected, while jobs wait
		m.patient = true
	}
	m.poison, m.poisonKills = some(0.3), w.chance(0.3)
	m.workerCrash = often(0.6, 3*time.Second, 30*time.Second)
	m.voterCrash = often(0.5, 5*time.Second, 40*time.Second)
	m.powerLoss = often(0.2, 20*time.Second, 60*time.Second)
	m.partition = often(0.5, 5*time.Second, 40*time.Second)
	m.pause = often(0.5, 3*time.Second, 30*time.Second)
	m.clockJump = often(0.3, 5*time.Second, 30*time.Second)
	m.transfer = often(0.3, 5*time.Second, 30*time.Second)
	m.full = often(0.2, 5*time.Second, 30*time.Second)
	return m
}

// begin puts the faults on the agenda, and their end.
func (m *mix) begin(s *simulation) {
	w := s.w
	again := func(mean time.Duration, run func()) {
		if mean == 0 {
			return
		}
		var next func()
		next = func() {
			w.after(w.within(mean/4, 2*mean), func() {
				if !s.healed {
					run()
					next()
				}
			})
		}
		next()
	}
	voter := func() *voter { return s.cluster.voters[w.rng.IntN(voters)] }
	machine := func() *machine { return s.workers[w.rng.IntN(len(s.workers))] }
	again(m.workerCrash, func() {
		if k := machine(); !k.now.process.dead {
			s.crashes++
			k.crash()
		}
	})
	again(m.voterCrash, func() {
		v := voter()
		if w.chance(0.7) {
			for _, o := range s.offices() {
				v = o.v
			}
		}
		if v.up {
			s.crashes++
			v.crash()
		}
	})
	again(m.powerLoss, func() {
		for _, v := range s.cluster.voters {
			if v.up {
				s.crashes++
				v.crash()
			}
		}
	})
	again(m.partition, func() { s.part() })
	again(m.pause, func() {
		p := machine().now.process
		if w.chance(0.5) {
			p = voter().process
		}
		p.frozen = w.now() + w.within(time.Second, 3*ttl)
		w.say(p.name, "stands still until %s", p.frozen)
	})
	again(m.clockJump, func() {
		p := voter().process
		p.skew += w.within(-10*time.Second, 10*time.Second)
		if w.chance(0.2) { // a machine that slept; back, a monotonic clock does not go
			p.skew += w.within(0, time.Hour)
		}
		w.say(p.name, "clock jumps to %s", p.skew)
	})
	again(m.transfer, func() {
		for _, v := range s.cluster.voters {
			if v.leads {
				v.depose("hands over")
			}
		}
	})
	again(m.full, func() {
		w.say("disk", "is full")
		s.disk.full = true
		w.after(w.within(time.Second, 2*ttl), func() { s.disk.full = false })
	})
	w.after(m.until, s.heal)
}

// part cuts some ways, both or one, for a while.
func (s *simulation) part() {
	w := s.w
	names := []string{}
	for _, v := range s.cluster.voters {
		names = append(names, v.name)
	}
	for _, m := range s.workers {
		names = append(names, m.name)
	}
	var cuts [][2]string
	alone := names[w.rng.IntN(len(names))]
	oneWay := w.chance(0.4)
	for _, n := range names {
		if n == alone || w.chance(0.2) {
			continue
		}
		cuts = append(cuts, [2]string{alone, n})
		if !oneWay {
			cuts = append(cuts, [2]string{n, alone})
		}
	}
	for _, c := range cuts {
		s.net.cuts[c] = true
	}
	w.say("net", "%d ways are cut around %s", len(cuts), alone)
	w.after(w.within(time.Second, 4*ttl), func() {
		for _, c := range cuts {
			delete(s.net.cuts, c)
		}
		w.say("net", "ways around %s are open", alone)
	})
}

// heal ends the faults: what is broken stays as it is, nothing more breaks.
func (s *simulation) heal() {
	m := s.mix
	s.w.say("sim", "faults end")
	s.healed = true
	m.loss, m.duplicate, m.delay, m.lostAnswer = 0, 0, 0, 0
	m.storeError, m.storeTimeout, m.slowDisk = 0, 0, 0
	m.skew, m.straggler, m.taskError, m.wrongCounts, m.poison, m.restage = 0, 0, 0, 0, 0, 0
	m.stale = 0
	s.disk.full = false
	clear(s.poison)
	s.net.heal()
	for _, k := range s.workers {
		k.slow = 1
	}
}
