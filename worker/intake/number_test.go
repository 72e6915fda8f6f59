package intake

import (
	"fmt"
	"math"
	"testing"

	"rescore/partition"
	"rescore/partition/job"
)

func TestNumbersAreReadHoweverTheyAreWritten(t *testing.T) {
	t.Parallel()
	r := Numbers{IoT: true, Nulls: []string{"", `\N`}}
	for text, want := range map[string]partition.Number{
		"13800138000":       13800138000,
		"+8613800138000":    13800138000,
		"8613800138000":     13800138000,
		"008613800138000":   13800138000,
		"+86 138 0013 8000": 13800138000,
		"+86-138-0013-8000": 13800138000,
		"138 0013 8000":     13800138000,
		"138-0013-8000":     13800138000,
		"  13800138000\t":   13800138000,
		"'13800138000":      13800138000,
		"\u201913800138000": 13800138000,
		"１３８００１３８０００":       13800138000,
		"＋８６　１３８００１３８０００":         13800138000,
		"138－0013－8000":           13800138000,
		"138\u20130013\u20138000": 13800138000,
		"\ufeff13800138000":       13800138000,
		"\u202d13800138000\u202c": 13800138000,
		"138\u00a00013\u00a08000": 13800138000,
		"1.3800138E+10":           13800138000,
		"1.3800138e10":            13800138000,
		"1.3800138000E+10":        13800138000,
		"1.3912345678E+10":        13912345678,
		"13912345678E0":           13912345678,
		"139123456780E-1":         13912345678,
		"8.613912345678E+12":      13912345678,
		"13912345678.0":           13912345678,
		"13912345678.":            13912345678,
		"0.13912345678E11":        13912345678,
		"１．３８００１３８Ｅ＋１０":           13800138000,
		"19999999999":             19999999999,
		"13000000000":             13000000000,
	} {
		if got, why := r.Text([]byte(text)); got != want || why != 0 {
			t.Errorf("%q is %s, %v", text, got.Digits(), why)
		}
	}
	for text, want := range map[string]job.Reason{
		"":                     job.NullKey,
		`\N`:                   job.NullKey,
		"   ":                  job.NullKey,
		"\u3000":               job.NullKey,
		"12800138000":          job.BadNumber, // starts 12
		"1380013800":           job.BadNumber,
		"138001380000":         job.BadNumber,
		"013800138000":         job.BadNumber, // of a trunk call
		"+13800138000":         job.BadNumber, // of another country
		"+8513800138000":       job.BadNumber,
		"868613800138000":      job.BadNumber,
		"-13800138000":         job.BadNumber,
		"1.38E+10":             job.BadNumber, // digits are lost
		"1.38001E+10":          job.BadNumber,
		"0.138001E+11":         job.BadNumber,
		"1.39123456785E+10":    job.BadNumber, // a fraction
		"13912345678.5":        job.BadNumber,
		"1.3912345678E+11":     job.BadNumber,
		"1.3912345678E":        job.BadNumber,
		"1.3912345678E+999999": job.BadNumber,
		"1.391.2345678":        job.BadNumber,
		"13912345678x":         job.BadNumber,
		"0x33CD4C3A0":          job.BadNumber,
		"\xff13800138000":      job.BadNumber,
		"E10":                  job.BadNumber,
		"+":                    job.BadNumber,
		"1064812345678":        job.IoTNumber,
		"1440012345678":        job.IoTNumber,
		"861064812345678":      job.IoTNumber,
		"8612345678901":        job.BadNumber, // 86, and no number behind it
	} {
		if got, why := r.Text([]byte(text)); got != 0 || why != want {
			t.Errorf("%q is %v, %v, want %v", text, got, why, want)
		}
	}
	if _, why := (Numbers{}).Text([]byte("1064812345678")); why != job.BadNumber {
		t.Errorf("an IoT number that is not excluded is %v", why)
	}
}

func TestNumbersInColumnsOfNumbers(t *testing.T) {
	t.Parallel()
	r := Numbers{IoT: true}
	for v, want := range map[int64]job.Reason{13800138000: 0, 8613800138000: 0, 1064812345678: job.IoTNumber, 12800138000: job.BadNumber, -13800138000: job.BadNumber, 0: job.BadNumber} {
		if n, why := r.Integer(v); why != want || why == 0 && n != 13800138000 {
			t.Errorf("%d is %v, %v", v, n, why)
		}
		if n, why := r.Float(float64(v)); why != want || why == 0 && n != 13800138000 {
			t.Errorf("the float %d is %v, %v", v, n, why)
		}
	}
	for v, want := range map[float64]job.Reason{13800138000.5: job.BadNumber, math.NaN(): job.NullKey, math.Inf(1): job.BadNumber, 1e300: job.BadNumber} {
		if _, why := r.Float(v); why != want {
			t.Errorf("%v is %v", v, why)
		}
	}
}

// Whatever is in front, between and behind, it is the number that was there.
func FuzzNumbers(f *testing.F) {
	for _, s := range []string{"13800138000", "+86 138-0013-8000", "1.3800138E+10", "\u3000１３８"} {
		f.Add([]byte(s))
	}
	r := Numbers{IoT: true, Nulls: []string{""}}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, why := r.Text(b)
		if (why == 0) != n.Valid() {
			t.Fatalf("a number that is %v with reason %v", n.Valid(), why)
		}
		if why != 0 {
			return
		}
		for _, form := range []string{"%s", "+86%s", "0086 %s", " %s\t", "%s.00"} {
			if again, why := r.Text(fmt.Appendf(nil, form, n.Digits())); again != n || why != 0 {
				t.Fatalf("%s reads back as another number, %v", form, why)
			}
		}
	})
}
