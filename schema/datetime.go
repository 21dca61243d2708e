package schema

import (
	"strconv"
	"strings"
	"time"
)

// The key of a dateTime is its microseconds since the epoch plus timeOffset,
// in timeDigits digits: later is greater bytewise, from the first day of year 1
// (less a day, for zones) to the last of year 9999.
const (
	timeOffset = 62135683200000000
	timeDigits = 18
)

// DateTimeKey returns the comparison key of a moment given in microseconds
// since 1970-01-01T00:00:00Z, as Attribute.Key gives it for a dateTime.
func DateTimeKey(micros int64) string {
	digits := strconv.FormatInt(micros+timeOffset, 10)
	if len(digits) >= timeDigits {
		return digits
	}
	return strings.Repeat("0", timeDigits-len(digits)) + digits
}

// DateTimeMicros is the inverse of DateTimeKey: the microseconds since
// 1970-01-01T00:00:00Z of a dateTime's key; false if key is none.
func DateTimeMicros(key string) (int64, bool) {
	n, err := strconv.ParseInt(key, 10, 64)
	if err != nil || len(key) != timeDigits {
		return 0, false
	}
	return n - timeOffset, true
}

// FormatDateTime writes a moment as this server sends it: xsd:dateTime in UTC
// with microseconds, trailing zeros left out (RFC 7643 section 2.3.5).
func FormatDateTime(t time.Time) string {
	return t.UTC().Truncate(time.Microsecond).Format("2006-01-02T15:04:05.999999Z07:00")
}

// parseDateTime reads an xsd:dateTime with date and time (RFC 7643
// section 2.3.5) of the years 1 to 9999 and returns its microseconds since the
// epoch, finer digits cut off. A value without a zone is taken as UTC.
func parseDateTime(s string) (int64, bool) {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	year, ok1 := number(s[0:4])
	month, ok2 := number(s[5:7])
	day, ok3 := number(s[8:10])
	hour, ok4 := number(s[11:13])
	minute, ok5 := number(s[14:16])
	second, ok6 := number(s[17:19])
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 {
		return 0, false
	}
	micros, rest, ok := fraction(s[19:])
	if !ok {
		return 0, false
	}
	zone, ok := zoneMinutes(rest)
	if !ok || year == 0 || minute > 59 || second > 59 {
		return 0, false
	}
	// xsd:dateTime writes the end of a day also as 24:00:00.
	if hour > 24 || hour == 24 && (minute > 0 || second > 0 || micros > 0) {
		return 0, false
	}
	date := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if date.Day() != day || int(date.Month()) != month {
		return 0, false
	}
	seconds := date.Unix() + int64(hour*3600+minute*60+second) - int64(zone)*60
	return seconds*1_000_000 + int64(micros), true
}

// number reads a short run of digits.
func number(s string) (int, bool) {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// fraction reads an optional ".123…" as microseconds and returns what follows.
func fraction(s string) (micros int, rest string, ok bool) {
	if s == "" || s[0] != '.' {
		return 0, s, true
	}
	n := digits(s[1:])
	if n == 0 {
		return 0, "", false
	}
	for i := range 6 {
		micros *= 10
		if i < n {
			micros += int(s[1+i] - '0')
		}
	}
	return micros, s[1+n:], true
}

// zoneMinutes reads "Z", "+hh:mm", "-hh:mm" or nothing as minutes east of UTC.
func zoneMinutes(s string) (int, bool) {
	if s == "" || s == "Z" {
		return 0, true
	}
	if len(s) != 6 || s[3] != ':' || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	hours, ok1 := number(s[1:3])
	minutes, ok2 := number(s[4:6])
	if !ok1 || !ok2 || minutes > 59 || hours > 14 || hours == 14 && minutes > 0 {
		return 0, false
	}
	if s[0] == '-' {
		return -(hours*60 + minutes), true
	}
	return hours*60 + minutes, true
}
