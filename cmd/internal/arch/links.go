package arch

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
)

var (
	inlineLink    = regexp.MustCompile(`\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)`)
	referenceLink = regexp.MustCompile(`^\s{0,3}\[[^\]]+\]:\s+<?([^\s>]+)>?`)
	codeSpan      = regexp.MustCompile("`+[^`]*`+")
	heading       = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*\s*$`)
)

func checkLinks(t *tree) []Finding {
	var found []Finding
	for _, name := range t.files {
		if path.Ext(name) != ".md" {
			continue
		}
		text, err := t.read(name)
		if err != nil {
			found = append(found, unreadable(name, err))
			continue
		}
		prose(text, func(number int, line string) {
			line = codeSpan.ReplaceAllString(line, "")
			targets := inlineLink.FindAllStringSubmatch(line, -1)
			targets = append(targets, referenceLink.FindAllStringSubmatch(line, -1)...)
			for _, m := range targets {
				if what := t.broken(name, m[1]); what != "" {
					found = append(found, Finding{
						File: name, Line: number, What: what,
						Why:    "a document that points nowhere is worse than none",
						Remedy: "correct the path (relative to the document) or the heading, or remove the link",
					})
				}
			}
		})
	}
	return found
}

// broken says what is wrong with a link in the document, or nothing. Links out
// of the repository are not followed: a test must not need a network.
func (t *tree) broken(document, target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return "link " + target + " cannot be read"
	}
	if u.Scheme != "" || u.Host != "" {
		return ""
	}
	file := document
	if u.Path != "" {
		if strings.HasPrefix(u.Path, "/") {
			return "link " + target + " starts at the root of a machine, not at the document"
		}
		file = path.Join(path.Dir(document), u.Path)
		if strings.HasPrefix(file, "../") {
			return "link " + target + " leaves the repository"
		}
		if _, err := os.Stat(filepath.Join(t.root, file)); err != nil {
			return "link " + target + " leads to " + file + ", which does not exist"
		}
	}
	if u.Fragment == "" || path.Ext(file) != ".md" {
		return ""
	}
	text, err := t.read(file)
	if err != nil {
		return "link " + target + ": " + err.Error()
	}
	if !hasHeading(text, u.Fragment) {
		return "link " + target + ": " + file + " has no heading of that name"
	}
	return ""
}

// prose calls f with every line of a document that is not inside a code fence.
func prose(text string, f func(number int, line string)) {
	fence := ""
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		mark := strings.TrimLeft(line, " ")
		switch {
		case fence != "":
			if strings.HasPrefix(mark, fence) {
				fence = ""
			}
		case strings.HasPrefix(mark, "```"), strings.HasPrefix(mark, "~~~"):
			fence = mark[:3]
		default:
			f(number, line)
		}
	}
}

func hasHeading(text, fragment string) bool {
	has := false
	prose(text, func(_ int, line string) {
		if m := heading.FindStringSubmatch(line); m != nil && anchor(m[1]) == strings.ToLower(fragment) {
			has = true
		}
	})
	return has
}

// anchor is the name a heading gets on the usual forges: lower case, spaces to
// hyphens, punctuation dropped, letters of any script kept.
func anchor(title string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unreadable(name string, err error) Finding {
	return Finding{File: name, What: "cannot be read: " + err.Error(), Why: "what cannot be read cannot be checked", Remedy: "make it readable or remove it"}
}
