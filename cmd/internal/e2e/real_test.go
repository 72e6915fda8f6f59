package e2e

import (
	"cmp"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// customer is one row of real data: did it leave, and which sample it belongs to.
type customer struct {
	churned bool
	held    bool // the model never saw it
	score   float64
	scored  bool
}

// Real subscribers, made-up numbers (the job files say so): row i of the data is
// first+i. Models were trained by deploy/example/train.py on the other rows.
func TestRealBasesAreScoredAsWellAsTheirModelsPromise(t *testing.T) {
	t.Parallel()
	data := filepath.Join("..", "..", "..", "..", "shared", "data", "churn")
	for _, c := range []struct {
		name, file string
		first      uint64
		labels     func(t *testing.T, file string) []customer
		rows, held int
		auc, lift  float64 // at least
	}{
		{"smobile", "smobile_69000/s_mobile.parquet", 17600000000, smobile, 69000, 30000, 0.74, 3.5},
		{"prepaid", "prepaid_4months_1000/telecom_churn_data.csv", 17700000000, prepaid, 1000, 300, 0.85, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(data, filepath.FromSlash(c.file))
			if _, err := os.Stat(file); err != nil {
				t.Skipf("the real data is not here: %v", err)
			}
			list := c.labels(t, file)
			if len(list) != c.rows {
				t.Fatalf("%d labels, want %d", len(list), c.rows)
			}
			r := must(t, run(filepath.Join("..", "..", "..", "deploy", "example", c.name, "job.yaml"), t.TempDir())...)
			if r.Rows.In != int64(c.rows) || r.Rows.In != r.Rows.Scored+r.Rows.Excluded+r.Rows.Rejected+r.Rows.Duplicate {
				t.Errorf("rows %+v of %d", r.Rows, c.rows)
			}
			for _, s := range published(t, r.Path) {
				i := s.Msisdn - c.first
				if i >= uint64(len(list)) || list[i].scored {
					t.Fatal("a number that was not made up, or twice")
				}
				list[i].scored, list[i].score = true, float64(s.Propensity)
			}
			list = slices.DeleteFunc(list, func(c customer) bool { return !c.held || !c.scored })
			if lost := c.held - len(list); lost > c.held/100 {
				t.Errorf("%d of %d held-back rows have no score", lost, c.held)
			}
			auc, lift := judge(list)
			t.Logf("rows %+v; held back %d: AUC %.4f, top-decile lift %.2f", r.Rows, len(list), auc, lift)
			if !(auc >= c.auc) || !(lift >= c.lift) {
				t.Errorf("AUC %.4f and top-decile lift %.2f on the held-back rows, want at least %g and %g", auc, lift, c.auc, c.lift)
			}
		})
	}
}

// smobile holds back the representative sample: training is null there.
func smobile(t *testing.T, file string) (list []customer) {
	t.Helper()
	type row struct {
		Churn    string   `parquet:"churn"`
		Training *float64 `parquet:"training,optional"`
	}
	rows, err := parquet.ReadFile[row](file)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		list = append(list, customer{churned: r.Churn == "yes", held: r.Training == nil || math.IsNaN(*r.Training)})
	}
	return list
}

// prepaid holds back every row whose position is 0, 1 or 2 modulo 10. Who neither
// called nor was called nor used data in month 9 has left.
func prepaid(t *testing.T, file string) (list []customer) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows[1:] {
		use := 0.0
		for _, name := range []string{"total_ic_mou_9", "total_og_mou_9", "vol_2g_mb_9", "vol_3g_mb_9"} {
			if text := row[slices.Index(rows[0], name)]; text != "" {
				v, err := strconv.ParseFloat(text, 64)
				if err != nil {
					t.Fatal(err)
				}
				use += v
			}
		}
		list = append(list, customer{churned: use == 0, held: i%10 < 3})
	}
	return list
}

// judge returns the area under the ROC curve, ties counting half, and the churn
// rate of the tenth with the highest scores over that of all.
func judge(list []customer) (auc, lift float64) {
	slices.SortStableFunc(list, func(a, b customer) int { return cmp.Compare(a.score, b.score) })
	var stay, left, area, top float64
	for i := 0; i < len(list); {
		var s, l float64 // of equal score
		at := list[i].score
		for ; i < len(list) && list[i].score == at; i++ {
			if list[i].churned {
				l++
			} else {
				s++
			}
		}
		area += l * (stay + s/2)
		stay, left = stay+s, left+l
	}
	tenth := int(math.Round(float64(len(list)) / 10))
	for _, c := range list[len(list)-tenth:] {
		if c.churned {
			top++
		}
	}
	return area / (left * stay), top / float64(tenth) / (left / float64(len(list)))
}

func TestJudgingIsRight(t *testing.T) {
	t.Parallel()
	var list []customer
	for i := range 100 {
		list = append(list, customer{churned: i >= 90, score: float64(i)})
	}
	if auc, lift := judge(slices.Clone(list)); auc != 1 || lift != 10 {
		t.Errorf("perfect scores: AUC %g, lift %g", auc, lift)
	}
	for i := range list {
		list[i].score = 1
	}
	if auc, _ := judge(slices.Clone(list)); auc != 0.5 {
		t.Errorf("one score for all: AUC %g", auc)
	}
	few := []customer{{churned: true, score: 3}, {score: 1}, {churned: true, score: 1}, {score: 2}}
	if auc, _ := judge(few); auc != 0.625 { // 2 + 0 + ½ of 4 pairs
		t.Errorf("by hand: AUC %g", auc)
	}
}
