package local

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rescore/cmd/internal/province"
	"rescore/partition/job"
)

// withEvents makes long tables beside a province in dir, and two bases: wide has what
// their events come to, worked out here, and narrow lacks those columns. A tenth of the
// events are of nobody, or of no month that counts.
func withEvents(t testing.TB, dir string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 1))
	end := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	when := func() time.Time { return end.Add(time.Duration(20*24-rng.IntN(220*24)) * time.Hour) }
	month := func(at time.Time) int { // months back, -1 for one that does not count
		if k := (2026-at.Year())*12 + 10 - int(at.Month()); k < 6 {
			return max(k, -1)
		}
		return -1
	}
	results := []string{"满意", "勉强同意", "不满意", "处理中"}
	var complaints, payments []string
	var numbers []uint64
	fill := func(of string) map[string]string {
		cells := map[string]string{"complaint_result": "", "complaint_date": "", "fault_cnt_30d": ""}
		count, paid, fen := [6]int{}, [6]int{}, [6]int{}
		faults := 0
		last := time.Time{}
		for range max(rng.IntN(9)-4, 0) {
			at, result, kind := when(), rng.IntN(len(results)), []string{"投诉", "故障"}[rng.IntN(2)]
			complaints = append(complaints, fmt.Sprintf("%s,%s,%s,%s", of, at.Format("2006-01-02 15:04:05"), results[result], kind))
			if kind == "故障" {
				if at.Before(end) && !at.Before(end.AddDate(0, 0, -30)) {
					faults++
				}
				continue
			}
			if k := month(at); k >= 0 {
				count[k]++
				if !at.Before(last) {
					last = at
					cells["complaint_result"], cells["complaint_date"] = strconv.Itoa(result+1), at.Format("2006-01-02")
				}
			}
		}
		for range rng.IntN(6) {
			at, amount := when(), rng.IntN(20_000)
			payments = append(payments, fmt.Sprintf("%s|%d|%d.%02d", of, at.Add(-8*time.Hour).Unix(), amount/100, amount%100))
			if k := month(at); k >= 0 {
				paid[k]++
				fen[k] += amount
			}
		}
		cells["fault_cnt_30d"] = strconv.Itoa(faults)
		for k := range 6 {
			cells[fmt.Sprintf("complaint_cnt_m%d", k)] = strconv.Itoa(count[k])
			cells[fmt.Sprintf("recharge_cnt_m%d", k)] = strconv.Itoa(paid[k])
			cells[fmt.Sprintf("recharge_fen_m%d", k)] = strconv.Itoa(fen[k])
		}
		return cells
	}
	files, err := filepath.Glob(filepath.Join(dir, "base", "*.csv"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	slices.Sort(files)
	for i, f := range files {
		data, err := os.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(data).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if err := data.Close(); err != nil {
			t.Fatal(err)
		}
		made := fill("13000000000") // whose names are those of the columns
		var wide, narrow [][]string
		for _, row := range rows {
			var cells map[string]string
			if row[0] != "msisdn" {
				n, err := strconv.ParseUint(row[0], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				numbers = append(numbers, n)
				cells = fill(row[0])
			}
			short := []string{}
			for c, name := range rows[0] {
				if _, ok := made[name]; !ok {
					short = append(short, row[c])
				} else if cells != nil {
					row[c] = cells[name]
				}
			}
			wide, narrow = append(wide, row), append(narrow, short)
		}
		for name, list := range map[string][][]string{"wide": wide, "narrow": narrow} {
			var b strings.Builder
			if err := csv.NewWriter(&b).WriteAll(list); err != nil {
				t.Fatal(err)
			}
			lay(t, dir, fmt.Sprintf("%s/part-%d.csv", name, i), b.String())
		}
	}
	for i := range len(numbers) / 10 {
		fill(strconv.FormatUint(numbers[0]-1-uint64(i), 10))
	}
	for name, table := range map[string]struct {
		header string
		rows   []string
	}{"complaint": {"msisdn,created_at,result,kind", complaints}, "payment": {"msisdn|paid_at|amount", payments}} {
		shuffled := slices.Clone(table.rows)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		lay(t, dir, "unsorted-"+name+"/all.csv", table.header+"\n"+strings.Join(shuffled, "\n")+"\n")
		slices.SortStableFunc(table.rows, func(a, b string) int { return strings.Compare(a[:11], b[:11]) })
		lay(t, dir, name+"/all.csv", table.header+"\n"+strings.Join(table.rows, "\n")+"\n")
	}
}

func lay(t testing.TB, dir, name, data string) {
	t.Helper()
	p := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tables declares what withEvents made, of files in two places.
func tables(complaint, payment string) func(*job.Spec) {
	return func(s *job.Spec) {
		usual := job.Default().Input.CSV
		bars, none := usual, int64(0)
		bars.Delimiter = "|"
		kind := map[string][]string{"kind": {"投诉"}}
		s.Input.Path = "narrow"
		s.Input.Tables = []job.Table{
			{
				Name: "complaint", Path: complaint, CSV: usual, Number: "msisdn", Time: "created_at", Months: 6,
				Columns: map[string]job.Aggregate{
					"complaint_cnt":    {Function: job.Count, Where: kind},
					"complaint_result": {Function: job.Last, Column: "result", Where: kind, Values: map[string]int64{"满意": 1, "勉强同意": 2, "不满意": 3, "处理中": 4}},
					"complaint_date":   {Function: job.Max, Column: "created_at", Where: kind},
					"fault_cnt_30d":    {Function: job.Count, Days: 30, Where: map[string][]string{"kind": {"故障"}}},
				},
			},
			{
				Name: "payment", Path: payment, CSV: bars, Number: "msisdn", Time: "paid_at", TimeFormat: "unix", Zone: "+08:00", Months: 6,
				Columns: map[string]job.Aggregate{
					"recharge_cnt": {Function: job.Count},
					"recharge_fen": {Function: job.Sum, Column: "amount", Unit: "yuan", Empty: &none},
				},
			},
		}
	}
}

func TestAJobWithTablesPublishesWhatTheirColumnsInTheBaseWould(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(3000), Format: "csv", Files: 2})
	withEvents(t, dir)
	rules := func(s *job.Spec) { s.Rules.T8Window, s.Run.PartitionRows = "rolling_30d", 1500 }
	run := func(change ...func(*job.Spec)) version {
		return read(t, run(t, options(t, dir, append([]func(*job.Spec){rules}, change...)...)))
	}
	want := run(func(s *job.Spec) { s.Input.Path = "wide" })
	got := run(tables("complaint", "payment"))
	if !slices.Equal(content(want.manifest), content(got.manifest)) {
		t.Error("score files differ from those of the base with the columns in it")
	}
	if want.manifest.Tally.Fired[8] == 0 || want.manifest.Tally.Fired[7] == 0 {
		t.Error("no complaint and no fault mattered") // T9, T8
	}
	for _, table := range got.manifest.Tables {
		if !table.Conserved() || table.Within == 0 || table.Outside == 0 || table.Orphan == 0 || table.Rejected != 0 {
			t.Errorf("%s: %+v", table.Name, table.TableCounts)
		}
	}
	alone := run(tables("complaint", "payment"), func(s *job.Spec) { s.Run.Workers = 1 })
	if !slices.Equal(content(alone.manifest), content(got.manifest)) || !slices.Equal(alone.manifest.Tables, got.manifest.Tables) {
		t.Error("one worker makes other files than two")
	}
	small := run(tables("complaint", "payment"), func(s *job.Spec) { s.Run.PartitionRows, s.Run.BatchRows = 1_000_000, 64 })
	if small.manifest.Digest != got.manifest.Digest || !slices.Equal(small.manifest.Tables, got.manifest.Tables) {
		t.Errorf("in one partition the digest is %s, want %s", small.manifest.Digest, got.manifest.Digest)
	}
}

// Times that are the same may stand in another order in a table that was prepared: the
// last complaint of a minute is then another.
func TestATableThatWasPreparedIsTheSortedOne(t *testing.T) {
	t.Parallel()
	dir, _ := write(t, province.Options{Province: clean(1500), Format: "csv", Files: 1})
	withEvents(t, dir)
	want := run(t, options(t, dir, tables("complaint", "payment")))
	prepared := run(t, preparation(t, dir, func(s *job.Spec) {
		s.Name, s.Input.Path, s.Input.CSV.Delimiter, s.Prepare.Keep = "payment", "unsorted-payment", "|", job.KeepAll
	}))
	if prepared.Rows.Duplicate != 0 || prepared.Rows.Scored != prepared.Rows.In {
		t.Errorf("rows %+v", prepared.Rows)
	}
	got := run(t, options(t, dir, tables("complaint", prepared.Path)))
	if got.Digest != want.Digest {
		t.Errorf("digest %s, from the sorted table %s", got.Digest, want.Digest)
	}
	if _, err := Run(t.Context(), options(t, dir, tables("complaint", "unsorted-payment"))); err == nil || !strings.Contains(err.Error(), "payment:all.csv: row ") || !strings.Contains(err.Error(), "rescore prepare") {
		t.Errorf("an unsorted table: %v", err)
	}
}
