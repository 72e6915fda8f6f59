package province

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"syscall"

	"rescore/partition/store"
)

// memory is a store in memory; it is full after room bytes when room is set.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	room    int64
}

func newMemory() *memory { return &memory{objects: map[string][]byte{}} }

func (m *memory) String() string { return "memory" }

type memoryObject struct{ *bytes.Reader }

func (memoryObject) Close() error { return nil }

func (m *memory) Open(_ context.Context, name string) (store.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.objects[name]
	if !ok {
		return nil, store.ErrNotExist
	}
	return memoryObject{bytes.NewReader(b)}, nil
}

type memoryWriter struct {
	m    *memory
	name string
	b    bytes.Buffer
}

func (w *memoryWriter) Write(b []byte) (int, error) {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	if w.m.room > 0 {
		if w.m.room -= int64(len(b)); w.m.room <= 0 {
			w.m.room = 1 // stays full
			return 0, syscall.ENOSPC
		}
	}
	return w.b.Write(b)
}

func (w *memoryWriter) Commit() error {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	w.m.objects[w.name] = w.b.Bytes()
	return nil
}

func (w *memoryWriter) Close() error { return nil }

func (m *memory) Create(_ context.Context, name string) (store.Writer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.objects[name]; ok {
		return nil, store.ErrExist
	}
	return &memoryWriter{m: m, name: name}, nil
}

func (m *memory) Put(ctx context.Context, name string, data []byte) error {
	w, err := m.Create(ctx, name)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Commit()
}

func (m *memory) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	o, err := m.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(o, 0, limit))
}

func (m *memory) Adopt(ctx context.Context, from, to string) error {
	b, err := m.Get(ctx, from, 1<<40)
	if err != nil {
		return err
	}
	return m.Put(ctx, to, b)
}

func (m *memory) List(_ context.Context, prefix string) ([]store.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var infos []store.Info
	for name, b := range m.objects {
		if strings.HasPrefix(name, prefix) {
			infos = append(infos, store.Info{Name: name, Size: int64(len(b))})
		}
	}
	slices.SortFunc(infos, func(a, b store.Info) int { return strings.Compare(a.Name, b.Name) })
	return infos, nil
}

func (m *memory) Delete(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, name)
	return nil
}
