// Package boot is what every command of the binary starts and ends with: values
// from flags, environment, job file and defaults; the log; signals; and the exit
// code of an error.
//
//	defaults ◄── files beside it ◄── job file ◄── environment ◄── flags ◄── --set     later wins
//	                   │                │               │            │         │
//	                   └── every value remembers where it came from ──► config view --origin
//
// # Why there is no configuration library here
//
// The layers are laid over one another in partition/job, by the same strict walk
// that reads the file. A library that first merges everything into one map
// (koanf was looked at) loses the line of a mistake, takes dots in the names of
// features for levels, and lets two variables such as RESCORE_RUN and
// RESCORE_RUN__WORKERS win by chance.
package boot

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"rescore/partition/job"
)

// Prefix is what the names of environment variables begin with.
const Prefix = "RESCORE_"

// notJob are variables with our prefix that are not keys of the job file: the
// log, where a cluster and a bucket are, and what the tests of this repository listen to.
var notJob = []string{"RESCORE_LOG_LEVEL", "RESCORE_LONG", "RESCORE_GOLDEN", "RESCORE_KILLS", "RESCORE_FAULTS", "RESCORE_FAILPOINT", "RESCORE_SEED", "RESCORE_COORDINATORS", "RESCORE_TOKEN_FILE", "RESCORE_S3_ADDRESSING", "RESCORE_HDFS"}

const pathAnnotation = "rescore/path"

// Bind makes a flag of fs stand for a key of the job file: --workers for
// run.workers.
func Bind(fs *pflag.FlagSet, flag, path string) {
	if err := fs.SetAnnotation(flag, pathAnnotation, []string{path}); err != nil {
		panic(fmt.Sprintf("boot: bind a flag that is not there: %v", err))
	}
}

// Load decodes a job file with the files it names, in folder, laid under it, and
// the environment ("NAME=value", as os.Environ gives it), the bound flags that
// were given, and the --set values laid over it, in that order; and it checks the
// users' own features and rules. The error is job.Problems, or a usage error for
// a --set without a value.
func Load(file string, data []byte, folder string, environ []string, flags *pflag.FlagSet, sets []string) (job.Decoded, error) {
	overlays := fromEnviron(environ)
	if flags != nil {
		overlays = append(overlays, fromFlags(flags)...)
	}
	for _, set := range sets {
		path, text, ok := strings.Cut(set, "=")
		if !ok || path == "" {
			return job.Decoded{}, Usagef("write it as --set run.workers=4", "--set %s has no key and value", set)
		}
		overlays = append(overlays, job.Overlay{Path: path, Text: text, Source: "flag --set " + path})
	}
	main := job.Text{Name: file, Data: data}
	first, _ := job.DecodeBeside(main, job.Beside{}, overlays...) // for the files it names; what is wrong is found again
	beside := open(folder, first.Spec.Files)
	d, err := job.DecodeBeside(main, beside, overlays...)
	return d, check(d.Spec, err, &main, beside.Rules, beside.Policy, beside.Features)
}

// fromEnviron turns RESCORE_RUN__WORKERS=4 into run.workers. A variable that is
// set to nothing counts as not set, as shells and container files mean it.
func fromEnviron(environ []string) []job.Overlay {
	var overlays []job.Overlay
	for _, pair := range slices.Sorted(slices.Values(environ)) {
		name, text, ok := strings.Cut(pair, "=")
		rest, ours := strings.CutPrefix(name, Prefix)
		if !ok || !ours || rest == "" || text == "" || slices.Contains(notJob, name) {
			continue
		}
		path := strings.ToLower(strings.ReplaceAll(rest, "__", "."))
		overlays = append(overlays, job.Overlay{Path: path, Text: text, Source: "environment " + name})
	}
	return overlays
}

func fromFlags(flags *pflag.FlagSet) []job.Overlay {
	var overlays []job.Overlay
	flags.Visit(func(f *pflag.Flag) {
		if path := f.Annotations[pathAnnotation]; len(path) == 1 {
			overlays = append(overlays, job.Overlay{Path: path[0], Text: f.Value.String(), Source: "flag --" + f.Name})
		}
	})
	return overlays
}

// Levels are the names --log-level takes.
var Levels = []string{"debug", "info", "warn", "error"}

// Logger returns a logger that writes JSON lines to w. level is one of Levels;
// when it is empty, RESCORE_LOG_LEVEL in environ, then warn.
func Logger(w io.Writer, level string, environ []string) (*slog.Logger, error) {
	from := "--log-level"
	if level == "" {
		level = "warn"
		for _, pair := range environ {
			if text, ok := strings.CutPrefix(pair, "RESCORE_LOG_LEVEL="); ok && text != "" {
				from, level = "RESCORE_LOG_LEVEL", text
			}
		}
	}
	if !slices.Contains(Levels, level) {
		return nil, Usagef("write one of "+strings.Join(Levels, ", "), "%s %s is not known", from, level)
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("read %s: %w", from, err)
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l})), nil
}
