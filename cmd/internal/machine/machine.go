// Package machine says what a program runs on and what it has used of it: the
// lines without which a figure means nothing.
package machine

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Machine is what figures were taken on. What a system does not say is empty or 0.
type Machine struct {
	Host       string `json:"host"`
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`        // that this process may use
	Memory     int64  `json:"memory_bytes"` // of the machine
	System     string `json:"system"`       // and its kernel
	Disk       string `json:"disk"`         // what a folder is on: device and file system
	DiskFree   int64  `json:"disk_free_bytes"`
	Go         string `json:"go"`
	Rescore    string `json:"rescore"`
	Governor   string `json:"governor,omitempty"` // of the processor's frequency
	Virtual    bool   `json:"virtual"`
	VectorSets string `json:"vector_sets,omitempty"` // of instructions
}

// Describe describes this machine and the disk that dir is on.
func Describe(dir, rescore string) Machine {
	host, _ := os.Hostname()
	m := Machine{
		Host: host, CPU: runtime.GOARCH, Cores: min(runtime.NumCPU(), runtime.GOMAXPROCS(0)), System: runtime.GOOS, Go: runtime.Version(), Rescore: rescore,
	}
	m.look(dir)
	return m
}

// Usage is what this process has used since it started.
type Usage struct {
	CPUSeconds   float64 `json:"cpu_seconds"`   // user and system
	MaxRSS       int64   `json:"max_rss_bytes"` // the most that was resident; 0 where the system does not say
	BytesRead    int64   `json:"bytes_read"`    // from the page cache or the disk, through the system's calls or in place; of calls 0 where it does not say
	BytesWritten int64   `json:"bytes_written"` // likewise
}

// Since is what was used after earlier was taken, and the most that was resident ever.
func (u Usage) Since(earlier Usage) Usage {
	u.CPUSeconds -= earlier.CPUSeconds
	u.BytesRead -= earlier.BytesRead
	u.BytesWritten -= earlier.BytesWritten
	return u
}

// vectors are the instruction sets worth naming, as /proc/cpuinfo calls them.
var vectors = []string{"avx2", "avx512f", "avx512bw", "avx512vbmi", "avx512_vbmi2", "gfni", "asimd", "sve"}

// cpuinfo finds in /proc/cpuinfo what the first processor is.
func cpuinfo(text string) (name, sets string, virtual bool) {
	block, _, _ := strings.Cut(text, "\n\n")
	var flags []string
	for line := range strings.Lines(block) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "model name":
			name = value
		case "flags", "Features":
			flags = strings.Fields(value)
		}
	}
	has := map[string]bool{}
	for _, f := range flags {
		has[f] = true
	}
	var found []string
	for _, v := range vectors {
		if has[v] {
			found = append(found, v)
		}
	}
	return name, strings.Join(found, " "), has["hypervisor"]
}

// mounted finds in /proc/self/mounts what a folder is on: the longest mount point
// that it lies below, the later of two.
func mounted(text, dir string) string {
	found, longest := "", -1
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`).Replace(f[1])
		below := point == "/" || dir == point || strings.HasPrefix(dir, point+"/")
		if below && len(point) >= longest {
			found, longest = f[2]+" on "+f[0], len(point)
		}
	}
	return found
}

// counted finds a counter by its name in lines such as "rchar: 12".
func counted(text, name string) (n int64) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		for _, c := range strings.TrimSpace(rest) {
			if c < '0' || c > '9' {
				break // a unit
			}
			n = 10*n + int64(c-'0')
		}
		return n
	}
	return 0
}

// Busy is how long the machine's processors were at work, stolen by its host, and
// there at all, in seconds of one since the machine started.
type Busy struct{ Working, Stolen, Total float64 }

// ticks is a second of /proc/stat.
const ticks = 100

// busy reads the first line of /proc/stat.
func busy(line string) (b Busy, ok bool) {
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return Busy{}, false
	}
	for i, word := range f[1:9] { // user nice system idle iowait irq softirq steal
		n, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return Busy{}, false
		}
		n /= ticks
		b.Total += n
		switch i {
		case 3, 4:
		case 7:
			b.Stolen += n
		default:
			b.Working += n
		}
	}
	return b, true
}
