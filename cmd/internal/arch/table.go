package arch

// row says what one package may import. Names are exact unless they end in
// /..., which means the name itself and everything below: with prefix matching
// a first draft of this table let the ledger reach NATS through a neighbour.
type row struct {
	pkg    string
	ours   []string // packages of this module
	others []string // packages of other modules; the standard library is free, but see pure.go
}

// Other people's modules, by the name of their packages.
const (
	arrow       = "github.com/apache/arrow/go/v15/arrow/..." // not its parquet: decisions/0008
	bbolt       = "go.etcd.io/bbolt/..."
	cpu         = "golang.org/x/sys/cpu"
	unix        = "golang.org/x/sys/unix"       // to have a file read before it is asked for: decisions/0047; written before it is synced: 0060
	blake3      = "lukechampine.com/blake3/..." // its tree, and in tests all of it: decisions/0046
	brotli      = "github.com/andybalholm/brotli"
	compress    = "github.com/klauspost/compress/..."
	lz4         = "github.com/pierrec/lz4/v4"
	cbor        = "github.com/fxamacker/cbor/v2"
	exprParser  = "github.com/expr-lang/expr/..." // its parser, ast and file packages
	fileLock    = "github.com/gofrs/flock"
	hclog       = "github.com/hashicorp/go-hclog"
	hadoop      = "github.com/colinmarc/hdfs/v2/..."
	metrics     = "github.com/hashicorp/go-metrics/..."
	prometheus  = "github.com/prometheus/client_golang/..."
	minio       = "github.com/minio/minio-go/v7/pkg/..." // who signs and where secrets are; not its client: decisions/0043
	ini         = "gopkg.in/ini.v1"
	natsClient  = "github.com/nats-io/nats.go/..."
	natsServer  = "github.com/nats-io/nats-server/v2/..."
	arrowFiles  = "github.com/apache/arrow/go/v15/parquet/..."
	parquet     = "github.com/parquet-go/parquet-go/..."
	raft        = "github.com/hashicorp/raft/..."
	raftBolt    = "github.com/hashicorp/raft-boltdb/v2"
	sync        = "golang.org/x/sync/..."
	pace        = "golang.org/x/time/rate"
	chinese     = "golang.org/x/text/encoding/simplifiedchinese"
	yaml        = "go.yaml.in/yaml/..."
	anything    = "..."
	arrowModule = "github.com/apache/arrow/..." // any version, any part
)

// table is the house, room by room. A new package begins with its row here.
// cmd is not limited by rows but by doors.
var table = []row{
	{"partition", nil, list(cpu)}, // cpu as in worker/score
	{"partition/job", list("partition", "partition/lazy", "partition/psi", "partition/schema"), list(yaml)},
	{"partition/ecdf", list("partition/job"), nil},
	{"partition/contest", list("partition/ecdf", "partition/psi"), nil},
	{"partition/psi", nil, nil},
	{"partition/lazy", nil, nil},
	{"partition/wire", list("partition", "partition/job"), list(cbor)},
	{"partition/schema", nil, list(arrow)},
	{"partition/failpoint", nil, nil},
	{"partition/loopback", nil, nil}, // tests' alone
	{"partition/role", nil, nil},
	{"partition/store", list("partition/failpoint"), list(unix)},
	{"partition/store/s3", list("partition/failpoint", "partition/store"), list(minio, ini, sync)},
	{"partition/store/s3/s3test", nil, nil},
	{"partition/store/hdfs", list("partition/failpoint", "partition/store"), list(hadoop)}, // with the tag hdfs: decisions/0053
	{"partition/store/hdfs/hdfstest", nil, nil},
	{"partition/store/address", list("partition/store", "partition/store/hdfs", "partition/store/s3"), nil},
	{"partition/store/storetest", list("partition/store"), nil},
	{"partition/synth", list("partition", "partition/schema"), list(arrow)},

	{"coordinator", list("coordinator/...", "partition/..."), list(pace, sync)},
	{"coordinator/ledger", list("partition", "partition/job"), list(cbor)},
	{"coordinator/plan", list("partition", "partition/job", "coordinator/ledger"), nil},
	{"coordinator/lease", list("partition", "partition/job", "coordinator/ledger"), nil},
	{"coordinator/shelf", nil, nil},
	{"coordinator/replica", list("coordinator/ledger", "coordinator/shelf", "partition/failpoint", "partition/loopback", "partition/role"), list(raft, raftBolt, bbolt, hclog, fileLock, metrics, prometheus)},
	{"coordinator/bus", list("partition", "partition/job", "partition/loopback", "partition/role", "partition/wire"), list(natsClient, natsServer, sync)},
	{"coordinator/api", list("coordinator", "coordinator/bus", "coordinator/ledger", "coordinator/plan", "coordinator/publish", "coordinator/replica", "partition", "partition/job", "partition/lazy", "partition/schema", "partition/store", "partition/store/address", "partition/wire"), list(prometheus)},
	{"coordinator/client", list("coordinator/api", "partition/job"), nil},
	{"coordinator/publish", list("coordinator/ledger", "partition", "partition/contest", "partition/failpoint", "partition/job", "partition/psi", "partition/schema", "partition/store"), nil},

	{"worker", list("worker/...", "partition/..."), list(arrow, sync)},
	{"worker/kernel", list("partition/schema"), list(arrow)},
	{"worker/kernel/kerneltest", list("worker/kernel"), list(arrow)},
	{"worker/lane", list("worker/elementary", "worker/kernel"), list(cpu)},
	{"worker/lane/gen", nil, nil}, // writes lane's assembly
	{"worker/feature", list("worker/kernel", "worker/lane", "partition/job", "partition/schema"), list(arrow)},
	{"worker/rule", list("worker/kernel", "worker/lane", "partition/job", "partition/schema"), list(arrow)},
	// cpu says which vector instructions there are; every path gives the same bits (decisions/0020).
	{"worker/score", list("worker/elementary", "worker/kernel", "worker/lane", "worker/model", "worker/attribution", "worker/transform", "partition", "partition/job", "partition/ecdf", "partition/schema"), list(arrow, cpu)},
	{"worker/formula", list("worker/kernel", "worker/lane", "worker/feature", "partition/job", "partition/lazy", "partition/schema"), list(arrow, exprParser)},
	{"worker/elementary", nil, nil},
	{"worker/bitpack", nil, list(cpu)},
	{"worker/compact", nil, nil},
	{"worker/freelist", nil, nil},
	{"worker/transform", list("worker/elementary"), nil},
	{"worker/model", list("worker/elementary", "worker/transform", "partition/job"), nil}, // job reads what people write
	{"worker/attribution", list("worker/model", "worker/transform"), nil},                 // transform in tests alone
	{"worker/bundle", list("worker/model", "worker/score", "worker/transform", "partition/job", "partition/lazy", "partition/psi", "partition/schema"), nil},
	{"worker/program", list("worker/bundle", "worker/kernel", "worker/lane", "worker/feature", "worker/formula", "worker/rule", "worker/score", "worker/model", "worker/attribution", "partition", "partition/job", "partition/psi", "partition/ecdf", "partition/schema"), list(arrow)},
	{"worker/tag", nil, nil},
	{"worker/intake", list("partition", "partition/job"), list(compress)},
	{"worker/event", list("partition/job", "partition/schema"), nil},
	{"worker/source", list("worker/bitpack", "worker/compact", "worker/event", "worker/freelist", "worker/intake", "worker/tag", "worker/kernel", "partition", "partition/job", "partition/schema", "partition/store"), list(arrow, parquet, blake3, brotli, compress, cpu, lz4, sync, chinese, unix)},
	{"worker/sink", list("worker/bitpack", "worker/compact", "worker/freelist", "worker/intake", "partition", "partition/failpoint", "partition/job", "partition/ecdf", "partition/contest", "partition/schema", "partition/store"), list(arrow, parquet, cpu, sync)},
	{"worker/comparison", list("worker/sink", "partition", "partition/contest", "partition/ecdf", "partition/psi", "partition/schema", "partition/store"), list(arrow, sync)},
	{"worker/bus", list("partition", "partition/job", "partition/loopback", "partition/role", "partition/wire"), list(natsClient, sync)},

	{"deploy", nil, nil},

	{"cmd/rescore", list(anything), list(anything)},
	{"cmd/internal/arch", nil, list("golang.org/x/mod/...")},
	{"cmd/internal/explain", list(anything), list(anything)},
	{"cmd/internal/whatif", list(anything), list(anything)},
	{"cmd/internal/matrix", list("worker/model"), nil},
	{"cmd/internal/boot", list(anything), list(anything)},
	{"cmd/internal/local", list(anything), list(anything)},
	{"cmd/internal/cluster", list(anything), list(anything)},
	{"cmd/internal/progress", list(anything), list(anything)},
	{"cmd/internal/province", list(anything), list(anything)},
	{"cmd/internal/bench", list(anything), list(anything)},
	{"cmd/internal/capacity", nil, nil},
	{"cmd/internal/chart", nil, nil},
	{"cmd/internal/machine", list("partition/store"), list(unix)},
	{"cmd/internal/e2e", list(anything), list(anything)},
	{"cmd/internal/sim", list("coordinator/...", "partition/...", "worker/intake"), list("github.com/anishathalye/porcupine")},
	{"cmd/internal/sim/mutant", nil, nil},
	{"cmd/internal/rig", nil, nil}, // it speaks to processes, and knows nothing of their insides
	{"cmd/internal/scale", list("cmd/internal/rig", "partition", "partition/job", "partition/wire", "partition/ecdf", "worker/bus"), nil},
	{"cmd/internal/fault", list("cmd/internal/rig"), list(parquet)},
}

// door names the only packages through which a module may be entered, whatever
// their rows say. It is what keeps cmd, which sees everything, from growing a
// second way to raft.
type door struct {
	module string
	pkgs   []string
	why    string
}

var doors = []door{
	{raft, list("coordinator/replica"), "raft is spoken in one place, so that its answers (future.Error and future.Response) are read in one place"},
	{raftBolt, list("coordinator/replica"), "the raft log's format is the replica's own business"},
	{bbolt, list("coordinator/replica"), "the raft log's format is the replica's own business"},
	{natsServer, list("coordinator/bus"), "the embedded server is started, limited and stopped in one place"},
	{natsClient, list("coordinator/bus", "worker/bus", "cmd/internal/local", "cmd/internal/cluster"), "NATS options, timeouts and unknown outcomes are handled by the two bus packages; local and cluster only carry connections"},
	{parquet, list("worker/source", "worker/sink", "cmd/..."), "files are read by source, which checks rows against the footer, and written by sink"},
	{"github.com/minio/minio-go/v7/...", list("partition/store/s3"), "one package speaks to object stores, and secrets stay in it"},
	{hadoop, list("partition/store/hdfs"), "one package speaks to namenodes, behind a build tag"},
	{exprParser, list("worker/formula"), "formulas are parsed in one place, and nothing of theirs is interpreted"},
	{arrowFiles, nil, "arrow v15's Parquet reader loses rows without an error and crashes the process on malformed files (decisions/0008)"},
	{arrowModule, list("partition/schema", "partition/synth", "worker/...", "cmd/..."), "the coordinator never touches a subscriber record"},
}

// pure lists the packages that decide or compute, and do nothing else.
var pure = []string{
	"partition", "partition/job", "partition/ecdf", "partition/contest", "partition/lazy", "partition/psi", "partition/wire", "partition/synth",
	"coordinator/ledger", "coordinator/plan", "coordinator/lease",
	"worker/kernel", "worker/lane", "worker/feature", "worker/rule", "worker/score", "worker/elementary", "worker/transform", "worker/model", "worker/attribution", "worker/bundle", "worker/tag", "worker/event", "worker/formula", "worker/intake", "worker/program", "worker/bitpack", "worker/compact",
	"cmd/internal/capacity", "cmd/internal/chart",
}

func list(names ...string) []string { return names }
