package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rescore/cmd/internal/rig"
	"rescore/partition/store/address"
	"rescore/partition/store/s3/s3test"
)

// bucketJob scores a base of Arrow with two tables beside it, all below a root. What comes
// of the events is in the rows by rules of its own.
const bucketJob = `version: 1
name: bucket
month: 202610
input:
  path: ROOT/base
  tables:
    - name: complaint
      path: ROOT/complaint
      time: created_at
      columns:
        quarrels: {function: count, where: {kind: [投诉]}}
        faults: {function: count, days: 30, where: {kind: [故障]}}
    - name: payment
      path: ROOT/payment
      time: paid_at
      zone: "+08:00"
      columns:
        paid: {function: sum, column: amount, empty: 0}
        last_paid: {function: last, column: amount, months: 3}
model: {path: builtin:baseline}
output: {path: ROOT/out}
custom_rules:
  quarrelsome: quarrels > 1
  broken: faults > 0
  generous: paid > 150
  late: last_paid < 20
run: {partition_rows: 2000}
`

// payment is an event of a Parquet table.
type payment struct {
	Number int64   `parquet:"msisdn"`
	At     int64   `parquet:"paid_at,timestamp(millisecond)"`
	Amount float64 `parquet:"amount"`
}

// plain closes nothing.
type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// withTables makes a province in Arrow with tables of events in a folder, and exports of it
// in no order, one of them packed, and returns where.
func withTables(t *testing.T, subscribers int) (dir string) {
	t.Helper()
	job := synth(t, subscribers, "--format", "csv", "--files", "1", "--clean")
	exports := filepath.Join(filepath.Dir(job), "base")
	dir = filepath.Dir(synth(t, subscribers, "--format", "arrow", "--files", "3", "--clean"))
	file, err := os.Open(files(t, exports, "*.csv")[0])
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(9, 9))
	end := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	when := func() time.Time { return end.Add(-time.Duration(r.IntN(200*24*60)) * time.Minute) }
	complaints := []string{"msisdn,created_at,kind"}
	var payments []payment
	for _, row := range rows[1:] {
		for range max(r.IntN(8)-4, 0) {
			complaints = append(complaints, fmt.Sprintf("%s,%s,%s", row[0], when().Format(time.DateTime), []string{"投诉", "故障"}[r.IntN(2)]))
		}
		var n int64
		if _, err := fmt.Sscan(row[0], &n); err != nil {
			t.Fatal(err)
		}
		for range r.IntN(4) {
			payments = append(payments, payment{n, when().UnixMilli(), float64(r.IntN(20_000)) / 100})
		}
	}
	write(t, dir, "complaint/all.csv", text(complaints))
	writeParquet(t, filepath.Join(dir, "payment", "all.parquet"), payments)
	shuffled := rows[1:]
	r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	half := len(shuffled) / 2
	for name, part := range map[string][][]string{"exports/1.csv": shuffled[:half], "exports/2.csv.gz": shuffled[half:]} {
		var b bytes.Buffer
		var to io.WriteCloser = plain{&b}
		if strings.HasSuffix(name, ".gz") {
			to = gzip.NewWriter(&b)
		}
		if err := errors.Join(csv.NewWriter(to).WriteAll(append([][]string{rows[0]}, part...)), to.Close()); err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, b.String())
	}
	return dir
}

// bucketPrepare makes Arrow of exports below a root.
const bucketPrepare = `version: 1
kind: prepare
name: prepared
month: 202610
input: {path: ROOT/exports}
prepare: {format: arrow}
output: {path: ROOT/prepared, compression: zstd}
run: {partition_rows: 2000}
`

// Workers of a cluster read Arrow, tables of events and exports from a bucket, and publish
// there, what one process makes of files.
func TestAClusterMakesOfABucketWhatOneProcessMakesOfFolders(t *testing.T) {
	server := s3test.Start(t)
	server.Setenv(t)
	root := "s3://" + server.Bucket(t, "churn")
	dir := withTables(t, 12_000)
	below := func(root, name, job string) string {
		return write(t, dir, name, strings.ReplaceAll(job, "ROOT", root))
	}
	work := func() string { return "run.work=" + filepath.Join(t.TempDir(), "work") }
	want := must(t, "run", below(dir, "job.yaml", bucketJob), "--quiet", "--set", work())
	base := must(t, "prepare", below(dir, "prepare.yaml", bucketPrepare), "--quiet", "--set", work())
	if want.Rows.Scored == 0 || base.Rows.Scored == 0 {
		t.Fatalf("rows %+v, %+v", want.Rows, base.Rows)
	}

	to, err := address.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"base", "complaint", "payment", "exports"} {
		for _, name := range files(t, filepath.Join(dir, folder), "*.*") {
			if err := to.Put(t.Context(), folder+"/"+filepath.Base(name), read(t, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := rig.New(t, rig.Plan{Program: program, Workers: 3})
	scored := publishes(t, c, root+"/out", below(root, "job.yaml", bucketJob))
	if scored.Digest != want.Digest || scored.Rows != want.Rows {
		t.Errorf("scored in a bucket: %+v, in folders %+v", scored, want)
	}
	data, err := to.Get(t.Context(), strings.TrimPrefix(scored.Path, root+"/")+"/_MANIFEST.json", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	there, here := eventsOf(t, data), eventsOf(t, read(t, filepath.Join(want.Path, "_MANIFEST.json")))
	if !slices.Equal(there, here) || len(here) != 2 || here[0].Within == 0 || here[1].Within == 0 {
		t.Errorf("of the events became %+v in a bucket, %+v in folders", there, here)
	}
	prepared := publishes(t, c, root+"/prepared", below(root, "prepare.yaml", bucketPrepare))
	if prepared.Digest != base.Digest || prepared.Rows != base.Rows {
		t.Errorf("prepared in a bucket: %+v, in folders %+v", prepared, base)
	}
	again := publishes(t, c, root+"/again", below(root, "job.yaml", bucketJob),
		"--set", "name=again", "--set", "input.path="+prepared.Path, "--set", "output.path="+root+"/again")
	if again.Digest != want.Digest {
		t.Errorf("scored from the base that was prepared in a bucket: %+v, in folders %+v", again, want)
	}
}

// became is what a manifest says of the events of a table.
type became struct {
	Name                                  string
	In, Within, Outside, Orphan, Rejected int64
}

func eventsOf(t *testing.T, manifest []byte) []became {
	t.Helper()
	var m struct{ Tables []became }
	if err := json.Unmarshal(manifest, &m); err != nil {
		t.Fatal(err)
	}
	return m.Tables
}

// publishes takes a job from its submission to its version.
func publishes(t *testing.T, c *rig.Cluster, output, jobFile string, more ...string) result {
	t.Helper()
	id, err := c.Submit(jobFile, more...)
	if err != nil {
		t.Fatal(err)
	}
	rig.Eventually(t, "the version of job "+id, func() bool {
		st, err := c.Status(id)
		if err == nil && (st.State == "failed" || st.State == "held") {
			t.Fatalf("job %s is %s: %s", id, st.State, st.Failure)
		}
		return err == nil && st.State == "published"
	})
	var list []result
	if err := rig.LastObject(c.Must("versions", "--path", output, "--output", "json"), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 {
		t.Fatalf("%d versions in %s", len(list), output)
	}
	return list[0]
}
