package sink

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/store"
)

// far is a store whose objects have to be read.
type far struct{ store.Store }

func (f far) Open(ctx context.Context, name string) (store.Object, error) {
	o, err := f.Store.Open(ctx, name)
	return struct{ store.Object }{o}, err
}

// TestFilesThatHaveToBeReadAreAsThoseThatAreLookedAt, whatever the codec.
func TestFilesThatHaveToBeReadAreAsThoseThatAreLookedAt(t *testing.T) {
	t.Parallel()
	rows := base(8, pageRows+99, false)
	for _, compression := range []string{"none", "snappy", "zstd"} {
		near := newStore(t)
		var content string
		for i, st := range []store.Store{near, far{near}} {
			a, b := theAttempt, selectAttempt()
			a.Compression, b.Compression = compression, compression
			a.Nonce, b.Nonce = a.Nonce+string(rune('a'+i)), b.Nonce+string(rune('a'+i))
			scores := stage(t, st, a, rows, 2048)
			out, err := Select(t.Context(), st, b, selection(scores.Files[0]))
			check(t, err)
			if i == 0 {
				content = out.Files[0].Content
			}
			same(t, "content", out.Files[0].Content, content)
		}
	}
}

// cutting is a store whose objects are cut to so many bytes when their footer was read.
type cutting struct {
	store.Store
	dir  string
	size int64
}

type cutObject struct {
	store.Mapper
	cut func() error
}

func (c cutting) Open(ctx context.Context, name string) (store.Object, error) {
	o, err := c.Store.Open(ctx, name)
	if m, is := o.(store.Mapper); is {
		return cutObject{m, func() error { return os.Truncate(filepath.Join(c.dir, name), c.size) }}, err
	}
	return o, err
}

func (c cutObject) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.Mapper.ReadAt(p, off)
	if len(p) > 8 && off+int64(n) == c.Size()-8 { // behind it is its length and the magic number
		return n, errors.Join(err, c.cut())
	}
	return n, err
}

// TestAFileThatIsCutWhileItIsLookedAtIsDamaged and takes nobody along.
func TestAFileThatIsCutWhileItIsLookedAtIsDamaged(t *testing.T) {
	t.Parallel()
	rows := base(9, pageRows+9, false)
	for _, compression := range []string{"none", "zstd"} {
		for _, size := range []int64{0, 1 << 16} {
			dir := t.TempDir()
			st, err := store.NewFile(dir)
			check(t, err)
			cut := cutting{st, dir, size}
			a, b := theAttempt, selectAttempt()
			a.Compression, b.Compression = compression, compression
			damaged := func(err error) {
				t.Helper()
				if !errors.Is(err, ErrDamaged) {
					t.Errorf("cut to %d bytes: %v", size, err)
				}
			}
			staged := func(nonce string) Output {
				a.Nonce = nonce
				out := stage(t, st, a, rows, 2048)
				if out.Files[0].Bytes < 2*size {
					t.Fatalf("a file of %d bytes is not cut by half", out.Files[0].Bytes)
				}
				return out
			}
			damaged(staged("one").Verify(t.Context(), cut))
			_, err = Select(t.Context(), cut, b, selection(staged("two").Files[0]))
			damaged(err)
			err = Scan(t.Context(), cut, staged("three").Files[0].Path, []string{"propensity"}, func([]uint64, arrow.Record) error { return nil })
			damaged(err)
			out, err := newSelection(t.Context(), st, b, selection(staged("four").Files[0]))
			check(t, err)
			damaged(out.Verify(t.Context(), cut))
		}
	}
}
