//go:build !linux

package e2e

import "testing"

// tmpfs mounts a disk of so many bytes: only Linux is known to here.
func tmpfs(t *testing.T, _ string, _ int64) {
	t.Helper()
	t.Skip("no small disk can be mounted: this is not Linux")
}
