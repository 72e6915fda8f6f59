package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rescore/cmd/internal/boot"
)

// demo is a folder with a small base and its published version.
func demo(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var text strings.Builder
	text.WriteString("msisdn,pay_mode,balance_fen,fault_cnt_m0,fee_m0,fee_m1,fee_m2,fee_m3,imei_m0\n")
	for i := range 400 {
		fmt.Fprintf(&text, "%d,1,%d,%d,6000,7200,8500,10000,35012345678901\n", 13800130000+i, 400+i, i%4)
	}
	for name, content := range map[string]string{
		"a.csv":    text.String(),
		"job.yaml": "name: base\nmonth: 202610\ninput: {path: a.csv}\nmodel: {path: builtin:baseline}\noutput: {path: out}\nrun: {workers: 1}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := call(t, ours(), nil, "run", filepath.Join(dir, "job.yaml"), "--quiet"); got.code != boot.OK {
		t.Fatal(got.errors)
	}
	return dir
}

func TestExplainAnswersInBothLanguagesAndForms(t *testing.T) {
	t.Parallel()
	dir := demo(t)
	job := filepath.Join(dir, "job.yaml")
	for _, c := range []struct {
		environ []string
		args    string
		says    []string
	}{
		{nil, "", []string{
			"138****0007   month 202610", "T2  TRUE      fee falling three months\n      bill of m-3 at least 35.00 yuan, then three falls in a row, by 40 % or more in all\n" +
				"      compared: fee_m0 60.00 yuan, fee_m1 72.00 yuan, fee_m2 85.00 yuan, fee_m3 100.00 yuan, fall_pct 40.00 %\n",
			"T3  TRUE ", "balance_fen 4.07 yuan", "T8  TRUE ", "T7  UNKNOWN", "missing: other_ld_sec_m0", "35012345******", "rules.t2_drop_pct=40",
		}},
		{[]string{"LANG=zh_CN.UTF-8"}, "", []string{
			"138****0007   评分月 202610", "T2  是        话费连续三个月下降\n      m-3 账单不低于 35.00 元，随后连续三个月下降，累计下降 40 % 以上\n" +
				"      比较值: fee_m0 60.00 元, fee_m1 72.00 元, fee_m2 85.00 元, fee_m3 100.00 元, fall_pct 40.00 %\n",
			"未知", "缺值：other_ld_sec_m0", "挽留决策",
		}},
		{[]string{"LANG=zh_CN.UTF-8"}, "--lang en", []string{"record used"}},
		{nil, "--lang zh --unmask", []string{"13800130007   评分月", "35012345678901"}},
	} {
		got := call(t, ours(), c.environ, append([]string{"explain", "--number", "13800130007", job}, strings.Fields(c.args)...)...)
		if got.code != boot.OK {
			t.Fatalf("%s: %d %s", c.args, got.code, got.errors)
		}
		for _, say := range c.says {
			if !strings.Contains(got.out, say) {
				t.Errorf("%v %s: the answer leaves out %q\n%s", c.environ, c.args, say, got.out)
			}
		}
		if strings.Contains(got.out+got.errors, "0130007") != strings.Contains(c.args, "unmask") {
			t.Errorf("%s: the number is masked, or not, as it was not asked for", c.args)
		}
	}
	var answer struct {
		Outcome  string
		Triggers []struct{ Trigger, Verdict string }
		Decision struct{ Path []struct{ Taken bool } }
	}
	got := callIn(t.Context(), ours(), nil, "13800130007\n", "explain", "--number", "-", filepath.Join(dir, "out"), "--output", "json")
	if err := json.Unmarshal([]byte(got.out), &answer); err != nil || answer.Outcome != "scored" || len(answer.Triggers) != 14 || answer.Triggers[1].Verdict != "TRUE" || len(answer.Decision.Path) != 11 || strings.Contains(got.out, "0130007") {
		t.Errorf("%s %v %+v", got.errors, err, answer)
	}
}

func TestExplainAndWhatifHaveTheirExitCodes(t *testing.T) {
	t.Parallel()
	dir := demo(t)
	versions, err := filepath.Glob(filepath.Join(dir, "out", "month=202610", "version=*"))
	if err != nil || len(versions) != 1 {
		t.Fatal(versions, err)
	}
	id := strings.TrimPrefix(filepath.Base(versions[0]), "version=")
	job, out := filepath.Join(dir, "job.yaml"), filepath.Join(dir, "out")
	if err := os.WriteFile(filepath.Join(dir, "bad-rules.yaml"), []byte("low: fee[0] < nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want int
		args string
	}{
		{boot.OK, "explain --number 13800130001 " + job}, {boot.OK, "explain --number 13800130001 " + out}, {boot.OK, "explain --number 13800130001 " + versions[0]},
		{boot.OK, "explain --number 13800130001 " + id + " --path " + out}, {boot.OK, "explain --number 13800130001 --base " + dir + " " + out},
		{boot.Usage, "explain " + job}, {boot.Usage, "explain --number 13800130001"}, {boot.Usage, "explain --number 1380013000 " + job}, {boot.Usage, "explain --number 13800130001 " + job + " --lang fr"},
		{boot.Usage, "explain --number 13800130001 " + out + " --path " + out}, {boot.NotFound, "explain --number 13800130001 --base " + t.TempDir() + " " + out},
		{boot.NotFound, "explain --number 13900130001 " + job}, {boot.NotFound, "explain --number 13800130001 v9 --path " + out}, {boot.NotFound, "explain --number 13800130001 " + filepath.Join(dir, "gone")},
		{boot.OK, "whatif " + job + " --set t2.drop_pct=30"}, {boot.OK, "whatif " + id + " --path " + out + " --set t8.faults=1 --sample 5%"}, {boot.OK, "whatif " + versions[0] + " --set rules.t8_faults=1 --workers 1"},
		{boot.Usage, "whatif"}, {boot.Usage, "whatif " + job}, {boot.Usage, "whatif " + job + " --set t2.drop_pc=30"}, {boot.Usage, "whatif " + job + " --set t2.drop_pct=many"}, {boot.Usage, "whatif " + job + " --set policy.margin=1"},
		{boot.Usage, "whatif " + job + " --set t2.drop_pct=30 --sample 0"}, {boot.Usage, "whatif " + job + " --set t2.drop_pct=30 --sample 5x"}, {boot.Usage, "whatif " + job + " --set t2.drop_pct=30 --workers -1"},
		{boot.Usage, "whatif " + job + " --rules " + filepath.Join(dir, "bad-rules.yaml")}, {boot.NotFound, "whatif " + job + " --rules " + filepath.Join(dir, "gone.yaml")}, {boot.NotFound, "whatif " + filepath.Join(dir, "gone") + " --set t8.faults=1"},
	} {
		for _, form := range []string{"text", "json"} {
			got := call(t, ours(), nil, append(strings.Fields(c.args), "--quiet", "--output", form)...)
			if got.code != c.want {
				t.Errorf("%s (%s): exit code %d, want %d\n%s", c.args, form, got.code, c.want, got.errors)
			}
			if (got.code == boot.OK) != (got.out != "") || (got.code != boot.OK) != (got.errors != "") {
				t.Errorf("%s (%s): an answer belongs on stdout and an error on stderr: %q, %q", c.args, form, got.out, got.errors)
			}
			if strings.Contains(got.errors, "0130001") || strings.Contains(got.errors, "1380013000") {
				t.Errorf("%s (%s): the number is in the error", c.args, form)
			}
		}
	}
	got := call(t, ours(), nil, "whatif", job, "--set", "t2.drop_pc=30")
	if !strings.Contains(got.errors, "did you mean t2_drop_pct?") {
		t.Error(got.errors)
	}
}

func TestVerifySaysWhatIsDamaged(t *testing.T) {
	t.Parallel()
	dir := demo(t)
	out := filepath.Join(dir, "out")
	files, err := filepath.Glob(filepath.Join(out, "month=202610", "version=*", "part-*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, c := range []struct {
		want int
		args string
	}{
		{boot.OK, "verify --path " + out}, {boot.Usage, "verify"}, {boot.Usage, "verify --path " + out + " --workers 0"},
		{boot.NotFound, "verify v9 --path " + out}, {boot.NotFound, "verify --path " + filepath.Join(dir, "gone")},
	} {
		if got := call(t, ours(), nil, append(strings.Fields(c.args), "--quiet")...); got.code != c.want {
			t.Errorf("%s: exit code %d, want %d\n%s", c.args, got.code, c.want, got.errors)
		}
	}
	if got := call(t, ours(), nil, "verify", "--path", out, "--quiet", "--output", "json"); got.code != boot.OK || !strings.Contains(got.out, `"damage":[]`) {
		t.Errorf("%+v", got)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if got := call(t, ours(), nil, "verify", "--path", out, "--quiet"); got.code != boot.Failure || !strings.Contains(got.out, "damaged: "+filepath.Base(files[0])) || !strings.Contains(got.errors, "damaged files: 1") {
		t.Errorf("%+v", got)
	}
	var v struct {
		Files  int
		Damage []struct{ File, Problem string }
	}
	got := call(t, ours(), nil, "verify", "--path", out, "--quiet", "--output", "json")
	if err := json.Unmarshal([]byte(got.out), &v); err != nil || got.code != boot.Failure || len(v.Damage) != 1 || v.Damage[0].File != filepath.Base(files[0]) || v.Damage[0].Problem == "" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhatifSaysWhatItFoundAndHow(t *testing.T) {
	t.Parallel()
	dir := demo(t)
	got := call(t, ours(), nil, "whatif", filepath.Join(dir, "job.yaml"), "--set", "t8.faults=3", "--set", "t2.drop_pct=41")
	for _, say := range []string{
		"400 scored", "rules.t8_faults: 2 → 3", "rules.t2_drop_pct: 40 → 41", "exact: every row was judged again",
		"T2     400      0             0        400", "T8     200    100             0        100",
	} {
		if !strings.Contains(got.out, say) {
			t.Errorf("the answer leaves out %q\n%s", say, got.out)
		}
	}
}
