package e2e

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// refusal is the line of JSON an error is under --output json.
type refusal struct {
	Code                int
	Message, Hint, Kind string
	Problems            []struct {
		File, Path, Message, Remedy string
		Line                        int
	}
}

// text is everything a reader of the refusal is told.
func (r refusal) text() string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Message)
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "%s:%d: %s: %s; %s\n", filepath.Base(p.File), p.Line, p.Path, p.Message, p.Remedy)
	}
	fmt.Fprintln(&b, r.Hint)
	return b.String()
}

// lastRefusal reads the error off stderr's last line.
func lastRefusal(t *testing.T, stderr string) refusal {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	var r refusal
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil || r.Message == "" {
		t.Fatalf("stderr does not end with an error as JSON: %v\n%s", err, stderr)
	}
	return r
}

// write puts a file below dir.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// writeParquet writes rows of a struct type as one Parquet file.
func writeParquet[T any](t *testing.T, path string, rows []T, options ...parquet.WriterOption) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := parquet.NewGenericWriter[T](f, options...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// jobText is a job file that scores input (lines below input:) with the built-in
// model and publishes into out beside it.
func jobText(input string) string {
	return "version: 1\nname: trial\nmonth: 202610\ninput:\n  " + strings.ReplaceAll(input, "\n", "\n  ") +
		"\nmodel:\n  path: builtin:baseline\noutput:\n  path: out\n"
}

// number i of the hand-made bases: three segments hold about 600.
func number(i int) uint64 { return 13800130001 + 47*uint64(i) }

// people are the numbers of the first n rows of the hand-made bases.
func people(n int) numbers {
	all := make(numbers, n)
	for i := range n {
		all[number(i)] = true
	}
	return all
}

const baseHeader = "msisdn,service_type,pay_mode,fee_m0,fee_m1,fee_m2,fee_m3,out_sec_m0,in_sec_m0"

// baseLines is a hand-made base as CSV: the header, then n rows in order.
func baseLines(n int) []string {
	lines := []string{baseHeader}
	for i := range n {
		lines = append(lines, fmt.Sprintf("%d,1,%d,%d,%d,%d,%d,%d,%d", number(i), 1+i%2, 900+i, 1100+i, 1300+i, 1500+i, 60*(i%9), 30*(i%7)))
	}
	return lines
}

func text(lines []string) string { return strings.Join(lines, "\n") + "\n" }

// replaceNumber gives row i (0-based, header not counted) another number.
func replaceNumber(lines []string, i int, number string) {
	_, rest, _ := strings.Cut(lines[i+1], ",")
	lines[i+1] = number + "," + rest
}

// numbers are the subscribers of an input: what invariant I8 keeps secret.
type numbers map[uint64]bool

// leaked looks for a subscriber in bytes that must hold none: as eleven decimal
// digits, wherever they stand, and as a 64-bit integer of either order. Numbers
// at the start of a segment are range bounds, which may be told.
func (n numbers) leaked(data []byte) bool {
	const digits = 100_000_000_000
	run, value := 0, uint64(0)
	for i, c := range data {
		if c >= '0' && c <= '9' {
			run, value = run+1, value*10%digits+uint64(c-'0')
			if run >= 11 && n[value] && value%10_000 != 0 {
				return true
			}
		} else {
			run, value = 0, 0
		}
		if i+8 <= len(data) {
			for _, v := range [2]uint64{binary.BigEndian.Uint64(data[i:]), binary.LittleEndian.Uint64(data[i:])} {
				if v < digits && v%10_000 != 0 && n[v] {
					return true
				}
			}
		}
	}
	return false
}

func TestALeakIsFound(t *testing.T) {
	t.Parallel()
	n := numbers{13800130001: true, 13800140000: true}
	for _, text := range []string{"13800130001", "x13800130001y", "8613800130001", "138001300010", string(binary.LittleEndian.AppendUint64([]byte("a"), 13800130001)), string(binary.BigEndian.AppendUint64(nil, 13800130001))} {
		if !n.leaked([]byte(text)) {
			t.Errorf("%q is not found to hold a subscriber", text)
		}
	}
	for _, text := range []string{"", "13800140000", "1380013****0001", "1380013000", "13800130002", "1380013 0001"} {
		if n.leaked([]byte(text)) {
			t.Errorf("%q is found to hold a subscriber", text)
		}
	}
}

// keep fails the test when what the program said names a subscriber.
func (n numbers) keep(t *testing.T, said ...string) {
	t.Helper()
	for _, s := range said {
		if n.leaked([]byte(s)) {
			t.Error("a subscriber's number was printed")
		}
	}
}

// unpublished fails the test when a folder holds anything a reader could take
// for a version.
func unpublished(t *testing.T, output string) {
	t.Helper()
	pointers, _ := filepath.Glob(filepath.Join(output, "_published", "[0-9]*"))
	versions, _ := filepath.Glob(filepath.Join(output, "month=*"))
	if len(pointers)+len(versions) > 0 {
		t.Errorf("published all the same: %v %v", pointers, versions)
	}
}

// manifest is what tests read of _MANIFEST.json.
type manifest struct {
	Rows  counts
	Tally struct {
		Reason    []int64
		BadValues int64 `json:"bad_values"`
	}
	Challengers json.RawMessage
	Partitions  []struct {
		Token uint64
		Rows  counts
		Files []struct {
			Path, SHA256 string
			Rows         int64
		}
	}
}

type counts struct{ In, Scored, Excluded, Rejected, Duplicate int64 }

func readManifest(t *testing.T, version string) (m manifest) {
	t.Helper()
	if err := json.Unmarshal(read(t, filepath.Join(version, "_MANIFEST.json")), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// scored is what tests read of a published row.
type scored struct {
	Msisdn     uint64  `parquet:"msisdn"`
	BadValues  uint32  `parquet:"dq_bad_values"`
	Fee        int64   `parquet:"arpu3_fen"`
	Propensity float32 `parquet:"propensity"`
}

// published returns every row of a version in the order of its files.
func published(t *testing.T, version string) (rows []scored) {
	t.Helper()
	for _, name := range files(t, version, "part-*.parquet") {
		some, err := parquet.ReadFile[scored](name)
		if err != nil {
			t.Fatalf("read %s: %v", filepath.Base(name), err)
		}
		rows = append(rows, some...)
	}
	return rows
}

// rejects returns the lines of a version's reject files, headers left out.
func rejects(t *testing.T, version string) (lines []string) {
	t.Helper()
	for _, name := range files(t, filepath.Join(version, "_rejects"), "*.csv") {
		all := strings.Split(strings.TrimSuffix(string(read(t, name)), "\n"), "\n")
		if all[0] != "file,row,field,reason" {
			t.Fatalf("%s starts with %q", filepath.Base(name), all[0])
		}
		lines = append(lines, all[1:]...)
	}
	return lines
}

func digits(n uint64) string { return strconv.FormatUint(n, 10) }
