package matrix

import (
	"encoding/csv"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"rescore/worker/model"
)

func load(t testing.TB, name string) *model.Ensemble {
	t.Helper()
	data, err := os.ReadFile("../../../worker/model/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	e, err := model.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// ab is a model of two features and no trees that a reader cares for.
func ab() *model.Ensemble {
	return &model.Ensemble{Library: "LightGBM", Features: []string{"a", "b c"}}
}

func read(e *model.Ensemble, name, text string, o Options) (rows [][]float64, err error) {
	d, err := NewReader(name, strings.NewReader(text), e, o)
	if err != nil {
		return nil, err
	}
	for {
		row, err := d.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, append([]float64{}, row...))
	}
}

func equal(a, b [][]float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if len(a[i]) != len(b[i]) {
			return false
		}
		for k := range a[i] {
			if math.Float64bits(a[i][k]) != math.Float64bits(b[i][k]) && !(a[i][k] != a[i][k] && b[i][k] != b[i][k]) {
				return false
			}
		}
	}
	return true
}

func TestEveryFormatIsToldByItsFirstLine(t *testing.T) {
	t.Parallel()
	e := ab()
	e.Features[1] = "b_c"
	nan := math.NaN()
	for _, c := range []struct {
		text string
		o    Options
		want [][]float64
	}{
		{"1,2\n3,4\n", Options{}, [][]float64{{1, 2}, {3, 4}}},
		{"1,2\r\n3,4", Options{}, [][]float64{{1, 2}, {3, 4}}},
		{"\ufeffb c,x,a\n2,9,1\n", Options{}, [][]float64{{1, 2}}},
		{"b_c\ta\n2\t1\n\n\n", Options{}, [][]float64{{1, 2}}},
		{"1\t2\n\t4\n", Options{}, [][]float64{{1, 2}, {nan, 4}}},
		{"NA,nan\nnull, 4 \n", Options{}, [][]float64{{nan, nan}, {nan, 4}}},
		{"1 2\n3   4\n", Options{}, [][]float64{{1, 2}, {3, 4}}},
		{"\"a\",\"b c\"\n\"1\",\"2\"\n", Options{}, [][]float64{{1, 2}}},
		{"0 0:1 1:2\n1 1:4 # remark\n1\n", Options{}, [][]float64{{1, 2}, {nan, 4}, {nan, nan}}},
		{"0:1 1:2\n", Options{}, [][]float64{{1, 2}}},
		{"3 qid:1 1:2\n", Options{}, [][]float64{{nan, 2}}},
		{"1\n0 0:5\n", Options{Format: "libsvm"}, [][]float64{{nan, nan}, {5, nan}}},
		{"y,1,2\n", Options{Label: "0", Header: "no"}, [][]float64{{1, 2}}},
		{"a,b c,y\n1,2,z\n", Options{Label: "y"}, [][]float64{{1, 2}}},
		{"-1,2\n0,-1.0\n", Options{Missing: []float64{-1}}, [][]float64{{nan, 2}, {0, nan}}},
		{"0,2\n", Options{}, [][]float64{{0, 2}}},
		{"inf,-Inf\n", Options{}, [][]float64{{math.Inf(1), math.Inf(-1)}}},
		{"", Options{}, nil},
		{"\n", Options{}, nil},
		{"a,b c\n", Options{}, nil},
	} {
		rows, err := read(e, "x", c.text, c.o)
		if err != nil || !equal(rows, c.want) {
			t.Errorf("%q: %v, want %v: %v", c.text, rows, c.want, err)
		}
	}
}

func TestColumnsOfAModelWithoutNamesAreTakenInOrder(t *testing.T) {
	t.Parallel()
	e := &model.Ensemble{Library: "XGBoost", Single: true, Features: []string{"f0", "f1"}}
	for _, text := range []string{"age,fee\n1,2\n", "f1,f0\n2,1\n"} {
		if rows, err := read(e, "x", text, Options{}); err != nil || !equal(rows, [][]float64{{1, 2}}) {
			t.Errorf("%q: %v, %v", text, rows, err)
		}
	}
}

func TestErrorsNamePlaceAndRemedyAndNeverTheValue(t *testing.T) {
	t.Parallel()
	const secret = "13800138000"
	xgb := &model.Ensemble{Library: "XGBoost", Single: true, Features: []string{"a", "b c"}}
	for _, c := range []struct {
		e          *model.Ensemble
		text, want string
		o          Options
	}{
		{ab(), "1,2\n3,x" + secret + "\n", "f:2:2: this is no number", Options{}},
		{ab(), "a,b_c\n3," + secret + "x\n", "f:2:2 (b_c): this is no number", Options{}},
		{ab(), "1,2\n3\n", "f:2: the line has 1 fields", Options{}},
		{ab(), "1,2,3\n", "f:1: 3 columns for the model's 2", Options{}},
		{ab(), "a,z\n1,2\n", "lacks 1 of the model's 2 features: b c", Options{}},
		{ab(), "a,a,b c\n", "f:1:2 (a): the header has this name twice", Options{}},
		{ab(), "1,2\n\n3,4\n", "f:2: the line is blank", Options{}},
		{ab(), "\n1,2\n", "f:1: the line is blank", Options{}},
		{ab(), "1,\"2\n", "f:1:2: the quotes are not closed", Options{}},
		{ab(), "1,\"2\"x\n", "f:1:2: the quotes are not closed", Options{}},
		{ab(), "1,1e999\n", "f:1:2: this is no number", Options{}},
		{xgb, "1,1e39\n", "infinite as a float32", Options{}},
		{ab(), "1,2\n", "there is no column 2", Options{Label: "2"}},
		{ab(), "1,2\n", "is a name, and the file has no header", Options{Label: "y"}},
		{ab(), "0 0:1 2:1\n", "f:1:3: index 2 is past", Options{}},
		{ab(), "0 0:1 0:1\n", "index 0 is there twice", Options{}},
		{ab(), "0 0:1\n0 0:" + secret + "x\n", "f:2:2: this is no number", Options{}},
		{ab(), "0 0:1\n0 1\n", "f:2:2: this is no index:value", Options{}},
		{ab(), "0 0:1\n" + secret + "x 0:1\n", "f:2:1: this is neither a label", Options{}},
		{ab(), "0 0:1\n", "begins with its label", Options{Label: "0"}},
		{ab(), strings.Repeat("1", lineMax+1), "longer than 16 MiB", Options{}},
	} {
		_, err := read(c.e, "f", c.text, c.o)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) || e.Hint() == "" || strings.Contains(err.Error()+e.Hint(), secret) {
			t.Errorf("%.40q: %v, want one saying %q", c.text, err, c.want)
		}
	}
}

func TestPandasCategoriesAreReadByTheirText(t *testing.T) {
	t.Parallel()
	e := &model.Ensemble{Library: "LightGBM", Features: []string{"x", "plan", "tier"}, Ranges: []string{"[0:1]", "1:0", "none"}}
	e.Ranges[2] = "0:1"
	e.Pandas = [][]model.Category{{{Text: "gold"}, {Text: "new, old"}}, {{Text: "5", Number: true}, {Text: "7.0", Number: true}}}
	rows, err := read(e, "x", "x,plan,tier\n1,gold,7\n2,\"new, old\",5.0\n3,silver,6\n4,,\n", Options{})
	nan := math.NaN()
	if want := [][]float64{{1, 0, 1}, {2, 1, 0}, {3, nan, nan}, {4, nan, nan}}; err != nil || !equal(rows, want) {
		t.Errorf("%v, want %v: %v", rows, want, err)
	}
	if _, err := read(e, "f", "1,0,5\n", Options{}); err == nil || !strings.Contains(err.Error(), "f:1:2: this is a number, and the model's categories are texts") {
		t.Errorf("a code for a text: %v", err)
	}
}

// No line, however damaged, does anything but give rows or an *Error; and a table
// that encoding/csv reads is read as it reads it.
func FuzzReader(f *testing.F) {
	for _, text := range []string{"1,2\n3,4\n", "a,b c\n1,\"2\"\n", "0 0:1 1:2\n1 qid:3 1:4 #x\n", "1\t2\n", "\"1\"\"\",2\n", "\n\n1,2", "1 2\n3 4", "\xef\xbb\xbf1,2\r\n"} {
		f.Add(text, "auto")
	}
	f.Add("1,\"2\"\n", "csv")
	e := ab()
	f.Fuzz(func(t *testing.T, text, format string) {
		rows, err := read(e, "f", text, Options{Format: format, Header: "no"})
		var fault *Error
		if err != nil && (!errors.As(err, &fault) || fault.Line < 1 || fault.Remedy == "") {
			t.Fatalf("%q: %v", text, err)
		}
		if err != nil || format != "csv" {
			return
		}
		c := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
		c.FieldsPerRecord = len(e.Features)
		records, err := c.ReadAll()
		if err != nil {
			return // it is stricter about quotes
		}
		if len(records) != len(rows) && strings.TrimSpace(text) == text {
			t.Fatalf("%q: %d rows, want %d", text, len(rows), len(records))
		}
		for i := range min(len(rows), len(records)) {
			for k, cell := range records[i] {
				if x, ok := parse([]byte(cell)); !ok || !equal([][]float64{{x}}, [][]float64{{rows[i][k]}}) {
					t.Fatalf("%q: row %d field %d: %v, want %q", text, i, k, rows[i][k], cell)
				}
			}
		}
	})
}

func TestABlankLineOfOneColumnIsAMissingValue(t *testing.T) {
	t.Parallel()
	e := load(t, "stump_v2.txt")
	rows, err := read(e, "x", "1\n\n3\n", Options{})
	if err != nil || !equal(rows, [][]float64{{1}, {math.NaN()}, {3}}) {
		t.Errorf("got %v, %v", rows, err)
	}
}
