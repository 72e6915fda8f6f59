package formula

import (
	"strings"
	"testing"

	"rescore/partition/job"
	"rescore/partition/schema"
)

// wrongIn checks one formula and returns its problems, one a line, with the
// character each points at.
func wrongIn(text string, rule bool) string {
	s := spec([]string{"x", text}, nil)
	if rule {
		s = spec([]string{"cheap", "fee[0] / fee[1]", "quiet", "out_cnt[0] == 0"}, []string{"x", text})
	}
	var lines []string
	for _, p := range Check(s) {
		lines = append(lines, p.Message+"; "+p.Remedy)
	}
	return strings.Join(lines, "\n")
}

func TestAMistakeSaysWhatItIsAndWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, message, remedy string }{
		{"fe[0] > 1", "there is no column fe, at character 1", "did you mean fee?"},
		{"fee[6] > 1", "there is no month 6, at character 5", "fee has months 0 to 5; write fee[5]"},
		{"fee[-1] > 1", "months count back", "write fee[1]"},
		{"fee_m3 > 1", "there is no column fee_m3", "write fee[3]"},
		{"fee[0] + out_sec[0] > 1", "fen + second: the units do not go together, at character 8", "fee[0] is in fen and out_sec[0] in second"},
		{"fee[0] > minutes(40)", "fen > second", "minutes(40) in second"},
		{"fee[0] > 35 yuan", "unexpected token", "use yuan(35)"},
		{"fee[0] > 40 minutes", "unexpected token", "write minutes(40)"},
		{`brand == "gotnoe"`, `brand has no code "gotnoe", at character 10`, `did you mean "gotone"?`},
		{`brand == 3`, "brand has codes with names", `write "gotone"`},
		{`brand > "mzone"`, "brand has no order", "=="},
		{`pay_mode == "unknown"`, "has no code", "write is_null(pay_mode)"},
		{`"studnet" in event_flags`, "has no code", `did you mean "student"?`},
		{`fee[0] == "gotone"`, "is a text where a number is needed", "codes"},
		{"fee[0]", "fee[0] is a number where a condition is needed, at character 1", "fee[0] > 0"},
		{"brand", "brand is a code where a condition is needed", `brand == "other"`},
		{"fee[0] = 3", "= does not compare, at character 8", "write =="},
		{"fee[0] >", "the formula ends too soon, at character 8", "write what is missing"},
		{"(fee[0] > 3", "the formula ends too soon", ""},
		{"mean(fee) > 3", "mean wants a window, and fee is one value, at character 6", "write mean(fee[0:5])"},
		{"fee[0:2] > 3", "fee[0:2] is a window where one value is needed", "write mean(fee[0:2])"},
		{"mean(fee[3:1]) > 3", "ends before it begins", "write fee[1:3]"},
		{"mean(fee[1:]) > 3", "the window has no end", "fee[0:5]"},
		{"averge(fee[1:3]) > 3", "there is no function averge", "the functions are"},
		{"maen(fee[1:3]) > 3", "there is no function maen", "did you mean mean?"},
		{"fee[0] / 0 > 1", "this divides by 0", ""},
		{"1 > 0", "the formula reads no column", ""},
		{"asof > asof", "the formula reads no column", ""},
		{"not fee[0] > 3", "fee[0] is a number where a condition is needed", "fee[0] > 0"},
		{"t1 == t2", "conditions are not compared", "and, or, not"},
		{"t15", "there is no column t15", "did you mean t1?"},
		{"per_day(fee_avg3) > 1", "fee_avg3 is no month of a column", "per_day(out_sec[0])"},
		{"contract_end > 5", "date > number", ""},
		{`contract_end > "tomorrow"`, `"tomorrow" is no date`, "2026-01-31"},
		{"imei[0] > imei[1]", "imei[0] has no order", "== or !="},
		{"imei[0] == city_code", "an identifier", ""},
		{"fee[0] ** 2 > 4", "there is no operator **", "use + - * /"},
		{"let a = 1; a > 2", "not of this language", ""},
		{"if fee[0] > 1 { t1 } else { t2 }", "if is not of this language", "? a : b"},
		{"fee[0] ?: 1", "?: is not of this language", "??"},
		{"fee[0] == nil", "nil cannot be compared", "is_null(x)"},
		{"fee[0] in 1..3", "a range stands by itself", "x >= 1"},
		{"fee[0] in []", "the list is empty", ""},
		{"fee[0] in [fee[1]]", "a list holds numbers and texts", "fee[0] == fee[1]"},
		{"any(fee[0:2], # > 1)", "not of this language", ""},
		{"fee.max > 1", "names have no parts", "fee[0]"},
		{"1e300 * fee[0] > 1", "the number is too large", ""},
		{"fee[0] > 99999999999999999999", "the number is too large", "fewer digits"},
		{"fee[0] >> 3", `unexpected token ">", at character`, ""},
		{"sqrt(fee[0]) > 1", "the square root of fen has no unit", ""},
		{"yuan(fee[0]) > 1", "fee[0] has a unit already: fen", "remove yuan"},
		{"coalesce(fee[0]) > 1", "coalesce was given 1 arguments", "coalesce(x, 0)"},
		{"fee[0] ?? 0 > 1", "cannot be mixed", ""},
		{"mean(fee[0:2] + sms_cnt[0:2]) > 1", "fen + count", ""},
		{"mean(fee[0:2] / sms_cnt[0:1]) > 1", "one window has 3 months and the other 2", ""},
		{"rule_fired > 1", "there is no column rule_fired", ""},
		{"msisdn > 1", "there is no column msisdn", "with --job what the job adds"},
		{"cheap[0] > 1", "cheap has one value, not one a month", ""},
		{"quiet > 1", "quiet is a condition", ""},
		{"fee[0] > 1 ? t1 : 3", "needed", ""},
		{"   ", "the formula is empty", ""},
		{strings.Repeat("(", 80) + "fee[0]" + strings.Repeat(")", 80) + " > 1 and fee[0] > \"x", "literal not terminated", ""},
		{strings.Repeat("abs(", 260) + "fee[0]" + strings.Repeat(")", 260) + " > 1", "nested deeper than 250", "features"},
	} {
		got := wrongIn(c.text, true)
		if !strings.Contains(got, c.message) || !strings.Contains(got, c.remedy) || strings.Count(got, "\n") > 0 {
			t.Errorf("%s\n got %s\nwant %s; %s", c.text, got, c.message, c.remedy)
		}
	}
}

func TestAFeatureIsANumberOrACondition(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, message string }{
		{"brand", "brand is a code where a number is needed"},
		{"contract_end", "contract_end is a date where a number is needed"},
		{"fee[0:2]", "is a window where one value is needed"},
		{"propensity + fee[0]", "a feature cannot read propensity"},
		{"risk_band > 2", "a feature cannot read risk_band"},
		{"x + fee[0]", "x is made of itself: x → x"},
	} {
		if got := wrongIn(c.text, false); !strings.Contains(got, c.message) {
			t.Errorf("%s: got %s", c.text, got)
		}
	}
	for _, good := range []string{"fee[0] > 1", "t4", "silent_run", "asof - activation_date", "fee_avg3 / fee_last", "2026 - birth_year", `plan == "gold" ? score_x : 0`, "fee * 2", `brand in ["全球通", "mzone"]`} {
		if got := wrongIn(good, false); got != "" {
			t.Errorf("%s: %s", good, got)
		}
	}
}

func TestACycleIsRefusedWithItsPath(t *testing.T) {
	t.Parallel()
	got := Check(spec([]string{"a", "b + 1", "b", "c * 2", "c", "fee[0] + a", "d", "a + 1"}, nil))
	if len(got) != 1 || !strings.Contains(got[0].Message, "a is made of itself: a → b → c → a") || got[0].Path != "features.a" {
		t.Errorf("%v", got)
	}
}

func TestANameThatIsTakenIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"fee", "fee_avg3", "t3", "mean", "yuan", "asof", "silent_run", "score_x"} {
		if got := Check(spec([]string{name, "fee[0] + 1"}, nil)); len(got) != 1 || !strings.Contains(got[0].Message, "the name "+name+" is ") {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	got := Check(spec([]string{"a", "fe[0] + outsec[0]", "b", "a + 1"}, []string{"r", "b > 1 and fee[9] > 2", "s", "fee[0] >"}))
	if len(got) != 4 {
		t.Errorf("%v", got)
	}
}

func TestADeclaredUnitIsTheFormulas(t *testing.T) {
	t.Parallel()
	check := func(text, unit string) string {
		s := spec([]string{"x", text}, nil)
		s.Features[0].Unit = schema.Unit(unit)
		return Check(s).Error()
	}
	for _, c := range [][3]string{
		{"fee[0]", "fen", ""}, {"fee[0] / fee[1]", "ratio", ""}, {"fee[0] / out_cnt[0]", "fen/count", ""}, {"score_x * 2", "fen", ""}, {"slope(fee[0:5])", "fen/month", ""},
		{"fee[0]", "second", "the formula is in fen, and second is declared"}, {"score_x", "furlong", "is declared"}, {"t1", "fen", "a condition has no unit"},
	} {
		if got := check(c[0], c[1]); (c[2] == "") != (got == "") || !strings.Contains(got, c[2]) {
			t.Errorf("%s in %s: %q", c[0], c[1], got)
		}
	}
}

func TestAFormulaThatIsAllWrongIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	var many []string
	for range 200 {
		many = append(many, "stranger_than_strange")
	}
	got := Check(spec(nil, []string{"r", strings.Join(many, " + ")[:job.FormulaBytesMax-1] + "1"}))
	if len(got) != mistakesMax {
		t.Errorf("%d problems", len(got))
	}
	long := Check(spec(nil, []string{"r", "fee[0]" + strings.Repeat(" + fee[0]", 200)}))
	if len(long) != 1 || len(long[0].String()) > 700 {
		t.Errorf("%v", long)
	}
}
