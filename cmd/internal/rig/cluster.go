// Package rig builds clusters of the real binary for tests to break and to measure:
// processes, each in a network namespace of its own where the machine allows it, and
// a client for what they say.
package rig

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
	"testing"
	"time"
)

// Build builds the binary into dir, with the build tags, and returns its path.
func Build(dir string, tags ...string) (string, error) {
	program := filepath.Join(dir, "rescore")
	build := exec.Command("go", "build", "-tags", strings.Join(tags, ","), "-o", program, "rescore/cmd/rescore")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the binary: %w\n%s", err, out)
	}
	return program, nil
}

// Main is the TestMain of a package that tests the binary: it builds it, says where it
// is, runs the tests and leaves nothing behind.
func Main(m *testing.M, program *string, tags ...string) {
	dir, err := os.MkdirTemp("", "rescore-rig-")
	if err == nil {
		*program, err = Build(dir, tags...)
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

// BuildNATS builds the nats-server of the module in go.mod into dir.
func BuildNATS(dir string) (string, error) {
	program := filepath.Join(dir, "nats-server")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build nats-server: %w\n%s", err, out)
	}
	return program, nil
}

// Plan says what a cluster is made of.
type Plan struct {
	Program  string
	Workers  int
	LeaseTTL time.Duration // 0 = the program's default
	Apart    bool          // networks of their own and small disks, where the machine allows it
	NATS     string        // a nats-server to use in the place of those in the coordinators; "" = theirs
}

// Cluster is three coordinators and their workers. Errors of its methods that are not
// returned are reported to the test; only New and the waits end it.
type Cluster struct {
	*testing.T
	Plan
	Dir          string
	Networks     bool // each process has a network of its own
	Disks        bool // each coordinator has a small disk of its own
	Coordinators []*Process
	Workers      []*Process
	NATS         *Process // nil: the coordinators carry it
	Addresses    []string // base addresses of the coordinators
	Token        string
	TokenFile    string

	ports []int
}

// New starts a cluster and returns when it has a leader. All of it is gone when the
// test ends.
func New(t *testing.T, plan Plan) *Cluster {
	t.Helper()
	c := &Cluster{T: t, Plan: plan, Dir: t.TempDir(), Token: fmt.Sprintf("a-token-of-%d-and-%d", rand.Uint64(), rand.Uint64())}
	c.TokenFile = filepath.Join(c.Dir, "token")
	if err := os.WriteFile(c.TokenFile, []byte(c.Token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	machines := here(3 + plan.Workers + 1)
	if plan.Apart {
		machines, c.Networks = Hosts(t, len(machines))
	}
	var peers, more []string
	if plan.NATS != "" {
		more = append(more, "--nats", c.server(machines[len(machines)-1]))
	}
	for i := range 3 {
		port := 7300
		if !c.Networks {
			port = freePorts(t, 4)
		}
		c.ports = append(c.ports, port)
		c.Addresses = append(c.Addresses, net.JoinHostPort(machines[i].IP, fmt.Sprint(port)))
		peers = append(peers, fmt.Sprintf("c%d=%s", i+1, c.Addresses[i]))
	}
	if c.Networks {
		more = append(more, "--insecure")
	}
	c.Disks = plan.Apart
	for i := range 3 {
		name := fmt.Sprintf("c%d", i+1)
		dir := filepath.Join(c.Dir, name)
		if c.Disks {
			c.Disks = SmallDisk(t, filepath.Join(dir, "ledger"), 256<<20)
		}
		args := append([]string{"coordinator", "--id", name, "--dir", filepath.Join(dir, "ledger"), "--peers", strings.Join(peers, ","), "--token-file", c.TokenFile}, more...)
		if plan.LeaseTTL != 0 {
			args = append(args, "--lease-ttl", plan.LeaseTTL.String())
		}
		c.Coordinators = append(c.Coordinators, &Process{Name: name, Program: plan.Program, At: machines[i], Dir: dir, Args: args})
	}
	for i := range plan.Workers {
		name := fmt.Sprintf("w%d", i+1)
		c.Workers = append(c.Workers, &Process{Name: name, Program: plan.Program, At: machines[3+i], Dir: filepath.Join(c.Dir, name), Args: append([]string{
			"worker", "--coordinators", strings.Join(c.Addresses, ","), "--token-file", c.TokenFile, "--slots", "1",
		}, more...)})
	}
	t.Cleanup(c.end)
	for _, p := range c.All() {
		p.Start(t)
	}
	Eventually(t, "a leader", func() bool { return c.Leader() != nil })
	return c
}

// server prepares the nats-server outside, with the configuration that is handed to
// people, and returns its URL.
func (c *Cluster) server(at Host) string {
	dir := filepath.Join(c.Dir, "n1")
	file := filepath.Join(dir, "nats.conf")
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "nats.conf"))
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	listen := net.JoinHostPort(at.IP, fmt.Sprint(freePorts(c.T, 1)))
	text := strings.Replace(string(data), "0.0.0.0:4222", listen, 1)
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o600)
	}
	if err != nil || !strings.Contains(text, listen) {
		c.Fatalf("configure nats-server to listen at %s: %v", listen, err)
	}
	c.NATS = &Process{Name: "n1", Program: c.Plan.NATS, At: at, Dir: dir, Args: []string{"-c", file}, Env: []string{"RESCORE_TOKEN=" + c.Token}}
	return "nats://" + listen
}

func (c *Cluster) end() {
	if c.Failed() {
		for _, p := range c.All() {
			if p.PID() != 0 && p.Alive() {
				p.Stacks()
			}
		}
	}
	for _, p := range c.All() {
		if p.PID() != 0 {
			p.Kill()
		}
	}
	if c.Failed() {
		for _, p := range c.All() {
			c.Log(p.Tail())
		}
	}
}

// All are the cluster's processes.
func (c *Cluster) All() []*Process {
	all := append(append([]*Process{}, c.Coordinators...), c.Workers...)
	if c.NATS != nil {
		all = append(all, c.NATS)
	}
	return all
}

// Must runs the binary on this machine and returns its stdout.
func (c *Cluster) Must(args ...string) (stdout string) {
	c.Helper()
	stdout, err := c.Run(args...)
	if err != nil {
		c.Fatal(err)
	}
	return stdout
}

// Run runs the binary on this machine.
func (c *Cluster) Run(args ...string) (stdout string, err error) {
	var out, errs bytes.Buffer
	cmd := Command(c.T, c.Program, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("rescore %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

// Submit hands a job file in.
func (c *Cluster) Submit(jobFile string, more ...string) (id string, err error) {
	args := []string{"submit", jobFile, "--coordinators", strings.Join(c.Addresses, ","), "--token-file", c.TokenFile, "--output", "json"}
	if c.Networks {
		args = append(args, "--insecure")
	}
	out, err := c.Run(append(args, more...)...)
	if err != nil {
		return "", err
	}
	var o struct{ Job string }
	err = LastObject(out, &o)
	return o.Job, err
}

// LastObject reads the JSON object on stdout's last line.
func LastObject(stdout string, v any) error {
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), v); err != nil {
		return fmt.Errorf("stdout's last line is %q: %w", lines[len(lines)-1], err)
	}
	return nil
}

func here(n int) (all []Host) {
	for range n {
		all = append(all, Host{IP: "127.0.0.1"})
	}
	return all
}

// freePorts finds n ports in a row that are free now.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for range 200 {
		first := 20000 + rand.IntN(10000)
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

// Ask puts a request to the first coordinator that answers it, and reads the JSON of
// the answer into v, or, where v is *[]byte, the bytes.
func (c *Cluster) Ask(method, path string, body []byte, v any) error {
	last := errNobody
	for i, at := range c.Coordinators {
		url := fmt.Sprintf("http://%s:%d%s", at.At.IP, c.ports[i]+3, path)
		if last = c.askAt(url, method, body, v); last == nil {
			return nil
		}
	}
	return last
}

func (c *Cluster) askAt(url, method string, body []byte, v any) error {
	r, err := http.NewRequestWithContext(c.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+c.Token)
	client := *web
	if _, ok := v.(*[]byte); ok {
		client.Timeout = time.Minute // a backup takes its time
	}
	answer, err := client.Do(r)
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
	if raw, ok := v.(*[]byte); ok {
		*raw = data
		return nil
	}
	return json.Unmarshal(data, v)
}

// Leader returns the coordinator that leads, nil while nobody does.
func (c *Cluster) Leader() *Process {
	var members struct {
		Members []struct {
			ID     string
			Leader bool
		}
	}
	if c.Ask(http.MethodGet, "/v1/members", nil, &members) != nil {
		return nil
	}
	for i, p := range c.Coordinators {
		for _, m := range members.Members {
			if m.ID == fmt.Sprintf("c%d", i+1) && m.Leader {
				return p
			}
		}
	}
	return nil
}

// Status is what tests read of a job.
type Status struct {
	State   string
	Failure string // why it failed
	Stage   string // that is worked on
	Tasks   int    // of it; 0 until it is planned
	Done    int
	Running int
}

// Status asks where a job stands.
func (c *Cluster) Status(id string) (st Status, err error) {
	return st, c.Ask(http.MethodGet, "/v1/jobs/"+id, nil, &st)
}
