package event

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"rescore/partition/job"
	"rescore/partition/schema"
)

// happening is an event as the reference has it.
type happening struct {
	when  time.Time
	whole *int64   // of a column of whole numbers
	real  *float64 // of the others
	kept  bool
}

// reference works a value out of all events of a subscriber, by the calendar and with
// numbers of any size, knowing nothing of slots and states.
func reference(c Column, month int32, k int, events []happening) (whole int64, real float64, state State) {
	if c.Monthly && k >= c.Months {
		return 0, 0, Null
	}
	end := time.Date(int(month/100), time.Month(month%100)+1, 1, 0, 0, 0, 0, time.UTC) // behind the scoring month
	var of []happening
	for _, e := range events {
		from, past := end.AddDate(0, -c.Months, 0), end
		switch {
		case c.Monthly:
			from, past = end.AddDate(0, -k-1, 0), end.AddDate(0, -k, 0)
		case c.Days > 0:
			from = end.AddDate(0, 0, -c.Days)
		}
		value := c.Function == job.Count || c.Real && e.real != nil || !c.Real && e.whole != nil
		if e.kept && value && !e.when.Before(from) && e.when.Before(past) {
			of = append(of, e)
		}
	}
	counts := c.Function == job.Count || c.Function == job.CountDistinct
	if len(of) == 0 && (c.Empty != nil || !counts) {
		if c.Empty == nil {
			return 0, 0, Null
		}
		if !c.Real && (*c.Empty < c.Low || *c.Empty > c.High) {
			return 0, 0, Bad
		}
		return *c.Empty, float64(*c.Empty), Good
	}
	slices.SortStableFunc(of, func(a, b happening) int { return a.when.Compare(b.when) })
	exact := new(big.Int)
	distinct := map[string]bool{}
	text := func(e happening) string {
		if c.Real {
			return fmt.Sprint(*e.real + 0)
		}
		return fmt.Sprint(*e.whole)
	}
	switch c.Function {
	case job.Count:
		exact.SetInt64(int64(len(of)))
		real = float64(len(of))
	case job.CountDistinct:
		for _, e := range of {
			distinct[text(e)] = true
		}
		exact.SetInt64(int64(len(distinct)))
		real = float64(len(distinct))
	case job.First, job.Last:
		e := of[0]
		if c.Function == job.Last {
			e = of[len(of)-1]
		}
		if c.Real {
			real = *e.real
		} else {
			exact.SetInt64(*e.whole)
		}
	case job.Min, job.Max:
		for i, e := range of {
			switch {
			case c.Real && (i == 0 || c.Function == job.Min && *e.real < real || c.Function == job.Max && *e.real > real):
				real = *e.real
			case !c.Real:
				v := big.NewInt(*e.whole)
				if d := v.Cmp(exact); i == 0 || c.Function == job.Min && d < 0 || c.Function == job.Max && d > 0 {
					exact = v
				}
			}
		}
	case job.Sum, job.Avg:
		for _, e := range events { // in the order of the rows, which sums of floats go by
			if !slices.ContainsFunc(of, func(o happening) bool { return o == e }) {
				continue
			}
			if c.Real {
				real += *e.real
			} else {
				exact.Add(exact, big.NewInt(*e.whole))
			}
		}
		if c.Function == job.Avg {
			n := int64(len(of))
			real /= float64(n)
			q := new(big.Rat).SetFrac(exact, big.NewInt(n))
			exact = halfEven(q)
		}
	case job.BitOr:
		for _, e := range of {
			exact.Or(exact, big.NewInt(*e.whole))
		}
	}
	if c.Real {
		if math.IsInf(real, 0) || math.IsNaN(real) {
			return 0, 0, Bad
		}
		return 0, real, Good
	}
	if !exact.IsInt64() || exact.Int64() < c.Low || exact.Int64() > c.High {
		return 0, 0, Bad
	}
	return exact.Int64(), 0, Good
}

func halfEven(q *big.Rat) *big.Int {
	floor, rest := new(big.Int).DivMod(q.Num(), q.Denom(), new(big.Int))
	twice := new(big.Int).Lsh(rest, 1)
	if d := twice.Cmp(q.Denom()); d > 0 || d == 0 && floor.Bit(0) != 0 {
		floor.Add(floor, big.NewInt(1))
	}
	return floor
}

var functions = []string{job.Count, job.CountDistinct, job.Sum, job.Avg, job.Min, job.Max, job.First, job.Last, job.BitOr}

func randomColumn(r *rand.Rand) Column {
	c := Column{Function: functions[r.IntN(len(functions))], Months: 1 + r.IntN(schema.Months)}
	c.Real = c.Function != job.BitOr && r.IntN(3) == 0
	c.Monthly = !c.Real && r.IntN(2) == 0
	if !c.Monthly && r.IntN(2) == 0 {
		c.Days = 1 + r.IntN(400)
	}
	c.Low, c.High = [][2]int64{{math.MinInt64, math.MaxInt64}, {0, 255}, {math.MinInt16, math.MaxInt16}}[r.IntN(3)][0], math.MaxInt64
	if r.IntN(2) == 0 {
		c.Low, c.High = 0, 255
	}
	if r.IntN(4) == 0 {
		empty := r.Int64N(400)
		c.Empty = &empty
	}
	return c
}

func randomEvent(r *rand.Rand, month int32) happening {
	end := time.Date(int(month/100), time.Month(month%100)+1, 1, 0, 0, 0, 0, time.UTC)
	e := happening{kept: r.IntN(5) > 0}
	switch r.IntN(4) {
	case 0: // at the border of a month, or a microsecond before it
		e.when = end.AddDate(0, -r.IntN(8), 0).Add(-time.Duration(r.IntN(2)) * time.Microsecond)
	case 1:
		e.when = end.AddDate(0, 0, -r.IntN(420)).Add(-time.Duration(r.IntN(2)) * time.Microsecond)
	case 2: // times that are the same
		e.when = end.AddDate(0, 0, -r.IntN(40))
	default:
		e.when = end.Add(-time.Duration(r.Int64N(500*24*3600)) * time.Second)
	}
	if r.IntN(6) > 0 {
		v := r.Int64N(12)
		switch r.IntN(9) {
		case 8:
			v = int64(r.Uint64())
		case 0:
			v = math.MaxInt64 - r.Int64N(3)
		case 1:
			v = math.MinInt64 + r.Int64N(3)
		case 2:
			v = -v
		}
		e.whole = &v
	}
	if r.IntN(6) > 0 {
		x := []float64{0, math.Copysign(0, -1), 0.1, 0.2, -3.7, 1e17, math.MaxFloat64, math.Float64frombits(r.Uint64())}[r.IntN(8)]
		if x-x == 0 { // files hold no others
			e.real = &x
		}
	}
	return e
}

// TestEveryColumnIsWhatAllEventsComeTo holds the aggregator to a reference that knows no
// batches, over events cut into batches and runs anywhere.
func TestEveryColumnIsWhatAllEventsComeTo(t *testing.T) {
	t.Parallel()
	rounds := 4000
	if os.Getenv("RESCORE_LONG") != "" {
		rounds = 400_000
	}
	r := rand.New(rand.NewPCG(51, 1))
	for range rounds {
		aggregate(t, r)
	}
}

// FuzzColumns is the same for columns and events that the fuzzer chooses.
func FuzzColumns(f *testing.F) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(51, 10+seed))
		choices := make([]byte, 0, 4096)
		for len(choices) < 512<<seed {
			choices = binary.LittleEndian.AppendUint64(choices, r.Uint64())
		}
		f.Add(choices)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		aggregate(t, rand.New(&chosen{choices, rand.NewPCG(51, 2)}))
	})
}

// chosen are random numbers that somebody chose, and others behind them.
type chosen struct {
	numbers []byte
	rest    rand.Source
}

func (c *chosen) Uint64() uint64 {
	if len(c.numbers) < 8 {
		return c.rest.Uint64()
	}
	v := binary.LittleEndian.Uint64(c.numbers)
	c.numbers = c.numbers[8:]
	return v
}

// aggregate aggregates the events of some subscribers.
func aggregate(t *testing.T, r *rand.Rand) {
	t.Helper()
	month := []int32{202610, 202401, 202402, 202412, 200003}[r.IntN(5)]
	columns := make([]Column, 1+r.IntN(5))
	reach := Reach{}
	for i := range columns {
		columns[i] = randomColumn(r)
		reach.Days = max(reach.Days, columns[i].Days)
		if columns[i].Days == 0 {
			reach.Months = max(reach.Months, columns[i].Months)
		}
	}
	a := New(month, reach, columns)
	for range 1 + r.IntN(4) {
		check(t, r, a, month, reach, columns)
	}
}

func check(t *testing.T, r *rand.Rand, a *Aggregator, month int32, reach Reach, columns []Column) {
	t.Helper()
	events := make([]happening, r.IntN(40))
	for i := range events {
		events[i] = randomEvent(r, month)
	}
	a.Reset()
	for from := 0; from < len(events); {
		// a batch: events of others, some of these, and others again
		n := min(1+r.IntN(20), len(events)-from)
		before, behind := r.IntN(3), r.IntN(3)
		batch := make([]happening, 0, before+n+behind)
		for range before {
			batch = append(batch, randomEvent(r, month))
		}
		batch = append(batch, events[from:from+n]...)
		for range behind {
			batch = append(batch, randomEvent(r, month))
		}
		load(a, columns, batch)
		for i, e := range batch {
			if got, want := a.Within(i), reach.holds(month, e.when); got != want {
				t.Fatalf("an event of %s is within %+v: %t", e.when, reach, got)
			}
		}
		at := before
		for at < before+n {
			k := 1 + r.IntN(before+n-at)
			a.Add(at, at+k)
			at += k
		}
		from += n
	}
	for i, c := range columns {
		for k := range c.Values() {
			whole, real, state := reference(c, month, k, events)
			if c.Real {
				got, was := a.Real(i)
				if was != state || state == Good && got != real {
					t.Fatalf("%+v of %d events: %v, %d, want %v, %d", c, len(events), got, was, real, state)
				}
				continue
			}
			if got, was := a.Whole(i, k); was != state || state == Good && got != whole {
				t.Fatalf("%+v month %d of %d events: %d, %d, want %d, %d", c, k, len(events), got, was, whole, state)
			}
		}
	}
}

func (w Reach) holds(month int32, when time.Time) bool {
	end := time.Date(int(month/100), time.Month(month%100)+1, 1, 0, 0, 0, 0, time.UTC)
	return when.Before(end) && (!when.Before(end.AddDate(0, 0, -w.Days)) || !when.Before(end.AddDate(0, -w.Months, 0)))
}

func load(a *Aggregator, columns []Column, batch []happening) {
	var when []int64
	for _, e := range batch {
		when = append(when, e.when.UnixMicro())
	}
	values := make([]Values, len(columns))
	for i, c := range columns {
		v := &values[i]
		kept := make([]uint8, len(batch))
		valid := make([]byte, len(batch)/8+1)
		for k, e := range batch {
			if e.kept {
				kept[k] = 1
			}
			switch {
			case c.Function == job.Count:
			case c.Real:
				x := math.NaN()
				if e.real != nil {
					x = *e.real
				}
				v.Real = append(v.Real, x)
			default:
				x := int64(7)
				if e.whole != nil {
					x = *e.whole
					valid[k/8] |= 1 << (k % 8)
				}
				v.Whole, v.Valid = append(v.Whole, x), valid
			}
		}
		v.Kept = [][]uint8{kept}
	}
	a.Load(when, values)
}

func TestMoreValuesThanAreToldApartAreABadValue(t *testing.T) {
	t.Parallel()
	for extra, want := range map[int]State{0: Good, 1: Bad} {
		a := New(202610, Reach{Months: 1}, []Column{{Function: job.CountDistinct, Months: 1, High: math.MaxInt64}})
		n := DistinctMax + extra
		when, whole := make([]int64, n), make([]int64, n)
		for i := range n {
			when[i], whole[i] = time.Date(2026, 10, 5, 0, 0, 0, 0, time.UTC).UnixMicro(), int64(i)
		}
		a.Reset()
		a.Load(when, []Values{{Whole: whole}})
		a.Add(0, n)
		a.Add(0, n) // again, which changes nothing
		if got, state := a.Whole(0, 0); state != want || state == Good && got != DistinctMax {
			t.Errorf("%d values: %d, %d", n, got, state)
		}
	}
}

func TestAddingEventsAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 2))
	columns := []Column{
		{Function: job.Count, Monthly: true, Months: 6, High: 1 << 30}, {Function: job.Sum, Months: 6, High: 1 << 40},
		{Function: job.Last, Days: 90, High: 4}, {Function: job.Avg, Months: 6, Real: true}, {Function: job.CountDistinct, Months: 6, High: 99},
	}
	a := New(202610, Reach{Months: 6, Days: 90}, columns)
	batch := make([]happening, 512)
	for i := range batch {
		batch[i] = randomEvent(r, 202610)
	}
	load(a, columns, batch)
	a.Reset()
	a.Add(0, len(batch))
	if n := testing.AllocsPerRun(20, func() {
		a.Reset()
		a.Add(0, len(batch))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
