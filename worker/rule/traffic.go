package rule

import "rescore/worker/lane"

// traffic is what is known of several counts together, such as the seconds of
// three months: some where one of them is known to be above zero, all where every
// one is known. There was none where all is set without some.
type traffic struct{ some, all lane.Mask }

// none is the traffic of no count at all.
func (t *traffic) none() {
	t.some.Fill(false)
	t.all.Fill(true)
}

// i32 and i64 take in one more count.
func (t *traffic) i32(c chunk, column int) {
	var zero lane.Mask
	lane.Equal(&zero, c.i32(column), 0)
	t.take(c, column, &zero)
}

func (t *traffic) i64(c chunk, column int) {
	var zero lane.Mask
	lane.Equal(&zero, c.i64(column), 0)
	t.take(c, column, &zero)
}

func (t *traffic) take(c chunk, column int, zero *lane.Mask) {
	var known lane.Mask
	c.known(&known, column)
	for w := range known {
		t.some[w] |= known[w] &^ zero[w]
		t.all[w] &= known[w]
	}
}

// quiet writes whether there was none.
func (t *traffic) quiet(dst *lane.Truth) {
	dst.Is.AndNot(&t.all, &t.some)
	dst.Not = t.some
}
