package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rescore/partition/job"
	"rescore/worker/bundle"
	"rescore/worker/model"
)

// inspected is a model as rescore model inspect prints it.
type inspected struct {
	Format     string             `json:"format"` // the library, and the version of its format
	Objective  string             `json:"objective"`
	Link       string             `json:"link"`
	Sigmoid    float64            `json:"sigmoid"`
	Classes    int                `json:"classes"`
	Labels     []string           `json:"labels,omitempty"` // of the target, by class; with one class, whose probability it is
	BaseScore  []float64          `json:"base_score"`       // raw score of each class before the first tree
	Trees      int                `json:"trees"`
	Iterations int                `json:"iterations"`
	Leaves     int                `json:"leaves"`
	LeavesMax  int                `json:"leaves_max"` // of one tree
	Best       *int               `json:"best_iteration"`
	Average    bool               `json:"average_output"`
	Linear     bool               `json:"linear"`
	Sum        string             `json:"sum"`        // float64 or float32
	Propensity bool               `json:"propensity"` // a job can use it
	Digest     string             `json:"digest"`     // SHA-256 of the file
	Features   []inspectedFeature `json:"features"`
	Package    *inspectedPackage  `json:"package,omitempty"` // nil of a bare file
}

// inspectedPackage is what a package has beside its model.
type inspectedPackage struct {
	Card   bundle.Card `json:"card"`
	Digest string      `json:"digest"` // SHA-256 of the whole package
	Files  []string    `json:"files"`
	Golden int         `json:"golden_rows"`
}

type inspectedFeature struct {
	Name        string `json:"name"`
	Range       string `json:"range"`  // what training saw; "" when the file does not say
	Splits      int    `json:"splits"` // nodes that ask about it
	Categorical bool   `json:"categorical"`
}

var linkNames = map[model.Link]string{
	model.Identity: "identity", model.SignedSquare: "signed square", model.Logistic: "logistic", model.Exponential: "exponential",
	model.Softmax: "softmax", model.Softplus: "softplus", model.Step: "step", model.Choice: "choice",
	model.Probit: "probit", model.CLogLog: "cloglog", model.LogLog: "loglog", model.Cauchit: "cauchit", model.SimpleMax: "simplemax", model.Limited: "limited",
}

func (a *app) modelInspect() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect MODEL",
		Short: "Say what a model file or package holds: format, trees, features, card, digest",
		Long: `Inspect reads a model file or a package and prints its format, objective and
link, its trees and leaves, its features with what training saw of each and how many
nodes ask about it, the raw score before the first tree, and the SHA-256 of the file.
It says whether a job can use the model for its propensity. Of a package it prints
the card too: what becomes of each feature's values, undersampling, calibration,
golden rows, and the SHA-256 of the whole.`,
		Example: `  rescore model inspect model.txt
  rescore model inspect churn-2026-10 --output json`,
		Args:              exactly(1),
		ValidArgsFunction: modelArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := readModel(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			m := inspect(b)
			if a.json() {
				return a.printJSON(m)
			}
			return a.print("%s", m.text())
		},
	}
}

func inspect(b *bundle.Bundle) inspected {
	e := b.Model
	m := inspected{
		Format: e.Library + " " + e.Version, Objective: e.Objective, Link: linkNames[e.Link], Sigmoid: e.Sigmoid, Classes: e.Classes,
		BaseScore: append([]float64{}, e.Base...), Trees: e.Trees(), Average: e.Average, Linear: e.Linear(), Sum: "float64",
		Propensity: e.Probability(), Labels: e.Labels, Digest: b.Digest, Features: make([]inspectedFeature, len(e.Features)),
	}
	if b.Packed {
		m.Digest = b.Card.Model.SHA256
		m.Package = &inspectedPackage{Card: b.Card, Digest: b.Digest}
		for _, f := range b.Files {
			m.Package.Files = append(m.Package.Files, f.Name)
		}
		if b.Golden != nil {
			m.Package.Golden = b.Golden.N
		}
	}
	if e.Base == nil {
		m.BaseScore = make([]float64, e.Classes)
	}
	if m.Trees > 0 {
		m.Iterations = e.Iterations()
	}
	if e.Best >= 0 {
		m.Best = &e.Best
	}
	if e.Single {
		m.Sum = "float32"
	}
	for i, name := range e.Features {
		f := inspectedFeature{Name: name}
		if e.Ranges != nil {
			f.Range = e.Ranges[i]
			f.Categorical = f.Range != "none" && !strings.HasPrefix(f.Range, "[")
		}
		if e.Types != nil {
			f.Categorical = e.Types[i] == "c"
		}
		m.Features[i] = f
	}
	for t := range e.Trees() {
		tree := e.Tree(t)
		m.Leaves += len(tree.Leaf)
		m.LeavesMax = max(m.LeavesMax, len(tree.Leaf))
		for i, column := range tree.Feature {
			f := e.Source(int(column))
			if f < 0 {
				continue // the model made it of constants
			}
			m.Features[f].Splits++
			if tree.Decision[i].Categorical() {
				m.Features[f].Categorical = true
			}
		}
	}
	return m
}

func (m inspected) text() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(name string, value any) { _, _ = fmt.Fprintf(t, "%s\t%v\n", name, value) }
	objective := m.Objective
	if objective == "" {
		objective = "of the user's own"
	}
	line("format", m.Format)
	line("objective", objective)
	line("link", m.Link)
	if m.Link == linkNames[model.Logistic] {
		line("sigmoid", m.Sigmoid)
	}
	line("classes", m.Classes)
	switch {
	case len(m.Labels) == 1:
		line("probability of", m.Labels[0])
	case len(m.Labels) > 1:
		line("labels", strings.Join(m.Labels, ", "))
	}
	line("base score", strings.Trim(fmt.Sprint(m.BaseScore), "[]"))
	line("trees", fmt.Sprintf("%d in %d iterations, %d leaves, %d at most in one", m.Trees, m.Iterations, m.Leaves, m.LeavesMax))
	best := "the file does not say"
	if m.Best != nil {
		best = fmt.Sprint(*m.Best)
	}
	line("best iteration", best)
	line("average output", m.Average)
	line("linear", m.Linear)
	line("sums in", m.Sum)
	line("for a job's propensity", m.Propensity)
	line("sha256", m.Digest)
	_ = t.Flush() // a strings.Builder takes everything
	b.WriteByte('\n')
	t = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "FEATURE\tKIND\tSPLITS\tRANGE IN TRAINING\n")
	for _, f := range m.Features {
		kind := "number"
		if f.Categorical {
			kind = "category"
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%s\n", f.Name, kind, f.Splits, f.Range)
	}
	_ = t.Flush()
	if m.Package != nil {
		b.WriteString("\n" + m.Package.text())
	}
	return b.String()
}

// text is the card as it stands in the package, the bins of PSI counted.
func (p *inspectedPackage) text() string {
	card := p.Card
	bins := 0
	if card.PSI != nil {
		if bins = len(card.PSI.Features); card.PSI.Score != nil {
			bins++
		}
		card.PSI = nil
	}
	return fmt.Sprintf("package of %s, SHA-256 %s\n%d golden rows, PSI bins of %d columns\n\n%s", strings.Join(p.Files, ", "), p.Digest, p.Golden, bins, job.EncodeFile(card))
}
