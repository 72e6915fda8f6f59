package model

import (
	"fmt"
	"slices"
	"strings"

	"rescore/worker/transform"
)

// PMML reads a model in the Predictive Model Markup Language, versions 3.2 to 4.4. It
// keeps nothing of data. The error is an *Error, which names the element and its line.
//
// Everything becomes an Ensemble:
//
//	TreeModel, Scorecard        trees with two ways at each node; a Scorecard's
//	                            characteristics are trees whose values are added
//	RegressionModel             weights
//	MiningModel                 the trees and weights of its segments, where their
//	                            results are added, averaged, voted with, or chained
//	                            into a last regression that weighs them
//	MiningSchema, derived       steps of Ensemble.Prepare
//	fields
//
// # Texts
//
// A feature of texts is read as codes: the place of its value in the DataDictionary,
// from 0, as pandas has it. Ensemble.Pandas lists them. Truth values are 0 and 1.
//
// # Rows without a score
//
// A value that the DataDictionary does not list, or that lies outside its intervals,
// is invalid. Unless the MiningSchema treats it (invalidValueTreatment), the row has
// no score, which is NaN. So it has where a tree ends without a prediction, and where
// a regression meets a missing number.
//
// # One probability
//
// Of a target with two values, the prediction is the probability of the one that is
// 1, yes or true; where neither is, of the one that the DataDictionary lists second.
// Labels says which.
//
// # What is passed over
//
// A Scorecard's reason codes change no score: reasons are this program's own (package
// attribution). A field of integers takes fractions as they are. Confidences, and
// results other than the prediction and the probabilities, are not worked out.
//
// Sums begin with what is constant, and go on with the weights of the given columns,
// then those of the derived ones. An evaluator that adds in another order may differ
// in the last digits. The rows of a ModelVerification are scored, and a model that
// differs by more than they allow is refused.
func PMML(data []byte) (*Ensemble, error) {
	format, err := recognise(data)
	if err != nil {
		return nil, err
	}
	if format != pmmlFormat {
		return nil, notThis(format)
	}
	doc, fault := newDocument(data)
	if fault != nil {
		line := 1 + strings.Count(string(data[:fault.offset]), "\n")
		e := malformed(Header, fmt.Sprintf("line %d", line), "%s", fault.problem)
		e.Format, e.Remedy = pmmlFormat, pmmlAgain
		return nil, e
	}
	p := &pmml{
		doc: doc, e: &Ensemble{Library: "PMML", Classes: 1, Sigmoid: 1, Best: -1, Link: Identity, spans: make([]span, 1)},
		nodesLeft: pmmlNodesMax + len(data)/32, wordsLeft: pmmlWordsMax + len(data)/32,
	}
	if err := p.read(); err != nil {
		return nil, err
	}
	return p.e, nil
}

const pmmlAgain = "the file is damaged or was edited: export it again"

// pmml is a document being read.
type pmml struct {
	doc      *document
	e        *Ensemble
	data     map[string]*pmmlData
	features []*pmmlData
	target   string
	values   []string       // of the target, of a classification
	class    map[string]int // of each label
	depth    int            // of what is being computed

	steps        *transform.Builder
	derivedTexts space
	checked      []transform.Operand // whose invalid values have no score
	domains      []transform.Domain  // of these
	refused      []transform.Operand // above 0 where there is no score

	grower    grower // of the tree being read
	float     bool   // sums are in float32 (x-mathContext)
	weights   []pmmlWeight
	total     []float64
	nodesLeft int
	wordsLeft int
	uncovered bool    // a leaf has no recordCount
	model     element // the outermost
	outputs   []element
	work      int // how many fields may still be entered in scopes, and texts turned into others
}

type pmmlWeight struct {
	column, class int
	weight        float64
}

// bad is the error that an element is not what it should be.
func (p *pmml) bad(at element, format string, args ...any) error {
	e := malformed(Header, p.place(at), format, args...)
	e.Format, e.Remedy = pmmlFormat, pmmlAgain
	return e
}

// refuse is the error that an element is of a kind that is not supported.
func (p *pmml) refuse(at element, format string, args ...any) error {
	e := unsupported(Header, p.place(at), format, args...)
	e.Format = pmmlFormat
	return e
}

func (p *pmml) place(at element) string {
	if !at.exists() {
		at = p.doc.root()
	}
	return fmt.Sprintf("%s in line %d", printable([]byte(at.name())), at.line())
}

// each visits the children of an element until there is an error.
func (p *pmml) each(at element, visit func(element) error) (err error) {
	at.children(func(c element) bool {
		err = visit(c)
		return err == nil
	})
	return err
}

// skippable refuses an element unless it is of a name that means nothing here.
func (p *pmml) skippable(at element, name string) error {
	if at.is(name) {
		return nil
	}
	return p.bad(at, "it does not belong here")
}

var pmmlVersions = []string{"3.2", "4.0", "4.1", "4.2", "4.2.1", "4.3", "4.4", "4.4.1"}

func (p *pmml) read() error {
	root := p.doc.root()
	if !root.is("PMML") {
		return p.bad(root, "the outermost element is not PMML")
	}
	if p.e.Version = root.attribute("version"); !slices.Contains(pmmlVersions, p.e.Version) {
		return p.refuse(root, "the version is none of %s", strings.Join(pmmlVersions, ", "))
	}
	dictionary, derived, model := none, none, none
	if err := p.each(root, func(c element) error {
		into := &model
		switch c.name() {
		case "Header", "MiningBuildTask":
			return nil
		case "DataDictionary":
			into = &dictionary
		case "TransformationDictionary":
			into = &derived
		case "TreeModel", "RegressionModel", "MiningModel", "Scorecard":
			if model.exists() {
				return p.refuse(c, "this is the second model of the document")
			}
		default:
			return p.refuse(c, "this is none of RegressionModel, TreeModel, MiningModel and Scorecard")
		}
		if into.exists() {
			return p.bad(c, "it stands twice")
		}
		*into = c
		return nil
	}); err != nil {
		return err
	}
	if !dictionary.exists() || !model.exists() {
		return p.bad(root, "it has no DataDictionary, or no model")
	}
	if err := p.readDictionary(dictionary); err != nil {
		return err
	}
	s, err := p.readSchema(model, nil)
	if err != nil {
		return err
	}
	if err := p.declare(derived, s); err != nil {
		return err
	}
	p.model, p.work = model, 1<<22
	p.e.Objective = model.name() + " " + model.attribute("functionName")
	if err := p.outermost(model, s); err != nil {
		return err
	}
	return p.finish(model)
}

// finish freezes what was gathered.
func (p *pmml) finish(model element) error {
	e := p.e
	p.describe()
	if len(e.Features) == 0 {
		return p.bad(model, "the MiningSchema has no active field")
	}
	p.refuseRows()
	var err error
	if e.Prepare, err = p.steps.Program(); err != nil {
		return p.refuse(model, "what is derived takes more than %d columns", transform.ColumnsMax)
	}
	e.Single = p.float && len(p.weights) == 0
	if e.Single {
		for k := range e.Base {
			e.Base[k] = float64(float32(e.Base[k]))
		}
	}
	if len(p.weights) > 0 {
		size := e.Columns() * e.Classes
		if size > weightTablesMax {
			return p.refuse(model, "%d columns have weights for %d classes", e.Columns(), e.Classes)
		}
		e.Weight = make([]float64, size)
		for _, w := range p.weights {
			at := &e.Weight[w.column*e.Classes+w.class]
			if *at += w.weight; *at-*at != 0 {
				return p.bad(model, "the weights are so large that they overflow")
			}
		}
	}
	if e.round = max(1, e.Trees()); e.Average {
		e.round = e.Classes
	}
	if p.uncovered {
		e.nodeCover, e.leafCover = nil, nil
	}
	return p.verify()
}

// outermost reads the model itself.
func (p *pmml) outermost(at element, s *scope) error {
	if at.attribute("isScorable") == "false" {
		return p.refuse(at, "isScorable is false: the model is not meant for scoring")
	}
	if err := p.declare(at.child("LocalTransformations"), s); err != nil {
		return err
	}
	switch at.attribute("functionName") {
	case "regression":
		p.e.Base = make([]float64, 1)
		return p.regression(at, s)
	case "classification":
		return p.classification(at, s)
	}
	return p.refuse(at, "the functionName is neither regression nor classification")
}

// inner returns the scope of a segment's model.
func (p *pmml) inner(at element, around *scope) (*scope, error) {
	s, err := p.readSchema(at, around)
	if err != nil {
		return nil, err
	}
	if err := p.declare(at.child("LocalTransformations"), s); err != nil || !s.treated {
		return s, err
	}
	for outer := around; outer != nil; outer = outer.around {
		for name, f := range outer.fields {
			if f.derived.exists() && s.fields[name] == nil {
				s.fields[name] = &pmmlField{derived: f.derived, scope: s}
			}
		}
		if p.work -= len(outer.fields); p.work < 0 {
			return nil, p.refuse(at, "its fields are derived anew too often")
		}
	}
	return s, nil
}

// precise notes the precision of sums that a model asks for, where it has trees.
func (p *pmml) precise(at element) error {
	float := false
	switch at.attribute("x-mathContext") {
	case "", "double":
	case "float":
		float = true
	default:
		return p.refuse(at, "the x-mathContext is neither double nor float")
	}
	if len(p.e.class) > 0 && float != p.float {
		return p.refuse(at, "the trees differ in their x-mathContext")
	}
	p.float = float
	return nil
}

// labelled names the classes: the target's values in the order of the DataDictionary,
// and those that only the model names. Of two, the one that counts is the class.
func (p *pmml) labelled(at element, named []string) error {
	var labels []string
	if d := p.data[p.target]; d != nil {
		d.at.children(func(c element) bool {
			if c.is("Value") && (c.attribute("property") == "" || c.attribute("property") == "valid") {
				labels = append(labels, c.attribute("value"))
			}
			return len(labels) <= classesMax
		})
		if len(labels) == 0 && d.kind == "boolean" {
			labels = []string{"false", "true"}
		}
	}
	seen := make(map[string]bool)
	for _, label := range labels {
		seen[label] = true
	}
	for _, label := range named {
		if !seen[label] {
			seen[label] = true
			labels = append(labels, label)
		}
	}
	switch {
	case len(labels) < 2:
		return p.bad(at, "fewer than two values of the target are known")
	case len(labels) > classesMax:
		return p.refuse(at, "the target has more than %d values", classesMax)
	}
	p.values = labels
	if p.e.Labels, p.e.Classes = labels, len(labels); len(labels) == 2 {
		p.e.Labels, p.e.Classes = []string{event(labels)}, 1
	}
	p.e.Base = make([]float64, p.e.Classes)
	p.class = make(map[string]int)
	for k, label := range p.e.Labels {
		p.class[label] = k
	}
	return nil
}

// classesMax is how many values a target may have.
const classesMax = 1 << 12

// event returns the one of two values whose probability is predicted.
func event(labels []string) string {
	for i := 1; i >= 0; i-- {
		if slices.Contains([]string{"1", "1.0", "yes", "true", "y", "t"}, strings.ToLower(labels[i])) {
			return labels[i]
		}
	}
	return labels[1]
}
