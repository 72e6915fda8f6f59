package job

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"rescore/partition"
	"rescore/partition/schema"
)

// Kinds of jobs.
const (
	KindScore   = "score"   // also ""
	KindPrepare = "prepare" // a preparation
)

// Prepares reports whether the job is a preparation.
func (s Spec) Prepares() bool { return s.Kind == KindPrepare }

// Stages are the stages of the job, in order.
func (s Spec) Stages() []StageKind {
	if s.Prepares() {
		return []StageKind{StageSurvey, StageExchange, StageMerge}
	}
	return []StageKind{StageSurvey, StageScore, StageSelect}
}

// Number is the input's name of the column of numbers.
func (i Input) Number() string {
	if m, ok := i.Columns[schema.Key]; ok && m.Column != "" {
		return m.Column
	}
	return schema.Key
}

// Rows of a number that a preparation keeps.
const (
	KeepLatest = "latest"
	KeepAll    = "all"
)

// Formats of a prepared base.
const (
	FormatParquet = "parquet"
	FormatArrow   = "arrow"
)

// Types of Prepare.Types.
const (
	TypeInt64   = "int64"
	TypeFloat64 = "float64"
)

func (p Prepare) isDefault() bool {
	d := Default().Prepare
	return p.Keep == d.Keep && p.Format == d.Format && p.Load == d.Load && p.LoadFormat == d.LoadFormat && len(p.Types) == 0 && p.MemoryMB == d.MemoryMB
}

// prepare checks a preparation, and that no other job has its keys.
func (c *checker) prepare(s Spec) {
	if !s.Prepares() {
		if !s.Prepare.isDefault() {
			c.add("prepare", "the job is no preparation", "write kind: prepare, or remove this")
		}
		return
	}
	const none = "remove it: a preparation sorts, and judges nobody"
	d := Default()
	if len(s.Model.Features) == 0 { // as the canonical form has it
		s.Model.Features = d.Model.Features
	}
	for _, part := range []struct {
		path     string
		is, want any
	}{
		{"model", s.Model, d.Model}, {"rules", s.Rules, d.Rules}, {"policy", s.Policy, d.Policy}, {"files", s.Files, d.Files},
		{"features", s.Features, d.Features}, {"custom_rules", s.Custom, d.Custom},
		{"gates.psi_max", s.Gates.PSIMax, d.Gates.PSIMax}, {"gates.null_share_max", s.Gates.NullShareMax, d.Gates.NullShareMax},
	} {
		v := reflect.ValueOf(part.is)
		table := v.Kind() == reflect.Map || v.Kind() == reflect.Slice
		if !reflect.DeepEqual(part.is, part.want) && !(table && v.Len() == 0) {
			c.add(part.path, "a preparation has none", none)
		}
	}
	in := s.Input
	const later = "remove it; the job that reads the base says so"
	if in.Layout != "wide" {
		c.add("input.layout", "a preparation reads one kind of row", "write one preparation a month")
	}
	if in.MakeNumbers != 0 {
		c.add("input.make_numbers", "rows without numbers have no order", later)
	}
	if len(in.Extra) > 0 {
		c.add("input.extra", "every column is kept as it is", later)
	}
	if len(in.Exclude.Segments) > 0 || len(in.Exclude.ServiceTypes) > 0 {
		c.add("input.exclude", "a preparation keeps every number", "write iot alone here; the job that reads the base excludes others")
	}
	for _, name := range slices.Sorted(maps.Keys(in.Columns)) {
		m := in.Columns[name]
		if name != schema.Key {
			c.add("input.columns."+name, "every column is kept as it is", later)
		} else if !reflect.DeepEqual(m, Mapping{Column: m.Column}) {
			c.add("input.columns."+name, "the numbers are in one column", "write {column: NAME}")
		}
	}
	p := s.Prepare
	if p.Keep == "" {
		c.add("prepare.keep", "the value is empty", "write latest or all, or leave the key out")
	}
	if p.Format == "" {
		c.add("prepare.format", "the value is empty", "write parquet or arrow, or leave the key out")
	}
	if p.Format == FormatArrow && s.Output.Compression == "snappy" {
		c.add("output.compression", "Arrow files have no snappy", "write none or zstd")
	}
	if p.LoadFormat != "" && p.Load == "" {
		c.add("prepare.load_format", "there is no column to be read so", "name it under prepare.load")
	}
	if p.Load != "" && p.Load == in.Number() {
		c.add("prepare.load", "it is the column of the numbers", "name the column that says when a row was loaded")
	}
	for _, name := range slices.Sorted(maps.Keys(p.Types)) {
		at := "prepare.types." + name
		if t := p.Types[name]; t != TypeInt64 && t != TypeFloat64 {
			c.add(at, fmt.Sprintf("%q is no type", clip(t)), writeOneOf(t, []string{TypeInt64, TypeFloat64}))
		}
		if name == in.Number() {
			c.add(at, "numbers are integers", "remove it")
		}
	}
}

// Intake is what a worker found out about the exports of a preparation: where they can
// be cut, and how many rows each segment will have.
type Intake struct {
	Files    []InputFile   `cbor:"1,keyasint"` // by name; of a number's rows the later file's is kept
	Chunks   []Chunk       `cbor:"2,keyasint"` // every row of every file, in order
	Segments []SegmentRows `cbor:"3,keyasint"` // of the rows with a number, rising; Segment and Rows alone
	Columns  []string      `cbor:"4,keyasint"` // name and type of each column that is written, the number's first
}

// BaseSchema is the fingerprint of a prepared base's columns, as Intake has them.
func BaseSchema(columns []string) string {
	return hexSum([]byte("rescore base 1\n" + strings.Join(columns, "\n")))
}

// Chunk is a run of rows that tasks are made of.
type Chunk struct {
	Slice
	Keys partition.Sum `cbor:"7,keyasint"` // of the rows with a number
}

// Piece is rows of one range in a run.
type Piece struct {
	Run    int           `cbor:"1,keyasint"` // exchange task; 0 in a task's own list
	Range  int           `cbor:"2,keyasint"` // index into the cut
	Offset int64         `cbor:"3,keyasint"`
	Bytes  int64         `cbor:"4,keyasint"`
	Rows   int64         `cbor:"5,keyasint"`
	Keys   partition.Sum `cbor:"6,keyasint"`
}

// Gather is what a merge task reads: pieces of runs.
type Gather struct {
	Runs   []File  `cbor:"1,keyasint"` // by Piece.Run
	Pieces []Piece `cbor:"2,keyasint"`
}
