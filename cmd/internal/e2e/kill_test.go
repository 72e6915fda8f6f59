package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// kills is how many SIGKILLs the test deals out: RESCORE_KILLS, or 8.
func kills(t *testing.T) int {
	s := os.Getenv("RESCORE_KILLS")
	if s == "" {
		return 8
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("RESCORE_KILLS=%q is no number of kills", s)
	}
	return n
}

// TestAKilledRunEndsAsAnUndisturbedOne is invariants I1, I2, I5 and I6 at once:
// SIGKILL at random moments, start again, and the version is the same, byte for
// byte but for the tokens, with no partition run again once it was done.
func TestAKilledRunEndsAsAnUndisturbedOne(t *testing.T) {
	const subscribers, workers = 150_000, 2
	jobFile := synth(t, subscribers)
	settings := []string{"--set", "run.partition_rows=1", "--set", fmt.Sprint("run.workers=", workers)}
	calm := t.TempDir()
	start := time.Now()
	want := must(t, run(jobFile, calm, settings...)...)
	length := time.Since(start)
	wantParts := contents(t, want.Path)
	t.Logf("undisturbed: %d partitions, %.1f s, digest %s", len(wantParts), length.Seconds(), want.Digest)

	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("RESCORE_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("RESCORE_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dealt, resumed := 0, 0
	for total := kills(t); dealt < total; {
		dir := t.TempDir()
		inRun := 0
		for planned := 1 + rng.IntN(6); inRun < planned && dealt < total; {
			cmd := command(append(run(jobFile, dir, settings...), "--output", "json")...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			gone := make(chan error, 1)
			go func() { gone <- cmd.Wait() }()
			select {
			case err := <-gone: // it was faster than the kill
				if err != nil {
					t.Fatalf("after %d kills: %v", inRun, err)
				}
				planned = 0
				continue
			case <-time.After(time.Duration(rng.Int64N(int64(length)))):
			}
			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil && cmd.ProcessState == nil {
				t.Logf("kill: %v", err)
			}
			if err := <-gone; err == nil {
				planned = 0
				continue
			}
			dealt++
			inRun++
		}
		got := must(t, run(jobFile, dir, settings...)...)
		resumed += got.Resumed
		if got.Digest != want.Digest || got.Rows != want.Rows {
			t.Fatalf("after %d kills: digest %s and rows %+v, want %s and %+v", inRun, got.Digest, got.Rows, want.Digest, want.Rows)
		}
		if parts := contents(t, got.Path); !slices.Equal(parts, wantParts) {
			t.Fatalf("after %d kills the files differ beyond their tokens", inRun)
		}
		// I6: a kill costs at most the attempts in flight.
		staged := len(files(t, filepath.Join(dir, "out", "_staging"), "part-*.parquet"))
		if most := len(wantParts) + inRun*workers; staged > most {
			t.Fatalf("after %d kills %d attempts were staged for %d partitions; at most %d can be", inRun, staged, len(wantParts), most)
		}
		again := must(t, run(jobFile, dir, settings...)...)
		if !again.Already || again.Digest != want.Digest {
			t.Fatalf("run after success: already %t, digest %s", again.Already, again.Digest)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d partitions found done after them", dealt, resumed)
	if dealt > 20 && resumed == 0 {
		t.Error("no run ever found a partition done: the kills prove nothing")
	}
}

var token = regexp.MustCompile(`\d{20}`)

// contents returns, by partition, the digest of each score file with its token
// blanked, and checks that the folder holds exactly the manifest's files with
// their SHA-256.
func contents(t *testing.T, version string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(version, "_MANIFEST.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Partitions []struct {
			Token uint64
			Files []struct{ Path, SHA256 string }
		}
	}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	var listed, digests []string
	for _, p := range m.Partitions {
		for _, f := range p.Files {
			name := filepath.Join(version, filepath.FromSlash(f.Path))
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if sum := fmt.Sprintf("%x", sha256.Sum256(data)); sum != f.SHA256 {
				t.Fatalf("%s: SHA-256 %s, manifest says %s", f.Path, sum, f.SHA256)
			}
			listed = append(listed, name)
			blank := bytes.Replace(data, fmt.Appendf(nil, "%020d", p.Token), make([]byte, 20), 1)
			digests = append(digests, fmt.Sprintf("%s %x", token.ReplaceAllString(filepath.Base(name), "")[:10], sha256.Sum256(blank)))
		}
	}
	there := files(t, version, "*.parquet")
	there = append(there, files(t, version, "*.csv")...)
	slices.Sort(there)
	slices.Sort(listed)
	if !slices.Equal(there, listed) {
		t.Fatalf("the version folder holds %d data files, its manifest %d", len(there), len(listed))
	}
	return digests
}
