// Package publish makes versions: it checks a finished job against its gates,
// writes the manifest, and moves the pointer.
//
//	<output>/
//	  _DATASET.json                               whose folder this is
//	  _published/epoch-0001.json                  which ledger may publish under epoch 1
//	  _published/0001-00000000000000000042.json   pointer: epoch, raft index; the highest wins
//	  _staging/<job>/part-00000-….parquet         attempts; never renamed, swept later
//	  month=201011/version=v0001-0000000042/
//	    part-00000-….parquet …                    exactly the manifest's files
//	    _rejects/rejects-00000-….csv
//	    _MANIFEST.json                            content-addressed: the pointer names its SHA-256
//	    _SUCCESS                                  written after everything above
//
// Everything written here is worked out from the ledger alone, so any leader
// writes the same bytes, and doing it again after a crash changes nothing. The
// pointer is last: until it exists nobody reads the version. A leader that was
// deposed while publishing can only write a lower pointer, or the same one (I4).
package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"rescore/partition/store"
)

var (
	// ErrOtherDataset is returned when the output folder belongs to another dataset.
	ErrOtherDataset = errors.New("the output folder belongs to another dataset")
	// ErrDamaged is returned when a published file is not what the pointer or the
	// manifest says.
	ErrDamaged = errors.New("published file is damaged")
)

const (
	// manifestMax bounds a manifest, in bytes: a partition takes about one
	// kilobyte, so this is more partitions than a plan may have.
	manifestMax = 2 << 30
	smallMax    = 1 << 20 // every other object
	pointersDir = "_published/"
)

// putSame writes an object, or finds it written with the same bytes.
func putSame(ctx context.Context, st store.Store, name string, data []byte) error {
	err := st.Put(ctx, name, data)
	if !errors.Is(err, store.ErrExist) {
		return err
	}
	there, err := st.Get(ctx, name, int64(len(data)))
	if err != nil && !errors.Is(err, store.ErrTooLarge) {
		return fmt.Errorf("compare with the %s already written: %w", name, err)
	}
	if err != nil || !bytes.Equal(there, data) {
		return fmt.Errorf("%s is already there with other bytes: %w", name, ErrDamaged)
	}
	return nil
}

// getJSON reads an object of ours; one that is no JSON is ErrDamaged.
func getJSON(ctx context.Context, st store.Store, name string, v any) error {
	data, err := st.Get(ctx, name, smallMax)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w: %w", name, ErrDamaged, err)
	}
	return nil
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("publish: encode %T: %v", v, err)) // plain structs: a bug
	}
	return append(data, '\n')
}
