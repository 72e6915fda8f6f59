package source

import "github.com/parquet-go/parquet-go/format"

// table is an open file whose columns lie apart, Parquet or Arrow. It is read-only and
// safe for concurrent use.
type table interface {
	format() string
	count() int64 // rows
	// elements are the columns as a preparation writes them, or why one cannot be.
	elements() ([]format.SchemaElement, error)
	// pieces returns the rows of each stretch that can be read without what is before it,
	// in order: what a survey shares out, and a search halves.
	pieces() []int64
	// column opens a field for reading; seek comes first, and close last. conv may be nil
	// where fill is not called.
	column(fd field, conv *conversion, c *codecs) tableColumn
}

// tableColumn streams one field of one table. It serves one goroutine.
type tableColumn interface {
	// seek makes row the next one that is read, and slice says how many will be.
	seek(row int64)
	slice(rows int64)
	// fill writes the next n rows to v from row at on, and appends what did not fit to
	// log, by row of v.
	fill(v *vector, at, n int, log []issue) ([]issue, error)
	// keys calls out with the keys of the next n rows, and what each is, some at a time.
	keys(n int64, rule keyRule, out func(numbers []uint64, why []verdict)) error
	// cells reads the next n rows as they are in the file.
	cells(n int, v *cells) error
	// finish checks, after the last row of a piece, that the file holds no more of it.
	finish() error
	close()
}
