package sink

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"rescore/partition/job"
	"rescore/partition/store"
)

// rejects writes the reject file: CSV (RFC 4180 with plain line feeds), one
// line for each row that is rejected or a duplicate, in the order they came.
// It says where a row is, never which number or value stands there.
type rejects struct {
	name string
	out  *output
	line []byte
	rows int64
}

const rejectHeader = "file,row,field,reason\n"

func createRejects(ctx context.Context, st store.Store, name string) (*rejects, error) {
	w, err := st.Create(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("stage rejects: %w", err)
	}
	r := &rejects{name: name, out: newOutput(w)}
	if _, err := r.out.Write([]byte(rejectHeader)); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", name, err), w.Close())
	}
	return r, nil
}

func (r *rejects) add(file string, row int64, field string, reason job.Reason) error {
	r.line = appendCSV(r.line[:0], file)
	r.line = strconv.AppendInt(append(r.line, ','), row, 10)
	r.line = appendCSV(append(r.line, ','), field)
	r.line = append(append(r.line, ','), reason.String()...)
	r.line = append(r.line, '\n')
	r.rows++
	if _, err := r.out.Write(r.line); err != nil {
		return fmt.Errorf("write %s: %w", r.name, err)
	}
	return nil
}

func (r *rejects) commit() (job.File, error) {
	if err := r.out.commit(); err != nil {
		return job.File{}, fmt.Errorf("finish %s: %w", r.name, err)
	}
	digest := hex.EncodeToString(r.out.hash.Sum(nil))
	return job.File{Kind: job.FileRejects, Path: r.name, Rows: r.rows, Bytes: r.out.offset, SHA256: digest, Content: digest}, nil
}

// appendCSV appends a field, quoted where it must be.
func appendCSV(dst []byte, s string) []byte {
	if !strings.ContainsAny(s, ",\"\r\n") {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}
