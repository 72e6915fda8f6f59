package scale

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rescore/cmd/internal/rig"
)

var program string

func TestMain(m *testing.M) { rig.Main(m, &program) }

// figures are what one size of job costs.
type figures struct {
	Partitions           int     `json:"partitions"`
	Workers              int     `json:"workers"`
	Seconds              float64 `json:"seconds"`                     // from submission to published
	CompletionsPerSecond float64 `json:"completions_per_second"`      // while the score and the select stage were at work
	CoordinatorCPU       float64 `json:"coordinator_cpu_us_per_task"` // all three, user and system
	RaftBytes            float64 `json:"raft_bytes_per_partition"`    // what one coordinator's folder grew by
	PeakMB               float64 `json:"coordinator_peak_mb"`         // the largest of the three
	SnapshotMB           float64 `json:"snapshot_mb"`
	StatusMS             float64 `json:"status_ms_median"`
	StatusWorstMS        float64 `json:"status_ms_worst"` // of 200, while the job ran
	FailoverMedian       float64 `json:"failover_seconds_median"`
	FailoverP99          float64 `json:"failover_seconds_p99"`
	Failovers            int     `json:"failovers"`
}

var (
	partitions = flag.Int("partitions", 500, "partitions of the job")
	workers    = flag.Int("workers", 50, "workers that ask for them")
	kills      = flag.Int("kills", 0, "how often the leader is killed, after the measurement, to see how long nothing is granted")
)

// TestABillionSubscribers runs a job of a billion subscribers through real
// coordinators and prints what it cost.
func TestABillionSubscribers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three processes for a measurement; make scale runs it")
	}
	line, err := json.Marshal(measure(t, *partitions, *workers, *kills))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(string(line))
}

func measure(t *testing.T, partitions, workers, kills int) figures {
	c := cluster{rig.New(t, rig.Plan{Program: program})}
	root := filepath.Join(c.Dir, "out")
	var urls []string
	for _, a := range c.Addresses {
		host, port, _ := strings.Cut(a, ":")
		n, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		urls = append(urls, fmt.Sprintf("nats://%s:%d", host, n+1))
	}
	crew := newCrew(urls, c.Token)
	ctx, stop := context.WithCancel(t.Context())
	var at sync.WaitGroup
	defer at.Wait()
	defer stop()
	for i := range workers {
		at.Go(func() { crew.run(ctx, fmt.Sprintf("crew-%04d", i), 4) })
	}

	f := figures{Partitions: partitions, Workers: workers, Failovers: kills}
	before := c.spent(c.Coordinators)
	size := folderSize(t, c.Coordinators[0].Dir)
	start := time.Now()
	id := submit(c, root, "base", subscribers/partitions)
	var status []float64
	for c.waiting(crew, id) {
		begun := time.Now()
		if _, err := c.Status(id); err == nil && len(status) < 200 {
			status = append(status, float64(time.Since(begun).Microseconds())/1000)
		}
		time.Sleep(50 * time.Millisecond)
	}
	f.Seconds = time.Since(start).Seconds()
	tasks := crew.done.Load()
	if least := int64(2*partitions + 1); tasks < least { // more where the last ones were divided
		t.Errorf("%d tasks were completed, of %d", tasks, least)
	}
	f.CompletionsPerSecond = crew.rate()
	f.CoordinatorCPU = (c.spent(c.Coordinators) - before).Seconds() * 1e6 / float64(tasks)
	f.RaftBytes = float64(folderSize(t, c.Coordinators[0].Dir)-size) / float64(partitions)
	slices.Sort(status)
	f.StatusMS, f.StatusWorstMS = status[len(status)/2], status[len(status)-1]
	f.SnapshotMB = float64(backupSize(c)) / 1e6
	for _, p := range c.Coordinators {
		f.PeakMB = max(f.PeakMB, peakMB(t, p.PID()))
	}
	if kills > 0 {
		gaps := failover(t, c, crew, root, subscribers/min(partitions, failoverPartitions), kills)
		slices.Sort(gaps)
		f.FailoverMedian, f.FailoverP99 = gaps[len(gaps)/2], gaps[(len(gaps)*99-1)/100]
	}
	if err := crew.wrong.Load(); err != nil {
		t.Error(*err)
	}
	return f
}

// failoverPartitions is the most that a job has while leaders are killed: every kill
// takes a job or two, and whoever comes back reads the ledger of all.
const failoverPartitions = 2000

// failover kills the leader again and again while jobs run, and returns the seconds
// from each kill to the next grant that reached a worker.
func failover(t *testing.T, c cluster, crew *crew, root string, rows, kills int) (gaps []float64) {
	id := ""
	for n := 0; len(gaps) < kills; {
		if id == "" {
			id = submit(c, root, fmt.Sprintf("failover-%d", n), rows)
			n++
		}
		time.Sleep(200 * time.Millisecond)
		if !c.waiting(crew, id) {
			id = ""
			continue
		}
		// What is measured is how long nobody grants, so there must be something to grant.
		if st, err := c.Status(id); err != nil || st.Tasks-st.Done-st.Running < st.Tasks/5 || st.Tasks < 100 {
			continue
		}
		leader := c.Leader()
		if leader == nil {
			continue
		}
		leader.Signal(syscall.SIGKILL)
		killed := time.Now()
		<-leader.Ended()
		for crew.granted.Load() < killed.Add(20*time.Millisecond).UnixNano() { // what was under way arrives sooner
			if time.Since(killed) > time.Minute {
				t.Errorf("no grant within a minute of the leader's death")
				return gaps
			}
			time.Sleep(time.Millisecond)
		}
		gaps = append(gaps, time.Since(killed).Seconds())
		t.Logf("kill %d: %.3f s to the next grant", len(gaps), gaps[len(gaps)-1])
		leader.Start(t)
		rig.Eventually(t, "three coordinators again", func() bool { return c.reachable() == 3 })
	}
	return gaps
}

type cluster struct{ *rig.Cluster }

func submit(c cluster, root, name string, rows int) string {
	file := filepath.Join(c.Dir, name+".yaml")
	text := fmt.Sprintf("version: 1\nname: %s\nmonth: 202610\ninput:\n  path: base.parquet\nmodel:\n  path: builtin:baseline\n  reasons:\n    exact: none\noutput:\n  path: %s\nrun:\n  partition_rows: %d\n", name, filepath.Join(root, name), rows)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		c.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		id, err := c.Submit(file)
		if err == nil {
			return id
		}
		if time.Now().After(end) {
			c.Fatal(err)
		}
	}
}

// waiting reports whether the job is still to end; one that failed fails the test.
func (c cluster) waiting(crew *crew, id string) bool {
	st, err := c.Status(id)
	if wrong := crew.wrong.Load(); wrong != nil {
		c.Fatal(*wrong)
	}
	if err == nil && (st.State == "failed" || st.State == "held") {
		c.Fatalf("job %s is %s: %+v", id, st.State, st)
	}
	return err != nil || st.State != "published"
}

func (c cluster) reachable() (n int) {
	for _, a := range c.Addresses {
		host, port, _ := strings.Cut(a, ":")
		at, _ := strconv.Atoi(port)
		if r, err := http.Get(fmt.Sprintf("http://%s:%d/healthz", host, at+3)); err == nil {
			_ = r.Body.Close()
			n++
		}
	}
	return n
}

// spent is the processor time of processes, user and system.
func (c cluster) spent(of []*rig.Process) (sum time.Duration) {
	for _, p := range of {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		if err != nil {
			c.Fatal(err)
		}
		_, after, _ := strings.Cut(string(data), ") ")
		fields := strings.Fields(after)
		for _, i := range []int{11, 12} { // utime and stime, in hundredths of a second
			n, err := strconv.ParseInt(fields[i], 10, 64)
			if err != nil {
				c.Fatal(err)
			}
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}

func peakMB(t *testing.T, pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var kb float64
	_, after, _ := strings.Cut(string(data), "VmHWM:")
	if _, err := fmt.Sscan(after, &kb); err != nil {
		t.Fatal(err)
	}
	return kb * 1024 / 1e6
}

func folderSize(t *testing.T, dir string) (sum int64) {
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// backupSize is the size of the ledger as a snapshot has it, and a header.
func backupSize(c cluster) int {
	var data []byte
	if err := c.Ask(http.MethodGet, "/v1/backup", nil, &data); err != nil {
		c.Fatal(err)
	}
	return len(data)
}
