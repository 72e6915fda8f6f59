package model

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rescore/partition/job"
)

// example is the scorecard of Scorecard's comment, with shares.
const example = `# retention, autumn
scorecard: 1
higher_is: safer
base: 480
scaling: {score: 600, odds: 50, pdo: 20}
characteristics:
  - feature: tenure
    bins:
      - {upto: 6, points: -15, share: 0.1}
      - {upto: 24, points: 0, share: 0.3}
      - {above: 24, points: 12, share: 0.55}
      - {missing: true, points: -3, share: 0.05}
  - feature: brand
    bins:
      - {categories: [1, 2], points: 5, share: 0.5}
      - {other: true, points: 0, share: 0.5}
      - {missing: true, points: -1, share: 0}
`

func card(t testing.TB, text string) *Ensemble {
	t.Helper()
	e, err := Load([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// By hand: at 600 points the odds of staying are 50 to 1, and every 20 points halve
// them: 480 points are 6 halvings, odds of 50/64 = 0.78125, and so the subscriber leaves
// with probability 1/1.78125 = 0.561404. One of 30 months with brand 2 has 480+12+5 = 497
// points, odds of 50·2^-5.15 = 1.408203, and leaves with probability 0.415247. Odds are
// even at 600 - 20·log2(50) = 487.122876 points.
func TestAScorecardScoresAsByHand(t *testing.T) {
	t.Parallel()
	e := card(t, example)
	nan := math.NaN()
	for _, c := range []struct{ tenure, brand, points, p float64 }{
		{30, 2, 497, 0.415247},
		{6, 1, 470, 0.644153},   // odds 50·2^-6.5
		{6.5, 0, 480, 0.561404}, // no points at all
		{24, 3, 480, 0.561404},
		{math.Nextafter(24, 25), 3, 492, 0.457843},
		{nan, nan, 476, 0.595196},
		{-1, 65535, 465, 0.682811},
		{0, 1.99, 470, 0.644153}, // a fraction is cut off
		{0, -0.5, 465, 0.682811}, // 0, which no bin lists
		{0, -1, 465, 0.682811},
	} {
		raw := e.Raw([]float64{c.tenure, c.brand})
		if want := 487.1228761 - c.points; math.Abs(raw-want) > 1e-6 {
			t.Errorf("%+v: raw %v, want %v", c, raw, want)
		}
		if p := e.Transform(raw); math.Abs(p-c.p) > 1e-6 {
			t.Errorf("%+v: p %v", c, p)
		}
	}
	if e.Library != "scorecard" || e.Version != "1" || !e.Probability() || e.Linear() || e.Trees() != 2 || e.Iterations() != 1 || !slices.Equal(e.Features, []string{"tenure", "brand"}) {
		t.Errorf("%+v", e)
	}
}

func TestPointsWithoutScalingAreLogarithmsOfOdds(t *testing.T) {
	t.Parallel()
	e := card(t, "scorecard: 1\nhigher_is: riskier\nbase: -2\ncharacteristics:\n- feature: trg_2\n  bins: [{upto: 0, points: 0}, {above: 0, points: 1.5}, {missing: true, points: 0.25}]\n")
	for x, want := range map[float64]float64{0: -2, 1: -0.5} {
		if raw := e.Raw([]float64{x}); raw != want || math.Abs(e.Transform(raw)-1/(1+math.Exp(-want))) > 1e-15 {
			t.Errorf("%v: %v, %v", x, raw, e.Transform(raw))
		}
	}
	if raw := e.Raw([]float64{math.NaN()}); raw != -1.75 {
		t.Error(raw)
	}
	e = card(t, "scorecard: 1\nhigher_is: riskier\nbase: 30\nscaling: {offset: 10, factor: 5}\ncharacteristics:\n- feature: a\n  bins: [{other: true, points: 0}, {missing: true, points: -25}]\n")
	for x, odds := range map[float64]float64{7: 4, math.Inf(-1): 4} {
		if p := e.Transform(e.Raw([]float64{x})); math.Abs(p-1/(1+math.Exp(-odds))) > 1e-15 {
			t.Errorf("%v: %v", x, p)
		}
	}
	if p := e.Transform(e.Raw([]float64{math.NaN()})); math.Abs(p-1/(1+math.E)) > 1e-15 {
		t.Error(p)
	}
}

func TestSharesAreTheCoversOfATree(t *testing.T) {
	t.Parallel()
	tree := card(t, example).Tree(0)
	if want := []float32{0.1, 0.3, 0.55, 0.05}; !slices.Equal(tree.LeafCover, want) {
		t.Errorf("leaves %v", tree.LeafCover)
	}
	for i, want := range []float64{1, 0.9, 0.6} {
		if math.Abs(float64(tree.NodeCover[i])-want) > 1e-6 {
			t.Errorf("nodes %v", tree.NodeCover)
		}
	}
	if tree = card(t, example).Tree(1); tree.LeafCover[1] != shareMin { // missing comes before other
		t.Errorf("leaves %v", tree.LeafCover)
	}
	if tree := card(t, strings.NewReplacer(", share: 0.1", "", ", share: 0.3", "", ", share: 0.55", "", ", share: 0.05", "", ", share: 0.5", "", ", share: 0}", "}").Replace(example)).Tree(0); tree.NodeCover != nil || tree.LeafCover != nil {
		t.Error("covers without shares")
	}
}

// draft is a scorecard as the reference below has it: plain lists, read row by row.
type draft struct {
	safer          bool
	base           float64
	offset, factor float64
	of             []sheet
}

// sheet is a characteristic: numbers up to each limit and beyond the last, or lists of
// categories and all others.
type sheet struct {
	limits  []float64
	lists   [][]int64
	points  []float64 // one more than limits or lists
	missing float64
}

// score follows Scorecard's text, one row at a time.
func (d *draft) score(row []float64) (raw, p float64) {
	sum := d.base - d.offset
	for i, s := range d.of {
		sum += s.lookUp(row[i])
	}
	if raw = sum; d.safer {
		raw = -sum
	}
	odds := math.Exp(sum / d.factor) // of what more points speak for
	if d.safer {
		return raw, 1 / (odds + 1)
	}
	return raw, odds / (odds + 1)
}

func (s *sheet) lookUp(x float64) float64 {
	if math.IsNaN(x) {
		return s.missing
	}
	for i, limit := range s.limits {
		if x <= limit {
			return s.points[i]
		}
	}
	for i, list := range s.lists {
		for _, category := range list {
			if math.Trunc(x) == float64(category) {
				return s.points[i]
			}
		}
	}
	return s.points[len(s.points)-1]
}

// anyDraft makes a scorecard up, whole points or any.
func anyDraft(r *rand.Rand) *draft {
	whole := r.IntN(2) == 0
	points := func() float64 {
		if whole {
			return float64(r.IntN(101) - 50)
		}
		return r.NormFloat64()
	}
	d := &draft{safer: r.IntN(2) == 0, base: points(), offset: points(), factor: 10 + 20*r.Float64()}
	for range 1 + r.IntN(12) {
		s := sheet{missing: points()}
		n := r.IntN(12)
		if r.IntN(3) > 0 {
			for range n + 1 {
				limit := math.Round(r.NormFloat64() * 40)
				switch r.IntN(8) {
				case 0:
					limit = r.NormFloat64()
				case 1:
					limit = math.Nextafter(limit, 1e9)
				}
				s.limits = append(s.limits, limit)
			}
			slices.Sort(s.limits)
			s.limits = slices.Compact(s.limits)
			n = len(s.limits)
		} else {
			codes := r.Perm(100)
			for i := range n {
				s.lists = append(s.lists, nil)
				for range 1 + r.IntN(5) {
					s.lists[i] = append(s.lists[i], int64(codes[0]*(1+r.IntN(2)*100)))
					codes = codes[1:]
				}
			}
			seen := map[int64]bool{} // a multiple of 101 may be there twice
			for i := range s.lists {
				s.lists[i] = slices.DeleteFunc(s.lists[i], func(c int64) bool { old := seen[c]; seen[c] = true; return old })
			}
			s.lists = slices.DeleteFunc(s.lists, func(l []int64) bool { return len(l) == 0 })
			n = len(s.lists)
		}
		for range n + 1 {
			s.points = append(s.points, points())
		}
		d.of = append(d.of, s)
	}
	return d
}

// text writes a draft down.
func (d *draft) text(r *rand.Rand) string {
	var s strings.Builder
	direction := "riskier"
	if d.safer {
		direction = "safer"
	}
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	fmt.Fprintf(&s, "scorecard: 1\nhigher_is: %s\nbase: %s\nscaling: {offset: %s, factor: %s}\ncharacteristics:\n", direction, number(d.base), number(d.offset), number(d.factor))
	for i, c := range d.of {
		fmt.Fprintf(&s, "- feature: x%d\n  bins:\n", i)
		var lines []string
		for k, limit := range c.limits {
			lines = append(lines, fmt.Sprintf("{upto: %s, points: %s}", number(limit), number(c.points[k])))
		}
		for k, list := range c.lists {
			lines = append(lines, fmt.Sprintf("{categories: [%s], points: %s}", strings.ReplaceAll(strings.Trim(fmt.Sprint(list), "[]"), " ", ", "), number(c.points[k])))
		}
		last := "{other: true, points: %s}"
		if len(c.limits) > 0 {
			last = "{above: " + number(c.limits[len(c.limits)-1]) + ", points: %s}"
		}
		lines = append(lines, fmt.Sprintf(last, number(c.points[len(c.points)-1])))
		lines = slices.Insert(lines, r.IntN(len(lines)+1), fmt.Sprintf("{missing: true, points: %s}", number(c.missing)))
		for _, line := range lines {
			s.WriteString("    - " + line + "\n")
		}
	}
	return s.String()
}

// value is one that tries a characteristic's edges.
func (s *sheet) value(r *rand.Rand) float64 {
	switch r.IntN(10) {
	case 0:
		return math.NaN()
	case 1:
		return []float64{math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 1e300, -1e300, 5e-324, 1 << 31, 65536}[r.IntN(9)]
	case 2:
		return r.NormFloat64() * 40
	}
	x := 0.0
	switch {
	case len(s.limits) > 0:
		x = s.limits[r.IntN(len(s.limits))]
	case len(s.lists) > 0:
		list := s.lists[r.IntN(len(s.lists))]
		x = float64(list[r.IntN(len(list))])
	}
	switch r.IntN(5) {
	case 0:
		return math.Nextafter(x, math.Inf(1))
	case 1:
		return math.Nextafter(x, math.Inf(-1))
	case 2:
		return x + r.Float64()
	}
	return x
}

func TestRandomScorecardsScoreAsTheirText(t *testing.T) {
	t.Parallel()
	rows := 1_000_000
	if os.Getenv("RESCORE_LONG") != "" {
		rows = 10_000_000
	}
	r := rand.New(rand.NewPCG(9, 3))
	for done := 0; done < rows; {
		d := anyDraft(r)
		text := d.text(r)
		e := card(t, text)
		row := make([]float64, len(d.of))
		for range 5000 {
			for i := range row {
				row[i] = d.of[i].value(r)
			}
			want, p := d.score(row)
			if raw := e.Raw(row); raw != want {
				t.Fatalf("row %v scores %v, want %v:\n%s", row, raw, want, text)
			}
			if got := e.Transform(want); math.Abs(got-p) > 1e-14 {
				t.Fatalf("row %v predicts %v, want %v:\n%s", row, got, p, text)
			}
			done++
		}
	}
}

func TestAllMistakesInAScorecardAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	const bad = `scorecard: 1
higher_is: better
base: many
scaling: {score: 600, factor: 20}
colour: red
characteristics:
  - feature: tenure
    bins:
      - {upto: 24, points: 0}
      - {upto: 6, points: -15}
      - {above: 25}
      - {missing: yes, points: -3}
  - feature: fee
    bins:
      - {upto: 10, points: 1}
      - {upto: 20, points: 2}
  - feature: brand
    bins:
      - {categories: [1, 2], points: 5}
      - {categories: [2, 70000], points: 6}
      - {other: true, point: 0}
  - feature: tenure
    bins: []
  - bins:
      - {upto: 1, points: 1, share: 0.5}
      - {categories: [1], points: 1, share: 0.2}
      - {above: 1, upto: 2, points: 1}
      - {points: 1}
`
	_, err := Load([]byte(bad))
	var e *Error
	var problems job.Problems
	if !errors.As(err, &e) || !errors.Is(err, ErrMalformed) || !errors.As(err, &problems) || e.Format != "scorecard" {
		t.Fatal(err)
	}
	for _, want := range []string{
		`:2:12: higher_is: "better" is not known; write riskier or safer`,
		`:3:7: base: wants a number, not "many"`,
		`:4:10: scaling: offset and factor stand beside score, odds and pdo, which say the same; keep one of the two`,
		`:5:1: colour: this key is not known`,
		`:10:16: characteristics[0].bins[1].upto: "tenure", 2nd bin: 6 is not above the 24 of the bin before; order the bins from the lowest up`,
		`"tenure", 3rd bin: the points are missing; write points:, 0 for none`,
		`:11:17: characteristics[0].bins[2].above: "tenure", 3rd bin: 25 is not 24, where the bin before ends; write above: 24`,
		`:12:19: characteristics[0].bins[3].missing: wants true or false, not "yes"; write one of the two`,
		`:15:7: characteristics[1].bins[2]: "fee": no bin takes the values above 20; add {above: 20, points: …}`,
		`:15:7: characteristics[1].bins[3]: "fee": no bin takes missing values; add {missing: true, points: …}`,
		`"brand", 2nd bin: category 2 is in the 1st bin already; list it once`,
		`:20:26: characteristics[2].bins[1].categories[1]: 70000 is out of bounds; write a number from 0 to 65535`,
		`:21:23: characteristics[2].bins[2].point: this key is not known; did you mean points?`,
		`:22:14: characteristics[3].feature: "tenure" has a characteristic already, the 1st one; put both into one`,
		`"tenure" has no bins`,
		`the feature is missing; write feature: and the name of a column`,
		`the characteristic without a feature, 3rd bin: it says more than once which values are in it; write one of`,
		`the characteristic without a feature, 4th bin: it does not say which values are in it`,
		`the share is missing, and other bins state one`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestAMistakeInAScorecardIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, want string }{
		"no direction":         {"higher_is: safer\n", "", "the direction is missing; write riskier when"},
		"another format":       {"scorecard: 1", "scorecard: 2", "2 is not known; write 1"},
		"half a scaling":       {"odds: 50, ", "", "one of score, odds and pdo is missing; write all three"},
		"other half":           {"{score: 600, odds: 50, pdo: 20}", "{factor: 3}", "one of offset and factor is missing; write both"},
		"odds of 0":            {"odds: 50", "odds: 0", "0 is out of bounds"},
		"factor of 0":          {"{score: 600, odds: 50, pdo: 20}", "{offset: 0, factor: 0}", "0 is out of bounds"},
		"infinite points":      {"points: 12", "points: .inf", `wants a number, not ".inf"`},
		"huge points":          {"points: 12", "points: 1e10", "10000000000 is out of bounds"},
		"limit is no number":   {"upto: 6", "upto: .nan", `wants a number, not ".nan"`},
		"same limit twice":     {"upto: 24", "upto: 6", "6 is not above the 6 of the bin before"},
		"zero is zero":         {"{upto: 6, points: -15, share: 0.1}\n      - {upto: 24,", "{upto: 0, points: -15, share: 0.1}\n      - {upto: -0.0,", "-0 is not above the 0 of the bin before"},
		"above first":          {"{upto: 6, points", "{above: 24, points", "it comes after above, which takes all that is left"},
		"two above":            {"upto: 24", "above: 6", "there are two of these bins"},
		"two missing":          {"upto: 24", "missing: true", "there are two of these bins"},
		"two other":            {"categories: [1, 2]", "other: true", "there are two of these bins"},
		"no other":             {"      - {other: true, points: 0, share: 0.5}\n", "", "no bin takes the values that no categories list; add {other: true, points: …}"},
		"numbers and lists":    {"{other: true", "{upto: 3", `"brand": some bins cut up numbers, and others list categories`},
		"only above":           {"      - {upto: 6, points: -15, share: 0.1}\n      - {upto: 24, points: 0, share: 0.3}\n", "", "no bin takes the values up to where above begins"},
		"shares of 2":          {"share: 0.1", "share: 0.6", `"tenure": the shares add up to 1.5`},
		"a share too few":      {", share: 0.55", "", `"tenure", 3rd bin: the share is missing`},
		"negative category":    {"[1, 2]", "[-1, 2]", "-1 is out of bounds"},
		"category with digits": {"[1, 2]", "[1.5, 2]", "wants a whole number"},
		"category in words":    {"[1, 2]", "[gold]", `wants a whole number, not "gold"`},
		"no characteristics":   {example[strings.Index(example, "  - feature: tenure"):], "", "there are no characteristics"},
		"no YAML":              {"base: 480", "base: [", "this is not YAML"},
		"key twice":            {"base: 480", "base: 480\nbase: 481", "the key stands here twice"},
		"two documents":        {"base: 480", "base: 480\n---\n", "second YAML document"},
	} {
		text := strings.Replace(example, c.old, c.new, 1)
		if text == example {
			t.Fatalf("%s: nothing replaced", name)
		}
		if _, err := Load([]byte(text)); err == nil || !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := LightGBM([]byte(example)); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
	if _, err := Scorecard(read(t, "numeric_v4.txt")); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
	for _, text := range []string{"\xef\xbb\xbf" + example, "---\n" + example, strings.ReplaceAll(example, "\n", "\r\n"), strings.Repeat("# a long comment\n", 400) + example} {
		card(t, text)
	}
	for _, text := range []string{strings.Repeat("# a long comment\n", 16_000), strings.Repeat("#,,,\n", 7000)} {
		if _, err := Load([]byte(example + text)); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "larger than 262144 bytes, or has more than 24000 of the signs") {
			t.Error(err)
		}
	}
}
