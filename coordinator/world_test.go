package coordinator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"rescore/coordinator/ledger"
	"rescore/coordinator/publish"
	"rescore/partition"
	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/wire"
)

// memory is a store of objects in memory: a random schedule has more of them than a
// disk would sync in the time of a test.
type memory struct{ objects map[string][]byte }

type object struct{ *strings.Reader }

func (object) Close() error { return nil }

func (m memory) get(name string) ([]byte, error) {
	data, ok := m.objects[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, store.ErrNotExist)
	}
	return data, nil
}

func (m memory) Open(_ context.Context, name string) (store.Object, error) {
	data, err := m.get(name)
	return object{strings.NewReader(string(data))}, err
}

func (m memory) Create(_ context.Context, name string) (store.Writer, error) {
	if _, ok := m.objects[name]; ok {
		return nil, fmt.Errorf("%s: %w", name, store.ErrExist)
	}
	return &upload{to: m, name: name}, nil
}

// upload is no object before it is committed.
type upload struct {
	bytes.Buffer
	to   memory
	name string
}

func (u *upload) Commit() error { return u.to.Put(context.Background(), u.name, u.Bytes()) }
func (u *upload) Close() error  { return nil }

func (m memory) Put(_ context.Context, name string, data []byte) error {
	if _, ok := m.objects[name]; ok {
		return fmt.Errorf("%s: %w", name, store.ErrExist)
	}
	m.objects[name] = slices.Clone(data)
	return nil
}

func (m memory) Get(_ context.Context, name string, limit int64) ([]byte, error) {
	data, err := m.get(name)
	if err == nil && int64(len(data)) > limit {
		err = store.ErrTooLarge
	}
	return data, err
}

func (m memory) Adopt(ctx context.Context, from, to string) error {
	data, err := m.get(from)
	if err != nil {
		return err
	}
	return m.Put(ctx, to, data)
}

func (m memory) List(_ context.Context, prefix string) (list []store.Info, err error) {
	for name, data := range m.objects {
		if strings.HasPrefix(name, prefix) {
			list = append(list, store.Info{Name: name, Size: int64(len(data))})
		}
	}
	slices.SortFunc(list, func(a, b store.Info) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func (m memory) Delete(_ context.Context, name string) error {
	delete(m.objects, name)
	return nil
}

func (m memory) String() string { return "memory" }

// world is a ledger, a store and a leader's term in one goroutine, with honest workers
// whose rows are made up: what a row is follows from its segment's bytes in the input
// and from the model; where it stands, from that of everybody.
type world struct {
	t     testing.TB
	state *ledger.State
	index uint64
	now   time.Time
	store store.Store
	term  *Term

	bytes map[partition.Segment]uint64 // of the input, by segment
}

func newWorld(t testing.TB, st store.Store) *world {
	w := &world{t: t, state: ledger.New(), now: time.Unix(1_760_000_000, 0), store: st, bytes: map[partition.Segment]uint64{}}
	w.begin(100)
	w.must(ledger.Found{Cluster: "world"})
	return w
}

// begin is a new leadership.
func (w *world) begin(partitionRows int64) {
	w.term = NewTerm(Config{
		Output: func(_, path string) (store.Store, error) { return w.store, nil }, PartitionRows: partitionRows,
		Now: func() time.Time { return w.now },
	}, w)
}

func (w *world) Propose(_ context.Context, cmd ledger.Command) (ledger.Reply, error) {
	w.index++
	reply, _, err := ledger.Apply(w.state, w.index, cmd)
	return reply, err
}

func (w *world) View(read func(*ledger.State)) { read(w.state) }

func (w *world) must(cmd ledger.Command) ledger.Reply {
	w.t.Helper()
	reply, err := w.Propose(context.Background(), cmd)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply
}

// asking is what a test asks for.
type asking struct {
	model string
	base  string // version
	again []partition.Range
	edit  func(*job.Spec)
}

// submit submits a job, or finds it there; the ID says what is asked of which bytes.
func (w *world) submit(a asking) job.ID {
	w.t.Helper()
	s := spec()
	s.Model.Path = a.model
	s.Gates = job.Gates{RejectShareMax: 1, DuplicateShareMax: 1}
	if a.edit != nil {
		a.edit(&s)
	}
	id := job.NewID(s, []string{a.model}, fmt.Sprint(w.bytes))
	if a.base != "" {
		id = job.RerunID(id, a.base, a.again)
	}
	epoch, err := publish.Claim(context.Background(), w.store, s.Name, "world")
	if err != nil {
		w.t.Fatal(err)
	}
	w.must(ledger.Submit{
		Job: id, Name: s.Name, Spec: s.Canonical(), SpecDigest: s.Digest(), Epoch: epoch, MaxAttempts: 1,
		Stages: []job.StageKind{job.StageSurvey, job.StageScore, job.StageSelect}, Base: a.base, Again: a.again,
	})
	return id
}

// step lets the leader and one worker do the next thing of a job; false when there is
// none.
func (w *world) step(id job.ID) bool {
	w.t.Helper()
	j := w.state.Job(id)
	w.now = w.now.Add(time.Minute) // patience is not what is tested
	if next(j) != stepNone {
		w.term.Todo()
		err := w.term.Step(context.Background(), id)
		if err != nil && j.Retried == 0 { // what was swept of a job that is brought back stays away
			w.t.Fatalf("step of %s: %v", id, err)
		}
		return err == nil
	}
	at := j.Stage()
	if j.State != job.Running || at == len(j.Stages) {
		return false
	}
	for i := range j.Stages[at].Waiting() {
		leases := w.must(ledger.Grant{Worker: "w", Tasks: []ledger.TaskRef{{Job: id, Stage: at, Task: i}}}).(ledger.GrantReply).Leases
		if len(leases) == 0 {
			return false
		}
		a, task := assignment(w.state, leases[0])
		a.Task = task.Plan()
		if a.Kind == job.StageSelect && j.Retried > 0 {
			if _, err := w.store.Open(context.Background(), a.Task.Staged[0].Path); err != nil {
				w.must(ledger.Fail{Lease: leases[0], Reason: err.Error(), Fatal: true})
				return false
			}
		}
		w.must(ledger.Complete{Lease: leases[0], Result: w.perform(a)})
		return true
	}
	return false
}

// run takes a job as far as it goes and returns how many tasks were performed.
func (w *world) run(id job.ID) *ledger.Job {
	w.t.Helper()
	for w.step(id) {
	}
	return w.state.Job(id)
}

// published runs a job to its version.
func (w *world) published(a asking) (*ledger.Job, publish.Manifest) {
	w.t.Helper()
	j := w.run(w.submit(a))
	if j.State != job.Published {
		w.t.Fatalf("job %s is %s: %s", j.ID, j.State, j.FailReason)
	}
	return j, w.manifest(j.Version.ID)
}

func (w *world) manifest(version string) publish.Manifest {
	w.t.Helper()
	p, err := publish.PointerTo(context.Background(), w.store, version)
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := publish.ReadManifest(context.Background(), w.store, p)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

const rowsOfSegment = 10

// survey is of two files: segments lie in them by turns.
func (w *world) survey(model string) job.Survey {
	s := job.Survey{Model: model, Features: []string{"feature of " + model}, Segments: make([][]job.SegmentRows, 1)}
	var sums [2][]byte
	var rows [2]int64
	for i, segment := range slices.Sorted(maps.Keys(w.bytes)) {
		file := i % 2
		s.Segments[0] = append(s.Segments[0], job.SegmentRows{
			Segment: segment, File: file, First: rows[file], Rows: rowsOfSegment, Keys: partition.Sum{}.AddHash(uint64(segment)),
		})
		rows[file] += rowsOfSegment
		sums[file] = binary.BigEndian.AppendUint64(sums[file], w.bytes[segment])
	}
	for file := range sums {
		sum := sha256.Sum256(sums[file])
		s.Files = append(s.Files, job.InputFile{Path: fmt.Sprintf("base-%d.parquet", file), Rows: rows[file], SHA256: hex.EncodeToString(sum[:])})
	}
	return s
}

// perform is an honest worker.
func (w *world) perform(a wire.Assignment) job.Result {
	w.t.Helper()
	model := a.Model
	if a.Kind == job.StageSurvey {
		spec, err := job.ParseCanonical(a.Spec)
		if err != nil {
			w.t.Fatal(err)
		}
		data, err := wire.EncodeSurvey(w.survey(spec.Model.Path))
		if err != nil {
			w.t.Fatal(err)
		}
		return job.Result{Files: []job.File{w.stage(a, job.FileSurvey, "survey", string(data))}}
	}
	if a.Kind == job.StageSelect {
		scores, err := w.store.Get(context.Background(), a.Task.Staged[0].Path, 1<<20)
		if err != nil {
			w.t.Fatalf("select task %d: %v", a.Index, err)
		}
		content := string(scores) + " placed by " + a.Task.Staged[1].SHA256
		return job.Result{
			Counts: job.Counts{In: a.Task.Rows, Scored: a.Task.Rows}, Rows: rowsSum(a.Task.Range, w.bytes, hashOf(a.Task.Staged[1].SHA256)),
			Files: []job.File{w.stage(a, job.FileScores, "part", content)}, Timing: job.Timing{Score: 2e9},
		}
	}
	ranks := ecdf.New(ecdf.Amounts)
	for segment, b := range w.bytes {
		if a.Task.Range.Contains(segment.First()) {
			ranks.Add(int(hashOf(model, b) % 4000))
		}
	}
	content := fmt.Sprint(a.Task.Range, model)
	return job.Result{
		Counts: job.Counts{In: a.Task.Rows, Scored: a.Task.Rows}, Keys: a.Task.Keys, Rows: rowsSum(a.Task.Range, w.bytes, hashOf(model)),
		Files: []job.File{
			w.stage(a, job.FileScores, "scores", content), w.stage(a, job.FileRanks, "ranks", string(ranks.Encode())),
			w.stage(a, job.FileRejects, "rejects", "of "+content),
		},
		Timing: job.Timing{Score: 5e9},
	}
}

func hashOf(v ...any) uint64 {
	sum := sha256.Sum256([]byte(fmt.Sprint(v...)))
	return binary.BigEndian.Uint64(sum[:])
}

// rowsSum is of the rows of a range, each segment's by itself, so that it does not
// depend on how the base is cut.
func rowsSum(r partition.Range, bytes map[partition.Segment]uint64, salt uint64) (sum partition.Sum) {
	for segment, b := range bytes {
		if r.Contains(segment.First()) {
			sum = sum.AddHash(hashOf(segment, b, salt))
		}
	}
	return sum
}

func (w *world) stage(a wire.Assignment, kind job.FileKind, name, content string) job.File {
	w.t.Helper()
	name = fmt.Sprintf("%s%s-%05d-%020d", a.Job.StagingPrefix(), name, a.Index, a.Token)
	if err := w.store.Put(context.Background(), name, []byte(content)); err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(content))
	digest := hex.EncodeToString(sum[:])
	return job.File{Kind: kind, Path: name, Rows: a.Task.Rows, Bytes: int64(len(content)), SHA256: digest, Content: digest}
}
