package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"testing"

	"rescore/partition"
	"rescore/partition/job"
)

// large brings a job of n done score tasks about, as a base of ten thousand rows a task
// over six months would: three files each, names and digests as a worker writes them.
// With a select stage, its tasks are done too.
func large(t testing.TB, n int, selected bool) *State {
	t.Helper()
	st := New()
	apply := func(c Command) Reply {
		data, err := EncodeCommand(c) // as it comes out of the log: nothing of it is shared
		if err != nil {
			t.Fatal(err)
		}
		if c, err = DecodeCommand(data); err != nil {
			t.Fatal(err)
		}
		reply, _, err := Apply(st, st.Index()+1, c)
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	submit := submitOf(theJob)
	if selected {
		submit = selectSubmit(theJob)
	}
	apply(submit)
	apply(surveyPlan(theJob))
	grant := func(stage, task int) Lease {
		worker := fmt.Sprintf("worker-%03d.example", task%1000)
		return apply(Grant{Worker: worker, Tasks: []TaskRef{{theJob, stage, task}}}).(GrantReply).Leases[0]
	}
	apply(Complete{Lease: grant(0, 0)})

	const rows, months = 10_000, 6
	var facts Facts
	for m := range months {
		facts.Files = append(facts.Files, job.InputFile{Path: fmt.Sprintf("month=%d/part.parquet", m), Month: m, Rows: rows * int64(n), SHA256: digest("input", m)})
	}
	tasks := make([]job.Task, n)
	first := partition.FirstNumber
	for i := range tasks {
		past := partition.FirstNumber + partition.Number(i+1)*partition.LinesPerSegment
		if i == n-1 {
			past = partition.PastNumber
		}
		tasks[i] = job.Task{Range: partition.Range{First: first, Past: past}, Rows: rows, Keys: partition.Sum{Hi: partition.Mix(uint64(i)), Lo: partition.Mix(uint64(i) + 1e6)}}
		first = past
		for m := range months {
			tasks[i].Slices = append(tasks[i].Slices, job.Slice{Month: m, File: m, First: rows * int64(i), Rows: rows})
		}
	}
	plan := func(stage int, kind job.StageKind, tasks []job.Task, facts Facts) {
		plans, err := Split(theJob, stage, kind, tasks, facts)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range plans {
			apply(p)
		}
	}
	plan(1, job.StageScore, tasks, facts)
	file := func(kind job.FileKind, task int, token job.Token, size int64) job.File {
		return job.File{
			Kind: kind, Path: fmt.Sprintf("%sp%06d-%04d-%020d-%s.parquet", theJob.StagingPrefix(), task, 1, token, digest("nonce", task)[:16]),
			Rows: 9_500, Bytes: size, SHA256: digest("bytes", task+int(kind)), Content: digest("content", task+int(kind)),
		}
	}
	result := func(task int, l Lease) job.Result {
		r := job.Result{
			Counts: job.Counts{In: rows, Scored: 9_500, Excluded: 300, Rejected: 150, Duplicate: 50},
			Keys:   tasks[task].Keys, Rows: partition.Sum{Hi: partition.Mix(uint64(task) + 7), Lo: partition.Mix(uint64(task) + 8)},
			Files: []job.File{
				file(job.FileScores, task, l.Token, 812_345), file(job.FileRejects, task, l.Token, 12_345), file(job.FileRanks, task, l.Token, 34_567),
			},
			Timing: job.Timing{Read: 12_345_678, Score: 23_456_789, Write: 3_456_789, Verify: 1_234_567},
		}
		for i := range r.Tally.Fired {
			r.Tally.Fired[i], r.Tally.Unknown[i] = int64(100+i*37), int64(i*11)
		}
		for i := range r.Tally.Decision {
			r.Tally.Decision[i] = int64(50 + i*29)
		}
		r.Tally.Explained = job.Explained{None: 9_000, Path: 500}
		return r
	}
	var placed []job.Task
	for i := range n {
		l := grant(1, i)
		r := result(i, l)
		apply(Complete{Lease: l, Result: r})
		ranks := job.File{Kind: job.FileRanks, Path: theJob.StagingPrefix() + "ranks-0123456789abcdef.bin", Rows: 1, Bytes: 1, SHA256: digest("ranks", 0), Content: digest("ranks", 0)}
		placed = append(placed, job.Task{Range: tasks[i].Range, Rows: r.Counts.Scored, Staged: []job.File{r.Files[0], ranks}})
	}
	if selected {
		plan(2, job.StageSelect, placed, Facts{})
		for i := range n {
			l := grant(2, i)
			r := result(i, l)
			apply(Complete{Lease: l, Result: job.Result{
				Counts: job.Counts{In: 9_500, Scored: 9_500}, Rows: r.Rows, Files: r.Files[:1],
				Tally: job.Tally{Priority: [6]int64{1000, 2000, 3000, 2000, 1500}}, Timing: r.Timing,
			}})
		}
	}
	return st
}

func digest(what string, i int) string {
	sum := sha256.Sum256([]byte(what + strconv.Itoa(i)))
	return hex.EncodeToString(sum[:])
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// counter counts what is written.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

// TestALedgerIsLeanAndASnapshotIsNoSecondOne measures what a done task costs in memory
// and on disk, and what a snapshot takes while it is written. RESCORE_LONG=1 does so with
// 100 000 tasks. It is not parallel: it measures the whole heap.
func TestALedgerIsLeanAndASnapshotIsNoSecondOne(t *testing.T) {
	n := 5_000
	if os.Getenv("RESCORE_LONG") != "" {
		n = 100_000
	}
	for _, selected := range []bool{false, true} {
		before := heap()
		st := large(t, n, selected)
		after := heap()
		perTask := (after - before) / int64(n)

		// The copy that is written while the ledger goes on shares plans and results.
		clone := st.Clone()
		perClone := (heap() - after) / int64(n)
		var written counter
		if err := clone.Write(&written); err != nil {
			t.Fatal(err)
		}
		perSnapshot := written.n / int64(n)
		runtime.KeepAlive(clone)
		runtime.KeepAlive(st)
		t.Logf("%d tasks, select stage %t: %d bytes of heap a task, %d more while a snapshot is written, %d bytes in it",
			n, selected, perTask, perClone, perSnapshot)
		limit := int64(1500)
		if selected {
			limit *= 2
		}
		if perTask > limit {
			t.Errorf("a done task takes %d bytes of memory, more than %d", perTask, limit)
		}
		if perClone > perTask/3 {
			t.Errorf("a copy takes %d bytes a task, a ledger %d", perClone, perTask)
		}
	}
}

// BenchmarkComplete is one completion, decoded and applied, among a hundred thousand
// tasks.
func BenchmarkComplete(b *testing.B) {
	const n = 100_000
	st := large(b, n, false)
	stage := st.Job(theJob).Score()
	r := *stage.Tasks[0].Result()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		stage.change(i, func(t *Task) { t.State, t.Token, t.result = Leased, 1, packed{} })
		r.Keys = stage.Tasks[i].Keys
		data, err := EncodeCommand(Complete{Lease: Lease{score(i), 1}, Result: r})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(data)))
		cmd, err := DecodeCommand(data)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := Apply(st, st.index+1, cmd); err != nil {
			b.Fatal(err)
		}
		_, _ = st.Job(theJob).Stage(), st.Job(theJob).Totals()
		i = (i + 1) % n
	}
}

// BenchmarkSnapshot writes and reads a ledger of a hundred thousand done tasks.
func BenchmarkSnapshot(b *testing.B) {
	st := large(b, 100_000, false)
	b.Run("clone", func(b *testing.B) {
		for b.Loop() {
			_ = st.Clone()
		}
	})
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			if err := st.Write(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
	data, err := st.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if _, err := Restore(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("seal", func(b *testing.B) {
		for b.Loop() {
			if err := st.Job(theJob).checkSealed(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
