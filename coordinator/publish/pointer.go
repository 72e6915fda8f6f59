package publish

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"rescore/coordinator/ledger"
	"rescore/partition/failpoint"
	"rescore/partition/job"
	"rescore/partition/store"
)

// Pointer names a version as the dataset's current one: when it is published, and
// again when somebody goes back to it.
type Pointer struct {
	Format      int        `json:"format"` // 1
	Dataset     string     `json:"dataset"`
	Epoch       uint64     `json:"epoch"`
	Index       uint64     `json:"index"` // of the seal, or of the rollback
	Version     string     `json:"version"`
	Path        string     `json:"path"` // of the version folder, in the output store
	Job         job.ID     `json:"job"`
	Month       int32      `json:"month"`
	Manifest    string     `json:"manifest_sha256"`
	Digest      string     `json:"digest"`
	Rows        job.Counts `json:"rows"`
	Seconds     float64    `json:"seconds"`
	PublishedAt time.Time  `json:"published_at"`
	Rollback    *Rollback  `json:"rollback,omitempty"` // nil: the version's own pointer
}

// Rollback says who went back to a version, and why.
type Rollback struct {
	Who    string `json:"who"`
	Reason string `json:"reason"`
}

// Back returns the pointer that makes p's version current again: of the epoch that
// is claimed now, and the index of the rollback in the ledger.
func (p Pointer) Back(epoch, index uint64, by Rollback) Pointer {
	p.Epoch, p.Index, p.Rollback = epoch, index, &by
	return p
}

// NewPointer works the pointer to a sealed version out of the ledger.
func NewPointer(v *ledger.Version, m Manifest, manifest string) Pointer {
	return Pointer{
		Format: 1, Dataset: v.Dataset, Epoch: v.Epoch, Index: v.SealIndex, Version: v.ID, Path: VersionPath(m.Month, v.ID),
		Job: v.Job, Month: m.Month, Manifest: manifest, Digest: m.Digest, Rows: m.Rows,
		Seconds: v.Seconds, PublishedAt: time.Unix(0, v.At).UTC(),
	}
}

// Point writes the pointer: after this the version is the dataset's current one,
// unless a higher pointer exists.
func Point(ctx context.Context, st store.Store, p Pointer) error {
	failpoint.Hit("publish.pointer")
	err := putSame(ctx, st, pointersDir+p.name(), mustJSON(p))
	failpoint.Hit("publish.pointed")
	return err
}

// name sorts pointers by age: epoch first, then index.
func (p Pointer) name() string { return fmt.Sprintf("%04d-%020d.json", p.Epoch, p.Index) }

// Pointers returns every pointer of a dataset, oldest first; the last is current.
// A pointer that is not the one its name says is ErrDamaged.
func Pointers(ctx context.Context, st store.Store) ([]Pointer, error) {
	infos, err := st.List(ctx, pointersDir)
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	var pointers []Pointer
	for _, info := range infos { // sorted: epoch, then index
		base := strings.TrimPrefix(info.Name, pointersDir)
		if strings.HasPrefix(base, "epoch-") || path.Ext(base) != ".json" || len(base) != len(Pointer{}.name()) {
			continue
		}
		var p Pointer
		if err := getJSON(ctx, st, info.Name, &p); err != nil {
			return nil, fmt.Errorf("read pointer %s: %w", base, err)
		}
		if p.name() != base {
			return nil, fmt.Errorf("pointer %s is of epoch %d, index %d: %w", base, p.Epoch, p.Index, ErrDamaged)
		}
		pointers = append(pointers, p)
	}
	return pointers, nil
}

// PointerTo returns the version's own pointer.
func PointerTo(ctx context.Context, st store.Store, version string) (Pointer, error) {
	pointers, err := Pointers(ctx, st)
	if err != nil {
		return Pointer{}, err
	}
	for _, p := range pointers {
		if p.Version == version && p.Rollback == nil {
			return p, nil
		}
	}
	return Pointer{}, fmt.Errorf("version %s is not published in %s: %w", version, st, store.ErrNotExist)
}

// Readable returns an error unless a published version is all there: its manifest is
// the one the ledger knows, and every file has the bytes it is to have, by count.
// Missing looks closer.
func Readable(ctx context.Context, st store.Store, v ledger.Version) error {
	p, err := PointerTo(ctx, st, v.ID)
	if err != nil {
		return err
	}
	if p.Manifest != v.ManifestDigest {
		return fmt.Errorf("pointer to %s names another manifest than the ledger: %w", v.ID, ErrDamaged)
	}
	m, err := ReadManifest(ctx, st, p)
	if err != nil {
		return err
	}
	missing, err := Missing(ctx, st, p, m, false)
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("version %s lacks files of %d partitions, %s the first; run them again: %w", v.ID, len(missing), missing[0], ErrDamaged)
	}
	return err
}
