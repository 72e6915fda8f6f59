package fault

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// verify holds a finished job to what was promised of it, reading nothing but its
// output folder: one version, whole, of the very rows that one process makes.
func (c *cluster) verify(s submission) {
	c.Helper()
	pointers, err := filepath.Glob(filepath.Join(s.out, "_published", "[0-9]*.json"))
	if err != nil || len(pointers) != 1 {
		c.Errorf("job %s: %d pointers: %v", s.id, len(pointers), err)
		return
	}
	var pointer struct {
		Job, Path, Digest string
		Manifest          string `json:"manifest_sha256"`
	}
	c.readJSON(pointers[0], &pointer)
	if pointer.Job != s.id || pointer.Digest != s.digest {
		c.Errorf("job %s: the pointer is of job %s, digest %s, want %s", s.id, pointer.Job, pointer.Digest, s.digest)
	}
	folder := filepath.Join(s.out, filepath.FromSlash(pointer.Path))
	data, err := os.ReadFile(filepath.Join(folder, "_MANIFEST.json"))
	if err != nil {
		c.Errorf("job %s: %v", s.id, err)
		return
	}
	if hash(data) != pointer.Manifest {
		c.Errorf("job %s: the manifest is not the pointer's", s.id)
	}
	type part struct {
		Rows  struct{ In, Scored, Duplicate, Excluded, Rejected int64 }
		Files []struct {
			Path, SHA256 string
			Rows, Bytes  int64
		}
	}
	var manifest struct {
		Rows               struct{ In, Scored int64 }
		Partitions, Intake []part
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		c.Errorf("job %s: %v", s.id, err)
		return
	}
	named := map[string]bool{"_MANIFEST.json": true, "_SUCCESS": true}
	seen := map[uint64]bool{}
	var rows, refused, ledger int64
	for i, p := range append(manifest.Partitions, manifest.Intake...) {
		rows += p.Rows.In
		refused += p.Rows.Duplicate + p.Rows.Excluded + p.Rows.Rejected
		if i >= len(manifest.Partitions) {
			rows -= p.Rows.Scored // which a partition has
		}
		for _, f := range p.Files {
			named[f.Path] = true
			if strings.HasPrefix(f.Path, "_rejects/") {
				ledger += f.Rows
			}
			data, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(f.Path)))
			if err != nil || hash(data) != f.SHA256 {
				c.Errorf("job %s: %s is not the manifest's: %v", s.id, f.Path, err)
				continue
			}
			if filepath.Ext(f.Path) == ".parquet" {
				c.once(s, f.Path, data, seen)
			}
		}
	}
	if rows != s.rows || manifest.Rows.In != s.rows || int64(len(seen)) != s.scored || manifest.Rows.Scored != s.scored {
		c.Errorf("job %s: %d rows in partitions, %d in all, %d numbers, %d kept; want %d and %d", s.id, rows, manifest.Rows.In, len(seen), manifest.Rows.Scored, s.rows, s.scored)
	}
	if len(manifest.Intake) > 0 && ledger != refused || refused != s.rows-s.scored {
		c.Errorf("job %s: %d rows are in the reject ledger, %d were refused, of %d", s.id, ledger, refused, s.rows-s.scored)
	}
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if !named[filepath.ToSlash(name)] {
			c.Errorf("job %s: %s lies in the version and no manifest names it", s.id, name)
		}
		return err
	})
	if err != nil {
		c.Errorf("job %s: %v", s.id, err)
	}
}

// once notes the numbers of a score file; one that was there before is an error (I1).
func (c *cluster) once(s submission, name string, data []byte, seen map[uint64]bool) {
	type row struct {
		Msisdn uint64 `parquet:"msisdn"`
	}
	rows, err := parquet.Read[row](bytes.NewReader(data), int64(len(data)))
	if err != nil {
		c.Errorf("job %s: read %s: %v", s.id, name, err)
	}
	for _, r := range rows {
		if seen[r.Msisdn] {
			c.Errorf("job %s: a subscriber of %s is there twice", s.id, name)
			return
		}
		seen[r.Msisdn] = true
	}
}

// silent looks for subscribers in every log, ledger and failpoint file of the
// cluster (I8): eleven digits that are a number of the base, as text.
func (c *cluster) silent() {
	c.Helper()
	base := map[string]bool{}
	type row struct {
		Msisdn uint64 `parquet:"msisdn"`
	}
	parts, _ := filepath.Glob(filepath.Join(c.scores.alone, "out", "month=*", "version=*", "part-*.parquet"))
	prepared, _ := filepath.Glob(filepath.Join(c.prepares.alone, "out", "month=*", "version=*", "part-*.parquet"))
	if len(parts) == 0 || len(prepared) == 0 {
		c.Fatal("the single process left no score file, or no base")
	}
	parts = append(parts, prepared...)
	for _, part := range parts {
		rows, err := parquet.ReadFile[row](part)
		if err != nil {
			c.Fatal(err)
		}
		for _, r := range rows {
			if r.Msisdn%10_000 != 0 { // where a segment begins, a range may
				base[strconv.FormatUint(r.Msisdn, 10)] = true
			}
		}
	}
	eleven := regexp.MustCompile(`1[3-9][0-9]{9}`)
	for _, p := range c.All() {
		err := filepath.WalkDir(p.Dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			for _, number := range eleven.FindAll(data, -1) {
				if base[string(number)] {
					c.Errorf("a subscriber's number stands in %s", strings.TrimPrefix(path, c.Dir))
					return nil
				}
			}
			return err
		})
		if err != nil {
			c.Error(err)
		}
	}
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (c *cluster) readJSON(path string, v any) {
	c.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		c.Errorf("read %s: %v", filepath.Base(path), err)
	}
}
