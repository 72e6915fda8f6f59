package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/partition/store"
)

// longTable is a table of events that was found, opened and mapped. To the survey and to
// whoever cuts tasks its files are those of one more month, behind the window's: what
// holds a slice of a month to its rows holds one of a table to its events. Where names
// are told apart its files are called TABLE:path.
type longTable struct {
	*Dataset // its files alone, of month 0
	asked    job.Table
	place    int // among the job's tables
	number   *column
	time     *column
	values   map[string]*column   // that aggregates read, by the column they fill; not of counts, and of the time
	keep     map[string][]*column // filters, by the column filled
}

// openTables opens the tables of the job, rooted at stores.
func (d *Dataset) openTables(ctx context.Context, stores []store.Store) error {
	if len(stores) != len(d.spec.Input.Tables) {
		return fmt.Errorf("the job has %d tables, %d places were opened: %w", len(d.spec.Input.Tables), len(stores), ErrMapping)
	}
	for i, t := range d.spec.Input.Tables {
		spec := d.spec
		spec.Input = job.Input{Format: t.Format, Path: t.Path, Layout: "wide", Digest: d.spec.Input.Digest, CSV: t.CSV, Control: t.Control}
		l := &longTable{
			Dataset: &Dataset{spec: spec, st: stores[i], byPath: map[string]*inputFile{}, columns: map[string]*column{}},
			asked:   t, place: i, values: map[string]*column{}, keep: map[string][]*column{},
		}
		l.Dataset.key = keyRule{iot: true, nulls: nullTokens(spec.Input)}
		d.tables = append(d.tables, l)
		if err := l.findFiles(ctx); err != nil {
			return l.named(err)
		}
		if err := l.bind(); err != nil {
			return l.named(err)
		}
	}
	return nil
}

// named says of which table an error is.
func (l *longTable) named(err error) error {
	var named *FileError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &named):
		if !strings.HasPrefix(named.File, l.asked.Name+":") {
			named.File = l.asked.Name + ":" + named.File
		}
		return err
	}
	return fmt.Errorf("table %s: %w", l.asked.Name, err)
}

// month is where the table stands behind the months of the window.
func (l *longTable) month() int { return schema.Months + l.place }

// ofBase returns the files of a survey that are the base's, which come first.
func ofBase(files []job.InputFile) []job.InputFile {
	n := 0
	for n < len(files) && files[n].Month < schema.Months {
		n++
	}
	return files[:n]
}

// own returns the files of a survey that are the table's, as the table's own survey
// names them.
func (l *longTable) own(files []job.InputFile) []job.InputFile {
	var out []job.InputFile
	for _, f := range files {
		if f.Month == l.month() {
			f.Month, f.Path = 0, strings.TrimPrefix(f.Path, l.asked.Name+":")
			out = append(out, f)
		}
	}
	return out
}

// first returns the place of the table's first file in a survey.
func (l *longTable) first(files []job.InputFile) int {
	return slices.IndexFunc(files, func(f job.InputFile) bool { return f.Month == l.month() })
}

// join adds the table's survey to the base's.
func (l *longTable) join(s *job.Survey, survey func() (job.Survey, error)) error {
	found, err := survey()
	if err != nil {
		return l.named(err)
	}
	before := len(s.Files)
	for _, f := range found.Files {
		f.Month, f.Path = l.month(), l.asked.Name+":"+f.Path
		s.Files = append(s.Files, f)
	}
	segments := found.Segments[0]
	for i := range segments {
		segments[i].File += before
	}
	s.Segments = append(s.Segments, segments)
	return nil
}

// onward is the progress of what is surveyed after s.
func onward(s job.Survey, progress func(int64)) func(int64) {
	if progress == nil {
		return nil
	}
	var before int64
	for _, f := range s.Files {
		before += f.Rows
	}
	return func(rows int64) { progress(before + rows) }
}

// findEvents adds the events of one number to the task of its rows.
func (d *Dataset) findEvents(ctx context.Context, files []job.InputFile, n partition.Number, task *job.Task) error {
	for _, l := range d.tables {
		found, err := l.Find(ctx, l.own(files), n)
		if err != nil {
			return l.named(err)
		}
		for _, s := range found.Slices {
			s.Month, s.File = l.month(), s.File+l.first(files)
			task.Slices = append(task.Slices, s)
		}
	}
	return nil
}

// bind looks up what the table's columns are made of.
func (l *longTable) bind() error {
	r := &resolver{Dataset: l.Dataset}
	base := conversion{num: 1, den: 1, nulls: l.Dataset.key.nulls}
	make := func(typ arrow.DataType, where, field string, c conversion) *column {
		col := &column{name: field, typ: typ, convs: map[string]*conversion{}}
		c.nulls = base.nulls
		if c.num == 0 {
			c.num, c.den = 1, 1
		}
		r.bind(col, where, field, 0, true, c)
		return col
	}
	l.number = make(arrow.PrimitiveTypes.Uint64, "number", l.asked.Number, conversion{goal: goalKey, key: l.Dataset.key})
	l.keyName = l.asked.Number
	for _, f := range l.files {
		f.key = f.byName[l.asked.Number]
		if c := l.number.convs[f.name]; c != nil && c.from != kindI64 && c.from != kindF64 && c.from != kindText {
			r.problem("number: column %q of %s is a %s, which holds no 11-digit number; write it as INT64 or text", l.asked.Number, f.name, c.from)
		}
	}
	l.time = make(arrow.PrimitiveTypes.Int64, "time", l.asked.Time, conversion{goal: goalTime, clock: newClock(l.asked)})
	for _, f := range l.files {
		if c := l.time.convs[f.name]; c != nil {
			if why := c.clock.reads(c.from); why != "" {
				r.problem("time: column %q of %s is a %s, %s", l.asked.Time, f.name, c.from, why)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.asked.Columns)) {
		a := l.asked.Columns[name]
		where := "columns." + name
		if col, canonical := schema.Find(schema.Subscriber, name); a.Function != job.Count && !l.ofTime(col, a) {
			var typ arrow.DataType = arrow.PrimitiveTypes.Int64
			if !canonical {
				typ = arrow.PrimitiveTypes.Float64
			}
			l.values[name] = make(typ, where, a.Column, r.reading(col, canonical, a))
		}
		for _, field := range slices.Sorted(maps.Keys(a.Where)) {
			codes := map[string]int64{}
			for _, text := range a.Where[field] {
				codes[text] = 1
			}
			l.keep[name] = append(l.keep[name], make(arrow.PrimitiveTypes.Uint8, where+".where."+field, field,
				conversion{goal: goalInt, filter: true, codes: codes, hi: 1}))
		}
	}
	if len(r.problems) > 0 {
		return fmt.Errorf("%w: %w", ErrMapping, errors.Join(r.problems...))
	}
	return nil
}

// ofTime reports whether what is aggregated is the day of the event's own time.
func (l *longTable) ofTime(col schema.Column, a job.Aggregate) bool {
	return col.Type != nil && col.Type.ID() == arrow.DATE32 && a.Column == l.asked.Time && a.Format == ""
}

// reading is how the values are read that an aggregate is made of.
func (r *resolver) reading(col schema.Column, canonical bool, a job.Aggregate) conversion {
	c := conversion{goal: goalFloat, lo: -1 << 63, hi: 1<<63 - 1, codes: a.Values}
	if !canonical {
		return c
	}
	c.goal, c.exact = goalInt, col.Unit == schema.None || a.Function == job.CountDistinct
	c.num, c.den = r.unit(col, job.Mapping{Unit: a.Unit})
	switch a.Function {
	case job.Min, job.Max, job.First, job.Last, job.BitOr: // the sum of what fits need not fit, and its parts need not either
		c.lo, c.hi = bounds(col.Type)
	}
	if col.Type.ID() == arrow.DATE32 {
		c.goal, c.lo, c.hi = goalDate, -719162, 2932896 // years 1 to 9999
		if a.Format != "" {
			c.layouts = []string{a.Format}
		}
	}
	if a.Keywords {
		c.tags = r.tagger()
	}
	return c
}

// filled makes a canonical column one that a table fills, when one does.
func (r *resolver) filled(c schema.Column) bool {
	for _, l := range r.tables {
		if _, ok := l.asked.Columns[c.Name]; !ok {
			continue
		}
		for k, flat := range c.Names() {
			month, name := 0, flat
			if c.Monthly && r.spec.Input.Layout == "months" {
				month, name = k, c.Name
			}
			for _, f := range r.monthFiles(month) {
				if _, twice := f.byName[name]; twice {
					r.problem("tables.%s.columns.%s: %s has a column %q of the same meaning; take one of the two out", l.asked.Name, c.Name, f.name, name)
				}
			}
			r.columns[flat] = &column{name: flat, typ: c.Type, field: l.asked.Name + "." + c.Name, long: l, k: k}
			r.present = append(r.present, flat)
		}
		return true
	}
	return false
}

// aggregates adds the extra columns that tables fill.
func (r *resolver) aggregates() {
	for _, l := range r.tables {
		for _, name := range slices.Sorted(maps.Keys(l.asked.Columns)) {
			if _, canonical := schema.Find(schema.Subscriber, name); canonical {
				continue
			}
			if r.columns[name] != nil {
				r.problem("tables.%s.columns.%s: another column has this name", l.asked.Name, name)
				continue
			}
			r.columns[name] = &column{name: name, typ: arrow.PrimitiveTypes.Float64, field: l.asked.Name + "." + name, long: l}
		}
	}
}
