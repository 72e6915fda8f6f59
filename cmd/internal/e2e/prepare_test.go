package e2e

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var nonces = regexp.MustCompile(`-\d{4}-\d{20}-[0-9a-f]{8}`)

// unsorted writes exports of n subscribers in no order, some there twice, and the job
// that prepares them.
func unsorted(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	lines := baseLines(n)
	for i := range n / 10 {
		replaceNumber(lines, n-1-i, "+86 "+digits(number(i)))
	}
	rows := lines[1:]
	rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	for k := range 4 {
		part := []string{lines[0]}
		for i := k; i < len(rows); i += 4 {
			part = append(part, rows[i])
		}
		write(t, dir, fmt.Sprintf("exports/%d.csv", k), text(part))
	}
	return write(t, dir, "prepare.yaml", "version: 1\nkind: prepare\nname: base\nmonth: 202610\ninput: {path: exports}\noutput: {path: out}\nrun: {partition_rows: 4000}\n")
}

// preparing is the arguments that prepare into folders of one's own.
func preparing(jobFile, dir string, more ...string) []string {
	args := run(jobFile, dir, more...)
	args[0] = "prepare"
	return args
}

// versionFiles describes every file of a version but the manifest: its name without the
// attempt, and its bytes without tokens.
func versionFiles(t *testing.T, version string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(version, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "_MANIFEST.json" {
			return err
		}
		name, err := filepath.Rel(version, path)
		data := token.ReplaceAll(read(t, path), nil)
		list = append(list, fmt.Sprintf("%s %x", nonces.ReplaceAllString(name, ""), sha256.Sum256(data)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

func TestAKilledPreparationEndsAsAnUndisturbedOne(t *testing.T) {
	t.Parallel()
	jobFile := unsorted(t, 40_000)
	calm := t.TempDir()
	began := time.Now()
	want := must(t, preparing(jobFile, calm, "--workers", "2")...)
	length := time.Since(began)
	wantFiles := versionFiles(t, want.Path)
	seed := uint64(time.Now().UnixNano())
	t.Logf("undisturbed: %.1f s, %d files, seed %d", length.Seconds(), len(wantFiles), seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range 2 {
		dir := filepath.Join(t.TempDir(), "round")
		args := preparing(jobFile, dir, "--workers", fmt.Sprint(1+round))
		kills := 0
		for range 3 {
			p := start(t, append(args, "--output", "json"))
			ended(p.gone, time.Duration(rng.Int64N(int64(length))))
			_ = p.cmd.Process.Kill() // it may have ended by itself
			if code := p.end(); code == 0 {
				break
			} else if code != -1 {
				t.Fatalf("after %d kills: exit code %d\n%s", kills, code, p.errs.String())
			}
			kills++
		}
		got := must(t, args...)
		if got.Digest != want.Digest || got.Rows != want.Rows {
			t.Errorf("after %d kills: digest %s, rows %+v, want %s, %+v", kills, got.Digest, got.Rows, want.Digest, want.Rows)
		}
		if files := versionFiles(t, got.Path); !slices.Equal(files, wantFiles) {
			t.Errorf("after %d kills the files differ beyond their tokens", kills)
		}
		if pointers := seen(dir, "out/_published/0*"); pointers != 1 {
			t.Errorf("after %d kills there are %d pointers", kills, pointers)
		}
		if runs := seen(dir, "out/_staging/*/run-*"); runs > kills*inFlight*(1+round) {
			t.Errorf("after %d kills %d sorted runs are left", kills, runs)
		}
		if again := must(t, args...); !again.Already || again.Digest != want.Digest {
			t.Errorf("prepared after success: already %t", again.Already)
		}
	}
}

func TestPrepareAndRunRefuseEachOthersJobs(t *testing.T) {
	t.Parallel()
	prepare := unsorted(t, 10)
	_, stderr, code := rescore(t, append(run(prepare, t.TempDir()), "--output", "json")...)
	if r := lastRefusal(t, stderr); code != 2 || !strings.Contains(r.text(), "rescore prepare") {
		t.Errorf("run of a preparation: exit code %d, %s", code, r.text())
	}
	score := write(t, t.TempDir(), "job.yaml", jobText("path: base.csv"))
	_, stderr, code = rescore(t, append(preparing(score, t.TempDir()), "--output", "json")...)
	if r := lastRefusal(t, stderr); code != 2 || !strings.Contains(r.text(), "kind: prepare") {
		t.Errorf("preparation of a job that scores: exit code %d, %s", code, r.text())
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(prepare), "out")); err == nil {
		t.Error("a refused job made its output folder")
	}
}
