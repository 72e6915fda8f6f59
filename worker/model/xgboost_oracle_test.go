package model

import (
	"bytes"
	"encoding/json"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// judge is XGBoost's prediction written from its documentation, node by node on the
// file's own arrays in float32, with encoding/json: nothing of the loader is in it.
type judge struct {
	Learner struct {
		Param struct {
			Base    string `json:"base_score"`
			Classes string `json:"num_class"`
		} `json:"learner_model_param"`
		Objective struct{ Name string }
		Booster   struct {
			Name   string
			Model  judged
			GBTree struct{ Model judged }
			Drop   []float32 `json:"weight_drop"`
		} `json:"gradient_booster"`
	}
}

type judged struct {
	Info    []int       `json:"tree_info"`
	Weights []float32   // gblinear
	Trees   []judgeTree `json:"trees"`
}

type judgeTree struct {
	Left      []int     `json:"left_children"`
	Right     []int     `json:"right_children"`
	Feature   []int     `json:"split_indices"`
	Condition []float32 `json:"split_conditions"`
	Default   []int     `json:"default_left"`
	Kind      []int     `json:"split_type"`
	Nodes     []int     `json:"categories_nodes"`
	Segments  []int     `json:"categories_segments"`
	Sizes     []int     `json:"categories_sizes"`
	List      []int     `json:"categories"`
}

func newJudge(t testing.TB, data []byte) *judge {
	t.Helper()
	j := new(judge)
	if err := json.Unmarshal(bytes.ReplaceAll(data, []byte("NaN"), []byte("0")), j); err != nil {
		t.Fatal(err)
	}
	if j.Learner.Booster.Name == "dart" {
		j.Learner.Booster.Model = j.Learner.Booster.GBTree.Model
	}
	return j
}

// find returns the file's number of the leaf that a row reaches.
func (j judgeTree) find(row []float64) int {
	at := 0
	for j.Left[at] != -1 {
		x := float32(row[j.Feature[at]])
		left := false
		switch {
		case x != x:
			left = j.Default[at] == 1
		case j.Kind[at] == 1:
			left = true
			for i, n := range j.Nodes {
				for k := range j.Sizes[i] {
					if n == at && x >= 0 && float32(math.Trunc(float64(x))) == float32(j.List[j.Segments[i]+k]) {
						left = false
					}
				}
			}
		default:
			left = x < j.Condition[at]
		}
		if left {
			at = j.Left[at]
		} else {
			at = j.Right[at]
		}
	}
	return at
}

func (j *judge) margins(row []float64, trees int) []float32 {
	classes, _ := strconv.Atoi(j.Learner.Param.Classes)
	parsed, _ := strconv.ParseFloat(strings.Trim(j.Learner.Param.Base, "[]"), 32)
	base := float32(parsed)
	switch j.Learner.Objective.Name {
	case "binary:logistic":
		base = -float32(math.Log(float64(1/base - 1)))
	case "reg:gamma":
		base = float32(math.Log(parsed))
	}
	sum := make([]float32, max(classes, 1))
	for k := range sum {
		sum[k] = base
	}
	b := j.Learner.Booster
	for t, tree := range b.Model.Trees[:min(trees, len(b.Model.Trees))] {
		v := tree.Condition[tree.find(row)]
		if b.Drop != nil {
			v = float32(v * b.Drop[t])
		}
		sum[b.Model.Info[t]] += v
	}
	if w := b.Model.Weights; w != nil {
		sum[0] = w[len(w)-1] + sum[0]
		for i, x := range row {
			if x := float32(x); x == x {
				sum[0] += float32(x * w[i])
			}
		}
	}
	return sum
}

func xgboostOracle(t *testing.T, name string) *Ensemble {
	t.Helper()
	e, err := XGBoost(oracle(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return e
}

// libsvm reads rows of zero-based columns; an absent one is missing.
func libsvm(t *testing.T, data []byte, columns int) [][]float64 {
	t.Helper()
	var rows [][]float64
	for _, line := range strings.Split(strings.TrimRight(string(data), "\n"), "\n") {
		row := make([]float64, columns)
		for i := range row {
			row[i] = math.NaN()
		}
		for _, cell := range strings.Fields(line)[1:] {
			at, value, _ := strings.Cut(cell, ":")
			k, err := strconv.Atoi(at)
			if err != nil {
				t.Fatal(err)
			}
			if row[k], err = strconv.ParseFloat(value, 64); err != nil {
				t.Fatal(err)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func TestGeneratedXGBoostOraclesAreBitEqual(t *testing.T) {
	t.Parallel()
	var cases []struct {
		Model, Input, Expected string
		Range                  [2]int `json:"iteration_range"`
	}
	if err := json.Unmarshal(oracle(t, "generated/xgboost/CASES.json"), &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 5 {
		t.Fatalf("%d cases, want 5 at least", len(cases))
	}
	for _, c := range cases {
		for _, end := range []string{".json", ".ubj"} {
			name := "generated/" + strings.TrimSuffix(c.Model, ".json") + end
			t.Run(filepath.Base(name), func(t *testing.T) {
				t.Parallel()
				e, err := xgboostOracle(t, name).Between(c.Range[0], c.Range[1])
				if err != nil {
					t.Fatal(err)
				}
				rows := table(t, oracle(t, "generated/"+c.Input), ",", 1)
				want := table(t, oracle(t, "generated/"+c.Expected), "\t", 1)
				if len(rows) != len(want) || len(rows) < 1500 {
					t.Fatalf("%d rows, %d predictions", len(rows), len(want))
				}
				for i, row := range rows {
					raw := e.Raw(row)
					if raw != want[i][1] {
						t.Fatalf("row %d: raw %v, want %v", i, raw, want[i][1])
					}
					if p := e.Transform(raw); p != want[i][0] {
						t.Fatalf("row %d: prediction %v, want %v", i, p, want[i][0])
					}
				}
				checkSplitOrder(t, e)
				j := newJudge(t, oracle(t, "generated/"+c.Model))
				for i, leaves := range table(t, oracle(t, "generated/"+strings.TrimSuffix(c.Model, ".json")+".leaves200.tsv"), "\t", 0) {
					for k, want := range leaves {
						tree := j.Learner.Booster.Model.Trees[k]
						at := tree.find(rows[i])
						if at != int(want) {
							t.Fatalf("row %d tree %d: the judge itself finds leaf %d, the library %v", i, k, at, want)
						}
						if k >= e.Trees() {
							continue
						}
						v := tree.Condition[at]
						if w := j.Learner.Booster.Drop; w != nil {
							v = float32(v * w[k])
						}
						if got := e.Tree(k).Leaf[e.Tree(k).Find(rows[i])]; got != float64(v) {
							t.Fatalf("row %d tree %d: leaf %v, want %v", i, k, got, v)
						}
					}
				}
			})
		}
	}
}

func TestXGBoostLeavesOracles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		model, input, want string
		past               int // iteration
		transform          bool
		tolerance          float64
	}{
		{"xgagaricus", "agaricus_test.libsvm", "xgagaricus_true_predictions.txt", 0, true, 0},
		{"xg_dart_agaricus", "agaricus_test.libsvm", "xg_dart_agaricus_true_predictions.txt", 10, false, 0},
		{"xgblin_agaricus", "agaricus_test.libsvm", "xgblin_agaricus_true_raw_predictions.txt", 0, false, 0},
		{"xgblin_agaricus", "agaricus_test.libsvm", "xgblin_agaricus_true_predictions.txt", 0, true, 2e-9}, // one of 1611, from another libm
		{"xgdermatology", "dermatology_test.libsvm", "xgdermatology_true_predictions.txt", 0, false, 0},
	} {
		for _, end := range []string{".json", ".ubj"} {
			t.Run(c.want+end, func(t *testing.T) {
				t.Parallel()
				name := "leaves/" + c.model + ".converted_by_xgboost174"
				e := xgboostOracle(t, name+end)
				if c.past > 0 {
					var err error
					if e, err = e.Between(0, c.past); err != nil {
						t.Fatal(err)
					}
				}
				rows := libsvm(t, oracle(t, "leaves/"+c.input), len(e.Features))
				want := table(t, oracle(t, "leaves/"+c.want), "\t", 0)
				if len(rows) != len(want) || len(rows) < 100 {
					t.Fatalf("%d rows, %d predictions", len(rows), len(want))
				}
				j := newJudge(t, oracle(t, name+".json"))
				got := make([]float64, e.Classes)
				off, worst := 0, 0.0
				for i, row := range rows {
					e.RawInto(got, row)
					for k, judged := range j.margins(row, e.Trees()) {
						if got[k] != float64(judged) {
							t.Fatalf("row %d class %d: raw %v, the judge says %v", i, k, got[k], judged)
						}
					}
					if c.transform {
						e.TransformInto(got, got)
					}
					for k := range got {
						if d := math.Abs(got[k] - want[i][k]); d > 0 {
							off++
							worst = max(worst, d)
						}
					}
				}
				if t.Logf("%d of %d values differ, by %v at most", off, len(rows)*e.Classes, worst); worst > c.tolerance {
					t.Errorf("values differ by %v, want %v at most", worst, c.tolerance)
				}
			})
		}
	}
}

// The file was written by XGBoost 3.1: a list for a base_score, and no reference
// predictions but the judge's.
func TestAnkaneXGBoostOracle(t *testing.T) {
	t.Parallel()
	e := xgboostOracle(t, "ankane_xgboost/model.json")
	if e.Version != "3.1.0" || e.Trees() != 10 || len(e.Features) != 4 || e.Link != Identity || e.Base[0] != float64(float32(0.99333334)) {
		t.Errorf("%s, %d trees, features %q, link %d, base %v", e.Version, e.Trees(), e.Features, e.Link, e.Base)
	}
	j := newJudge(t, oracle(t, "ankane_xgboost/model.json"))
	rows := strings.Split(strings.TrimSpace(string(oracle(t, "ankane_xgboost/data.csv"))), "\n")[1:]
	if len(rows) < 100 {
		t.Fatalf("%d rows", len(rows))
	}
	for i, line := range rows {
		cells := strings.Split(line, ",")[:4]
		row := make([]float64, 4)
		for k := range row {
			var err error
			if row[k], err = strconv.ParseFloat(strings.TrimPrefix(cells[k], "cat"), 64); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := e.Raw(row), float64(j.margins(row, 10)[0]); got != want || e.Transform(got) != want {
			t.Errorf("row %d: %v, want %v", i, got, want)
		}
	}
}
