package formula

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/lane"
)

// featuresKernel computes users' own features: float64 columns, NaN is null.
type featuresKernel struct {
	spec    kernel.Spec
	machine *machine
}

// NewFeatures returns the kernel that computes those of a job's own features that
// names lists, and nothing else. They are columns called by Column.
func NewFeatures(spec job.Spec, names []string) (kernel.Kernel, error) {
	b := read(spec)
	if p := b.problems(); len(p) > 0 {
		return nil, p
	}
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	// Whatever a wanted one is made of comes before it: go back from the last.
	for _, f := range slices.Backward(b.ordered) {
		if wanted[f.Name] {
			f.tree.each(func(n *node) { wanted[n.text] = wanted[n.text] || n.form == name })
		}
	}
	g := newGraph()
	b.lower(g, slices.DeleteFunc(slices.Clone(b.ordered), func(f *formula) bool { return !wanted[f.Name] }))
	k := &featuresKernel{spec: kernel.Spec{Name: "formula.features"}}
	var roots []*value
	for _, f := range b.features {
		if !slices.Contains(names, f.Name) {
			continue
		}
		v := f.term.values[0]
		if f.term.kind == boolean {
			v = g.make(value{op: opRank, args: []*value{v}})
		}
		roots = append(roots, v)
		k.spec.Out = append(k.spec.Out, kernel.Field{Name: Column(f.Name), Type: arrow.PrimitiveTypes.Float64})
	}
	if len(roots) < len(slices.Compact(slices.Sorted(slices.Values(names)))) {
		return nil, fmt.Errorf("the job has no features of its own called %q", names)
	}
	k.spec.In = g.fields
	k.machine = newMachine(g, roots, func(m *machine, root int) {
		x := m.numbers(roots[root])
		m.then(func(f *frame) { copy(f.out[root].F64[f.lo:f.lo+f.n], x.of(f)) })
	})
	return k, nil
}

// Spec implements kernel.Kernel.
func (k *featuresKernel) Spec() kernel.Spec { return k.spec }

// Eval implements kernel.Kernel.
func (k *featuresKernel) Eval(n int, in, out []kernel.Vector) { k.machine.run(n, in, out) }

// rulesKernel computes rule_fired and rule_unknown.
type rulesKernel struct {
	spec    kernel.Spec
	machine *machine
}

// NewRules returns the kernel of a job's own rules. A job without any has none
// that fired and none that is unknown.
func NewRules(spec job.Spec) (kernel.Kernel, error) {
	b := read(spec)
	if p := b.problems(); len(p) > 0 {
		return nil, p
	}
	g := newGraph()
	b.lowerRules(g)
	var roots []*value
	for _, f := range b.rules {
		roots = append(roots, f.term.values[0])
	}
	u64 := arrow.PrimitiveTypes.Uint64
	k := &rulesKernel{spec: kernel.Spec{Name: "formula.rules", Out: []kernel.Field{{Name: Fired, Type: u64}, {Name: Unknown, Type: u64}}}}
	fired, unknown := make([]*lane.Mask, len(roots)), make([]*lane.Mask, len(roots))
	k.machine = newMachine(g, roots, func(m *machine, root int) {
		t := m.truth[roots[root]]
		is, not := new(lane.Mask), new(lane.Mask)
		fired[root], unknown[root] = is, not
		m.then(func(*frame) {
			*is = t.Is
			t.Unknown(not)
		})
	})
	if len(roots) == 0 {
		k.machine.then(func(f *frame) {
			clear(f.out[0].U64[f.lo : f.lo+f.n])
			clear(f.out[1].U64[f.lo : f.lo+f.n])
		})
		return k, nil
	}
	k.machine.then(func(f *frame) {
		lane.Pack(f.out[0].U64[f.lo:f.lo+f.n], fired)
		lane.Pack(f.out[1].U64[f.lo:f.lo+f.n], unknown)
	})
	k.spec.In = g.fields
	return k, nil
}

// Spec implements kernel.Kernel.
func (k *rulesKernel) Spec() kernel.Spec { return k.spec }

// Eval implements kernel.Kernel.
func (k *rulesKernel) Eval(n int, in, out []kernel.Vector) { k.machine.run(n, in, out) }
