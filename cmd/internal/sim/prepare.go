package sim

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"rescore/partition/job"
	"rescore/partition/wire"
	"rescore/worker/intake"
)

// Passes and blocks of a simulated run are of few rows, so that there are some to lose.
const (
	passRows   = 5
	passMemory = passRows * 16 * 5 // see intake.NewSorter
	mergeBytes = 96 << 10          // a piece, see intake.Merge
)

// listMax bounds the small staged files of a preparation.
const listMax = 1 << 20

// small reads what a task was given to work by.
func (w *workerModel) small(out *view, a wire.Assignment) ([]byte, error) {
	data, err := out.Get(context.Background(), a.Task.Staged[0].Path, listMax)
	if err == nil && digest(data) != a.Task.Staged[0].SHA256 {
		w.m.s.w.fail("%s reads another %s than was staged", w.m.name, a.Task.Staged[0].Path)
	}
	return data, err
}

// exchange is worker.Worker's, with rows that are drawn: the sorter and the run are the
// real ones.
func (w *workerModel) exchange(out *view, a wire.Assignment, b *base, stage func(job.FileKind, string, []byte, int64) (job.File, error), list func(job.FileKind, string, []byte) (job.File, error)) (job.Result, error) {
	data, err := w.small(out, a)
	if err != nil {
		return job.Result{}, err
	}
	ranges, err := wire.DecodeCut(data)
	if err != nil {
		return job.Result{}, err
	}
	var runBytes bytes.Buffer
	run, sorter := intake.NewRunWriter(&runBytes, ranges), intake.NewSorter(passMemory)
	pass := func() error {
		err := run.Pass(sorter)
		sorter.Reset()
		return err
	}
	m := b.exchanged(a.Task.Slices)
	var rejects []byte
	for _, s := range a.Task.Slices {
		for i := s.First; i < s.First+s.Rows; i++ {
			r := b.files[s.File][i]
			if r.number == 0 {
				rejects = fmt.Appendf(rejects, "%d %d\n", s.File, i)
				continue
			}
			var cells intake.Cells
			cells.Begin(1)
			cells.Fixed(r.value, 8)
			line := intake.Row{Number: r.number, File: uint32(s.File), Row: i, Load: intake.Load{}.Integer(nil, r.load), Cells: cells.Encoded()}
			if !sorter.Add(&line) {
				if err := pass(); err != nil {
					return job.Result{}, err
				}
				sorter.Add(&line)
			}
		}
	}
	if err := pass(); err != nil {
		return job.Result{}, err
	}
	pieces, err := wire.EncodePieces(run.Pieces())
	if err != nil {
		return job.Result{}, err
	}
	r := job.Result{Counts: m.counts, Keys: m.keys, Rows: m.sum}
	err = collect(&r, func() (job.File, error) { return stage(job.FileRun, "run", runBytes.Bytes(), m.counts.Scored) })
	if err == nil {
		err = collect(&r, func() (job.File, error) { return list(job.FilePieces, "pieces", pieces) })
	}
	if err == nil && len(rejects) > 0 {
		err = collect(&r, func() (job.File, error) {
			return stage(job.FileRejects, "rejects", rejects, m.counts.Rejected+m.counts.Excluded)
		})
	}
	return r, err
}

// merge is worker.Worker's, and writes lines: intake.Merge is the real one.
func (w *workerModel) merge(out *view, a wire.Assignment, stage func(job.FileKind, string, []byte, int64) (job.File, error)) (job.Result, error) {
	data, err := w.small(out, a)
	if err != nil {
		return job.Result{}, err
	}
	g, err := wire.DecodeGather(data)
	if err != nil {
		return job.Result{}, err
	}
	pieces := make([]intake.Piece, len(g.Pieces))
	for i, at := range g.Pieces {
		pieces[i] = intake.Piece{From: run{out, g.Runs[at.Run].Path}, Piece: at}
	}
	var r job.Result
	var content, rejects []byte
	err = intake.Merge(context.Background(), pieces, mergeBytes*max(len(pieces), 1), func(line *intake.Row) error {
		kept := row{number: line.Number, value: binary.LittleEndian.Uint64(line.Cells[1:]), load: loadOf(line.Load)}
		r.Counts.In, r.Counts.Scored, r.Keys = r.Counts.In+1, r.Counts.Scored+1, r.Keys.AddNumber(line.Number)
		r.Rows = r.Rows.AddHash(keptHash(kept))
		content = fmt.Appendf(content, "%s %d %d\n", line.Number.Digits(), kept.value, kept.load)
		return nil
	}, func(line *intake.Row) error {
		r.Counts.In, r.Counts.Duplicate, r.Keys = r.Counts.In+1, r.Counts.Duplicate+1, r.Keys.AddNumber(line.Number)
		rejects = fmt.Appendf(rejects, "%d %d\n", line.File, line.Row)
		return nil
	})
	if err != nil {
		return r, err
	}
	err = collect(&r, func() (job.File, error) { return stage(job.FileBase, "base", content, r.Counts.Scored) })
	if err == nil && len(rejects) > 0 {
		err = collect(&r, func() (job.File, error) { return stage(job.FileRejects, "rejects", rejects, r.Counts.Duplicate) })
	}
	return r, err
}

// loadOf reads an order key of intake.Load.
func loadOf(key []byte) int64 { return int64(binary.BigEndian.Uint64(key[1:]) ^ 1<<63) }

func collect(r *job.Result, stage func() (job.File, error)) error {
	f, err := stage()
	if err == nil {
		r.Files = append(r.Files, f)
	}
	return err
}

// run reads a staged run, which is opened anew for every read.
type run struct {
	out  *view
	name string
}

func (r run) ReadAt(b []byte, off int64) (int, error) {
	o, err := r.out.Open(context.Background(), r.name)
	if err != nil {
		return 0, err
	}
	return o.ReadAt(b, off)
}
