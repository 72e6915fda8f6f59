package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestGoldenStepsAreWhatTheGeneratorWrites(t *testing.T) {
	t.Parallel()
	for name, want := range files() {
		path := filepath.Join("..", name)
		if os.Getenv("RESCORE_GOLDEN") == "write" {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what the generator writes; run make golden and read the difference", name)
		}
	}
}
