// Package e2e runs the real binary as its users do: real processes, real files,
// real kills. Everything else is tested where it lives.
package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rescore/cmd/internal/rig"
)

var program string

func TestMain(m *testing.M) { rig.Main(m, &program) }

// result is the object of the machine contract.
type result struct {
	Job, Version, Path string
	Rows               counts
	Digest             string
	Seconds            float64
	RowsPerSecond      float64 `json:"rows_per_second"`
	Already            bool
	Resumed            int
}

// rescore runs the binary and returns what it said and its exit code.
func rescore(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := rig.Command(t, program, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatalf("start rescore %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs the binary and returns the object on stdout's last line.
func must(t *testing.T, args ...string) result {
	t.Helper()
	stdout, stderr, code := rescore(t, append(args, "--output", "json")...)
	if code != 0 {
		t.Fatalf("rescore %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return parseResult(t, stdout)
}

// parseResult reads the object on stdout's last line.
func parseResult(t *testing.T, stdout string) (r result) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatalf("stdout's last line is %q: %v", lines[len(lines)-1], err)
	}
	return r
}

// synth writes a province and returns its job file.
func synth(t *testing.T, subscribers int, more ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "province")
	args := append([]string{"synth", "--out", dir, "--subscribers", fmt.Sprint(subscribers), "--quiet"}, more...)
	if _, stderr, code := rescore(t, args...); code != 0 {
		t.Fatalf("rescore %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return filepath.Join(dir, "job.yaml")
}

// run is the arguments of a run of the job file with output and work folders of
// its own.
func run(jobFile, dir string, more ...string) []string {
	return append([]string{"run", jobFile, "--quiet", "--set", "output.path=" + filepath.Join(dir, "out"), "--set", "run.work=" + filepath.Join(dir, "work")}, more...)
}

// listing describes every file below a folder but locks: name, size, time of
// the last change.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() == "LOCK" {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		size := info.Size()
		if d.IsDir() {
			size = 0 // of the folder's own blocks
		}
		list = append(list, fmt.Sprintf("%s %d %s", path, size, info.ModTime().UTC().Format(time.RFC3339Nano)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// files returns the names below a folder that match the pattern, sorted.
func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if ok, _ := filepath.Match(pattern, d.Name()); ok {
			names = append(names, path)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return names
}
