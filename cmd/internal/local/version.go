package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/coordinator/publish"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/partition/store"
	"rescore/partition/store/address"
	"rescore/worker/program"
	"rescore/worker/sink"
	"rescore/worker/source"
)

// ErrChanged marks that the input or the model is no longer what the version was
// made from.
var ErrChanged = errors.New("it is no longer what the version was made from; bring it back as it was, or run the job again")

// Version is a published version, opened again: what its manifest says, and the
// way back to the input and the model it was made from.
type Version struct {
	Manifest publish.Manifest
	Spec     job.Spec
	Dir      string // its folder
	base     string // folder that the spec's relative paths resolve against, "" when nobody knows
	files    store.Store
	asked    func(fingerprint string) job.ID // the version's job, if its input has that fingerprint
}

// OpenVersion opens the version of that id in a dataset's folder, or the current
// one when id is "". base is the folder of the job file; "" works it out from
// where the dataset's folder lies, which can be done when output.path is a
// relative path that goes down.
func OpenVersion(ctx context.Context, outputDir, id, base string) (*Version, error) {
	st, err := address.OpenExisting(outputDir)
	if err != nil {
		return nil, fmt.Errorf("open version: %w", err)
	}
	pointer, err := pointerTo(ctx, st, outputDir, id)
	if err != nil {
		return nil, err
	}
	v := &Version{Dir: address.Join(outputDir, pointer.Path)}
	if v.Manifest, err = publish.ReadManifest(ctx, st, pointer); err != nil {
		return nil, err
	}
	if !readable(v.Manifest) {
		return nil, fmt.Errorf("version %s was written by another release of rescore, whose score record has other columns; use that release, or run the job again", v.Manifest.Version)
	}
	if v.Spec, err = job.ParseCanonical(v.Manifest.Spec); err != nil {
		return nil, fmt.Errorf("version %s: %w", v.Manifest.Version, err)
	}
	v.Spec.Run = job.Default().Run
	spec, models := v.Spec, v.Manifest.Models()
	v.asked = func(fingerprint string) job.ID { return v.Manifest.Asked(job.NewID(spec, models, fingerprint)) }
	if v.base, err = v.jobFolder(outputDir, base); err != nil {
		return nil, err
	}
	v.files, err = address.Open(v.Dir)
	return v, err
}

// pointerTo finds the newest pointer to a version of a dataset's folder, or to the current
// one when id is "".
func pointerTo(ctx context.Context, st store.Store, outputDir, id string) (publish.Pointer, error) {
	pointers, err := publish.Pointers(ctx, st)
	if err != nil {
		return publish.Pointer{}, err
	}
	for _, p := range slices.Backward(pointers) {
		if id == "" || p.Version == id {
			return p, nil
		}
	}
	if id == "" {
		id = "of any name"
	}
	return publish.Pointer{}, fmt.Errorf("no version %s is published in %s: %w", id, outputDir, fs.ErrNotExist)
}

// readable reports whether a version's rows are score records of this release.
func readable(m publish.Manifest) bool {
	var challengers []string
	for _, c := range m.Challengers {
		challengers = append(challengers, c.Name)
	}
	return m.Schema == schema.Fingerprint(schema.PublishedWith(challengers)) || m.Schema == schema.Fingerprint(schema.ScoreWith(challengers))
}

// jobFolder works out where the job file lay.
func (v *Version) jobFolder(outputDir, base string) (string, error) {
	if base != "" {
		return filepath.Abs(base)
	}
	if address.Remote(outputDir) {
		return "", nil // says nothing of where the job file lay
	}
	dir, err := filepath.Abs(outputDir)
	if err != nil {
		return "", fmt.Errorf("find the dataset's folder: %w", err)
	}
	down := filepath.Clean(v.Spec.Output.Path)
	if base, ok := strings.CutSuffix(dir, string(filepath.Separator)+down); ok && filepath.IsLocal(down) {
		return base + string(filepath.Separator), nil
	}
	return "", nil
}

// options are the job's, as it would be run again.
func (v *Version) options() (Options, error) {
	o := Options{Spec: v.Spec, Base: v.base}
	for _, path := range append(v.Spec.Model.Paths(), v.Spec.Input.Path) {
		if v.base == "" && !filepath.IsAbs(path) && !address.Remote(path) && !strings.HasPrefix(path, builtin) {
			return o, fmt.Errorf("path %s of the job is relative to the folder of its job file, and the version does not say which that is; name it with --base", path)
		}
	}
	return o, nil
}

// Input opens what the version was made from, without surveying it, and holds it
// to the manifest: the same files of the same sizes and rows, ending in the same
// bytes. A file that is another is named in an error that is ErrChanged.
func (v *Version) Input(ctx context.Context) (_ *source.Dataset, err error) {
	o, err := v.options()
	if err != nil {
		return nil, err
	}
	dataset, err := openInput(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = inputError(errors.Join(err, dataset.Close()))
		}
	}()
	if err := dataset.Check(v.Manifest.Input); err != nil {
		return nil, fmt.Errorf("input of version %s: %w: %w", v.Manifest.Version, err, ErrChanged)
	}
	fingerprint, err := dataset.Fingerprint(ctx)
	if err != nil {
		return nil, err
	}
	if v.asked(fingerprint) == v.Manifest.Job {
		return dataset, nil
	}
	for _, f := range v.Manifest.Input { // which one it is takes reading them all
		same, err := dataset.Same(ctx, f, runtime.GOMAXPROCS(0))
		if err != nil {
			return nil, err
		}
		if !same {
			return nil, fmt.Errorf("input of version %s: %s has other bytes: %w", v.Manifest.Version, f.Path, ErrChanged)
		}
	}
	return nil, fmt.Errorf("input of version %s: its files are not named as they were: %w", v.Manifest.Version, ErrChanged)
}

// Model reads the models the version was scored with, the champion and its
// challengers.
func (v *Version) Model(ctx context.Context) (program.Model, error) {
	o, err := v.options()
	if err != nil {
		return program.Model{}, err
	}
	m, err := o.models(ctx)
	if err != nil {
		return program.Model{}, inputError(fmt.Errorf("models of version %s: %w", v.Manifest.Version, err))
	}
	was, is := v.Manifest.Models(), m.Digests()
	for i, path := range v.Spec.Model.Paths() {
		if is[i] != was[i] {
			return program.Model{}, inputError(fmt.Errorf("model %s of version %s: its SHA-256 is %.12s…, the version's is %.12s…: %w", path, v.Manifest.Version, is[i], was[i], ErrChanged))
		}
	}
	return m, nil
}

// Row returns the published row of a number, and the file it is in; nil when the
// version has none.
func (v *Version) Row(ctx context.Context, n partition.Number) (_ arrow.Record, file string, err error) {
	p, err := v.partition(n)
	if err != nil || p.Rows.Scored == 0 {
		return nil, "", err
	}
	row, from, err := sink.Find(ctx, v.files, p.Files[0].Path, n) // the scores come first
	if err == nil && from.Job != v.Manifest.Job && from.Job != p.Job {
		err = fmt.Errorf("%s is of job %s: %w", p.Files[0].Path, from.Job, publish.ErrDamaged)
	}
	if err != nil {
		return nil, "", fmt.Errorf("version %s: %w", v.Manifest.Version, err)
	}
	return row, p.Files[0].Path, nil
}

// Of returns the version as the rows around a number were judged: a rerun keeps
// partitions that an earlier job scored, with models and rules of its own.
func (v *Version) Of(n partition.Number) (*Version, error) {
	p, err := v.partition(n)
	if err != nil || p.Job == "" {
		return v, err
	}
	of := *v
	if of.Manifest, err = v.Manifest.By(p); err != nil {
		return nil, fmt.Errorf("version %s: %w", v.Manifest.Version, err)
	}
	if of.Spec, err = job.ParseCanonical(of.Manifest.Spec); err != nil {
		return nil, fmt.Errorf("version %s: %w", v.Manifest.Version, err)
	}
	of.Spec.Run = v.Spec.Run
	return &of, nil
}

// Mixed reports whether partitions of the version were judged otherwise than its job
// judges.
func (v *Version) Mixed() (bool, error) {
	mine := v.Spec.Judgement(v.Manifest.Models())
	for _, o := range v.Manifest.Origins {
		spec, err := job.ParseCanonical(o.Spec)
		if err != nil {
			return false, fmt.Errorf("version %s: job %s: %w", v.Manifest.Version, o.Job, err)
		}
		if spec.Judgement(append([]string{o.Model}, o.Challengers...)) != mine {
			return true, nil
		}
	}
	return false, nil
}

// partition returns the partition that a number is in.
func (v *Version) partition(n partition.Number) (publish.Partition, error) {
	for _, p := range v.Manifest.Partitions {
		within, err := PartitionRange(p)
		if err != nil {
			return p, fmt.Errorf("version %s: %w", v.Manifest.Version, err)
		}
		if within.Contains(n) {
			return p, nil
		}
	}
	return publish.Partition{}, nil
}

// PartitionRange reads a partition's range from the manifest, which has it by
// segments.
func PartitionRange(p publish.Partition) (partition.Range, error) {
	r, err := partition.ParseRange(p.Range)
	if err != nil {
		return r, fmt.Errorf("partition %q: %w: %w", p.Range, publish.ErrDamaged, err)
	}
	return r, nil
}
