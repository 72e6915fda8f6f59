package explain

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/feature"
	"rescore/worker/formula"
	"rescore/worker/score"
)

var verb = regexp.MustCompile(`%(%|[.\d]*[sdvf])`)

func TestEveryWordIsInBothLanguagesWithTheSameArguments(t *testing.T) {
	t.Parallel()
	for key, both := range table {
		if both[English] == "" || both[Chinese] == "" {
			t.Errorf("%s is empty in a language: %q", key, both)
		}
		if a, b := verb.FindAllString(both[English], -1), verb.FindAllString(both[Chinese], -1); !slices.Equal(a, b) {
			t.Errorf("%s takes %v in English and %v in Chinese", key, a, b)
		}
	}
	for _, record := range [][]schema.Column{schema.Subscriber, schema.Published} {
		for _, c := range record {
			if both, ok := titles[c.Name]; c.Name != schema.Key && (!ok || both[English] == "" || both[Chinese] == "") {
				t.Errorf("column %s has no title in both languages: add one to titles", c.Name)
			}
		}
	}
	for _, e := range feature.Dictionary {
		if w := (words{Chinese}); w.formula(e.Formula) == e.Formula && !strings.HasPrefix(e.Formula, "out_sec_avg3") {
			t.Errorf("the formula of %s has no Chinese: %s", e.Name, e.Formula)
		}
	}
}

func TestEveryRuleOptionAndDecisionHasItsWords(t *testing.T) {
	t.Parallel()
	for _, lang := range []Lang{English, Chinese} {
		w := words{lang}
		for _, mode := range []string{"four_point", "three_point", "sum_of_mom", "non_monotone"} {
			for _, option := range []bool{false, true} {
				spec := job.Default()
				spec.Month, spec.Rules.T2Mode, spec.Rules.T6RequireStopped = 202610, mode, option
				if option {
					spec.Rules.T2BaseMonths, spec.Rules.T3Activity, spec.Rules.T3PayModes, spec.Rules.T8Window, spec.Rules.T11Mode = "mean3", "any", "all", "rolling_30d", "exact_month"
				}
				r := &row{spec: spec, record: map[string]cell{}, made: map[string]cell{}}
				for _, trigger := range r.triggers(w) {
					if text := trigger.Title + trigger.Rule; strings.Contains(text, "%!") || trigger.Rule == "" || len(trigger.Compared) == 0 {
						t.Errorf("%s under %s: %q", trigger.Trigger, mode, text)
					}
				}
				d := r.decision(w)
				if len(d.Path) != len(score.Ranks()) {
					t.Errorf("%d steps", len(d.Path))
				}
				for _, s := range d.Path {
					if strings.Contains(s.Condition, "%!") || s.Title == "" {
						t.Errorf("decision %s: %q", s.Decision, s.Condition)
					}
				}
			}
		}
		for reason := job.Reason(1); reason < job.Reasons; reason++ {
			w.say(reason.String()) // panics without words
		}
		for _, when := range schema.OfferConditions {
			if text := w.condition(when); text == "" || lang == English && strings.Contains(text, "!") {
				t.Errorf("condition %s is %q", when, text)
			}
		}
		for _, c := range schema.Subscriber {
			if c.Unit != schema.None {
				w.amount(c.Unit, cell{known: true, whole: 1})
			}
		}
		for _, e := range feature.Dictionary {
			w.amount(e.Unit, cell{known: true, real: 1, float: true})
		}
	}
}

func TestLangOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Lang{"zh": Chinese, "zh_CN.UTF-8": Chinese, "en": English, "en_GB": English} {
		if got, ok := LangOf(text); got != want || !ok {
			t.Errorf("%s is %d, %v", text, got, ok)
		}
	}
	if _, ok := LangOf("fr"); ok {
		t.Error("French is known")
	}
}

func TestAHandsetsSerialNumberIsHiddenWhateverItsLength(t *testing.T) {
	t.Parallel()
	for imei, want := range map[int64]string{35729413123456: "35729413******", 357294131234567: "35729413*******", 1234567890123456: "12345678********", 7: "00000000******"} {
		if got := maskHandset(imei); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestWhatMayBeANumberIsMasked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cell cell
		want string
	}{
		{cell{known: true, whole: 13812341234}, "138****1234"}, {cell{known: true, float: true, real: 13812341234}, "138****1234"},
		{cell{known: true, float: true, real: 13800000004.5}, "138****0004"}, {cell{known: true, float: true, real: -19912345678}, "199****5678"},
		{cell{known: true, whole: 10000000000}, "100****0000"}, {cell{known: true, whole: 19999999999}, "199****9999"},
		{cell{known: true, whole: 9999999999}, ""}, {cell{known: true, whole: 20000000000}, ""}, {cell{whole: 13812341234}, ""},
		{cell{known: true, float: true, real: math.NaN()}, ""}, {cell{known: true, float: true, real: math.Inf(1)}, ""}, {cell{known: true, float: true, real: 1e300}, ""},
	} {
		if got, ok := c.cell.maskNumber(); got != c.want || ok != (c.want != "") {
			t.Errorf("%+v is shown as %q, %t, want %q", c.cell, got, ok, c.want)
		}
	}
}

func TestANumberInAColumnOfTheUsersOwnIsMaskedUnlessAskedFor(t *testing.T) {
	t.Parallel()
	r := &row{spec: job.Default(), record: map[string]cell{"second": {known: true, float: true, real: 13812341234}}, made: map[string]cell{formula.Column("other"): {known: true, float: true, real: 13812341234}}}
	r.spec.Input.Extra, r.spec.Features = []job.Extra{{Name: "second"}}, []job.Formula{{Name: "other", Text: "second"}}
	for unmask, want := range map[bool]string{false: "138****1234", true: "13812341234"} {
		columns, features := r.columns(words{}, unmask), r.dictionary(words{}, unmask)
		if got := columns[len(columns)-1]; got.Column != "second" || got.Values[0].Text != want || (got.Values[0].Value == any(want)) == unmask {
			t.Errorf("unmask %t: the extra column is shown as %+v", unmask, got.Values)
		}
		if got := features[len(features)-1]; got.Feature != "other" || got.Text != want || (got.Value == any(want)) == unmask {
			t.Errorf("unmask %t: the feature is shown as %+v", unmask, got)
		}
	}
}

func TestCodesAndAmountsAreWords(t *testing.T) {
	t.Parallel()
	priority, _ := schema.Find(schema.Published, "action_priority")
	run, _ := schema.Find(schema.Published, "silent_run")
	for _, c := range []struct {
		column schema.Column
		value  int64
		words  [2]string
	}{
		{priority, 1, [2]string{"p1", "P1"}}, {priority, 5, [2]string{"excluded", "排除"}},
		{run, 1, [2]string{"1 month", "1 个月"}}, {run, 2, [2]string{"2 months", "2 个月"}},
	} {
		for _, lang := range []Lang{English, Chinese} {
			if got := (words{lang}).text(c.column, cell{known: true, whole: c.value}); got != c.words[lang] {
				t.Errorf("%s %d: %q, want %q", c.column.Name, c.value, got, c.words[lang])
			}
		}
	}
}
