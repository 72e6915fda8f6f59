package sink

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"rescore/partition/job"
)

// Whoever leaves out what a page's header says it has not must not leave out a null.
func TestPagesOfABaseInParquetSayHowManyNullsTheyHave(t *testing.T) {
	t.Parallel()
	rows := keptRows(rand.New(rand.NewPCG(62, 1)), basePageRows+1001, 0)
	st := newStore(t)
	data := bytesOf(t, st, keep(t, st, theAttempt, job.FormatParquet, rows).Path)
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	check(t, err)
	pages := 0
	for _, g := range f.Metadata().RowGroups {
		for i, c := range g.Columns {
			m, row := c.MetaData, 0
			at := m.DataPageOffset
			if m.DictionaryPageOffset > 0 {
				at = m.DictionaryPageOffset
			}
			for row < len(rows) {
				var h pageHeader
				size, err := h.read(data[at:])
				check(t, err)
				if at += int64(size) + int64(h.packed); h.kind == format.DictionaryPage {
					continue
				}
				var nulls int64
				for _, r := range rows[row : row+int(h.values)] {
					if r.texts[i] == isNull {
						nulls++
					}
				}
				if h.nulls != nulls {
					t.Errorf("column %d, row %d: a page of %d nulls says %d", i, row, nulls, h.nulls)
				}
				row += int(h.values)
				pages++
			}
		}
	}
	same(t, "pages", pages, 2*len(keptTypes))
}
