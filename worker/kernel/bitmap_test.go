package kernel

import "testing"

func TestABitmapsBitsBeginAtItsOffset(t *testing.T) {
	t.Parallel()
	bits := []byte{0b1010_0110, 0b0000_0001}
	for offset := range 9 {
		b := Bitmap{Bits: bits, Offset: offset}
		for i := range 16 - offset {
			at := offset + i
			if want := bits[at/8]&(1<<(at%8)) != 0; b.Get(i) != want || b.All() {
				t.Errorf("offset %d, bit %d: %v, want %v; all %v", offset, i, b.Get(i), want, b.All())
			}
		}
	}
	if none := (Bitmap{Offset: 3}); !none.All() || !none.Get(0) || !none.Get(1000) {
		t.Error("without bits, not every bit is set")
	}
}
