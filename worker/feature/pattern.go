package feature

import "rescore/partition/schema"

// A slope depends on where its months are. Bit k of a row's pattern says that
// the month k before the scoring month is there; with positions i from 5, the
// newest month, to 0, these tables hold Σi and n·Σi² − (Σi)², n² times the
// variance of the positions. They hold 0 for fewer than three months, of which
// there is no slope.
var positions, spread = positioned()

func positioned() (sums, spreads [64]uint8) {
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
