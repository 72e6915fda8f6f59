package replica

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"rescore/coordinator/ledger"
	"rescore/partition/loopback"
)

// The data directories of each version, as its replicas left them. They are opened
// from then on, by every build: whoever changes what is on disk also reads these.
//
//	alone-1.tar.gz    one voter, before entries had sums
//	alone-2.tar.gz    one voter
//	three-2.tar.gz    three voters, of which c3 has less log than the others
//
// All hold jobs 0 to 11, with snapshots. RESCORE_GOLDEN=1 writes those of this build,
// where there are none.
const goldenJobs = 12

func pack(t *testing.T, dir, file string) {
	t.Helper()
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(zip)
	if err := errors.Join(w.AddFS(os.DirFS(dir)), w.Close(), zip.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
}

// unpack returns a folder with what is in the file.
func unpack(t *testing.T, file string) string {
	t.Helper()
	dir := t.TempDir()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }() // only read
	zip, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(zip); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(head.Name))
		if head.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// unpackAll returns what a version left.
func unpackAll(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join("testdata", name+".tar.gz")
	if os.Getenv("RESCORE_GOLDEN") != "" {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			dir := t.TempDir()
			left(t, name, dir)
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			pack(t, dir, file)
		}
	}
	return unpack(t, file)
}

// left does what the folders of this version are the rest of.
func left(t *testing.T, name, dir string) {
	t.Helper()
	if name == "alone-2" {
		r := mustOpen(t, Config{Dir: dir, ID: "me", tune: small})
		for n := range goldenJobs {
			propose(t, r, submit(n))
			if n == 5 || n == 8 {
				if err := r.Snapshot(); err != nil {
					t.Fatal(err)
				}
			}
		}
		mustClose(t, r)
		return
	}
	c := begin(t, func(cfg *Config) { cfg.tune = small })
	for n := range goldenJobs {
		c.submit(n)
		if n == 8 {
			for _, r := range c.at {
				if err := r.Snapshot(); err != nil {
					t.Fatal(err)
				}
			}
			c.shut(c.at["c3"])
		}
	}
	c.same(goldenJobs)
	for _, r := range c.at {
		mustClose(t, r)
	}
	if err := os.CopyFS(dir, os.DirFS(c.dir)); err != nil {
		t.Fatal(err)
	}
}

// hasGolden tells whether the ledger is what a golden folder holds.
func hasGolden(t *testing.T, r *Replica) {
	t.Helper()
	r.View(func(s *ledger.State) {
		n := 0
		for j := range s.Jobs() {
			if want := submit(n); j.ID != want.Job || j.Name != want.Name || j.SpecDigest != want.SpecDigest || j.Epoch != want.Epoch || j.MaxAttempts != want.MaxAttempts || len(j.Stages) != len(want.Stages) {
				t.Errorf("job %d is %+v", n, j)
			}
			n++
		}
		if n != goldenJobs {
			t.Errorf("it has %d jobs", n)
		}
	})
}

func TestFoldersOfEarlierVersionsOpen(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"alone-1", "alone-2"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := unpackAll(t, name)
			for range 2 { // brought up to date, and opened as that
				r := mustOpen(t, Config{Dir: dir})
				hasGolden(t, r)
				if propose(t, r, submit(3)).(ledger.SubmitReply).New {
					t.Error("job 3 was forgotten")
				}
				mustClose(t, r)
			}
			flipEntry(t, filepath.Join(dir, "raft.db"), submit(3).Job) // what this build has written has sums
			if r, err := Open(Config{Dir: dir}); !errors.Is(err, ErrHistory) {
				t.Errorf("a flipped bit was not seen: %v", err)
				if err == nil {
					mustClose(t, r)
				}
			}
		})
	}
}

func TestThreeFoldersOfEarlierVersionsOpen(t *testing.T) {
	t.Parallel()
	c := &three{t: t, dir: unpackAll(t, "three-2"), at: map[string]*Replica{}}
	on := map[string]net.Listener{}
	for _, id := range []string{"c1", "c2", "c3"} { // their addresses are others' by now
		l := loopback.Listen(t)
		c.peers = append(c.peers, Peer{id, l.Addr().String()})
		on[id] = l
	}
	for _, p := range c.peers {
		c.open(p.ID, on[p.ID])
	}
	c.same(goldenJobs)
	hasGolden(t, c.leader())
	c.submit(goldenJobs)
	c.same(goldenJobs + 1)
}
