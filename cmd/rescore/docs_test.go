package main

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"rescore/cmd/internal/boot"
	"rescore/partition/job"
	"rescore/partition/schema"
	"rescore/worker/feature"
)

// document is a page of docs in English and in Chinese.
func document(t *testing.T, name string) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, file := range []string{name + ".md", name + ".zh.md"} {
		text, err := os.ReadFile("../../docs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		pages[file] = string(text)
	}
	return pages
}

// row returns the cells of the table row whose first cell is `name`.
func row(page, name string) ([]string, bool) {
	for line := range strings.SplitSeq(page, "\n") {
		if strings.HasPrefix(line, "| `"+name+"` |") {
			cells := strings.Split(strings.TrimSuffix(line[1:], "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			return cells, true
		}
	}
	return nil, false
}

// leaf is a key of the job file that holds a value.
type leaf struct {
	path string
	enum []string
	// table is set for a map: Values lists its keys, if there are any.
	table bool
}

func leaves(typ reflect.Type, path string) (list []leaf) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		at := strings.TrimPrefix(path+"."+f.Tag.Get("yaml"), ".")
		if f.Type.Kind() == reflect.Struct {
			list = append(list, leaves(f.Type, at)...)
			continue
		}
		l := leaf{path: at, table: f.Type.Kind() == reflect.Map}
		for part := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
			if text, ok := strings.CutPrefix(part, "enum="); ok {
				l.enum = append(l.enum, text)
			}
		}
		list = append(list, l)
	}
	return list
}

func TestJobFilePageHasEveryKeyWithItsDefaultAndItsWords(t *testing.T) {
	t.Parallel()
	defaults := map[string]string{}
	for _, v := range job.Default().Values() {
		defaults[v.Path] = v.Text
	}
	all := leaves(reflect.TypeFor[job.Spec](), "")
	if len(all) < 60 {
		t.Fatalf("only %d keys were found", len(all))
	}
	for file, page := range document(t, "job-file") {
		for _, l := range all {
			cells, ok := row(page, l.path)
			if !ok || len(cells) < 3 {
				t.Errorf("%s has no row for %s", file, l.path)
				continue
			}
			// A key without a default of its own says in words what happens.
			value, given := defaults[l.path]
			if l.table && !keyed(defaults, l.path) {
				value, given = "{}", true
			}
			inWords := !given || value == `""` || l.path == "month" || l.path == "run.workers" || l.path == "policy.offers" // the matrix is on the kernels' page
			if want := "`" + value + "`"; cells[1] != want && (!inWords || strings.Contains(cells[1], "`")) {
				t.Errorf("%s: the default of %s is %s, the page says %s", file, l.path, want, cells[1])
			}
			for _, word := range l.enum {
				if !strings.Contains(strings.Join(cells[1:], " "), "`"+word+"`") {
					t.Errorf("%s: the row of %s leaves out `%s`", file, l.path, word)
				}
			}
		}
		for _, part := range []reflect.Type{reflect.TypeFor[job.Mapping](), reflect.TypeFor[job.Extra](), reflect.TypeFor[job.Table](), reflect.TypeFor[job.Aggregate]()} {
			for i := range part.NumField() {
				if key := part.Field(i).Tag.Get("yaml"); !strings.Contains(page, "\n| `"+key+"` |") {
					t.Errorf("%s has no row for %s of %s", file, key, part.Name())
				}
			}
		}
	}
}

// keyed reports whether the table at path has keys by default.
func keyed(defaults map[string]string, path string) bool {
	for other := range defaults {
		if strings.HasPrefix(other, path+".") {
			return true
		}
	}
	return false
}

func TestJobFilePageHasEveryCanonicalColumnWithItsUnit(t *testing.T) {
	t.Parallel()
	for file, page := range document(t, "job-file") {
		for _, c := range schema.Subscriber {
			cells, ok := row(page, c.Name)
			switch {
			case !ok || len(cells) < 5:
				t.Errorf("%s has no row for %s", file, c.Name)
			case cells[1] != string(c.Unit):
				t.Errorf("%s: %s is in %q, the page says %q", file, c.Name, c.Unit, cells[1])
			case (cells[2] != "") != c.Monthly:
				t.Errorf("%s: %s is monthly: %t, the page says otherwise", file, c.Name, c.Monthly)
			}
		}
	}
}

var enumeration = regexp.MustCompile(`\b(\d+) ([A-Z_]{4,})`)

func TestOutputPageHasEveryColumnUnitSentinelAndCode(t *testing.T) {
	t.Parallel()
	for file, page := range document(t, "output") {
		for _, c := range schema.Published {
			cells, ok := row(page, c.Name)
			if !ok || len(cells) < 3 {
				t.Errorf("%s has no row for %s", file, c.Name)
				continue
			}
			text := strings.ReplaceAll(strings.Join(cells[1:], " "), "−", "-")
			sentinel, _, _ := strings.Cut(c.Null, ":")
			if !strings.Contains(text, string(c.Unit)) || !strings.Contains(text, sentinel) {
				t.Errorf("%s: the row of %s lacks its unit %q or its sentinel %q", file, c.Name, c.Unit, sentinel)
			}
			for _, code := range enumeration.FindAllString(c.Doc, -1) {
				if !strings.Contains(text, code) {
					t.Errorf("%s: the row of %s lacks %q", file, c.Name, code)
				}
			}
		}
		for r := job.Reason(1); r < job.Reasons; r++ {
			if _, ok := row(page, r.String()); !ok {
				t.Errorf("%s has no row for reason %s", file, r)
			}
		}
	}
}

func TestKernelsPageNamesEveryFeatureTriggerAndDecision(t *testing.T) {
	t.Parallel()
	decisions, _ := schema.Find(schema.Score, "retain_decision")
	for file, page := range document(t, "kernels") {
		if !strings.Contains(page, fmt.Sprint(len(feature.Dictionary))) {
			t.Errorf("%s does not say that there are %d features", file, len(feature.Dictionary))
		}
		for _, e := range feature.Dictionary {
			if !strings.Contains(page, "`"+e.Name+"`") && !composed(page, e.Name) {
				t.Errorf("%s does not mention feature %s", file, e.Name)
			}
		}
		for i := 1; i <= 14; i++ {
			if !strings.Contains(page, fmt.Sprintf("\n| T%d |", i)) {
				t.Errorf("%s has no row for T%d", file, i)
			}
		}
		for _, found := range enumeration.FindAllStringSubmatch(decisions.Doc, -1) {
			if !regexp.MustCompile(`\n\| \d+ \| ` + found[2] + `\b`).MatchString(page) {
				t.Errorf("%s has no row for decision %s", file, found[2])
			}
		}
	}
}

func TestKernelsPageHasTheOfferMatrixAndEveryCause(t *testing.T) {
	t.Parallel()
	causes, _ := schema.Find(schema.Score, "cause")
	for file, page := range document(t, "kernels") {
		for i, o := range job.Default().Policy.Offers {
			if !strings.Contains(page, fmt.Sprintf("\n| %d | `%s` | %s", i+1, o.When, o.Offer)) {
				t.Errorf("%s does not have line %d of the matrix: %s when %s", file, i+1, o.Offer, o.When)
			}
		}
		for _, code := range enumeration.FindAllStringSubmatch(causes.Doc, -1) {
			if !regexp.MustCompile(`\b` + code[1] + `\b.* ` + code[2] + `\b`).MatchString(page) {
				t.Errorf("%s does not mention cause %s, %s", file, code[1], code[2])
			}
		}
	}
}

// The files of features and rules on the rules' page, which a job file names before, are
// ones that can be used.
func TestRulesPageShowsFilesThatAreValid(t *testing.T) {
	t.Parallel()
	for file, page := range document(t, "rules") {
		blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page, -1)
		if len(blocks) != 3 {
			t.Errorf("%s shows %d files, want 3", file, len(blocks))
			continue
		}
		spec := job.Default()
		spec.Month = 202610
		for i, kind := range []string{"features", "rules"} {
			var err error
			if spec, err = boot.LoadAlone(kind, file, []byte(blocks[i+1][1]), spec); err != nil {
				t.Errorf("%s, %s: %v", file, kind, err)
			}
		}
		if len(spec.Features) == 0 || len(spec.Custom) == 0 {
			t.Errorf("%s shows %d features and %d rules", file, len(spec.Features), len(spec.Custom))
		}
	}
}

// composed reports whether a page names a metric's feature by its two halves.
func composed(page, name string) bool {
	for i, c := range name {
		if c == '_' && strings.Contains(page, "`"+name[:i]+"`") && strings.Contains(page, "| x`"+name[i:]+"` |") {
			return true
		}
	}
	return false
}

func TestGuideHasEveryExitCode(t *testing.T) {
	t.Parallel()
	for file, page := range document(t, "guide") {
		for _, c := range boot.Codes {
			if !strings.Contains(page, fmt.Sprintf("\n| %d | `%s` |", c.Code, c.Kind)) {
				t.Errorf("%s has no row for exit code %d, %s", file, c.Code, c.Kind)
			}
		}
	}
}

// The job file of the guide is one that can be run.
func TestGuideShowsAJobFileThatIsValid(t *testing.T) {
	t.Parallel()
	for file, page := range document(t, "guide") {
		_, rest, found := strings.Cut(page, "```yaml\n")
		text, _, closed := strings.Cut(rest, "```")
		if !found || !closed {
			t.Errorf("%s shows no job file", file)
			continue
		}
		if _, err := job.Decode(file, []byte(text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
