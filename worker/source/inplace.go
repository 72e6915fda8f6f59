package source

import (
	"fmt"

	"rescore/partition/store"
)

// passedMax is how much of a file a reader passes before it lets go of it.
const passedMax = 16 << 20

// passed is what the columns of a reader are done with of a file that is looked at in
// place, which counts as memory of this process until it is let go of. That takes as long
// for a column as for all, whose bytes lie between each other: what is let go of between
// them and is looked at still comes back.
type passed struct {
	mapper     store.Mapper
	from, past int64 // where it lies
	bytes      int64 // of that, what was passed
}

func (p *passed) add(from, past int64) {
	if p.bytes == 0 {
		p.from, p.past = from, past
	}
	p.from, p.past, p.bytes = min(p.from, from), max(p.past, past), p.bytes+past-from
	if p.bytes >= passedMax {
		p.letGo()
	}
}

func (p *passed) letGo() {
	if p.bytes > 0 {
		store.Look(p.bytes)
		p.mapper.Forget(p.from, p.past)
		p.bytes = 0
	}
}

// passing returns what the columns that share c have passed of a file.
func (c *codecs) passing(m store.Mapper) *passed {
	for _, p := range c.passed {
		if p.mapper == m {
			return p
		}
	}
	p := &passed{mapper: m}
	c.passed = append(c.passed, p)
	return p
}

// errCut is of a file that is looked at in place and has lost what was to be looked at.
var errCut = fmt.Errorf("the file was cut while it was read: %w", ErrChanged)
