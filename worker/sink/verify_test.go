package sink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
)

// put stores data under name and returns a record of it with the right digests,
// so that only what the file says can give it away.
func put(t testing.TB, st store.Store, name string, data []byte, rows int64) job.File {
	t.Helper()
	check(t, st.Put(context.Background(), name, data))
	whole := sha256.Sum256(data)
	f := job.File{Kind: job.FileScores, Path: name, Rows: rows, Bytes: int64(len(data)), SHA256: hex.EncodeToString(whole[:])}
	if at, err := footerOffset(object{bytes.NewReader(data)}); err == nil {
		content := sha256.Sum256(data[:at])
		f.Content = hex.EncodeToString(content[:])
	}
	return f
}

// Verify proves the files of an attempt again.
func (o Output) Verify(ctx context.Context, st store.Store) error {
	for _, file := range o.Files {
		if err := reread(ctx, st, file.Path, func(object store.Object) error { return o.verify(ctx, object, file) }); err != nil {
			return err
		}
	}
	return nil
}

type object struct{ *bytes.Reader }

func (object) Close() error { return nil }

// Fault F12: every flipped bit and every cut of a staged file is found.
func TestEveryFlippedBitAndEveryCutIsFound(t *testing.T) {
	t.Parallel()
	runs := 400
	if os.Getenv("RESCORE_LONG") != "" {
		runs = 20_000
	}
	r := rand.New(rand.NewPCG(12, 1))
	for _, compression := range []string{"zstd", "snappy", "none"} {
		st := newStore(t)
		a := theAttempt
		a.Compression, a.rowGroupRows = compression, 700
		out := stage(t, st, a, base(4, 2000, false), 512)
		good := bytesOf(t, st, out.Files[0].Path)
		for i := range runs / 3 {
			bad := bytes.Clone(good)
			switch at := r.IntN(len(bad)); r.IntN(4) {
			case 0:
				bad[at] ^= 1 << r.IntN(8)
			case 1:
				bad[at] ^= byte(1 + r.IntN(255))
			case 2:
				bad = bad[:at]
			case 3:
				bad = append(bad, good[at:]...)
			}
			name := out.Files[0].Path + ".bad"
			check(t, st.Put(t.Context(), name, bad))
			file := out.Files[0]
			file.Path = name
			if _, err := Verify(t.Context(), st, file); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%s, change %d: %v, want ErrDamaged", compression, i, err)
			}
			check(t, st.Delete(t.Context(), name))
		}
	}
}

// A damaged page is found without any digest: pages carry checksums.
func TestReadFindsADamagedPage(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(13, 1))
	for _, compression := range []string{"zstd", "snappy", "none"} {
		st := newStore(t)
		a := theAttempt
		a.Compression = compression
		rows := base(4, 20_000, false)
		out := stage(t, st, a, rows, 2048)
		good := bytesOf(t, st, out.Files[0].Path)
		footer, err := footerOffset(object{bytes.NewReader(good)})
		check(t, err)
		for range 60 {
			bad := bytes.Clone(good)
			bad[len(magic)+r.IntN(int(footer)-len(magic))] ^= 1 << r.IntN(8)
			// Any outcome is right except a crash or other rows given as good.
			var got []row
			_, err := decode(t.Context(), object{bytes.NewReader(bad)}, func(g *group) error {
				rec := g.record()
				defer rec.Release()
				got = append(got, rowsOf(rec)...)
				return nil
			})
			if err == nil {
				_, want, _ := sums(rows)
				_, sum, _ := sums(got)
				if sum != want {
					t.Fatalf("%s: a flipped bit before the footer gives other rows without an error", compression)
				}
			}
		}
	}
}

func TestVerifyRefusesWhatBreaksAnInvariant(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(rows []row, a *Attempt)
		want   error
	}{
		"nothing":               {func([]row, *Attempt) {}, nil},
		"a repeated key":        {func(rows []row, _ *Attempt) { rows[1200].Msisdn = rows[1199].Msisdn }, ErrContent},
		"a repeated key across": {func(rows []row, _ *Attempt) { rows[1000].Msisdn = rows[999].Msisdn }, ErrContent},
		"keys that fall":        {func(rows []row, _ *Attempt) { rows[5], rows[6] = rows[6], rows[5] }, ErrContent},
		"a key that is none":    {func(rows []row, _ *Attempt) { rows[0].Msisdn = 12345 }, ErrContent},
		"a key past the range":  {func(rows []row, _ *Attempt) { rows[len(rows)-1].Msisdn = 19999999999 }, ErrContent},
		"a key before the range": {func(_ []row, a *Attempt) {
			a.Range.First = partition.Segment(1380014).First()
		}, ErrContent},
		"a NaN":             {func(rows []row, _ *Attempt) { rows[7].Propensity = float32(math.NaN()) }, ErrContent},
		"a propensity of 2": {func(rows []row, _ *Attempt) { rows[7].Propensity = 2 }, ErrContent},
		"one below zero":    {func(rows []row, _ *Attempt) { rows[7].Propensity = -1e-9 }, ErrContent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := newStore(t)
			rows := base(6, 2500, false)
			a := theAttempt
			a.rowGroupRows = 1000
			c.change(rows, &a)
			if _, err := tryStage(t, st, a, rows, 512); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			list, err := st.List(t.Context(), "")
			check(t, err)
			if (len(list) == 0) != (c.want != nil) {
				t.Errorf("left in the store: %v", list)
			}
		})
	}
}

// patient is a store whose disk is done with an object when the object was read.
type patient struct{ store.Store }

type patientWriter struct {
	store.Writer
	read chan struct{}
}

func (p patient) Create(ctx context.Context, name string) (store.Writer, error) {
	w, err := p.Store.Create(ctx, name)
	return &patientWriter{w, make(chan struct{}, 1)}, err
}

func (p patient) Extend(ctx context.Context, from string, size, cut int64, to string) (store.Writer, error) {
	w, err := p.Store.(store.Extender).Extend(ctx, from, size, cut, to)
	return &patientWriter{w, make(chan struct{}, 1)}, err
}

func (w *patientWriter) Preview() (store.Object, error) {
	o, err := w.Writer.(store.Previewer).Preview()
	return readObject{o, w.read}, err
}

func (w *patientWriter) Commit() error {
	select {
	case <-w.read:
		return w.Writer.Commit()
	case <-time.After(time.Minute):
		return errors.New("nobody reads what the disk is still to take")
	}
}

// readObject says when it is read.
type readObject struct {
	store.Object
	read chan struct{}
}

func (o readObject) ReadAt(p []byte, off int64) (int, error) {
	select {
	case o.read <- struct{}{}:
	default:
	}
	return o.Object.ReadAt(p, off)
}

func TestWhatWasWrittenIsReadWhileTheDiskIsWaitedFor(t *testing.T) {
	t.Parallel()
	st := patient{newStore(t)}
	out := stage(t, st, theAttempt, base(6, 2500, false), 512)
	_, err := Select(t.Context(), st, selectAttempt(), selection(out.Files[0]))
	check(t, err)
}

func TestACoreToSpareTakesWhatNobodyHasBegun(t *testing.T) {
	t.Parallel()
	none := errors.New("none")
	for _, c := range []struct {
		name  string
		spare []bool // as it is asked
		fails int
	}{
		{"never", nil, -1}, {"at once", []bool{true}, -1}, {"later", []bool{false, false, true}, -1},
		{"the first fails", []bool{true}, 0}, {"one fails", []bool{true}, 4}, {"the last fails", nil, 9},
	} {
		questions := 0
		o := Output{spare: func() bool {
			questions++
			return questions <= len(c.spare) && c.spare[questions-1]
		}}
		var done [10]atomic.Int32
		var working atomic.Int32
		other := make(chan struct{})
		two := sync.OnceFunc(func() { close(other) }) // are at work
		err := o.each(len(done), func(i int) error {
			done[i].Add(1)
			if working.Add(1) == 2 {
				two()
			}
			defer working.Add(-1)
			if len(c.spare) > 0 && questions >= len(c.spare) {
				select { // whoever is first waits for the other
				case <-other:
				case <-time.After(time.Minute):
					t.Error("the core to spare does nothing")
				}
			}
			if i == c.fails {
				return none
			}
			return nil
		})
		if (c.fails >= 0) != errors.Is(err, none) {
			t.Errorf("%s: %v", c.name, err)
		}
		for i := range done {
			if n := done[i].Load(); n > 1 || n == 0 && c.fails < 0 {
				t.Errorf("%s: %d was done %d times", c.name, i, n)
			}
		}
	}
}

// Planted bugs: whatever the sink believes and the file does not say.
func TestVerifyComparesTheFileWithWhatWasMeant(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	s, err := Create(t.Context(), st, theAttempt)
	check(t, err)
	check(t, s.Write(record(base(6, 2500, false), 0), nil))
	check(t, s.Reject(t.Context(), "a.csv", 3, "fee", job.BadValue))
	good, err := s.Finish(t.Context())
	check(t, err)
	check(t, good.Verify(t.Context(), st))
	for name, change := range map[string]func(o *Output){
		"a row more":      func(o *Output) { o.Counts.Scored++; o.Counts.In++ },
		"a row lost":      func(o *Output) { o.Counts.In++ },
		"other keys":      func(o *Output) { o.Keys.Lo++ },
		"other rows":      func(o *Output) { o.Rows.Hi++ },
		"file rows":       func(o *Output) { o.Files[0].Rows-- },
		"file bytes":      func(o *Output) { o.Files[0].Bytes-- },
		"file bits":       func(o *Output) { o.whole.checks.ieee ^= 1 },
		"other file bits": func(o *Output) { o.whole.checks.castagnoli ^= 1 },
		"rejects digest":  func(o *Output) { o.Files[1].SHA256 = o.Files[0].SHA256 },
		"rejects bytes":   func(o *Output) { o.Files[1].Bytes++ },
		"rejects missing": func(o *Output) { o.Files[1].Path += "x" },
		"scores missing":  func(o *Output) { o.Files[0].Path += "x" },
	} {
		o := good
		o.Files = append([]job.File(nil), good.Files...)
		change(&o)
		err := o.Verify(t.Context(), st)
		if !errors.Is(err, ErrContent) && !errors.Is(err, ErrDamaged) && !errors.Is(err, store.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFileOfAnotherLayoutIsRefused(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	out := stage(t, st, theAttempt, base(6, 100, false), 100)
	data := bytesOf(t, st, out.Files[0].Path)
	for what, edit := range map[string][2]string{
		"another record":   {scored.fingerprint, "0" + scored.fingerprint[1:]},
		"another column":   {"risk_band", "risk_bond"},
		"a missing key":    {keyToken, "rescore.tokin"},
		"a month of words": {keyMonth + "\x18\x06202606", keyMonth + "\x18\x062026x6"}, // as Thrift has texts
	} {
		bad := bytes.ReplaceAll(data, []byte(edit[0]), []byte(edit[1]))
		if bytes.Equal(bad, data) {
			t.Fatalf("%s: nothing was changed", what)
		}
		file := put(t, st, what, bad, 100)
		if _, err := Verify(t.Context(), st, file); !errors.Is(err, ErrLayout) {
			t.Errorf("%s: %v, want ErrLayout", what, err)
		}
	}
}

// A list that claims two thousand million elements takes no memory.
func TestAFooterThatClaimsMoreThanItHoldsIsRefused(t *testing.T) {
	t.Parallel()
	long := binary.AppendUvarint([]byte{0x19, 0xfc}, 1<<31) // field 1: a list of structs
	for name, footer := range map[string][]byte{
		"a list":           append(long, 0),
		"a list in a list": append([]byte{0x19, 0x19}, long[1:]...),
		"bytes":            append(binary.AppendUvarint([]byte{0x18}, 1<<40), 'x', 0),
		"endless nesting":  bytes.Repeat([]byte{0x1c}, 1000),
		"no end":           {0x15, 2},
		"trailing bytes":   {0, 0},
		"nothing":          {},
	} {
		file := append(bytes.Clone(magic), footer...)
		file = append(binary.LittleEndian.AppendUint32(file, uint32(len(footer))), magic...)
		if _, err := decode(t.Context(), object{bytes.NewReader(file)}, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", name, err)
		}
	}
	st := newStore(t)
	out := stage(t, st, theAttempt, base(1, 10, false), 10)
	data := bytesOf(t, st, out.Files[0].Path)
	tail := len(data) - 8
	more := binary.LittleEndian.Uint32(data[tail:]) + 1
	data = append(binary.LittleEndian.AppendUint32(append(data[:tail:tail], 0), more), magic...)
	if _, err := decode(t.Context(), object{bytes.NewReader(data)}, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte behind the footer: %v, want ErrDamaged", err)
	}
}

func TestScanStopsWhereItsCallerDoes(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	a := theAttempt
	a.rowGroupRows = 10
	out := stage(t, st, a, base(6, 100, false), 100)
	stop := errors.New("enough")
	calls := 0
	err := Scan(t.Context(), st, out.Files[0].Path, nil, func([]uint64, arrow.Record) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ctx, st, out.Files[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("verify under a cancelled context: %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the caller's own panic was swallowed")
			}
		}()
		_ = Scan(t.Context(), st, out.Files[0].Path, nil, func([]uint64, arrow.Record) error { panic("mine") })
	}()
}

// Whatever the bytes, reading ends with rows that add up or with an error.
func FuzzAnyBytesAreReadOrRefused(f *testing.F) {
	st := newStore(f)
	for i, compression := range []string{"zstd", "snappy", "none"} {
		a := theAttempt
		a.Compression, a.rowGroupRows, a.Task = compression, 20, i
		out := stage(f, st, a, base(uint64(i), 50, i > 0), 50)
		f.Add(bytesOf(f, st, out.Files[0].Path))
	}
	f.Add([]byte("PAR1PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows := 0
		_, err := decode(t.Context(), object{bytes.NewReader(data)}, func(g *group) error {
			for _, c := range g.columns {
				if c.len() != g.rows {
					t.Fatalf("a column of %d rows in a group of %d", c.len(), g.rows)
				}
			}
			rows += g.rows
			return nil
		})
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrLayout) && !errors.Is(err, ErrValue) {
			t.Fatalf("%v is none of the sink's errors", err)
		}
	})
}

// TestEveryByteOfAScoreFileIsHeldToWhatWasGiven, those that nobody decodes too.
func TestEveryByteOfAScoreFileIsHeldToWhatWasGiven(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	a := theAttempt
	a.rowGroupRows = 100 // three, of which the first is read beside the others
	out := stage(t, st, a, base(5, 300, false), 2048)
	file := out.Files[0]
	good := bytesOf(t, st, file.Path)
	for i, at := 0, 0; at < len(good); i, at = i+1, at+1+len(good)/150 {
		bad := bytes.Clone(good)
		bad[at] ^= 1 << (at % 8)
		altered := out
		f := file
		f.Path = fmt.Sprintf("altered-%d", i)
		altered.Files = []job.File{f}
		check(t, st.Put(t.Context(), f.Path, bad))
		if err := altered.Verify(t.Context(), st); !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d of %d: %v", at, len(good), err)
		}
	}
	short, long := good[:len(good)-1], append(bytes.Clone(good), 0)
	for i, bad := range [][]byte{short, long, nil, good[:2]} { // two bytes are not even the magic number
		f := file
		f.Path = fmt.Sprintf("cut-%d", i)
		altered := out
		altered.Files = []job.File{f}
		check(t, st.Put(t.Context(), f.Path, bad))
		if err := altered.Verify(t.Context(), st); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes of %d: %v", len(bad), len(good), err)
		}
	}
}
