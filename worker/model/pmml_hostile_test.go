package model

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// seedsOfPMML are documents of every kind, with and without results to be verified.
func seedsOfPMML(t testing.TB) [][]byte {
	list := samples(t, ".xml", 3)
	for _, data := range list {
		at, past := bytes.Index(data, []byte("<ModelVerification")), bytes.Index(data, []byte("</ModelVerification>"))
		list = append(list, slices.Concat(data[:at], data[past+len("</ModelVerification>"):]))
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range 20 {
		list = append(list, []byte(randomTree(r).text()))
	}
	boosted := segmented("modelChain", inner("", output("s"), segmented("sum", stump(1, 0.25, 1), stump(2, -0.5, 0.125))),
		`<RegressionModel functionName="classification" normalizationMethod="softmax"><MiningSchema><MiningField name="s"/></MiningSchema>`+
			`<RegressionTable intercept="0" targetCategory="a"><NumericPredictor name="s" coefficient="1"/></RegressionTable><RegressionTable intercept="0" targetCategory="b"/><RegressionTable intercept="1" targetCategory="c"/></RegressionModel>`)
	return append(list, []byte(miningDocument("classification", "", boosted)),
		[]byte(expressionDocument(`<DerivedField name="d" optype="continuous" dataType="double"><Apply function="if" mapMissingTo="3"><Apply function="isIn"><FieldRef field="c"/><Constant>red</Constant></Apply>`+
			`<NormContinuous field="x" outliers="asExtremeValues"><LinearNorm orig="0" norm="1"/><LinearNorm orig="2" norm="5"/></NormContinuous>`+
			`<MapValues outputColumn="o"><FieldColumnPair field="c" column="a"/><InlineTable><row><a>red</a><o>11</o></row></InlineTable></MapValues></Apply></DerivedField>`)))
}

var (
	attributeValue = regexp.MustCompile(`"[^"<>]*"`)
	anElement      = regexp.MustCompile(`<[A-Za-z][^<>]*/>`)
)

// exchange puts in the place of a value, or of an element, one of another document: so
// more mutants are read to the end than of those whose bytes are changed.
func exchange(r *rand.Rand, data, other []byte, at int) []byte {
	kind := attributeValue
	if r.IntN(3) == 0 {
		kind = anElement
	}
	to, from := kind.FindIndex(data[at:]), kind.Find(other[r.IntN(len(other)):])
	if to == nil || from == nil {
		return data
	}
	return slices.Replace(data, at+to[0], at+to[1], slices.Clone(from)...)
}

func giantsOfPMML() []giant {
	tree := func(attributes string) (head, foot string) {
		return testHead + `<TreeModel functionName="regression"` + attributes + `><MiningSchema><MiningField name="x0"/><MiningField name="x3"/></MiningSchema><Node score="1"><True/>`, `</Node></TreeModel></PMML>`
	}
	head, foot := tree("")
	lastHead, lastFoot := tree(` missingValueStrategy="lastPrediction" noTrueChildStrategy="returnLastPrediction"`)
	deep := head
	var chain strings.Builder // a tree as deep as can be, again and again
	chain.WriteString(testHead + `<MiningModel functionName="regression"><MiningSchema><MiningField name="x0"/></MiningSchema><Segmentation multipleModelMethod="sum">`)
	const levels = 900
	for chain.Len() < 8<<20 {
		chain.WriteString(`<Segment><True/><TreeModel functionName="regression" noTrueChildStrategy="returnLastPrediction"><MiningSchema><MiningField name="x0"/></MiningSchema><Node score="1"><True/>`)
		for i := range levels {
			fmt.Fprintf(&chain, `<Node score="%d"><SimplePredicate field="x0" operator="lessThan" value="%d"/>`, i, levels-i)
		}
		chain.WriteString(strings.Repeat("</Node>", levels) + `</Node></TreeModel></Segment>`)
	}
	chain.WriteString(`</Segmentation></MiningModel></PMML>`)
	var wide strings.Builder // a node with as many children as can be, and a missing value after each
	wide.WriteString(lastHead)
	for i := range predicatesMax {
		fmt.Fprintf(&wide, `<Node score="%d"><SimplePredicate field="x0" operator="lessThan" value="%d"/></Node>`, i, i)
	}
	wide.WriteString(lastFoot)
	derived := func(n int) []byte {
		var s strings.Builder
		for i := range n {
			fmt.Fprintf(&s, `<DerivedField name="d%d" optype="continuous" dataType="double"><Apply function="+"><FieldRef field="d%d"/><Constant>1</Constant></Apply></DerivedField>`, i, i+1)
		}
		return []byte(expressionDocument(strings.Replace(s.String(), `name="d0"`, `name="d"`, 1) + `<DerivedField name="d` + fmt.Sprint(n) + `" optype="continuous" dataType="double"><FieldRef field="x"/></DerivedField>`))
	}
	regression := `<PMML version="4.4"><DataDictionary><DataField name="x" dataType="double"/><DataField name="y" dataType="double"/></DataDictionary><RegressionModel functionName="regression"><MiningSchema><MiningField name="x"/></MiningSchema><RegressionTable intercept="0">`
	return []giant{
		{"small elements", fill("<PMML>", "<a/>", "</PMML>"), false},
		{"deep elements", fill("<PMML>", "<a>", ""), false},
		{"a long comment", fill("<PMML><!--", "<a", "--></PMML>"), false},
		{"a long attribute", fill(`<PMML version="`, "a", `"/>`), false},
		{"many attributes", fill(`<PMML`, ` a="b"`, `/>`), false},
		{"many fields", fill(`<PMML version="4.4"><DataDictionary>`, `<DataField name="x" dataType="string"/>`, `</DataDictionary></PMML>`), false},
		{"many values", fill(testHead[:strings.Index(testHead, `<Value`)], `<Value value="z"/>`, testHead[strings.Index(testHead, `<Value`):]+"</PMML>"), false},
		{"many leaves", fill(head, `<Node score="1"><False/></Node>`, foot), false},
		{"many small trees", fill(testHead+`<MiningModel functionName="regression"><MiningSchema><MiningField name="x0"/></MiningSchema><Segmentation multipleModelMethod="sum">`,
			`<Segment><True/><TreeModel functionName="regression"><MiningSchema/><Node score="1"><True/></Node></TreeModel></Segment>`, `</Segmentation></MiningModel></PMML>`), true},
		{"many averaged trees", fill(testHead+`<MiningModel functionName="regression"><MiningSchema><MiningField name="x0"/></MiningSchema><Segmentation multipleModelMethod="average">`,
			`<Segment><True/><TreeModel functionName="regression"><MiningSchema/><Node score="1"><True/></Node></TreeModel></Segment>`, `</Segmentation></MiningModel></PMML>`), true},
		{"sets of the last of many categories", manySets(head, foot), false},
		{"deep trees", []byte(chain.String()), true},
		{"too deep a tree", []byte(deep + strings.Repeat(`<Node score="1"><True/>`, 1100)), false},
		{"a wide node", []byte(wide.String()), true},
		{"a large set", fill(strings.Replace(head, `<True/>`, ``, 1)+`<SimpleSetPredicate field="x0" booleanOperator="isIn"><Array>`, "1 ", `</Array></SimpleSetPredicate>`+foot), false},
		{"many predictors", fill(regression, `<NumericPredictor name="x" coefficient="1"/>`, `</RegressionTable></RegressionModel></PMML>`), true},
		{"many categories", fill(regression, `<CategoricalPredictor name="x" value="1" coefficient="1"/>`, `</RegressionTable></RegressionModel></PMML>`), true},
		{"a long product", fill(regression+`<PredictorTerm coefficient="1">`, `<FieldRef field="x"/>`, `</PredictorTerm></RegressionTable></RegressionModel></PMML>`), false},
		{"derived in a row", derived(derivedDepthMax/3 - 2), true},
		{"derived from too many", derived(4000), false},
		{"rows to verify", fill(regression+`</RegressionTable><ModelVerification><VerificationFields><VerificationField field="x"/></VerificationFields><InlineTable>`, `<row><x>1</x></row>`, `</InlineTable></ModelVerification></RegressionModel></PMML>`), true},
	}
}

// manySets is a tree whose sets each reach to the last of many categories.
func manySets(head, foot string) []byte {
	var values, nodes strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&values, `<Value value="v%d"/>`, i)
	}
	for range 4000 {
		nodes.WriteString(`<Node score="1"><SimplePredicate field="x3" operator="equal" value="v199990"/><Node score="2"><SimplePredicate field="x0" operator="isMissing"/></Node></Node>`)
	}
	return []byte(strings.Replace(head, `<Value value="red"/>`, `<Value value="red"/>`+values.String(), 1) + nodes.String() + foot)
}
