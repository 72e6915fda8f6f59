package job

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// with decodes the smallest job file with files beside it.
func with(rules, policy, features, more string, overlays ...Overlay) (Decoded, error) {
	b := Beside{Rules: &Text{Name: "rules.yaml", Data: []byte(rules)}, Policy: &Text{Name: "policy.yaml", Data: []byte(policy)}, Features: &Text{Name: "features.yaml", Data: []byte(features)}}
	return DecodeBeside(Text{Name: "job.yaml", Data: []byte(small + "files: {rules: rules.yaml, policy: policy.yaml, features: features.yaml}\n" + more)}, b, overlays...)
}

func TestFilesBesideTheJobAreLaidUnderIt(t *testing.T) {
	t.Parallel()
	d, err := with("thresholds: {t2_drop_pct: 30, t2_base_fen: 1}\nsoon: fee > 1\nquiet:\n  when: out_cnt == 0\n  doc: silence\n", "save_rate: 0.3\nmargin: 0.4\n", "drop: {formula: fee, unit: fen}\nflat: 1 - fee\n",
		"rules: {t2_drop_pct: 35}\npolicy: {margin: 0.45}\nfeatures: {drop: \"fee[1]\", more: \"fee[2]\"}\n", Overlay{Path: "policy.margin", Text: "0.5", Source: "flag"}, Overlay{Path: "custom_rules", Text: "{late: fee > 2}", Source: "flag"})
	if err != nil {
		t.Fatal(err)
	}
	s := d.Spec
	if s.Rules.T2DropPct != 35 || s.Rules.T2BaseFen != 1 || s.Policy.SaveRate != 0.3 || s.Policy.Margin != 0.5 {
		t.Errorf("%+v %+v", s.Rules, s.Policy)
	}
	var got []string
	for _, f := range slices.Concat(s.Features, s.Custom) {
		got = append(got, fmt.Sprintf("%s=%s (%s%s) %s", f.Name, f.Text, f.Unit, f.Doc, f.At.At(0)))
	}
	want := []string{"drop=fee[1] () job.yaml:12:19", "flat=1 - fee () features.yaml:2:7", "more=fee[2] () job.yaml:12:35", "soon=fee > 1 () rules.yaml:2:7", "quiet=out_cnt == 0 (silence) rules.yaml:4:9", "late=fee > 2 () flag"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for path, want := range map[string]string{
		"rules.t2_drop_pct": "job.yaml:10:22", "rules.t2_base_fen": "rules.yaml:1:44", "policy.save_rate": "policy.yaml:1:12", "policy.margin": "flag", "custom_rules.soon": "rules.yaml:2:7", "custom_rules.late": "flag",
	} {
		if got := d.Origin(path).String(); got != want {
			t.Errorf("%s is from %s, want %s", path, got, want)
		}
	}
	back, err := DecodeBeside(Text{Name: "view", Data: s.YAML(true)}, Beside{Rules: &Text{}, Policy: &Text{}, Features: &Text{}})
	if err != nil {
		t.Fatal(err)
	}
	if back.Spec.Digest() != s.Digest() {
		t.Errorf("written and read again the job is another:\n%s", s.YAML(false))
	}
}

func TestHowAFileIsWrittenDoesNotChangeTheQuestion(t *testing.T) {
	t.Parallel()
	digest := func(rules, policy, features string) string {
		d, err := with(rules, policy, features, "")
		if err != nil {
			t.Fatal(err)
		}
		return d.Spec.Digest() + d.Spec.RulesDigest()
	}
	a := digest("thresholds: {t2_drop_pct: 30, t2_base_fen: 9}\nx: fee > 1\n", "margin: 0.4\nsave_rate: 0.3\n", "y: fee\n")
	b := digest("# mine\nx: 'fee > 1'   # a rule\nthresholds:\n  t2_base_fen: 9\n  t2_drop_pct: 30\n", "save_rate: 0.30 # much\nmargin: 4.0e-1\n", "y: |-\n  fee\n")
	if a != b {
		t.Error("comments, quotes or the order of keys changed the digest")
	}
	for _, other := range []string{
		digest("thresholds: {t2_drop_pct: 30, t2_base_fen: 9}\nx: fee > 2\n", "margin: 0.4\nsave_rate: 0.3\n", "y: fee\n"),
		digest("thresholds: {t2_drop_pct: 30, t2_base_fen: 9}\nx: fee > 1\n", "margin: 0.4\nsave_rate: 0.3\n", "z: fee\n"),
		digest("thresholds: {t2_drop_pct: 30, t2_base_fen: 9}\nx: fee > 1\n", "margin: 0.5\nsave_rate: 0.3\n", "y: fee\n"),
	} {
		if other == a {
			t.Error("another question has the same digest")
		}
	}
}

// Whatever way a text is written in, each of its characters is where it stands.
func TestAFormulaKnowsWhereEachOfItsCharactersStands(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"plain":         "x: fee > 1 and @brand == 2\n",
		"plain, folded": "x: fee > 1\n   and\n\n     @brand == 2\n",
		"single quotes": "x: 'it''s 全 @brand'\n",
		"double quotes": `x: "a \" \\ \x41 \u5168 \t \
   b @brand"` + "\n",
		"literal block":         "x: |\n  fee > 1\n    and @brand == 2\n",
		"folded block":          "x: >-  # a comment\n\n    fee > 1\n    and\n\n    @brand == 2\n",
		"block with its indent": "x: |2\n   fee @brand\n",
		"table":                 "y: fee\nx:\n  doc: |\n    @x\n  formula: fee > @brand\n",
		"flow":                  "{y: fee, x: {unit: fen, formula: \"fee > @brand\"}}\n",
		"carriage returns":      "y: fee\r\nx: fee >\r\n  全 @brand\r\n",
		"alias":                 "y: &a fee @brand\nx: *a\n",
		"byte-order mark":       "\ufeffx: fee @brand\n",
	} {
		marker := strings.LastIndex(file, "@brand")
		line := strings.Count(file[:marker], "\n") + 1
		before := file[strings.LastIndex(file[:marker], "\n")+1 : marker]
		column := len([]rune(strings.TrimPrefix(before, "\ufeff"))) + 1
		// @ is not for plain scalars to begin with, but may stand inside.
		d, err := with("", "", file, "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f := d.Spec.Features[slices.IndexFunc(d.Spec.Features, func(f Formula) bool { return f.Name == "x" })]
		offset := len([]rune(f.Text[:strings.Index(f.Text, "@")]))
		for i := range 6 {
			if got, want := f.At.At(offset+i).String(), fmt.Sprintf("features.yaml:%d:%d", line, column+i); got != want {
				t.Errorf("%s: character %d of %q stands at %s, want %s", name, offset+i, f.Text, got, want)
			}
		}
	}
}

func TestMistakesInFilesBesideTheJobAreAllReportedWhereTheyStand(t *testing.T) {
	t.Parallel()
	_, err := with("thresholds: {t2_drop: 30, t2_base_fen: x}\n1x: fee\nand: fee\nok: [fee]\nwhy: {wen: fee}\nno: {when: fee, unit: fen}\ntwice: a\ntwice: b\nempty:\n",
		"save_rat: 0.3\nmargin: 2\n", "bang: !fee\nlong: "+strings.Repeat("x", FormulaBytesMax+1)+"\n", "policy: {holdout_pct: 400}\n")
	var p Problems
	if !errors.As(err, &p) {
		t.Fatal(err)
	}
	got := p.Error()
	for _, want := range []string{
		"job.yaml:10:23: policy.holdout_pct: 400 is out of bounds", "policy.yaml:1:1: policy.save_rat: this key is not known; did you mean save_rate?", "policy.yaml:2:9: policy.margin: 2 is out of bounds",
		"features.yaml:1:7: features.bang: YAML takes \"!fee\" for a tag", "features.yaml:2:7: features.long: the formula has 4097 bytes",
		"rules.yaml:1:14: rules.t2_drop: this key is not known; did you mean t2_drop_pct?", "rules.yaml:1:40: rules.t2_base_fen: wants a whole number",
		"rules.yaml:2:5: custom_rules.1x: \"1x\" is not a name", "rules.yaml:3:6: custom_rules.and: and is a word of the language", "rules.yaml:4:5: custom_rules.ok: wants a formula, not a list",
		"rules.yaml:5:7: custom_rules.why.wen: this key is not known; did you mean when?", "rules.yaml:6:17: custom_rules.no.unit: this key is not known",
		"rules.yaml:8:1: custom_rules.twice: the key stands here twice", "rules.yaml:9:7: custom_rules.empty: the formula is missing",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("nothing says %q in\n%s", want, got)
		}
	}
	if len(p) != 14 {
		t.Errorf("%d problems:\n%s", len(p), got)
	}
}

func TestAFileThatWasNotReadIsAProblemOfTheKeyThatNamesIt(t *testing.T) {
	t.Parallel()
	_, err := DecodeBeside(Text{Name: "job.yaml", Data: []byte(small + "files: {rules: r.yaml, policy: p.yaml}\n")}, Beside{Rules: &Text{Name: "r.yaml", Err: errors.New("no such file")}})
	if err == nil || !strings.Contains(err.Error(), "job.yaml:9:16: files.rules: no such file") || !strings.Contains(err.Error(), "job.yaml:9:32: files.policy: the file was not read") {
		t.Errorf("%v", err)
	}
}

func TestThereAreAsManyRulesAsBits(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range RulesMax {
		fmt.Fprintf(&many, "r%d: fee > %d\n", i, i)
	}
	if _, err := with(many.String(), "", "", ""); err != nil {
		t.Errorf("%d rules: %v", RulesMax, err)
	}
	if _, err := with(many.String()+"last: fee > 9\n", "", "", ""); err == nil || !strings.Contains(err.Error(), "there are 65, and 64 at most can be") {
		t.Errorf("%v", err)
	}
}

func TestARuleIsNotCalledAsATriggerOrAPublishedColumn(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string]bool{
		"T1": true, "t9": true, "T14": true, "any": true, "Any": true, "rule_fired": true, "warn": true, "propensity": true, "action_priority": true,
		"T0": false, "T15": false, "T1_vip": false, "anybody": false, "late": false, "trg": false,
	} {
		s := Default()
		s.Custom = []Formula{{Name: name, Text: "fee > 1"}}
		c := &checker{}
		c.own(s)
		text := Problems(c.problems).Error()
		if got := strings.Contains(text, "custom_rules."+name+": ") && strings.Contains(text, "choose another name"); got != refused || !refused && len(c.problems) > 0 {
			t.Errorf("%s: refused is %t, want %t: %s", name, got, refused, text)
		}
	}
}
