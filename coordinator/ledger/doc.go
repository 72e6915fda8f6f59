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
//	   ▲                 │ │
//	   ├─────────────────┘ └──────────────────► failed, and the job with it
//	   │  Expire, or Fail                       Fail, fatal or once too often
//	   │  with attempts left                        │
//	   └────────────────────────────────────────────┘  Retry of the job
//
// The log index of the Grant is the lease's fencing token. Indexes only grow,
// so a worker that was believed dead holds a token nobody will accept again.
//
// # The life of a job
//
//	           Plan            Seal           Publish
//	submitted ──────► running ──────► sealed ─────────► published
//	     │            │  ▲ │
//	     │       Hold ▼  │ │ Release
//	     │            held │
//	     └──────┬──────┴───┘
//	            ▼ FailJob, or a task failed
//	          failed ──────► running   (Retry: done tasks stay done)
//
// A job is a list of stages, named when it is submitted: a survey, the score stage
// every job has, and the select stage where rows are placed in the whole base. A
// stage's tasks are planned when the stage before it is done, in chunks small
// enough for the log. What a version holds is said by the last stage; how many rows
// came and went, by the score stage.
// A sealed job can no longer fail: its pointer may already be written, and
// whoever sealed it can only go on and publish.
//
// # Invariants kept here
//
//   - I1 (a subscriber once a version): Plan and Seal check that the ranges of
//     a score stage cover the number space exactly.
//   - I2 (rows conserved): Complete per task, Plan against the files' rows and a
//     select stage's against the rows scored, Seal per task and in total.
//   - I3 (one current token): Complete, Fail and Expire compare the token.
//   - I4 (published never changes): Publish takes one manifest a version; no
//     command changes a version that is there.
//   - I6 (done stays done): Grant passes over a task that is not waiting; no
//     command leads out of done.
//   - I7 (same ledger everywhere): everything above is a pure function.
//
// I5 and I8 are kept by the workers; the ledger holds no subscriber number
// other than the ends of ranges, which are cut between segments.
//
// # What is not promised
//
// The ledger does not know who is alive (package lease), whether gates pass
// (package publish), or what a spec says: the spec's bytes are opaque here.
// Events are a courtesy to whoever shows progress; every effect can be worked
// out again from the state, and a new leader starts by doing exactly that.
package ledger
