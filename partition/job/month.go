package job

import "rescore/partition/schema"

// MissingMonths returns the months of the window (yyyymm, the last first) of which the
// input has no file, so that they are read as missing; nil when there is none. Only
// under layout months can there be one. Of files Month alone is read, and those of
// tables count for none.
func (s Spec) MissingMonths(files []InputFile) (months []int32) {
	if s.Input.Layout != "months" || s.Prepares() {
		return nil
	}
	has := [schema.Months]bool{}
	for _, f := range files {
		if f.Month >= 0 && f.Month < len(has) { // months behind the window are tables'
			has[f.Month] = true
		}
	}
	for k, ok := range has {
		if !ok {
			months = append(months, MonthBack(s.Month, k))
		}
	}
	return months
}

// MonthBack returns the month k months before yyyymm.
func MonthBack(yyyymm int32, k int) int32 {
	n := yyyymm/100*12 + yyyymm%100 - 1 - int32(k)
	return n/12*100 + n%12 + 1
}
