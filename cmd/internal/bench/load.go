package bench

import "rescore/cmd/internal/machine"

// loaded is how busy a machine was, and by whom.
type loaded struct {
	ok             bool
	busy           machine.Busy
	own            float64 // seconds of processor time of this process and its children
	others, stolen float64 // shares since the look before
}

// load looks at the machine, and works out the shares since an earlier look.
func load(before *loaded) loaded {
	var now loaded
	now.busy, now.ok = machine.Load()
	now.own = machine.OwnCPU()
	if before == nil || !before.ok || !now.ok {
		now.ok = now.ok && before == nil
		return now
	}
	total := now.busy.Total - before.busy.Total
	if total <= 0 {
		now.ok = false
		return now
	}
	now.others = max(0, now.busy.Working-before.busy.Working-(now.own-before.own)) / total
	now.stolen = max(0, now.busy.Stolen-before.busy.Stolen) / total
	return now
}
