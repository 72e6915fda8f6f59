package sim

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"
)

// seeds is how many seeds go test runs by default; make sim says how many.
const seeds = 100

func number(t *testing.T, name string, otherwise uint64) uint64 {
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestSeeds runs RESCORE_SEEDS seeds from RESCORE_BASE on, or RESCORE_SEED alone and
// with its trace.
func TestSeeds(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // one goroutine runs at a time: a second core only makes handing over dearer
	if seed := number(t, "RESCORE_SEED", 0); seed != 0 {
		r, err := Simulate(t, seed, os.Stdout)
		t.Logf("seed %d: %+v", seed, r)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	n, first := number(t, "RESCORE_SEEDS", seeds), number(t, "RESCORE_BASE", 1)
	if testing.Short() {
		n = min(n, 10) // under the race detector
	}
	var sum Report
	begun := time.Now()
	for seed := first; seed < first+n; seed++ {
		r, err := Simulate(t, seed, nil)
		if err != nil {
			t.Fatalf("%v\nmake sim SEED=%d tells how it came about", err, seed)
		}
		sum = sum.Add(r)
		if did := seed - first + 1; did%5000 == 0 && did < n {
			t.Logf("%d seeds of %d, %s left", did, n, (time.Since(begun) / time.Duration(did) * time.Duration(n-did)).Round(time.Second))
		}
	}
	t.Logf("%d seeds from %d, %s each: %+v", n, first, (time.Since(begun) / time.Duration(n)).Round(10*time.Microsecond), sum)
}

func TestKeptSeedsFindNothingAnyMore(t *testing.T) {
	data, err := os.ReadFile("testdata/seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		word, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "#" {
			continue
		}
		seed, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Simulate(t, seed, nil); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestASeedIsAHistory(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		var once, again bytes.Buffer
		for _, trace := range []*bytes.Buffer{&once, &again} {
			_, err := Simulate(t, seed, trace)
			if err != nil {
				t.Fatal(err)
			}
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // whatever the machine
		}
		if bytes.Equal(once.Bytes(), again.Bytes()) {
			continue
		}
		a, b := bytes.Split(once.Bytes(), []byte("\n")), bytes.Split(again.Bytes(), []byte("\n"))
		for i := range a {
			if i >= len(b) || !bytes.Equal(a[i], b[i]) {
				t.Fatalf("seed %d goes two ways at line %d:\n%s\n%s", seed, i, a[i], b[min(i, len(b)-1)])
			}
		}
	}
}
