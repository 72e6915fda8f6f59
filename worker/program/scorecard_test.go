package program

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/score"
)

// points is a scorecard of a canonical amount, a code, a feature and a trigger. All
// shares are a half: means are easily told.
const points = `scorecard: 1
higher_is: riskier
base: 12
scaling: {score: 0, odds: 0.05, pdo: 10}
characteristics:
  - feature: texts
    bins:
      - {upto: 0, points: 9, share: 0.5}
      - {upto: 29, points: 4, share: 0}
      - {above: 29, points: -4, share: 0.5}
      - {missing: true, points: 1, share: 0}
  - feature: city_code
    bins:
      - {missing: true, points: 0, share: 0}
      - {categories: [7], points: -6, share: 0.5}
      - {other: true, points: 2, share: 0.5}
  - feature: trg_8
    bins: [{upto: 0, points: 0, share: 0.5}, {above: 0, points: 20, share: 0.5}, {missing: true, points: 3, share: 0}]
`

func TestAJobWithAScorecardPublishesItsPointsAndReasons(t *testing.T) {
	t.Parallel()
	const total = 5000
	spec, _ := standard(t)
	spec.Model.Features = map[string]string{"texts": "sms_cnt_m2"}
	m, err := LoadModel(spec, []byte(points))
	if err != nil {
		t.Fatal(err)
	}
	p := planned(t, spec, m)
	g := p.Program(total, memory.DefaultAllocator)
	defer g.Release()
	r := draw(rand.New(rand.NewPCG(8, 1)), p, total)
	all := r.eval(t, g, 0, total)
	cell := func(i int, column string) uint64 { return all[i*len(schema.Score)+scoreColumn(column)] }
	reasons := 0
	for i := range total {
		var got [3]float64
		switch x, ok := r.known("sms_cnt_m2", i); {
		case !ok:
			got[0] = 1
		case x <= 0:
			got[0] = 9
		case x < 30:
			got[0] = 4
		default:
			got[0] = -4
		}
		switch x, ok := r.known("city_code", i); {
		case !ok:
		case x == 7:
			got[1] = -6
		default:
			got[1] = 2
		}
		switch {
		case cell(i, "trg_unknown")>>7&1 == 1:
			got[2] = 3
		case cell(i, "trg_fired")>>7&1 == 1:
			got[2] = 20
		}
		odds := 0.05 * math.Exp2((12+got[0]+got[1]+got[2])/10)
		want := float32(odds / (1 + odds))
		if x := math.Float32frombits(uint32(cell(i, "propensity"))); math.Abs(float64(x-want)) > 1e-7 {
			t.Fatalf("row %d: points %v, propensity %v, want %v", i, got, x, want)
		}
		above := []float64{got[0] - 2.5, got[1] + 2, got[2] - 10} // the means are 2.5, -2 and 10 (and a millionth)
		code := score.Largest(above)
		if at := [3]uint16{uint16(cell(i, "reason1")), uint16(cell(i, "reason2")), uint16(cell(i, "reason3"))}; at != code {
			t.Fatalf("row %d: points %v above %v, reasons %v, want %v", i, got, above, at, code)
		}
		if code[1] != 0 {
			reasons++
		}
	}
	if reasons == 0 {
		t.Error("no row has two reasons")
	}
}

func TestMistakesInAScorecardAreProblemsOfItsFile(t *testing.T) {
	t.Parallel()
	spec := job.Default()
	spec.Model.Path = "points.yaml"
	_, err := LoadModel(spec, []byte(strings.Replace(points, "upto: 29", "upto: -1", 1)))
	var problems job.Problems
	if !errors.As(err, &problems) || len(problems) != 2 || problems[0].File != "points.yaml" || problems[0].Line != 9 {
		t.Error(err)
	}
	if _, err := LoadModel(spec, []byte(points)); err == nil || !strings.Contains(err.Error(), `feature "texts" has no column`) {
		t.Error(err)
	}
}
