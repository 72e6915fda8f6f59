//go:build !linux

package lane

import "testing"

// region returns plain memory; only Linux guards its end.
func region(_ testing.TB, size int) []byte { return make([]byte, size) }
