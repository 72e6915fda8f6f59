package ledger

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
	s := NewShelf(spill, func(err error) { t.Error(err) })
	var kept []packed
	all := texts()
	var reading sync.WaitGroup
	for i, text := range all {
		kept = append(kept, s.put(text))
		if p := kept[len(kept)/2]; i%3 == 0 { // while it is written
			reading.Go(func() { _ = p.text() })
		}
	}
	reading.Wait()
	for i, p := range kept {
		if got := p.text(); got != all[i] || p.size() != len(all[i]) {
			t.Fatalf("text %d of %d bytes came back as %d, size %d", i, len(all[i]), len(got), p.size())
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
	if s.put("") != (packed{}) || (packed{}).text() != "" {
		t.Error("no text is some text")
	}
}

func TestAShelfWhoseSpillIsFullGoesOnInMemoryAndSaysSoOnce(t *testing.T) {
	t.Parallel()
	spill := &memory{}
	var said []error
	s := NewShelf(spill, func(err error) { said = append(said, err) })
	var kept []packed
	all := texts()
	for i, text := range all {
		if i == len(all)/2 {
			spill.full = errors.New("no space left on device")
		}
		kept = append(kept, s.put(text))
	}
	for i, p := range kept {
		if p.text() != all[i] {
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
		"a bit is flipped":      func(m *memory) { m.data[recordSum+1] ^= 4 },
		"the sum is flipped":    func(m *memory) { m.data[0] ^= 1 },
		"the file is cut short": func(m *memory) { m.data = m.data[:recordSum] },
	} {
		spill := &memory{}
		s := NewShelf(spill, func(err error) { t.Error(err) })
		first := s.put("what a worker is told")
		for _, text := range texts() {
			s.put(text)
		}
		harm(spill)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: nobody saw it", name)
				}
			}()
			_ = first.text()
		}()
	}
}
