package partition

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// near draws numbers that meet: a dozen around each end of the space and in the
// middle of it.
func near(t *rapid.T, label string) Number {
	at := rapid.SampledFrom([]Number{FirstNumber, 13800010000, 16000000000, PastNumber}).Draw(t, label+" at")
	return at + Number(rapid.IntRange(-6, 6).Draw(t, label))
}

func aRange(t *rapid.T, label string) Range {
	return Range{First: near(t, label+" first"), Past: near(t, label+" past")}
}

func TestIntersectHoldsWhatBothHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, n := aRange(t, "a"), aRange(t, "b"), near(t, "n")
		both := a.Intersect(b)
		if both.Contains(n) != (a.Contains(n) && b.Contains(n)) {
			t.Fatalf("%+v of %+v and %+v", both, a, b)
		}
		if both != b.Intersect(a) || a.Intersect(a) != a {
			t.Fatal("the order, or saying it twice, matters")
		}
		if a.Empty() && (!both.Empty() || a.Contains(n)) {
			t.Fatal("an empty range holds something")
		}
		if a.Empty() != (a.First >= a.Past) || !a.Empty() && (!a.Contains(a.First) || !a.Contains(a.Past-1) || a.Contains(a.Past)) {
			t.Fatal("the ends are not half open")
		}
	})
}

func TestRangePrintsBySegmentsAndNamesNobodyI8(t *testing.T) {
	t.Parallel()
	for r, want := range map[Range]string{
		Whole: "1300000-1999999", {13800130000, 13800970000}: "1380013-1380096", {13800130000, 13800140000}: "1380013-1380013",
		{someone, someone + 1}: "1381234-1381234", {someone, someone}: "empty", {PastNumber, FirstNumber}: "empty",
	} {
		data, err := json.Marshal(r)
		if got := r.String(); got != want || err != nil || string(data) != `"`+want+`"` {
			t.Errorf("%q, in JSON %s, want %q", got, data, want)
		}
	}
}

// cuts draws a cover of whole, as a plan would cut it.
func cuts(t *rapid.T, whole Range) []Range {
	ends := rapid.SliceOfNDistinct(rapid.Uint64Range(uint64(whole.First)+1, uint64(whole.Past)-1), 0, 12, rapid.ID[uint64]).Draw(t, "ends")
	slices.Sort(ends)
	var parts []Range
	first := whole.First
	for _, e := range ends {
		parts = append(parts, Range{first, Number(e)})
		first = Number(e)
	}
	return append(parts, Range{first, whole.Past})
}

func TestCheckCoverTakesEveryCoverAndNothingElseI1(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.SampledFrom([]Range{Whole, {13800000000, 13800000040}}).Draw(t, "whole")
		parts := cuts(t, whole)
		if err := CheckCover(whole, parts); err != nil {
			t.Fatalf("a cover is refused: %v", err)
		}
		i := rapid.IntRange(0, len(parts)-1).Draw(t, "part")
		by := Number(rapid.IntRange(1, 3).Draw(t, "by"))
		fault := rapid.SampledFrom([]string{
			"drop", "repeat", "starts late", "starts early", "ends early", "ends late", "empty", "backwards", "swap", "none", "beyond", "before",
		}).Draw(t, "fault")
		bad := slices.Clone(parts)
		switch fault {
		case "drop":
			bad = slices.Delete(bad, i, i+1)
		case "repeat":
			bad = slices.Insert(bad, i, bad[i])
		case "starts late":
			bad[i].First += by
		case "starts early":
			bad[i].First -= by
		case "ends early":
			bad[i].Past -= by
		case "ends late":
			bad[i].Past += by
		case "empty":
			bad = slices.Insert(bad, i, Range{bad[i].First, bad[i].First})
		case "backwards":
			bad[i].First, bad[i].Past = bad[i].Past, bad[i].First
		case "swap":
			if len(bad) == 1 {
				return
			}
			j := (i + 1) % len(bad)
			bad[i], bad[j] = bad[j], bad[i]
		case "none":
			bad = nil
		case "beyond":
			bad = append(bad, Range{whole.Past, whole.Past + by})
		case "before":
			bad = slices.Insert(bad, 0, Range{whole.First - by, whole.First})
		}
		if err := CheckCover(whole, bad); err == nil {
			t.Fatalf("%s at %d of %d is not noticed", fault, i, len(parts))
		}
	})
}

func TestCheckCoverSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	a, b, c := Range{FirstNumber, 13800000000}, Range{13800000000, 15000000000}, Range{15000000000, PastNumber}
	for _, k := range []struct {
		parts []Range
		want  string
	}{
		{nil, "no range"},
		{[]Range{a, c}, "gap before range 1"},
		{[]Range{a, b, b, c}, "range 2 (1380000-1499999) overlaps"},
		{[]Range{a, b, {15000000000, 15000000000}, c}, "range 2 is empty"},
		{[]Range{a, b}, "does not reach the end"},
	} {
		if err := CheckCover(Whole, k.parts); err == nil || !strings.Contains(err.Error(), k.want) {
			t.Errorf("got %v, want %q", err, k.want)
		}
	}
}

func TestARangeIsReadAsItIsPrinted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Range{
		"1380013-1380096": {First: 13_800_130_000, Past: 13_800_970_000}, "1380013": {First: 13_800_130_000, Past: 13_800_140_000}, "1300000-1999999": Whole,
	} {
		got, err := ParseRange(text)
		if err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
		var again Range
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%s reads back as %v, %v", got, again, err)
		}
	}
	for _, text := range []string{"", "-", "1380013-", "-1380013", "1380096-1380013", "138001", "13800130", "1380013-13800960000", "+380013", "0380013", "2000000", "1380013-1380014-1380015", "empty"} {
		if _, err := ParseRange(text); !errors.Is(err, ErrRange) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestJoinedRangesAreTheSameNumbersOnce(t *testing.T) {
	t.Parallel()
	r := func(first, past Number) Range { return Range{First: first, Past: past} }
	for name, c := range map[string]struct{ give, want []Range }{
		"none":            {nil, nil},
		"empty ones":      {[]Range{r(5, 5), r(7, 3)}, nil},
		"out of order":    {[]Range{r(9, 11), r(1, 3)}, []Range{r(1, 3), r(9, 11)}},
		"side by side":    {[]Range{r(3, 5), r(1, 3)}, []Range{r(1, 5)}},
		"one in another":  {[]Range{r(1, 9), r(2, 3), r(4, 5)}, []Range{r(1, 9)}},
		"overlapping":     {[]Range{r(1, 4), r(3, 6), r(8, 9)}, []Range{r(1, 6), r(8, 9)}},
		"the same, twice": {[]Range{r(1, 4), r(1, 4)}, []Range{r(1, 4)}},
	} {
		if got := Join(c.give); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
