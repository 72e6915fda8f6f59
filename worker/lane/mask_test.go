package lane

import (
	"testing"

	"rescore/worker/kernel"
	"rescore/worker/kernel/kerneltest"
)

func checkValid(t *testing.T, b kernel.Bitmap, lo, n int) {
	t.Helper()
	var m Mask
	m.Valid(b, lo, n)
	for i := range n {
		if at := b.Offset + lo + i; m.Get(i) != (b.Bits[at/8]>>(at%8)&1 == 1) {
			t.Fatalf("%v, offset %d, from row %d, %d rows: row %d is wrong", chosen, b.Offset, lo, n, i)
		}
	}
}

func TestValidAgreesWithOneBitAtATimeAtEveryOffsetAndLength(t *testing.T) {
	whole := kerneltest.Guarded(t, Rows/8+2)
	for i := range whole {
		whole[i] = byte(i*i*37 + i*11 + 5)
	}
	best, order := chosen, littleEndian
	defer func() { chosen, littleEndian = best, order }()
	for _, p := range paths() {
		chosen, littleEndian = p, order && p != plain // Go alone goes by the bytes of any machine
		for offset := range 9 {
			for n := 0; n <= Rows; n++ {
				used := (offset + n + 7) / 8
				checkValid(t, kernel.Bitmap{Bits: whole[len(whole)-used:], Offset: offset / 2}, offset-offset/2, n)
			}
		}
	}
}

func TestColumnWithoutBitmapHoldsAValueInEveryRow(t *testing.T) {
	var m Mask
	m.Valid(kernel.Bitmap{}, 3, Rows)
	if m.Count(Rows) != Rows {
		t.Errorf("%d of %d rows hold a value", m.Count(Rows), Rows)
	}
}

func FuzzValid(f *testing.F) {
	f.Add([]byte{0xff, 0x01, 0x80, 0, 0, 0, 0, 0xaa, 0x55, 0x0f}, uint16(3), uint16(5), uint16(64))
	f.Add([]byte{}, uint16(0), uint16(0), uint16(0))
	f.Fuzz(func(t *testing.T, raw []byte, offset, lo, n uint16) {
		if n > Rows || int(offset)+int(lo)+int(n) > 8*len(raw) {
			t.Skip("the bitmap has no such rows")
		}
		if raw == nil {
			raw = []byte{}
		}
		best := chosen
		defer func() { chosen = best }()
		for _, chosen = range paths() {
			checkValid(t, kernel.Bitmap{Bits: raw, Offset: int(offset)}, int(lo), int(n))
		}
	})
}

func TestMaskLogicIsThatOfBits(t *testing.T) {
	var a, b, m Mask
	for i := range Rows {
		a.Set(i, i%3 == 0)
		b.Set(i, i%5 < 2)
	}
	for name, c := range map[string]struct {
		do   func()
		want func(a, b bool) bool
	}{
		"And":    {func() { m.And(&a, &b) }, func(a, b bool) bool { return a && b }},
		"Or":     {func() { m.Or(&a, &b) }, func(a, b bool) bool { return a || b }},
		"AndNot": {func() { m.AndNot(&a, &b) }, func(a, b bool) bool { return a && !b }},
		"Not":    {func() { m.Not(&a) }, func(a, _ bool) bool { return !a }},
	} {
		c.do()
		count := 0
		for i := range Rows {
			if m.Count(i) != count {
				t.Fatalf("%s: Count of the first %d is %d, want %d", name, i, m.Count(i), count)
			}
			want := c.want(a.Get(i), b.Get(i))
			if m.Get(i) != want {
				t.Fatalf("%s, row %d: %v, want %v", name, i, m.Get(i), want)
			}
			if want {
				count++
			}
		}
	}
}

// A value of Kleene's logic.
const (
	isFalse = iota
	isUnknown
	isTrue
)

func truth(v func(row int) int) *Truth {
	var t Truth
	for i := range 9 {
		t.Is.Set(i, v(i) == isTrue)
		t.Not.Set(i, v(i) == isFalse)
	}
	return &t
}

func valueOf(t *testing.T, v *Truth, row int) int {
	switch is, not := v.Is.Get(row), v.Not.Get(row); {
	case is && not:
		t.Fatalf("row %d is true and false", row)
		return 0
	case is:
		return isTrue
	case not:
		return isFalse
	}
	return isUnknown
}

func TestTruthIsKleenes(t *testing.T) {
	a, b := truth(func(i int) int { return i / 3 }), truth(func(i int) int { return i % 3 })
	// By a, then b, from FALSE through UNKNOWN to TRUE.
	and := [9]int{isFalse, isFalse, isFalse, isFalse, isUnknown, isUnknown, isFalse, isUnknown, isTrue}
	or := [9]int{isFalse, isUnknown, isTrue, isUnknown, isUnknown, isTrue, isTrue, isTrue, isTrue}
	not := [9]int{isTrue, isTrue, isTrue, isUnknown, isUnknown, isUnknown, isFalse, isFalse, isFalse}
	var v Truth
	for name, c := range map[string]struct {
		do   func()
		want [9]int
	}{
		"And": {func() { v.And(a, b) }, and}, "Or": {func() { v.Or(a, b) }, or}, "Negate": {func() { v.Negate(a) }, not},
		"And in place":    {func() { v = *a; v.And(&v, b) }, and},
		"Or in place":     {func() { v = *b; v.Or(a, &v) }, or},
		"Negate in place": {func() { v = *a; v.Negate(&v) }, not},
	} {
		c.do()
		for i, want := range c.want {
			if got := valueOf(t, &v, i); got != want {
				t.Errorf("%s of %d and %d is %d, want %d", name, i/3, i%3, got, want)
			}
		}
	}
	var unknown Mask
	a.Unknown(&unknown)
	for i := range 9 {
		if unknown.Get(i) != (i/3 == isUnknown) {
			t.Errorf("Unknown of %d is %v", i/3, unknown.Get(i))
		}
	}
}

func TestKnowIsUnknownWhereNothingIsKnown(t *testing.T) {
	var is, known Mask
	for i := range 4 {
		is.Set(i, i&1 != 0)
		known.Set(i, i&2 != 0)
	}
	var v Truth
	v.Know(&is, &known)
	for i, want := range []int{isUnknown, isUnknown, isFalse, isTrue} {
		if got := valueOf(t, &v, i); got != want {
			t.Errorf("is %d, known %d: %d, want %d", i&1, i>>1, got, want)
		}
	}
}
