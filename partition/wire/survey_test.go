package wire

import (
	"reflect"
	"testing"

	"rescore/partition"
	"rescore/partition/job"
)

func exampleSurvey() job.Survey {
	return job.Survey{
		Files: []job.InputFile{{Path: "base/part-0.parquet", Bytes: 100, Rows: 3, SHA256: "ab"}},
		Segments: [][]job.SegmentRows{{
			{Segment: 1380000, Rows: 2, Keys: partition.Sum{Hi: 1, Lo: 2}},
			{Segment: 1380001, First: 2, Rows: 1},
		}},
		Model: "cd", Columns: []string{"fee_m0"},
	}
}

func TestSurveyComesBackAsItWas(t *testing.T) {
	want := exampleSurvey()
	data, err := EncodeSurvey(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeSurvey(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSurveyThatPointsOutsideItsFilesIsRefused(t *testing.T) {
	s := exampleSurvey()
	s.Segments[0][1].File = 1
	data, err := EncodeSurvey(s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeSurvey(data); err == nil {
		t.Error("a segment of file 1 of 1 was accepted")
	}
}

func FuzzSurvey(f *testing.F) {
	data, err := EncodeSurvey(exampleSurvey())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{surveyNumber, surveyVersion})
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeSurvey(data)
		if err != nil {
			return
		}
		if _, err := EncodeSurvey(s); err != nil {
			t.Errorf("a decoded survey does not encode: %v", err)
		}
	})
}
