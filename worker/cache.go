package worker

import (
	"crypto/sha256"
	"slices"
	"sync"

	"rescore/partition/job"
	"rescore/worker/program"
)

// cache keeps the last models that were frozen: a worker meets the same ones again, in
// the check of a job, in the job and in the next. The zero cache is empty.
type cache struct {
	mu   sync.Mutex
	list []kept // the last used last
}

// what tells one frozen model from another.
type what struct {
	path  string // errors say it
	sum   [sha256.Size]byte
	asked job.Explanation
}

type kept struct {
	what
	bytes  int
	frozen func() (*program.Frozen, error) // once, for all who ask
}

// A cache keeps so many models, and so many bytes of their files; what they are frozen
// to takes several times as much.
const (
	cacheModels = 16
	cacheBytes  = 16 << 20
)

// models is the process's cache.
var models cache

// freeze freezes a model, or gives the one that the same bytes were frozen to.
func (c *cache) freeze(path string, asked job.Explanation, data []byte) (*program.Frozen, error) {
	w := what{path, sha256.Sum256(data), asked}
	c.mu.Lock()
	k := kept{w, len(data), sync.OnceValues(func() (*program.Frozen, error) { return program.Freeze(path, asked, data) })}
	if i := c.find(w); i >= 0 {
		k = c.list[i]
		c.list = slices.Delete(c.list, i, i+1)
	}
	c.list = append(c.list, k)
	room := cacheBytes
	for i := len(c.list) - 1; i >= 0; i-- {
		if room -= c.list[i].bytes; room < 0 || len(c.list)-i > cacheModels {
			c.list = slices.Delete(c.list, 0, i+1)
			break
		}
	}
	c.mu.Unlock()
	f, err := k.frozen()
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if i := c.find(w); i >= 0 {
			c.list = slices.Delete(c.list, i, i+1)
		}
	}
	return f, err
}

// find returns the place of a model that is kept, -1 when it is not.
func (c *cache) find(w what) int {
	return slices.IndexFunc(c.list, func(k kept) bool { return k.what == w })
}
