package ledger

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"rescore/partition/job"
)

// A snapshot on disk:
//
//	"RSLEDGER" │ format, 1 byte │ records                     │ 0 │ SHA-256 of all before
//	 8 bytes                      length (varint) and CBOR each     32 bytes
//
// A record is the head, then of each job what it is and, in chunks, its stages' tasks.
// So a ledger is written and read a piece at a time, and costs no second copy of
// itself. Tasks are written as they are kept, packed; format 3 wrote them as structs.
// Formats 1 and 2 had one CBOR item in the place of the records and the 0.
//
// The same ledger gives the same bytes, whatever way it came about.
const magic = "RSLEDGER"

// Bounds of what is read into memory, in bytes.
const (
	snapshotMax = 1 << 30   // of format 1 or 2
	recordMax   = 64 << 20  // a task is at most EntryMax, a chunk at most chunkBytes and one task more
	chunkBytes  = 256 << 10 // of tasks in a record, about
)

// record is one of these.
type record struct {
	Head  *head        `cbor:"1,keyasint,omitempty"`
	Job   *Job         `cbor:"2,keyasint,omitempty"` // without tasks
	Tasks []taskOnDisk `cbor:"5,keyasint,omitempty"` // the next ones of the last job
	Stage int          `cbor:"4,keyasint,omitempty"` // of Tasks

	Tasks3 []task3 `cbor:"3,keyasint,omitempty"` // instead of Tasks, in format 3
}

// head is what comes first.
type head struct {
	Index      uint64    `cbor:"1,keyasint"`
	Cluster    string    `cbor:"2,keyasint"`
	Generation uint64    `cbor:"3,keyasint"`
	Versions   []Version `cbor:"4,keyasint"`
	Rollings   []Rolling `cbor:"5,keyasint"`
	Markings   []Marking `cbor:"6,keyasint"`
}

// body2 is all of formats 1 and 2.
type body2 struct {
	Index    uint64    `cbor:"1,keyasint"`
	Jobs     []*Job    `cbor:"2,keyasint"`
	Versions []Version `cbor:"3,keyasint"`
}

// Snapshot returns the ledger as bytes for Restore.
func (s *State) Snapshot() ([]byte, error) {
	var b bytes.Buffer
	err := s.Write(&b)
	return b.Bytes(), err
}

// Write writes the ledger for Read.
func (s *State) Write(w io.Writer) error {
	buffered := bufio.NewWriterSize(w, 64<<10)
	if _, err := s.write(buffered); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("write ledger snapshot: %w", err)
	}
	return nil
}

// Hash returns the SHA-256 that a snapshot of s ends with: equal for equal
// ledgers (I7).
func (s *State) Hash() ([sha256.Size]byte, error) { return s.write(io.Discard) }

// write also returns the digest that the snapshot ends with.
func (s *State) write(w io.Writer) ([sha256.Size]byte, error) {
	digest := sha256.New()
	out := recorder{w: io.MultiWriter(w, digest)}
	out.bytes(append([]byte(magic), Format))
	out.record(record{Head: &head{s.index, s.cluster, s.generation, s.versions, s.rollings, s.markings}})
	for _, j := range s.jobs {
		out.job(j)
	}
	out.bytes([]byte{0})
	sum := [sha256.Size]byte(digest.Sum(nil))
	out.bytes(sum[:])
	if out.err != nil {
		return sum, fmt.Errorf("write ledger snapshot: %w", out.err)
	}
	return sum, nil
}

// recorder writes records up to the first error.
type recorder struct {
	w   io.Writer
	err error
}

func (r *recorder) bytes(data []byte) {
	if r.err == nil {
		_, r.err = r.w.Write(data)
	}
}

func (r *recorder) record(what record) {
	if r.err != nil {
		return
	}
	data, err := encoder.Marshal(what)
	if err != nil {
		r.err = err
		return
	}
	r.bytes(binary.AppendUvarint(nil, uint64(len(data))))
	r.bytes(data)
}

func (r *recorder) job(j *Job) {
	bare := *j
	bare.Stages = slices.Clone(j.Stages)
	for i := range bare.Stages {
		bare.Stages[i].Tasks = nil
	}
	r.record(record{Job: &bare})
	for i := range j.Stages {
		tasks := j.Stages[i].Tasks
		for len(tasks) > 0 {
			chunk := record{Stage: i}
			for size := 0; len(chunk.Tasks) < len(tasks) && size < chunkBytes; {
				t := &tasks[len(chunk.Tasks)]
				size += t.plan.size() + t.result.size() + len(t.Reason)
				chunk.Tasks = append(chunk.Tasks, t.onDisk())
			}
			r.record(chunk)
			tasks = tasks[len(chunk.Tasks):]
		}
	}
}

// Restore reads a snapshot whole, for one goroutine. Anything but an undamaged snapshot of a known
// format is ErrSnapshot.
func Restore(data []byte) (*State, error) { return Read(bytes.NewReader(data), new(loose)) }

// Read is Restore of a stream, which it reads to its end, onto a shelf.
func Read(r io.Reader, shelf Shelf) (*State, error) {
	digest := sha256.New()
	in := bufio.NewReaderSize(r, 64<<10)
	start := make([]byte, len(magic)+1)
	if _, err := io.ReadFull(in, start); err != nil || string(start[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: no header", ErrSnapshot)
	}
	digest.Write(start)
	var s *State
	var err error
	switch format := start[len(magic)]; format {
	case 1, 2:
		s, err = readWhole(in, digest, shelf)
	case 3, Format:
		s, err = readRecords(in, digest, shelf, format)
	default:
		return nil, fmt.Errorf("%w: format %d, this build reads 1 to %d", ErrSnapshot, format, Format)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	return s, nil
}

var errDamaged = errors.New("damaged: its SHA-256 differs")

// readWhole reads what stands behind the header in formats 1 and 2.
func readWhole(in io.Reader, digest hash.Hash, shelf Shelf) (*State, error) {
	data, err := io.ReadAll(io.LimitReader(in, snapshotMax+1))
	if err != nil {
		return nil, err
	}
	end := len(data) - sha256.Size
	if end < 0 || len(data) > snapshotMax {
		return nil, fmt.Errorf("%d bytes, limit %d", len(data), snapshotMax)
	}
	digest.Write(data[:end])
	if !bytes.Equal(digest.Sum(nil), data[end:]) {
		return nil, errDamaged
	}
	var b body2
	if err := decoder.Unmarshal(data[:end], &b); err != nil {
		return nil, err
	}
	s := NewOn(shelf)
	s.index, s.versions = b.Index, b.Versions
	for i, j := range b.Jobs {
		if j != nil {
			j.Priority = PriorityDefault
			j.shelve(s.shelf)
		}
		if err := s.restore(j); err != nil {
			return nil, fmt.Errorf("job %d: %w", i, err)
		}
	}
	return s, nil
}

// shelve takes the tasks' texts from their shelves to another.
func (j *Job) shelve(s Shelf) {
	for i := range j.Stages {
		for k := range j.Stages[i].Tasks {
			t := &j.Stages[i].Tasks[k]
			t.plan, t.result = put(s, t.plan.text()), put(s, t.result.text())
		}
	}
}

// readRecords reads what stands behind the header in formats 3 and 4.
func readRecords(in *bufio.Reader, digest hash.Hash, shelf Shelf, format byte) (*State, error) {
	var s *State
	var open *Job // whose tasks are being read
	finish := func() error {
		if open == nil {
			return nil
		}
		err := s.restore(open)
		if err != nil {
			return fmt.Errorf("job %d: %w", len(s.jobs), err)
		}
		return nil
	}
	for {
		data, err := readFrame(in, digest)
		if err != nil {
			return nil, err
		}
		if data == nil {
			break
		}
		var r record
		if err := decoder.Unmarshal(data, &r); err != nil {
			return nil, err
		}
		if (format == 3 && r.Tasks != nil) || (format != 3 && r.Tasks3 != nil) {
			return nil, errors.New("tasks of another format")
		}
		tasks := len(r.Tasks) + len(r.Tasks3)
		switch {
		case r.Head != nil && s == nil && r.Job == nil && tasks == 0:
			h := r.Head
			s = NewOn(shelf)
			s.index, s.cluster, s.generation, s.versions, s.rollings, s.markings = h.Index, h.Cluster, h.Generation, h.Versions, h.Rollings, h.Markings
		case r.Job != nil && s != nil && r.Head == nil && tasks == 0:
			if err := finish(); err != nil {
				return nil, err
			}
			open = r.Job
		case tasks > 0 && open != nil && r.Head == nil && r.Job == nil && r.Stage >= 0 && r.Stage < len(open.Stages):
			st := &open.Stages[r.Stage]
			for i := range r.Tasks3 {
				st.Tasks = append(st.Tasks, r.Tasks3[i].task(s.shelf))
			}
			for i := range r.Tasks {
				t, err := r.Tasks[i].task(s.shelf)
				if err != nil {
					return nil, fmt.Errorf("stage %d task %d: %w", r.Stage, len(st.Tasks), err)
				}
				st.Tasks = append(st.Tasks, t)
			}
		default:
			return nil, errors.New("records out of order")
		}
	}
	if s == nil {
		return nil, errors.New("no head")
	}
	if err := finish(); err != nil {
		return nil, err
	}
	want := make([]byte, sha256.Size+1)
	if n, err := io.ReadFull(in, want); n != sha256.Size || !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(digest.Sum(nil), want[:n]) {
		return nil, errDamaged
	}
	return s, nil
}

// readFrame returns the next record's bytes, nil at the end.
func readFrame(in *bufio.Reader, digest hash.Hash) ([]byte, error) {
	size, err := binary.ReadUvarint(in)
	if err != nil || size > recordMax {
		return nil, fmt.Errorf("a record of %d bytes, limit %d: %w", size, recordMax, cmp.Or(err, errDamaged))
	}
	digest.Write(binary.AppendUvarint(nil, size))
	if size == 0 {
		return nil, nil
	}
	data, err := io.ReadAll(io.LimitReader(in, int64(size)))
	if err != nil || uint64(len(data)) != size {
		return nil, fmt.Errorf("a record of %d bytes ends after %d: %w", size, len(data), cmp.Or(err, errDamaged))
	}
	digest.Write(data)
	return data, nil
}

// restore takes a job in that was read from disk.
func (s *State) restore(j *Job) error {
	if err := s.checkJob(j); err != nil {
		return err
	}
	for k := range j.Stages {
		if st := &j.Stages[k]; st.Planned {
			st.Tasks = append(make([]Task, 0, len(st.Tasks)), st.Tasks...) // they grew by chunks
			st.derive()
		}
	}
	s.add(j)
	return nil
}

// checkJob refuses what no sequence of commands leads to and later code would
// trip over.
func (s *State) checkJob(j *Job) error {
	if j == nil || s.byID[j.ID] != nil {
		return fmt.Errorf("missing or twice: %w", ErrCommand)
	}
	if j.State < job.Submitted || j.State > job.Cancelled {
		return fmt.Errorf("%s: %w", j.State, ErrCommand)
	}
	if (j.State == job.Sealed || j.State == job.Published) != (j.Version != nil) || j.State == job.Held && j.Held == nil ||
		j.State == job.Cancelled && j.Cancelled == nil {
		return fmt.Errorf("%s without its version, figures or who: %w", j.State, ErrCommand)
	}
	if j.Priority < PriorityMin || j.Priority > PriorityMax || j.Generation > s.generation || j.PartitionRows < 0 {
		return fmt.Errorf("priority %d, generation %d of %d, %d rows a partition: %w", j.Priority, j.Generation, s.generation, j.PartitionRows, ErrCommand)
	}
	var kinds []job.StageKind
	for i := range j.Stages {
		st := &j.Stages[i]
		kinds = append(kinds, st.Kind)
		for k := range st.Tasks {
			t := &st.Tasks[k]
			if t.State < Waiting || t.State > Failed || (t.State == Done) != (t.result != packed{}) || t.Token > s.token(s.index) ||
				(t.State == Leased || t.State == Done) != (t.Token != 0) || t.State != Waiting && t.From == "" && !st.Planned ||
				t.State == Leased && j.State != job.Running || t.From != "" && t.State != Done ||
				t.Second != nil && (t.State != Leased && t.State != Done || t.Second.Token > s.token(s.index)) {
				return fmt.Errorf("stage %d task %d is %s: %w", i, k, t.State, ErrCommand)
			}
		}
	}
	return checkStages(kinds)
}
