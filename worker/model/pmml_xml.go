package model

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of an XML document. They are far above what PMML needs.
const (
	elementDepthMax = 1024
	attributesMax   = 64
)

// document is an XML text whose elements are numbered in the order of their start
// tags. It holds two numbers an element, so that no document takes more than twice
// its size: names, attributes and texts are read from the text when they are asked for.
//
// It reads what PMML is written in: elements, attributes, texts, comments, CDATA,
// and characters by name or number. A document type is refused, and with it all
// entities: nothing can refer to a file, or to itself.
type document struct {
	text  []byte
	start []uint32 // where an element's tag begins
	next  []uint32 // number of the first element behind it and all that it contains
}

// element is an element of a document, by its number.
type element struct {
	doc *document
	at  uint32
}

// xmlFault says why a text is no document, and where.
type xmlFault struct {
	offset  int
	problem string
}

// newDocument proves that a text is well-formed, and numbers its elements.
func newDocument(text []byte) (*document, *xmlFault) {
	d := &document{text: text}
	n := 0
	if f := d.scan(func(int) { n++ }, func() {}); f != nil {
		return nil, f
	}
	d.start, d.next = make([]uint32, 0, n), make([]uint32, n)
	var open []uint32
	_ = d.scan(func(offset int) {
		open = append(open, uint32(len(d.start)))
		d.start = append(d.start, uint32(offset))
	}, func() {
		d.next[open[len(open)-1]] = uint32(len(d.start))
		open = open[:len(open)-1]
	}) // proved above
	return d, nil
}

// root returns the outermost element.
func (d *document) root() element { return element{d, 0} }

// scan visits the start and the end of every element.
func (d *document) scan(begin func(offset int), end func()) *xmlFault {
	text := d.text
	if !utf8.Valid(text) {
		return &xmlFault{0, "the file is not UTF-8; convert it, and its encoding declaration"}
	}
	var open [elementDepthMax][2]uint32 // names, from and past
	depth, roots := 0, 0
	for at := 0; at < len(text); {
		if text[at] != '<' {
			past := bytes.IndexByte(text[at:], '<')
			if past < 0 {
				past = len(text) - at
			}
			run := text[at : at+past]
			if depth == 0 && len(bytes.TrimSpace(bytes.TrimPrefix(run, []byte("\xef\xbb\xbf")))) > 0 {
				return &xmlFault{at, "text stands outside of all elements"}
			}
			if problem := proveText(run); problem != "" {
				return &xmlFault{at, problem}
			}
			at += past
			continue
		}
		rest := text[at:]
		skipTo := func(mark string) bool {
			i := bytes.Index(rest, []byte(mark))
			at += i + len(mark)
			return i >= 0
		}
		switch {
		case bytes.HasPrefix(rest, []byte("<!--")):
			rest, at = rest[4:], at+4
			if !skipTo("-->") {
				return &xmlFault{len(text), "a comment does not end: the file is cut short"}
			}
		case bytes.HasPrefix(rest, []byte("<![CDATA[")):
			if depth == 0 {
				return &xmlFault{at, "text stands outside of all elements"}
			}
			if !skipTo("]]>") {
				return &xmlFault{len(text), "a CDATA section does not end: the file is cut short"}
			}
		case bytes.HasPrefix(rest, []byte("<?")):
			if !skipTo("?>") {
				return &xmlFault{len(text), "a processing instruction does not end: the file is cut short"}
			}
		case bytes.HasPrefix(rest, []byte("<!")):
			return &xmlFault{at, "a document type or an entity is declared; take the declaration out"}
		case bytes.HasPrefix(rest, []byte("</")):
			past := nameEnd(text, at+2)
			if depth == 0 || !bytes.Equal(text[at+2:past], text[open[depth-1][0]:open[depth-1][1]]) {
				return &xmlFault{at, "an element ends that did not begin, or is not the innermost"}
			}
			past = blankEnd(text, past)
			if past == len(text) || text[past] != '>' {
				return &xmlFault{at, "an end tag does not end"}
			}
			depth--
			end()
			at = past + 1
		default:
			past, empty, problem := tagEnd(text, at)
			if problem != "" {
				return &xmlFault{at, problem}
			}
			if depth == 0 {
				if roots++; roots > 1 {
					return &xmlFault{at, "a second outermost element begins"}
				}
			}
			begin(at)
			if empty {
				end()
			} else {
				if depth == elementDepthMax {
					return &xmlFault{at, fmt.Sprintf("elements lie more than %d deep in one another", elementDepthMax)}
				}
				open[depth] = [2]uint32{uint32(at + 1), uint32(nameEnd(text, at+1))}
				depth++
			}
			at = past
		}
	}
	if depth > 0 || roots == 0 {
		return &xmlFault{len(text), "the file is cut short"}
	}
	return nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func blankEnd(text []byte, at int) int {
	for at < len(text) && isBlank(text[at]) {
		at++
	}
	return at
}

// nameEnd returns where the name that begins at at ends.
func nameEnd(text []byte, at int) int {
	for at < len(text) {
		c := text[at]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.' || c == ':' || c >= 0x80
		if !letter {
			break
		}
		at++
	}
	return at
}

// tagEnd proves a start tag, and returns what follows it.
func tagEnd(text []byte, at int) (past int, empty bool, problem string) {
	past = nameEnd(text, at+1)
	if past == at+1 {
		return 0, false, "an element has no name"
	}
	first := past
	for n := 0; ; n++ {
		name := blankEnd(text, past)
		if name == len(text) {
			return 0, false, "a tag does not end: the file is cut short"
		}
		switch {
		case text[name] == '>':
			return name + 1, false, ""
		case text[name] == '/' && name+1 < len(text) && text[name+1] == '>':
			return name + 2, true, ""
		case name == past:
			return 0, false, "a tag has what is no attribute"
		case n == attributesMax:
			return 0, false, fmt.Sprintf("an element has more than %d attributes", attributesMax)
		}
		end := nameEnd(text, name)
		value := blankEnd(text, end)
		if end == name || value == len(text) || text[value] != '=' {
			return 0, false, "a tag has what is no attribute"
		}
		value = blankEnd(text, value+1)
		if value == len(text) || text[value] != '"' && text[value] != '\'' {
			return 0, false, "an attribute's value is not quoted"
		}
		length := bytes.IndexByte(text[value+1:], text[value])
		if length < 0 {
			return 0, false, "an attribute does not end: the file is cut short"
		}
		run := text[value+1 : value+1+length]
		if bytes.IndexByte(run, '<') >= 0 {
			return 0, false, "an attribute's value has a bracket"
		}
		if problem := proveText(run); problem != "" {
			return 0, false, problem
		}
		if _, twice := attribute(text[first:name], text[name:end]); twice {
			return 0, false, "an attribute stands twice"
		}
		past = value + 1 + length + 1
	}
}

// attribute finds an attribute's value, still escaped, in the part of a tag behind
// its name, which is proved.
func attribute(tag, name []byte) ([]byte, bool) {
	for {
		tag = tag[blankEnd(tag, 0):]
		end := nameEnd(tag, 0)
		if end == 0 {
			return nil, false
		}
		value := blankEnd(tag, end)
		value = blankEnd(tag, value+1)
		length := bytes.IndexByte(tag[value+1:], tag[value])
		if bytes.Equal(tag[:end], name) {
			return tag[value+1 : value+1+length], true
		}
		tag = tag[value+1+length+1:]
	}
}

// proveText proves a text's references to characters.
func proveText(run []byte) string {
	for {
		i := bytes.IndexByte(run, '&')
		if i < 0 {
			return ""
		}
		_, n := reference(run[i:])
		if n == 0 {
			return "an entity is none of XML's own five, and no character's number"
		}
		run = run[i+n:]
	}
}

// reference reads the reference to a character that a text begins with; n is 0
// when there is none.
func reference(run []byte) (c rune, n int) {
	end := bytes.IndexByte(run[:min(len(run), 12)], ';')
	if end < 0 {
		return 0, 0
	}
	name := string(run[1:end])
	switch name {
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "amp":
		return '&', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	}
	digits, ok := strings.CutPrefix(name, "#")
	if !ok {
		return 0, 0
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	code, err := strconv.ParseUint(digits, base, 32)
	if err != nil || code == 0 || code > utf8.MaxRune || !utf8.ValidRune(rune(code)) {
		return 0, 0
	}
	return rune(code), end + 1
}

// unescape returns a proved text with its references replaced.
func unescape(run []byte) string {
	i := bytes.IndexByte(run, '&')
	if i < 0 {
		return string(run)
	}
	var s strings.Builder
	for i >= 0 {
		s.Write(run[:i])
		c, n := reference(run[i:])
		s.WriteRune(c)
		run = run[i+n:]
		i = bytes.IndexByte(run, '&')
	}
	s.Write(run)
	return s.String()
}

// none is the element that is not there.
var none element

func (e element) exists() bool { return e.doc != nil }

// name returns an element's name without its prefix.
func (e element) name() string {
	at := int(e.doc.start[e.at]) + 1
	name := e.doc.text[at:nameEnd(e.doc.text, at)]
	return string(name[bytes.IndexByte(name, ':')+1:])
}

// is reports whether an element has a name.
func (e element) is(name string) bool {
	at := int(e.doc.start[e.at]) + 1
	own := e.doc.text[at:nameEnd(e.doc.text, at)]
	return string(own[bytes.IndexByte(own, ':')+1:]) == name
}

// line returns the line an element begins on, from 1.
func (e element) line() int {
	return 1 + bytes.Count(e.doc.text[:e.doc.start[e.at]], []byte{'\n'})
}

// attribute returns an attribute's value, "" when there is none of the name.
func (e element) attribute(name string) string {
	value, _ := e.lookup(name)
	return value
}

func (e element) lookup(name string) (string, bool) {
	text := e.doc.text[e.doc.start[e.at]:]
	value, ok := attribute(text[nameEnd(text, 1):], []byte(name))
	if !ok {
		return "", false
	}
	return unescape(value), true
}

// children calls visit for every element directly in e, until it is false. What PMML
// calls an Extension is passed over.
func (e element) children(visit func(element) bool) {
	d := e.doc
	for at := e.at + 1; at < d.next[e.at]; at = d.next[at] {
		child := element{d, at}
		if !child.is("Extension") && !visit(child) {
			return
		}
	}
}

// child returns the first child of a name, none when there is none.
func (e element) child(name string) element {
	found := none
	e.children(func(c element) bool {
		if c.is(name) {
			found = c
		}
		return !found.exists()
	})
	return found
}

// content returns the text directly in an element that has no others in it.
func (e element) content() string {
	text := e.doc.text
	past, empty, _ := tagEnd(text, int(e.doc.start[e.at]))
	if empty || e.doc.next[e.at] != e.at+1 {
		return ""
	}
	var s strings.Builder
	for rest := text[past:]; ; {
		i := bytes.IndexByte(rest, '<')
		s.WriteString(unescape(rest[:i]))
		rest = rest[i:]
		switch {
		case bytes.HasPrefix(rest, []byte("<![CDATA[")):
			i = bytes.Index(rest, []byte("]]>"))
			s.Write(rest[9:i])
			rest = rest[i+3:]
		case bytes.HasPrefix(rest, []byte("<!--")):
			rest = rest[4:]
			rest = rest[bytes.Index(rest, []byte("-->"))+3:]
		case bytes.HasPrefix(rest, []byte("<?")):
			rest = rest[bytes.Index(rest, []byte("?>"))+2:]
		default:
			return s.String()
		}
	}
}
