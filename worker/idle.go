package worker

import (
	"sync"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/worker/program"
)

// idle are a job's programs that no task has: to make one takes as long as to score
// tens of thousands of rows. There are at most as many as were at work at once.
type idle struct {
	mu   sync.Mutex
	list []*program.Program
}

// program returns a program of the job's score stage, which is the caller's until it
// is put back; one that is not put back is garbage.
func (p *prepared) program(batchRows int) (*program.Program, error) {
	if g := p.idle.take(); g != nil {
		return g, nil
	}
	plan := p.plan.Swap(nil)
	if plan == nil {
		var err error
		if plan, err = program.ForJob(p.spec, p.model); err != nil {
			return nil, fatal(err)
		}
	}
	return plan.Program(batchRows, memory.NewGoAllocator()), nil
}

func (i *idle) take() *program.Program {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := len(i.list)
	if n == 0 {
		return nil
	}
	g := i.list[n-1]
	i.list = i.list[:n-1]
	return g
}

// put takes a program back, which forgets the batch it had last.
func (i *idle) put(g *program.Program) {
	g.Forget()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.list = append(i.list, g)
}
