package kernel

// DictionaryMax bounds a dictionary, its null included.
const DictionaryMax = 1 << 16

// Coded is a float64 column as its file holds it, values once and rows by number, for
// kernels that work something out of a value and can do so once for all rows that
// have it. It belongs to whoever made the vector, and is written again with the next
// batch.
type Coded struct {
	Runs  []Run    // in order; the last goes to the last row
	Index []uint16 // of each row, below the length of its run's dictionary
}

// Run is rows that share a dictionary: from where the run before ends to Past.
type Run struct {
	*Dictionary
	Past int
}

// Dictionary is the values of a run of rows, at most DictionaryMax. Null is a value
// like others, NaN. It never changes, not even after the batch: who keeps the pointer
// knows by it whether what was worked out still serves.
type Dictionary struct{ Value []float64 }

// Values writes the values of rows first to first+len(dst)-1.
func (c *Coded) Values(dst []float64, first int) {
	from := first
	for _, r := range c.Runs {
		past := min(r.Past, first+len(dst))
		if past <= from {
			continue
		}
		rows := dst[from-first : past-first]
		for i, k := range c.Index[from:past] {
			rows[i] = r.Value[k]
		}
		from = past
	}
}

// Cut makes part rows first to first+n-1.
func (c *Coded) Cut(part *Coded, first, n int) {
	part.Index, part.Runs = c.Index[first:first+n], part.Runs[:0]
	for _, r := range c.Runs {
		if first < r.Past {
			part.Runs = append(part.Runs, Run{Dictionary: r.Dictionary, Past: min(r.Past-first, n)})
		}
		if first+n <= r.Past {
			return
		}
	}
}

// Shared returns the dictionary of rows first to first+n-1, nil when they have more
// than one.
func (c *Coded) Shared(first, n int) *Dictionary {
	for _, r := range c.Runs {
		if first < r.Past {
			if first+n > r.Past {
				return nil
			}
			return r.Dictionary
		}
	}
	return nil
}

// Coder is a kernel that takes inputs by dictionary.
type Coder interface {
	Kernel
	// TakesCoded reports whether input i may come as Coded in place of F64. The answer
	// is the same every time.
	TakesCoded(i int) bool
}
