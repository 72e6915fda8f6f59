package job

import (
	"slices"
	"strings"
	"testing"
)

const smallPreparation = "version: 1\nkind: prepare\nname: base\nmonth: 202610\ninput: {path: exports}\noutput: {path: out}\n"

func TestAPreparationIsReadBackAndSoundStill(t *testing.T) {
	t.Parallel()
	s := decoded(t, smallPreparation+"prepare: {load: l, types: {a: int64}, format: arrow, memory_mb: 64}\n")
	back, err := ParseCanonical(s.Canonical())
	if err != nil {
		t.Fatal(err)
	}
	back.Run = Default().Run // not part of what is asked
	if p := Validate(back); len(p) > 0 || back.Digest() != s.Digest() || !back.Prepares() || back.Prepare.Format != FormatArrow {
		t.Errorf("it reads back as\n%s\nwith %v", back.Canonical(), Problems(p))
	}
	if got := s.Stages(); !slices.Equal(got, []StageKind{StageSurvey, StageExchange, StageMerge}) {
		t.Errorf("its stages are %v", got)
	}
	if s.Gates.DuplicateShareMax != 1 {
		t.Errorf("it may have %v of duplicates", s.Gates.DuplicateShareMax)
	}
	if s := decoded(t, smallPreparation+"gates: {duplicate_share_max: 0.2}\n"); s.Gates.DuplicateShareMax != 0.2 {
		t.Errorf("the gate that was given is %v", s.Gates.DuplicateShareMax)
	}
}

func TestWhatAPreparationHasNotIsReported(t *testing.T) {
	t.Parallel()
	for more, path := range map[string]string{
		"model: {path: builtin:baseline}\n":   "model",
		"rules: {t2_base_fen: 1}\n":           "rules",
		"policy: {margin: 0.1}\n":             "policy",
		"prepare: {load_format: '2006'}\n":    "prepare.load_format",
		"prepare: {load: msisdn}\n":           "prepare.load",
		"prepare: {types: {a: int}}\n":        "prepare.types.a",
		"prepare: {types: {msisdn: int64}}\n": "prepare.types.msisdn",
		"prepare: {memory_mb: 1}\n":           "prepare.memory_mb",
		"prepare: {format: orc}\n":            "prepare.format",
		"prepare: {format: ''}\n":             "prepare.format",
		"gates: {psi_max: 1}\n":               "gates.psi_max",
	} {
		p := problemsOf(t, smallPreparation+more)
		if len(p) != 1 || p[0].Path != path {
			t.Errorf("%s: %v, want one problem of %s", more, p, path)
		}
	}
	snappy := strings.Replace(smallPreparation, "{path: out}", "{path: out, compression: snappy}", 1) + "prepare: {format: arrow}\n"
	if p := problemsOf(t, snappy); len(p) != 1 || p[0].Path != "output.compression" {
		t.Errorf("Arrow packed with snappy: %v", p)
	}
	if p := problemsOf(t, small+"prepare: {load: l}\n"); len(p) != 1 || p[0].Path != "prepare" {
		t.Errorf("a job that scores has keys of a preparation: %v", p)
	}
}

// Jobs that were handed in before there was a format are the same jobs.
func TestAPreparationOfParquetIsWhatItWasBeforeThereWereFormats(t *testing.T) {
	t.Parallel()
	s := decoded(t, smallPreparation)
	if strings.Contains(string(s.Canonical()), `"format":"parquet"`) {
		t.Error("its canonical form says format")
	}
	if back, err := ParseCanonical(s.Canonical()); err != nil || back.Prepare.Format != FormatParquet {
		t.Errorf("it reads back as %q, %v", back.Prepare.Format, err)
	}
}
