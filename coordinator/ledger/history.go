package ledger

import (
	"cmp"
	"fmt"
	"slices"
)

// Rolling is a rollback: a published version that somebody made the current one again.
type Rolling struct {
	Dataset string `cbor:"1,keyasint"`
	Version string `cbor:"2,keyasint"`
	Who     string `cbor:"3,keyasint"`
	Reason  string `cbor:"4,keyasint"`
	Epoch   uint64 `cbor:"5,keyasint"` // with Index it names the pointer
	Index   uint64 `cbor:"6,keyasint"` // of the Rollback
	Pointed bool   `cbor:"7,keyasint"` // the pointer is in the store
}

// Marking is a list of files that nobody needs, and whether they are gone.
type Marking struct {
	Dataset string `cbor:"1,keyasint"`
	List    string `cbor:"2,keyasint"` // its name in the store
	SHA256  string `cbor:"3,keyasint"`
	Files   int    `cbor:"4,keyasint"`
	Bytes   int64  `cbor:"5,keyasint"`
	At      int64  `cbor:"6,keyasint"` // Mark.At
	Index   uint64 `cbor:"7,keyasint"` // of the Mark
	Swept   uint64 `cbor:"8,keyasint"` // index of the Sweep; 0 = not yet
	Deleted int    `cbor:"9,keyasint"` // Sweep.Deleted
	SweptAt int64  `cbor:"10,keyasint"`
}

// Rollbacks returns the rollbacks of a dataset, oldest first.
func (s *State) Rollbacks(dataset string) []Rolling {
	var out []Rolling
	for _, r := range s.rollings {
		if r.Dataset == dataset {
			out = append(out, r)
		}
	}
	return out
}

// Marks returns the marks of a dataset, oldest first.
func (s *State) Marks(dataset string) []Marking {
	var out []Marking
	for _, m := range s.markings {
		if m.Dataset == dataset {
			out = append(out, m)
		}
	}
	return out
}

// Current returns what readers of a dataset get: the published version with the highest
// pointer, which is its own or a rollback's.
func (s *State) Current(dataset string) (Version, bool) {
	version, _, found := s.newest(dataset, true)
	return version, found
}

// newest returns the version that the highest pointer of a dataset names, with the
// rollback it was written for, nil when that is the version's own. Only pointers that
// are in the store count, or (pointed = false) also those that were decided.
func (s *State) newest(dataset string, pointed bool) (Version, *Rolling, bool) {
	var version Version
	var rolling *Rolling
	var epoch, index uint64
	found := false
	higher := func(e, i uint64) bool {
		return !found || cmp.Or(cmp.Compare(e, epoch), cmp.Compare(i, index)) > 0
	}
	for _, v := range s.versions {
		if v.Dataset == dataset && higher(v.Epoch, v.SealIndex) {
			version, epoch, index, found = v, v.Epoch, v.SealIndex, true
		}
	}
	for i := range s.rollings {
		r := &s.rollings[i]
		if r.Dataset == dataset && (r.Pointed || !pointed) && higher(r.Epoch, r.Index) {
			version, _ = s.version(dataset, r.Version)
			rolling, epoch, index = r, r.Epoch, r.Index
		}
	}
	return version, rolling, found
}

// version returns a published version by name.
func (s *State) version(dataset, id string) (Version, error) {
	i := slices.IndexFunc(s.versions, func(v Version) bool { return v.Dataset == dataset && v.ID == id })
	if i < 0 {
		return Version{}, fmt.Errorf("version %s of %s: %w", id, dataset, ErrNoVersion)
	}
	return s.versions[i], nil
}

func (c Rollback) apply(s *State, index uint64) (Reply, []Event, error) {
	if c.Who == "" || c.Reason == "" {
		return nil, nil, fmt.Errorf("rollback of %s needs who and why: %w", c.Dataset, ErrCommand)
	}
	v, err := s.version(c.Dataset, c.Version)
	if err != nil {
		return nil, nil, err
	}
	newest, rolling, _ := s.newest(c.Dataset, false)
	switch {
	case newest.ID == v.ID && rolling != nil:
		return RollbackReply{Epoch: rolling.Epoch, Index: rolling.Index}, nil, nil
	case newest.ID == v.ID:
		return nil, nil, fmt.Errorf("version %s of %s is the current one: %w", c.Version, c.Dataset, ErrState)
	}
	least := newest.Epoch
	if rolling != nil {
		least = rolling.Epoch
	}
	epoch := cmp.Or(c.Epoch, least)
	if epoch < least {
		return nil, nil, fmt.Errorf("rollback of %s under epoch %d, a pointer is of %d: %w", c.Dataset, epoch, least, ErrFenced)
	}
	s.rollings = append(s.rollings, Rolling{Dataset: c.Dataset, Version: c.Version, Who: c.Who, Reason: c.Reason, Epoch: epoch, Index: index})
	return RollbackReply{Epoch: epoch, Index: index}, nil, nil
}

func (c Point) apply(s *State, _ uint64) (Reply, []Event, error) {
	i := slices.IndexFunc(s.rollings, func(r Rolling) bool { return r.Dataset == c.Dataset && r.Index == c.Index })
	if i < 0 {
		return nil, nil, fmt.Errorf("rollback %d of %s: %w", c.Index, c.Dataset, ErrNoVersion)
	}
	r := &s.rollings[i]
	if r.Pointed {
		return PointReply{}, nil, nil
	}
	r.Pointed = true
	return PointReply{}, []Event{{Kind: VersionRestored, Version: r.Version}}, nil
}

func (c Mark) apply(s *State, index uint64) (Reply, []Event, error) {
	if c.Dataset == "" || c.List == "" || c.SHA256 == "" || c.Files < 0 || c.Bytes < 0 {
		return nil, nil, fmt.Errorf("a mark needs a dataset and a list with its digest: %w", ErrCommand)
	}
	for _, m := range s.markings {
		if m.Dataset == c.Dataset && m.List == c.List {
			if m.SHA256 != c.SHA256 {
				return nil, nil, fmt.Errorf("list %s of %s: %w", c.List, c.Dataset, ErrConflict)
			}
			return MarkReply{Index: m.Index}, nil, nil
		}
	}
	s.markings = append(s.markings, Marking{
		Dataset: c.Dataset, List: c.List, SHA256: c.SHA256, Files: c.Files, Bytes: c.Bytes, At: c.At, Index: index,
	})
	return MarkReply{Index: index}, nil, nil
}

func (c Sweep) apply(s *State, index uint64) (Reply, []Event, error) {
	i := slices.IndexFunc(s.markings, func(m Marking) bool { return m.Dataset == c.Dataset && m.Index == c.Index })
	if i < 0 {
		return nil, nil, fmt.Errorf("mark %d of %s: %w", c.Index, c.Dataset, ErrNoVersion)
	}
	m := &s.markings[i]
	if c.Deleted < 0 || c.Deleted > m.Files {
		return nil, nil, fmt.Errorf("%d files of %d marked: %w", c.Deleted, m.Files, ErrCommand)
	}
	if m.Swept == 0 {
		m.Swept, m.Deleted, m.SweptAt = index, c.Deleted, c.At
	}
	return SweepReply{}, nil, nil
}
