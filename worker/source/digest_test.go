package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
	"lukechampine.com/blake3"

	"rescore/partition/job"
	"rescore/partition/store"
)

// digestOf is the digest of one file, worked out by so many goroutines.
func digestOf(obj store.Object, kind string, workers int) (job.InputFile, error) {
	var to job.InputFile
	group, ctx := errgroup.WithContext(context.Background())
	group.SetLimit(workers)
	new(Dataset).digest(ctx, group, &inputFile{name: "in", obj: obj}, kind, &to)
	return to, group.Wait()
}

// What b3sum 1.2.0 says of bytes that count to 250 and begin again; the first three
// are of the algorithm's own test vectors too.
func TestADigestIsWhatB3sumSays(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{
		0:              "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
		1024:           "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
		102400:         "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
		10<<20 + 12345: "f34ddbed4a45fa56c46a5299b3e2f64112c22b1233432696ee121d0d8180fb9a",
	} {
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(i % 251)
		}
		got, err := digestOf(object(data), "full", 2)
		if err != nil || got.BLAKE3 != want || got.SHA256 != "" {
			t.Errorf("%d bytes: %+v (%v), want %s", n, got, err, want)
		}
	}
}

// The library's own hasher knows neither pieces nor leaves.
func TestADigestIsTheLibrarysAtEverySize(t *testing.T) {
	r := rand.New(rand.NewPCG(46, 1))
	sizes := []int{0, 1, 2}
	for _, edge := range []int{64, 1024, 2048, leafBytes - 1024, leafBytes, 2 * leafBytes, 3 * leafBytes, readBytes - 1024, readBytes, readBytes + leafBytes,
		3 * readBytes, pieceBytes - leafBytes, pieceBytes, pieceBytes + 1024, pieceBytes + readBytes, 2 * pieceBytes, 3 * pieceBytes, 5 * pieceBytes} {
		sizes = append(sizes, edge-1, edge, edge+1)
	}
	for range 40 {
		sizes = append(sizes, r.IntN(3*readBytes))
	}
	data := make([]byte, slices.Max(sizes))
	chacha := rand.NewChaCha8([32]byte{46})
	_, _ = chacha.Read(data)
	for _, n := range sizes {
		sum := blake3.Sum256(data[:n])
		want := hex.EncodeToString(sum[:])
		withAndWithout(func(how string) {
			for _, obj := range []store.Object{object(data[:n]), mappedObject{object(data[:n]), data[:n:n]}} {
				if got, err := digestOf(obj, "full", 3); err != nil || got.BLAKE3 != want {
					t.Errorf("%d bytes of a %T, %s: %s (%v), want %s", n, obj, how, got.BLAKE3, err, want)
				}
			}
		})
	}
}

func TestOtherDigestsAreSHA256(t *testing.T) {
	t.Parallel()
	data := make([]byte, 3*readBytes+5)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(data)
	whole := sha256.Sum256(data)
	tail := sha256.Sum256(fmt.Appendf(nil, "%d 2 in\n%s", len(data), data[len(data)-64<<10:]))
	for kind, want := range map[string][32]byte{"sha256": whole, "footer": tail} {
		if got, err := digestOf(object(data), kind, 2); err != nil || got.SHA256 != hex.EncodeToString(want[:]) || got.BLAKE3 != "" {
			t.Errorf("%s: %+v (%v), want %x", kind, got, err, want)
		}
	}
}

// short is an object that ends before it says.
type short struct{ store.Object }

func (s short) Size() int64 { return s.Object.Size() + 1 }

func TestAFileThatShrinksWhileItIsSummedUpIsFound(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"full", "sha256"} {
		for _, n := range []int{0, 100, pieceBytes, pieceBytes + 7} {
			if _, err := digestOf(short{object(make([]byte, n))}, kind, 2); !errors.Is(err, io.EOF) {
				t.Errorf("%s of %d bytes: %v", kind, n, err)
			}
		}
	}
}

// A local file is summed up where it lies, and not kept in memory; it may be cut then.
func TestALocalFileThatIsCutWhileItIsSummedUpIsFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, kind := range []string{"full", "sha256"} {
		for _, left := range []int64{0, 5000, pieceBytes - 1} {
			write(t, dir, "in", make([]byte, 2*pieceBytes+5))
			obj, err := rooted(t, dir).Open(t.Context(), "in")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := digestOf(obj, kind, 2); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(filepath.Join(dir, "in"), left); err != nil {
				t.Fatal(err)
			}
			if _, err := digestOf(obj, kind, 2); !errors.Is(err, ErrChanged) {
				t.Errorf("%s of a file that has %d bytes left: %v", kind, left, err)
			}
			if err := obj.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// forgetful is a file in memory that is mapped, and remembers what was let go of. It is
// not read.
type forgetful struct {
	mappedObject
	mu   sync.Mutex
	gone int64
}

func (f *forgetful) ReadAt([]byte, int64) (int, error) { return 0, errors.New("it is read") }

func (f *forgetful) Forget(from, past int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone += past - from
}

func TestAMappedFileIsSummedUpInPlaceAndLetGoOf(t *testing.T) {
	t.Parallel()
	data := make([]byte, 3*pieceBytes+5)
	f := &forgetful{mappedObject: mappedObject{object(data), data}}
	if _, err := digestOf(f, "full", 2); err != nil || f.gone != int64(len(data)) {
		t.Errorf("%d of %d bytes were let go of: %v", f.gone, len(data), err)
	}
}

func BenchmarkDigest(b *testing.B) {
	dir := b.TempDir()
	data := make([]byte, 64<<20)
	_, _ = rand.NewChaCha8([32]byte{46}).Read(data)
	if err := os.WriteFile(filepath.Join(dir, "in"), data, 0o600); err != nil {
		b.Fatal(err)
	}
	obj, err := rooted(b, dir).Open(b.Context(), "in")
	if err != nil {
		b.Fatal(err)
	}
	defer obj.Close()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := digestOf(obj, "full", 1); err != nil {
			b.Fatal(err)
		}
	}
}

// A version of an older release has SHA-256, whatever the default is now.
func TestAFileIsHeldToTheDigestItWasGiven(t *testing.T) {
	t.Parallel()
	rows := subscribers(1, 300, 0)
	data := parquetBytes(t, rows)
	other := slices.Clone(data)
	other[len(other)/3] ^= 1
	for _, kind := range []string{"full", "sha256", "footer"} {
		s := subscriberSpec("in.parquet")
		s.Input.Digest = kind
		find := func(data []byte) *Dataset {
			d, err := Open(context.Background(), memoryStore{"in.parquet": data}, s)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			return d
		}
		d := find(data)
		then := survey(t, d).Files[0]
		if kind == "full" {
			s.Input.Digest = "sha256"
			older := survey(t, find(data)).Files[0]
			s.Input.Digest = kind
			if same, err := d.Same(t.Context(), older, 2); !same || err != nil {
				t.Errorf("an older release's: %v (%v)", same, err)
			}
			older.SHA256 = then.BLAKE3
			if same, err := d.Same(t.Context(), older, 2); same || err != nil {
				t.Errorf("another digest of an older release's: %v (%v)", same, err)
			}
		}
		if same, err := d.Same(t.Context(), then, 2); !same || err != nil {
			t.Errorf("%s: %v (%v)", kind, same, err)
		}
		if kind == "footer" {
			continue // the last 64 KiB are all of it
		}
		if same, err := find(other).Same(t.Context(), then, 2); same || err != nil {
			t.Errorf("%s of other bytes: %v (%v)", kind, same, err)
		}
		then.Bytes++
		if _, err := d.Same(t.Context(), then, 2); !errors.Is(err, ErrChanged) {
			t.Errorf("%s of another size: %v", kind, err)
		}
	}
}
