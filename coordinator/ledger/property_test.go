package ledger

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"rescore/partition"
	"rescore/partition/job"
)

// TestLedgerKeepsItsInvariants runs random histories: several jobs, one of them a
// rerun of another; workers that report late, twice, wrongly or never; tasks that are
// doubled and divided; people that pause, cancel and roll back; leaders that repeat and
// reorder whatever was ever sent; names that replace each other. One replica applies it
// all, a second is snapshotted and restored at every index. After every step I1, I2, I3,
// I4, I6 and I7 hold, and what readers get is the highest pointer. RESCORE_LONG=1 runs
// longer histories.
func TestLedgerKeepsItsInvariants(t *testing.T) {
	t.Parallel()
	steps := 120
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

var propertyJobs = []job.ID{"a", "b", "c"} // b has a select stage; c is a rerun of a

func propertyStages(id job.ID) int {
	if id == "b" {
		return 3
	}
	return 2
}

func propertySubmit(id job.ID) Submit {
	c := submitOf(id)
	switch id {
	case "b":
		c = selectSubmit(id)
		c.MaxAttempts = 1
	case "c":
		c.Base, c.Priority = "a's", 7
	}
	return c
}

// entry is a command at its index, as the log has it.
type entry struct {
	index uint64
	data  []byte
}

// witness watches a ledger with a mind of its own: it keeps who holds which
// token and what was finished, by rules a line each, and never asks the ledger.
type witness struct {
	t          *rapid.T
	st         *State // applied to without a break
	twin       *State // snapshotted and restored at every index
	index      uint64
	log        []entry
	sent       []Command
	leases     []Lease                 // every one ever granted
	current    map[TaskRef][]job.Token // held now: one, or two of a doubled task
	done       map[TaskRef]job.Result
	token      map[TaskRef]job.Token // that finished it
	lost       []Lease               // that were current too when their task was finished
	differed   map[Lease]bool        // losers that had made something else
	paused     map[job.ID]bool
	version    map[job.ID]Version
	pointers   []pointer
	names      []string // of the ledger, one after the other
	generation uint64   // names replaced
	last       job.Token
}

// pointer is one in the store.
type pointer struct {
	epoch, index uint64
	version      string
}

func newWitness(t *rapid.T) *witness {
	return &witness{
		t: t, st: New(), twin: New(), current: map[TaskRef][]job.Token{}, done: map[TaskRef]job.Result{},
		token: map[TaskRef]job.Token{}, differed: map[Lease]bool{}, paused: map[job.ID]bool{},
		version: map[job.ID]Version{},
	}
}

func (w *witness) holds(l Lease) bool { return slices.Contains(w.current[l.TaskRef], l.Token) }

// release takes a token back.
func (w *witness) release(l Lease) {
	rest := slices.DeleteFunc(slices.Clone(w.current[l.TaskRef]), func(t job.Token) bool { return t == l.Token })
	if w.current[l.TaskRef] = rest; len(rest) == 0 {
		delete(w.current, l.TaskRef)
	}
}

// command draws what comes next: mostly what helps a job along, often what a
// zombie or a deposed leader would send.
func (w *witness) command() Command {
	t := w.t
	id := rapid.SampledFrom(propertyJobs).Draw(t, "job")
	ref := TaskRef{Job: id, Stage: rapid.IntRange(0, propertyStages(id)-1).Draw(t, "stage"), Task: rapid.IntRange(0, 4).Draw(t, "task")}
	if j := w.st.Job(id); j != nil && ref.Stage == 1 && len(j.Stages[1].Tasks) > 4 {
		ref.Task = rapid.IntRange(0, len(j.Stages[1].Tasks)).Draw(t, "part")
	}
	lease := Lease{TaskRef: ref, Token: job.Token(rapid.Uint64Range(0, w.index+1).Draw(t, "token"))}
	if len(w.leases) > 0 && rapid.IntRange(0, 9).Draw(t, "real lease") > 0 {
		back := rapid.OneOf(rapid.IntRange(0, min(3, len(w.leases)-1)), rapid.IntRange(0, len(w.leases)-1)).Draw(t, "back")
		lease = w.leases[len(w.leases)-1-back]
	}
	if rapid.IntRange(0, 2).Draw(t, "further") == 0 {
		return w.further(id)
	}
	switch rapid.SampledFrom([]string{
		"submit", "plan", "plan", "grant", "grant", "grant", "grant", "complete", "complete", "complete", "complete", "complete",
		"complete", "complete", "fail", "fail", "expire", "again", "again", "seal", "seal", "hold", "release", "publish", "publish", "fail job", "retry", "retry",
		"double", "double", "double", "divide", "divide", "pause", "resume", "cancel", "rollback", "rollback", "point", "point", "mark", "sweep", "found",
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
		if id == "c" {
			for i := range rapid.IntRange(0, 3).Draw(t, "kept") {
				p.Kept = append(p.Kept, Kept{Task: i, Job: "a", At: rapid.SampledFrom([]int{i, i, i, i, 3, 9}).Draw(t, "at")})
			}
		}
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
			g.Tasks = append(g.Tasks, TaskRef{Job: id, Stage: ref.Stage, Task: ref.Task + i})
		}
		return g
	case "complete":
		if n := len(w.lost); n > 0 && rapid.IntRange(0, 2).Draw(t, "lost") == 0 { // as a slow worker would
			l := w.lost[rapid.IntRange(0, n-1).Draw(t, "loser")]
			return Complete{Lease: l, Result: w.result(l.TaskRef)}
		}
		for _, l := range w.leases { // the oldest that is held, as a worker would
			if w.holds(l) && rapid.IntRange(0, 2).Draw(t, "held") > 0 {
				lease = l
				break
			}
		}
		return Complete{Lease: lease, Result: w.result(lease.TaskRef)}
	case "fail":
		return Fail{Lease: lease, Reason: "disk full", Fatal: rapid.IntRange(0, 19).Draw(t, "fatal") == 0}
	case "expire":
		return Expire{Lease: lease, Cause: rapid.SampledFrom([]ExpireCause{Silent, Restart, Returned}).Draw(t, "cause")}
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
	case "double":
		return Double{Lease: lease, Worker: rapid.SampledFrom([]string{"w1", "w2", "w3"}).Draw(t, "second")}
	case "divide":
		return w.divide(ref)
	case "pause":
		return Pause{Job: id, Who: "ops"}
	case "resume":
		return Resume{Job: id, Who: "ops"}
	case "cancel":
		if rapid.IntRange(0, 7).Draw(t, "really") > 0 {
			return Resume{Job: id, Who: "ops"}
		}
		return Cancel{Job: id, Who: "ops", Reason: "told to"}
	case "rollback":
		if all := w.st.Versions("base"); len(all) > 0 && rapid.IntRange(0, 4).Draw(t, "published") > 0 {
			id = rapid.SampledFrom(all).Draw(t, "version").Job
		}
		return Rollback{Dataset: "base", Version: w.version[id].ID, Who: "ops", Reason: "told to", Epoch: rapid.Uint64Range(0, 2).Draw(t, "epoch")}
	case "point":
		return Point{Dataset: "base", Index: w.sentAt(t, KindRollback)}
	case "mark":
		return Mark{Dataset: "base", List: rapid.SampledFrom([]string{"l1", "l2"}).Draw(t, "list"), SHA256: rapid.SampledFrom([]string{"s", "s", "z"}).Draw(t, "digest"), Files: 2}
	case "sweep":
		return Sweep{Dataset: "base", Index: w.sentAt(t, KindMark), Deleted: rapid.IntRange(0, 3).Draw(t, "deleted")}
	case "found":
		c := Found{Cluster: rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "name")}
		if rapid.IntRange(0, 3).Draw(t, "replaces") == 0 {
			c.After = rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "after")
		}
		return c
	default:
		c := Retry{Job: id, FailIndex: rapid.Uint64Range(0, w.index).Draw(t, "failure")}
		if j := w.st.Job(id); j != nil && rapid.IntRange(0, 3).Draw(t, "right") > 0 {
			c.FailIndex = j.FailIndex
			c.Epoch = rapid.SampledFrom([]uint64{0, j.Epoch, j.Epoch + 1}).Draw(t, "epoch")
		}
		return c
	}
}

// further draws what an able leader and honest workers would send next for a job.
func (w *witness) further(id job.ID) Command {
	j := w.st.Job(id)
	if a := w.st.Job("a"); id == "c" && (a == nil || a.State != job.Published) {
		return w.further("a")
	}
	switch {
	case j == nil:
		return propertySubmit(id)
	case j.Paused != nil:
		return Resume{Job: id, Who: "ops"}
	case j.State == job.Failed || j.State == job.Cancelled:
		return Retry{Job: id, FailIndex: j.FailIndex, Epoch: j.Epoch + w.generation - j.Generation}
	case j.State == job.Held:
		return Release{Job: id, Reason: "seen", Who: "ops"}
	case j.Version != nil:
		return Publish{Job: id, Version: j.Version.ID, ManifestDigest: "m"}
	case j.Complete():
		return Seal{Job: id}
	}
	s := j.Stage()
	st := &j.Stages[s]
	switch {
	case !st.Planned && s == 0:
		return surveyPlan(id)
	case !st.Planned && s == 2:
		return w.selectPlan(id)
	case !st.Planned:
		p := scorePlan(id, 4)
		if a := w.st.Job("a"); id == "c" && !a.Stages[1].Divided && len(a.Stages[1].Tasks) == 4 {
			p.Kept = []Kept{{Task: 1, Job: "a", At: 1}, {Task: 3, Job: "a", At: 3}}
		}
		return p
	}
	for i := range st.Leased() {
		ref := TaskRef{id, s, i}
		tokens := w.current[ref]
		return Complete{Lease: Lease{ref, tokens[rapid.IntRange(0, len(tokens)-1).Draw(w.t, "attempt")]}, Result: w.result(ref)}
	}
	g := Grant{Worker: rapid.SampledFrom([]string{"w1", "w2", "w3"}).Draw(w.t, "worker")}
	for i := range st.Waiting() {
		if g.Tasks = append(g.Tasks, TaskRef{id, s, i}); len(g.Tasks) == 2 {
			break
		}
	}
	return g
}

// sentAt draws the index of a command of a kind, or one where there was none.
func (w *witness) sentAt(t *rapid.T, kind Kind) uint64 {
	indexes := []uint64{w.index}
	for _, e := range w.log {
		if Kind(e.data[0]) == kind {
			indexes = append(indexes, e.index)
		}
	}
	return indexes[len(indexes)-1-rapid.IntRange(0, min(2, len(indexes)-1)).Draw(t, "back")]
}

// divide cuts a task in two, mostly rightly.
func (w *witness) divide(ref TaskRef) Command {
	j := w.st.Job(ref.Job)
	if j == nil || len(j.Stages[1].Tasks) < 4 {
		return Divide{TaskRef: ref, Parts: make([]job.Task, 2)}
	}
	ref = TaskRef{ref.Job, 1, rapid.IntRange(3, len(j.Stages[1].Tasks)-1).Draw(w.t, "divided")} // the others are one segment each
	if j.Stages[1].Tasks[ref.Task].Rows < 50 {
		return Divide{TaskRef: ref, Parts: make([]job.Task, 3)}
	}
	parts := halves(j.Stages[1].Tasks[ref.Task].Plan())
	switch rapid.IntRange(0, 9).Draw(w.t, "parts") {
	case 0:
		parts[1].Rows--
	case 1:
		parts[0].Keys.Lo++
	case 2:
		parts[1].Range.First += partition.LinesPerSegment
	case 3:
		parts[1].Slices[0].First++
	}
	return Divide{TaskRef: ref, Parts: parts}
}

// result is what a worker makes of the task: mostly the truth.
func (w *witness) result(ref TaskRef) job.Result {
	if ref.Stage == 0 {
		return job.Result{}
	}
	tasks, _ := cut(4)
	r := resultOf(tasks[ref.Task%4])
	if j := w.st.Job(ref.Job); ref.Stage == 1 && j != nil && ref.Task < len(j.Stages[1].Tasks) {
		r = resultOf(j.Stages[1].Tasks[ref.Task].Plan())
	}
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
	tasks := 4
	if j := w.st.Job(id); j != nil && j.Stages[1].Divided {
		tasks = len(j.Stages[1].Tasks)
	}
	for i := range tasks {
		results = append(results, w.done[TaskRef{id, 1, i}])
	}
	p := selectPlanOf(id, results)
	for i := range p.Tasks {
		if j := w.st.Job(id); j != nil && i < len(j.Stages[1].Tasks) {
			p.Tasks[i].Range = j.Stages[1].Tasks[i].Range
		}
	}
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

	planned := w.planned(cmd)
	reply, _, err := Apply(w.st, w.index, cmd)
	if before := w.twin.index; err != nil {
		w.twin.index = w.index // all that a refused command may change
		if w.hash(w.st) != w.hash(w.twin) {
			w.t.Fatalf("%s was refused (%v) and changed the ledger", cmd.Kind(), err)
		}
		w.twin.index = before
	}
	snap, err2 := w.twin.Snapshot()
	if err2 != nil {
		w.t.Fatal(err2)
	}
	if w.twin, err2 = Restore(snap); err2 != nil {
		w.t.Fatal(err2)
	}
	decoded, err2 := DecodeCommand(data)
	if err2 != nil {
		w.t.Fatal(err2)
	}
	_, _, err2 = Apply(w.twin, w.index, decoded)
	if (err == nil) != (err2 == nil) || !equalStates(w.t, w.st, w.twin) { // I7
		w.t.Fatalf("%s: two replicas differ: %v, %v", cmd.Kind(), err, err2)
	}
	if !planned { // else it says what is known, or was divided since
		w.learn(cmd, reply, err)
	}
	w.check(cmd)
}

// planned reports whether the command is a plan of a stage that has one.
func (w *witness) planned(cmd Command) bool {
	p, ok := cmd.(Plan)
	j := w.st.Job(p.Job)
	return ok && j != nil && p.Stage < len(j.Stages) && j.Stages[p.Stage].Planned
}

func (w *witness) hash(s *State) [32]byte { return mustHash(w.t, s) }

// learn takes in what the command must have meant.
func (w *witness) learn(cmd Command, reply Reply, err error) {
	switch c := cmd.(type) {
	case Plan:
		if err == nil {
			w.learnKept(c)
		}
	case Grant:
		granted, _ := reply.(GrantReply)
		for _, l := range granted.Leases {
			if w.current[l.TaskRef] != nil { // I3
				w.t.Fatalf("%s is held under %d and was granted", l, w.current[l.TaskRef])
			}
			w.learnLease(l)
		}
	case Double:
		granted, _ := reply.(GrantReply)
		for _, l := range granted.Leases {
			if held := w.current[l.TaskRef]; len(granted.Leases) != 1 || len(held) != 1 || held[0] != c.Token { // I3
				w.t.Fatalf("%s was doubled as %v and held under %d", c.Lease, granted.Leases, held)
			}
			w.learnLease(l)
		}
	case Complete:
		w.learnComplete(c, reply, err)
	case Fail, Expire:
		if err == nil {
			lease := leaseOf(c)
			if !w.holds(lease) {
				w.t.Fatalf("%s by somebody else is OK", lease)
			}
			w.release(lease)
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
			w.pointers = append(w.pointers, pointer{v.Epoch, v.SealIndex, v.ID})
		}
	case Pause, Resume:
		if err == nil {
			if p, ok := c.(Pause); ok {
				w.paused[p.Job] = true
			} else {
				delete(w.paused, c.(Resume).Job)
			}
		}
	case Point:
		if err == nil {
			for _, r := range w.st.Rollbacks(c.Dataset) {
				if r.Index == c.Index {
					w.pointers = append(w.pointers, pointer{r.Epoch, r.Index, r.Version})
				}
			}
		}
	case Found:
		if len(w.names) == 0 && c.After == "" {
			w.names = []string{c.Cluster}
		} else if len(w.names) > 0 && c.Cluster != w.names[len(w.names)-1] && c.After == w.names[len(w.names)-1] {
			w.names = append(w.names, c.Cluster)
			w.generation++
			clear(w.current) // whoever holds a lease holds it of another ledger
		}
	}
	for ref := range w.current { // a job that ended takes its leases back
		if s := w.st.Job(ref.Job).State; s == job.Failed || s == job.Cancelled {
			delete(w.current, ref)
		}
	}
}

func (w *witness) learnLease(l Lease) {
	if _, finished := w.done[l.TaskRef]; finished { // I6
		w.t.Fatalf("%s is done and was granted", l)
	}
	if w.paused[l.Job] {
		w.t.Fatalf("%s was granted, of a job that is paused", l)
	}
	if l.Token != job.Token(w.generation<<generationBits|w.index) || l.Token < w.last {
		w.t.Fatalf("%s has not the token of index %d of ledger %d", l, w.index, w.generation)
	}
	w.last = l.Token
	w.current[l.TaskRef] = append(w.current[l.TaskRef], l.Token)
	w.leases = append(w.leases, l)
}

// learnKept: what a plan kept is what the other job made of it.
func (w *witness) learnKept(c Plan) {
	for _, k := range c.Kept {
		ref, from := TaskRef{c.Job, c.Stage, k.Task}, TaskRef{k.Job, c.Stage, k.At}
		r, made := w.done[from]
		if !made || w.st.Job(k.Job).State != job.Published || w.current[ref] != nil {
			w.t.Fatalf("%s is kept of %s, which is not published", ref, from)
		}
		w.done[ref], w.token[ref] = r, w.token[from]
	}
	tasks := w.st.Job(c.Job).Stages[c.Stage].Tasks
	for ref := range w.done { // half a plan may have been replaced
		if ref.Job == c.Job && ref.Stage == c.Stage && (ref.Task >= len(tasks) || tasks[ref.Task].State != Done) {
			delete(w.done, ref)
		}
	}
}

func (w *witness) learnComplete(c Complete, reply Reply, err error) {
	got, _ := reply.(CompleteReply)
	r, finished := w.done[c.TaskRef]
	holder := w.holds(c.Lease)
	honest := holder && (c.Stage == 0 || w.honest(c))
	switch { // exactly these are OK, exactly so
	case finished && w.token[c.TaskRef] == c.Token && w.leased(c.Lease) && packResult(r) == packResult(c.Result):
		if err != nil || !got.Repeat || got.Lost {
			w.t.Fatalf("%s again: %+v, %v", c.Lease, got, err)
		}
	case slices.Contains(w.lost, c.Lease):
		mine, theirs := r, c.Result
		mine.Timing, theirs.Timing = job.Timing{}, job.Timing{}
		same := packResult(mine) == packResult(theirs)
		if err != nil || !got.Lost || got.Same != same {
			w.t.Fatalf("%s lost, the same: %t; %+v, %v", c.Lease, same, got, err)
		}
		if !same {
			w.differed[c.Lease] = true
		}
	case holder && honest:
		if err != nil || got.Repeat || got.Lost {
			w.t.Fatalf("%s by its holder: %+v, %v", c.Lease, got, err)
		}
		w.done[c.TaskRef], w.token[c.TaskRef] = c.Result, c.Token
		w.release(c.Lease)
		for _, other := range w.current[c.TaskRef] {
			w.lost = append(w.lost, Lease{c.TaskRef, other})
		}
		delete(w.current, c.TaskRef)
	case holder:
		if !errors.Is(err, ErrCounts) {
			w.t.Fatalf("%s with rows lost: %v", c.Lease, err)
		}
	case err == nil:
		w.t.Fatalf("%s by somebody else is OK", c.Lease)
	}
}

// leased reports whether there ever was such a lease: a kept task is done under a token
// of another job's.
func (w *witness) leased(l Lease) bool { return slices.Contains(w.leases, l) }

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
	leased, done, differed := 0, 0, 0
	for j := range w.st.Jobs() {
		for s := range j.Stages {
			st := &j.Stages[s]
			var sum Totals
			for i := range st.Tasks {
				ref, t := TaskRef{j.ID, s, i}, &st.Tasks[i]
				switch t.State {
				case Waiting:
				case Leased:
					leased++
					tokens := []job.Token{t.Token}
					if t.Second != nil {
						tokens = append(tokens, t.Second.Token)
						if t.Second.Worker == t.Worker {
							w.t.Fatalf("after %s: %s runs twice on %s", cmd.Kind(), ref, t.Worker)
						}
					}
					if !slices.Equal(w.current[ref], tokens) { // I3
						w.t.Fatalf("after %s: %s is leased under %d, not %d", cmd.Kind(), ref, tokens, w.current[ref])
					}
				case Done:
					done++
					r := t.Result()
					if mine, ok := w.done[ref]; !ok || w.token[ref] != t.Token || packResult(mine) != t.result.text() { // I6
						w.t.Fatalf("after %s: %s is done otherwise than it was reported", cmd.Kind(), ref)
					}
					if s == 1 && (!r.Counts.Conserved() || r.Counts.In != t.Rows || r.Keys != t.Keys) { // I2
						w.t.Fatalf("after %s: %s lost rows", cmd.Kind(), ref)
					}
					sum.Counts = sum.Counts.Add(r.Counts)
					sum.Rows = sum.Rows.Add(r.Rows)
				case Failed:
					if j.State == job.Running && t.Failures < j.MaxAttempts && t.Silences < SilencesPerAttempt*j.MaxAttempts {
						w.t.Fatalf("after %s: %s is quarantined with attempts left", cmd.Kind(), ref)
					}
				}
			}
			got := st.Totals()
			if st.Planned && (got.Counts != sum.Counts || got.Rows != sum.Rows) {
				w.t.Fatalf("after %s: %s stage %d sums to %+v, not %+v", cmd.Kind(), j.ID, s, got.Counts, sum.Counts)
			}
			if j.State == job.Running && got.Failed > 0 && got.Waiting+got.Leased == 0 {
				w.t.Fatalf("after %s: %s runs, and all that is left of stage %d is quarantined", cmd.Kind(), j.ID, s)
			}
			if st.Planned && st.Kind == job.StageScore { // I1 and I2, divided or not
				if err := checkCover(st.Tasks, st.ByRange()); err != nil || got.PlannedRows != j.Facts.rows() {
					w.t.Fatalf("after %s: %s plans %d rows of %d: %v", cmd.Kind(), j.ID, got.PlannedRows, j.Facts.rows(), err)
				}
			}
		}
		for _, i := range j.Incidents {
			if l := (Lease{TaskRef{j.ID, i.Stage, i.Task}, i.Loser}); !w.differed[l] || i.Winner != w.token[l.TaskRef] {
				w.t.Fatalf("after %s: incident %+v", cmd.Kind(), i)
			}
			differed++
		}
		if j.Version != nil {
			w.checkVersion(j)
		}
	}
	if leased != len(w.current) || done != len(w.done) || differed != len(w.differed) {
		w.t.Fatalf("after %s: %d leased, %d done and %d incidents, not %d, %d and %d", cmd.Kind(),
			leased, done, differed, len(w.current), len(w.done), len(w.differed))
	}
	published := map[job.ID]int{}
	for _, v := range w.st.Versions("base") {
		if published[v.Job]++; published[v.Job] > 1 || v != w.version[v.Job] { // I4
			w.t.Fatalf("after %s: %+v is published, sealed was %+v", cmd.Kind(), v, w.version[v.Job])
		}
	}
	w.checkNames(cmd)
}

// checkNames: readers get what the highest pointer says, and the ledger is called what
// it was last called.
func (w *witness) checkNames(cmd Command) {
	var highest pointer
	for _, p := range w.pointers {
		if cmp.Or(cmp.Compare(p.epoch, highest.epoch), cmp.Compare(p.index, highest.index)) > 0 {
			highest = p
		}
	}
	if v, ok := w.st.Current("base"); ok != (len(w.pointers) > 0) || v.ID != highest.version {
		w.t.Fatalf("after %s: readers get %q, the highest pointer says %q", cmd.Kind(), v.ID, highest.version)
	}
	if name := w.st.Cluster(); len(w.names) > 0 && name != w.names[len(w.names)-1] || len(w.names) == 0 && name != "" {
		w.t.Fatalf("after %s: the ledger is %q of %q", cmd.Kind(), name, w.names)
	}
}

// checkVersion: every number is in one range, every row in one count.
func (w *witness) checkVersion(j *Job) {
	var ranges []partition.Range
	var counts job.Counts
	var digest partition.Sum
	for _, i := range j.Score().ByRange() {
		t := j.Score().Tasks[i]
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
