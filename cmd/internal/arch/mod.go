package arch

import (
	"fmt"

	"golang.org/x/mod/semver"
)

// floor is the lowest version of a module we did not choose but that comes with
// one we did.
type floor struct {
	module  string
	version string
	why     string
}

// floors stand in reliability dossier §7. govulncheck does not know all of
// them: the thrift entries never reached its database. go.mod names every module
// that gives the build a package, so one that is not in it is not in the binary,
// whatever older version its users ask for.
var floors = []floor{
	{"github.com/apache/thrift", "v0.24.0", "CVE-2026-43868, 43869 and 43870: unbounded allocation and recursion in what arrow v15 pins"},
	{"google.golang.org/protobuf", "v1.36.12", "GO-2024-2611 and later"},
	{"google.golang.org/grpc", "v1.83.2", "GO-2026-4762 authorisation bypass, GO-2026-6061"},
	{"golang.org/x/net", "v0.56.0", "CVE-2023-45288 and thirteen more"},
	{"github.com/klauspost/compress", "v1.18.7", "GO-2026-5841: out-of-bounds read in s2"},
	{"golang.org/x/text", "v0.39.0", "GO-2026-5970"},
}

func checkMod(t *tree) []Finding {
	var found []Finding
	for _, req := range t.mod.Require {
		for _, f := range floors {
			if req.Mod.Path != f.module || semver.Compare(req.Mod.Version, f.version) >= 0 {
				continue
			}
			found = append(found, Finding{
				File:   "go.mod",
				Line:   req.Syntax.Start.Line,
				What:   fmt.Sprintf("requires %s %s, below %s", f.module, req.Mod.Version, f.version),
				Why:    f.why,
				Remedy: fmt.Sprintf("go get %s@%s, then go mod tidy", f.module, f.version),
			})
		}
	}
	return found
}
