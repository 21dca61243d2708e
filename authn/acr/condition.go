package acr

import (
	"net/netip"
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
	// From and To are offsets from midnight; To before From passes midnight.
	From, To time.Duration
}

// HeaderCondition tests a header that a trusted proxy has set.
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
