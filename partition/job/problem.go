package job

import (
	"fmt"
	"strings"
)

// Origin is where a value was given. The zero Origin is the built-in default.
type Origin struct {
	// Source is the job file's name, or for a value from elsewhere its name, such
	// as "environment RESCORE_RUN__WORKERS" or "flag --workers".
	Source string `json:"source"`
	Line   int    `json:"line,omitempty"` // from 1; 0 outside a file
	Column int    `json:"column,omitempty"`
}

// String returns job.yaml:12:5, the source's name, or "default".
func (o Origin) String() string {
	switch {
	case o.Source == "":
		return "default"
	case o.Line == 0:
		return o.Source
	}
	return fmt.Sprintf("%s:%d:%d", o.Source, o.Line, o.Column)
}

// Problem is one thing wrong with a job file and what to do about it.
type Problem struct {
	File    string `json:"file"`             // as Origin.Source
	Line    int    `json:"line,omitempty"`   // from 1; 0 when the value is not from a file
	Column  int    `json:"column,omitempty"` // in characters, from 1
	Path    string `json:"path"`             // input.columns.fee.unit; "" for the file as a whole
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
	// Excerpt is the line of the file and, below it, a caret under the place;
	// "" where the message says enough.
	Excerpt string `json:"excerpt,omitempty"`
}

// String returns the problem on one line: where, which key, what, and the remedy.
func (p Problem) String() string {
	var b strings.Builder
	if where := (Origin{p.File, p.Line, p.Column}); where.Source != "" {
		b.WriteString(where.String())
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path)
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	if p.Remedy != "" {
		b.WriteString("; ")
		b.WriteString(p.Remedy)
	}
	return b.String()
}

// Problems is everything wrong with a job file, in the order of the file. As an
// error it is one line a problem.
type Problems []Problem

// Error implements error.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, q := range p {
		lines[i] = q.String()
	}
	return strings.Join(lines, "\n")
}

// Closest returns the candidate that name was most likely meant to be, and
// whether there is one: the only one that name is the beginning of, or else the
// nearest at no more than one edit in three characters. Among equals the first
// wins, so the answer depends on nothing but its arguments.
func Closest(name string, candidates []string) (string, bool) {
	if len(name) > 64 {
		return "", false
	}
	name = strings.ToLower(name)
	var begun []string
	for _, c := range candidates {
		if len(name) >= 4 && strings.HasPrefix(c, name) {
			begun = append(begun, c)
		}
	}
	if len(begun) == 1 {
		return begun[0], true
	}
	best, found := "", false
	least := max(1, len(name)/3) + 1
	for _, c := range candidates {
		if d := edits(name, strings.ToLower(c)); d < least {
			best, found, least = c, true, d
		}
	}
	return best, found
}

// edits is the optimal string alignment distance: insertions, deletions,
// replacements and swaps of neighbours, in bytes.
func edits(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// oneOf lists alternatives for a remedy: "a", "a or b", "a, b or c".
func oneOf(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// writeOneOf is the remedy for a word that is not in a list.
func writeOneOf(word string, names []string) string {
	if near, ok := Closest(word, names); ok {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "write " + oneOf(names)
}
