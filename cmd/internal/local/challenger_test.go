package local

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"rescore/cmd/internal/province"
	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/worker/bundle"
	"rescore/worker/sink"
)

// stump is a tree of one split: at most the threshold to the left.
type stump struct {
	feature          string
	threshold        float64
	atMost, moreThan float64
}

// lightGBM writes a binary model of stumps, as LightGBM saves one.
func lightGBM(list ...stump) []byte {
	var features, infos, sizes []string
	var trees strings.Builder
	for t, s := range list {
		at := slices.Index(features, s.feature)
		if at < 0 {
			at = len(features)
			features, infos = append(features, s.feature), append(infos, "[-1e300:1e300]")
		}
		text := fmt.Sprintf("Tree=%d\nnum_leaves=2\nnum_cat=0\nsplit_feature=%d\nthreshold=%v\ndecision_type=8\nleft_child=-1\nright_child=-2\nleaf_value=%v %v\nis_linear=0\nshrinkage=1\n\n\n",
			t, at, s.threshold, s.atMost, s.moreThan)
		sizes = append(sizes, fmt.Sprint(len(text)))
		trees.WriteString(text)
	}
	return fmt.Appendf(nil, "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=%d\nobjective=binary sigmoid:1\nfeature_names=%s\nfeature_infos=%s\ntree_sizes=%s\n\n%send of trees\n\nfeature_importances:\n\nparameters:\n[boosting: gbdt]\n\nend of parameters\n\npandas_categorical:null\n",
		len(features)-1, strings.Join(features, " "), strings.Join(infos, " "), strings.Join(sizes, " "), trees.String())
}

// late goes by what the built-in model does not read, seldom by what it does.
func late() []byte {
	return lightGBM(stump{"fee_last", 5000, -1.8, -3.1}, stump{"birth_year", 1985, 0.2, -0.4}, stump{"in_sec_avg3", 1200, 0.7, -0.3},
		stump{"tenure_months", 24, 0.5, -0.5}, stump{"sms_cnt_m0", 10, 0.1, -0.1}, stump{"data_kb_m0", 1e6, 0.3, -0.2}, stump{"city_code", 100, 0.05, -0.05})
}

// constant says the same of everybody.
func constant() []byte { return lightGBM(stump{"fee_last", 0, -2, -2}) }

// few cuts a base into a few partitions.
func few(s *job.Spec) { s.Run.PartitionRows = 2500 }

// challenged lets three models challenge the built-in one.
func challenged(s *job.Spec) {
	few(s)
	s.Model.Challengers = []job.Challenger{
		{Name: "half", Path: "builtin:baseline", UndersamplingBeta: 0.5},
		{Name: "late", Path: "late.txt", Features: map[string]string{"sms_cnt_m0": "data_kb_m1"}, UndersamplingBeta: 1},
		{Name: "constant", Path: "constant.txt", UndersamplingBeta: 1},
	}
}

// arena makes a province with the challengers' models beside it.
func arena(t testing.TB, subscribers int64) string {
	t.Helper()
	dir, _ := write(t, province.Options{Province: clean(subscribers)})
	for name, data := range map[string][]byte{"late.txt": late(), "constant.txt": constant()} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// floats reads a float32 column of a version, in the order of its rows.
func floats(t testing.TB, out Outcome, column string) (list []float32) {
	t.Helper()
	eachRecord(t, out, []string{column}, func(r arrow.Record) {
		list = append(list, r.Column(0).(*array.Float32).Float32Values()...)
	})
	return list
}

func eachRecord(t testing.TB, out Outcome, columns []string, visit func(arrow.Record)) {
	t.Helper()
	folder, err := store.NewFile(out.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range read(t, out).manifest.Partitions {
		if err := sink.Scan(t.Context(), folder, part.Files[0].Path, columns, func(_ []uint64, r arrow.Record) error { visit(r); return nil }); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAChallengerSaysWhatItWouldSayAsChampion: in one read all models say of every
// row, to the bit, what each says in a job of its own; and the champion's columns are
// those of the job without challengers.
func TestAChallengerSaysWhatItWouldSayAsChampion(t *testing.T) {
	t.Parallel()
	dir := arena(t, 6000)
	together := run(t, options(t, dir, challenged))
	alone := run(t, options(t, dir, few))
	if together.Rows != alone.Rows || together.Tally != alone.Tally {
		t.Errorf("with challengers %+v %+v, without %+v %+v", together.Rows, together.Tally, alone.Rows, alone.Tally)
	}
	if together.Job == alone.Job || together.Digest == alone.Digest {
		t.Error("with challengers the job is the same")
	}
	if !slices.Equal(floats(t, together, "propensity"), floats(t, alone, "propensity")) {
		t.Error("the champion is disturbed by its challengers")
	}
	var spec job.Spec
	challenged(&spec)
	for i, c := range spec.Model.Challengers {
		promoted := run(t, options(t, dir, func(s *job.Spec) { challenged(s); *s = s.Promoted(i) }))
		if !slices.Equal(floats(t, together, "propensity_"+c.Name), floats(t, promoted, "propensity")) {
			t.Errorf("%s says something else as a challenger", c.Name)
		}
	}
}

// TestAChallengerMayBeAPackage: the card's binding and correction hold as they do for
// a champion.
func TestAChallengerMayBeAPackage(t *testing.T) {
	t.Parallel()
	dir := arena(t, 2000)
	card := bundle.Default()
	card.ID, card.UndersamplingBeta = "late", 0.5
	card.Features = []bundle.Feature{{Name: "sms_cnt_m0", Column: "data_kb_m1"}}
	files, err := bundle.Make(card, "model.txt", late(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "late"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, "late", f.Name), f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := run(t, options(t, dir, few, func(s *job.Spec) {
		s.Model.Challengers = []job.Challenger{
			{Name: "packed", Path: "late", UndersamplingBeta: 1},
			{Name: "bare", Path: "late.txt", Features: map[string]string{"sms_cnt_m0": "data_kb_m1"}, UndersamplingBeta: 0.5},
		}
	}))
	if !slices.Equal(floats(t, out, "propensity_packed"), floats(t, out, "propensity_bare")) {
		t.Error("in a package the model says something else")
	}
	if packed, bare := out.Challengers[0], out.Challengers[1]; packed.Model == bare.Model || packed.PSI != bare.PSI || packed.Mean != bare.Mean {
		t.Errorf("%+v and %+v", packed, bare)
	}
}

// TestChallengersFiguresAreThoseOfThePublishedRows works them out again from the
// files a reader has.
func TestChallengersFiguresAreThoseOfThePublishedRows(t *testing.T) {
	t.Parallel()
	out := run(t, options(t, arena(t, 9000), challenged))
	champion := floats(t, out, "propensity")
	var bands []uint8
	var scores []uint16
	eachRecord(t, out, []string{"risk_band", "propensity_score"}, func(r arrow.Record) {
		bands = append(bands, r.Column(0).(*array.Uint8).Uint8Values()...)
		scores = append(scores, r.Column(1).(*array.Uint16).Uint16Values()...)
	})
	n := len(champion)
	if len(out.Challengers) != 3 || n != 9000 {
		t.Fatalf("%d challengers over %d rows", len(out.Challengers), n)
	}
	if m := read(t, out).manifest; !reflect.DeepEqual(m.Challengers, out.Challengers) {
		t.Errorf("the manifest says %+v, the outcome %+v", m.Challengers, out.Challengers)
	}
	for _, c := range out.Challengers {
		challenger := floats(t, out, "propensity_"+c.Name)
		var counted [5][5]int64
		var sum, difference float64
		same := 0
		var bins [2][]int
		for i, p := range challenger {
			band := 1
			for _, cut := range job.Default().Policy.RiskBandCut {
				if p >= float32(cut) {
					band++
				}
			}
			counted[bands[i]-1][band-1]++
			if int(bands[i]) == band {
				same++
			}
			sum += float64(p)
			difference += float64(p) - float64(champion[i])
			bins[0] = append(bins[0], binOf(int(scores[i])))
			bins[1] = append(bins[1], binOf(int(math.RoundToEven(1000*float64(p)))))
		}
		if c.Rows != int64(n) || c.Bands != counted || math.Abs(c.SameBand-float64(same)/float64(n)) > 1e-6 {
			t.Errorf("%s: %+v, want bands %v", c.Name, c, counted)
		}
		if math.Abs(c.Mean-sum/float64(n)) > 1e-6 || math.Abs(c.MeanDifference-difference/float64(n)) > 1e-6 {
			t.Errorf("%s: mean %v and difference %v, want %v and %v", c.Name, c.Mean, c.MeanDifference, sum/float64(n), difference/float64(n))
		}
		r, ok := spearman(bins[0], bins[1])
		if ok != (c.RankCorrelation != nil) || ok && math.Abs(*c.RankCorrelation-r) > 1e-6 {
			t.Errorf("%s: rank correlation %v, want %v", c.Name, c.RankCorrelation, r)
		}
		if ok == (c.Name == "constant") {
			t.Errorf("%s ranks: %t", c.Name, ok)
		}
		if c.Name == "half" && (*c.RankCorrelation < 0.99 || c.PSI == 0 || c.TopDecile < 0.9 || c.MeanDifference >= 0 || c.SameBand == 1) {
			t.Errorf("%s ranks as the champion does and is lower: %+v", c.Name, c)
		}
		if c.Name == "late" && (c.TopDecile > 0.9 || c.SameBand > 0.99) {
			t.Errorf("%s is another model: %+v", c.Name, c)
		}
	}
}

// binOf is a score's bin by its width: 1 below 64, then doubled with the score.
func binOf(score int) int {
	width := 1
	for top := 64; score >= top; top *= 2 {
		width *= 2
	}
	return score / width * width // its lowest score stands for the bin
}

// spearman is Pearson's correlation of middle ranks.
func spearman(a, b []int) (float64, bool) {
	ranks := func(list []int) []float64 {
		sorted := slices.Sorted(slices.Values(list))
		out := make([]float64, len(list))
		for i, x := range list {
			low, _ := slices.BinarySearch(sorted, x)
			past, _ := slices.BinarySearch(sorted, x+1)
			out[i] = float64(low+past-len(list)) / 2
		}
		return out
	}
	x, y := ranks(a), ranks(b)
	var xy, xx, yy float64
	for i := range x {
		xy, xx, yy = xy+x[i]*y[i], xx+x[i]*x[i], yy+y[i]*y[i]
	}
	return xy / math.Sqrt(xx*yy), xx > 0 && yy > 0
}

func TestAChallengerThatChangedIsRefusedByName(t *testing.T) {
	t.Parallel()
	dir := arena(t, 300)
	o := options(t, dir, challenged)
	out := run(t, o)
	v, err := OpenVersion(t.Context(), o.Spec.Output.Path, "", dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Model(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "late.txt"), constant(), 0o644); err != nil {
		t.Fatal(err)
	}
	o.Spec.Model.Challengers[1].Features = nil
	v.Spec.Model.Challengers[1].Features = nil // the other model has no such feature
	if _, err := v.Model(t.Context()); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "late.txt") {
		t.Errorf("a version whose challenger changed: %v", err)
	}
	if again := run(t, o); again.Job == out.Job {
		t.Error("with another challenger it is the same job")
	}
}

func TestPlanListsChallengersAndWhatTheyAloneNeed(t *testing.T) {
	t.Parallel()
	r, err := Plan(t.Context(), options(t, arena(t, 300), challenged))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Challengers) != 3 {
		t.Fatalf("%+v", r.Challengers)
	}
	half, late := r.Challengers[0], r.Challengers[1]
	if half.Name != "half" || half.Model != r.Model || half.Features != r.Features || len(half.Alone) != 0 {
		t.Errorf("the champion's own model: %+v", half)
	}
	if late.Name != "late" || late.Features != 7 || !slices.Contains(late.Alone, "birth_year") {
		t.Errorf("%+v", late)
	}
	if !strings.Contains(r.Program, " data_kb_m1 data_kb_m0 city_code -> propensity_late") {
		t.Errorf("the program is\n%s", r.Program)
	}
}
