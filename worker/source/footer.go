package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"

	"rescore/worker/compact"
)

// Limits on what a Parquet file may ask for before anything is allocated.
const (
	footerBytesMax = 32 << 20
	pageBytesMax   = 256 << 20
	pageHeaderMax  = 1 << 20
	schemaDepthMax = 64
	// pageRatioMax bounds how far a page larger than pageRatioFrom may expand.
	// Runs of one value compress a thousandfold and more, but only small pages do.
	pageRatioMax  = 1 << 12
	pageRatioFrom = 16 << 20
)

const magic = "PAR1"

// Sized is bytes that can be read anywhere, and how many there are.
type Sized interface {
	io.ReaderAt
	Size() int64
}

// CheckFooter reads the end of a Parquet file and walks its metadata without
// building it: list sizes are bounded by the bytes that are there, so that a
// footer of a hundred bytes cannot ask for a gigabyte.
func CheckFooter(obj Sized) error {
	size := obj.Size()
	if size == 0 {
		return fmt.Errorf("the file is empty; write it again, or move it out of the input: %w", ErrFormat)
	}
	if size < int64(len(magic)+8) {
		return fmt.Errorf("%d bytes are too few for a Parquet file: %w", size, ErrFormat)
	}
	var head [4]byte
	if err := readFull(obj, head[:], 0); err != nil {
		return err
	}
	var tail [8]byte
	if err := readFull(obj, tail[:], size-8); err != nil {
		return err
	}
	if string(head[:]) == "PARE" || string(tail[4:]) == "PARE" {
		return fmt.Errorf("encrypted Parquet is not read, decrypt it first: %w", ErrFormat)
	}
	if string(head[:]) != magic {
		return fmt.Errorf("no Parquet magic at the start, so it is no Parquet file; write it again, or set input.format: %w", ErrFormat)
	}
	if string(tail[4:]) != magic {
		return fmt.Errorf("no Parquet magic at the end, the file may be truncated; copy it again, whole: %w", ErrFormat)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if n > size-int64(len(magic)+8) {
		return corrupt("a footer of %d bytes in a file of %d", n, size)
	}
	if n > footerBytesMax {
		return corrupt("a footer of %d bytes, at most %d are read", n, footerBytesMax)
	}
	b := make([]byte, n)
	if err := readFull(obj, b, size-8-n); err != nil {
		return err
	}
	if _, err := compact.Check(b); err != nil {
		return fmt.Errorf("footer: %w", corrupt("%w", err))
	}
	if err := checkOutline(b); err != nil {
		return fmt.Errorf("footer: %w", err)
	}
	return nil
}

// outline is the part of a footer that decides how much is made of it: the path of
// every column has as many names as it is deep, and every column has a place in every
// row group.
type outline struct {
	Schema []struct {
		Children thrift.Null[int32] `thrift:"5,optional"`
	} `thrift:"2,required"`
	RowGroups []struct {
		Columns []struct{} `thrift:"1,required"`
	} `thrift:"4,required"`
}

// checkOutline refuses a schema that is no tree, or a deep one, and row groups that
// lack columns. CheckFooter has walked the footer, so its lists are as long as they say.
func checkOutline(footer []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = corrupt("decoder panicked: %v", p)
		}
	}()
	var o outline
	if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(bytes.NewReader(footer))).Decode(&o); err != nil {
		return corrupt("%v", err)
	}
	leaves := 0
	open := []int32{1} // children to come of each element above
	for _, e := range o.Schema {
		for len(open) > 0 && open[len(open)-1] == 0 {
			open = open[:len(open)-1]
		}
		if len(open) == 0 {
			return corrupt("the schema has elements that belong to none")
		}
		open[len(open)-1]--
		switch {
		case e.Children.V < 0 || int(e.Children.V) >= len(o.Schema):
			return corrupt("the schema states %d children in %d elements", e.Children.V, len(o.Schema))
		case e.Children.V == 0:
			leaves++
		case len(open) > schemaDepthMax:
			return corrupt("the schema nests deeper than %d", schemaDepthMax)
		default:
			open = append(open, e.Children.V)
		}
	}
	for _, n := range open {
		if n > 0 {
			return corrupt("the schema lacks elements")
		}
	}
	for i, g := range o.RowGroups {
		if len(g.Columns) != leaves {
			return corrupt("row group %d has %d columns where the schema has %d", i, len(g.Columns), leaves)
		}
	}
	return nil
}

// readFull fills p from off, or says that the file ends early.
func readFull(obj Sized, p []byte, off int64) error {
	n, err := obj.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || n < len(p) && off+int64(len(p)) > obj.Size() {
		return corrupt("the file ends at byte %d", off+int64(n))
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("read %d bytes at %d: %w: the file was cut: %w", len(p), off, err, ErrChanged)
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(p), off, err)
}
