package score

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"rescore/worker/model"
)

// writeXGBoost writes a model of random trees, grown leaf by leaf.
func writeXGBoost(t *testing.T, seed uint64, trees, leaves int) *model.Ensemble {
	t.Helper()
	return writeClasses(t, seed, trees, leaves, 1)
}

func writeClasses(t *testing.T, seed uint64, trees, leaves, classes int) *model.Ensemble {
	t.Helper()
	const features = 5 // the last asks for categories
	r := rand.New(rand.NewPCG(seed, 5))
	var list, class []any
	for i := range trees {
		left, right, index, kind, defaults := []int{-1}, []int{-1}, []int{0}, []int{0}, []int{0}
		condition := []float32{float32(r.NormFloat64())}
		nodes, segments, sizes, categories := []int{}, []int{}, []int{}, []int{}
		open := []int{0}
		for len(open) < leaves {
			k := r.IntN(len(open))
			at, n := open[k], len(left)
			open[k] = n
			open = append(open, n+1)
			left[at], right[at], index[at], defaults[at] = n, n+1, r.IntN(features), r.IntN(2)
			condition[at] = float32(r.NormFloat64())
			for range 2 {
				left, right, index, kind, defaults = append(left, -1), append(right, -1), append(index, 0), append(kind, 0), append(defaults, 0)
				condition = append(condition, float32(r.NormFloat64()))
			}
		}
		for at, f := range index {
			if left[at] < 0 || f != features-1 {
				continue
			}
			kind[at] = 1
			nodes, segments = append(nodes, at), append(segments, len(categories))
			for c := range 40 {
				if r.IntN(3) == 0 {
					categories = append(categories, c)
				}
			}
			sizes = append(sizes, len(categories)-segments[len(segments)-1])
		}
		class = append(class, i%classes)
		list = append(list, map[string]any{
			"left_children": left, "right_children": right, "split_indices": index, "split_conditions": condition, "default_left": defaults,
			"split_type": kind, "categories_nodes": nodes, "categories_segments": segments, "categories_sizes": sizes, "categories": categories,
		})
	}
	number, objective := "0", map[string]any{"name": "binary:logistic"}
	if classes > 1 {
		number = strconv.Itoa(classes)
		objective = map[string]any{"name": "multi:softprob", "softmax_multiclass_param": map[string]string{"num_class": strconv.Itoa(classes)}}
	}
	data, err := json.Marshal(map[string]any{"learner": map[string]any{
		"learner_model_param": map[string]string{"base_score": "3E-1", "num_class": number, "num_feature": strconv.Itoa(features)},
		"objective":           objective,
		"gradient_booster":    map[string]any{"name": "gbtree", "model": map[string]any{"trees": list, "tree_info": class}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := model.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Sums in float32 are those of Raw, whether a tree's leaves are bytes or not, and
// on every path.
func TestSumsInSinglePrecisionEqualRawBitForBit(t *testing.T) {
	t.Parallel()
	for seed, shape := range [][2]int{{30, 31}, {7, 64}, {6, 255}, {5, 300}, {9, 1}, {1, 2}} {
		e := writeXGBoost(t, uint64(seed), shape[0], shape[1])
		rows := drawn(e, 20_000)
		in, want := columns(len(e.Features), len(rows)), make([]float64, len(rows))
		for i, row := range rows {
			for k, x := range row {
				in[k].F64[i] = x
				if i%50 == k { // infinite is missing
					in[k].F64[i], row[k] = math.Inf(1), math.NaN()
				}
			}
			want[i] = e.Raw(row)
		}
		for _, f := range every(t, e) {
			checkBlocks(t, rand.New(rand.NewPCG(3, 3)), f, in, want)
		}
	}
}

// What is no sum of leaves is refused, never summed wrongly.
func TestLinearModelsAndLinearTreesAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"gblinear": `{"learner":{"learner_model_param":{"base_score":"0.5","num_class":"0","num_feature":"1"},"objective":{"name":"binary:logistic"},
			"gradient_booster":{"name":"gblinear","model":{"weights":[1,2]}}}}`,
		"linear tree": "tree\nversion=v4\nnum_class=1\nmax_feature_idx=0\nobjective=binary sigmoid:1\nfeature_names=x\nfeature_infos=none\n\n" +
			"Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=1\nis_linear=1\nleaf_const=1\nnum_features=1\nleaf_features=0\nleaf_coeff=2\n\nend of trees\n",
	} {
		e, err := model.Load([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := compile(e, plain); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
}
