// Package arch keeps the shape of the repository. The rules a reviewer would
// have to remember are written here as code, and its test runs them over the
// whole tree as part of go test ./..., so nothing is a warning.
//
//	            cmd/…
//	           ╱     ╲            only cmd sees both sides
//	coordinator/…   worker/…      never import each other
//	           ╲     ╱
//	           partition/…
//
// What is kept:
//
//   - the import table: which package may import which (table.go, imports.go);
//   - the pure packages: no clock, randomness, file, socket or goroutine (pure.go);
//   - every package has an owner's row, a story to tell and a name worth saying
//     (packages.go);
//   - the top level holds the owner's names only (tree.go);
//   - links between documents lead somewhere (links.go);
//   - no tracked file knows the machine it was written on (leaks.go);
//   - go.mod forces the safe versions of what we did not choose ourselves (mod.go).
//
// Every finding says where, what, why and what to do instead. To move a wall,
// change the table in the same commit as the code and give the reason in
// docs/decisions.
package arch

import (
	"fmt"
	"slices"
	"strings"
)

// Finding is one place where the tree breaks a rule.
type Finding struct {
	File   string // slash-separated, relative to the root of the repository
	Line   int    // 1-based; 0 when the finding is about the file or folder itself
	What   string // what stands there
	Why    string // the rule, with its reason
	Remedy string // what to do instead
}

// String prints the finding the way compilers do, so that editors can jump to it.
func (f Finding) String() string {
	where := f.File
	if f.Line > 0 {
		where = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return fmt.Sprintf("%s: %s\n\twhy:    %s\n\tremedy: %s", where, f.What, f.Why, f.Remedy)
}

// Check runs every rule over the repository at root and returns what it finds,
// by file and line; none means the shape is kept. The error is about reading
// the tree or parsing its Go files, and then the findings say nothing.
func Check(root string) ([]Finding, error) {
	t, err := readTree(root)
	if err != nil {
		return nil, fmt.Errorf("read the tree at %s: %w", root, err)
	}
	var found []Finding
	for _, rule := range []func(*tree) []Finding{
		checkTopLevel, checkPackages, checkImports, checkPure, checkLinks, checkLeaks, checkMod,
	} {
		found = append(found, rule(t)...)
	}
	slices.SortStableFunc(found, func(a, b Finding) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	return found, nil
}
