package local

import (
	"context"
	"fmt"
	"slices"
	"time"

	"rescore/coordinator/publish"
	"rescore/partition/job"
	"rescore/partition/store/address"
)

// VersionInfo is one published version of a dataset.
type VersionInfo struct {
	Job           job.ID
	Name          string
	Version       string
	Path          string
	Month         int32
	Rows          job.Counts
	Digest        string
	Seconds       float64
	RowsPerSecond float64
	PublishedAt   time.Time
	Current       bool // what a reader of the dataset gets
}

// Versions lists a dataset's published versions, oldest first. It needs the
// output folder alone: no work folder, no running process.
func Versions(ctx context.Context, outputDir string) ([]VersionInfo, error) {
	st, err := address.OpenExisting(outputDir)
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	pointers, err := publish.Pointers(ctx, st)
	if err != nil {
		return nil, err
	}
	var versions []VersionInfo
	for _, p := range pointers {
		if slices.ContainsFunc(versions, func(v VersionInfo) bool { return v.Version == p.Version }) {
			continue // a rollback points at it again
		}
		versions = append(versions, VersionInfo{
			Job: p.Job, Name: p.Dataset, Version: p.Version, Path: address.Join(outputDir, p.Path), Month: p.Month,
			Rows: p.Rows, Digest: p.Digest, Seconds: p.Seconds, RowsPerSecond: perSecond(p.Rows.In, p.Seconds),
			PublishedAt: p.PublishedAt, Current: p.Version == pointers[len(pointers)-1].Version,
		})
	}
	return versions, nil
}
