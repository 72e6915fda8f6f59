package comparison

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"sort"
	"strings"

	"rescore/partition"
	"rescore/partition/schema"
	"rescore/partition/store"
)

// Version is a published version, as far as it is compared.
type Version struct {
	ID, Job, Digest, Model, Rules string
	Month                         int32
	Schema                        string
	Rows                          int64  // scored
	Parts                         []Part // by range; they cover the number space
}

// Part is one partition.
type Part struct {
	Range    partition.Range
	Path     string // of its score file in the store; "" when no row was scored
	Rows     int64
	Features []string // what its reasons mean
}

// What is read of a pointer and of a manifest: package publish, which writes them, is
// the coordinator's.
type (
	pointer struct {
		Version  string `json:"version"`
		Path     string `json:"path"`
		Manifest string `json:"manifest_sha256"`
	}
	manifest struct {
		Version     string                  `json:"version"`
		Job         string                  `json:"job"`
		Month       int32                   `json:"month"`
		Digest      string                  `json:"digest"`
		Rows        struct{ Scored int64 }  `json:"rows"`
		Schema      string                  `json:"schema"`
		Model       string                  `json:"model_digest"`
		Features    []string                `json:"model_features"`
		Rules       string                  `json:"rules_digest"`
		Challengers []struct{ Name string } `json:"challengers"`
		Origins     []struct {
			Job      string   `json:"job"`
			Features []string `json:"model_features"`
		} `json:"origins"`
		Partitions []struct {
			Range partition.Range        `json:"segments"`
			Rows  struct{ Scored int64 } `json:"rows"`
			Job   string                 `json:"job"`
			Files []struct {
				Path string `json:"path"`
			} `json:"files"`
		} `json:"partitions"`
	}
)

const (
	pointersDir = "_published/"
	pointerMax  = 1 << 20
	manifestMax = 2 << 30
)

// Open reads what is published of a version in a dataset's folder.
func Open(ctx context.Context, st store.Store, id string) (Version, error) {
	p, err := find(ctx, st, id)
	if err != nil {
		return Version{}, err
	}
	data, err := st.Get(ctx, p.Path+"/_MANIFEST.json", manifestMax)
	if err != nil {
		return Version{}, fmt.Errorf("read manifest of %s: %w", id, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != p.Manifest {
		return Version{}, fmt.Errorf("manifest of %s is not the one the pointer names: %w", id, ErrDamaged)
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return Version{}, fmt.Errorf("read manifest of %s: %w: %w", id, ErrDamaged, err)
	}
	return m.version(p.Path)
}

// find returns a pointer to the version.
func find(ctx context.Context, st store.Store, id string) (pointer, error) {
	infos, err := st.List(ctx, pointersDir)
	if err != nil {
		return pointer{}, fmt.Errorf("list versions: %w", err)
	}
	for _, info := range infos {
		base := strings.TrimPrefix(info.Name, pointersDir)
		if strings.HasPrefix(base, "epoch-") || path.Ext(base) != ".json" {
			continue
		}
		data, err := st.Get(ctx, info.Name, pointerMax)
		if err != nil {
			return pointer{}, fmt.Errorf("read pointer %s: %w", base, err)
		}
		var p pointer
		if err := json.Unmarshal(data, &p); err != nil {
			return pointer{}, fmt.Errorf("read pointer %s: %w: %w", base, ErrDamaged, err)
		}
		if p.Version == id {
			return p, nil
		}
	}
	return pointer{}, fmt.Errorf("no version %s is published in %s: %w", id, st, store.ErrNotExist)
}

func (m manifest) version(dir string) (Version, error) {
	v := Version{ID: m.Version, Job: m.Job, Digest: m.Digest, Model: m.Model, Rules: m.Rules, Month: m.Month, Schema: m.Schema, Rows: m.Rows.Scored}
	var challengers []string
	for _, c := range m.Challengers {
		challengers = append(challengers, c.Name)
	}
	if m.Schema != schema.Fingerprint(schema.PublishedWith(challengers)) {
		return v, fmt.Errorf("version %s was written by another release of rescore, whose rows have other columns; use that release, or run the job again", v.ID)
	}
	features := map[string][]string{"": m.Features}
	for _, o := range m.Origins {
		features[o.Job] = o.Features
	}
	var ranges []partition.Range
	for _, p := range m.Partitions {
		part := Part{Range: p.Range, Rows: p.Rows.Scored, Features: features[p.Job]}
		if part.Rows > 0 && len(p.Files) > 0 {
			part.Path = dir + "/" + p.Files[0].Path // the scores come first
		}
		v.Parts, ranges = append(v.Parts, part), append(ranges, p.Range)
	}
	if err := partition.CheckCover(partition.Whole, ranges); err != nil {
		return v, fmt.Errorf("version %s: %w: %w", v.ID, ErrDamaged, err)
	}
	return v, nil
}

// meeting returns the partitions that have numbers in a range.
func (v Version) meeting(r partition.Range) []Part {
	at := sort.Search(len(v.Parts), func(i int) bool { return v.Parts[i].Range.Past > r.First })
	past := sort.Search(len(v.Parts), func(i int) bool { return v.Parts[i].Range.First >= r.Past })
	return v.Parts[at:past]
}

func (v Version) side() Side {
	return Side{Version: v.ID, Job: v.Job, Month: v.Month, Digest: v.Digest, Model: v.Model, Rules: v.Rules, Rows: v.Rows}
}
