package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"rescore/coordinator/api"
	"rescore/partition/job"
)

func TestClusterPageHasEveryVerbStateAndPath(t *testing.T) {
	t.Parallel()
	var verbs []string
	each(newRoot(), func(cmd *cobra.Command) {
		if cmd.Flags().Lookup("coordinators") != nil && cmd.Parent() != nil && cmd.Parent().Name() == "rescore" && cmd.Name() != "worker" {
			verbs = append(verbs, cmd.Name())
		}
	})
	if len(verbs) < 19 {
		t.Fatalf("only %d verbs were found: %v", len(verbs), verbs)
	}
	for file, page := range document(t, "cluster") {
		for _, name := range verbs {
			if _, ok := row(page, name); !ok {
				t.Errorf("%s has no row for %s", file, name)
			}
		}
		for state := job.Submitted; state <= job.Cancelled; state++ {
			if _, ok := row(page, state.String()); !ok {
				t.Errorf("%s has no row for a job that is %s", file, state)
			}
		}
		routes := map[string]bool{}
		for _, route := range api.Routes() {
			routes[route] = true
			if _, ok := row(page, route); !ok {
				t.Errorf("%s has no row for %s", file, route)
			}
		}
		for _, found := range regexp.MustCompile("(?m)^\\| `((?:GET|POST|DELETE) [^`]*)` \\|").FindAllStringSubmatch(page, -1) {
			if !routes[found[1]] {
				t.Errorf("%s has a row for %s, which is not there", file, found[1])
			}
		}
	}
}

// What the page tells people to type is what the program takes.
func TestClusterPageShowsCommandsThatParse(t *testing.T) {
	t.Parallel()
	for file, page := range document(t, "cluster") {
		count := 0
		for line := range strings.Lines(page) {
			command, ok := strings.CutPrefix(line, "    rescore ")
			if !ok {
				continue
			}
			command, _, _ = strings.Cut(command, "#")
			command = strings.TrimSuffix(strings.TrimSpace(command), "&")
			if strings.Contains(command, ", ") { // the picture
				continue
			}
			found, rest, err := newRoot().Find(words(command))
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err == nil && found.Args != nil {
				err = found.Args(found, found.Flags().Args())
			}
			if err != nil || !found.Runnable() {
				t.Errorf("%s: %q: %v", file, command, err)
			}
			count++
		}
		if count < 9 {
			t.Errorf("%s shows %d commands", file, count)
		}
	}
}
