package arch

import (
	"regexp"
	"strings"
)

// leak is text that ties a file to one machine or one network. The patterns are
// put together from pieces so that this file does not match itself.
type leak struct {
	pattern *regexp.Regexp
	what    string
	why     string
	remedy  string
}

const (
	whyPath     = "a tracked file works in any clone on any machine"
	relative    = "use a path relative to the repository, t.TempDir, or an option"
	whyRegistry = "where modules and images are fetched from is the reader's choice and may name a private network"
	fromEnv     = "leave it to the environment (GOPROXY and the like)"
)

var leaks = []leak{
	{regexp.MustCompile(`(^|[^\w.~})*-])/` + `work/`), "holds a path of one machine", whyPath, relative},
	{regexp.MustCompile(`(^|[^\w.~})*-])/` + `root(/|$)`), "holds a path of one machine", whyPath, relative},
	{regexp.MustCompile(`(^|[^\w.~})*-])/` + `(home|Users)/[\w.-]+/`), "holds somebody's home folder", whyPath, relative},
	{regexp.MustCompile(`/tmp/` + `bash_jobs`), "holds a path of one machine", whyPath, relative},
	{regexp.MustCompile(`(?i)\b(proxy\.` + `golang\.org|sum\.` + `golang\.org|goproxy\.` + `(io|cn)|registry\.` + `npmjs\.org|pypi\.` + `org|index\.` + `crates\.io|artifactory\.|nexus\.)`), "names a package registry", whyRegistry, fromEnv},
	{regexp.MustCompile(`GO` + `PROXY=\s*["']?https?:`), "names a package registry", whyRegistry, fromEnv},
}

func checkLeaks(t *tree) []Finding {
	var found []Finding
	for _, name := range t.files {
		text, err := t.read(name)
		if err != nil {
			found = append(found, unreadable(name, err))
			continue
		}
		number := 0
		for line := range strings.SplitSeq(text, "\n") {
			number++
			for _, l := range leaks {
				if l.pattern.MatchString(line) {
					found = append(found, Finding{File: name, Line: number, What: l.what, Why: l.why, Remedy: l.remedy})
				}
			}
		}
	}
	return found
}
