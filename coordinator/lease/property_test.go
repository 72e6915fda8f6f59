package lease

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
)

// TestWhateverHappensNothingIsGivenTwiceI3 lets jobs, workers, silence, leader changes
// and pauses happen at random, and holds every decision to what it promises, against
// a model of its own.
func TestWhateverHappensNothingIsGivenTwiceI3(t *testing.T) {
	t.Parallel()
	doubles, expiries, grants := 0, 0, 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t)
		lead := w.now
		heard := map[ledger.Lease]time.Time{}
		var slow []ledger.Lease
		for i := range 1 + rng.IntN(4) {
			w.run([]string{"submit", fmt.Sprint("j", i), fmt.Sprint(rng.IntN(10))})
			w.run([]string{"plan", fmt.Sprint("j", i), fmt.Sprint(1 + rng.IntN(60)), fmt.Sprint(rng.IntN(3) * 50)})
		}
		for range 150 {
			w.now = w.now.Add(time.Duration(rng.Int64N(int64(3 * time.Second))))
			switch rng.IntN(12) {
			case 0:
				w.book, lead, slow = NewBook(w.now), w.now, nil
				clear(heard)
			case 1:
				j := fmt.Sprint("j", rng.IntN(4))
				if found := w.st.Job(job.ID(j)); found != nil && found.State == job.Running {
					w.run([]string{[]string{"pause", "resume"}[rng.IntN(2)], j})
				}
			case 2: // the shell's tick
				w.book.Forget(w.st)
				for _, cmd := range Expired(w.st, w.book, w.now, Config{}) {
					l := cmd.(ledger.Expire).Lease
					last := lead
					if heard[l].After(last) {
						last = heard[l]
					}
					if !w.now.After(last.Add(15 * time.Second)) {
						t.Fatalf("seed %d: %s was heard of %s ago and is taken back", seed, l, w.now.Sub(last))
					}
					w.apply(cmd)
					expiries++
				}
				for l := range leases(w.st) {
					if last := slices.MaxFunc([]time.Time{heard[l], lead}, time.Time.Compare); w.now.After(last.Add(15 * time.Second)) {
						t.Fatalf("seed %d: %s was not heard of for %s and is left alone", seed, l, w.now.Sub(last))
					}
				}
				slow = Slow(w.st, w.book, w.now, Config{})
			case 3, 4, 5: // workers complete, or fail, or speak
				for _, l := range slices.Collect(leases(w.st)) {
					if !Current(w.st, l) {
						continue // the other attempt was first
					}
					task := &w.st.Job(l.Job).Stages[l.Stage].Tasks[l.Task]
					switch rng.IntN(8) {
					case 0:
						w.apply(ledger.Complete{Lease: l, Result: job.Result{Counts: job.Counts{In: task.Rows, Scored: task.Rows}}})
						w.book.Done(l, w.now)
					case 1:
						w.apply(ledger.Fail{Lease: l, Reason: "x"})
					case 2, 3, 4, 5:
						w.book.Heard(l, w.now)
						heard[l] = w.now
					}
				}
			default:
				doubled := w.ask(rng, slow, heard, &grants)
				doubles += doubled
			}
		}
	}
	if doubles < 20 || expiries < 100 || grants < 1000 {
		t.Errorf("%d grants, %d expiries, %d doubles: too little happened to mean anything", grants, expiries, doubles)
	}
}

// ask lets some workers ask, checks what is decided, and applies it.
func (w *world) ask(rng *rand.Rand, slow []ledger.Lease, heard map[ledger.Lease]time.Time, grants *int) (doubles int) {
	w.t.Helper()
	jobs := w.jobs()
	var requests []Request
	for i := range 1 + rng.IntN(5) {
		r := Request{Worker: fmt.Sprint("w", i), Slots: rng.IntN(4)}
		for _, id := range jobs {
			if rng.IntN(5) > 0 {
				r.Ready = append(r.Ready, id)
			}
		}
		requests = append(requests, r)
	}
	w.book.Enter(w.st)
	given := map[ledger.TaskRef]string{}
	left := map[string]int{}
	ready := map[string][]job.ID{}
	for _, r := range requests {
		left[r.Worker], ready[r.Worker] = r.Slots, r.Ready
	}
	take := func(worker string, ref ledger.TaskRef) {
		if who, twice := given[ref]; twice {
			w.t.Fatalf("%s is given to %s and to %s", ref, who, worker)
		}
		j := w.st.Job(ref.Job)
		if given[ref] = worker; left[worker] == 0 || !slices.Contains(ready[worker], ref.Job) || j.Paused != nil || j.State != job.Running {
			w.t.Fatalf("%s is given to %s, who has no slot or is not ready, or it is paused", ref, worker)
		}
		left[worker]--
	}
	cmds := Decide(w.st, w.book, slow, requests)
	for _, cmd := range cmds {
		want := 1
		switch c := cmd.(type) {
		case ledger.Grant:
			for _, ref := range c.Tasks {
				if task := w.st.Job(ref.Job).Stages[ref.Stage].Tasks[ref.Task]; task.State != ledger.Waiting {
					w.t.Fatalf("%s is %s and is granted", ref, task.State)
				}
				take(c.Worker, ref)
			}
			want = len(c.Tasks)
			*grants += want
		case ledger.Double:
			task := w.st.Job(c.Job).Stages[c.Stage].Tasks[c.Task]
			if task.State != ledger.Leased || task.Second != nil || task.Worker == c.Worker {
				w.t.Fatalf("%s of %s is doubled for %s", c.Lease, task.Worker, c.Worker)
			}
			take(c.Worker, c.TaskRef)
			doubles++
		}
		reply := w.apply(cmd).(ledger.GrantReply)
		if len(reply.Leases) != want {
			w.t.Fatalf("of %d tasks %d were granted", want, len(reply.Leases))
		}
		for _, l := range reply.Leases {
			w.book.Granted(w.st, l, w.now)
			heard[l] = w.now
		}
	}
	for worker, n := range left { // nobody goes away empty while there is something for him
		for ref := range waits(w.st) {
			if n > 0 && slices.Contains(ready[worker], ref.Job) {
				w.t.Fatalf("%s has %d slots and %s waits", worker, n, ref)
			}
		}
	}
	return doubles
}

// waits yields what may be granted, by looking at every task.
func waits(st *ledger.State) func(func(ledger.TaskRef) bool) {
	return func(yield func(ledger.TaskRef) bool) {
		for j := range st.Jobs() {
			for s := range j.Stages {
				for i := range j.Stages[s].Tasks {
					if j.State == job.Running && j.Paused == nil && j.Stages[s].Tasks[i].State == ledger.Waiting &&
						!yield(ledger.TaskRef{Job: j.ID, Stage: s, Task: i}) {
						return
					}
				}
			}
		}
	}
}

// TestRowsAreSharedByTheWeightOfPriorities: at any moment, of any two jobs that wait,
// what each was given over its weight differs by no more than one task of each. So
// none starves, whatever its priority and however few slots there are.
func TestRowsAreSharedByTheWeightOfPriorities(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 2))
		w := newWorld(t)
		weight, rows := map[job.ID]float64{}, map[job.ID]float64{}
		for i := range 2 + rng.IntN(3) {
			id, priority, size := job.ID(fmt.Sprint("j", i)), 3+rng.IntN(5), 1+rng.IntN(100)
			w.run([]string{"submit", string(id), fmt.Sprint(priority)})
			w.run([]string{"plan", string(id), "3000", fmt.Sprint(size)})
			weight[id], rows[id] = float64(int(1)<<priority)/32, float64(size)
		}
		given := map[job.ID]float64{}
		for range 300 {
			requests := []Request{{"w1", 1 + rng.IntN(3), w.jobs()}, {"w2", rng.IntN(3), w.jobs()}}
			w.book.Enter(w.st)
			for _, cmd := range Decide(w.st, w.book, nil, requests) {
				for _, l := range w.apply(cmd).(ledger.GrantReply).Leases {
					w.book.Granted(w.st, l, w.now)
					given[l.Job] += rows[l.Job]
				}
			}
			for a := range weight {
				for b := range weight {
					ahead := given[a]/weight[a] - given[b]/weight[b]
					if most := rows[a]/weight[a] + rows[b]/weight[b]; ahead > most {
						t.Fatalf("seed %d: %s was given %g more than its share beside %s, a task of each is %g", seed, a, ahead, b, most)
					}
				}
			}
		}
	}
}

// TestAnOldJobIsNotStarvedByAStreamOfNewOnes of the highest priority.
func TestAnOldJobIsNotStarvedByAStreamOfNewOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run([]string{"submit", "old", "4"})
	w.run([]string{"plan", "old", "50", "100"})
	served := 0
	for i := range 200 {
		w.run([]string{"submit", fmt.Sprint("new", i), "9"})
		w.run([]string{"plan", fmt.Sprint("new", i), "5", "100"})
		w.book.Enter(w.st)
		for _, cmd := range Decide(w.st, w.book, nil, []Request{{"w", 5, w.jobs()}}) {
			for _, l := range w.apply(cmd).(ledger.GrantReply).Leases {
				w.book.Granted(w.st, l, w.now)
				if l.Job == "old" {
					served++
				}
				w.apply(ledger.Complete{Lease: l, Result: job.Result{Counts: job.Counts{In: 100, Scored: 100}}})
			}
		}
		w.book.Forget(w.st)
	}
	if served < 10 { // its share beside one job at a time of 32 times its weight would be 30
		t.Errorf("of 1000 grants the old job was given %d", served)
	}
}

func TestOnlyWhatIsWorthItIsDivided(t *testing.T) {
	t.Parallel()
	cfg := Config{PartRows: 100}
	for what, c := range map[string]struct {
		script [][]string
		slots  int
		want   string
	}{
		"as many wait as there are slots":         {[][]string{{"plan", "a", "4", "1000"}}, 4, "[]"},
		"nothing waits":                           {[][]string{{"plan", "a", "1", "1000"}, {"ask", "w", "1"}}, 8, "[]"},
		"a survey":                                {nil, 8, "[]"},
		"too small to be worth it":                {[][]string{{"plan", "a", "2", "199"}}, 8, "[]"},
		"each in so many that all slots have one": {[][]string{{"plan", "a", "2", "1000"}}, 8, "[a/1/0 4 a/1/1 4]"},
		"no part smaller than it may be":          {[][]string{{"plan", "a", "2", "299"}}, 8, "[a/1/0 2 a/1/1 2]"},
		"no more than are missing":                {[][]string{{"plan", "a", "3", "1000"}}, 4, "[a/1/0 2]"},
		"paused":                                  {[][]string{{"plan", "a", "2", "1000"}, {"pause", "a"}}, 8, "[]"},
	} {
		w := newWorld(t)
		w.run([]string{"submit", "a"})
		for _, line := range c.script {
			w.run(line)
		}
		got := []string{}
		for _, d := range Divisible(w.st, c.slots, cfg) {
			got = append(got, fmt.Sprint(d.TaskRef, " ", d.Parts))
		}
		if got := fmt.Sprint(got); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
		if got := Divisible(w.st, c.slots, Config{}); got != nil {
			t.Errorf("%s: division is off, and %v", what, got)
		}
	}
}

// large is a job of 100 000 tasks, 8 000 of them at work on by 1 000 workers.
func large(b *testing.B) (*world, []Request) {
	w := newWorld(&testing.T{})
	w.run([]string{"submit", "a"})
	w.run([]string{"plan", "a", "99000", "250000"})
	w.run([]string{"submit", "b", "7"})
	w.run([]string{"plan", "b", "1000", "250000"})
	requests := make([]Request, 1000)
	for i := range requests {
		requests[i] = Request{Worker: fmt.Sprint("worker-", i), Slots: 8, Ready: w.jobs()}
	}
	w.book.Enter(w.st)
	w.decided(Decide(w.st, w.book, nil, requests))
	w.now = w.now.Add(time.Second)
	for l := range leases(w.st) { // enough are done for a median
		w.apply(ledger.Complete{Lease: l, Result: job.Result{Counts: job.Counts{In: 250000, Scored: 250000}}})
		w.book.Done(l, w.now)
		if l.Task == 99 {
			break
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	return w, requests
}

// BenchmarkDecide answers 256 workers who ask for 8 tasks each at once.
func BenchmarkDecide(b *testing.B) {
	w, requests := large(b)
	for b.Loop() {
		Decide(w.st, w.book, nil, requests[:256])
	}
}

// BenchmarkDecideForOne answers one worker who asks for one task.
func BenchmarkDecideForOne(b *testing.B) {
	w, requests := large(b)
	requests[0].Slots = 1
	for b.Loop() {
		w.book.Enter(w.st)
		Decide(w.st, w.book, nil, requests[:1])
	}
}

// BenchmarkTick is what is done every 200 ms about 8 000 leases.
func BenchmarkTick(b *testing.B) {
	w, _ := large(b)
	for b.Loop() {
		w.book.Forget(w.st)
		Expired(w.st, w.book, w.now, Config{})
		Slow(w.st, w.book, w.now, Config{})
		Divisible(w.st, 8000, Config{PartRows: 50000})
	}
}
