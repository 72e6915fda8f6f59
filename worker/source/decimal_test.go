package source

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

// exact computes text·num/den rounded half to even with math/big.
func exact(text string, num, den int64) (v *big.Int, whole bool) {
	x, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, false
	}
	x.Mul(x, big.NewRat(num, den))
	floor := new(big.Int).Div(x.Num(), x.Denom()) // Euclidean: floor for a positive denominator
	rest := new(big.Rat).Sub(x, new(big.Rat).SetInt(floor))
	switch c := rest.Cmp(big.NewRat(1, 2)); {
	case c > 0, c == 0 && floor.Bit(0) != 0:
		floor.Add(floor, big.NewInt(1))
	}
	return floor, x.IsInt()
}

func TestDecimalsScaleExactly(t *testing.T) {
	t.Parallel()
	check := func(text string, num, den int64) {
		t.Helper()
		want, wantWhole := exact(text, num, den)
		d, o := parseDecimal([]byte(text))
		if (o == valueOK) != (want != nil) {
			t.Fatalf("%q is outcome %d, math/big reads %v", text, o, want)
		}
		if o != valueOK {
			return
		}
		got, fits, whole := d.scaled(num, den)
		if !want.IsInt64() {
			if fits && want.Cmp(big.NewInt(math.MinInt64)) != 0 {
				t.Fatalf("%s·%d/%d fits as %d, want %s", text, num, den, got, want)
			}
			return
		}
		if want.Int64() == math.MinInt64 {
			return // out of range here, one past symmetric
		}
		if !fits || got != want.Int64() || whole != wantWhole {
			t.Fatalf("%s·%d/%d = %d (fits %v, whole %v), want %s (whole %v)", text, num, den, got, fits, whole, want, wantWhole)
		}
	}
	scales := [][2]int64{{1, 1}, {100, 1}, {60, 1}, {1, 1024}, {1024 * 1024, 1}, {1, 1000}}
	for _, text := range []string{
		"0", "-0", "1", "-1", "0.5", "1.5", "2.5", "-0.5", "-2.5", "0.005", "0.015", "0.025", "1.005", "35.00", "1e3", "1.5E-1", "+7", ".5", "5.",
		"9223372036854775807", "9223372036854775808", "92233720368547758.07", "0.00000000000000000000000000000001", "123456789012345678901234567890",
		"512", "1536", "2560", "1e-400", "1e400", "0e999", "0.5000000000000000000000000001", "0.4999999999999999999999999999",
	} {
		for _, s := range scales {
			check(text, s[0], s[1])
		}
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range 50_000 {
		text := fmt.Sprint(r.Uint64N(1 << r.IntN(64)))
		if r.IntN(2) == 0 {
			text = "-" + text
		}
		if r.IntN(2) == 0 {
			text += fmt.Sprintf(".%0*d", 1+r.IntN(12), r.IntN(1000))
		}
		if r.IntN(4) == 0 {
			text += fmt.Sprintf("e%d", r.IntN(30)-15)
		}
		s := scales[r.IntN(len(scales))]
		check(text, s[0], s[1])
	}
}

func TestNumbersAsTextHaveFourOutcomes(t *testing.T) {
	t.Parallel()
	lo, hi := int64(0), int64(255)
	proto := conversion{goal: goalInt, num: 1, den: 1, lo: lo, hi: hi, exact: true, nulls: []string{"", "NULL"}}
	c, why := adapt(proto, field{kind: kindText})
	if why != "" {
		t.Fatal(why)
	}
	proto.nulls = []string{"7"}
	if seven, _ := adapt(proto, field{kind: kindText}); true {
		if _, o := seven.text([]byte("7")); o != valueNull {
			t.Errorf("a null token of digits has outcome %d", o)
		}
	}
	for text, want := range map[string]outcome{
		"0": valueOK, "255": valueOK, " 7 ": valueOK, "7.0": valueOK, "7e0": valueOK, "+7": valueOK,
		"": valueNull, " ": valueNull, "NULL": valueNull,
		"256": valueBad, "-1": valueBad, "7.5": valueBad, "NaN": valueBad, "-Inf": valueBad, "infinity": valueBad, "99999999999999999999": valueBad,
		"x": valueReject, "7x": valueReject, "0x7": valueReject, "1_0": valueReject, "--1": valueReject, "1e": valueReject, ".": valueReject, "\x00": valueReject, "null": valueReject,
	} {
		if _, o := c.text([]byte(text)); o != want {
			t.Errorf("%q has outcome %d, want %d", text, o, want)
		}
		f := conversion{goal: goalFloat, num: 1, den: 1, nulls: c.nulls}
		wantFloat := want
		if text == "256" || text == "-1" || text == "7.5" || text == "99999999999999999999" {
			wantFloat = valueOK // an extra column has no bounds
		}
		if _, o := f.number([]byte(text)); o != wantFloat {
			t.Errorf("%q as an extra column has outcome %d, want %d", text, o, wantFloat)
		}
	}
}

func TestDatesAreDaysOfTheCalendar(t *testing.T) {
	t.Parallel()
	day := func(y, m, d int) int32 {
		return int32(time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
	}
	for text, want := range map[string]int32{
		"2026-06-30": day(2026, 6, 30), "20260630": day(2026, 6, 30), "2026/6/3": day(2026, 6, 3), "1970-01-01": 0, "1969-12-31": -1,
		"2024-02-29": day(2024, 2, 29), "2026-06-30 12:00:00": day(2026, 6, 30), "2026-06-30T12:00:00Z": day(2026, 6, 30),
	} {
		if got, ok := parseDate([]byte(text), nil); !ok || got != want {
			t.Errorf("%s is day %d (%v), want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "2026", "2026-13-01", "2023-02-29", "20230229", "2026-06", "30/06/2026", "2026-06-30x", "2026--06", "2026/06-30", "999999999", "2026-06-30 noon"} {
		if got, ok := parseDate([]byte(text), nil); ok {
			t.Errorf("%q is day %d, want none", text, got)
		}
	}
	if got, ok := parseDate([]byte("6/30/2014"), []string{"1/2/2006"}); !ok || got != day(2014, 6, 30) {
		t.Errorf("a layout of the job gives day %d (%v)", got, ok)
	}
}

func TestDivEvenRoundsHalfToEven(t *testing.T) {
	t.Parallel()
	for a := int64(-5000); a <= 5000; a++ {
		for _, b := range []int64{1, 2, 3, 4, 10, 1024} {
			if got, want := divEven(a, b), int64(math.RoundToEven(float64(a)/float64(b))); got != want {
				t.Fatalf("%d/%d = %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestEightDigitsAtATimeReadLikeOneAtATime(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(2, 7))
	for range 300_000 {
		n := 1 + r.IntN(16)
		b := make([]byte, 16+n)
		for i := range b {
			b[i] = byte('0' + r.IntN(10))
			if i >= n || r.IntN(40) == 0 {
				b[i] = byte(r.Uint32())
			}
		}
		want, wantOK := uint64(0), true
		for _, c := range b[:n] {
			wantOK = wantOK && c >= '0' && c <= '9'
			want = want*10 + uint64(c-'0')
		}
		if got, ok := digits(b, n); ok != wantOK || ok && got != want {
			t.Fatalf("%q is %d, %v", b[:n], got, ok)
		}
	}
}

func TestFixedPointTextReadsLikeDecimals(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(2, 8))
	read := 0
	for range 200_000 {
		b := make([]byte, r.IntN(21))
		for i := range b {
			b[i] = "0123456789012345678901234567890.-+e"[r.IntN(35)]
		}
		mant, places, ok := fixed(b)
		d, o := parseDecimal(b)
		if ok && (o != valueOK || d.long != nil || d.exp != -places || (mant < 0) != (d.neg && d.mant > 0) || uint64(max(mant, -mant)) != d.mant) {
			t.Fatalf("%q is %d·10^-%d, and %+v as a decimal", b, mant, places, d)
		}
		if ok {
			read++
		}
	}
	if read < 40_000 {
		t.Errorf("%d texts were fixed-point numbers", read)
	}
}

func TestEveryDayHasItsNumber(t *testing.T) {
	t.Parallel()
	day := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	for day.Year() <= 9999 {
		y, m, d := day.Date()
		if got, ok := civilDay(y, int(m), d); !ok || int64(got) != day.Unix()/86400 {
			t.Fatalf("%s is day %d, %v", day.Format("2006-01-02"), got, ok)
		}
		next := day.AddDate(0, 0, 1)
		if next.Month() != m {
			if _, ok := civilDay(y, int(m), d+1); ok {
				t.Fatalf("day %d of %d-%02d is one", d+1, y, m)
			}
		}
		day = next
	}
}
