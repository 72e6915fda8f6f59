package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"rescore/deploy"
	"rescore/partition/job"
	"rescore/worker/program"
)

// drawing is the picture of the default job.
func drawing(t *testing.T) program.Picture {
	t.Helper()
	spec := job.Default()
	spec.Name, spec.Month = "base", 202610
	data, err := deploy.Model("baseline")
	if err != nil {
		t.Fatal(err)
	}
	m, err := program.LoadModel(spec, data)
	if err != nil {
		t.Fatal(err)
	}
	p, err := program.ForJob(spec, m)
	if err != nil {
		t.Fatal(err)
	}
	return p.Picture(2048)
}

func TestThePictureNamesEveryKernelAndColumn(t *testing.T) {
	t.Parallel()
	p := drawing(t)
	text := pictureText(p) + restText(p)
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,\n", r) })
	for _, room := range p.Rooms {
		for _, k := range room.Kernels {
			for _, name := range append(months(cellNames(k.Reads)), cellNames(k.Makes)...) {
				if !slices.Contains(words, name) {
					t.Errorf("the picture leaves out %s of %s", name, k.Name)
				}
			}
			if !slices.Contains(words, k.Name) {
				t.Errorf("the picture leaves out %s", k.Name)
			}
		}
	}
	at := 0
	for _, name := range []string{"read ", "history ", "features ", "rules ", "model ", "value ", "decision ", "write ", "not read", "not computed"} {
		i := strings.Index("\n"+text[at:], "\n"+name)
		if i < 0 {
			t.Fatalf("no line begins with %q after byte %d", name, at)
		}
		at += i
	}
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > pictureWidth+30 || strings.HasSuffix(line, " ") {
			t.Errorf("%q is too long, or ends in blanks", line)
		}
	}
}

func TestRunsOfMonthsAreShortAndNothingElseIs(t *testing.T) {
	t.Parallel()
	got := months([]string{"fee_m0", "fee_m1", "fee_m2", "in_sec_m0", "balance_fen", "fee_m4", "fee_m5", "x_mx", "_m1"})
	if want := []string{"fee_m0..m2", "in_sec_m0", "balance_fen", "fee_m4..m5", "x_mx", "_m1"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestThePlanForProgramsHasThePictureAsStructure(t *testing.T) {
	t.Parallel()
	w := good()
	got := call(t, w, nil, "plan", folder(t)+"/job.yaml", "--output", "json")
	var plan struct {
		Program string           `json:"program"`
		Picture *program.Picture `json:"program_picture"`
		Select  *program.Picture `json:"select_picture"`
	}
	if err := json.Unmarshal([]byte(got.out), &plan); err != nil || plan.Program == "" || plan.Picture == nil || plan.Select == nil {
		t.Errorf("%s, %v", got.out, err)
	}
}
