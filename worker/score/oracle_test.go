package score

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"rescore/worker/model"
)

const oracles = "../../../shared/data/oracles"

// Trained models, on the rows that came with them where there are some, and on
// values on and beside their thresholds: every path equals model.Ensemble.Raw,
// which worker/model holds against the libraries' own predictions.
func TestTrainedModelsEqualRawBitForBit(t *testing.T) {
	t.Parallel()
	models := map[string][]string{baseline: nil} // files of rows, parted by commas under a heading
	if _, err := os.Stat(oracles); err != nil {
		t.Log("the oracle models (shared/data/oracles beside the repository) are absent: only the baseline model is tried")
	} else {
		data, err := os.ReadFile(filepath.Join(oracles, "generated/lightgbm/CASES.json"))
		if err != nil {
			t.Fatal(err)
		}
		var cases []struct{ Model, Input string }
		if err := json.Unmarshal(data, &cases); err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			name := filepath.Join(oracles, "generated", c.Model)
			models[name] = append(models[name], filepath.Join(oracles, "generated", c.Input))
		}
		for _, name := range []string{
			"generated/xgboost/logistic_internet_nan.json", "generated/xgboost/logistic_mlc_basescore02_spw3.ubj", "generated/xgboost/cat_mlc_partition.json",
			"generated/xgboost/dart_mlc.json", "ankane_xgboost/model.json", "leaves/xg_dart_agaricus.converted_by_xgboost174.ubj",
			"ankane_lightgbm/model.txt", "ankane_lightgbm/categorical.txt", "treelite_toy_categorical/toy_categorical_model.txt",
			"leaves/lg_breast_cancer.txt", "leaves/lg_dart_breast_cancer.model", "leaves/model_simple.txt",
			"leaves/genlin_fmtp_poisson_Frequency.model", "leaves/genlin_fmtp_gamma_AvgClaimAmount.model", "leaves/genlin_fmtp_tweedie_PurePremium.model",
		} {
			models[filepath.Join(oracles, name)] = nil
		}
	}
	for name, files := range models {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			e := modelAt(t, name)
			if e.Classes != 1 {
				t.Fatal("a model of several classes has no propensity")
			}
			rows := drawn(e, 10_000)
			for _, file := range files {
				rows = append(rows, read(t, file, len(e.Features))...)
			}
			in, want := columns(len(e.Features), len(rows)), make([]float64, len(rows))
			for i, row := range rows {
				for k, x := range row {
					in[k].F64[i] = x
				}
				want[i] = e.Raw(row)
			}
			for _, f := range every(t, e) {
				checkBlocks(t, rand.New(rand.NewPCG(3, 3)), f, in, want)
			}
		})
	}
}

// drawn makes rows up of what a model asks: thresholds, their neighbours, the
// categories of its sets, missing values.
func drawn(e *model.Ensemble, rows int) [][]float64 {
	asked := make([][]float64, len(e.Features))
	for t := range e.Trees() {
		tree := e.Tree(t)
		for i, f := range tree.Feature {
			if tree.Decision[i].Categorical() {
				for _, c := range members(words(tree, i)) {
					asked[f] = append(asked[f], float64(c), math.Nextafter(float64(c), -1), float64(c)+0.5)
				}
			} else if x := tree.Threshold[i]; x-x == 0 {
				asked[f] = append(asked[f], x, math.Nextafter(x, math.Inf(1)), math.Nextafter(x, math.Inf(-1)))
			}
		}
	}
	r := rand.New(rand.NewPCG(4, 4))
	list := make([][]float64, rows)
	for i := range list {
		row := make([]float64, len(asked))
		for k, values := range asked {
			switch pick := r.IntN(8); {
			case pick == 0:
				row[k] = math.NaN()
			case pick < 3 || len(values) == 0:
				row[k] = float64(r.IntN(200)-20) / 2
			case pick == 3:
				row[k] = math.Copysign(1e300, float64(r.IntN(2))-0.5)
			default:
				row[k] = values[r.IntN(len(values))]
			}
		}
		list[i] = row
	}
	return list
}

func read(t *testing.T, file string, features int) [][]float64 {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]float64
	for _, line := range strings.Split(strings.TrimRight(string(data), "\n"), "\n")[1:] {
		cells := strings.Split(line, ",")
		if len(cells) != features {
			t.Fatalf("%s: %d cells for %d features", file, len(cells), features)
		}
		row := make([]float64, features)
		for k, cell := range cells {
			row[k] = math.NaN()
			if cell != "" {
				if row[k], err = strconv.ParseFloat(cell, 64); err != nil {
					t.Fatal(err)
				}
			}
		}
		rows = append(rows, row)
	}
	return rows
}
