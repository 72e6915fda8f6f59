package kernel

import (
	"math"
	"testing"
	"time"
)

func day(y, m, d int) int32 {
	return int32(time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

func TestMonthArithmeticAgreesWithTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for year := 1899; year <= 2101; year++ {
		for m := 1; m <= 12; m++ {
			month := int32(year*100 + m)
			if got := MonthOf(MonthIndex(month)); got != month {
				t.Fatalf("month %d becomes %d", month, got)
			}
			if got, want := MonthStart(month), day(year, m, 1); got != want {
				t.Fatalf("start of %d is %d, want %d", month, got, want)
			}
			if got, want := MonthEnd(month), day(year, m+1, 0); got != want {
				t.Fatalf("end of %d is %d, want %d", month, got, want)
			}
			for k := -30; k <= 30; k++ {
				at := time.Date(year, time.Month(m+k), 1, 0, 0, 0, 0, time.UTC)
				if got, want := MonthAdd(month, k), int32(at.Year()*100+int(at.Month())); got != want {
					t.Fatalf("%d plus %d is %d, want %d", month, k, got, want)
				}
			}
		}
	}
}

func TestDateMonthAgreesWithTheStandardLibrary(t *testing.T) {
	t.Parallel()
	check := func(date int32) {
		at := time.Unix(int64(date)*86400, 0).UTC()
		index, d := DateMonth(date)
		if int(index) != at.Year()*12+int(at.Month())-1 || int(d) != at.Day() {
			t.Fatalf("date %d: index %d day %d, want %s", date, index, d, at)
		}
	}
	for date := day(1850, 1, 1); date < day(2200, 1, 1); date++ {
		check(date)
	}
	for date := int64(math.MinInt32); date <= math.MaxInt32; date += 400_009 {
		check(int32(date))
	}
	check(math.MinInt32)
	check(math.MaxInt32)
}

func TestAddMonthsClampsToTheEndOfTheMonth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, want int32
		k          int
	}{
		{day(2010, 12, 31), day(2011, 2, 28), 2},
		{day(2011, 12, 31), day(2012, 2, 29), 2},
		{day(2011, 2, 28), day(2011, 4, 28), 2},
		{day(2010, 10, 31), day(2010, 11, 30), 1},
		{day(2010, 3, 31), day(2010, 2, 28), -1},
		{day(2010, 12, 15), day(2010, 12, 15), 0},
		{day(2012, 2, 29), day(2013, 2, 28), 12},
	} {
		if got := AddMonths(c.from, c.k); got != c.want {
			t.Errorf("%d plus %d months is %d, want %d", c.from, c.k, got, c.want)
		}
	}
}
