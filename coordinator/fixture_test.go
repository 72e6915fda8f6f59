package coordinator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"rescore/coordinator/bus"
	"rescore/coordinator/lease"
	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/coordinator/replica"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const theJob job.ID = "202610-0123456789ab"

const (
	segments  = 6
	rowsEach  = 100 // of a segment
	tasksEach = 3   // partitions of the job
)

// house is a node with a real ledger, a real NATS server and a real output
// folder. What it has on disk outlives it: open it again to restart.
type house struct {
	t    *testing.T
	dir  string
	out  store.Store // as workers and readers see it
	opts options

	replica *replica.Replica
	nats    *bus.Embedded
	server  *nats.Conn
	worker  *nats.Conn
	node    *Node
	cancel  context.CancelFunc
	ended   chan error      // what Run returned
	ctx     context.Context // of the test's own requests and waits: patience
	ready   []job.ID        // jobs the test's worker was offered
}

// patience bounds every wait, so that a node that does nothing fails its test,
// which says what it waited for, and does not hang it. No wait needs a hundredth.
const patience = 2 * time.Minute

type options struct {
	ttl   time.Duration                 // 0 is long enough for no lease to run out
	wrap  func(store.Store) store.Store // the output as the node sees it; nil = as it is
	watch func(*Node, []ledger.Event)

	alone       bool
	challengers []job.Challenger
	exact       bool // the contact list is explained exactly
}

func newHouse(t *testing.T, o options) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), opts: o}
	out, err := store.NewFile(filepath.Join(h.dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	h.out = out
	var stop context.CancelFunc
	h.ctx, stop = context.WithTimeout(context.Background(), patience)
	t.Cleanup(stop)
	h.open()
	t.Cleanup(h.close)
	return h
}

// open returns when the node answers requests.
func (h *house) open() {
	h.t.Helper()
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	var err error
	h.replica, err = replica.Open(replica.Config{Dir: filepath.Join(h.dir, "raft"), Watch: func(_ uint64, events []ledger.Event) {
		if h.opts.watch != nil {
			h.opts.watch(h.node, events)
		}
	}})
	must(err)
	h.nats, err = bus.Embed()
	must(err)
	h.server, err = h.nats.Connect("coordinator")
	must(err)
	h.worker, err = h.nats.Connect("worker")
	must(err)
	ttl := h.opts.ttl
	if ttl == 0 {
		ttl = time.Hour
	}
	out := h.out
	if h.opts.wrap != nil {
		out = h.opts.wrap(out)
	}
	log := slog.New(slog.DiscardHandler)
	h.node = New(Config{
		Replica: h.replica, Bus: bus.New(h.server, log), Log: log, Tick: 5 * time.Millisecond, Lease: lease.Config{TTL: ttl},
		PartitionRows: segments * rowsEach / tasksEach,
		Alone:         h.opts.alone,
		Output:        func(base, path string) (store.Store, error) { return out, nil },
	})
	var ctx context.Context
	ctx, h.cancel = context.WithCancel(context.Background())
	h.ended = make(chan error, 1)
	go func() { h.ended <- h.node.Run(ctx) }()
	for h.server.NumSubscriptions() < 3 {
		select {
		case <-h.ctx.Done():
			h.t.Fatal("the node does not begin to listen")
		default:
			runtime.Gosched()
		}
	}
	must(h.server.Flush())
}

// close stops everything; closing again does nothing.
func (h *house) close() {
	if h.node == nil {
		return
	}
	h.cancel()
	if err := h.end(); err != nil { // whether that is right is for the test to judge
		h.t.Logf("the node ended: %v", err)
	}
	h.server.Close()
	h.worker.Close()
	h.nats.Close()
	if err := h.replica.Close(); err != nil {
		h.t.Error(err)
	}
	h.node = nil
}

// end waits until the node has ended and returns what it ended with.
func (h *house) end() error {
	h.t.Helper()
	select {
	case err := <-h.ended:
		h.ended <- err
		return err
	case <-h.ctx.Done():
		h.t.Fatal("the node does not end")
		return nil
	}
}

// restart is a new process over the same folders.
func (h *house) restart() {
	h.t.Helper()
	h.close()
	h.open()
}

func spec() job.Spec {
	s := job.Default()
	s.Name, s.Month, s.Output.Path = "base", 202610, "out"
	s.Gates.RejectShareMax, s.Gates.DuplicateShareMax = 0.1, 1
	return s
}

func (h *house) propose(cmd ledger.Command) ledger.Reply {
	h.t.Helper()
	reply, err := h.node.Propose(h.ctx, cmd)
	if err != nil {
		h.t.Fatal(err)
	}
	return reply
}

func (h *house) submit() { h.submitStages(job.StageSurvey, job.StageScore) }

func (h *house) submitStages(stages ...job.StageKind) {
	h.t.Helper()
	s := spec()
	s.Model.Challengers = h.opts.challengers
	if h.opts.exact {
		s.Model.Reasons.Exact = "contact"
	}
	epoch, err := publish.Claim(h.ctx, h.out, s.Name, h.replica.ID())
	if err != nil {
		h.t.Fatal(err)
	}
	h.propose(ledger.Submit{
		Job: theJob, Name: s.Name, Spec: s.Canonical(), SpecDigest: s.Digest(), Epoch: epoch, MaxAttempts: 2,
		Stages: stages,
	})
}

// wait returns when the job is as asked; a job that ended otherwise never will be.
func (h *house) wait(what string, ok func(*ledger.Job) bool) {
	h.t.Helper()
	for {
		changed := h.node.Changed()
		var yes, over bool
		var now string
		h.node.View(func(s *ledger.State) {
			j := s.Job(theJob)
			yes, over = ok(j), j.State == job.Published || j.State == job.Failed
			now = fmt.Sprintf("%s, %+v, %s", j.State, j.Totals(), j.FailReason)
		})
		if yes {
			return
		}
		if over {
			h.t.Fatalf("waiting for %s, the job is %s", what, now)
		}
		select {
		case <-changed:
		case err := <-h.ended:
			h.ended <- err
			h.t.Fatalf("waiting for %s: the node ended: %v", what, err)
		case <-h.ctx.Done():
			h.t.Fatalf("waiting for %s, the job is %s", what, now)
		}
	}
}

func (h *house) waitState(want ...job.State) {
	h.t.Helper()
	h.wait(fmt.Sprint(want), func(j *ledger.Job) bool { return slices.Contains(want, j.State) })
}

// until waits for what is not in the ledger.
func (h *house) until(what string, ok func() bool) {
	h.t.Helper()
	for tick := time.NewTicker(time.Millisecond); !ok(); {
		select {
		case <-tick.C:
		case <-h.ctx.Done():
			h.t.Fatalf("waiting for %s", what)
		}
	}
}

func encode[M wire.Message](t *testing.T, m M) []byte {
	t.Helper()
	data, err := wire.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func ask[R, Q wire.Message](h *house, subject string, q Q) R {
	h.t.Helper()
	m, err := h.worker.RequestWithContext(h.ctx, subject, encode(h.t, q))
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := wire.Decode[R](m.Data)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// take asks for work until there is some.
func (h *house) take(slots int) []wire.Assignment {
	h.t.Helper()
	for {
		changed := h.node.Changed()
		r := ask[wire.WorkReply](h, wire.SubjectWork, wire.WorkRequest{Worker: "w", Slots: slots, Ready: h.ready})
		if len(r.Assignments) > 0 {
			return r.Assignments
		}
		if len(r.Offers) > 0 {
			for _, o := range r.Offers {
				h.ready = append(h.ready, o.Job)
			}
			continue
		}
		select {
		case <-changed:
		case <-h.ctx.Done():
			h.t.Fatal("no work comes")
		}
	}
}

func (h *house) takeOne() wire.Assignment {
	h.t.Helper()
	return h.take(1)[0]
}

func (h *house) report(a wire.Assignment, r job.Result) wire.ReportReply {
	h.t.Helper()
	return ask[wire.ReportReply](h, wire.SubjectReport, wire.Report{Worker: "w", Lease: a.Lease(), Result: &r})
}

func (h *house) beat(rows int64, as ...wire.Assignment) {
	h.t.Helper()
	b := wire.Heartbeat{Worker: "w"}
	for _, a := range as {
		b.Tasks = append(b.Tasks, wire.Progress{Lease: a.Lease(), RowsDone: rows})
	}
	if err := h.worker.Publish(wire.SubjectHeartbeat, encode(h.t, b)); err != nil {
		h.t.Error(err)
	}
}

// stage puts a file where an attempt would.
func (h *house) stage(a wire.Assignment, kind job.FileKind, name string, data []byte) job.File {
	h.t.Helper()
	name = fmt.Sprintf("%s%s-%05d-%020d", a.Job.StagingPrefix(), name, a.Index, a.Token)
	if err := h.out.Put(h.ctx, name, data); err != nil {
		h.t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return job.File{Kind: kind, Path: name, Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
}

// perform is an honest worker whose input has a share of bad rows.
func (h *house) perform(a wire.Assignment, rejected int64) job.Result {
	h.t.Helper()
	if a.Kind == job.StageSurvey {
		found := survey()
		for _, c := range h.opts.challengers {
			found.Challengers = append(found.Challengers, "model of "+c.Name)
		}
		data, err := wire.EncodeSurvey(found)
		if err != nil {
			h.t.Fatal(err)
		}
		return job.Result{Files: []job.File{h.stage(a, job.FileSurvey, "survey", data)}}
	}
	r := job.Result{
		Counts: job.Counts{In: a.Task.Rows, Scored: a.Task.Rows - rejected, Rejected: rejected},
		Keys:   a.Task.Keys, Rows: partition.Sum{}.AddHash(uint64(a.Index)),
		Files: []job.File{h.stage(a, job.FileScores, "part", []byte(a.Task.Range.String()))},
	}
	if rejected > 0 {
		r.Files = append(r.Files, h.stage(a, job.FileRejects, "rejects", []byte("file,row,field,reason\n")))
	}
	return r
}

// do performs and reports, and expects it to be taken.
func (h *house) do(a wire.Assignment, rejected int64) {
	h.t.Helper()
	if r := h.report(a, h.perform(a, rejected)); r.Status != wire.OK {
		h.t.Fatalf("%s task %d: %s %s", a.Kind, a.Index, r.Status, r.Message)
	}
}

// survey is of one file of six segments.
func survey() job.Survey {
	s := job.Survey{Files: []job.InputFile{{Path: "base.parquet", Rows: segments * rowsEach, SHA256: "in"}}, Model: "model", Segments: make([][]job.SegmentRows, 1)}
	for i := range segments {
		s.Segments[0] = append(s.Segments[0], job.SegmentRows{
			Segment: partition.Segment(1380000 + i), First: int64(i * rowsEach), Rows: rowsEach, Keys: partition.Sum{}.AddHash(uint64(i)),
		})
	}
	return s
}

// version checks that exactly one version is there, whole, and returns it.
func (h *house) version() (publish.Pointer, publish.Manifest) {
	h.t.Helper()
	pointers, err := publish.Pointers(h.ctx, h.out)
	if err != nil || len(pointers) != 1 {
		h.t.Fatalf("there are %d pointers, %v", len(pointers), err)
	}
	p := pointers[0]
	m, err := publish.ReadManifest(h.ctx, h.out, p)
	if err != nil {
		h.t.Fatal(err)
	}
	want := map[string]bool{p.Path + "/_MANIFEST.json": true, p.Path + "/_SUCCESS": true}
	for _, part := range m.Partitions {
		for _, f := range part.Files {
			want[p.Path+"/"+f.Path] = true
		}
	}
	infos, err := h.out.List(h.ctx, "month=")
	if err != nil || len(infos) != len(want) {
		h.t.Errorf("the version folders hold %d objects, want %d, %v", len(infos), len(want), err)
	}
	for _, info := range infos {
		if !want[info.Name] {
			h.t.Errorf("%s is in no manifest", info.Name)
		}
	}
	h.node.View(func(s *ledger.State) {
		j := s.Job(theJob)
		if v := j.Version; j.State != job.Published || v.ID != p.Version || v.ManifestDigest != p.Manifest || m.Rows.In != segments*rowsEach || !m.Rows.Conserved() || !strings.HasPrefix(v.ID, "v0001-") {
			h.t.Errorf("the ledger has %+v, the pointer is %+v", v, p)
		}
	})
	return p, m
}
