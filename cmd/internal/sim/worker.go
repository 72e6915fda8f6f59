package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"rescore/partition/ecdf"
	"rescore/partition/job"
	"rescore/partition/wire"
)

// machine is where a worker runs, again and again.
type machine struct {
	s     *simulation
	name  string
	slots int
	slow  float64 // how many times longer it takes
	now   *workerModel
}

// workerModel is one incarnation of worker.Worker: the same questions and the same
// order, without Arrow and Parquet.
type workerModel struct {
	m       *machine
	process *process
	free    int
	freed   func() // waits for a slot
	ready   []job.ID
	tasks   []*attempt
	serial  int
	drains  bool
}

type attempt struct {
	lease wire.Lease
	rows  int64
	given bool // back
}

func (m *machine) start() {
	w := &workerModel{m: m, process: &process{w: m.s.w, name: m.name, skew: m.s.skew()}, free: m.slots}
	m.now = w
	m.s.w.say(m.name, "starts with %d slots", m.slots)
	w.process.spawn("take", w.take)
	w.process.spawn("beat", w.beat)
}

// crash loses all that is not in the store or in the ledger.
func (m *machine) crash() {
	m.s.w.say(m.name, "crashes")
	m.now.process.kill()
	m.s.w.after(m.s.w.within(100*time.Millisecond, 3*ttl), m.start)
}

func (w *workerModel) view(folder string) *view {
	return &view{disk: w.m.s.disk, process: w.process, folder: folder}
}

// take asks for as much work as there are free slots.
func (w *workerModel) take() {
	s := w.m.s
	unheard := 10 * time.Millisecond
	for {
		w.process.wait("slot", soon, func(done func()) {
			if w.free > 0 {
				done()
				return
			}
			w.freed = done
		})
		asked := w.free
		data, err := ask[wire.WorkReply](w, work, must(wire.Encode(wire.WorkRequest{Worker: w.m.name, Slots: asked, Ready: w.ready})))
		if err != nil {
			w.process.sleep(unheard)
			unheard = min(2*unheard, time.Second)
			continue
		}
		unheard = 10 * time.Millisecond
		if data.Drain {
			w.leave()
		}
		for _, a := range data.Assignments[:min(asked, len(data.Assignments))] {
			w.free--
			w.process.spawn(fmt.Sprintf("task %s/%d/%d", a.Job, a.Stage, a.Index), func() {
				w.do(a)
				w.free++
				if freed := w.freed; freed != nil {
					w.freed = nil
					w.process.do("slot", soon, freed)
				}
			})
		}
		if len(data.Assignments) > 0 {
			continue
		}
		news := false
		for _, o := range data.Offers {
			if !slices.Contains(w.ready, o.Job) {
				w.process.sleep(s.w.within(0, 300*time.Millisecond))
				w.ready, news = append(w.ready, o.Job), true
			}
		}
		if !news {
			w.process.sleep(max(data.Retry(), s.w.within(800*time.Millisecond, 1600*time.Millisecond))) // real ones ask more often when idle, and nothing comes of it
		}
	}
}

// do runs one assignment and reports it until it is answered.
func (w *workerModel) do(a wire.Assignment) {
	at := &attempt{lease: a.Lease()}
	w.tasks = append(w.tasks, at)
	defer func() {
		w.tasks = slices.DeleteFunc(w.tasks, func(o *attempt) bool { return o == at })
	}()
	report := wire.Report{Worker: w.m.name, Lease: at.lease}
	result, err := w.perform(a, at)
	if err != nil {
		report.Failure = &wire.Failure{Reason: wire.Cut(err.Error())}
	} else {
		report.Result = &result
	}
	if at.given {
		return
	}
	w.report(a.Kind, report)
}

// report sends the same report until somebody who knows answers it.
func (w *workerModel) report(kind job.StageKind, r wire.Report) {
	s := w.m.s
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		reply, err := ask[wire.ReportReply](w, reportSubject, must(wire.Encode(r)))
		if err == nil {
			s.w.say(w.m.name, "report of %s task %d under %d is answered %s", kind, r.Lease.Task, r.Lease.Token, reply.Status)
			switch reply.Status {
			case wire.OK:
				s.check.acknowledged(r)
				return
			case wire.Lost:
				w.drop(r)
				return
			case wire.Fenced, wire.Refused:
				return
			case wire.Retry:
			}
		}
		if r.Result != nil && s.w.chance(s.mix.restage) { // no worker does so; the ledger must not care
			again := *r.Result
			again.Timing.Read++
			r.Result = &again
		}
		w.process.sleep(wait)
	}
}

// drop deletes what belongs to nobody.
func (w *workerModel) drop(r wire.Report) {
	if r.Result == nil {
		return
	}
	for _, f := range r.Result.Files {
		_ = w.view(w.m.s.check.jobs[r.Lease.Job].spec.Output.Path).Delete(context.Background(), f.Path)
	}
}

// leave gives back what is not done within a while, and ends the process; another
// takes its place.
func (w *workerModel) leave() {
	s := w.m.s
	s.w.say(w.m.name, "drains")
	w.drains = true
	w.say()
	w.process.sleep(s.w.within(0, 3*time.Second))
	for _, at := range slices.Clone(w.tasks) {
		at.given = true
		w.report(0, wire.Report{Worker: w.m.name, Lease: at.lease, Returned: true})
	}
	w.process.do("leave", soon, w.m.crash)
}

const reportSubject = report

var (
	errPoison = errors.New("row 7: a value nobody can read")
	errNobody = errors.New("no responders")
	errSilent = errors.New("no answer")
)

// perform is the work, with what can go wrong in it.
func (w *workerModel) perform(a wire.Assignment, at *attempt) (job.Result, error) {
	s := w.m.s
	spec, err := s.specOf(a.Spec)
	if err != nil {
		return job.Result{}, err
	}
	out := w.view(spec.Output.Path)
	took := time.Duration(float64(s.w.within(100*time.Millisecond, 2*time.Second)) * w.m.slow)
	if s.w.chance(s.mix.straggler) {
		took = s.w.within(ttl, 6*ttl)
	}
	for part := range 3 {
		w.process.sleep(took / 3)
		at.rows = a.Task.Rows * int64(part) / 3
	}
	base := s.bases[a.Job]
	if s.poisoned(a) {
		if s.mix.poisonKills {
			w.process.do("out of memory", soon, w.m.crash)
		}
		return job.Result{}, errPoison
	}
	if s.w.chance(s.mix.taskError) {
		return job.Result{}, errServer
	}
	w.serial++
	suffix := fmt.Sprintf("%05d-%04d-%020d-%s%d", a.Index, a.Epoch, a.Token, w.m.name, s.serial())
	stage := func(kind job.FileKind, name string, content []byte, rows int64) (job.File, error) {
		name = a.Job.StagingPrefix() + name + "-" + suffix
		file := fmt.Appendf(slices.Clone(content), "#%s\n", suffix)
		return w.stage(out, kind, name, content, file, rows)
	}
	switch a.Kind {
	case job.StageSurvey:
		data, err := wire.EncodeSurvey(base.survey)
		if base.exports {
			data, err = wire.EncodeIntake(base.intake)
		}
		if err != nil {
			return job.Result{}, err
		}
		f, err := w.stage(out, job.FileSurvey, a.Job.StagingPrefix()+"survey-"+suffix+".cbor", data, data, 0)
		return job.Result{Files: []job.File{f}}, err
	case job.StageScore:
		m := scoreRows(base.rows(a.Task.Slices))
		r := job.Result{Counts: m.counts, Keys: m.keys, Rows: m.sum}
		f, err := stage(job.FileScores, "part", m.content, m.counts.Scored)
		if err != nil {
			return r, err
		}
		r.Files = append(r.Files, f)
		if len(m.rejects) > 0 {
			if f, err = stage(job.FileRejects, "rejects", m.rejects, m.counts.Rejected); err != nil {
				return r, err
			}
			r.Files = append(r.Files, f)
		}
		if s.selects[a.Job] {
			ranks := histogram(m.content).Encode()
			if f, err = w.stage(out, job.FileRanks, a.Job.StagingPrefix()+"ranks-"+suffix, ranks, ranks, m.counts.Scored); err != nil {
				return r, err
			}
			r.Files = append(r.Files, f)
		}
		return w.lie(r), nil
	case job.StageSelect:
		scores, err := out.Get(context.Background(), a.Task.Staged[0].Path, 1<<20)
		if err != nil {
			return job.Result{}, err
		}
		if digest(scores) != a.Task.Staged[0].SHA256 {
			s.w.fail("%s reads other scores of task %d than were reported", w.m.name, a.Index)
		}
		ranks, err := out.Get(context.Background(), a.Task.Staged[1].Path, ecdf.BytesMax)
		if err != nil {
			return job.Result{}, err
		}
		below, err := s.below(ranks)
		if err != nil {
			return job.Result{}, err
		}
		m := placeRows(scores, below)
		r := job.Result{Counts: m.counts, Rows: m.sum}
		f, err := stage(job.FileScores, "part", m.content, m.counts.Scored)
		r.Files = []job.File{f}
		return w.lie(r), err
	case job.StageExchange:
		r, err := w.exchange(out, a, base, stage, func(kind job.FileKind, name string, data []byte) (job.File, error) {
			return w.stage(out, kind, a.Job.StagingPrefix()+name+"-"+suffix, data, data, 0)
		})
		return w.lie(r), err
	case job.StageMerge:
		r, err := w.merge(out, a, stage)
		return w.lie(r), err
	}
	return job.Result{}, fmt.Errorf("stage %s is not simulated", a.Kind)
}

// stage writes a file exclusively, reads it again, and says what it is.
func (w *workerModel) stage(out *view, kind job.FileKind, name string, content, file []byte, rows int64) (job.File, error) {
	ctx := context.Background()
	f := job.File{Kind: kind, Path: name, Rows: rows, Bytes: int64(len(file)), SHA256: digest(file), Content: digest(content)}
	to, err := out.Create(ctx, name)
	if err != nil {
		return f, err
	}
	if _, err := to.Write(file); err != nil {
		return f, err
	}
	if err := to.Commit(); err != nil {
		return f, err
	}
	w.process.sleep(w.m.s.w.within(0, 300*time.Millisecond)) // to read it takes a while
	o, err := out.Open(ctx, name)
	if err != nil {
		return f, err
	}
	defer o.Close()
	again := make([]byte, o.Size())
	if _, err := o.ReadAt(again, 0); err != nil && !errors.Is(err, io.EOF) {
		return f, err
	}
	if digest(again) != f.SHA256 {
		return f, fmt.Errorf("%s is not what was written", name)
	}
	return f, nil
}

// lie is a worker with a mistake: rows are lost or made on the way.
func (w *workerModel) lie(r job.Result) job.Result {
	s := w.m.s
	if !s.w.chance(s.mix.wrongCounts) {
		return r
	}
	s.w.say(w.m.name, "reports rows that do not add up")
	switch s.w.rng.IntN(4) {
	case 0:
		r.Counts.Scored--
	case 1:
		r.Counts.Scored, r.Counts.In = r.Counts.Scored-1, r.Counts.In-1
	case 2:
		r.Keys = r.Keys.AddHash(1)
	default:
		r.Counts.Excluded++
	}
	return r
}

// beat names the leases in flight: at once and every so often.
func (w *workerModel) beat() {
	for {
		w.say()
		w.process.sleep(heartbeat)
	}
}

// say is one heartbeat.
func (w *workerModel) say() {
	s := w.m.s
	h := wire.Heartbeat{Worker: w.m.name, Slots: w.m.slots, Draining: w.drains}
	for _, t := range w.tasks {
		h.Tasks = append(h.Tasks, wire.Progress{Lease: t.lease, RowsDone: t.rows})
	}
	data := must(wire.Encode(h))
	w.process.do("heartbeat", soon, func() {
		for _, o := range s.offices() {
			s.net.send(w.m.name, o.v.name, func() { o.serve(beat, data, nil) })
		}
	})
}

// ask is a request over NATS: whoever serves may get it, and what happened after no
// answer came, nobody knows.
func ask[R wire.Message](w *workerModel, kind subject, data []byte) (reply R, err error) {
	s := w.m.s
	w.process.wait("ask", soon, func(done func()) {
		over := false
		finish := func(answer []byte, e error) {
			if over {
				return
			}
			over = true
			if err = e; e == nil {
				reply, err = wire.Decode[R](answer)
				if err != nil {
					s.w.fail("%s cannot read an answer: %w", w.m.name, err)
				}
			}
			done()
		}
		offices := s.offices()
		if len(offices) == 0 {
			s.w.after(5*time.Millisecond, func() { finish(nil, errNobody) })
			return
		}
		o := offices[s.w.rng.IntN(len(offices))]
		s.net.send(w.m.name, o.v.name, func() {
			o.serve(kind, data, func(answer []byte) {
				s.net.send(o.v.name, w.m.name, func() { finish(answer, nil) })
			})
		})
		s.w.after(2*time.Second, func() { finish(nil, errSilent) })
	})
	return reply, err
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
