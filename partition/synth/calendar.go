package synth

// calendar answers with days since 1970-01-01 for the scoring month and the
// months around it.
type calendar struct {
	month  int32 // months since year 0 of the scoring month
	starts [ahead + tenurePast + 1]int32
}

// ahead is how many months after the scoring month the calendar knows.
const ahead = 32

func newCalendar(yyyymm int32) calendar {
	c := calendar{month: yyyymm/100*12 + yyyymm%100 - 1}
	for i := range c.starts {
		m := c.month + ahead - int32(i)
		c.starts[i] = civil(m/12, m%12+1, 1)
	}
	return c
}

// first is the first day of the month back months before m; back may be
// negative, down to -ahead.
func (c *calendar) first(back int32) int32 { return c.starts[ahead+back] }

// days is the length of that month.
func (c *calendar) days(back int32) int32 { return c.first(back-1) - c.first(back) }

// year is the year of the scoring month.
func (c *calendar) year() int32 { return c.month / 12 }

// civil counts days since 1970-01-01 in the Gregorian calendar.
func civil(y, m, d int32) int32 {
	if m <= 2 {
		y--
		m += 12
	}
	return 365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + d - 1 - 719468
}
