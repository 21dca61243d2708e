package acr

import "slices"

// Decide says whether a requirement is met, what to ask next, or that it cannot
// be met. The order of the ledger does not matter.
//
// The first candidate counts that the user can reach: a candidate that is out
// of reach is passed over, one whose proofs are stale is not, else a second tab
// opened after the password step would get in with a weaker one. Floors hold
// besides it. What a user can reach is told only after a first factor is
// proved, else strangers learn who has a second one.
func Decide(r Requirement, ledger []Proof, has []Enrolment, c Context) Decision {
	d, _ := newJudge(r, ledger, has, c).decide()
	return d
}

// selection is what was chosen on the way to a decision, for Explain.
type selection struct {
	candidate *plan
	fallback  bool // the candidate is one of Requirement.Fallback
	floors    []*plan
	user      *plan // the user floor
}

// plans are all that must be met.
func (s selection) plans() []*plan {
	var out []*plan
	if s.candidate != nil {
		out = append(out, s.candidate)
	}
	out = append(out, s.floors...)
	if s.user != nil {
		out = append(out, s.user)
	}
	return out
}

func (j *judge) decide() (Decision, selection) {
	if j.r.Subject != "" && j.x.User != "" && j.x.User != j.r.Subject {
		return j.unless(LoginRequired, Fail{WrongUser}), selection{}
	}
	candidates, reason := j.candidates()
	if reason != "" {
		return Fail{reason}, selection{}
	}
	if j.x.User == "" {
		return j.unless(LoginRequired, Prompt{[]Step{j.firstStep(candidates)}}), selection{}
	}
	chosen, ok := j.choose(candidates)
	if !ok {
		return j.unreachable(candidates), chosen
	}
	steps := j.steps(chosen.plans())
	if len(steps) == 0 {
		if slices.ContainsFunc(chosen.plans(), func(p *plan) bool { return p.doomed }) {
			return Fail{ChainFailed}, chosen
		}
		return j.issue(chosen), chosen
	}
	if steps[0].First {
		return j.unless(LoginRequired, Prompt{steps}), chosen
	}
	return j.unless(InteractionRequired, Prompt{steps}), chosen
}

// unless returns d, or the reason where nothing may be asked (prompt=none).
func (j *judge) unless(silent Reason, d Decision) Decision {
	if j.r.Silent {
		return Fail{silent}
	}
	return d
}

// candidates returns those that the context leaves open, the fallback behind
// them, or why there are none.
func (j *judge) candidates() ([]ACR, Reason) {
	for _, a := range j.r.Floors {
		if closedBy(a.When, j.x) != nil {
			return nil, ContextUnmet
		}
	}
	all := slices.Concat(j.r.Candidates, j.r.Fallback)
	if len(all) == 0 {
		return nil, NotPermitted
	}
	open := slices.DeleteFunc(all, func(a ACR) bool { return closedBy(a.When, j.x) != nil })
	if len(open) == 0 {
		return nil, ContextUnmet
	}
	return open, ""
}

// choose plans the first candidate in reach and every floor; ok is false if one
// of them is out of reach.
func (j *judge) choose(candidates []ACR) (s selection, ok bool) {
	ok = true
	for _, a := range j.r.Floors {
		p := j.plan(a, j.r.MayEnrol)
		if p == nil {
			ok = false
			continue
		}
		s.floors = append(s.floors, p)
	}
	first := func(of []ACR, mayEnrol bool) *plan {
		for _, a := range of {
			if closedBy(a.When, j.x) != nil {
				continue
			}
			if p := j.plan(a, mayEnrol); p != nil {
				return p
			}
		}
		return nil
	}
	if s.candidate = first(j.r.Candidates, j.r.MayEnrol); s.candidate == nil {
		s.candidate = first(j.r.Fallback, j.r.MayEnrol)
		s.fallback = s.candidate != nil
	}
	// A floor of what the user has switched on makes nobody enrol anything.
	s.user = first(j.r.UserFloor, false)
	return s, ok && s.candidate != nil && len(candidates) > 0
}

// unreachable is the decision when a candidate or a floor is out of reach.
func (j *judge) unreachable(candidates []ACR) Decision {
	step := j.firstStep(candidates)
	proved := slices.ContainsFunc(candidates, func(a ACR) bool {
		return len(a.Needs) > 0 && len(j.proved(a, want{Need: Need{AnyOf: a.Begins(), MaxAge: a.Needs[0].MaxAge}})) > 0
	})
	if proved || len(step.Usable) == 0 {
		return Fail{Unreachable}
	}
	return j.unless(LoginRequired, Prompt{[]Step{step}})
}

// firstStep asks for a first factor: any that begins a candidate, of these only
// those that begin every floor too, if there are such. Which candidate the user
// can reach shows only afterwards.
func (j *judge) firstStep(candidates []ACR) Step {
	var factors []Factor
	for _, a := range candidates {
		for _, f := range a.Begins() {
			if !slices.Contains(factors, f) {
				factors = append(factors, f)
			}
		}
	}
	narrow := slices.DeleteFunc(slices.Clone(factors), func(f Factor) bool {
		return slices.ContainsFunc(j.r.Floors, func(a ACR) bool {
			return len(a.Needs) > 0 && !slices.Contains(a.Begins(), f)
		})
	})
	if len(narrow) > 0 {
		factors = narrow
	}
	step := Step{AnyOf: factors, First: true}
	for _, e := range j.has {
		if slices.Contains(factors, e.Factor) {
			step.Usable = append(step.Usable, e)
		}
	}
	if len(step.Usable) > 0 {
		step.AnyOf = usableOf(factors, step.Usable)
	}
	step.Reason = j.reason(step.AnyOf, Need{AnyOf: factors}, nil)
	return step
}
