package fault

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rescore/cmd/internal/rig"
)

// leaseTTL is short, so that a test need not wait long for a lease to run out.
const leaseTTL = 3 * time.Second

var program string // the binary, with its failpoints

func TestMain(m *testing.M) { rig.Main(m, &program, "failpoint") }

// cluster is a rig that knows the right answers.
type cluster struct {
	*rig.Cluster
	scores, prepares trial

	hands sync.Map // *rig.Process → *sync.Mutex: one fault at a time on a process
}

// trial is a job, and what one process makes of it.
type trial struct {
	jobFile string
	alone   string // where it was made
	digest  string
	rows    int64 // read
	scored  int64
}

// newCluster synthesises a base and exports, runs the job of each in one process, and
// starts a cluster.
func newCluster(t *testing.T, subscribers int, nats string) *cluster {
	c := &cluster{Cluster: rig.New(t, rig.Plan{Program: program, Workers: 4, LeaseTTL: leaseTTL, Apart: true, NATS: nats})}
	province := filepath.Join(c.Dir, "province")
	c.Must("synth", "--out", province, "--subscribers", fmt.Sprint(subscribers), "--seed", "7", "--quiet")
	c.scores = c.try("run", filepath.Join(province, "job.yaml"))
	c.prepares = c.try("prepare", c.unsorted(subscribers/4))
	return c
}

// try runs a job in one process.
func (c *cluster) try(command, jobFile string) trial {
	alone := filepath.Join(c.Dir, "alone-"+command)
	var single struct {
		Digest string
		Rows   struct{ In, Scored int64 }
	}
	out := c.Must(command, jobFile, "--quiet", "--set", "output.path="+filepath.Join(alone, "out"), "--set", "run.work="+filepath.Join(alone, "work"), "--output", "json")
	if err := rig.LastObject(out, &single); err != nil {
		c.Fatal(err)
	}
	return trial{jobFile: jobFile, alone: alone, digest: single.Digest, rows: single.Rows.In, scored: single.Rows.Scored}
}

// unsorted writes exports of a synthetic base in no order, in four files, a third of its
// rows twice, and the job that prepares them.
func (c *cluster) unsorted(subscribers int) (jobFile string) {
	raw, dir := filepath.Join(c.Dir, "raw"), filepath.Join(c.Dir, "unsorted")
	c.Must("synth", "--out", raw, "--subscribers", fmt.Sprint(subscribers), "--seed", "8", "--format", "csv", "--files", "1", "--quiet")
	data, err := os.ReadFile(filepath.Join(raw, "base", "part-00000.csv"))
	if err != nil {
		c.Fatal(err)
	}
	header, text, _ := strings.Cut(strings.TrimSuffix(string(data), "\n"), "\n")
	rows := strings.Split(text, "\n")
	rows = append(rows, rows[:len(rows)/3]...)
	r := rand.New(rand.NewPCG(8, 8))
	r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	if err := os.MkdirAll(filepath.Join(dir, "exports"), 0o755); err != nil {
		c.Fatal(err)
	}
	for k, part := range slices.Collect(slices.Chunk(rows, len(rows)/4+1)) {
		text := header + "\n" + strings.Join(part, "\n") + "\n"
		if err := os.WriteFile(filepath.Join(dir, "exports", fmt.Sprintf("%d.csv", k)), []byte(text), 0o644); err != nil {
			c.Fatal(err)
		}
	}
	jobFile = filepath.Join(dir, "prepare.yaml")
	spec := "version: 1\nkind: prepare\nname: unsorted\nmonth: 202610\ninput: {path: exports}\noutput: {path: out}\nprepare: {memory_mb: 16}\ngates: {reject_share_max: 1}\n"
	if err := os.WriteFile(jobFile, []byte(spec), 0o644); err != nil {
		c.Fatal(err)
	}
	return jobFile
}

// submission is a job under way and where it publishes.
type submission struct {
	id, out string
	trial
}

// a fault breaks something, lets it be broken for a while and mends it. Nothing that
// it broke is left broken when it returns.
type fault struct {
	name  string
	needs func(c *cluster) bool // nil: nothing that not every machine gives
	do    func(c *cluster, r *rand.Rand)
}

func networks(c *cluster) bool   { return c.Networks }
func smallDisks(c *cluster) bool { return c.Disks }

var faults = []fault{
	{"kill a worker", nil, func(c *cluster, r *rand.Rand) { c.fell(pick(r, c.Workers), r) }},
	{"kill a coordinator", nil, func(c *cluster, r *rand.Rand) { c.fell(pick(r, c.Coordinators), r) }},
	{"kill the leader", nil, func(c *cluster, r *rand.Rand) { c.fell(c.leading(r), r) }},
	{"kill all coordinators", nil, func(c *cluster, r *rand.Rand) { c.together(c.Coordinators, r) }},
	{"kill everything", nil, func(c *cluster, r *rand.Rand) { c.together(c.All(), r) }},
	{"stop a worker until its lease is over", nil, func(c *cluster, r *rand.Rand) {
		c.freeze(pick(r, c.Workers), leaseTTL+time.Duration(r.IntN(2000))*time.Millisecond)
	}},
	{"stop the leader", nil, func(c *cluster, r *rand.Rand) { c.freeze(c.leading(r), upTo(r, 4*time.Second)) }},
	{"stop a coordinator", nil, func(c *cluster, r *rand.Rand) { c.freeze(pick(r, c.Coordinators), upTo(r, 4*time.Second)) }},
	{"drain a worker", nil, func(c *cluster, r *rand.Rand) { c.drain(pick(r, c.Workers)) }},
	{"cut the leader off", networks, func(c *cluster, r *rand.Rand) { c.cut(c.leading(r), upTo(r, 5*time.Second)) }},
	{"cut a coordinator off", networks, func(c *cluster, r *rand.Rand) { c.cut(pick(r, c.Coordinators), upTo(r, 5*time.Second)) }},
	{"cut a worker off", networks, func(c *cluster, r *rand.Rand) { c.cut(pick(r, c.Workers), upTo(r, 2*leaseTTL)) }},
	{"one way only between two coordinators", networks, (*cluster).deafen},
	{"the clock of a coordinator jumps", nil, func(c *cluster, r *rand.Rand) {
		c.jump(pick(r, c.Coordinators), []string{"1h", "-20s", "5s", "-5s"}[r.IntN(4)], upTo(r, 2*time.Second))
	}},
	{"the disk of a coordinator is full", smallDisks, (*cluster).fill},
	{"die at a failpoint", nil, func(c *cluster, r *rand.Rand) { c.failpoint(r, "kill") }},
	{"die at a failpoint", nil, func(c *cluster, r *rand.Rand) { c.failpoint(r, "kill") }}, // twice as often: there are many
	{"stop at a failpoint", nil, func(c *cluster, r *rand.Rand) { c.failpoint(r, "stop") }},
	{"slow at a failpoint", nil, func(c *cluster, r *rand.Rand) { c.failpoint(r, "sleep 1s") }},
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }

// leading is the leader or, while there is none, any coordinator.
func (c *cluster) leading(r *rand.Rand) *rig.Process {
	if p := c.Leader(); p != nil {
		return p
	}
	return pick(r, c.Coordinators)
}

// with holds processes for one fault: two hands on one process would mend what the
// other broke.
func (c *cluster) with(list []*rig.Process, do func()) {
	sorted := slices.SortedFunc(slices.Values(list), func(a, b *rig.Process) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range sorted {
		mu, _ := c.hands.LoadOrStore(p, &sync.Mutex{})
		mu.(*sync.Mutex).Lock()
		defer mu.(*sync.Mutex).Unlock()
	}
	do()
}

func (c *cluster) fell(p *rig.Process, r *rand.Rand) { c.together([]*rig.Process{p}, r) }

func (c *cluster) together(list []*rig.Process, r *rand.Rand) {
	c.with(list, func() {
		for _, p := range list {
			p.Signal(syscall.SIGKILL)
		}
		for _, p := range list {
			<-p.Ended()
		}
		time.Sleep(upTo(r, time.Second))
		for _, p := range list {
			p.Start(c.T)
		}
	})
}

func (c *cluster) freeze(p *rig.Process, d time.Duration) {
	c.with([]*rig.Process{p}, func() {
		p.Signal(syscall.SIGSTOP)
		time.Sleep(d)
		p.Signal(syscall.SIGCONT)
		p.Revive(c.T) // a coordinator that finds itself too far behind may end
	})
}

func (c *cluster) drain(p *rig.Process) {
	c.with([]*rig.Process{p}, func() {
		p.Signal(syscall.SIGTERM)
		select {
		case <-p.Ended():
			if p.Code() != 0 && p.By() != syscall.SIGTERM { // which ends a process that does not listen to signals yet
				c.Errorf("worker %s was told to drain and ended with code %d", p.Name, p.Code())
			}
		case <-time.After(2 * time.Minute):
			c.Errorf("worker %s was told to drain and is still there after two minutes", p.Name)
			p.Kill()
		}
		p.Start(c.T)
	})
}

func (c *cluster) cut(p *rig.Process, d time.Duration) {
	c.with([]*rig.Process{p}, func() {
		if err := p.At.Cut(); err != nil {
			c.Error(err)
		}
		time.Sleep(d)
		if err := p.At.Join(); err != nil {
			c.Error(err)
		}
		p.Revive(c.T)
	})
}

func (c *cluster) deafen(r *rand.Rand) {
	from := r.IntN(3)
	a, b := c.Coordinators[from], c.Coordinators[(from+1+r.IntN(2))%3]
	c.with([]*rig.Process{a}, func() {
		if err := a.At.Deafen(b.At); err != nil {
			c.Error(err)
		}
		time.Sleep(upTo(r, 4*time.Second))
		if err := a.At.Hear(b.At); err != nil {
			c.Error(err)
		}
		a.Revive(c.T)
	})
}

func (c *cluster) jump(p *rig.Process, by string, d time.Duration) {
	c.with([]*rig.Process{p}, func() {
		p.Arm(c.T, "clock shift "+by)
		time.Sleep(d)
		p.Arm(c.T, "")
		p.Revive(c.T)
	})
}

// fill takes the room on a coordinator's disk away: the coordinator is to end and
// say why, and to go on where it was when there is room again.
func (c *cluster) fill(r *rand.Rand) {
	p := pick(r, c.Coordinators)
	c.with([]*rig.Process{p}, func() {
		filler := filepath.Join(p.Dir, "ledger", "filler")
		f, err := os.Create(filler)
		if err != nil {
			c.Error(err)
			return
		}
		chunk := make([]byte, 1<<20)
		for size := len(chunk); size > 0; {
			if _, err := f.Write(chunk[:size]); err != nil {
				size /= 2
			}
		}
		_ = f.Close() // full: that is the point
		time.Sleep(upTo(r, 3*time.Second))
		if err := os.Remove(filler); err != nil {
			c.Error(err)
		}
		time.Sleep(200 * time.Millisecond) // it may be dying
		p.Revive(c.T)
	})
}

// failpoint waits until some process comes to a named moment.
func (c *cluster) failpoint(r *rand.Rand, act string) {
	point := pick(r, failpoints)
	p := pick(r, c.Workers)
	if point.coordinator {
		p = c.leading(r)
	}
	c.with([]*rig.Process{p}, func() {
		before := len(p.Hits(c.T))
		p.Arm(c.T, point.name+" "+act)
		for end := time.Now().Add(4 * time.Second); time.Now().Before(end) && len(p.Hits(c.T)) == before; {
			time.Sleep(10 * time.Millisecond)
		}
		p.Arm(c.T, "")
		if act == "stop" && len(p.Hits(c.T)) > before {
			time.Sleep(leaseTTL + upTo(r, time.Second))
			p.Signal(syscall.SIGCONT)
		}
		if act == "kill" {
			time.Sleep(upTo(r, 500*time.Millisecond))
		}
		p.Revive(c.T)
	})
}

// wanted is how many faults are dealt out: RESCORE_FAULTS, or 6.
func wanted(t *testing.T) int64 {
	s := os.Getenv("RESCORE_FAULTS")
	if s == "" {
		return 6
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		t.Fatalf("RESCORE_FAULTS=%q is no number of faults", s)
	}
	return n
}

func seed(t *testing.T) uint64 {
	s := os.Getenv("RESCORE_SEED")
	if s == "" {
		return rand.Uint64()
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("RESCORE_SEED=%q is no seed", s)
	}
	return n
}

// TestNothingIsLostAndNothingDoubledWhateverDies keeps jobs running while two hands
// break and mend the cluster under them.
func TestNothingIsLostAndNothingDoubledWhateverDies(t *testing.T) {
	if testing.Short() {
		t.Skip("starts seven processes and breaks them for minutes; make fault runs it")
	}
	newCluster(t, 20_000, "").survive(wanted(t), faults)
}

// TestANATSOutsideMayDieToo does the same to the one nats-server of a cluster whose
// coordinators carry none, and to whoever speaks over it.
func TestANATSOutsideMayDieToo(t *testing.T) {
	if testing.Short() {
		t.Skip("starts eight processes and breaks them for minutes; make fault runs it")
	}
	dir := t.TempDir()
	server, err := rig.BuildNATS(dir)
	if err != nil {
		t.Fatal(err)
	}
	newCluster(t, 20_000, server).survive(max(2, wanted(t)/10), []fault{
		{"kill NATS", nil, func(c *cluster, r *rand.Rand) { c.fell(c.NATS, r) }},
		{"stop NATS", nil, func(c *cluster, r *rand.Rand) { c.freeze(c.NATS, upTo(r, 6*time.Second)) }},
		{"cut NATS off", networks, func(c *cluster, r *rand.Rand) { c.cut(c.NATS, upTo(r, 6*time.Second)) }},
		{"kill NATS and the leader", nil, func(c *cluster, r *rand.Rand) { c.together([]*rig.Process{c.NATS, c.leading(r)}, r) }},
		{"kill NATS and a worker", nil, func(c *cluster, r *rand.Rand) { c.together([]*rig.Process{c.NATS, pick(r, c.Workers)}, r) }},
	})
}

// survive deals out n faults while jobs run, and checks each job and, in the end, that
// nobody was named.
func (c *cluster) survive(n int64, faults []fault) {
	t, s := c.T, seed(c.T)
	t.Logf("%d faults, RESCORE_SEED=%d", n, s)
	usable := slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return f.needs != nil && !f.needs(c) })
	var dealt atomic.Int64
	var counts sync.Map // fault's name → *atomic.Int64
	var hands, jobs sync.WaitGroup
	for hand := range uint64(2) {
		hands.Go(func() {
			r := rand.New(rand.NewPCG(s, hand))
			for dealt.Add(1) <= n && !t.Failed() {
				f := pick(r, usable)
				count, _ := counts.LoadOrStore(f.name, &atomic.Int64{})
				count.(*atomic.Int64).Add(1)
				f.do(c, r)
				time.Sleep(upTo(r, 300*time.Millisecond))
			}
		})
	}
	over := make(chan struct{})
	go func() { hands.Wait(); close(over) }()
	var finished atomic.Int64
	var next atomic.Int64
	for range 3 { // jobs at a time
		jobs.Go(func() {
			for more := true; more && !t.Failed(); {
				c.job(int(next.Add(1)))
				finished.Add(1)
				select {
				case <-over:
					more = false
				default:
				}
			}
		})
	}
	jobs.Wait()
	<-over
	c.silent()
	counts.Range(func(name, count any) bool {
		t.Logf("%5d × %s", count.(*atomic.Int64).Load(), name)
		return true
	})
	reached := map[string]int{}
	for _, p := range c.All() {
		for _, name := range p.Hits(t) {
			reached[name]++
		}
	}
	t.Logf("%d jobs published through %d faults; failpoints reached: %v", finished.Load(), n, reached)
}

// job takes one job from its submission to its verified version. Its name makes it
// another job than the others; the rows are the same. Every third is a preparation.
func (c *cluster) job(n int) {
	s := submission{out: filepath.Join(c.Dir, fmt.Sprintf("out-%d", n)), trial: c.scores}
	if n%3 == 0 {
		s.trial = c.prepares
	}
	var last error
	for begun := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		if s.id, last = c.Submit(s.jobFile, "--set", fmt.Sprintf("name=trial-%d", n), "--set", "output.path="+s.out, "--set", "run.partition_rows=250", "--set", "run.max_attempts=10"); last == nil {
			break
		}
		if time.Since(begun) > 5*time.Minute || c.Failed() {
			c.Errorf("job %d could not be submitted in five minutes: %v", n, last)
			return
		}
	}
	for end := time.Now().Add(15 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		st, err := c.Status(s.id)
		switch {
		case err == nil && st.State == "published":
			c.verify(s)
			if err := os.RemoveAll(s.out); err != nil {
				c.Error(err)
			}
			return
		case err == nil && st.State == "failed":
			c.Errorf("job %s failed: %s", s.id, st.Failure)
			return
		case time.Now().After(end):
			c.Errorf("job %s is not published after a quarter of an hour: %+v, %v", s.id, st, err)
			return
		case c.Failed():
			return
		}
	}
}
