package job

import (
	"fmt"
	"strings"
	"testing"

	"rescore/partition/schema"
)

func TestThresholdsThatContradictEachOtherAreReported(t *testing.T) {
	t.Parallel()
	rules := func(text string) string { return small + "rules: {" + text + "}\n" }
	policy := func(text string) string { return small + "policy: {" + text + "}\n" }
	column := func(text string) string {
		return strings.Replace(small, "  path: base.parquet\n", "  path: base.parquet\n  columns: {"+text+"}\n", 1)
	}
	var many strings.Builder
	for i := range KeywordBytesMax/8 + 1 {
		fmt.Fprintf(&many, "%08d, ", i)
	}
	for name, c := range map[string]struct{ text, path, word string }{
		"tiers that fall":              {rules("churn_tier_fen: [12000, 3500]"), "rules.churn_tier_fen", "3500 is not above 12000"},
		"equal percentages":            {rules("traffic_change_pct: [10, 30, 30]"), "rules.traffic_change_pct", "30 is not above 30"},
		"no percentage":                {rules("traffic_change_pct: []"), "rules.traffic_change_pct", "0 percentages"},
		"five percentages":             {rules("traffic_change_pct: [1, 2, 3, 4, 5]"), "rules.traffic_change_pct", "5 percentages"},
		"percentage of zero":           {rules("traffic_change_pct: [0, 30]"), "rules.traffic_change_pct[0]", "from 1"},
		"stable before the trial ends": {rules("stable_months: 2"), "rules.stable_months", "below trial_months, 3"},
		"slopes that overlap":          {rules("stable_slope_pct: 11"), "rules.decline_slope_pct", "10 is below stable_slope_pct, 11"},
		"any use over months":          {rules("silent_activity: any, decline_silent_months: 2"), "rules.decline_silent_months", "by calls alone"},
		"unknown silence":              {rules("silent_activity: all"), "rules.silent_activity", "calls or any"},
		"grades that fall":             {policy("vip_grade_fen: [30000, 30000, 170000]"), "policy.vip_grade_fen", "30000 is not above 30000"},
		"priorities that fall":         {policy("priority_cut_pct: [5, 1, 20]"), "policy.priority_cut_pct", "1 is not above 5"},
		"unknown priority":             {policy("priority: clvv"), "policy.priority", "did you mean clv?"},
		"a weight of more than all":    {policy("priority_weight: 1.5"), "policy.priority_weight", "from 0 to 1"},
		"nobody ever leaves":           {policy("clv_churn: [0.055, 0, 0.04, 0.026, 0.018, 0.01, 0.03]"), "policy.clv_churn[1]", "above 0"},
		"a save rate below nothing":    {policy("uplift_save_rate: [0.2, 0.2, 0.2, -0.2, 0.1]"), "policy.uplift_save_rate[3]", "from 0 to 1"},
		"values that fall":             {policy("value_cut_fen: [1, 2, 3, 5, 4]"), "policy.value_cut_fen", "4 is not above 5"},
		"risks that fall":              {policy("risk_band_cut: [0.1, 0.2, 0.2, 0.4]"), "policy.risk_band_cut", "0.2 is not above 0.2"},
		"ages upside down":             {policy("student_age: [24, 18]"), "policy.student_age", "at least 24 and at most 18"},
		"no offers":                    {policy("offers: []"), "policy.offers", "0 lines"},
		"unknown condition":            {policy("offers: [{when: travelller, offer: NONE}]"), "policy.offers[0].when", "did you mean traveller?"},
		"trigger of fifteen":           {policy("offers: [{when: t15, offer: NONE}]"), "policy.offers[0].when", `no condition "t15"`},
		"unknown offer":                {policy("offers: [{when: always, offer: FIX_FRIST}]"), "policy.offers[0].offer", "did you mean FIX_FIRST?"},
		"offer in small letters":       {policy("offers: [{when: always, offer: none}]"), "policy.offers[0].offer", "NONE"},
		"line after always":            {policy("offers: [{when: always, offer: NONE}, {when: vip, offer: NONE}]"), "policy.offers[1]", "line 1 is for everybody"},
		"condition twice":              {policy("offers: [{when: vip, offer: NONE}, {when: vip, offer: FIX_FIRST}]"), "policy.offers[1].when", "vip is line 1 already"},
		"too many lines":               {policy("offers: [" + strings.Repeat("{when: always, offer: NONE}, ", 256) + "]"), "policy.offers", "256 lines"},
		"unknown topic":                {policy("complaint_keywords: {tarif: [贵]}"), "policy.complaint_keywords.tarif", "did you mean tariff?"},
		"words of no topic":            {policy("complaint_keywords: {other: [贵]}"), "policy.complaint_keywords.other", "none of the words"},
		"empty word":                   {policy("complaint_keywords: {sp: [彩铃, \" \"]}"), "policy.complaint_keywords.sp[1]", "every text"},
		"too many words":               {policy("complaint_keywords: {sp: [" + many.String() + "]}"), "policy.complaint_keywords", "bytes long"},
		"keywords of a code":           {column("sex: {column: s, keywords: true}"), "input.columns.sex.keywords", "map the text under complaint_tags"},
		"keywords of a constant":       {column("complaint_tags: {constant: 1, keywords: true}"), "input.columns.complaint_tags.keywords", "constant"},
		"keywords and values":          {column("complaint_tags: {column: t, keywords: true, values: {a: 1}}"), "input.columns.complaint_tags.keywords", "not both"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, p := range problemsOf(t, c.text) {
				if p.Path == c.path && strings.Contains(p.Message+" "+p.Remedy, c.word) {
					return
				}
			}
			t.Errorf("%v; want one of %s that says %q", problemsOf(t, c.text), c.path, c.word)
		})
	}
}

func TestAPolicyOfOnesOwnIsTaken(t *testing.T) {
	t.Parallel()
	s := decoded(t, strings.Replace(small, "  path: base.parquet\n", "  path: base.parquet\n  columns: {complaint_tags: {column: text, keywords: true}}\n", 1)+`
policy:
  offers: [{when: t8, offer: FIX_FIRST}, {when: always, offer: NONE}]
  complaint_keywords: {network: [信号]}
rules: {traffic_change_pct: [10, 20, 30, 150], stable_months: 3, stable_slope_pct: 10}
`)
	if len(s.Policy.Offers) != 2 || len(s.Rules.TrafficChangePct) != 4 || s.Policy.ComplaintKeywords["network"][0] != "信号" || !s.Input.Columns["complaint_tags"].Keywords {
		t.Errorf("policy %+v", s.Policy)
	}
}

func TestAMatrixMayAskForEveryCondition(t *testing.T) {
	t.Parallel()
	if n := len(schema.OfferConditions); n != OffersMax {
		t.Errorf("there are %d conditions, and %d lines may be written", n, OffersMax)
	}
}
