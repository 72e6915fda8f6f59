package sink

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"rescore/partition"
	"rescore/partition/schema"
	"rescore/worker/freelist"
)

// group holds the columns of one row group, in the layout's order.
type group struct {
	layout  *layout
	columns []column
	rows    int
	home    *freelist.List[group]

	sum   [sumBlock]uint64 // scratch of rowSum, as what follows
	parts []part
	quads quads
}

// newGroup makes an empty row group, which home takes when it is released. It panics on a
// type that score files have no place for, which is a bug.
func newGroup(l *layout, capacity int, home *freelist.List[group]) *group {
	g := &group{layout: l, home: home, columns: make([]column, len(l.columns))}
	for i, c := range l.columns {
		switch c.Type.ID() {
		case arrow.UINT8:
			g.columns[i] = &small[uint8]{held: held[uint8]{values: make([]uint8, 0, capacity)}, typ: c.Type}
		case arrow.INT8:
			g.columns[i] = &small[int8]{held: held[int8]{values: make([]int8, 0, capacity)}, typ: c.Type}
		case arrow.UINT16:
			g.columns[i] = &narrow[uint16]{held: held[uint16]{values: make([]uint16, 0, capacity)}, typ: c.Type}
		case arrow.INT32:
			g.columns[i] = &narrow[int32]{held: held[int32]{values: make([]int32, 0, capacity)}, typ: c.Type}
		case arrow.INT64:
			g.columns[i] = &wide[int64]{held: held[int64]{values: make([]int64, 0, capacity)}, typ: c.Type, bounds: c.Name != schema.Key}
		case arrow.UINT64:
			g.columns[i] = &wide[uint64]{held: held[uint64]{values: make([]uint64, 0, capacity)}, typ: c.Type, bounds: c.Name != schema.Key}
		case arrow.FLOAT32:
			g.columns[i] = &real{values: make([]float32, 0, capacity), typ: c.Type}
		default:
			panic(fmt.Sprintf("sink: score files have no place for column %s of type %s", c.Name, c.Type))
		}
	}
	return g
}

// release gives the row group to the next attempt.
func (g *group) release() {
	g.reset()
	g.home.Put(g)
}

// span are rows of a batch, side by side: from one to the one before past.
type span struct{ from, past int }

// take appends rows of a checked record of the layout's columns.
func (g *group) take(scores arrow.Record, spans []span) {
	for i, c := range g.columns {
		c.take(scores.Column(i).Data(), spans)
	}
	for _, r := range spans {
		g.rows += r.past - r.from
	}
}

func (g *group) reset() {
	for _, c := range g.columns {
		c.reset()
	}
	g.rows = 0
}

// keys returns the numbers.
func (g *group) keys() []uint64 { return g.columns[0].(*wide[uint64]).all() }

// borrow makes keys those of an empty group, until what it returns is called: before it is
// released.
func (g *group) borrow(keys []uint64) (giveBack func()) {
	key := g.columns[0].(*wide[uint64])
	own := key.values
	key.values = keys
	return func() { key.values = own }
}

// keySum sums up the numbers from a row on.
func (g *group) keySum(first int) partition.Sum { return partition.SumOf(g.keys()[first:]) }

// record returns the rows as an Arrow record that shares their memory.
func (g *group) record() arrow.Record {
	columns := make([]arrow.Array, len(g.columns))
	for i, c := range g.columns {
		columns[i] = c.array()
	}
	return array.NewRecord(g.layout.arrow, columns, int64(g.rows))
}
