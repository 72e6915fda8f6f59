package feature

import (
	"math"
	"math/bits"

	"rescore/partition/schema"
)

// Every statistic has to do with months that may be missing, in any of 64
// patterns: bit k of a row's pattern says that the month k before the scoring
// month is there. What a statistic needs to know of a pattern is a small whole
// number, so it is looked up as a byte. 0 says that the pattern leaves the
// statistic undefined; it becomes NaN, which the arithmetic carries to the
// result.

var nan = math.NaN()

// byPattern holds a small number for each pattern.
type byPattern [64]uint8

var (
	newest3 = counted(0b000111, 2) // the divisor of a mean of the three newest
	oldest3 = counted(0b111000, 2) // the divisor of a mean of the three oldest
	mean6   = counted(0b111111, 3) // the divisor of a mean of six
	all6    = counted(0b111111, 1) // how many are there

	// A slope needs three months. With positions i from 5, the newest, to 0, it
	// needs Σi, and n·Σi² − (Σi)², n² times the variance of the positions.
	positions, spread = positioned()
)

// counted returns how many of the given months are there, if that is at least least.
func counted(months, least int) (table byPattern) {
	for pattern := range table {
		if n := bits.OnesCount(uint(pattern & months)); n >= least {
			table[pattern] = uint8(n)
		}
	}
	return table
}

func positioned() (sums, spreads byPattern) {
	for pattern := range sums {
		n, sum, squares := 0, 0, 0
		for k := range schema.Months {
			if pattern>>k&1 != 0 {
				i := schema.Months - 1 - k
				n, sum, squares = n+1, sum+i, squares+i*i
			}
		}
		if n >= 3 {
			sums[pattern], spreads[pattern] = uint8(sum), uint8(n*squares-sum*sum)
		}
	}
	return sums, spreads
}

// look writes what the table holds for each row's pattern.
func look(dst, pattern []uint8, table *byPattern) {
	pattern = pattern[:len(dst)]
	for i := range dst {
		dst[i] = table[pattern[i]&63]
	}
}
