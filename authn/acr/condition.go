package acr

import (
	"net/netip"
	"slices"
	"time"
)

// Condition is one test of the authentication context: exactly one member is
// set. What cannot be decided does not hold, whichever way the test is put.
type Condition struct {
	IP     *IPCondition
	Time   *TimeCondition
	Header *HeaderCondition
	Device *DeviceCondition
}

// IPCondition tests the network of the client: in one of In (if any), and in
// none of NotIn.
type IPCondition struct{ In, NotIn []netip.Prefix }

// TimeCondition tests the time of day in a place.
type TimeCondition struct {
	Zone *time.Location
	Days []time.Weekday // empty: every day
	// From and To are offsets from midnight, To not included; To before From
	// passes midnight, and the time after it belongs to the day before.
	From, To time.Duration
}

// HeaderCondition tests a header that a trusted proxy has set: one of Equals,
// OneOf and Present is given.
type HeaderCondition struct {
	Name    string // canonical
	Equals  string
	OneOf   []string
	Present bool
}

// DeviceCondition tests whether the browser is remembered.
type DeviceCondition struct {
	Remembered bool
	MaxAge     *time.Duration
}

// members counts the tests in the condition.
func (c Condition) members() int {
	n := 0
	for _, set := range []bool{c.IP != nil, c.Time != nil, c.Header != nil, c.Device != nil} {
		if set {
			n++
		}
	}
	return n
}

// holds reports whether the condition is met for certain.
func (c Condition) holds(x Context) bool {
	if c.members() != 1 {
		return false
	}
	switch {
	case c.IP != nil:
		return c.IP.holds(x.IP)
	case c.Time != nil:
		return c.Time.holds(x.Now)
	case c.Header != nil:
		return c.Header.holds(x.Header)
	default:
		return c.Device.holds(x)
	}
}

func (c IPCondition) holds(ip netip.Addr) bool {
	if !ip.IsValid() || len(c.In)+len(c.NotIn) == 0 {
		return false
	}
	ip = ip.Unmap().WithZone("")
	within := func(p netip.Prefix) bool { return p.Contains(ip) }
	return (len(c.In) == 0 || slices.ContainsFunc(c.In, within)) && !slices.ContainsFunc(c.NotIn, within)
}

func (c TimeCondition) holds(now time.Time) bool {
	if c.Zone == nil || now.IsZero() || c.From == c.To {
		return false
	}
	local := now.In(c.Zone)
	clock := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute +
		time.Duration(local.Second())*time.Second
	day := local.Weekday()
	if c.From < c.To {
		return clock >= c.From && clock < c.To && c.on(day)
	}
	if clock < c.To {
		return c.on((day + 6) % 7)
	}
	return clock >= c.From && c.on(day)
}

func (c TimeCondition) on(day time.Weekday) bool {
	return len(c.Days) == 0 || slices.Contains(c.Days, day)
}

func (c HeaderCondition) holds(headers map[string]string) bool {
	value, ok := headers[c.Name]
	switch {
	case !ok || value == "":
		return false
	case c.Equals != "":
		return value == c.Equals
	case len(c.OneOf) > 0:
		return slices.Contains(c.OneOf, value)
	default:
		return c.Present
	}
}

func (c DeviceCondition) holds(x Context) bool {
	if x.Device == nil {
		return !c.Remembered && x.User != ""
	}
	return c.Remembered && (c.MaxAge == nil || age(x.Now, *x.Device) <= *c.MaxAge)
}

// closedBy returns the first condition of when that keeps an ACR shut, nil if
// none does. Whether the browser is remembered for a user shows only once the
// user is known.
func closedBy(when []Condition, x Context) *Condition {
	for i, c := range when {
		if x.User == "" && c.Device != nil && c.members() == 1 {
			continue
		}
		if !c.holds(x) {
			return &when[i]
		}
	}
	return nil
}

// lapses reports whether the need is lifted. A remembered browser lifts nothing
// when the request asks for new proofs.
func (r Requirement) lapses(n Need, x Context) bool {
	if len(n.Unless) == 0 {
		return false
	}
	for _, c := range n.Unless {
		if c.Device != nil && r.wantsNew() || !c.holds(x) {
			return false
		}
	}
	return true
}
