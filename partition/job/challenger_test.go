package job

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"rescore/partition/schema"
)

// challenged is the smallest job file with lines below model.challengers.
func challenged(list string) string {
	return strings.Replace(small, "  path: builtin:baseline\n", "  path: builtin:baseline\n  challengers: "+list+"\n", 1)
}

func TestChallengersAreReadWithTheirOwnDefaultsAndReadBack(t *testing.T) {
	t.Parallel()
	s := decoded(t, challenged("[{name: xgb, path: x.json}, {name: B2, path: b.txt, features: {a: fee_last}, undersampling_beta: 0.25}]"))
	want := []Challenger{
		{Name: "xgb", Path: "x.json", UndersamplingBeta: 1},
		{Name: "B2", Path: "b.txt", Features: map[string]string{"a": "fee_last"}, UndersamplingBeta: 0.25},
	}
	if !reflect.DeepEqual(s.Model.Challengers, want) {
		t.Errorf("%+v", s.Model.Challengers)
	}
	if got := s.Promoted(1).Model; !reflect.DeepEqual(got, Model{Path: "b.txt", Features: map[string]string{"a": "fee_last"}, UndersamplingBeta: 0.25}) {
		t.Errorf("promoted: %+v", got)
	}
	for name, text := range map[string]string{"YAML": string(s.YAML(true)), "YAML without comments": string(s.YAML(false))} {
		if back := decoded(t, text); !reflect.DeepEqual(back.Model.Challengers, want) || back.Digest() != s.Digest() {
			t.Errorf("%s reads back as %+v", name, back.Model.Challengers)
		}
	}
	back, err := ParseCanonical(s.Canonical())
	if err != nil || !reflect.DeepEqual(back.Model.Challengers, want) {
		t.Errorf("%v, %+v", err, back.Model.Challengers)
	}
}

func TestWhatIsWrongWithAChallengerIsSaidByItsPlace(t *testing.T) {
	t.Parallel()
	var nine []string
	for i := range 9 {
		nine = append(nine, fmt.Sprintf("{name: c%d, path: p}", i))
	}
	for name, c := range map[string]struct{ list, path, word string }{
		"no name":            {"[{path: p}]", "model.challengers[0].name", "no name"},
		"no path":            {"[{name: a}]", "model.challengers[0].path", "missing"},
		"name twice":         {"[{name: a, path: p}, {name: a, path: q}]", "model.challengers[1].name", "challenger 1 already"},
		"name twice by case": {"[{name: Ab, path: p}, {name: aB, path: q}]", "model.challengers[1].name", "challenger 1 already"},
		"name of a column":   {"[{name: score, path: p}]", "model.challengers[0].name", "propensity_score"},
		"name with a dash":   {"[{name: a-b, path: p}]", "model.challengers[0].name", "letters, digits and _"},
		"name of a digit":    {"[{name: 2x, path: p}]", "model.challengers[0].name", "letters, digits and _"},
		"long name":          {"[{name: " + strings.Repeat("x", 33) + ", path: p}]", "model.challengers[0].name", "33 characters"},
		"bound to nothing":   {"[{name: a, path: p, features: {f: ''}}]", "model.challengers[0].features.f", "bound to nothing"},
		"beta 0":             {"[{name: a, path: p, undersampling_beta: 0}]", "model.challengers[0].undersampling_beta", "above 0 up to 1"},
		"beta 2":             {"[{name: a, path: p, undersampling_beta: 2}]", "model.challengers[0].undersampling_beta", "above 0 up to 1"},
		"unknown key":        {"[{name: a, paht: p}]", "model.challengers[0].paht", "did you mean path?"},
		"nine":               {"[" + strings.Join(nine, ", ") + "]", "model.challengers", "9 challengers"},
		"no list":            {"{name: a}", "model.challengers", "a list"},
	} {
		found := false
		for _, p := range problemsOf(t, challenged(c.list)) {
			found = found || p.Path == c.path && strings.Contains(p.Message+p.Remedy, c.word)
		}
		if !found {
			t.Errorf("%s: %v", name, problemsOf(t, challenged(c.list)))
		}
	}
}

// TestARuleCannotHaveAChallengersColumnsName: answers list rules beside columns.
func TestARuleCannotHaveAChallengersColumnsName(t *testing.T) {
	t.Parallel()
	text := challenged("[{name: B2, path: p}]") + "custom_rules: {propensity_b2: warn == 1, propensity_b3: warn == 1}\n"
	problems := problemsOf(t, text)
	if len(problems) != 1 || problems[0].Path != "custom_rules.propensity_b2" || !strings.Contains(problems[0].Message, "this is one's name") {
		t.Errorf("%v", problems)
	}
}

func TestAJobsNameDependsOnItsChallengersAndNotOnWhereTheyLie(t *testing.T) {
	t.Parallel()
	one := decoded(t, challenged("[{name: a, path: p}]"))
	moved := decoded(t, challenged("[{name: a, path: q}]"))
	id := NewID(one, []string{"m", "c"}, "i")
	if NewID(moved, []string{"m", "c"}, "i") != id {
		t.Error("another path is another job")
	}
	if one.Model.Challengers[0].Path != "p" {
		t.Error("NewID changed the caller's spec")
	}
	seen := map[ID]string{id: "as it was"}
	for name, other := range map[string]ID{
		"another model":      NewID(one, []string{"m", "d"}, "i"),
		"models exchanged":   NewID(one, []string{"c", "m"}, "i"),
		"no challenger":      NewID(decoded(t, small), []string{"m"}, "i"),
		"another name":       NewID(decoded(t, challenged("[{name: b, path: p}]")), []string{"m", "c"}, "i"),
		"another binding":    NewID(decoded(t, challenged("[{name: a, path: p, features: {x: y}}]")), []string{"m", "c"}, "i"),
		"another correction": NewID(decoded(t, challenged("[{name: a, path: p, undersampling_beta: 0.5}]")), []string{"m", "c"}, "i"),
	} {
		if before, taken := seen[other]; taken {
			t.Errorf("%s: the same job as %s", name, before)
		}
		seen[other] = name
	}
}

func TestTheRecordHasAColumnForEachChallengerBehindTheChampions(t *testing.T) {
	t.Parallel()
	record := schema.PublishedWith([]string{"a", "b"})
	if n := len(schema.Score); len(record) != len(schema.Published)+2 || record[n].Name != "propensity_a" || record[n+1].Name != "propensity_b" || record[n+2].Name != schema.Selected[0].Name {
		t.Error("the columns are elsewhere")
	}
	if schema.Fingerprint(schema.PublishedWith(nil)) != schema.Fingerprint(schema.Published) {
		t.Error("without challengers the record is another")
	}
}
