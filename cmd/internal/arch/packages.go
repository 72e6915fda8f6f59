package arch

import (
	"path"
	"slices"
	"strings"
)

// hollow are words that say nothing about what a package owns. A package whose
// name holds one becomes the place where homeless functions go.
var hollow = []string{"util", "common", "helper", "manager", "misc"}

func checkPackages(t *tree) []Finding {
	var found []Finding
	for _, p := range t.pkgs {
		name := p.files[0].ast.Name.Name
		if _, ok := rowOf(p.dir); !ok {
			found = append(found, Finding{
				File:   p.dir,
				What:   "is a package that no row of the import table owns",
				Why:    "every package has an owner and a place; a package nobody placed is how walls move unnoticed",
				Remedy: "give it a row in cmd/internal/arch/table.go (what it owns, what it may import) and in docs/architecture.md, or put the code into the package that owns the idea",
			})
		}
		for _, word := range []string{name, path.Base(p.dir)} {
			if word == "types" || slices.ContainsFunc(hollow, func(h string) bool { return strings.Contains(word, h) }) {
				found = append(found, Finding{
					File:   p.files[0].path,
					Line:   t.line(p.files[0].ast.Name),
					What:   "package " + word + " is named after nothing",
					Why:    "packages are singular nouns of the business that can be said aloud; util, common, helper, types, manager and misc collect what has no home",
					Remedy: "name what it owns; give a homeless function to its only caller",
				})
				break
			}
		}
		if !slices.ContainsFunc(p.files, func(f goFile) bool { return tellsStory(f) }) {
			found = append(found, Finding{
				File:   p.dir,
				What:   "package " + name + " has no package comment",
				Why:    "a package comment tells the story: what it owns, what it promises, what it does not",
				Remedy: "write one that begins \"Package " + name + " \" (\"Command …\" for a main) above a package clause",
			})
		}
	}
	return found
}

// tellsStory reports whether the file carries a package comment that go doc
// would show under the right name.
func tellsStory(f goFile) bool {
	if f.ast.Doc == nil {
		return false
	}
	text := f.ast.Doc.Text()
	if f.ast.Name.Name == "main" {
		return strings.HasPrefix(text, "Command ")
	}
	return strings.HasPrefix(text, "Package "+strings.TrimSuffix(f.ast.Name.Name, "_test")+" ")
}
