package lease

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"rescore/coordinator/ledger"
	"rescore/partition"
	"rescore/partition/job"
)

var rewrite = flag.Bool("rewrite", false, "write what was observed into the scripts")

// A script is verbs, a line of four dashes, and what was observed. Its verbs:
//
//	submit JOB [PRIORITY]    a job that waits for its survey
//	plan JOB N [ROWS]        its survey is done by w0; N score tasks of ROWS are planned
//	tick DURATION            time passes
//	lead                     another leader begins, with an empty book
//	ask WORKER SLOTS …       work requests that arrive together
//	decide                   no request arrives
//	beat WORKER TASK …       a heartbeat that names the worker's leases of the tasks
//	done JOB STAGE TASK      the lease's holder completes it
//	fail JOB                 the job is cancelled
//	restart                  a process that held all workers begins again
//	pause JOB, resume JOB    no grants; grants again
//	forget                   the book is cleared of what is over
//
// Commands that are decided are applied, grants are noted in the book.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			w := newWorld(t)
			for block := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n\n") {
				script, want, _ := strings.Cut(block+"\n", "----\n")
				w.out.Reset()
				for line := range strings.Lines(script) {
					if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
						w.run(strings.Fields(line))
					}
				}
				fmt.Fprintf(&got, "%s----\n%s\n", script, w.out.String())
				if !*rewrite && w.out.String() != want {
					t.Errorf("%sgot:\n%swant:\n%s", script, w.out.String(), want)
				}
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(strings.TrimSuffix(got.String(), "\n")), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

type world struct {
	t     *testing.T
	st    *ledger.State
	book  *Book
	now   time.Time
	index uint64
	out   strings.Builder
}

var began = time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	return &world{t: t, st: ledger.New(), book: NewBook(began), now: began}
}

func (w *world) apply(cmd ledger.Command) ledger.Reply {
	w.t.Helper()
	w.index++
	reply, _, err := ledger.Apply(w.st, w.index, cmd)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply
}

// turn is what a shell does: it takes back what ran out, then grants.
func (w *world) turn(requests ...Request) {
	expired := Expired(w.st, w.book, w.now, Config{})
	w.decided(expired)
	w.book.Enter(w.st)
	granted := Decide(w.st, w.book, Slow(w.st, w.book, w.now, Config{}), requests)
	w.decided(granted)
	if len(expired)+len(granted) == 0 {
		w.out.WriteString("nothing\n")
	}
}

func (w *world) decided(cmds []ledger.Command) {
	for _, cmd := range cmds {
		switch c := cmd.(type) {
		case ledger.Expire:
			cause := "silent"
			if c.Cause == ledger.Restart {
				cause = "restart"
			}
			fmt.Fprintf(&w.out, "expire %s %s\n", c.Lease, cause)
		case ledger.Grant:
			fmt.Fprintf(&w.out, "grant %s %v\n", c.Worker, c.Tasks)
		case ledger.Double:
			fmt.Fprintf(&w.out, "double %s for %s\n", c.Lease, c.Worker)
		}
		if reply, ok := w.apply(cmd).(ledger.GrantReply); ok {
			for _, l := range reply.Leases {
				w.book.Granted(w.st, l, w.now)
			}
		}
	}
}

func holder(st *ledger.State, l ledger.Lease) string {
	t := taskOf(st, l)
	if t.Token == l.Token {
		return t.Worker
	}
	return t.Second.Worker
}

// jobs are all there are.
func (w *world) jobs() (ids []job.ID) {
	for j := range w.st.Jobs() {
		ids = append(ids, j.ID)
	}
	return ids
}

func (w *world) run(args []string) {
	atoi := func(i int) int {
		n, err := strconv.Atoi(args[i])
		if err != nil {
			w.t.Fatal(err)
		}
		return n
	}
	switch args[0] {
	case "submit":
		id := job.ID(args[1])
		priority := 0
		if len(args) > 2 {
			priority = atoi(2)
		}
		w.apply(ledger.Submit{Job: id, Name: "d", SpecDigest: "s", MaxAttempts: 3, Priority: priority, Stages: []job.StageKind{job.StageSurvey, job.StageScore}})
		w.apply(ledger.Plan{Job: id, StageKind: job.StageSurvey, Tasks: []job.Task{{Range: partition.Whole}}, Last: true})
	case "plan":
		id := job.ID(args[1])
		survey := ledger.TaskRef{Job: id}
		lease := w.apply(ledger.Grant{Worker: "w0", Tasks: []ledger.TaskRef{survey}}).(ledger.GrantReply).Leases[0]
		w.apply(ledger.Complete{Lease: lease})
		var tasks []job.Task
		rows := int64(0)
		if len(args) > 3 {
			rows = int64(atoi(3))
		}
		first := partition.FirstNumber
		for i := range atoi(2) {
			past := partition.FirstNumber + partition.Number(i+1)*partition.LinesPerSegment
			if i == atoi(2)-1 {
				past = partition.PastNumber
			}
			tasks = append(tasks, job.Task{Range: partition.Range{First: first, Past: past}, Rows: rows})
			first = past
		}
		files := []job.InputFile{{Path: "f", Rows: rows * int64(len(tasks))}}
		w.apply(ledger.Plan{Job: id, Stage: 1, StageKind: job.StageScore, Tasks: tasks, Files: files, Last: true})
	case "tick":
		d, err := time.ParseDuration(args[1])
		if err != nil {
			w.t.Fatal(err)
		}
		w.now = w.now.Add(d)
	case "lead":
		w.book = NewBook(w.now)
	case "ask":
		var requests []Request
		for i := 1; i < len(args); i += 2 {
			requests = append(requests, Request{Worker: args[i], Slots: atoi(i + 1), Ready: w.jobs()})
		}
		w.turn(requests...)
	case "decide":
		w.turn()
	case "beat":
		for l := range leases(w.st) {
			for i := range args[2:] {
				if l.Task == atoi(i+2) && holder(w.st, l) == args[1] {
					w.book.Heard(l, w.now)
				}
			}
		}
	case "done":
		for l := range leases(w.st) {
			if l.TaskRef == (ledger.TaskRef{Job: job.ID(args[1]), Stage: atoi(2), Task: atoi(3)}) {
				task := &w.st.Job(l.Job).Stages[l.Stage].Tasks[l.Task]
				w.apply(ledger.Complete{Lease: l, Result: job.Result{Counts: job.Counts{In: task.Rows, Scored: task.Rows}, Keys: task.Keys}})
				w.book.Done(l, w.now)
				return
			}
		}
		w.t.Fatalf("%v: nobody holds it", args)
	case "fail":
		w.apply(ledger.FailJob{Job: job.ID(args[1]), Reason: "cancelled"})
	case "restart":
		w.decided(Restart(w.st))
	case "pause":
		w.apply(ledger.Pause{Job: job.ID(args[1]), Who: "o"})
	case "resume":
		w.apply(ledger.Resume{Job: job.ID(args[1]), Who: "o"})
	case "forget":
		w.book.Forget(w.st)
		fmt.Fprintf(&w.out, "%d in the book\n", len(w.book.leases))
	default:
		w.t.Fatalf("unknown verb %q", args[0])
	}
}

func TestConfigDefaultsAreValidAndRelationsAreChecked(t *testing.T) {
	t.Parallel()
	if err := (Config{}).WithDefaults().Validate(); err != nil {
		t.Error(err)
	}
	if c := (Config{}).WithDefaults(); c.TTL != 15*time.Second || c.Heartbeat != 3*time.Second {
		t.Errorf("%+v", c)
	}
	if err := (Config{TTL: 9 * time.Second, Heartbeat: 3 * time.Second}).Validate(); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]Config{
		"too few heartbeats": {TTL: 9*time.Second - 1, Heartbeat: 3 * time.Second},
		"negative ttl":       {TTL: -1, Heartbeat: -1},
		"no heartbeat":       {TTL: time.Second},
	} {
		if c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := (Config{TTL: -1, Heartbeat: -2}).Validate(); strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("not every problem is reported: %v", err)
	}
}

func TestTheBookNeverGoesBack(t *testing.T) {
	t.Parallel()
	b := NewBook(began)
	l := ledger.Lease{Token: 1}
	b.Heard(l, began.Add(5*time.Second))
	b.Heard(l, began.Add(2*time.Second))
	if got := b.trusted(l, time.Second); !got.Equal(began.Add(6 * time.Second)) {
		t.Error(got)
	}
}

// TestNothingIsGrantedOfAJobThatAWorkerIsNotReadyFor: readiness is asked for each job
// and each worker by itself.
func TestNothingIsGrantedOfAJobThatAWorkerIsNotReadyFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run([]string{"submit", "a"})
	w.run([]string{"plan", "a", "3"})
	w.run([]string{"submit", "b"})
	ask := func(requests ...Request) string {
		var b strings.Builder
		for _, cmd := range Decide(w.st, w.book, nil, requests) {
			g := cmd.(ledger.Grant)
			fmt.Fprintf(&b, "%s %v;", g.Worker, g.Tasks)
		}
		return b.String()
	}
	ref := func(id job.ID, stage, task int) string {
		return fmt.Sprint(ledger.TaskRef{Job: id, Stage: stage, Task: task})
	}
	for want, requests := range map[string][]Request{
		"":                             {{"w1", 4, nil}, {"w2", 4, []job.ID{"c"}}},
		"w2 [" + ref("b", 0, 0) + "];": {{"w1", 4, nil}, {"w2", 4, []job.ID{"b"}}},
		"w1 [" + ref("a", 1, 0) + "];": {{"w1", 1, []job.ID{"a"}}, {"w2", 0, []job.ID{"a", "b"}}},
		"w1 [" + ref("b", 0, 0) + "];w2 [" + ref("a", 1, 0) + " " + ref("a", 1, 1) + "];": {{"w1", 4, []job.ID{"b"}}, {"w2", 2, []job.ID{"a"}}},
	} {
		if got := ask(requests...); got != want {
			t.Errorf("%+v: %q, want %q", requests, got, want)
		}
	}
	for want, ready := range map[job.ID][]job.ID{"b": nil, "a": {"b"}, "": {"a", "b"}} { // a survey comes first
		if id, ok := Unready(w.st, w.book, ready); id != want || ok != (want != "") {
			t.Errorf("ready for %v: unready for %q", ready, id)
		}
	}
}
