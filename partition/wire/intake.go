package wire

import (
	"fmt"

	"rescore/partition"
	"rescore/partition/job"
)

// What the tasks of a preparation and its leader tell each other about rows does not
// cross the bus either: each stages it as a file, of one of these formats.
const (
	intakeNumber  = 101
	cutNumber     = 102
	piecesNumber  = 103
	gatherNumber  = 104
	intakeVersion = 1
)

// EncodeIntake writes what the survey of a preparation found.
func EncodeIntake(in job.Intake) ([]byte, error) { return encodeStaged(intakeNumber, in) }

// DecodeIntake reads it, strictly.
func DecodeIntake(data []byte) (in job.Intake, err error) {
	if err = decodeStaged(intakeNumber, data, &in); err != nil {
		return job.Intake{}, err
	}
	for i, c := range in.Chunks {
		if c.File < 0 || c.File >= len(in.Files) || c.First < 0 || c.Rows < 1 || c.Offset < 0 || c.Bytes < 0 {
			return job.Intake{}, fmt.Errorf("decode survey: chunk %d lies in no file: %w", i, ErrMessage)
		}
	}
	return in, nil
}

// EncodeCut writes the ranges that a preparation cuts by.
func EncodeCut(ranges []partition.Range) ([]byte, error) { return encodeStaged(cutNumber, ranges) }

// DecodeCut reads them; they cover the number space.
func DecodeCut(data []byte) (ranges []partition.Range, err error) {
	if err = decodeStaged(cutNumber, data, &ranges); err != nil {
		return nil, err
	}
	if err := partition.CheckCover(partition.Whole, ranges); err != nil {
		return nil, fmt.Errorf("decode cut: %w: %w", ErrMessage, err)
	}
	return ranges, nil
}

// EncodePieces writes where the rows of a run lie.
func EncodePieces(pieces []job.Piece) ([]byte, error) {
	if pieces == nil {
		pieces = []job.Piece{}
	}
	return encodeStaged(piecesNumber, pieces)
}

// DecodePieces reads it.
func DecodePieces(data []byte) (pieces []job.Piece, err error) {
	if err = decodeStaged(piecesNumber, data, &pieces); err != nil {
		return nil, err
	}
	return pieces, checkPieces(pieces)
}

// EncodeGather writes what a merge task reads.
func EncodeGather(g job.Gather) ([]byte, error) { return encodeStaged(gatherNumber, g) }

// DecodeGather reads it.
func DecodeGather(data []byte) (g job.Gather, err error) {
	if err = decodeStaged(gatherNumber, data, &g); err != nil {
		return job.Gather{}, err
	}
	for i, p := range g.Pieces {
		if p.Run < 0 || p.Run >= len(g.Runs) || p.Offset+p.Bytes > g.Runs[p.Run].Bytes {
			return job.Gather{}, fmt.Errorf("decode pieces: piece %d lies in no run: %w", i, ErrMessage)
		}
	}
	return g, checkPieces(g.Pieces)
}

func checkPieces(pieces []job.Piece) error {
	for i, p := range pieces {
		if p.Run < 0 || p.Range < 0 || p.Offset < 0 || p.Bytes < 1 || p.Rows < 1 {
			return fmt.Errorf("decode pieces: piece %d is none: %w", i, ErrMessage)
		}
	}
	return nil
}

func encodeStaged(number byte, v any) ([]byte, error) {
	body, err := encoder.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode staged file %d: %w", number, err)
	}
	return append([]byte{number, intakeVersion}, body...), nil
}

func decodeStaged(number byte, data []byte, v any) error {
	switch {
	case len(data) < 2 || data[0] != number:
		return fmt.Errorf("decode staged file %d: %w", number, ErrMessage)
	case data[1] != intakeVersion:
		return fmt.Errorf("decode staged file %d of format %d: %w", number, data[1], ErrVersion)
	}
	if err := surveyDecoder.Unmarshal(data[2:], v); err != nil {
		return fmt.Errorf("decode staged file %d: %w: %w", number, ErrMessage, err)
	}
	return nil
}
