package province

import (
	"context"
	"testing"

	"rescore/partition/store"
	"rescore/partition/synth"
)

func BenchmarkTmpWrite(b *testing.B) {
	for b.Loop() {
		st, err := store.NewFile(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Write(context.Background(), st, Options{Province: synth.Default(1, 1_000_000, 202610)}); err != nil {
			b.Fatal(err)
		}
	}
}
