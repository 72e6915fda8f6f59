package mutant

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// root is the module's, as seen from here.
func root(t *testing.T) string {
	dir, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestEveryMutantHasItsPlace(t *testing.T) {
	names := map[string]bool{}
	for _, m := range Table {
		if names[m.Name] {
			t.Errorf("two mutants are called %q", m.Name)
		}
		names[m.Name] = true
		if _, err := m.Plant(root(t), t.TempDir()); err != nil {
			t.Error(err)
		}
	}
	if len(Table) < 20 {
		t.Errorf("%d mutants, at least 20 are wanted", len(Table))
	}
}

// TestEveryMutantIsFound compiles and runs those whose names RESCORE_MUTANTS, a regular
// expression, matches.
func TestEveryMutantIsFound(t *testing.T) {
	asked := os.Getenv("RESCORE_MUTANTS")
	if asked == "" {
		t.Skip("make mutant runs it, and .ci/run some of it: every mutant is compiled")
	}
	run(t, Mutant{Name: "no mutant"}, false)
	for _, m := range Table {
		if regexp.MustCompile(asked).MatchString(m.Name) {
			run(t, m, true)
		}
	}
}

// seeds is within how many a mutant must be found.
const seeds = "400"

func run(t *testing.T, m Mutant, found bool) {
	t.Run(m.Name, func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		overlay, err := m.Plant(root(t), dir)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute) // a machine may be slow
		defer cancel()
		pkg, tests := m.Test()
		begun := time.Now()
		build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", filepath.Join(dir, "mutant.test"), pkg)
		build.Dir = root(t)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("the mutant does not compile: %v\n%s", err, out)
		}
		built := time.Since(begun)
		test := exec.CommandContext(ctx, filepath.Join(dir, "mutant.test"), "-test.run", tests, "-test.v", "-test.timeout", "0")
		test.Dir = filepath.Join(root(t), pkg)
		test.Env = append(os.Environ(), "RESCORE_SEEDS="+seeds, "RESCORE_SEED=", "RESCORE_BASE=")
		out, err := test.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if ctx.Err() != nil { // to take for ever is not to be found
			t.Fatalf("it was not done in time:\n%.2000s", out)
		}
		how := "nothing was found"
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "seed ") || strings.Contains(line, "--- FAIL") || strings.Contains(line, "panic") {
				how = strings.TrimSpace(line)
				break
			}
		}
		t.Logf("%s: built in %s, ran %s: %.300s", m.Name, built.Round(100*time.Millisecond), time.Since(begun.Add(built)).Round(100*time.Millisecond), how)
		if (err != nil) != found {
			t.Errorf("%s: found is %v\n%.2000s", m.Name, err != nil, out)
		}
	})
}
