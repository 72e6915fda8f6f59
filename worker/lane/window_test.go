package lane

import (
	"math"
	"math/rand/v2"
	"testing"
)

// windowed holds the statistics of six months to what they are one row at a time,
// worked out from a list of the months that are known.
func windowed[T Monthly](t *testing.T, b *bed, r *rand.Rand, n int) {
	t.Helper()
	b.taken = 0
	x, known, w := make([][]T, 6), make([]*Mask, 6), [6]float64{1, 1, 1, 1, 1, 1}
	for k := range x {
		x[k], known[k] = column[T](b, r, n), mask(b, r)
		if r.IntN(2) == 0 {
			known[k].Fill(true)
		}
		if r.IntN(2) == 0 {
			w[k] = float64(28 + r.IntN(4))
		}
	}
	nan := math.NaN()
	// y returns the months from one on to another, 0 for unknown ones, their sum and number.
	y := func(i, from, to int) (list []float64, sum, count float64) {
		for k := from; k < to; k++ {
			v := 0.0
			if known[k].Get(i) {
				v = float64(x[k][i]) * w[k]
				count++
			}
			list, sum = append(list, v), sum+v
		}
		return list, sum, count
	}
	all := func(i int) (list []float64, sum, count float64) {
		_, recent, _ := y(i, 0, 3)
		_, earlier, _ := y(i, 3, 6)
		list, _, count = y(i, 0, 6)
		return list, recent + earlier, count
	}
	dst := take[float64](b, n)
	for _, months := range []int{3, 6} {
		least := float64(r.IntN(months) + 1)
		Mean(dst, x[:months], known, least)
		same(t, "Mean", dst, func(i int) float64 {
			sum, count := 0.0, 0.0
			for k := range months {
				if known[k].Get(i) {
					sum, count = sum+float64(x[k][i]), count+1
				}
			}
			if count < least {
				return nan
			}
			return sum / count
		})
	}
	Change(dst, x[:2], known, &w)
	change := func(i int) float64 {
		list, _, count := y(i, 0, 2)
		switch now, base := list[0], list[1]; {
		case count < 2:
			return nan
		case now == base:
			return 0
		case base == 0:
			return nan
		default:
			return (now - base) / base
		}
	}
	same(t, "Change", dst, change)
	var some Compared
	compared := func(at *[]float64) []float64 { // alone, or one of several
		*at = take[float64](b, n)
		Compare(&some, n, x, known, &w)
		return *at
	}
	same(t, "Change of Compare", compared(&some.Change), change)
	dst = compared(&some.MeanChange)
	same(t, "MeanChange", dst, func(i int) float64 {
		_, recent, a := y(i, 0, 3)
		_, earlier, b := y(i, 3, 6)
		left, right := recent*b, earlier*a
		switch {
		case a < 2 || b < 2:
			return nan
		case left == right:
			return 0
		case earlier == 0:
			return nan
		}
		return (left - right) / right
	})
	dst = compared(&some.Slope)
	if r.IntN(2) == 0 {
		some = Compared{}
	}
	same(t, "Slope", dst, func(i int) float64 {
		list, sum, count := all(i)
		places, squares, weighted := 0.0, 0.0, 0.0
		for k, v := range list {
			place := float64(5 - k)
			if known[k].Get(i) {
				places, squares = places+place, squares+place*place
			}
			weighted += float64(place * v)
		}
		if count < 3 || sum == 0 {
			return nan
		}
		rise := float64(count*weighted) - float64(places*sum)
		return float64(rise*count)/float64((count*squares-places*places)*sum) + 0
	})
	dst = compared(&some.Variation)
	same(t, "Variation", dst, func(i int) float64 {
		list, sum, count := all(i)
		squares := 0.0
		for k, v := range list {
			if known[k].Get(i) {
				d := float64(count*v) - sum
				squares += float64(d * d)
			}
		}
		if sum == 0 {
			return nan
		}
		return math.Sqrt(squares/count)/sum + 0
	})
}

func TestStatisticsOfAWindowAreThoseOfTheKnownMonths(t *testing.T) {
	onEachPath(t, func(t *testing.T, b *bed, r *rand.Rand, n int) {
		windowed[int16](t, b, r, n)
		windowed[int32](t, b, r, n)
		windowed[int64](t, b, r, n)
	})
}
