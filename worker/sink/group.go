package sink

import (
	"fmt"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"rescore/partition"
	"rescore/partition/schema"
)

// group holds the columns of one row group, in schema.Score's order.
type group struct {
	columns []column
	rows    int
	sum     [sumBlock]uint64 // scratch of rowSum
}

// groups keeps full-sized row groups, 8 MB each, from one attempt to the next.
var groups = sync.Pool{New: func() any { return newGroup(RowGroupRows) }}

// newGroup makes an empty row group. It panics on a type in schema.Score that
// score files have no place for, which is a bug.
func newGroup(capacity int) *group {
	g := &group{columns: make([]column, len(schema.Score))}
	for i, c := range schema.Score {
		switch c.Type.ID() {
		case arrow.UINT8:
			g.columns[i] = &narrow[uint8]{values: make([]uint8, 0, capacity), typ: c.Type}
		case arrow.INT8:
			g.columns[i] = &narrow[int8]{values: make([]int8, 0, capacity), typ: c.Type}
		case arrow.UINT16:
			g.columns[i] = &narrow[uint16]{values: make([]uint16, 0, capacity), typ: c.Type}
		case arrow.INT32:
			g.columns[i] = &narrow[int32]{values: make([]int32, 0, capacity), typ: c.Type}
		case arrow.INT64:
			g.columns[i] = &wide[int64]{values: make([]int64, 0, capacity), typ: c.Type, bounds: c.Name != schema.Key}
		case arrow.UINT64:
			g.columns[i] = &wide[uint64]{values: make([]uint64, 0, capacity), typ: c.Type, bounds: c.Name != schema.Key}
		case arrow.FLOAT32:
			g.columns[i] = &real{values: make([]float32, 0, capacity), typ: c.Type}
		default:
			panic(fmt.Sprintf("sink: score files have no place for column %s of type %s", c.Name, c.Type))
		}
	}
	return g
}

// take appends rows from to to-1 of a checked score record.
func (g *group) take(scores arrow.Record, from, to int) {
	for i, c := range g.columns {
		c.take(scores.Column(i).Data(), from, to)
	}
	g.rows += to - from
}

func (g *group) reset() {
	for _, c := range g.columns {
		c.reset()
	}
	g.rows = 0
}

// keys returns the numbers.
func (g *group) keys() []uint64 { return g.columns[0].(*wide[uint64]).values }

// keySum sums up the numbers.
func (g *group) keySum() partition.Sum {
	var sum partition.Sum
	for _, k := range g.keys() {
		sum = sum.AddNumber(partition.Number(k))
	}
	return sum
}

// record returns the rows as an Arrow record that shares their memory.
func (g *group) record() arrow.Record {
	columns := make([]arrow.Array, len(g.columns))
	for i, c := range g.columns {
		columns[i] = c.array()
	}
	return array.NewRecord(scoreSchema, columns, int64(g.rows))
}

// scoreSchema is schema.Score as Arrow says it.
var scoreSchema = func() *arrow.Schema {
	fields := make([]arrow.Field, len(schema.Score))
	for i, c := range schema.Score {
		fields[i] = arrow.Field{Name: c.Name, Type: c.Type}
	}
	return arrow.NewSchema(fields, nil)
}()

// checkSchema returns ErrBatch unless s has the names and types of schema.Score
// in order. Metadata and nullability do not matter; nulls are looked for in
// every batch.
func checkSchema(s *arrow.Schema) error {
	if s.NumFields() != len(schema.Score) {
		return fmt.Errorf("%w: %d columns where schema.Score has %d", ErrBatch, s.NumFields(), len(schema.Score))
	}
	for i, c := range schema.Score {
		if f := s.Field(i); f.Name != c.Name || !arrow.TypeEqual(f.Type, c.Type) {
			return fmt.Errorf("%w: column %d is %s %s where schema.Score has %s %s", ErrBatch, i, f.Name, f.Type, c.Name, c.Type)
		}
	}
	return nil
}
