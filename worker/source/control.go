package source

import (
	"bytes"
	"context"
	"crypto/md5"  //nolint:gosec // what the exporting systems write; it guards against accidents
	"crypto/sha1" //nolint:gosec // the same
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"rescore/partition/job"
	"rescore/partition/store"
)

// controlBytesMax bounds a control file.
const controlBytesMax = 1 << 20

// control is what a control file says of a file of the input.
type control struct {
	name  string // of the control file
	rows  int64  // -1: nothing
	bytes int64  // -1: nothing
	sums  map[string][]byte
}

var controlSums = map[string]func() hash.Hash{"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New}

// controlNames returns the names that the control file of a file may have, and stems
// the names that it may call the file by.
func controlNames(name, suffix string) (names, stems []string) {
	stem := name
	for {
		names = append(names, stem+suffix)
		stems = append(stems, path.Base(stem))
		ext := path.Ext(stem)
		if ext == "" || ext == path.Base(stem) || len(names) == 3 {
			return names, stems
		}
		packed := strings.EqualFold(ext, ".gz") || strings.EqualFold(ext, ".zst")
		if stem = strings.TrimSuffix(stem, ext); !packed {
			return append(names, stem+suffix), append(stems, path.Base(stem))
		}
	}
}

// openControl reads the control file of a file.
func openControl(ctx context.Context, st store.Store, name string, spec job.Control) (*control, error) {
	names, stems := controlNames(name, spec.Suffix)
	for _, at := range names {
		obj, err := st.Open(ctx, at)
		if errors.Is(err, store.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		text := make([]byte, min(obj.Size(), controlBytesMax+1))
		err = errors.Join(readFull(obj, text, 0), obj.Close())
		if err == nil && len(text) > controlBytesMax {
			err = fmt.Errorf("it is larger than %d bytes: %w", controlBytesMax, ErrControl)
		}
		var c *control
		if err == nil {
			c, err = parseControl(text, stems, spec)
		}
		if err != nil {
			return nil, fmt.Errorf("control file %s: %w", at, err)
		}
		c.name = at
		return c, nil
	}
	return nil, fmt.Errorf("there is no control file %s; the export may not be done: wait for it, or remove control from the job file: %w", strings.Join(names, " or "), ErrControl)
}

// parseControl reads the line about the file that has one of the names.
func parseControl(text []byte, names []string, spec job.Control) (*control, error) {
	var found *control
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		cells := strings.Fields(line)
		if spec.Delimiter != "" {
			cells = strings.Split(line, spec.Delimiter)
		}
		if n := len(cells); n == len(spec.Fields)+1 && cells[n-1] == "" { // the line ends with a delimiter
			cells = cells[:n-1]
		}
		if len(cells) != len(spec.Fields) {
			return nil, fmt.Errorf("line %d has %d fields, control.fields lists %d: %w", i+1, len(cells), len(spec.Fields), ErrControl)
		}
		c, about, err := parseControlLine(cells, names, spec.Fields)
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		case !about:
		case found != nil:
			return nil, fmt.Errorf("line %d is the second one about the file; name the field that tells files apart file, in control.fields: %w", i+1, ErrControl)
		default:
			found = c
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no line is about the file: %w", ErrControl)
	}
	return found, nil
}

func parseControlLine(cells, names, fields []string) (c *control, about bool, err error) {
	c, about = &control{rows: -1, bytes: -1, sums: map[string][]byte{}}, true
	for i, field := range fields {
		cell := strings.TrimSpace(cells[i])
		switch field {
		case "file":
			about = false
			base := path.Base(strings.ReplaceAll(strings.TrimPrefix(cell, "*"), `\`, "/")) // as md5sum and Windows write it
			for _, name := range names {
				about = about || base == name
			}
		case "rows", "bytes":
			v, err := strconv.ParseInt(cell, 10, 64)
			if err != nil || v < 0 {
				return nil, false, fmt.Errorf("%s %q is not a count: %w", field, cell, ErrControl)
			}
			if field == "rows" {
				c.rows = v
			} else {
				c.bytes = v
			}
		case "skip":
		default:
			sum, err := hex.DecodeString(cell)
			if err != nil || len(sum) != controlSums[field]().Size() {
				return nil, false, fmt.Errorf("%s %q is not %d hexadecimal digits: %w", field, cell, 2*controlSums[field]().Size(), ErrControl)
			}
			c.sums[field] = sum
		}
	}
	return c, about, nil
}

func (c *control) differs(what string, says, is any) error {
	return fmt.Errorf("%s says %s %v, the file has %v: %w", c.name, what, says, is, ErrControl)
}

// holds compares the size of a file with what its control file says.
func (c *control) holds(f *inputFile) error {
	if n := f.obj.Size(); c.bytes >= 0 && c.bytes != n {
		return c.differs("bytes", c.bytes, n)
	}
	return nil
}

// controlled compares what the survey found of every file with what its control file
// says, and sums up the files whose sums those say.
func (d *Dataset) controlled(ctx context.Context, files []job.InputFile, workers int) error {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(max(workers, 1))
	for _, is := range files {
		f := d.byPath[is.Path]
		if f == nil || f.control == nil {
			continue
		}
		group.Go(func() error {
			c := f.control
			if c.rows >= 0 && c.rows != is.Rows {
				return inFile(f.name, c.differs("rows", c.rows, is.Rows))
			}
			return inFile(f.name, c.sum(gctx, f.obj))
		})
	}
	return group.Wait()
}

// sum compares the sums of a file.
func (c *control) sum(ctx context.Context, obj store.Object) error {
	if len(c.sums) == 0 {
		return nil
	}
	all := map[string]hash.Hash{}
	var to []io.Writer
	for name := range c.sums {
		all[name] = controlSums[name]()
		to = append(to, all[name])
	}
	from := io.NewSectionReader(obj, 0, obj.Size())
	into := io.MultiWriter(to...)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if n, err := io.CopyN(into, from, 64<<20); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("sum up %d bytes: %w", n, err)
		}
	}
	for _, name := range []string{"md5", "sha1", "sha256"} {
		if says, ok := c.sums[name]; ok && !bytes.Equal(says, all[name].Sum(nil)) {
			return c.differs(name, hex.EncodeToString(says), hex.EncodeToString(all[name].Sum(nil)))
		}
	}
	return nil
}
