package arch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// tree is the repository as the rules see it: everything git would track, read
// without git, because make test promises to need only Go and make.
type tree struct {
	root   string
	files  []string // slash-separated, relative to root, in walking order
	mod    *modfile.File
	module string
	pkgs   []*pkg // sorted by dir
	fset   *token.FileSet
}

// pkg is one folder of Go files.
type pkg struct {
	dir   string // slash-separated, relative to root
	files []goFile
}

type goFile struct {
	path string // relative to root
	test bool
	ast  *ast.File
}

func readTree(root string) (*tree, error) {
	t := &tree{root: root, fset: token.NewFileSet()}
	ignored, err := readIgnore(filepath.Join(root, ".gitignore"))
	if err != nil {
		return nil, err
	}
	if err := t.walk(ignored); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	if t.mod, err = modfile.Parse("go.mod", data, nil); err != nil {
		return nil, err
	}
	t.module = t.mod.Module.Mod.Path
	return t, t.parse()
}

func (t *tree) walk(ignored ignore) error {
	return filepath.WalkDir(t.root, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a test running beside this one cleaned up after itself
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(t.root, name)
		if err != nil || rel == "." {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case d.IsDir() && (rel == ".git" || ignored.match(rel, true)):
			return filepath.SkipDir
		case d.IsDir(), rel == ".git": // in a git worktree .git is a file
		case !ignored.match(rel, false):
			t.files = append(t.files, rel)
		}
		return nil
	})
}

func (t *tree) parse() error {
	byDir := map[string]*pkg{}
	for _, name := range t.files {
		if path.Ext(name) != ".go" || invisible(name) {
			continue
		}
		file, err := parser.ParseFile(t.fset, filepath.Join(t.root, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if byDir[dir] == nil {
			byDir[dir] = &pkg{dir: dir}
			t.pkgs = append(t.pkgs, byDir[dir])
		}
		byDir[dir].files = append(byDir[dir].files, goFile{path: name, test: strings.HasSuffix(name, "_test.go"), ast: file})
	}
	slices.SortFunc(t.pkgs, func(a, b *pkg) int { return strings.Compare(a.dir, b.dir) })
	return nil
}

// line is the line a node of a parsed file stands on.
func (t *tree) line(n ast.Node) int { return t.fset.Position(n.Pos()).Line }

// read returns a file's text. A file that vanished since the walk, or that is
// not text, is empty: there is nothing in it to break a rule.
func (t *tree) read(name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(t.root, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if bytes.IndexByte(data[:min(len(data), 8000)], 0) >= 0 {
		return "", nil
	}
	return string(data), nil
}

// invisible reports whether the go tool looks past the file.
func invisible(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == "testdata" || part[0] == '_' || part[0] == '.' {
			return true
		}
	}
	return false
}

// ignore is the part of .gitignore's language this repository uses: * and ?,
// a leading / for "at the top", a trailing / for "folders only".
type ignore []string

func readIgnore(name string) (ignore, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var patterns ignore
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '!' || strings.Contains(line, "**") || strings.Contains(strings.Trim(line, "/"), "/") {
			return nil, fmt.Errorf(".gitignore: %q: this test reads plain names, /name, name/ and * only; keep to those", line)
		}
		patterns = append(patterns, line)
	}
	return patterns, lines.Err()
}

func (p ignore) match(rel string, dir bool) bool {
	return slices.ContainsFunc(p, func(pattern string) bool {
		if strings.HasSuffix(pattern, "/") && !dir {
			return false
		}
		subject := path.Base(rel)
		if pattern[0] == '/' {
			subject = rel
		}
		ok, err := path.Match(strings.Trim(pattern, "/"), subject)
		return err == nil && ok
	})
}

// owned is what the owner put at the top level. Dot-files are free: tools look
// for them there.
var owned = []string{
	"cmd", "coordinator", "worker", "partition", "deploy", "docs",
	"go.mod", "go.sum", "Makefile", "README.md",
}

func checkTopLevel(t *tree) []Finding {
	var found []Finding
	var seen []string
	for _, name := range t.files {
		top, _, _ := strings.Cut(name, "/")
		if top[0] == '.' || slices.Contains(owned, top) || slices.Contains(seen, top) {
			continue
		}
		seen = append(seen, top)
		found = append(found, Finding{
			File:   top,
			What:   "stands at the top level",
			Why:    "the top level holds the owner's names only: " + strings.Join(owned, " ") + " and dot-files",
			Remedy: "move it under cmd, coordinator, worker, partition, deploy or docs; if it is made by a tool, name it in .gitignore",
		})
	}
	return found
}
