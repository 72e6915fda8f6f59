//go:build unix

package intake

import (
	"bytes"
	"math/rand/v2"
	"syscall"
	"testing"

	"rescore/partition"
)

// A row of the canonical record takes some 600 bytes as text.
const benchCells, benchRows, benchRuns = 600, 48_000, 16

// cpuNanos is the processor time of this process.
func cpuNanos(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

// wide returns rows of cells that are digits and lengths, as an export's are.
func wide() []Row {
	rng := rand.New(rand.NewPCG(1, 2))
	rows := make([]Row, benchRows)
	for i := range rows {
		cells := make([]byte, benchCells)
		for k := range cells {
			cells[k] = "0123456789\x01\x02\x03\x04\x05\x06"[rng.IntN(16)]
		}
		rows[i] = Row{
			Number: partition.FirstNumber + partition.Number(rng.Int64N(int64(partition.PastNumber-partition.FirstNumber))),
			Row:    int64(i), Load: Load{}.Integer(nil, int64(i%3)), Cells: cells,
		}
	}
	return rows
}

func report(b *testing.B, begun float64) {
	ns := (cpuNanos(b) - begun) / float64(b.N) / benchRows
	b.ReportMetric(ns, "cpu-ns/row")
	b.ReportMetric(benchCells/ns*1e3, "MB/cpu-s")
}

func sorted(b *testing.B, s *Sorter, rows []Row, out *bytes.Buffer) Piece {
	w := NewRunWriter(out, ranges(1))
	for i := range rows {
		if !s.Add(&rows[i]) {
			b.Fatal("the sorter is full")
		}
	}
	if err := w.Pass(s); err != nil {
		b.Fatal(err)
	}
	s.Reset()
	return Piece{From: bytes.NewReader(out.Bytes()), Piece: w.Pieces()[0]}
}

// BenchmarkSort makes a run of rows in any order: what an exchange does but for reading.
func BenchmarkSort(b *testing.B) {
	rows, s := wide(), NewSorter(64<<20)
	var out bytes.Buffer
	begun := cpuNanos(b)
	for b.Loop() {
		out.Reset()
		sorted(b, s, rows, &out)
	}
	report(b, begun)
}

// BenchmarkMerge merges sixteen runs: what a merge does but for writing.
func BenchmarkMerge(b *testing.B) {
	rows, s := wide(), NewSorter(64<<20)
	var pieces []Piece
	for k := range benchRuns {
		pieces = append(pieces, sorted(b, s, rows[k*benchRows/benchRuns:(k+1)*benchRows/benchRuns], new(bytes.Buffer)))
	}
	none := func(*Row) error { return nil }
	begun := cpuNanos(b)
	for b.Loop() {
		if err := Merge(b.Context(), pieces, 16<<20, none, none); err != nil {
			b.Fatal(err)
		}
	}
	report(b, begun)
}
