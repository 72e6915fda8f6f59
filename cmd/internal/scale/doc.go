// Package scale measures what coordinators cost: three of the real binary, over real
// disks and sockets, with workers that do no work. A thousand of those ask, report
// and say that they are alive as real ones do; the base they pretend to score has a
// billion subscribers.
//
//	make scale        10 000 and 100 000 partitions; prints a table and an object
//
// The package has tests alone; they fail on what is wrong, never on what is slow.
package scale
