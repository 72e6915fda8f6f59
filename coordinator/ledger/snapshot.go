package ledger

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"rescore/partition/job"
)

// A snapshot on disk:
//
//	"RSLEDGER" │ format, 1 byte │ CBOR of body │ SHA-256 of all before
//	 8 bytes                                     32 bytes
//
// The same ledger gives the same bytes, whatever way it came about.
const magic = "RSLEDGER"

// snapshotMax bounds what Restore reads into memory, in bytes.
const snapshotMax = 1 << 30

type body struct {
	Index    uint64    `cbor:"1,keyasint"`
	Jobs     []*Job    `cbor:"2,keyasint"`
	Versions []Version `cbor:"3,keyasint"`
}

// Snapshot returns the ledger as bytes for Restore.
func (s *State) Snapshot() ([]byte, error) {
	b, err := encoder.Marshal(body{s.index, s.jobs, s.versions})
	if err != nil {
		return nil, fmt.Errorf("encode ledger snapshot: %w", err)
	}
	data := slices.Concat([]byte(magic), []byte{Format}, b)
	sum := sha256.Sum256(data)
	return append(data, sum[:]...), nil
}

// Hash returns the SHA-256 that a snapshot of s ends with: equal for equal
// ledgers (I7).
func (s *State) Hash() ([sha256.Size]byte, error) {
	data, err := s.Snapshot()
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	return [sha256.Size]byte(data[len(data)-sha256.Size:]), nil
}

// Restore reads a snapshot whole. Anything but an undamaged snapshot of a known
// format is ErrSnapshot.
func Restore(data []byte) (*State, error) {
	head := len(magic) + 1
	switch {
	case len(data) > snapshotMax:
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrSnapshot, len(data), snapshotMax)
	case len(data) < head+sha256.Size || string(data[:len(magic)]) != magic:
		return nil, fmt.Errorf("%w: no header", ErrSnapshot)
	case data[len(magic)] < 1 || data[len(magic)] > Format:
		return nil, fmt.Errorf("%w: format %d, this build reads 1 to %d", ErrSnapshot, data[len(magic)], Format)
	}
	end := len(data) - sha256.Size
	if sha256.Sum256(data[:end]) != [sha256.Size]byte(data[end:]) {
		return nil, fmt.Errorf("%w: damaged: its SHA-256 differs", ErrSnapshot)
	}
	var b body
	if err := decoder.Unmarshal(data[head:end], &b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	s := New()
	s.index, s.versions = b.Index, b.Versions
	for i, j := range b.Jobs {
		if err := s.checkJob(j); err != nil {
			return nil, fmt.Errorf("%w: job %d: %w", ErrSnapshot, i, err)
		}
		for k := range j.Stages {
			if j.Stages[k].Planned {
				j.Stages[k].derive()
			}
		}
		s.add(j)
	}
	return s, nil
}

// checkJob refuses what no sequence of commands leads to and later code would
// trip over.
func (s *State) checkJob(j *Job) error {
	if j == nil || s.byID[j.ID] != nil {
		return fmt.Errorf("missing or twice: %w", ErrCommand)
	}
	if j.State < job.Submitted || j.State > job.Failed {
		return fmt.Errorf("%s: %w", j.State, ErrCommand)
	}
	if (j.State == job.Sealed || j.State == job.Published) != (j.Version != nil) || j.State == job.Held && j.Held == nil {
		return fmt.Errorf("%s without its version or figures: %w", j.State, ErrCommand)
	}
	var kinds []job.StageKind
	for i := range j.Stages {
		st := &j.Stages[i]
		kinds = append(kinds, st.Kind)
		for k := range st.Tasks {
			t := &st.Tasks[k]
			if t.State < Waiting || t.State > Failed || (t.State == Done) != (t.Result != nil) || uint64(t.Token) > s.index ||
				(t.State == Leased || t.State == Done) != (t.Token != 0) || t.State != Waiting && !st.Planned ||
				t.State == Leased && j.State != job.Running {
				return fmt.Errorf("stage %d task %d is %s: %w", i, k, t.State, ErrCommand)
			}
		}
	}
	return checkStages(kinds)
}
