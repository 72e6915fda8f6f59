package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// A random TreeModel, and its evaluation from the standard's text: a row at a time,
// with predicates that are true, false or unknown. It shares no code with the loader.

type truth int

const (
	isFalse   truth = 0
	isTrue    truth = 1
	isUnknown truth = 2
)

type testPredicate struct {
	kind  string // True, False, Simple, Set, Compound
	field int
	op    string
	value float64 // of a number, or a text's code
	list  []float64
	parts []testPredicate
}

type testNode struct {
	id        int
	predicate testPredicate
	score     float64 // NaN for none
	byDefault int
	children  []testNode
}

type testTree struct {
	root            testNode
	missing, noTrue string
	replace         bool // x1 has a missingValueReplacement of 2
}

// Fields of the test: x0 and x1 doubles, x2 a float, x3 a text of four values that are
// all valid, x4 a text whose others pass as they are.
const testFields = 5

func testText(code float64) string { return []string{"red", "dark green", `"blue"`, "a&b"}[int(code)] }

func testValue(r *rand.Rand, field int) float64 {
	switch {
	case field >= 3:
		return float64(r.IntN(4))
	case field == 2:
		return float64(r.IntN(6)) * 0.1
	}
	return float64(r.IntN(5))
}

func randomPredicate(r *rand.Rand, depth int) testPredicate {
	p := testPredicate{kind: "Simple", field: r.IntN(testFields)}
	switch k := r.IntN(20); {
	case k == 0:
		return testPredicate{kind: "True"}
	case k == 1:
		return testPredicate{kind: "False"}
	case k < 5 && depth > 0:
		p = testPredicate{kind: "Compound", op: []string{"and", "or", "xor", "surrogate"}[r.IntN(4)]}
		for range 2 + r.IntN(2) {
			p.parts = append(p.parts, randomPredicate(r, depth-1))
		}
	case k < 9:
		p.kind, p.op = "Set", []string{"isIn", "isNotIn"}[r.IntN(2)]
		for range r.IntN(4) {
			p.list = append(p.list, testValue(r, p.field))
		}
	case k < 11:
		p.op = []string{"isMissing", "isNotMissing"}[r.IntN(2)]
	case p.field >= 3:
		p.op, p.value = []string{"equal", "notEqual"}[r.IntN(2)], testValue(r, p.field)
	default:
		p.op = []string{"equal", "notEqual", "lessThan", "lessOrEqual", "greaterThan", "greaterOrEqual"}[r.IntN(6)]
		p.value = testValue(r, p.field)
	}
	return p
}

func randomNode(r *rand.Rand, depth int, id *int, t *testTree) testNode {
	*id++
	n := testNode{id: *id, predicate: randomPredicate(r, 2), score: float64(r.IntN(1000)) / 8}
	if depth > 0 {
		if r.IntN(8) == 0 {
			n.score = math.NaN()
		}
		if r.IntN(2) == 0 && len(n.children) == 0 { // as most trees are: a question and its contrary
			a, b := randomNode(r, depth-1, id, t), randomNode(r, depth-1, id, t)
			p := testPredicate{kind: "Simple", field: r.IntN(3), op: "lessThan", value: testValue(r, 0)}
			a.predicate = p
			p.op = "greaterOrEqual"
			b.predicate = p
			n.children = []testNode{a, b}
		} else {
			for range r.IntN(4) {
				n.children = append(n.children, randomNode(r, depth-1, id, t))
			}
		}
	}
	if len(n.children) > 0 {
		n.byDefault = r.IntN(len(n.children))
	}
	return n
}

func randomTree(r *rand.Rand) testTree {
	t := testTree{
		missing: []string{"", "none", "lastPrediction", "nullPrediction", "defaultChild"}[r.IntN(5)],
		noTrue:  []string{"", "returnNullPrediction", "returnLastPrediction"}[r.IntN(3)],
		replace: r.IntN(3) == 0,
	}
	id := 0
	t.root = randomNode(r, 1+r.IntN(4), &id, &t)
	if r.IntN(4) > 0 {
		t.root.predicate = testPredicate{kind: "True"}
	}
	return t
}

func escaped(text string) string {
	return strings.NewReplacer("&", "&amp;", `"`, "&quot;", "<", "&lt;").Replace(text)
}

func (p testPredicate) literal(x float64) string {
	if p.field >= 3 {
		return testText(x)
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

func (p testPredicate) write(w *strings.Builder) {
	name := []string{"x0", "x1", "x2", "x3", "x4"}[p.field]
	switch p.kind {
	case "True", "False":
		fmt.Fprintf(w, "<%s/>", p.kind)
	case "Simple":
		fmt.Fprintf(w, `<SimplePredicate field="%s" operator="%s"`, name, p.op)
		if !strings.Contains(p.op, "Missing") {
			fmt.Fprintf(w, ` value="%s"`, escaped(p.literal(p.value)))
		}
		w.WriteString("/>")
	case "Set":
		fmt.Fprintf(w, `<SimpleSetPredicate field="%s" booleanOperator="%s"><Array type="string" n="%d">`, name, p.op, len(p.list))
		for _, x := range p.list {
			fmt.Fprintf(w, ` "%s"`, strings.ReplaceAll(strings.ReplaceAll(p.literal(x), `"`, `\"`), "&", "&amp;"))
		}
		w.WriteString("</Array></SimpleSetPredicate>")
	case "Compound":
		fmt.Fprintf(w, `<CompoundPredicate booleanOperator="%s">`, p.op)
		for _, part := range p.parts {
			part.write(w)
		}
		w.WriteString("</CompoundPredicate>")
	}
}

func (n testNode) write(w *strings.Builder) {
	fmt.Fprintf(w, `<Node id="%d"`, n.id)
	if n.score == n.score {
		fmt.Fprintf(w, ` score="%v"`, n.score)
	}
	if len(n.children) > 0 {
		fmt.Fprintf(w, ` defaultChild="%d"`, n.children[n.byDefault].id)
	}
	w.WriteString(">")
	n.predicate.write(w)
	for _, c := range n.children {
		c.write(w)
	}
	w.WriteString("</Node>\n")
}

const testHead = `<?xml version="1.0"?>
<PMML version="4.4" xmlns="http://www.dmg.org/PMML-4_4"><Header/><DataDictionary>
<DataField name="y" optype="continuous" dataType="double"/>
<DataField name="x0" optype="continuous" dataType="double"/>
<DataField name="x1" optype="continuous" dataType="double"/>
<DataField name="x2" optype="continuous" dataType="float"/>
<DataField name="x3" optype="categorical" dataType="string"><Value value="red"/><Value value="dark green"/><Value value="&quot;blue&quot;"/><Value value="a&amp;b"/></DataField>
<DataField name="x4" optype="categorical" dataType="string"><Value value="red"/><Value value="dark green"/><Value value="&quot;blue&quot;"/><Value value="a&amp;b"/></DataField>
</DataDictionary>
`

func (t testTree) text() string {
	var w strings.Builder
	w.WriteString(testHead + `<TreeModel functionName="regression"`)
	if t.missing != "" {
		fmt.Fprintf(&w, ` missingValueStrategy="%s"`, t.missing)
	}
	if t.noTrue != "" {
		fmt.Fprintf(&w, ` noTrueChildStrategy="%s"`, t.noTrue)
	}
	w.WriteString(`><MiningSchema><MiningField name="y" usageType="target"/><MiningField name="x0"/><MiningField name="x1"`)
	if t.replace {
		w.WriteString(` missingValueReplacement="2"`)
	}
	w.WriteString(`/><MiningField name="x2"/><MiningField name="x3"/><MiningField name="x4" invalidValueTreatment="asIs"/></MiningSchema>` + "\n")
	t.root.write(&w)
	w.WriteString("</TreeModel></PMML>\n")
	return w.String()
}

func certain(yes bool) truth {
	if yes {
		return isTrue
	}
	return isFalse
}

func (p testPredicate) holds(row []float64) truth {
	x := row[p.field]
	value := func(v float64) float64 {
		if p.field == 2 { // floats are compared as floats
			return float64(float32(v))
		}
		return v
	}
	if p.field == 2 {
		x = float64(float32(x))
	}
	switch p.kind {
	case "True":
		return isTrue
	case "False":
		return isFalse
	case "Simple":
		switch p.op {
		case "isMissing":
			return certain(x != x)
		case "isNotMissing":
			return certain(x == x)
		}
		if x != x {
			return isUnknown
		}
		v := value(p.value)
		return certain(map[string]bool{"equal": x == v, "notEqual": x != v, "lessThan": x < v, "lessOrEqual": x <= v, "greaterThan": x > v, "greaterOrEqual": x >= v}[p.op])
	case "Set":
		if x != x {
			return isUnknown
		}
		in := false
		for _, v := range p.list {
			in = in || x == value(v)
		}
		return certain(in == (p.op == "isIn"))
	}
	count := map[truth]int{}
	for _, part := range p.parts {
		h := part.holds(row)
		if p.op == "surrogate" && h != isUnknown {
			return h
		}
		count[h]++
	}
	switch {
	case p.op == "and" && count[isFalse] > 0:
		return isFalse
	case p.op == "or" && count[isTrue] > 0:
		return isTrue
	case count[isUnknown] > 0:
		return isUnknown
	case p.op == "xor":
		return certain(count[isTrue]%2 == 1)
	}
	return certain(p.op == "and")
}

// predict returns the score of a row, NaN when there is none.
func (t testTree) predict(row []float64) float64 {
	if t.replace && row[1] != row[1] {
		row = append([]float64(nil), row...)
		row[1] = 2
	}
	if row[3] == row[3] && row[3] < 0 {
		return math.NaN() // invalid
	}
	if t.root.predicate.holds(row) != isTrue {
		return math.NaN()
	}
	node := t.root
walk:
	for len(node.children) > 0 {
		for _, c := range node.children {
			switch c.predicate.holds(row) {
			case isFalse:
			case isTrue:
				node = c
				continue walk
			case isUnknown:
				switch t.missing {
				case "lastPrediction":
					return node.score
				case "nullPrediction":
					return math.NaN()
				case "defaultChild":
					node = node.children[node.byDefault]
					continue walk
				}
			}
		}
		if t.noTrue == "returnLastPrediction" {
			return node.score
		}
		return math.NaN()
	}
	return node.score
}

func TestRandomPMMLTreesEqualTheStandardsText(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(44, 1))
	trees, made, missing, rows := 2500, 0, 0, 0
	for range trees {
		tree := randomTree(r)
		text := tree.text()
		e, err := Load([]byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if e.Prepare != nil && e.Columns() > testFields+2 {
			made++
		}
		row := make([]float64, testFields)
		for range 400 {
			for f := range row {
				switch r.IntN(6) {
				case 0:
					row[f] = math.NaN()
				case 1:
					if row[f] = testValue(r, f) + 0.25; f >= 3 {
						row[f] = -1
					}
				default:
					row[f] = testValue(r, f)
				}
			}
			got, want := e.Raw(row), tree.predict(row)
			if want != want {
				missing++
			}
			rows++
			if got != want && (got == got || want == want) {
				t.Fatalf("row %v scores %v, want %v\n%s", row, got, want, text)
			}
		}
	}
	if made == 0 || missing < rows/50 || missing > rows*9/10 {
		t.Errorf("%d of %d trees ask for columns, %d of %d rows have no score: the test proves little", made, trees, missing, rows)
	}
	t.Logf("%d rows, %d without a score; %d of %d trees ask for columns", rows, missing, made, trees)
}
