package kernel

// Months are written yyyymm, as in 201011. A month index counts months from
// January of year 0, so that differences are plain subtractions. Dates are
// Arrow date32: days since 1970-01-01. The calendar is the proleptic Gregorian.

// MonthIndex returns the index of a month written yyyymm.
func MonthIndex(month int32) int32 { return month/100*12 + month%100 - 1 }

// MonthOf returns the month of an index, written yyyymm.
func MonthOf(index int32) int32 { return index/12*100 + index%12 + 1 }

// MonthAdd returns the month k months after month; k may be negative.
func MonthAdd(month int32, k int) int32 { return MonthOf(MonthIndex(month) + int32(k)) }

// DaysInMonth returns 28 to 31.
func DaysInMonth(month int32) int32 {
	year, m := month/100, month%100
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// MonthStart returns the date of a month's first day.
func MonthStart(month int32) int32 {
	// Years are counted from March, so that a leap day is the year's last.
	year, m := month/100, month%100-3
	if m < 0 {
		year, m = year-1, m+12
	}
	return 365*year + year/4 - year/100 + year/400 + (153*m+2)/5 - 719468
}

// MonthEnd returns the date of a month's last day: a scoring month's as-of date.
func MonthEnd(month int32) int32 { return MonthStart(month) + DaysInMonth(month) - 1 }

// AddMonths returns the date k calendar months after date, clamped to the
// month's end: 2010-12-31 plus 2 months is 2011-02-28.
func AddMonths(date int32, k int) int32 {
	index, day := DateMonth(date)
	month := MonthOf(index + int32(k))
	return MonthStart(month) + min(day, DaysInMonth(month)) - 1
}

// DateMonth returns the month index and the day of the month, 1 to 31, of a
// date. Any date32 will do, whatever its year.
func DateMonth(date int32) (index, day int32) {
	const era = 146097        // days of 400 years
	const shift = 15000 * era // makes every date32 positive, in whole eras
	const years = 15000 * 400 // the same in years
	const epoch = 719468      // days from 0000-03-01 to 1970-01-01
	z := uint64(int64(date) + epoch + shift)
	e := z / era
	doe := uint32(z - e*era)
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153 // months since March
	day = int32(doy - (153*mp+2)/5 + 1)
	return (int32(e*400)+int32(yoe)-years)*12 + int32(mp) + 2, day
}
