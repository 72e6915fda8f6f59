package arch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// matches reports whether name is what the entry says: the same name, or, for
// an entry ending in /..., that name or one below it.
func matches(entry, name string) bool {
	if entry == anything {
		return true
	}
	if below, ok := strings.CutSuffix(entry, "/..."); ok {
		return name == below || strings.HasPrefix(name, below+"/")
	}
	return name == entry
}

func anyMatches(entries []string, name string) bool {
	return slices.ContainsFunc(entries, func(e string) bool { return matches(e, name) })
}

func rowOf(dir string) (row, bool) {
	i := slices.IndexFunc(table, func(r row) bool { return r.pkg == dir })
	if i < 0 {
		return row{}, false
	}
	return table[i], true
}

// side is the top-level folder a package lives in.
func side(dir string) string {
	top, _, _ := strings.Cut(dir, "/")
	return top
}

func checkImports(t *tree) []Finding {
	var found []Finding
	for _, p := range t.pkgs {
		r, known := rowOf(p.dir)
		for _, f := range p.files {
			for _, spec := range f.ast.Imports {
				name, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					continue // the parser has already refused such a file
				}
				why, remedy := t.refuse(r, known, p.dir, f.test, name)
				if why == "" {
					continue
				}
				found = append(found, Finding{File: f.path, Line: t.line(spec), What: p.dir + " imports " + name, Why: why, Remedy: remedy})
			}
		}
	}
	return found
}

// refuse returns why a package may not import name, and what to do instead; two
// empty strings mean it may.
func (t *tree) refuse(r row, known bool, dir string, test bool, name string) (why, remedy string) {
	first, _, _ := strings.Cut(name, "/")
	ours := first == t.module
	switch {
	case name == "C":
		return "rescore is one static binary, built with CGO_ENABLED=0", "use a Go implementation"
	case ours:
		name = strings.TrimPrefix(strings.TrimPrefix(name, t.module), "/")
		if why, remedy := refuseSide(dir, name); why != "" {
			return why, remedy
		}
	case !strings.Contains(first, "."):
		return "", "" // standard library; the pure packages are looked at in pure.go
	default:
		if why, remedy := refuseModule(dir, test, name); why != "" {
			return why, remedy
		}
	}
	// Tests may use what they need beyond this: a fake server, a property
	// checker. The laws above they keep.
	if test || !known {
		return "", ""
	}
	allowed, kind := r.others, "of other modules"
	if ours {
		allowed, kind = r.ours, "of ours"
	}
	if anyMatches(allowed, name) {
		return "", ""
	}
	may := "nothing " + kind
	if len(allowed) > 0 {
		may = "only " + strings.Join(allowed, ", ") + " " + kind
	}
	return fmt.Sprintf("the import table lets %s use %s", dir, may),
		"declare what you need as a small interface where it is used, or pass the value in; to move the wall, change cmd/internal/arch/table.go and say why in docs/decisions"
}

// refuseSide keeps the two sentences under "the house", tests included.
func refuseSide(dir, name string) (why, remedy string) {
	from, to := side(dir), side(name)
	switch {
	case to == "cmd" && from != "cmd":
		return "cmd is the top of the house; nothing below may know it", "move what is needed down to the side that needs it"
	case from == "coordinator" && to == "worker":
		return "coordinator and worker never import each other: the coordinator never touches a subscriber record",
			"put the shared word in partition, or the test that needs both sides in cmd/internal/e2e"
	case from == "worker" && to == "coordinator":
		return "coordinator and worker never import each other: the worker never touches raft",
			"put the shared word in partition, or the test that needs both sides in cmd/internal/e2e"
	case from == "partition" && (to == "coordinator" || to == "worker"):
		return "partition is the contract both sides stand on; it stands on neither", "move the shared part down into partition, or the code up to the side that uses it"
	}
	return "", ""
}

// refuseModule keeps other people's modules behind their doors. Tests are held
// to the sides only: no raft in the worker, no record in the coordinator.
func refuseModule(dir string, test bool, name string) (why, remedy string) {
	from := side(dir)
	switch {
	case from == "coordinator" && (matches(arrowModule, name) || matches(parquet, name)):
		return "the coordinator never touches a subscriber record: arrow and parquet stay on the worker's side",
			"ask a worker for counts, sums and digests over partition/wire"
	case from == "worker" && (matches(raft, name) || matches(raftBolt, name) || matches(bbolt, name)):
		return "the worker never touches raft", "report over partition/wire; the leader proposes the command"
	case test:
		return "", ""
	}
	for _, d := range doors {
		if matches(d.module, name) && !anyMatches(d.pkgs, dir) {
			if d.pkgs == nil {
				return d.why, "use github.com/parquet-go/parquet-go, through worker/source and worker/sink"
			}
			return d.why + "; its only doors are " + strings.Join(d.pkgs, ", "), "call the package behind the door"
		}
	}
	return "", ""
}
