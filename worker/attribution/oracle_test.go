package attribution

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"rescore/worker/model"
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

func load(t testing.TB, data []byte) *model.Ensemble {
	t.Helper()
	e, err := model.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func table(t *testing.T, data []byte, sep string, skip int) [][]float64 {
	t.Helper()
	var rows [][]float64
	for _, line := range strings.Split(strings.TrimRight(string(data), "\n"), "\n")[skip:] {
		var row []float64
		for _, cell := range strings.Split(line, sep) {
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

// apart is the largest difference, of what is above 1 in units of it.
func apart(t *testing.T, got, want []float64) float64 {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d contributions, want %d", len(got), len(want))
	}
	worst := 0.0
	for i := range got {
		if got[i] != got[i] || want[i] != want[i] {
			t.Fatalf("contributions %v and %v", got, want)
		}
		worst = max(worst, math.Abs(got[i]-want[i])/max(1, math.Abs(want[i])))
	}
	return worst
}

func newShap(t testing.TB, e *model.Ensemble) *Shap {
	t.Helper()
	s, err := NewShap(e)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newPath(t testing.TB, e *model.Ensemble) *Path {
	t.Helper()
	p, err := NewPath(e)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAnkaneOracleOfShapleyValues(t *testing.T) {
	t.Parallel()
	s := newShap(t, load(t, oracle(t, "ankane_lightgbm/model.txt")))
	got := make([]float64, s.Len())
	s.Into(got, []float64{3.7, 1.2, 7.2, 9.0})
	want := []float64{-0.0733949225678886, -0.24289592050101766, 0.24183795683166504, 0.063430775771174, 0.9933333333834246}
	if worst := apart(t, got, want); worst > 1e-14 {
		t.Errorf("%v, want %v", got, want)
	}
}

// The libraries' own contributions. LightGBM works them out in float64, XGBoost in
// float32.
func TestGeneratedOraclesOfShapleyValues(t *testing.T) {
	t.Parallel()
	for library, least := range map[string]int{"lightgbm": 6, "xgboost": 5} {
		var cases []struct {
			Model, Input string
			Range        [2]int `json:"iteration_range"`
		}
		if err := json.Unmarshal(oracle(t, "generated/"+library+"/CASES.json"), &cases); err != nil {
			t.Fatal(err)
		}
		if len(cases) < least {
			t.Fatalf("%s: %d cases, want %d at least", library, len(cases), least)
		}
		for _, c := range cases {
			t.Run(c.Model, func(t *testing.T) {
				t.Parallel()
				e, err := load(t, oracle(t, "generated/"+c.Model)).Between(c.Range[0], c.Range[1])
				if err != nil {
					t.Fatal(err)
				}
				s := newShap(t, e)
				rows := table(t, oracle(t, "generated/"+c.Input), ",", 1)
				want := table(t, oracle(t, "generated/"+strings.TrimSuffix(c.Model, filepath.Ext(c.Model))+".contrib50.tsv"), "\t", 0)
				if len(want) != 50 {
					t.Fatalf("%d rows of contributions, want 50", len(want))
				}
				got, worst := make([]float64, s.Len()), 0.0
				for i := range want {
					s.Into(got, rows[i])
					worst = max(worst, apart(t, got, want[i]))
				}
				t.Logf("at most %.2g apart", worst)
				if worst > 1e-6 {
					t.Errorf("%g apart, want 1e-6 at most", worst)
				}
			})
		}
	}
}
