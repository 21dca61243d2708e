package acr

import (
	"cmp"
	"maps"
	"slices"
)

// issue says what was proved, when all that was chosen is met.
func (j *judge) issue(s selection) Decision {
	plans := s.plans()
	var scopes []string
	for _, name := range slices.Sorted(maps.Keys(j.r.Scopes)) {
		a := j.r.Scopes[name]
		if closedBy(a.When, j.x) != nil {
			continue
		}
		if p := j.plan(a, false); p != nil && p.met() {
			scopes = append(scopes, name)
			plans = append(plans, p)
		}
	}
	out := Issue{ACR: s.candidate.acr.Name, Scopes: scopes}
	if !j.r.Asked || s.fallback {
		out.ACR = strongest(plans).acr.Name
	}
	counted := countedProofs(plans)
	if len(counted) == 0 { // ACRs that Validate refuses: a remembered browser proves nothing
		return Fail{Unreachable}
	}
	out.AMR = methods(counted)
	out.AuthTime = counted[0].At
	for _, p := range counted {
		out.Proofs = append(out.Proofs, p.ID)
	}
	return out
}

// strongest is the first plan with the most needs.
func strongest(plans []*plan) *plan {
	best := plans[0]
	for _, p := range plans[1:] {
		if len(p.wants) > len(best.wants) {
			best = p
		}
	}
	return best
}

// countedProofs returns the proofs of met plans once each, oldest first. A
// remembered browser is none: it adds neither to amr nor to auth_time.
func countedProofs(plans []*plan) []Proof {
	var out []Proof
	for _, plan := range plans {
		for _, p := range plan.proofs() {
			same := func(q Proof) bool { return q.ID == p.ID && q.Factor == p.Factor && q.Credential == p.Credential }
			if p.Factor != Device && !slices.ContainsFunc(out, same) {
				out = append(out, p)
			}
		}
	}
	slices.SortFunc(out, func(a, b Proof) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return out
}

// methods returns amr: the union over the proofs, with mfa for two categories
// and mca for two channels (RFC 8176 section 2). The channels are the internet,
// which carries what is typed, passkeys and e-mail, and the telephone.
func methods(proofs []Proof) []string {
	var amr []string
	categories := map[Category]bool{}
	channels := map[bool]bool{}
	for _, p := range proofs {
		names := p.AMR
		if len(names) == 0 {
			names = p.Factor.AMR()
		}
		for _, name := range names {
			if name != "mfa" && name != "mca" {
				amr = append(amr, name)
			}
		}
		for _, c := range p.categories() {
			categories[c] = true
		}
		channels[p.Factor.phone()] = true
	}
	if len(categories) > 1 {
		amr = append(amr, "mfa")
	}
	if len(channels) > 1 {
		amr = append(amr, "mca")
	}
	slices.Sort(amr)
	return slices.Compact(amr)
}
