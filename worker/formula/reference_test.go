package formula

import (
	"math"
	"strings"
	"time"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/feature"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

// The reference reads the tree of a formula for one row, as the language is
// described: no sharing, no masks, no chunks. A value is known or it is not.

// val is a number, a condition, or something with a name of its own.
type val struct {
	known bool
	x     float64 // of a number
	i     int64   // of a column of whole numbers, as it is
	whole bool    // x was i
	holds bool    // of a condition
}

func num(x float64) val {
	if x != x {
		return val{}
	}
	return val{known: true, x: x}
}

func yes(b bool) val { return val{known: true, holds: b} }

// row is one row and what formulas can name in it.
type row struct {
	in       *kerneltest.In
	spec     job.Spec
	features map[string]*node // worked out when they are named; nil in rules
	compare  bool             // inside sd and slope
}

// column reads a column of the record, the score, the dictionary or the job.
func (r *row) column(name string, k int) val {
	for _, x := range r.spec.Input.Extra {
		if x.Name == name {
			return num(r.in.Float("extra(" + name + ")"))
		}
	}
	if _, ok := feature.Find(name); ok {
		return num(r.in.Float(name))
	}
	col, ok := schema.Find(schema.Subscriber, name)
	flat := name
	if ok && col.Monthly {
		flat = col.At(k)
	}
	if !ok {
		if name == "propensity" {
			return num(r.in.Float(name))
		}
		col, _ = schema.Find(schema.Score, name)
	}
	p := r.in.Int(flat)
	none := strings.HasPrefix(col.Null, "none, as 0")
	if p == nil && none {
		zero := int64(0)
		p = &zero
	}
	if p == nil {
		return val{}
	}
	if ok && col.Monthly {
		history := kernel.History.Name
		if r.compare {
			history = kernel.HistoryCompare.Name
		}
		if *r.in.Int(history)>>k&1 == 0 {
			return val{}
		}
	}
	for _, c := range col.Codes {
		if c.Name == "unknown" && int64(c.Value) == *p {
			return val{}
		}
	}
	if sentinel := map[string]int64{"silent_run": -1, "arpu3_fen": -1, "group_id": 0, "value_tier": 255}; sentinel[name] == *p {
		if _, has := sentinel[name]; has {
			return val{}
		}
	}
	return val{known: true, x: float64(*p), i: *p, whole: true}
}

// codeOf is the value of a code's name, or the day of a date's text.
func (r *row) codeOf(column, name string) int64 {
	for _, record := range [][]schema.Column{schema.Subscriber, schema.Score} {
		if col, ok := schema.Find(record, column); ok {
			if c, ok := col.Find(name); ok {
				return int64(c.Value)
			}
		}
	}
	for _, x := range r.spec.Input.Extra {
		for i, v := range x.Values {
			if x.Name == column && v == name {
				return int64(i)
			}
		}
	}
	day, err := time.Parse("2006-01-02", name)
	if err != nil {
		panic(name)
	}
	return int64(day.Sub(time.Unix(0, 0)) / (24 * time.Hour))
}

// months evaluates a window: one value a month, newest first.
func (r *row) months(n *node) []val {
	switch n.form {
	case window:
		var list []val
		for k := n.from; k <= n.to; k++ {
			list = append(list, r.column(n.text, k))
		}
		return list
	case unary, binary, call:
		if n.form == call && n.text == "per_day" {
			list := r.months(n.args[0])
			if list == nil {
				return nil
			}
			for i, v := range list {
				if v.known {
					k := n.args[0].from + i
					first := time.Date(int(r.spec.Month/100), time.Month(r.spec.Month%100)-time.Month(k), 1, 0, 0, 0, 0, time.UTC)
					list[i] = num(v.x * 30 / float64(first.AddDate(0, 1, -1).Day()))
				}
			}
			return list
		}
		if n.form == call && n.text != "abs" {
			return nil
		}
		sides := make([][]val, len(n.args))
		most := 0
		for i, a := range n.args {
			if sides[i] = r.months(a); sides[i] != nil {
				most = len(sides[i])
			}
		}
		if most == 0 {
			return nil
		}
		var list []val
		for k := range most {
			args := make([]val, len(n.args))
			for i, a := range n.args {
				if sides[i] != nil {
					args[i] = sides[i][k]
				} else {
					args[i] = r.eval(a)
				}
			}
			list = append(list, apply(n, args))
		}
		return list
	default:
		return nil
	}
}

// apply is arithmetic on values that are there; null when one is not.
func apply(n *node, a []val) val {
	for _, v := range a {
		if !v.known {
			return val{}
		}
	}
	switch {
	case n.form == call && n.text == "abs":
		return num(math.Abs(a[0].x))
	case n.form == unary:
		return num(-a[0].x)
	case n.text == "+":
		return num(a[0].x + a[1].x)
	case n.text == "-":
		return num(a[0].x - a[1].x)
	case n.text == "*":
		return num(float64(a[0].x * a[1].x))
	case a[1].x == 0:
		return val{}
	}
	return num(a[0].x / a[1].x)
}

func relation(op string, a, b val) val {
	if !a.known || !b.known {
		return val{}
	}
	if a.whole && b.whole {
		switch op {
		case "<":
			return yes(a.i < b.i)
		case "<=":
			return yes(a.i <= b.i)
		case ">":
			return yes(a.i > b.i)
		case ">=":
			return yes(a.i >= b.i)
		case "!=":
			return yes(a.i != b.i)
		}
		return yes(a.i == b.i)
	}
	switch op {
	case "<":
		return yes(a.x < b.x)
	case "<=":
		return yes(a.x <= b.x)
	case ">":
		return yes(a.x > b.x)
	case ">=":
		return yes(a.x >= b.x)
	case "!=":
		return yes(a.x != b.x)
	}
	return yes(a.x == b.x)
}

// side evaluates one side of a comparison; a text means what the other side's
// column makes of it.
func (r *row) side(n, other *node) val {
	if n.form == word {
		i := r.codeOf(other.text, n.text)
		return val{known: true, x: float64(i), i: i, whole: true}
	}
	return r.eval(n)
}

func (r *row) eval(n *node) val {
	switch n.form {
	case number:
		return num(n.value)
	case truth:
		return yes(n.value != 0)
	case name:
		return r.name(n)
	case month:
		return r.column(n.text, n.from)
	case unary:
		v := r.eval(n.args[0])
		if n.text == "not" {
			return val{known: v.known, holds: !v.holds}
		}
		return apply(n, []val{v})
	case chain:
		all := yes(true)
		for i, op := range n.ops {
			all = and(all, relation(op, r.side(n.args[i], n.args[i+1]), r.side(n.args[i+1], n.args[i])))
		}
		return all
	case choice:
		test := r.eval(n.args[0])
		switch {
		case !test.known:
			return val{}
		case test.holds:
			return r.eval(n.args[1])
		}
		return r.eval(n.args[2])
	case binary:
		return r.binary(n)
	default:
		return r.call(n)
	}
}

func (r *row) name(n *node) val {
	if n.text == "asof" {
		return val{known: true, x: float64(time.Date(int(r.spec.Month/100), time.Month(r.spec.Month%100)+1, 0, 0, 0, 0, 0, time.UTC).Unix() / 86400)}
	}
	if tree, ok := r.features[n.text]; ok {
		v := r.eval(tree)
		if math.IsInf(v.x, 0) {
			return val{}
		}
		v.whole = false
		return v
	}
	for _, f := range r.spec.Features { // in rules: columns
		if f.Name == n.text {
			v := num(r.in.Float("formula(" + n.text + ")"))
			if n.text == "calm" { // the one that is a condition
				return val{known: v.x == 1 || v.known && v.x == 0, holds: v.x == 1}
			}
			return v
		}
	}
	if t := triggerOf(n.text); t >= 0 {
		fired, unknown := *r.in.Int("trg_fired")>>t&1, *r.in.Int("trg_unknown")>>t&1
		return val{known: fired == 1 || unknown == 0, holds: fired == 1}
	}
	return r.column(n.text, 0)
}

func triggerOf(name string) int {
	for t := range 14 {
		if name == "t"+string(rune('0'+(t+1)/10))+string(rune('0'+(t+1)%10)) || t < 9 && name == "t"+string(rune('1'+t)) {
			return t
		}
	}
	return -1
}

func and(a, b val) val {
	if a.known && !a.holds || b.known && !b.holds {
		return yes(false)
	}
	return val{known: a.known && b.known, holds: true}
}

func or(a, b val) val {
	if a.known && a.holds || b.known && b.holds {
		return yes(true)
	}
	return val{known: a.known && b.known}
}

func (r *row) binary(n *node) val {
	a, b := n.args[0], n.args[1]
	switch n.text {
	case "and":
		return and(r.eval(a), r.eval(b))
	case "or":
		return or(r.eval(a), r.eval(b))
	case "??":
		if v := r.eval(a); v.known {
			return v
		}
		return r.eval(b)
	case "+", "-", "*", "/":
		return apply(n, []val{r.eval(a), r.eval(b)})
	case "in":
		if b.form != list {
			set := r.column(b.text, 0)
			if !set.known {
				return val{}
			}
			return yes(set.i>>r.codeOf(b.text, a.text)&1 == 1)
		}
		any := yes(false)
		for _, one := range b.args {
			any = or(any, relation("==", r.eval(a), r.side(one, a)))
		}
		return any
	}
	return relation(n.text, r.side(a, b), r.side(b, a))
}

func (r *row) call(n *node) val {
	switch n.text {
	case "is_null":
		return yes(!r.eval(n.args[0]).known)
	case "coalesce":
		for _, a := range n.args {
			if v := r.eval(a); v.known {
				return v
			}
		}
		return val{}
	case "yuan":
		return num(math.Round(n.args[0].value * 100))
	case "days":
		return r.eval(n.args[0])
	case "minutes":
		return num(math.Round(n.args[0].value * 60))
	case "sqrt":
		return num(math.Sqrt(r.eval(n.args[0]).or(nan)))
	case "abs":
		return apply(n, []val{r.eval(n.args[0])})
	case "per_day":
		return r.months(&node{form: call, text: "per_day", args: []*node{{form: window, text: n.args[0].text, from: n.args[0].from, to: n.args[0].from}}})[0]
	}
	if len(n.args) > 1 { // min, max
		out := r.eval(n.args[0])
		for _, a := range n.args[1:] {
			v := r.eval(a)
			if !out.known || !v.known {
				out = val{}
			} else if n.text == "min" {
				out = num(math.Min(out.x, v.x))
			} else {
				out = num(math.Max(out.x, v.x))
			}
		}
		return out
	}
	return r.statistic(n)
}

func (v val) or(x float64) float64 {
	if v.known {
		return v.x
	}
	return x
}

func (r *row) statistic(n *node) val {
	before := r.compare
	r.compare = before || n.text == "sd" || n.text == "slope"
	all := r.months(n.args[0])
	r.compare = before
	var xs, ts []float64
	for k, v := range all {
		if v.known {
			xs, ts = append(xs, v.x), append(ts, -float64(k))
		}
	}
	count, sum := float64(len(xs)), 0.0
	for _, x := range xs {
		sum += x
	}
	switch {
	case n.text == "count":
		return num(count)
	case n.text == "sum" && len(xs) < len(all), len(xs) == 0, 2*len(xs) < len(all):
		return val{}
	}
	switch n.text {
	case "sum":
		return num(sum)
	case "mean":
		return num(sum / count)
	case "min", "max":
		out := xs[0]
		for _, x := range xs {
			if n.text == "min" {
				out = math.Min(out, x)
			} else {
				out = math.Max(out, x)
			}
		}
		return num(out)
	case "sd":
		squares := 0.0
		for _, x := range xs {
			d := x - sum/count
			squares += float64(d * d)
		}
		return num(math.Sqrt(squares / count))
	}
	sumT, sumTT, sumTX := 0.0, 0.0, 0.0
	for i := range xs {
		sumT += ts[i]
		sumTT += float64(ts[i] * ts[i])
		sumTX += float64(xs[i] * ts[i])
	}
	under := float64(count*sumTT) - float64(sumT*sumT)
	if under == 0 {
		return val{}
	}
	return num((float64(count*sumTX) - float64(sumT*sum)) / under)
}
