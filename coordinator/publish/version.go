package publish

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"rescore/partition"
	"rescore/partition/failpoint"
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
// is another is ErrDamaged, and nothing after it is written. each does so many things,
// together where the store is to be asked for more than one at once: to have a name
// synced, or an object copied, is to wait.
func Write(ctx context.Context, st store.Store, m Manifest, each func(ctx context.Context, n int, do func(ctx context.Context, i int) error) error) (string, error) {
	dir := VersionPath(m.Month, m.Version)
	type file struct {
		job.File
		staged string
		kept   bool // from the base
	}
	var files []file
	names := map[string]bool{}
	for _, p := range slices.Concat(m.Partitions, m.Intake) {
		for i, f := range p.Files {
			if names[f.Path] {
				return "", fmt.Errorf("adopt %s: two partitions have a file of that name", f.Path)
			}
			names[f.Path] = true
			files = append(files, file{f, p.staged[i], p.Job != ""})
		}
	}
	var manifest job.File // as it is staged, while files are adopted
	if err := each(ctx, len(files)+1, func(ctx context.Context, i int) (err error) {
		if i == 0 { // it may be large, too
			manifest, err = m.stage(ctx, st)
			return err
		}
		failpoint.Hit("publish.adopt")
		f := files[i-1]
		err = adopt(ctx, st, f.staged, dir+"/"+f.Path, f.File)
		if f.kept && errors.Is(err, store.ErrNotExist) { // swept since; the version it was kept from has it
			err = adopt(ctx, st, m.base+"/"+f.Path, dir+"/"+f.Path, f.File)
		}
		if err != nil {
			return fmt.Errorf("adopt %s: %w", f.Path, err)
		}
		return nil
	}); err != nil {
		return "", err
	}
	failpoint.Hit("publish.manifest")
	if err := adopt(ctx, st, manifest.Path, dir+"/_MANIFEST.json", manifest); err != nil {
		return "", fmt.Errorf("write the manifest: %w", err)
	}
	failpoint.Hit("publish.success")
	if err := putSame(ctx, st, dir+"/_SUCCESS", nil); err != nil {
		return "", err
	}
	return manifest.SHA256, nil
}

// stage stages the manifest, which is too large to be put whole, under a name of each
// attempt's own: what another attempt left may be cut short.
func (m Manifest) stage(ctx context.Context, st store.Store) (f job.File, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the manifest: %w", err)
		}
	}()
	for n := 0; ; n++ {
		f, err = m.stageAs(ctx, st, fmt.Sprintf("%smanifest-%s-%d.json", m.Job.StagingPrefix(), m.Version, n))
		if !errors.Is(err, store.ErrExist) {
			return f, err
		}
	}
}

// stageAs stages the manifest under a name that nobody has taken.
func (m Manifest) stageAs(ctx context.Context, st store.Store, name string) (f job.File, err error) {
	w, err := st.Create(ctx, name)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	to := &summed{to: w, sum: sha256.New()}
	if err := m.write(to); err != nil {
		return f, err
	}
	return job.File{Path: name, Bytes: to.bytes, SHA256: hex.EncodeToString(to.sum.Sum(nil))}, w.Commit()
}

// write writes what json.MarshalIndent and a line end would, a partition at a time: a
// hundred thousand of them are a hundred megabytes of text.
func (m Manifest) write(to io.Writer) error {
	head := m
	head.Partitions = nil
	text, err := json.MarshalIndent(head, "", " ")
	if err != nil {
		return err
	}
	const none = "null\n}" // partitions come last
	out := bufio.NewWriterSize(to, 64<<10)
	_, _ = out.Write(bytes.TrimSuffix(text, []byte(none))) // the first error is kept, and Flush returns it
	for i, p := range m.Partitions {
		if text, err = json.MarshalIndent(p, "  ", " "); err != nil {
			return err
		}
		_, _ = out.WriteString([]string{"[\n  ", ",\n  "}[min(i, 1)])
		_, _ = out.Write(text)
	}
	if len(m.Partitions) > 0 {
		_, _ = out.WriteString("\n ]\n}\n")
	} else {
		_, _ = out.WriteString(none + "\n")
	}
	return out.Flush()
}

// summed counts and sums what is written, and refuses what is more than anybody would
// read.
type summed struct {
	to    io.Writer
	sum   hash.Hash
	bytes int64
}

// Write implements io.Writer.
func (s *summed) Write(data []byte) (int, error) {
	if s.bytes += int64(len(data)); s.bytes > manifestMax {
		return 0, fmt.Errorf("more than %d bytes; make run.partition_rows larger", manifestMax)
	}
	_, _ = s.sum.Write(data) // never fails
	return s.to.Write(data)
}

// adopt gives a staged file its name in the version folder, or finds it there.
// What is found is read: a store without links copies, and a crash can cut a
// copy short under its final name.
func adopt(ctx context.Context, st store.Store, staged, name string, want job.File) error {
	err := st.Adopt(ctx, staged, name)
	if !errors.Is(err, store.ErrExist) {
		return err
	}
	if err := same(ctx, st, name, want); err != nil {
		return fmt.Errorf("compare with the one already there; delete it and run again: %w", err)
	}
	return nil
}

// same returns ErrDamaged unless an object has the bytes it is to have.
func same(ctx context.Context, st store.Store, name string, want job.File) error {
	o, err := st.Open(ctx, name)
	if err != nil {
		return err
	}
	defer o.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(o, 0, o.Size())); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if o.Size() != want.Bytes || hex.EncodeToString(h.Sum(nil)) != want.SHA256 {
		return fmt.Errorf("%s has other bytes: %w", name, ErrDamaged)
	}
	return nil
}

// Missing returns the partitions of a version with a file that is absent or has
// another size, and with deep also those with one whose bytes are others, which reads
// them all.
func Missing(ctx context.Context, st store.Store, p Pointer, m Manifest, deep bool) ([]partition.Range, error) {
	infos, err := st.List(ctx, p.Path+"/")
	if err != nil {
		return nil, fmt.Errorf("list files of %s: %w", m.Version, err)
	}
	sizes := make(map[string]int64, len(infos))
	for _, info := range infos {
		sizes[info.Name] = info.Size
	}
	var missing []partition.Range
	for _, part := range slices.Concat(m.Partitions, m.Intake) {
		whole := true
		for _, f := range part.Files {
			name := p.Path + "/" + f.Path
			size, there := sizes[name]
			if whole = there && size == f.Bytes; whole && deep {
				err := same(ctx, st, name, f)
				if whole = err == nil; err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, store.ErrNotExist) {
					return nil, err
				}
			}
			if !whole {
				break
			}
		}
		if whole {
			continue
		}
		r, err := partition.ParseRange(part.Range)
		if err != nil {
			return nil, fmt.Errorf("version %s: %w: %w", m.Version, ErrDamaged, err)
		}
		missing = append(missing, r)
	}
	return missing, nil
}
