package shelf

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// memory is a spill of which a test sees everything.
type memory struct {
	mu   sync.Mutex
	data []byte
	full error
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full != nil {
		return 0, m.full
	}
	if n := int(off) + len(p); n > len(m.data) {
		m.data = append(m.data, make([]byte, n-len(m.data))...)
	}
	return copy(m.data[off:], p), nil
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.NewReader(m.data).ReadAt(p, off)
}

// texts are five lumps of texts, all different.
func texts() (all []string) {
	for i, size := 0, 0; size < 5*lumpBytes; i++ {
		text := fmt.Sprintf("%d:%s", i, strings.Repeat(string(rune('a'+i%26)), 1+i*7919%90_000))
		all, size = append(all, text), size+len(text)
	}
	return all
}

func TestAShelfKeepsWhatItWasGivenAndHoldsOneLump(t *testing.T) {
	t.Parallel()
	spill := &memory{}
	s := New(spill, func(err error) { t.Error(err) })
	var kept []uint64
	all := texts()
	var reading sync.WaitGroup
	for i, text := range all {
		kept = append(kept, s.Put(text))
		if half := len(kept) / 2; i%3 == 0 { // while it is written
			at := kept[half]
			reading.Go(func() { _ = s.Get(at, len(all[half])) })
		}
	}
	reading.Wait()
	for i, at := range kept {
		if got := s.Get(at, len(all[i])); got != all[i] {
			t.Fatalf("text %d of %d bytes came back as %d", i, len(all[i]), len(got))
		}
	}
	held := 0
	for _, lump := range s.lumps {
		if lump != nil {
			held++
		}
	}
	if held != 1 || len(s.lumps) < 5 {
		t.Errorf("%d of %d lumps are in memory", held, len(s.lumps))
	}
}

func TestAShelfWhoseSpillIsFullGoesOnInMemoryAndSaysSoOnce(t *testing.T) {
	t.Parallel()
	spill := &memory{}
	var said []error
	s := New(spill, func(err error) { said = append(said, err) })
	var kept []uint64
	all := texts()
	for i, text := range all {
		if i == len(all)/2 {
			spill.full = errors.New("no space left on device")
		}
		kept = append(kept, s.Put(text))
	}
	for i, at := range kept {
		if s.Get(at, len(all[i])) != all[i] {
			t.Fatalf("text %d of %d is another", i, len(all))
		}
	}
	if len(said) != 1 || !errors.Is(said[0], spill.full) {
		t.Errorf("said %v", said)
	}
}

func TestWhatASpillDoesNotBringBackEndsTheProcess(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(*memory){
		"a bit is flipped":      func(m *memory) { m.data[sumBytes+1] ^= 4 },
		"the sum is flipped":    func(m *memory) { m.data[0] ^= 1 },
		"the file is cut short": func(m *memory) { m.data = m.data[:sumBytes] },
	} {
		spill := &memory{}
		s := New(spill, func(err error) { t.Error(err) })
		const told = "what a worker is told"
		first := s.Put(told)
		for _, text := range texts() {
			s.Put(text)
		}
		harm(spill)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: nobody saw it", name)
				}
			}()
			_ = s.Get(first, len(told))
		}()
	}
}
