package program

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/partition/psi"
	"rescore/partition/schema"
	"rescore/worker/attribution"
	"rescore/worker/bundle"
	"rescore/worker/feature"
	"rescore/worker/formula"
	"rescore/worker/kernel"
	"rescore/worker/model"
	"rescore/worker/rule"
	"rescore/worker/score"
)

// Model is a frozen model with its features bound to columns.
type Model struct {
	Digest   string // SHA-256 of the file, or of the whole package
	Name     string // the package's id and version; "" of a bare model file
	Features []string
	Bound    []string // the column each feature reads, float64
	// Overruled lists the features whose binding in the package the job file overrules.
	Overruled []string
	// Bins are what the package watches for drift: of the propensity, and of features.
	Bins []psi.Bins
	odds score.Correction
	Frozen

	Challengers []Model // of the champion, in the job's order
}

// Digests returns the digests of all models, the champion's first.
func (m Model) Digests() []string {
	list := []string{m.Digest}
	for _, c := range m.Challengers {
		list = append(list, c.Digest)
	}
	return list
}

// Alone returns the features of challenger i, as its file names them, that read a
// column the champion does not.
func (m Model) Alone(i int) []string {
	list := []string{}
	c := m.Challengers[i]
	for f, column := range c.Bound {
		if !slices.Contains(m.Bound, column) {
			list = append(list, c.Features[f])
		}
	}
	return list
}

// bound are the columns that any of the models reads.
func (m Model) bound() []string {
	list := slices.Clone(m.Bound)
	for _, c := range m.Challengers {
		list = append(list, c.Bound...)
	}
	return list
}

// fields are the columns that the model's kernel reads. A canonical column is read as
// it is where it may be, and not as the float64s that feature.Column makes of it.
func (m Model) fields(c *score.Compiled) []kernel.Field {
	fields := make([]kernel.Field, len(m.Bound))
	for i, column := range m.Bound {
		fields[i] = kernel.Field{Name: column, Type: arrow.PrimitiveTypes.Float64}
		if flat, ok := feature.FromFeature(column); ok && c.TakesIntegers() {
			fields[i] = kernel.Field{Name: flat, Type: canonical[flat]}
		}
	}
	return fields
}

// canonical maps the flat names of the subscriber record to their types, and
// rank to their places in it.
var canonical, rank = func() (map[string]arrow.DataType, map[string]int) {
	types, places := make(map[string]arrow.DataType), make(map[string]int)
	for _, c := range schema.Subscriber {
		for _, name := range c.Names() {
			types[name], places[name] = c.Type, len(places)
		}
	}
	return types, places
}()

// order places a column of the input: canonical ones by the subscriber record,
// extra ones after them.
func order(name string) int {
	if at, ok := rank[name]; ok {
		return at
	}
	return len(rank)
}

// columns maps what a feature may be called to the float64 column that holds it:
// the job's extra columns, the dictionary, the job's own features, the triggers'
// bits and the canonical columns, in this order of precedence. names keeps the order.
func columns(spec job.Spec) (known map[string]string, names []string) {
	known = make(map[string]string)
	add := func(name, column string) {
		if _, ok := known[name]; !ok {
			known[name] = column
			names = append(names, name)
		}
	}
	for _, name := range spec.Input.Extras() {
		add(name, formula.Extra(name))
	}
	for _, d := range feature.Dictionary {
		add(d.Name, d.Name)
	}
	for _, f := range spec.Features {
		add(f.Name, formula.Column(f.Name))
	}
	for t := 1; t <= rule.Triggers; t++ {
		add(rule.BitName(t), rule.BitName(t))
	}
	for _, c := range schema.Subscriber {
		if c.Name == schema.Key {
			continue
		}
		for _, flat := range c.Names() {
			add(flat, feature.AsFeature(flat))
		}
	}
	return known, names
}

// extraName returns the input's name of a column that formula.Extra named.
func extraName(column string) (string, bool) {
	name, ok := strings.CutPrefix(column, "extra(")
	return strings.TrimSuffix(name, ")"), ok
}

// Frozen is what becomes of a model's bytes, whatever the job that names them. Any
// number of jobs may share one; it does not change.
type Frozen struct {
	bundle     *bundle.Bundle
	GoldenRows int                             // of the package, which were scored and found right
	compiled   func() (*score.Compiled, error) // once, by the first program, for all

	// Unexplained says why rows get no reasons although they are asked for; "" when
	// they do.
	Unexplained string
	Exact       bool              // some rows get exact reasons
	path        *attribution.Path // nil when rows get no reasons by path
}

// Freeze reads a model file or package and prepares the reasons that are asked for. Its
// errors call it path.
//
// A package's golden rows are scored by the path that a job will take; one that does not
// score what it should is an error, before anything is scored with the model.
func Freeze(path string, asked job.Explanation, data []byte) (*Frozen, error) {
	b, err := bundle.Read(path, data)
	if err != nil {
		return nil, err
	}
	v, err := b.Verify()
	if err == nil {
		err = v.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", path, err)
	}
	f := &Frozen{bundle: b, GoldenRows: v.Rows}
	f.explain(asked)
	return f, nil
}

// LoadModel freezes a model file or package and binds its features.
func LoadModel(spec job.Spec, data []byte) (Model, error) {
	f, err := Freeze(spec.Model.Path, spec.Model.Reasons, data)
	if err != nil {
		return Model{}, err
	}
	return f.bind(spec)
}

// bind binds the features of the model that a job names: to what the job's
// model.features says, else to what the package says, and else to the column of the same
// name. Features that cannot be bound are all reported.
func (f *Frozen) bind(spec job.Spec) (m Model, err error) {
	b := f.bundle
	m = Model{Digest: b.Digest, Name: b.Card.Name(), Features: b.Model.Features, odds: b.Card.Correction(), Bins: watched(b.Card.PSI), Frozen: *f}
	if m.odds.Beta, err = beta(spec.Model.UndersamplingBeta, b.Card.UndersamplingBeta); err != nil {
		return Model{}, fmt.Errorf("model %s: %w", spec.Model.Path, err)
	}
	mapping := maps.Clone(spec.Model.Features)
	for _, f := range b.Card.Features {
		switch column, overruled := mapping[f.Name]; {
		case f.Column == "":
		case !overruled:
			if mapping == nil {
				mapping = make(map[string]string)
			}
			mapping[f.Name] = f.Column
		case column != f.Column:
			m.Overruled = append(m.Overruled, f.Name)
		}
	}
	known, names := columns(spec)
	bound, err := model.Bind(b.Model, mapping, func(name string) bool { _, ok := known[name]; return ok }, names...)
	if err != nil {
		return Model{}, fmt.Errorf("model %s: %w", spec.Model.Path, err)
	}
	for _, name := range bound {
		m.Bound = append(m.Bound, known[name])
	}
	if err := m.convert(spec, b.Card.Features); err != nil {
		return Model{}, fmt.Errorf("model %s: %w", spec.Model.Path, err)
	}
	return m, nil
}

// beta is the undersampling correction that a job file and a package ask for: 1 asks
// for none.
func beta(ofJob, ofPackage float64) (float64, error) {
	switch {
	case ofJob == 1 || ofJob == ofPackage:
		return ofPackage, nil
	case ofPackage == 1:
		return ofJob, nil
	}
	return 0, fmt.Errorf("model.undersampling_beta is %v and the package's is %v; leave it out of the job file, for the package knows how its model was trained", ofJob, ofPackage)
}

// LoadModels loads the champion and its challengers. read gives the bytes that a
// path of the job leads to; freeze is Freeze, or remembers what that gave.
func LoadModels(spec job.Spec, read func(path string) ([]byte, error), freeze func(path string, asked job.Explanation, data []byte) (*Frozen, error)) (Model, error) {
	load := func(spec job.Spec, key string) (Model, error) {
		data, err := read(spec.Model.Path)
		if err != nil {
			return Model{}, fmt.Errorf("read %s: %w", key, err)
		}
		f, err := freeze(spec.Model.Path, spec.Model.Reasons, data)
		if err != nil {
			return Model{}, err
		}
		return f.bind(spec)
	}
	m, err := load(spec, "model.path")
	if err != nil {
		return Model{}, err
	}
	if spec.Gates.PSIMax > 0 && (len(m.Bins) == 0 || m.Bins[0].Name != propensityColumn) {
		return Model{}, fmt.Errorf("model %s: gates.psi_max needs bins of the score, which the model does not come with; make them with rescore model import --reference, or leave the gate out", spec.Model.Path)
	}
	for i, one := range spec.Model.Challengers {
		c, err := load(spec.Promoted(i), fmt.Sprintf("model.challengers[%d].path", i))
		if err != nil {
			return Model{}, fmt.Errorf("challenger %s: %w", one.Name, err)
		}
		m.Challengers = append(m.Challengers, c)
	}
	return m, nil
}

// ForJob plans the program of a job: everything the score record has.
func ForJob(spec job.Spec, m Model) (*Plan, error) {
	catalogue, err := catalogue(spec, m, nil)
	if err != nil {
		return nil, err
	}
	record := schema.ScoreWith(spec.Model.Names())
	want := make([]kernel.Field, len(record))
	for i, c := range record {
		want[i] = kernel.Field{Name: c.Name, Type: c.Type}
	}
	plan, err := Select(catalogue, want, input(spec))
	if err != nil {
		return nil, err
	}
	for _, column := range spec.Gates.Nulls() {
		if !slices.Contains(plan.Columns(), column) {
			return nil, fmt.Errorf("gates.null_share_max.%s: the job does not read that column, so that nothing depends on its being there; leave the gate out, or map the column under input.columns", column)
		}
	}
	return plan, nil
}

// ForFeatures plans the program that computes features alone, for training. Its
// columns are the number, then the features in order; names are what the caller
// called them. Names that stand for nothing are all reported.
func ForFeatures(spec job.Spec, features []string) (p *Plan, names []string, err error) {
	known, _ := columns(spec)
	want := []kernel.Field{{Name: schema.Key, Type: arrow.PrimitiveTypes.Uint64}}
	names = append([]string{schema.Key}, features...)
	var bound, strangers []string
	for _, f := range features {
		column, ok := known[f]
		if !ok {
			strangers = append(strangers, fmt.Sprintf("%q", f))
			continue
		}
		if _, extra := extraName(column); extra {
			column = feature.AsFeature(column) // an output must be the program's own memory
		}
		bound = append(bound, column)
		want = append(want, kernel.Field{Name: column, Type: arrow.PrimitiveTypes.Float64})
	}
	if len(strangers) > 0 {
		return nil, nil, fmt.Errorf("there is no feature, canonical column or extra column %s; rescore features list prints the features", strings.Join(strangers, ", "))
	}
	catalogue, err := common(spec, bound)
	if err != nil {
		return nil, nil, err
	}
	p, err = Select(catalogue, want, input(spec))
	return p, names, err
}

// input says which columns a reader can hand over: the canonical ones, null in
// every row when the base lacks them, and the job's extra columns.
func input(spec job.Spec) func(string) (arrow.DataType, bool) {
	return func(name string) (arrow.DataType, bool) {
		if x, ok := extraName(name); ok {
			return arrow.PrimitiveTypes.Float64, isExtra(spec, x)
		}
		switch name {
		case schema.Key:
			return arrow.PrimitiveTypes.Uint64, true
		case BadValues:
			return arrow.PrimitiveTypes.Uint8, true
		}
		typ, ok := canonical[name]
		return typ, ok
	}
}

func isExtra(spec job.Spec, name string) bool {
	return slices.Contains(spec.Input.Extras(), name)
}

// catalogue lists the kernels of a job, with those of more features than the
// models'. Select leaves out what nobody needs.
func catalogue(spec job.Spec, m Model, more []string) ([]kernel.Kernel, error) {
	rules, err := formula.NewRules(spec)
	if err != nil {
		return nil, err
	}
	list, err := common(spec, slices.Concat(m.bound(), more, inputs(rules)))
	if err != nil {
		return nil, err
	}
	compiled, err := m.compiled()
	if err != nil {
		return nil, err
	}
	propensity, err := score.NewPropensity(compiled, m.fields(compiled), m.odds, spec.Policy)
	if err != nil {
		return nil, err
	}
	list = append(list, propensity, rules)
	for i, one := range spec.Model.Challengers {
		c := m.Challengers[i]
		compiled, err := c.compiled()
		if err != nil {
			return nil, fmt.Errorf("challenger %s: %w", one.Name, err)
		}
		k, err := score.NewChallenger(one.Name, compiled, c.fields(compiled), c.odds)
		if err != nil {
			return nil, fmt.Errorf("challenger %s: %w", one.Name, err)
		}
		list = append(list, k)
	}
	return list, nil
}

// inputs lists the columns a kernel reads.
func inputs(k kernel.Kernel) []string {
	in := k.Spec().In
	names := make([]string, len(in))
	for i, f := range in {
		names[i] = f.Name
	}
	return names
}

// ownName returns the name of the job's own feature that a column holds.
func ownName(column string) (string, bool) {
	name, ok := strings.CutPrefix(column, "formula(")
	return strings.TrimSuffix(name, ")"), ok
}

// kernelFeatures are the features that kernels read, whatever the model does.
var kernelFeatures = []string{"fee_slope", "bill_shock"}

// common lists the kernels that need no model: the features and the columns that
// bound names, the triggers, status, value and decision.
func common(spec job.Spec, bound []string) ([]kernel.Kernel, error) {
	var features, own []string
	list, bound, err := conversions(spec, bound)
	if err != nil {
		return nil, err
	}
	for _, name := range bound {
		if name, ok := ownName(name); ok && !slices.Contains(own, name) {
			own = append(own, name)
		}
	}
	if len(own) > 0 {
		k, err := formula.NewFeatures(spec, own)
		if err != nil {
			return nil, err
		}
		list = append(list, k)
		bound = slices.Concat(bound, inputs(k))
	}
	seen := make(map[string]bool)
	for _, name := range append(kernelFeatures[:len(kernelFeatures):len(kernelFeatures)], bound...) {
		if seen[name] {
			continue
		}
		seen[name] = true
		if _, ok := feature.Find(name); ok {
			features = append(features, name)
			continue
		}
		for t := 1; t <= rule.Triggers; t++ {
			if name == rule.BitName(t) {
				list = append(list, rule.NewBit(t))
			}
		}
		if column, ok := feature.FromFeature(name); ok {
			typ, _ := input(spec)(column)
			k, err := feature.NewColumn(column, typ)
			if err != nil {
				return nil, err
			}
			list = append(list, k)
		}
	}
	kernels, err := feature.Kernels(features, spec.Rules, spec.Month)
	if err != nil {
		return nil, err
	}
	list = append(list, feature.NewHistory(spec.Rules, spec.Month))
	list = append(list, kernels...)
	return append(list,
		rule.NewTriggers(spec.Rules, spec.Month),
		rule.NewStatus(spec.Month),
		rule.NewSubscriber(spec.Rules),
		rule.NewLabel(spec.Rules, spec.Month),
		rule.NewKinds(spec.Rules),
		rule.NewLifecycle(spec.Rules),
		rule.NewChange(spec.Rules, spec.Month),
		score.NewValue(spec.Policy),
		score.NewLoss(),
		score.NewDecision(spec.Policy),
		score.NewGrade(spec.Policy),
		score.NewProduct(),
		score.NewComplaint(),
		score.NewChurnStage(),
		score.NewCause(),
		score.NewOffer(spec.Policy, spec.Rules, spec.Month),
	), nil
}
