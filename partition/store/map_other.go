//go:build !linux

package store

// LetGo does nothing where files are not mapped.
func LetGo() {}
