package wire

import (
	"errors"
	"reflect"
	"testing"

	"rescore/partition"
	"rescore/partition/job"
)

func TestStagedFilesOfAPreparationAreReadBackStrictly(t *testing.T) {
	t.Parallel()
	in := job.Intake{
		Files:    []job.InputFile{{Path: "a.csv", Bytes: 70, Rows: 7, SHA256: "ab"}},
		Chunks:   []job.Chunk{{Slice: job.Slice{First: 0, Rows: 7, Offset: 5, Bytes: 65}, Keys: partition.Sum{Hi: 1, Lo: 2}}},
		Segments: []job.SegmentRows{{Segment: 1380013, Rows: 7}}, Columns: []string{"msisdn INT64"},
	}
	cut := []partition.Range{partition.Whole}
	pieces := []job.Piece{{Range: 3, Offset: 0, Bytes: 9, Rows: 2, Keys: partition.Sum{Lo: 4}}}
	gather := job.Gather{Runs: []job.File{{Kind: job.FileRun, Path: "run", Bytes: 9}}, Pieces: pieces}
	data, decode := map[string][]byte{}, map[string]func([]byte) (any, error){
		"intake": func(b []byte) (any, error) { return DecodeIntake(b) },
		"cut":    func(b []byte) (any, error) { return DecodeCut(b) },
		"pieces": func(b []byte) (any, error) { return DecodePieces(b) },
		"gather": func(b []byte) (any, error) { return DecodeGather(b) },
	}
	want := map[string]any{"intake": in, "cut": cut, "pieces": pieces, "gather": gather}
	var errs [4]error
	data["intake"], errs[0] = EncodeIntake(in)
	data["cut"], errs[1] = EncodeCut(cut)
	data["pieces"], errs[2] = EncodePieces(pieces)
	data["gather"], errs[3] = EncodeGather(gather)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	for name, read := range decode {
		got, err := read(data[name])
		if err != nil || !reflect.DeepEqual(got, want[name]) {
			t.Errorf("%s reads back as %+v, %v", name, got, err)
		}
		for n := range data[name] {
			if _, err := read(data[name][:n]); err == nil {
				t.Errorf("%s of %d bytes is read", name, n)
			}
		}
		if _, err := read(append(data[name], 0)); err == nil {
			t.Errorf("%s with a byte more is read", name)
		}
		for other := range decode {
			if _, err := read(data[other]); other != name && !errors.Is(err, ErrMessage) {
				t.Errorf("%s is read as %s: %v", other, name, err)
			}
		}
	}
}

func TestPiecesOutsideTheirRunAreRefused(t *testing.T) {
	t.Parallel()
	for what, p := range map[string]job.Piece{
		"another run":  {Run: 1, Bytes: 5, Rows: 1},
		"past its end": {Offset: 5, Bytes: 5, Rows: 1},
		"no bytes":     {Rows: 1},
		"no rows":      {Bytes: 5},
		"before it":    {Offset: -1, Bytes: 5, Rows: 1},
	} {
		data, err := EncodeGather(job.Gather{Runs: []job.File{{Bytes: 9}}, Pieces: []job.Piece{p}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeGather(data); !errors.Is(err, ErrMessage) {
			t.Errorf("a piece of %s: %v", what, err)
		}
	}
}

func FuzzStagedFilesOfAPreparation(f *testing.F) {
	if data, err := EncodeCut([]partition.Range{partition.Whole}); err == nil {
		f.Add(data)
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = DecodeIntake(b)
		_, _ = DecodeCut(b)
		_, _ = DecodePieces(b)
		_, _ = DecodeGather(b)
	})
}
