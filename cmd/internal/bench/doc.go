// Package bench measures whole jobs and stores on the machine it runs on.
//
//	base ──► run ──► run ──► run …     in one process that stands, a house
//	(made as         (rounds in turns,      │
//	rescore synth    the first warms up)    ▼
//	makes one)                       seconds, stages, bytes, memory ──► Report ──► JSON, Markdown and SVG
//	                                                                         └──► figures, for capacity
//
// A run is what a cluster is asked for: coordinator and worker stand, and a job comes. Each
// base and number of workers has a house of its own, so that memory and processor time are
// its own; what one job leaves behind, the next one has in its memory. With Cold a house
// takes one job, which is what users of rescore run have: its start counts each time, and
// nothing of an earlier run is warm but the page cache.
package bench
