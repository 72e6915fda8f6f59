package model

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func loadXGBoost(t testing.TB, name string) *Ensemble {
	t.Helper()
	e, err := XGBoost(read(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return e
}

// Every float64 gives what XGBoost's own float32 comparisons give.
func TestXGBoostEqualsTheJudgeOnRandomRows(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"xgb_numeric.json", "xgb_category.json", "xgb_dart.json", "xgb_multi.json", "xgb_linear.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, j := loadXGBoost(t, name), newJudge(t, read(t, name))
			r := rand.New(rand.NewPCG(17, 4))
			var asked []float64
			for k := range e.Trees() {
				tree := e.Tree(k)
				for i, x := range tree.Threshold {
					if !tree.Decision[i].Categorical() {
						asked = append(asked, x, math.Nextafter(x, inf), float64(float32(math.Nextafter(x, inf))))
					}
				}
			}
			asked = append(asked, nan, 0, math.Copysign(0, -1), -0.5, -1e-50, 1e300, -1e300, 2.99999999999, 1<<24, 1<<31, 1<<40, 31.5, 39, 1, 2, 3, 4)
			if e.Weight == nil {
				asked = append(asked, inf, -inf)
			}
			row, got := make([]float64, len(e.Features)), make([]float64, e.Classes)
			for range 60_000 {
				for i := range row {
					if row[i] = asked[r.IntN(len(asked))]; r.IntN(3) == 0 {
						row[i] = math.Round(r.NormFloat64()*40) / 4
					}
				}
				e.RawInto(got, row)
				for k, want := range j.margins(row, e.Trees()) {
					if got[k] != float64(want) && (got[k] == got[k] || want == want) {
						t.Fatalf("row %v class %d: %v, want %v", row, k, got[k], want)
					}
				}
			}
			checkSplitOrder(t, e)
		})
	}
}

func TestJSONAndUBJSONGiveTheSameModel(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"xgb_numeric", "xgb_category"} {
		if a, b := loadXGBoost(t, name+".json"), loadXGBoost(t, name+".ubj"); !reflect.DeepEqual(a, b) {
			t.Errorf("%s:\n%+v\n%+v", name, a, b)
		}
	}
	for name, library := range map[string]string{"xgb_dart.json": "XGBoost", "xgb_category.ubj": "XGBoost", "stump_v2.txt": "LightGBM"} {
		if e, err := Load(read(t, name)); err != nil || e.Library != library {
			t.Errorf("%s: %v, want a model of %s", name, err, library)
		}
	}
	for name, says := range map[string]string{"xgb_dart.json": "XGBoost JSON", "xgb_category.ubj": "XGBoost UBJSON"} {
		if _, err := LightGBM(read(t, name)); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s as LightGBM: %v", name, err)
		}
	}
	if _, err := XGBoost(read(t, "stump_v2.txt")); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "LightGBM text") {
		t.Errorf("LightGBM as XGBoost: %v", err)
	}
}

func TestXGBoostKeepsWhatTheFileSays(t *testing.T) {
	t.Parallel()
	e := loadXGBoost(t, "xgb_category.json")
	if e.Version != "3.2.0" || e.Objective != "binary:logistic" || e.Link != Logistic || !e.Single || !e.Probability() || e.Classes != 1 || e.Best != -1 {
		t.Errorf("header: %+v", e)
	}
	if !slices.Equal(e.Features, []string{"fee", "calls", "plan", "city"}) || !slices.Equal(e.Types, []string{"float", "float", "c", "c"}) {
		t.Errorf("features %q of types %q", e.Features, e.Types)
	}
	tree := e.Tree(0)
	if len(tree.NodeCover) != len(tree.Left) || len(tree.LeafCover) != len(tree.Leaf) || tree.NodeCount != nil {
		t.Errorf("covers %v %v", tree.NodeCover, tree.LeafCover)
	}
	if e := loadXGBoost(t, "xgb_linear.json"); !slices.Equal(e.Features, []string{"f0", "f1", "f2"}) || e.Trees() != 0 || e.Iterations() != 0 || e.Best != 2 || !e.Linear() {
		t.Errorf("linear: %+v", e)
	}
	m := loadXGBoost(t, "xgb_multi.json")
	var classes []int
	for k := range m.Trees() {
		classes = append(classes, m.Class(k))
	}
	if want := []int{0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2}; m.Iterations() != 2 || !slices.Equal(classes, want) {
		t.Errorf("%d iterations, classes %v, want 2 and %v", m.Iterations(), classes, want)
	}
}

// Parts of a model sum to the whole, but for the start and, in float32, rounding.
func TestBetweenTakesIterations(t *testing.T) {
	t.Parallel()
	m := loadXGBoost(t, "xgb_multi.json")
	row, whole, sum := []float64{1.5, nan}, make([]float64, 3), make([]float64, 3)
	m.RawInto(whole, row)
	for i := range m.Iterations() {
		part, err := m.Between(i, i+1)
		if err != nil {
			t.Fatal(err)
		}
		if part.Trees() != 6 || part.Iterations() != 1 || part.Class(2) != 1 {
			t.Errorf("iteration %d: %d trees, tree 2 of class %d", i, part.Trees(), part.Class(2))
		}
		raw := make([]float64, 3)
		part.RawInto(raw, row)
		for k := range raw {
			sum[k] += raw[k] - m.Base[k]
		}
	}
	for k := range sum {
		if math.Abs(sum[k]+m.Base[k]-whole[k]) > 1e-6 {
			t.Errorf("class %d: parts sum to %v, want %v", k, sum[k]+m.Base[k], whole[k])
		}
	}
	forest := load(t, "forest_v4.txt")
	last, err := forest.Between(1, 99)
	if err != nil || last.Transform(-3) == forest.Transform(-3) || !slices.Equal(last.Tree(0).Leaf, forest.Tree(1).Leaf) {
		t.Errorf("the mean over one iteration of a forest is not its sum: %v", err)
	}
	for _, c := range [][2]int{{2, 0}, {-1, 0}, {1, 1}, {5, 9}} {
		if _, err := m.Between(c[0], c[1]); err == nil {
			t.Errorf("iterations %d to %d of 2 are taken", c[0], c[1])
		}
	}
	if _, err := loadXGBoost(t, "xgb_linear.json").Between(0, 1); err == nil {
		t.Error("iterations of a linear model are taken")
	}
}

// The margins are XGBoost's (1.7.4, base_score 0.3); predictions follow from 0.75
// and -0.25.
func TestObjectivesStartAndEndAsXGBoosts(t *testing.T) {
	t.Parallel()
	text := string(read(t, "xgb_numeric.json"))
	for _, c := range []struct {
		objective  string
		start      float64
		link       Link
		high, down float64
	}{
		{"binary:logistic", float64(float32(-0.84729785)), Logistic, 0.679178699175393, 0.437823499114202},
		{"reg:logistic", float64(float32(-0.84729785)), Logistic, 0.679178699175393, 0.437823499114202},
		{"binary:logitraw", float64(float32(0.3)), Identity, 0.75, -0.25},
		{"binary:hinge", float64(float32(0.3)), Step, 1, 0},
		{"reg:squarederror", float64(float32(0.3)), Identity, 0.75, -0.25},
		{"reg:linear", float64(float32(0.3)), Identity, 0.75, -0.25},
		{"reg:squaredlogerror", float64(float32(0.3)), Identity, 0.75, -0.25},
		{"reg:pseudohubererror", float64(float32(0.3)), Identity, 0.75, -0.25},
		{"reg:absoluteerror", float64(float32(0.3)), Identity, 0.75, -0.25},
		{"reg:quantileerror", float64(float32(0.3)), Identity, 0.75, -0.25},
		{"rank:pairwise", float64(float32(0.3)), Identity, 0.75, -0.25},
		{"rank:ndcg", float64(float32(0.3)), Identity, 0.75, -0.25},
		{"rank:map", float64(float32(0.3)), Identity, 0.75, -0.25},
		{"count:poisson", float64(float32(-1.2039728)), Exponential, 2.117000016612675, 0.778800783071405},
		{"reg:gamma", float64(float32(-1.2039728)), Exponential, 2.117000016612675, 0.778800783071405},
		{"reg:tweedie", float64(float32(-1.2039728)), Exponential, 2.117000016612675, 0.778800783071405},
		{"survival:cox", float64(float32(-1.2039728)), Exponential, 2.117000016612675, 0.778800783071405},
		{"survival:aft", float64(float32(-1.2039728)), Exponential, 2.117000016612675, 0.778800783071405},
	} {
		e, err := XGBoost([]byte(strings.Replace(text, `"name":"binary:logistic"`, `"name":"`+c.objective+`"`, 1)))
		if err != nil {
			t.Errorf("%s: %v", c.objective, err)
			continue
		}
		if e.Base[0] != c.start || e.Link != c.link {
			t.Errorf("%s starts at %v by link %d, want %v by %d", c.objective, e.Base[0], e.Link, c.start, c.link)
		}
		for raw, want := range map[float64]float64{0.75: c.high, -0.25: c.down} {
			if got := e.Transform(raw); got != float64(float32(got)) || math.Abs(got-want) > 6e-8*max(want, 1) {
				t.Errorf("%s of %v is %v, want %v", c.objective, raw, got, want)
			}
		}
	}
	multi := string(read(t, "xgb_multi.json"))
	for objective, want := range map[string][]float64{"multi:softprob": {0.1863237232258476, 0.5064803910556540, 0.3071958857184984}, "multi:softmax": {0, 1, 0}} {
		e, err := XGBoost([]byte(strings.Replace(multi, "multi:softprob", objective, 1)))
		if err != nil {
			t.Fatal(err)
		}
		got := []float64{-0.5, 0.5, 0}
		if e.TransformInto(got, got); math.Abs(got[0]-want[0])+math.Abs(got[1]-want[1])+math.Abs(got[2]-want[2]) > 2e-7 {
			t.Errorf("%s: %v, want %v", objective, got, want)
		}
	}
	e := loadXGBoost(t, "xgb_numeric.json")
	if low := e.Transform(-200); !(low > 0) || e.Transform(200) != 1 {
		t.Errorf("the logistic function of -200 is %v, of 200 %v", low, e.Transform(200))
	}
}

func TestBaseScoreIsReadInEveryForm(t *testing.T) {
	t.Parallel()
	text := string(read(t, "xgb_multi.json"))
	for form, want := range map[string][]float64{
		`"5E-1"`:              {0.5, 0.5, 0.5},
		`"0.5"`:               {0.5, 0.5, 0.5},
		`0.25`:                {0.25, 0.25, 0.25},
		`"[0.5]"`:             {0.5, 0.5, 0.5},
		`"[-1E0,0E0,2.5E-1]"`: {-1, 0, 0.25},
		`"[-1, 0, 0.25]"`:     {-1, 0, 0.25},
	} {
		e, err := XGBoost([]byte(strings.Replace(text, `"base_score":"5E-1"`, `"base_score":`+form, 1)))
		if err != nil || !slices.Equal(e.Base, want) {
			t.Errorf("%s: %v, want %v", form, err, want)
		}
	}
}

// Dart's weights stand beside the trees, or in a gbtree, and are multiplied in
// float32.
func TestDartWeightsAreReadInBothPlaces(t *testing.T) {
	t.Parallel()
	data := read(t, "xgb_dart.json")
	whole := loadXGBoost(t, "xgb_dart.json")
	j := newJudge(t, data)
	if w := j.Learner.Booster.Drop; len(w) != 5 || w[0] == 1 {
		t.Fatalf("the sample's weights are %v: they prove nothing", w)
	}
	flat := bytes.Replace(data, []byte(`"gbtree":{"model":`), []byte(`"model":`), 1)
	flat = bytes.Replace(flat, []byte(`,"name":"gbtree"},"name":"dart",`), []byte(`,"name":"gbtree",`), 1)
	e, err := XGBoost(flat)
	if err != nil || !slices.Equal(e.leaf, whole.leaf) {
		t.Errorf("a gbtree with weight_drop: %v, leaves %v, want %v", err, e, whole.leaf)
	}
	if _, err := XGBoost(bytes.Replace(data, []byte(`"weight_drop":[`), []byte(`"weight_dorp":[`), 1)); err == nil || !strings.Contains(err.Error(), "weight_drop") {
		t.Errorf("dart without weights: %v", err)
	}
}

// A threshold of negative infinity parts missing values from all others.
func TestThresholdThatNothingMeets(t *testing.T) {
	t.Parallel()
	text := `{"learner":{"learner_model_param":{"base_score":"0","num_class":"0","num_feature":"1"},"objective":{"name":"reg:squarederror"},
		"gradient_booster":{"name":"gbtree","model":{"tree_info":[0],"trees":[{"left_children":[1,-1,-1],"right_children":[2,-1,-1],
		"split_indices":[0,0,0],"split_conditions":[-Infinity,1,2],"default_left":[true,false,false]}]}}},"version":[1,0,0]}`
	for _, c := range []struct{ threshold, missing string }{{"-Infinity", "true"}, {"-Infinity", "false"}, {"Infinity", "true"}, {"Infinity", "false"}} {
		e, err := XGBoost([]byte(strings.NewReplacer("-Infinity", c.threshold, "[true", "["+c.missing).Replace(text)))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []float64{0, 3, -3, math.MaxFloat32, -math.MaxFloat32, math.MaxFloat64, -math.MaxFloat64, inf, -inf, nan} {
			want := 2.0
			if x != x && c.missing == "true" || c.threshold == "Infinity" && float32(x) < float32(inf) {
				want = 1
			}
			if got := e.Raw([]float64{x}); got != want {
				t.Errorf("%v < %s, missing left %s: %v, want %v", x, c.threshold, c.missing, got, want)
			}
		}
	}
}

// Each case edits a sound model in one place.
func TestXGBoostDamageIsRefusedByTreeAndField(t *testing.T) {
	t.Parallel()
	const head = `{"learner":{"learner_model_param":{"base_score":"0.5","num_class":"0","num_feature":"2","num_target":"1"},"objective":{"name":"reg:squarederror"},"feature_names":["x","y"],"feature_types":["float","c"],` +
		`"gradient_booster":{"name":"gbtree","model":{"gbtree_model_param":{"num_parallel_tree":"1"},"tree_info":[0,0],"iteration_indptr":[0,1,2],"trees":[`
	const one = `{"left_children":[-1],"right_children":[-1],"split_indices":[0],"split_conditions":[7],"default_left":[0],"sum_hessian":[1]},`
	const two = `{"tree_param":{"num_nodes":"5","num_deleted":"0","size_leaf_vector":"1"},"left_children":[1,3,-1,-1,-1],"right_children":[2,4,-1,-1,-1],"split_indices":[0,1,0,0,0],` +
		`"split_conditions":[1.5,NaN,3,4,5],"default_left":[0,1,0,0,0],"split_type":[0,1,0,0,0],"categories":[0,2],"categories_nodes":[1],"categories_segments":[0],"categories_sizes":[2],"base_weights":[0,0,0,0,0],"sum_hessian":[5,3,2,1,1]}`
	const text = head + one + two + `]}}},"version":[3,2,0]}`
	if e, err := XGBoost([]byte(text)); err != nil || e.Raw([]float64{1, 2}) != 12.5 || e.Raw([]float64{1, 1}) != 11.5 || e.Raw([]float64{2, 1}) != 10.5 {
		t.Fatalf("the sound model: %v", err)
	} else if e.Best != -1 {
		t.Errorf("a file without attributes has its best iteration at %d", e.Best)
	}
	for _, c := range []struct {
		old, new    string
		tree        int
		field, says string
		kind        error
	}{
		{`"learner":{`, `"laerner":{`, Header, "", "JSON", ErrUnsupported},
		{`{"learner":{`, `{"Config":{},"Model":{"learner":{`, Header, "Model", "snapshot", ErrUnsupported},
		{`"base_score":"0.5",`, ``, Header, "base_score", "missing", ErrMalformed},
		{`"0.5"`, `"0.5.5"`, Header, "base_score", "value 0 is not a number", ErrMalformed},
		{`"0.5"`, `"nan"`, Header, "base_score", "value 0 is not a number", ErrMalformed},
		{`"0.5"`, `"[0.5,0.5]"`, Header, "base_score", "2 values for 1 classes", ErrMalformed},
		{`"0.5"`, `"[0.5"`, Header, "base_score", "does not end", ErrMalformed},
		{`"0.5"`, `"1e39"`, Header, "base_score", "value 0", ErrMalformed},
		{`"reg:squarederror"`, `"binary:logistic","more":1},"x":{"base_score":0`, 1, "", "", nil}, // sound: unknown members are skipped
		{`"0.5"`, `"2"},"objective":{"name":"binary:logistic"},"o":{"x":0`, Header, "objective", "twice", ErrMalformed},
		{`"reg:squarederror"`, `"multi:softprob"`, Header, "num_class", "0 classes", ErrMalformed},
		{`"reg:squarederror"`, `"binary:logistik"`, Header, "objective", "binary_logistik", ErrUnsupported},
		{`"num_class":"0"`, `"num_class":"-1"`, Header, "num_class", "from 0", ErrMalformed},
		{`"num_class":"0"`, `"num_class":"2"`, Header, "num_parallel_tree", "", nil}, // two classes, one iteration: indptr no longer fits
		{`"num_feature":"2"`, `"num_feature":"99999999"`, Header, "num_feature", "from 1", ErrMalformed},
		{`"num_feature":"2"`, `"num_feature":"3"`, Header, "feature_types", "2 values for the 3", ErrMalformed},
		{`"num_feature":"2",`, ``, Header, "num_feature", "missing", ErrMalformed},
		{`["x","y"]`, `["x","x"]`, Header, "feature_names", "name 1 stands twice", ErrMalformed},
		{`["x","y"]`, `["x"]`, Header, "feature_names", "1 values", ErrMalformed},
		{`["x","y"]`, `["x",1]`, Header, "feature_names", "value 1: a number stands where a text", ErrMalformed},
		{`"num_target":"1"`, `"num_target":"2"`, Header, "iteration_indptr", "value 1", ErrMalformed},
		{`"name":"gbtree"`, `"name":"gbforest"`, Header, "name", "gbforest", ErrUnsupported},
		{`"name":"gbtree"`, `"name":"dart"`, Header, "weight_drop", "missing", ErrMalformed},
		{`"name":"gbtree"`, `"name":"gblinear"`, Header, "weights", "0 values", ErrMalformed},
		{`"name":"gbtree",`, `"name":"gbtree","weight_drop":[1],`, Header, "weight_drop", "1 values for 2 trees", ErrMalformed},
		{`"name":"gbtree",`, `"name":"gbtree","weight_drop":[1,NaN],`, Header, "weight_drop", "value 1: not a finite", ErrMalformed},
		{`"num_parallel_tree":"1"`, `"num_parallel_tree":"3"`, Header, "num_parallel_tree", "2 trees", ErrMalformed},
		{`"num_parallel_tree":"1"`, `"num_parallel_tree":"2147483647"`, Header, "num_parallel_tree", "2 trees", ErrMalformed},
		{`"tree_info":[0,0]`, `"tree_info":[0]`, Header, "tree_info", "1 values for 2 trees", ErrMalformed},
		{`"tree_info":[0,0]`, `"tree_info":[0,1]`, Header, "tree_info", "value 1 names no class", ErrMalformed},
		{`"tree_info":[0,0]`, `"tree_info":[0,-1]`, Header, "tree_info", "value 1 names no class", ErrMalformed},
		{`[0,1,2]`, `[0,2]`, Header, "iteration_indptr", "value 1", ErrMalformed},
		{`"trees":[`, `"tress":[`, Header, "trees", "missing", ErrMalformed},
		{one + two, ``, Header, "trees", "no trees", ErrMalformed},
		{`"left_children":[-1]`, `"left_children":[]`, 0, "left_children", "missing", ErrMalformed},
		{`"left_children":[-1]`, `"left_children":[0]`, 0, "left_children", "names node 0, which another", ErrMalformed},
		{`[1,3,-1,-1,-1]`, `[1,3,-1,-1]`, 1, "num_nodes", "5 nodes where", ErrMalformed},
		{`[1,3,-1,-1,-1]`, `[1,1,-1,-1,-1]`, 1, "left_children", "value 1 names node 1, which another", ErrMalformed},
		{`[1,3,-1,-1,-1]`, `[1,5,-1,-1,-1]`, 1, "left_children", "node 5 of 5", ErrMalformed},
		{`[1,3,-1,-1,-1]`, `[1,-2,-1,-1,-1]`, 1, "left_children", "node -2 of 5", ErrMalformed},
		{`[1,3,-1,-1,-1]`, `[1,1.5,-1,-1,-1]`, 1, "left_children", "value 1: not an integer", ErrMalformed},
		{`[1,3,-1,-1,-1]`, `[1,4294967299,-1,-1,-1]`, 1, "left_children", "value 1: the integer is out of range", ErrMalformed},
		{`[1,3,-1,-1,-1]`, `[1,-1,-1,-1,-1]`, 1, "right_children", "value 1 is a child", ErrMalformed},
		{`[2,4,-1,-1,-1]`, `[2,4,-1,-1]`, 1, "right_children", "4 values for the 5", ErrMalformed},
		{`[2,4,-1,-1,-1]`, `[2,2,-1,-1,-1]`, 1, "right_children", "which another", ErrMalformed},
		{`[1,3,-1,-1,-1],"right_children":[2,4,-1,-1,-1],"split_indices":[0,1,0,0,0],"split_conditions":[1.5,NaN,`,
			`[1,-1,-1,4,3],"right_children":[2,-1,-1,4,3],"split_indices":[0,1,0,0,0],"split_conditions":[1.5,0,`, 1, "left_children", "does not reach node 3", ErrMalformed},
		{`"num_nodes":"5"`, `"num_nodes":"2147483647"`, 1, "num_nodes", "2147483647 nodes", ErrMalformed},
		{`"size_leaf_vector":"1"`, `"size_leaf_vector":"3"`, 1, "size_leaf_vector", "vectors of 3", ErrUnsupported},
		{`"split_indices":[0,1,`, `"split_indices":[0,2,`, 1, "split_indices", "value 1 names no feature of the 2", ErrMalformed},
		{`"split_indices":[0,1,`, `"split_indices":[0,-1,`, 1, "split_indices", "value 1 is negative", ErrMalformed},
		{`[1.5,NaN,3,4,5]`, `[NaN,NaN,3,4,5]`, 1, "split_conditions", "value 0, a threshold, is not a number", ErrMalformed},
		{`[1.5,NaN,3,4,5]`, `[1.5,NaN,3,NaN,5]`, 1, "split_conditions", "value 3, of a leaf", ErrMalformed},
		{`[1.5,NaN,3,4,5]`, `[1.5,NaN,3,Infinity,5]`, 1, "split_conditions", "value 3, of a leaf", ErrMalformed},
		{`[1.5,NaN,3,4,5]`, `[1.5,NaN,3,1e39,5]`, 1, "split_conditions", "value 3: not a number that fits", ErrMalformed},
		{`[1.5,NaN,3,4,5]`, `[1.5,NaN,3,3e38,5]`, 1, "split_conditions", "overflow", ErrMalformed},
		{`[1.5,NaN,3,4,5]`, `[1.5,NaN,3,0x4,5]`, 1, "split_conditions", "value 3: not a number", ErrMalformed},
		{`[1.5,NaN,3,4,5]`, `[1.5,NaN,3,,5]`, 1, "split_conditions", "begins no JSON value", ErrMalformed},
		{`[1.5,NaN,3,4,5]`, `[1.5,NaN,3 4,5]`, 1, "split_conditions", "comma", ErrMalformed},
		{`"default_left":[0,1,`, `"default_left":[0,2,`, 1, "default_left", "value 1: neither 0 nor 1", ErrMalformed},
		{`"split_type":[0,1,`, `"split_type":[0,2,`, 1, "split_type", "value 1 is neither", ErrMalformed},
		{`"split_type":[0,1,`, `"split_type":[1,1,`, 1, "categories_nodes", "node 0 asks for a category", ErrMalformed},
		{`"split_type":[0,1,`, `"split_type":[1,`, 1, "split_type", "4 values", ErrMalformed},
		{`"categories":[0,2]`, `"categories":[0,-2]`, 1, "categories", "value 1 is no category", ErrMalformed},
		{`"categories":[0,2]`, `"categories":[0,16777216]`, 1, "categories", "value 1 is no category", ErrMalformed},
		{`"categories":[0,2]`, `"categories":[0]`, 1, "categories_sizes", "value 0 goes past", ErrMalformed},
		{`"categories":[0,2]`, `"categories":[0,2,3]`, 1, "categories", "3 categories where", ErrMalformed},
		{`"categories_nodes":[1]`, `"categories_nodes":[5]`, 1, "categories_nodes", "value 0", ErrMalformed},
		{`"categories_nodes":[1]`, `"categories_nodes":[]`, 1, "categories_segments", "1 values for the 0", ErrMalformed},
		{`"categories_segments":[0]`, `"categories_segments":[1]`, 1, "categories_segments", "value 0", ErrMalformed},
		{`"categories_sizes":[2]`, `"categories_sizes":[-2]`, 1, "categories_sizes", "value 0", ErrMalformed},
		{`"base_weights":[0,0,0,0,0]`, `"base_weights":[0]`, 1, "base_weights", "1 values", ErrMalformed},
		{`"sum_hessian":[5,3,2,1,1]`, `"sum_hessian":[5,3,2,1,Infinity]`, 1, "sum_hessian", "value 4: not a finite", ErrMalformed},
		{`"base_weights":[0,0,0,0,0]`, `"split_type":[0,0,0,0,0]`, 1, "split_type", "twice", ErrMalformed},
		{`"base_weights":[0,0,0,0,0]`, `"base_weights":` + strings.Repeat("[", 99) + strings.Repeat("]", 99), 1, "base_weights", "deep", ErrMalformed},
		{`"version":[3,2,0]}`, `"version":[3,2,0]} x`, Header, "", "follow the end", ErrMalformed},
		{`"version":[3,2,0]}`, `"version":[3,2,0]`, Header, "", "cut short", ErrMalformed},
		{`"version":[3,2,0]`, `"version":[3,2,"\u00zz"]`, Header, "version", "text stands where a number", ErrMalformed},
	} {
		if strings.Count(text, c.old) == 0 {
			t.Fatalf("the model has no %q", c.old)
		}
		_, err := Load([]byte(strings.Replace(text, c.old, c.new, 1)))
		if c.kind == nil {
			continue
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q for %q: error %v, want an *Error", c.new, c.old, err)
			continue
		}
		if e.Tree != c.tree || e.Field != c.field && c.field != "" || !strings.Contains(e.Problem, c.says) || !errors.Is(err, c.kind) || e.Remedy == "" {
			t.Errorf("%q for %q: %v\n\ttree %d field %q, want tree %d field %q saying %q, kind %v", c.new, c.old, err, e.Tree, e.Field, c.tree, c.field, c.says, c.kind)
		}
	}
}

func TestEveryTruncationOfXGBoostIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"xgb_numeric.json", "xgb_numeric.ubj", "xgb_category.ubj", "xgb_linear.json"} {
		data := read(t, name)
		for n := range data {
			if _, err := Load(data[:n]); err == nil {
				t.Errorf("%s cut to %d bytes is accepted", name, n)
			}
		}
	}
}
