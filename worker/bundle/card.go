package bundle

import (
	_ "embed" // the comments below are the documentation of model.yaml
	"strings"

	"rescore/partition/job"
	"rescore/partition/psi"
	"rescore/partition/schema"
)

// CardFile is the name of the card in a package.
const CardFile = "model.yaml"

// Card is model.yaml: what a model is and how its inputs and scores are to be
// taken. The yaml tags are its keys.
type Card struct {
	Format  int    `yaml:"format" json:"format" jsonschema:"enum=1"`                                             // format of this file: 1
	ID      string `yaml:"id" json:"id" jsonschema:"required,maxLength=64,pattern=^[A-Za-z0-9][A-Za-z0-9._-]*$"` // the model's name: letters, digits, ., - and _
	Version string `yaml:"version" json:"version,omitempty"`                                                     // of the model, free text
	// TrainedAt says when, and from what, the model was trained; free text.
	TrainedAt string `yaml:"trained_at" json:"trained_at,omitempty"`
	Model     Model  `yaml:"model" json:"model" jsonschema:"required"`
	Label     *Label `yaml:"label" json:"label,omitempty"`
	// Features say what the model's features are and what becomes of values that
	// training did not have. One that is not listed is bound to the column of its own
	// name, and its values are taken as they are.
	Features []Feature `yaml:"features" json:"features,omitempty"`
	// UndersamplingBeta is the fraction of non-churners kept in training: p is
	// corrected to β·p/(β·p − p + 1). Default 1: no correction.
	UndersamplingBeta float64      `yaml:"undersampling_beta" json:"undersampling_beta" jsonschema:"exclusiveMinimum=0,maximum=1"`
	Calibration       *Calibration `yaml:"calibration" json:"calibration,omitempty"`
	PSI               *PSI         `yaml:"psi" json:"psi,omitempty"`
	Golden            *Golden      `yaml:"golden" json:"golden,omitempty"`
}

// Model is the model's file.
type Model struct {
	File   string `yaml:"file" json:"file" jsonschema:"required"`     // in the package's folder
	SHA256 string `yaml:"sha256" json:"sha256" jsonschema:"required"` // of the file, hexadecimal
}

// Label says what the model was trained to foresee.
type Label struct {
	Rule      string `yaml:"rule" json:"rule"`                                                             // who counts as gone, such as status_or_silent of rules.label_rule
	Months    int    `yaml:"months" json:"months" jsonschema:"minimum=0,maximum=120"`                      // h: features of m, label of m+h
	BaseMonth int32  `yaml:"base_month" json:"base_month,omitempty" jsonschema:"minimum=0,maximum=209912"` // m of the training base, yyyymm
}

// Feature is what the package knows of one feature of the model. Policies are
// applied in the order of the keys: unit, invalid, unseen, missing.
type Feature struct {
	Name string `yaml:"name" json:"name" jsonschema:"required"` // as the model has it
	// Column is the feature, canonical column or extra column that is read. Default:
	// the one of the feature's own name. model.features of a job file wins over it.
	Column string `yaml:"column" json:"column,omitempty"`
	// Unit is the unit that training had. Values of a column in another unit are
	// converted: yuan of fen, minute of second. Default: the column's own.
	Unit    schema.Unit `yaml:"unit" json:"unit,omitempty"`
	Invalid *Invalid    `yaml:"invalid" json:"invalid,omitempty"`
	Unseen  *Unseen     `yaml:"unseen" json:"unseen,omitempty"`
	Missing *Missing    `yaml:"missing" json:"missing,omitempty"`
}

// Invalid says which values cannot be, and what becomes of them.
type Invalid struct {
	Min *float64 `yaml:"min" json:"min,omitempty"` // least valid value; default none
	Max *float64 `yaml:"max" json:"max,omitempty"` // largest valid value; default none
	// Then is missing, or clip: the nearest valid value is taken.
	Then string `yaml:"then" json:"then" jsonschema:"required,enum=missing,enum=clip"`
}

// Unseen says which values training had, and what becomes of others.
type Unseen struct {
	Categories []float64 `yaml:"categories" json:"categories" jsonschema:"required"` // the values training had: codes
	// Then is missing, or value: the one under value is taken.
	Then  string   `yaml:"then" json:"then" jsonschema:"required,enum=missing,enum=value"`
	Value *float64 `yaml:"value" json:"value,omitempty"`
}

// Missing says what a missing value is taken for. A model takes no row out of the
// base, so there is no reject: rows are kept out by input.exclude of the job file.
type Missing struct {
	// Then is keep (default: the model knows what to do), or value.
	Then  string   `yaml:"then" json:"then" jsonschema:"required,enum=keep,enum=value"`
	Value *float64 `yaml:"value" json:"value,omitempty"`
}

// Calibration turns scores into probabilities that come true as often as they say.
// It is applied last: after the link and the undersampling correction.
type Calibration struct {
	// Method is none; platt: p = 1/(1+exp(a·s+b)), with Platt's and scikit-learn's
	// sign, so that a is negative; or isotonic: straight lines between the knots (x, y),
	// y of the first below them, of the last above.
	Method string `yaml:"method" json:"method" jsonschema:"required,enum=none,enum=platt,enum=isotonic"`
	// On is what s is: propensity (default), the corrected probability; or raw, the
	// model's raw score, which knows nothing of undersampling.
	On string    `yaml:"on" json:"on,omitempty" jsonschema:"enum=propensity,enum=raw"`
	A  *float64  `yaml:"a" json:"a,omitempty"` // platt: slope, below 0
	B  *float64  `yaml:"b" json:"b,omitempty"` // platt: intercept
	X  []float64 `yaml:"x" json:"x,omitempty"` // isotonic: increasing
	Y  []float64 `yaml:"y" json:"y,omitempty"` // isotonic: from 0 to 1, never falling, one for each x
}

// PSI is how training's values were spread, to see a base move away from them.
type PSI struct {
	Score    *psi.Bins  `yaml:"score" json:"score,omitempty"`       // of the propensity that is published
	Features []psi.Bins `yaml:"features" json:"features,omitempty"` // of features, before policies, in the unit of training
}

// Golden names the rows whose scores are known. At least one of raw, prediction
// and propensity is there.
type Golden struct {
	File string `yaml:"file" json:"file" jsonschema:"required"` // CSV with a header: a column for each feature, before policies, and the known ones
	// Source says whose numbers they are: rescore, or the library that trained the model.
	Source     string `yaml:"source" json:"source,omitempty"`
	Raw        *Known `yaml:"raw" json:"raw,omitempty"`               // the raw score, before the link
	Prediction *Known `yaml:"prediction" json:"prediction,omitempty"` // after the link: what the library predicts
	Propensity *Known `yaml:"propensity" json:"propensity,omitempty"` // after undersampling and calibration, before it is cut and rounded to be published
}

// Known is a column of known scores.
type Known struct {
	Column string `yaml:"column" json:"column" jsonschema:"required"`
	// Bound is how far a score may be from the known one, absolutely. Default 0: the
	// same bits.
	Bound float64 `yaml:"bound" json:"bound" jsonschema:"minimum=0"`
}

//go:embed card.go
var source string

// Doc returns what this file says of a type of the card (field "") or of one of its
// fields, by their Go names.
func Doc(typ, field string) string { return docs(typ, field) }

var docs = job.Comments(source)

// Default returns the card of a bare model file.
func Default() Card { return Card{Format: 1, UndersamplingBeta: 1} }

// Name is what a model is called: its id and version, "" of a bare model file.
func (c *Card) Name() string { return strings.TrimSpace(c.ID + " " + c.Version) }
