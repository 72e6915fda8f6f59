package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/parquet-go/parquet-go"

	"rescore/cmd/internal/rig"
)

var nonces = regexp.MustCompile(`-\d{4}-\d{20}-[0-9a-f]{8}`)

// unsorted writes exports of n subscribers in no order, a tenth of the rows with a number
// that is there twice and one of 200 with none, and the job that prepares them.
func unsorted(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	lines := baseLines(n)
	for i := range n / 10 {
		replaceNumber(lines, n-1-i, "+86 "+digits(number(i)))
	}
	for i := range n / 200 {
		replaceNumber(lines, n/2+i, "unknown")
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

// baseRows is what becomes of the rows that unsorted(t, n) writes.
func baseRows(n int64) counts {
	c := counts{In: n, Rejected: n / 200, Duplicate: n / 10}
	c.Scored = c.In - c.Rejected - c.Duplicate
	return c
}

// versionFiles describes every file of a version but the manifest: its name without the
// attempt, and a digest of its bytes, without tokens where the format has them.
func versionFiles(t *testing.T, version string, tokens bool) (list []string) {
	t.Helper()
	err := filepath.WalkDir(version, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "_MANIFEST.json" {
			return err
		}
		name, err := filepath.Rel(version, path)
		data := read(t, path)
		if tokens {
			data = token.ReplaceAll(data, nil)
		}
		list = append(list, fmt.Sprintf("%s %x", nonces.ReplaceAllString(name, ""), sha256.Sum256(data)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// parquetNumbers returns the numbers of a file, in its order.
func parquetNumbers(t *testing.T, file string) (list []uint64) {
	t.Helper()
	rows, err := parquet.ReadFile[struct {
		Msisdn uint64 `parquet:"msisdn"`
	}](file)
	if err != nil {
		t.Fatalf("read %s: %v", filepath.Base(file), err)
	}
	for _, r := range rows {
		list = append(list, r.Msisdn)
	}
	return list
}

// arrowNumbers returns the numbers of a file, in its order.
func arrowNumbers(t *testing.T, file string) (list []uint64) {
	t.Helper()
	r, err := ipc.NewFileReader(bytes.NewReader(read(t, file)))
	if err != nil {
		t.Fatalf("read %s: %v", filepath.Base(file), err)
	}
	defer func() { _ = r.Close() }() // it reads memory
	for i := range r.NumRecords() {
		batch, err := r.Record(i)
		if err != nil {
			t.Fatalf("read %s: %v", filepath.Base(file), err)
		}
		for _, n := range batch.Column(0).(*array.Int64).Int64Values() {
			list = append(list, uint64(n))
		}
	}
	return list
}

// moment is where a preparation dies: at a failpoint that it passed so many times.
type moment struct {
	failpoint string
	passed    int
	merging   bool // a file of the base was begun
}

// moments are in the order in which a preparation comes to them, when it is started again
// after each: a sorted run is not whole, and then it is and nobody was told; a file of the
// base is not whole, and then two are done and a third is whole and nobody was told.
var moments = []moment{
	{failpoint: "worker.exchange"},
	{failpoint: "worker.keep"},
	{failpoint: "worker.merge", merging: true},
	{failpoint: "worker.keep", passed: 2, merging: true},
}

// die runs a binary that has failpoints, which ends by SIGKILL at the moment.
func (m moment) die(t *testing.T, mortal, dir string, args []string) {
	t.Helper()
	const pass = " sleep 0s\n"
	armed := write(t, t.TempDir(), "failpoint", strings.Repeat(m.failpoint+pass, m.passed)+m.failpoint+" kill\n")
	cmd := rig.Command(t, mortal, args...)
	cmd.Env = append(cmd.Env, "RESCORE_FAILPOINT="+armed)
	if said, err := cmd.CombinedOutput(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != -1 || len(read(t, armed)) > 0 {
		t.Fatalf("it did not die at %s, passed %d times: %v\n%s", m.failpoint, m.passed, err, said)
	}
	runs, parts := seen(dir, "out/_staging/*/run-*"), seen(dir, "out/_staging/*/part-*")
	if runs == 0 || (parts > 0) != m.merging || seen(dir, "out/_published/0*") > 0 {
		t.Fatalf("it died at %s having begun %d runs and %d files of the base", m.failpoint, runs, parts)
	}
}

// atRandom kills a preparation three times, each at some time in a whole run, or fewer
// when it ended first, and returns how often.
func atRandom(t *testing.T, rng *rand.Rand, length time.Duration, args []string) (kills int) {
	t.Helper()
	for kills < 3 {
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
	return kills
}

// The binary that dies at named moments is one of its own; the undisturbed run, and the
// one that ends what was killed, are of the binary that everybody is given.
func TestAKilledPreparationEndsAsAnUndisturbedOne(t *testing.T) {
	t.Parallel()
	mortal, err := rig.Build(t.TempDir(), "failpoint")
	if err != nil {
		t.Fatal(err)
	}
	const n = 40_000
	jobFile := unsorted(t, n)
	rows := baseRows(n)
	var people []uint64 // whose rows are kept, in order
	for i := range n - int(rows.Duplicate) {
		if i < n/2 || i >= n/2+int(rows.Rejected) {
			people = append(people, number(i))
		}
	}
	for _, f := range []struct {
		format  string
		set     []string
		tokens  bool // its files say which attempt made them
		random  bool // it is killed at random moments too: those are of no format
		numbers func(t *testing.T, file string) []uint64
	}{
		{format: "parquet", tokens: true, random: true, numbers: parquetNumbers},
		{format: "arrow", set: []string{"--set", "prepare.format=arrow", "--set", "output.compression=zstd"}, numbers: arrowNumbers},
	} {
		t.Run(f.format, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			want := must(t, append(preparing(jobFile, t.TempDir(), "--workers", "2"), f.set...)...)
			length := time.Since(began)
			wantFiles, wantTally := versionFiles(t, want.Path, f.tokens), readManifest(t, want.Path).Tally
			if refused := rejects(t, want.Path); want.Rows != rows || int64(len(refused)) != rows.Rejected+rows.Duplicate {
				t.Fatalf("undisturbed: rows %+v, %d of them in the reject ledger, want %+v", want.Rows, len(refused), rows)
			}
			var got []uint64
			for _, file := range files(t, want.Path, "part-*."+f.format) {
				got = append(got, f.numbers(t, file)...)
			}
			if !slices.Equal(got, people) {
				t.Fatalf("undisturbed: %d numbers in %s files, want each of %d once and in order", len(got), f.format, len(people))
			}
			whole := func(t *testing.T, dir string, args []string, kills, workers int) {
				t.Helper()
				got := must(t, args...)
				if got.Digest != want.Digest || got.Rows != want.Rows {
					t.Errorf("after %d kills: digest %s, rows %+v, want %s, %+v", kills, got.Digest, got.Rows, want.Digest, want.Rows)
				}
				if files := versionFiles(t, got.Path, f.tokens); !slices.Equal(files, wantFiles) {
					t.Errorf("after %d kills the files are others", kills)
				}
				if tally := readManifest(t, got.Path).Tally; !reflect.DeepEqual(tally, wantTally) {
					t.Errorf("after %d kills the tally is %+v, want %+v", kills, tally, wantTally)
				}
				if pointers := seen(dir, "out/_published/0*"); pointers != 1 {
					t.Errorf("after %d kills there are %d pointers", kills, pointers)
				}
				if runs := seen(dir, "out/_staging/*/run-*"); runs > kills*inFlight*workers {
					t.Errorf("after %d kills %d sorted runs are left", kills, runs)
				}
				if again := must(t, args...); !again.Already || again.Digest != want.Digest {
					t.Errorf("prepared after success: already %t", again.Already)
				}
			}
			folder := func(t *testing.T, workers string) (dir string, args []string) {
				dir = t.TempDir()
				return dir, append(preparing(jobFile, dir, "--workers", workers), f.set...)
			}

			t.Run("named", func(t *testing.T) {
				dir, args := folder(t, "1")
				for _, m := range moments {
					m.die(t, mortal, dir, args)
				}
				whole(t, dir, args, len(moments), 1)
			})
			if !f.random {
				return
			}
			seed := uint64(time.Now().UnixNano())
			rng := rand.New(rand.NewPCG(seed, 0))
			t.Run("random", func(t *testing.T) {
				t.Logf("undisturbed: %.1f s, %d files, seed %d", length.Seconds(), len(wantFiles), seed)
				dir, args := folder(t, "2")
				whole(t, dir, args, atRandom(t, rng, length, args), 2)
			})
		})
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
