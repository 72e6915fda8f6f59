package source

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"rescore/partition/job"
	"rescore/partition/schema"
)

func TestTheRealParquetSetReadsLikeParquetGoReadsIt(t *testing.T) {
	t.Parallel()
	p := sharedPath(t, "churn/smobile_69000/s_mobile.parquet")
	s := spec(filepath.Base(p))
	s.Input.MakeNumbers = 13000000000
	d := open(t, filepath.Dir(p), s)
	var names []string
	for _, fd := range d.files[0].fields {
		if fd.refused == "" && fd.kind != kindText {
			s.Input.Extra = append(s.Input.Extra, job.Extra{Name: "x." + fd.name, Column: fd.name})
			names = append(names, "x."+fd.name)
		}
	}
	if len(names) < 15 {
		t.Fatalf("columns %v", names)
	}
	got := readAll(t, filepath.Dir(p), s, names)
	if len(got.rows) != 69_000 || got.counts.Scored != 69_000 {
		t.Fatalf("counts %+v", got.counts)
	}
	// The reference: parquet-go's rows of values.
	file, err := os.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	pf, err := parquet.OpenFile(file, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, g := range pf.RowGroups() {
		rows := g.Rows()
		buf := make([]parquet.Row, 500)
		for {
			n, err := rows.ReadRows(buf)
			for _, r := range buf[:n] {
				for c, e := range s.Input.Extra {
					fd := d.files[0].fields[d.files[0].byName[e.Column]]
					v := r[fd.index]
					var want any
					switch {
					case v.IsNull():
					case v.Kind() == parquet.Double:
						want = v.Double()
					case v.Kind() == parquet.Float:
						want = float64(v.Float())
					case v.Kind() == parquet.Int32:
						want = float64(v.Int32())
					default:
						want = float64(v.Int64())
					}
					if x, ok := want.(float64); ok && x != x {
						want = nil
					}
					if got.rows[at].values[c] != want {
						t.Fatalf("row %d, %s: %v, want %v", at, e.Column, got.rows[at].values[c], want)
					}
				}
				at++
			}
			if err != nil {
				break
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if at != 69_000 {
		t.Fatalf("%d rows were compared", at)
	}
}

func TestTheRealPrepaidSetMapsItsMonths(t *testing.T) {
	t.Parallel()
	p := sharedPath(t, "churn/prepaid_4months_1000/telecom_churn_data.csv")
	s := spec(filepath.Base(p))
	s.Month, s.Input.MakeNumbers = 201408, 13000000000
	s.Input.Columns = map[string]job.Mapping{
		"out_sec":      {Months: []string{"total_og_mou_8", "total_og_mou_7", "total_og_mou_6"}, Unit: schema.Minute},
		"recharge_fen": {Months: []string{"total_rech_amt_8", "total_rech_amt_7", "total_rech_amt_6"}, Unit: schema.Yuan},
		"data_kb":      {Months: []string{"vol_3g_mb_8", "vol_3g_mb_7", "vol_3g_mb_6"}, Unit: schema.MB},
		"contract_end": {Column: "date_of_last_rech_8", Format: "1/2/2006"},
	}
	s.Input.Extra = []job.Extra{{Name: "arpu_8"}, {Name: "aon"}}
	columns := []string{"out_sec_m0", "out_sec_m2", "recharge_fen_m1", "data_kb_m0", "contract_end", "out_sec_m3", "arpu_8", "aon"}
	got := readAll(t, filepath.Dir(p), s, columns)

	file, err := os.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	index := map[string]int{}
	for i, name := range all[0] {
		index[name] = i
	}
	if len(got.rows) != len(all)-1 || got.counts.Scored != int64(len(all)-1) {
		t.Fatalf("counts %+v of %d rows; rejects %v", got.counts, len(all)-1, got.rejects)
	}
	scaled := func(text string, num int64) any {
		if text == "" {
			return nil
		}
		v, _ := exact(text, num, 1)
		return v.Int64()
	}
	for i, cells := range all[1:] {
		text := func(name string) string { return cells[index[name]] }
		want := []any{
			scaled(text("total_og_mou_8"), 60), scaled(text("total_og_mou_6"), 60), scaled(text("total_rech_amt_7"), 100), scaled(text("vol_3g_mb_8"), 1024),
			nil, nil, nil, nil,
		}
		if day := text("date_of_last_rech_8"); day != "" {
			d, err := time.Parse("1/2/2006", day)
			if err != nil {
				t.Fatal(err)
			}
			want[4] = d.Unix() / 86400
		}
		for j, name := range []string{"arpu_8", "aon"} {
			if x, err := strconv.ParseFloat(text(name), 64); err == nil {
				want[6+j] = x
			}
		}
		if fmt.Sprint(got.rows[i].values) != fmt.Sprint(want) {
			t.Fatalf("row %d: %v, want %v", i, got.rows[i].values, want)
		}
	}
}
