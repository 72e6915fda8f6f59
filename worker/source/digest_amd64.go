package source

//go:noescape
func chunks512(to *chains, data *byte, counter uint64)

//go:noescape
func parents512(to, left, right *chains)
