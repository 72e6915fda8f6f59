package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"rescore/partition/job"
	"rescore/partition/psi"
	"rescore/worker/model"
)

// baseline is the model that deploy carries.
const baseline = "../../deploy/model/baseline/model.txt"

func bytesOf(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(baseline)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func number(x float64) *float64 { return &x }

// draw makes rows of the baseline's features.
func draw(r *rand.Rand, features, n int) [][]float64 {
	columns := make([][]float64, features)
	for f := range columns {
		columns[f] = make([]float64, n)
		for i := range columns[f] {
			switch r.IntN(8) {
			case 0:
				columns[f][i] = math.NaN()
			case 1:
				columns[f][i] = 0
			case 2:
				columns[f][i] = float64(r.IntN(9))
			default:
				columns[f][i] = math.Exp(8*r.Float64()) * r.NormFloat64()
			}
		}
	}
	return columns
}

// full is a card that says something of everything.
func full() Card {
	c := Default()
	c.ID, c.Version, c.TrainedAt = "churn-baseline", "2026-10", "2026-11-03, from the base of 202608"
	c.Label = &Label{Rule: "status_or_silent", Months: 1, BaseMonth: 202608}
	c.Features = []Feature{
		{Name: "fee_last", Column: "fee_last", Unit: "fen", Invalid: &Invalid{Min: number(-1e5), Max: number(1e6), Then: "clip"}, Missing: &Missing{Then: "keep"}},
		{Name: "tenure", Invalid: &Invalid{Min: number(0), Then: "missing"}, Missing: &Missing{Then: "value", Value: number(24)}},
		{Name: "pay_mode", Unseen: &Unseen{Categories: []float64{2, 1}, Then: "missing"}},
		{Name: "brand_m0", Unseen: &Unseen{Categories: []float64{1, 2, 3}, Then: "value", Value: number(2)}},
	}
	c.UndersamplingBeta = 0.25
	c.Calibration = &Calibration{Method: "isotonic", X: []float64{0, 0.05, 0.5, 1}, Y: []float64{0.001, 0.04, 0.6, 0.999}}
	c.PSI = &PSI{
		Score:    &psi.Bins{Edges: []float64{0.01, 0.05}, Shares: []float64{0.5, 0.3, 0.2}},
		Features: []psi.Bins{{Name: "fee_last", Edges: []float64{3500}, Shares: []float64{0.5, 0.25}, Missing: 0.25}},
	}
	c.Golden = &Golden{Source: "rescore", Raw: &Known{Column: "raw"}, Prediction: &Known{Column: "prediction"}, Propensity: &Known{Column: "propensity"}}
	return c
}

// made is a package of the baseline with golden rows, which are scored first.
func made(t testing.TB, card Card, rows int) []File {
	t.Helper()
	data := bytesOf(t)
	bare := card
	bare.Golden = nil
	files, err := Make(bare, "model.txt", data, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := read(t, files)
	golden, _, err := b.Score(draw(rand.New(rand.NewPCG(5, 6)), len(b.Model.Features), rows), rows)
	if err != nil {
		t.Fatal(err)
	}
	if files, err = Make(card, "model.txt", data, golden, b.Model.Features); err != nil {
		t.Fatal(err)
	}
	return files
}

func bytesFor(t testing.TB, files []File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := pack(&b, files); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(t testing.TB, files []File) *Bundle {
	t.Helper()
	b, err := Read("test", bytesFor(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAPackageIsReadAsItWasMade(t *testing.T) {
	t.Parallel()
	card := full()
	files := made(t, card, 300)
	b := read(t, files)
	got := b.Card
	if len(got.Model.SHA256) != 64 || got.Model.File != "model.txt" || got.Golden.File != GoldenFile {
		t.Errorf("%+v %+v", got.Model, got.Golden)
	}
	got.Model, got.Golden.File = Model{}, ""
	if !reflect.DeepEqual(got, card) {
		t.Errorf("the card came back as\n%s", job.EncodeFile(got))
	}
	if v, err := b.Verify(); err != nil || !v.Verified || v.Rows != 300 || len(v.Columns) != 3 || v.Err() != nil || v.Path == "" {
		t.Errorf("%+v, %v", v, err)
	}
	if b.Card.Name() != "churn-baseline 2026-10" || !b.Packed {
		t.Error(b.Card.Name())
	}
}

func TestABareModelIsABundleWithDefaults(t *testing.T) {
	t.Parallel()
	data := bytesOf(t)
	b, err := Read("model.txt", data)
	if err != nil || b.Packed || b.Card.UndersamplingBeta != 1 || b.Model.Prepare != nil || b.Golden != nil {
		t.Fatalf("%+v, %v", b, err)
	}
	if v, err := b.Verify(); err != nil || !v.Verified || v.Rows != 0 {
		t.Errorf("without golden rows: %+v, %v", v, err)
	}
	if _, err := Read("x", []byte("no model")); err == nil {
		t.Error("what is no model is read")
	}
}

// TestTheDigestCoversEveryByteOfEveryFile changes one byte after the other.
func TestTheDigestCoversEveryByteOfEveryFile(t *testing.T) {
	t.Parallel()
	folder := fstest.MapFS{
		"model.yaml": {Data: []byte("id: a\n")}, "model.txt": {Data: []byte("tree\n")}, "golden.csv": {Data: []byte("a,raw\n1,2\n")}, "notes/README.md": {Data: []byte("# why")},
	}
	digest := func() string {
		data, err := Pack(folder)
		if err != nil {
			t.Fatal(err)
		}
		files, err := unpack(data)
		if err != nil || len(files) != len(folder) {
			t.Fatalf("%d files: %v", len(files), err)
		}
		return fmt.Sprintf("%x", data)
	}
	before := digest()
	for name, file := range folder {
		for i := range file.Data {
			file.Data[i] ^= 1
			if digest() == before {
				t.Errorf("byte %d of %s is not in the digest", i, name)
			}
			file.Data[i] ^= 1
		}
		delete(folder, name)
		if digest() == before {
			t.Errorf("%s may be missing", name)
		}
		folder["other-"+strings.ReplaceAll(name, "/", "-")] = file
		if digest() == before {
			t.Errorf("%s may have another name", name)
		}
		delete(folder, "other-"+strings.ReplaceAll(name, "/", "-"))
		folder[name] = file
	}
	folder[".DS_Store"] = &fstest.MapFile{Data: []byte("x")}
	folder[".git/HEAD"] = &fstest.MapFile{Data: []byte("x")}
	delete(folder, "x")
	data, err := Pack(folder)
	if err != nil || fmt.Sprintf("%x", data) != before {
		t.Errorf("hidden files count: %v", err)
	}
	folder["pipe"] = &fstest.MapFile{Mode: fs.ModeNamedPipe}
	if _, err := Pack(folder); err == nil || !strings.Contains(err.Error(), "pipe is no file") {
		t.Errorf("a pipe: %v", err)
	}
}

func TestWhatPackDidNotGiveIsNoPackage(t *testing.T) {
	t.Parallel()
	files := []File{{"golden.csv", []byte("a")}, {"model.txt", []byte("tree\n")}, {"model.yaml", []byte("id: a\n")}}
	good := bytesFor(t, files)
	if _, err := unpack(good); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 0x55
		list, err := unpack(bad)
		if err != nil {
			continue
		}
		if bytes.Equal(bytesFor(t, list), good) {
			t.Errorf("byte %d may be another", i)
		}
	}
	for n := range len(good) {
		if _, err := unpack(good[:n]); err == nil {
			t.Errorf("%d bytes of %d are a package", n, len(good))
		}
	}
	slices.Reverse(files)
	if _, err := unpack(bytesFor(t, files)); !errors.Is(err, ErrNotPacked) {
		t.Errorf("files out of order: %v", err)
	}
}

func TestEveryMistakeInACardIsReportedAtOnceWithItsLine(t *testing.T) {
	t.Parallel()
	files := made(t, full(), 20)
	card := `format: 1
id: "a b"
model: {file: model.text, sha256: 12}
color: blue
undersampling_beta: 0
`
	for i := range files {
		if files[i].Name == CardFile {
			files[i].Data = []byte(card)
		}
	}
	_, err := Read("pkg", bytesFor(t, files))
	var p job.Problems
	if !errors.As(err, &p) || len(p) != 4 {
		t.Fatalf("%v", err)
	}
	for i, want := range []string{"pkg/model.yaml:2:5: id: \"a b\" is no id", "pkg/model.yaml:3:15: model.file: there is no file model.text in the package; did you mean model.txt?",
		"pkg/model.yaml:4:1: color: this key is not known", "pkg/model.yaml:5:21: undersampling_beta: 0 is out of bounds"} {
		if !strings.HasPrefix(p[i].String(), want) {
			t.Errorf("%s\nwant %s", p[i], want)
		}
	}
}

func TestEachMistakeIsNamed(t *testing.T) {
	t.Parallel()
	files := made(t, full(), 20)
	for says, change := range map[string][2]string{
		`format: 2 is not known`:                                                   {"format: 1", "format: 2"},
		`label.base_month: 202613 is no month`:                                     {"base_month: 202608", "base_month: 202613"},
		`model.file: "../model.txt" is no name of a file`:                          {"file: model.txt", "file: ../model.txt"},
		`model.sha256: the file model.txt has another SHA-256`:                     {"sha256: ", "sha256: \"" + strings.Repeat("0", 64) + "\" # "},
		`model.file: read model: the file starts neither`:                          {"file: model.txt", "file: model.yaml"},
		`features[0].name: the model has no feature "fee_lst"; did you mean`:       {"name: fee_last", "name: fee_lst"},
		`features[1].name: "fee_last" stands here twice`:                           {"name: tenure", "name: fee_last"},
		`features[0].unit: "cent" is no unit`:                                      {"unit: fen", "unit: cent"},
		`features[0].invalid.then: "cut" is not known`:                             {"then: clip", "then: cut"},
		`features[0].invalid: min 2e+06 is above max 1e+06`:                        {"min: -100000", "min: 2000000"},
		`features[1].missing: the value is missing`:                                {"\n      value: 24", ""},
		`features[0].missing.value: the value is not used`:                         {"then: keep", "then: keep\n      value: 1"},
		`features[2].unseen.categories[1]: 2 stands here twice`:                    {"[2, 1]", "[2, 2]"},
		`features[2].unseen.categories: there are no categories`:                   {"[2, 1]", "[]"},
		`undersampling_beta: 1.5 is out of bounds`:                                 {"undersampling_beta: 0.25", "undersampling_beta: 1.5"},
		`calibration.method: "beta" is not known`:                                  {"method: isotonic", "method: beta"},
		`calibration.a: the method platt needs it`:                                 {"method: isotonic", "method: platt"},
		`calibration.x: the method none has no use for it`:                         {"method: isotonic", "method: none"},
		`calibration.on: a raw score knows nothing of undersampling_beta`:          {"method: isotonic", "method: isotonic\n  on: raw"},
		`calibration.x[2]: 0.04 does not come after 0.05`:                          {"[0, 0.05, 0.5, 1]", "[0, 0.05, 0.04, 1]"},
		`calibration.y: 3 values for 4 knots`:                                      {"[0.001, 0.04, 0.6, 0.999]", "[0.001, 0.04, 0.6]"},
		`calibration.y[2]: 0.03 is below 0.04: the curve falls`:                    {"0.6, 0.999", "0.03, 0.999"},
		`calibration.y[3]: 1.5 is no probability`:                                  {"0.6, 0.999", "0.6, 1.5"},
		`psi.score: the shares and missing sum to`:                                 {"[0.5, 0.3, 0.2]", "[0.5, 0.3, 0.3]"},
		`psi.features[0].name: the model has no feature "x"`:                       {"- name: fee_last\n      edges", "- name: x\n      edges"},
		`golden.raw.column: "fee_last" is another column already`:                  {"column: raw", "column: fee_last"},
		`golden.prediction.column: "raw" is another column already`:                {"column: prediction", "column: raw"},
		`golden.raw.bound: -1 is out of bounds`:                                    {"column: raw\n    bound: 0", "column: raw\n    bound: -1"},
		`golden.file: golden.csv lacks the columns "margin"`:                       {"column: raw", "column: margin"},
		`golden.file: there is no file golden.cvs in the package; did you mean go`: {"file: golden.csv", "file: golden.cvs"},
	} {
		list := slices.Clone(files)
		for i, f := range list {
			if f.Name == CardFile {
				text, old := string(f.Data), change[0]
				if !strings.Contains(text, old) {
					t.Errorf("%s: the card holds no %q:\n%s", says, old, text)
				}
				list[i].Data = []byte(strings.Replace(text, old, change[1], 1))
			}
		}
		if _, err := Read("pkg", bytesFor(t, list)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v\nwant %s", err, says)
		}
	}
}

// policy is what the card's documentation says becomes of a value.
func policy(f Feature, x float64) float64 {
	if math.IsInf(x, 0) {
		x = math.NaN()
	}
	if v := f.Invalid; v != nil && !math.IsNaN(x) {
		low, high := v.Min != nil && x < *v.Min, v.Max != nil && x > *v.Max
		switch {
		case (low || high) && v.Then == "missing":
			x = math.NaN()
		case low:
			x = *v.Min
		case high:
			x = *v.Max
		}
	}
	if u := f.Unseen; u != nil && !math.IsNaN(x) && !slices.Contains(u.Categories, x) {
		x = math.NaN()
		if u.Then == "value" {
			x = *u.Value
		}
	}
	if m := f.Missing; m != nil && m.Then == "value" && math.IsNaN(x) {
		x = *m.Value
	}
	return x
}

// TestPoliciesAreWhatTheCardSays scores a million rows, each by the plain walk over
// values that the documentation's policies were applied to one at a time.
func TestPoliciesAreWhatTheCardSays(t *testing.T) {
	t.Parallel()
	rows := 1 << 20
	if testing.Short() {
		rows = 1 << 16
	}
	const cards = 16
	e, err := model.Load(bytesOf(t))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(31, 32))
	few := []float64{-5, -1, 0, 1, 2, 3, 24, 3500}
	pick := func() *float64 { return number(few[r.IntN(len(few))]) }
	for range cards {
		c := Default()
		for _, name := range e.Features {
			f := Feature{Name: name}
			if r.IntN(2) == 0 {
				f.Invalid = &Invalid{Then: []string{"missing", "clip"}[r.IntN(2)]}
				if r.IntN(3) > 0 {
					f.Invalid.Min = pick()
				}
				if f.Invalid.Min == nil || r.IntN(2) == 0 {
					f.Invalid.Max = pick()
					if f.Invalid.Min != nil && *f.Invalid.Max < *f.Invalid.Min {
						f.Invalid.Max = f.Invalid.Min
					}
				}
			}
			if r.IntN(2) == 0 {
				f.Unseen = &Unseen{Categories: slices.Clone(few[r.IntN(4):]), Then: "missing"}
				r.Shuffle(len(f.Unseen.Categories), func(i, k int) {
					f.Unseen.Categories[i], f.Unseen.Categories[k] = f.Unseen.Categories[k], f.Unseen.Categories[i]
				})
				if r.IntN(2) == 0 {
					f.Unseen.Then, f.Unseen.Value = "value", pick()
				}
			}
			if r.IntN(2) == 0 {
				f.Missing = &Missing{Then: "value", Value: pick()}
			}
			c.Features = append(c.Features, f)
		}
		first, err := c.policies(e.Features)
		if err != nil {
			t.Fatal(err)
		}
		n := rows / cards / len(e.Features)
		columns := draw(r, len(e.Features), n)
		columns[0][0], columns[1][0] = math.Inf(1), math.Inf(-1)
		runner := first.Runner(n)
		copy(runner.Columns, columns)
		runner.Run(n)
		for f, made := range runner.Columns {
			for i, got := range made {
				want := policy(c.Features[f], columns[f][i])
				if c.Features[f].Invalid == nil && c.Features[f].Unseen == nil && c.Features[f].Missing == nil {
					want = columns[f][i] // as it is
				}
				if math.Float64bits(got) != math.Float64bits(want) && !(got != got && want != want) {
					t.Fatalf("%+v: %v becomes %v, the card says %v", c.Features[f], columns[f][i], got, want)
				}
			}
		}
	}
}

// TestScoringGoesThroughPoliciesLinkUndersamplingAndCalibrationInThisOrder works
// every golden row out by itself.
func TestScoringGoesThroughPoliciesLinkUndersamplingAndCalibrationInThisOrder(t *testing.T) {
	t.Parallel()
	card := full()
	b := read(t, made(t, card, 2000))
	e, err := model.Load(bytesOf(t))
	if err != nil {
		t.Fatal(err)
	}
	row := make([]float64, len(e.Features))
	changed := 0
	for i := range b.Golden.N {
		for f, name := range e.Features {
			row[f] = b.Golden.Features[f][i]
			if at := slices.IndexFunc(card.Features, func(f Feature) bool { return f.Name == name }); at >= 0 {
				was := row[f]
				if row[f] = policy(card.Features[at], row[f]); row[f] != was && was == was {
					changed++
				}
			}
		}
		raw := e.Raw(row)
		p := 1 / (1 + math.Exp(-raw))
		corrected := card.UndersamplingBeta * p / (card.UndersamplingBeta*p - p + 1)
		var want float64
		for k := 1; k < len(card.Calibration.X); k++ {
			x, y := card.Calibration.X, card.Calibration.Y
			if corrected >= x[k-1] && corrected <= x[k] {
				want = y[k-1] + (corrected-x[k-1])/(x[k]-x[k-1])*(y[k]-y[k-1])
			}
		}
		if b.Golden.Raw[i] != raw {
			t.Fatalf("row %d: raw %v, the plain walk gives %v", i, b.Golden.Raw[i], raw)
		}
		if math.Abs(b.Golden.Prediction[i]-p) > 1e-15 || math.Abs(b.Golden.Propensity[i]-want) > 1e-14 {
			t.Fatalf("row %d: prediction %v and propensity %v, want %v and %v", i, b.Golden.Prediction[i], b.Golden.Propensity[i], p, want)
		}
	}
	if changed < 100 {
		t.Errorf("policies changed %d values", changed)
	}
}

func TestAWrongGoldenRowIsNamedWithItsDifferenceAndNothingElse(t *testing.T) {
	t.Parallel()
	b := read(t, made(t, full(), 50))
	b.Golden.Raw[17] += 0.5
	b.Golden.Propensity[41] = math.NaN()
	v, err := b.Verify()
	if err != nil || v.Verified || v.Wrong != 2 || len(v.First) != 2 || v.First[0].Row != 17 || v.First[0].Column != "raw" || v.First[1].Row != 41 || v.Columns[0].Largest != 0.5 {
		t.Fatalf("%+v, %v", v, err)
	}
	var mismatch *MismatchError
	if err := v.Err(); !errors.As(err, &mismatch) || !strings.Contains(err.Error(), "churn-baseline 2026-10 (SHA-256 "+b.Digest[:12]) ||
		!strings.Contains(err.Error(), "2 of 50 golden rows do not score what they should: row 17: raw is off by 0.5, the bound is 0; row 41: propensity is off by +Inf") {
		t.Error(err)
	}
	b.Card.Golden.Raw.Bound = 0.5
	b.Golden.Propensity[41] = b.Golden.Propensity[40]
	if v, err = b.Verify(); err != nil || v.Wrong != 1 {
		t.Errorf("within the bound: %+v, %v", v, err)
	}
}

func TestOneBitIsADifference(t *testing.T) {
	t.Parallel()
	b := read(t, made(t, full(), 50))
	b.Golden.Raw[3] = math.Nextafter(b.Golden.Raw[3], 9)
	if v, err := b.Verify(); err != nil || v.Wrong != 1 || v.First[0].Row != 3 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestGoldenRowsComeBackWithTheSameBits(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 8))
	features := []string{"plain", "with,comma", `with "quotes"`, "", "", "plain", "中文"}
	g := Golden{Raw: &Known{Column: "raw"}, Propensity: &Known{Column: "p"}}
	rows := &Rows{N: 500, Raw: make([]float64, 500), Propensity: make([]float64, 500), Features: make([][]float64, len(features))}
	value := func() float64 {
		if x := math.Float64frombits(r.Uint64()); r.IntN(4) > 0 && x == x {
			return x
		}
		return math.NaN()
	}
	for i := range rows.N {
		rows.Raw[i], rows.Propensity[i] = value(), value()
		for f := range features {
			rows.Features[f] = append(rows.Features[f], value())
		}
	}
	back, err := ReadRows("g.csv", rows.CSV(features, g), features, g)
	if err != nil {
		t.Fatal(err)
	}
	same := func(a, b []float64) bool {
		return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) || x != x && y != y })
	}
	if back.N != rows.N || !same(back.Raw, rows.Raw) || !same(back.Propensity, rows.Propensity) || back.Prediction != nil {
		t.Error("scores changed")
	}
	for f := range features {
		if !same(back.Features[f], rows.Features[f]) {
			t.Errorf("feature %d changed", f)
		}
	}
	if _, err := ReadRows("g.csv", []byte("plain,raw,p\n1,x,2\n"), []string{"plain"}, g); err == nil || err.Error() != "g.csv:2: raw is no number; leave the field empty where the value is missing" {
		t.Error(err)
	}
	if _, err := ReadRows("g.csv", []byte("plain,raw,p\n1,2\n"), []string{"plain"}, g); err == nil || !strings.Contains(err.Error(), "g.csv: line 2: wrong number of fields") {
		t.Error(err)
	}
}

func TestSpreadIsEvenAndHasWhatMustBeThere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rows, n int
		must    []int
		want    []int
	}{
		{10, 3, nil, []int{0, 4, 9}},
		{10, 4, []int{7}, []int{0, 4, 7, 9}},
		{3, 1000, []int{1}, []int{0, 1, 2}},
		{1, 5, nil, []int{0}},
		{0, 5, nil, nil},
		{100, 2, []int{5, 6, 7, 5}, []int{5, 6, 7}},
		{100, 1, nil, []int{0}},
	} {
		if got := Spread(c.rows, c.n, c.must); !slices.Equal(got, c.want) {
			t.Errorf("%d of %d with %v: %v, want %v", c.n, c.rows, c.must, got, c.want)
		}
	}
}

func TestAModelDoesNotDifferFromItselfAndEveryChangeIsListed(t *testing.T) {
	t.Parallel()
	files := made(t, full(), 10)
	a := read(t, files)
	if list := Diff(a, read(t, files)); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	card := full()
	card.Version, card.UndersamplingBeta = "2026-11", 0.5
	card.Calibration = &Calibration{Method: "platt", A: number(-2), B: number(0.5)}
	card.Features[0].Column, card.Features[1].Missing.Value = "fee_avg3", number(12)
	text := string(bytesOf(t))
	at := strings.Index(text, "threshold=")
	first := text[at+len("threshold="):]
	first = first[:strings.IndexAny(first, " \n")]
	changed := text[:at] + "threshold=" + strings.Repeat("7", len(first)) + text[at+len("threshold=")+len(first):]
	if _, err := Make(card, "model.txt", []byte(changed), nil, nil); err == nil {
		t.Fatal("a card with golden columns and no golden rows is made")
	}
	card.Golden = nil
	files, err := Make(card, "model.txt", []byte(changed), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	list := Diff(a, read(t, files))
	for _, want := range []string{"version: 2026-10 → 2026-11", "undersampling_beta: 0.25 → 0.5", "→ method: platt a: -2 b: 0.5", "feature fee_last: column: fee_last → fee_avg3",
		"feature tenure: missing: then: value value: 24 → then: value value: 12", "thresholds", "trees: 100 trees, "} {
		if !slices.ContainsFunc(list, func(c Change) bool {
			return strings.Contains(fmt.Sprintf("%s: %s → %s", c.What, c.From, c.To), want)
		}) {
			t.Errorf("no change is %q: %+v", want, list)
		}
	}
}

func TestAgreementIsWorkedOutRowByRow(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(77, 1))
	for range 40 {
		n := 1 + r.IntN(200)
		a, b := make([]float64, n), make([]float64, n)
		for i := range a {
			a[i] = float64(r.IntN(30)) / 30
			b[i] = a[i]
			if r.IntN(2) == 0 {
				b[i] = float64(r.IntN(30)) / 30
			}
		}
		got := Agree(a, b)
		same, sum, largest := 0, 0.0, 0.0
		// Kendall-style counting gives middle ranks without sorting.
		rank := func(x []float64, i int) float64 {
			below, equal := 0, 0
			for _, v := range x {
				if v < x[i] {
					below++
				} else if v == x[i] {
					equal++
				}
			}
			return float64(below) + float64(equal+1)/2
		}
		var sxy, sxx, syy float64
		mean := float64(n+1) / 2
		for i := range a {
			if a[i] == b[i] {
				same++
			}
			d := math.Abs(a[i] - b[i])
			sum, largest = sum+d, max(largest, d)
			x, y := rank(a, i)-mean, rank(b, i)-mean
			sxy, sxx, syy = sxy+x*y, sxx+x*x, syy+y*y
		}
		if got.Same != same || math.Abs(got.MeanDifference-sum/float64(n)) > 1e-12 || got.Largest != largest || math.Abs(a[got.LargestRow]-b[got.LargestRow]) != largest {
			t.Fatalf("%+v", got)
		}
		if sxx == 0 || syy == 0 {
			if got.RankCorrelation != nil {
				t.Fatalf("%+v", got)
			}
		} else if math.Abs(*got.RankCorrelation-sxy/math.Sqrt(sxx*syy)) > 1e-12 {
			t.Fatalf("rank correlation %v, want %v", *got.RankCorrelation, sxy/math.Sqrt(sxx*syy))
		}
	}
	if g := Agree([]float64{1, 2, 3}, []float64{1, 2, 3}); g.Same != 3 || *g.RankCorrelation != 1 || g.TopTenth != 1 || g.PSI != 0 {
		t.Errorf("%+v", g)
	}
}

// small is a package of a model of one split, with everything in its card.
func small(t testing.TB) []File {
	t.Helper()
	const tree = "Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nthreshold=3999.5\ndecision_type=8\nleft_child=-1\nright_child=-2\nleaf_value=-1.25 -3.5\nis_linear=0\nshrinkage=1\n\n\n"
	text := fmt.Sprintf("tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=3\nobjective=binary sigmoid:1\nfeature_names=fee_last tenure pay_mode brand_m0\n"+
		"feature_infos=[0:1] [0:1] [0:1] [0:1]\ntree_sizes=%d\n\n%send of trees\n\npandas_categorical:null\n", len(tree), tree)
	card := full()
	rows := &Rows{N: 2, Features: [][]float64{{1, 5000}, {math.NaN(), 1}, {1, 2}, {1, 9}}, Raw: []float64{-1.25, -3.5}, Prediction: []float64{0, 0}, Propensity: []float64{0, 0}}
	files, err := Make(card, "model.txt", []byte(text), rows, []string{"fee_last", "tenure", "pay_mode", "brand_m0"})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func FuzzRead(f *testing.F) {
	for _, files := range [][]File{small(f), {{CardFile, []byte("id: a\n")}}, {}} {
		data := bytesFor(f, files)
		f.Add(data)
	}
	f.Add([]byte("tree\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Read("fuzz", data)
		if err != nil {
			return
		}
		if b.Model == nil {
			t.Fatal("a bundle without a model")
		}
		if b.Packed {
			if again := bytesFor(t, b.Files); !bytes.Equal(again, data) {
				t.Fatal("the bytes are not the one form")
			}
			if _, err := b.Verify(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzCard(f *testing.F) {
	files := small(f)
	at := slices.IndexFunc(files, func(f File) bool { return f.Name == CardFile })
	f.Add(files[at].Data)
	f.Add([]byte("id: a\nmodel: {file: model.txt}\nfeatures: [{name: tenure, invalid: {max: 1, then: clip}}]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list := slices.Clone(files)
		list[at].Data = text
		b, err := Read("fuzz", bytesFor(t, list))
		if err != nil {
			return
		}
		again := slices.Clone(list)
		again[at].Data = job.EncodeFile(b.Card)
		c, err := Read("again", bytesFor(t, again))
		if err != nil || !reflect.DeepEqual(c.Card, b.Card) {
			t.Fatalf("a card came back as another: %v\n%s", err, again[at].Data)
		}
	})
}

func FuzzReadRows(f *testing.F) {
	f.Add([]byte("a,raw\n1,2\n,\n"))
	f.Add([]byte("\xef\xbb\xbfa,\"raw\"\n1e400,nan\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		g := Golden{Raw: &Known{Column: "raw"}}
		rows, err := ReadRows("fuzz", data, []string{"a"}, g)
		if err != nil {
			return
		}
		again, err := ReadRows("again", rows.CSV([]string{"a"}, g), []string{"a"}, g)
		if err != nil || again.N != rows.N {
			t.Fatalf("%d rows came back as %v: %v", rows.N, again, err)
		}
	})
}
