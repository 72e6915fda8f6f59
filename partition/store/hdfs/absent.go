//go:build !hdfs

package hdfs

import (
	"fmt"

	"rescore/partition/store"
)

// Open returns ErrNotBuilt.
func Open(cluster, folder string) (store.Store, error) {
	return nil, fmt.Errorf("open %s%s/%s: %w", Scheme, cluster, folder, ErrNotBuilt)
}
