//go:build !amd64

package score

// paths lists what this processor can run, the best last.
func paths() []path { return []path{plain} }
