package explain

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/feature"
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
