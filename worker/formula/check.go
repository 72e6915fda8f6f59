package formula

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/kernel"
)

// term is what a part of a formula turned out to be: its type, and its value, or
// one value a month of a window, newest first.
type term struct {
	kind   kind
	unit   unit
	window bool
	values []*value
	column *column // of a code, flags, an identifier
	text   string
}

// checker gives a formula its types and its values in one walk.
type checker struct {
	names    names
	features map[string]term // those checked already
	graph    *graph
	month    int32 // scoring month
	history  int   // which history monthly columns are cut to
	mistakes []mistake
}

// mistakesMax is how many mistakes are reported of one formula: past it nobody
// mends one by one.
const mistakesMax = 10

func (c *checker) wrong(n *node, message, remedy string) term {
	if len(c.mistakes) < mistakesMax {
		c.mistakes = append(c.mistakes, mistake{n.at, brief(message), brief(remedy)})
	}
	return term{}
}

// brief keeps a formula that is quoted from filling the screen.
func brief(s string) string {
	runes := []rune(s)
	const most = 240
	if len(runes) <= most {
		return s
	}
	return string(runes[:most/2]) + " … " + string(runes[len(runes)-most/2:])
}

// of returns what n is.
func (c *checker) of(n *node) term {
	switch n.form {
	case number:
		return scalar(numeric, bare, c.graph.constant(n.value))
	case word:
		return term{kind: text, text: n.text}
	case truth:
		return scalar(boolean, unit{}, c.graph.truth(int(n.value)))
	case name, month, window:
		return c.named(n)
	case unary:
		return c.unary(n)
	case binary:
		return c.binary(n)
	case chain:
		return c.chain(n)
	case call:
		return c.call(n)
	case choice:
		return c.choice(n)
	default:
		return c.wrong(n, "a list stands here by itself", "write it behind in, as in brand in [\"gotone\", \"mzone\"]")
	}
}

func scalar(k kind, u unit, v *value) term { return term{kind: k, unit: u, values: []*value{v}} }

// one returns n, which must be one value and not a window.
func (c *checker) one(n *node) term {
	t := c.of(n)
	if t.window {
		return c.wrong(n, fmt.Sprintf("%s is a window where one value is needed", n), fmt.Sprintf("write mean(%s), or one month", n))
	}
	return t
}

func (c *checker) named(n *node) term {
	if n.form == name && n.text == "asof" {
		return scalar(numeric, date, c.graph.constant(float64(kernel.MonthEnd(c.month))))
	}
	if t, ok := c.features[n.text]; ok {
		if n.form != name {
			return c.wrong(n, fmt.Sprintf("%s is a feature and has no months", n.text), "write its name alone")
		}
		return t
	}
	col, ok := c.names[n.text]
	if !ok {
		return c.stranger(n)
	}
	if !col.monthly {
		if n.form != name {
			return c.wrong(n, fmt.Sprintf("%s has one value, not one a month", n.text), "write its name alone")
		}
		if col.origin == ofTriggers {
			fired := c.graph.read(field("trg_fired"), &column{name: "trg_fired"}, 0, 0)
			unknown := c.graph.read(field("trg_unknown"), &column{name: "trg_unknown"}, 0, 0)
			return scalar(boolean, unit{}, c.graph.make(value{op: opTrigger, args: []*value{fired, unknown}, n: int(col.bit)}))
		}
		v := c.graph.read(col.field(0), col, 0, 0)
		if col.kind == boolean { // a feature that is a condition
			v = c.graph.make(value{op: opReal, args: []*value{v}})
		}
		return term{kind: col.kind, unit: col.unit, column: col, values: []*value{v}}
	}
	t := term{kind: col.kind, unit: col.unit, column: col, window: n.form == window}
	for k := n.from; k <= n.to; k++ { // a bare name is month 0
		t.values = append(t.values, c.graph.read(col.field(k), col, k, c.history))
	}
	return t
}

// field returns a column of the score.
func field(name string) kernel.Field {
	return kernel.Field{Name: name, Type: schema.Must(schema.Score, name).Type}
}

func (c *checker) stranger(n *node) term {
	if len(c.mistakes) >= mistakesMax {
		return term{} // looking for what was meant takes its time
	}
	if base, k, ok := strings.Cut(n.text, "_m"); ok && len(k) == 1 && k[0] >= '0' && k[0] <= '5' {
		if col, found := c.names[base]; found && col.monthly {
			return c.wrong(n, fmt.Sprintf("there is no column %s", n.text), fmt.Sprintf("write %s[%s]", base, k))
		}
	}
	all := names{"asof": nil}
	for name, col := range c.names {
		all[name] = col
	}
	for name := range c.features {
		all[name] = nil
	}
	if near, ok := all.near(n.text); ok {
		return c.wrong(n, fmt.Sprintf("there is no column %s", n.text), fmt.Sprintf("did you mean %s?", near))
	}
	if _, ok := schema.Find(schema.Score, n.text); ok && !slices.Contains(late, n.text) {
		return c.wrong(n, fmt.Sprintf("a feature cannot read %s", n.text), "the model reads features, and this is worked out from the model; rules can read it")
	}
	return c.wrong(n, fmt.Sprintf("there is no column %s", n.text), "rescore features list prints what there is, with --job what the job adds; put a text in quotes")
}

// number returns n as a number.
func (c *checker) number(n *node, t term) (term, bool) {
	if t.kind == numeric && !t.unit.date {
		return t, true
	}
	c.unfit(n, t, "a number")
	return term{}, false
}

// unfit says that n is not what was wanted, unless that was said already.
func (c *checker) unfit(n *node, t term, want string) {
	if t.kind == invalid {
		return
	}
	is, remedy := "a "+t.kind.String(), ""
	switch {
	case t.kind == numeric && t.unit.date:
		is, remedy = "a date", "days between dates are a number: contract_end - asof"
	case t.kind == numeric:
		is, remedy = "a number", fmt.Sprintf("compare it, as in %s > 0", n)
	case t.kind == coded && len(t.column.codes) > 0:
		remedy = fmt.Sprintf("compare it with a code, as in %s == %q", n, t.column.words()[0])
	case t.kind == flags:
		is, remedy = "a set of flags", fmt.Sprintf("ask for one, as in %q in %s", t.column.words()[0], n)
	case t.kind == identifier:
		is, remedy = "an identifier", "compare it with == or !="
	case t.kind == boolean:
		is, remedy = "a condition", fmt.Sprintf("write %s ? 1 : 0 for a number", n)
	case t.kind == text:
		remedy = "texts stand beside a column with codes, as in brand == \"gotone\""
	}
	c.wrong(n, fmt.Sprintf("%s is %s where %s is needed", n, is, want), remedy)
}

// condition returns n as a condition.
func (c *checker) condition(n *node) (*value, bool) {
	t := c.one(n)
	if t.kind != boolean {
		c.unfit(n, t, "a condition")
		return nil, false
	}
	return t.values[0], true
}

func (c *checker) unary(n *node) term {
	a := n.args[0]
	if n.text == "not" {
		v, ok := c.condition(a)
		if !ok {
			return term{}
		}
		return scalar(boolean, unit{}, c.graph.not(v))
	}
	t, ok := c.number(a, c.of(a))
	if !ok {
		return term{}
	}
	return t.each(t.unit, func(v *value) *value { return c.graph.function(opScale, v, -1) })
}

// each applies f to every month.
func (t term) each(u unit, f func(*value) *value) term {
	out := term{kind: numeric, unit: u, window: t.window}
	for _, v := range t.values {
		out.values = append(out.values, f(v))
	}
	return out
}

func (c *checker) binary(n *node) term {
	a, b := n.args[0], n.args[1]
	switch n.text {
	case "and", "or":
		x, ok1 := c.condition(a)
		y, ok2 := c.condition(b)
		if !ok1 || !ok2 {
			return term{}
		}
		if n.text == "and" {
			return scalar(boolean, unit{}, c.graph.and(x, y))
		}
		return scalar(boolean, unit{}, c.graph.or(x, y))
	case "in":
		return c.in(n)
	case "??":
		return c.coalesce(n, n.args)
	case "+", "-", "*", "/":
		return c.arithmetic(n)
	}
	return c.compare(n, n.text, a, b, c.one(a), c.one(b))
}

func (c *checker) chain(n *node) term {
	terms := make([]term, len(n.args))
	for i, a := range n.args {
		terms[i] = c.one(a)
	}
	var all *value
	for i, op := range n.ops {
		t := c.compare(n, op, n.args[i], n.args[i+1], terms[i], terms[i+1])
		switch {
		case t.kind == invalid:
			return term{}
		case all == nil:
			all = t.values[0]
		default:
			all = c.graph.and(all, t.values[0])
		}
	}
	return scalar(boolean, unit{}, all)
}

var arithmetic = map[string]op{"+": opAdd, "-": opSub, "*": opMul, "/": opDiv}

func (c *checker) arithmetic(n *node) term {
	a, b := n.args[0], n.args[1]
	x, y := c.of(a), c.of(b)
	if u, ok := c.calendar(n.text, x, y); ok {
		return scalar(numeric, u, c.graph.arithmetic(arithmetic[n.text], x.values[0], y.values[0]))
	}
	x, ok1 := c.number(a, x)
	y, ok2 := c.number(b, y)
	if !ok1 || !ok2 {
		return term{}
	}
	var u unit
	var ok bool
	switch n.text {
	case "*":
		u, ok = x.unit.times(y.unit, 1)
	case "/":
		u, ok = x.unit.times(y.unit, -1)
		if v := y.values[0]; v.op == opConst && v.c == 0 {
			return c.wrong(n, "this divides by 0, which is null in every row", "divide by what can be other than 0")
		}
	default:
		u, ok = c.agree(n, a, b, x, y)
	}
	if !ok {
		if n.text == "*" || n.text == "/" {
			c.wrong(n, fmt.Sprintf("%s %s %s has no unit that anybody could read", x.unit, n.text, y.unit), "divide before you multiply")
		}
		return term{}
	}
	return c.pair(n, x, y, u, func(v, w *value) *value { return c.graph.arithmetic(arithmetic[n.text], v, w) })
}

// calendar returns the unit of a sum or difference with dates.
func (c *checker) calendar(op string, x, y term) (unit, bool) {
	if x.kind != numeric || y.kind != numeric || !x.unit.date && !y.unit.date || x.window || y.window {
		return unit{}, false
	}
	plain := func(u unit) bool { return u == days || u.bare }
	switch {
	case op == "-" && x.unit.date && y.unit.date:
		return days, true
	case (op == "-" || op == "+") && x.unit.date && plain(y.unit):
		return date, true
	case op == "+" && plain(x.unit):
		return date, true
	}
	return unit{}, false
}

// pair applies f month by month; a single value meets every month of a window.
func (c *checker) pair(n *node, x, y term, u unit, f func(v, w *value) *value) term {
	if x.window && y.window && len(x.values) != len(y.values) {
		return c.wrong(n, fmt.Sprintf("one window has %d months and the other %d", len(x.values), len(y.values)), "give both the same months")
	}
	out := term{kind: numeric, unit: u, window: x.window || y.window}
	for i := range max(len(x.values), len(y.values)) {
		out.values = append(out.values, f(x.values[min(i, len(x.values)-1)], y.values[min(i, len(y.values)-1)]))
	}
	return out
}

// agree returns the one unit of two numbers. A bare one takes the other's.
func (c *checker) agree(n, a, b *node, x, y term) (unit, bool) {
	switch {
	case x.unit == y.unit || y.unit.bare && !x.unit.date:
		return x.unit, true
	case x.unit.bare && !y.unit.date:
		return y.unit, true
	}
	remedy := fmt.Sprintf("%s is in %s and %s in %s", a, x.unit, b, y.unit)
	if y.unit == unitOf(schema.Fen) && b.form == call && b.text == "yuan" {
		remedy += "; yuan(…) is money"
	}
	c.wrong(n, fmt.Sprintf("%s %s %s: the units do not go together", x.unit, n.text, y.unit), remedy)
	return unit{}, false
}

func (c *checker) compare(n *node, op string, a, b *node, x, y term) term {
	if x.kind == invalid || y.kind == invalid {
		return term{}
	}
	var v, w *value
	switch {
	case x.kind == text || y.kind == text:
		if x.kind == text {
			if y.kind == text {
				return c.wrong(n, "two texts are compared", "compare a column with a text")
			}
			a, b, x, y, op = b, a, y, x, turned[op]
		}
		constant, ok := c.literal(b, x, y.text, op)
		if !ok {
			return term{}
		}
		v, w = x.values[0], constant
	case x.kind == numeric && y.kind == numeric:
		at := *n
		at.text = op
		if _, ok := c.agree(&at, a, b, x, y); !ok {
			return term{}
		}
		v, w = x.values[0], y.values[0]
	case x.kind == coded && y.kind == coded && slices.EqualFunc(x.column.codes, y.column.codes, func(p, q code) bool { return p.value == q.value && p.names[0] == q.names[0] }):
		v, w = x.values[0], y.values[0]
	case x.kind == identifier && y.kind == identifier && x.column.typ.ID() == y.column.typ.ID():
		v, w = x.values[0], y.values[0]
	case x.kind == identifier && y.kind == numeric && y.values[0].op == opConst, y.kind == identifier && x.kind == numeric && x.values[0].op == opConst:
		v, w = x.values[0], y.values[0]
	case x.kind == coded && y.kind == numeric && y.values[0].op == opConst:
		return c.byNumber(b, x, y)
	case x.kind == boolean && y.kind == boolean:
		return c.wrong(n, "conditions are not compared", "write them with and, or, not")
	case x.kind == boolean || x.kind == flags:
		c.unfit(a, x, "a number")
		return term{}
	default:
		want := map[kind]string{numeric: "a number", coded: "a code", identifier: "an identifier"}[x.kind]
		c.unfit(b, y, want)
		return term{}
	}
	if x.kind != numeric && op != "==" && op != "!=" {
		return c.wrong(n, fmt.Sprintf("%s has no order", a), "compare it with == or !=")
	}
	g := c.graph
	switch op {
	case "<":
		return scalar(boolean, unit{}, g.compare(less, v, w))
	case "<=":
		return scalar(boolean, unit{}, g.compare(atMost, v, w))
	case ">":
		return scalar(boolean, unit{}, g.not(g.compare(atMost, v, w)))
	case ">=":
		return scalar(boolean, unit{}, g.not(g.compare(less, v, w)))
	case "!=":
		return scalar(boolean, unit{}, g.not(g.compare(equal, v, w)))
	}
	return scalar(boolean, unit{}, g.compare(equal, v, w))
}

// turned is the relation when its sides change places.
var turned = map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}

// byNumber says how a code is called that was given by its number.
func (c *checker) byNumber(n *node, x, y term) term {
	for _, known := range x.column.codes {
		if float64(known.value) == y.values[0].c {
			return c.wrong(n, fmt.Sprintf("%s has codes with names", x.column.name), fmt.Sprintf("write %q", known.names[0]))
		}
	}
	return c.wrong(n, fmt.Sprintf("%s has codes with names", x.column.name), "write one of "+strings.Join(x.column.words(), ", "))
}

// literal returns what a text beside x stands for: a code, or a date.
func (c *checker) literal(n *node, x term, s, op string) (*value, bool) {
	switch {
	case x.kind == coded:
		if op != "==" && op != "!=" && op != "in" {
			c.wrong(n, fmt.Sprintf("%s has no order", x.column.name), "compare it with == or !=, or write in [...]")
			return nil, false
		}
		v, ok := x.column.find(s)
		if !ok {
			c.noCode(n, x.column, s)
		}
		return c.graph.constant(float64(v)), ok
	case x.kind == numeric && x.unit.date:
		day, err := time.Parse(time.DateOnly, s)
		if err != nil || day.Year() < 1900 {
			c.wrong(n, fmt.Sprintf("%q is no date", s), "write it as \"2026-01-31\"")
			return nil, false
		}
		return c.graph.constant(float64(day.Unix() / 86400)), true
	}
	c.unfit(n, term{kind: text}, map[kind]string{numeric: "a number", identifier: "a number", boolean: "a condition", flags: "flags"}[x.kind])
	return nil, false
}

func (c *checker) noCode(n *node, col *column, s string) {
	message := fmt.Sprintf("%s has no code %q", col.name, s)
	if s == "unknown" || s == "未知" {
		c.wrong(n, message, fmt.Sprintf("what is not known is null; write is_null(%s)", col.name))
		return
	}
	var all []string
	for _, known := range col.codes {
		all = append(all, known.names...)
	}
	if near, ok := job.Closest(s, all); ok {
		c.wrong(n, message, fmt.Sprintf("did you mean %q?", near))
		return
	}
	c.wrong(n, message, "the codes are "+strings.Join(col.words(), ", "))
}

// in is membership: a number or code in a list, or a flag in a set of flags.
func (c *checker) in(n *node) term {
	a, b := n.args[0], n.args[1]
	if b.form != list {
		set := c.one(b)
		switch {
		case set.kind == invalid:
			return term{}
		case set.kind != flags:
			return c.wrong(b, "in wants a list or flags", "write in [1, 2], or \"student\" in event_flags")
		case a.form != word:
			return c.wrong(a, "a flag is a text", fmt.Sprintf("write %q in %s", set.column.words()[0], b))
		}
		bit, ok := set.column.find(a.text)
		if !ok {
			c.noCode(a, set.column, a.text)
			return term{}
		}
		return scalar(boolean, unit{}, c.graph.make(value{op: opBit, args: []*value{set.values[0], c.graph.known(set.values[0])}, n: int(bit)}))
	}
	x := c.one(a)
	if len(b.args) == 0 {
		return c.wrong(b, "the list is empty", "write what the value may be")
	}
	any := c.graph.truth(0)
	for _, one := range b.args {
		y := c.one(one)
		if y.kind != invalid && y.kind != text && (len(y.values) != 1 || y.values[0].op != opConst) {
			return c.wrong(one, "a list holds numbers and texts", fmt.Sprintf("write %s == %s", a, one))
		}
		at := *n
		at.at = one.at
		t := c.compare(&at, "==", a, one, x, y)
		if t.kind == invalid {
			return term{}
		}
		any = c.graph.or(any, t.values[0])
	}
	return scalar(boolean, unit{}, any)
}

func (c *checker) choice(n *node) term {
	test, ok := c.condition(n.args[0])
	a, b := n.args[1], n.args[2]
	x, y := c.one(a), c.one(b)
	switch {
	case !ok || x.kind == invalid || y.kind == invalid:
		return term{}
	case x.kind == boolean && y.kind == boolean:
		return scalar(boolean, unit{}, c.graph.make(value{op: opChoose, args: []*value{test, x.values[0], y.values[0]}}))
	case x.kind != numeric:
		c.unfit(a, x, "a number or a condition")
		return term{}
	case y.kind != numeric:
		c.unfit(b, y, "a number")
		return term{}
	}
	at := *n
	at.text = ":"
	u, ok := c.agree(&at, a, b, x, y)
	if !ok {
		return term{}
	}
	return scalar(numeric, u, c.graph.make(value{op: opPick, args: []*value{test, c.graph.float(x.values[0]), c.graph.float(y.values[0])}}))
}

// coalesce is the first that is not null.
func (c *checker) coalesce(n *node, args []*node) term {
	out := c.one(args[0])
	if out.kind != numeric && out.kind != boolean {
		c.unfit(args[0], out, "a number or a condition")
		out = term{}
	}
	for i, a := range args[1:] {
		t := c.one(a)
		switch {
		case out.kind == invalid || t.kind == invalid:
			out = term{}
		case t.kind != out.kind:
			c.unfit(a, t, map[kind]string{numeric: "a number", boolean: "a condition"}[out.kind])
			out = term{}
		case t.kind == boolean:
			out = scalar(boolean, unit{}, c.graph.make(value{op: opInstead, args: []*value{out.values[0], t.values[0]}}))
		default:
			at := *n
			at.text = "??"
			u, ok := c.agree(&at, args[i], a, out, t)
			if !ok {
				return term{}
			}
			out = scalar(numeric, u, c.graph.make(value{op: opElse, args: []*value{c.graph.float(out.values[0]), c.graph.float(t.values[0])}}))
		}
	}
	return out
}

// half is how many months of n must be known.
func half(n int) float64 { return math.Ceil(float64(n) / 2) }
