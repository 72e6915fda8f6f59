package comparison

import (
	"fmt"
	"iter"
	"slices"

	"rescore/worker/sink"
)

// join counts the rows of two versions, which come by number.
func join(from, to iter.Seq2[rows, error], c *counts) error {
	a, b := newSide(from), newSide(to)
	defer a.stop()
	defer b.stop()
	for {
		if err := a.fill(); err != nil {
			return err
		}
		if err := b.fill(); err != nil {
			return err
		}
		switch {
		case a.done && b.done:
			c.flush()
			return nil
		case b.done || !a.done && a.key() < b.key():
			c.only(&a.rows, a.at, 0)
			a.at++
		case a.done || b.key() < a.key():
			c.only(&b.rows, b.at, 1)
			b.at++
		default:
			c.both(&a.rows, a.at, &b.rows, b.at)
			a.at, b.at = a.at+1, b.at+1
		}
	}
}

// side is one version's rows, as far as they were looked at.
type side struct {
	rows
	at   int
	last uint64 // highest number yet
	done bool
	next func() (rows, error, bool)
	stop func()
}

func newSide(all iter.Seq2[rows, error]) *side {
	next, stop := iter.Pull2(all)
	return &side{next: next, stop: stop}
}

// key is the number of the row at hand.
func (s *side) key() uint64 { return s.keys[s.at] }

// fill sees to it that there is a row at hand, unless all of them were.
func (s *side) fill() error {
	for s.at == len(s.keys) && !s.done {
		r, err, more := s.next()
		if err != nil {
			return err
		}
		s.rows, s.at, s.done = r, 0, !more
		for _, key := range r.keys {
			if key <= s.last {
				return fmt.Errorf("%w: numbers do not rise (I1)", sink.ErrContent)
			}
			s.last = key
		}
	}
	return nil
}

// lower returns how many of the rising keys are below key.
func lower(keys []uint64, key uint64) int {
	i, _ := slices.BinarySearch(keys, key)
	return i
}
