package replica

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
	"time"

	"github.com/gofrs/flock"
	berrors "go.etcd.io/bbolt/errors"
)

// bbolt trusts its file. Of its two meta pages it takes the valid one, so that a
// flipped bit in the newer silently undoes the last write; a page number out of
// range is a fault no one can recover from; a wrong free list makes it write over
// live pages. checkPages therefore walks the file before bbolt does: every page
// below the high-water mark belongs to exactly one of the tree and the free list,
// every key and value lies inside its page, in order, and no key is one that nobody
// writes: a flipped bit in a key is a vote that cannot be found.
//
//	page    id 8 │ flags 2 │ count 2 │ overflow 4 │ elements …
//	meta    magic 4 │ version 4 │ page size 4 │ flags 4 │ root 8 │ sequence 8 │ free list 8 │ high water 8 │ transaction 8 │ sum 8
//	branch  position 4 │ key size 4 │ page 8
//	leaf    flags 4 │ position 4 │ key size 4 │ value size 4      positions from the element on
//
// All in the byte order of the machine that wrote it.
func checkPages(path string) (err error) {
	lock := flock.New(path, flock.SetFlag(os.O_RDWR)) // bbolt's own lock
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if locked, err := lock.TryRLockContext(ctx, 10*time.Millisecond); err != nil && ctx.Err() == nil {
		return err
	} else if !locked {
		return berrors.ErrTimeout
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	w := walk{file: file, bytes: uint64(info.Size()), seen: map[uint64]bool{}}
	if err := w.walk(); err != nil {
		return fmt.Errorf("%w: %w", berrors.ErrInvalid, err)
	}
	return nil
}

const (
	pageHeader  = 16
	elementSize = 16 // of a branch's element and a leaf's

	isBranch, isLeaf, isMeta, isFree = 1, 2, 4, 16
)

var native = binary.NativeEndian

type walk struct {
	file     *os.File
	bytes    uint64
	pageSize uint64
	high     uint64          // pages from here on are nobody's
	seen     map[uint64]bool // pages that belong to somebody
}

func (w *walk) walk() error {
	m, err := w.metas()
	if err != nil {
		return err
	}
	w.pageSize, w.high = uint64(m.pageSize), m.high
	if w.bytes/w.pageSize < w.high {
		return fmt.Errorf("the file is cut: %d bytes for %d pages of %d", w.bytes, w.high, w.pageSize)
	}
	w.seen[0], w.seen[1] = true, true
	if err := w.free(m.free); err != nil {
		return err
	}
	if err := w.tree("", m.root, nil, nil); err != nil {
		return err
	}
	if n := uint64(len(w.seen)); n != w.high {
		return fmt.Errorf("%d of %d pages belong to nobody", w.high-n, w.high)
	}
	return nil
}

type metaPage struct {
	pageSize               uint32
	root, free, high, edit uint64
}

// metas returns the newer of the two. They are one transaction apart, as each is
// written over the older.
func (w *walk) metas() (metaPage, error) {
	first, err := w.meta(0)
	if err != nil {
		return first, err
	}
	second, err := w.meta(uint64(first.pageSize))
	switch {
	case err != nil:
		return first, err
	case first.edit%2 != 0 || second.edit%2 != 1 || first.pageSize != second.pageSize:
		return first, errors.New("the two meta pages do not belong together")
	case first.edit+1 == second.edit:
		return second, nil
	case second.edit+1 == first.edit:
		return first, nil
	}
	return first, fmt.Errorf("the two meta pages are of transactions %d and %d", first.edit, second.edit)
}

func (w *walk) meta(at uint64) (metaPage, error) {
	var page [pageHeader + 64]byte
	if _, err := w.file.ReadAt(page[:], int64(at)); err != nil {
		return metaPage{}, fmt.Errorf("read the meta page at byte %d: %w", at, err)
	}
	b := page[pageHeader:]
	m := metaPage{native.Uint32(b[8:]), native.Uint64(b[16:]), native.Uint64(b[32:]), native.Uint64(b[40:]), native.Uint64(b[48:])}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:56]) // never fails
	switch {
	case sum.Sum64() != native.Uint64(b[56:]), native.Uint16(page[8:]) != isMeta:
		return m, fmt.Errorf("the meta page at byte %d is damaged", at)
	case m.pageSize < 512 || m.pageSize > 1<<20 || m.high > w.bytes:
		return m, fmt.Errorf("the meta page at byte %d cannot be of this file", at)
	}
	return m, nil
}

// page reads a page with those that it flows over into, and takes them.
func (w *walk) page(id uint64) ([]byte, error) {
	var head [pageHeader]byte
	if id < 2 || id >= w.high {
		return nil, fmt.Errorf("page %d is out of range", id)
	}
	if _, err := w.file.ReadAt(head[:], int64(id*w.pageSize)); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	pages := uint64(native.Uint32(head[12:])) + 1
	if native.Uint64(head[:]) != id || pages > w.high-id {
		return nil, fmt.Errorf("page %d says that it is %d, of %d pages", id, native.Uint64(head[:]), pages)
	}
	for i := id; i < id+pages; i++ {
		if w.seen[i] {
			return nil, fmt.Errorf("page %d is used twice", i)
		}
		w.seen[i] = true
	}
	data := make([]byte, pages*w.pageSize)
	if _, err := w.file.ReadAt(data, int64(id*w.pageSize)); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	return data, nil
}

// free takes the pages of the free list, and those it is written in.
func (w *walk) free(id uint64) error {
	page, err := w.page(id)
	if err != nil {
		return fmt.Errorf("free list: %w", err)
	}
	count, list := uint64(native.Uint16(page[10:])), page[pageHeader:]
	if count == 0xffff { // more than that: the first number says how many
		count, list = native.Uint64(list), list[8:]
	}
	if native.Uint16(page[8:]) != isFree || count > uint64(len(list))/8 {
		return fmt.Errorf("page %d is not a free list", id)
	}
	for i := range count {
		id := native.Uint64(list[8*i:])
		if id < 2 || id >= w.high || w.seen[id] {
			return fmt.Errorf("page %d is in the free list, and is out of range or used", id)
		}
		w.seen[id] = true
	}
	return nil
}

// tree takes a bucket's pages. Their keys are at least low and below high, when
// there is such. The bucket without a name is the root: its values are buckets.
func (w *walk) tree(bucket string, id uint64, low, high []byte) error {
	page, err := w.page(id)
	if err != nil {
		return err
	}
	if err := w.elements(bucket, page, low, high); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func (w *walk) elements(bucket string, page, low, high []byte) error {
	flags, count := native.Uint16(page[8:]), uint64(native.Uint16(page[10:]))
	if flags != isBranch && flags != isLeaf || pageHeader+count*elementSize > uint64(len(page)) {
		return fmt.Errorf("it has flags %#x and %d elements", flags, count)
	}
	if flags == isBranch && count == 0 {
		return errors.New("it is a branch without elements")
	}
	keys := make([][]byte, count)
	for i := range count {
		at := pageHeader + i*elementSize
		position, size := native.Uint32(page[at:]), native.Uint32(page[at+4:])
		if flags == isLeaf {
			position, size = native.Uint32(page[at+4:]), native.Uint32(page[at+8:])
		}
		from := at + uint64(position)
		if from+uint64(size) > uint64(len(page)) {
			return fmt.Errorf("key %d lies outside", i)
		}
		keys[i] = page[from : from+uint64(size)]
		if i > 0 && bytes.Compare(keys[i-1], keys[i]) >= 0 ||
			low != nil && bytes.Compare(keys[i], low) < 0 || high != nil && bytes.Compare(keys[i], high) >= 0 {
			return fmt.Errorf("key %d is out of order", i)
		}
	}
	for i := range count {
		element := page[pageHeader+i*elementSize:]
		if flags == isBranch {
			until := high
			if i+1 < count {
				until = keys[i+1]
			}
			if err := w.tree(bucket, native.Uint64(element[8:]), keys[i], until); err != nil {
				return err
			}
			continue
		}
		kind, from := native.Uint32(element), uint64(native.Uint32(element[4:]))+uint64(native.Uint32(element[8:]))
		to := from + uint64(native.Uint32(element[12:]))
		if to > uint64(len(element)) {
			return fmt.Errorf("value %d lies outside", i)
		}
		if (kind == 1) != (bucket == "") || kind > 1 || !known(bucket, keys[i]) {
			return fmt.Errorf("nobody writes a key %q of kind %d in bucket %q", keys[i], kind, bucket)
		}
		if bucket == "" {
			if err := w.bucket(string(keys[i]), element[from:to]); err != nil {
				return fmt.Errorf("bucket %q: %w", keys[i], err)
			}
		}
	}
	return nil
}

// bucket takes a bucket's pages, or reads the one that a small bucket carries
// in its place.
func (w *walk) bucket(name string, value []byte) error {
	if len(value) < 16 {
		return errors.New("it is cut")
	}
	if root := native.Uint64(value); root != 0 {
		return w.tree(name, root, nil, nil)
	}
	if len(value) < 16+pageHeader {
		return errors.New("it is cut")
	}
	if inline := value[16:]; native.Uint16(inline[8:]) == isLeaf {
		return w.elements(name, inline, nil, nil)
	}
	return errors.New("it carries what is not a leaf")
}

// known tells the keys that raft-boltdb and this package write.
func known(bucket string, key []byte) bool {
	switch bucket {
	case "":
		return string(key) == "conf" || string(key) == "logs"
	case "conf":
		return slices.ContainsFunc(stableKeys, func(k []byte) bool { return bytes.Equal(k, key) })
	default: // logs: an index, from 1 on
		return len(key) == 8 && binary.BigEndian.Uint64(key) > 0
	}
}
