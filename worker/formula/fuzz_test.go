package formula

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"

	"rescore/partition/job"
	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

var seeds = []string{
	"1 - fee[0] / mean(fee[1:3])", `roam_sec[0] > 12000 and brand == "gotone"`, "slope(per_day(out_sec[0..5])) / mean(abs(in_sec[0:5]))",
	"0 < fee[0] < fee[1] <= 3500.5", `"student" in event_flags ? t1 : not t2`, "(fee[0] ?? 0) > yuan(35)", "coalesce(fee_avg3, fee, 0) - -1e3 * 2",
	`brand in ["全球通", "mzone"] or is_null(vip_class)`, "contract_end - asof < days(60)", `contract_end >= "2026-10-31"`, "min(fee[0], fee[1], 3) == max(fee[0:5])",
	"a < (b < (c < d < e) < f) < g", "((a ?: b) ?: c) ?: d", "let x = 1; x", "if a {b} else {c}", "map(fee, # + 1)", "fee?.x[1]", "`raw` == plan", "fee | mean()", "::abs(fee)",
	"not not not t1", "1..2..3", "fee[0:5][1:2]", `"\u{1F600}\x41" == b"x"`, "{a: 1}", "a;b;", "# // x\n", "",
}

// run evaluates a kernel over a few rows of zeros and ones.
func run(k kernel.Kernel) {
	vectors := func(fields []kernel.Field) []kernel.Vector {
		list := make([]kernel.Vector, len(fields))
		for i, f := range fields {
			list[i] = kerneltest.NewVector(f.Type, 3)
			if f.Type.ID() == arrow.UINT8 {
				list[i].U8[1] = 63
			}
		}
		return list
	}
	k.Eval(3, vectors(k.Spec().In), vectors(k.Spec().Out))
}

// Whatever stands in a formula is read or refused at a place inside it; what is
// read has one spelling, which is read as the same; and what is checked runs.
func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tree, mistakes := parse(text)
		for _, m := range mistakes {
			if m.at < 0 || m.at > 0 && m.at >= utf8.RuneCountInString(text) || m.message == "" {
				t.Fatalf("%q: %+v", text, m)
			}
		}
		if (tree == nil) == (len(mistakes) == 0) && tree == nil {
			t.Fatalf("%q is neither read nor refused", text)
		}
		if tree == nil || len(mistakes) > 0 {
			return
		}
		if one := tree.String(); len(one) <= job.FormulaBytesMax {
			again, wrong := parse(one)
			if len(wrong) > 0 || again.String() != one {
				t.Fatalf("%q is written %q, which is read as %v %v", text, one, again, wrong)
			}
		}
		s := spec([]string{"x", text, "more", "x * 2"}, []string{"r", text, "s", "x > 1"})
		for _, p := range Check(s) {
			if p.Message == "" || !strings.Contains(p.Message, "at character ") {
				t.Fatalf("%q: %v", text, p)
			}
		}
		Describe(s)
		s.Custom = nil
		if k, err := NewFeatures(s, []string{"x"}); err == nil {
			run(k)
		}
		s = spec(nil, []string{"r", text})
		if k, err := NewRules(s); err == nil {
			run(k)
		}
	})
}

// loads reads a file of formulas and checks that everything said of it points
// into it.
func loads(t *testing.T, data []byte, beside job.Beside) (job.Spec, bool) {
	d, err := job.DecodeAlone(beside, spec(nil, nil))
	var problems job.Problems
	if err != nil && !errors.As(err, &problems) {
		t.Fatal(err)
	}
	lines := strings.FieldsFunc(strings.ReplaceAll(string(data), "\n", "\n "), func(r rune) bool { return strings.ContainsRune("\n\r\u0085\u2028\u2029", r) })
	found := slices.Concat(problems, Check(d.Spec))
	for _, p := range found {
		if p.File != "file" || p.Line < 1 || p.Line > len(lines)+strings.Count(string(data), "\r")+2 || p.Column < 1 || p.Column > len(data)+2 {
			t.Fatalf("%q: %+v", data, p)
		}
	}
	if len(found) > 0 {
		return d.Spec, false
	}
	again, err := job.DecodeBeside(job.Text{Name: "job", Data: d.Spec.YAML(true)}, job.Beside{})
	if err != nil && strings.Contains(err.Error(), "features") {
		t.Fatalf("%q is written %s: %v", data, d.Spec.YAML(false), err)
	}
	if len(again.Spec.Features) != len(d.Spec.Features) || len(again.Spec.Custom) != len(d.Spec.Custom) || again.Spec.RulesDigest() != d.Spec.RulesDigest() {
		t.Fatalf("%q is written %s", data, d.Spec.YAML(false))
	}
	return d.Spec, true
}

func addFiles(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte("x: " + s + "\n"))
		f.Add([]byte("x: |\n  " + strings.ReplaceAll(s, "\n", "\n  ") + "\ny: '" + strings.ReplaceAll(s, "'", "''") + "'\n"))
	}
	f.Add([]byte("thresholds: {t2_drop_pct: 30}\nx: &a fee[0] > 1\ny: *a\nz: {when: \"a\\\n  b\", doc: 全}\n"))
	f.Add([]byte("x:\n  formula: >-\n    fee[0]\n\n    + fe\n  unit: fen\n"))
	f.Add([]byte("x: \"fee\\x5b0\\u005d\t> 1\"\r\ny: !!str 'a'\r\n? [a]\n: b\n"))
}

func FuzzRulesFile(f *testing.F) {
	addFiles(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, ok := loads(t, data, job.Beside{Rules: &job.Text{Name: "file", Data: data}}); ok {
			k, err := NewRules(s)
			if err != nil {
				t.Fatal(err)
			}
			run(k)
		}
	})
}

func FuzzFeaturesFile(f *testing.F) {
	addFiles(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		s, ok := loads(t, data, job.Beside{Features: &job.Text{Name: "file", Data: data}})
		if !ok || len(s.Features) == 0 {
			return
		}
		var names []string
		for _, x := range s.Features {
			names = append(names, x.Name)
		}
		k, err := NewFeatures(s, names)
		if err != nil {
			t.Fatal(err)
		}
		run(k)
	})
}
