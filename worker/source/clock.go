package source

import (
	"bytes"
	"strings"
	"time"
	"unsafe"

	"rescore/partition/job"
	"rescore/worker/event"
)

// clock reads when an event was: microseconds since 1970 on the calendar of its table.
type clock struct {
	layout string // of text; "": the built-in ones
	epoch  int64  // of whole numbers: how many a second; 0: they are digits of a date
	ahead  int64  // microseconds that the calendar is ahead of UTC
	zoned  bool   // the job says how far
	zone   bool   // the layout has a zone
}

func newClock(t job.Table) *clock {
	c := &clock{layout: t.TimeFormat, ahead: t.Offset() * 1e6, zoned: t.Zone != ""}
	if perSecond, ok := t.Epoch(); ok {
		c.epoch, c.layout = perSecond, ""
	}
	for _, mark := range []string{"Z07", "-07", "MST"} {
		c.zone = c.zone || strings.Contains(c.layout, mark)
	}
	return c
}

// reads returns what is wrong with a time of some kind, "" when nothing is.
func (c *clock) reads(k kind) string {
	instant := false
	switch k {
	case kindDay:
	case kindStamp:
		instant = true
	case kindI32, kindI64:
		instant = c.epoch > 0
		if c.layout != "" {
			return "and time_format is of text; write unix or unix_ms, or nothing for 20060102 and 20060102150405"
		}
	case kindText:
		instant = c.zone || c.epoch > 0
	default:
		return "which is no time; write a timestamp, a date, text or a whole number"
	}
	if c.zoned && !instant {
		return "which names no instant that a zone could turn into one of its own; remove zone"
	}
	return ""
}

// Times are of the years 1 to 9999, in microseconds.
const (
	timeFirst = -719162 * event.Day
	timeLast  = 2932897*event.Day - 1
)

func timely(t int64, ok bool) (int64, bool) { return t, ok && t >= timeFirst && t <= timeLast }

// integer reads a whole number.
func (c *clock) integer(from kind, perDay, v int64) (int64, bool) {
	switch {
	case from == kindDay:
		if v < timeFirst/event.Day || v > timeLast/event.Day {
			return 0, false
		}
		return v * event.Day, true
	case from == kindStamp:
		return c.instant(v, perDay/86400)
	case c.epoch > 0:
		return c.instant(v, c.epoch)
	}
	return digitsTime(v)
}

// instant turns v, of which perSecond are a second, into a time on the calendar.
func (c *clock) instant(v, perSecond int64) (int64, bool) {
	switch {
	case perSecond > 1e6:
		v = floorDiv(v, perSecond/1e6)
	case v > timeLast/(1e6/perSecond) || v < timeFirst/(1e6/perSecond):
		return 0, false
	default:
		v *= 1e6 / perSecond
	}
	if v < timeFirst || v > timeLast {
		return 0, false
	}
	return timely(v+c.ahead, true)
}

// digitsTime reads 20060102 and 20060102150405.
func digitsTime(v int64) (int64, bool) {
	clock := int64(0)
	if v > 1e8 {
		clock = v % 1e6
		v /= 1e6
	}
	if v < 0 || v > 99991231 {
		return 0, false
	}
	day, ok := civilDay(int(v/10000), int(v/100%100), int(v%100))
	return onDay(day, ok, clock/10000, clock/100%100, clock%100, 0)
}

// onDay is a time of a day. A second that leaps is the last one of its minute.
func onDay(day int32, ok bool, hour, minute, second, micro int64) (int64, bool) {
	ok = ok && hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second <= 60
	return int64(day)*event.Day + ((hour*60+minute)*60+min(second, 59))*1e6 + micro, ok
}

// text reads text, trimmed and not null.
func (c *clock) text(b []byte) (int64, outcome) {
	var t int64
	var ok bool
	switch {
	case c.epoch > 0:
		v, places, fits := fixed(b)
		if ok = fits && places == 0; ok {
			t, ok = c.instant(v, c.epoch)
		}
	case c.layout != "":
		t, ok = c.layoutTime(unsafe.String(unsafe.SliceData(b), len(b)))
	default:
		t, ok = textTime(b)
	}
	if !ok {
		return 0, valueReject
	}
	return t, valueOK
}

func (c *clock) layoutTime(s string) (int64, bool) {
	at, err := time.Parse(c.layout, s)
	if err != nil {
		return 0, false
	}
	if c.zone && c.zoned {
		return c.instant(at.UnixMicro(), 1e6)
	}
	day, ok := civilDay(at.Year(), int(at.Month()), at.Day())
	return onDay(day, ok, int64(at.Hour()), int64(at.Minute()), int64(at.Second()), int64(at.Nanosecond()/1000))
}

// textTime reads a date as parseDate does, 20060102150405, or a date with a time of day
// behind it: 15:04, 15:04:05 or 15:04:05.999999.
func textTime(b []byte) (int64, bool) {
	if len(b) == 14 {
		if v, places, ok := fixed(b); ok && places == 0 && v >= 1e13 {
			return digitsTime(v)
		}
	}
	i := bytes.IndexAny(b, " T")
	if i < 0 {
		day, ok := parseDate(b, nil)
		return int64(day) * event.Day, ok
	}
	day, ok := parseDate(b[:i], nil)
	if !ok {
		return 0, false
	}
	clock := bytes.TrimLeft(b[i+1:], " ")
	var part [4]int64 // hour, minute, second, and what is behind the point
	n, digits := 0, 0
	for _, d := range clock {
		switch {
		case d >= '0' && d <= '9':
			if digits++; n < 3 && digits > 2 || digits > 9 {
				return 0, false
			}
			if n < 3 || digits <= 6 {
				part[n] = part[n]*10 + int64(d-'0')
			}
		case d == ':' && n < 2 && digits > 0, d == '.' && n == 2 && digits > 0:
			n, digits = n+1, 0
		default:
			return 0, false
		}
	}
	if n < 1 || digits == 0 {
		return 0, false
	}
	if n == 3 {
		for ; digits < 6; digits++ {
			part[3] *= 10
		}
	}
	return onDay(day, true, part[0], part[1], part[2], part[3])
}

// otherSubscriber is what the number of an IoT card is read as: no number of the base.
const otherSubscriber = 1

// tableNumber is a table's number as a value of its column.
func tableNumber(n uint64, why verdict) (int64, bool) {
	if why == iotKey {
		return otherSubscriber, true
	}
	return int64(n), why == goodKey
}

func textNumber(n uint64, why verdict) (int64, outcome) {
	if why == nullKey {
		return 0, valueNull
	}
	v, ok := tableNumber(n, why)
	if !ok {
		return 0, valueBad
	}
	return v, valueOK
}
