package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"rescore/partition/job"
	"rescore/partition/lazy"
	"rescore/partition/psi"
	"rescore/partition/schema"
	"rescore/worker/model"
)

// check reads the files that the card names, and reports all that is wrong with
// them and with the card.
func (b *Bundle) check() []job.Problem {
	c := &checker{card: &b.Card}
	c.head()
	if data, ok := c.file(b, "model.file", b.Card.Model.File); ok {
		c.digest(data)
		var err error
		if b.Model, err = model.Load(data); err != nil {
			c.add("model.file", err.Error(), "")
		} else if b.Model.Classes != 1 {
			c.add("model.file", fmt.Sprintf("the model has %d classes", b.Model.Classes), "a package holds a model with one output; score the others as bare files")
		}
	}
	if b.Model == nil {
		return c.found // the rest asks what the model has
	}
	if c.features(b.Model.Features); len(c.found) == 0 {
		c.prepare(b)
	}
	c.scale(b.Model)
	c.calibration()
	c.psi(b.Model.Features)
	if g := b.Card.Golden; g != nil && c.golden(b.Model) {
		if data, ok := c.file(b, "golden.file", g.File); ok {
			var err error
			if b.Golden, err = ReadRows(g.File, data, b.Model.Features, *g); err != nil {
				c.add("golden.file", err.Error(), "rescore model import writes such a file")
			}
		}
	}
	return c.found
}

type checker struct {
	card  *Card
	found []job.Problem
}

func (c *checker) add(at, message, remedy string) {
	c.found = append(c.found, job.Problem{Path: at, Message: message, Remedy: remedy})
}

var idShape = lazy.Regexp(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (c *checker) head() {
	switch id := c.card.ID; {
	case id == "":
		c.add("id", "the model has no id", "write id: with letters, digits, ., - and _")
	case !idShape().MatchString(id):
		c.add("id", fmt.Sprintf("%q is no id", cut(id)), "use letters, digits, ., - and _, 64 at most, starting with a letter or digit")
	}
	if l := c.card.Label; l != nil && l.BaseMonth != 0 && (l.BaseMonth < 200001 || l.BaseMonth%100 < 1 || l.BaseMonth%100 > 12) {
		c.add("label.base_month", fmt.Sprintf("%d is no month", l.BaseMonth), "write it as yyyymm, such as 202610")
	}
}

// file returns the content of a file that the card names.
func (c *checker) file(b *Bundle, key, name string) ([]byte, bool) {
	switch {
	case name == "":
		c.add(key, "the file is missing", "write the file's name")
		return nil, false
	case path.Clean(name) != name || strings.HasPrefix(name, "../") || path.IsAbs(name) || strings.Contains(name, `\`):
		c.add(key, fmt.Sprintf("%q is no name of a file in this folder", cut(name)), "keep the file in the package's folder and write its name alone")
		return nil, false
	}
	data, ok := b.file(name)
	if !ok {
		names := make([]string, len(b.Files))
		for i, f := range b.Files {
			names[i] = f.Name
		}
		remedy := "put it beside " + CardFile
		if near, ok := job.Closest(name, names); ok {
			remedy = fmt.Sprintf("did you mean %s?", near)
		}
		c.add(key, fmt.Sprintf("there is no file %s in the package", cut(name)), remedy)
	}
	return data, ok
}

var digestShape = lazy.Regexp(`^[0-9a-f]{64}$`)

func (c *checker) digest(data []byte) {
	want := c.card.Model.SHA256
	sum := sha256.Sum256(data)
	got := hex.EncodeToString(sum[:])
	switch {
	case !digestShape().MatchString(want):
		c.add("model.sha256", fmt.Sprintf("%q is no SHA-256", cut(want)), "write its 64 hexadecimal digits in small letters: "+got)
	case want != got:
		c.add("model.sha256", fmt.Sprintf("the file %s has another SHA-256, %s", c.card.Model.File, got), "bring back the file that the card was made for, or import the new one with rescore model import")
	}
}

func (c *checker) features(known []string) {
	seen := map[string]bool{}
	for i, f := range c.card.Features {
		at := fmt.Sprintf("features[%d]", i)
		switch {
		case f.Name == "":
			c.add(at+".name", "the feature has no name", "write the name that the model has for it")
		case !slices.Contains(known, f.Name):
			remedy := "rescore model inspect lists the model's features"
			if near, ok := job.Closest(f.Name, known); ok {
				remedy = fmt.Sprintf("did you mean %s?", near)
			}
			c.add(at+".name", fmt.Sprintf("the model has no feature %q", cut(f.Name)), remedy)
		case seen[f.Name]:
			c.add(at+".name", fmt.Sprintf("%q stands here twice", cut(f.Name)), "keep one of the two")
		}
		seen[f.Name] = true
		if f.Unit != schema.None && job.Units(f.Unit) == nil {
			c.add(at+".unit", fmt.Sprintf("%q is no unit", cut(string(f.Unit))), "write fen, yuan, second, minute, byte, kb, mb, gb, count, month, day or ratio")
		}
		c.policies(at, f)
	}
}

// prepare puts the policies before whatever the model itself does to its inputs.
func (c *checker) prepare(b *Bundle) {
	first, err := b.Card.policies(b.Model.Features)
	if err == nil && first != nil {
		prepared := *b.Model
		prepared.Prepare = first
		if own := b.Model.Prepare; own != nil {
			prepared.Prepare, err = own.After(first)
		}
		b.Model = &prepared
	}
	if err != nil {
		c.add("features", err.Error(), "leave policies out")
	}
}

func (c *checker) policies(at string, f Feature) {
	then := func(at, word string) {
		if word == "" {
			c.add(at+".then", "it is not said what becomes of such a value", "write then:")
		}
	}
	if v := f.Invalid; v != nil {
		then(at+".invalid", v.Then)
		switch {
		case v.Min == nil && v.Max == nil:
			c.add(at+".invalid", "no value is invalid", "write min, max or both")
		case v.Min != nil && v.Max != nil && *v.Min > *v.Max:
			c.add(at+".invalid", fmt.Sprintf("min %v is above max %v", *v.Min, *v.Max), "change one of the two")
		}
	}
	if u := f.Unseen; u != nil {
		then(at+".unseen", u.Then)
		if len(u.Categories) == 0 {
			c.add(at+".unseen.categories", "there are no categories", "list the values that training had")
		}
		for i, x := range u.Categories {
			if slices.Contains(u.Categories[:i], x) {
				c.add(fmt.Sprintf("%s.unseen.categories[%d]", at, i), fmt.Sprintf("%v stands here twice", x), "keep one of the two")
			}
		}
		c.value(at+".unseen", u.Then, u.Value)
	}
	if m := f.Missing; m != nil {
		then(at+".missing", m.Then)
		c.value(at+".missing", m.Then, m.Value)
	}
}

// value holds then and value to one another.
func (c *checker) value(at, then string, value *float64) {
	switch {
	case then == "value" && value == nil:
		c.add(at, "the value is missing", "write value: and the number to take")
	case then != "value" && value != nil:
		c.add(at+".value", "the value is not used", "write then: value, or remove it")
	}
}

// scale refuses what only a probability has.
func (c *checker) scale(e *model.Ensemble) {
	if e.Probability() {
		return
	}
	remedy := "train the model for a probability, or remove this"
	if c.card.UndersamplingBeta != 1 {
		c.add("undersampling_beta", "the model predicts no probability", remedy)
	}
	if k := c.card.Calibration; k != nil && k.Method != "none" {
		c.add("calibration", "the model predicts no probability", remedy)
	}
}

func (c *checker) calibration() {
	k := c.card.Calibration
	if k == nil {
		return
	}
	if k.Method == "" {
		c.add("calibration.method", "there is no method", "write none, platt or isotonic")
	}
	if k.On == "raw" && k.Method != "none" && c.card.UndersamplingBeta != 1 {
		c.add("calibration.on", "a raw score knows nothing of undersampling_beta", "write on: propensity, or remove undersampling_beta when the calibration was fitted on the whole base")
	}
	platt, isotonic := k.Method == "platt", k.Method == "isotonic"
	for _, key := range []struct {
		name        string
		given, used bool
		remedy      string
	}{
		{"a", k.A != nil, platt, "write the slope, below 0"},
		{"b", k.B != nil, platt, "write the intercept"},
		{"x", len(k.X) > 0, isotonic, "list the knots"},
		{"y", len(k.Y) > 0, isotonic, "list the knots"},
	} {
		switch {
		case key.used && !key.given:
			c.add("calibration."+key.name, "the method "+k.Method+" needs it", key.remedy)
		case !key.used && key.given && k.Method != "":
			c.add("calibration."+key.name, "the method "+k.Method+" has no use for it", "remove it, or correct method")
		}
	}
	if platt && k.A != nil && !(*k.A < 0) {
		c.add("calibration.a", fmt.Sprintf("with a slope of %v a larger score would be less likely to leave", *k.A), "p is 1/(1+exp(a·s+b)), with Platt's sign: write a below 0")
	}
	if !isotonic {
		return
	}
	if len(k.X) != len(k.Y) {
		c.add("calibration.y", fmt.Sprintf("%d values for %d knots", len(k.Y), len(k.X)), "give one for each x")
	}
	for i := 1; i < len(k.X); i++ {
		if k.X[i] <= k.X[i-1] {
			c.add(fmt.Sprintf("calibration.x[%d]", i), fmt.Sprintf("%v does not come after %v", k.X[i], k.X[i-1]), "list the knots in order, each once")
			break
		}
	}
	for i, y := range k.Y {
		switch {
		case !(y >= 0 && y <= 1):
			c.add(fmt.Sprintf("calibration.y[%d]", i), fmt.Sprintf("%v is no probability", y), "write numbers from 0 to 1")
		case i > 0 && y < k.Y[i-1]:
			c.add(fmt.Sprintf("calibration.y[%d]", i), fmt.Sprintf("%v is below %v: the curve falls", y, k.Y[i-1]), "an isotonic curve never falls; fit it again")
		default:
			continue
		}
		break
	}
}

// binsMax bounds what every task reports.
const binsMax = 20_000

func (c *checker) psi(known []string) {
	p := c.card.PSI
	if p == nil {
		return
	}
	bins := func(at string, b psi.Bins) {
		if err := b.Check(); err != nil {
			c.add(at, err.Error(), "make the bins anew with rescore model import --reference")
		}
	}
	if p.Score != nil {
		bins("psi.score", *p.Score)
		if p.Score.Name != "" {
			c.add("psi.score.name", "the score needs no name", "remove it")
		}
	}
	seen, total := map[string]bool{}, 0
	for i, b := range p.Features {
		at := fmt.Sprintf("psi.features[%d]", i)
		if total += b.Len(); total > binsMax && total-b.Len() <= binsMax {
			c.add(at, fmt.Sprintf("with it there are more than %d bins in all", binsMax), "watch fewer features, or cut them into fewer bins")
		}
		switch {
		case b.Name == "propensity":
			c.add(at+".name", "propensity is the score's name", "bins of the score stand under psi.score; leave the feature out")
		case !slices.Contains(known, b.Name):
			c.add(at+".name", fmt.Sprintf("the model has no feature %q", cut(b.Name)), "rescore model inspect lists the model's features")
		case seen[b.Name]:
			c.add(at+".name", fmt.Sprintf("%q stands here twice", cut(b.Name)), "keep one of the two")
		}
		seen[b.Name] = true
		bins(at, b)
	}
}

// golden reports whether the card's golden rows can be read.
func (c *checker) golden(e *model.Ensemble) bool {
	g, before := c.card.Golden, len(c.found)
	if g.Raw == nil && g.Prediction == nil && g.Propensity == nil {
		c.add("golden", "no column of known scores is named", "write raw, prediction or propensity, each with column:")
	}
	if g.Propensity != nil && !e.Probability() {
		c.add("golden.propensity", "the model predicts no probability", "write raw or prediction")
	}
	titles := titles(e.Features)
	seen := map[string]bool{}
	for _, k := range []struct {
		at    string
		known *Known
	}{{"golden.raw", g.Raw}, {"golden.prediction", g.Prediction}, {"golden.propensity", g.Propensity}} {
		switch {
		case k.known == nil:
			continue
		case k.known.Column == "":
			c.add(k.at+".column", "the column is missing", "write its name in the file's header")
		case slices.Contains(titles, k.known.Column) || seen[k.known.Column]:
			c.add(k.at+".column", fmt.Sprintf("%q is another column already", cut(k.known.Column)), "give the column of scores a name of its own")
		case math.IsNaN(k.known.Bound):
			c.add(k.at+".bound", "the bound is no number", "write 0 for the same bits")
		}
		seen[k.known.Column] = true
	}
	return len(c.found) == before
}

// cut keeps a quoted value from filling the screen.
func cut(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:60], "") + "…"
}
