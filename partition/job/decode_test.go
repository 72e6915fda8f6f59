package job

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// small is the smallest job file there is.
const small = `name: base
month: 202610
input:
  path: base.parquet
model:
  path: builtin:baseline
output:
  path: out
`

// problemsOf decodes text and returns what is wrong with it.
func problemsOf(t *testing.T, text string, overlays ...Overlay) Problems {
	t.Helper()
	_, err := Decode("job.yaml", []byte(text), overlays...)
	if err == nil {
		return nil
	}
	var p Problems
	if !errors.As(err, &p) {
		t.Fatalf("the error is a %T, want Problems", err)
	}
	return p
}

func TestSmallestJobFileIsTheDefaultsAndWhatItSays(t *testing.T) {
	t.Parallel()
	d, err := Decode("job.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Name, want.Month, want.Input.Path, want.Model.Path, want.Output.Path = "base", 202610, "base.parquet", "builtin:baseline", "out"
	want.Run.Work = ".rescore/base"
	if !reflect.DeepEqual(d.Spec, want) {
		t.Errorf("got\n%s\nwant\n%s", d.Spec.YAML(false), want.YAML(false))
	}
}

func TestFiveMistakesAreReportedAsExactlyFive(t *testing.T) {
	t.Parallel()
	const text = `version: 1
name: my base
month: 202613
input:
  path: base.csv
  columns:
    fee:
      column: FEE_{month}
      unit: yaun
  missing: 3
model:
  path: builtin:baseline
output:
  path: out
gates:
  reject_share_max: 2
`
	got := problemsOf(t, text)
	want := []string{
		`job.yaml:2:7: name: "my base" is not a dataset name; use letters, digits, - and _, starting with a letter or digit`,
		`job.yaml:3:8: month: 202613 has no month 13; write it as yyyymm, such as 202610`,
		`job.yaml:9:13: input.columns.fee.unit: "yaun" is not a unit of fee; did you mean yuan?`,
		`job.yaml:10:3: input.missing: this key is not known; did you mean missing_months?`,
		`job.yaml:16:21: gates.reject_share_max: 2 is out of bounds; write a number from 0 to 1`,
	}
	if got.Error() != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got.Error(), strings.Join(want, "\n"))
	}
}

func TestEveryKindOfMistakeHasItsOwnProblem(t *testing.T) {
	t.Parallel()
	with := func(extra string) string { return small + extra }
	inInput := func(extra string) string {
		return strings.Replace(small, "  path: base.parquet\n", "  path: base.parquet\n"+extra, 1)
	}
	column := func(extra string) string { return inInput("  columns:\n    " + extra + "\n") }
	months := func(extra string) string {
		return strings.Replace(small, "  path: base.parquet\n", "  path: base/{month}\n  layout: months\n"+extra, 1)
	}
	for name, c := range map[string]struct{ text, path, word string }{
		"no month":                    {strings.Replace(small, "month: 202610\n", "", 1), "month", "missing"},
		"no name":                     {strings.Replace(small, "name: base\n", "", 1), "name", "no name"},
		"no input":                    {strings.Replace(small, "  path: base.parquet\n", "", 1), "input.path", "missing"},
		"no model":                    {strings.Replace(small, "  path: builtin:baseline\n", "", 1), "model.path", "missing"},
		"no output":                   {strings.Replace(small, "  path: out\n", "", 1), "output.path", "missing"},
		"month too early":             {strings.Replace(small, "202610", "199912", 1), "month", "out of bounds"},
		"month zero":                  {strings.Replace(small, "202610", "202600", 1), "month", "no month 00"},
		"month in quotes":             {strings.Replace(small, "202610", `"202610"`, 1), "month", "remove the quotes"},
		"month with a dash":           {strings.Replace(small, "202610", "2026-10", 1), "month", "whole number"},
		"name too long":               {strings.Replace(small, "base\n", strings.Repeat("x", 65)+"\n", 1), "name", "65 characters"},
		"name with a slash":           {strings.Replace(small, "name: base", "name: ../base", 1), "name", "not a dataset name"},
		"future version":              {with("version: 2\n"), "version", "write 1"},
		"unknown section":             {with("rule: {}\n"), "rule", "did you mean rules?"},
		"unknown rule":                {with("rules: {t2_drop: 40}\n"), "rules.t2_drop", "did you mean t2_drop_pct?"},
		"repeated key":                {with("gates: {}\ngates: {}\n"), "gates", "twice"},
		"merge key":                   {with("run: {<<: {workers: 1}}\n"), "run.<<", "merge"},
		"list for a section":          {with("run: [1]\n"), "run", "keys and values"},
		"text for a section":          {with("run: fast\n"), "run", "keys and values"},
		"section for a text":          {strings.Replace(small, "name: base", "name: {a: 1}", 1), "name", "single value"},
		"yes for true":                {inInput("  csv: {header: yes}\n"), "input.csv.header", "true or false"},
		"octal number":                {with("run: {workers: 010}\n"), "run.workers", "whole number"},
		"fraction for a number":       {with("run: {workers: 1.5}\n"), "run.workers", "whole number"},
		"number too large":            {with("run: {workers: 99999999999999999999}\n"), "run.workers", "whole number"},
		"negative workers":            {with("run: {workers: -1}\n"), "run.workers", "from 0"},
		"no partition rows":           {with("run: {partition_rows: 0}\n"), "run.partition_rows", "from 1"},
		"batch too large":             {with("run: {batch_rows: 65537}\n"), "run.batch_rows", "from 1 to 65536"},
		"no attempts":                 {with("run: {max_attempts: 0}\n"), "run.max_attempts", "from 1"},
		"not a number":                {with("gates: {reject_share_max: .nan}\n"), "gates.reject_share_max", "wants a number"},
		"infinite":                    {with("gates: {reject_share_max: .inf}\n"), "gates.reject_share_max", "wants a number"},
		"negative share":              {with("gates: {duplicate_share_max: -0.1}\n"), "gates.duplicate_share_max", "from 0 to 1"},
		"beta zero":                   {strings.Replace(small, "builtin:baseline", "builtin:baseline\n  undersampling_beta: 0", 1), "model.undersampling_beta", "above 0 up to 1"},
		"beta above one":              {strings.Replace(small, "builtin:baseline", "builtin:baseline\n  undersampling_beta: 1.5", 1), "model.undersampling_beta", "above 0 up to 1"},
		"feature bound to nothing":    {strings.Replace(small, "builtin:baseline", "builtin:baseline\n  features: {age: \"\"}", 1), "model.features.age", "bound to nothing"},
		"unknown layout":              {inInput("  layout: tall\n"), "input.layout", "write wide or months"},
		"unknown format":              {inInput("  format: parqet\n"), "input.format", "did you mean parquet?"},
		"empty layout":                {inInput("  layout: \"\"\n"), "input.layout", "empty"},
		"unknown compression":         {strings.Replace(small, "  path: out\n", "  path: out\n  compression: gzip\n", 1), "output.compression", "none, zstd or snappy"},
		"output is the input":         {strings.Replace(small, "path: out", "path: ./base.parquet", 1), "output.path", "output is the input"},
		"month in a wide path":        {strings.Replace(small, "base.parquet", "b/{month}", 1), "input.path", "needs layout: months"},
		"no month in a months path":   {inInput("  layout: months\n"), "input.path", "needs {month}"},
		"unknown template":            {strings.Replace(small, "base.parquet", "b/{year}", 1), "input.path", "{year} is not known"},
		"open glob":                   {strings.Replace(small, "base.parquet", "\"b/[a\"", 1), "input.path", "glob"},
		"nine-byte delimiter":         {inInput("  csv: {delimiter: \"|||||||||\"}\n"), "input.csv.delimiter", "one to eight ASCII"},
		"Chinese delimiter":           {inInput("  csv: {delimiter: \"\uff0c\"}\n"), "input.csv.delimiter", "one to eight ASCII"},
		"empty delimiter":             {inInput("  csv: {delimiter: \"\"}\n"), "input.csv.delimiter", "one to eight ASCII"},
		"quote in a delimiter":        {inInput("  csv: {delimiter: '|\"'}\n"), "input.csv.delimiter", "cannot separate"},
		"unknown encoding":            {inInput("  csv: {encoding: gb2312}\n"), "input.csv.encoding", "gbk or gb18030"},
		"empty encoding":              {inInput("  csv: {encoding: \"\"}\n"), "input.csv.encoding", "empty"},
		"unknown quote":               {inInput("  csv: {quote: \"'\"}\n"), "input.csv.quote", "double or none"},
		"unknown escape":              {inInput("  csv: {escape: \"^\"}\n"), "input.csv.escape", "none or backslash"},
		"backslash twice":             {inInput("  csv: {escape: backslash, delimiter: '\\'}\n"), "input.csv.escape", "separate fields and escape"},
		"control without a name":      {inInput("  control: {fields: [rows]}\n"), "input.control.suffix", "no name"},
		"control in a folder":         {inInput("  control: {suffix: /x.chk, fields: [rows]}\n"), "input.control.suffix", "end of a name"},
		"control of nothing":          {inInput("  control: {suffix: .chk, fields: [file, skip]}\n"), "input.control.fields", "held to"},
		"control twice":               {inInput("  control: {suffix: .chk, fields: [rows, rows]}\n"), "input.control.fields[1]", "twice"},
		"control of unknown fields":   {inInput("  control: {suffix: .chk, fields: [crc]}\n"), "input.control.fields[0]", "md5"},
		"quote as delimiter":          {inInput("  csv: {delimiter: '\"'}\n"), "input.csv.delimiter", "cannot separate"},
		"unquoted null":               {inInput("  csv: {null: [NULL]}\n"), "input.csv.null[0]", "quotes"},
		"repeated null":               {inInput("  csv: {null: [a, a]}\n"), "input.csv.null[1]", "twice"},
		"made number too short":       {inInput("  make_numbers: 1380000\n"), "input.make_numbers", "outside"},
		"numbers made and read":       {inInput("  make_numbers: 13800000000\n  columns: {msisdn: {column: n}}\n"), "input.make_numbers", "at once"},
		"unknown canonical column":    {column("tenur_months: {column: t}"), "input.columns.tenur_months", "did you mean tenure_months?"},
		"column of one month":         {column("fee_m0: {column: f}"), "input.columns.fee_m0", "map all months at once: fee"},
		"monthly without a month":     {column("fee: {column: f}"), "input.columns.fee.column", "no place for the month"},
		"both templates":              {column("fee: {column: \"f{month}{k}\"}"), "input.columns.fee.column", "both"},
		"month in a plain column":     {column("sex: {column: \"s_{k}\"}"), "input.columns.sex.column", "one value"},
		"months of a plain column":    {column("sex: {months: [a]}"), "input.columns.sex.months", "one value"},
		"seven months":                {column("fee: {months: [a, b, c, d, e, f, g]}"), "input.columns.fee.months", "7 months"},
		"no months":                   {column("fee: {months: []}"), "input.columns.fee.months", "0 months"},
		"only absent months":          {column("fee: {months: [\"\", \"\"]}"), "input.columns.fee.months", "absent"},
		"template in listed months":   {column("fee: {months: [\"f{k}\"]}"), "input.columns.fee.months[0]", "plain name"},
		"column and months":           {column("fee: {column: \"f{k}\", months: [a]}"), "input.columns.fee", "column and months"},
		"column and constant":         {column("sex: {column: s, constant: 1}"), "input.columns.sex", "column and constant"},
		"constant too large":          {column("sex: {constant: 300}"), "input.columns.sex.constant", "from 0 to 255"},
		"constant number":             {column("msisdn: {constant: 1}"), "input.columns.msisdn.constant", "same number"},
		"unit of another dimension":   {column("fee: {column: \"f{k}\", unit: minute}"), "input.columns.fee.unit", "write fen or yuan"},
		"unit of a code":              {column("sex: {column: s, unit: count}"), "input.columns.sex.unit", "has no unit"},
		"code too large":              {column("sex: {column: s, values: {男: 1, 女: 256}}"), "input.columns.sex.values.女", "does not fit"},
		"code that is text":           {column("sex: {column: s, values: {男: one}}"), "input.columns.sex.values.男", "whole number"},
		"codes of a date":             {column("contract_end: {column: c, values: {a: 1}}"), "input.columns.contract_end.values", "no codes"},
		"codes with a unit":           {column("fee: {column: \"f{k}\", unit: fen, values: {a: 1}}"), "input.columns.fee.values", "no unit"},
		"format of a number":          {column("sex: {column: s, format: 2006-01-02}"), "input.columns.sex.format", "not a date"},
		"format of another tool":      {column("contract_end: {column: c, format: YYYY-MM-DD}"), "input.columns.contract_end.format", "2006-01-02"},
		"format without days":         {column("contract_end: {column: c, format: 2006-01}"), "input.columns.contract_end.format", "year, month and day"},
		"template under months":       {months("  columns: {fee: {column: \"f{k}\"}}\n"), "input.columns.fee.column", "same columns"},
		"list under months":           {months("  columns: {fee: {months: [a]}}\n"), "input.columns.fee.months", "same columns"},
		"extra without a name":        {inInput("  extra: [{column: a}]\n"), "input.extra[0].name", "no name"},
		"extra twice":                 {inInput("  extra: [{name: a}, {name: a}]\n"), "input.extra[1].name", "twice"},
		"extra shadows a column":      {inInput("  extra: [{name: sex}]\n"), "input.extra[0].name", "canonical"},
		"extra shadows a flat column": {inInput("  extra: [{name: fee_m3}]\n"), "input.extra[0].name", "canonical"},
		"category twice":              {inInput("  extra: [{name: a, values: [x, x]}]\n"), "input.extra[0].values[1]", "twice"},
		"segment of six digits":       {inInput("  exclude: {segments: [138000]}\n"), "input.exclude.segments[0]", "out of bounds"},
		"unknown service type":        {inInput("  exclude: {service_types: [6]}\n"), "input.exclude.service_types[0]", "from 1 to 5"},
		"negative threshold":          {with("rules: {t2_base_fen: -1}\n"), "rules.t2_base_fen", "from 0"},
		"three class thresholds":      {with("rules: {t1_threshold_fen: [1, 2, 3]}\n"), "rules.t1_threshold_fen", "list of 4"},
		"negative class threshold":    {with("rules: {t1_threshold_fen: [1, 2, 3, -4]}\n"), "rules.t1_threshold_fen[3]", "from 0"},
		"unknown mode":                {with("rules: {t2_mode: fourpoint}\n"), "rules.t2_mode", "did you mean four_point?"},
		"empty mode":                  {with("rules: {t2_mode: \"\"}\n"), "rules.t2_mode", "empty"},
		"equal cut points":            {with("policy: {value_cut_fen: [1, 2, 2, 3, 4]}\n"), "policy.value_cut_fen", "do not rise"},
		"falling cut points":          {with("policy: {risk_band_cut: [0.1, 0.05, 0.2, 0.3]}\n"), "policy.risk_band_cut", "do not rise"},
		"cut point above one":         {with("policy: {risk_band_cut: [0.1, 0.2, 0.3, 1.3]}\n"), "policy.risk_band_cut[3]", "from 0 to 1"},
		"holdout above 100":           {with("policy: {holdout_pct: 101}\n"), "policy.holdout_pct", "from 0 to 100"},
		"second document":             {with("---\nname: other\n"), "", "second YAML document"},
		"not YAML":                    {with("a: [1\nb: 2\n"), "", "not YAML"},
		"a list":                      {"[1, 2]\n", "", "a job file: keys and values"},
		"two tags":                    {strings.Replace(small, "name: base", "name: !!binary YmFzZQ==", 1), "name", "tag"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := problemsOf(t, c.text)
			if len(got) != 1 {
				t.Fatalf("got %d problems, want 1:\n%v\nof\n%s", len(got), got, c.text)
			}
			p := got[0]
			if p.Path != c.path || !strings.Contains(p.String(), c.word) {
				t.Errorf("got %s (path %q), want path %q and the words %q", p, p.Path, c.path, c.word)
			}
			if p.File != "job.yaml" || p.Line < 1 || p.Column < 1 || p.Message == "" || p.Remedy == "" {
				t.Errorf("a problem needs file, line, column, message and remedy: %+v", p)
			}
		})
	}
}

func TestProblemsStandInTheOrderOfTheFileWhateverFindsThem(t *testing.T) {
	t.Parallel()
	got := problemsOf(t, "run: {workers: -1}\nname: a b\nmonth: x\nmodel: {path: m}\ninput: {path: p}\noutput: {path: o, pth: 1}\n")
	lines := []int{1, 2, 3, 6}
	if len(got) != len(lines) {
		t.Fatalf("got\n%v", got)
	}
	for i, p := range got {
		if p.Line != lines[i] {
			t.Errorf("problem %d is %s, want line %d", i, p, lines[i])
		}
	}
}

func TestMisspeltRequiredKeyIsOneProblem(t *testing.T) {
	t.Parallel()
	got := problemsOf(t, strings.Replace(small, "  path: out", "  pth: out", 1))
	if len(got) != 1 || got[0].Path != "output.pth" {
		t.Errorf("got\n%v", got)
	}
}

func TestAnEmptyFileNamesEveryRequiredKey(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "---\n", "{}\n", "input:\noutput:\n"} {
		got := problemsOf(t, text)
		var paths []string
		for _, p := range got {
			paths = append(paths, p.Path)
		}
		if want := []string{"name", "month", "input.path", "model.path", "output.path"}; !sameSet(paths, want) {
			t.Errorf("%q: got %v, want %v", text, paths, want)
		}
	}
}

func sameSet(a, b []string) bool {
	count := map[string]int{}
	for _, s := range a {
		count[s]++
	}
	for _, s := range b {
		count[s]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestWhatIsLeftOutIsResolved(t *testing.T) {
	t.Parallel()
	d, err := Decode("job.yaml", []byte(strings.Replace(small, "  path: base.parquet\n", `  path: base.parquet
  missing_months: null
  csv: {delimiter: "\t", null: [""]}
  columns:
    fee: {unit: yuan}
    sex: {values: {男: 1, 女: 2}}
    vip_class: {constant: 0}
    data_kb: {months: [a, "", c], unit: mb}
  extra: [{name: plan}, {name: tariff, column: TARIFF, values: [a, b]}]
`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	in := d.Spec.Input
	zero := int64(0)
	want := map[string]Mapping{
		"fee":       {Column: "fee_m{k}", Unit: "yuan"},
		"sex":       {Column: "sex", Values: map[string]int64{"男": 1, "女": 2}},
		"vip_class": {Constant: &zero},
		"data_kb":   {Months: []string{"a", "", "c"}, Unit: "mb"},
	}
	if !reflect.DeepEqual(in.Columns, want) {
		t.Errorf("columns: got %+v", in.Columns)
	}
	if in.MissingMonths != "null" || in.CSV.Delimiter != "\t" || !reflect.DeepEqual(in.CSV.Null, []string{""}) || !in.CSV.Header {
		t.Errorf("got %+v", in)
	}
	if in.Extra[0].Column != "plan" || in.Extra[1].Column != "TARIFF" {
		t.Errorf("extra: got %+v", in.Extra)
	}
}

func TestOverlaysWinInTurnAndKnowTheirSource(t *testing.T) {
	t.Parallel()
	d, err := Decode("job.yaml", []byte(small+"run: {workers: 2}\n"),
		Overlay{"run.workers", "3", "environment RESCORE_RUN__WORKERS"},
		Overlay{"run.workers", "4", "flag --workers"},
		Overlay{"name", "007", "flag --set"},
		Overlay{"input.columns.fee.unit", "yuan", "flag --set"},
		Overlay{"input.columns.fee.column", "F_{k}", "flag --set"},
		Overlay{"model.features.a.b", "fee_m0", "flag --set"},
		Overlay{"input.csv.null", `["", "-"]`, "flag --set"},
		Overlay{"policy.risk_band_cut", "[0.1, 0.2, 0.3, 0.4]", "flag --set"},
	)
	if err != nil {
		t.Fatal(err)
	}
	s := d.Spec
	if s.Run.Workers != 4 || s.Name != "007" || !reflect.DeepEqual(s.Input.Columns["fee"], Mapping{Column: "F_{k}", Unit: "yuan"}) ||
		s.Model.Features["a.b"] != "fee_m0" || !reflect.DeepEqual(s.Input.CSV.Null, []string{"", "-"}) || s.Policy.RiskBandCut[3] != 0.4 {
		t.Errorf("got\n%s", s.YAML(false))
	}
	for path, want := range map[string]string{
		"run.workers":            "flag --workers",
		"run.batch_rows":         "default",
		"month":                  "job.yaml:2:8",
		"input.path":             "job.yaml:4:9",
		"input.columns.fee.unit": "flag --set",
		"input.csv.null[1]":      "flag --set",
		"input.csv.header":       "default",
	} {
		if got := d.Origin(path).String(); got != want {
			t.Errorf("%s comes from %s, want %s", path, got, want)
		}
	}
}

func TestABadOverlayNamesItsSource(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, text, want string }{
		{"run.wrokers", "3", "flag --set: run.wrokers: this key is not known; did you mean workers?"},
		{"run.workers", "many", `flag --set: run.workers: wants a whole number, not "many"`},
		{"run.workers", "-1", "flag --set: run.workers: -1 is out of bounds; write a number from 0 to 4096"},
		{"run.workers", "", "flag --set: run.workers: the value is empty; give a value or remove it"},
		{"run.workers.x", "1", "flag --set: run.workers.x: there is no key inside a single value or a list; give run.workers whole"},
		{"input.csv.null", "[", "flag --set: input.csv.null: this is not YAML"},
		{"input.columns.fee.unit", "hour", `flag --set: input.columns.fee.unit: "hour" is not a unit of fee; write fen or yuan`},
		{"", "1", "flag --set: there is no key; write key=value, as in run.workers=4"},
		{"month", "0", "flag --set: month: the scoring month is missing"},
	} {
		got := problemsOf(t, small, Overlay{c.path, c.text, "flag --set"})
		if len(got) != 1 || !strings.HasPrefix(got[0].String(), c.want) {
			t.Errorf("%s=%s: got\n%v\nwant\n%s", c.path, c.text, got, c.want)
		}
	}
}

func TestHostileFilesAreRefusedInAMoment(t *testing.T) {
	t.Parallel()
	var bomb strings.Builder
	bomb.WriteString("a: &a [" + strings.Repeat("x,", 5000) + "x]\n")
	bomb.WriteString("input: {csv: {null: [" + strings.Repeat("*a,", 5000) + "x]}}\n")
	var extras strings.Builder
	extras.WriteString("input:\n  extra:\n  - &e {name: a, values: &v [" + strings.Repeat("x, ", 2000) + "x]}\n")
	for i := range 2000 {
		fmt.Fprintf(&extras, "  - {name: e%d, values: *v}\n", i)
	}
	var unknown strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&unknown, "verzion%d: 1\n", i)
	}
	for name, text := range map[string]string{
		"too large":     strings.Repeat("#", BytesMax+1),
		"alias lists":   bomb.String(),
		"alias values":  extras.String(),
		"deep brackets": strings.Repeat("[", 100_000),
		"deep maps":     strings.Repeat("{a: ", 50_000),
		"zero bytes":    "name: \x00\n",
		"not UTF-8":     "name: \xff\xfe\xfd\n",
		"self alias":    "input: &a {csv: *a}\n",
		"unknown keys":  unknown.String(),
		"repeated null": small + "x: 1\n" + "y: {csv: {null: [" + strings.Repeat("a, ", 100_000) + "a]}}\n",
		"many nulls":    strings.Replace(small, "  path: base.parquet\n", "  path: b\n  csv: {null: ["+strings.Repeat("a, ", 100_000)+"a]}\n", 1),
	} {
		if got := problemsOf(t, text); len(got) == 0 || len(got) > ProblemsMax {
			t.Errorf("%s: %d problems", name, len(got))
		}
	}
}

func FuzzDecodeNeverPanicsAndReadsBackWhatItWrote(f *testing.F) {
	f.Add([]byte(small), "run.workers", "4")
	f.Add([]byte(small+"rules: {t1_threshold_fen: [4, 3, 2, 1]}\n"), "input.columns.fee.unit", "yuan")
	f.Add([]byte("input: &a {csv: *a}\n"), "model.features.x", "[")
	f.Add([]byte("a: &a [*a]\nmonth: .inf\n? [x]\n: 1\n"), "...", "")
	f.Add([]byte(strings.Replace(small, "  path: base.parquet\n", "  path: b\n  missing_months: null\n  csv: {null: [\"null\", \"~\", \"\\n\", \" \"]}\n  columns: {sex: {column: \"1\", values: {\"\": 0}}}\n", 1)), "name", "1e3")
	f.Add([]byte(tabled(complaints)), "input.tables", "[{name: a, path: p, time: at, columns: {x: {function: count}}}]")
	f.Fuzz(func(t *testing.T, data []byte, path, text string) {
		d, err := Decode("job.yaml", data, Overlay{path, text, "flag"})
		if err != nil {
			var p Problems
			if !errors.As(err, &p) || len(p) == 0 {
				t.Fatalf("a %T without problems", err)
			}
			for _, q := range p {
				if q.File == "" || q.Message == "" {
					t.Fatalf("an empty problem: %+v", q)
				}
			}
			return
		}
		again, err := Decode("again.yaml", d.Spec.YAML(true))
		if err != nil {
			t.Fatalf("what was written is not read: %v\n%s", err, d.Spec.YAML(true))
		}
		if again.Spec.Digest() != d.Spec.Digest() || again.Spec.Run != d.Spec.Run {
			t.Fatalf("read back as another job:\n%s\n%s", d.Spec.Canonical(), again.Spec.Canonical())
		}
	})
}
