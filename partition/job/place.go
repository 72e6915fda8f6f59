package job

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Place is where a formula's text stands in a file, character by character: the
// text may be plain, quoted or a block, folded and indented, and what is said of
// a token must point at the token. The zero Place is nowhere.
type Place struct {
	source string
	runs   []run // by offset
}

// run says that the characters of the text from offset on stand side by side.
type run struct{ offset, line, column int }

// At returns where the character at offset of the text stands.
func (p Place) At(offset int) Origin {
	i, exact := slices.BinarySearchFunc(p.runs, offset, func(r run, offset int) int { return r.offset - offset })
	if !exact {
		i--
	}
	if len(p.runs) == 0 {
		return Origin{Source: p.source}
	}
	r := p.runs[max(i, 0)]
	return Origin{Source: p.source, Line: r.line, Column: r.column + max(offset-r.offset, 0)}
}

// page is the text of a file by lines, as YAML counts them.
type page struct {
	text   string
	starts []int // byte offset of each line
}

func newPage(data []byte) page {
	text := strings.TrimPrefix(string(data), "\ufeff")
	p := page{text: text, starts: []int{0}}
	for i, r := range text {
		if lineBreak(r) && (r != '\r' || !strings.HasPrefix(text[i+1:], "\n")) {
			p.starts = append(p.starts, i+utf8.RuneLen(r))
		}
	}
	return p
}

// lineBreak reports whether YAML 1.1 ends a line at r.
func lineBreak(r rune) bool {
	return r == '\n' || r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// cursor walks over a page and knows the line and column of the next character.
type cursor struct {
	text         string // what is left
	line, column int
}

func (p page) cursor(line, column int) (cursor, bool) {
	if line < 1 || line > len(p.starts) {
		return cursor{}, false
	}
	c := cursor{text: p.text[p.starts[line-1]:], line: line, column: 1}
	for c.column < column {
		if r := c.peek(); r < 0 || lineBreak(r) {
			return cursor{}, false
		}
		c.next()
	}
	return c, true
}

// peek returns the next character, -1 at the end.
func (c *cursor) peek() rune {
	if c.text == "" {
		return -1
	}
	r, _ := utf8.DecodeRuneInString(c.text)
	return r
}

func (c *cursor) next() rune {
	r, n := utf8.DecodeRuneInString(c.text)
	c.text = c.text[n:]
	if r == '\r' && strings.HasPrefix(c.text, "\n") {
		c.text = c.text[1:]
	}
	if c.column++; lineBreak(r) {
		c.line, c.column = c.line+1, 1
	}
	return r
}

// place finds the characters of a scalar in its file. YAML folds, indents and
// trims white space and leaves everything else as it is, but for the escapes of
// quoted text; so the characters that are not white space are found one after
// the other. Where that does not work out, everything stands where the scalar
// begins.
func (p page) place(source string, n *yaml.Node) Place {
	start := Place{source, []run{{0, n.Line, n.Column}}}
	c, ok := p.cursor(n.Line, n.Column)
	if !ok {
		return start
	}
	for c.peek() == '&' || c.peek() == '!' { // an anchor, a tag
		for r := c.peek(); r >= 0 && !unicode.IsSpace(r); r = c.peek() {
			c.next()
		}
		for unicode.IsSpace(c.peek()) {
			c.next()
		}
	}
	quote := rune(0)
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		quote = '"'
	case n.Style&yaml.SingleQuotedStyle != 0:
		quote = '\''
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		for line := c.line; c.line == line; c.next() { // the indicators, and a comment
			if c.peek() < 0 {
				return start
			}
		}
	}
	if quote != 0 && c.next() != quote {
		return start
	}
	found := Place{source: source}
	next, offset := run{}, 0
	for _, want := range n.Value {
		if !unicode.IsSpace(want) {
			at, got := c.character(quote)
			if got != want {
				return start
			}
			if at.line != next.line || at.column != next.column {
				at.offset = offset
				found.runs = append(found.runs, at)
			}
			next = run{line: at.line, column: at.column}
		}
		next.column++
		offset++
	}
	if len(found.runs) == 0 {
		return start
	}
	return found
}

// character returns the next character that is not white space, and where it
// stands; -1 at the end.
func (c *cursor) character(quote rune) (run, rune) {
	for {
		at := run{line: c.line, column: c.column}
		r := c.peek()
		if r < 0 {
			return at, -1
		}
		c.next()
		switch {
		case quote == '\'' && r == '\'' && c.peek() == '\'':
			c.next()
		case quote == '"' && r == '\\':
			r = c.escape()
		}
		if !unicode.IsSpace(r) {
			return at, r
		}
	}
}

// escape reads what stands after a backslash. What stands for white space or for
// nothing is a space.
func (c *cursor) escape() rune {
	digits := 0
	switch r := c.next(); r {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '0':
		return 0
	case 'a':
		return '\a'
	case 'b':
		return '\b'
	case 'e':
		return '\x1b'
	case 't', 'n', 'v', 'f', 'r', 'N', '_', 'L', 'P':
		return ' '
	default:
		if lineBreak(r) {
			return ' '
		}
		return r
	}
	v := rune(0)
	for range digits {
		v = v<<4 | rune(strings.IndexRune("0123456789abcdef", unicode.ToLower(c.next()))&15)
	}
	return v
}
