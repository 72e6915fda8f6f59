// Package source turns a number range of a subscriber base into Arrow batches of
// the canonical record, and surveys a base before it is cut.
//
//	files ──► survey: key column only ──► rows by segment
//	slices of one task ──► keys (what each row is) ──► batches of columns
//
// # Files are not believed
//
// Parquet footers are read with parquet-go; page headers and pages are read here, a
// batch's values at a time, into buffers of our own. Nothing is allocated
// because a file says so: sizes, run lengths and what a page expands to are
// bounded first, no number from a file reaches assembly before it was checked, and a
// panic of a library becomes an error naming the file. Rows read are checked against the
// file's own count, for every column, and rows beyond it are an error too.
//
// # What is wrong with a row
//
// A row is scored, or it has one reason why not (job.Reason), and every row has
// an outcome (I2). A value that cannot be used (NaN, out of range, a text that
// the mapping does not list) is null and counted; a value that is not of its
// type at all rejects the row. Of a repeated number the first row is kept,
// whatever else is wrong with it.
//
// # Two layouts
//
// Under layout wide a row holds all months. Under layout months the scoring
// month drives: its numbers are merge-joined with those of each earlier month,
// both being sorted, and the columns of that month are gathered row by row.
package source

import (
	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/kernel"
)

// Batch is a run of rows of one task, in input order. It and everything it
// points to belong to the reader and are valid until the next call of Next.
type Batch struct {
	// Record holds the columns asked for, canonical first (flat names, canonical
	// types and units), then extra columns as float64 with NaN for null. It has
	// Len rows, the ones that will not be scored included.
	Record arrow.Record
	Len    int
	// Key is the number of each row, 0 where there is no valid one.
	Key []uint64
	// Drop is why a row is not scored, 0 for a row that is; nil when all are.
	Drop []job.Reason
	// Bad counts each row's values that were NaN, infinite or out of range and
	// were read as missing; nil when there are none.
	Bad []uint8
	// Coded has the columns that come by dictionary (Reader.Code), nil for the others.
	// What Record has there is left over from other batches.
	Coded []*kernel.Coded
	// Rejects describes the rows of this batch that are rejected or duplicates.
	Rejects []Reject

	faults []Reject // values of the batch that cannot be read, by column
}

// Reject is one line of a reject file: where the row is and what is wrong with
// it, never the number or the value.
type Reject struct {
	File   string // path relative to the input's root
	Row    int64  // 0-based, header not counted
	Field  string // the input's column name
	Reason job.Reason

	at int // row of the batch
}
