package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// headerName is a field name (RFC 9110 section 5.1) of the usual kind.
var headerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`)

// Check reports everything that cannot be read in a condition, joined by
// errors.Join.
func (c Condition) Check() error {
	var faults []error
	if c.IP != nil {
		for _, list := range [][]string{c.IP.In, c.IP.NotIn} {
			if _, err := ParseNetworks(list); err != nil {
				faults = append(faults, fmt.Errorf("ip: %w", err))
			}
		}
	}
	if t := c.Time; t != nil {
		for _, err := range []error{
			second(ParseZone(t.Zone)), second(ParseDays(t.Days)), second(ParseClock(t.From, 0)), second(ParseClock(t.To, day)),
		} {
			if err != nil {
				faults = append(faults, fmt.Errorf("time: %w", err))
			}
		}
	}
	if c.Header != nil && !headerName.MatchString(c.Header.Name) {
		faults = append(faults, fmt.Errorf("header: %q is not the name of a header", c.Header.Name))
	}
	return errors.Join(faults...)
}

func second[T any](_ T, err error) error { return err }

// ParseZone reads the name of a time zone. "Local" is none: it would be that of
// whichever machine the server runs on.
func ParseZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, errors.New("zone must be the name of a time zone such as Europe/Paris")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("zone %q is not known; it must be one such as Europe/Paris", name)
	}
	return zone, nil
}

// ParseDays reads days and ranges of days, such as "mon-fri" or "sat,sun"; "" is
// none, which means every day.
func ParseDays(text string) ([]time.Weekday, error) {
	var out []time.Weekday
	seen := map[time.Weekday]bool{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		from, to, ranged := strings.Cut(part, "-")
		first, ok := weekday(from)
		last := first
		if ok && ranged {
			last, ok = weekday(to)
		}
		if !ok {
			return nil, fmt.Errorf("days %q must be mon to sun, or ranges such as mon-fri", text)
		}
		for d := first; ; d = (d + 1) % 7 {
			if !seen[d] {
				out = append(out, d)
			}
			seen[d] = true
			if d == last {
				break
			}
		}
	}
	return out, nil
}

func weekday(text string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(strings.TrimSpace(text), d.String()[:3]) {
			return d, true
		}
	}
	return 0, false
}

// ParseClock reads "hh:mm", up to "24:00", as the time since midnight; "" is
// whatever otherwise says.
func ParseClock(text string, otherwise time.Duration) (time.Duration, error) {
	switch text {
	case "":
		return otherwise, nil
	case "24:00":
		return day, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("%q must be hh:mm, from 00:00 to 24:00, in quotes", text)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}
