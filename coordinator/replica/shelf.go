package replica

import (
	"os"

	"github.com/hashicorp/go-hclog"

	"rescore/coordinator/ledger"
	"rescore/coordinator/shelf"
)

// newShelf makes an empty shelf.
type newShelf func() ledger.Shelf

// shelves returns a maker of shelves that spill to files in dir without a name: what
// they have is in the log and in snapshots, and begun anew with each process. Where no
// file can be made, a shelf stays in memory.
func shelves(dir string, log hclog.Logger) newShelf {
	return func() ledger.Shelf { return openShelf(dir, log) }
}

func openShelf(dir string, log hclog.Logger) *shelf.Shelf {
	file, err := os.CreateTemp(dir, "shelf-*")
	if err == nil {
		if err = os.Remove(file.Name()); err == nil {
			return shelf.New(file, func(err error) {
				log.Warn("results stay in memory: they cannot be written beside the log", "err", err)
			})
		}
		_ = file.Close() // the first error is the one to tell
	}
	log.Warn("results stay in memory: no file can be made beside the log", "err", err)
	return shelf.New(nil, nil)
}
