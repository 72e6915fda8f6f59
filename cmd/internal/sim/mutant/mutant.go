// Package mutant plants known mistakes in the coordinator, one at a time, and demands
// that something finds each: a simulation without a violation says little unless it is
// known to find what is wrong.
//
//	table ─► text of a file, changed ─► go test -overlay ─► seeds ─► must fail
//
// The tree is never changed: the compiler is told to read other text for a file. A
// mistake whose old text is not in its file exactly once has lost its place, and is an
// error wherever the table is read.
package mutant

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Mutant is one planted mistake.
type Mutant struct {
	Name  string
	Edits []Edit
	// Package and Run are the test that must fail; the simulation's seeds by default.
	Package, Run string
}

// Edit replaces text that stands exactly once in a file of the module.
type Edit struct{ File, Old, New string }

// Test returns the package and the tests that must find the mutant.
func (m Mutant) Test() (pkg, run string) {
	if m.Package == "" {
		return "./cmd/internal/sim", "^TestSeeds$"
	}
	return m.Package, m.Run
}

// Plant writes the changed files below dir and returns the overlay file for the
// compiler; root is the module's.
func (m Mutant) Plant(root, dir string) (overlay string, err error) {
	replace := map[string]string{}
	for i, e := range m.Edits {
		name := filepath.Join(root, filepath.FromSlash(e.File))
		at := name
		if planted, ok := replace[name]; ok {
			at = planted
		}
		text, err := os.ReadFile(at)
		if err != nil {
			return "", fmt.Errorf("plant %s: %w", m.Name, err)
		}
		if n := strings.Count(string(text), e.Old); n != 1 {
			return "", fmt.Errorf("plant %s: its old text stands %d times in %s; give the table the text as it is now:\n%s", m.Name, n, e.File, e.Old)
		}
		planted := filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(name)))
		if err := os.WriteFile(planted, []byte(strings.Replace(string(text), e.Old, e.New, 1)), 0o644); err != nil {
			return "", fmt.Errorf("plant %s: %w", m.Name, err)
		}
		replace[name] = planted
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("plant %s: %w", m.Name, err)
	}
	overlay = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, data, 0o644); err != nil {
		return "", fmt.Errorf("plant %s: %w", m.Name, err)
	}
	return overlay, nil
}
