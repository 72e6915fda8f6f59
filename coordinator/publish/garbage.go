package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"rescore/coordinator/ledger"
	"rescore/partition/job"
	"rescore/partition/store"
)

const (
	stagingDir = "_staging/"
	garbageDir = "_garbage/"
	// listMax is how many names a list has at most, so that it is a small object; what
	// is left over is on the next one.
	listMax   = 1 << 18
	listBytes = listMax * 512
)

// Live says which staged files of a dataset somebody may need yet. It is worked out
// from the ledger alone: what the store lists never makes a file garbage.
type Live struct {
	over  map[job.ID]bool // jobs whose workers have nothing more to write
	named map[string]bool // files that a task of a job that counts works on or made
}

// NewLive works it out. Jobs that count are those that are not over, the versions
// they stand on, the current version, the newest keep of them, and what failed or was
// cancelled since, for it can be retried.
func NewLive(s *ledger.State, dataset string, keep int) Live {
	l := Live{over: map[job.ID]bool{}, named: map[string]bool{}}
	versions := s.Versions(dataset)
	counts := map[job.ID]bool{}
	jobOf := map[string]job.ID{}
	for i, v := range versions {
		jobOf[v.ID] = v.Job
		counts[v.Job] = counts[v.Job] || i >= len(versions)-keep
	}
	if v, ok := s.Current(dataset); ok {
		counts[v.Job] = true
	}
	for _, r := range s.Rollbacks(dataset) {
		if !r.Pointed { // about to be the current one
			counts[jobOf[r.Version]] = true
		}
	}
	for j := range s.Jobs() {
		switch j.State {
		case job.Published:
			l.over[j.ID] = true
		case job.Failed, job.Cancelled:
			since := 0
			for _, v := range versions {
				if v.PublishIndex > j.FailIndex {
					since++
				}
			}
			l.over[j.ID] = true
			counts[j.ID] = since < keep
		case job.Submitted, job.Running, job.Held, job.Sealed:
			counts[j.ID] = true
			counts[jobOf[j.Base]] = true
		}
	}
	for j := range s.Jobs() {
		if counts[j.ID] && (j.State != job.Published || j.Exchange() == nil) { // no version stands on a prepared one
			l.name(j)
		}
	}
	return l
}

// name notes the files of a job that counts.
func (l Live) name(j *ledger.Job) {
	for i := range j.Stages {
		tasks := j.Stages[i].Tasks
		for k := range tasks {
			for _, f := range tasks[k].Plan().Staged {
				l.named[f.Path] = true
			}
			if r := tasks[k].Result(); r != nil {
				for _, f := range r.Files {
					l.named[f.Path] = true
				}
			}
		}
	}
}

// Garbage reports whether an object is a staged file nobody needs: of a job that this
// ledger knows to be over, and not named by one that counts.
func (l Live) Garbage(name string) bool {
	rest, staged := strings.CutPrefix(name, stagingDir)
	id, _, inside := strings.Cut(rest, "/")
	return staged && inside && l.over[job.ID(id)] && !l.named[name]
}

// Litter lists what is garbage, by name. A listing may be stale: what it lacks is
// found the next time, and what is gone already is deleted once more.
func Litter(ctx context.Context, st store.Store, l Live) (list []store.Info, bytes int64, err error) {
	infos, err := st.List(ctx, stagingDir)
	if err != nil {
		return nil, 0, fmt.Errorf("list staged files: %w", err)
	}
	for _, info := range infos {
		if len(list) < listMax && l.Garbage(info.Name) {
			list = append(list, info)
			bytes += info.Size
		}
	}
	return list, bytes, nil
}

// PutList writes a list of names, in an object named by its content. index, that of
// the ledger, sets a list apart from earlier ones of the same names.
func PutList(ctx context.Context, st store.Store, index uint64, list []store.Info) (name, digest string, err error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "rescore garbage 1 %d\n", index)
	for _, info := range list {
		fmt.Fprintf(&b, "%d %s\n", info.Size, info.Name)
	}
	sum := sha256.Sum256(b.Bytes())
	digest = hex.EncodeToString(sum[:])
	name = garbageDir + digest[:32] + ".txt"
	return name, digest, putSame(ctx, st, name, b.Bytes())
}

// GetList reads the list of a mark. One that is another than was marked is ErrDamaged.
func GetList(ctx context.Context, st store.Store, m ledger.Marking) ([]store.Info, error) {
	data, err := st.Get(ctx, m.List, listBytes)
	if err != nil {
		return nil, fmt.Errorf("read list of garbage: %w", err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != m.SHA256 {
		return nil, fmt.Errorf("list %s is not the one that was marked: %w", m.List, ErrDamaged)
	}
	var list []store.Info
	_, rest, _ := strings.Cut(string(data), "\n")
	for line := range strings.Lines(rest) {
		size, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read list %s: %w: %w", m.List, ErrDamaged, err)
		}
		list = append(list, store.Info{Name: name, Size: n})
	}
	return list, nil
}
