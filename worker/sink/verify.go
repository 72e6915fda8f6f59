package sink

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"runtime/debug"

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
// with what it meant to write; Output.Verify does.
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
	return verifyRows(ctx, o, file)
}

// verifyRows decodes every value of a file whose bytes are known to be the ones that
// were written.
func verifyRows(ctx context.Context, o store.Object, file job.File) (Check, error) {
	c := Check{Bytes: o.Size(), SHA256: file.SHA256, Content: file.Content}
	var last uint64
	f, err := open(o)
	if err != nil {
		return Check{}, err
	}
	c.From = f.from
	err = f.slabs(ctx, f.layout, func(g *group) error {
		if err := g.check(last, c.Rows); err != nil {
			return err
		}
		keys := g.keys()
		if c.Rows == 0 {
			c.First = partition.Number(keys[0]).Segment()
		}
		last = keys[len(keys)-1]
		c.Last = partition.Number(last).Segment()
		c.Rows += int64(g.rows)
		c.Keys = c.Keys.Add(g.keySum(0))
		c.RowSum = c.RowSum.Add(g.rowSum(0))
		return nil
	})
	if err != nil {
		return Check{}, err
	}
	if c.Rows != file.Rows {
		return Check{}, fmt.Errorf("%w: %d rows where %d were written", ErrContent, c.Rows, file.Rows)
	}
	return c, nil
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

// Verify proves every file of an attempt: it reads the scores again, holds their
// bytes to the checks of those that were given to the store, whose SHA-256 is
// reported, decodes every value, and compares the sums with those of the rows as they
// were given to Write. Rejects are held to their SHA-256. An attempt that does not
// pass must fail.
func (o Output) Verify(ctx context.Context, st store.Store) error {
	for _, file := range o.Files {
		if o.carried != nil {
			if err := o.verifySelected(ctx, st, file); err != nil {
				return fmt.Errorf("verify %s: %w", file.Path, err)
			}
			continue
		}
		if file.Kind != job.FileScores {
			if err := verifyBytes(ctx, st, file); err != nil {
				return fmt.Errorf("verify %s: %w", file.Path, err)
			}
			continue
		}
		c, err := o.verifyScores(ctx, st, file)
		switch {
		case err != nil:
		case c.Rows != o.Counts.Scored || c.Keys != o.Keys || c.RowSum != o.Rows:
			err = fmt.Errorf("%w: rows or sums differ from what was scored", ErrContent)
		case c.Rows > 0 && (c.First < o.within.First.Segment() || c.Last > (o.within.Past-1).Segment()):
			err = fmt.Errorf("%w: segments %d to %d reach outside partition %s", ErrContent, c.First, c.Last, o.within)
		case !o.Counts.Conserved():
			err = fmt.Errorf("%w: rows in are not rows scored, excluded, rejected and duplicate", ErrContent)
		}
		if err != nil {
			return fmt.Errorf("verify %s: %w", file.Path, err)
		}
	}
	return nil
}

// verifyScores reads the score file once: what is decoded is held to the checks of the
// bytes that were given to the store on the way, and what nobody decodes is too.
func (o Output) verifyScores(ctx context.Context, st store.Store, file job.File) (_ Check, err error) {
	object, err := st.Open(ctx, file.Path)
	if err != nil {
		return Check{}, err
	}
	defer object.Close()
	defer store.Faults(debug.SetPanicOnFault(true), &err, errCut)
	w := &witness{image: imageOf(object)}
	if err := w.read(ctx, int64(len(magic))); err != nil {
		return Check{}, err
	}
	c, err := verifyRows(ctx, w, file)
	if differs := o.sameBytes(ctx, w, file); differs != nil {
		return Check{}, differs // whatever was decoded of them
	}
	return c, err
}

// witness is an object whose bytes are checked as they are read in order.
type witness struct {
	image
	checks checks
	at     int64 // bytes before it are checked
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

// sameBytes returns ErrDamaged unless an object holds the bytes of the file that were
// given to the store.
func (o Output) sameBytes(ctx context.Context, w *witness, file job.File) error {
	if w.Size() != file.Bytes {
		return fmt.Errorf("%w: %d bytes where %d were written", ErrDamaged, w.Size(), file.Bytes)
	}
	if err := w.read(ctx, w.Size()); err != nil {
		return err
	}
	if w.checks != o.checks {
		return fmt.Errorf("%w: its bytes are not the ones written", ErrDamaged)
	}
	return nil
}

func verifyBytes(ctx context.Context, st store.Store, file job.File) error {
	o, err := st.Open(ctx, file.Path)
	if err != nil {
		return err
	}
	defer o.Close()
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
