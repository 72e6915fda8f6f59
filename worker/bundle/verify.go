package bundle

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"rescore/worker/score"
)

// Difference is a golden row that scores something else than it should.
type Difference struct {
	Row        int     `json:"row"`    // from 0
	Column     string  `json:"column"` // raw, prediction or propensity
	Difference float64 `json:"difference"`
	Bound      float64 `json:"bound"`
}

// Verification is what came of scoring golden rows.
type Verification struct {
	Model    string       `json:"model"`
	Digest   string       `json:"digest"` // SHA-256 of the package or the file
	Path     string       `json:"path"`   // instructions that scored them
	Rows     int          `json:"rows"`
	Columns  []Compared   `json:"columns"`
	Wrong    int          `json:"wrong"` // rows beyond a bound
	First    []Difference `json:"first"` // of them, the first few
	Verified bool         `json:"verified"`
}

// Compared is one column of known scores.
type Compared struct {
	Column  string  `json:"column"`
	Bound   float64 `json:"bound"`
	Largest float64 `json:"largest_difference"`
}

// firstMax is how many differences are listed.
const firstMax = 5

// compare holds scored rows to known ones. A score that is not finite equals itself
// alone.
func compare(g Golden, known, scored *Rows) Verification {
	v := Verification{Rows: known.N, First: []Difference{}}
	wrong := make([]bool, known.N)
	for _, c := range []struct {
		name          string
		known         *Known
		values, score []float64
	}{
		{"raw", g.Raw, known.Raw, scored.Raw},
		{"prediction", g.Prediction, known.Prediction, scored.Prediction},
		{"propensity", g.Propensity, known.Propensity, scored.Propensity},
	} {
		if c.known == nil {
			continue
		}
		column := Compared{Column: c.name, Bound: c.known.Bound}
		for i, want := range c.values {
			d := apart(want, c.score[i])
			column.Largest = max(column.Largest, d)
			if d <= column.Bound {
				continue
			}
			wrong[i] = true
			if len(v.First) < firstMax {
				v.First = append(v.First, Difference{i, c.name, d, column.Bound})
			}
		}
		v.Columns = append(v.Columns, column)
	}
	for _, w := range wrong {
		if w {
			v.Wrong++
		}
	}
	v.Verified = v.Wrong == 0
	return v
}

// apart is how far two scores are from each other, infinite where only one is a
// number.
func apart(a, b float64) float64 {
	switch {
	case a == b || a != a && b != b:
		return 0
	case a-b != a-b:
		return math.Inf(1)
	}
	return math.Abs(a - b)
}

// Err says which golden rows do not score what they should, and nil when all do. It
// names rows and differences, and no value of a row.
func (v Verification) Err() error {
	if v.Verified {
		return nil
	}
	return &MismatchError{v}
}

// MismatchError says that a model is not scored as it was when its golden rows were
// made.
type MismatchError struct{ Verification Verification }

func (e *MismatchError) Error() string {
	v := e.Verification
	var rows []string
	for _, d := range v.First {
		rows = append(rows, fmt.Sprintf("row %d: %s is off by %.3g, the bound is %g", d.Row, d.Column, d.Difference, d.Bound))
	}
	return fmt.Sprintf("%s (SHA-256 %.12s…), scored with %s: %d of %d golden rows do not score what they should: %s; the model file, the card or the golden rows are not the ones that belong together: import the model again",
		cmp.Or(v.Model, "the model"), v.Digest, v.Path, v.Wrong, v.Rows, strings.Join(rows, "; "))
}

// Verify scores the golden rows by the path that a job takes on this processor, and
// holds them to the known scores. A bundle without golden rows is verified: there is
// nothing that it could differ from.
func (b *Bundle) Verify() (Verification, error) {
	if b.Golden == nil {
		return Verification{Model: b.Card.Name(), Digest: b.Digest, First: []Difference{}, Verified: true}, nil
	}
	return b.Hold(*b.Card.Golden, b.Golden)
}

// Hold scores rows and holds them to what is known of them.
func (b *Bundle) Hold(g Golden, known *Rows) (Verification, error) {
	scored, path, err := b.Score(known.Features, known.N)
	if err != nil {
		return Verification{}, fmt.Errorf("score golden rows: %w", err)
	}
	v := compare(g, known, scored)
	v.Model, v.Digest, v.Path = b.Card.Name(), b.Digest, path
	return v, nil
}

// Score scores n rows of columns, one for each feature, before policies, and names
// the path it took. Propensity is nil when the model predicts no probability.
func (b *Bundle) Score(columns [][]float64, n int) (*Rows, string, error) {
	raw, path, err := score.Raw(b.Model, columns, n)
	if err != nil {
		return nil, "", err
	}
	rows := &Rows{N: n, Features: columns, Raw: raw, Prediction: make([]float64, n)}
	for i, x := range raw {
		rows.Prediction[i] = b.Model.Transform(x)
	}
	if b.Model.Probability() {
		odds := b.Card.Correction()
		rows.Propensity = make([]float64, n)
		for i, x := range raw {
			rows.Propensity[i] = odds.Apply(x, rows.Prediction[i])
		}
	}
	return rows, path, nil
}

// Correction is what the card does to a prediction.
func (c *Card) Correction() score.Correction {
	odds := score.Correction{Beta: c.UndersamplingBeta}
	k := c.Calibration
	if k == nil {
		return odds
	}
	odds.Calibration.Raw = k.On == "raw"
	switch k.Method {
	case "platt":
		odds.Calibration.Method, odds.Calibration.A, odds.Calibration.B = score.Platt, *k.A, *k.B
	case "isotonic":
		odds.Calibration.Method, odds.Calibration.X, odds.Calibration.Y = score.Isotonic, k.X, k.Y
	}
	return odds
}
