package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Bounds of a model. They keep a hostile file within the memory promised and
// are far above any model worth having.
const (
	bytesMax      = 1 << 30
	featuresMax   = 1 << 16
	categoriesMax = 1 << 18
)

// LightGBM reads a text model as Booster.save_model writes it, versions v2 to
// v4. It keeps nothing of data. The error is an *Error.
//
// The file is read twice: once to prove every length, so that the arrays can be
// made at their exact size, and once for the values.
func LightGBM(data []byte) (*Ensemble, error) {
	format, err := recognise(data)
	if err != nil {
		return nil, err
	}
	if format != lightGBM {
		return nil, notThis(format)
	}
	h, rest, err := readHeader(data)
	if err != nil {
		return nil, err
	}
	e, err := h.ensemble()
	if err != nil {
		return nil, err
	}
	size, tail, err := measure(h, rest)
	if err != nil {
		return nil, err
	}
	if e.Pandas, err = readTail(tail, h.version != "v2"); err != nil {
		return nil, err
	}
	if size.trees == 0 {
		return nil, malformed(Header, "tree_sizes", "the model has no trees")
	}
	if e.round = e.Classes; size.trees%e.round != 0 {
		return nil, malformed(Header, "num_tree_per_iteration", "%d trees cannot be dealt to %d classes", size.trees, e.Classes)
	}
	if err := e.fill(h, rest, size); err != nil {
		return nil, err
	}
	return e, nil
}

// header is the part before the first tree: text, not yet checked.
type header struct {
	version string
	fields  map[string][]byte
}

var headerFields = []string{
	"version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective",
	"average_output", "feature_names", "monotone_constraints", "feature_infos", "tree_sizes",
}

func readHeader(data []byte) (header, []byte, error) {
	h := header{fields: map[string][]byte{}}
	_, rest := cutLine(data)
	for {
		rest = skipBlank(rest)
		if len(rest) == 0 || bytes.HasPrefix(rest, []byte("Tree=")) || startsSection(rest) {
			break
		}
		var line []byte
		line, rest = cutLine(rest)
		key, value, _ := bytes.Cut(line, []byte{'='})
		name := known(headerFields, key)
		if name == "" {
			return h, nil, malformed(Header, printable(key), "no field of that name is known in a header")
		}
		if h.fields[name] != nil {
			return h, nil, malformed(Header, name, "the field stands twice")
		}
		if value == nil {
			value = []byte{} // average_output has no value
		}
		h.fields[name] = value
	}
	h.version = string(h.fields["version"])
	switch h.version {
	case "v2", "v3", "v4":
		return h, rest, nil
	}
	return h, nil, unsupported(Header, "version", "the format's version is %s", printable(h.fields["version"]))
}

// known returns the one of names that key is, "" when it is none.
func known(names []string, key []byte) string {
	for _, name := range names {
		if string(key) == name {
			return name
		}
	}
	return ""
}

// printable returns a word for an error message: what is no plain word is not
// quoted.
func printable(word []byte) string {
	if len(word) == 0 {
		return "missing"
	}
	for i, c := range word {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9' || i > 20) || i > 40 {
			return "unreadable"
		}
	}
	return string(word)
}

// number reads a header field that must be an integer from low to high.
func (h header) number(name string, low, high int32) (int, error) {
	value, ok := h.fields[name]
	if !ok {
		return 0, malformed(Header, name, "the field is missing")
	}
	n, ok := parseInt(value)
	if !ok || n < low || n > high {
		return 0, malformed(Header, name, "not an integer from %d to %d", low, high)
	}
	return int(n), nil
}

// names reads a header field that lists want values.
func (h header) names(name string, want int) ([]string, error) {
	value, ok := h.fields[name]
	if !ok {
		return nil, malformed(Header, name, "the field is missing")
	}
	if n := countTokens(value); n != want {
		return nil, malformed(Header, name, "%d values for the %d features of max_feature_idx", n, want)
	}
	if !utf8.Valid(value) {
		e := malformed(Header, name, "the names are not UTF-8")
		e.Remedy = "rename the columns before training, or convert the file to UTF-8"
		return nil, e
	}
	list := make([]string, want)
	for i := range list {
		var token []byte
		token, value = cutToken(value)
		list[i] = string(token)
	}
	return list, nil
}

// ensemble checks the header and returns a model without trees.
func (h header) ensemble() (*Ensemble, error) {
	e := &Ensemble{Library: "LightGBM", Version: h.version, Best: -1}
	last, err := h.number("max_feature_idx", 0, featuresMax-1)
	if err != nil {
		return nil, err
	}
	if e.Features, err = h.names("feature_names", last+1); err != nil {
		return nil, err
	}
	if e.Ranges, err = h.names("feature_infos", last+1); err != nil {
		return nil, err
	}
	seen := make(map[string]struct{}, len(e.Features))
	for i, name := range e.Features {
		if _, ok := seen[name]; ok {
			return nil, malformed(Header, "feature_names", "name %d stands twice, so it cannot be bound to one column", i)
		}
		seen[name] = struct{}{}
	}
	if e.Classes, err = h.number("num_class", 1, math.MaxUint16); err != nil {
		return nil, err
	}
	if h.fields["num_tree_per_iteration"] != nil {
		k, err := h.number("num_tree_per_iteration", 1, math.MaxUint16)
		if err != nil {
			return nil, err
		}
		if k != e.Classes {
			return nil, malformed(Header, "num_tree_per_iteration", "%d trees an iteration for %d classes", k, e.Classes)
		}
	}
	if value := h.fields["average_output"]; value != nil {
		if len(value) > 0 {
			return nil, malformed(Header, "average_output", "the field has a value, and takes none")
		}
		e.Average = true
	}
	return e, e.readObjective(h.fields["objective"])
}

// readObjective reads the objective's name and parameters; value is nil when
// the user trained with an objective of their own, which the file cannot hold.
func (e *Ensemble) readObjective(value []byte) error {
	const field = "objective"
	e.Sigmoid = 1
	if value == nil {
		e.Link = Identity
		return nil
	}
	if len(value) > 256 {
		return malformed(Header, field, "the value is longer than any objective's")
	}
	words := strings.Fields(string(value))
	if len(words) == 0 {
		return malformed(Header, field, "the value is empty")
	}
	e.Objective = words[0]
	several := false
	needs := ""
	switch e.Objective {
	case "binary":
		e.Link, needs = Logistic, "sigmoid"
	case "cross_entropy", "xentropy":
		e.Link = Logistic
	case "multiclass", "softmax":
		e.Link, several, needs = Softmax, true, "num_class"
	case "multiclassova":
		e.Link, several, needs = Logistic, true, "sigmoid"
	case "cross_entropy_lambda", "xentlambda":
		e.Link = Softplus
	case "regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg":
		e.Link = Identity
	case "poisson", "gamma", "tweedie":
		e.Link = Exponential
	default:
		return unsupported(Header, field, "the objective is %s", printable([]byte(e.Objective)))
	}
	if several != (e.Classes > 1) {
		return malformed(Header, "num_class", "%d classes do not go with objective %s", e.Classes, e.Objective)
	}
	for _, word := range words[1:] {
		key, text, _ := strings.Cut(word, ":")
		x, ok := parseFloat([]byte(text))
		switch {
		case key == "sigmoid" && e.Link == Logistic && ok && x > 0:
			e.Sigmoid = x
		case key == "num_class" && several && ok && x == float64(e.Classes):
		case word == "sqrt" && strings.HasPrefix(e.Objective, "regression"):
			e.Link = SignedSquare
		default:
			return malformed(Header, field, "the parameter %s of objective %s is not one that can be", printable([]byte(key)), e.Objective)
		}
		if key == needs {
			needs = ""
		}
	}
	if needs != "" {
		return malformed(Header, field, "objective %s lacks its parameter %s", e.Objective, needs)
	}
	return nil
}

var sections = []string{"end of trees", "feature importances:", "feature_importances:", "parameters:", "pandas_categorical:"}

// startsSection reports whether text begins with a heading of what follows the
// trees.
func startsSection(text []byte) bool {
	for _, s := range sections {
		if bytes.HasPrefix(text, []byte(s)) {
			return true
		}
	}
	return false
}

// readTail checks what follows the trees and returns the pandas categories.
// Files of v3 and later close the trees with a line; earlier ones may not.
func readTail(text []byte, closed bool) ([][]Category, error) {
	next := func(heading string) bool {
		text = skipBlank(text)
		line, rest := cutLine(text)
		if string(line) != heading {
			return false
		}
		text = rest
		return true
	}
	if !next("end of trees") && closed {
		return nil, malformed(Header, "", "the line \"end of trees\" does not follow the last tree: the file is cut short, or tree_sizes lists too few trees")
	}
	if next("feature importances:") || next("feature_importances:") {
		for len(text) > 0 && text[0] != '\n' {
			var line []byte
			if line, text = cutLine(text); !bytes.Contains(line, []byte{'='}) {
				return nil, malformed(Header, "feature_importances", "a line is not name=value")
			}
		}
	}
	if next("parameters:") {
		for !next("end of parameters") {
			if len(text) == 0 {
				return nil, malformed(Header, "parameters", "the file is cut short before the line \"end of parameters\"")
			}
			_, text = cutLine(text)
		}
	}
	text = skipBlank(text)
	value, ok := bytes.CutPrefix(text, []byte("pandas_categorical:"))
	if !ok {
		if len(text) > 0 {
			return nil, malformed(Header, "", "the last %d bytes belong to no part of a model", len(text))
		}
		return nil, nil
	}
	value, text = cutLine(value)
	if text = skipBlank(text); len(text) > 0 {
		return nil, malformed(Header, "", "%d bytes follow the end of the model", len(text))
	}
	return readPandas(value)
}

// readPandas reads a JSON list of lists of scalars, or null.
func readPandas(value []byte) ([][]Category, error) {
	const field = "pandas_categorical"
	if bytes.Count(value, []byte{','}) >= categoriesMax {
		return nil, unsupported(Header, field, "more than %d categories", categoriesMax)
	}
	var columns [][]json.RawMessage
	if err := json.Unmarshal(value, &columns); err != nil {
		return nil, malformed(Header, field, "not a JSON list of lists")
	}
	if len(columns) == 0 {
		return nil, nil
	}
	list := make([][]Category, len(columns))
	for i, column := range columns {
		list[i] = make([]Category, len(column))
		for code, raw := range column {
			c := &list[i][code]
			switch {
			case len(raw) > 0 && raw[0] == '"':
				if err := json.Unmarshal(raw, &c.Text); err != nil {
					return nil, malformed(Header, field, "category %d of column %d cannot be read", code, i)
				}
			case len(raw) > 0 && bytes.IndexByte([]byte("[{n"), raw[0]) < 0:
				c.Text, c.Number = string(raw), true
			default:
				return nil, malformed(Header, field, "category %d of column %d is not a text or a number", code, i)
			}
		}
	}
	return list, nil
}

// blocks walks the trees' text. With tree_sizes the file says where each tree
// ends, and every tree is proved to begin where the one before ends.
type blocks struct {
	text  []byte
	sizes []byte // what is left of tree_sizes
	sized bool   // the header has tree_sizes
	tree  int
}

func (h header) blocks(text []byte) blocks {
	sizes, sized := h.fields["tree_sizes"]
	return blocks{text: text, sizes: sizes, sized: sized}
}

// next returns the text of the next tree, nil after the last.
func (b *blocks) next() ([]byte, error) {
	var block []byte
	if b.sized {
		var token []byte
		token, b.sizes = cutToken(b.sizes)
		if len(token) == 0 {
			return nil, nil
		}
		size, ok := parseInt(token)
		if !ok || size <= 0 {
			return nil, malformed(b.tree, "tree_sizes", "not a size in bytes")
		}
		if int(size) > len(b.text) {
			return nil, malformed(b.tree, "tree_sizes", "the tree should hold %d bytes and the file ends after %d: it is cut short", size, len(b.text))
		}
		block, b.text = b.text[:size], b.text[size:]
	} else {
		b.text = skipBlank(b.text)
		if !bytes.HasPrefix(b.text, []byte("Tree=")) {
			return nil, nil
		}
		_, rest := cutLine(b.text)
		for len(rest) > 0 && !bytes.HasPrefix(rest, []byte("Tree=")) && !startsSection(rest) {
			_, rest = cutLine(rest)
		}
		block, b.text = b.text[:len(b.text)-len(rest)], rest
	}
	if !bytes.HasPrefix(block, fmt.Appendf(nil, "Tree=%d\n", b.tree)) {
		return nil, malformed(b.tree, "Tree", "the tree does not begin where it should: the trees are not numbered 0, 1, 2, … or tree_sizes does not match")
	}
	_, block = cutLine(block)
	b.tree++
	return block, nil
}
