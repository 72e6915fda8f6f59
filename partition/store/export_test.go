package store

import "syscall"

// WithoutLinks makes a file store behave as on a file system without hard links.
func WithoutLinks(st Store) Store {
	st.(*fileStore).link = func(string, string) error { return syscall.EOPNOTSUPP }
	return st
}
