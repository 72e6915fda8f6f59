package schema

import (
	"slices"
	"testing"
)

func TestFingerprintChangesWithNamesTypesAndOrderOnly(t *testing.T) {
	t.Parallel()
	base := Fingerprint(Score)
	change := func(edit func(record []Column)) string {
		record := slices.Clone(Score)
		edit(record)
		return Fingerprint(record)
	}
	for name, got := range map[string]string{
		"a renamed column":  change(func(r []Column) { r[3].Name += "x" }),
		"a retyped column":  change(func(r []Column) { r[3].Type = u16 }),
		"swapped columns":   change(func(r []Column) { r[3], r[4] = r[4], r[3] }),
		"a monthly column":  change(func(r []Column) { r[3].Monthly = true }),
		"a missing column":  Fingerprint(Score[:len(Score)-1]),
		"the other record":  Fingerprint(Subscriber),
		"an empty record":   Fingerprint(nil),
		"a doubled column":  Fingerprint(append(slices.Clone(Score), Score[1])),
		"a column up front": Fingerprint(append([]Column{Score[1]}, Score...)),
	} {
		if got == base {
			t.Errorf("%s keeps the fingerprint", name)
		}
	}
	if change(func(r []Column) { r[3].Doc, r[3].Unit, r[3].Null = "other words", Fen, "other" }) != base {
		t.Error("documentation changes the fingerprint")
	}
}
