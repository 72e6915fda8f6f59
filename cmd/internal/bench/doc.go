// Package bench measures whole jobs and stores on the machine it runs on.
//
//	base ──► run ──► run ──► run …     each a process of its own: rescore run
//	(made as         (rounds in turns,      │
//	rescore synth    the first warms up)    ▼
//	makes one)                       seconds, stages, bytes, memory ──► Report ──► JSON, Markdown and SVG
//	                                                                         └──► figures, for capacity
//
// A run is what users run: the job file goes to rescore run in a process of its own,
// so that its memory, its processor time and its bytes are its own, and nothing of
// an earlier run is warm but the page cache.
package bench
