// Package ledger is the replicated truth about every job, stage, task and
// version.
//
// It is a function, not a service. Apply takes a state, a log index and a
// command and changes the state; it reads no clock, draws no random number,
// starts no goroutine and touches no disk. Every coordinator applies the same
// commands at the same indexes and so holds the same ledger, byte for byte
// (invariant I7; Hash says which).
//
// # The life of a task
//
//	          Grant               Complete
//	waiting ─────────► leased ────────────────► done
//	   ▲                │ │ ▲ │
//	   │                │ │ └─┘ Double: a second attempt; the first to complete wins
//	   ├────────────────┘ └───────────────────► failed: quarantined, the others go on
//	   │  Expire, or Fail                       Fail once too often, or fatal
//	   │  with attempts left                        │
//	   └────────────────────────────────────────────┘  Retry of the job
//
// The log index of the Grant is the lease's fencing token. Indexes only grow,
// so a worker that was believed dead holds a token nobody will accept again. Above the
// index, a token counts the names the ledger had: one restored from a backup begins
// above everything the ledger it was copied from could give (Found).
//
// A waiting task of the score stage may be divided into parts, which take its place.
// In a rerun, tasks that need not run again are done from the start, with the result
// that a published job has of them (Plan.Kept).
//
// # The life of a job
//
//	           Plan            Seal           Publish
//	submitted ──────► running ──────► sealed ─────────► published
//	     │            │  ▲ │
//	     │       Hold ▼  │ │ Release
//	     │            held │
//	     └──────┬──────┴───┘
//	            ▼ FailJob, a fatal failure, or nothing left but quarantined tasks; Cancel
//	          failed, cancelled ──────► running   (Retry: done tasks stay done)
//
// A job is a list of stages, named when it is submitted: a survey, the score stage
// every job has, and the select stage where rows are placed in the whole base. A
// stage's tasks are planned when the stage before it is done, in chunks small
// enough for the log. What a version holds is said by the last stage; how many rows
// came and went, by the score stage. A paused job is granted nothing; what is leased
// goes on.
// A sealed job can no longer fail: its pointer may already be written, and
// whoever sealed it can only go on and publish.
//
// Readers of a dataset get what its highest pointer names: a version's own, or that of
// a Rollback (State.Current).
//
// # Invariants kept here
//
//   - I1 (a subscriber once a version): Plan and Seal check that the ranges of
//     a score stage cover the number space exactly, Divide that parts cover the whole.
//   - I2 (rows conserved): Complete per task, Plan against the files' rows and a
//     select stage's against the rows scored, Divide and Kept against the task, Seal
//     per task and in total.
//   - I3 (current tokens): a task has at most two live tokens and exactly one
//     completion. Complete, Fail, Expire and Double compare the token.
//   - I4 (published never changes): Publish takes one manifest a version; no
//     command changes a version that is there.
//   - I6 (done stays done): Grant passes over a task that is not waiting; no
//     command leads out of done.
//   - I7 (same ledger everywhere): everything above is a pure function.
//
// I5 is kept by the workers and checked here where two of them did the same: a doubled
// task whose attempts differ is an Incident. I8 is kept by the workers; the ledger holds
// no subscriber number other than the ends of ranges, which are cut between segments.
//
// # What it costs
//
// A done task with three files takes about 900 bytes of memory, a snapshot that is being
// written 170 more. Every command but Seal, Retry and the last chunk of a Plan costs the
// same however many tasks there are.
//
// # What is not promised
//
// The ledger does not know who is alive (package lease), whether gates pass
// (package publish), or what a spec says: the spec's bytes are opaque here.
// Events are a courtesy to whoever shows progress; every effect can be worked
// out again from the state, and a new leader starts by doing exactly that.
package ledger
