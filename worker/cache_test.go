package worker

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"rescore/partition/job"
	"rescore/worker/program"
)

func TestAModelIsFrozenOnceForAllJobs(t *testing.T) {
	t.Parallel()
	var c cache
	data := []byte(stump)
	none, path := job.Explanation{Method: "none"}, job.Explanation{Method: "path"}
	frozen := func(name string, asked job.Explanation, data []byte) *program.Frozen {
		f, err := c.freeze(name, asked, data)
		if err != nil {
			t.Error(err)
		}
		return f
	}
	first := frozen("a", path, data)
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			if frozen("a", path, bytes.Clone(data)) != first {
				t.Error("the same bytes are frozen again")
			}
		})
	}
	asking.Wait()
	for name, other := range map[string]*program.Frozen{
		"without reasons": frozen("a", none, data), "by another name": frozen("b", path, data),
		"of other bytes": frozen("a", path, append(bytes.Clone(data), '\n')),
	} {
		if other == first {
			t.Errorf("%s it is the same", name)
		}
	}
	if len(c.list) != 4 {
		t.Errorf("%d models are kept of four", len(c.list))
	}
	for n := range cacheModels {
		frozen("a", path, data) // it was used last
		frozen(fmt.Sprint(n), none, data)
	}
	if len(c.list) != cacheModels || frozen("a", path, data) != first {
		t.Errorf("%d models are kept; or not the one that was used", len(c.list))
	}
	if frozen("b", path, data); len(c.list) != cacheModels {
		t.Errorf("%d models are kept", len(c.list))
	}
}

func TestWhatCannotBeFrozenOrIsTooLargeIsNotKept(t *testing.T) {
	t.Parallel()
	var c cache
	for range 2 {
		if _, err := c.freeze("m.txt", job.Explanation{}, []byte("no model")); err == nil {
			t.Error("a model was made of nothing")
		}
	}
	if len(c.list) != 0 {
		t.Errorf("%d models are kept", len(c.list))
	}
	data := []byte(stump)
	large := append(bytes.Clone(data), bytes.Repeat([]byte("\n"), cacheBytes-len(data))...)
	for i, model := range [][]byte{data, large, append(large, '\n')} {
		if _, err := c.freeze("m.txt", job.Explanation{}, model); err != nil || len(c.list) != []int{1, 1, 0}[i] {
			t.Errorf("of %d bytes: %d models are kept, %v", len(model), len(c.list), err)
		}
	}
}
