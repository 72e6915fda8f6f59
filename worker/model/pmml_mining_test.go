package model

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// stump is a TreeModel that gives low up to a threshold of x, high above it, and
// nothing where x is missing.
func stump(threshold, low, high float64) string {
	return fmt.Sprintf(`<TreeModel functionName="regression" missingValueStrategy="nullPrediction"><MiningSchema><MiningField name="x"/></MiningSchema><Node><True/>`+
		`<Node score="%v"><SimplePredicate field="x" operator="lessOrEqual" value="%v"/></Node><Node score="%v"><SimplePredicate field="x" operator="greaterThan" value="%v"/></Node></Node></TreeModel>`,
		low, threshold, high, threshold)
}

// sorting is a TreeModel that gives class counts up to a threshold of x and above it.
func sorting(threshold float64, low, high [3]int) string {
	leaf := func(operator string, count [3]int) string {
		s := fmt.Sprintf(`<Node><SimplePredicate field="x" operator="%s" value="%v"/>`, operator, threshold)
		for k, n := range count {
			if n >= 0 {
				s += fmt.Sprintf(`<ScoreDistribution value="%c" recordCount="%d"/>`, 'a'+k, n)
			}
		}
		return s + `</Node>`
	}
	return `<TreeModel functionName="classification"><MiningSchema><MiningField name="x"/></MiningSchema><Node><True/>` + leaf("lessOrEqual", low) + leaf("greaterThan", high) + `</Node></TreeModel>`
}

func segmented(method string, models ...string) string {
	s := `<Segmentation multipleModelMethod="` + method + `">`
	for i, m := range models {
		weight := ""
		if strings.HasPrefix(method, "weighted") {
			weight = fmt.Sprintf(` weight="%d"`, i+1)
		}
		s += `<Segment` + weight + `><True/>` + m + `</Segment>`
	}
	return s + `</Segmentation>`
}

func miningDocument(function, values, inner string) string {
	kind := `optype="categorical" dataType="string"`
	if function == "regression" {
		kind = `optype="continuous" dataType="double"`
	}
	return `<PMML version="4.4"><DataDictionary><DataField name="y" ` + kind + `>` + values + `</DataField><DataField name="x" optype="continuous" dataType="double"/></DataDictionary>` +
		`<MiningModel functionName="` + function + `"><MiningSchema><MiningField name="y" usageType="target"/><MiningField name="x"/></MiningSchema>` + inner + `</MiningModel></PMML>`
}

func inner(attributes, before, inner string) string {
	return `<MiningModel functionName="regression"` + attributes + `><MiningSchema><MiningField name="x"/></MiningSchema>` + before + inner + `</MiningModel>`
}

func output(name string) string {
	return `<Output><OutputField name="` + name + `" optype="continuous" dataType="double" isFinalResult="false"/></Output>`
}

func TestPMMLSegmentsAreJoinedAsTheirMethodSays(t *testing.T) {
	t.Parallel()
	a, b, c := stump(1, 2, 8), stump(2, -4, 1), stump(0, 0.5, 16)
	linear := `<RegressionModel functionName="regression"><MiningSchema><MiningField name="x"/></MiningSchema><RegressionTable intercept="3"><NumericPredictor name="x" coefficient="2"/></RegressionTable></RegressionModel>`
	card := `<Scorecard functionName="regression" initialScore="5"><MiningSchema><MiningField name="x"/></MiningSchema><Characteristics><Characteristic><Attribute partialScore="7"><SimplePredicate field="x" operator="lessThan" value="1"/></Attribute>` +
		`<Attribute partialScore="9"><True/></Attribute></Characteristic></Characteristics></Scorecard>`
	const targets = `<Targets><Target rescaleFactor="0.5" rescaleConstant="-1"/></Targets>`
	last := func(method, tables string) string {
		return `<RegressionModel functionName="regression" normalizationMethod="` + method + `"><MiningSchema><MiningField name="s"/></MiningSchema>` + tables + `</RegressionModel>`
	}
	const twice = `<RegressionTable intercept="1"><NumericPredictor name="s" coefficient="2"/></RegressionTable>`
	for _, test := range []struct {
		name, text string
		x, want    float64
	}{
		{"sum", segmented("sum", a, b, c), 1, 2 - 4 + 16},
		{"sum of nothing known", segmented("sum", a, b), math.NaN(), math.NaN()},
		{"average", segmented("average", a, b, c), 1.5, (8 - 4 + 16) / 3.0},
		{"weighted average", segmented("weightedAverage", a, b, c), 1.5, (1*8 - 2*4 + 3*16) / 6.0},
		{"rescaled", targets + segmented("sum", a, b), 1.5, 0.5*4 - 1},
		{"rescaled average", targets + segmented("average", a, b), 1.5, 0.5*2 - 1},
		{"sum of averages", segmented("sum", inner("", "", segmented("average", a, b)), inner("", targets, segmented("sum", c))), 1.5, 2 + 0.5*16 - 1},
		{"trees, weights and points", segmented("sum", a, linear, card), 0.5, 2 + 4 + 12},
		{"average of all kinds", segmented("average", a, linear, card), 1.5, (8 + 6 + 14) / 3.0},
		{"chained", segmented("modelChain", inner("", output("s"), segmented("sum", a, b)), last("none", twice)), 1.5, 1 + 2*4},
		{"chained to a link", segmented("modelChain", inner("", output("s")+targets, segmented("sum", a, b)), last("exp", twice)), 1.5, math.Exp(1 + 2*1)},
		{"chained and rescaled", targets + segmented("modelChain", inner("", output("s"), segmented("sum", a, b)), last("none", twice)), 1.5, 0.5*9 - 1},
		{"a transformed result", segmented("modelChain", inner("", `<Output><OutputField name="raw"/><OutputField name="s" feature="transformedValue"><Apply function="-"><Apply function="*"><Constant>0.5</Constant><FieldRef field="raw"/></Apply>`+
			`<Apply function="/"><Constant>3</Constant><Constant>2</Constant></Apply></Apply></OutputField></Output>`, segmented("sum", a, b)), last("none", twice)), 1.5, 1 + 2*(0.5*4-1.5)},
		{"a chain in a sum", segmented("sum", a, inner("", "", segmented("modelChain", inner("", output("s"), segmented("sum", a, b)), last("none", twice)))), 1.5, 8 + 9},
		{"a chain of three", segmented("modelChain", strings.Replace(a, "</MiningSchema>", "</MiningSchema>"+output("r"), 1),
			`<RegressionModel functionName="regression"><MiningSchema><MiningField name="r"/></MiningSchema>`+output("s")+`<RegressionTable intercept="1"><NumericPredictor name="r" coefficient="-1"/></RegressionTable></RegressionModel>`,
			last("logit", twice)), 1.5, 1 / (1 + math.Exp(13))},
	} {
		e := loadText(t, miningDocument("regression", "", test.text))
		got := e.Transform(e.Raw([]float64{test.x}))
		if math.Abs(got-test.want) > 1e-14 || (got == got) != (test.want == test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// What is derived for all models is derived anew where one of them treats what it is
// derived from; a field that is named in its schema is the one of the models around it.
func TestPMMLSegmentsTreatFieldsForThemselves(t *testing.T) {
	t.Parallel()
	square := `<TransformationDictionary><DerivedField name="q" optype="continuous" dataType="double"><Apply function="*"><FieldRef field="x"/><FieldRef field="x"/></Apply></DerivedField></TransformationDictionary>`
	model := func(schema string) string {
		return `<RegressionModel functionName="regression"><MiningSchema><MiningField name="x"` + schema + `/></MiningSchema><RegressionTable intercept="0"><NumericPredictor name="q" coefficient="1"/><NumericPredictor name="x" coefficient="100"/></RegressionTable></RegressionModel>`
	}
	text := miningDocument("regression", "", segmented("sum", model(` missingValueReplacement="5"`), model(` missingValueReplacement="2"`)))
	e := loadText(t, strings.Replace(text, "<MiningModel", square+"<MiningModel", 1))
	for x, want := range map[float64]float64{3: 618, -1: -198} {
		if got := e.Raw([]float64{x}); got != want {
			t.Errorf("%v scores %v, want %v", x, got, want)
		}
	}
	if got := e.Raw([]float64{math.NaN()}); got != 25+500+4+200 {
		t.Errorf("a missing value scores %v", got)
	}
}

func TestPMMLClassifyingEnsembles(t *testing.T) {
	t.Parallel()
	const two = `<Value value="b"/><Value value="a"/>`
	const three = `<Value value="a"/><Value value="b"/><Value value="c"/>`
	s1, s2, s3 := sorting(1, [3]int{1, 3, -1}, [3]int{4, 0, -1}), sorting(2, [3]int{2, 8, -1}, [3]int{1, 1, -1}), sorting(3, [3]int{9, 1, -1}, [3]int{0, 5, -1})
	m1, m2 := sorting(1, [3]int{1, 3, 4}, [3]int{4, 0, 0}), sorting(2, [3]int{2, 7, 1}, [3]int{0, 1, 1})
	const binary = `<RegressionModel functionName="classification" normalizationMethod="logit"><MiningSchema><MiningField name="s"/></MiningSchema>` +
		`<RegressionTable intercept="0" targetCategory="a"><NumericPredictor name="s" coefficient="1"/></RegressionTable><RegressionTable intercept="0" targetCategory="b"/></RegressionModel>`
	const several = `<RegressionModel functionName="classification" normalizationMethod="softmax"><MiningSchema><MiningField name="s"/><MiningField name="r"/></MiningSchema>` +
		`<RegressionTable intercept="0" targetCategory="c"><NumericPredictor name="s" coefficient="1"/></RegressionTable><RegressionTable intercept="0.5" targetCategory="a"/>` +
		`<RegressionTable intercept="0" targetCategory="b"><NumericPredictor name="r" coefficient="1"/></RegressionTable></RegressionModel>`
	boosted := segmented("modelChain", inner("", output("s"), segmented("sum", stump(1, 0.25, 1), stump(2, -0.5, 0.125))), binary)
	softened := segmented("modelChain", inner("", output("s"), segmented("sum", stump(1, 0.25, 1))), inner("", output("r"), segmented("sum", stump(2, -0.5, 0.125))), several)
	z := math.Exp(0.5) + math.Exp(-0.5) + math.Exp(1)
	for _, c := range []struct {
		name, values, text string
		x                  float64
		labels             string
		want               []float64
	}{
		{"average", two, segmented("average", s1, s2, s3), 1.5, "a", []float64{(1 + 0.2 + 0.9) / 3}},
		{"weighted average", two, segmented("weightedAverage", s1, s2, s3), 1.5, "a", []float64{(1*1 + 2*0.2 + 3*0.9) / 6}},
		{"votes", two, segmented("majorityVote", s1, s2, s3), 1.5, "a", []float64{2.0 / 3}},
		{"weighted votes", two, segmented("weightedMajorityVote", s1, s2, s3), 1.5, "a", []float64{4.0 / 6}},
		{"average of three classes", three, segmented("average", m1, m2), 0.5, "abc", []float64{(0.125 + 0.2) / 2, (0.375 + 0.7) / 2, (0.5 + 0.1) / 2}},
		{"votes on three classes", three, segmented("majorityVote", m1, m2), 0.5, "abc", []float64{0, 0.5, 0.5}},
		{"boosted", two, boosted, 1.5, "a", []float64{1 / (1 + math.Exp(-0.5))}},
		{"boosted, for three classes", three, softened, 1.5, "abc", []float64{math.Exp(0.5) / z, math.Exp(-0.5) / z, math.Exp(1) / z}},
	} {
		e := loadText(t, miningDocument("classification", c.values, c.text))
		got := make([]float64, e.Classes)
		e.RawInto(got, []float64{c.x})
		e.TransformInto(got, got)
		if strings.Join(e.Labels, "") != c.labels || len(got) != len(c.want) {
			t.Errorf("%s: labels %v", c.name, e.Labels)
			continue
		}
		for k, want := range c.want {
			if math.Abs(got[k]-want) > 1e-15 {
				t.Errorf("%s: class %d is %v, want %v", c.name, k, got[k], want)
			}
		}
		if (e.Classes == 1) != e.Probability() {
			t.Errorf("%s: %d classes, a probability: %v", c.name, e.Classes, e.Probability())
		}
	}
}

// Sums that are asked for in float32 have the bits of float32 sums.
func TestPMMLFloatSumsAreSingle(t *testing.T) {
	t.Parallel()
	float := func(s string) string {
		return strings.ReplaceAll(s, `functionName="regression"`, `functionName="regression" x-mathContext="float"`)
	}
	text := miningDocument("regression", "", `<Targets><Target rescaleConstant="0.1"/></Targets>`+float(segmented("sum", stump(1, 0.3, 0.7), stump(1, 0.2, 0.6))))
	e := loadText(t, text)
	want := float32(0.1) + float32(0.7)
	want += float32(0.6)
	if got := e.Raw([]float64{5}); !e.Single || got != float64(want) {
		t.Errorf("%v, single %v; want %v", got, e.Single, want)
	}
}

func TestPMMLRefusesWhatItCannotLowerByName(t *testing.T) {
	t.Parallel()
	a, b := stump(1, 2, 8), stump(2, -4, 1)
	regression := func(text string) string { return miningDocument("regression", "", text) }
	const two = `<Value value="a"/><Value value="b"/>`
	s := sorting(1, [3]int{1, 3, -1}, [3]int{4, 0, -1})
	single := func(from, to string) string {
		return regression(segmented("sum", strings.Replace(a, from, to, 1)))
	}
	for says, text := range map[string]string{
		"the multipleModelMethod of numbers is none of":          regression(segmented("median", a, b)),
		"the multipleModelMethod of classes is none of":          miningDocument("classification", two, segmented("max", s, s)),
		"a segment has a predicate other than True":              regression(strings.Replace(segmented("sum", a), "<Segment><True/>", `<Segment><SimplePredicate field="x" operator="isMissing"/>`, 1)),
		"the missingPredictionTreatment is none of":              regression(strings.Replace(segmented("sum", a), `Method="sum"`, `Method="sum" missingPredictionTreatment="skipSegment"`, 1)),
		"the missingValueStrategy weightedConfidence is none of": single("nullPrediction", "weightedConfidence"),
		"the missingValueStrategy aggregateNodes is none of":     single("nullPrediction", "aggregateNodes"),
		"castInteger changes the result":                         regression(`<Targets><Target castInteger="round"/></Targets>` + segmented("sum", a)),
		"it gives a result where there is none":                  regression(`<Targets><Target><TargetValue defaultValue="1"/></Target></Targets>` + segmented("sum", a)),
		"isScorable is false":                                    strings.Replace(regression(segmented("sum", a)), `<MiningModel `, `<MiningModel isScorable="false" `, 1),
		"the functionName is neither regression nor":             strings.Replace(regression(segmented("sum", a)), `functionName="regression"`, `functionName="clustering"`, 1),
		"classes are averaged, or voted on, by other than":       miningDocument("classification", two, segmented("average", a)),
		"a node has another model in it":                         single("<True/>", "<True/><Regression/>"),
		"the x-mathContext is neither double nor float":          single(`functionName="regression" missing`, `functionName="regression" x-mathContext="quad" missing`),
		"the trees differ in their x-mathContext":                regression(segmented("sum", strings.Replace(a, `functionName="regression"`, `functionName="regression" x-mathContext="float"`, 1), b)),
		"a partial score is computed":                            regression(segmented("sum", `<Scorecard functionName="regression"><MiningSchema/><Characteristics><Characteristic><Attribute><True/><ComplexPartialScore/></Attribute></Characteristic></Characteristics></Scorecard>`)),
		"what is added was normalized before":                    regression(segmented("sum", `<RegressionModel functionName="regression" normalizationMethod="exp"><MiningSchema/><RegressionTable intercept="1"/></RegressionModel>`)),
		"a segment's result is treated before it is used":        regression(segmented("modelChain", strings.Replace(a, "</MiningSchema>", "</MiningSchema>"+output("s"), 1), `<RegressionModel functionName="regression"><MiningSchema><MiningField name="s" outliers="asExtremeValues" lowValue="0"/></MiningSchema><RegressionTable intercept="1"/></RegressionModel>`)),
		"a segment's result is used for other than a sum":        regression(segmented("modelChain", strings.Replace(a, "</MiningSchema>", "</MiningSchema>"+output("s"), 1), strings.ReplaceAll(b, `"x"`, `"s"`))),
		"is a segment's residual, where only its predictedValue": regression(segmented("modelChain", strings.Replace(a, "</MiningSchema>", "</MiningSchema>"+strings.Replace(output("s"), `name="s"`, `name="s" feature="residual"`, 1), 1), strings.ReplaceAll(b, `"x"`, `"s"`))),
		"the normalizationMethod of a number is none of":         regression(segmented("modelChain", strings.Replace(a, "</MiningSchema>", "</MiningSchema>"+output("s"), 1), `<RegressionModel functionName="regression" normalizationMethod="simplemax"><MiningSchema><MiningField name="s"/></MiningSchema><RegressionTable intercept="1"/></RegressionModel>`)),
		"fewer than two values of the target are known":          miningDocument("classification", `<Value value="a"/>`, segmented("average", strings.ReplaceAll(s, `value="b"`, `value="a"`))),
		"this expression is none of Constant, FieldRef":          strings.Replace(regression(segmented("sum", strings.ReplaceAll(a, `"x"`, `"d"`))), "<Segmentation", `<LocalTransformations><DerivedField name="d" dataType="double"><Lag field="x"/></DerivedField></LocalTransformations><Segmentation`, 1),
		"models lie more than 500 deep":                          regression(segmented("modelChain", `<RegressionModel functionName="regression"><MiningSchema/>`+output("s")+`<RegressionTable intercept="1"><NumericPredictor name="s" coefficient="1"/></RegressionTable></RegressionModel>`, `<RegressionModel functionName="regression"><MiningSchema/><RegressionTable intercept="1"><NumericPredictor name="s" coefficient="1"/></RegressionTable></RegressionModel>`)),
		"the second of two classes has a sum of its own":         regressionDocument("classification", `optype="categorical" dataType="string">`+two, ` normalizationMethod="logit"`, `<RegressionTable targetCategory="a" intercept="1"/><RegressionTable targetCategory="b" intercept="2"/>`),
		"more than two classes is neither softmax nor simplemax": regressionDocument("classification", `optype="categorical" dataType="string">`, ` normalizationMethod="logit"`, `<RegressionTable targetCategory="a" intercept="1"/><RegressionTable targetCategory="b" intercept="2"/><RegressionTable targetCategory="c" intercept="2"/>`),
		"gives the probability of the value that does not count": regressionDocument("classification", `optype="categorical" dataType="string">`+two, ` normalizationMethod="exp"`, `<RegressionTable targetCategory="a" intercept="1"/><RegressionTable targetCategory="b" intercept="0"/>`),
		"texts are compared by other than equal and notEqual":    strings.Replace(regression(segmented("sum", a)), `<DataField name="x" optype="continuous" dataType="double"/>`, `<DataField name="x" optype="ordinal" dataType="string"/>`, 1),
	} {
		_, err := Load([]byte(text))
		if err == nil || !strings.Contains(err.Error(), says) || !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrMalformed) {
			t.Errorf("error %.200v\nwant one saying %q", err, says)
		}
	}
}
