package partition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const someone Number = 13812345678

var elevenDigits = regexp.MustCompile(`\A1[3-9][0-9]{9}\z`)

// naive reads a number the slow way: an expression and the standard library.
func naive(s string) (Number, bool) {
	if !elevenDigits.MatchString(s) {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return Number(n), err == nil
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{
		"13800001234", "13000000000", "19999999999", "12999999999", "20000000000", "", "1380000123", "138000012345",
		"+1380000123", "1380000123 ", " 1380000123", "1380000123\n", "1380000123a", "138_0000123", "-1380000123", "1.380000123",
		"1380000123٣", "１３８００００１２３４", "13800001\xff34", "99999999999", "00000000000", "1380000/234", "1380000:234",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, ok := naive(s)
		got, err := ParseNumber(s)
		switch {
		case ok != (err == nil) || got != want:
			t.Fatalf("ParseNumber(%q) = %q, %v; the reference says %q, %v", s, got.Digits(), err, want.Digits(), ok)
		case ok && got.Digits() != s:
			t.Fatalf("%q comes back as %q", s, got.Digits())
		case !ok && err != ErrNumber: //nolint:errorlint // the very value: nothing of s is wrapped around it
			t.Fatalf("%q: the error is %q", s, err)
		}
	})
}

func TestTheNumberSpaceIsThirteenToNineteen(t *testing.T) {
	t.Parallel()
	for n, want := range map[Number]bool{
		0: false, FirstNumber - 1: false, FirstNumber: true, someone: true, PastNumber - 1: true, PastNumber: false, math.MaxUint64: false,
	} {
		if n.Valid() != want || Whole.Contains(n) != want {
			t.Errorf("%s…: valid %v, in the whole range %v; want %v", n.Digits(), n.Valid(), Whole.Contains(n), want)
		}
	}
}

func TestASegmentHoldsTenThousandNumbers(t *testing.T) {
	t.Parallel()
	s := someone.Segment()
	if s != 1381234 || s.First() != 13812340000 || s.Past() != 13812350000 || s.Past()-s.First() != LinesPerSegment {
		t.Errorf("segment %d is %s to %s", s, s.First().Digits(), s.Past().Digits())
	}
	for _, n := range []Number{s.First(), s.Past() - 1} {
		if n.Segment() != s {
			t.Errorf("…%s is in segment %d", n.Digits()[7:], n.Segment())
		}
	}
	if s.Past().Segment() != s+1 || (s.First()-1).Segment() != s-1 {
		t.Error("a neighbour lies in the segment")
	}
}

// secret reports whether text shows the digits in any notation, or the part of
// them that is masked.
func secret(text string) bool {
	for _, form := range []string{"%d", "%x", "%X", "%o", "%b", "%O", "%U", "%e", "%E", "%g"} {
		if strings.Contains(text, fmt.Sprintf(form, uint64(someone))) {
			return true
		}
	}
	return strings.Contains(text, "12345") || strings.Contains(text, "23456") || strings.Contains(text, string(rune(someone&0x10ffff)))
}

// carrier is a struct as code would print it while hunting a bug.
type carrier struct {
	Name  string
	One   Number
	Many  []Number
	Fixed [2]Number
	Keyed map[Number]int
	Any   any
	Next  *carrier
}

func TestNumberPrintsMaskedUnderEveryVerbI8(t *testing.T) {
	t.Parallel()
	c := carrier{One: someone, Many: []Number{someone}, Fixed: [2]Number{someone, someone}, Keyed: map[Number]int{someone: 1}, Any: someone}
	deep := carrier{Next: &c, Many: []Number{someone}}
	values := map[string]any{
		"plain": someone, "in a struct": c, "behind a pointer": &c, "deep": deep.Next.Any, "in a list": []Number{someone},
		"in a map": map[string]Number{"n": someone}, "as a key": map[Number]string{someone: "x"}, "in any": []any{someone}, "in an array": [1]Number{someone},
	}
	for what, v := range values {
		for verb := 'A'; verb <= 'z'; verb++ {
			switch verb {
			case 'p', 'T', 'w', '[': // refused by go vet or no verb; they never reach Format
				continue
			}
			for _, flags := range []string{"", "+", "#", " ", "0", "-", "20", "020", ".3", "+#20.3"} {
				format := "%" + flags + string(verb)
				text := fmt.Sprintf(format, v)
				if secret(text) {
					t.Errorf("%s under %s: %s", what, format, text)
				}
				if what == "plain" && !strings.Contains(text, "138****5678") {
					t.Errorf("%s shows %q", format, text)
				}
			}
		}
	}
	if text := fmt.Sprintf("%#v", someone); text != "partition.Number(138****5678)" {
		t.Errorf("%%#v shows %q", text)
	}
	if text := fmt.Sprint(someone) + fmt.Sprintln(someone) + someone.String() + someone.GoString(); secret(text) {
		t.Error(text)
	}
}

func TestNumberIsMaskedInErrorsLogsAndJSONI8(t *testing.T) {
	t.Parallel()
	inner := fmt.Errorf("row 7: number %d is there twice: %w", someone, ErrNumber)
	err := fmt.Errorf("read base.csv: %w", errors.Join(inner, fmt.Errorf("%x", someone)))
	if secret(err.Error()) || !errors.Is(err, ErrNumber) {
		t.Error(err)
	}
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		log := slog.New(handler(&b))
		log.With("with", someone).Error("a number slipped in", "n", someone, "c", carrier{One: someone, Keyed: map[Number]int{someone: 1}}, "list", []Number{someone},
			slog.Group("group", "n", someone), "err", err, "range", Range{someone, someone + 1})
		if b.Len() < 100 || secret(b.String()) {
			t.Errorf("%s log: %s", name, b.String())
		}
	}
	data, jsonErr := json.Marshal(carrier{One: someone, Many: []Number{someone}, Keyed: map[Number]int{someone: 1}, Any: &c13})
	if jsonErr != nil || secret(string(data)) || bytes.Count(data, []byte("138****5678")) != 4 {
		t.Errorf("%s, %v", data, jsonErr)
	}
}

var c13 = struct{ N Number }{someone}

func TestWhatIsNoNumberPrintsNoDigits(t *testing.T) {
	t.Parallel()
	for _, n := range []Number{0, 42, FirstNumber - 1, PastNumber, math.MaxUint64} {
		if got := n.String(); got != "***********" {
			t.Errorf("got %q", got)
		}
	}
}
