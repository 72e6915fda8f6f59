package model

// orRoot returns an element, or the document's root where there is none.
func (e element) orRoot(p *pmml) element {
	if e.exists() {
		return e
	}
	return p.doc.root()
}

// segment is a model of a MiningModel.
type segment struct {
	model  element
	weight float64
}

// segments returns the models of a MiningModel.
func (p *pmml) segments(at element) (method string, list []segment, err error) {
	segmentation := at.child("Segmentation")
	if !segmentation.exists() {
		return "", nil, p.bad(at, "it has no Segmentation")
	}
	switch segmentation.attribute("missingPredictionTreatment") {
	case "", "continue", "returnMissing":
	default:
		return "", nil, p.refuse(segmentation, "the missingPredictionTreatment is none of continue and returnMissing")
	}
	threshold := 1.0
	if err := p.optional(segmentation, "missingThreshold", &threshold); err != nil {
		return "", nil, err
	}
	if threshold != 1 {
		return "", nil, p.refuse(segmentation, "the missingThreshold is not 1")
	}
	err = p.each(segmentation, func(c element) error {
		if !c.is("Segment") {
			return p.bad(c, "it is no Segment")
		}
		s := segment{weight: 1}
		if err := p.optional(c, "weight", &s.weight); err != nil {
			return err
		}
		if s.weight < 0 {
			return p.bad(c, "the weight is negative")
		}
		if err := p.each(c, func(m element) error {
			switch {
			case m.is("True"):
				return nil
			case isPredicate(m):
				return p.refuse(m, "a segment has a predicate other than True")
			case m.is("VariableWeight"):
				return p.refuse(m, "a segment's weight depends on the row")
			case s.model.exists():
				return p.bad(m, "the segment has a second model")
			}
			s.model = m
			return nil
		}); err != nil {
			return err
		}
		if !s.model.exists() {
			return p.bad(c, "the segment has no model")
		}
		list = append(list, s)
		return nil
	})
	if err == nil && len(list) == 0 {
		err = p.bad(segmentation, "it has no Segment")
	}
	return segmentation.attribute("multipleModelMethod"), list, err
}

// chain follows model chains to their last model, and returns it with the scope in
// which its predictors are looked up: results of the models before it are fields there.
// What is no chain is its own last model.
func (p *pmml) chain(at element, s *scope) (element, *scope, error) {
	for at.is("MiningModel") && at.child("Segmentation").orRoot(p).attribute("multipleModelMethod") == "modelChain" {
		_, list, err := p.segments(at)
		if err != nil {
			return none, nil, err
		}
		results := &scope{around: s, fields: make(map[string]*pmmlField)}
		for i, part := range list {
			if i == len(list)-1 {
				at = part.model
				break
			}
			if err := p.publish(part, results); err != nil {
				return none, nil, err
			}
		}
		if s, err = p.inner(at, results); err != nil {
			return none, nil, err
		}
	}
	return at, s, nil
}

// publish enters a segment's result as the fields that its Output names.
func (p *pmml) publish(part segment, results *scope) error {
	output := part.model.child("Output")
	if !output.exists() {
		return nil
	}
	return p.each(output, func(c element) error {
		name := c.attribute("name")
		if name == "" || results.fields[name] != nil {
			return p.bad(c, "its name is missing, or stands twice")
		}
		f := &pmmlField{segment: part.model, from: results, factor: 1}
		switch feature := c.attribute("feature"); {
		case feature == "transformedValue":
			var err error
			if f.factor, f.constant, err = p.line(c, output); err != nil {
				return err
			}
		case feature != "" && feature != "predictedValue":
			f.unusable = "is a segment's " + printable([]byte(feature)) + ", where only its predictedValue can be used"
		case part.model.attribute("functionName") != "regression":
			f.unusable = "is the class that a segment predicts"
		}
		results.fields[name] = f
		return nil
	})
}

// line reads an expression of a model's own result that is a line: factor times that
// result and a constant.
func (p *pmml) line(at, output element) (factor, constant float64, err error) {
	var parts [][2]float64
	if err := p.each(at, func(c element) error {
		if p.depth++; p.depth > derivedDepthMax {
			return p.refuse(c, "expressions lie more than %d deep in one another", derivedDepthMax)
		}
		defer func() { p.depth-- }()
		a, b := 0.0, 0.0
		switch {
		case c.is("FieldRef"):
			name, known := c.attribute("field"), false
			output.children(func(o element) bool {
				if feature := o.attribute("feature"); o.attribute("name") == name && (feature == "" || feature == "predictedValue") {
					known = true
				}
				return !known
			})
			if a = 1; !known {
				return p.refuse(c, "a result is computed of other than the model's own")
			}
		case c.is("Constant"):
			x, ok := pmmlNumber(c.content())
			if b = x; !ok {
				return p.bad(c, "a text stands where a number should")
			}
		default:
			if a, b, err = p.line(c, output); err != nil {
				return err
			}
		}
		parts = append(parts, [2]float64{a, b})
		return nil
	}); err != nil {
		return 0, 0, err
	}
	function := at.attribute("function")
	if len(parts) == 1 && !at.is("Apply") {
		return parts[0][0], parts[0][1], nil
	}
	if len(parts) == 2 {
		x, y := parts[0], parts[1]
		switch {
		case function == "+":
			return x[0] + y[0], x[1] + y[1], nil
		case function == "-":
			return x[0] - y[0], x[1] - y[1], nil
		case function == "*" && y[0] == 0:
			return float64(x[0] * y[1]), float64(x[1] * y[1]), nil
		case function == "*" && x[0] == 0:
			return float64(y[0] * x[1]), float64(y[1] * x[1]), nil
		case function == "/" && y[0] == 0 && y[1] != 0:
			return x[0] / y[1], x[1] / y[1], nil
		}
	}
	return 0, 0, p.refuse(at, "a result is transformed by other than a factor and a constant")
}

// result adds the result of a model of numbers, times a scale, to a class.
func (p *pmml) result(at element, s *scope, class int, scale float64) error {
	if p.depth++; p.depth > derivedDepthMax {
		return p.refuse(at, "models lie more than %d deep in one another", derivedDepthMax)
	}
	defer func() { p.depth-- }()
	if p.work -= 1 + len(s.fields); p.work < 0 {
		return p.refuse(at, "the results of segments are used too often")
	}
	if at.attribute("functionName") != "regression" {
		return p.refuse(at, "classes are added")
	}
	if s.model != at {
		var err error
		if s, err = p.inner(at, s); err != nil {
			return err
		}
	}
	scale, err := p.rescale(at, class, scale)
	if err != nil {
		return err
	}
	switch {
	case at.is("TreeModel"):
		if err := p.precise(at); err != nil {
			return err
		}
		return p.treeScores(at, s, class, scale)
	case at.is("Scorecard"):
		return p.scorecard(at, s, class, scale)
	case at.is("RegressionModel"):
		if method := at.attribute("normalizationMethod"); method != "" && method != "none" {
			return p.refuse(at, "what is added was normalized before")
		}
		tables, err := p.tables(at, 1)
		if err != nil {
			return err
		}
		return p.table(tables[0], s, class, scale)
	case at.is("MiningModel"):
		return p.together(at, s, class, scale)
	}
	return p.refuse(at, "this is none of RegressionModel, TreeModel, MiningModel and Scorecard")
}

// together adds what the segments of a MiningModel give.
func (p *pmml) together(at element, s *scope, class int, scale float64) error {
	method, list, err := p.segments(at)
	if err != nil {
		return err
	}
	total, mean := 0.0, method == "average" && p.meanOfTrees(at, list)
	for _, part := range list {
		total += part.weight
	}
	p.e.Average = p.e.Average || mean
	for _, part := range list {
		share := scale
		switch method {
		case "sum":
		case "average":
			if !mean { // that is divided by their number at the end
				share = scale / float64(len(list))
			}
		case "weightedAverage":
			if !(total > 0) {
				return p.bad(at, "the weights of the segments add up to nothing")
			}
			share = float64(scale * part.weight / total)
		case "modelChain":
			last, results, err := p.chain(at, s)
			if err != nil {
				return err
			}
			return p.result(last, results, class, scale)
		default:
			return p.refuse(at, "the multipleModelMethod of numbers is none of sum, average, weightedAverage and modelChain")
		}
		if err := p.result(part.model, s, class, share); err != nil {
			return err
		}
	}
	return nil
}

// meanOfTrees reports whether an average is the whole model, and one of trees.
func (p *pmml) meanOfTrees(at element, list []segment) bool {
	if at != p.model || at.child("Targets").exists() {
		return false
	}
	for _, part := range list {
		if !part.model.is("TreeModel") || part.model.child("Targets").exists() {
			return false
		}
	}
	return true
}

// ballot adds the probabilities, or the votes, of classifying trees.
func (p *pmml) ballot(at element, s *scope) error {
	method, list, err := p.segments(at)
	if err != nil {
		return err
	}
	if err := p.labelled(at, p.named(at)); err != nil {
		return err
	}
	weighted := method == "weightedAverage" || method == "weightedMajorityVote"
	total := 0.0
	for _, part := range list {
		total += part.weight
	}
	if weighted && !(total > 0) {
		return p.bad(at, "the weights of the segments add up to nothing")
	}
	p.e.Average = !weighted
	for _, part := range list {
		m := part.model
		if !m.is("TreeModel") || m.attribute("functionName") != "classification" {
			return p.refuse(m, "classes are averaged, or voted on, by other than classifying trees")
		}
		if m.child("Targets").exists() {
			return p.refuse(m, "Targets change what is averaged")
		}
		if err := p.precise(m); err != nil {
			return err
		}
		inner, err := p.inner(m, s)
		if err != nil {
			return err
		}
		scale := 1.0
		if weighted {
			scale = part.weight / total
		}
		if err := p.treeShares(m, inner, scale, method == "majorityVote" || method == "weightedMajorityVote"); err != nil {
			return err
		}
	}
	return nil
}

// scorecard adds the partial scores of a Scorecard: a tree for each characteristic,
// whose first attribute that is true counts.
func (p *pmml) scorecard(at element, s *scope, class int, scale float64) error {
	initial := 0.0
	if err := p.optional(at, "initialScore", &initial); err != nil {
		return err
	}
	if err := p.begin(at, class, float64(initial*scale)); err != nil {
		return err
	}
	list := at.child("Characteristics")
	if !list.exists() {
		return p.bad(at, "it has no Characteristics")
	}
	return p.each(list, func(c element) error {
		g := p.grow(s)
		var predicates, attributes []element
		err := p.each(c, func(a element) error {
			if !a.is("Attribute") || len(attributes) == predicatesMax {
				return p.refuse(a, "it is no Attribute, or there are more than %d", predicatesMax)
			}
			predicate := none
			if err := p.each(a, func(part element) error {
				switch {
				case isPredicate(part) && !predicate.exists():
					predicate = part
				case part.is("ComplexPartialScore"):
					return p.refuse(part, "a partial score is computed")
				default:
					return p.bad(part, "it does not belong here")
				}
				return nil
			}); err != nil {
				return err
			}
			if !predicate.exists() {
				return p.bad(a, "it has no predicate")
			}
			predicates, attributes = append(predicates, predicate), append(attributes, a)
			_, err := p.number(a, "partialScore")
			return err
		})
		if err != nil {
			return err
		}
		if len(attributes) == 0 {
			return p.bad(c, "it has no Attribute")
		}
		if _, err := g.choose(none, predicates, attributes, func(int) int { return targetNext }, targetNull); err != nil {
			return err
		}
		return p.plantScores(c, g, "partialScore", class, scale)
	})
}
