package model

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// loadText reads a document that must be sound.
func loadText(t testing.TB, text string) *Ensemble {
	t.Helper()
	e, err := Load([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return e
}

func TestPMMLDocumentsAreFrozenAndVerified(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		objective string
		features  string
		labels    string
		event     bool
		trees     int
		cover     bool
		expected  string // a result, in the last row
		other     string
	}{
		{"pmml_logit.xml", "RegressionModel classification", "fee tenure plan calls", "yes", true, 0, false, "0.88298002225638365363", "0.88298002225640365363"},
		{"pmml_card.xml", "Scorecard regression", "age city vip", "", false, 3, false, "96.5", "96.25"},
		{"pmml_forest.xml", "MiningModel classification", "dou fee brand", "1", true, 3, true, "<left>0</left><p1>0.25</p1></row>\n      </Inl", "<left>1</left><p1>0.25</p1></row>\n      </Inl"},
	} {
		data := sample(t, c.name)
		e, err := Load(data)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if e.Library != "PMML" || e.Objective != c.objective || strings.Join(e.Features, " ") != c.features || strings.Join(e.Labels, " ") != c.labels ||
			e.Probability() != c.event || e.Trees() != c.trees || e.Classes != 1 || e.Best != -1 {
			t.Errorf("%s: %+v", c.name, e)
		}
		if got := e.nodeCover != nil; got != c.cover {
			t.Errorf("%s: cover %v", c.name, got)
		}
		wrong := bytes.Replace(data, []byte(c.expected), []byte(c.other), 1)
		if _, err := Load(wrong); err == nil || !strings.Contains(err.Error(), "row 4 of the ModelVerification") {
			t.Errorf("%s with another result: error %v", c.name, err)
		}
	}
}

// The cover of a node is that of its leaves, also where a leaf stands for those that
// no child took.
func TestPMMLCoversAreRecordCounts(t *testing.T) {
	t.Parallel()
	e := loadText(t, string(sample(t, "pmml_forest.xml")))
	for i, want := range [][]float32{{10, 6}, {8}, {12, 9}} {
		if got := e.Tree(i).NodeCover; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("tree %d: nodes %v, want %v", i, got, want)
		}
	}
	if got := e.Tree(1).LeafCover; fmt.Sprint(got) != "[2 6]" {
		t.Errorf("leaves %v", got)
	}
}

func TestPMMLTextsAreCodesInTheOrderOfTheDictionary(t *testing.T) {
	t.Parallel()
	e := loadText(t, string(sample(t, "pmml_logit.xml")))
	if len(e.Pandas) != 1 || len(e.Pandas[0]) != 3 || e.Pandas[0][1].Text != "post&paid" || e.Ranges[2] != "0:1:2" || e.Ranges[1] != "[0:600]" || e.Ranges[0] != "none" {
		t.Errorf("%v, %v", e.Pandas, e.Ranges)
	}
	e = loadText(t, string(sample(t, "pmml_card.xml")))
	if len(e.Pandas) != 2 || e.Pandas[1][0].Text != "false" || e.Pandas[1][1].Text != "true" {
		t.Errorf("%v, %v", e.Pandas, e.Ranges)
	}
}

// expressionDocument has a regression whose result is the derived field d.
func expressionDocument(derived string) string {
	return `<PMML version="4.4"><DataDictionary>
<DataField name="y" optype="continuous" dataType="double"/><DataField name="x" optype="continuous" dataType="double"/><DataField name="z" optype="continuous" dataType="double"/>
<DataField name="f" optype="continuous" dataType="float"/>
<DataField name="c" optype="categorical" dataType="string"><Value value="red"/><Value value="blue"/><Value value="7"/></DataField>
<DataField name="b" optype="categorical" dataType="boolean"/>
</DataDictionary><TransformationDictionary>` + derived + `</TransformationDictionary><RegressionModel functionName="regression">
<MiningSchema><MiningField name="y" usageType="target"/><MiningField name="x"/><MiningField name="z"/><MiningField name="f"/><MiningField name="c" invalidValueTreatment="asIs"/><MiningField name="b"/></MiningSchema>
<RegressionTable intercept="0"><NumericPredictor name="d" coefficient="1"/></RegressionTable></RegressionModel></PMML>`
}

func TestPMMLExpressions(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	number := func(body string) string {
		return `<DerivedField name="d" optype="continuous" dataType="double">` + body + `</DerivedField>`
	}
	apply := func(name, rest string, in ...string) string {
		return `<Apply function="` + name + `"` + rest + `>` + strings.Join(in, "") + `</Apply>`
	}
	ref := func(name string) string { return `<FieldRef field="` + name + `"/>` }
	text := func(text string) string { return `<Constant dataType="string">` + text + `</Constant>` }
	indicator := func(name, body string) string { // 1 where the texts are equal
		return `<DerivedField name="t" optype="categorical" dataType="string">` + body + `</DerivedField>` + number(`<NormDiscrete field="t" value="`+name+`"/>`)
	}
	table := `<MapValues outputColumn="out"%s><FieldColumnPair field="c" column="in"/><InlineTable>` +
		`<row><in>red</in><out>1.5</out></row><row><in>7</in><out>2</out></row></InlineTable></MapValues>`
	wide := `<MapValues outputColumn="o"><FieldColumnPair field="c" column="a"/><FieldColumnPair field="x" column="b"/><InlineTable>` +
		`<row><a>red</a><b>1</b><o>11</o></row><row><a>red</a><b>2</b><o>12</o></row><row><a>blue</a><b>1</b><o>21</o></row></InlineTable></MapValues>`
	norm := `<NormContinuous field="x"%s><LinearNorm orig="0" norm="1"/><LinearNorm orig="2" norm="5"/><LinearNorm orig="4" norm="0"/></NormContinuous>`
	bins := `<Discretize field="x"%s><DiscretizeBin binValue="1"><Interval closure="openClosed" rightMargin="0"/></DiscretizeBin>` +
		`<DiscretizeBin binValue="2"><Interval closure="openOpen" leftMargin="0" rightMargin="10"/></DiscretizeBin></Discretize>`
	// rows: x, z, f, c, b
	at := func(x, z, f, c, b float64) []float64 { return []float64{x, z, f, c, b} }
	for _, c := range []struct {
		derived string
		row     []float64
		want    float64
	}{
		{number(ref("x")), at(3, nan, nan, nan, nan), 3},
		{number(`<FieldRef field="x" mapMissingTo="-1"/>`), at(nan, 0, 0, 0, 0), -1},
		{number(`<Constant>2.5</Constant>`), at(0, 0, 0, 0, 0), 2.5},
		{number(`<Constant missing="true"/>`), at(0, 0, 0, 0, 0), nan},
		{number(`<Constant dataType="boolean">true</Constant>`), at(0, 0, 0, 0, 0), 1},
		{number(fmt.Sprintf(norm, "")), at(1, 0, 0, 0, 0), 3},
		{number(fmt.Sprintf(norm, "")), at(3, 0, 0, 0, 0), 2.5},
		{number(fmt.Sprintf(norm, "")), at(-1, 0, 0, 0, 0), -1},
		{number(fmt.Sprintf(norm, ` outliers="asExtremeValues"`)), at(-1, 0, 0, 0, 0), 1},
		{number(fmt.Sprintf(norm, ` outliers="asExtremeValues"`)), at(9, 0, 0, 0, 0), 0},
		{number(fmt.Sprintf(norm, ` outliers="asMissingValues"`)), at(9, 0, 0, 0, 0), nan},
		{number(fmt.Sprintf(norm, ` mapMissingTo="8"`)), at(nan, 0, 0, 0, 0), 8},
		{number(`<NormDiscrete field="c" value="blue"/>`), at(0, 0, 0, 1, 0), 1},
		{number(`<NormDiscrete field="c" value="blue"/>`), at(0, 0, 0, 0, 0), 0},
		{number(`<NormDiscrete field="c" value="green"/>`), at(0, 0, 0, -1, 0), 0},
		{number(`<NormDiscrete field="c" value="green"/>`), at(0, 0, 0, 3, 0), 1}, // named by the model alone: the code behind the dictionary's
		{number(`<NormDiscrete field="c" value="blue"/>`), at(0, 0, 0, nan, 0), nan},
		{number(`<NormDiscrete field="c" value="blue" mapMissingTo="0.5"/>`), at(0, 0, 0, nan, 0), 0.5},
		{number(`<NormDiscrete field="x" value="3"/>`), at(3, 0, 0, 0, 0), 1},
		{number(`<NormDiscrete field="b" value="true"/>`), at(3, 0, 0, 0, 1), 1},
		{number(fmt.Sprintf(bins, "")), at(0, 0, 0, 0, 0), 1},
		{number(fmt.Sprintf(bins, "")), at(9, 0, 0, 0, 0), 2},
		{number(fmt.Sprintf(bins, "")), at(10, 0, 0, 0, 0), nan},
		{number(fmt.Sprintf(bins, ` defaultValue="3" mapMissingTo="4"`)), at(10, 0, 0, 0, 0), 3},
		{number(fmt.Sprintf(bins, ` defaultValue="3" mapMissingTo="4"`)), at(nan, 0, 0, 0, 0), 4},
		{indicator("low", strings.Replace(fmt.Sprintf(bins, ` defaultValue="high"`), `binValue="1"`, `binValue="low"`, 1)), at(-1, 0, 0, 0, 0), 1},
		{indicator("high", strings.Replace(fmt.Sprintf(bins, ` defaultValue="high"`), `binValue="1"`, `binValue="low"`, 1)), at(11, 0, 0, 0, 0), 1},
		{indicator("2", fmt.Sprintf(bins, "")), at(5, 0, 0, 0, 0), 1},
		{number(fmt.Sprintf(table, "")), at(0, 0, 0, 0, 0), 1.5},
		{number(fmt.Sprintf(table, "")), at(0, 0, 0, 2, 0), 2},
		{number(fmt.Sprintf(table, "")), at(0, 0, 0, 1, 0), nan},
		{number(fmt.Sprintf(table, ` defaultValue="-1" mapMissingTo="-2"`)), at(0, 0, 0, 1, 0), -1},
		{number(fmt.Sprintf(table, ` defaultValue="-1" mapMissingTo="-2"`)), at(0, 0, 0, nan, 0), -2},
		{number(wide), at(2, 0, 0, 0, 0), 12}, {number(wide), at(1, 0, 0, 1, 0), 21}, {number(wide), at(2, 0, 0, 1, 0), nan},
		{number(apply("+", "", ref("x"), ref("z"))), at(1, 2, 0, 0, 0), 3},
		{number(apply("-", "", ref("x"), `<Constant>1</Constant>`)), at(1, 2, 0, 0, 0), 0},
		{number(apply("/", "", ref("x"), ref("z"))), at(1, 0, 0, 0, 0), nan},
		{number(apply("/", ` defaultValue="9"`, ref("x"), ref("z"))), at(1, 0, 0, 0, 0), 9},
		{number(apply("+", ` mapMissingTo="5"`, ref("x"), ref("z"))), at(1, nan, 0, 0, 0), 5},
		{number(apply("+", ` mapMissingTo="5"`, ref("x"), ref("z"))), at(1, 1, 0, 0, 0), 2},
		{number(apply("sum", "", ref("x"), ref("z"))), at(1, nan, 0, 0, 0), 1},
		{number(apply("max", "", ref("x"), ref("z"), `<Constant>4</Constant>`)), at(1, 9, 0, 0, 0), 9},
		{number(apply("if", "", apply("lessThan", "", ref("x"), `<Constant>4</Constant>`), ref("x"), ref("z"))), at(1, 9, 0, 0, 0), 1},
		{number(apply("if", "", apply("lessThan", "", ref("x"), `<Constant>4</Constant>`), ref("x"), ref("z"))), at(5, 9, 0, 0, 0), 9},
		{number(apply("if", "", apply("equal", "", ref("c"), text("red")), `<Constant>1</Constant>`, `<Constant>2</Constant>`)), at(0, 0, 0, 0, 0), 1},
		{number(apply("if", "", apply("isIn", "", ref("c"), text("7"), text("blue")), `<Constant>1</Constant>`, `<Constant>2</Constant>`)), at(0, 0, 0, 2, 0), 1},
		{number(apply("if", "", apply("isNotIn", "", ref("c"), text("7"), text("blue")), `<Constant>1</Constant>`, `<Constant>2</Constant>`)), at(0, 0, 0, 2, 0), 2},
		{number(apply("if", "", apply("isMissing", "", ref("c")), `<Constant>1</Constant>`, `<Constant>2</Constant>`)), at(0, 0, 0, nan, 0), 1},
		{number(apply("if", "", apply("or", "", apply("isMissing", "", ref("x")), apply("greaterThan", "", ref("x"), ref("z"))), `<Constant>1</Constant>`, `<Constant>2</Constant>`)), at(nan, 0, 0, 0, 0), 1},
		{number(apply("not", "", ref("b"))), at(0, 0, 0, 0, 0), 1},
		{indicator("warm", apply("if", "", apply("equal", "", ref("c"), text("red")), text("warm"), ref("c"))), at(0, 0, 0, 0, 0), 1},
		{indicator("blue", apply("if", "", apply("equal", "", ref("c"), text("red")), text("warm"), ref("c"))), at(0, 0, 0, 1, 0), 1},
		{`<DerivedField name="t" optype="categorical" dataType="string">` + ref("c") + `</DerivedField>` + number(apply("if", "", apply("equal", "", ref("t"), ref("c")), `<Constant>1</Constant>`, `<Constant>0</Constant>`)), at(0, 0, 0, 1, 0), 1},
		{`<DerivedField name="n" optype="continuous" dataType="double">` + ref("c") + `</DerivedField>` + number(apply("+", "", ref("n"), ref("n"))), at(0, 0, 0, 2, 0), 14}, // the text 7, read as a number
		{number(ref("f")), at(0, 0, 0.1, 0, 0), float64(float32(0.1))},
		{`<DerivedField name="s" optype="continuous" dataType="float">` + ref("x") + `</DerivedField>` + number(apply("-", "", ref("s"), ref("x"))), at(0.1, 0, 0, 0, 0), float64(float32(0.1)) - 0.1},
		{number(apply("+", "", ref("later"), ref("later"))) + `<DerivedField name="later" optype="continuous" dataType="double">` + apply("exp", "", ref("x")) + `</DerivedField>`, at(0, 0, 0, 0, 0), 2},
	} {
		e := loadText(t, expressionDocument(c.derived))
		if got := e.Raw(c.row); got != c.want && (got == got || c.want == c.want) {
			t.Errorf("%s of %v is %v, want %v", c.derived, c.row, got, c.want)
		}
	}
}

// schemaDocument has a regression that adds x and 100 where c is red.
func schemaDocument(dictionary, schema string) string {
	return `<PMML version="4.3"><DataDictionary><DataField name="y" optype="continuous" dataType="double"/>` + dictionary + `</DataDictionary><RegressionModel functionName="regression">
<MiningSchema><MiningField name="y" usageType="target"/>` + schema + `</MiningSchema><RegressionTable intercept="0"><NumericPredictor name="x" coefficient="1"/>
<CategoricalPredictor name="c" value="red" coefficient="100"/></RegressionTable></RegressionModel></PMML>`
}

func TestPMMLTreatsMissingInvalidAndOutlyingValues(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	const plain = `<DataField name="x" optype="continuous" dataType="double"/>`
	const spans = `<DataField name="x" optype="continuous" dataType="double"><Interval closure="closedOpen" leftMargin="0" rightMargin="10"/><Value value="-5"/><Value value="-9" property="missing"/></DataField>`
	const barred = `<DataField name="x" optype="continuous" dataType="double"><Value value="3" property="invalid"/></DataField>`
	const colours = `<DataField name="c" optype="categorical" dataType="string"><Value value="red"/><Value value="blue"/><Value value="?" property="missing"/></DataField>`
	const open = `<DataField name="c" optype="categorical" dataType="string"/>`
	x := func(rest string) string { return `<MiningField name="x"` + rest + `/>` }
	c := func(rest string) string { return `<MiningField name="c"` + rest + `/>` }
	for _, test := range []struct {
		dictionary, schema string
		x, c, want         float64
	}{
		{plain + colours, x("") + c(""), 3, 0, 103},
		{plain + colours, x("") + c(""), 3, 1, 3},
		{plain + colours, x("") + c(""), 3, nan, 3},
		{plain + colours, x("") + c(""), nan, 0, nan},
		{plain + colours, x("") + c(""), 3, 9, nan},  // not listed: no score
		{plain + colours, x("") + c(""), 3, -1, nan}, // so is a text that was not listed
		{plain + colours, x("") + c(""), 3, 2, 3},    // stands for a missing one
		{plain + colours, x("") + c(` invalidValueTreatment="asIs"`), 3, 9, 3},
		{plain + colours, x("") + c(` invalidValueTreatment="asMissing" missingValueReplacement="red"`), 3, 9, 103},
		{plain + colours, x("") + c(` invalidValueTreatment="asValue" invalidValueReplacement="red"`), 3, 9, 103},
		{plain + colours, x("") + c(` missingValueReplacement="red"`), 3, 2, 103},
		{plain + colours, x("") + c(` missingValueTreatment="returnInvalid"`), 3, nan, nan},
		{plain + open, x("") + c(""), 3, 0, 103},
		{plain + open, x("") + c(""), 3, 12, 3},
		{plain + colours, x(` missingValueReplacement="7" missingValueTreatment="asMean"`) + c(""), nan, 1, 7},
		{plain + colours, x(` outliers="asExtremeValues" lowValue="1" highValue="5"`) + c(""), 9, 1, 5},
		{plain + colours, x(` outliers="asExtremeValues" lowValue="1"`) + c(""), -9, 1, 1},
		{plain + colours, x(` outliers="asMissingValues" lowValue="1" highValue="5" missingValueReplacement="2"`) + c(""), 5.5, 1, 2},
		{plain + colours, x(` outliers="asMissingValues" lowValue="1" highValue="5" missingValueReplacement="2"`) + c(""), 5, 1, 5},
		{spans + colours, x("") + c(""), 0, 1, 0},
		{spans + colours, x("") + c(""), 10, 1, nan},
		{spans + colours, x("") + c(""), -5, 1, -5},
		{spans + colours, x(` invalidValueTreatment="asMissing" missingValueReplacement="4"`) + c(""), 10, 1, 4},
		{spans + colours, x(` missingValueReplacement="4"`) + c(""), -9, 1, 4},
		{barred + colours, x("") + c(""), 3, 1, nan},
		{barred + colours, x("") + c(""), 3.5, 1, 3.5},
	} {
		e := loadText(t, schemaDocument(test.dictionary, test.schema))
		if got := e.Raw([]float64{test.x, test.c}); got != test.want && (got == got || test.want == test.want) {
			t.Errorf("x %v, c %v with %s score %v, want %v", test.x, test.c, test.schema, got, test.want)
		}
	}
}

func regressionDocument(function, target, method, tables string) string {
	return `<PMML version="4.4"><DataDictionary><DataField name="y" ` + target + `</DataField>
<DataField name="x" optype="continuous" dataType="double"/><DataField name="z" optype="continuous" dataType="double"/></DataDictionary>
<RegressionModel functionName="` + function + `"` + method + `><MiningSchema><MiningField name="y" usageType="target"/><MiningField name="x"/><MiningField name="z"/></MiningSchema>` +
		tables + `</RegressionModel></PMML>`
}

func TestPMMLRegressionsNormalizeAsTheirMethodsSay(t *testing.T) {
	t.Parallel()
	const sum = `intercept="-0.5"><NumericPredictor name="x" coefficient="0.25"/><NumericPredictor name="z" coefficient="2" exponent="3"/>` +
		`<PredictorTerm coefficient="0.125"><FieldRef field="x"/><FieldRef field="z"/></PredictorTerm></RegressionTable>`
	const number = `optype="continuous" dataType="double">`
	const classes = `optype="categorical" dataType="string"><Value value="stay"/><Value value="go"/>`
	const yes = `optype="categorical" dataType="string"><Value value="Yes"/><Value value="no"/>`
	x, z := 1.5, -0.75
	y := -0.5 + 0.25*x + 2*z*z*z + 0.125*x*z
	logit := 1 / (1 + math.Exp(-y))
	for _, c := range []struct {
		function, target, method, tables string
		want                             float64
		label                            string
	}{
		{"regression", number, "", "<RegressionTable " + sum, y, ""},
		{"regression", number, "none", "<RegressionTable " + sum, y, ""},
		{"regression", number, "logit", "<RegressionTable " + sum, logit, ""},
		{"regression", number, "softmax", "<RegressionTable " + sum, logit, ""},
		{"regression", number, "exp", "<RegressionTable " + sum, math.Exp(y), ""},
		{"regression", number, "probit", "<RegressionTable " + sum, math.Erfc(-y/math.Sqrt2) / 2, ""},
		{"regression", number, "cloglog", "<RegressionTable " + sum, 1 - math.Exp(-math.Exp(y)), ""},
		{"regression", number, "loglog", "<RegressionTable " + sum, math.Exp(-math.Exp(-y)), ""},
		{"regression", number, "cauchit", "<RegressionTable " + sum, 0.5 + math.Atan(y)/math.Pi, ""},
		{"classification", classes, "logit", `<RegressionTable targetCategory="go" ` + sum + `<RegressionTable targetCategory="stay" intercept="0"/>`, logit, "go"},
		{"classification", classes, "logit", `<RegressionTable targetCategory="stay" ` + sum + `<RegressionTable targetCategory="go" intercept="0"/>`, 1 - logit, "go"},
		{"classification", yes, "logit", `<RegressionTable targetCategory="Yes" ` + sum + `<RegressionTable targetCategory="no" intercept="0"/>`, logit, "Yes"},
		{"classification", yes, "softmax", `<RegressionTable targetCategory="Yes" ` + sum + `<RegressionTable targetCategory="no" intercept="0.5"/>`, 1 / (1 + math.Exp(0.5-y)), "Yes"},
		{"classification", classes, "probit", `<RegressionTable targetCategory="stay" ` + sum + `<RegressionTable targetCategory="go" intercept="0"/>`, math.Erfc(y/math.Sqrt2) / 2, "go"},
		{"classification", classes, "cloglog", `<RegressionTable targetCategory="stay" ` + sum + `<RegressionTable targetCategory="go" intercept="0"/>`, math.Exp(-math.Exp(y)), "go"},
		{"classification", classes, "loglog", `<RegressionTable targetCategory="stay" ` + sum + `<RegressionTable targetCategory="go" intercept="0"/>`, 1 - math.Exp(-math.Exp(-y)), "go"},
		{"classification", classes, "cauchit", `<RegressionTable targetCategory="stay" ` + sum + `<RegressionTable targetCategory="go" intercept="0"/>`, 0.5 - math.Atan(y)/math.Pi, "go"},
		{"classification", classes, "none", `<RegressionTable targetCategory="stay" ` + sum + `<RegressionTable targetCategory="go" intercept="0"/>`, 1, "go"}, // 1-y is above
		{"classification", classes, "none", `<RegressionTable targetCategory="go" intercept="0.25"><NumericPredictor name="x" coefficient="0.25"/><NumericPredictor name="z" coefficient="0.5"/></RegressionTable><RegressionTable targetCategory="stay" intercept="0"/>`, 0.25, "go"},
		{"classification", classes, "exp", `<RegressionTable targetCategory="go" ` + sum + `<RegressionTable targetCategory="stay" intercept="0"/>`, math.Exp(y), "go"},
	} {
		method := ""
		if c.method != "" {
			method = ` normalizationMethod="` + c.method + `"`
		}
		e := loadText(t, regressionDocument(c.function, c.target, method, c.tables))
		if got := e.Transform(e.Raw([]float64{x, z})); math.Abs(got-c.want) > 1e-15 {
			t.Errorf("%s %s: %v, want %v", c.function, c.method, got, c.want)
		}
		if c.label != "" && (len(e.Labels) != 1 || e.Labels[0] != c.label || !e.Probability()) {
			t.Errorf("%s %s: labels %v", c.function, c.method, e.Labels)
		}
		if got := e.Raw([]float64{math.NaN(), z}); got == got {
			t.Errorf("%s %s: a missing number scores %v", c.function, c.method, got)
		}
	}
	const three = `optype="categorical" dataType="string"><Value value="a"/><Value value="b"/><Value value="c"/>`
	const tables = `<RegressionTable targetCategory="b" ` + sum + `<RegressionTable targetCategory="a" intercept="1"/><RegressionTable targetCategory="c" intercept="0"><NumericPredictor name="x" coefficient="0.5"/></RegressionTable>`
	sums := []float64{1, y, 0.5 * x}
	var soft, total float64
	for _, s := range sums {
		soft += math.Exp(s)
		total += s
	}
	for method, want := range map[string]func(s float64) float64{
		"softmax": func(s float64) float64 { return math.Exp(s) / soft }, "simplemax": func(s float64) float64 { return s / total },
	} {
		e := loadText(t, regressionDocument("classification", three, ` normalizationMethod="`+method+`"`, tables))
		got := make([]float64, 3)
		e.RawInto(got, []float64{x, z})
		e.TransformInto(got, got)
		for k, s := range sums {
			if math.Abs(got[k]-want(s)) > 1e-15 {
				t.Errorf("%s: class %d is %v, want %v", method, k, got[k], want(s))
			}
		}
		if strings.Join(e.Labels, "") != "abc" {
			t.Errorf("%s: labels %v", method, e.Labels)
		}
	}
}

func TestPMMLErrorsNameTheElementAndItsLine(t *testing.T) {
	t.Parallel()
	good := string(sample(t, "pmml_logit.xml"))
	change := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("no %q to change", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	for _, c := range []struct {
		text, says  string
		unsupported bool
	}{
		{change(`version="4.4"`, `version="5.0"`), "PMML in line 6: the version is none of 3.2", true},
		{change(`coefficient="0.8"`, `coefficient="0.8x"`), "NumericPredictor in line 38: coefficient is not a finite number", false},
		{change(`name="log_fee" coefficient`, `name="lag_fee" coefficient`), "NumericPredictor in line 38: there is no field of the name", false},
		{change(`<FieldRef field="fee"/></Apply>`, `<FieldRef field="log_fee"/></Apply>`), "derived from itself", false},
		{change(`function="ln"`, `function="lgamma"`), "Apply in line 16: a function of 1 operands that is none of * + -", true},
		{change(`normalizationMethod="logit"`, `normalizationMethod="logits"`), "the normalizationMethod is none of none, simplemax", true},
		{change(`field="calls" mapMissingTo`, `field="plan" mapMissingTo`), "the field holds texts", false},
		{change(`targetCategory="no"`, `targetCategory="yes"`), "the targetCategory is missing, or stands twice", false},
		{change(`</RegressionModel>`, `</RegressionModel><TreeModel/>`), "this is the second model", true},
		{change(`<RegressionModel `, `<NeuralNetwork `), "ends that did not begin", false},
		{strings.ReplaceAll(good, `RegressionModel`, `NeuralNetwork`), "NeuralNetwork in line 25: this is none of RegressionModel", true},
		{change(`<?xml version="1.0" encoding="UTF-8"?>`, `<!DOCTYPE PMML [<!ENTITY a "aaaa">]>`), "line 1: a document type or an entity is declared", false},
		{change(`dataType="integer"`, `dataType="date"`), "the field it names has a dataType", true},
		{change(`optype="continuous" dataType="double"/>`, `optype="continuous" dataType="double">`), "ends that did not begin", false},
		{good[:2000], "cut short", false},
		{change("churn, logistic", "churn \xff"), "not UTF-8", false},
		{change("&amp;", "&nbsp;"), "an entity is none of XML's own", false},
		{change(`<MiningField name="calls"/>`, ``), "is not among the active ones", false},
		{change(`<MiningField name="calls"/>`, `<MiningField name="calls"/><MiningField name="fee"/>`), "stands twice", false},
		{`<html><PMML></html>`, "ends that did not begin", false},
		{`<html></html>`, "an XML or HTML document, and no PMML", true},
	} {
		_, err := Load([]byte(c.text))
		want := ErrMalformed
		if c.unsupported {
			want = ErrUnsupported
		}
		if err == nil || !strings.Contains(err.Error(), c.says) || !errors.Is(err, want) {
			t.Errorf("error %.300v\nwant one saying %q", err, c.says)
		}
	}
}
