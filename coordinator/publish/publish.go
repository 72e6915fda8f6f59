// Package publish makes versions: it checks a finished job against its gates,
// writes the manifest, and moves the pointer.
//
//	<output>/
//	  _DATASET.json                               whose folder this is
//	  _published/epoch-0001.json                  which ledger may publish under epoch 1
//	  _published/0001-00000000000000000042.json   pointer: epoch, raft index; the highest wins
//	  _staging/<job>/part-00000-….parquet         attempts; never renamed, swept later
//	  month=201011/version=v0001-0000000042/
//	    part-00000-….parquet …                    exactly the manifest's files
//	    _rejects/rejects-00000-….csv
//	    _MANIFEST.json                            content-addressed: the pointer names its SHA-256
//	    _SUCCESS                                  written after everything above
//
// Everything written here is worked out from the ledger alone, so any leader
// writes the same bytes, and doing it again after a crash changes nothing. The
// pointer is last: until it exists nobody reads the version. A leader that was
// deposed while publishing can only write a lower pointer, or the same one (I4).
package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"rescore/coordinator/ledger"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
)

// Errors.
var (
	// ErrOtherDataset is returned when the output folder belongs to another dataset.
	ErrOtherDataset = errors.New("the output folder belongs to another dataset")
	// ErrDamaged is returned when a published file is not what the pointer or the
	// manifest says.
	ErrDamaged = errors.New("published file is damaged")
)

const (
	smallMax    = 64 << 20 // manifests of 100 000 partitions stay below
	pointersDir = "_published/"
)

// Manifest is a version, complete: _MANIFEST.json.
type Manifest struct {
	Format     int             `json:"format"` // 1
	Dataset    string          `json:"dataset"`
	Version    string          `json:"version"`
	Job        job.ID          `json:"job"`
	Month      int32           `json:"month"`
	Digest     string          `json:"digest"` // of the rows: see Digest
	Rows       job.Counts      `json:"rows"`
	Tally      job.Tally       `json:"tally"`
	Schema     string          `json:"schema"` // fingerprint of the score record
	Model      string          `json:"model_digest"`
	Rules      string          `json:"rules_digest"`
	Spec       json.RawMessage `json:"spec"` // effective configuration
	Input      []job.InputFile `json:"input"`
	Partitions []Partition     `json:"partitions"`
}

// Partition is one partition of a version.
type Partition struct {
	Range  string        `json:"segments"` // 1380013-1380096
	Rows   job.Counts    `json:"rows"`
	Keys   partition.Sum `json:"keys"`
	RowSum partition.Sum `json:"row_sum"`
	Token  job.Token     `json:"token"`
	Files  []job.File    `json:"files"` // paths relative to the version folder
	staged []string
}

// Pointer names a version as the dataset's current one.
type Pointer struct {
	Format      int        `json:"format"` // 1
	Dataset     string     `json:"dataset"`
	Epoch       uint64     `json:"epoch"`
	Index       uint64     `json:"index"`
	Version     string     `json:"version"`
	Path        string     `json:"path"` // of the version folder, in the output store
	Job         job.ID     `json:"job"`
	Month       int32      `json:"month"`
	Manifest    string     `json:"manifest_sha256"`
	Digest      string     `json:"digest"`
	Rows        job.Counts `json:"rows"`
	Seconds     float64    `json:"seconds"`
	PublishedAt time.Time  `json:"published_at"`
}

// Digest is the version's own digest: SHA-256 over the score record's
// fingerprint, the month, the counts and the row sum. It depends on rows alone:
// not on how they were partitioned, who scored them, or how often it was tried (I5).
func Digest(schema string, month int32, rows job.Counts, sum partition.Sum) string {
	h := sha256.New()
	fmt.Fprintf(h, "rescore version 1\nschema %s\nmonth %d\nin %d\nscored %d\nexcluded %d\nrejected %d\nduplicate %d\nrows %s\n",
		schema, month, rows.In, rows.Scored, rows.Excluded, rows.Rejected, rows.Duplicate, sum)
	return hex.EncodeToString(h.Sum(nil))
}

// Refusal is a gate that a version's rows do not pass.
type Refusal struct {
	Gate         string // the key in the job file, or what is missing
	Rows, In     int64
	Value, Limit float64 // shares
}

// String is the refusal with its figures.
func (r Refusal) String() string {
	return fmt.Sprintf("%s: %d of %d rows are %.4f %%, the limit is %s %%", r.Gate, r.Rows, r.In, 100*r.Value, strconv.FormatFloat(100*r.Limit, 'g', 6, 64))
}

// Gate returns the gates that rows do not pass.
func Gate(rows job.Counts, gates job.Gates) []Refusal {
	var refused []Refusal
	share := func(gate string, n int64, limit float64) {
		if s := float64(n) / float64(max(rows.In, 1)); s > limit {
			refused = append(refused, Refusal{gate, n, rows.In, s, limit})
		}
	}
	share("gates.reject_share_max", rows.Rejected, gates.RejectShareMax)
	share("gates.duplicate_share_max", rows.Duplicate, gates.DuplicateShareMax)
	return refused
}

// Claim makes sure the output folder is this dataset's and returns the epoch
// under which the ledger may publish there: the one it holds already, or the
// next free one. A ledger started afresh thus never publishes below an older one.
func Claim(ctx context.Context, st store.Store, dataset, ledger string) (uint64, error) {
	if err := own(ctx, st, dataset); err != nil {
		return 0, err
	}
	for epoch := uint64(1); ; epoch++ {
		name := fmt.Sprintf("%sepoch-%04d.json", pointersDir, epoch)
		err := st.Put(ctx, name, mustJSON(map[string]string{"ledger": ledger}))
		if err == nil {
			return epoch, nil
		}
		if !errors.Is(err, store.ErrExist) {
			return 0, fmt.Errorf("claim epoch %d: %w", epoch, err)
		}
		var holder struct {
			Ledger string `json:"ledger"`
		}
		if err := getJSON(ctx, st, name, &holder); err != nil {
			return 0, fmt.Errorf("read epoch %d: %w", epoch, err)
		}
		if holder.Ledger == ledger {
			return epoch, nil
		}
	}
}

// own claims the folder for the dataset, or finds it claimed already.
func own(ctx context.Context, st store.Store, dataset string) error {
	const name = "_DATASET.json"
	err := st.Put(ctx, name, mustJSON(map[string]any{"format": 1, "dataset": dataset}))
	if err == nil || !errors.Is(err, store.ErrExist) {
		return err
	}
	var owner struct {
		Dataset string `json:"dataset"`
	}
	if err := getJSON(ctx, st, name, &owner); err != nil {
		return err
	}
	if owner.Dataset != dataset {
		return fmt.Errorf("%s holds dataset %q and this job publishes %q; give the job another output.path, or the dataset's name: %w", st, owner.Dataset, dataset, ErrOtherDataset)
	}
	return nil
}

// NewManifest works a sealed job's manifest out of the ledger.
func NewManifest(j *ledger.Job, spec job.Spec, fingerprint string) Manifest {
	v, score := j.Version, j.Score()
	m := Manifest{
		Format: 1, Dataset: v.Dataset, Version: v.ID, Job: j.ID, Month: spec.Month,
		Digest: Digest(fingerprint, spec.Month, v.Counts, v.Digest),
		Rows:   v.Counts, Tally: score.Totals().Tally, Schema: fingerprint,
		Model: j.Facts.Model, Rules: j.Facts.Rules, Spec: j.Spec, Input: j.Facts.Files,
	}
	for i := range score.Tasks {
		t := &score.Tasks[i]
		p := Partition{Range: t.Range.String(), Rows: t.Result.Counts, Keys: t.Result.Keys, RowSum: t.Result.Rows, Token: t.Token}
		for _, f := range t.Result.Files {
			p.staged = append(p.staged, f.Path)
			f.Path = path.Base(f.Path)
			if f.Kind == job.FileRejects {
				f.Path = "_rejects/" + f.Path
			}
			p.Files = append(p.Files, f)
		}
		m.Partitions = append(m.Partitions, p)
	}
	return m
}

// NewPointer works the pointer to a sealed version out of the ledger.
func NewPointer(v *ledger.Version, m Manifest, manifest string) Pointer {
	return Pointer{
		Format: 1, Dataset: v.Dataset, Epoch: v.Epoch, Index: v.SealIndex, Version: v.ID, Path: VersionPath(m.Month, v.ID),
		Job: v.Job, Month: m.Month, Manifest: manifest, Digest: m.Digest, Rows: m.Rows,
		Seconds: v.Seconds, PublishedAt: time.Unix(0, v.At).UTC(),
	}
}

// VersionPath is the folder of a version in the output store.
func VersionPath(month int32, version string) string {
	return fmt.Sprintf("month=%06d/version=%s", month, version)
}

// Write makes the version readable under its own folder: files adopted, manifest,
// _SUCCESS, in that order. It returns the manifest's SHA-256. Writing it again,
// here or on another leader, finds every object in place and checks it.
func Write(ctx context.Context, st store.Store, m Manifest) (string, error) {
	dir := VersionPath(m.Month, m.Version)
	for _, p := range m.Partitions {
		for i, f := range p.Files {
			if err := st.Adopt(ctx, p.staged[i], dir+"/"+f.Path); err != nil && !errors.Is(err, store.ErrExist) {
				return "", fmt.Errorf("adopt %s: %w", f.Path, err)
			}
		}
	}
	data, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return "", fmt.Errorf("encode manifest: %w", err)
	}
	if err := putSame(ctx, st, dir+"/_MANIFEST.json", append(data, '\n')); err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(data, '\n'))
	if err := putSame(ctx, st, dir+"/_SUCCESS", nil); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum[:]), nil
}

// Point writes the pointer: after this the version is the dataset's current one,
// unless a higher pointer exists.
func Point(ctx context.Context, st store.Store, p Pointer) error {
	return putSame(ctx, st, fmt.Sprintf("%s%04d-%020d.json", pointersDir, p.Epoch, p.Index), mustJSON(p))
}

// Pointers returns every pointer of a dataset, oldest first; the last is current.
func Pointers(ctx context.Context, st store.Store) ([]Pointer, error) {
	infos, err := st.List(ctx, pointersDir)
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	var pointers []Pointer
	for _, info := range infos { // sorted: epoch, then index
		base := strings.TrimPrefix(info.Name, pointersDir)
		if strings.HasPrefix(base, "epoch-") || path.Ext(base) != ".json" || len(base) != len("0001-00000000000000000042.json") {
			continue
		}
		var p Pointer
		if err := getJSON(ctx, st, info.Name, &p); err != nil {
			return nil, fmt.Errorf("read pointer %s: %w", base, err)
		}
		pointers = append(pointers, p)
	}
	return pointers, nil
}

// ReadManifest returns the manifest a pointer names, checked against its SHA-256.
func ReadManifest(ctx context.Context, st store.Store, p Pointer) (Manifest, error) {
	var m Manifest
	data, err := st.Get(ctx, p.Path+"/_MANIFEST.json", smallMax)
	if err != nil {
		return m, fmt.Errorf("read manifest of %s: %w", p.Version, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != p.Manifest {
		return m, fmt.Errorf("manifest of %s is not the one the pointer names: %w", p.Version, ErrDamaged)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("read manifest of %s: %w", p.Version, err)
	}
	return m, nil
}

// putSame writes an object, or finds it written with the same bytes.
func putSame(ctx context.Context, st store.Store, name string, data []byte) error {
	err := st.Put(ctx, name, data)
	if !errors.Is(err, store.ErrExist) {
		return err
	}
	there, err := st.Get(ctx, name, smallMax)
	if err != nil {
		return fmt.Errorf("compare with the %s already written: %w", name, err)
	}
	if !bytes.Equal(there, data) {
		return fmt.Errorf("%s is already there with other bytes: %w", name, ErrDamaged)
	}
	return nil
}

func getJSON(ctx context.Context, st store.Store, name string, v any) error {
	data, err := st.Get(ctx, name, smallMax)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("publish: encode %T: %v", v, err)) // plain structs: a bug
	}
	return append(data, '\n')
}
