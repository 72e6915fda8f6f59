package sim

import (
	"time"
)

// network carries messages between machines, by name: late, out of order, twice or
// not at all. A cut is one way.
type network struct {
	w    *world
	mix  *mix
	cuts map[[2]string]bool
	sent int
}

func newNetwork(w *world, m *mix) *network {
	return &network{w: w, mix: m, cuts: map[[2]string]bool{}}
}

// reaches reports whether anything gets from one machine to the other now.
func (n *network) reaches(from, to string) bool { return from == to || !n.cuts[[2]string{from, to}] }

// latency draws how long a message takes.
func (n *network) latency() time.Duration {
	if n.w.chance(n.mix.delay) {
		return n.w.within(100*time.Millisecond, n.mix.longest)
	}
	return n.w.within(100*time.Microsecond, 5*time.Millisecond)
}

// send lets deliver happen at the other end, if the message gets there. Whether there
// is a way is asked when it leaves and when it arrives.
func (n *network) send(from, to string, deliver func()) {
	n.sent++
	copies := 1
	if n.w.chance(n.mix.duplicate) {
		copies = 2
	}
	for range copies {
		if !n.reaches(from, to) || n.w.chance(n.mix.loss) {
			continue
		}
		n.w.after(n.latency(), func() {
			if n.reaches(from, to) {
				deliver()
			}
		})
	}
}

// heal opens every way.
func (n *network) heal() { clear(n.cuts) }
