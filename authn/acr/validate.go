package acr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of ACRs.
const (
	// MaxNeeds is how many needs an ACR may have.
	MaxNeeds = 4
	// MaxName is how long a name may be, in bytes.
	MaxName = 64
	// MaxAge is the greatest age that a need may allow: no session lives longer.
	MaxAge = 30 * 24 * time.Hour
)

// Validate reports everything that is wrong with a set of ACRs, each fault with
// the name of the ACR, joined by errors.Join; nil if there is nothing.
func Validate(acrs []ACR) error {
	var faults []error
	seen := map[string]bool{}
	for i, a := range acrs {
		where := fmt.Sprintf("%q", a.Name)
		if a.Name == "" {
			where = fmt.Sprintf("entry %d", i+1)
		}
		for _, fault := range slices.Concat(a.nameFaults(), a.needFaults()) {
			faults = append(faults, fmt.Errorf("ACR %s %s", where, fault))
		}
		if seen[a.Name] && a.Name != "" {
			faults = append(faults, fmt.Errorf("ACR %s is there twice: names are unique", where))
		}
		seen[a.Name] = true
	}
	return errors.Join(faults...)
}

// nameFaults checks the name, which stands in acr_values (separated by spaces),
// in a quoted string of WWW-Authenticate, and in tokens. OpenID Connect Core 1.0
// section 2 keeps "0" for logins that meet no level.
func (a ACR) nameFaults() []string {
	switch {
	case a.Name == "":
		return []string{"needs a name"}
	case a.Name == "0":
		return []string{`must not be named "0", which tells clients that no level was met`}
	case len(a.Name) > MaxName:
		return []string{fmt.Sprintf("must have a name of %d characters at most", MaxName)}
	case strings.ContainsFunc(a.Name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }):
		return []string{"must have a name of printable ASCII characters without spaces, quotes and backslashes"}
	}
	return nil
}

func (a ACR) needFaults() []string {
	var out []string
	add := func(ok bool, format string, args ...any) {
		if !ok {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	if len(a.Needs) == 0 {
		return append(out, "needs at least one need")
	}
	add(len(a.Needs) <= MaxNeeds, "must have %d needs at most", MaxNeeds)
	add(!a.Distinct || len(a.Needs) <= 3, "is distinct, so it must have 3 needs at most: there are 3 categories")
	for i, n := range a.Needs {
		for _, fault := range n.faults() {
			out = append(out, fmt.Sprintf("need %d: %s", i+1, fault))
		}
	}
	first := a.Needs[0]
	add(len(first.Unless) == 0, "must have no unless in its first need: who logs in must always be proved")
	for _, f := range first.AnyOf {
		add(f.First() || !slices.Contains(Factors(), f),
			"has %s in its first need, which can only list factors that begin a login: %s", f, list(Factor.First))
	}
	for i, c := range a.When {
		add(c.fault() == "", "when, condition %d: %s", i+1, c.fault())
	}
	if len(out) == 0 {
		add(a.satisfiable(), "can never be met: its needs list too few categories or factors")
	}
	return out
}

func (n Need) faults() []string {
	var out []string
	if len(n.AnyOf) == 0 {
		out = append(out, "any_of must list at least one factor")
	}
	for i, f := range n.AnyOf {
		switch {
		case !slices.Contains(Factors(), f):
			out = append(out, fmt.Sprintf("%q is not a factor: they are %s", f, list(func(Factor) bool { return true })))
		case slices.Contains(n.AnyOf[:i], f):
			out = append(out, fmt.Sprintf("%s is listed twice", f))
		}
	}
	if n.MaxAge != nil && (*n.MaxAge < 0 || *n.MaxAge > MaxAge || *n.MaxAge%time.Second != 0) {
		out = append(out, "max_age must be whole seconds from 0 to 30d")
	}
	for i, c := range n.Unless {
		if fault := c.fault(); fault != "" {
			out = append(out, fmt.Sprintf("unless, condition %d: %s", i+1, fault))
		}
	}
	return out
}

// fault says what is wrong with a condition, "" if nothing is.
func (c Condition) fault() string {
	if c.members() != 1 {
		return "must be exactly one of ip, time, header and device"
	}
	const day = 24 * time.Hour
	switch {
	case c.IP != nil && len(c.IP.In)+len(c.IP.NotIn) == 0:
		return "ip must have in or not_in"
	case c.Time != nil && c.Time.Zone == nil:
		return "time must have a zone, such as Europe/Paris"
	case c.Time != nil && (c.Time.From == c.Time.To || min(c.Time.From, c.Time.To) < 0 || max(c.Time.From, c.Time.To) > day):
		return "time must have a from and a to that differ, from 00:00 to 24:00"
	case c.Header != nil && c.Header.Name == "":
		return "header must have a name"
	case c.Header != nil && c.Header.tests() != 1:
		return "header must have exactly one of equals, one_of and present"
	case c.Device != nil && c.Device.MaxAge != nil && (!c.Device.Remembered || *c.Device.MaxAge <= 0):
		return "device must have remembered: true beside a max_age of more than 0"
	}
	return ""
}

func (c HeaderCondition) tests() int {
	n := 0
	for _, set := range []bool{c.Equals != "", len(c.OneOf) > 0, c.Present} {
		if set {
			n++
		}
	}
	return n
}

// satisfiable reports whether somebody with one credential of every factor, and
// a second passkey, meets the ACR.
func (a ACR) satisfiable() bool {
	slots := make([][]option, len(a.Needs))
	for i, n := range a.Needs {
		for _, f := range n.AnyOf {
			slots[i] = append(slots[i], ofEnrolment(&Enrolment{Factor: f}))
			if f == Passkey {
				slots[i] = append(slots[i], ofEnrolment(&Enrolment{Factor: f, Credential: "another"}))
			}
		}
	}
	return assign(slots, a.Distinct, len(slots)) != nil
}

func list(of func(Factor) bool) string {
	var names []string
	for _, f := range Factors() {
		if of(f) {
			names = append(names, string(f))
		}
	}
	return strings.Join(names, ", ")
}
