package formula

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
)

// functions are all there are, with how they are written.
var functions = map[string]string{
	"mean": "mean(fee[0:2])", "sum": "sum(fee[0:2])", "min": "min(fee[0:5])", "max": "max(fee[0:5])", "count": "count(fee[0:5])",
	"sd": "sd(fee[0:5])", "slope": "slope(fee[0:5])", "abs": "abs(x)", "sqrt": "sqrt(x)", "coalesce": "coalesce(x, 0)",
	"is_null": "is_null(x)", "per_day": "per_day(out_sec[0])",
}

func (c *checker) call(n *node) term {
	if m, ok := units[n.text]; ok {
		return c.measure(n, m)
	}
	usage, ok := functions[n.text]
	if !ok {
		all := slices.Sorted(maps.Keys(functions))
		all = append(all, slices.Sorted(maps.Keys(units))...)
		remedy := "the functions are " + strings.Join(all, ", ")
		if near, ok := job.Closest(n.text, all); ok {
			remedy = fmt.Sprintf("did you mean %s?", near)
		}
		return c.wrong(n, fmt.Sprintf("there is no function %s", n.text), remedy)
	}
	switch several := n.text == "coalesce" || n.text == "min" || n.text == "max"; {
	case len(n.args) == 0 || len(n.args) > 1 && !several, n.text == "coalesce" && len(n.args) < 2:
		return c.wrong(n, fmt.Sprintf("%s was given %d arguments", n.text, len(n.args)), "write "+usage)
	case n.text == "coalesce":
		return c.coalesce(n, n.args)
	case len(n.args) > 1:
		return c.extreme(n)
	}
	a := n.args[0]
	switch n.text {
	case "is_null":
		return c.isNull(n)
	case "per_day":
		return c.perDay(n)
	case "abs", "sqrt":
		t, ok := c.number(a, c.of(a))
		if !ok {
			return term{}
		}
		if n.text == "abs" {
			return t.each(t.unit, func(v *value) *value { return c.graph.function(opAbs, v, 0) })
		}
		u, ok := t.unit.root()
		if !ok {
			return c.wrong(n, fmt.Sprintf("the square root of %s has no unit", t.unit), "take it of a ratio, or of a product with itself")
		}
		return t.each(u, func(v *value) *value { return c.graph.function(opSqrt, v, 0) })
	}
	return c.window(n)
}

// measure gives a number its unit.
func (c *checker) measure(n *node, m measure) term {
	if len(n.args) != 1 {
		return c.wrong(n, fmt.Sprintf("%s was given %d arguments", n.text, len(n.args)), fmt.Sprintf("write %s(1)", n.text))
	}
	t, ok := c.number(n.args[0], c.of(n.args[0]))
	if !ok {
		return term{}
	}
	if !t.unit.bare {
		return c.wrong(n.args[0], fmt.Sprintf("%s has a unit already: %s", n.args[0], t.unit), fmt.Sprintf("remove %s", n.text))
	}
	return t.each(unitOf(m.unit), func(v *value) *value {
		if v.op == opConst {
			return c.graph.constant(whole(v.c * m.scale))
		}
		return c.graph.function(opScale, v, m.scale)
	})
}

// extreme is the least or greatest of several values; null when one is.
func (c *checker) extreme(n *node) term {
	o := map[string]op{"min": opMin, "max": opMax}[n.text]
	out := c.one(n.args[0])
	for i, a := range n.args {
		t := out
		if i > 0 {
			t = c.one(a)
		}
		t, ok := c.number(a, t)
		if !ok {
			return term{}
		}
		if i == 0 {
			continue
		}
		at := *n
		at.text = ","
		u, ok := c.agree(&at, n.args[i-1], a, out, t)
		if !ok {
			return term{}
		}
		out = scalar(numeric, u, c.graph.arithmetic(o, out.values[0], t.values[0]))
	}
	return out
}

func (c *checker) isNull(n *node) term {
	t := c.one(n.args[0])
	switch t.kind {
	case invalid:
		return term{}
	case boolean:
		return scalar(boolean, unit{}, c.graph.make(value{op: opIsUnknown, args: []*value{t.values[0]}}))
	case text:
		return c.wrong(n.args[0], "a text is never null", "write a column")
	default:
		return scalar(boolean, unit{}, c.graph.make(value{op: opIsNull, args: []*value{c.graph.known(t.values[0])}}))
	}
}

// perDay turns what a month added up to into what 30 days would.
func (c *checker) perDay(n *node) term {
	a := n.args[0]
	t, ok := c.number(a, c.of(a))
	if !ok {
		return term{}
	}
	if t.column == nil || !t.column.monthly {
		return c.wrong(a, fmt.Sprintf("%s is no month of a column", a), "write per_day(out_sec[0])")
	}
	k := a.from
	return t.each(t.unit, func(v *value) *value {
		length := kernel.DaysInMonth(kernel.MonthAdd(c.month, -k))
		k++
		return c.graph.arithmetic(opDiv, c.graph.function(opScale, v, 30), c.graph.constant(float64(length)))
	})
}

// window is a statistic over the months of a window.
func (c *checker) window(n *node) term {
	a := n.args[0]
	if n.text == "sd" || n.text == "slope" {
		before := c.history
		c.history = compared
		defer func() { c.history = before }()
	}
	t := c.of(a)
	if t.kind != invalid && !t.window {
		remedy := "write " + functions[n.text]
		if t.column != nil && t.column.monthly {
			remedy = fmt.Sprintf("write %s(%s[0:%d])", n.text, t.column.name, schema.Months-1)
		}
		return c.wrong(a, fmt.Sprintf("%s wants a window, and %s is one value", n.text, a), remedy)
	}
	g := c.graph
	if n.text == "count" && t.window {
		return scalar(numeric, unitOf(schema.Month), c.count(t))
	}
	t, ok := c.number(a, t)
	if !ok {
		return term{}
	}
	months := len(t.values)
	count := c.count(t)
	enough := func(v *value) *value {
		return g.make(value{op: opGuard, args: []*value{v, count}, c: half(months)})
	}
	switch n.text {
	case "sum":
		return scalar(numeric, t.unit, c.reduce(opAdd, t.values))
	case "min", "max":
		o, most := opMin, math.Inf(1)
		if n.text == "max" {
			o, most = opMax, math.Inf(-1)
		}
		return scalar(numeric, t.unit, enough(c.reduce(o, c.filled(t, most))))
	case "mean":
		return scalar(numeric, t.unit, enough(c.mean(t, count)))
	case "sd":
		mean := c.mean(t, count)
		var squares []*value
		for _, v := range t.values {
			d := g.arithmetic(opSub, v, mean)
			squares = append(squares, g.filled(g.arithmetic(opMul, d, d), 0))
		}
		variance := g.arithmetic(opDiv, c.reduce(opAdd, squares), count)
		return scalar(numeric, t.unit, enough(g.function(opSqrt, variance, 0)))
	}
	u, ok := t.unit.times(unitOf(schema.Month), -1)
	if !ok {
		return c.wrong(n, "the slope has no unit that anybody could read", "divide before")
	}
	return scalar(numeric, u, enough(c.slope(t, count)))
}

// Which history the months of a formula are cut to.
const (
	believed = 1 // kernel.History
	compared = 2 // kernel.HistoryCompare
)

// count returns how many months are known.
func (c *checker) count(t term) *value {
	known := make([]*value, len(t.values))
	for i, v := range t.values {
		known[i] = c.flag(v)
	}
	return c.reduce(opAdd, known)
}

// flag is 1 where a month is known and 0 where it is not.
func (c *checker) flag(v *value) *value {
	if v.op == opConst {
		return c.graph.constant(map[bool]float64{true: 1}[v.c == v.c])
	}
	return c.graph.make(value{op: opFlag, args: []*value{c.graph.known(v)}})
}

func (c *checker) filled(t term, v float64) []*value {
	list := make([]*value, len(t.values))
	for i, m := range t.values {
		list[i] = c.graph.filled(m, v)
	}
	return list
}

// reduce puts the months together, newest first.
func (c *checker) reduce(o op, list []*value) *value {
	out := c.graph.float(list[0])
	for _, v := range list[1:] {
		out = c.graph.arithmetic(o, out, v)
	}
	return out
}

func (c *checker) mean(t term, count *value) *value {
	return c.graph.arithmetic(opDiv, c.reduce(opAdd, c.filled(t, 0)), count)
}

// slope is that of the least-squares line through the months that are known, a
// month forward: (n·Σtx − Σt·Σx) / (n·Σtt − Σt·Σt), t the month counted from the
// newest of the window, 0, -1, …; null through fewer than two.
func (c *checker) slope(t term, count *value) *value {
	g := c.graph
	x := c.filled(t, 0)
	var moments, times, squares []*value
	for i, v := range t.values {
		at, flag := -float64(i), c.flag(v)
		moments = append(moments, g.function(opScale, x[i], at))
		times = append(times, g.function(opScale, flag, at))
		squares = append(squares, g.function(opScale, flag, at*at))
	}
	sumT := c.reduce(opAdd, times)
	over := g.arithmetic(opSub, g.arithmetic(opMul, count, c.reduce(opAdd, moments)), g.arithmetic(opMul, sumT, c.reduce(opAdd, x)))
	under := g.arithmetic(opSub, g.arithmetic(opMul, count, c.reduce(opAdd, squares)), g.arithmetic(opMul, sumT, sumT))
	return g.arithmetic(opDiv, over, under)
}
