// Package feature turns the canonical record into features (domain C02).
//
//	activation_date, tenure_months ──► history ─┐
//	fee_m0 … fee_m5 ────────────────────────────┼─► fee_last, fee_avg3, … fee_appeared
//	out_sec_m0 … out_sec_m5 ────────────────────┴─► out_sec_last, …
//	contract_end, tenure, counts … ────────────────► the single features
//
// A feature is a float64 column with one null, NaN. Dictionary lists them all.
//
// # Which kernels exist
//
// One kernel per metric, which fills only the outputs asked for, and one small
// kernel for each family of single features. Six months are six columns to bring
// near the core and twelve masks of what is there; ten features share that work,
// so a kernel per feature would do it ten times. A kernel reads only the months
// its outputs need: asking for fee_last alone reads fee_m0 alone.
//
// # How a chunk is worked through
//
//	validity of each month ─┬─► and ──► mask a month ─┬─► a statistic
//	history, compare bytes ─┘   the months' columns ──┘
//
// A kernel is a sequence of steps of package lane, each over a whole chunk, with
// no question asked of a single row. A statistic is one such step, and those that
// compare months are one together: it loads the months once, adds 0 for a missing one
// and counts the others, and is NaN where what is there leaves it undefined.
//
// # Months of different length
//
// Usage is compared per day: as x·30/days of the month. The features that
// compare (chg1, chg3, slope, cv) are ratios, in which a common factor cancels;
// they therefore use x·w with w = L/days, L the least common multiple of the
// window's month lengths. Both are the same number, but x·w is an integer, so
// that ten minutes a day in January and in February differ by exactly zero.
// Levels (last, avg3, avg6) are of the values as they are. While values stay
// below 1e11 sums are exact, in whatever order they are taken, and chg1, chg3 and
// slope are rounded once, by their one division.
package feature

import (
	"fmt"
	"slices"

	"rescore/partition/job"
	"rescore/worker/kernel"
)

// Kernels returns the kernels that compute the named features and nothing
// else that can be avoided, in the order they must run, each feature named once.
// The history columns they read are made by NewHistory. Errors name every feature
// that does not exist.
func Kernels(names []string, rules job.Rules, month int32) ([]kernel.Kernel, error) {
	want := map[string]bool{}
	var unknown []string
	for _, name := range names {
		if _, ok := Find(name); !ok {
			unknown = append(unknown, name)
		}
		want[name] = true
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("no feature is named %q; rescore features list shows those there are", unknown)
	}
	ratio := want[outInRatio]
	if ratio {
		want["out_sec_avg3"], want["in_sec_avg3"] = true, true
	}
	var kernels []kernel.Kernel
	for _, m := range metrics {
		var stats []stat
		for _, s := range stats6 {
			if want[m.column+"_"+s.suffix] {
				stats = append(stats, s)
			}
		}
		if len(stats) > 0 {
			kernels = append(kernels, newMetric(m, stats, rules, month))
		}
	}
	if ratio {
		kernels = append(kernels, &share{})
	}
	for _, s := range sums {
		if want[s.name] {
			kernels = append(kernels, newSum(s))
		}
	}
	either := func(fields ...string) bool {
		return slices.ContainsFunc(fields, func(f string) bool { return want[f] })
	}
	if either(daysToContractEnd, hasContract) {
		kernels = append(kernels, newContract(month))
	}
	if either(tenure, tenureBand) {
		kernels = append(kernels, &tenureKernel{})
	}
	if want[billShock] {
		kernels = append(kernels, newShock(rules, month))
	}
	return kernels, nil
}
