// Package lazy makes regular expressions when they are first used: a process has dozens
// and uses few, and to compile all of them took it a fifth of the time until main.
package lazy

import (
	"regexp"
	"sync"
)

// Regexp returns what gives the regular expression, which the first call compiles. It
// panics when it is none: a test has to use each.
func Regexp(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
