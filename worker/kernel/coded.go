package kernel

// DictionaryMax bounds a dictionary, its null included.
const DictionaryMax = 1 << 12

// Coded is a float64 column as its file holds it, values once and rows by number.
// It says again what F64 says, for kernels that work something out of a value and
// can do so once for all rows that have it: F64[i] and
// Dictionary.Value[Index[i]] are the same bits. Index belongs to whoever made the
// vector, like F64, and is written again with the next batch.
type Coded struct {
	Dictionary *Dictionary
	Index      []uint32 // of each row, below len(Dictionary.Value)
}

// Dictionary is the values of a run of rows, at most DictionaryMax. Null is a value
// like others, NaN. It never changes, not even after the batch: who keeps the pointer
// knows by it whether what was worked out still serves.
type Dictionary struct{ Value []float64 }
