//go:build !amd64

package source

func chunks512(*chains, *byte, uint64) { panic("source: chunks without vectors") }

func parents512(_, _, _ *chains) { panic("source: parents without vectors") }
