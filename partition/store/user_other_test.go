//go:build !linux

package store

import (
	"os"
	"testing"
)

// ordinary skips the test for a user whom nothing is denied.
func ordinary(t *testing.T) {
	t.Helper()
	if os.Getuid() == 0 {
		t.Skip("root is denied nothing, and only Linux lets a thread be another user")
	}
}
