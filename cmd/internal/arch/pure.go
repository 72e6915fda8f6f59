package arch

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// impure is what a pure package may not touch of an import.
type impure struct {
	path    string   // exact, or ending in /...
	names   []string // the forbidden names; nil forbids the whole package
	allowed []string // when set, every name but these is forbidden
	why     string
	remedy  string
}

const (
	whyClock     = "a pure package reads no clock: the same command must give the same state on every node and in every replay (I5, I7)"
	passTime     = "take the time as an argument; the shell reads the clock"
	whyChance    = "a pure package draws no random number: the same input must give the same bytes (I5)"
	passChance   = "derive it from a seed with partition.Mix, or take it as an argument"
	whyOutside   = "a pure package does no input or output, so that its tests need no disk, no network and no cleaning up"
	passBytes    = "take bytes, an io.Reader or a value as an argument; the shell opens files and sockets"
	whyMachine   = "a pure package does not look at the machine: the same input must give the same bytes anywhere (I5)"
	passMachine  = "take it as an argument"
	whyGoroutine = "a pure package starts no goroutine and shares no memory: order would depend on the scheduler"
	callInLine   = "compute in line; the shell (coordinator, worker) owns goroutines, their bound and their end"
)

var impurities = []impure{
	{path: "time", names: list("Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Local", "LoadLocation"), why: whyClock, remedy: passTime},
	{path: "math/rand/...", why: whyChance, remedy: passChance},
	{path: "crypto/rand", why: whyChance, remedy: passChance},
	{path: "hash/maphash", why: whyChance + "; maphash seeds itself anew in every process", remedy: "use partition.Mix or a fixed hash"},
	{path: "os/...", why: whyOutside, remedy: passBytes},
	{path: "io/ioutil", why: whyOutside, remedy: passBytes},
	{path: "net", why: whyOutside, remedy: passBytes},
	{path: "net/http/...", why: whyOutside, remedy: passBytes},
	{path: "net/rpc/...", why: whyOutside, remedy: passBytes},
	{path: "syscall", why: whyOutside, remedy: passBytes},
	// What the processor can do may choose how the same bits are worked out.
	{path: "golang.org/x/sys/cpu", allowed: list("X86"), why: whyMachine, remedy: passMachine},
	{path: "golang.org/x/sys/...", why: whyOutside, remedy: passBytes},
	{path: "log/...", why: whyOutside, remedy: "return an error or an event; the shell logs it"},
	{path: "path/filepath", names: list("Abs", "EvalSymlinks", "Glob", "Walk", "WalkDir"), why: whyOutside, remedy: passBytes},
	{path: "fmt", names: list("Print", "Printf", "Println", "Scan", "Scanf", "Scanln"), why: whyOutside, remedy: "return a string or take an io.Writer"},
	{path: "runtime/...", why: whyMachine, remedy: passMachine},
	{path: "sync", allowed: list("Once", "OnceFunc", "OnceValue", "OnceValues"), why: whyGoroutine, remedy: callInLine},
	{path: "sync/atomic", why: whyGoroutine, remedy: callInLine},
	{path: "golang.org/x/sync/...", why: whyGoroutine, remedy: callInLine},
	{path: "testing/...", why: "test machinery does not belong in the binary", remedy: "put it in a _test.go file or in a package named …test"},
}

func checkPure(t *tree) []Finding {
	var found []Finding
	for _, p := range t.pkgs {
		if !slices.Contains(pure, p.dir) {
			continue
		}
		for _, f := range p.files {
			if !f.test {
				found = append(found, t.checkPureFile(p.dir, f)...)
			}
		}
	}
	return found
}

func (t *tree) checkPureFile(dir string, f goFile) []Finding {
	var found []Finding
	report := func(n ast.Node, what, why, remedy string) {
		found = append(found, Finding{File: f.path, Line: t.line(n), What: dir + " is pure, but " + what, Why: why, Remedy: remedy})
	}

	byName := map[string]impure{} // the name a half-forbidden import goes by in this file
	for _, spec := range f.ast.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if spec.Name != nil && spec.Name.Name == "." {
			report(spec, "imports "+name+" into its own names", "this test could not see what is used of it", "import it by name")
			continue
		}
		i := slices.IndexFunc(impurities, func(im impure) bool { return matches(im.path, name) })
		if i < 0 {
			continue
		}
		im := impurities[i]
		if im.names == nil && im.allowed == nil {
			report(spec, "imports "+name, im.why, im.remedy)
			continue
		}
		local := path.Base(name)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		byName[local] = im
	}

	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			report(n, "starts a goroutine", whyGoroutine, callInLine)
		case *ast.SelectStmt:
			report(n, "selects on channels", whyGoroutine, callInLine)
		case *ast.ChanType:
			report(n, "uses a channel", whyGoroutine, callInLine)
		case *ast.SendStmt:
			report(n, "sends on a channel", whyGoroutine, callInLine)
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				report(n, "receives from a channel", whyGoroutine, callInLine)
			}
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "print" || id.Name == "println") {
				report(n, "calls "+id.Name, whyOutside, "return a string or take an io.Writer")
			}
		case *ast.SelectorExpr:
			id, ok := n.X.(*ast.Ident)
			if !ok {
				return true
			}
			im, ok := byName[id.Name]
			if ok && im.forbids(n.Sel.Name) {
				report(n, "uses "+strings.TrimSuffix(im.path, "/...")+"."+n.Sel.Name, im.why, im.remedy)
			}
		}
		return true
	})
	return found
}

func (im impure) forbids(name string) bool {
	if im.allowed != nil {
		return !slices.Contains(im.allowed, name)
	}
	return slices.Contains(im.names, name)
}
