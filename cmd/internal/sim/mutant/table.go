package mutant

// Files of the coordinator that mistakes are planted in.
const (
	grants    = "coordinator/ledger/lease.go"
	control   = "coordinator/ledger/control.go"
	dividing  = "coordinator/ledger/divide.go"
	keeping   = "coordinator/ledger/kept.go"
	history   = "coordinator/ledger/history.go"
	tasks     = "coordinator/ledger/task.go"
	jobs      = "coordinator/ledger/job.go"
	leasing   = "coordinator/lease/lease.go"
	cutting   = "coordinator/plan/plan.go"
	rerunning = "coordinator/plan/rerun.go"
	splitting = "coordinator/plan/divide.go"
	terms     = "coordinator/term.go"
	crew      = "coordinator/crew.go"
	steps     = "coordinator/step.go"
	ranking   = "coordinator/select.go"
	sweeping  = "coordinator/garbage.go"
	litter    = "coordinator/publish/garbage.go"
	versions  = "coordinator/publish/version.go"
	writing   = "coordinator/publish/publish.go"
	preparing = "coordinator/prepare.go"
	prepared  = "coordinator/ledger/prepare.go"
	intakes   = "coordinator/plan/intake.go"
	manifests = "coordinator/publish/manifest.go"
	sorting   = "worker/intake/sorter.go"
	runs      = "worker/intake/run.go"
	merging   = "worker/intake/merge.go"
)

// Table is every mistake that must be found.
var Table = []Mutant{
	{Name: "no token is checked", Edits: []Edit{{
		grants,
		"if t.State != Leased || t.Token != l.Token && (t.Second == nil || t.Second.Token != l.Token) {",
		"if t.State != Leased {",
	}}},
	{Name: "a lower token is as good", Edits: []Edit{{
		grants,
		"if t.State != Leased || t.Token != l.Token && (t.Second == nil || t.Second.Token != l.Token) {",
		"if t.State != Leased || t.Token < l.Token && (t.Second == nil || t.Second.Token < l.Token) {",
	}}},
	{Name: "another result after done is taken for a repetition", Edits: []Edit{{
		grants,
		`if t.State == Done && t.Token == c.Token && t.From == "" && t.result.text() == packResult(c.Result) {`,
		"if t.State == Done && t.Token == c.Token {",
	}}},
	{Name: "a done task can be completed again", Edits: []Edit{
		{grants, `if t.State == Done && t.Token == c.Token && t.From == "" && t.result.text() == packResult(c.Result) {`, "if false {"},
		{grants, "if t.State != Leased || t.Token != l.Token &&", "if t.State != Leased && t.State != Done || t.Token != l.Token &&"},
	}},
	{Name: "tokens are not the log's indexes", Edits: []Edit{{
		grants, "token := s.token(index)\n\t\tst.change", "token := job.Token(t.Attempts + 1)\n\t\tst.change",
	}}},
	{Name: "a leased task is granted", Edits: []Edit{{
		grants, "!st.Planned || t.State != Waiting { // I6", "!st.Planned || t.State == Done { // I6",
	}}},
	{Name: "a done task is granted", Edits: []Edit{{
		grants, "!st.Planned || t.State != Waiting { // I6", "!st.Planned || t.State == Leased { // I6",
	}}},
	{Name: "rows that do not add up are accepted", Edits: []Edit{{
		grants, "if !r.Counts.Conserved() {\n\t\treturn fmt.Errorf(\"%w: %+v\", ErrCounts", "if false {\n\t\treturn fmt.Errorf(\"%w: %+v\", ErrCounts",
	}}},
	{Name: "fewer rows than planned are accepted", Edits: []Edit{{
		grants, "if r.Counts.In != t.Rows || kind", "if r.Counts.In > t.Rows || kind",
	}}},
	{Name: "other numbers than planned are accepted", Edits: []Edit{{
		grants, "if r.Keys != keys {", "if false && r.Keys != keys {",
	}}},
	{Name: "a third attempt begins beside two", Edits: []Edit{{
		grants, "case t.Second != nil || t.Worker == c.Worker:", "case t.Worker == c.Worker:",
	}}},
	{Name: "the second attempt is forgotten when the first is done", Edits: []Edit{{
		grants, "if t.State == Done && t.Second != nil && t.Second.Token == c.Token {", "if false {",
	}}},
	{Name: "the second attempt dies with the first", Edits: []Edit{{
		grants, "t.Token, t.Worker, t.Second = s.Token, s.Worker, nil", "t.State, t.Token, t.Second = Waiting, 0, nil",
	}}},
	{Name: "the failed attempt stays and the good one is dropped", Edits: []Edit{{
		grants, "case s != nil && s.Token == l.Token:\n\t\t\tt.Second = nil", "case s != nil && s.Token != l.Token:\n\t\t\tt.Second = nil",
	}}},
	{Name: "apply depends on where memory is", Edits: []Edit{{
		grants, "t.Reason = c.Reason", `t.Reason = fmt.Sprintf("%s (%p)", c.Reason, t)`,
	}}},
	{Name: "apply walks a map", Edits: []Edit{{
		grants, "for _, ref := range c.Tasks {", "refs := map[TaskRef]bool{}\n\tfor _, ref := range c.Tasks {\n\t\trefs[ref] = true\n\t}\n\tfor ref := range refs {",
	}}},
	{Name: "a job that ends keeps its leases", Edits: []Edit{{
		control, "for t := range st.Leased() {", "for t := range st.Failed() {",
	}}},
	{Name: "a retry answers any failure", Edits: []Edit{
		{control, "|| j.FailIndex != c.FailIndex {", "{"},
	}},
	{Name: "a retry resets what is done", Edits: []Edit{
		{control, "case Waiting, Failed:", "case Waiting, Failed, Done:"},
		{control, "case Leased, Done: // goes on; I6", "case Leased: // goes on"},
	}},
	{Name: "a snapshot forgets the second attempt", Edits: []Edit{{
		tasks, "Reason: d.Reason, Second: d.Second, From: d.From, plan:", "Reason: d.Reason, From: d.From, plan:",
	}}},
	{Name: "a snapshot forgets failures", Edits: []Edit{{
		tasks, "Attempts: d.Attempts, Failures: d.Failures,", "Attempts: d.Attempts,",
	}}},
	{Name: "a rerun keeps partitions of other rows", Edits: []Edit{
		{keeping, "case t.Rows != made.Rows || t.Keys != made.Keys:", "case false:"},
		{keeping, "if err := checkResult(st.Kind, t, *r); err != nil {", "if err := error(nil); r == nil && err != nil {"},
		{rerunning, "case f.SHA256 != g.SHA256 || f.BLAKE3 != g.BLAKE3:", "case false:"},
		{rerunning, "if is.Rows != was.Rows || is.Keys != was.Keys {", "if false {"},
	}},
	{Name: "a division loses a range", Edits: []Edit{
		{splitting, "\treturn tasks\n", "\treturn tasks[:len(tasks)-1]\n"},
		{dividing, "if err := checkParts(whole, c.Parts); err != nil {", "if err := error(nil); err != nil {"},
	}},
	{Name: "the plan loses the last numbers", Edits: []Edit{{
		cutting, "Past: partition.PastNumber}})", "Past: last.Past()}})",
	}}},
	{Name: "a stage is over before its last task", Edits: []Edit{{
		jobs, "return s.Planned && s.totals.Done == len(s.Tasks)", "return s.Planned && s.totals.Done >= len(s.Tasks)-1",
	}}},
	{Name: "leases run out at once", Edits: []Edit{{
		leasing, "if now.After(book.trusted(l, ttl)) {", "if now.After(book.trusted(l, ttl/100)) {",
	}}},
	{Name: "leases never run out", Edits: []Edit{{
		leasing, "if now.After(book.trusted(l, ttl)) {", "if now.After(book.trusted(l, 1000*ttl)) {",
	}}},
	{Name: "a heartbeat is for the worker and not for its leases", Edits: []Edit{{
		crew, "w.Tasks, w.Rows = len(h.Tasks), 0\n", `w.Tasks, w.Rows = len(h.Tasks), 0
	t.ledger.View(func(s *ledger.State) {
		for j := range s.Jobs() {
			for k := range j.Stages {
				for i := range j.Stages[k].Leased() {
					if task := &j.Stages[k].Tasks[i]; task.Worker == h.Worker {
						t.book.Heard(ledger.Lease{TaskRef: ledger.TaskRef{Job: j.ID, Stage: k, Task: i}, Token: task.Token}, now)
					}
				}
			}
		}
	})
`,
	}, {
		crew, "\t\"rescore/partition/wire\"\n", "\t\"rescore/coordinator/ledger\"\n\t\"rescore/partition/wire\"\n",
	}}},
	{Name: "a report is answered before it is known to be committed", Edits: []Edit{{
		terms, "errors.Is(err, replica.ErrUnknownOutcome), errors.Is(err, replica.ErrNotLeader):\n\t\treturn wire.Retry", "errors.Is(err, replica.ErrUnknownOutcome):\n\t\treturn wire.OK\n\tcase errors.Is(err, replica.ErrNotLeader):\n\t\treturn wire.Retry",
	}}},
	{Name: "an unknown outcome is told as a loss", Edits: []Edit{{
		terms, "errors.Is(err, replica.ErrUnknownOutcome), errors.Is(err, replica.ErrNotLeader):\n\t\treturn wire.Retry", "errors.Is(err, replica.ErrUnknownOutcome):\n\t\treturn wire.Lost\n\tcase errors.Is(err, replica.ErrNotLeader):\n\t\treturn wire.Retry",
	}}},
	{Name: "the pointer is written before the version", Edits: []Edit{
		{steps, "\tdigest, err := publish.Write(ctx, st, m, t.cfg.each)\n\tif err != nil {\n\t\treturn err\n\t}\n", "\tdigest := j.Version.ID\n"},
		{steps, "\t_, err = t.ledger.Propose(ctx, ledger.Publish{", "\tif digest, err = publish.Write(ctx, st, m, t.cfg.each); err != nil {\n\t\treturn err\n\t}\n\t_, err = t.ledger.Propose(ctx, ledger.Publish{"},
	}},
	{Name: "a version is published before it is sealed", Edits: []Edit{{
		steps, "\t_, err = t.ledger.Propose(ctx, ledger.Seal{", `	early := j.Clone()
	early.Version = &ledger.Version{ID: ledger.VersionID(j.Epoch, j.SubmitIndex), Dataset: j.Name, Job: j.ID, Epoch: j.Epoch, SealIndex: j.SubmitIndex, Counts: j.Totals().Counts, Digest: j.Totals().Rows}
	if j.Base == "" {
		if err := t.publish(ctx, early); err != nil {
			return err
		}
	}
	_, err = t.ledger.Propose(ctx, ledger.Seal{`,
	}}},
	{Name: "a version lacks a file", Edits: []Edit{{
		versions, "for i, f := range p.Files {\n", "for i, f := range p.Files[:len(p.Files)-1] {\n",
	}}},
	{Name: "what is published is overwritten", Edits: []Edit{{
		writing, "there, err := st.Get(ctx, name, int64(len(data)))", "_ = st.Delete(ctx, name)\n\t_ = st.Put(ctx, name, data)\n\tthere, err := st.Get(ctx, name, int64(len(data)))",
	}}},
	{Name: "the ranks lack a partition", Edits: []Edit{{
		ranking, "return base.MergeFile(data)", "if base.Total() > 0 {\n\t\t\treturn nil\n\t\t}\n\t\treturn base.MergeFile(data)",
	}}},
	{Name: "a rollback goes to what was never published", Edits: []Edit{{
		history, "\tv, err := s.version(c.Dataset, c.Version)\n", "\tv, err := s.version(c.Dataset, c.Version)\n\tfor _, j := range s.jobs {\n\t\tif j.Version != nil && j.Version.ID == c.Version {\n\t\t\tv, err = *j.Version, nil\n\t\t}\n\t}\n",
	}}},
	{Name: "garbage is collected without asking the ledger", Edits: []Edit{{
		litter, "return staged && inside && l.over[job.ID(id)] && !l.named[name]", "return staged && inside && id != \"\"",
	}}},
	{Name: "what published versions stand on is garbage", Edits: []Edit{
		{litter, "return staged && inside && l.over[job.ID(id)] && !l.named[name]", "return strings.HasPrefix(name, \"month=\") || staged && inside && l.over[job.ID(id)] && !l.named[name]"},
		{litter, "infos, err := st.List(ctx, stagingDir)", "infos, err := st.List(ctx, \"\")"},
	}},
	{Name: "what is marked is swept at once, as it was then", Edits: []Edit{
		{sweeping, "c.Now().Before(due)", "c.Now().Before(due.Add(-2*grace))"},
		{sweeping, "if !live.Garbage(info.Name) {", "if false && !live.Garbage(info.Name) {"},
		{litter, "l.over[job.ID(id)] && !l.named[name]", "id != \"\" && !l.named[name]"},
	}},
	{Name: "a listing decides what is gone", Edits: []Edit{{ // it did, until seed 45 of the first day
		"coordinator/rerun.go", "\t\tswitch o, err := st.Open(ctx, f.Path); {\n", "\t\tgone++\n\t\tswitch o, err := st.Open(ctx, f.Path); {\n",
	}}},
	{Name: "the row loaded first is kept", Edits: []Edit{{
		sorting, "bytes.Compare(b.Load, a.Load)", "bytes.Compare(a.Load, b.Load)",
	}}},
	{Name: "of rows loaded together the earlier file's is kept", Edits: []Edit{{
		sorting, "cmp.Compare(b.File, a.File)", "cmp.Compare(a.File, b.File)",
	}}},
	{Name: "a merge keeps every row", Edits: []Edit{{
		merging, "\t\t\tout = drop\n", "\t\t\tout = keep\n",
	}}},
	{Name: "a sorter is not emptied for its next pass", Edits: []Edit{{
		sorting, "s.next, s.entries = 0, s.entries[:0]", "s.next, s.entries = 0, s.entries[:min(1, len(s.entries))]",
	}}},
	{Name: "a later pass is cut from where the one before ended", Edits: []Edit{{
		runs, "\tw.at = 0\n", "",
	}}},
	{Name: "pieces are looked for in another run", Edits: []Edit{{
		preparing, "p.Run = len(g.Runs) - 1", "p.Run = 0",
	}}},
	{Name: "the last piece of a range is not merged", Edits: []Edit{
		{preparing, "for i, p := range pieces[k] {", "for i, p := range pieces[k][:max(len(pieces[k])-1, min(len(pieces[k]), 1))] {"},
		{prepared, "if sum := exchange.totals; rows", "if sum := exchange.totals; false && rows"},
	}},
	{Name: "chunks of one slice are planned twice", Edits: []Edit{
		{intakes, "\t\tt.Rows, t.Keys = t.Rows+c.Rows, t.Keys.Add(c.Keys)\n", "\t\tt.Rows, t.Keys = t.Rows+c.Rows, t.Keys.Add(c.Keys)\n\t\tif i == 0 {\n\t\t\ttasks = append(tasks, *t)\n\t\t\ttasks[0].Slices = []job.Slice{c.Slice}\n\t\t\tt = &tasks[1]\n\t\t}\n"},
		{prepared, "if want := facts.rows(); rows != want {", "if want := facts.rows(); rows < want {"},
	}},
	{Name: "runs are dropped before they are merged", Edits: []Edit{{
		preparing, "\ttasks := make([]job.Task, len(ranges))\n", "\tt.dropRuns(ctx, st, j)\n\ttasks := make([]job.Task, len(ranges))\n",
	}}},
	{Name: "what an exchange rejects is in no ledger", Edits: []Edit{{
		manifests, "\t\t\tp.take(job.FileRejects, read.Files, \"_rejects/exchange-\")\n", "",
	}}},
	{Name: "no barrier begins a term", Package: "./coordinator/replica", Run: "^(TestRestartKeepsTheLedger|TestAKilledReplicaReopensWithEverythingItAnswered|TestSnapshotCutLogAndRestartGiveTheSameLedger)$", Edits: []Edit{{
		"coordinator/replica/replica.go", "if !lead || r.barrier() != nil {", "if !lead {",
	}}},
}
