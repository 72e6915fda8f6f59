package source

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"lukechampine.com/blake3/guts"

	"rescore/partition/job"
	"rescore/partition/store"
)

// A file's digest is BLAKE3 unless the job asks for another: as strong as SHA-256, a
// third of its work, and the root of a tree, so that all cores can work on one file
// (decisions/0046). Its leaves are chunks of a kilobyte, and the left branch of every
// node is the largest power of two of chunks that leaves something for the right one.
//
//	file    ├────── piece ──────┼────── piece ──────┼─ piece ─┤   a goroutine each
//	piece   ├ leaf ┼ leaf ┼ …                                     16 chunks at once
const (
	leafBytes  = guts.MaxSIMD * guts.ChunkSize
	readBytes  = 16 * leafBytes // is in L2 when it is hashed
	pieceBytes = 16 * readBytes // 4 MiB: a power of two of chunks, and a millisecond or two
)

// windows are what pieces are read into.
var windows = sync.Pool{New: func() any { return new([readBytes]byte) }}

// digest has the goroutines of a group work out the digest of a file, and write it to
// to: the one of which kind is, a value of input.digest. They are done when the group is.
func (d *Dataset) digest(ctx context.Context, group *errgroup.Group, f *inputFile, kind string, to *job.InputFile) {
	if kind == "sha256" || kind == "footer" {
		group.Go(func() (err error) {
			to.SHA256, err = sha(ctx, f, kind)
			return inFile(f.name, err)
		})
		return
	}
	values := make([][8]uint32, max(1, (f.obj.Size()+pieceBytes-1)/pieceBytes))
	var left atomic.Int64
	left.Store(int64(len(values)))
	for i := range values {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			top, err := piece(f.obj, i)
			if err != nil {
				return inFile(f.name, err)
			}
			values[i] = guts.ChainingValue(top)
			if left.Add(-1) > 0 {
				return nil
			}
			if len(values) > 1 {
				top = join(values)
			}
			to.BLAKE3 = root(top)
			return nil
		})
	}
}

// piece returns the top of the tree over piece i of a file.
func piece(obj store.Object, i int) (top guts.Node, err error) {
	at := int64(i) * pieceBytes
	past := min(at+pieceBytes, obj.Size())
	window := windows.Get().(*[readBytes]byte)
	defer windows.Put(window)
	var values [pieceBytes / leafBytes][8]uint32
	leaves := 0
	for leaves == 0 || at < past { // an empty file is one empty leaf
		n := int(min(past-at, readBytes))
		if err := readFull(obj, window[:n], at); err != nil {
			return top, err
		}
		for from := 0; from == 0 || from < n; from += leafBytes {
			leaf := (*[leafBytes]byte)(window[from:])
			top = guts.CompressBuffer(leaf, min(n-from, leafBytes), &guts.IV, uint64(at+int64(from))/guts.ChunkSize, 0)
			values[leaves] = guts.ChainingValue(top)
			leaves++
		}
		at += int64(n)
	}
	if leaves > 1 {
		top = join(values[:leaves])
	}
	return top, nil
}

// join returns the top of the tree over two or more subtrees, of which all but the last
// are of one size. It writes over them.
func join(values [][8]uint32) guts.Node {
	for n := len(values); n > 2; n = (n + 1) / 2 {
		for i := range n / 2 {
			values[i] = guts.ChainingValue(guts.ParentNode(values[2*i], values[2*i+1], &guts.IV, 0))
		}
		if n%2 == 1 { // waits for its sibling further up
			values[n/2] = values[n-1]
		}
	}
	return guts.ParentNode(values[0], values[1], &guts.IV, 0)
}

// root returns the digest whose tree has this top, in hexadecimal.
func root(top guts.Node) string {
	top.Flags |= guts.FlagRoot
	var b [32]byte
	for i, w := range guts.ChainingValue(top) {
		binary.LittleEndian.PutUint32(b[4*i:], w)
	}
	return hex.EncodeToString(b[:])
}

// sha returns the SHA-256 of a file, of all of it or, under digest: footer, of its
// name, size and last 64 KiB. One goroutine works it out: its end depends on its beginning.
func sha(ctx context.Context, f *inputFile, kind string) (string, error) {
	h := sha256.New()
	if kind == "footer" {
		tail, err := fileTail(f)
		fmt.Fprintf(h, "%d %d %s\n", f.obj.Size(), len(f.name), f.name)
		h.Write(tail)
		return hex.EncodeToString(h.Sum(nil)), err
	}
	window := windows.Get().(*[readBytes]byte)
	defer windows.Put(window)
	for at, size := int64(0), f.obj.Size(); at < size; at += readBytes {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		b := window[:min(size-at, readBytes)]
		if err := readFull(f.obj, b, at); err != nil {
			return "", err
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Same reports whether a file of the input has the bytes it had when it was surveyed,
// by the kind of digest it was given then. Up to workers goroutines read it.
func (d *Dataset) Same(ctx context.Context, then job.InputFile, workers int) (bool, error) {
	f, err := d.surveyed(then)
	if err != nil {
		return false, err
	}
	kind := d.spec.Input.Digest
	if kind == "full" && then.BLAKE3 == "" {
		kind = "sha256" // it is an older release's
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(max(workers, 1))
	var now job.InputFile
	d.digest(gctx, group, f, kind, &now)
	err = group.Wait()
	return now.SHA256 == then.SHA256 && now.BLAKE3 == then.BLAKE3, err
}
