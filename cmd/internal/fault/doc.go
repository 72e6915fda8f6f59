// Package fault breaks real clusters: three coordinators and four workers of the
// real binary, each in a network namespace of its own where the machine allows it,
// while jobs are running on them. Processes are killed and stopped, at random and
// at named failpoints; coordinators are cut off from one another and workers from
// all; disks fill up; clocks jump.
//
// Whatever happened, every job ends published, the bytes its manifest names are
// there, its digest is that of the same job in one process, nothing is readable
// that no manifest names, and no log and no raft folder holds a subscriber's number.
//
//	make fault RUNS=1000        so many faults; RESCORE_SEED=… for the same ones again
//
// The package has tests alone. What can be had without real processes is proved in
// cmd/internal/sim, a thousand times as fast.
package fault
