package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"rescore/cmd/internal/boot"
	"rescore/worker/bundle"
	"rescore/worker/model"
)

const baselineModel = "../../deploy/model/baseline/model.txt"

// rowsFile writes made-up rows of the baseline's features, a fifth of the values
// missing, and returns the file.
func rowsFile(t *testing.T, n int) string {
	t.Helper()
	data, err := os.ReadFile(baselineModel)
	if err != nil {
		t.Fatal(err)
	}
	e, err := model.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(4, 4))
	var b strings.Builder
	b.WriteString(strings.Join(e.Features, ",") + "\n")
	for range n {
		for f := range e.Features {
			if f > 0 {
				b.WriteByte(',')
			}
			if r.IntN(5) > 0 {
				fmt.Fprintf(&b, "%.3f", math.Exp(8*r.Float64())*r.NormFloat64())
			}
		}
		b.WriteByte('\n')
	}
	name := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// run calls the command and returns what it prints, with the exit code wanted.
func (w wanted) run(t *testing.T, args ...string) string {
	t.Helper()
	got := call(t, good(), nil, append([]string{"model"}, args...)...)
	if got.code != int(w) {
		t.Fatalf("%v ends with %d: %s%s", args, got.code, got.out, got.errors)
	}
	if w != boot.OK {
		return got.errors
	}
	return got.out
}

type wanted int

const fine wanted = boot.OK

func edit(t *testing.T, file, old, replacement string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte(old)) {
		t.Fatalf("%s holds no %q", file, old)
	}
	if err := os.WriteFile(file, bytes.Replace(data, []byte(old), []byte(replacement), 1), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAModelIsImportedVerifiedScoredAndCompared(t *testing.T) {
	t.Parallel()
	rows := rowsFile(t, 5000)
	dir := filepath.Join(t.TempDir(), "churn")
	var made imported
	if err := json.Unmarshal([]byte(fine.run(t, "import", baselineModel, "--out", dir, "--golden", rows, "--reference", rows, "--id", "churn", "--version", "1", "--output", "json")), &made); err != nil {
		t.Fatal(err)
	}
	if made.ID != "churn" || made.Golden != goldenRows || made.Source != "rescore" || made.Reference != 5000 || len(made.Files) != 3 || len(made.Digest) != 64 {
		t.Errorf("%+v", made)
	}
	var v bundle.Verification
	if err := json.Unmarshal([]byte(fine.run(t, "verify", dir, "--output", "json")), &v); err != nil || !v.Verified || v.Rows != goldenRows || v.Digest != made.Digest || len(v.Columns) != 3 {
		t.Errorf("%+v, %v", v, err)
	}
	var seen inspected
	if err := json.Unmarshal([]byte(fine.run(t, "inspect", dir, "--output", "json")), &seen); err != nil || seen.Package == nil || seen.Package.Digest != made.Digest || seen.Package.Golden != goldenRows || seen.Digest != seen.Package.Card.Model.SHA256 || len(seen.Package.Card.PSI.Features) != 40 {
		t.Errorf("%+v, %v", seen, err)
	}
	if text := fine.run(t, "inspect", dir); !strings.Contains(text, "1000 golden rows, PSI bins of 41 columns") || !strings.Contains(text, "id: churn") {
		t.Error(text)
	}

	// A bare file and its package score alike, until the card says otherwise.
	golden := filepath.Join(dir, "golden.csv")
	for _, raw := range []string{"--raw", "--raw=false"} {
		if a, b := fine.run(t, "score", baselineModel, golden, raw), fine.run(t, "score", dir, golden, raw); a != b || strings.Count(a, "\n") != goldenRows {
			t.Errorf("%s: the package scores otherwise than its file", raw)
		}
	}
	next := filepath.Join(t.TempDir(), "next")
	if err := os.CopyFS(next, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	card := filepath.Join(next, "model.yaml")
	edit(t, card, "undersampling_beta: 1\n", "undersampling_beta: 0.25\ncalibration: {method: platt, a: -5, b: 2}\nfeatures:\n  - {name: tenure, missing: {then: value, value: 24}}\n  - {name: fee_last, column: fee_avg3, invalid: {min: 0, max: 100000, then: clip}}\n")
	if text := wanted(boot.Failure).run(t, "verify", next); !strings.Contains(text, "golden rows do not score what they should: row ") || !strings.Contains(text, "churn 1 (SHA-256 ") {
		t.Errorf("a card that was edited under its golden rows: %s", text)
	}
	final := filepath.Join(t.TempDir(), "final")
	fine.run(t, "import", next, "--out", final, "--golden", rows, "--version", "2")
	fine.run(t, "verify", final)
	plain, err := os.ReadFile(filepath.Join(final, "golden.csv"))
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(string(plain), "\n")
	column := func(name string) int { return slices.Index(strings.Split(header, ","), name) }
	got, margins := numbers(t, fine.run(t, "score", final, filepath.Join(final, "golden.csv")), 0), numbers(t, fine.run(t, "score", final, filepath.Join(final, "golden.csv"), "--raw"), 0)
	for i, line := range strings.Split(strings.TrimSpace(string(plain)), "\n")[1:] {
		cells := strings.Split(line, ",")
		value := func(name string) float64 {
			x, err := strconv.ParseFloat(cells[column(name)], 64)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		p := value("prediction")
		corrected := 0.25 * p / (0.25*p - p + 1)
		if want := 1 / (1 + math.Exp(-5*corrected+2)); math.Abs(got[i][0]-want) > 1e-15 || got[i][0] != value("propensity") || margins[i][0] != value("raw") {
			t.Fatalf("row %d: %v and %v, want %v and %v", i, got[i], margins[i], want, value("raw"))
		}
	}

	var d differences
	if err := json.Unmarshal([]byte(fine.run(t, "diff", dir, final, rows, "--output", "json")), &d); err != nil {
		t.Fatal(err)
	}
	if d.Same || d.Data == nil || d.Data.Rows != 5000 || d.Scores != "propensity" || d.Data.MeanDifference == 0 || d.Data.RankCorrelation == nil || *d.Data.RankCorrelation < 0.5 || d.Data.PSI < 0.25 {
		t.Errorf("%+v", d)
	}
	for _, what := range []string{"version", "undersampling_beta", "calibration", "feature tenure: missing", "feature fee_last: column", "feature fee_last: invalid"} {
		if !slices.ContainsFunc(d.Changes, func(c bundle.Change) bool { return c.What == what }) {
			t.Errorf("%s did not change: %+v", what, d.Changes)
		}
	}
	if text := fine.run(t, "diff", dir, dir, rows); !strings.HasPrefix(text, "nothing differs\n\non 5000 rows, by propensity\n  the same           5000\n") || !strings.Contains(text, "PSI                0.000000, stable") {
		t.Error(text)
	}
}

func TestAWrongGoldenRowIsNamedAndTheExitCodeSaysSo(t *testing.T) {
	t.Parallel()
	rows := rowsFile(t, 50)
	dir := filepath.Join(t.TempDir(), "p")
	fine.run(t, "import", baselineModel, "--out", dir, "--golden", rows, "--rows", "50")
	golden := filepath.Join(dir, "golden.csv")
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	cells := strings.Split(lines[4], ",")
	cells[40] = "-0.5" // raw
	lines[4] = strings.Join(cells, ",")
	if err := os.WriteFile(golden, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	got := call(t, good(), nil, "model", "verify", dir, "--output", "json")
	var v bundle.Verification
	if err := json.Unmarshal([]byte(got.out), &v); err != nil || got.code != boot.Failure || v.Verified || v.Wrong != 1 || v.First[0].Row != 3 || v.First[0].Column != "raw" {
		t.Fatalf("code %d, %+v: %v", got.code, v, err)
	}
	// The same rows beside a bare file.
	if text := wanted(boot.Failure).run(t, "verify", baselineModel, "--golden", golden); !strings.Contains(text, "1 of 50 golden rows do not score what they should: row 3: raw is off by") {
		t.Error(text)
	}
	fine.run(t, "verify", baselineModel, "--golden", golden, "--bound", "1000")
}

// TestImportHoldsUsToTheLibrarysNumbers imports every generated oracle with the
// numbers that LightGBM or XGBoost printed: raw scores have the same bits.
func TestImportHoldsUsToTheLibrarysNumbers(t *testing.T) {
	t.Parallel()
	held := 0
	for _, library := range []string{"lightgbm", "xgboost"} {
		data, err := os.ReadFile(oracle(t, "generated/"+library+"/CASES.json"))
		if err != nil {
			t.Fatal(err)
		}
		var cases []struct {
			Model, Input, Expected string
			Range                  [2]int `json:"iteration_range"`
		}
		if err := json.Unmarshal(data, &cases); err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			if c.Range != [2]int{} {
				continue // of a part of the model
			}
			input, err := os.ReadFile(oracle(t, "generated/"+c.Input))
			if err != nil {
				t.Fatal(err)
			}
			expected, err := os.ReadFile(oracle(t, "generated/"+c.Expected))
			if err != nil {
				t.Fatal(err)
			}
			lines, known := strings.Split(strings.TrimRight(string(input), "\r\n"), "\n"), strings.Split(strings.TrimSpace(string(expected)), "\n")
			if len(lines) != len(known) || strings.Count(known[0], "\t") != 1 {
				continue // of several classes
			}
			var b strings.Builder
			for i, line := range lines {
				score := strings.ReplaceAll(known[i], "\t", ",")
				if i == 0 {
					score = "prediction,raw"
				}
				fmt.Fprintf(&b, "%s,%s\n", strings.TrimRight(line, "\r"), score)
			}
			rows := filepath.Join(t.TempDir(), "rows.csv")
			if err := os.WriteFile(rows, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "p")
			var made imported
			if err := json.Unmarshal([]byte(fine.run(t, "import", oracle(t, "generated/"+c.Model), "--out", dir, "--golden", rows, "--output", "json")), &made); err != nil {
				t.Fatal(err)
			}
			if made.Source != "library" || made.Golden < 900 {
				t.Errorf("%s: %+v", c.Model, made)
			}
			held++
		}
	}
	if held < 8 {
		t.Errorf("%d models were held to their library", held)
	}
}

func TestImportRefusesWhatItCannotMake(t *testing.T) {
	t.Parallel()
	rows, dir := rowsFile(t, 20), t.TempDir()
	usage, conflict, failure, absent := wanted(boot.Usage), wanted(boot.Conflict), wanted(boot.Failure), wanted(boot.NotFound)
	usage.run(t, "import", baselineModel)
	usage.run(t, "import", baselineModel, "--out", filepath.Join(dir, "a"), "--rows", "0")
	usage.run(t, "import", baselineModel, "--out", filepath.Join(dir, "a"), "--golden", "-")
	absent.run(t, "import", "no.txt", "--out", filepath.Join(dir, "a"))
	absent.run(t, "import", baselineModel, "--out", filepath.Join(dir, "a"), "--golden", "no.csv")
	usage.run(t, "verify", baselineModel) // it has no golden rows
	absent.run(t, "verify", baselineModel, "--golden", "no.csv")
	if err := os.WriteFile(filepath.Join(dir, "there"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	conflict.run(t, "import", baselineModel, "--out", dir)

	data, err := os.ReadFile(rows)
	if err != nil {
		t.Fatal(err)
	}
	wrong := strings.Replace(strings.ReplaceAll(string(data), "\n", ",0.25\n"), ",0.25\n", ",raw\n", 1)
	if err := os.WriteFile(rows, []byte(wrong), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "new")
	if text := failure.run(t, "import", baselineModel, "--out", out, "--golden", rows); !strings.Contains(text, "20 of 20 golden rows do not score what they should") {
		t.Error(text)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a package that could not be verified was left behind")
	}
}

func TestMistakesInACardAreAllShownWithTheirLines(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "p")
	fine.run(t, "import", baselineModel, "--out", dir)
	edit(t, filepath.Join(dir, "model.yaml"), "undersampling_beta: 1", "undersampling_beta: 2\ncolour: red\nfeatures: [{name: tenur}]")
	text := wanted(boot.Usage).run(t, "inspect", dir)
	for _, want := range []string{"p/model.yaml has 3 problems", "undersampling_beta: 2 is out of bounds", "colour: this key is not known", `features[0].name: the model has no feature "tenur"; did you mean tenure?`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s\ndoes not say %q", text, want)
		}
	}
}

func TestTheSchemaTakesTheCardThatImportWrites(t *testing.T) {
	t.Parallel()
	rows, dir := rowsFile(t, 30), filepath.Join(t.TempDir(), "p")
	fine.run(t, "import", baselineModel, "--out", dir, "--golden", rows, "--reference", rows, "--version", "a", "--trained-at", "today")
	text, err := os.ReadFile(filepath.Join(dir, "model.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s := compiled(t, "model")
	if err := check(t, s, text); err != nil {
		t.Error(err)
	}
	policies := "\nfeatures:\n  - {name: tenure, unit: month, invalid: {min: 0, then: clip}, unseen: {categories: [1], then: value, value: 2}, missing: {then: keep}}\ncalibration: {method: isotonic, on: raw, x: [1], y: [0.5]}\nlabel: {rule: status, months: 1}\n"
	if err := check(t, s, append(slices.Clip(text), policies...)); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{"\ncolour: red\n", "\ncalibration: {method: beta}\n", "\nfeatures: [{name: tenure, missing: {then: guess}}]\n"} {
		if check(t, s, append(slices.Clip(text), wrong...)) == nil {
			t.Errorf("the schema takes %s", wrong)
		}
	}
}

// TestImportReadsParquetAsItReadsText: the same rows as Parquet and as CSV make the
// same package.
func TestImportReadsParquetAsItReadsText(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const tree = "Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nthreshold=3999.5\ndecision_type=8\nleft_child=-1\nright_child=-2\nleaf_value=-1.25 -3.5\nis_linear=0\nshrinkage=1\n\n\n"
	text := fmt.Sprintf("tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\nobjective=binary sigmoid:1\nfeature_names=fee months\n"+
		"feature_infos=[0:1] [0:1]\ntree_sizes=%d\n\n%send of trees\n\npandas_categorical:null\n", len(tree), tree)
	stump := filepath.Join(dir, "stump.txt")
	if err := os.WriteFile(stump, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	type line struct {
		Months int32    `parquet:"months"`
		Fee    *float64 `parquet:"fee,optional"`
		Raw    float64  `parquet:"raw"`
		Other  string   `parquet:"other"`
	}
	var lines []line
	var csv strings.Builder
	csv.WriteString("months,fee,raw,other\n")
	r := rand.New(rand.NewPCG(6, 6))
	for i := range 3000 {
		l := line{Months: int32(r.IntN(50)), Raw: -3.5, Other: "x"} // NaN goes right
		cell := ""
		if i%7 != 3 {
			fee := float64(r.IntN(8000))
			l.Fee, cell = &fee, fmt.Sprint(fee)
			if fee <= 3999.5 {
				l.Raw = -1.25
			}
		}
		lines = append(lines, l)
		fmt.Fprintf(&csv, "%d,%s,%v,x\n", l.Months, cell, l.Raw)
	}
	var table bytes.Buffer
	if err := parquet.Write(&table, lines, parquet.MaxRowsPerRowGroup(700)); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"rows.parquet": table.Bytes(), "rows.csv": []byte(csv.String()), "cut.parquet": table.Bytes()[:table.Len()/2]} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var digests []string
	for _, rows := range []string{"rows.parquet", "rows.csv"} {
		var made imported
		rows = filepath.Join(dir, rows)
		if err := json.Unmarshal([]byte(fine.run(t, "import", stump, "--out", rows+"-package", "--golden", rows, "--rows", "500", "--reference", rows, "--missing", "0", "--output", "json")), &made); err != nil {
			t.Fatal(err)
		}
		if made.Golden != 500 || made.Reference != 3000 || made.Source != "library" {
			t.Errorf("%+v", made)
		}
		digests = append(digests, made.Digest)
	}
	if digests[0] != digests[1] {
		t.Error("Parquet makes another package than CSV")
	}
	wanted(boot.Failure).run(t, "import", stump, "--out", filepath.Join(dir, "a"), "--golden", filepath.Join(dir, "cut.parquet"))
	wanted(boot.NotFound).run(t, "import", stump, "--out", filepath.Join(dir, "a"), "--golden", filepath.Join(dir, "no.parquet"))
	if text := wanted(boot.Failure).run(t, "import", baselineModel, "--out", filepath.Join(dir, "a"), "--golden", filepath.Join(dir, "rows.parquet")); !strings.Contains(text, "lacks 40 of the model's features: arrears_fen, ") {
		t.Error(text)
	}
}
