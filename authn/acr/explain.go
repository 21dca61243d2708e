package acr

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Role is the part that an ACR plays in a requirement.
type Role string

// The roles.
const (
	RoleCandidate Role = "candidate"
	RoleFallback  Role = "fallback"
	RoleFloor     Role = "floor"
	RoleUserFloor Role = "user_floor"
	RoleScope     Role = "scope"
)

// Finding says what became of one ACR of a requirement.
type Finding struct {
	ACR  string `json:"acr"`
	Role Role   `json:"role"`
	// Scope is the scope that asks for it, with RoleScope.
	Scope string `json:"scope,omitempty"`
	// Chosen says that it must be met: it is the candidate, or a floor.
	Chosen bool `json:"chosen"`
	// Reachable says that the user can meet it.
	Reachable bool `json:"reachable"`
	// Met says that the proofs at hand suffice.
	Met bool `json:"met"`
	// Why is a sentence: why it was chosen, or why not.
	Why string `json:"why"`
}

// Reachable reports whether the user can meet an ACR: the context leaves it
// open, and there is a factor for each need. With Requirement.MayEnrol one that
// can be enrolled on the way suffices.
func Reachable(a ACR, r Requirement, ledger []Proof, has []Enrolment, c Context) bool {
	return closedBy(a.When, c) == nil && newJudge(r, ledger, has, c).plan(a, r.MayEnrol) != nil
}

// Explain decides as Decide does and says of each ACR of the requirement why it
// was or was not chosen, in the order in which they were looked at.
func Explain(r Requirement, ledger []Proof, has []Enrolment, c Context) (Decision, []Finding) {
	j := newJudge(r, ledger, has, c)
	d, chosen := j.decide()
	var out []Finding
	out = append(out, j.explain(r.Candidates, RoleCandidate, chosen.candidate != nil && !chosen.fallback)...)
	out = append(out, j.explain(r.Fallback, RoleFallback, chosen.fallback)...)
	for _, a := range r.Floors {
		f := j.find(a, RoleFloor, r.MayEnrol)
		f.Chosen = true
		out = append(out, f)
	}
	out = append(out, j.explain(r.UserFloor, RoleUserFloor, chosen.user != nil)...)
	for _, name := range slices.Sorted(maps.Keys(r.Scopes)) {
		f := j.find(r.Scopes[name], RoleScope, false)
		f.Scope = name
		out = append(out, f)
	}
	return d, out
}

// explain goes through ACRs of which the first in reach counts, if one does.
func (j *judge) explain(acrs []ACR, role Role, taken bool) []Finding {
	var out []Finding
	var before string
	for _, a := range acrs {
		f := j.find(a, role, j.r.MayEnrol && role != RoleUserFloor)
		switch {
		case taken && before != "":
			f.Why = before + " comes first and is in reach. " + f.Why
		case taken && f.Reachable:
			f.Chosen, before = true, a.Name
		}
		out = append(out, f)
	}
	return out
}

// find weighs one ACR.
func (j *judge) find(a ACR, role Role, mayEnrol bool) Finding {
	f := Finding{ACR: a.Name, Role: role}
	if c := closedBy(a.When, j.x); c != nil {
		f.Why = "Its condition does not hold: " + c.String() + "."
		return f
	}
	if j.x.User == "" {
		f.Reachable, f.Why = true, "Nobody has logged in yet."
		return f
	}
	p := j.plan(a, mayEnrol)
	if p == nil {
		f.Why = j.lack(a)
		return f
	}
	f.Reachable = true
	if f.Met = p.met(); f.Met {
		f.Why = "The proofs of this session meet it."
		return f
	}
	var steps []string
	for _, s := range j.steps([]*plan{p}) {
		text := orList(s.AnyOf) + " is " + string(s.Reason)
		if s.Enrol {
			text = orList(s.AnyOf) + " must be enrolled first"
		}
		steps = append(steps, text)
	}
	f.Why = "The user can meet it: " + strings.Join(steps, ", ") + "."
	return f
}

// lack says which need keeps an ACR out of reach.
func (j *judge) lack(a ACR) string {
	variants := j.variants(a)
	if len(variants) == 0 {
		return "Its chain has no way to its end."
	}
	for _, w := range variants[0].wants {
		if len(j.enrolled(w)) == 0 {
			return fmt.Sprintf("The user has no usable factor for need %d: %s.", w.index+1, orList(w.AnyOf))
		}
	}
	if a.Distinct {
		return "The user's factors are not of different categories."
	}
	return "The user has too few factors: one meets one need."
}

func orList(factors []Factor) string {
	names := make([]string, len(factors))
	for i, f := range factors {
		names[i] = string(f)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// String is the condition as the configuration writes it, in one line.
func (c Condition) String() string {
	switch {
	case c.members() != 1:
		return "one that tests nothing"
	case c.IP != nil:
		return fmt.Sprintf("ip in %v, not in %v", c.IP.In, c.IP.NotIn)
	case c.Time != nil:
		days := "every day"
		if len(c.Time.Days) > 0 {
			days = fmt.Sprint(c.Time.Days)
		}
		return fmt.Sprintf("time in %s, %s, from %s to %s", c.Time.Zone, days, c.Time.From, c.Time.To)
	case c.Header != nil:
		return "header " + c.Header.Name
	default:
		return fmt.Sprintf("device remembered: %t", c.Device.Remembered)
	}
}
