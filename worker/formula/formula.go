// Package formula is the users' own language: features and rules that analysts
// write, checked before any row is read and compiled to kernels.
//
//	drop: 1 - fee[0] / mean(fee[1:3])
//	warn_roam: roam_sec[0] > 12000 and brand == "gotone"
//
//	text ──parse──► tree ──check──► graph of values ──compile──► steps over chunks
//	                  names, types, units            registers, package lane
//
// # Months
//
// fee[0] is the scoring month and fee[5] the oldest; fee[1:3] is a window of the
// three months before the scoring month, both ends included. A bare monthly name
// is month 0. Months before a subscriber joined are null, whatever the input says
// (kernel.History); sd and slope also leave out a partial first month where the
// rules do (kernel.HistoryCompare).
//
// # Null
//
// Null is not zero. Arithmetic with null is null, division by zero is null, and a
// comparison with null is UNKNOWN. and, or, not are Kleene's. mean, min, max, sd
// and slope want at least half of their months, sum wants all, count counts those
// that are known. A code called unknown is null; a column whose null means 0 (no
// class, no flags) is never null.
//
// # Units
//
// A number has the unit of its column, and units that do not go together are
// mistakes: fen + second. A bare number takes the unit of what it meets, so that
// fee[0] > 3500 is in fen; yuan(35) says the same.
//
// # Exactness
//
// A column of whole numbers that is compared with a number, or with a column of
// its type, is compared as it is. Everything else is float64 arithmetic, one
// operation at a time, sums from the newest month to the oldest.
package formula

import (
	"rescore/partition/job"
)

// The columns that a job's own rules publish: bit i-1 is the i-th rule's.
const (
	Fired   = "rule_fired"
	Unknown = "rule_unknown"
)

// Check reports everything wrong with a spec's features and rules, at the token
// that is wrong, in the order of the files.
func Check(spec job.Spec) job.Problems { return read(spec).problems() }
