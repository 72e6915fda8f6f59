package program

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"rescore/partition/schema"
	"rescore/worker/feature"
	"rescore/worker/kernel"
)

func drawn(t *testing.T, features ...string) Picture {
	t.Helper()
	spec, _ := standard(t)
	m, err := LoadModel(spec, lightGBM(2, 4, features))
	if err != nil {
		t.Fatal(err)
	}
	return planned(t, spec, m).Picture(64)
}

// TestAFeatureNobodyNeedsIsNeitherComputedNorRead plants features the model does
// not use, and then lets it use one.
func TestAFeatureNobodyNeedsIsNeitherComputedNorRead(t *testing.T) {
	t.Parallel()
	without, with := drawn(t, "fee_last", "tenure"), drawn(t, "fee_last", "tenure", "elogin_cnt_chg1")
	for _, unread := range []string{"elogin_cnt_m1", "imei_m0", "sex"} {
		if !slices.Contains(without.Unread, unread) {
			t.Errorf("%s is read and nothing needs it", unread)
		}
	}
	if !slices.Contains(without.Uncomputed, "elogin_cnt_chg1") || slices.Contains(without.Uncomputed, "fee_last") {
		t.Errorf("not computed: %v", without.Uncomputed)
	}
	if len(without.Uncomputed) < len(feature.Dictionary)-6 { // one kernel makes tenure and its band
		t.Errorf("%d features are not computed, of %d with two needed", len(without.Uncomputed), len(feature.Dictionary))
	}
	if slices.Contains(with.Uncomputed, "elogin_cnt_chg1") || slices.Contains(with.Unread, "elogin_cnt_m1") || !slices.Contains(with.Unread, "elogin_cnt_m2") {
		t.Error("a feature the model needs is computed from the months it needs, and no more")
	}
	if with.ReadBytes != without.ReadBytes+2 || len(with.Read) != len(without.Read)+1 {
		t.Errorf("a column of 16 bits more: %d bytes in %d columns, before %d in %d", with.ReadBytes, len(with.Read), without.ReadBytes, len(without.Read))
	}
}

func TestAPictureAddsUp(t *testing.T) {
	t.Parallel()
	p := drawn(t, forty...)
	record := 0
	for _, c := range schema.Subscriber {
		record += len(c.Names())
	}
	canonical := len(p.Read) - 1 // and the extra column region
	if canonical+len(p.Unread)+1 != record {
		t.Errorf("%d columns read and %d not, of %d and the number", canonical, len(p.Unread), record)
	}
	sum, between, own, place := 0, 0, 0, 0
	made := map[string]bool{}
	for _, c := range append(slices.Clone(p.Read), p.Handed...) {
		made[c.Name] = true
	}
	for _, c := range p.Read {
		sum += c.Bytes
	}
	for _, c := range p.Handed {
		between += c.Bytes * p.BatchRows
	}
	var names []string
	for _, room := range p.Rooms {
		names = append(names, room.Name)
		for _, k := range room.Kernels {
			place = max(place, k.Place)
			own += k.Own
			for _, c := range k.Makes {
				between += c.Bytes * p.BatchRows
				made[c.Name] = true
			}
		}
	}
	for _, room := range p.Rooms {
		for _, k := range room.Kernels {
			for _, c := range k.Reads {
				if !made[c.Name] {
					t.Errorf("%s reads %s, which comes from nowhere", k.Name, c.Name)
				}
			}
		}
	}
	if sum != p.ReadBytes || between != p.Between || own != p.Own || own == 0 {
		t.Errorf("sums %d, %d, %d; the picture says %d, %d, %d", sum, between, own, p.ReadBytes, p.Between, p.Own)
	}
	kernels := 0
	for _, room := range p.Rooms {
		kernels += len(room.Kernels)
	}
	if place != kernels {
		t.Errorf("%d kernels, the last in place %d", kernels, place)
	}
	if !slices.IsSorted([]int{slices.Index(names, "history"), slices.Index(names, "model"), slices.Index(names, "decision")}) || slices.Contains(names, "other") {
		t.Errorf("rooms %v", names)
	}
	if text, err := json.Marshal(p); err != nil || strings.Contains(string(text), "null") {
		t.Errorf("%s, %v", text, err)
	}
}

// keeps is a kernel with memory of every kind.
type keeps struct {
	noKernel
	scratch []float64
	shared  *[]uint8
	months  [2][]uint16
	nested  struct{ lists [][]uint8 }
}

type noKernel struct{ kernel.Kernel }

func TestWhatAKernelKeepsIsCountedOnce(t *testing.T) {
	t.Parallel()
	shared := make([]uint8, 10)
	k := &keeps{scratch: make([]float64, 3, 5), shared: &shared, months: [2][]uint16{make([]uint16, 4), make([]uint16, 4)}}
	k.nested.lists = [][]uint8{make([]uint8, 7), nil}
	seen := map[unsafe.Pointer]bool{}
	if got, want := held(reflect.ValueOf(k), seen), 5*8+10+2*8+(2*24+7); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
	if again := held(reflect.ValueOf(&keeps{shared: &shared}), seen); again != 0 {
		t.Errorf("what is shared counts %d bytes twice", again)
	}
}
