package acr

import "slices"

// asked is a step with the plans that it serves.
type asked struct {
	Step
	plans []int
}

// steps returns what is left to ask for, a first factor first. One proof serves
// several ACRs where it can.
func (j *judge) steps(plans []*plan) []Step {
	var list []asked
	for i, p := range plans {
		for k, o := range p.picked {
			if o.proof == nil {
				list = merge(list, j.step(p, k), i)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b asked) int {
		switch {
		case a.First == b.First:
			return 0
		case a.First:
			return -1
		default:
			return 1
		}
	})
	var out []Step
	for _, a := range list {
		out = append(out, a.Step)
	}
	return out
}

// merge adds a step for plan i to the list, or narrows one of other plans to
// what does for both. Two needs of one plan need two proofs.
func merge(list []asked, s Step, i int) []asked {
	for k := range list {
		into := &list[k]
		if slices.Contains(into.plans, i) || into.First != s.First || into.Enrol != s.Enrol {
			continue
		}
		usable := slices.DeleteFunc(slices.Clone(into.Usable), func(e Enrolment) bool {
			return !slices.Contains(s.Usable, e)
		})
		factors := slices.DeleteFunc(slices.Clone(into.AnyOf), func(f Factor) bool {
			return !slices.Contains(s.AnyOf, f)
		})
		if len(factors) == 0 || len(usable) == 0 && !s.Enrol {
			continue
		}
		into.AnyOf, into.Usable = factors, usable
		// Giving up a link of one of them gives up nothing of the other, which asks
		// again.
		into.Skip = append(into.Skip, s.Skip...)
		into.plans = append(into.plans, i)
		return list
	}
	return append(list, asked{s, []int{i}})
}

// step asks for the need at position k of a plan: for whatever leaves the plan
// possible with the proofs that it counts on.
func (j *judge) step(p *plan, k int) Step {
	w := p.wants[k]
	step := Step{First: w.first}
	if w.skip != "" && !w.first {
		step.Skip = []string{w.skip}
	}
	slots := make([][]option, len(p.picked))
	for i, o := range p.picked {
		switch {
		case o.proof != nil:
			slots[i] = []option{o}
		default:
			slots[i] = p.askable(j, p.wants[i])
		}
	}
	var fresh []Factor // what could be enrolled
	for _, o := range slots[k] {
		slots[k] = []option{o}
		switch {
		case assign(slots, p.acr.Distinct, len(slots)) == nil:
		case o.enrolment != nil:
			step.Usable = append(step.Usable, *o.enrolment)
		default:
			fresh = append(fresh, o.factor)
		}
	}
	factors := w.AnyOf
	if chain := p.acr.Needs[w.index].Chain; w.first && len(chain) > 0 {
		// The page of the login offers all that a login can begin with.
		factors = p.acr.Begins()
		for _, o := range j.enrolled(want{Need: Need{AnyOf: factors}}) {
			if !slices.Contains(step.Usable, *o.enrolment) {
				step.Usable = append(step.Usable, *o.enrolment)
			}
		}
	}
	step.AnyOf = usableOf(factors, step.Usable)
	if step.Enrol = len(step.Usable) == 0; step.Enrol {
		step.AnyOf = fresh
	}
	step.Reason = j.reason(step.AnyOf, w.Need, p.proofs())
	return step
}

// usableOf returns the factors that one of the enrolments is of.
func usableOf(factors []Factor, usable []Enrolment) []Factor {
	return slices.DeleteFunc(slices.Clone(factors), func(f Factor) bool {
		return !slices.ContainsFunc(usable, func(e Enrolment) bool { return e.Factor == f })
	})
}

// reason says why a need asks for one of these factors: none of them was shown,
// apart from the proofs that count for other needs, or all are too old, by the
// ACR or by the request.
func (j *judge) reason(factors []Factor, n Need, counted []Proof) StepReason {
	why := Missing
	for _, p := range j.ledger {
		if !slices.Contains(factors, p.Factor) ||
			slices.ContainsFunc(counted, func(c Proof) bool { return c.Factor == p.Factor && c.Credential == p.Credential }) {
			continue
		}
		why = Stale
		if j.r.wantsNew() && (n.MaxAge == nil || age(j.x.Now, p.At) <= *n.MaxAge) {
			return Fresh
		}
	}
	return why
}
