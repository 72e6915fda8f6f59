package sim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/partition/wire"
)

// checker knows the invariants and nothing else: what it believes it took from the
// commands that were committed and from the bytes in the store, by rules of its own.
// Of the ledger it reads what the ledger says, to compare.
type checker struct {
	s        *simulation
	operator *process

	index    uint64 // highest applied anywhere
	log      map[uint64]entry
	hashes   map[uint64][32]byte
	replies  map[uint64]string
	outcomes map[uint64]outcome

	jobs    map[job.ID]*jobBook
	last    job.Token                // of the last grant: tokens only grow
	ready   map[string]bool          // versions that were published
	back    map[uint64]string        // version by index of the rollback
	sealed  map[string]*jobBook      // by version
	written map[string]publishedFile // what readers of a version may open
	pointed map[string]bool          // versions that readers can find
	numbers map[string]bool          // of every base, as text (I8)

	fenced, published, prepared, swept, histories int
}

type outcome struct {
	reply ledger.Reply
	err   error
}

// jobBook is what must be true of one job.
type jobBook struct {
	id      job.ID
	spec    job.Spec
	selects bool
	base    *base
	truth   made // of the whole base, in one piece and without a fault
	below   map[uint64]int64
	tasks   map[ledger.TaskRef]*taskBook
	planned map[int]bool
	over    bool   // no lease is live
	ended   uint64 // at that index
	version string
	index   uint64 // of its seal
}

// taskBook is one task: who may finish it, and who did.
type taskBook struct {
	live   map[job.Token]string // worker by token
	ever   map[job.Token]bool
	done   job.Token // 0 = not yet
	result string
	made   job.Result
	loser  job.Token // live when it was finished: to be compared
}

func newTaskBook() *taskBook {
	return &taskBook{live: map[job.Token]string{}, ever: map[job.Token]bool{}}
}

type publishedFile struct {
	sha256 string
	size   int
}

func newChecker(s *simulation) *checker {
	return &checker{
		s: s, log: map[uint64]entry{}, hashes: map[uint64][32]byte{}, replies: map[uint64]string{}, outcomes: map[uint64]outcome{},
		ready: map[string]bool{}, pointed: map[string]bool{}, back: map[uint64]string{},
		jobs: map[job.ID]*jobBook{}, sealed: map[string]*jobBook{}, written: map[string]publishedFile{}, numbers: map[string]bool{},
	}
}

// submitted tells what a job is over, before anybody else knows of it.
func (c *checker) submitted(id job.ID, b *base, selects bool, spec job.Spec) {
	k := &jobBook{id: id, base: b, selects: selects, spec: spec, tasks: map[ledger.TaskRef]*taskBook{}, planned: map[int]bool{}, below: map[uint64]int64{}}
	c.jobs[id] = k
	if b.exports {
		k.truth = b.prepared()
	} else {
		k.truth = scoreRows(slices.Concat(b.files...))
	}
	for _, file := range b.files {
		for _, r := range file {
			if r.number != 0 {
				c.numbers[r.number.Digits()] = true
			}
		}
	}
	if !selects {
		return
	}
	all := lines(k.truth.content)
	for _, l := range all {
		if _, known := k.below[l.score]; known {
			continue
		}
		var n int64
		for _, o := range all {
			if o.score < l.score {
				n++
			}
		}
		k.below[l.score] = n
	}
	for _, l := range all {
		k.truth.sum = k.truth.sum.AddHash(placeHash(l.number, k.below[l.score]))
	}
}

// opened takes in the first entry of a term.
func (c *checker) opened(i uint64, e entry) { c.same(i, e) }

// same: an index that is committed holds one entry for ever.
func (c *checker) same(i uint64, e entry) (first bool) {
	if known, ok := c.log[i]; ok {
		if known.term != e.term || !bytes.Equal(known.data, e.data) {
			c.s.w.fail("I7: index %d was committed twice, with other entries", i)
		}
		return false
	}
	c.log[i] = e
	c.index = max(c.index, i)
	return true
}

// applied is told of every entry that a replica applied.
func (c *checker) applied(v *voter, i uint64, e entry, cmd ledger.Command, reply ledger.Reply, events []ledger.Event, refusal error) {
	said := fmt.Sprintf("%+v %v", reply, refusal)
	if c.same(i, e) {
		c.replies[i], c.outcomes[i] = said, outcome{reply, refusal}
		c.learn(v.state, i, cmd, reply, refusal)
		if refusal != nil {
			c.text("a refusal", refusal.Error())
		}
		c.text("an event", fmt.Sprintf("%+v", events))
	} else if c.replies[i] != said {
		c.s.w.fail("I7: index %d, %s: %s answers %s, another replica %s", i, cmd.Kind(), v.name, said, c.replies[i])
	}
	if i%12 == 0 {
		c.replicaAt(v.name, v.state)
	}
}

// replicaAt compares a replica with every other that was at the same index.
func (c *checker) replicaAt(name string, st *ledger.State) {
	hash, err := st.Hash()
	if err != nil {
		c.s.w.fail("%s cannot be hashed: %w", name, err)
		return
	}
	known, ok := c.hashes[st.Index()]
	if !ok {
		c.hashes[st.Index()] = hash
	} else if known != hash {
		c.s.w.fail("I7: %s holds another ledger at index %d", name, st.Index())
	}
}

// learn takes in what a committed command must have meant, by the contract, and fails
// when the ledger thinks otherwise.
func (c *checker) learn(st *ledger.State, i uint64, cmd ledger.Command, reply ledger.Reply, refusal error) {
	fail := func(format string, args ...any) {
		c.s.w.fail("index %d, %s: %w", i, describe(cmd), fmt.Errorf(format, args...))
	}
	switch cmd := cmd.(type) {
	case ledger.Plan:
		c.plan(st, cmd, refusal)
	case ledger.Grant:
		granted, _ := reply.(ledger.GrantReply)
		for _, l := range granted.Leases {
			k, t := c.task(l.TaskRef)
			switch {
			case t == nil || k.over:
				fail("I3: %s is granted and is no task, or of a job that is over", l)
			case t.done != 0:
				fail("I6: %s is done and is granted again", l)
			case len(t.live) > 0:
				fail("I3: %s is granted while another token is live", l)
			case l.Token != job.Token(i) || l.Token < c.last:
				fail("I3: %s has a token that is not its index, or is below one before", l)
			}
			if t == nil {
				return
			}
			c.last = l.Token
			t.live[l.Token], t.ever[l.Token] = cmd.Worker, true
			c.compare(st, l.TaskRef)
		}
	case ledger.Complete:
		c.complete(st, cmd, reply, refusal, fail)
	case ledger.Fail:
		f, _ := reply.(ledger.FailReply)
		c.giveBack(st, cmd.Lease, f.JobFailed, refusal, fail)
	case ledger.Expire:
		if c.s.mix.calm && cmd.Cause == ledger.Silent && refusal == nil {
			fail("%s is heard of and runs out", cmd.Lease)
		}
		e, _ := reply.(ledger.ExpireReply)
		c.giveBack(st, cmd.Lease, e.JobFailed, refusal, fail)
	case ledger.Double:
		granted, _ := reply.(ledger.GrantReply)
		c.double(st, i, cmd, granted, refusal, fail)
	case ledger.Divide:
		if refusal == nil {
			c.divide(st, cmd, fail)
		}
	case ledger.FailJob:
		if refusal == nil {
			if cmd.Reason != refused && (c.swept == 0 || !strings.Contains(cmd.Reason, gone)) {
				fail("the job fails, and nothing is wrong with it")
			}
			c.end(st, i, cmd.Job)
		}
	case ledger.Cancel:
		if refusal == nil {
			c.end(st, i, cmd.Job)
		}
	case ledger.Retry:
		k := c.jobs[cmd.Job]
		if refusal != nil || k == nil {
			return
		}
		if j := st.Job(cmd.Job); k.over && j.State != job.Failed && j.State != job.Cancelled {
			if j.Retried != cmd.FailIndex || cmd.FailIndex != k.ended {
				fail("a retry of failure %d answers failure %d", cmd.FailIndex, k.ended)
			}
			k.over = false
		}
		c.compareAll(st, k)
	case ledger.Seal:
		c.seal(st, i, cmd, reply, refusal, fail)
	case ledger.Rollback:
		if refusal == nil {
			if !c.ready[cmd.Version] {
				fail("I4: %s is gone back to and was never published", cmd.Version)
			}
			if r := reply.(ledger.RollbackReply); c.back[r.Index] == "" {
				c.back[r.Index] = cmd.Version
			} else if c.back[r.Index] != cmd.Version {
				fail("I4: pointer %d is of %s and of %s", r.Index, cmd.Version, c.back[r.Index])
			}
		}
	case ledger.Publish:
		if refusal != nil {
			return
		}
		c.ready[cmd.Version] = true
		k := c.jobs[cmd.Job]
		if k == nil || k.version == "" || k.version != cmd.Version {
			fail("I4: %s is published and was not sealed", cmd.Version)
		}
	}
}

func (c *checker) task(ref ledger.TaskRef) (*jobBook, *taskBook) {
	k := c.jobs[ref.Job]
	if k == nil {
		return nil, nil
	}
	return k, k.tasks[ref]
}

// double: a second worker on a task that one holds, and no third.
func (c *checker) double(st *ledger.State, i uint64, cmd ledger.Double, granted ledger.GrantReply, refusal error, fail func(string, ...any)) {
	if refusal != nil {
		return
	}
	k, t := c.task(cmd.TaskRef)
	if t == nil || k.over || len(granted.Leases) != 1 {
		fail("I3: a task that is not leased is doubled")
		return
	}
	l := granted.Leases[0]
	switch {
	case t.done != 0:
		fail("I6: %s is done and is doubled", l)
	case len(t.live) != 1 || t.live[cmd.Token] == "":
		fail("I3: %s is doubled while %d tokens are live", l, len(t.live))
	case t.live[cmd.Token] == cmd.Worker:
		fail("%s is doubled on the worker that has it", l)
	case l.Token != job.Token(i) || l.Token < c.last:
		fail("I3: %s has a token that is not its index, or is below one before", l)
	}
	c.last = l.Token
	t.live[l.Token], t.ever[l.Token] = cmd.Worker, true
	c.compare(st, cmd.TaskRef)
}

// divide: the parts take the task's place, and all tasks are the base as before.
func (c *checker) divide(st *ledger.State, cmd ledger.Divide, fail func(string, ...any)) {
	k, t := c.task(cmd.TaskRef)
	if t == nil || t.done != 0 || len(t.live) > 0 || k.over {
		if len(k.tasks) == c.planned(k, st) { // it was divided before: the same again
			return
		}
		fail("I6: a task that is leased or done is divided")
		return
	}
	stage := &st.Job(cmd.Job).Stages[cmd.Stage]
	for i := range stage.Tasks {
		ref := ledger.TaskRef{Job: cmd.Job, Stage: cmd.Stage, Task: i}
		if k.tasks[ref] == nil {
			k.tasks[ref] = newTaskBook()
		}
	}
	c.whole(k, stage)
}

// planned is how many tasks the ledger has of a job's planned stages.
func (c *checker) planned(k *jobBook, st *ledger.State) int {
	n := 0
	for i, stage := range st.Job(k.id).Stages {
		if k.planned[i] {
			n += len(stage.Tasks)
		}
	}
	return n
}

// plan: the tasks of a whole plan are the base, each row once (I1, I2).
func (c *checker) plan(st *ledger.State, cmd ledger.Plan, refusal error) {
	k, j := c.jobs[cmd.Job], st.Job(cmd.Job)
	if refusal != nil || k == nil || j == nil || !j.Stages[cmd.Stage].Planned || k.planned[cmd.Stage] {
		return
	}
	k.planned[cmd.Stage] = true
	stage := &j.Stages[cmd.Stage]
	for i := range stage.Tasks {
		b := newTaskBook()
		k.tasks[ledger.TaskRef{Job: cmd.Job, Stage: cmd.Stage, Task: i}] = b
		if t := &stage.Tasks[i]; t.From != "" {
			c.kept(k, j, stage.Kind, t)
			b.done, b.made = t.Token, *t.Result()
			b.result = fmt.Sprintf("%+v", b.made)
		}
	}
	c.whole(k, stage)
}

// kept: a task that a rerun takes over was finished for the version it stands on, over
// the same range, and what it staged is there.
func (c *checker) kept(k *jobBook, j *ledger.Job, kind job.StageKind, t *ledger.Task) {
	origin := c.jobs[t.From]
	r := t.Result()
	found := false
	if origin != nil && c.sealed[j.Base] != nil {
		for _, o := range origin.tasks {
			found = found || o.done == t.Token && sameWork(o.made, *r)
		}
	}
	if !found {
		c.s.w.fail("I6: %s keeps a %s task of %s that nobody finished there", k.id, kind, t.From)
	}
	for _, f := range r.Files {
		if c.s.disk.at(k.spec.Output.Path+"/"+f.Path) == nil {
			c.s.w.fail("I4: %s keeps %s, which is gone", k.id, f.Path)
		}
	}
}

// whole: the tasks of a stage are the base, each row once (I1, I2).
func (c *checker) whole(k *jobBook, stage *ledger.Stage) {
	if stage.Kind == job.StageSurvey {
		return
	}
	if stage.Kind == job.StageExchange {
		c.sliced(k, stage)
		return
	}
	var ranges []partition.Range
	var rows int64
	for i := range stage.Tasks {
		ranges = append(ranges, stage.Tasks[i].Range)
		rows += stage.Tasks[i].Rows
	}
	slices.SortFunc(ranges, func(a, b partition.Range) int { return cmp.Compare(a.First, b.First) })
	if err := partition.CheckCover(partition.Whole, ranges); err != nil {
		c.s.w.fail("I1: %s %s: %w", k.id, stage.Kind, err)
	}
	want := k.truth.counts.In
	if stage.Kind == job.StageSelect {
		want = k.truth.counts.Scored
	}
	if stage.Kind == job.StageMerge {
		want = k.truth.counts.Scored + k.truth.counts.Duplicate
	}
	if rows != want {
		c.s.w.fail("I2: %s %s has tasks over %d rows of %d", k.id, stage.Kind, rows, want)
	}
}

// complete: by a holder, once; what it reports is what the rows come to.
func (c *checker) complete(st *ledger.State, cmd ledger.Complete, reply ledger.Reply, refusal error, fail func(string, ...any)) {
	k, t := c.task(cmd.TaskRef)
	if t == nil {
		if refusal == nil {
			fail("%s is no task and was completed", cmd.Lease)
		}
		return
	}
	said := fmt.Sprintf("%+v", cmd.Result)
	_, live := t.live[cmd.Token]
	r, _ := reply.(ledger.CompleteReply)
	defer func() {
		if r.JobFailed {
			c.overNow(k, st.Index())
		}
	}()
	switch {
	case refusal == nil && t.done == 0:
		if !live || k.over {
			fail("I3: %s is completed by somebody who does not hold it", cmd.Lease)
		}
		if r.Repeat {
			fail("I3: %s is completed for the first time and answered as a repetition", cmd.Lease)
		}
		if err := k.honest(st, cmd); err != nil {
			fail("I2: %w", err)
		}
		for _, f := range cmd.Result.Files {
			if o := c.s.disk.at(k.spec.Output.Path + "/" + f.Path); o == nil || digest(o.data) != f.SHA256 {
				fail("I4: %s is completed with %s, which is gone or another", cmd.Lease, f.Path)
			}
		}
		t.done, t.result, t.made = cmd.Token, said, cmd.Result
		delete(t.live, cmd.Token)
		for token := range t.live {
			t.loser = token
		}
		clear(t.live)
	case refusal == nil && t.done == cmd.Token:
		if said != t.result || !r.Repeat {
			fail("I6: %s is done and was completed with another result", cmd.Lease)
		}
	case refusal == nil:
		if !t.ever[cmd.Token] || !r.Lost {
			fail("I3: %s is finished under %d and %s is answered OK", cmd.TaskRef, t.done, cmd.Lease)
		}
		if same := sameWork(t.made, cmd.Result); same != r.Same {
			fail("I5: the loser made the same: %v, and is told %v", same, r.Same)
		}
	case live && !k.over && t.done == 0 && !errors.Is(refusal, ledger.ErrCounts):
		fail("%s is refused to its holder: %w", cmd.Lease, refusal)
	case live && !k.over && t.done == 0 && k.honest(st, cmd) == nil:
		fail("%s is honest and refused: %w", cmd.Lease, refusal)
	case t.loser != 0 && cmd.Token == t.loser:
		fail("I5: %s was second, and is not compared with what was first: %w", cmd.Lease, refusal)
	case errors.Is(refusal, ledger.ErrFenced):
		c.fenced++
	}
	c.compare(st, cmd.TaskRef)
}

// sameWork reports whether two attempts made the same of a task: all but names and
// footers.
func sameWork(a, b job.Result) bool {
	same := a.Counts == b.Counts && a.Keys == b.Keys && a.Rows == b.Rows && len(a.Files) == len(b.Files)
	for i := range a.Files {
		same = same && a.Files[i].Content == b.Files[i].Content
	}
	return same
}

// honest compares a result with what the rows of the task's range come to.
func (k *jobBook) honest(st *ledger.State, cmd ledger.Complete) error {
	stage := &st.Job(cmd.Job).Stages[cmd.Stage]
	if stage.Kind == job.StageSurvey {
		return nil
	}
	r := stage.Tasks[cmd.Task].Range
	if k.base.exports {
		return k.honestly(stage.Kind, stage.Tasks[cmd.Task].Plan(), cmd)
	}
	var rows []row
	for f, file := range k.base.files {
		for i, line := range file {
			if r.Contains(k.base.segmentOf(f, i).First()) {
				rows = append(rows, line)
			}
		}
	}
	want := scoreRows(rows)
	counts, keys := want.counts, want.keys
	if stage.Kind == job.StageSelect {
		counts, keys = job.Counts{In: counts.Scored, Scored: counts.Scored}, partition.Sum{}
	}
	if cmd.Result.Counts != counts || cmd.Result.Keys != keys {
		return fmt.Errorf("%s reports %+v, its rows are %+v", cmd.Lease, cmd.Result.Counts, counts)
	}
	return nil
}

func (c *checker) giveBack(st *ledger.State, l ledger.Lease, jobFailed bool, refusal error, fail func(string, ...any)) {
	k, t := c.task(l.TaskRef)
	live := false
	if t != nil {
		_, live = t.live[l.Token]
	}
	if refusal != nil {
		if live && !k.over {
			fail("%s is live and cannot be given back: %w", l, refusal)
		}
		return
	}
	if !live || k.over {
		fail("I3: %s is given back and was not live", l)
		return
	}
	delete(t.live, l.Token)
	if jobFailed {
		c.overNow(k, st.Index())
	}
	c.compare(st, l.TaskRef)
}

// overNow takes every lease of a job back.
func (c *checker) overNow(k *jobBook, i uint64) {
	k.over, k.ended = true, i
	for _, t := range k.tasks {
		clear(t.live)
	}
}

// compare holds the ledger's task against the book's.
func (c *checker) compare(st *ledger.State, ref ledger.TaskRef) {
	_, book := c.task(ref)
	j := st.Job(ref.Job)
	t := &j.Stages[ref.Stage].Tasks[ref.Task]
	live := 0
	if t.State == ledger.Leased {
		live = 1
		if book.live[t.Token] == "" {
			c.s.w.fail("I3: %s is leased under %d, which is not live", ref, t.Token)
		}
		if t.Second != nil {
			live = 2
			if book.live[t.Second.Token] == "" {
				c.s.w.fail("I3: %s is doubled under %d, which is not live", ref, t.Second.Token)
			}
		}
	}
	switch {
	case (t.State == ledger.Done) != (book.done != 0):
		c.s.w.fail("I6: %s is %s in the ledger; it was finished under %d", ref, t.State, book.done)
	case t.State == ledger.Done && t.Token != book.done:
		c.s.w.fail("I3: %s was finished under %d, the ledger says %d", ref, book.done, t.Token)
	case live != len(book.live):
		c.s.w.fail("I3: %s is %s in the ledger and has %d live tokens, not %d", ref, t.State, len(book.live), live)
	}
}

// end: a job that ends holds no lease.
func (c *checker) end(st *ledger.State, i uint64, id job.ID) {
	k := c.jobs[id]
	if k == nil || k.over {
		return // the same again
	}
	c.overNow(k, i)
	c.compareAll(st, k)
}

func (c *checker) compareAll(st *ledger.State, k *jobBook) {
	for ref := range k.tasks {
		c.compare(st, ref)
	}
}

// acknowledged: what a worker was answered OK is in the ledger, whoever leads.
func (c *checker) acknowledged(r wire.Report) {
	if r.Result == nil {
		return
	}
	ref := ledger.TaskRef{Job: r.Lease.Job, Stage: r.Lease.Stage, Task: r.Lease.Task}
	if _, t := c.task(ref); t == nil || t.done != r.Lease.Token || t.result != fmt.Sprintf("%+v", *r.Result) {
		c.s.w.fail("I6: the report of %s under %d was answered OK and is not in the ledger", ref, r.Lease.Token)
	}
}

// seal: every task is done, and what the tasks add up to is the base (I1, I2).
func (c *checker) seal(st *ledger.State, i uint64, cmd ledger.Seal, reply ledger.Reply, refusal error, fail func(string, ...any)) {
	k := c.jobs[cmd.Job]
	if refusal != nil || k == nil {
		return
	}
	v := reply.(ledger.SealReply).Version
	if k.version != "" {
		if k.version != v.ID {
			fail("I4: version %s was sealed as %s", v.ID, k.version)
		}
		return
	}
	for ref, t := range k.tasks {
		if t.done == 0 {
			fail("%s is not done and its job is sealed", ref)
		}
	}
	if v.Counts != k.truth.counts {
		fail("I2: sealed %+v, the base is %+v", v.Counts, k.truth.counts)
	}
	if v.Digest != k.truth.sum {
		fail("I5: the rows sum up to %s, those of a run without faults to %s", v.Digest, k.truth.sum)
	}
	if v.SealIndex != i || st.Job(cmd.Job).State != job.Sealed {
		fail("sealed at index %d as %d", i, v.SealIndex)
	}
	k.version, k.index = v.ID, i
	c.sealed[v.ID] = k
}

// wrote is told of every new object.
func (c *checker) wrote(name string) {
	folder, rest, _ := strings.Cut(name, "/")
	if !strings.HasPrefix(rest, "_published/") || strings.HasPrefix(rest, "_published/epoch-") {
		return
	}
	o := c.s.disk.objects[name]
	c.written[name] = publishedFile{sha256: digest(o.data), size: len(o.data)}
	var p publish.Pointer
	if err := json.Unmarshal(o.data, &p); err != nil {
		c.s.w.fail("I4: %s is no pointer: %w", name, err)
		return
	}
	if err := c.readable(folder, p); err != nil {
		c.s.w.fail("%s: %w", name, err)
	}
}

// readable reads a version as a reader would, and holds it against the base.
func (c *checker) readable(folder string, p publish.Pointer) error {
	k := c.sealed[p.Version]
	switch {
	case k == nil:
		return fmt.Errorf("I4: it names version %s, which is not sealed", p.Version)
	case p.Index != k.index && c.back[p.Index] != p.Version:
		return fmt.Errorf("I4: %s was sealed at index %d and not gone back to at %d", p.Version, k.index, p.Index)
	}
	disk := c.s.disk
	read := func(name, sha256 string) ([]byte, error) {
		o := disk.at(folder + "/" + name)
		if o == nil {
			return nil, fmt.Errorf("I4: %s is not there", name)
		}
		if sha256 != "" && digest(o.data) != sha256 {
			return nil, fmt.Errorf("I4: %s is another than its SHA-256 says", name)
		}
		c.written[folder+"/"+name] = publishedFile{sha256: digest(o.data), size: len(o.data)}
		return o.data, nil
	}
	if _, err := read(p.Path+"/_SUCCESS", ""); err != nil {
		return err
	}
	data, err := read(p.Path+"/_MANIFEST.json", p.Manifest)
	if err != nil {
		return err
	}
	var m publish.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("read the manifest: %w", err)
	}
	c.pointed[p.Version] = true
	if k.base.exports {
		return c.preparedReadable(k, p, m, read)
	}
	seen := map[partition.Number]bool{}
	var counts job.Counts
	var content bytes.Buffer
	for _, part := range m.Partitions {
		counts = counts.Add(part.Rows)
		for _, f := range part.Files {
			data, err := read(p.Path+"/"+f.Path, f.SHA256)
			if err != nil {
				return err
			}
			if strings.HasPrefix(f.Path, "_rejects/") {
				continue
			}
			for _, l := range lines(data) {
				if seen[l.number] {
					return fmt.Errorf("I1: a subscriber stands twice in %s", p.Version)
				}
				seen[l.number] = true
				if l.score != score(l.number) || k.selects && l.below != k.below[l.score] {
					return fmt.Errorf("I5: a subscriber has another score than in a run without faults")
				}
			}
			text, _, _ := bytes.Cut(data, []byte("#"))
			content.Write(text)
		}
	}
	if counts != k.truth.counts || !counts.Conserved() || int64(len(seen)) != counts.Scored || m.Rows != counts {
		return fmt.Errorf("I2: %+v and %d scored rows are published of %+v", counts, len(seen), k.truth.counts)
	}
	for _, l := range lines(k.truth.content) {
		if !seen[l.number] {
			return fmt.Errorf("I1: a subscriber is missing from %s", p.Version)
		}
	}
	record := schema.ScoreWith(k.spec.Model.Names())
	if k.selects {
		record = schema.PublishedWith(k.spec.Model.Names())
	}
	want := publish.Digest(schema.Fingerprint(record), k.spec.Month, k.truth.counts, k.truth.sum)
	if m.Digest != want || p.Digest != want {
		return fmt.Errorf("I5: its digest is %s, that of a run without faults %s", m.Digest, want)
	}
	c.published++
	return nil
}

// deleted is told of every deletion.
func (c *checker) deleted(who, name string) {
	if _, ok := c.written[name]; ok {
		c.s.w.fail("I4: %s deletes %s, which a published version needs", who, name)
	}
	c.swept++
	for _, k := range c.jobs {
		for _, t := range k.tasks {
			for _, f := range t.made.Files {
				if f.Kind == job.FileRun && c.pointed[k.version] {
					continue // what is merged is published, and no run is needed any more
				}
				if !c.ready[k.version] && !k.over && k.spec.Output.Path+"/"+f.Path == name {
					c.s.w.fail("I4: %s deletes %s, which %s is to publish", who, name, k.id)
				}
			}
		}
	}
}

// text is what people may read: no subscriber number stands in it (I8).
func (c *checker) text(what, text string) {
	run := 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] >= '0' && text[i] <= '9' {
			run++
			continue
		}
		if run == 11 && c.numbers[text[i-11:i]] {
			c.s.w.fail("I8: %s names a subscriber", what)
		}
		run = 0
	}
}

// finish checks what must be true when every job has ended.
func (c *checker) finish() {
	for name, f := range c.written {
		o := c.s.disk.at(name)
		if o == nil || digest(o.data) != f.sha256 {
			c.s.w.fail("I4: %s of a published version is gone, or another", name)
		}
	}
	for _, v := range c.s.cluster.voters {
		if v.up {
			c.replicaAt(v.name, v.state)
		}
	}
	c.s.history.check(c)
}

// unfinished says where the jobs stand that did not end.
func (c *checker) unfinished() string {
	var lines []string
	for _, id := range slices.Sorted(maps.Keys(c.jobs)) {
		for _, v := range c.s.cluster.voters {
			if j := v.state.Job(id); v.up && j != nil {
				at := min(j.Stage(), len(j.Stages)-1)
				t := j.Stages[at].Totals()
				lines = append(lines, fmt.Sprintf("%s: %s is %s in stage %d, %d waiting, %d leased, %d failed, %d done of %d; paused %v; %s",
					v.name, id, j.State, at, t.Waiting, t.Leased, t.Failed, t.Done, t.Tasks, j.Paused != nil, j.FailReason))
			}
		}
	}
	return strings.Join(lines, "; ")
}

// describe is a command in a few words.
func describe(cmd ledger.Command) string {
	switch cmd := cmd.(type) {
	case ledger.Grant:
		return fmt.Sprintf("grant to %s of %v", cmd.Worker, cmd.Tasks)
	case ledger.Complete:
		return fmt.Sprintf("complete %s", cmd.Lease)
	case ledger.Fail:
		return fmt.Sprintf("fail %s: %s", cmd.Lease, cmd.Reason)
	case ledger.Expire:
		return fmt.Sprintf("expire %s", cmd.Lease)
	case ledger.Plan:
		return fmt.Sprintf("plan %s/%d of %d tasks", cmd.Job, cmd.Stage, len(cmd.Tasks))
	case ledger.Submit:
		return fmt.Sprintf("submit %s", cmd.Job)
	case ledger.FailJob:
		return fmt.Sprintf("fail job %s: %s", cmd.Job, cmd.Reason)
	}
	return cmd.Kind().String()
}
