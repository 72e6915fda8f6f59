package rule

import "rescore/worker/kernel"

// traffic is what is known of one month's traffic: some is 1 where a component
// is known to be there, all is 1 where every component is known. A month without
// traffic is one with all and without some.
type traffic struct {
	some, all []uint8
}

func newTraffic(n int) traffic { return traffic{make([]uint8, n), make([]uint8, n)} }

func (t *traffic) reset(n int) {
	clear(t.some[:n])
	for i := range t.all[:n] {
		t.all[i] = 1
	}
}

func (t *traffic) copyFrom(o *traffic, n int) {
	copy(t.some[:n], o.some)
	copy(t.all[:n], o.all)
}

// addTraffic takes one component into account.
func addTraffic[T kernel.Integer](t *traffic, x []T, known []uint8) {
	n := len(x)
	some, all, known := t.some[:n], t.all[:n], known[:n]
	for i := range n {
		some[i] |= uint8(when(x[i] != 0)) & known[i]
		all[i] &= known[i]
	}
}
