package job

import (
	"fmt"

	"rescore/partition"
	"rescore/partition/psi"
)

// ID names a job. It is worked out from what is asked (the canonical spec, the
// model's digest, the input's fingerprint), so that the same question asked
// twice is the same job: yyyymm-<12 hex digits>.
type ID string

// StagingPrefix is where the job's attempts put their files, in the output store.
func (id ID) StagingPrefix() string { return "_staging/" + string(id) + "/" }

// Token is a fencing token: the raft log index of the grant. Strictly
// increasing over the life of a ledger.
type Token uint64

// StageKind says what the tasks of a stage do. The numbers are written to
// disk: append, never renumber, never reuse.
type StageKind uint8

// Stages. Later issues append link and report.
const (
	StageSurvey StageKind = 1 // read the input's layout: one task
	StageScore  StageKind = 2 // score a number range: one task a partition
	StageSelect StageKind = 3 // place a scored range in the whole base: one task a partition

	// Of a preparation, after its survey:
	StageExchange StageKind = 4 // sort a slice of the exports into a run, cut by range: one task a slice
	StageMerge    StageKind = 5 // merge a range's pieces of every run: one task a partition
)

// String returns the stage's name.
func (k StageKind) String() string {
	switch k {
	case StageSurvey:
		return "survey"
	case StageScore:
		return "score"
	case StageSelect:
		return "select"
	case StageExchange:
		return "exchange"
	case StageMerge:
		return "merge"
	}
	return fmt.Sprintf("stage-%d", uint8(k))
}

// State is where a job stands. The numbers are written to disk.
type State uint8

// Job states.
const (
	Submitted State = 1 // accepted; no stage planned yet
	Running   State = 2 // stages are planned and tasks go out
	Held      State = 3 // a gate refused; waits for Release
	Sealed    State = 4 // every task done, gates passed, not yet published
	Published State = 5 // the version is readable
	Failed    State = 6 // tasks failed too often, or the input was refused
	Cancelled State = 7 // ended by somebody; Retry brings it back, as it does a failed one
)

// Over reports whether a job in this state has ended. One that failed or was cancelled
// may be brought back.
func (s State) Over() bool { return s == Published || s == Failed || s == Cancelled }

// String returns the state's name.
func (s State) String() string {
	switch s {
	case Submitted:
		return "submitted"
	case Running:
		return "running"
	case Held:
		return "held"
	case Sealed:
		return "sealed"
	case Published:
		return "published"
	case Failed:
		return "failed"
	case Cancelled:
		return "cancelled"
	}
	return fmt.Sprintf("state-%d", uint8(s))
}

// Slice is a run of consecutive rows of one input file.
type Slice struct {
	Month  int   `cbor:"1,keyasint"` // months back; 0 = scoring month
	File   int   `cbor:"2,keyasint"` // index into Survey.Files
	First  int64 `cbor:"3,keyasint"` // first row
	Rows   int64 `cbor:"4,keyasint"`
	Offset int64 `cbor:"5,keyasint"` // CSV: byte offset of the first row; 0 for Parquet
	Bytes  int64 `cbor:"6,keyasint"` // CSV: bytes of the run; 0 for Parquet
}

// Join takes in the run after s, when it follows s in the same file, and reports whether
// it did.
func (s *Slice) Join(after Slice) bool {
	if s.Month != after.Month || s.File != after.File || s.First+s.Rows != after.First || s.Offset+s.Bytes != after.Offset {
		return false
	}
	s.Rows += after.Rows
	s.Bytes += after.Bytes
	return true
}

// Task is the work of one lease: a number range and where its rows lie.
type Task struct {
	Range  partition.Range `cbor:"1,keyasint"`
	Rows   int64           `cbor:"2,keyasint"` // rows of the scoring month, bad keys and duplicates included
	Keys   partition.Sum   `cbor:"3,keyasint"` // over the valid numbers of those rows, duplicates counted
	Slices []Slice         `cbor:"4,keyasint"` // by month, then file, then row

	// Staged is what the task works on when that is not the input: of a select
	// task the partition's score file, then the base's FileRanks. Rows then counts
	// the rows of the score file. Keys and Slices are empty there, or those of the
	// score task when some of its rows are read once more, to be explained exactly.
	Staged []File `cbor:"5,keyasint,omitempty"`
}

// InputFile is one file of the input as surveyed. The files of the job's table i are those
// of month 6 + i, behind the window's, and are called TABLE:path.
type InputFile struct {
	Path  string `cbor:"1,keyasint" json:"path"` // relative to the input's root
	Month int    `cbor:"2,keyasint" json:"months_back"`
	Bytes int64  `cbor:"3,keyasint" json:"bytes"`
	Rows  int64  `cbor:"4,keyasint" json:"rows"`
	// One of two, as input.digest asks: SHA-256 of the whole file, or of its name, size and
	// tail under digest: footer; BLAKE3 of the whole file.
	SHA256 string `cbor:"5,keyasint" json:"sha256,omitempty"`
	BLAKE3 string `cbor:"7,keyasint,omitempty" json:"blake3,omitempty"`

	Broken int64 `cbor:"6,keyasint,omitempty" json:"broken_bytes,omitempty"` // of CSV, that are no text in the declared encoding
}

// SegmentRows is how many rows of one file belong to one segment. Rows without
// a valid number belong to the segment of the row before them.
type SegmentRows struct {
	Segment partition.Segment `cbor:"1,keyasint"`
	File    int               `cbor:"2,keyasint"`
	First   int64             `cbor:"3,keyasint"`
	Rows    int64             `cbor:"4,keyasint"`
	Offset  int64             `cbor:"5,keyasint"`
	Bytes   int64             `cbor:"6,keyasint"`
	Keys    partition.Sum     `cbor:"7,keyasint"`
}

// Survey is what a worker found out about a job's input before anything is cut:
// counts by segment, never rows. Entries are sorted by month, segment, file, row.
type Survey struct {
	Files    []InputFile     `cbor:"1,keyasint"`
	Segments [][]SegmentRows `cbor:"2,keyasint"` // by months back; index 0 is the scoring month
	Model    string          `cbor:"3,keyasint"` // SHA-256 of the model file
	Columns  []string        `cbor:"4,keyasint"` // canonical flat columns the input has

	Challengers []string `cbor:"5,keyasint,omitempty"` // SHA-256 of each challenger, in the job's order
	Features    []string `cbor:"6,keyasint,omitempty"` // of the model, in its order: what the codes of reasons mean

	Bins []psi.Bins `cbor:"7,keyasint,omitempty"` // of the model's package: of what it watches for drift
}

// Counts are the outcomes of rows. In = Scored + Excluded + Rejected + Duplicate (I2).
type Counts struct {
	In        int64 `cbor:"1,keyasint" json:"in"`
	Scored    int64 `cbor:"2,keyasint" json:"scored"`
	Excluded  int64 `cbor:"3,keyasint" json:"excluded"`
	Rejected  int64 `cbor:"4,keyasint" json:"rejected"`
	Duplicate int64 `cbor:"5,keyasint" json:"duplicate"`
}

// Add returns c + o.
func (c Counts) Add(o Counts) Counts {
	return Counts{c.In + o.In, c.Scored + o.Scored, c.Excluded + o.Excluded, c.Rejected + o.Rejected, c.Duplicate + o.Duplicate}
}

// Conserved reports invariant I2.
func (c Counts) Conserved() bool {
	return c.In == c.Scored+c.Excluded+c.Rejected+c.Duplicate &&
		c.Scored >= 0 && c.Excluded >= 0 && c.Rejected >= 0 && c.Duplicate >= 0
}

// TableCounts are the outcomes of a table's events. In = Within + Outside + Orphan +
// Rejected (I2 of events).
type TableCounts struct {
	In       int64 `cbor:"1,keyasint" json:"in"`
	Within   int64 `cbor:"2,keyasint" json:"within"`   // of the base, in the window of some column
	Outside  int64 `cbor:"3,keyasint" json:"outside"`  // of the base, before every window or after the scoring month
	Orphan   int64 `cbor:"4,keyasint" json:"orphan"`   // of a number that the base does not have
	Rejected int64 `cbor:"5,keyasint" json:"rejected"` // without a number or a time, or with a value that cannot be read

	BadValues int64 `cbor:"6,keyasint" json:"bad_values"` // out of range, or not listed: read as missing
}

// Add returns c + o.
func (c TableCounts) Add(o TableCounts) TableCounts {
	return TableCounts{c.In + o.In, c.Within + o.Within, c.Outside + o.Outside, c.Orphan + o.Orphan, c.Rejected + o.Rejected, c.BadValues + o.BadValues}
}

// Conserved reports whether every event is accounted for.
func (c TableCounts) Conserved() bool {
	return c.In == c.Within+c.Outside+c.Orphan+c.Rejected &&
		c.Within >= 0 && c.Outside >= 0 && c.Orphan >= 0 && c.Rejected >= 0 && c.BadValues >= 0
}

// Reason says why a row was not scored, or why a value was. Written to reject
// files and to disk: append, never renumber.
type Reason uint8

// Reasons.
const (
	NullKey         Reason = 1 // rejected: no number
	BadNumber       Reason = 2 // rejected: not 11 digits starting 13 to 19
	BadValue        Reason = 3 // rejected: a field that cannot be read as its type
	RepeatedNumber  Reason = 4 // duplicate: the number stood in an earlier row, and the first that can be read is kept
	IoTNumber       Reason = 5 // excluded: 13-digit IoT number
	ExcludedSegment Reason = 6 // excluded: segment listed in the job
	ExcludedService Reason = 7 // excluded: service type listed in the job
	BadWidth        Reason = 8 // rejected: a CSV row with too few or too many fields
	// Reasons is one more than the highest reason.
	Reasons = 9
)

// String returns the code written to reject files.
func (r Reason) String() string {
	names := [Reasons]string{"", "NULL_KEY", "BAD_NUMBER", "BAD_VALUE", "REPEATED_NUMBER", "IOT_NUMBER", "EXCLUDED_SEGMENT", "EXCLUDED_SERVICE", "BAD_WIDTH"}
	if r > 0 && int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("REASON_%d", uint8(r))
}

// File is one file an attempt staged and verified.
type File struct {
	Kind    FileKind `cbor:"1,keyasint" json:"-"`
	Path    string   `cbor:"2,keyasint" json:"path"` // name in the output store
	Rows    int64    `cbor:"3,keyasint" json:"rows"`
	Bytes   int64    `cbor:"4,keyasint" json:"bytes"`
	SHA256  string   `cbor:"5,keyasint" json:"sha256"`         // every byte, hex
	Content string   `cbor:"6,keyasint" json:"content_sha256"` // every byte before the Parquet footer: equal for every attempt (I5)
}

// FileKind says what a file holds. Written to disk.
type FileKind uint8

// File kinds.
const (
	FileScores  FileKind = 1
	FileRejects FileKind = 2
	FileSurvey  FileKind = 3
	FileRanks   FileKind = 4 // an ecdf.Histogram of eligible rows, by what the policy ranks: of a partition, or of the base
	FileContest FileKind = 5 // contest.Counts of the job's challengers, over a partition's rows
	FileRun     FileKind = 6 // rows of an exchange task in order, by range
	FilePieces  FileKind = 7 // of an exchange task where the rows of each range lie in its run; of a merge task where those of its range lie in all
	FileCut     FileKind = 8 // the ranges that exchange tasks cut by
	FileBase    FileKind = 9 // a partition of a prepared base
)

// Tally is the mergeable summary of scored rows. All exact counts.
type Tally struct {
	Fired     [14]int64      `cbor:"1,keyasint" json:"fired"`   // by trigger
	Unknown   [14]int64      `cbor:"2,keyasint" json:"unknown"` // by trigger
	Warn      int64          `cbor:"3,keyasint" json:"warn"`
	Risk      [6]int64       `cbor:"4,keyasint" json:"risk"` // by risk_band; 0 unused
	Decision  [16]int64      `cbor:"5,keyasint" json:"decision"`
	Reason    [Reasons]int64 `cbor:"6,keyasint" json:"reason"` // rows not scored, by reason
	BadValues int64          `cbor:"7,keyasint" json:"bad_values"`
	Priority  [6]int64       `cbor:"8,keyasint,omitzero" json:"priority"` // by action_priority; all 0 before the select stage
	// Explained are rows by reason_method; of the select stage how they change, below 0
	// where rows left a method.
	Explained Explained `cbor:"9,keyasint,omitzero" json:"explained"`
}

// Explained counts rows by how their reasons were found. The three add up to the
// rows scored.
type Explained struct {
	None  int64 `cbor:"1,keyasint" json:"none"`
	Path  int64 `cbor:"2,keyasint" json:"path"`
	Exact int64 `cbor:"3,keyasint" json:"exact"`
}

// Add returns e + o.
func (e Explained) Add(o Explained) Explained {
	return Explained{e.None + o.None, e.Path + o.Path, e.Exact + o.Exact}
}

// Count adds n rows of a reason_method. It reports whether there is such a method.
func (e *Explained) Count(method uint8, n int64) bool {
	switch method {
	case 0:
		e.None += n
	case 1:
		e.Path += n
	case 2:
		e.Exact += n
	}
	return method <= 2
}

// Add returns t + o.
func (t Tally) Add(o Tally) Tally {
	for i := range t.Fired {
		t.Fired[i] += o.Fired[i]
		t.Unknown[i] += o.Unknown[i]
	}
	for i := range t.Risk {
		t.Risk[i] += o.Risk[i]
	}
	for i := range t.Decision {
		t.Decision[i] += o.Decision[i]
	}
	for i := range t.Reason {
		t.Reason[i] += o.Reason[i]
	}
	for i := range t.Priority {
		t.Priority[i] += o.Priority[i]
	}
	t.Warn += o.Warn
	t.BadValues += o.BadValues
	t.Explained = t.Explained.Add(o.Explained)
	return t
}

// Timing is where an attempt's time went, in nanoseconds of one core. It is
// reported and kept, but no digest and no decision depends on it.
type Timing struct {
	Read   int64 `cbor:"1,keyasint" json:"read"`
	Score  int64 `cbor:"2,keyasint" json:"score"`
	Write  int64 `cbor:"3,keyasint" json:"write"`
	Verify int64 `cbor:"4,keyasint" json:"verify"`
}

// Seconds is all of it, of one core.
func (t Timing) Seconds() float64 { return float64(t.Read+t.Score+t.Write+t.Verify) / 1e9 }

// Add returns t + o.
func (t Timing) Add(o Timing) Timing {
	return Timing{t.Read + o.Read, t.Score + o.Score, t.Write + o.Write, t.Verify + o.Verify}
}

// Result is what a worker reports of a completed task.
type Result struct {
	Counts Counts        `cbor:"1,keyasint"`
	Keys   partition.Sum `cbor:"2,keyasint"` // valid numbers read, duplicates counted; must equal Task.Keys
	Rows   partition.Sum `cbor:"3,keyasint"` // rows of the score file, every column the stage made; all stages' sum to the version's digest
	Files  []File        `cbor:"4,keyasint"`
	Tally  Tally         `cbor:"5,keyasint"`
	Timing Timing        `cbor:"6,keyasint"`

	Drift [][]int64 `cbor:"7,keyasint,omitempty"` // scored rows by bin, of each of Survey.Bins; of a score task
	Nulls []int64   `cbor:"8,keyasint,omitempty"` // scored rows without a value, of each of Gates.Nulls; of a score task

	Tables []TableCounts `cbor:"9,keyasint,omitempty"` // of the job's tables, in its order; of a score task
}
