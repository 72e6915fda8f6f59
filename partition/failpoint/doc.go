// Package failpoint names the moments at which a process of a cluster may die, so
// that a test can make it die exactly there.
//
//	failpoint.Hit("publish.pointer")     a name where the work goes on
//
// In a binary built without the tag failpoint, which is every binary anybody is
// given, Hit is an empty function that the compiler drops, and Now is time.Now.
// Built with it, the process reads the file that RESCORE_FAILPOINT names at every
// hit. Each of its lines arms one name:
//
//	publish.pointer kill          SIGKILL to itself: nothing is flushed, nobody is told
//	worker.report stop            SIGSTOP to itself: a zombie, once it is told to go on
//	replica.apply sleep 2s        a slow disk, or a slow processor
//	clock shift -20s              Now is off by that much for as long as the line stands
//
// A line that kills, stops or sleeps is first moved to the end of a second file, of
// the same name with .hit behind: a process that is started again does not die of it
// again, and a test knows which moments were reached.
//
// Names are of the form room.moment. Grep for failpoint.Hit to see them all;
// TestEveryFailpointIsListed in cmd/internal/fault holds the list to the code.
package failpoint
