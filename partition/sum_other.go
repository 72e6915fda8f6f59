//go:build !amd64

package partition

const vectors = false

// Nothing calls this.
func mix512(*[2][8]uint64, *uint64, int) {}
