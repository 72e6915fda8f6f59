package rule

import "rescore/worker/kernel"

// traffic is what is known of one month's traffic: some is 1 where a component
// is known to be there, all is 1 where every component is known. A month without
// traffic is one with all and without some.
type traffic struct {
	some, all []uint8
	known     []uint8 // scratch
}

func newTraffic(n int) traffic {
	return traffic{make([]uint8, n), make([]uint8, n), make([]uint8, n)}
}

// two sets t from a month's two components, rows from lo on.
func two[A, B kernel.Integer](t *traffic, a []A, b []B, validA, validB kernel.Bitmap, lo, n int) {
	validA.From(lo).Bytes(t.all, n)
	validB.From(lo).Bytes(t.known, n)
	eitherOf(t.some[:n], t.all, t.known, a[lo:], b[lo:])
}

func eitherOf[A, B kernel.Integer](some, knownA, knownB []uint8, a []A, b []B) {
	n := len(some)
	knownA, knownB, a, b = knownA[:n], knownB[:n], a[:n], b[:n]
	for i := range n {
		ka, kb := knownA[i], knownB[i]
		some[i] = uint8(when(a[i] != 0))&ka | uint8(when(b[i] != 0))&kb
		knownA[i] = ka & kb
	}
}

// join makes t the traffic of either of two.
func join(t, a, b *traffic, n int) {
	some, all := t.some[:n], t.all[:n]
	someA, allA, someB, allB := a.some[:n], a.all[:n], b.some[:n], b.all[:n]
	for i := range n {
		some[i], all[i] = someA[i]|someB[i], allA[i]&allB[i]
	}
}
