package formula

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"rescore/partition/job"
	"rescore/partition/lazy"
	"rescore/partition/schema"
)

// DepthMax is how deep a formula may be nested; a sum of n parts is n deep. The parser itself recurses as
// deep as a text of job.FormulaBytesMax lets it, a few megabytes of stack.
const DepthMax = 250

// numberMax bounds the numbers in a formula: whole numbers up to it are exact,
// and no sum of columns and numbers leaves them.
const numberMax = 1e15

// mistake is something wrong with a formula.
type mistake struct {
	at              int // in characters of the formula
	message, remedy string
}

// parse reads a formula. The parser is expr-lang/expr's; what it reads is more
// than our language, and what is more is refused here.
func parse(text string) (*node, []mistake) {
	switch {
	case len(text) > job.FormulaBytesMax:
		return nil, []mistake{{0, fmt.Sprintf("the formula has %d bytes", len(text)), fmt.Sprintf("%d is the most; name its parts as features", job.FormulaBytesMax)}}
	case !utf8.ValidString(text):
		return nil, []mistake{{0, "the formula is not UTF-8", "save the file as UTF-8"}}
	}
	p := reading{text: text}
	tree, err := parser.Parse(text)
	if err != nil {
		p.syntax(err)
		return nil, p.mistakes
	}
	n := p.node(tree.Node, 0)
	return n, p.mistakes
}

// reading turns the parser's tree into ours.
type reading struct {
	text     string
	mistakes []mistake
}

func (p *reading) wrong(at int, message, remedy string) *node {
	if len(p.mistakes) == mistakesMax {
		return nil
	}
	last := max(utf8.RuneCountInString(p.text)-1, 0)
	p.mistakes = append(p.mistakes, mistake{min(max(at, 0), last), message, remedy})
	return nil
}

// numberUnit finds a number with a unit behind it, as in 35 yuan.
var numberUnit = lazy.Regexp(`([0-9][0-9_.]*)\s*$`)

func (p *reading) syntax(err error) {
	var e *file.Error
	if !errors.As(err, &e) {
		p.wrong(0, err.Error(), "")
		return
	}
	runes := []rune(p.text)
	at := min(max(e.From, 0), len(runes))
	before, after := string(runes[:at]), string(runes[at:])
	message := strings.ToLower(e.Message[:min(1, len(e.Message))]) + e.Message[min(1, len(e.Message)):]
	remedy := "see the language in the documentation: names, numbers, + - * /, comparisons, and, or, not"
	unit := strings.TrimSpace(after)
	for word := range units {
		if m := numberUnit().FindStringSubmatch(before); m != nil && strings.HasPrefix(unit, word) {
			remedy = fmt.Sprintf("write %s(%s)", word, m[1])
			if word == "yuan" {
				remedy = fmt.Sprintf("use yuan(%s), or the number of fen", m[1])
			}
		}
	}
	switch {
	case strings.TrimSpace(p.text) == "":
		message, remedy = "the formula is empty", "write it after the colon"
	case strings.HasPrefix(after, "=") && !strings.HasPrefix(after, "=="):
		message, remedy = "= does not compare", "write =="
	case strings.HasPrefix(message, "invalid") && strings.Contains(message, "out of range"):
		message, remedy = "the number is too large", "write it with fewer digits"
	case strings.Contains(message, "EOF") || strings.Contains(message, "end of expression"):
		message, remedy = "the formula ends too soon", "write what is missing, or close the parentheses"
	}
	p.wrong(at, tokenKind().ReplaceAllString(message, "$1"), remedy)
}

// tokenKind finds the parser's own way to name a token, as in Operator(">").
var tokenKind = lazy.Regexp(`\b[A-Z][A-Za-z]+\(("[^"]*")\)`)

// operators are the parser's spellings of ours.
var operators = map[string]string{
	"or": "or", "||": "or", "and": "and", "&&": "and", "+": "+", "-": "-", "*": "*", "/": "/", "??": "??",
	"==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "in": "in", "!": "not", "not": "not",
}

func (p *reading) node(from ast.Node, depth int) *node {
	if from == nil {
		return p.wrong(0, "the formula cannot be read", "")
	}
	at := from.Location().From
	if depth > DepthMax {
		return p.wrong(at, fmt.Sprintf("the formula is nested deeper than %d", DepthMax), "name its parts as features")
	}
	depth++
	switch from := from.(type) {
	case *ast.IntegerNode:
		return p.number(at, float64(from.Value))
	case *ast.FloatNode:
		return p.number(at, from.Value)
	case *ast.StringNode:
		return &node{form: word, text: from.Value, at: at}
	case *ast.BoolNode:
		n := &node{form: truth, at: at}
		if from.Value {
			n.value = 1
		}
		return n
	case *ast.IdentifierNode:
		return &node{form: name, text: from.Value, at: at}
	case *ast.MemberNode:
		return p.month(from)
	case *ast.SliceNode:
		return p.window(at, from.Node, from.From, from.To)
	case *ast.UnaryNode:
		if from.Operator == "+" {
			return p.node(from.Node, depth)
		}
		return p.with(&node{form: unary, text: spelling(from.Operator), at: at}, depth, from.Node)
	case *ast.BinaryNode:
		return p.binary(at, from, depth)
	case *ast.ArrayNode:
		return p.with(&node{form: list, at: at}, depth, from.Nodes...)
	case *ast.CallNode:
		if callee, ok := from.Callee.(*ast.IdentifierNode); ok {
			return p.with(&node{form: call, text: callee.Value, at: at}, depth, from.Arguments...)
		}
	case *ast.BuiltinNode:
		return p.with(&node{form: call, text: from.Name, at: at}, depth, from.Arguments...)
	case *ast.ConditionalNode:
		switch {
		case !from.Ternary:
			return p.wrong(at, "if is not of this language", "write condition ? a : b")
		case from.Cond == from.Exp1:
			return p.wrong(at, "?: is not of this language", "write a ?? b where a may be null, or condition ? a : b")
		}
		n := p.with(&node{form: choice}, depth, from.Cond, from.Exp1, from.Exp2)
		if n != nil {
			n.at = n.args[0].at // the parser's own place is behind it
		}
		return n
	case *ast.NilNode:
		return p.wrong(at, "nil cannot be compared", "write is_null(x)")
	}
	return p.wrong(at, "this is not of this language", "use names, numbers, texts, + - * /, comparisons, and, or, not, in, ??, ? : and the functions")
}

// spelling is our word for an operator of the parser; its own where we have none.
func spelling(op string) string {
	if mine, ok := operators[op]; ok {
		return mine
	}
	return op
}

// with gives n its arguments.
func (p *reading) with(n *node, depth int, args ...ast.Node) *node {
	sound := true
	for _, a := range args {
		arg := p.node(a, depth)
		n.args = append(n.args, arg)
		sound = sound && arg != nil
	}
	if !sound {
		return nil
	}
	return n
}

func (p *reading) number(at int, v float64) *node {
	if !(math.Abs(v) <= numberMax) {
		return p.wrong(at, "the number is too large", fmt.Sprintf("%.0f is the largest", numberMax))
	}
	return &node{form: number, value: v, at: at}
}

func (p *reading) binary(at int, from *ast.BinaryNode, depth int) *node {
	if n := p.chain(from, depth); n != nil {
		return n
	}
	op, ok := operators[from.Operator]
	if from.Operator == ".." {
		return p.wrong(at, "a range stands by itself", "write x >= 1 and x <= 5, or months as fee[1:3]")
	}
	if !ok {
		return p.wrong(at, fmt.Sprintf("there is no operator %s", from.Operator), "use + - * /, == != < <= > >=, and, or, not, in, ??")
	}
	return p.with(&node{form: binary, text: op, at: at}, depth, from.Left, from.Right)
}

// chain reads a < b <= c, which the parser turns into a < b and b <= c with one b
// in both places: read as that, nested chains would double at every level.
func (p *reading) chain(from *ast.BinaryNode, depth int) *node {
	n := &node{form: chain, at: from.Location().From}
	var operands []ast.Node
	for {
		right, ok := from.Right.(*ast.BinaryNode)
		if !ok || from.Operator != "&&" {
			return nil
		}
		left, ok := from.Left.(*ast.BinaryNode)
		if !ok {
			return nil
		}
		if left.Right == right.Left { // the first two
			operands = append(operands, right.Right, left.Right, left.Left)
			n.ops = append(n.ops, right.Operator, left.Operator)
			break
		}
		if last, ok := left.Right.(*ast.BinaryNode); !ok || left.Operator != "&&" || last.Right != right.Left {
			return nil
		}
		operands = append(operands, right.Right)
		n.ops = append(n.ops, right.Operator)
		from = left
	}
	slices.Reverse(operands)
	slices.Reverse(n.ops)
	if p.with(n, depth, operands...) == nil {
		return &node{form: list} // refused already: the mistakes say why
	}
	return n
}

// month reads fee[0], and fee[1..3] for fee[1:3].
func (p *reading) month(from *ast.MemberNode) *node {
	at := from.Node.Location().From
	column, ok := from.Node.(*ast.IdentifierNode)
	if !ok || from.Optional {
		return p.wrong(from.Location().From, "only a monthly column has months", "write them behind its name, as in fee[0]")
	}
	if r, ok := from.Property.(*ast.BinaryNode); ok && r.Operator == ".." {
		return p.window(at, from.Node, r.Left, r.Right)
	}
	if _, ok := from.Property.(*ast.StringNode); ok {
		return p.wrong(from.Location().From, "names have no parts", "write the month as a number, as in fee[0]")
	}
	k, ok := p.back(from.Property, column.Value)
	if !ok {
		return nil
	}
	return &node{form: month, text: column.Value, from: k, to: k, at: at}
}

func (p *reading) window(at int, of, first, last ast.Node) *node {
	column, ok := of.(*ast.IdentifierNode)
	if !ok {
		return p.wrong(at, "only a monthly column has months", "write them behind its name, as in fee[1:3]")
	}
	at = of.Location().From
	if first == nil || last == nil {
		return p.wrong(at, "the window has no end", fmt.Sprintf("write both, newest first: %s[0:%d]", column.Value, schema.Months-1))
	}
	from, ok1 := p.back(first, column.Value)
	to, ok2 := p.back(last, column.Value)
	if !ok1 || !ok2 {
		return nil
	}
	if from > to {
		return p.wrong(at, fmt.Sprintf("the window ends before it begins: month %d is before month %d", from, to), fmt.Sprintf("months count back; write %s[%d:%d]", column.Value, to, from))
	}
	return &node{form: window, text: column.Value, from: from, to: to, at: at}
}

// back reads a number of months back.
func (p *reading) back(n ast.Node, column string) (int, bool) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		if n.Value < schema.Months {
			return n.Value, true
		}
		p.wrong(n.Location().From, fmt.Sprintf("there is no month %d", n.Value), fmt.Sprintf("%s has months 0 to %d; write %s[%d]", column, schema.Months-1, column, schema.Months-1))
	case *ast.UnaryNode:
		p.wrong(n.Location().From, "months count back from the scoring month", fmt.Sprintf("write %s[1] for the month before it", column))
	default:
		p.wrong(n.Location().From, "the month is no number", fmt.Sprintf("write 0 for the scoring month up to %d, as in %s[0]", schema.Months-1, column))
	}
	return 0, false
}
