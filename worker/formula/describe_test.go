package formula

import (
	"slices"
	"strings"
	"testing"
)

func TestAFormulaIsDescribed(t *testing.T) {
	t.Parallel()
	list := Describe(spec(
		[]string{"later", "drop * 2", "drop", "1 - fee[0] / mean(fee[1..3])", "calm", "coalesce(slope(out_sec[0:5]), 0)", "bad", "fe[0]"},
		[]string{"warn", `roam_sec[0] > 12000 and brand == "gotone" and later > fee_avg3 / yuan(1)`}))
	if len(list) != 4 {
		t.Fatalf("%+v", list)
	}
	drop, later, calm, warn := list[1], list[0], list[2], list[3]
	if drop.Formula != "1 - fee[0] / mean(fee[1:3])" || drop.Type != "number" || drop.Unit != "ratio" || drop.Rule ||
		!slices.Equal(drop.Reads, []string{"fee[0] = m", "fee[1:3] = m-1, m-2, m-3"}) || !slices.Equal(drop.Columns, []string{"fee_m0", "fee_m1", "fee_m2", "fee_m3"}) {
		t.Errorf("%+v", drop)
	}
	if want := "fee[0] is null, or fewer than 2 of the 3 months of fee[1:3] are known, or mean(fee[1:3]) is 0"; drop.Null != want {
		t.Errorf("%q, want %q", drop.Null, want)
	}
	if !slices.Equal(later.Columns, drop.Columns) || !slices.Equal(later.Reads, []string{"drop"}) {
		t.Errorf("%+v", later)
	}
	if calm.Null != "" || calm.Unit != "second/month" {
		t.Errorf("%+v", calm)
	}
	if !warn.Rule || warn.Type != "boolean" || warn.Unit != "" || !slices.Contains(warn.Columns, "activation_date") || !slices.Contains(warn.Columns, "fee_m3") || !strings.Contains(warn.Null, "unknown unless") {
		t.Errorf("%+v", warn)
	}
}
