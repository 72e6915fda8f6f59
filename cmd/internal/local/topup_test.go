package local

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"rescore/partition/job"
	"rescore/partition/store"
	"rescore/worker/sink"
)

// Consumption is steady and top-ups fall from 80 yuan to 10, or the other way
// round: T2 follows what fee is mapped to.
func TestAmbiguity24_APrepaidFeeIsConsumptionOrByMappingTopUps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	st, err := store.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	const base = `msisdn,pay_mode,tenure_months,status_m0,fee_m0,fee_m1,fee_m2,fee_m3,paid0,paid1,paid2,paid3
13800000001,1,48,1,5000,5000,5000,5000,1000,4000,6000,8000
13800000002,1,48,1,1000,4000,6000,8000,5000,5000,5000,5000
`
	if err := st.Put(t.Context(), "base/rows.csv", []byte(base)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		columns map[string]job.Mapping
		fires   [2]bool
	}{
		"consumption": {nil, [2]bool{false, true}},
		"top-ups":     {map[string]job.Mapping{"fee": {Months: []string{"paid0", "paid1", "paid2", "paid3"}}}, [2]bool{true, false}},
	} {
		out := run(t, options(t, dir, func(s *job.Spec) { s.Input.Columns = c.columns }))
		folder, err := store.NewFile(out.Path)
		if err != nil {
			t.Fatal(err)
		}
		var fired []uint16
		for _, part := range read(t, out).manifest.Partitions {
			if err := sink.Scan(t.Context(), folder, part.Files[0].Path, []string{"trg_fired"}, func(_ []uint64, r arrow.Record) error {
				fired = append(fired, r.Column(0).(*array.Uint16).Uint16Values()...)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if len(fired) != 2 || fired[0]&2 != 0 != c.fires[0] || fired[1]&2 != 0 != c.fires[1] {
			t.Errorf("by %s: fired %b, T2 should be %v", name, fired, c.fires)
		}
	}
}
