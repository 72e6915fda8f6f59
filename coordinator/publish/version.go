package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"rescore/partition/job"
	"rescore/partition/store"
)

// VersionPath is the folder of a version in the output store.
func VersionPath(month int32, version string) string {
	return fmt.Sprintf("month=%06d/version=%s", month, version)
}

// Write makes the version readable under its own folder: files adopted, manifest,
// _SUCCESS, in that order. It returns the manifest's SHA-256. Writing it again,
// here or on another leader, finds every object in place and checks it: one that
// is another is ErrDamaged, and nothing after it is written.
func Write(ctx context.Context, st store.Store, m Manifest) (string, error) {
	dir := VersionPath(m.Month, m.Version)
	names := map[string]bool{}
	for _, p := range m.Partitions {
		for i, f := range p.Files {
			if names[f.Path] {
				return "", fmt.Errorf("adopt %s: two partitions have a file of that name", f.Path)
			}
			names[f.Path] = true
			if err := adopt(ctx, st, p.staged[i], dir+"/"+f.Path, f); err != nil {
				return "", fmt.Errorf("adopt %s: %w", f.Path, err)
			}
		}
	}
	data, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return "", fmt.Errorf("encode manifest: %w", err)
	}
	data = append(data, '\n')
	if len(data) > manifestMax {
		return "", fmt.Errorf("manifest of %d partitions is %d bytes, limit %d; make run.partition_rows larger", len(m.Partitions), len(data), manifestMax)
	}
	if err := putSame(ctx, st, dir+"/_MANIFEST.json", data); err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	if err := putSame(ctx, st, dir+"/_SUCCESS", nil); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum[:]), nil
}

// adopt gives a staged file its name in the version folder, or finds it there.
// What is found is read: a store without links copies, and a crash can cut a
// copy short under its final name.
func adopt(ctx context.Context, st store.Store, staged, name string, want job.File) error {
	err := st.Adopt(ctx, staged, name)
	if !errors.Is(err, store.ErrExist) {
		return err
	}
	o, err := st.Open(ctx, name)
	if err != nil {
		return err
	}
	defer o.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(o, 0, o.Size())); err != nil {
		return fmt.Errorf("compare with the one already there: %w", err)
	}
	if o.Size() != want.Bytes || hex.EncodeToString(h.Sum(nil)) != want.SHA256 {
		return fmt.Errorf("%s is already there with other bytes; delete that file and run again: %w", name, ErrDamaged)
	}
	return nil
}
