// Package event makes columns of a subscriber out of the events that a long table has
// of him: calls, complaints, payments, contacts.
//
//	events of a table, by number        one subscriber's
//	13800000017 05-02 … ┐
//	13800000017 06-30 … ├─ window, filter ─► state of each column ─► a value, or one a month
//	13800000017 06-07 … ┘
//
// # What an event is of
//
// Its day decides: of the calendar month for a column with a value a month, of the last
// months or days for the others. Nothing after the last day of the scoring month is of
// any window, whatever the file holds, for nobody knew of it then. An event whose value
// is null is not of that column; nor is one that a filter leaves out.
//
// # Exactness
//
// Whole numbers are added up in 128 bits, so that no order of the events makes a
// difference; a result that its column cannot hold is missing, and counted as bad.
// Floating-point numbers are added in the order of the rows. Of events at the same
// time the earlier row is the first one, and the later row the last.
package event

import (
	"math"
	"math/bits"
	"slices"

	"rescore/partition/job"
	"rescore/partition/schema"
)

// Day is a day in microseconds: times are so many since 1970 on the calendar of the table.
const Day = 86_400_000_000

// DistinctMax is how many values that differ are told apart for one subscriber and
// column; more are a bad value.
const DistinctMax = 1 << 16

// Column says what is made of events.
type Column struct {
	Function  string // of job.Aggregate
	Monthly   bool   // a value for each of the months
	Months    int    // of the window, back from the scoring month
	Days      int    // instead of Months when not 0
	Real      bool   // values and results are float64
	Low, High int64  // of a whole result
	Empty     *int64 // without events; nil: 0 of counts, and null of others
}

// Values returns how many values the column has.
func (c Column) Values() int {
	if c.Monthly {
		return schema.Months
	}
	return 1
}

// Values are those of the events of a batch that a column reads. The zero Values are
// nothing, which is all that counts need.
type Values struct {
	Whole []int64
	Real  []float64 // NaN is null
	Valid []byte    // bitmap of the whole values that are not null; nil: all
	Kept  [][]uint8 // by filter: 1 for an event that it keeps, 0 for others
}

// Reach is how far back from the end of the scoring month any window goes.
type Reach struct {
	Months, Days int
}

// State is how the value of a column came out.
type State uint8

// States of a value.
const (
	Null State = iota
	Good
	Bad // missing, because the column cannot hold it
)

// Aggregator takes the events of one subscriber after the other. It serves one goroutine.
type Aggregator struct {
	calendar calendar
	reach    Reach
	columns  []column

	// Of the loaded batch.
	time   []int64
	day    []int32
	days   []int64
	month  []int8 // months back, -1 outside of the window
	within []bool
}

// column is a column at work. Slot 0 of everything is for events that are not of it.
type column struct {
	Column
	values Values
	slots  []uint8 // by event of the batch
	state  [1 + schema.Months]state
}

type state struct {
	n       int64
	lo      uint64 // of a sum of whole numbers, 128 bits; otherwise the value
	hi      int64
	real    float64
	at      int64   // time of the value
	values  []int64 // of count_distinct
	ordered int     // of values, how many are in order, each once
}

// New returns an aggregator of columns up to a scoring month, yyyymm. reach is that of
// the table, whether all of its columns are asked for or not.
func New(month int32, reach Reach, columns []Column) *Aggregator {
	a := &Aggregator{calendar: newCalendar(month), reach: reach}
	for _, c := range columns {
		a.columns = append(a.columns, column{Column: c})
	}
	return a
}

// calendar has the first day of each month of the window, newest first, after the day
// behind the scoring month.
type calendar [schema.Months + 1]int32

func newCalendar(month int32) (c calendar) {
	for k := range c {
		n := month/100*12 + month%100 - 1 - int32(k) // months since year 0, of the month before first day k
		c[k] = int32(job.AsOf(n/12*100+n%12+1)) + 1
	}
	return c
}

// ago returns how many days before the last day of the scoring month a day is; below 0
// behind it.
func (c *calendar) ago(day int32) int { return int(c[0]) - 1 - int(day) }

// back returns how many months back a day is, -1 outside of the window.
func (c *calendar) back(day int32) int8 {
	if day >= c[0] {
		return -1
	}
	for k, first := range c[1:] {
		if day >= first {
			return int8(k)
		}
	}
	return -1
}

// Load makes the events of a batch the current ones: when they were, and what each column
// reads. Nothing is copied: it stays as it is until the next call.
func (a *Aggregator) Load(time []int64, values []Values) {
	n := len(time)
	a.time = time
	a.day, a.month, a.within = grow(a.day, n), grow(a.month, n), grow(a.within, n)
	for i, t := range time {
		day := dayOf(t)
		a.day[i] = int32(day)
		a.month[i] = a.calendar.back(int32(day))
		back, ago := int(a.month[i]), a.calendar.ago(int32(day))
		a.within[i] = ago >= 0 && (ago < a.reach.Days || back >= 0 && back < a.reach.Months)
	}
	for k := range a.columns {
		c := &a.columns[k]
		c.values, c.slots = values[k], grow(c.slots, n)
		switch {
		case c.Days > 0:
			for i, day := range a.day {
				ago := a.calendar.ago(day)
				c.slots[i] = one(ago >= 0 && ago < c.Days)
			}
		case c.Monthly:
			for i, back := range a.month {
				c.slots[i] = uint8(back+1) * one(int(back) < c.Months)
			}
		default:
			for i, back := range a.month {
				c.slots[i] = one(back >= 0 && int(back) < c.Months)
			}
		}
		for _, kept := range c.values.Kept {
			for i, k := range kept[:n] {
				c.slots[i] *= k
			}
		}
		if valid := c.values.Valid; valid != nil {
			for i := range c.slots {
				c.slots[i] *= valid[i>>3] >> (i & 7) & 1
			}
		}
		if c.values.Real != nil {
			for i, x := range c.values.Real[:n] {
				c.slots[i] *= one(x == x)
			}
		}
	}
}

// Days returns the days of times, as values that a column may read until the next call.
func (a *Aggregator) Days(time []int64) []int64 {
	a.days = grow(a.days, len(time))
	for i, t := range time {
		a.days[i] = dayOf(t)
	}
	return a.days
}

func dayOf(t int64) int64 {
	day := t / Day
	if t%Day < 0 {
		day--
	}
	return day
}

func one(yes bool) uint8 {
	if yes {
		return 1
	}
	return 0
}

// Within reports whether event i of the batch is within reach.
func (a *Aggregator) Within(i int) bool { return a.within[i] }

// Reset begins another subscriber, of whom there is no event yet.
func (a *Aggregator) Reset() {
	for k := range a.columns {
		c := &a.columns[k]
		for s := range c.state[:1+c.Values()] {
			c.state[s] = state{values: c.state[s].values[:0]}
		}
	}
}

// Add takes the events from to past of the batch, which are the subscriber's.
func (a *Aggregator) Add(from, past int) {
	for k := range a.columns {
		c := &a.columns[k]
		c.add(a.time, from, past)
	}
}

// add takes events. What happens in slot 0 is of no interest, and so needs no branch.
func (c *column) add(time []int64, from, past int) {
	slots := c.slots[from:past]
	time = time[from:past]
	switch {
	case c.Function == job.Count:
		for _, slot := range slots {
			c.state[slot].n++
		}
	case c.Real:
		c.addReal(slots, time, c.values.Real[from:past])
	default:
		c.addWhole(slots, time, c.values.Whole[from:past])
	}
}

func (c *column) addWhole(slots []uint8, time, values []int64) {
	for i, slot := range slots {
		if slot == 0 {
			continue
		}
		s, v := &c.state[slot], values[i]
		s.n++
		switch c.Function {
		case job.Sum, job.Avg:
			var carry uint64
			s.lo, carry = bits.Add64(s.lo, uint64(v), 0)
			s.hi += v>>63 + int64(carry)
		case job.BitOr:
			s.lo |= uint64(v)
		case job.CountDistinct:
			s.distinct(v)
		default:
			if s.n == 1 || replaces(c.Function, v, int64(s.lo), time[i], s.at) {
				s.lo, s.at = uint64(v), time[i]
			}
		}
	}
}

func (c *column) addReal(slots []uint8, time []int64, values []float64) {
	for i, slot := range slots {
		if slot == 0 {
			continue
		}
		s, v := &c.state[slot], values[i]
		s.n++
		switch c.Function {
		case job.Sum, job.Avg:
			s.real += v
		case job.CountDistinct:
			s.distinct(int64(math.Float64bits(v + 0))) // -0 is 0
		default:
			if s.n == 1 || replaces(c.Function, v, s.real, time[i], s.at) {
				s.real, s.at = v, time[i]
			}
		}
	}
}

// replaces reports whether a value takes the place of the one before, given when the two
// were.
func replaces[T int64 | float64](function string, v, before T, time, at int64) bool {
	switch function {
	case job.Min:
		return v < before
	case job.Max:
		return v > before
	case job.First:
		return time < at
	}
	return time >= at // job.Last
}

// distinct takes in a value. Those behind the ordered ones are put in order when they are
// as many: each costs the logarithm of all, whatever order they come in.
func (s *state) distinct(v int64) {
	if s.ordered > DistinctMax {
		return
	}
	if _, found := slices.BinarySearch(s.values[:s.ordered], v); found {
		return
	}
	if s.values = append(s.values, v); len(s.values) >= 2*s.ordered+16 {
		s.order()
	}
}

// order leaves every value once, in order, and returns how many there are: more than
// DistinctMax when there were too many to go on.
func (s *state) order() int {
	if s.ordered < len(s.values) {
		slices.Sort(s.values)
		s.values = slices.Compact(s.values)
		s.ordered = len(s.values)
	}
	return s.ordered
}

// Whole returns value k of a column of whole numbers: of month k, or the only one.
func (a *Aggregator) Whole(column, k int) (int64, State) {
	c := &a.columns[column]
	if c.Monthly && k >= c.Months {
		return 0, Null
	}
	s := &c.state[1+k]
	v, fits := int64(s.lo), true
	switch {
	case c.Function == job.Count && (s.n > 0 || c.Empty == nil):
		v = s.n
	case c.Function == job.CountDistinct && (s.n > 0 || c.Empty == nil):
		v = int64(s.order())
		fits = v <= DistinctMax
	case s.n == 0 && c.Empty == nil:
		return 0, Null
	case s.n == 0:
		v = *c.Empty
	case c.Function == job.Sum:
		fits = s.hi == v>>63
	case c.Function == job.Avg:
		v = mean(s.hi, s.lo, s.n)
	}
	if !fits || v < c.Low || v > c.High {
		return 0, Bad
	}
	return v, Good
}

// Real returns the value of a column of floating-point numbers.
func (a *Aggregator) Real(column int) (float64, State) {
	c := &a.columns[column]
	s := &c.state[1]
	v := s.real
	switch {
	case c.Function == job.Count && (s.n > 0 || c.Empty == nil):
		v = float64(s.n)
	case c.Function == job.CountDistinct && (s.n > 0 || c.Empty == nil):
		if v = float64(s.order()); v > DistinctMax {
			return 0, Bad
		}
	case s.n == 0 && c.Empty == nil:
		return 0, Null
	case s.n == 0:
		v = float64(*c.Empty)
	case c.Function == job.Avg:
		v /= float64(s.n)
	}
	if v-v != 0 { // a sum of finite numbers that is not finite
		return 0, Bad
	}
	return v, Good
}

// mean returns hi:lo/n rounded half to even; hi:lo is the sum of n numbers of 64 bits.
func mean(hi int64, lo uint64, n int64) int64 {
	negative := hi < 0
	if negative {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi = -hi - int64(borrow)
	}
	q, r := bits.Div64(uint64(hi), lo, uint64(n)) // the mean of 64-bit numbers has 64 bits
	if rest := uint64(n) - r; r > rest || r == rest && q&1 != 0 {
		q++
	}
	if negative {
		return -int64(q)
	}
	return int64(q)
}

func grow[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }
