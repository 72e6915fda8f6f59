package tag

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
)

var complaint = [8][]string{
	{"资费", "套餐", "太贵", "tariff", "Price"},
	{"信号", "网络", "掉话", "network"},
	{"态度", "服务"},
	{"扣费", "账单", "多收"},
	{"增值", "彩铃"},
}

const other = 1 << 5

func TestC23AComplaintHasTheTopicsOfItsWords(t *testing.T) {
	t.Parallel()
	tagger := New(complaint, other)
	for text, want := range map[string]uint8{
		"资费太贵":                     1,
		"家里信号不好,经常掉话":              2,
		"营业厅服务态度差":                 4,
		"账单多收了十元":                  8,
		"没有订彩铃也扣费":                 16 | 8,
		"Tariff is too high":       1,
		"the PRICE of the NetWork": 1 | 2,
		"想换个号码":                    other,
		"??":                       other,
		"":                         0,
		" \t\r\n":                  0,
		"\u3000":                   0, // the blank of Chinese text
		"资":                        other,
		"资 费":                      other,
		"\xe8\xb5":                 other, // the beginning of a character
		"netwonetwork":             2,
	} {
		if got := tagger.Tag([]byte(text)); got != want {
			t.Errorf("%q has bits %06b, want %06b", text, got, want)
		}
	}
}

func TestAWordInsideAWordIsFound(t *testing.T) {
	t.Parallel()
	tagger := New([8][]string{{"she"}, {"he"}, {"hers"}, {"his"}, {"e"}}, 1<<7)
	for text, want := range map[string]uint8{
		"ushers": 1 | 2 | 4 | 16, "his": 8, "shis": 8, "hhe": 2 | 16, "hi": 1 << 7, "xe": 16,
	} {
		if got := tagger.Tag([]byte(text)); got != want {
			t.Errorf("%q has bits %08b, want %08b", text, got, want)
		}
	}
}

func TestWithoutWordsEveryTextIsOther(t *testing.T) {
	t.Parallel()
	tagger := New([8][]string{}, 64)
	if a, b := tagger.Tag([]byte("anything")), tagger.Tag(nil); a != 64 || b != 0 {
		t.Errorf("bits %d and %d, want 64 and 0", a, b)
	}
}

// contains is the reference: one word after the other.
func contains(words [8][]string, other uint8, text string) uint8 {
	fold := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= 'A' && r <= 'Z' {
				return r + 'a' - 'A'
			}
			return r
		}, s)
	}
	found := uint8(0)
	for k, list := range words {
		for _, w := range list {
			if strings.Contains(fold(text), fold(w)) {
				found |= 1 << k
			}
		}
	}
	if found == 0 && strings.TrimFunc(text, unicode.IsSpace) != "" {
		return other
	}
	return found
}

// drawn makes a table and a text from an alphabet small enough for words to
// overlap, and to be found.
func drawn(rng *rand.Rand) (words [8][]string, text string) {
	draw := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString([]string{"a", "b", "A", "B", " ", "资", "费", "贵"}[rng.IntN(8)])
		}
		return b.String()
	}
	for k := range words {
		for range rng.IntN(4) {
			words[k] = append(words[k], draw(1+rng.IntN(5)))
		}
	}
	return words, draw(rng.IntN(40))
}

func TestTaggingIsLookingForEveryWord(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		words, text := drawn(rng)
		if got, want := New(words, other).Tag([]byte(text)), contains(words, other, text); got != want {
			t.Fatalf("%q with %q has bits %08b, want %08b", text, words, got, want)
		}
	}
}

func FuzzTag(f *testing.F) {
	f.Add("资费,太贵|信号", "家里信号太贵")
	f.Add("a,aa|aaa|ab", "aaab")
	f.Add("He|she|HERS", "uSHErs")
	f.Add("\xff|\xe8\xb5", "\xe8\xb5\x84")
	f.Fuzz(func(t *testing.T, table, text string) {
		var words [8][]string
		if len(table) > 1000 {
			return
		}
		for k, list := range strings.SplitN(table, "|", 8) {
			for _, w := range strings.Split(list, ",") {
				if w != "" {
					words[k] = append(words[k], strings.ToValidUTF8(w, "?"))
				}
			}
		}
		text = strings.ToValidUTF8(text, "?")
		if got, want := New(words, 1<<7).Tag([]byte(text)), contains(words, 1<<7, text); got != want {
			t.Fatalf("%q with %q has bits %08b, want %08b", text, words, got, want)
		}
	})
}

func TestTheLongestTablesFit(t *testing.T) {
	t.Parallel()
	var words [8][]string
	for b := range 256 {
		words[b%8] = append(words[b%8], strings.Repeat(string([]byte{byte(b)}), MaxBytes/256))
	}
	tagger := New(words, 0)
	for b := range 256 {
		text := strings.Repeat(string([]byte{byte(b)}), MaxBytes/256)
		want := uint8(1) << (b % 8) // both cases of a letter have one bit, 32 being 4·8
		if got := tagger.Tag([]byte(text)); got != want {
			t.Fatalf("byte %d has bits %08b, want %08b", b, got, want)
		}
	}
}

func BenchmarkTag(b *testing.B) {
	tagger := New(complaint, other)
	for _, text := range []string{"用户反映家里信号不好,经常掉话,要求尽快处理,否则转网", "the customer asks for a cheaper plan and a new handset"} {
		b.Run(fmt.Sprintf("%dbytes", len(text)), func(b *testing.B) {
			in := []byte(text)
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				tagger.Tag(in)
			}
		})
	}
}
