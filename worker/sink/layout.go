package sink

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/freelist"
)

// layout is a list of columns of the published record: those of a file, or those
// that somebody reads of one. The key is always the first.
type layout struct {
	columns     []schema.Column
	fingerprint string
	arrow       *arrow.Schema
	physical    []format.Type // in the file
	sums        [][]term      // of a row, see rowSum
	parts       sync.Map      // by names of columns: layouts of these alone

	full, slab freelist.List[group] // empty ones of RowGroupRows rows, some 10 MB each, and of pageRows, from one attempt to the next
}

// layouts are those of a job's files: what the score stage stages, and what is
// published. A file says by its fingerprint which one it has.
type layouts struct{ scored, published *layout }

// known are the layouts that were asked for, by the challengers of their jobs.
var known = struct {
	sync.Mutex
	by map[string]layouts
}{by: map[string]layouts{}}

// layoutsOf returns the layouts of jobs with challengers of those names.
func layoutsOf(challengers []string) layouts {
	known.Lock()
	defer known.Unlock()
	key := strings.Join(challengers, " ")
	l, ok := known.by[key]
	if !ok {
		terms := scoreTerms(challengers)
		l = layouts{newLayout(schema.ScoreWith(challengers), terms, reasonTerms), newLayout(schema.PublishedWith(challengers), terms, reasonTerms, selectTerms)}
		known.by[key] = l
	}
	return l
}

// layoutOf returns the layout that a file's columns and fingerprint are of.
func layoutOf(elements []format.SchemaElement, fingerprint string) (*layout, bool) {
	var challengers []string
	for _, e := range elements[min(1+len(schema.Score), len(elements)):] {
		name, is := strings.CutPrefix(e.Name, schema.ChallengerColumn(""))
		if !is || len(challengers) == job.ChallengersMax {
			break
		}
		challengers = append(challengers, name)
	}
	switch fingerprint { // first of all, so that no file makes up layouts that are kept
	case schema.Fingerprint(schema.ScoreWith(challengers)):
		return layoutsOf(challengers).scored, true
	case schema.Fingerprint(schema.PublishedWith(challengers)):
		return layoutsOf(challengers).published, true
	}
	return nil, false
}

// scored is the layout of a score file without challengers. Those of others begin
// with its columns.
var scored = layoutsOf(nil).scored

// selected are the columns the select stage adds, beside the key.
var selected = newLayout(append([]schema.Column{schema.Score[0]}, schema.Selected...), selectTerms)

// explained are the columns that the select stage may write anew, beside the key.
var explained = newLayout(append([]schema.Column{schema.Score[0]}, schema.Reasons...), reasonTerms)

func newLayout(columns []schema.Column, sums ...[]weight) *layout {
	l := &layout{columns: columns, fingerprint: schema.Fingerprint(columns)}
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c.Name, Type: c.Type}
	}
	l.arrow = arrow.NewSchema(fields, nil)
	for _, c := range newGroup(l, 0, nil).columns {
		l.physical = append(l.physical, c.physical())
	}
	for _, weights := range sums {
		var terms []term
		for _, w := range weights {
			terms = append(terms, term{column: l.find(w.column), factor: w.factor})
		}
		if len(terms) > quadsMax { // a job with all its challengers needs 51
			panic(fmt.Sprintf("sink: the hash of a row has room for %d columns, not for %d", quadsMax, len(terms)))
		}
		l.sums = append(l.sums, terms)
	}
	l.full.New = func() *group { return newGroup(l, RowGroupRows, &l.full) }
	l.slab.New = func() *group { return newGroup(l, pageRows+slack, &l.slab) }
	return l
}

// find returns a column's place. It panics when there is none, which is a bug.
func (l *layout) find(name string) int {
	i := slices.IndexFunc(l.columns, func(c schema.Column) bool { return c.Name == name })
	if i < 0 {
		panic("sink: no column " + name + " in this layout")
	}
	return i
}

// only returns the layout of the key and the columns named. It is kept, with its groups.
func (l *layout) only(names ...string) *layout {
	key := strings.Join(names, " ")
	if part, ok := l.parts.Load(key); ok {
		return part.(*layout)
	}
	columns := []schema.Column{l.columns[0]}
	for _, name := range names {
		columns = append(columns, l.columns[l.find(name)])
	}
	part, _ := l.parts.LoadOrStore(key, newLayout(columns))
	return part.(*layout)
}

// checkSchema returns ErrBatch unless s has the names and types of the columns
// in order. Metadata and nullability do not matter; nulls are looked for in
// every batch.
func checkSchema(s *arrow.Schema, columns []schema.Column) error {
	if s.NumFields() != len(columns) {
		return fmt.Errorf("%w: %d columns where there are to be %d", ErrBatch, s.NumFields(), len(columns))
	}
	for i, c := range columns {
		if f := s.Field(i); f.Name != c.Name || !arrow.TypeEqual(f.Type, c.Type) {
			return fmt.Errorf("%w: column %d is %s %s where there is to be %s %s", ErrBatch, i, f.Name, f.Type, c.Name, c.Type)
		}
	}
	return nil
}

// checkNulls returns ErrBatch when a record has a null.
func checkNulls(r arrow.Record) error {
	for i, column := range r.Columns() {
		if column.NullN() != 0 {
			return fmt.Errorf("%w: column %s has nulls", ErrBatch, r.ColumnName(i))
		}
	}
	return nil
}

// elements is the schema of a file: the columns, required, with the types this
// package writes.
func (l *layout) elements() []format.SchemaElement {
	list := []format.SchemaElement{{Name: "score", NumChildren: thrift.New(int32(len(l.columns)))}}
	for i, typ := range l.physical {
		list = append(list, format.SchemaElement{
			Name: l.columns[i].Name, Type: thrift.New(typ), RepetitionType: thrift.New(format.Required),
		})
	}
	return list
}

// check returns ErrLayout unless a file's columns are the layout's.
func (l *layout) check(elements []format.SchemaElement) error {
	want := l.elements()
	if len(elements) != len(want) {
		return fmt.Errorf("%w: %d columns where there are to be %d", ErrLayout, len(elements)-1, len(l.columns))
	}
	for i := 1; i < len(want); i++ {
		if e, w := elements[i], want[i]; e.Name != w.Name || e.Type != w.Type || e.RepetitionType != w.RepetitionType {
			return fmt.Errorf("%w: column %d is not a required %s of type %s", ErrLayout, i-1, w.Name, w.Type.V)
		}
	}
	return nil
}
