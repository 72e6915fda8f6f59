package bundle

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rescore/partition/job"
	"rescore/worker/model"
)

// Change is one thing that two models differ in. A side that lacks it is "".
type Change struct {
	What string `json:"what"`
	From string `json:"from"`
	To   string `json:"to"`
}

// Diff lists what changed from a to b: the card, the features and what becomes of
// their values, the trees. It is empty when both score every row alike.
func Diff(a, b *Bundle) []Change {
	d := &differ{list: []Change{}}
	d.card(&a.Card, &b.Card)
	d.features(a, b)
	d.model(a.Model, b.Model)
	return d.list
}

type differ struct{ list []Change }

func (d *differ) add(what string, from, to any) {
	if f, t := fmt.Sprint(from), fmt.Sprint(to); f != t {
		d.list = append(d.list, Change{what, f, t})
	}
}

// text is a part of a card as it is written, on one line; "" for none.
func text[T any](part *T) string {
	if part == nil {
		return ""
	}
	return strings.Join(strings.Fields(string(job.EncodeFile(*part))), " ")
}

func (d *differ) card(a, b *Card) {
	d.add("id", a.ID, b.ID)
	d.add("version", a.Version, b.Version)
	d.add("trained_at", a.TrainedAt, b.TrainedAt)
	d.add("label", text(a.Label), text(b.Label))
	d.add("undersampling_beta", a.UndersamplingBeta, b.UndersamplingBeta)
	d.add("calibration", text(a.Calibration), text(b.Calibration))
}

// features compares features by name: which there are, in which order, and what the
// cards say of them.
func (d *differ) features(a, b *Bundle) {
	var common []string
	for _, name := range a.Model.Features {
		if slices.Contains(b.Model.Features, name) {
			common = append(common, name)
		} else {
			d.add("feature "+name, "there", "")
		}
	}
	for _, name := range b.Model.Features {
		if !slices.Contains(a.Model.Features, name) {
			d.add("feature "+name, "", "there")
		}
	}
	for _, name := range common {
		from, to := a.Card.feature(name), b.Card.feature(name)
		d.add("feature "+name+": column", from.Column, to.Column)
		d.add("feature "+name+": unit", from.Unit, to.Unit)
		d.add("feature "+name+": invalid", text(from.Invalid), text(to.Invalid))
		d.add("feature "+name+": unseen", text(from.Unseen), text(to.Unseen))
		d.add("feature "+name+": missing", text(from.Missing), text(to.Missing))
		d.asked(name, a.Model, b.Model)
	}
}

// feature is what a card says of a feature, with the defaults for what it does not.
func (c *Card) feature(name string) Feature {
	f := Feature{Name: name}
	if i := slices.IndexFunc(c.Features, func(f Feature) bool { return f.Name == name }); i >= 0 {
		f = c.Features[i]
	}
	if f.Column == "" {
		f.Column = name
	}
	return f
}

// asked compares what the trees ask of a feature.
func (d *differ) asked(name string, a, b *model.Ensemble) {
	count := func(e *model.Ensemble) (splits int, distinct []float64) {
		for t := range e.Trees() {
			tree := e.Tree(t)
			for i, column := range tree.Feature {
				if source := e.Source(int(column)); source < 0 || e.Features[source] != name {
					continue
				}
				splits++
				if !tree.Decision[i].Categorical() {
					distinct = append(distinct, tree.Threshold[i])
				}
			}
		}
		slices.Sort(distinct)
		return splits, slices.Compact(distinct)
	}
	splitsA, askedA := count(a)
	splitsB, askedB := count(b)
	d.add("feature "+name+": splits", splitsA, splitsB)
	shared := 0
	for _, x := range askedA {
		if _, ok := slices.BinarySearch(askedB, x); ok {
			shared++
		}
	}
	if shared < len(askedA) || shared < len(askedB) {
		d.list = append(d.list, Change{"feature " + name + ": thresholds",
			fmt.Sprintf("%d, %d of them gone", len(askedA), len(askedA)-shared), fmt.Sprintf("%d, %d of them new", len(askedB), len(askedB)-shared)})
	}
}

func (d *differ) model(a, b *model.Ensemble) {
	d.add("library", a.Library+" "+a.Version, b.Library+" "+b.Version)
	d.add("objective", a.Objective, b.Objective)
	d.add("classes", a.Classes, b.Classes)
	d.add("link", a.Link, b.Link)
	d.add("sigmoid", a.Sigmoid, b.Sigmoid)
	d.add("average output", a.Average, b.Average)
	d.add("sums in float32", a.Single, b.Single)
	d.add("base score", numbers(a.Base), numbers(b.Base))
	if !slices.Equal(a.Weight, b.Weight) {
		d.list = append(d.list, Change{"weights", fmt.Sprint(len(a.Weight)), fmt.Sprint(len(b.Weight)) + ", not the same"})
	}
	same := 0
	for same < min(a.Trees(), b.Trees()) && equal(a, b, same) {
		same++
	}
	if same < a.Trees() || same < b.Trees() {
		d.list = append(d.list, Change{"trees",
			fmt.Sprintf("%d trees, %d leaves", a.Trees(), leaves(a)), fmt.Sprintf("%d trees, %d leaves; the first %d are the same", b.Trees(), leaves(b), same)})
	}
	if !slices.Equal(a.Features, b.Features) && slices.Equal(slices.Sorted(slices.Values(a.Features)), slices.Sorted(slices.Values(b.Features))) {
		d.list = append(d.list, Change{"order of features", strings.Join(a.Features, " "), strings.Join(b.Features, " ")})
	}
}

func numbers(list []float64) string {
	var parts []string
	for _, x := range list {
		parts = append(parts, strconv.FormatFloat(x, 'g', 17, 64))
	}
	return strings.Join(parts, " ")
}

func leaves(e *model.Ensemble) int {
	n := 0
	for t := range e.Trees() {
		n += len(e.Tree(t).Leaf)
	}
	return n
}

// equal reports whether tree t is the same in both models, by its features' names.
func equal(a, b *model.Ensemble, t int) bool {
	x, y := a.Tree(t), b.Tree(t)
	if len(x.Feature) != len(y.Feature) {
		return false
	}
	for i := range x.Feature {
		if title(a, x.Feature[i]) != title(b, y.Feature[i]) {
			return false
		}
	}
	return slices.Equal(x.Threshold, y.Threshold) && slices.Equal(x.Decision, y.Decision) && slices.Equal(x.Left, y.Left) && slices.Equal(x.Right, y.Right) &&
		slices.Equal(x.Leaf, y.Leaf) && slices.Equal(x.Bound, y.Bound) && slices.Equal(x.Word, y.Word) && slices.Equal(x.Const, y.Const)
}

// title names a column: by its feature, or by its number when the model makes it.
func title(e *model.Ensemble, column int32) string {
	if int(column) < len(e.Features) {
		return e.Features[column]
	}
	return "#" + strconv.Itoa(int(column))
}
