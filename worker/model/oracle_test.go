package model

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const oracles = "../../../shared/data/oracles"

// oracle reads a file of the oracles, and skips the test where they are absent.
func oracle(t *testing.T, name string) []byte {
	t.Helper()
	if _, err := os.Stat(oracles); err != nil {
		t.Skip("the oracle models (shared/data/oracles beside the repository) are absent: nothing to compare with")
	}
	data, err := os.ReadFile(filepath.Join(oracles, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func oracleModel(t *testing.T, name string) *Ensemble {
	t.Helper()
	e, err := LightGBM(oracle(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return e
}

// table reads numbers parted by sep, an empty cell as NaN, after skip lines.
func table(t *testing.T, data []byte, sep string, skip int) [][]float64 {
	t.Helper()
	var rows [][]float64
	for _, line := range strings.Split(strings.TrimRight(string(data), "\n"), "\n")[skip:] {
		var row []float64
		for _, cell := range strings.Split(strings.TrimRight(line, " "), sep) {
			x := math.NaN()
			if cell != "" {
				var err error
				if x, err = strconv.ParseFloat(cell, 64); err != nil {
					t.Fatal(err)
				}
			}
			row = append(row, x)
		}
		rows = append(rows, row)
	}
	return rows
}

// ulps returns how many float64s lie between a and b.
func ulps(a, b float64) uint64 {
	order := func(x float64) int64 {
		i := int64(math.Float64bits(x))
		if i < 0 {
			i = math.MinInt64 - i
		}
		return i
	}
	d := order(a) - order(b)
	if d < 0 {
		d = -d
	}
	return uint64(d)
}

func same(a, b float64) bool { return a == b }

func within(tolerance float64) func(a, b float64) bool {
	return func(a, b float64) bool { return math.Abs(a-b) <= tolerance*max(1, math.Abs(b)) }
}

func TestGeneratedOraclesAreBitEqual(t *testing.T) {
	t.Parallel()
	var cases []struct{ Model, Input, Expected string }
	if err := json.Unmarshal(oracle(t, "generated/lightgbm/CASES.json"), &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 6 {
		t.Fatalf("%d cases, want 6 at least", len(cases))
	}
	for _, c := range cases {
		t.Run(filepath.Base(c.Model), func(t *testing.T) {
			t.Parallel()
			e := oracleModel(t, "generated/"+c.Model)
			rows := table(t, oracle(t, "generated/"+c.Input), ",", 1)
			want := table(t, oracle(t, "generated/"+c.Expected), "\t", 1)
			if len(rows) != len(want) || len(rows) < 1500 {
				t.Fatalf("%d rows, %d predictions", len(rows), len(want))
			}
			worst := uint64(0)
			for i, row := range rows {
				raw := e.Raw(row)
				if raw != want[i][1] {
					t.Fatalf("row %d: raw %v, want %v", i, raw, want[i][1])
				}
				worst = max(worst, ulps(e.Transform(raw), want[i][0]))
			}
			// The reference calls the C library's exp, ours is our own.
			if worst > 2 {
				t.Errorf("predictions are up to %d units in the last place off", worst)
			}
			leaves := table(t, oracle(t, "generated/"+strings.TrimSuffix(c.Model, ".txt")+".leaves200.tsv"), "\t", 0)
			for i, want := range leaves {
				checkLeaves(t, e, i, rows[i], want)
			}
			checkSplitOrder(t, e)
		})
	}
}

func checkLeaves(t *testing.T, e *Ensemble, i int, row, want []float64) {
	t.Helper()
	if len(want) != e.Trees() {
		t.Fatalf("%d leaves for %d trees", len(want), e.Trees())
	}
	for k := range want {
		if leaf := e.Tree(k).Find(row); leaf != int(want[k]) {
			t.Errorf("row %d tree %d: leaf %d, want %v", i, k, leaf, want[k])
		}
	}
}

// checkSplitOrder proves the numbering that the package comment draws, which
// faster forms of a model are compiled from.
func checkSplitOrder(t *testing.T, e *Ensemble) {
	t.Helper()
	for k := range e.Trees() {
		tree := e.Tree(k)
		first := func(child int32) int32 { // the lowest leaf below a child
			for child >= 0 {
				child = tree.Left[child]
			}
			return ^child
		}
		for i := range tree.Left {
			if r := first(tree.Right[i]); r != int32(i)+1 {
				t.Errorf("tree %d split %d: the right part's first leaf is %d, want %d", k, i, r, i+1)
			}
		}
	}
}

func TestLeavesOracles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		model, input, want string
		label              bool // column 0 of the input is one
		transform          bool
		equal              func(a, b float64) bool
	}{
		{"lg_dart_breast_cancer.model", "breast_cancer_test.tsv", "lg_dart_breast_cancer_true_predictions.txt", false, true, within(1e-15)},
		{"lg_kddcup99.model", "kddcup99_test.tsv", "lg_kddcup99_true_predictions.txt", false, false, same},
		{"lgmulticlass.model", "multiclass_test.tsv", "lgmulticlass_true_predictions.txt", true, true, within(1e-7)},
		{"lgmulticlass.model", "multiclass_test.tsv", "lgmulticlass_true_raw_predictions.txt", true, false, within(1e-7)},
		{"genlin_fmtp_poisson_Frequency.model", "genlin_fmtp_poisson_Frequency_features.tsv", "genlin_fmtp_poisson_Frequency_true_predictions.txt", false, true, within(1e-15)},
		{"genlin_fmtp_gamma_AvgClaimAmount.model", "genlin_fmtp_gamma_AvgClaimAmount_features.tsv", "genlin_fmtp_gamma_AvgClaimAmount_true_predictions.txt", false, true, within(1e-15)},
		{"genlin_fmtp_tweedie_PurePremium.model", "genlin_fmtp_tweedie_PurePremium_features.tsv", "genlin_fmtp_tweedie_PurePremium_true_predictions.txt", false, true, within(1e-15)},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			e := oracleModel(t, "leaves/"+c.model)
			rows := table(t, oracle(t, "leaves/"+c.input), "\t", 0)
			want := table(t, oracle(t, "leaves/"+c.want), "\t", 0)
			if len(rows) != len(want) || len(rows) < 30 {
				t.Fatalf("%d rows, %d predictions", len(rows), len(want))
			}
			got := make([]float64, e.Classes)
			exact, all := 0, 0
			for i, row := range rows {
				if c.label {
					row = row[1:]
				}
				e.RawInto(got, row)
				if e.Classes == 1 && got[0] != e.Raw(row) {
					t.Fatalf("row %d: Raw and RawInto differ", i)
				}
				if c.transform {
					e.TransformInto(got, got)
				}
				for k := range got {
					if !c.equal(got[k], want[i][k]) {
						t.Fatalf("row %d class %d: %v, want %v", i, k, got[k], want[i][k])
					}
					all++
					if got[k] == want[i][k] {
						exact++
					}
				}
			}
			t.Logf("%d of %d values are bit-equal", exact, all)
			checkSplitOrder(t, e)
		})
	}
}

func TestLeavesOracleReachesTheSameLeaves(t *testing.T) {
	t.Parallel()
	e := oracleModel(t, "leaves/lg_breast_cancer.txt")
	rows := table(t, oracle(t, "leaves/lg_breast_cancer_data.txt"), " ", 0)
	want := table(t, oracle(t, "leaves/lg_breast_cancer_data_pred_leaves.txt"), " ", 0)
	if len(rows) != len(want) || len(rows) < 50 {
		t.Fatalf("%d rows, %d predictions", len(rows), len(want))
	}
	for i, row := range rows {
		checkLeaves(t, e, i, row, want[i])
	}
	checkSplitOrder(t, e)
}

func TestTreeliteOracle(t *testing.T) {
	t.Parallel()
	e := oracleModel(t, "treelite_toy_categorical/toy_categorical_model.txt")
	want := table(t, oracle(t, "treelite_toy_categorical/toy_categorical.test.pred"), " ", 0)
	lines := strings.Split(strings.TrimRight(string(oracle(t, "treelite_toy_categorical/toy_categorical.test")), "\n"), "\n")
	if len(lines) != len(want) || len(lines) < 100 {
		t.Fatalf("%d rows, %d predictions", len(lines), len(want))
	}
	for i, line := range lines {
		row := []float64{math.NaN(), math.NaN()} // absent is missing
		for _, cell := range strings.Fields(line)[1:] {
			at, value, _ := strings.Cut(cell, ":")
			k, _ := strconv.Atoi(at)
			row[k], _ = strconv.ParseFloat(value, 64)
		}
		if got := e.Transform(e.Raw(row)); got != want[i][0] {
			t.Errorf("row %d: %v, want %v", i, got, want[i][0])
		}
	}
}

func TestAnkaneOracles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		model string
		row   []float64
		want  float64
	}{
		{"model.txt", []float64{3.7, 1.2, 7.2, 9.0}, 0.9823112229173586},
		{"model.txt", []float64{7.5, 0.5, 7.9, 0.0}, 0.9583143724610858},
		{"categorical.txt", []float64{3.7, 1.2, 7.2, 9}, 0.996415541144579},
		{"categorical.txt", []float64{7.5, 0.5, 7.9, 0}, 1.0809369939979934},
	} {
		e := oracleModel(t, "ankane_lightgbm/"+c.model)
		if got := e.Transform(e.Raw(c.row)); got != c.want {
			t.Errorf("%s %v: %v, want %v", c.model, c.row, got, c.want)
		}
		if c.model == "categorical.txt" && (len(e.Pandas) != 1 || len(e.Pandas[0]) != 10 || e.Pandas[0][9] != Category{"cat9", false}) {
			t.Errorf("pandas categories %v", e.Pandas)
		}
	}
}

func TestSimpleOracleModelLoads(t *testing.T) {
	t.Parallel()
	if e := oracleModel(t, "leaves/model_simple.txt"); e.Trees() != 2 || len(e.Features) != 2 || e.Ranges[1] != "1:0:3:100:-1" {
		t.Errorf("%d trees, features %q %q", e.Trees(), e.Features, e.Ranges)
	}
}

// Models of other formats are refused by name.
func TestOtherOracleModelsAreRefusedByName(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]string{
		"leaves/lg_1tree.json":                         "LightGBM JSON",
		"leaves/lg_1tree_1leaf.json":                   "LightGBM JSON",
		"leaves/lg_dart_breast_cancer.json":            "LightGBM JSON",
		"leaves/tree_1leaf.txt":                        "one tree",
		"leaves/tree_2leaves.txt":                      "one tree",
		"leaves/tree_3leaves.txt":                      "one tree",
		"leaves/sk_gradient_boosting_classifier.model": "pickle",
		"leaves/sk_iris.model":                         "pickle",
		"leaves/xgagaricus.model":                      "binary",
		"leaves/xg_dart_agaricus.model":                "binary",
		"leaves/xgblin_agaricus.model":                 "binary",
		"leaves/xgdermatology.model":                   "binary",
	} {
		_, err := Load(oracle(t, name))
		if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "supported: LightGBM") {
			t.Errorf("%s: error %v, want one saying %q and what is supported", name, err, says)
		}
	}
}
