package arch

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sound is a small repository that keeps every rule.
var sound = map[string]string{
	"go.mod":                       "module rescore\n\ngo 1.26.0\n\nrequire github.com/apache/thrift v0.25.0\n",
	".gitignore":                   "/bin/\n*.prof\n",
	"README.md":                    "# Rescore\n\nSee [the house](docs/architecture.md#the-house), [here](#rescore) and [elsewhere](https://example.org/x).\n",
	"docs/architecture.md":         "# Architecture\n\n## The house\n\n```\n[not a link](nowhere.md)\n```\nA [span](../README.md) and `[code](nowhere.md)`.\n",
	"partition/partition.go":       "// Package partition is built on nothing.\npackage partition\n",
	"coordinator/ledger/ledger.go": "// Package ledger is pure.\npackage ledger\n\nimport (\n\t\"time\"\n\n\t\"rescore/partition\"\n)\n\nvar _ = partition.Whole\n\n// Wait is a length of time, not a clock.\nconst Wait = time.Second\n",
	"worker/worker.go":             "// Package worker scores.\npackage worker\n\nimport (\n\t\"time\"\n\n\t\"golang.org/x/sync/errgroup\"\n\n\t\"rescore/worker/kernel\"\n)\n\nvar _ errgroup.Group\nvar _ kernel.Vector\n\nfunc run() { go time.Now() }\n",
	"worker/kernel/kernel.go":      "// Package kernel is pure.\npackage kernel\n\nimport \"sync\"\n\nvar table = sync.OnceValue(func() int { return 1 })\n",
	"worker/kernel/kernel_test.go": "package kernel\n\nimport (\n\t\"math/rand\"\n\t\"testing\"\n)\n\nvar _ = rand.Int\nvar _ testing.TB\n",
	"cmd/rescore/main.go":          "// Command rescore is the one binary.\npackage main\n\nimport (\n\t\"rescore/coordinator/ledger\"\n\t\"rescore/worker\"\n)\n",
	"bin/left-over.md":             "[broken](nowhere.md)",
	"worker/testdata/bad.go":       "not Go at all",
}

// plant writes the sound repository with files added or replaced.
func plant(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	all := maps.Clone(sound)
	maps.Copy(all, files)
	for name, text := range all {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestSoundTreeHasNoFindings(t *testing.T) {
	t.Parallel()
	found, err := Check(plant(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

// TestPlantedViolationsAreFound breaks each rule once. The finding must stand at
// the right line, name what is wrong and give the reason; no other may appear.
func TestPlantedViolationsAreFound(t *testing.T) {
	t.Parallel()
	const (
		ledger = "// Package ledger is pure.\npackage ledger\n\n"
		kernel = "// Package kernel is pure.\npackage kernel\n\n"
	)
	tests := map[string]struct {
		files map[string]string
		at    string // the finding's file:line
		what  string // a piece of What
		why   string // a piece of Why
	}{
		"worker imports coordinator": {
			files: map[string]string{"worker/worker.go": "// Package worker scores.\npackage worker\n\nimport _ \"rescore/coordinator/ledger\"\n"},
			at:    "worker/worker.go:4", what: "worker imports rescore/coordinator/ledger", why: "never import each other",
		},
		"a worker test imports coordinator": {
			files: map[string]string{"worker/worker_test.go": "package worker\n\nimport _ \"rescore/coordinator/ledger\"\n"},
			at:    "worker/worker_test.go:3", what: "worker imports rescore/coordinator/ledger", why: "never import each other",
		},
		"coordinator imports worker": {
			files: map[string]string{"coordinator/node.go": "// Package coordinator wires.\npackage coordinator\n\nimport _ \"rescore/worker\"\n"},
			at:    "coordinator/node.go:4", what: "coordinator imports rescore/worker", why: "never touches a subscriber record",
		},
		"coordinator imports arrow": {
			files: map[string]string{"coordinator/node.go": "// Package coordinator wires.\npackage coordinator\n\nimport _ \"github.com/apache/arrow/go/v15/arrow\"\n"},
			at:    "coordinator/node.go:4", what: "imports github.com/apache/arrow", why: "arrow and parquet stay on the worker's side",
		},
		"publish imports parquet, in a test": {
			files: map[string]string{"coordinator/publish/publish_test.go": "// Package publish publishes.\npackage publish\n\nimport _ \"github.com/parquet-go/parquet-go\"\n"},
			at:    "coordinator/publish/publish_test.go:4", what: "imports github.com/parquet-go", why: "never touches a subscriber record",
		},
		"worker imports raft": {
			files: map[string]string{"worker/bus/bus.go": "// Package bus talks.\npackage bus\n\nimport _ \"github.com/hashicorp/raft\"\n"},
			at:    "worker/bus/bus.go:4", what: "imports github.com/hashicorp/raft", why: "the worker never touches raft",
		},
		"cmd opens a second door to raft": {
			files: map[string]string{"cmd/rescore/node.go": "package main\n\nimport _ \"github.com/hashicorp/raft\"\n"},
			at:    "cmd/rescore/node.go:3", what: "imports github.com/hashicorp/raft", why: "its only doors are coordinator/replica",
		},
		"cmd starts a second NATS server": {
			files: map[string]string{"cmd/internal/boot/nats.go": "// Package boot starts.\npackage boot\n\nimport _ \"github.com/nats-io/nats-server/v2/server\"\n"},
			at:    "cmd/internal/boot/nats.go:4", what: "imports github.com/nats-io/nats-server", why: "its only doors are coordinator/bus",
		},
		"worker reads Parquet through arrow": {
			files: map[string]string{"worker/source/source.go": "// Package source reads.\npackage source\n\nimport _ \"github.com/apache/arrow/go/v15/parquet\"\n"},
			at:    "worker/source/source.go:4", what: "arrow/go/v15/parquet", why: "loses rows without an error",
		},
		"cmd reads Parquet through arrow": {
			files: map[string]string{"cmd/rescore/read.go": "package main\n\nimport _ \"github.com/apache/arrow/go/v15/parquet/pqarrow\"\n"},
			at:    "cmd/rescore/read.go:3", what: "arrow/go/v15/parquet/pqarrow", why: "loses rows without an error",
		},
		"sink takes a library no row gives it": {
			files: map[string]string{"worker/sink/sink.go": "// Package sink writes.\npackage sink\n\nimport _ \"github.com/fxamacker/cbor/v2\"\n"},
			at:    "worker/sink/sink.go:4", what: "imports github.com/fxamacker/cbor/v2", why: "import table lets worker/sink use",
		},
		"partition imports a side": {
			files: map[string]string{"partition/cut.go": "package partition\n\nimport _ \"rescore/worker/kernel\"\n"},
			at:    "partition/cut.go:3", what: "partition imports rescore/worker/kernel", why: "it stands on neither",
		},
		"a side imports cmd": {
			files: map[string]string{"worker/boot.go": "package worker\n\nimport _ \"rescore/cmd/internal/boot\"\n"},
			at:    "worker/boot.go:3", what: "worker imports rescore/cmd/internal/boot", why: "cmd is the top",
		},
		"a name that only begins like an allowed one": {
			files: map[string]string{"partition/joblike/x.go": "// Package joblike is new.\npackage joblike\n", "coordinator/ledger/x.go": "package ledger\n\nimport _ \"rescore/partition/joblike\"\n"},
			at:    "coordinator/ledger/x.go:3", what: "imports rescore/partition/joblike", why: "only partition, partition/job of ours",
		},
		"model reaches for a library": {
			files: map[string]string{"worker/model/model.go": "// Package model loads.\npackage model\n\nimport _ \"github.com/dmitryikh/leaves\"\n"},
			at:    "worker/model/model.go:4", what: "imports github.com/dmitryikh/leaves", why: "nothing of other modules",
		},
		"cgo": {
			files: map[string]string{"worker/fast.go": "package worker\n\nimport \"C\"\n"},
			at:    "worker/fast.go:3", what: "imports C", why: "CGO_ENABLED=0",
		},
		"ledger reads the clock": {
			files: map[string]string{"coordinator/ledger/clock.go": "package ledger\n\nimport \"time\"\n\nfunc now() time.Time { return time.Now() }\n"},
			at:    "coordinator/ledger/clock.go:5", what: "uses time.Now", why: "reads no clock",
		},
		"ledger reads the clock under another name": {
			files: map[string]string{"coordinator/ledger/clock.go": "package ledger\n\nimport wall \"time\"\n\nvar now = wall.Now\n"},
			at:    "coordinator/ledger/clock.go:5", what: "uses time.Now", why: "reads no clock",
		},
		"ledger hides an import": {
			files: map[string]string{"coordinator/ledger/clock.go": "package ledger\n\nimport . \"time\"\n\nvar now = Now()\n"},
			at:    "coordinator/ledger/clock.go:3", what: "into its own names", why: "could not see",
		},
		"ledger draws lots": {
			files: map[string]string{"coordinator/ledger/ledger.go": ledger + "import _ \"math/rand/v2\"\n"},
			at:    "coordinator/ledger/ledger.go:4", what: "imports math/rand/v2", why: "draws no random number",
		},
		"lease starts a goroutine": {
			files: map[string]string{"coordinator/lease/lease.go": "// Package lease decides.\npackage lease\n\nfunc decide() {\n\tgo decide()\n}\n"},
			at:    "coordinator/lease/lease.go:5", what: "starts a goroutine", why: "order would depend on the scheduler",
		},
		"plan waits on a channel": {
			files: map[string]string{"coordinator/plan/plan.go": "// Package plan cuts.\npackage plan\n\nfunc cut(c <-chan int) {}\n"},
			at:    "coordinator/plan/plan.go:4", what: "uses a channel", why: "starts no goroutine",
		},
		"kernel locks": {
			files: map[string]string{"worker/kernel/kernel.go": kernel + "import \"sync\"\n\nvar mu sync.Mutex\n"},
			at:    "worker/kernel/kernel.go:6", what: "uses sync.Mutex", why: "shares no memory",
		},
		"job opens a file": {
			files: map[string]string{"partition/job/job.go": "// Package job is asked.\npackage job\n\nimport _ \"os\"\n"},
			at:    "partition/job/job.go:4", what: "imports os", why: "no input or output",
		},
		"score prints": {
			files: map[string]string{"worker/score/score.go": "// Package score scores.\npackage score\n\nimport \"fmt\"\n\nfunc f() { fmt.Println() }\n"},
			at:    "worker/score/score.go:6", what: "uses fmt.Println", why: "no input or output",
		},
		"rule counts the cores": {
			files: map[string]string{"worker/rule/rule.go": "// Package rule judges.\npackage rule\n\nimport \"runtime\"\n\nvar n = runtime.NumCPU()\n"},
			at:    "worker/rule/rule.go:4", what: "imports runtime", why: "does not look at the machine",
		},
		"package no row owns": {
			files: map[string]string{"worker/cache/cache.go": "// Package cache keeps.\npackage cache\n"},
			at:    "worker/cache", what: "no row of the import table owns", why: "every package has an owner",
		},
		"package without a story": {
			files: map[string]string{"worker/rule/rule.go": "package rule\n"},
			at:    "worker/rule", what: "has no package comment", why: "tells the story",
		},
		"package whose comment is about another": {
			files: map[string]string{"worker/rule/rule.go": "// Package score judges.\npackage rule\n"},
			at:    "worker/rule", what: "has no package comment", why: "tells the story",
		},
		"package named after nothing": {
			files: map[string]string{"worker/rule/rule.go": "// Package ruleutil judges.\npackage ruleutil\n"},
			at:    "worker/rule/rule.go:2", what: "package ruleutil", why: "said aloud",
		},
		"a stranger at the top level": {
			files: map[string]string{"scripts/train.py": "print()\n"},
			at:    "scripts", what: "stands at the top level", why: "owner's names only",
		},
		"link to a file that is not there": {
			files: map[string]string{"docs/house.md": "# House\n\n[plan](plan.md)\n"},
			at:    "docs/house.md:3", what: "docs/plan.md, which does not exist", why: "points nowhere",
		},
		"reference to a file that is not there": {
			files: map[string]string{"docs/house.md": "# House\n\n[plan]: plan.md\n"},
			at:    "docs/house.md:3", what: "docs/plan.md, which does not exist", why: "points nowhere",
		},
		"link to a heading that is not there": {
			files: map[string]string{"docs/house.md": "# House\n\n[plan](architecture.md#the-cellar)\n"},
			at:    "docs/house.md:3", what: "no heading of that name", why: "points nowhere",
		},
		"link out of the repository": {
			files: map[string]string{"docs/house.md": "# House\n\n[plan](../../plan.md)\n"},
			at:    "docs/house.md:3", what: "leaves the repository", why: "points nowhere",
		},
		"a path of one machine": {
			files: map[string]string{"deploy/run.sh": "cd " + "/work" + "/main\n"},
			at:    "deploy/run.sh:1", what: "path of one machine", why: "any clone",
		},
		"somebody's home": {
			files: map[string]string{"docs/how.md": "# How\n\ncp /home/" + "ada/x .\n"},
			at:    "docs/how.md:3", what: "home folder", why: "any clone",
		},
		"a registry": {
			files: map[string]string{"Makefile": "export GO" + "PROXY=https://goproxy.example\n"},
			at:    "Makefile:1", what: "package registry", why: "reader's choice",
		},
		"an unsafe indirect dependency": {
			files: map[string]string{"go.mod": "module rescore\n\ngo 1.26.0\n\nrequire github.com/apache/thrift v0.17.0 // indirect\n"},
			at:    "go.mod:5", what: "github.com/apache/thrift v0.17.0, below v0.24.0", why: "CVE-2026-43868",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := Check(plant(t, tt.files))
			if err != nil {
				t.Fatal(err)
			}
			hit := false
			for _, f := range found {
				switch {
				case strings.HasPrefix(f.String(), tt.at+": ") && strings.Contains(f.What, tt.what) && strings.Contains(f.Why, tt.why):
					hit = true
					if f.Remedy == "" {
						t.Errorf("%v gives no remedy", f)
					}
				case f.File == "partition/joblike": // that case needs a neighbour without a row
				default:
					t.Errorf("unexpected: %v", f)
				}
			}
			if !hit {
				t.Errorf("nothing found at %s about %q because %q", tt.at, tt.what, tt.why)
			}
		})
	}
}

func TestUnreadableRepositoryIsAnError(t *testing.T) {
	t.Parallel()
	tests := map[string]map[string]string{
		"Go that does not parse":    {"worker/worker.go": "package"},
		"go.mod that is none":       {"go.mod": "modul rescore\n"},
		"an ignore file too clever": {".gitignore": "!bin\n"},
	}
	for name, files := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Check(plant(t, files)); err == nil {
				t.Error("Check returned no error")
			}
		})
	}
}

func TestIgnorePatterns(t *testing.T) {
	t.Parallel()
	patterns := ignore{"/bin/", "*.prof", ".rescore/"}
	tests := []struct {
		path string
		dir  bool
		want bool
	}{
		{"bin", true, true},
		{"bin", false, false},
		{"worker/bin", true, false},
		{"cpu.prof", false, true},
		{"worker/cpu.prof", false, true},
		{"deploy/.rescore", true, true},
		{"deploy/rescore", true, false},
	}
	for _, tt := range tests {
		if got := patterns.match(tt.path, tt.dir); got != tt.want {
			t.Errorf("match(%q, dir %t) = %t, want %t", tt.path, tt.dir, got, tt.want)
		}
	}
}
