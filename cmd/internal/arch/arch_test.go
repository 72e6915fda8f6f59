package arch

import (
	"path/filepath"
	"testing"
)

// TestRepositoryKeepsItsShape is the rule book applied to this repository.
func TestRepositoryKeepsItsShape(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	found, err := Check(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

// TestTableIsOfOnePiece checks the rules against each other: a rule about a
// package the table does not know would never apply.
func TestTableIsOfOnePiece(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range table {
		if seen[r.pkg] {
			t.Errorf("table.go has two rows for %s", r.pkg)
		}
		seen[r.pkg] = true
	}
	for _, dir := range pure {
		if !seen[dir] {
			t.Errorf("pure package %s has no row", dir)
		}
	}
	for _, r := range table {
		for _, name := range r.ours {
			if !seen[name] && name != anything && !hasSuffixAll(name) {
				t.Errorf("the row of %s names %s, which has no row", r.pkg, name)
			}
		}
	}
	for _, d := range doors {
		for _, dir := range d.pkgs {
			if !seen[dir] && !hasSuffixAll(dir) {
				t.Errorf("the door of %s names %s, which has no row", d.module, dir)
			}
		}
	}
}

func hasSuffixAll(name string) bool { return filepath.Base(name) == "..." }
