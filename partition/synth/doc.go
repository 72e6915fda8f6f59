// Package synth is a synthetic province: subscriber i under seed s as a pure
// function. Any range, in any order, gives the same rows, so a base of a
// thousand million subscribers can be made by any number of hands.
//
//	seed, i ──► stream of hashes ──► profile ──► 151 columns
//	                │                   │
//	            number, city         label: does i leave in m+1?
//
// There is no sequential random number: draw k of subscriber i is a hash of
// (seed, i, k), and all arithmetic is on integers, so a row is the same on
// every processor.
//
// # What is planted
//
// The leaver is drawn first (tenure, pay mode and the churn rate decide), and
// the signals before leaving afterwards: fading usage, complaints, suspensions,
// an agreement about to end, or nothing at all for one in four. Loyal
// subscribers show each signal too, only less often. Rates: domain dossier §8.3.
//
// The label is the event of dossier C07 as planted: cancelled, ported out or
// fallen silent in m+1, having been in the base at the end of m. A SIM that was
// already silent in m is a silent user of m and does not leave again.
//
// # Dirt
//
// Dirt values (refunds, spikes, a birth year of 1900, cloned IMEIs) sit in
// subscribers' own rows. Dirt rows (duplicates, rows without a number, numbers
// of a wrong length, 13-digit IoT numbers) are rows more, each directly after
// the subscriber it hangs on; Planted counts everything exactly.
// A duplicate is a copy, so whichever one is kept, the scores are the same.
package synth
