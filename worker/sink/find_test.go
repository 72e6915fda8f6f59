package sink

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"

	"rescore/partition"
	"rescore/partition/store"
)

func TestARowIsFoundByItsNumberAndNoOtherIs(t *testing.T) {
	t.Parallel()
	for _, group := range []int{0, 7, 64} {
		st := newStore(t)
		a := theAttempt
		a.rowGroupRows = group
		all := base(9, 300, true)
		file := stage(t, st, a, all, 300).Files[0]
		whole := record(all, 0)
		defer whole.Release()
		numbers := map[partition.Number]bool{0: true}
		for _, r := range all {
			numbers[partition.Number(r.Msisdn)] = true
		}
		for i := 0; i < len(all); i += 13 { // 299 is the last row
			n := partition.Number(all[i].Msisdn)
			want := whole.NewSlice(int64(i), int64(i)+1)
			got, from, err := Find(t.Context(), st, file.Path, n)
			check(t, err)
			if got == nil || got.NumRows() != 1 || !array.RecordEqual(got, want) || from.Job != a.Job {
				t.Fatalf("groups of %d: row %d is not the one that is found", group, i)
			}
			for _, other := range []partition.Number{n - 1, n + 1} {
				if numbers[other] {
					continue
				}
				if got, _, err := Find(t.Context(), st, file.Path, other); err != nil || got != nil {
					t.Fatalf("groups of %d: a number that is not there is found beside row %d, %v", group, i, err)
				}
			}
		}
	}
}

func TestFindingInADamagedFileIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	st, err := store.NewFile(dir)
	check(t, err)
	all := base(3, 500, false)
	file := stage(t, st, theAttempt, all, 500).Files[0]
	name := filepath.Join(dir, filepath.FromSlash(file.Path))
	whole, err := os.ReadFile(name)
	check(t, err)
	for at := 4; at < len(whole); at += 97 {
		bad := append([]byte{}, whole...)
		bad[at] ^= 0x55
		check(t, os.WriteFile(name, bad, 0o600))
		for _, r := range all[:3] {
			got, _, err := Find(t.Context(), st, file.Path, partition.Number(r.Msisdn))
			switch {
			case err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrLayout):
				t.Fatalf("byte %d: %v", at, err)
			case err == nil && at < len(whole)/2 && got == nil:
				t.Fatalf("byte %d: the damage hides a row", at)
			}
		}
	}
}
