package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"rescore/coordinator/api"
)

// ErrBackup is returned for a backup that did not come whole.
var ErrBackup = errors.New("backup is not whole")

// Backup writes the cluster's ledger to w and returns its size in bytes. It checks the
// length and the digest that the backup's first line promises.
func (c *Client) Backup(ctx context.Context, w io.Writer) (int64, error) {
	r, err := c.do(ctx, slow, http.MethodGet, "/v1/backup", nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = r.Body.Close() }()
	in := bufio.NewReader(r.Body)
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, fmt.Errorf("%w: no first line: %w", ErrBackup, err)
	}
	var head struct {
		Bytes  int64  `json:"bytes"`
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return 0, fmt.Errorf("%w: its first line is none: %w", ErrBackup, err)
	}
	if _, err := w.Write(line); err != nil {
		return 0, fmt.Errorf("write the backup: %w", err)
	}
	size, sum := int64(len(line)), sha256.New()
	n, err := io.Copy(io.MultiWriter(w, sum), in)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	if n != head.Bytes || hex.EncodeToString(sum.Sum(nil)) != head.SHA256 {
		return 0, fmt.Errorf("%w: %d of %d bytes came, or others; ask again", ErrBackup, n, head.Bytes)
	}
	return size + n, nil
}

// Restore puts a backup in the place of the cluster's ledger. force does it where there
// are jobs, which are gone then.
func (c *Client) Restore(ctx context.Context, backup []byte, force bool) (api.Restored, error) {
	if !bytes.HasPrefix(backup, []byte("{")) {
		return api.Restored{}, fmt.Errorf("%w: it is none of a ledger", ErrBackup)
	}
	return askRaw[api.Restored](ctx, c, slow, http.MethodPost, "/v1/restore"+query(force), backup)
}
