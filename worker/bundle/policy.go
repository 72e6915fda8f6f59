package bundle

import (
	"math"
	"slices"

	"rescore/worker/transform"
)

// policies compiles what the card says of values: a program that replaces the
// features' columns, in the model's order; nil when it says nothing.
func (c *Card) policies(features []string) (*transform.Program, error) {
	b := transform.New(len(features))
	for _, f := range c.Features {
		at := slices.Index(features, f.Name)
		replace := func(function transform.Function) { b.Replace(at, function, transform.Column(at)) }
		if v := f.Invalid; v != nil {
			low, high := math.Inf(-1), math.Inf(1)
			if v.Min != nil {
				low = *v.Min
			}
			if v.Max != nil {
				high = *v.Max
			}
			if v.Then == "clip" {
				replace(transform.Clip{Low: low, High: high})
			} else {
				valid := transform.Interval{Low: low, High: high, LowClosed: true, HighClosed: true}
				replace(transform.Restrict{Domain: transform.Domain{Intervals: []transform.Interval{valid}}, Otherwise: math.NaN()})
			}
		}
		if u := f.Unseen; u != nil {
			otherwise := math.NaN()
			if u.Then == "value" {
				otherwise = *u.Value
			}
			replace(transform.Restrict{Domain: transform.Domain{Values: slices.Sorted(slices.Values(u.Categories))}, Otherwise: otherwise})
		}
		if m := f.Missing; m != nil && m.Then == "value" {
			replace(transform.Fill(*m.Value))
		}
	}
	return b.Program()
}
