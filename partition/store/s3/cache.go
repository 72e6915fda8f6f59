package s3

import (
	"container/list"
	"sync"
)

const (
	// blockBytes is what one request reads. Files are read column by column, in
	// pieces that are smaller and near one another: a block serves many of them.
	blockBytes = 1 << 20
	// aheadMax is how many blocks are asked for before they are read.
	aheadMax = 8
)

// cache keeps the blocks that were read last, of all objects of a client. It holds
// at most limit blocks, and those beside that somebody reads at the moment.
type cache struct {
	mu     sync.Mutex
	limit  int
	blocks map[place]*block
	recent list.List // of *block, the one read last in front
	free   [][]byte
}

type place struct {
	object *object
	index  int64
}

// block is a piece of an object. Its bytes may be read between get and release.
type block struct {
	place place
	done  chan struct{} // closed when data or err is there
	data  []byte
	err   error
	users int // readers, and the request that fills it
	at    *list.Element
}

func newCache(limit int) *cache {
	return &cache{limit: max(limit, 2*aheadMax), blocks: map[place]*block{}}
}

// get returns a block of an object, and asks for those up to past.
func (c *cache) get(o *object, index, past int64) (*block, error) {
	past = min(past, (o.facts.size+blockBytes-1)/blockBytes)
	c.mu.Lock()
	b := c.want(o, index)
	b.users++
	for i := index + 1; i < past && len(c.blocks) < c.limit+aheadMax; i++ {
		c.want(o, i)
	}
	c.mu.Unlock()
	<-b.done
	if b.err != nil {
		c.release(b)
		return nil, b.err
	}
	return b, nil
}

// want returns a block that is there, or on its way.
func (c *cache) want(o *object, index int64) *block {
	at := place{o, index}
	if b := c.blocks[at]; b != nil {
		c.recent.MoveToFront(b.at)
		return b
	}
	c.evict()
	b := &block{place: at, done: make(chan struct{}), users: 1}
	size := min(blockBytes, o.facts.size-index*blockBytes)
	if n := len(c.free); n > 0 {
		b.data, c.free = c.free[n-1][:size], c.free[:n-1]
	} else {
		b.data = make([]byte, size, blockBytes)
	}
	b.at = c.recent.PushFront(b)
	c.blocks[at] = b
	o.under.Add(1)
	go func() {
		defer o.under.Done()
		b.err = o.fetch(b.data, index*blockBytes)
		close(b.done)
		c.release(b)
	}()
	return b
}

// evict makes room for a block, if one can be spared.
func (c *cache) evict() {
	for e := c.recent.Back(); e != nil && len(c.blocks) >= c.limit; {
		b := e.Value.(*block)
		e = e.Prev()
		if b.users == 0 {
			c.remove(b)
		}
	}
}

// remove forgets a block; its bytes serve again once nobody reads them.
func (c *cache) remove(b *block) {
	if c.blocks[b.place] == b {
		delete(c.blocks, b.place)
		c.recent.Remove(b.at)
	}
	if b.users == 0 && b.data != nil {
		if len(c.free) < aheadMax {
			c.free = append(c.free, b.data[:cap(b.data)])
		}
		b.data = nil
	}
}

// release ends a use of a block. One that could not be read is asked for again by
// the next reader.
func (c *cache) release(b *block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.users--
	if b.err != nil || c.blocks[b.place] != b {
		c.remove(b)
	}
}

// drop forgets the blocks of an object.
func (c *cache) drop(o *object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at, b := range c.blocks {
		if at.object == o {
			c.remove(b)
		}
	}
}
