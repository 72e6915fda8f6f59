package source

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/event"
)

// events are those of one table that are of a task. They are read a batch at a time,
// beside the rows of the base, both being in the order of their numbers, and what they
// come to is brought into the record.
type events struct {
	r     *Reader // of the base
	l     *longTable
	own   *Reader // of the table's slices: where they are, and of which files
	rows  *stream
	left  int64 // events not yet read
	index map[string]int

	made    *event.Aggregator
	columns []event.Column
	sources []sources // of the columns, by them
	outputs []aggregate
	none    []eventResult // of a subscriber without events
	results []eventResult // of the current one
	current uint64

	// The batch, up to the next call of load.
	pos     int
	numbers []uint64 // 0: the event is accounted for
	values  []event.Values
	issues  []eventIssue
	last    uint64 // the highest number so far

	counts job.TableCounts
}

// sources are the vectors that a column is made of.
type sources struct {
	value *vector // nil of counts, and of what is made of the time
	days  bool    // the value is the day of the event
	keep  []int   // filters
}

// aggregate is one column of the record.
type aggregate struct {
	column int // of the aggregator
	k      int // month
	vec    *vector
}

// eventResult is a value of an aggregate.
type eventResult struct {
	whole int64
	real  float64
	state event.State
}

// eventIssue is something that is wrong with a row of the batch.
type eventIssue struct {
	issue
	order int // of the column
}

// bindEvents prepares the tables, whose events are accounted for whether anything that
// they come to is asked for or not.
func (r *Reader) bindEvents() error {
	for _, l := range r.d.tables {
		e := &events{r: r, l: l}
		r.events = append(r.events, e)
		if err := e.open(); err != nil {
			return l.named(err)
		}
	}
	return nil
}

func (e *events) open() error {
	e.own = &Reader{d: e.l.Dataset, index: e.l.own(e.r.index), rows: e.r.rows, alloc: e.r.alloc}
	first := e.l.first(e.r.index)
	for _, s := range e.r.task.Slices {
		if s.Month == e.l.month() {
			s.Month, s.File = 0, s.File-first
			e.own.task.Slices = append(e.own.task.Slices, s)
			e.left += max(s.Rows, 0)
		}
	}
	e.own.task.Rows = e.left
	if err := e.own.bindFiles(); err != nil {
		return err
	}
	e.rows = &stream{r: e.own, slices: e.own.task.Slices}
	e.add(e.l.number)
	e.add(e.l.time)
	place := map[string]int{}
	for _, o := range e.r.out {
		if o.col == nil || o.col.long != e.l {
			continue
		}
		name := o.col.field[len(e.l.asked.Name)+1:]
		if _, ok := place[name]; !ok {
			place[name] = len(e.columns)
			e.aggregate(name)
		}
		e.outputs = append(e.outputs, aggregate{place[name], o.col.k, o.vec})
	}
	reach := event.Reach{}
	for _, name := range slices.Sorted(maps.Keys(e.l.asked.Columns)) {
		months, days := e.l.window(name)
		if days == 0 {
			reach.Months = max(reach.Months, months)
		}
		reach.Days = max(reach.Days, days)
	}
	e.made = event.New(e.r.d.spec.Month, reach, e.columns)
	e.none, e.results = make([]eventResult, len(e.outputs)), make([]eventResult, len(e.outputs))
	e.made.Reset()
	e.conclude(e.none)
	copy(e.results, e.none)
	e.index = map[string]int{}
	for i, c := range slices.Backward(e.rows.cols) {
		e.index[c.name] = i
	}
	return nil
}

// window is that of a column: so many months, or days when they are not 0.
func (l *longTable) window(name string) (months, days int) {
	a := l.asked.Columns[name]
	if a.Days > 0 {
		return 0, a.Days
	}
	if col, _ := schema.Find(schema.Subscriber, name); !col.Monthly && a.Months > 0 {
		return a.Months, 0
	}
	return l.asked.Months, 0
}

// add reads a column of the table beside the others, and returns its place.
func (e *events) add(c *column) int {
	e.rows.cols = append(e.rows.cols, c)
	e.rows.out = append(e.rows.out, newVector(c.typ, e.r.rows, e.r.alloc))
	return len(e.rows.out) - 1
}

// aggregate prepares a column that is asked for.
func (e *events) aggregate(name string) {
	a := e.l.asked.Columns[name]
	col, canonical := schema.Find(schema.Subscriber, name)
	c := event.Column{Function: a.Function, Monthly: col.Monthly, Real: !canonical, Empty: a.Empty}
	c.Months, c.Days = e.l.window(name)
	if canonical {
		c.Low, c.High = bounds(col.Type)
	}
	from := sources{days: a.Function != job.Count && e.l.ofTime(col, a)}
	if value := e.l.values[name]; value != nil {
		from.value = e.rows.out[e.add(value)]
	}
	for _, filter := range e.l.keep[name] {
		from.keep = append(from.keep, e.add(filter))
	}
	e.columns, e.sources = append(e.columns, c), append(e.sources, from)
}

// load reads the next events; false says that there are none.
func (e *events) load(ctx context.Context) (bool, error) {
	n := int(min(e.left, int64(e.r.rows)))
	if n == 0 {
		return false, nil
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	for _, v := range e.rows.out {
		v.begin()
	}
	e.issues = e.issues[:0]
	err := e.rows.read(e.rows.out, 0, n, func(is issue, _ string, _ int64) {
		order := 0 // a row that cannot be split has no number
		if is.field != "" {
			order = e.index[is.field]
		}
		e.issues = append(e.issues, eventIssue{is, order})
	})
	if err != nil {
		return false, err
	}
	read := int64(0)
	for _, s := range e.own.task.Slices {
		read += s.Rows
	}
	first := read - e.left // of the batch, among the task's events
	e.left -= int64(n)
	e.counts.In += int64(n)
	if err := e.judge(first, n); err != nil {
		return false, err
	}
	e.values = e.values[:0]
	for i, from := range e.sources {
		var v event.Values
		switch {
		case from.value != nil && e.columns[i].Real:
			v.Real = lanes[float64](from.value)[:n]
		case from.value != nil:
			v.Whole = lanes[int64](from.value)[:n]
			if from.value.nulls {
				v.Valid = from.value.valid.Bytes()
			}
		case from.days:
			v.Whole = e.made.Days(lanes[int64](e.rows.out[1])[:n])
		}
		for _, k := range from.keep {
			v.Kept = append(v.Kept, lanes[uint8](e.rows.out[k])[:n])
		}
		e.values = append(e.values, v)
	}
	e.made.Load(lanes[int64](e.rows.out[1])[:n], e.values)
	e.pos = 0
	return true, nil
}

// judge decides which events are left out, and accounts for those that are of nobody.
func (e *events) judge(first int64, n int) error {
	number, when := e.rows.out[0], e.rows.out[1]
	e.numbers = append(e.numbers[:0], lanes[uint64](number)[:n]...)
	slices.SortStableFunc(e.issues, func(a, b eventIssue) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return a.order - b.order
	})
	issues := e.issues
	for i, key := range e.numbers {
		field, why := "", job.Reason(0)
		switch {
		case number.isNull(i):
			field, why = e.l.asked.Number, job.NullKey
		case when.isNull(i):
			field, why = e.l.asked.Time, job.BadValue
		}
		bad := int64(0)
		for ; len(issues) > 0 && int(issues[0].at) == i; issues = issues[1:] {
			is := issues[0]
			switch {
			case is.order == 0 && is.reject && is.field == "":
				field, why = "", job.BadWidth
			case is.order == 0:
				why = job.BadNumber
			case is.reject && why == 0:
				field, why = is.field, job.BadValue
			case is.order > 1:
				bad++
			}
		}
		if key > otherSubscriber && why != job.NullKey && why != job.BadNumber && why != job.BadWidth {
			switch {
			case key < e.last:
				return fmt.Errorf("numbers are out of order: %w", ErrChanged)
			case !e.r.task.Range.Contains(partition.Number(key)):
				return fmt.Errorf("a number lies outside the partition: %w", ErrChanged)
			}
			e.last = key
		}
		switch {
		case why != 0:
			e.counts.Rejected++
			if err := e.reject(first+int64(i), field, why); err != nil {
				return err
			}
		case key == otherSubscriber:
			e.counts.Orphan++
			e.counts.BadValues += bad
		default:
			e.counts.BadValues += bad
			continue
		}
		e.numbers[i] = 0
	}
	return nil
}

func (e *events) reject(at int64, field string, why job.Reason) error {
	if e.r.tell == nil {
		return nil
	}
	file, row := e.own.place(int(at))
	return e.r.tell(Reject{File: e.l.asked.Name + ":" + file, Row: row, Field: field, Reason: why})
}

// take aggregates the events of a number, after passing over those of smaller ones. It
// reports whether there are any.
func (e *events) take(ctx context.Context, number uint64) (some bool, err error) {
	for {
		for ; e.pos < len(e.numbers); e.pos++ {
			switch key := e.numbers[e.pos]; {
			case key == 0:
			case key < number:
				e.counts.Orphan++
			case key > number:
				return some, nil
			default:
				if !some {
					e.made.Reset()
					some = true
				}
				past := e.pos + 1
				for past < len(e.numbers) && e.numbers[past] == number {
					past++
				}
				e.made.Add(e.pos, past)
				for i := e.pos; i < past; i++ {
					if e.made.Within(i) {
						e.counts.Within++
					} else {
						e.counts.Outside++
					}
				}
				e.pos = past - 1
			}
		}
		if more, err := e.load(ctx); err != nil || !more {
			return some, err
		}
	}
}

// conclude writes what the events come to.
func (e *events) conclude(to []eventResult) {
	for i, o := range e.outputs {
		if e.columns[o.column].Real {
			to[i].real, to[i].state = e.made.Real(o.column)
		} else {
			to[i].whole, to[i].state = e.made.Whole(o.column, o.k)
		}
	}
}

// fill brings the aggregates of rows first to first+n of the task into the outputs.
func (e *events) fill(ctx context.Context, first, n int, b *Batch) error {
	for _, o := range e.outputs {
		o.vec.begin()
	}
	for i, key := range e.r.keys[first : first+n] {
		if key != e.current && key != 0 {
			some, err := e.take(ctx, key)
			if err != nil {
				return e.l.named(err)
			}
			e.current = key
			if some {
				e.conclude(e.results)
			} else {
				copy(e.results, e.none)
			}
		}
		for k, o := range e.outputs {
			switch r := e.results[k]; {
			case key == 0 || r.state != event.Good:
				o.vec.setNull(i)
				if key != 0 && r.state == event.Bad {
					e.r.spoil(i, b)
				}
			case o.vec.nan:
				lanes[float64](o.vec)[i] = r.real
			default:
				o.vec.setInt(i, r.whole)
			}
		}
	}
	return nil
}

// finish accounts for the events behind the last number of the base, and checks that
// all were.
func (e *events) finish(ctx context.Context) error {
	if _, err := e.take(ctx, uint64(partition.PastNumber)); err != nil {
		return e.l.named(err)
	}
	if e.counts.In != e.own.task.Rows || !e.counts.Conserved() {
		return e.l.named(corrupt("%d events were delivered, the task has %d", e.counts.In, e.own.task.Rows))
	}
	return nil
}

func (e *events) close() {
	if e.rows == nil {
		return
	}
	e.rows.closeParts()
	for _, v := range e.rows.out {
		v.release()
	}
	e.own.codecs.close()
}

// Tables returns what became of the events of each table, in the job's order, of the
// rows delivered so far; after the last batch of all that are in the task.
func (r *Reader) Tables() []job.TableCounts {
	var all []job.TableCounts
	for _, e := range r.events {
		all = append(all, e.counts)
	}
	return all
}

// Tell has f called with every event that is rejected from now on, in the order of each
// table's rows. What f returns ends the reading.
func (r *Reader) Tell(f func(Reject) error) { r.tell = f }
