package model

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// giantSize is how large a giant is: large enough for what loading it takes to show
// beside what any file may take.
const giantSize = 16 << 20

// giant is a large file that asks for more than it is worth.
type giant struct {
	name  string
	data  []byte
	sound bool
}

// fill repeats unit until a file has the size of a giant.
func fill(prefix, unit, suffix string) []byte {
	return []byte(prefix + strings.Repeat(unit, (giantSize-len(prefix)-len(suffix))/len(unit)) + suffix)
}

// Everything a loader ever allocates is within what it may hold at once. Not
// parallel: allocations are counted.
func TestMemoryIsBoundedByTheFile(t *testing.T) {
	for name, giants := range map[string]func() []giant{"LightGBM": giantsOfLightGBM, "XGBoost": giantsOfXGBoost, "PMML": giantsOfPMML, "scorecard": giantsOfScorecards} {
		t.Run(name, func(t *testing.T) {
			for _, g := range giants() {
				before := allocated()
				_, err := Load(g.data)
				used := allocated() - before
				if (err == nil) != g.sound {
					t.Errorf("%s: error %.300v", g.name, err)
				}
				if most := uint64(2*len(g.data) + 64<<20); used > most {
					t.Errorf("%s: %d MiB allocated for a file of %d MiB, want %d at most", g.name, used>>20, len(g.data)>>20, most>>20)
				} else {
					t.Logf("%s: %d MiB allocated for a file of %d MiB", g.name, used>>20, len(g.data)>>20)
				}
				if err != nil && len(err.Error()) > errorMax(err) {
					t.Errorf("%s: an error of %d bytes", g.name, len(err.Error()))
				}
			}
		})
	}
}

func giantsOfLightGBM() []giant {
	const head = "tree\nversion=v2\nnum_class=1\nmax_feature_idx=0\nfeature_names=x\nfeature_infos=none\n\n"
	var stumps strings.Builder
	stumps.WriteString(head)
	for i := 0; stumps.Len() < giantSize; i++ {
		fmt.Fprintf(&stumps, "Tree=%d\nnum_leaves=1\nnum_cat=0\nleaf_value=1\n", i)
	}
	var chain strings.Builder // one tree, every value as short as can be
	const leaves = 1_000_000
	chain.WriteString(head + "Tree=0\nnum_cat=0\n")
	fmt.Fprintf(&chain, "num_leaves=%d\nsplit_feature=%s\nthreshold=%s\ndecision_type=%s\nleaf_value=%s\nleaf_count=%s\ninternal_count=%s\nleft_child=", leaves,
		strings.Repeat("0 ", leaves-1), strings.Repeat("0 ", leaves-1), strings.Repeat("2 ", leaves-1), strings.Repeat("1 ", leaves), strings.Repeat("1 ", leaves), strings.Repeat("1 ", leaves-1))
	for i := range leaves - 1 {
		fmt.Fprintf(&chain, "%d ", ^i)
	}
	chain.WriteString("\nright_child=")
	for i := range leaves - 2 {
		fmt.Fprintf(&chain, "%d ", i+1)
	}
	fmt.Fprintf(&chain, "%d\n", ^(leaves - 1))

	return []giant{
		{"trees of one leaf", []byte(stumps.String()), true},
		{"one long tree", []byte(chain.String()), true},
		{"linear leaves of many terms", []byte(head + "Tree=0\nnum_leaves=1\nnum_cat=0\nis_linear=1\nleaf_value=1\nleaf_const=1\n" +
			fmt.Sprintf("num_features=%d\nleaf_features=%s\nleaf_coeff=%s\n", termsMax, strings.Repeat("0 ", termsMax), strings.Repeat("1 ", termsMax))), true},
		{"linear leaves of too many terms", []byte(head + "Tree=0\nnum_leaves=1\nnum_cat=0\nis_linear=1\nleaf_value=1\nleaf_const=1\n" +
			fmt.Sprintf("num_features=%d\nleaf_features=%s\nleaf_coeff=%s\n", termsMax+1, strings.Repeat("0 ", termsMax+1), strings.Repeat("1 ", termsMax+1))), false},
		{"a set of many words", fill(head+"Tree=0\nnum_leaves=2\nnum_cat=1\nsplit_feature=0\nthreshold=0\ndecision_type=1\nleft_child=-1\nright_child=-2\nleaf_value=1 2\n"+
			fmt.Sprintf("cat_boundaries=0 %d\ncat_threshold=", (giantSize-205)/2), "0 ", "\n"), false},
		{"many names", fill("tree\nversion=v2\nnum_class=1\nmax_feature_idx=65535\nfeature_infos=\nfeature_names=", "x ", "\n"), false},
		{"many sizes", fill(head[:len(head)-1]+"tree_sizes=", "1 ", "\n\nTree=0\n"), false},
		{"many header lines", fill("tree\nversion=v2\n", "a=\n", ""), false},
		{"many categories", fill(head+"Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=1\n\npandas_categorical:[[", "0,", "0]]\n"), false},
		{"many empty columns", fill(head+"Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=1\n\npandas_categorical:[", "[],", "[]]\n"), false},
		{"deep brackets", fill(head+"Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=1\n\npandas_categorical:", "[", "\n"), false},
		{"one long category", fill(head+"Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=1\n\npandas_categorical:[[\"", "x", "\"]]\n"), true},
		{"a long number", fill(head+"Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=", "1", "\n"), false},
		{"a long key", fill(head+"Tree=0\n", "k", "=1\n"), false},
		{"a long objective", fill("tree\nversion=v2\nobjective=", "x", "\n"), false},
		{"blank lines", fill(head, "\n", ""), false},
	}
}

func giantsOfXGBoost() []giant {
	const head = `{"learner":{"learner_model_param":{"base_score":"0.5","num_class":"0","num_feature":"1"},"objective":{"name":"reg:squarederror"},`
	const model = head + `"gradient_booster":{"name":"gbtree","model":{`
	// A chain: node 2k has the leaf 2k+1 and the node 2k+2.
	chain := func(nodes int) string {
		var left, right strings.Builder
		for i := range nodes {
			if i%2 == 0 && i < nodes-1 {
				fmt.Fprintf(&left, ",%d", i+1)
				fmt.Fprintf(&right, ",%d", i+2)
			} else {
				left.WriteString(",-1")
				right.WriteString(",-1")
			}
		}
		zero := strings.Repeat(",0", nodes)[1:]
		return `{"left_children":[` + left.String()[1:] + `],"right_children":[` + right.String()[1:] + `],"split_indices":[` + zero + `],"split_conditions":[` + zero +
			`],"default_left":[` + zero + `],"sum_hessian":[` + zero + `]}`
	}
	small := chain(9)
	smalls := (giantSize - 600) / (len(small) + 1 + 2)
	const leaf = `{"left_children":[-1],"right_children":[-1],"split_indices":[0],"split_conditions":[1],"default_left":[0]}`
	leaves := (giantSize - 600) / (len(leaf) + 1 + 2)
	forest := func(tree string, n int) []byte {
		return []byte(model + `"tree_info":[` + strings.Repeat(",0", n)[1:] + `],"trees":[` + strings.Repeat(","+tree, n)[1:] + `]}}}}`)
	}
	wide := fmt.Sprintf(`{"left_children":[1,-1,-1],"right_children":[2,-1,-1],"split_indices":[0,0,0],"split_conditions":[0,1,2],"default_left":[0,0,0],"split_type":[1,0,0],`+
		`"categories_nodes":[0],"categories_segments":[0],"categories_sizes":[1],"categories":[%d]}`, categoriesEnd-1)
	typed := func(count uint64) []byte {
		data := []byte("{L\x00\x00\x00\x00\x00\x00\x00\x07learner{L\x00\x00\x00\x00\x00\x00\x00\x0dfeature_names[$i#L")
		return append(binary.BigEndian.AppendUint64(data, count), make([]byte, giantSize)...)
	}
	return []giant{
		{"trees of one leaf", forest(leaf, leaves), true},
		{"trees of five leaves", forest(small, smalls), true},
		{"one long tree", forest(chain(900_001), 1), true},
		{"a tree that is too long", forest(chain(1_100_001), 1), false},
		{"growing trees", []byte(model + `"tree_info":[0,0,0,0,0],"trees":[` + strings.Join([]string{chain(1001), chain(50_001), chain(100_001), chain(200_001), chain(400_001)}, ",") + `]}}}}`), true},
		{"sets of one large category", forest(wide, giantSize/len(wide)), false},
		{"many names", fill(head+`"feature_names":[`, `"x",`, `"y"]}}`), false},
		{"many classes", fill(model+`"tree_info":[`, `0,`, `0]}}}}`), false},
		{"many weights", fill(model+`"weights":[`, `0,`, `0]}}}}`), false},
		{"many base scores", fill(`{"learner":{"learner_model_param":{"base_score":"[`, `0,`, `0]"}}}`), false},
		{"one long name", fill(head+`"feature_names":["`, `x`, `"]}}`), false},
		{"one long name of escapes", fill(head+`"feature_names":["`, `\n`, `"]}}`), false},
		{"a long text of escapes", fill(head+`"attributes":{"x":"`, `\n`, `"}}}`), false},
		{"a long number", fill(model+`"weights":[`, `1`, `]}}}}`), false},
		{"deep brackets", fill(head+`"x":`, `[`, ``), false},
		{"deep objects", fill(head+`"x":`, `{"x":`, ``), false},
		{"many members", fill(head, `"x":0,`, `"y":0}}`), false},
		{"blanks", fill(head, ` `, `"y":0}}`), false},
		{"a typed array that is short", typed(1 << 40), false},
		{"a typed array of numbers", typed(giantSize), false},
	}
}

// A scorecard is small, and all that YAML makes of it is counted.
func giantsOfScorecards() []giant {
	const head = "scorecard: 1\nhigher_is: safer\ncharacteristics: "
	signs := func(unit string) int {
		n := 0
		for _, c := range unit {
			n += strings.Count(scorecardSigns, string(c))
		}
		return max(n, 1)
	}
	full := func(unit string) []byte {
		return []byte(head + strings.Repeat(unit, min((scorecardBytesMax-len(head))/len(unit), scorecardSignsMax/signs(unit))-9))
	}
	sets := head + "[{feature: a, bins: [{missing: true, points: 0}, {other: true, points: 0}"
	for i := range binsMax - 2 {
		sets += fmt.Sprintf(", {categories: [%d], points: 1}", 65535-i)
	}
	return []giant{
		{"a file that is no scorecard's size", fill(head, "[", ""), false},
		{"brackets", full("["), false},
		{"braces", full("{"), false},
		{"commas", full("[,"), false},
		{"lists", full("\n- -"), false},
		{"keys", full("\n? "), false},
		{"empty texts", []byte(head + "[" + strings.Repeat("'',", scorecardSignsMax-30) + "]"), false},
		{"too many signs", []byte(head + "[" + strings.Repeat("1,", scorecardSignsMax) + "]"), false},
		{"numbers", []byte(head + "[" + strings.Repeat("1,", scorecardSignsMax-30) + "]"), false},
		{"empty objects", []byte(head + "[" + strings.Repeat("{},", scorecardSignsMax/2-30) + "]"), false},
		{"comments", full("\n#"), false},
		{"anchors", full("\n- &a a"), false},
		{"aliases of aliases", []byte("scorecard: 1\nhigher_is: &a [x,x,x,x,x,x,x,x,x]\nbase: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nscaling: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
			"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ncharacteristics: [{feature: a, bins: [*f,*f,*f,*f,*f]},{feature: b, bins: *f}]\n"), false},
		{"large categories", []byte(sets + "]}]\n"), true},
		{"too many of them", []byte(sets + "]}, " + strings.Replace(strings.TrimPrefix(sets, head+"["), "feature: a", "feature: b", 1) + "]}, " + strings.Replace(strings.TrimPrefix(sets, head+"["), "feature: a", "feature: c", 1) + "]}]\n"), false},
	}
}
