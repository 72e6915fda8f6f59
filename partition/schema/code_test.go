package schema

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
)

// A name that meant two values, or a value with two names, would make a rule
// and its explanation disagree.
func TestCodesAreNamedOnceInEachLanguage(t *testing.T) {
	t.Parallel()
	word := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	for _, record := range [][]Column{Subscriber, Published} {
		for _, c := range record {
			seen := map[string]bool{}
			for _, code := range append(append([]Code{}, c.Codes...), c.Flags...) {
				for _, name := range []string{"=" + fmt.Sprint(code.Value), code.Name, code.Chinese} {
					if seen[name] || name == "" {
						t.Errorf("%s: %q stands there twice, or is empty", c.Name, name)
					}
					seen[name] = true
				}
				if !word.MatchString(code.Name) {
					t.Errorf("%s: %q is not one word", c.Name, code.Name)
				}
				if got, ok := c.Find(code.Chinese); !ok || got != code {
					t.Errorf("%s: %s is found as %v", c.Name, code.Chinese, got)
				}
			}
			bits := c.Type.(arrow.FixedWidthDataType).BitWidth()
			if len(c.Codes) > 0 && len(c.Flags) > 0 || len(c.Flags) > bits {
				t.Errorf("%s has codes and flags, or more flags than bits", c.Name)
			}
		}
	}
}

// A column of codes whose documentation counts them, and which names none,
// could not be explained to anybody.
func TestEveryColumnWhoseLineListsCodesNamesThem(t *testing.T) {
	t.Parallel()
	for _, record := range [][]Column{Subscriber, Published} {
		for _, c := range record {
			lists := strings.Contains(c.Doc, "1 ") && strings.Contains(c.Doc, ", 2 ") || strings.Contains(c.Doc, "bit 0 ")
			if lists && len(c.Codes)+len(c.Flags) == 0 && c.Type.ID() == arrow.UINT8 && c.Unit == None {
				t.Errorf("%s lists codes and names none: %s", c.Name, c.Doc)
			}
			for _, code := range append(append([]Code{}, c.Codes...), c.Flags...) {
				if code.Value > 0 && len(c.Codes) > 2 && !strings.Contains(c.Doc, fmt.Sprint(code.Value)) && c.Name != "lifecycle_prev" && c.Name != "cause_confirmed" {
					t.Errorf("%s: code %d is not in its line: %s", c.Name, code.Value, c.Doc)
				}
			}
		}
	}
}
