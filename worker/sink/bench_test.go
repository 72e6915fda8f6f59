package sink

import (
	"context"
	"io"
	"math"
	"strconv"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"rescore/partition/job"
	"rescore/partition/store"
)

const benchRows = 250_000

// null takes objects and forgets them.
type null struct{ store.Store }

type nullWriter struct{ io.Writer }

func (nullWriter) Commit() error { return nil }
func (nullWriter) Close() error  { return nil }

func (null) Create(context.Context, string) (store.Writer, error) { return nullWriter{io.Discard}, nil }
func (null) Put(context.Context, string, []byte) error            { return nil }

func batches(rows []row, n int) []arrow.Record {
	var list []arrow.Record
	for len(rows) > 0 {
		n := min(n, len(rows))
		list = append(list, record(rows[:n], 0))
		rows = rows[n:]
	}
	return list
}

// measure reports the processor time a row of the quickest of all runs of work.
func measure(b *testing.B, rows int, work func()) {
	best := int64(math.MaxInt64)
	for b.Loop() {
		start := spent()
		work()
		best = min(best, spent()-start)
	}
	b.ReportMetric(float64(best)/float64(rows), "ns/row")
}

func BenchmarkWrite(b *testing.B) {
	for _, compression := range []string{"zstd", "snappy", "none"} {
		b.Run(compression, func(b *testing.B) {
			list := batches(base(1, benchRows, false), 2048)
			a := theAttempt
			a.Compression = compression
			var size int64
			measure(b, benchRows, func() {
				s, err := Create(context.Background(), null{}, a)
				check(b, err)
				for _, r := range list {
					check(b, s.Write(r, nil))
				}
				_, err = s.end()
				check(b, err)
				s.release()
				size = s.out.offset
			})
			b.ReportMetric(float64(size)/benchRows, "bytes/row")
		})
	}
}

// BenchmarkWriteParquetGo is what parquet-go's own writer takes for the same
// rows, without sums, tally and digests.
func BenchmarkWriteParquetGo(b *testing.B) {
	rows := base(1, benchRows, false)
	measure(b, benchRows, func() {
		w := parquet.NewGenericWriter[row](io.Discard, parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}))
		for rest := rows; len(rest) > 0; {
			n := min(2048, len(rest))
			_, err := w.Write(rest[:n])
			check(b, err)
			rest = rest[n:]
		}
		check(b, w.Close())
	})
}

func fullGroup() *group {
	g := newGroup(scored, RowGroupRows, nil)
	g.take(record(base(1, RowGroupRows, false), 0), []span{{0, RowGroupRows}})
	return g
}

func BenchmarkRowSum(b *testing.B) {
	g := fullGroup()
	measure(b, RowGroupRows, func() { g.rowSum(0) })
}

func BenchmarkEncode(b *testing.B) {
	g := fullGroup()
	measure(b, RowGroupRows, func() {
		e := newEncoder(newOutput(nullWriter{io.Discard}), codecs["none"])
		var t job.Tally
		check(b, e.writeGroup(g, &t))
	})
}

func BenchmarkVerify(b *testing.B) {
	for i, compression := range []string{"zstd", "none"} {
		b.Run(compression, func(b *testing.B) {
			st := newStore(b)
			a := theAttempt
			a.Compression, a.Nonce = compression, strconv.Itoa(i)
			out := stage(b, st, a, base(1, benchRows, false), 2048)
			measure(b, benchRows, func() { check(b, out.Verify(context.Background(), st)) })
		})
	}
}
