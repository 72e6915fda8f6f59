package whatif

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/cmd/internal/local"
	"rescore/coordinator/publish"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/worker/program"
	"rescore/worker/source"
)

// count is what one task adds.
type count struct {
	rows  job.Counts
	lines []line // triggers, users' rules, any
}

// line counts the rows of one rule.
type line struct{ before, after, newly, noLonger, unknownBefore, unknownAfter int64 }

func (l line) add(o line) line {
	return line{l.before + o.before, l.after + o.after, l.newly + o.newly, l.noLonger + o.noLonger, l.unknownBefore + o.unknownBefore, l.unknownAfter + o.unknownAfter}
}

// judge is both programs, for one goroutine.
type judge struct {
	pass          *pass
	before, after *side
}

func newJudge(p *pass) (*judge, error) {
	j := &judge{pass: p}
	for _, s := range []struct {
		side **side
		make func() (*program.Plan, error)
		spec job.Spec
	}{{&j.before, p.before, p.v.Spec}, {&j.after, p.after, p.o.Spec}} {
		plan, err := s.make()
		if err != nil {
			return nil, err
		}
		*s.side = newSide(plan, s.spec, p.rules)
	}
	return j, nil
}

func (j *judge) release() {
	j.before.prog.Release()
	j.after.prog.Release()
}

// rest lets go of the reader's memory.
func (j *judge) rest() {
	j.before.rest()
	j.after.rest()
}

func (j *judge) task(ctx context.Context, task job.Task, out *count, done func(rows int64)) (err error) {
	out.lines = make([]line, 14+len(j.pass.rules)+1)
	if task.Rows == 0 {
		return nil
	}
	columns := j.pass.columns
	if j.pass.whole != nil && j.pass.rejected(task.Range) {
		columns = j.pass.whole
	}
	reader, err := j.pass.dataset.Reader(task, j.pass.files, columns, batchRows, memory.NewGoAllocator())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	defer j.rest() // the reader's last record goes with the reader
	for rows := int64(0); ; {
		b, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			out.rows = reader.Counts()
			done(rows)
			return nil
		}
		if err != nil {
			return err
		}
		was, err := j.before.eval(b)
		if err != nil {
			return err
		}
		is, err := j.after.eval(b)
		if err != nil {
			return err
		}
		tally(out.lines, b, was, is)
		if rows += int64(b.Len); rows >= 1<<17 {
			done(rows)
			rows = 0
		}
	}
}

// rejected reports whether a partition that meets a range rejected a row.
func (p *pass) rejected(within partition.Range) bool {
	return slices.ContainsFunc(p.v.Manifest.Partitions, func(part publish.Partition) bool {
		r, err := local.PartitionRange(part)
		return err != nil || part.Rows.Rejected > 0 && !r.Intersect(within).Empty()
	})
}

// side is the program of one set of rules.
type side struct {
	plan  *program.Plan
	prog  *program.Program
	at    []int // bit of rule_fired by user rule, -1 where this set has none of that name
	from  arrow.Record
	input arrow.Record // the plan's columns of from
}

func newSide(plan *program.Plan, spec job.Spec, rules []string) *side {
	s := &side{plan: plan, prog: plan.Program(batchRows, memory.NewGoAllocator())}
	for _, name := range rules {
		s.at = append(s.at, slices.IndexFunc(spec.Custom, func(f job.Formula) bool { return f.Name == name }))
	}
	return s
}

func (s *side) rest() {
	if s.input != nil {
		s.input.Release()
	}
	s.from, s.input = nil, nil
}

// verdicts are a batch's: bits of triggers, and of users' rules.
type verdicts struct {
	fired, unknown       []uint16
	ownFired, ownUnknown []uint64
	at                   []int
}

func (s *side) eval(b *source.Batch) (verdicts, error) {
	if b.Record != s.from { // readers hand over the same record again and again
		s.rest()
		var fields []arrow.Field
		var columns []arrow.Array
		for _, name := range s.plan.Columns() {
			i := b.Record.Schema().FieldIndices(name)[0]
			fields, columns = append(fields, b.Record.Schema().Field(i)), append(columns, b.Record.Column(i))
		}
		s.from, s.input = b.Record, array.NewRecord(arrow.NewSchema(fields, nil), columns, int64(b.Len))
	}
	out, err := s.prog.Eval(s.input, b.Key, b.Bad)
	if err != nil {
		return verdicts{}, err
	}
	v := verdicts{fired: out.Column(0).(*array.Uint16).Uint16Values(), unknown: out.Column(1).(*array.Uint16).Uint16Values(), at: s.at}
	if out.NumCols() > 2 {
		v.ownFired, v.ownUnknown = out.Column(2).(*array.Uint64).Uint64Values(), out.Column(3).(*array.Uint64).Uint64Values()
	}
	return v, nil
}

// own returns row i's verdict of a user rule, one of those of both sets: two sets
// can have more rules than a word has bits.
func (v *verdicts) own(i, rule int) (fired, unknown uint64) {
	at := v.at[rule]
	if at < 0 {
		return 0, 0
	}
	return v.ownFired[i] >> at & 1, v.ownUnknown[i] >> at & 1
}

// tally counts a batch's rows that are scored.
func tally(lines []line, b *source.Batch, was, is verdicts) {
	own := lines[14 : len(lines)-1]
	warn := &lines[len(lines)-1]
	for i := range b.Len {
		if b.Drop != nil && b.Drop[i] != 0 {
			continue
		}
		spread(lines[:14], uint64(was.fired[i]), uint64(is.fired[i]), uint64(was.unknown[i]), uint64(is.unknown[i]))
		for k := range own {
			wasFired, wasUnknown := was.own(i, k)
			isFired, isUnknown := is.own(i, k)
			spread(own[k:k+1], wasFired, isFired, wasUnknown, isUnknown)
		}
		warned := func(fired uint16) uint64 {
			if fired != 0 {
				return 1
			}
			return 0
		}
		one := [1]line{*warn}
		spread(one[:], warned(was.fired[i]), warned(is.fired[i]), 0, 0)
		*warn = one[0]
	}
}

// spread adds a row's bits to the lines, one a bit.
func spread(lines []line, was, is, wasUnknown, isUnknown uint64) {
	if was|is|wasUnknown|isUnknown == 0 {
		return
	}
	for k := range lines {
		l := &lines[k]
		w, n := int64(was>>k&1), int64(is>>k&1)
		l.before += w
		l.after += n
		l.newly += n &^ w
		l.noLonger += w &^ n
		l.unknownBefore += int64(wasUnknown >> k & 1)
		l.unknownAfter += int64(isUnknown >> k & 1)
	}
}
