package formula

import (
	"strconv"
	"strings"
)

// form says what a node of a formula is.
type form uint8

const (
	number form = iota + 1 // value
	word                   // text: a text in quotes
	truth                  // value 0 or 1: false, true
	name                   // text
	month                  // text[from]
	window                 // text[from:to], both ends included
	unary                  // text is not or -
	binary                 // text is the operator
	chain                  // a < b <= c: ops between args
	call                   // text is the function
	choice                 // args: condition ? a : b
	list                   // args
)

// node is one node of a formula as it was read. It is a tree: no node stands in
// it twice.
type node struct {
	form     form
	text     string
	value    float64
	from, to int
	ops      []string
	args     []*node
	at       int // in characters of the formula: the token to point at
}

// Strengths of binding, as the parser's. A stronger operator binds its operands
// first.
const (
	weakest  = 0 // a ? b : c
	either   = 10
	both     = 15
	compares = 20
	adds     = 30
	denies   = 50
	scales   = 60
	negates  = 90
	defaults = 500 // ??
	atom     = 1000
)

func (n *node) strength() int {
	switch n.form {
	case choice:
		return weakest
	case chain:
		return compares
	case unary:
		if n.text == "not" {
			return denies
		}
		return negates
	case binary:
		switch n.text {
		case "or":
			return either
		case "and":
			return both
		case "+", "-":
			return adds
		case "*", "/":
			return scales
		case "??":
			return defaults
		}
		return compares
	default:
		return atom
	}
}

// String writes the formula in its one spelling: the parser reads it back as the
// same tree.
func (n *node) String() string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *node) write(b *strings.Builder) {
	// operand writes an argument, in parentheses unless it binds at least as
	// strongly as least.
	operand := func(a *node, least int) {
		if a.strength() >= least && a.strength() != defaults {
			a.write(b)
			return
		}
		b.WriteByte('(')
		a.write(b)
		b.WriteByte(')')
	}
	commas := func(args []*node) {
		for i, a := range args {
			if i > 0 {
				b.WriteString(", ")
			}
			a.write(b)
		}
	}
	switch n.form {
	case number:
		b.WriteString(strconv.FormatFloat(n.value, 'f', -1, 64))
	case word:
		b.WriteString(quote(n.text))
	case truth:
		b.WriteString(strconv.FormatBool(n.value != 0))
	case name:
		b.WriteString(n.text)
	case month:
		b.WriteString(n.text + "[" + strconv.Itoa(n.from) + "]")
	case window:
		b.WriteString(n.text + "[" + strconv.Itoa(n.from) + ":" + strconv.Itoa(n.to) + "]")
	case unary:
		b.WriteString(n.text)
		if n.text == "not" {
			b.WriteByte(' ')
		}
		operand(n.args[0], atom)
	case binary:
		left, right := n.strength(), n.strength()+1
		if left == compares || left == defaults {
			left++
		}
		operand(n.args[0], left)
		b.WriteString(" " + n.text + " ")
		operand(n.args[1], right)
	case chain:
		operand(n.args[0], compares+1)
		for i, op := range n.ops {
			b.WriteString(" " + op + " ")
			operand(n.args[i+1], compares+1)
		}
	case call:
		b.WriteString(n.text + "(")
		commas(n.args)
		b.WriteByte(')')
	case list:
		b.WriteByte('[')
		commas(n.args)
		b.WriteByte(']')
	case choice:
		operand(n.args[0], weakest+1)
		b.WriteString(" ? ")
		operand(n.args[1], weakest+1)
		b.WriteString(" : ")
		operand(n.args[2], weakest+1)
	}
}

// quote writes a text as the parser reads it.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r < ' ':
			b.WriteString(`\u` + strconv.FormatInt(0x10000+int64(r), 16)[1:])
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// each calls f for n and everything in it, in the order it was written.
func (n *node) each(f func(*node)) {
	f(n)
	for _, a := range n.args {
		a.each(f)
	}
}
