package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rescore/cmd/internal/rig"
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

// sights are the traces a run leaves as it goes on, in their order: a kill waits
// for a new one, so that short steps are hit as often as long ones.
var sights = []string{
	"work/LOCK", "work/raft/raft.db", "out/_DATASET.json", "out/_published/epoch-*", "out/_staging/*/survey-*", "out/_staging/*/scores-*",
	"out/_staging/*/ranks-????????????????.bin", "out/_staging/*/part-*",
	"out/month=*/version=*", "out/month=*/version=*/_rejects", "out/month=*/version=*/_MANIFEST.json", "out/month=*/version=*/_SUCCESS", "out/_published/0*",
}

// reached says how far the runs in dir have come: the last sight, or "nothing".
func reached(dir string) string {
	for _, sight := range slices.Backward(sights) {
		if seen(dir, sight) > 0 {
			return sight
		}
	}
	return "nothing"
}

func seen(dir, sight string) int {
	names, _ := filepath.Glob(filepath.Join(dir, filepath.FromSlash(sight)))
	return len(names)
}

// inFlight is how many attempts of one slot may have staged something and not be done: one
// at work, and two that wait for the store.
const inFlight = 3

// executioner decides when a run dies.
type executioner struct {
	*rand.Rand
	length time.Duration // of an undisturbed run
}

// moment waits in one of three ways, each of which other steps are short for, and
// returns false when the run ended first: some time in the whole run; some time
// in the start-up; a new sight, those after scoring above all, and a moment more.
func (e executioner) moment(dir string, gone <-chan struct{}) bool {
	switch e.IntN(10) {
	case 0, 1, 2:
		return !ended(gone, time.Duration(e.Int64N(int64(e.length))))
	case 3, 4:
		return !ended(gone, time.Duration(e.Int64N(int64(e.length/8))))
	}
	sight := sights[e.IntN(len(sights))]
	if e.IntN(2) == 0 {
		sight = sights[6+e.IntN(len(sights)-6)]
	}
	for before := seen(dir, sight); seen(dir, sight) <= before; {
		if ended(gone, 200*time.Microsecond) {
			return false
		}
	}
	return !ended(gone, time.Duration(e.Int64N(int64(8*time.Millisecond))))
}

// ended waits and reports whether the run ended meanwhile.
func ended(gone <-chan struct{}, wait time.Duration) bool {
	select {
	case <-gone:
		return true
	case <-time.After(wait):
		return false
	}
}

// process is a run that is under way.
type process struct {
	cmd       *exec.Cmd
	out, errs bytes.Buffer
	gone      chan struct{} // closed when it ended
}

func start(t *testing.T, args []string) *process {
	t.Helper()
	p := &process{cmd: rig.Command(t, program, args...), gone: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.gone)
		_ = p.cmd.Wait() // ProcessState says how it ended
	}()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.gone })
	return p
}

// end waits for the process and returns its exit code, -1 when it was killed.
func (p *process) end() int {
	<-p.gone
	return p.cmd.ProcessState.ExitCode()
}

// TestAKilledRunEndsAsAnUndisturbedOne is invariants I1, I2, I4, I5 and I6 at
// once: SIGKILL at random moments, start again, now and then while the killed
// process is still there, and the version is the same, byte for byte but for the
// tokens. No partition is run again once it was done, and what a reader finds on
// the way is whole or not there.
func TestAKilledRunEndsAsAnUndisturbedOne(t *testing.T) {
	const subscribers = 60_000
	jobFile := synth(t, subscribers)
	calm := t.TempDir()
	began := time.Now()
	challenger := []string{"--set", "model.challengers=[{name: half, path: 'builtin:baseline', undersampling_beta: 0.5}]"}
	want := must(t, append(run(jobFile, calm, "--partition-rows", "1", "--workers", "2"), challenger...)...)
	length := time.Since(began)
	wantParts, wantManifest := contents(t, want.Path), readManifest(t, want.Path)
	partitions := len(wantManifest.Partitions)
	if !strings.Contains(string(wantManifest.Challengers), `"rank_correlation"`) {
		t.Fatalf("the challenger's figures are %s", wantManifest.Challengers)
	}
	t.Logf("undisturbed: %d partitions, %.1f s, digest %s", partitions, length.Seconds(), want.Digest)

	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("RESCORE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("RESCORE_SEED: %v", err)
		}
	}
	t.Logf("RESCORE_SEED=%d", seed)
	e := executioner{rand.New(rand.NewPCG(seed, 0)), length}

	// whole fails the test unless the one version in dir is the one wanted.
	whole := func(dir string, after int) {
		t.Helper()
		pointers, _ := filepath.Glob(filepath.Join(dir, "out", "_published", "0*"))
		versions, _ := filepath.Glob(filepath.Join(dir, "out", "month=*", "version=*"))
		if len(pointers) != 1 || len(versions) != 1 {
			t.Fatalf("after %d kills: %d pointers and %d version folders, want one of each", after, len(pointers), len(versions))
		}
		if parts := contents(t, versions[0]); !slices.Equal(parts, wantParts) {
			t.Fatalf("after %d kills the files differ beyond their tokens", after)
		}
		if got := readManifest(t, versions[0]).Challengers; string(got) != string(wantManifest.Challengers) {
			t.Fatalf("after %d kills the challenger's figures are %s, want %s", after, got, wantManifest.Challengers)
		}
	}

	began = time.Now()
	dealt, rounds, resumed, rivals, lockedOut := 0, 0, 0, 0, 0
	died := map[string]int{}
	for total := kills(t); dealt < total; rounds++ {
		dir := filepath.Join(t.TempDir(), "round")
		workers := 1 + e.IntN(2)
		args := append(run(jobFile, dir, "--partition-rows", "1", "--workers", strconv.Itoa(workers)), challenger...)
		inRound := 0
		for planned := 1 + e.IntN(6); inRound < planned && dealt < total; {
			p := start(t, append(args, "--output", "json"))
			due := e.moment(dir, p.gone)
			var rival *process
			if due && e.IntN(4) == 0 {
				rival = start(t, append(args, "--output", "json"))
				rivals++
				ended(p.gone, time.Duration(e.Int64N(int64(30*time.Millisecond))))
			}
			_ = p.cmd.Process.Kill() // it may have ended by itself
			switch code := p.end(); code {
			case -1:
				dealt++
				inRound++
				died[reached(dir)]++
			case 0: // it was faster
				planned = 0
			default:
				t.Fatalf("after %d kills: exit code %d\n%s", inRound, code, p.errs.String())
			}
			if rival != nil {
				switch code := rival.end(); code {
				case 0: // it came into the work folder when the other had left it
					planned = 0
				case 7:
					lockedOut++
				default:
					t.Fatalf("started beside a dying run after %d kills: exit code %d\n%s", inRound, code, rival.errs.String())
				}
			}
			if seen(dir, "out/_published/0*") > 0 { // readers see it from now on
				whole(dir, inRound)
			}
		}
		got := must(t, args...)
		resumed += got.Resumed
		if got.Digest != want.Digest || got.Rows != want.Rows {
			t.Fatalf("after %d kills: digest %s and rows %+v, want %s and %+v", inRound, got.Digest, got.Rows, want.Digest, want.Rows)
		}
		whole(dir, inRound)
		// I6: a kill costs at most the attempts in flight, in either stage.
		for _, stage := range []string{"scores-*.parquet", "part-*.parquet"} {
			staged := len(files(t, filepath.Join(dir, "out", "_staging"), stage))
			if most := partitions + inRound*inFlight*workers; staged > most {
				t.Fatalf("after %d kills %d attempts at %s were staged for %d partitions; at most %d can be", inRound, staged, stage, partitions, most)
			}
		}
		if again := must(t, args...); !again.Already || again.Digest != want.Digest {
			t.Fatalf("run after success: already %t, digest %s", again.Already, again.Digest)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(began)
	t.Logf("%d kills in %d rounds and %.0f s, %.1f a second; %d partitions found done; %d rivals, %d of them locked out",
		dealt, rounds, took.Seconds(), float64(dealt)/took.Seconds(), resumed, rivals, lockedOut)
	publishing, selecting := 0, 0
	for _, sight := range slices.Sorted(maps.Keys(died)) {
		t.Logf("%4d died having reached %s", died[sight], sight)
		if strings.HasPrefix(sight, "out/month=") {
			publishing += died[sight]
		}
		if sight == "out/_staging/*/ranks-????????????????.bin" || sight == "out/_staging/*/part-*" {
			selecting += died[sight]
		}
	}
	if dealt >= 150 && (resumed == 0 || selecting == 0 || publishing == 0 || lockedOut == 0) {
		t.Errorf("%d partitions found done, %d deaths while selecting, %d while publishing, %d rivals locked out: the kills prove too little", resumed, selecting, publishing, lockedOut)
	}
}

var token = regexp.MustCompile(`\d{20}`)

// contents returns, by partition, the digest of each file with its token
// blanked, and checks that the folder holds exactly the manifest's files with
// their SHA-256.
func contents(t *testing.T, version string) []string {
	t.Helper()
	var listed, digests []string
	for _, p := range readManifest(t, version).Partitions {
		for _, f := range p.Files {
			name := filepath.Join(version, filepath.FromSlash(f.Path))
			data := read(t, name)
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
