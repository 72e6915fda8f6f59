package boot

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"rescore/partition/job"
	"rescore/worker/formula"
)

// open reads the files that a job file names.
func open(folder string, files job.Files) job.Beside {
	read := func(name string) *job.Text {
		if name == "" {
			return nil
		}
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(folder, path)
		}
		data, err := readFile(path)
		return &job.Text{Name: name, Data: data, Err: err}
	}
	return job.Beside{Rules: read(files.Rules), Policy: read(files.Policy), Features: read(files.Features)}
}

// readFile reads a file of a size that job takes, and a little more, so that job
// says that it is too large.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	defer func() { _ = f.Close() }() // opened for reading only
	data, err := io.ReadAll(io.LimitReader(f, job.BytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	return data, nil
}

// check adds what is wrong with the formulas of a spec to what its files got
// wrong, and shows the lines. A file that is nil was not read.
func check(spec job.Spec, err error, files ...*job.Text) error {
	var problems job.Problems
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	told := map[string]bool{}
	for _, p := range problems {
		told[p.Path] = true
	}
	for _, p := range formula.Check(spec) {
		if told[p.Path] || len(problems) >= job.ProblemsMax {
			continue
		}
		for _, f := range files {
			if f != nil && f.Name == p.File {
				p.Excerpt = excerpt(f.Data, p.Line, p.Column)
			}
		}
		problems = append(problems, p)
	}
	if len(problems) == 0 {
		return nil
	}
	return problems
}

// excerpt returns a line of a file, with a caret under a column, both counted
// from 1; "" when there is no such line. Chinese characters are two columns wide
// on a terminal.
func excerpt(data []byte, line, column int) string {
	lines := strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	text := strings.TrimRight(strings.ReplaceAll(lines[line-1], "\t", " "), "\r")
	var under strings.Builder
	for i, r := range []rune(text) {
		if i+1 >= column {
			break
		}
		under.WriteByte(' ')
		if r >= 0x1100 && utf8.RuneLen(r) >= 3 {
			under.WriteByte(' ')
		}
	}
	return text + "\n" + under.String() + "^"
}

// Kinds of files of formulas.
var Kinds = []string{"rules", "features"}

// KindOf guesses what a file of formulas holds by its name.
func KindOf(file string) string {
	if strings.Contains(strings.ToLower(filepath.Base(file)), "feature") {
		return "features"
	}
	return "rules"
}

// LoadAlone reads a file of rules or of features by itself, over the spec of a
// job, whose own formulas of that kind it takes the place of. The error is
// job.Problems.
func LoadAlone(kind, file string, data []byte, spec job.Spec) (job.Spec, error) {
	text := &job.Text{Name: file, Data: data}
	beside := job.Beside{Rules: text}
	spec.Custom = nil
	if kind == "features" {
		beside = job.Beside{Features: text}
		spec.Features = nil
	}
	if !slices.Contains(Kinds, kind) {
		return spec, Usagef("write "+strings.Join(Kinds, " or "), "--kind %s is not known", kind)
	}
	d, err := job.DecodeAlone(beside, spec)
	if err := check(d.Spec, err, text); err != nil {
		return d.Spec, Named(err, file)
	}
	return d.Spec, nil
}

// Named says that err is about file, which is no job file: the one that its problems
// are counted of.
func Named(err error, file string) error { return named{err, file} }

// named is a list of problems with a file that is no job file.
type named struct {
	error
	file string
}

func (n named) Unwrap() error { return n.error }
