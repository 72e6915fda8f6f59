package model

import (
	"errors"
	"fmt"
	"strings"

	"rescore/partition/job"
)

var (
	// ErrMalformed is returned when a file is not a model, or is a damaged one.
	ErrMalformed = errors.New("not a sound model")
	// ErrUnsupported is returned when a file is a model of a kind that is not
	// supported.
	ErrUnsupported = errors.New("unsupported model")
	// ErrFeature is returned when a model's feature has no column.
	ErrFeature = errors.New("model feature without a column")
)

// Supported says what the loaders of this package read.
const Supported = "supported: LightGBM text models (Booster.save_model), versions v2 to v4, trained for binary, cross_entropy, " +
	"cross_entropy_lambda, multiclass, multiclassova, regression, regression_l1, huber, fair, quantile, mape, poisson, gamma, tweedie, " +
	"lambdarank, rank_xendcg or an objective of your own; XGBoost JSON and UBJSON models (Booster.save_model since 1.0, as .json or .ubj), " +
	"boosters gbtree, dart and gblinear, trained for reg:squarederror, reg:squaredlogerror, reg:absoluteerror, reg:quantileerror, " +
	"reg:pseudohubererror, reg:logistic, reg:gamma, reg:tweedie, binary:logistic, binary:logitraw, binary:hinge, count:poisson, " +
	"multi:softmax, multi:softprob, rank:pairwise, rank:ndcg, rank:map, survival:cox or survival:aft; " +
	"PMML 3.2 to 4.4: RegressionModel, TreeModel, Scorecard, and MiningModel whose segments are added, averaged, voted with, or chained into a last regression; " +
	"scorecards in YAML, whose first key is scorecard"

// Header is the Tree of an Error about no tree in particular.
const Header = -1

// Error says why a file was refused. It wraps ErrMalformed or ErrUnsupported.
// It never quotes a file that is no model: that file may hold subscribers.
type Error struct {
	Format  string // what the file was read as; "" when it is none that is known
	Tree    int    // number of the tree, or Header
	Field   string // key in the file, "" when no field is to blame
	Problem string
	Remedy  string
	// Problems are all mistakes in a file that people write, a scorecard; nil in others.
	Problems job.Problems
	kind     error
}

func (e *Error) Error() string {
	var s strings.Builder
	s.WriteString("read " + strings.TrimLeft(e.Format+" model: ", " "))
	if e.Tree != Header {
		fmt.Fprintf(&s, "tree %d: ", e.Tree)
	}
	if e.Field != "" {
		s.WriteString(e.Field + ": ")
	}
	s.WriteString(e.Problem + "; " + e.Remedy)
	for _, p := range e.Problems {
		s.WriteString("\n  " + p.String())
	}
	return s.String()
}

// Unwrap returns ErrMalformed or ErrUnsupported, and the Problems where there are any.
func (e *Error) Unwrap() []error {
	if e.Problems == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.Problems}
}

const exportAgain = "the file is damaged or was edited: export it again with Booster.save_model and copy it in binary mode"

func malformed(tree int, field, format string, args ...any) *Error {
	return &Error{Format: lightGBM, Tree: tree, Field: field, Problem: fmt.Sprintf(format, args...), Remedy: exportAgain, kind: ErrMalformed}
}

func unsupported(tree int, field, format string, args ...any) *Error {
	return &Error{Format: lightGBM, Tree: tree, Field: field, Problem: fmt.Sprintf(format, args...), Remedy: Supported, kind: ErrUnsupported}
}
