package model

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// XGBoost reads a model as Booster.save_model writes it since 1.0, JSON or UBJSON.
// It keeps nothing of data. The error is an *Error.
//
// The document is walked once to learn its parameters and the size of every
// tree, so that the arrays can be made at their exact size, and from the trees on
// a second time for their values.
//
// A row gets what Booster.predict of all trees gives it in every release since
// 1.4, whichever wrote the file; earlier ones summed in another order. The round that early
// stopping found is in Best: Booster.predict passes it over too, and only
// scikit-learn's wrappers heed it. A category is its code.
func XGBoost(data []byte) (*Ensemble, error) {
	f, err := recognise(data)
	if err != nil {
		return nil, err
	}
	x := xgboost{format: f, tree: Header, whole: shape{counts: true}, trees: -1, best: -1}
	switch f {
	case xgboostJSON:
		x.cursor = newJSON(data)
	case xgboostUBJ:
		x.cursor = newUBJ(data)
	default:
		return nil, notThis(f)
	}
	x.wordsMax = 1<<22 + len(data)/8
	x.treesMax = len(data)/64 + 1
	e, err := x.load()
	if err != nil {
		return nil, x.place(err)
	}
	return e, nil
}

// xgboost is a document being read.
type xgboost struct {
	cursor
	format   string
	tree     int    // being read
	field    string // being read
	treesMax int    // that a file of this size can hold
	wordsMax int

	booster, objective string
	base               []float32
	features           int
	classes, targets   int
	parallel           int
	best               int
	version            string
	names, types       []string
	class              []int32   // of each tree
	round              []int32   // where each iteration begins, and the last ends; nil when the file does not say
	weight             []float32 // of each tree (dart), or of each feature and class (gblinear)

	forest cursor // at the trees
	trees  int    // -1 before they were met
	whole  shape
	plan   plan
}

// place turns an error into one that says where.
func (x *xgboost) place(err error) error {
	var f *fault
	if !errors.As(err, &f) {
		return err
	}
	e := malformed(x.tree, x.field, "%s", f.problem)
	if f.unsupported {
		e = unsupported(x.tree, x.field, "%s", f.problem)
	}
	e.Format = x.format
	return e
}

// object takes an object: the members that names lists are visited, the others
// skipped. A member that stands twice is an error.
func (x *xgboost) object(names []string, visit func(name string) error) error {
	outer := x.field
	if err := x.enter(kindObject); err != nil {
		return err
	}
	seen := uint64(0)
	for {
		more, err := x.next()
		if err != nil {
			return err
		}
		if !more {
			x.field = outer
			return nil
		}
		key, err := x.key()
		if err != nil {
			return err
		}
		i := slices.IndexFunc(names, func(name string) bool { return name == string(key) })
		if i < 0 {
			x.field = printable(key)
			if err := skip(x); err != nil {
				return err
			}
			continue
		}
		x.field = names[i]
		if seen>>i&1 != 0 {
			return damaged("the field stands twice")
		}
		seen |= 1 << i
		if err := visit(names[i]); err != nil {
			return err
		}
	}
}

// blame is an error about a field that is not being read.
func (x *xgboost) blame(field, format string, args ...any) error {
	x.field = field
	return damaged(format, args...)
}

func (x *xgboost) absent(field string) error { return x.blame(field, "the field is missing") }

// word takes a text that is kept, of at most 4096 bytes.
func (x *xgboost) word() (string, error) {
	s, err := x.text()
	if err == nil && len(s) > 4096 {
		err = damaged("a text of %d bytes", len(s))
	}
	if err != nil {
		return "", err
	}
	return string(s), nil
}

// parameter takes a number, which XGBoost writes as a text.
func (x *xgboost) parameter(low, high int) (int, error) {
	k, err := x.kind()
	if err != nil {
		return 0, err
	}
	n := int64(0)
	if k == kindText {
		s, err := x.word()
		if err != nil {
			return 0, err
		}
		if n, err = strconv.ParseInt(s, 10, 64); err != nil {
			return 0, damaged("not an integer")
		}
	} else if n, err = x.integer(); err != nil {
		return 0, err
	}
	if n < int64(low) || n > int64(high) {
		return 0, damaged("not an integer from %d to %d", low, high)
	}
	return int(n), nil
}

func (x *xgboost) load() (*Ensemble, error) {
	learner := false
	err := x.object([]string{"learner", "version", "Model"}, func(name string) error {
		switch name {
		case "learner":
			learner = true
			return x.learner()
		case "version":
			version, err := array(x, nil, 3, index(x))
			if err != nil {
				return err
			}
			x.version = strings.ReplaceAll(strings.Trim(fmt.Sprint(version), "[]"), " ", ".")
			return nil
		}
		return refused("this is a memory snapshot of a Booster (serialize, or out of a pickle), not a model saved with save_model")
	})
	switch {
	case err != nil:
		return nil, err
	case !learner:
		return nil, x.absent("learner")
	}
	if err := x.end(); err != nil {
		x.field = ""
		return nil, err
	}
	return x.assemble()
}

func (x *xgboost) learner() error {
	return x.object([]string{"learner_model_param", "objective", "gradient_booster", "feature_names", "feature_types", "attributes"}, func(name string) (err error) {
		switch name {
		case "learner_model_param":
			return x.parameters()
		case "objective":
			return x.object([]string{"name"}, func(string) error {
				x.objective, err = x.word()
				return err
			})
		case "gradient_booster":
			return x.gradient()
		case "feature_names":
			x.names, err = array(x, x.names, featuresMax, x.word)
		case "feature_types":
			x.types, err = array(x, x.types, featuresMax, x.word)
		case "attributes":
			return x.object([]string{"best_iteration"}, func(string) error {
				x.best, err = x.parameter(0, math.MaxInt32)
				return err
			})
		}
		return err
	})
}

func (x *xgboost) parameters() error {
	return x.object([]string{"base_score", "num_class", "num_feature", "num_target"}, func(name string) (err error) {
		switch name {
		case "base_score":
			x.base, err = x.baseScore()
		case "num_class":
			x.classes, err = x.parameter(0, math.MaxUint16)
		case "num_feature":
			x.features, err = x.parameter(1, featuresMax)
		case "num_target":
			x.targets, err = x.parameter(0, math.MaxUint16)
		}
		return err
	})
}

// baseScore takes a number as a text, or since 3.1 a list of numbers, one or one
// for each class, as a text.
func (x *xgboost) baseScore() ([]float32, error) {
	k, err := x.kind()
	if err != nil {
		return nil, err
	}
	if k == kindNumber {
		v, err := x.single()
		return []float32{v}, err
	}
	s, err := x.text()
	if err != nil {
		return nil, err
	}
	list := strings.TrimSpace(string(s))
	if inner, ok := strings.CutPrefix(list, "["); ok {
		if list, ok = strings.CutSuffix(inner, "]"); !ok {
			return nil, damaged("the list does not end")
		}
	}
	if strings.Count(list, ",") > math.MaxUint16 {
		return nil, refused("more than %d values", math.MaxUint16)
	}
	var base []float32
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		v, err := strconv.ParseFloat(word, 32)
		if err != nil || len(word) > 64 || !decimal([]byte(word)) {
			return nil, damaged("value %d is not a number that fits 32 bits", len(base))
		}
		base = append(base, float32(v))
	}
	return base, nil
}

// gradient takes the booster. Dart wraps a gbtree, or is one with weight_drop.
func (x *xgboost) gradient() error {
	return x.object([]string{"name", "model", "gbtree", "weight_drop"}, func(name string) (err error) {
		switch name {
		case "name":
			if x.booster, err = x.word(); err != nil {
				return err
			}
			if x.booster != "gbtree" && x.booster != "dart" && x.booster != "gblinear" {
				return refused("the booster is %s", printable([]byte(x.booster)))
			}
		case "gbtree":
			return x.gradient()
		case "model":
			return x.model()
		case "weight_drop":
			return x.weights()
		}
		return err
	})
}

// weights takes the weights of the trees, or of the features.
func (x *xgboost) weights() (err error) {
	if x.weight != nil {
		return damaged("the field stands twice")
	}
	x.weight, err = array(x, []float32{}, max(x.treesMax, 1<<22), finiteSingle(x))
	return err
}

// finiteSingle takes a finite number.
func finiteSingle(c cursor) func() (float32, error) {
	return func() (float32, error) {
		v, err := c.single()
		if err == nil && v-v != 0 {
			err = damaged("not a finite number")
		}
		return v, err
	}
}

func (x *xgboost) model() error {
	names := []string{"gbtree_model_param", "tree_info", "iteration_indptr", "trees", "weights", "weight_drop"}
	return x.object(names, func(name string) (err error) {
		switch name {
		case "gbtree_model_param":
			return x.object([]string{"num_parallel_tree", "size_leaf_vector"}, func(name string) (err error) {
				if name == "num_parallel_tree" {
					x.parallel, err = x.parameter(0, math.MaxInt32)
					return err
				}
				return x.scalarLeaves()
			})
		case "tree_info":
			x.class, err = array(x, []int32{}, x.treesMax, index(x))
		case "iteration_indptr":
			x.round, err = array(x, []int32{}, x.treesMax+1, index(x))
		case "trees":
			if x.trees >= 0 {
				return damaged("the field stands twice")
			}
			x.forest = x.fork()
			return x.measure()
		case "weights", "weight_drop":
			return x.weights()
		}
		return err
	})
}

// scalarLeaves takes the number of values a leaf has, which is 1, written as 0 or
// 1.
func (x *xgboost) scalarLeaves() error {
	n, err := x.parameter(0, math.MaxInt32)
	if err == nil && n > 1 {
		err = refused("leaves hold vectors of %d values (multi_strategy=multi_output_tree)", n)
	}
	return err
}

// assemble checks what the first walk gathered, and makes the model.
func (x *xgboost) assemble() (*Ensemble, error) {
	x.tree = Header
	switch {
	case x.features == 0:
		return nil, x.absent("num_feature")
	case len(x.base) == 0:
		return nil, x.absent("base_score")
	case x.objective == "":
		return nil, x.absent("objective")
	case x.booster == "":
		return nil, x.absent("gradient_booster")
	case x.classes > 1 && x.targets > 1:
		x.field = "num_target"
		return nil, refused("%d targets of %d classes", x.targets, x.classes)
	}
	e := &Ensemble{
		Library: "XGBoost", Version: x.version, Objective: x.objective, Sigmoid: 1, Single: true, Best: x.best,
		Classes: max(x.classes, x.targets, 1),
	}
	if len(x.types) > 0 {
		e.Types = x.types
	}
	if len(x.types) > 0 && len(x.types) != x.features {
		return nil, x.blame("feature_types", "%d values for the %d features of num_feature", len(x.types), x.features)
	}
	if err := x.name(e); err != nil {
		return nil, err
	}
	if err := x.start(e); err != nil {
		return nil, err
	}
	if x.booster == "gblinear" {
		return e, x.linear(e)
	}
	if err := x.deal(e); err != nil {
		return nil, err
	}
	return e, x.fill(e)
}

// name names the features. A model trained on bare arrays has no names; then they
// are called as XGBoost's own dumps call them.
func (x *xgboost) name(e *Ensemble) error {
	if e.Features = x.names; len(x.names) == 0 {
		e.Features = make([]string, x.features)
		for i := range e.Features {
			e.Features[i] = "f" + strconv.Itoa(i)
		}
		return nil
	}
	if len(x.names) != x.features {
		return x.blame("feature_names", "%d values for the %d features of num_feature", len(x.names), x.features)
	}
	seen := make(map[string]struct{}, x.features)
	for i, name := range x.names {
		if _, ok := seen[name]; ok {
			return x.blame("feature_names", "name %d stands twice, so it cannot be bound to one column", i)
		}
		seen[name] = struct{}{}
	}
	return nil
}

// start sets the link, and where sums start: base_score is a prediction, and most
// objectives turn it into a raw score.
func (x *xgboost) start(e *Ensemble) error {
	raw := func(p float32) (float32, bool) { return p, true }
	x.field = "objective"
	switch e.Objective {
	case "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror",
		"rank:pairwise", "rank:ndcg", "rank:map", "binary:logitraw":
		e.Link = Identity
	case "binary:hinge":
		e.Link = Step
	case "reg:logistic", "binary:logistic":
		e.Link = Logistic
		raw = func(p float32) (float32, bool) { return -logSingle(1/p - 1), p > 0 && p < 1 }
	case "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft":
		e.Link = Exponential
		raw = func(p float32) (float32, bool) { return logSingle(p), p > 0 }
	case "multi:softmax":
		e.Link = Choice
	case "multi:softprob":
		e.Link = Softmax
	default:
		return refused("the objective is %s", printable([]byte(strings.ReplaceAll(e.Objective, ":", "_"))))
	}
	if (e.Link == Softmax || e.Link == Choice) && x.classes < 1 {
		return x.blame("num_class", "%d classes do not go with objective %s", x.classes, e.Objective)
	}
	if len(x.base) != 1 && len(x.base) != e.Classes {
		return x.blame("base_score", "%d values for %d classes", len(x.base), e.Classes)
	}
	e.Base = make([]float64, e.Classes)
	for k := range e.Base {
		v, ok := raw(x.base[k%len(x.base)])
		if !ok || v-v != 0 {
			return x.blame("base_score", "the value cannot be a prediction of objective %s", e.Objective)
		}
		e.Base[k] = float64(v)
	}
	return nil
}

// linear makes a gblinear. Its bias, which stands after the weights, and
// base_score are added first.
func (x *xgboost) linear(e *Ensemble) error {
	if want := (x.features + 1) * e.Classes; len(x.weight) != want {
		return x.blame("weights", "%d values where num_feature and num_class ask for %d", len(x.weight), want)
	}
	e.spans, e.round = make([]span, 1), 1
	e.Weight = make([]float64, x.features*e.Classes)
	for i := range e.Weight {
		e.Weight[i] = float64(x.weight[i])
	}
	base := float32(e.Base[0]) // of all classes, as XGBoost has it even where base_score has one for each
	for k, bias := range x.weight[len(e.Weight):] {
		if e.Base[k] = float64(bias + base); math.IsInf(e.Base[k], 0) {
			return x.blame("weights", "the bias is so large that a score can overflow")
		}
	}
	return nil
}

// deal proves that the trees make up whole iterations of all classes.
func (x *xgboost) deal(e *Ensemble) error {
	switch {
	case x.trees < 0:
		return x.absent("trees")
	case x.trees == 0:
		return x.blame("trees", "the model has no trees")
	case len(x.class) != x.trees:
		return x.blame("tree_info", "%d values for %d trees", len(x.class), x.trees)
	case x.weight != nil && len(x.weight) != x.trees:
		return x.blame("weight_drop", "%d values for %d trees", len(x.weight), x.trees)
	case x.booster == "dart" && x.weight == nil:
		return x.absent("weight_drop")
	}
	for t, k := range x.class {
		if k < 0 || int(k) >= e.Classes {
			return x.blame("tree_info", "value %d names no class of the %d", t, e.Classes)
		}
	}
	e.class = x.class
	e.round = e.Classes * max(x.parallel, 1)
	if x.parallel > x.trees || x.trees%e.round != 0 {
		return x.blame("num_parallel_tree", "%d trees cannot be dealt to %d classes and %d parallel trees", x.trees, e.Classes, x.parallel)
	}
	for i, at := range x.round {
		if int(at) != i*e.round || i == len(x.round)-1 && int(at) != x.trees {
			return x.blame("iteration_indptr", "value %d is not what num_parallel_tree and num_class give", i)
		}
	}
	return nil
}
