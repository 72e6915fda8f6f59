package model

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var nan, inf = math.NaN(), math.Inf(1)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func load(t testing.TB, name string) *Ensemble {
	t.Helper()
	e, err := LightGBM(read(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return e
}

// The scores are worked out by hand from the text of the models.
func TestRawWalksAsLightGBMDoes(t *testing.T) {
	t.Parallel()
	above := func(x float64) float64 { return math.Nextafter(x, inf) }
	below := func(x float64) float64 { return math.Nextafter(x, -inf) }
	for _, c := range []struct {
		model string
		why   string
		row   []float64
		want  float64
	}{
		// Tree 0: fee<=35.5 (NaN left) → calls<=ZeroMax (zero missing, right) → -1.5 | calls<=-2 (NaN right) → -0.375 | 0.0625
		//                              → data<=10.25 (none) → 2.125 | 0.25
		// Tree 1: data<=0.1 (zero missing, left) → fee<=-3e-5 (none) → 0.1 | -0.3, else 0.2
		{"numeric_v4.txt", "threshold goes left", []float64{35.5, -1, 5}, -1.5 + 0.2},
		{"numeric_v4.txt", "one step above goes right", []float64{above(35.5), -1, 10.25}, 2.125 + 0.2},
		{"numeric_v4.txt", "missing NaN takes the default", []float64{nan, -1, 5}, -1.5 + 0.2},
		{"numeric_v4.txt", "zero is missing and goes right", []float64{1, 0, 5}, 0.0625 + 0.2},
		{"numeric_v4.txt", "NaN is zero is missing, then NaN goes right", []float64{1, nan, 5}, 0.0625 + 0.2},
		{"numeric_v4.txt", "float32(1e-35) is still zero", []float64{1, ZeroMax, 5}, 0.0625 + 0.2},
		{"numeric_v4.txt", "its negative too", []float64{1, -ZeroMax, 5}, 0.0625 + 0.2},
		{"numeric_v4.txt", "below it is not zero", []float64{1, below(-ZeroMax), 5}, -1.5 + 0.2},
		{"numeric_v4.txt", "above it is not zero, and above the threshold", []float64{1, above(ZeroMax), 5}, 0.0625 + 0.2},
		{"numeric_v4.txt", "NaN is 0 where nothing is missing", []float64{99, 0, nan}, 2.125 + -0.3},
		{"numeric_v4.txt", "NaN is 0 and above the threshold -3e-5", []float64{nan, -1, 0}, -1.5 + -0.3},
		{"numeric_v4.txt", "infinity compares", []float64{inf, -1, inf}, 0.25 + 0.2},
		{"numeric_v4.txt", "negative infinity compares", []float64{-inf, -inf, -inf}, -1.5 + 0.1},
		// Tree 0: plan in {0,31} → tenure<=2.5 (NaN left) → 1 | 0.5, else plan in {1,2,35} → -1 | -0.25
		{"categorical_v3.txt", "in the set goes left", []float64{1, 0}, 1},
		{"categorical_v3.txt", "last bit of a word", []float64{3, 31}, 0.5},
		{"categorical_v3.txt", "fraction truncates", []float64{nan, 31.999}, 1},
		{"categorical_v3.txt", "fraction above -1 truncates to 0", []float64{0, -0.5}, 1},
		{"categorical_v3.txt", "not in the first, in the second", []float64{0, 2}, -1},
		{"categorical_v3.txt", "second word of a set", []float64{0, 35}, -1},
		{"categorical_v3.txt", "past every word", []float64{0, 64}, -0.25},
		{"categorical_v3.txt", "negative goes right", []float64{0, -1}, -0.25},
		{"categorical_v3.txt", "NaN goes right", []float64{0, nan}, -0.25},
		{"categorical_v3.txt", "2**32 does not wrap round", []float64{0, 1 << 32}, -0.25},
		{"categorical_v3.txt", "2**31 goes right", []float64{0, 1 << 31}, -0.25},
		{"categorical_v3.txt", "infinity goes right", []float64{0, inf}, -0.25},
		{"categorical_v3.txt", "negative infinity goes right", []float64{0, -inf}, -0.25},
		// Tree 0: 0.5. Tree 1: fee<=4.5 (NaN left) → 0.25+3·fee, else 1 | calls<=2.5 → -2 | 8-fee+calls/2, else 3
		{"linear_v4.txt", "a leaf of one term", []float64{2, 9}, 0.5 + 6.25},
		{"linear_v4.txt", "NaN falls back to the leaf's value", []float64{nan, 9}, 0.5 + 1},
		{"linear_v4.txt", "a leaf without terms", []float64{5, 1}, 0.5 - 2},
		{"linear_v4.txt", "a leaf of two terms", []float64{5, 4}, 0.5 + 5},
		{"linear_v4.txt", "one NaN of two is enough", []float64{5, nan}, 0.5 + 3},
		{"linear_v4.txt", "infinity is a number", []float64{-inf, 0}, -inf},
		{"stump_v2.txt", "a tree of one leaf adds its leaf", []float64{5}, -1.75 + 0.5},
		{"stump_v2.txt", "and so on the other side", []float64{5.5}, -1.75 - 0.5},
		{"forest_v4.txt", "raw scores of a forest are sums", []float64{35.5, -1, 5}, -1.5 + 0.2},
	} {
		if got := load(t, c.model).Raw(c.row); got != c.want {
			t.Errorf("%s, %s: row %v scores %v, want %v", c.model, c.why, c.row, got, c.want)
		}
	}
}

// LightGBM 4.6 writes such thresholds; it parts missing values from all others.
func TestInfiniteThresholdSendsEveryValueOneWay(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"inf": -1.75 + 0.5, "-inf": -1.75 - 0.5} {
		e, err := LightGBM([]byte(strings.Replace(string(read(t, "stump_v2.txt")), "threshold=5.0", "threshold="+text, 1)))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []float64{-math.MaxFloat64, 0, math.MaxFloat64} {
			if got := e.Raw([]float64{x}); got != want {
				t.Errorf("threshold %s: %v scores %v, want %v", text, x, got, want)
			}
		}
	}
}

func TestLoadKeepsWhatTheFileSays(t *testing.T) {
	t.Parallel()
	e := load(t, "categorical_v3.txt")
	if e.Version != "v3" || e.Objective != "binary" || e.Link != Logistic || e.Sigmoid != 0.7 || e.Average || e.Classes != 1 || !e.Probability() {
		t.Errorf("header: %+v", e)
	}
	if want := []string{"tenure", "plan"}; !slices.Equal(e.Features, want) {
		t.Errorf("features %q, want %q", e.Features, want)
	}
	if want := []string{"[0:240]", "-1:0:1:2:31:67"}; !slices.Equal(e.Ranges, want) {
		t.Errorf("ranges %q, want %q", e.Ranges, want)
	}
	want := []Category{{"大王", false}, {"a, b", false}, {"7", true}, {"1.5", true}, {"true", true}}
	if len(e.Pandas) != 1 || !slices.Equal(e.Pandas[0], want) {
		t.Errorf("categories %v, want %v", e.Pandas, want)
	}
	tree := e.Tree(0)
	if !slices.Equal(tree.NodeCount, []int32{26, 12, 14}) || !slices.Equal(tree.LeafCount, []int32{5, 6, 7, 8}) {
		t.Errorf("counts %v %v", tree.NodeCount, tree.LeafCount)
	}
	if !slices.Equal(tree.Left, []int32{1, -1, -2}) || !slices.Equal(tree.Right, []int32{2, -3, -4}) || !slices.Equal(tree.Bound, []int32{0, 1, 3}) {
		t.Errorf("nodes are not in file order: %+v", tree)
	}
	if stump := load(t, "stump_v2.txt"); stump.Trees() != 2 || stump.Probability() || stump.Tree(0).LeafCount != nil || len(stump.Tree(0).Left) != 0 || len(stump.Tree(1).Left) != 1 {
		t.Errorf("stump: %+v", stump)
	}
}

func TestForestAveragesAndClassesShareTrees(t *testing.T) {
	t.Parallel()
	if got, want := load(t, "forest_v4.txt").Transform(-3), 1/(1+math.Exp(1.5)); math.Abs(got-want) > 1e-16 {
		t.Errorf("forest of 2 trees gives %v for -3, want %v", got, want)
	}
	e := load(t, "multiclass_v3.txt")
	raw := make([]float64, 3)
	e.RawInto(raw, []float64{0, 2}) // trees 0 to 5: x<=-1, y<=0, x<=1, y<=2, x<=3, y<=4
	if want := []float64{-1 + 4, -2 + 5, 3 + 6}; !slices.Equal(raw, want) {
		t.Fatalf("raw %v, want %v", raw, want)
	}
	e.TransformInto(raw, raw)
	if sum := raw[0] + raw[1] + raw[2]; math.Abs(sum-1) > 1e-15 || !(raw[2] > raw[0] && raw[0] == raw[1]) {
		t.Errorf("softmax %v", raw)
	}
	defer func() {
		if recover() == nil {
			t.Error("Raw of several classes did not panic")
		}
	}()
	e.Raw([]float64{0, 0})
}

func TestEveryObjectiveHasItsLink(t *testing.T) {
	t.Parallel()
	text := string(read(t, "stump_v2.txt"))
	for objective, link := range map[string]Link{
		"lambdarank": Identity, "rank_xendcg": Identity, "regression": Identity, "regression sqrt": SignedSquare, "quantile": Identity,
		"cross_entropy": Logistic, "cross_entropy_lambda": Softplus, "poisson": Exponential, "tweedie": Exponential, "gamma": Exponential,
	} {
		e, err := LightGBM([]byte(strings.Replace(text, "objective=regression", "objective="+objective, 1)))
		if err != nil {
			t.Errorf("%s: %v", objective, err)
		} else if e.Link != link || e.Single {
			t.Errorf("%s: link %d, want %d", objective, e.Link, link)
		}
	}
	e, err := LightGBM([]byte(strings.Replace(text, "objective=regression", "objective=cross_entropy_lambda", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []float64{-700, -40, -1, 0, 1, 40, 700} {
		if got, want := e.Transform(raw), math.Log1p(math.Exp(raw)); ulps(got, want) > 2 {
			t.Errorf("cross_entropy_lambda of %v is %v, want %v", raw, got, want)
		}
	}
}

// Each case edits a sound model in one place.
func TestDamageIsRefusedByTreeAndField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		model, old, new string
		tree            int
		field, says     string
		kind            error
	}{
		{"stump_v2.txt", "version=v2", "version=v5", Header, "version", "v5", ErrUnsupported},
		{"stump_v2.txt", "version=v2\n", "", Header, "version", "missing", ErrUnsupported},
		{"stump_v2.txt", "objective=regression", "objective=lambdarunk", Header, "objective", "lambdarunk", ErrUnsupported},
		{"stump_v2.txt", "objective=regression", "objective=", Header, "objective", "empty", ErrMalformed},
		{"categorical_v3.txt", "sigmoid:0.7", "sigmoid:-1", Header, "objective", "sigmoid", ErrMalformed},
		{"categorical_v3.txt", " sigmoid:0.7", "", Header, "objective", "lacks its parameter sigmoid", ErrMalformed},
		{"categorical_v3.txt", "sigmoid:0.7", "sqrt", Header, "objective", "sqrt", ErrMalformed},
		{"forest_v4.txt", "average_output", "average_outpvt", Header, "average_outpvt", "known", ErrMalformed},
		{"forest_v4.txt", "average_output", "average_output=0", Header, "average_output", "takes none", ErrMalformed},
		{"stump_v2.txt", "num_class=1", "num_class=2", Header, "num_tree_per_iteration", "for 2 classes", ErrMalformed},
		{"stump_v2.txt", "num_class=1\n", "", Header, "num_class", "missing", ErrMalformed},
		{"stump_v2.txt", "num_class=1\n", "num_class=1\nnum_class=1\n", Header, "num_class", "twice", ErrMalformed},
		{"stump_v2.txt", "num_class=1\nnum_tree_per_iteration=1", "num_class=3\nnum_tree_per_iteration=3", Header, "num_class", "do not go with", ErrMalformed},
		{"multiclass_v3.txt", "num_class:3", "num_class:4", Header, "objective", "num_class", ErrMalformed},
		{"stump_v2.txt", "max_feature_idx=0", "max_feature_idx=99999999999", Header, "max_feature_idx", "from 0", ErrMalformed},
		{"stump_v2.txt", "max_feature_idx=0", "max_feature_idx=1", Header, "feature_names", "1 values for the 2", ErrMalformed},
		{"stump_v2.txt", "feature_infos=[0:9]", "feature_infos=", Header, "feature_infos", "0 values", ErrMalformed},
		{"numeric_v4.txt", "feature_names=fee calls data", "feature_names=fee fee data", Header, "feature_names", "twice", ErrMalformed},
		{"stump_v2.txt", "feature_names=x", "feature_names=\xcc\xec", Header, "feature_names", "UTF-8", ErrMalformed},
		{"stump_v2.txt", "Tree=1\n", "Tree=2\n", 1, "Tree", "does not begin", ErrMalformed},
		{"stump_v2.txt", "pandas_categorical:null", "pandas_categorical:{}", Header, "pandas_categorical", "JSON", ErrMalformed},
		{"stump_v2.txt", "pandas_categorical:null", "pandas_categorical:[[[1]]]", Header, "pandas_categorical", "category 0 of column 0", ErrMalformed},
		{"stump_v2.txt", "pandas_categorical:null", "pandas_categorical:[[null]]", Header, "pandas_categorical", "category 0 of column 0", ErrMalformed},
		{"stump_v2.txt", "pandas_categorical:null\n", "pandas_categorical:null\nmore\n", Header, "", "follow the end", ErrMalformed},
		{"numeric_v4.txt", "end of parameters\n", "end of parameters\nmore\n", Header, "", "belong to no part", ErrMalformed},
		{"numeric_v4.txt", "end of parameters\n", "", Header, "parameters", "cut short", ErrMalformed},
		{"numeric_v4.txt", "\nfee=2\n", "\nfee\n", Header, "feature_importances", "name=value", ErrMalformed},
		{"numeric_v4.txt", "end of trees\n", "", Header, "", "end of trees", ErrMalformed},
		{"numeric_v4.txt", "leaf_value=-1.5 ", "leaf_value=-1.50 ", 1, "Tree", "tree_sizes does not match", ErrMalformed},
		{"numeric_v4.txt", "tree_sizes=", "tree_sizes=1 ", 0, "Tree", "does not begin", ErrMalformed},
		{"numeric_v4.txt", "tree_sizes=", "tree_sizes=-1 ", 0, "tree_sizes", "size in bytes", ErrMalformed},
		{"numeric_v4.txt", "tree_sizes=", "tree_sizes=2147483647 ", 0, "tree_sizes", "cut short", ErrMalformed},
		{"stump_v2.txt", "num_leaves=2", "num_leaves=3", 1, "split_feature", "1 values where", ErrMalformed},
		{"stump_v2.txt", "num_leaves=2", "num_leaves=2147483647", 1, "split_feature", "1 values where", ErrMalformed},
		{"stump_v2.txt", "num_leaves=2", "num_leaves=0", 1, "num_leaves", "1 or more", ErrMalformed},
		{"stump_v2.txt", "num_leaves=2\n", "", 1, "num_leaves", "missing", ErrMalformed},
		{"stump_v2.txt", "leaf_value=0.5 -0.5", "leaf_value=0.5", 1, "leaf_value", "1 values where", ErrMalformed},
		{"stump_v2.txt", "leaf_value=0.5 -0.5", "leaf_value=0.5 nan", 1, "leaf_value", "value 1 is not a finite", ErrMalformed},
		{"stump_v2.txt", "leaf_value=0.5 -0.5", "leaf_value=0.5 1e999", 1, "leaf_value", "value 1 is not a finite", ErrMalformed},
		{"stump_v2.txt", "leaf_value=0.5 -0.5", "leaf_value=0.5 0x1p3", 1, "leaf_value", "value 1 is not a finite", ErrMalformed},
		{"stump_v2.txt", "threshold=5.0", "threshold=nan", 1, "threshold", "value 0 is not a number", ErrMalformed},
		{"stump_v2.txt", "threshold=5.0", "threshold=infinity", 1, "threshold", "value 0 is not a number", ErrMalformed},
		{"stump_v2.txt", "threshold=5.0", "threshold=", 1, "threshold", "0 values", ErrMalformed},
		{"stump_v2.txt", "split_feature=0", "split_feature=1", 1, "split_feature", "no feature of the 1", ErrMalformed},
		{"stump_v2.txt", "split_feature=0", "split_feature=-1", 1, "split_feature", "no feature of the 1", ErrMalformed},
		{"stump_v2.txt", "decision_type=2", "decision_type=14", 1, "decision_type", "value 0", ErrMalformed},
		{"stump_v2.txt", "decision_type=2", "decision_type=1", 1, "threshold", "no category set", ErrMalformed},
		{"stump_v2.txt", "left_child=-1", "left_child=0", 1, "left_child", "another node has", ErrMalformed},
		{"stump_v2.txt", "left_child=-1", "left_child=-2", 1, "right_child", "another node has", ErrMalformed},
		{"stump_v2.txt", "left_child=-1", "left_child=-3", 1, "left_child", "leaf 2 of 2", ErrMalformed},
		{"stump_v2.txt", "left_child=-1", "left_child=1", 1, "left_child", "node 1 of 1", ErrMalformed},
		{"stump_v2.txt", "left_child=-1", "left_child=-2147483648", 1, "left_child", "leaf 2147483647 of 2", ErrMalformed},
		{"stump_v2.txt", "left_child=-1", "left_child=99999999999999999999", 1, "left_child", "integer", ErrMalformed},
		{"stump_v2.txt", "left_child=-1\n", "left_child=-1\nleft_child=-1\n", 1, "left_child", "twice", ErrMalformed},
		{"stump_v2.txt", "left_child=-1\n", "left_child=-1\nis_linear=1\n", 1, "leaf_const", "missing", ErrMalformed},
		{"stump_v2.txt", "left_child=-1\n", "left_child=-1\nis_linear=2\n", 1, "is_linear", "neither", ErrMalformed},
		{"stump_v2.txt", "left_child=-1\n", "left_child=-1\nleaf_coeff=1\n", 1, "leaf_coeff", "1 values", ErrMalformed},
		{"stump_v2.txt", "left_child=-1\n", "left_child=-1\ncat_threshold=1\n", 1, "cat_threshold", "1 values", ErrMalformed},
		{"stump_v2.txt", "left_child=-1\n", "left_child=-1\nleft_cihld=-1\n", 1, "left_cihld", "known", ErrMalformed},
		{"stump_v2.txt", "left_child=-1\n", "left_child=-1\nnoise\n", 1, "", "key=value", ErrMalformed},
		{"stump_v2.txt", "leaf_value=0.5 -0.5", "leaf_value=1.7e308 1\n\nTree=2\nnum_leaves=1\nnum_cat=0\nleaf_value=1.7e308", 2, "leaf_value", "overflow", ErrMalformed},
		{"linear_v4.txt", "num_features=1 0 2", "num_features=1 0 1", 1, "leaf_features", "3 values where num_features asks for 2", ErrMalformed},
		{"linear_v4.txt", "num_features=1 0 2", "num_features=1 0", 1, "num_features", "2 values", ErrMalformed},
		{"linear_v4.txt", "num_features=1 0 2", "num_features=1 -1 3", 1, "num_features", "value 1 is not a count", ErrMalformed},
		{"linear_v4.txt", "num_features=1 0 2", "num_features=1 0 2147483647", 1, "num_features", "terms", ErrUnsupported},
		{"linear_v4.txt", "leaf_features=0   0 1", "leaf_features=0   0 2", 1, "leaf_features", "value 2 names no feature", ErrMalformed},
		{"linear_v4.txt", "leaf_coeff=3   -1 0.5", "leaf_coeff=3   -1 nan", 1, "leaf_coeff", "value 2 is not a finite", ErrMalformed},
		{"linear_v4.txt", "leaf_coeff=3   -1 0.5", "leaf_coeff=3   -1", 1, "leaf_coeff", "2 values", ErrMalformed},
		{"linear_v4.txt", "leaf_const=0.25 -2 8", "leaf_const=0.25 -2", 1, "leaf_const", "2 values", ErrMalformed},
		{"linear_v4.txt", "leaf_const=0.25 -2 8\n", "", 1, "leaf_const", "missing", ErrMalformed},
		{"linear_v4.txt", "leaf_features=0   0 1  \n", "", 1, "leaf_features", "missing", ErrMalformed},
		{"linear_v4.txt", "is_linear=1", "is_linear=0", 1, "leaf_const", "3 values", ErrMalformed},
		{"categorical_v3.txt", "cat_boundaries=0 1 3", "cat_boundaries=0 3 1", 0, "cat_boundaries", "value 2", ErrMalformed},
		{"categorical_v3.txt", "cat_boundaries=0 1 3", "cat_boundaries=1 1 3", 0, "cat_boundaries", "value 0", ErrMalformed},
		{"categorical_v3.txt", "cat_boundaries=0 1 3", "cat_boundaries=0 1 4", 0, "cat_boundaries", "value 2", ErrMalformed},
		{"categorical_v3.txt", "cat_boundaries=0 1 3", "cat_boundaries=0   1", 0, "cat_boundaries", "2 values", ErrMalformed},
		{"categorical_v3.txt", "threshold=0 2.5 1", "threshold=2 2.5 1", 0, "threshold", "value 0 names no category set", ErrMalformed},
		{"categorical_v3.txt", "threshold=0 2.5 1", "threshold=0 2.5 .", 0, "threshold", "value 2 is not", ErrMalformed},
		{"categorical_v3.txt", "2147483649", "9999999999", 0, "cat_threshold", "32-bit", ErrMalformed},
		{"categorical_v3.txt", "num_cat=2", "num_cat=3", 0, "cat_boundaries", "3 values where", ErrMalformed},
		{"categorical_v3.txt", "left_child=1 -1 -2", "left_child=2 -1 -2", 0, "right_child", "node 2, which another", ErrMalformed},
		{"categorical_v3.txt", "left_child=1 -1 -2", "left_child=1  1 -2", 0, "left_child", "node 1, which another", ErrMalformed},
		{"categorical_v3.txt", "internal_count=26 12 14", "internal_count=26 12 -4", 0, "internal_count", "count", ErrMalformed},
		{"multiclass_v3.txt", "num_class=3\nnum_tree_per_iteration=3", "num_class=4\nnum_tree_per_iteration=4", Header, "objective", "num_class", ErrMalformed},
	} {
		text := string(read(t, c.model))
		if strings.Count(text, c.old) == 0 {
			t.Fatalf("%s has no %q", c.model, c.old)
		}
		_, err := LightGBM([]byte(strings.Replace(text, c.old, c.new, 1)))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s with %q: error %v, want an *Error", c.model, c.new, err)
			continue
		}
		if e.Tree != c.tree || e.Field != c.field || !strings.Contains(e.Problem, c.says) || !errors.Is(err, c.kind) || e.Remedy == "" {
			t.Errorf("%s with %q: %v\n\ttree %d field %q, want tree %d field %q saying %q, kind %v", c.model, c.new, err, e.Tree, e.Field, c.tree, c.field, c.says, c.kind)
		}
	}
}

// A loop that the root does not reach has every node and leaf once.
func TestNodesTheRootDoesNotReachAreRefused(t *testing.T) {
	t.Parallel()
	text := "tree\nversion=v2\nnum_class=1\nmax_feature_idx=0\nfeature_names=x\nfeature_infos=none\n\n" +
		"Tree=0\nnum_leaves=4\nnum_cat=0\nsplit_feature=0 0 0\nthreshold=1 2 3\ndecision_type=2 2 2\n" +
		"left_child=-1 2 1\nright_child=-2 -3 -4\nleaf_value=1 2 3 4\n"
	_, err := LightGBM([]byte(text))
	var e *Error
	if !errors.As(err, &e) || e.Tree != 0 || !strings.Contains(e.Problem, "reaches 1 of 3") {
		t.Errorf("error %v", err)
	}
	if _, err := LightGBM([]byte(strings.Replace(text, "left_child=-1 2 1", "left_child=1 2 -1", 1))); err != nil {
		t.Errorf("the mended tree: %v", err)
	}
}

func TestOtherFilesAreRefusedByNameAndNeverQuoted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ data, says string }{
		{"", "empty"},
		{"tree", "no LightGBM text model"},
		{"tree\r\nversion=v4\r\n", "CR LF"},
		{"tree\n", "version"},
		{"Tree=0\nnum_leaves=1\n", "one tree"},
		{`{"learner":{"gradient_booster":{}}}`, "XGBoost JSON"},
		{"{L\x00\x00\x00\x00\x00\x00\x00\x07learner", "UBJSON"},
		{`{"name":"tree","tree_info":[]}`, "LightGBM JSON"},
		{`[1,2]`, "JSON file"},
		{`{"oblivious_trees":[],"x":138}`, "CatBoost JSON"},
		{"CBM1\x00138", "CatBoost binary"},
		{`<?xml version="1.0"?><PMML version="4.4">138`, "PMML"},
		{"\x80\x04\x95", "pickle"},
		{"\x1f\x8b\x08", "gzip"},
		{"PK\x03\x04", "zip"},
		{"PAR1\x00", "binary"},
		{"13800138000,1,2\n", "no LightGBM text model"},
		{"tree\n13800138000=13800138000\n", "unreadable"},
		{"tree\nversion=13800138000\n", "unreadable"},
	} {
		_, err := LightGBM([]byte(c.data))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.20q: error %v, want one saying %q", c.data, err, c.says)
		} else if strings.Contains(err.Error(), "138") {
			t.Errorf("%.20q: the error quotes the file: %v", c.data, err)
		}
	}
}

// A file that stops anywhere in its trees is refused; past them it holds the
// whole model.
func TestEveryTruncationIsRefusedOrWhole(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"numeric_v4.txt", "categorical_v3.txt", "multiclass_v3.txt"} {
		data := read(t, name)
		whole := load(t, name)
		trees := strings.Index(string(data), "end of trees") + len("end of trees")
		for n := range data {
			e, err := LightGBM(data[:n])
			if err == nil && n < trees {
				t.Errorf("%s cut to %d bytes is accepted", name, n)
			}
			if err == nil && (!slices.Equal(e.leaf, whole.leaf) || !slices.Equal(e.threshold, whole.threshold)) {
				t.Errorf("%s cut to %d bytes is another model", name, n)
			}
		}
	}
}

func TestBindListsEveryFeatureWithoutAColumn(t *testing.T) {
	t.Parallel()
	e := load(t, "numeric_v4.txt")
	known := []string{"arpu", "call_count", "data_mb", "fee_m0", "fees"}
	available := func(name string) bool { return slices.Contains(known, name) }
	got, err := Bind(e, map[string]string{"fee": "fee_m0", "calls": "call_count", "data": "data_mb"}, available, known...)
	if want := []string{"fee_m0", "call_count", "data_mb"}; err != nil || !slices.Equal(got, want) {
		t.Fatalf("%q, %v, want %q", got, err, want)
	}
	_, err = Bind(e, map[string]string{"data": "data-mbs", "fe": "arpu"}, available, known...)
	if !errors.Is(err, ErrFeature) {
		t.Fatalf("error %v, want %v", err, ErrFeature)
	}
	for _, says := range []string{
		`feature "fee" has no column (closest: "fees"`,
		`feature "calls" has no column`,
		`feature "data" is bound to "data-mbs", which is no column (closest: "data_mb")`,
		`model.features names "fe", which the model does not have (closest: "fee")`,
		"model.features in the job file",
	} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("the error lacks %q:\n%v", says, err)
		}
	}
}
