package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rescore/cmd/internal/boot"
	"rescore/worker/score"
)

const oracles = "../../../shared/data/oracles"

func oracle(t *testing.T, name string) string {
	t.Helper()
	if _, err := os.Stat(oracles); err != nil {
		t.Skip("the oracle models (shared/data/oracles beside the repository) are absent: nothing to compare with")
	}
	return filepath.Join(oracles, name)
}

// numbers reads what the command printed, or a library.
func numbers(t *testing.T, text string, skip int) [][]float64 {
	t.Helper()
	var rows [][]float64
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n")[skip:] {
		var row []float64
		for cell := range strings.FieldsSeq(line) {
			x, err := strconv.ParseFloat(cell, 64)
			if err != nil {
				t.Fatal(err)
			}
			row = append(row, x)
		}
		rows = append(rows, row)
	}
	return rows
}

// checkScores compares what a call prints with a library's predictions: column of
// want, or every column when it is negative.
func checkScores(t *testing.T, want [][]float64, column int, tolerance float64, args ...string) {
	t.Helper()
	got := call(t, good(), nil, append([]string{"model", "score"}, args...)...)
	if got.code != boot.OK {
		t.Fatalf("%v: %s", args, got.errors)
	}
	rows := numbers(t, got.out, 0)
	if len(rows) != len(want) {
		t.Fatalf("%v: %d lines for %d predictions", args, len(rows), len(want))
	}
	for i, row := range rows {
		expected := want[i]
		if column >= 0 {
			expected = expected[column : column+1]
		}
		if !slices.EqualFunc(row, expected, func(a, b float64) bool { return math.Abs(a-b) <= tolerance*max(1, math.Abs(b)) }) {
			t.Fatalf("%v, row %d: %v, want %v", args, i, row, expected)
		}
	}
}

func TestModelScoreEqualsEveryGeneratedOracle(t *testing.T) {
	t.Parallel()
	for _, library := range []string{"lightgbm", "xgboost"} {
		data, err := os.ReadFile(oracle(t, "generated/"+library+"/CASES.json"))
		if err != nil {
			t.Fatal(err)
		}
		var cases []struct {
			Model, Input, Expected string
			Range                  [2]int `json:"iteration_range"`
		}
		if err := json.Unmarshal(data, &cases); err != nil || len(cases) < 5 {
			t.Fatalf("%d cases: %v", len(cases), err)
		}
		for _, c := range cases {
			text, err := os.ReadFile(oracle(t, "generated/"+c.Expected))
			if err != nil {
				t.Fatal(err)
			}
			want := numbers(t, string(text), 1)
			files := []string{c.Model}
			if library == "xgboost" {
				files = append(files, strings.TrimSuffix(c.Model, ".json")+".ubj")
			}
			for _, file := range files {
				args := []string{oracle(t, "generated/"+file), oracle(t, "generated/"+c.Input), "--iterations", fmt.Sprintf("%d:%d", c.Range[0], c.Range[1])}
				checkScores(t, want, 1, 0, append(args, "--raw")...)
				checkScores(t, want, 0, 1e-15, args...)
			}
		}
	}
}

func TestModelScoreEqualsEveryPublishedOracle(t *testing.T) {
	t.Parallel()
	const dermatology, agaricus = "leaves/dermatology_test.libsvm", "leaves/agaricus_test.libsvm"
	converted := func(name string) string { return "leaves/" + name + ".converted_by_xgboost174" }
	for _, c := range []struct {
		model, data, want string
		tolerance         float64
		args              string
	}{
		{"leaves/lg_dart_breast_cancer.model", "leaves/breast_cancer_test.tsv", "leaves/lg_dart_breast_cancer_true_predictions.txt", 1e-15, ""},
		{"leaves/lg_kddcup99.model", "leaves/kddcup99_test.tsv", "leaves/lg_kddcup99_true_predictions.txt", 0, "--raw"},
		{"leaves/lgmulticlass.model", "leaves/multiclass_test.tsv", "leaves/lgmulticlass_true_predictions.txt", 1e-7, "--label 0"},
		{"leaves/lgmulticlass.model", "leaves/multiclass_test.tsv", "leaves/lgmulticlass_true_raw_predictions.txt", 1e-7, "--label 0 --raw"},
		{"leaves/genlin_fmtp_poisson_Frequency.model", "leaves/genlin_fmtp_poisson_Frequency_features.tsv", "leaves/genlin_fmtp_poisson_Frequency_true_predictions.txt", 1e-15, ""},
		{"leaves/genlin_fmtp_gamma_AvgClaimAmount.model", "leaves/genlin_fmtp_gamma_AvgClaimAmount_features.tsv", "leaves/genlin_fmtp_gamma_AvgClaimAmount_true_predictions.txt", 1e-15, ""},
		{"leaves/genlin_fmtp_tweedie_PurePremium.model", "leaves/genlin_fmtp_tweedie_PurePremium_features.tsv", "leaves/genlin_fmtp_tweedie_PurePremium_true_predictions.txt", 1e-15, ""},
		{"treelite_toy_categorical/toy_categorical_model.txt", "treelite_toy_categorical/toy_categorical.test", "treelite_toy_categorical/toy_categorical.test.pred", 0, ""},
		{converted("xgagaricus") + ".json", agaricus, "leaves/xgagaricus_true_predictions.txt", 0, ""},
		{converted("xg_dart_agaricus") + ".ubj", agaricus, "leaves/xg_dart_agaricus_true_predictions.txt", 0, "--raw --iterations 0:10"},
		{converted("xgblin_agaricus") + ".json", agaricus, "leaves/xgblin_agaricus_true_raw_predictions.txt", 0, "--raw"},
		{converted("xgblin_agaricus") + ".ubj", agaricus, "leaves/xgblin_agaricus_true_predictions.txt", 2e-9, ""},
		{converted("xgdermatology") + ".json", dermatology, "leaves/xgdermatology_true_predictions.txt", 0, "--raw"},
	} {
		text, err := os.ReadFile(oracle(t, c.want))
		if err != nil {
			t.Fatal(err)
		}
		checkScores(t, numbers(t, string(text), 0), -1, c.tolerance, append([]string{oracle(t, c.model), oracle(t, c.data)}, strings.Fields(c.args)...)...)
	}
	for _, c := range []struct {
		model, rows string
		want        []string
	}{
		{"ankane_lightgbm/model.txt", "3.7,1.2,7.2,9.0\n7.5,0.5,7.9,0.0\n", []string{"0.9823112229173586", "0.9583143724610858"}},
		{"ankane_lightgbm/categorical.txt", "3.7,1.2,7.2,cat9\n7.5,0.5,7.9,\"cat0\"\n", []string{"0.996415541144579", "1.0809369939979934"}},
		{"ankane_lightgbm/categorical.txt", "x3\tx2\ty\tx1\tx0\ncat9\t7.2\t1\t1.2\t3.7\ncat0\t7.9\t0\t.5\t7.5\n", []string{"0.996415541144579", "1.0809369939979934"}},
	} {
		got := callIn(t.Context(), good(), nil, c.rows, "model", "score", oracle(t, c.model), "-")
		if rows, want := numbers(t, got.out, 0), numbers(t, strings.Join(c.want, "\n"), 0); got.code != boot.OK || fmt.Sprint(rows) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v: %s", c.model, rows, want, got.errors)
		}
	}
}

func TestModelScorePrintsSeventeenDigitsAndAMissingValueAsAsked(t *testing.T) {
	t.Parallel()
	const stump = "../../worker/model/testdata/stump_v2.txt"
	plain := callIn(t.Context(), good(), nil, "9\n\n", "model", "score", stump, "-")
	asked := callIn(t.Context(), good(), nil, "9\n", "model", "score", stump, "-", "--missing", "9")
	lines := strings.Split(plain.out, "\n")
	if len(lines) != 3 || asked.out != lines[1]+"\n" || asked.out == lines[0]+"\n" {
		t.Errorf("plain %q, with 9 missing %q", plain.out, asked.out)
	}
	for x, want := range map[float64]string{0.1: "0.10000000000000001", 2.5: "2.5", 1e300: "1.0000000000000001e+300", math.Inf(-1): "-inf", math.NaN(): "nan"} {
		if got := string(appendDigits(nil, x)); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
	bad := callIn(t.Context(), good(), nil, "1\n13800138000x\n", "model", "score", stump, "-")
	if bad.code != boot.Failure || !strings.Contains(bad.errors, "stdin:2:1: this is no number") || strings.Contains(bad.errors, "138") || strings.Count(bad.out, "\n") != 1 {
		t.Errorf("a field that is no number: %+v", bad)
	}
}

func TestModelInspectSaysWhatTheFileHolds(t *testing.T) {
	t.Parallel()
	const file = "../../worker/model/testdata/xgb_category.json"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := call(t, good(), nil, "model", "inspect", file, "--output", "json")
	var m inspected
	if err := json.Unmarshal([]byte(got.out), &m); err != nil {
		t.Fatal(err)
	}
	if m.Format != "XGBoost 3.2.0" || m.Objective != "binary:logistic" || m.Link != "logistic" || m.Trees != 3 || m.Leaves != 22 || m.LeavesMax != 8 || m.Classes != 1 ||
		!m.Propensity || m.Best != nil || m.Sum != "float32" || m.Digest != fmt.Sprintf("%x", sha256.Sum256(data)) || len(m.Features) == 0 {
		t.Errorf("got %s", got.out)
	}
	splits := 0
	for _, f := range m.Features {
		splits += f.Splits
	}
	if splits != m.Leaves-m.Trees || !slices.ContainsFunc(m.Features, func(f inspectedFeature) bool { return f.Categorical }) {
		t.Errorf("%d splits: %s", splits, got.out)
	}
	text := call(t, good(), nil, "model", "inspect", file)
	for _, want := range []string{"binary:logistic", m.Digest, "3 in 3 iterations, 22 leaves", m.Features[0].Name} {
		if !strings.Contains(text.out, want) {
			t.Errorf("no %q in\n%s", want, text.out)
		}
	}
}

func TestBenchScorePrintsTheContractsObjectOnEveryPath(t *testing.T) {
	t.Parallel()
	for _, path := range append(score.Paths(), "auto") {
		got := call(t, good(), nil, "bench", "score", "--model", "../../worker/model/testdata/xgb_category.json", "--rows", "3000", "--path", path, "--output", "json")
		var figures map[string]any
		if err := json.Unmarshal([]byte(got.out), &figures); err != nil {
			t.Fatalf("%s: %v: %s", path, err, got.errors)
		}
		if path == "auto" {
			path = score.Paths()[len(score.Paths())-1]
		}
		if len(figures) != 7 || figures["path"] != path || figures["rows"] != 3000.0 {
			t.Errorf("%s: %s", path, got.out)
		}
		for _, name := range []string{"ns_per_row", "ns_per_row_median", "quantise_ns", "trees_ns"} {
			if x, ok := figures[name].(float64); !ok || x <= 0 {
				t.Errorf("%s: %s is %v", path, name, figures[name])
			}
		}
		if x, ok := figures["leaves_ns"].(float64); !ok || x < 0 {
			t.Errorf("%s: leaves_ns is %v", path, figures["leaves_ns"])
		}
	}
}

func TestBenchScoreTimesTheRowsOfAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte("1\n\n3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want int
	}{{nil, 3}, {[]string{"--rows", "2"}, 2}, {[]string{"--rows", "4"}, 3}} {
		got := call(t, good(), nil, append([]string{"bench", "score", "--model", "../../worker/model/testdata/stump_v2.txt", "--data", file, "--output", "json"}, c.args...)...)
		var figures struct{ Rows int }
		if err := json.Unmarshal([]byte(got.out), &figures); err != nil || figures.Rows != c.want {
			t.Errorf("%v: %v: %s%s", c.args, err, got.out, got.errors)
		}
	}
}
