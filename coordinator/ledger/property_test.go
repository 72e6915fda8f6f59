package ledger

import (
	"errors"
	"os"
	"testing"

	"pgregory.net/rapid"

	"rescore/partition"
	"rescore/partition/job"
)

// TestLedgerKeepsItsInvariants runs random histories: several jobs, workers that
// report late, twice, wrongly or never, leaders that repeat and reorder whatever
// was ever sent, and snapshots in between. After every step I1, I2, I3, I4, I6
// and I7 hold. RESCORE_LONG=1 runs longer histories.
func TestLedgerKeepsItsInvariants(t *testing.T) {
	t.Parallel()
	steps := 300
	if os.Getenv("RESCORE_LONG") != "" {
		steps = 3000
	}
	rapid.Check(t, func(t *rapid.T) {
		w := newWitness(t)
		for range steps {
			w.step(w.command())
		}
		w.replay()
	})
}

var propertyJobs = []job.ID{"a", "b"} // b has a select stage

func propertyStages(id job.ID) int {
	if id == "b" {
		return 3
	}
	return 2
}

func propertySubmit(id job.ID) Submit {
	if id == "b" {
		return selectSubmit(id)
	}
	return submitOf(id)
}

// entry is a command at its index, as the log has it.
type entry struct {
	index uint64
	data  []byte
}

// witness watches a ledger with a mind of its own: it keeps who holds which
// token and what was finished, by rules a line each, and never asks the ledger.
type witness struct {
	t       *rapid.T
	st      *State // applied to without a break
	twin    *State // snapshot and restored now and then
	index   uint64
	log     []entry
	sent    []Command
	leases  []Lease               // every one ever granted
	current map[TaskRef]job.Token // held now
	done    map[TaskRef]job.Result
	token   map[TaskRef]job.Token // that finished it
	version map[job.ID]Version
	last    job.Token
}

func newWitness(t *rapid.T) *witness {
	return &witness{
		t: t, st: New(), twin: New(), current: map[TaskRef]job.Token{}, done: map[TaskRef]job.Result{},
		token: map[TaskRef]job.Token{}, version: map[job.ID]Version{},
	}
}

// command draws what comes next: mostly what helps a job along, often what a
// zombie or a deposed leader would send.
func (w *witness) command() Command {
	t := w.t
	id := rapid.SampledFrom(propertyJobs).Draw(t, "job")
	ref := TaskRef{Job: id, Stage: rapid.IntRange(0, propertyStages(id)-1).Draw(t, "stage"), Task: rapid.IntRange(0, 4).Draw(t, "task")}
	lease := Lease{TaskRef: ref, Token: job.Token(rapid.Uint64Range(0, w.index+1).Draw(t, "token"))}
	if len(w.leases) > 0 && rapid.IntRange(0, 9).Draw(t, "real lease") > 0 {
		back := rapid.OneOf(rapid.IntRange(0, min(3, len(w.leases)-1)), rapid.IntRange(0, len(w.leases)-1)).Draw(t, "back")
		lease = w.leases[len(w.leases)-1-back]
	}
	switch rapid.SampledFrom([]string{
		"submit", "plan", "plan", "grant", "grant", "grant", "grant", "complete", "complete", "complete", "complete", "complete",
		"complete", "complete", "fail", "expire", "again", "again", "seal", "seal", "hold", "release", "publish", "publish", "fail job", "retry",
	}).Draw(t, "verb") {
	case "submit":
		c := propertySubmit(id)
		if rapid.IntRange(0, 9).Draw(t, "other spec") == 0 {
			c.SpecDigest = "other"
		}
		return c
	case "plan":
		if ref.Stage == 0 {
			return surveyPlan(id)
		}
		if ref.Stage == 2 {
			return w.selectPlan(id)
		}
		p := scorePlan(id, rapid.SampledFrom([]int{4, 4, 4, 3}).Draw(t, "tasks"))
		switch rapid.IntRange(0, 9).Draw(t, "chunk") {
		case 0: // the first half
			p.Tasks, p.Last = p.Tasks[:2], false
		case 1: // the second
			p.FirstTask, p.Tasks, p.Files, p.FirstFile = 2, p.Tasks[2:], nil, 0
		case 2:
			p.Tasks[1].Rows++ // rows that no file has
		case 3:
			p.Tasks[1].Range.First += partition.LinesPerSegment // a gap
		}
		return p
	case "grant":
		g := Grant{Worker: rapid.SampledFrom([]string{"w1", "w2", "w3"}).Draw(t, "worker")}
		if ref.Stage == 0 && w.st.Job(id) != nil {
			ref.Stage = min(w.st.Job(id).Stage(), propertyStages(id)-1) // where there is work
		}
		for i := range rapid.IntRange(1, 4).Draw(t, "batch") {
			g.Tasks = append(g.Tasks, TaskRef{Job: id, Stage: ref.Stage, Task: (ref.Task + i) % 5})
		}
		return g
	case "complete":
		for _, l := range w.leases { // the oldest that is held, as a worker would
			if w.current[l.TaskRef] == l.Token && rapid.IntRange(0, 2).Draw(t, "held") > 0 {
				lease = l
				break
			}
		}
		return Complete{Lease: lease, Result: w.result(lease.TaskRef)}
	case "fail":
		return Fail{Lease: lease, Reason: "disk full", Fatal: rapid.IntRange(0, 19).Draw(t, "fatal") == 0}
	case "expire":
		return Expire{Lease: lease, Cause: rapid.SampledFrom([]ExpireCause{Silent, Restart}).Draw(t, "cause")}
	case "again":
		if len(w.sent) > 0 {
			return rapid.SampledFrom(w.sent).Draw(t, "sent")
		}
		return propertySubmit(id)
	case "seal":
		return Seal{Job: id}
	case "hold":
		return Hold{Job: id, Reason: "rejects"}
	case "release":
		return Release{Job: id, Reason: "seen", Who: "ops"}
	case "publish":
		c := Publish{Job: id, Version: w.version[id].ID, ManifestDigest: rapid.SampledFrom([]string{"m", "m", "n"}).Draw(t, "manifest")}
		if rapid.IntRange(0, 5).Draw(t, "other version") == 0 {
			c.Version = VersionID(1, w.index)
		}
		return c
	case "fail job":
		if rapid.IntRange(0, 7).Draw(t, "really") > 0 {
			return Seal{Job: id}
		}
		return FailJob{Job: id, Reason: "cancelled"}
	default:
		c := Retry{Job: id, FailIndex: rapid.Uint64Range(0, w.index).Draw(t, "failure")}
		if j := w.st.Job(id); j != nil && rapid.IntRange(0, 3).Draw(t, "right") > 0 {
			c.FailIndex = j.FailIndex
		}
		return c
	}
}

// result is what a worker makes of the task: mostly the truth.
func (w *witness) result(ref TaskRef) job.Result {
	if ref.Stage == 0 {
		return job.Result{}
	}
	tasks, _ := cut(4)
	r := resultOf(tasks[ref.Task%4])
	if ref.Stage == 2 {
		r = selectResultOf(w.done[TaskRef{ref.Job, 1, ref.Task}].Counts.Scored)
	}
	switch rapid.IntRange(0, 11).Draw(w.t, "result") {
	case 0:
		r.Counts.Scored--
	case 1:
		r.Counts.In, r.Counts.Scored = r.Counts.In-1, r.Counts.Scored-1
	case 2:
		r.Keys.Lo++
	case 3:
		r.Rows.Lo++ // another run, other bytes: accepted, but not twice
	}
	return r
}

// selectPlan is over what was scored: mostly right.
func (w *witness) selectPlan(id job.ID) Plan {
	var results []job.Result
	for i := range 4 {
		results = append(results, w.done[TaskRef{id, 1, i}])
	}
	p := selectPlanOf(id, results)
	switch rapid.IntRange(0, 9).Draw(w.t, "select plan") {
	case 0:
		p.Tasks[2].Rows++
	case 1:
		p.Tasks[1].Staged = p.Tasks[2].Staged
	case 2:
		p.Tasks, p.Last = p.Tasks[:2], false
	case 3:
		p.Tasks = p.Tasks[:3]
	}
	return p
}

// step applies a command to both ledgers and checks everything.
func (w *witness) step(cmd Command) {
	w.index += rapid.Uint64Range(1, 3).Draw(w.t, "index") // raft has entries of its own
	w.sent = append(w.sent, cmd)
	data, err := EncodeCommand(cmd)
	if err != nil {
		w.t.Fatal(err)
	}
	w.log = append(w.log, entry{w.index, data})

	w.st.index = w.index
	before := w.hash(w.st)
	w.st.index = w.index - 1
	reply, _, err := Apply(w.st, w.index, cmd)
	if err != nil && w.hash(w.st) != before {
		w.t.Fatalf("%s was refused (%v) and changed the ledger", cmd.Kind(), err)
	}
	if rapid.IntRange(0, 9).Draw(w.t, "snapshot") == 0 {
		snap, err := w.twin.Snapshot()
		if err != nil {
			w.t.Fatal(err)
		}
		if w.twin, err = Restore(snap); err != nil {
			w.t.Fatal(err)
		}
	}
	decoded, err2 := DecodeCommand(data)
	if err2 != nil {
		w.t.Fatal(err2)
	}
	_, _, err2 = Apply(w.twin, w.index, decoded)
	if (err == nil) != (err2 == nil) || !equalStates(w.t, w.st, w.twin) { // I7
		w.t.Fatalf("%s: two replicas differ: %v, %v", cmd.Kind(), err, err2)
	}
	w.learn(cmd, reply, err)
	w.check(cmd)
}

func (w *witness) hash(s *State) [32]byte { return mustHash(w.t, s) }

// learn takes in what the command must have meant.
func (w *witness) learn(cmd Command, reply Reply, err error) {
	switch c := cmd.(type) {
	case Grant:
		granted, _ := reply.(GrantReply)
		for _, l := range granted.Leases {
			if _, finished := w.done[l.TaskRef]; finished { // I6
				w.t.Fatalf("%s is done and was granted", l)
			}
			if at, held := w.current[l.TaskRef]; held { // I3
				w.t.Fatalf("%s is held under %d and was granted", l, at)
			}
			if l.Token != job.Token(w.index) || l.Token < w.last {
				w.t.Fatalf("%s has not the token of index %d", l, w.index)
			}
			w.last = l.Token
			w.current[l.TaskRef] = l.Token
			w.leases = append(w.leases, l)
		}
	case Complete:
		r, finished := w.done[c.TaskRef]
		repeat := finished && w.token[c.TaskRef] == c.Token && pack(r) == pack(c.Result)
		at, held := w.current[c.TaskRef]
		holder := held && at == c.Token
		honest := holder && (c.Stage == 0 || w.honest(c))
		switch { // exactly these are OK, exactly so
		case repeat:
			if reply, ok := reply.(CompleteReply); !ok || !reply.Repeat {
				w.t.Fatalf("%s again: %v", c.Lease, err)
			}
		case holder && honest:
			if reply, ok := reply.(CompleteReply); !ok || reply.Repeat {
				w.t.Fatalf("%s by its holder: %v", c.Lease, err)
			}
			w.done[c.TaskRef], w.token[c.TaskRef] = c.Result, c.Token
			delete(w.current, c.TaskRef)
		case holder:
			if !errors.Is(err, ErrCounts) {
				w.t.Fatalf("%s with rows lost: %v", c.Lease, err)
			}
		case err == nil:
			w.t.Fatalf("%s by somebody else is OK", c.Lease)
		}
	case Fail, Expire:
		if err == nil {
			lease := leaseOf(c)
			if at, held := w.current[lease.TaskRef]; !held || at != lease.Token {
				w.t.Fatalf("%s by somebody else is OK", lease)
			}
			delete(w.current, lease.TaskRef)
		}
	case Seal:
		if err == nil {
			v := reply.(SealReply).Version
			if old, sealed := w.version[c.Job]; sealed && (old.ID != v.ID || old.Counts != v.Counts || old.Digest != v.Digest) { // I4
				w.t.Fatalf("version %+v became %+v", old, v)
			}
			w.version[c.Job] = v
		}
	case Publish:
		if err == nil {
			v := reply.(PublishReply).Version
			if old := w.version[c.Job]; old.ID != v.ID || old.ManifestDigest != "" && old != v { // I4
				w.t.Fatalf("version %+v became %+v", old, v)
			}
			w.version[c.Job] = v
		}
	}
	for ref := range w.current { // a job that failed takes its leases back
		if w.st.Job(ref.Job).State == job.Failed {
			delete(w.current, ref)
		}
	}
}

func leaseOf(c Command) Lease {
	if f, ok := c.(Fail); ok {
		return f.Lease
	}
	return c.(Expire).Lease
}

// honest says whether the result fits the task as it was planned.
func (w *witness) honest(c Complete) bool {
	t := w.st.Job(c.Job).Stages[c.Stage].Tasks[c.Task]
	n := c.Result.Counts
	if c.Stage == 2 && n.Scored != t.Rows {
		return false
	}
	return n.In == t.Rows && n.In == n.Scored+n.Excluded+n.Rejected+n.Duplicate && c.Result.Keys == t.Keys
}

// check compares the ledger with what the witness knows.
func (w *witness) check(cmd Command) {
	leased, done := 0, 0
	for j := range w.st.Jobs() {
		for s := range j.Stages {
			st := &j.Stages[s]
			var sum Totals
			for i := range st.Tasks {
				ref, t := TaskRef{j.ID, s, i}, &st.Tasks[i]
				if t.State == Leased {
					leased++
					if w.current[ref] != t.Token { // I3
						w.t.Fatalf("after %s: %s is leased under %d, not %d", cmd.Kind(), ref, t.Token, w.current[ref])
					}
				}
				if t.State == Done {
					done++
					if r, ok := w.done[ref]; !ok || w.token[ref] != t.Token || pack(r) != t.result { // I6
						w.t.Fatalf("after %s: %s is done otherwise than it was reported", cmd.Kind(), ref)
					}
					if s == 1 && (!t.Result().Counts.Conserved() || t.Result().Counts.In != t.Rows || t.Result().Keys != t.Keys) { // I2
						w.t.Fatalf("after %s: %s lost rows", cmd.Kind(), ref)
					}
					sum.Counts = sum.Counts.Add(t.Result().Counts)
					sum.Rows = sum.Rows.Add(t.Result().Rows)
				}
			}
			if got := st.Totals(); got.Counts != sum.Counts || got.Rows != sum.Rows {
				w.t.Fatalf("after %s: %s stage %d sums to %+v, not %+v", cmd.Kind(), j.ID, s, got.Counts, sum.Counts)
			}
		}
		if j.Version != nil {
			w.checkVersion(j)
		}
	}
	if leased != len(w.current) || done != len(w.done) {
		w.t.Fatalf("after %s: %d leased and %d done, not %d and %d", cmd.Kind(), leased, done, len(w.current), len(w.done))
	}
	published := map[job.ID]int{}
	for _, v := range w.st.Versions("base") {
		if published[v.Job]++; published[v.Job] > 1 || v != w.version[v.Job] { // I4
			w.t.Fatalf("after %s: %+v is published, sealed was %+v", cmd.Kind(), v, w.version[v.Job])
		}
	}
}

// checkVersion: every number is in one range, every row in one count.
func (w *witness) checkVersion(j *Job) {
	var ranges []partition.Range
	var counts job.Counts
	var digest partition.Sum
	for i, t := range j.Score().Tasks {
		if s := j.Select(); s != nil {
			placed := s.Tasks[i]
			if placed.State != Done || placed.Range != t.Range || placed.Result().Counts.Scored != t.Result().Counts.Scored || placed.Plan().Staged[0] != t.Result().Files[0] {
				w.t.Fatalf("%s is %s with a select task %s of other rows", j.ID, j.State, placed.State)
			}
			digest = digest.Add(placed.Result().Rows)
		}
		digest = digest.Add(t.Result().Rows)
		ranges = append(ranges, t.Range)
		if t.State != Done {
			w.t.Fatalf("%s is %s with a task %s", j.ID, j.State, t.State)
		}
		counts = counts.Add(t.Result().Counts)
	}
	if err := partition.CheckCover(partition.Whole, ranges); err != nil { // I1
		w.t.Fatal(err)
	}
	if !counts.Conserved() || counts != j.Version.Counts || counts.In != j.Facts.Files[0].Rows || digest != j.Version.Digest { // I2
		w.t.Fatalf("%s: %+v", j.ID, counts)
	}
}

// replay applies the log to an empty ledger, whole and from a snapshot in the
// middle: it is the same ledger.
func (w *witness) replay() {
	fresh := New()
	cut := rapid.IntRange(0, len(w.log)-1).Draw(w.t, "snapshot at")
	for i, e := range w.log {
		cmd, err := DecodeCommand(e.data)
		if err != nil {
			w.t.Fatal(err)
		}
		_, _, _ = Apply(fresh, e.index, cmd) // refusals are part of the history
		if i == cut {
			data, err := fresh.Snapshot()
			if err != nil {
				w.t.Fatal(err)
			}
			if fresh, err = Restore(data); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	if !equalStates(w.t, fresh, w.st) { // I7
		w.t.Fatal("the same log gave another ledger")
	}
}
