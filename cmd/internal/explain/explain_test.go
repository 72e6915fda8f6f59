package explain

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rescore/cmd/internal/local"
	"rescore/cmd/internal/province"
	"rescore/partition"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/partition/store"
	"rescore/partition/synth"
	"rescore/worker/feature"
)

const month = 202610

// base is a province of a layout and a format, scored.
type base struct {
	dir     string
	version *local.Version
}

func scored(t *testing.T, subscribers int64, format, layout string, change ...func(*job.Spec)) base {
	t.Helper()
	dir := t.TempDir()
	st, err := store.NewFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := synth.Default(5, subscribers, month)
	if _, err := province.Write(t.Context(), st, province.Options{Province: p, Format: format, Layout: layout, Files: 3, Workers: 2}); err != nil {
		t.Fatal(err)
	}
	spec := job.Default()
	spec.Name, spec.Month = "province", month
	spec.Input.Path, spec.Input.Layout = "base", layout
	if layout == "months" {
		spec.Input.Path = "base/month={month}"
	}
	spec.Model.Path, spec.Output.Path, spec.Run.Work = "builtin:baseline", "out", "work"
	spec.Run.Workers, spec.Run.PartitionRows = 2, subscribers/4
	for _, c := range change {
		c(&spec)
	}
	if _, err := local.Run(t.Context(), local.Options{Spec: spec, Base: dir}); err != nil {
		t.Fatal(err)
	}
	return base{dir, opened(t, dir)}
}

func opened(t *testing.T, dir string) *local.Version {
	t.Helper()
	v, err := local.OpenVersion(t.Context(), filepath.Join(dir, "out"), "", "")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// numbers are some of a province's, from its CSV of the scoring month.
func numbers(t *testing.T, dir, pattern string, every int) []partition.Number {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "base", pattern))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var list []partition.Number
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for i := 0; lines.Scan(); i++ {
			text, _, _ := strings.Cut(lines.Text(), ",")
			if n, err := partition.ParseNumber(text); err == nil && i%every == 0 {
				list = append(list, n)
			}
		}
	}
	return list
}

func ask(t *testing.T, v *local.Version, n partition.Number, o Options) *Answer {
	t.Helper()
	a, err := Ask(t.Context(), v, n, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestEveryRowExplainedIsThePublishedOne asks about many subscribers of every
// form of input; Ask itself holds each to the published row.
func TestEveryRowExplainedIsThePublishedOne(t *testing.T) {
	t.Parallel()
	const subscribers = 2000
	texts := map[partition.Number]map[string]string{}
	for _, c := range []struct{ format, layout string }{{"csv", "wide"}, {"csv", "months"}, {"parquet", "wide"}, {"parquet", "months"}} {
		b := scored(t, subscribers, c.format, c.layout, func(s *job.Spec) {
			s.Model.Challengers = []job.Challenger{{Name: "half", Path: "builtin:baseline", UndersamplingBeta: 0.5}}
			s.Policy.ContactCostFen, s.Policy.OfferCostFen = 0, 0       // so that many are worth retaining
			s.Model.Reasons.Exact, s.Model.Reasons.ExactPct = "top", 40 // Ask holds them to Shapley values of the row
		})
		checkExplained(t, b.version)
		if c.format == "csv" {
			pattern := "*.csv"
			if c.layout == "months" {
				pattern = "month=202610/*.csv"
			}
			for _, n := range numbers(t, b.dir, pattern, 53) {
				if texts[n] == nil {
					texts[n] = map[string]string{}
				}
			}
		}
		if len(texts) < 30 {
			t.Fatalf("only %d numbers", len(texts))
		}
		verdicts := map[string]int{}
		for n := range texts {
			a := ask(t, b.version, n, Options{})
			if a.Outcome != "scored" || len(a.Features) < len(feature.Dictionary) || len(a.Triggers) != 14 || len(a.Scores) != len(schema.Published)-2 /* without the number and the users' rules, of which there are none, and with the challenger */ {
				t.Fatalf("%s %s: outcome %s, %d features, %d triggers, %d scores", c.format, c.layout, a.Outcome, len(a.Features), len(a.Triggers), len(a.Scores))
			}
			for _, trigger := range a.Triggers {
				verdicts[trigger.Verdict]++
				if trigger.Verdict == isUnknown && trigger.Why == "" {
					t.Errorf("%s is unknown and nobody says why", trigger.Trigger)
				}
			}
			taken := slices.IndexFunc(a.Decision.Path, func(s Step) bool { return s.Taken })
			if first := slices.IndexFunc(a.Decision.Path, func(s Step) bool { return s.Applies }); taken < 0 || first != taken {
				t.Errorf("decision %d is taken, %d is the first that applies", taken, first)
			}
			text := a.Text()
			champion, challenger := published(a, "propensity"), published(a, "propensity_half")
			if half := champion / 2 / (champion/2 - champion + 1); !(math.Abs(challenger-half) < 1e-6) || !strings.Contains(text, "churn propensity by half") {
				t.Errorf("the champion says %v and the challenger %v, want %v, in\n%s", champion, challenger, half, text[strings.Index(text, "published"):])
			}
			checkReasons(t, a, text, verdicts)
			texts[n][c.format+c.layout] = text[strings.Index(text, "features"):]
		}
		if verdicts[isTrue] == 0 || verdicts[isFalse] == 0 || verdicts[isUnknown] == 0 || verdicts["path"] == 0 || verdicts["exact"] == 0 {
			t.Errorf("verdicts %v: the subscribers prove little", verdicts)
		}
	}
	for _, of := range texts {
		if distinct := slices.Compact(slices.Sorted(maps.Values(of))); len(distinct) != 1 {
			t.Fatal("the four forms of one province are explained differently")
		}
	}
}

// checkExplained holds the manifest's counts of rows by method to the rows scored.
func checkExplained(t *testing.T, v *local.Version) {
	t.Helper()
	var total job.Explained
	for _, p := range v.Manifest.Partitions {
		if e := p.Explained; e.None+e.Path+e.Exact != p.Rows.Scored || e.Path < 0 || e.Exact < 0 {
			t.Errorf("partition %s: %+v of %d rows", p.Range, e, p.Rows.Scored)
		}
		total = total.Add(p.Explained)
	}
	if total != v.Manifest.Tally.Explained || total.Exact == 0 || total.None != 0 || len(v.Manifest.Features) == 0 {
		t.Errorf("partitions add up to %+v, the tally is %+v; %d features are named", total, v.Manifest.Tally.Explained, len(v.Manifest.Features))
	}
}

// checkReasons holds what is said of reasons to the published columns.
func checkReasons(t *testing.T, a *Answer, text string, seen map[string]int) {
	t.Helper()
	whole := func(column string) int64 {
		return a.Scores[slices.IndexFunc(a.Scores, func(s Score) bool { return s.Column == column })].Value.(int64)
	}
	method := map[int64]string{1: "path", 2: "exact"}[whole("reason_method")]
	seen[method]++
	if len(a.Reasons) != int(whole("reason_method")) || a.Reasons[0].Method != method || !a.Reasons[0].Published || a.Reasons[len(a.Reasons)-1].Method != "path" {
		t.Fatalf("reasons by %s: %+v", method, a.Reasons)
	}
	for _, m := range a.Reasons {
		before, shares := math.Inf(1), 0.0
		for k, r := range m.Reasons {
			if m.Published && int64(r.Code) != whole(fmt.Sprintf("reason%d", k+1)) {
				t.Fatalf("reason %d is %+v, published is %d", k+1, r, whole(fmt.Sprintf("reason%d", k+1)))
			}
			if r.Contribution <= 0 || r.Contribution > before || r.Share <= 0 || r.Share > 1 || !strings.Contains(text, fmt.Sprintf("%+.4f", r.Contribution)) || !strings.Contains(text, r.Feature) {
				t.Fatalf("reason %d: %+v in\n%s", k+1, r, text)
			}
			before, shares = r.Contribution, shares+r.Share
		}
		if shares > 1+1e-9 {
			t.Errorf("the shares of three reasons come to %v", shares)
		}
	}
}

// published returns a float among the published scores.
func published(a *Answer, column string) float64 {
	i := slices.IndexFunc(a.Scores, func(s Score) bool { return s.Column == column })
	if i < 0 {
		return math.NaN()
	}
	return a.Scores[i].Value.(float64)
}

var digits = regexp.MustCompile(`\d{9,}`)

// TestNoNumberLeaksUnlessAskedFor scans text, JSON and errors for the number, and
// for the handset's.
func TestNoNumberLeaksUnlessAskedFor(t *testing.T) {
	t.Parallel()
	b := scored(t, 2000, "csv", "wide")
	handsets := 0
	for _, n := range numbers(t, b.dir, "*.csv", 211) {
		secrets := []string{n.Digits()}
		for _, c := range ask(t, b.version, n, Options{Unmask: true}).Record {
			for _, v := range c.Values {
				if c.Column == "imei" && v.Value != nil {
					secrets = append(secrets, fmt.Sprint(v.Value))
					handsets++
				}
			}
		}
		for _, lang := range []Lang{English, Chinese} {
			for _, unmask := range []bool{false, true} {
				a := ask(t, b.version, n, Options{Lang: lang, Unmask: unmask})
				line, err := json.Marshal(a)
				if err != nil {
					t.Fatal(err)
				}
				for form, text := range map[string]string{"text": a.Text(), "json": string(line), "struct": fmt.Sprintf("%+v", *a)} {
					for i, secret := range secrets {
						if strings.Contains(text, secret) != unmask {
							t.Fatalf("the number, or handset %d, in the %s: %v, asked for %v", i, form, !unmask, unmask)
						}
					}
					if long := digits.FindString(strings.ReplaceAll(text, b.version.Manifest.Version, "")); long != "" && !unmask && !strings.Contains(long, "2026") && form == "text" {
						t.Errorf("nine digits and more in the %s", form)
					}
				}
			}
		}
	}
	if handsets == 0 {
		t.Error("nobody has a handset")
	}
	if _, err := Ask(t.Context(), b.version, 19_999_999_998, Options{}); !errors.Is(err, ErrAbsent) || strings.Contains(err.Error(), "1999999") {
		t.Errorf("a number that is not there: %v", err)
	}
}

func TestWhatIsNotScoredSaysWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var text strings.Builder
	text.WriteString("msisdn,service_type,fee_m0\n")
	for i := range 300 {
		fmt.Fprintf(&text, "%d,1,100\n", 13800130000+i)
	}
	text.WriteString("13800131000,4,100\n13800131001,1,many\n13800131002,1,none\n13800131002,1,7\n13900130000,1,1\n")
	if err := os.WriteFile(filepath.Join(dir, "a.csv"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	spec := job.Default()
	spec.Name, spec.Month, spec.Input.Path, spec.Model.Path = "base", month, "a.csv", "builtin:baseline"
	spec.Input.Exclude.Segments, spec.Input.Exclude.ServiceTypes = []uint32{1390013}, []uint32{4}
	spec.Output.Path, spec.Run.Work, spec.Run.Workers, spec.Gates.RejectShareMax = "out", "work", 1, 0.1
	if _, err := local.Run(t.Context(), local.Options{Spec: spec, Base: dir}); err != nil {
		t.Fatal(err)
	}
	v := opened(t, dir)
	for n, want := range map[partition.Number]string{
		13800130007: "scored ", 13800131000: "excluded EXCLUDED_SERVICE", 13800131001: "rejected BAD_VALUE", 13800131002: "scored ", 13900130000: "excluded EXCLUDED_SEGMENT",
	} {
		a := ask(t, v, n, Options{})
		if got := a.Outcome + " " + a.Reason; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if !strings.Contains(a.Text(), "record used") || (a.Outcome == "scored") != (a.Decision != nil) {
			t.Errorf("%s: %s", want, a.Text())
		}
	}
	// Of two rows the sound one is used.
	two := ask(t, v, 13800131002, Options{})
	if fee := two.Record[slices.IndexFunc(two.Record, func(c Column) bool { return c.Column == "fee" })]; two.Rows != 2 || fee.Values[0].Value != int64(7) || fee.Absent {
		t.Errorf("%d rows, fee %+v", two.Rows, fee)
	}
	if a := two.Record[slices.IndexFunc(two.Record, func(c Column) bool { return c.Column == "balance_fen" })]; !a.Absent {
		t.Error("a column the input lacks is not called absent")
	}
}

func TestAnInputOrModelThatChangedIsRefusedByName(t *testing.T) {
	t.Parallel()
	b := scored(t, 1000, "csv", "wide")
	n := numbers(t, b.dir, "*.csv", 50)[0]
	files, _ := filepath.Glob(filepath.Join(b.dir, "base", "*.csv"))
	last := files[len(files)-1]
	whole, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string][]byte{"longer": append(slices.Clone(whole), '\n'), "other bytes": append(slices.Clone(whole[:len(whole)-3]), "9\r\n"...)} {
		if err := os.WriteFile(last, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Ask(t.Context(), b.version, n, Options{})
		if !errors.Is(err, local.ErrChanged) || !strings.Contains(fmt.Sprint(err), filepath.Base(last)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := os.WriteFile(last, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	ask(t, b.version, n, Options{})
	b.version.Manifest.Model = strconv.Itoa(7)
	if _, err := Ask(t.Context(), b.version, n, Options{}); !errors.Is(err, local.ErrChanged) || !strings.Contains(fmt.Sprint(err), "model builtin:baseline") {
		t.Errorf("another model: %v", err)
	}
}

func TestADifferenceFromThePublishedRowIsAnIncident(t *testing.T) {
	t.Parallel()
	b := scored(t, 1000, "csv", "wide")
	published, _, err := b.version.Row(t.Context(), numbers(t, b.dir, "*.csv", 50)[1])
	if err != nil {
		t.Fatal(err)
	}
	defer published.Release()
	r := &row{made: cells(published)}
	if err := r.compare(published); err != nil {
		t.Fatal(err)
	}
	tier := r.made["value_tier"]
	tier.whole++
	r.made["value_tier"] = tier
	if err := r.compare(published); !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), "value_tier") {
		t.Errorf("%v", err)
	}
}

func TestTheUsersFeaturesAndRulesAreExplained(t *testing.T) {
	t.Parallel()
	b := scored(t, 1000, "csv", "wide", func(s *job.Spec) {
		s.Features = []job.Formula{{Name: "drop", Text: "1 - fee[0] / mean(fee[1:3])"}}
		s.Custom = []job.Formula{{Name: "never", Text: "fee[0] < -1000000"}, {Name: "always", Text: "fee[0] >= -1000000\n\tor fee[0] < 0", Doc: "everybody with a bill"}}
	})
	found := map[string]int{}
	for _, n := range numbers(t, b.dir, "*.csv", 97) {
		a := ask(t, b.version, n, Options{})
		for i, r := range a.UserRules {
			found[fmt.Sprint(i, r.Rule, r.Verdict)]++
		}
		own := a.Features[len(a.Features)-1]
		if own.Feature != "drop" || own.Formula != "1 - fee[0] / mean(fee[1:3])" {
			t.Fatalf("the last feature is %+v", own)
		}
		if own.Value != nil {
			found["drop"]++
		}
		if text := a.Text(); !strings.Contains(text, "always  fee[0] >= -1000000 or fee[0] < 0\n") {
			t.Fatal(text)
		}
	}
	if found["0neverFALSE"] == 0 || found["0neverTRUE"] != 0 || found["1alwaysTRUE"] == 0 || found["drop"] == 0 {
		t.Errorf("%v", found)
	}
}
