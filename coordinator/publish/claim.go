package publish

import (
	"context"
	"errors"
	"fmt"

	"rescore/partition/store"
)

// epochMax is the last epoch whose pointers sort by name.
const epochMax = 9999

// Claim makes sure the output folder is this dataset's and returns the epoch
// under which the ledger may publish there: the one it holds already, or the
// next free one. A ledger started afresh thus never publishes below an older one.
//
// It returns ErrOtherDataset for the folder of another dataset, and leaves that
// as it is.
func Claim(ctx context.Context, st store.Store, dataset, ledger string) (uint64, error) {
	if err := own(ctx, st, dataset); err != nil {
		return 0, err
	}
	for epoch := uint64(1); epoch <= epochMax; epoch++ {
		name := fmt.Sprintf("%sepoch-%04d.json", pointersDir, epoch)
		err := st.Put(ctx, name, mustJSON(map[string]string{"ledger": ledger}))
		if err == nil {
			return epoch, nil
		}
		if !errors.Is(err, store.ErrExist) {
			return 0, fmt.Errorf("claim epoch %d: %w", epoch, err)
		}
		var holder struct {
			Ledger string `json:"ledger"`
		}
		if err := getJSON(ctx, st, name, &holder); err != nil {
			return 0, fmt.Errorf("read epoch %d: %w", epoch, err)
		}
		if holder.Ledger == ledger {
			return epoch, nil
		}
	}
	return 0, fmt.Errorf("all %d epochs of %s are claimed; give the job another output.path", uint64(epochMax), st)
}

// own claims the folder for the dataset, or finds it claimed already.
func own(ctx context.Context, st store.Store, dataset string) error {
	const name = "_DATASET.json"
	err := st.Put(ctx, name, mustJSON(map[string]any{"format": 1, "dataset": dataset}))
	if err == nil || !errors.Is(err, store.ErrExist) {
		return err
	}
	var owner struct {
		Dataset string `json:"dataset"`
	}
	if err := getJSON(ctx, st, name, &owner); err != nil {
		return err
	}
	if owner.Dataset != dataset {
		return fmt.Errorf("%s holds dataset %q and this job publishes %q; give the job another output.path, or the dataset's name: %w", st, owner.Dataset, dataset, ErrOtherDataset)
	}
	return nil
}
