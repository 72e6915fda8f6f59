package matrix

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// namesMax is how many names an error lists.
const namesMax = 10

// bind finds each feature's column, by the header's names or by place. It takes
// line for the first row where there is no header.
func (d *Reader) bind(line []byte) error {
	if err := d.split(line); err != nil {
		return err
	}
	d.width = len(d.cells)
	names := make([]string, d.width)
	for i, cell := range d.cells {
		names[i] = string(bytes.TrimSpace(cell))
	}
	if d.options.Header == "yes" || d.options.Header != "no" && d.header(names) {
		d.names, d.first = names, nil
	}
	label, err := d.label()
	if err != nil {
		return err
	}
	for i, name := range d.options.Beside {
		d.besideFrom[i] = slices.Index(d.names, name)
	}
	if d.names != nil && !d.nameless() {
		return d.match(label)
	}
	for i := range d.width {
		if i != label && !slices.Contains(d.besideFrom, i) {
			d.from = append(d.from, i)
		}
	}
	if features := len(d.model.Features); len(d.from) != features {
		remedy := "give a column for each feature, in the model's order, or a header with its names; rescore model inspect lists them"
		if len(d.from) == features+1 && label < 0 {
			remedy = "if one is the label, leave it out: --label 0 is the first; otherwise " + remedy
		}
		return d.fault(0, fmt.Sprintf("%d columns for the model's %d features", len(d.from), features), remedy)
	}
	return nil
}

// header tells by the first line's fields: they are names of the model's, or none
// of them is a number. Fields of a row can be texts, where categories are.
func (d *Reader) header(names []string) bool {
	numbers := 0
	for _, name := range names {
		if slices.Contains(d.model.Features, underscored(name)) {
			return true
		}
		if _, ok := parse([]byte(name)); ok && name != "" {
			numbers++
		}
	}
	return numbers == 0 && strings.Join(names, "") != ""
}

// underscored returns a column's name as LightGBM keeps it.
func underscored(name string) string { return strings.ReplaceAll(name, " ", "_") }

// nameless reports whether the model was trained on columns without names, so that
// it has the library's own; and the file has others.
func (d *Reader) nameless() bool {
	for i, feature := range d.model.Features {
		if feature != "" && feature != "Column_"+strconv.Itoa(i) && feature != "f"+strconv.Itoa(i) {
			return false
		}
	}
	return !slices.ContainsFunc(d.names, func(name string) bool { return slices.Contains(d.model.Features, name) })
}

// label returns the column of the label, -1 without one.
func (d *Reader) label() (int, error) {
	text := d.options.Label
	if text == "" {
		return -1, nil
	}
	if at := slices.Index(d.names, text); at >= 0 {
		return at, nil
	}
	at, err := strconv.Atoi(text)
	switch {
	case err != nil && d.names == nil:
		return 0, d.fault(0, fmt.Sprintf("--label %s is a name, and the file has no header", text), "give the label's number, from 0")
	case err != nil || at < 0 || at >= d.width:
		return 0, d.fault(0, fmt.Sprintf("there is no column %s, of %d, to leave out as the label", text, d.width), "give --label the name of a column, or its number from 0")
	}
	return at, nil
}

// match finds the features' columns by name. Columns of other names are left.
func (d *Reader) match(label int) error {
	column := make(map[string]int, d.width)
	for i, name := range d.names {
		if i == label {
			continue
		}
		name = underscored(name)
		if _, twice := column[name]; twice && slices.Contains(d.model.Features, name) {
			return d.fault(i+1, "the header has this name twice", "leave one of the columns out, or rename it")
		}
		column[name] = i
	}
	var absent []string
	for _, feature := range d.model.Features {
		at, ok := column[underscored(feature)]
		if !ok {
			absent = append(absent, feature)
		}
		d.from = append(d.from, at)
	}
	if len(absent) > 0 {
		list := strings.Join(absent[:min(len(absent), namesMax)], ", ")
		if more := len(absent) - namesMax; more > 0 {
			list += fmt.Sprintf(" and %d more", more)
		}
		return d.fault(0, fmt.Sprintf("the header lacks %d of the model's %d features: %s", len(absent), len(d.model.Features), list),
			"name the columns as the model does (rescore model inspect lists the names); a file without a header is read in the model's order (--header no)")
	}
	return nil
}

// dense reads a table's line.
func (d *Reader) dense(line []byte) error {
	if err := d.split(line); err != nil {
		return err
	}
	if len(d.cells) != d.width {
		return d.fault(0, fmt.Sprintf("the line has %d fields, the first one has %d", len(d.cells), d.width), "give every line as many; a missing value is an empty field")
	}
	for i, at := range d.besideFrom {
		d.beside[i] = math.NaN()
		if at < 0 {
			continue
		}
		x, ok := parse(d.cells[at])
		if !ok {
			return d.fault(at+1, "this is no number", "write a number such as 1.5 or 2e-3")
		}
		d.beside[i] = x
	}
	for i, at := range d.from {
		cell := d.cells[at]
		if d.codes[i].text != nil {
			x, ok := d.codes[i].find(cell)
			if !ok {
				return d.fault(at+1, "this is a number, and the model's categories are texts", "write the category as it was in training, not its code; rescore model inspect lists them")
			}
			d.row[i] = x
			continue
		}
		x, problem := d.number(cell)
		if problem != "" {
			return d.fault(at+1, problem, "write a number such as 1.5 or 2e-3; leave the field empty where the value is missing")
		}
		d.row[i] = x
	}
	return nil
}

// split cuts a line into d.cells.
func (d *Reader) split(line []byte) error {
	d.cells, d.quote = d.cells[:0], d.quote[:0]
	sep := byte(',')
	switch d.format {
	case "blank":
		for cell := range bytes.FieldsSeq(line) {
			d.cells = append(d.cells, cell)
		}
		return nil
	case "tsv":
		sep = '\t'
	}
	for {
		if len(line) > 0 && line[0] == '"' {
			cell, rest, ok := d.unquote(line[1:])
			if !ok || len(rest) > 0 && rest[0] != sep {
				return d.fault(len(d.cells)+1, "the quotes are not closed at the field's end", "close them on the same line, and write a quote inside as two")
			}
			d.cells = append(d.cells, cell)
			if len(rest) == 0 {
				return nil
			}
			line = rest[1:]
			continue
		}
		at := bytes.IndexByte(line, sep)
		if at < 0 {
			d.cells = append(d.cells, line)
			return nil
		}
		d.cells = append(d.cells, line[:at])
		line = line[at+1:]
	}
}

// unquote returns a field up to its closing quote, and what stands behind it.
func (d *Reader) unquote(line []byte) (cell, rest []byte, ok bool) {
	start := len(d.quote)
	for {
		at := bytes.IndexByte(line, '"')
		if at < 0 {
			return nil, nil, false
		}
		d.quote = append(d.quote, line[:at]...)
		line = line[at+1:]
		if len(line) == 0 || line[0] != '"' {
			return d.quote[start:len(d.quote):len(d.quote)], line, true
		}
		d.quote = append(d.quote, '"')
		line = line[1:]
	}
}
