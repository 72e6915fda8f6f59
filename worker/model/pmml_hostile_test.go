package model

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// soundPMML proves that bytes are refused with an error that helps, or give a model
// whose every walk ends in a leaf. A row may have no score.
func soundPMML(t testing.TB, data []byte) (accepted bool) {
	t.Helper()
	e, err := Load(data)
	if err != nil {
		var typed *Error
		if e != nil || !errors.As(err, &typed) || typed.Problem == "" || typed.Remedy == "" || errors.Is(err, ErrMalformed) == errors.Is(err, ErrUnsupported) || len(err.Error()) > 2500 {
			t.Fatalf("refused with %v and model %v:\n%q", err, e, data)
		}
		return false
	}
	if e.Library != "PMML" {
		return false // a mutant of a mutant
	}
	for k := range e.Trees() {
		tree := e.Tree(k)
		check := topology{seen: make([]bool, 2*len(tree.Leaf)), queue: make([]int32, 0, len(tree.Leaf))}
		if err := check.prove(k, tree.Left, tree.Right); err != nil {
			t.Fatalf("%v:\n%q", err, data)
		}
		for i, f := range tree.Feature {
			if f < 0 || int(f) >= e.Columns() || tree.Decision[i].Categorical() && int(tree.Threshold[i]) >= len(tree.Bound)-1 {
				t.Fatalf("tree %d, node %d asks for column %d of %d:\n%q", k, i, f, e.Columns(), data)
			}
		}
	}
	raw := make([]float64, e.Classes)
	row := make([]float64, len(e.Features))
	for _, x := range []float64{math.NaN(), 0, math.Inf(1), -3.5, 1, 1e300} {
		for i := range row {
			row[i] = x
		}
		e.RawInto(raw, row)
		e.TransformInto(raw, raw)
	}
	if len(e.Ranges) != len(e.Features) || e.Iterations() < 0 || len(e.Labels) > 0 && len(e.Labels) != e.Classes {
		t.Fatalf("%d ranges, %d features, labels %v, %d classes", len(e.Ranges), len(e.Features), e.Labels, e.Classes)
	}
	return true
}

// seedsPMML are documents of every kind, with and without results to be verified.
func seedsPMML(t testing.TB) [][]byte {
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

// pools are what a mutant's values and elements are changed for: those of all
// documents, and values that hurt.
type pools struct{ values, elements [][]byte }

func newPools(list [][]byte) pools {
	var p pools
	for _, text := range []string{`""`, `"-1"`, `"1e999"`, `"NaN"`, `"1e308"`, `"&#0;"`, `"&lt;"`, `"true"`, `"x"`, `"isMissing"`, `"surrogate"`, `"xor"`, `"modelChain"`, `"float"`, `"string"`, `"asMissing"`, `"0"`, `"d"`, `"s"`} {
		for range 20 {
			p.values = append(p.values, []byte(text))
		}
	}
	for _, data := range list {
		p.values = append(p.values, attributeValue.FindAll(data, -1)...)
		p.elements = append(p.elements, anElement.FindAll(data, -1)...)
	}
	return p
}

// mutate changes values and elements for others of the documents, so that more mutants
// are read to the end than of those whose bytes are changed.
func (p pools) mutate(r *rand.Rand, data []byte) []byte {
	out := slices.Clone(data)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(out))
		kind, pool := attributeValue, p.values
		if r.IntN(3) == 0 {
			kind, pool = anElement, p.elements
		}
		if r.IntN(8) == 0 {
			out[at] = byte(r.IntN(256))
		} else if place := kind.FindIndex(out[at:]); place != nil {
			out = slices.Replace(out, at+place[0], at+place[1], pool[r.IntN(len(pool))]...)
		}
	}
	return out
}

func TestMutantsOfPMMLAreRefusedOrSound(t *testing.T) {
	t.Parallel()
	mutants := 20_000
	if os.Getenv("RESCORE_LONG") != "" {
		mutants = 400_000
	}
	list := seedsPMML(t)
	pools := newPools(list)
	r := rand.New(rand.NewPCG(20, 44))
	accepted := 0
	for range mutants {
		if soundPMML(t, pools.mutate(r, list[r.IntN(len(list))])) {
			accepted++
		}
	}
	if accepted < mutants/100 || accepted > mutants*9/10 {
		t.Errorf("%d of %d mutants accepted: the test proves little", accepted, mutants)
	}
	t.Logf("%d mutants, %d of them sound models", mutants, accepted)
}

// Not parallel: allocations are counted.
func TestMemoryOfPMMLIsBoundedByTheFile(t *testing.T) {
	const size = 16 << 20
	fill := func(prefix, unit, suffix string) []byte {
		return []byte(prefix + strings.Repeat(unit, (size-len(prefix)-len(suffix))/len(unit)) + suffix)
	}
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
	for _, c := range []struct {
		name  string
		data  []byte
		sound bool
	}{
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
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		_, err := Load(c.data)
		runtime.ReadMemStats(&after)
		if (err == nil) != c.sound {
			t.Errorf("%s: error %.300v", c.name, err)
		}
		used, most := after.TotalAlloc-before.TotalAlloc, uint64(2*len(c.data)+64<<20)
		if used > most {
			t.Errorf("%s: %d MiB allocated for a file of %d MiB, want %d at most", c.name, used>>20, len(c.data)>>20, most>>20)
		} else {
			t.Logf("%s: %d MiB allocated for a file of %d MiB", c.name, used>>20, len(c.data)>>20)
		}
	}
}
