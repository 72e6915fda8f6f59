package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rescore/coordinator"
	"rescore/coordinator/ledger"
	"rescore/coordinator/replica"
	"rescore/coordinator/shelf"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token      = "0123456789abcdef"
	aJob       = job.ID("202610-0123456789ab")
	aWorker    = "worker-1"
	rowsOfTask = 100
)

// fake is a coordinator whose ledger is applied to at once, and whose leadership is
// whatever a test says.
type fake struct {
	t     testing.TB
	state *ledger.State
	id    string
	leads string // "" = nobody
	lost  error  // what Verify returns
	lose  int    // proposals whose outcome is unknown before one is known
	check func(wire.CheckRequest) (wire.CheckReply, error)
	out   store.Store

	drained  string
	progress replica.Progress
	members  map[string]replica.Member
}

func newFake(t testing.TB) *fake {
	t.Helper()
	out, err := store.NewFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	members := map[string]replica.Member{"c1": {Address: "h1:7300", Voter: true}}
	return &fake{t: t, state: ledger.NewOn(shelf.New(nil, nil)), id: "c1", leads: "c1", out: out, members: members, check: func(wire.CheckRequest) (wire.CheckReply, error) {
		return wire.CheckReply{Job: aJob}, nil
	}}
}

func (f *fake) ID() string                                   { return f.id }
func (f *fake) Leader() (string, bool)                       { return f.leads, f.leads != "" }
func (f *fake) Progress() replica.Progress                   { return f.progress }
func (f *fake) Verify(context.Context) error                 { return f.lost }
func (f *fake) View(read func(*ledger.State))                { read(f.state) }
func (f *fake) InFlight(job.ID, int) (rows int64, tasks int) { return 7, 1 }

func (f *fake) Workers() []coordinator.Worker {
	return []coordinator.Worker{{ID: aWorker, Host: "h1", Version: "v1", Slots: 4, Tasks: 2, Rows: 7, MemoryBytes: 1 << 20, Heard: time.Now()}, {ID: "another", Draining: true, Heard: time.Now(), Unfit: []wire.Unfit{{Job: "202610-fffffffffff0", Reason: "x"}, {Job: aJob, Reason: "no such mount"}}}}
}

func (f *fake) Drain(worker string) error {
	if worker != aWorker {
		return fmt.Errorf("drain %s: %w", worker, coordinator.ErrNoWorker)
	}
	f.drained = worker
	return nil
}

func (f *fake) Members(context.Context) ([]replica.Member, error) {
	var list []replica.Member
	for _, id := range slices.Sorted(maps.Keys(f.members)) {
		m := f.members[id]
		m.ID, m.Leader = id, id == f.leads
		list = append(list, m)
	}
	return list, nil
}

func (f *fake) Add(_ context.Context, id, address string) error {
	f.members[id] = replica.Member{Address: address}
	return nil
}

func (f *fake) Promote(_ context.Context, id string) error {
	m, ok := f.members[id]
	if !ok {
		return fmt.Errorf("promote %s: %w", id, replica.ErrMember)
	}
	m.Voter = true
	f.members[id] = m
	return nil
}

func (f *fake) Remove(_ context.Context, id string, force bool) error {
	if !force {
		return fmt.Errorf("remove %s: %w", id, replica.ErrMember)
	}
	delete(f.members, id)
	return nil
}

func (f *fake) Backup(_ context.Context, w io.Writer) error {
	data, err := f.state.Snapshot()
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

func (f *fake) Restore(_ context.Context, r io.Reader, force bool) (string, error) {
	if !force {
		return "", fmt.Errorf("restore: %w", replica.ErrBackup)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return "", err
	}
	state, err := ledger.Read(bytes.NewReader(data), shelf.New(nil, nil))
	if err != nil {
		return "", fmt.Errorf("restore: %w", replica.ErrBackup)
	}
	name := "restored-" + state.Cluster()
	if _, _, err := ledger.Apply(state, state.Index()+1, ledger.Found{Cluster: name, After: state.Cluster()}); err != nil {
		return "", err
	}
	f.state = state
	return name, nil
}

func (f *fake) Propose(_ context.Context, cmd ledger.Command) (ledger.Reply, error) {
	reply, _, err := ledger.Apply(f.state, f.state.Index()+1, cmd)
	if f.lose > 0 {
		f.lose--
		return nil, replica.ErrUnknownOutcome
	}
	return reply, err
}

// do applies a command that must be taken.
func (f *fake) do(cmd ledger.Command) ledger.Reply {
	f.t.Helper()
	reply, _, err := ledger.Apply(f.state, f.state.Index()+1, cmd)
	if err != nil {
		f.t.Fatal(err)
	}
	return reply
}

// handler serves the fake.
func (f *fake) handler() *Handler {
	h, err := New(Config{
		Node: f, Cluster: f, Token: token, Address: func(string) (string, bool) { return "", false },
		Check:  func(_ context.Context, r wire.CheckRequest) (wire.CheckReply, error) { return f.check(r) },
		Output: func(string, string) (store.Store, error) { return f.out, nil },
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(h.Close)
	return h
}

func spec() job.Spec {
	s := job.Default()
	s.Name, s.Month, s.Input.Path, s.Model.Path, s.Output.Path = "base", 202610, "in", "builtin:baseline", "out"
	return s
}

// submission is a job that can be submitted.
func submission() Submission {
	return Submission{Spec: spec().Canonical(), Base: "/srv/base", MaxAttempts: 2}
}

// planned brings a job to its score stage, of that many tasks.
func (f *fake) planned(tasks int) {
	f.t.Helper()
	f.submitted(spec())
	for _, p := range plansOf(f.t, tasks, job.InputFile{Path: "a", Rows: int64(tasks) * rowsOfTask, SHA256: "x"}) {
		f.do(p)
	}
}

// submitted puts a job into the ledger whose input nobody has looked at.
func (f *fake) submitted(s job.Spec) {
	f.t.Helper()
	f.do(ledger.Submit{
		Job: aJob, Name: s.Name, Spec: s.Canonical(), SpecDigest: s.Digest(), SpecBase: "/srv/base", Epoch: 1, MaxAttempts: 1,
		Stages: []job.StageKind{job.StageScore},
	})
}

// plansOf are the plan of that many tasks over files, chunk by chunk.
func plansOf(t testing.TB, tasks int, files ...job.InputFile) []ledger.Plan {
	t.Helper()
	var list []job.Task
	for i := range tasks {
		list = append(list, job.Task{Range: rangeOf(i, tasks), Rows: rowsOfTask})
	}
	plans, err := ledger.Split(aJob, 0, job.StageScore, list, ledger.Facts{Model: "m", Files: files})
	if err != nil {
		t.Fatal(err)
	}
	return plans
}

// rangeOf is range i of n that cover every number.
func rangeOf(i, n int) partition.Range {
	r := partition.Range{First: partition.Segment(1300000 + i).First(), Past: partition.Segment(1300000 + i).Past()}
	if i == 0 {
		r.First = partition.FirstNumber
	}
	if i == n-1 {
		r.Past = partition.PastNumber
	}
	return r
}

// grant leases tasks of the score stage.
func (f *fake) grant(tasks ...int) []ledger.Lease {
	f.t.Helper()
	g := ledger.Grant{Worker: aWorker}
	for _, t := range tasks {
		g.Tasks = append(g.Tasks, ledger.TaskRef{Job: aJob, Task: t})
	}
	leases := f.do(g).(ledger.GrantReply).Leases
	if len(leases) != len(tasks) {
		f.t.Fatalf("%d of %d tasks were granted", len(leases), len(tasks))
	}
	return leases
}

// complete finishes leased tasks.
func (f *fake) complete(leases ...ledger.Lease) {
	f.t.Helper()
	for _, l := range leases {
		f.do(ledger.Complete{Lease: l, Result: job.Result{
			Counts: job.Counts{In: rowsOfTask, Scored: rowsOfTask}, Timing: job.Timing{Read: 1e9, Score: 1e9},
			Files: []job.File{{Kind: job.FileScores, Path: "p", SHA256: "s"}},
		}})
	}
}

// request makes one as a client does.
func request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set(User, "ann")
	return r
}

// call answers one request and decodes what came.
func call[T any](t testing.TB, h http.Handler, method, path string, body any) (status int, v T, e Error) {
	t.Helper()
	text := ""
	switch b := body.(type) {
	case nil:
	case string:
		text = b
	default:
		data, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		text = string(data)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request(method, path, text))
	data, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into := any(&v); w.Code != http.StatusOK {
		into = &e
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatalf("%s %s: %d %q: %v", method, path, w.Code, data, err)
		}
	} else if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s %s: %q: %v", method, path, data, err)
	}
	return w.Code, v, e
}
