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
	// MaxLinks is how many authenticators a chain may have, MaxWays how many ways
	// there may be through the chains of an ACR.
	MaxLinks = 8
	MaxWays  = 256
)

// Plugged is a factor that this package does not know: an authenticator that was
// plugged into the engine.
type Plugged struct {
	Factor   Factor
	Category Category
	First    bool // it may begin a login
}

// known are the factors that the ACRs of one server may name.
type known []Plugged

func (k known) is(f Factor) bool { return slices.Contains(k.names(), f) }

func (k known) names() []Factor {
	out := Factors()
	for _, p := range k {
		out = append(out, p.Factor)
	}
	return out
}

func (k known) first(f Factor) bool {
	return f.First() || slices.ContainsFunc(k, func(p Plugged) bool { return p.Factor == f && p.First })
}

// example is an enrolment of a factor, for asking whether an ACR can be met.
func (k known) example(f Factor, credential string) option {
	e := &Enrolment{Factor: f, Credential: credential}
	for _, p := range k {
		if p.Factor == f {
			e.Category = p.Category
		}
	}
	return ofEnrolment(e)
}

func (k known) list(of func(Factor) bool) string {
	var names []string
	for _, f := range k.names() {
		if of(f) {
			names = append(names, string(f))
		}
	}
	return strings.Join(names, ", ")
}

// Validate reports everything that is wrong with a set of ACRs, each fault with
// the name of the ACR, joined by errors.Join; nil if there is nothing. They may
// name the plugged-in factors too.
func Validate(acrs []ACR, plugged ...Plugged) error {
	var faults []error
	seen := map[string]bool{}
	for i, a := range acrs {
		where := fmt.Sprintf("%q", a.Name)
		if a.Name == "" {
			where = fmt.Sprintf("entry %d", i+1)
		}
		for _, fault := range slices.Concat(a.nameFaults(), a.needFaults(plugged)) {
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

func (a ACR) needFaults(k known) []string {
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
		for _, fault := range n.faults(k) {
			out = append(out, fmt.Sprintf("need %d: %s", i+1, fault))
		}
	}
	first := a.Needs[0]
	add(len(first.Unless) == 0, "must have no unless in its first need: who logs in must always be proved")
	for _, f := range a.Begins() {
		add(k.first(f) || !k.is(f),
			"has %s in its first need, which can only list factors that begin a login: %s", f, k.list(k.first))
	}
	for i, c := range a.When {
		add(c.fault() == "", "when, condition %d: %s", i+1, c.fault())
	}
	if len(out) == 0 {
		ways := a.ways()
		add(len(ways) <= MaxWays, "has %d ways through its chains: %d at most, so leave out optional authenticators", len(ways), MaxWays)
		add(a.satisfiable(k, ways), "can never be met: its needs list too few categories or factors")
		for _, v := range ways {
			add(k.first(v.wants[0].AnyOf[0]), "can be met from %s on, which begins no login: make an authenticator before it required", v.wants[0].AnyOf[0])
		}
	}
	return out
}

func (n Need) faults(k known) []string {
	out := n.chainFaults(k)
	if len(n.AnyOf) == 0 && len(n.Chain) == 0 {
		out = append(out, "any_of must list at least one factor")
	}
	for i, f := range n.AnyOf {
		switch {
		case !k.is(f):
			out = append(out, fmt.Sprintf("%q is not a factor: they are %s", f, k.list(k.is)))
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

func (n Need) chainFaults(k known) []string {
	var out []string
	if len(n.Chain) > 0 && len(n.AnyOf) > 0 {
		out = append(out, "must have any_of or a chain, not both")
	}
	if len(n.Chain) > MaxLinks {
		return append(out, fmt.Sprintf("chain %s must have %d authenticators at most", n.ChainName, MaxLinks))
	}
	for i, l := range n.Chain {
		switch {
		case !k.is(l.Factor):
			out = append(out, fmt.Sprintf("chain %s: %q is not a factor: they are %s", n.ChainName, l.Factor, k.list(k.is)))
		case !slices.Contains(Controls(), l.Control):
			out = append(out, fmt.Sprintf("chain %s: %q is not a criterion: they are %v", n.ChainName, l.Control, Controls()))
		case slices.ContainsFunc(n.Chain[:i], func(b Link) bool { return b.Factor == l.Factor }):
			out = append(out, fmt.Sprintf("chain %s lists %s twice", n.ChainName, l.Factor))
		}
	}
	return out
}

// ways are the ways through the chains of an ACR when nothing is known.
func (a ACR) ways() []variant {
	return a.expand(
		func(Need) bool { return false },
		func(n Need) []path { return paths(n.Chain, never, never) })
}

// satisfiable reports whether somebody with one credential of every factor, and
// a second passkey, meets the ACR on one of its ways.
func (a ACR) satisfiable(k known, ways []variant) bool {
	return slices.ContainsFunc(ways, func(v variant) bool {
		slots := make([][]option, len(v.wants))
		for i, w := range v.wants {
			for _, f := range w.AnyOf {
				slots[i] = append(slots[i], k.example(f, "").of(w))
				if f == Passkey {
					slots[i] = append(slots[i], k.example(f, "another").of(w))
				}
			}
		}
		return assign(slots, a.Distinct, len(slots)) != nil
	})
}
