package local

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"rescore/coordinator/publish"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/partition/store/address"
	"rescore/worker/sink"
)

// Verified is what reading a published version again has shown.
type Verified struct {
	Dataset string   `json:"dataset"`
	Version string   `json:"version"`
	Digest  string   `json:"digest"` // of the rows, by the manifest
	Files   int      `json:"files"`
	Bytes   int64    `json:"bytes"`
	Rows    int64    `json:"rows"`    // scored, by the manifest
	Decoded bool     `json:"decoded"` // false: its record is not a score record of this release, so bytes were compared and rows were not
	Damage  []Damage `json:"damage"`  // in the order of the manifest; none: the version is as it was published
}

// Damage is a file that is not as it was published.
type Damage struct {
	File    string `json:"file"` // relative to the version's folder
	Problem string `json:"problem"`
}

// Verify reads every file of a published version, the current one when id is "", and
// holds it to the manifest: sizes and SHA-256; of score files every row as well, whose
// sums must add up to the digest that the pointer names (I1, I2, I4). It reads workers
// files at a time and goes on after damage, so that all of it is known. update hears how
// far it is, in the rows of its files, rejected ones included, from one goroutine at a time.
func Verify(ctx context.Context, outputDir, id string, workers int, update func(Progress)) (Verified, error) {
	st, err := address.OpenExisting(outputDir)
	if err != nil {
		return Verified{}, fmt.Errorf("verify: %w", err)
	}
	pointer, err := pointerTo(ctx, st, outputDir, id)
	if err != nil {
		return Verified{}, err
	}
	m, err := publish.ReadManifest(ctx, st, pointer)
	if err != nil {
		return Verified{}, err
	}
	folder, err := address.Open(address.Join(outputDir, pointer.Path))
	if err != nil {
		return Verified{}, err
	}
	v := Verified{Dataset: m.Dataset, Version: m.Version, Digest: m.Digest, Rows: m.Rows.Scored, Decoded: readable(m), Damage: []Damage{}}

	type file struct {
		job.File
		of *publish.Partition // whose rows it holds; nil: bytes are compared alone
	}
	var files []file
	at := Progress{Stage: "verify"}
	var sum partition.Sum
	for _, list := range [][]publish.Partition{m.Intake, m.Partitions} {
		for i := range list {
			p := &list[i]
			for k, f := range p.Files {
				v.Files++
				v.Bytes += f.Bytes
				at.RowsTotal += f.Rows
				one := file{File: f}
				if v.Decoded && k == 0 && p.Rows.Scored > 0 { // the scores come first
					one.of = p
				}
				files = append(files, one)
			}
		}
	}
	for _, p := range m.Partitions {
		sum = sum.Add(p.RowSum)
	}
	if publish.Digest(m.Schema, m.Month, m.Rows, sum) != m.Digest || m.Digest != pointer.Digest {
		v.Damage = append(v.Damage, Damage{"_MANIFEST.json", "its partitions do not add up to the version's digest"})
	}

	found := make([]error, len(files))
	var telling sync.Mutex
	var group errgroup.Group
	group.SetLimit(workers)
	for i, f := range files {
		group.Go(func() error {
			if ctx.Err() == nil {
				found[i] = verifyFile(ctx, folder, f.File, f.of)
			}
			telling.Lock()
			defer telling.Unlock()
			at.RowsDone += f.Rows
			update(at)
			return ctx.Err() // what was found after the end means nothing
		})
	}
	if err := group.Wait(); err != nil {
		return Verified{}, err
	}
	for i, problem := range found {
		if problem != nil {
			v.Damage = append(v.Damage, Damage{files[i].Path, problem.Error()})
		}
	}
	return v, nil
}

func verifyFile(ctx context.Context, folder store.Store, f job.File, of *publish.Partition) error {
	if of == nil {
		return sink.VerifyBytes(ctx, folder, []job.File{f})
	}
	f.Kind = job.FileScores // the manifest lists it first, and does not say so
	c, err := sink.Verify(ctx, folder, f)
	if err != nil {
		return err
	}
	within, err := PartitionRange(*of)
	switch {
	case err != nil:
		return err
	case c.Rows != of.Rows.Scored || c.RowSum != of.RowSum:
		return fmt.Errorf("%w: its rows do not add up to those that the manifest says", sink.ErrContent)
	case c.First < within.First.Segment() || c.Last > (within.Past-1).Segment():
		return fmt.Errorf("%w: segments %d to %d reach outside partition %s", sink.ErrContent, c.First, c.Last, of.Range)
	}
	return nil
}
