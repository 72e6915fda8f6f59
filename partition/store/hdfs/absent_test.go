//go:build !hdfs

package hdfs

import (
	"errors"
	"testing"
)

func TestAProgramWithoutHDFSSaysHowToBuildOne(t *testing.T) {
	t.Parallel()
	if _, err := Open("namenode:8020", "data"); !errors.Is(err, ErrNotBuilt) {
		t.Error(err)
	}
}
