package fault

// failpoints are the named moments of the code, and whose they are: the leader's, or
// a worker's. TestEveryFailpointIsListed holds them to the code.
var failpoints = []struct {
	name        string
	coordinator bool
}{
	{"coordinator.chunk", true},
	{"coordinator.granted", true},
	{"coordinator.plan", true},
	{"coordinator.ranks", true},
	{"coordinator.reported", true},
	{"coordinator.seal", true},
	{"coordinator.sealed", true},
	{"coordinator.stage", true},
	{"publish.adopt", true},
	{"publish.manifest", true},
	{"publish.pointed", true},
	{"publish.pointer", true},
	{"publish.success", true},
	{"replica.apply", true},
	{"replica.committed", true},
	{"replica.lead", true},
	{"replica.log", true},
	{"replica.logged", true},
	{"replica.propose", true},
	{"replica.restore", true},
	{"replica.snapshot", true},
	{"replica.snapshotted", true},
	{"store.commit", false},
	{"store.extend", false},
	{"store.put", false},
	{"store.synced", false},
	{"worker.assigned", false},
	{"worker.exchange", false},
	{"worker.keep", false},
	{"worker.merge", false},
	{"worker.report", false},
	{"worker.reported", false},
	{"worker.score", false},
	{"worker.select", false},
	{"worker.survey", false},
}
