package scale

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"rescore/cmd/internal/rig"
)

var subscribersOf = flag.Int("subscribers", 100_000, "subscribers of the base that real workers score")

// share is what scheduling costs beside the work it schedules.
type share struct {
	Subscribers   int     `json:"subscribers"`
	PartitionRows int     `json:"partition_rows"`
	OneWorker     float64 `json:"seconds_of_one_worker"`
	TwoWorkers    float64 `json:"seconds_of_two_workers"`
	Scaling       float64 `json:"times_one_worker"`
	WorkerCPU     float64 `json:"worker_cpu_seconds"` // of the job of two workers
	// CoordinatorCPU is what all three used meanwhile, less what they use when idle.
	CoordinatorCPU float64 `json:"coordinator_cpu_seconds"`
	Overhead       float64 `json:"overhead_percent"` // of the second in the first
}

// TestWhatSchedulingCosts scores a base with one real worker of one slot and with two,
// in partitions of 250 000 rows, and prints what it took.
func TestWhatSchedulingCosts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts five processes for a measurement; make scale runs it")
	}
	c := cluster{rig.New(t, rig.Plan{Program: program, Workers: 2})}
	jobFile := filepath.Join(c.Dir, "province", "job.yaml")
	c.Must("synth", "--out", filepath.Dir(jobFile), "--subscribers", fmt.Sprint(*subscribersOf), "--seed", "1", "--quiet")
	f := share{Subscribers: *subscribersOf, PartitionRows: 250_000}
	second := c.Workers[1]

	c.run(jobFile, "warm", f.PartitionRows)
	second.Signal(syscall.SIGTERM)
	<-second.Ended()
	f.OneWorker = c.run(jobFile, "one", f.PartitionRows)
	second.Start(t)
	rig.Eventually(t, "two workers", func() bool { return c.present() == 2 })

	const rest = 3 * time.Second
	before := c.spent(c.Coordinators)
	time.Sleep(rest)
	idle := (c.spent(c.Coordinators) - before).Seconds() / rest.Seconds()
	before, working := c.spent(c.Coordinators), c.spent(c.Workers)
	f.TwoWorkers = c.run(jobFile, "two", f.PartitionRows)
	f.CoordinatorCPU = max(0, (c.spent(c.Coordinators)-before).Seconds()-idle*f.TwoWorkers)
	f.WorkerCPU = (c.spent(c.Workers) - working).Seconds()
	f.Scaling, f.Overhead = f.OneWorker/f.TwoWorkers, 100*f.CoordinatorCPU/f.WorkerCPU
	line, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(string(line))
}

// run takes a job from its submission to its version, and returns the seconds.
func (c cluster) run(jobFile, name string, rows int) float64 {
	out := filepath.Join(c.Dir, "out-"+name)
	begun := time.Now()
	id, err := c.Submit(jobFile, "--set", "name="+name, "--set", "output.path="+out, "--set", fmt.Sprintf("run.partition_rows=%d", rows))
	if err != nil {
		c.Fatal(err)
	}
	for {
		st, err := c.Status(id)
		if err == nil && st.State == "published" {
			break
		}
		if err == nil && (st.State == "failed" || st.State == "held") {
			c.Fatalf("job %s is %s: %s", id, st.State, st.Failure)
		}
		time.Sleep(400 * time.Millisecond) // to be asked costs coordinators, and is no scheduling
	}
	seconds := time.Since(begun).Seconds()
	if err := os.RemoveAll(out); err != nil {
		c.Error(err)
	}
	return seconds
}

// present is how many workers the leader hears of.
func (c cluster) present() int {
	var crew struct{ Workers []json.RawMessage }
	if c.Ask("GET", "/v1/workers", nil, &crew) != nil {
		return 0
	}
	return len(crew.Workers)
}
