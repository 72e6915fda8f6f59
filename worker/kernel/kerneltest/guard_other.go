//go:build !linux

package kerneltest

import "testing"

// Guarded returns size bytes; only Linux guards their end.
func Guarded(_ testing.TB, size int) []byte { return make([]byte, size) }
