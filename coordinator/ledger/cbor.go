package ledger

import "github.com/fxamacker/cbor/v2"

// The codec of the log and of snapshots: deterministic one way, strict the
// other. nil and empty lists are written alike, so that two ledgers that differ
// in nothing a reader could see have one hash.
var (
	encoder = mustEncoder()
	decoder = mustDecoder()
)

func mustEncoder() cbor.EncMode {
	opts := cbor.CoreDetEncOptions()
	opts.NilContainers = cbor.NilContainerAsEmpty
	mode, err := opts.EncMode()
	if err != nil {
		panic(err)
	}
	return mode
}

func mustDecoder() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxNestedLevels:   16,
		MaxArrayElements:  1 << 20, // tasks of a stage; slices of a task
		MaxMapPairs:       64,      // the fields of a struct; there are no maps
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}
