package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var program string // the binary, with its failpoints

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "rescore-fault-")
	if err == nil {
		program = filepath.Join(dir, "rescore")
		build := exec.Command("go", "build", "-tags", "failpoint", "-o", program, "rescore/cmd/rescore")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, e := build.CombinedOutput(); e != nil {
			err = fmt.Errorf("build the binary: %w\n%s", e, out)
		}
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// leaseTTL is short, so that a test need not wait long for a lease to run out.
const leaseTTL = 3 * time.Second

// cluster is three coordinators and four workers on one base.
type cluster struct {
	*testing.T
	dir          string
	apart        bool // each process has a network of its own
	small        bool // each coordinator has a small disk of its own
	coordinators []*process
	workers      []*process
	addresses    []string // base addresses of the coordinators
	ports        []int
	tokenFile    string
	token        string

	jobFile string
	digest  string // of the job in one process
	rows    int64

	hands sync.Map // *process → *sync.Mutex: one fault at a time on a process
}

// newCluster synthesises a base, runs its job in one process, and starts a cluster.
func newCluster(t *testing.T, subscribers int) *cluster {
	c := &cluster{T: t, dir: t.TempDir(), token: "fault-" + fmt.Sprint(rand.Uint64()) + "-token", tokenFile: ""}
	c.tokenFile = filepath.Join(c.dir, "token")
	if err := os.WriteFile(c.tokenFile, []byte(c.token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.jobFile = filepath.Join(c.dir, "province", "job.yaml")
	c.must("synth", "--out", filepath.Dir(c.jobFile), "--subscribers", fmt.Sprint(subscribers), "--seed", "7", "--quiet")
	alone := filepath.Join(c.dir, "alone")
	out := c.must("run", c.jobFile, "--quiet", "--set", "output.path="+filepath.Join(alone, "out"), "--set", "run.work="+filepath.Join(alone, "work"), "--output", "json")
	var single struct {
		Digest string
		Rows   struct{ In int64 }
	}
	if err := lastObject(out, &single); err != nil {
		t.Fatal(err)
	}
	c.digest, c.rows = single.Digest, single.Rows.In

	machines, apart := hosts(t, 7)
	c.apart = apart
	var peers []string
	for i := range 3 {
		port := 7300
		if !apart {
			port = freePorts(t, 4)
		}
		c.ports = append(c.ports, port)
		c.addresses = append(c.addresses, net.JoinHostPort(machines[i].ip, fmt.Sprint(port)))
		peers = append(peers, fmt.Sprintf("c%d=%s", i+1, c.addresses[i]))
	}
	insecure := []string{}
	if apart {
		insecure = []string{"--insecure"}
	}
	for i := range 3 {
		dir := filepath.Join(c.dir, fmt.Sprintf("c%d", i+1))
		c.small = smallDisk(t, filepath.Join(dir, "ledger"), 256<<20) && (i == 0 || c.small)
		c.coordinators = append(c.coordinators, &process{name: fmt.Sprintf("c%d", i+1), at: machines[i], dir: dir, args: append([]string{
			"coordinator", "--id", fmt.Sprintf("c%d", i+1), "--dir", filepath.Join(dir, "ledger"), "--peers", strings.Join(peers, ","), "--token-file", c.tokenFile, "--lease-ttl", leaseTTL.String(),
		}, insecure...)})
	}
	for i := range 4 {
		c.workers = append(c.workers, &process{name: fmt.Sprintf("w%d", i+1), at: machines[3+i], dir: filepath.Join(c.dir, fmt.Sprintf("w%d", i+1)), args: append([]string{
			"worker", "--coordinators", strings.Join(c.addresses, ","), "--token-file", c.tokenFile, "--slots", "1",
		}, insecure...)})
	}
	t.Cleanup(func() {
		for _, p := range c.all() {
			if p.cmd != nil {
				p.kill()
			}
		}
		if t.Failed() {
			for _, p := range c.all() {
				t.Log(p.tail())
			}
		}
	})
	for _, p := range c.all() {
		p.start(t)
	}
	eventually(t, "a leader", func() bool { return c.leader() != nil })
	return c
}

func (c *cluster) all() []*process {
	return append(append([]*process{}, c.coordinators...), c.workers...)
}

// must runs the binary on this machine.
func (c *cluster) must(args ...string) (stdout string) {
	c.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		c.Fatalf("rescore %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

func lastObject(stdout string, v any) error {
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), v); err != nil {
		return fmt.Errorf("stdout's last line is %q: %w", lines[len(lines)-1], err)
	}
	return nil
}

// freePorts finds n ports in a row that are free now.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for range 200 {
		first := 20000 + rand.IntN(20000)
		free := true
		for i := range n {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+i))
			if err != nil {
				free = false
				break
			}
			_ = l.Close()
		}
		if free {
			return first
		}
	}
	t.Fatalf("no %d free ports in a row", n)
	return 0
}

var errNobody = errors.New("no coordinator answers")

var web = &http.Client{Timeout: 3 * time.Second}

// ask puts a request to the first coordinator that answers it.
func (c *cluster) ask(method, path string, body []byte, v any) error {
	last := errNobody
	for i, at := range c.coordinators {
		url := fmt.Sprintf("http://%s:%d%s", at.at.ip, c.ports[i]+3, path)
		if last = c.askAt(url, method, body, v); last == nil {
			return nil
		}
	}
	return last
}

func (c *cluster) askAt(url, method string, body []byte, v any) error {
	r, err := http.NewRequestWithContext(c.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	answer, err := web.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, url, answer.Status, data)
	}
	return json.Unmarshal(data, v)
}

// leader returns the coordinator that leads, nil while nobody does.
func (c *cluster) leader() *process {
	var members struct {
		Members []struct {
			ID     string
			Leader bool
		}
	}
	if c.ask(http.MethodGet, "/v1/members", nil, &members) != nil {
		return nil
	}
	for i, p := range c.coordinators {
		for _, m := range members.Members {
			if m.ID == fmt.Sprintf("c%d", i+1) && m.Leader {
				return p
			}
		}
	}
	return nil
}

// submission is a job under way and where it publishes.
type submission struct{ id, out string }

// submit hands in the n-th job: the same base and model, another folder.
func (c *cluster) submit(n int) (submission, error) {
	s := submission{out: filepath.Join(c.dir, fmt.Sprintf("out-%d", n))}
	cmd := exec.CommandContext(c.Context(), program, "submit", c.jobFile, "--coordinators", strings.Join(c.addresses, ","), "--token-file", c.tokenFile,
		"--set", "output.path="+s.out, "--set", "run.partition_rows=250", "--set", "run.max_attempts=10", "--output", "json")
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("submit: %w: %s", err, errs.String())
	}
	var o struct{ Job string }
	err = lastObject(string(out), &o)
	s.id = o.Job
	return s, err
}

// status is what the tests read of a job.
type status struct {
	State  string
	Reason string
}

func (c *cluster) status(s submission) (st status, err error) {
	return st, c.ask(http.MethodGet, "/v1/jobs/"+s.id, nil, &st)
}
