package source

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"runtime"
	"runtime/debug"
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
	leafBytes   = guts.MaxSIMD * guts.ChunkSize
	readBytes   = 16 * leafBytes // is in L2 when it is hashed
	pieceHeight = 8
	pieceBytes  = leafBytes << pieceHeight // 4 MiB: a millisecond or so
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
func piece(obj store.Object, i int) (guts.Node, error) {
	at := int64(i) * pieceBytes
	past := min(at+pieceBytes, obj.Size())
	if b, m := store.InPlace(obj); b != nil {
		if top, err := pieceInPlace(b, m, at, past); err == nil {
			return top, nil
		}
		// A page of it is not there: who reads it is told why.
	}
	window := windows.Get().(*[readBytes]byte)
	defer windows.Put(window)
	return tree(at, past, func(at int64, n int) ([]byte, error) {
		return window[:n], readFull(obj, window[:n], at)
	})
}

// pieceInPlace is piece from at to past of a file whose bytes are b.
func pieceInPlace(b []byte, m store.Mapper, at, past int64) (top guts.Node, err error) {
	defer m.Forget(at, past)
	store.Look(past - at)
	defer store.Faults(debug.SetPanicOnFault(true), &err, errCut)
	return tree(at, past, func(at int64, n int) ([]byte, error) { return b[at:][:n], nil })
}

// tree returns the top of the tree over bytes at to past, a piece, which bytes returns
// some at a time.
func tree(at, past int64, bytes func(at int64, n int) ([]byte, error)) (top guts.Node, err error) {
	if vectors && past-at == pieceBytes {
		return wholeTree(at, bytes)
	}
	var values [pieceBytes / leafBytes][8]uint32
	leaves := 0
	for leaves == 0 || at < past { // an empty file is one empty leaf
		n := int(min(past-at, readBytes))
		b, err := bytes(at, n)
		if err != nil {
			return top, err
		}
		for from := 0; from == 0 || from < n; from += leafBytes {
			size := min(n-from, leafBytes)
			var leaf *[leafBytes]byte
			if size == leafBytes {
				leaf = (*[leafBytes]byte)(b[from:])
			} else { // there may be no memory behind the last one
				leaf = new([leafBytes]byte)
				copy(leaf[:], b[from:])
			}
			top = guts.CompressBuffer(leaf, size, &guts.IV, uint64(at+int64(from))/guts.ChunkSize, 0)
			values[leaves] = guts.ChainingValue(top)
			leaves++
		}
		at += int64(n)
		runtime.Gosched() // as a survey does between rows: others are waited for
	}
	if leaves > 1 {
		top = join(values[:leaves])
	}
	return top, nil
}

// chains are the chaining values of the tops of sixteen subtrees that follow each other,
// of one size: word by word, as vectors have them.
type chains [8][guts.MaxSIMD]uint32

// wholeTree is tree over all bytes of a whole piece. The library has vectors for chunks, but
// gathers their words from memory one by one, and makes parents eight at a time at most.
func wholeTree(at int64, bytes func(at int64, n int) ([]byte, error)) (top guts.Node, err error) {
	const leaves = 1 << pieceHeight
	var left [pieceHeight]chains // those that wait for their right ones, by their height
	var c chains
	for n := 0; n < leaves; {
		b, err := bytes(at, readBytes)
		if err != nil {
			return top, err
		}
		for ; len(b) > 0; b = b[leafBytes:] {
			chunks512(&c, &b[:leafBytes][0], uint64(at)/guts.ChunkSize)
			at += leafBytes
			height := 0
			for ; n>>height&1 != 0; height++ {
				parents512(&c, &left[height], &c)
			}
			if n++; n < leaves {
				left[height] = c
			}
		}
		runtime.Gosched()
	}
	var values [guts.MaxSIMD][8]uint32
	for w, lanes := range c {
		for i, v := range lanes {
			values[i][w] = v
		}
	}
	return join(values[:]), nil
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
