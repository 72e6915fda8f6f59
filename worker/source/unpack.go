package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"rescore/partition/store"
)

// Limits on what a compressed file unpacks to. A base whose columns are nearly all the
// same packs to about a sixtieth.
const (
	packedRatioMax  = 256
	packedFreeBytes = 16 << 20  // of which no ratio is asked
	unpackedMax     = 256 << 30 // of one file
	packedWindowMax = 128 << 20
	packedHeadBytes = 256 << 10
)

// packing is how a file is compressed.
type packing uint8

const (
	packedNot packing = iota
	packedGzip
	packedZstd
)

// packingOf tells by the first four bytes.
func packingOf(front []byte) packing {
	switch {
	case bytes.HasPrefix(front, []byte{0x1f, 0x8b}):
		return packedGzip
	case bytes.HasPrefix(front, []byte{0x28, 0xb5, 0x2f, 0xfd}),
		len(front) == 4 && front[0]>>4 == 5 && bytes.Equal(front[1:], []byte{0x2a, 0x4d, 0x18}): // a frame to be skipped
		return packedZstd
	}
	return packedNot
}

// unpacked is the text of a compressed file. A task reads a range of it, where no
// decompressor can begin: so the text is written to a temporary file when it is first
// asked for, once, and read from there. The file has no name as soon as the system
// allows, and is gone with the process (decisions/0045).
type unpacked struct {
	obj     store.Object
	packing packing

	mu    sync.Mutex
	spool *os.File // nil before
	size  int64
	err   error // of a file that does not unpack; it never will
}

// reader returns the whole text, from the front, and how many bytes of the file it has
// taken so far.
func (u *unpacked) reader() (r io.Reader, taken func() int64, stop func(), err error) {
	from := io.NewSectionReader(u.obj, 0, u.obj.Size())
	taken = func() int64 { at, _ := from.Seek(0, io.SeekCurrent); return at }
	if u.packing == packedGzip {
		z, err := gzip.NewReader(from)
		return z, taken, func() {}, err
	}
	z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(packedWindowMax))
	if err != nil {
		return nil, nil, nil, err
	}
	return z, taken, z.Close, nil
}

// head returns the front of the text, and whether it is all of it.
func (u *unpacked) head() (text []byte, all bool, err error) {
	r, _, stop, err := u.reader()
	if err != nil {
		return nil, false, damaged(err)
	}
	defer stop()
	text = make([]byte, packedHeadBytes)
	n, err := io.ReadFull(r, text)
	if errors.Is(err, io.ErrUnexpectedEOF) && n < len(text) {
		// The text is short, or the file is cut: only unpacking on tells.
		_, err = r.Read(make([]byte, 1))
	}
	if errors.Is(err, io.EOF) {
		return text[:n], true, nil
	}
	if err != nil {
		return nil, false, damaged(err)
	}
	return text, false, nil
}

// unpack writes the text to its temporary file, if that was not done before.
func (u *unpacked) unpack(ctx context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.spool != nil || u.err != nil {
		return u.err
	}
	spool, err := os.CreateTemp("", "rescore-*.csv")
	if err != nil {
		return fmt.Errorf("unpack: %w; point TMPDIR to a folder that can be written to", err)
	}
	_ = os.Remove(spool.Name()) // where it is open all the same
	size, err := u.copy(ctx, spool)
	if err != nil {
		if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrTooLarge) {
			u.err = err
		}
		return errors.Join(err, discard(spool))
	}
	u.spool, u.size = spool, size
	return nil
}

func (u *unpacked) copy(ctx context.Context, to *os.File) (size int64, err error) {
	r, taken, stop, err := u.reader()
	if err != nil {
		return 0, damaged(err)
	}
	defer stop()
	buf := make([]byte, blockBytes)
	for {
		if err := ctx.Err(); err != nil {
			return size, err
		}
		n, err := r.Read(buf)
		size += int64(n)
		switch packed := taken(); {
		case size > packedFreeBytes && size/packedRatioMax > packed:
			return size, fmt.Errorf("%d bytes unpack to more than %d times as many, as no base does; unpack it where it comes from, and look at what it holds: %w", packed, packedRatioMax, ErrTooLarge)
		case size > unpackedMax:
			return size, fmt.Errorf("it unpacks to more than %d GiB; split it: %w", unpackedMax>>30, ErrTooLarge)
		}
		if _, werr := to.Write(buf[:n]); werr != nil {
			return size, fmt.Errorf("unpack %d bytes: %w; point TMPDIR to a folder with room for all of the input, unpacked, or unpack it yourself", size, werr)
		}
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return size, damaged(err)
		}
	}
}

// damaged says what a decompressor's error means.
func damaged(err error) error {
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return fmt.Errorf("it was packed with a window above %d MiB; pack it without --long and --ultra: %w", packedWindowMax>>20, ErrTooLarge)
	}
	return corrupt("it does not unpack: %v", err)
}

func discard(spool *os.File) error {
	err := spool.Close()
	if e := os.Remove(spool.Name()); !errors.Is(e, os.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}

// ReadAt reads the text, which it unpacks first.
func (u *unpacked) ReadAt(p []byte, off int64) (int, error) {
	if err := u.unpack(context.Background()); err != nil {
		return 0, err
	}
	return u.spool.ReadAt(p, off)
}

// Size returns the length of the text once it is unpacked.
func (u *unpacked) Size() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.size
}

// Close gives the temporary file back. The object stays open: it is the caller's.
func (u *unpacked) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.spool == nil {
		return nil
	}
	spool := u.spool
	u.spool, u.err = nil, os.ErrClosed
	return discard(spool)
}

// headText is the front of a text, in memory.
type headText struct{ *bytes.Reader }

func (h headText) Size() int64 { return h.Reader.Size() }

// Close does nothing.
func (h headText) Close() error { return nil }
