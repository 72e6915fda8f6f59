package compact

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

// claim is a field 1 of a type that says it has n of something.
func claim(n uint64, head ...byte) []byte { return binary.AppendUvarint(head, n) }

// TestALengthThatIsNotThereIsRefused: two thousand million elements take no memory.
func TestALengthThatIsNotThereIsRefused(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"nothing":            {},
		"no end":             {0x15, 2},
		"inside a number":    {0x15, 0x80},
		"inside its id":      {0x05, 0x80},
		"a list":             append(claim(1<<31, 0x19, 0xfc), 0),
		"a list in a list":   append(claim(1<<31, 0x19, 0x19, 0xfc), 0),
		"a list of booleans": append(claim(1<<31, 0x19, 0xf1), 0),
		"a map":              append(claim(1<<31, 0x1b), 0x55, 0),
		"half a map":         {0x1b, 2, 0x55, 2, 2, 2, 0},
		"bytes":              append(claim(1<<40, 0x18), 'x', 0),
		"a double":           {0x17, 1, 2, 3, 0},
		"a UUID":             {0x1d, 1, 2, 3, 0},
		"an unknown type":    {0x1e, 0},
		"nesting":            bytes.Repeat([]byte{0x1c}, 1000),
		"lists in lists":     append([]byte{0x19}, bytes.Repeat([]byte{0x19}, 1000)...),
		"too many":           append(append(claim(StructsMax, 0x19, 0xfc), make([]byte, StructsMax)...), 0),
	} {
		if n, err := Check(b); err == nil {
			t.Errorf("%s passes, of %d bytes", name, n)
		}
	}
}

func TestNestingHasItsLimit(t *testing.T) {
	t.Parallel()
	for name, nested := range map[string]func(n int) []byte{
		"structures": func(n int) []byte { return append(bytes.Repeat([]byte{0x1c}, n), make([]byte, n+1)...) },
		"lists":      func(n int) []byte { return append(bytes.Repeat([]byte{0x19}, n+1), 9, 0) },
	} {
		if _, err := Check(nested(DepthMax)); err != nil {
			t.Errorf("%d %s: %v", DepthMax, name, err)
		}
		if _, err := Check(nested(DepthMax + 1)); err == nil {
			t.Errorf("%d %s pass", DepthMax+1, name)
		}
	}
}

// TestEveryTypeIsSteppedOver to the byte, and what follows is left.
func TestEveryTypeIsSteppedOver(t *testing.T) {
	t.Parallel()
	b := []byte{
		0x11, 0x12, // true, false
		0x13, 7, 0x14, 2, 0x15, 0x80, 1, 0x16, 4,
		0x17, 1, 2, 3, 4, 5, 6, 7, 8,
		0x18, 2, 'a', 'b',
		0x19, 0x21, 1, 2, // two booleans
		0x1a, 0x25, 2, 4,
		0x1b, 0, // an empty map has no types
		0x1b, 1, 0x5c, 2, 0x15, 2, 0, // of a number, a structure
		0x1c, 0x11, 0,
		0x1d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0x05, 0xc8, 1, 6, // field 100
		0x11, 0x12, 0,
	}
	for _, behind := range [][]byte{nil, {0}, {1, 2, 3}} {
		if n, err := Check(append(bytes.Clone(b), behind...)); err != nil || n != len(b) {
			t.Errorf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	for n := range b {
		if _, err := Check(b[:n]); err == nil {
			t.Errorf("the first %d of %d bytes pass", n, len(b))
		}
	}
}

func TestFieldsAreTaken(t *testing.T) {
	t.Parallel()
	b := []byte{0x15, 5, 0x12, 0x05, 0xf, 6, 0x28, 1, 'x', 0} // the number of the third, -8, is in full
	var seen []int16
	var first int32
	w := Walk{Rest: b, Structs: 1}
	has, err := w.Structure(0, func(id int16, t Type) (bool, error) {
		if seen = append(seen, id); id == 1 {
			return true, w.Int32(t, &first)
		}
		return id == 2 && t == False, nil
	})
	if err != nil || len(w.Rest) > 0 || has != 1<<1|1<<2 || first != -3 {
		t.Errorf("fields %v, has %b, the first %d, %d bytes left: %v", seen, has, first, len(w.Rest), err)
	}
	if len(seen) != 4 || seen[2] != -8 || seen[3] != -6 {
		t.Errorf("fields %v", seen)
	}
}

func TestInt32(t *testing.T) {
	t.Parallel()
	var got int32
	for _, v := range []int64{0, 1, -1, 63, -64, 64, -65, math.MaxInt32, math.MinInt32} {
		w := Walk{Rest: append(binary.AppendVarint(nil, v), 9)}
		if err := w.Int32(I32, &got); err != nil || int64(got) != v || len(w.Rest) != 1 {
			t.Errorf("%d is %d, %d bytes left: %v", v, got, len(w.Rest), err)
		}
	}
	for _, b := range [][]byte{nil, {0x80}, binary.AppendVarint(nil, math.MaxInt32+1), binary.AppendVarint(nil, math.MinInt32-1), bytes.Repeat([]byte{0xff}, 11)} {
		w := Walk{Rest: b}
		if err := w.Int32(I32, &got); err == nil {
			t.Errorf("% x passes as %d", b, got)
		}
	}
	if err := (&Walk{Rest: []byte{2}}).Int32(I64, &got); err == nil {
		t.Error("a number of 64 bits passes")
	}
}

func TestNothingIsAllocated(t *testing.T) {
	b := []byte{0x15, 2, 0x19, 0x3c, 0x15, 2, 0, 0, 0, 0x18, 2, 'a', 'b', 0}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := Check(b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzCheck: what passes ends where it says, whatever follows it, and nowhere before.
func FuzzCheck(f *testing.F) {
	f.Add([]byte{0x15, 2, 0x19, 0x3c, 0x15, 2, 0, 0, 0, 0x18, 2, 'a', 'b', 0})
	f.Add([]byte{0x1b, 1, 0x5c, 2, 0x15, 2, 0, 0x1c, 0x11, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := Check(b)
		if err != nil {
			return
		}
		if n < 1 || n > len(b) || b[n-1] != byte(Stop) {
			t.Fatalf("%d of %d bytes", n, len(b))
		}
		if again, err := Check(b[:n]); err != nil || again != n {
			t.Errorf("%d bytes alone are %d: %v", n, again, err)
		}
		if _, err := Check(b[:n-1]); err == nil {
			t.Errorf("%d of %d bytes pass", n-1, n)
		}
	})
}
