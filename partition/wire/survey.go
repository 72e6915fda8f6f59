package wire

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"rescore/partition/job"
)

// A survey does not cross the bus: a worker stages it as a file and reports the
// file's digest. It is written and read here because both sides must agree on it.

const (
	surveyNumber  = 100 // file formats count from 100, messages from 1
	surveyVersion = 1
)

// EncodeSurvey writes a survey file. The same survey gives the same bytes.
func EncodeSurvey(s job.Survey) ([]byte, error) {
	body, err := encoder.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode survey: %w", err)
	}
	return append([]byte{surveyNumber, surveyVersion}, body...), nil
}

// DecodeSurvey reads a survey file, strictly.
func DecodeSurvey(data []byte) (job.Survey, error) {
	var s job.Survey
	switch {
	case len(data) < 2 || data[0] != surveyNumber:
		return s, fmt.Errorf("decode survey: %w", ErrMessage)
	case data[1] != surveyVersion:
		return s, fmt.Errorf("decode survey format %d: %w", data[1], ErrVersion)
	}
	if err := surveyDecoder.Unmarshal(data[2:], &s); err != nil {
		return job.Survey{}, fmt.Errorf("decode survey: %w: %w", ErrMessage, err)
	}
	for k, month := range s.Segments {
		for i, r := range month {
			if r.File < 0 || r.File >= len(s.Files) || s.Files[r.File].Month != k || r.First < 0 || r.Rows < 0 || r.Offset < 0 || r.Bytes < 0 {
				return job.Survey{}, fmt.Errorf("decode survey: entry %d, %d months back, lies in no file of its month: %w", i, k, ErrMessage)
			}
		}
	}
	return s, nil
}

// surveyDecoder allows the segments of a nation: a million entries a month.
var surveyDecoder = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxNestedLevels:   16,
		MaxArrayElements:  1 << 23,
		MaxMapPairs:       64,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}()
