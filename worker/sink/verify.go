package sink

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"runtime/debug"
	"sync/atomic"

	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
)

// Check is what a score file turned out to hold.
type Check struct {
	Bytes   int64
	SHA256  string // every byte, hex
	Content string // every byte before the footer, hex
	Rows    int64
	Keys    partition.Sum     // over the numbers
	RowSum  partition.Sum     // over every column of every row
	First   partition.Segment // segment of the lowest number; 0 when there are no rows
	Last    partition.Segment // segment of the highest number
	From    Provenance
}

// Verify reads a score file again through the store: all bytes are hashed and
// compared with what file says, then every value is decoded and the sums worked
// out anew. It returns ErrDamaged when bytes differ, ErrContent when there are other
// rows than file says, keys do not increase strictly (I1) or a propensity is no
// probability, ErrLayout for another record. Whoever wrote the file compares Keys and RowSum
// with what it meant to write; Sink.Finish does.
//
// What was just written is read from the operating system's cache: this proves
// what reached the store, not what the platter keeps.
func Verify(ctx context.Context, st store.Store, file job.File) (Check, error) {
	c, err := verify(ctx, st, file)
	if err != nil {
		return Check{}, fmt.Errorf("verify %s: %w", file.Path, err)
	}
	return c, nil
}

func verify(ctx context.Context, st store.Store, file job.File) (Check, error) {
	o, err := st.Open(ctx, file.Path)
	if err != nil {
		return Check{}, err
	}
	defer o.Close()
	if o.Size() != file.Bytes {
		return Check{}, fmt.Errorf("%w: %d bytes where %d were written", ErrDamaged, o.Size(), file.Bytes)
	}
	footer, err := footerOffset(o)
	if err != nil {
		return Check{}, err
	}
	whole, before, err := digest(ctx, o, footer)
	if err != nil {
		return Check{}, err
	}
	if whole != file.SHA256 || before != file.Content {
		return Check{}, fmt.Errorf("%w: SHA-256 differs from the one written", ErrDamaged)
	}
	f, err := open(o)
	if err != nil {
		return Check{}, err
	}
	c, err := f.content(ctx, o, 0, len(f.meta.RowGroups))
	if err != nil {
		return Check{}, err
	}
	return f.checked(c, file)
}

// content is what row groups that follow each other turned out to hold.
type content struct {
	rows        int64
	keys, sum   partition.Sum
	first, last uint64 // numbers; 0 without rows
}

// content decodes every value of row groups from to past-1, whose bytes o has.
func (f *scoreFile) content(ctx context.Context, o store.Object, from, past int) (c content, err error) {
	err = f.slabs(ctx, o, from, past, func(g *group, first int64) error {
		if err := g.check(c.last, first); err != nil {
			return err
		}
		keys := g.keys()
		if c.rows == 0 {
			c.first = keys[0]
		}
		c.last = keys[len(keys)-1]
		c.rows += int64(g.rows)
		c.keys = c.keys.Add(g.keySum(0))
		c.sum = c.sum.Add(g.rowSum(0))
		return nil
	})
	return c, err
}

// then returns what is in c and, behind it, in d.
func (c content) then(d content) (content, error) {
	switch {
	case c.rows == 0:
		return d, nil
	case d.rows == 0:
		return c, nil
	case d.first <= c.last:
		return content{}, fmt.Errorf("%w: the key of row %d is not greater than the one before", ErrContent, c.rows)
	}
	return content{c.rows + d.rows, c.keys.Add(d.keys), c.sum.Add(d.sum), c.first, d.last}, nil
}

// checked is what a file turned out to hold, all of whose rows were decoded.
func (f *scoreFile) checked(c content, file job.File) (Check, error) {
	if c.rows != file.Rows {
		return Check{}, fmt.Errorf("%w: %d rows where %d were written", ErrContent, c.rows, file.Rows)
	}
	check := Check{Bytes: f.object.Size(), SHA256: file.SHA256, Content: file.Content, Rows: c.rows, Keys: c.keys, RowSum: c.sum, From: f.from}
	if c.rows > 0 {
		check.First, check.Last = partition.Number(c.first).Segment(), partition.Number(c.last).Segment()
	}
	return check, nil
}

// check proves that keys are numbers that increase strictly from last on, and
// that propensities are probabilities. first is the position of the first row.
func (g *group) check(last uint64, first int64) error {
	keys := g.keys()
	for i, k := range keys {
		if k <= last {
			return fmt.Errorf("%w: the key of row %d is not greater than the one before", ErrContent, first+int64(i))
		}
		last = k
	}
	for _, i := range []int{0, len(keys) - 1} { // and so are those between
		if !partition.Number(keys[i]).Valid() {
			return fmt.Errorf("%w: the key of row %d is %w", ErrContent, first+int64(i), partition.ErrNumber)
		}
	}
	for k, c := range g.columns {
		p, is := c.(*real)
		if !is {
			continue
		}
		if low, high, ordered := floatBounds(p.values); ordered && low >= 0 && high <= 1 {
			continue
		}
		for i, v := range p.values {
			if !(v >= 0 && v <= 1) { // NaN fails too
				return fmt.Errorf("%w: column %s of row %d is not between 0 and 1", ErrContent, g.layout.columns[k].Name, first+int64(i))
			}
		}
	}
	return nil
}

// verify proves a file of an attempt, which o is: what bytes and values it holds are those
// that were meant. An attempt that does not pass must fail.
func (o Output) verify(ctx context.Context, object store.Object, file job.File) error {
	switch {
	case o.carried != nil:
		return o.verifySelected(ctx, object, file)
	case file.Kind != job.FileScores:
		return verifyBytes(ctx, object, file)
	}
	c, err := o.verifyScores(ctx, object, file)
	switch {
	case err != nil:
		return err
	case c.Rows != o.Counts.Scored || c.Keys != o.Keys || c.RowSum != o.Rows:
		return fmt.Errorf("%w: rows or sums differ from what was scored", ErrContent)
	case c.Rows > 0 && (c.First < o.within.First.Segment() || c.Last > (o.within.Past-1).Segment()):
		return fmt.Errorf("%w: segments %d to %d reach outside partition %s", ErrContent, c.First, c.Last, o.within)
	case !o.Counts.Conserved():
		return fmt.Errorf("%w: rows in are not rows scored, excluded, rejected and duplicate", ErrContent)
	}
	return nil
}

// verifyScores reads the score file once: what is decoded is held to the checks of the
// bytes that were given to the store on the way, and what nobody decodes is too.
func (o Output) verifyScores(ctx context.Context, object store.Object, file job.File) (_ Check, err error) {
	defer store.Faults(debug.SetPanicOnFault(true), &err, errCut)
	all := imageOf(object)
	c, err := o.verifyGroups(ctx, all, file)
	if err != nil {
		if differs := o.sameBytes(ctx, &witness{image: all}, file); differs != nil {
			err = differs // whatever was decoded of them
		}
		return Check{}, err
	}
	return c, nil
}

// verifyGroups reads a score file by row groups, for none of which another is needed.
func (o Output) verifyGroups(ctx context.Context, all image, file job.File) (Check, error) {
	f, err := open(all)
	if err != nil {
		return Check{}, err
	}
	n := len(f.meta.RowGroups)
	if n != len(o.groups) {
		return Check{}, fmt.Errorf("%w: %d row groups where %d were written", ErrContent, n, len(o.groups))
	}
	parts := make([]content, n)
	err = o.each(n+1, func(i int) (err error) {
		w := &witness{image: all}
		if i > 0 {
			w.place = o.groups[i-1]
		} else if err := w.read(ctx, int64(len(magic))); err != nil {
			return err
		}
		if i == n { // behind them
			return o.sameBytes(ctx, w, file)
		}
		if parts[i], err = f.content(ctx, w, i, i+1); err != nil {
			return err
		}
		return w.holds(ctx, o.groups[i])
	})
	if err != nil {
		return Check{}, err
	}
	var c content
	for _, part := range parts {
		if c, err = c.then(part); err != nil {
			return Check{}, err
		}
	}
	return f.checked(c, file)
}

// each does n things that look at bytes in place, one after the other; as soon as a core is
// to spare, another goroutine does every one that nobody has begun. Of two errors it
// returns the first's.
func (o Output) each(n int, do func(i int) error) error {
	var begun atomic.Int64
	next := func() (i int, more bool) {
		i = int(begun.Add(1)) - 1
		return i, i < n
	}
	var beside <-chan error
	var err error
	for i, more := next(); more && err == nil; i, more = next() {
		if beside == nil && i < n-1 && o.spare() {
			beside = start(func() (err error) {
				for i, more := next(); more && err == nil; i, more = next() {
					err = do(i)
				}
				return err
			})
		}
		err = do(i)
	}
	if beside != nil {
		if e := <-beside; err == nil {
			err = e
		}
	}
	return err
}

// both does two things at once that look at bytes in place. Of two errors it returns the
// first's.
func both(first, second func() error) error {
	other := start(second)
	err := guarded(first)
	if e := <-other; err == nil {
		err = e
	}
	return err
}

// start does something beside the caller, who is to wait for its error.
func start(do func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- guarded(do) }()
	return done
}

func guarded(do func() error) (err error) {
	defer store.Faults(debug.SetPanicOnFault(true), &err, errCut)
	return do()
}

// place is a place in a file, and the checks of all bytes before it.
type place struct {
	at     int64
	checks checks
}

// witness is an object whose bytes are checked as they are read in order.
type witness struct {
	image
	place // bytes before it are checked
}

func (w *witness) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.Object.ReadAt(p, off)
	w.check(p[:n], off)
	return n, err
}

func (w *witness) view(at, size int64) []byte {
	b := w.image.view(at, size)
	w.check(b, at)
	return b
}

func (w *witness) check(b []byte, at int64) {
	if at == w.at {
		_, _ = w.checks.Write(b) // never fails
		w.at += int64(len(b))
	}
}

// read reads on to a place.
func (w *witness) read(ctx context.Context, past int64) error {
	return pieces(ctx, w, w.at, past, func(p []byte) (int, error) { return len(p), nil })
}

// holds reads on to a place. It returns ErrDamaged unless the bytes before it are those that
// were given to the store.
func (w *witness) holds(ctx context.Context, end place) error {
	if err := w.read(ctx, end.at); err != nil {
		return err
	}
	if w.place != end {
		return fmt.Errorf("%w: its bytes are not the ones written", ErrDamaged)
	}
	return nil
}

// sameBytes returns ErrDamaged unless an object holds the bytes of the file that were
// given to the store, and no more.
func (o Output) sameBytes(ctx context.Context, w *witness, file job.File) error {
	if w.Size() != file.Bytes {
		return fmt.Errorf("%w: %d bytes where %d were written", ErrDamaged, w.Size(), file.Bytes)
	}
	return w.holds(ctx, o.whole)
}

func verifyBytes(ctx context.Context, o store.Object, file job.File) error {
	sum, _, err := digest(ctx, o, 0)
	if err != nil {
		return err
	}
	if o.Size() != file.Bytes || sum != file.SHA256 {
		return fmt.Errorf("%w: SHA-256 or length differs from the one written", ErrDamaged)
	}
	return nil
}

// footerOffset returns where the footer of a Parquet file begins.
func footerOffset(o store.Object) (int64, error) {
	var tail [8]byte
	if o.Size() < int64(len(magic)+len(tail)) {
		return 0, fmt.Errorf("%w: %d bytes are no Parquet file", ErrDamaged, o.Size())
	}
	if _, err := io.ReadFull(io.NewSectionReader(o, o.Size()-int64(len(tail)), int64(len(tail))), tail[:]); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	at := o.Size() - int64(len(tail)) - int64(binary.LittleEndian.Uint32(tail[:4]))
	if string(tail[4:]) != string(magic) || at < int64(len(magic)) {
		return 0, fmt.Errorf("%w: it does not end as a Parquet file", ErrDamaged)
	}
	return at, nil
}

// digest hashes an object in one pass: all of it, and what is before a mark.
func digest(ctx context.Context, o store.Object, mark int64) (whole, before string, err error) {
	h := sha256.New()
	if err := pieces(ctx, o, 0, mark, h.Write); err != nil {
		return "", "", err
	}
	before = hex.EncodeToString(h.Sum(nil)) // Sum leaves the state as it is
	err = pieces(ctx, o, mark, o.Size(), h.Write)
	return hex.EncodeToString(h.Sum(nil)), before, err
}

// pieces gives bytes from from to past-1 of an object to take, in order.
func pieces(ctx context.Context, o store.Object, from, past int64, take func([]byte) (int, error)) error {
	var buffer []byte
	for from < past {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(outputBuffer, past-from)
		piece, _, err := look(o, from, n, &buffer)
		if err != nil {
			return err
		}
		if _, err := take(piece); err != nil {
			return err
		}
		from += n
	}
	return nil
}
