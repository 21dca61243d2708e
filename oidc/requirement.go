package oidc

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
)

// Requirement implements [authn.Purpose]: what a transaction asks for under the
// policy of now.
func (p *Provider) Requirement(ctx context.Context, t authn.Txn) (acr.Requirement, error) {
	r, err := requestOf(t)
	if err != nil {
		return acr.Requirement{}, err
	}
	c, err := p.ClientOf(ctx, t)
	if err != nil {
		return acr.Requirement{}, err
	}
	scopes, err := p.lockedScopes(ctx, r, t.Progress.ConsentAt)
	if err != nil {
		return acr.Requirement{}, err
	}
	q := p.requirement(c, r)
	q.Txn, q.Scopes = t.ID, scopes
	q.Floors = append(q.Floors, p.verifyFloors(scopes, t.Progress.Verify)...)
	return q, nil
}

// requirement follows from policy, client and request alone.
func (p *Provider) requirement(c Client, r request) acr.Requirement {
	q := acr.Requirement{
		Login: r.Prompt.Login, Silent: r.Prompt.None, Subject: r.Subject,
		MayEnrol: p.cfg.Policy.InlineEnrolment, MaxAge: maxAge(c, r),
	}
	q.Candidates, q.Asked = p.candidates(c, r)
	for _, name := range p.floors(c) {
		q.Floors = append(q.Floors, p.acr(name))
	}
	if !p.cfg.Policy.UserFloorOff {
		q.UserFloor = p.named(p.cfg.Policy.DefaultACRs)
	}
	if voluntary := q.Asked && len(r.Essential) == 0; voluntary && p.downgrades(c) {
		q.Fallback = p.standing(c)
	}
	return q
}

// floors names the ACRs that server and client insist on.
func (p *Provider) floors(c Client) []string {
	var out []string
	for _, name := range []string{p.cfg.Policy.RequiredACR, c.RequiredACR} {
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// maxAge is max_age of the request, else default_max_age of the client.
func maxAge(c Client, r request) *time.Duration {
	n := r.MaxAge
	if n == nil {
		n = c.DefaultMaxAge
	}
	if n == nil {
		return nil
	}
	age := seconds(min(*n, maxAgeLimit))
	return &age
}

// candidates are the ACRs that would do, and whether the request named them:
// essential claim, then acr_values, then what stands for the client. What a
// request names is cut to what the client permits, so that a URL cannot leave
// it, and unknown names are skipped.
func (p *Provider) candidates(c Client, r request) (list []acr.ACR, asked bool) {
	names := r.Essential
	if len(names) == 0 {
		names = r.ACRValues
	}
	if len(names) == 0 {
		return p.standing(c), false
	}
	if len(c.PermittedACRs) > 0 && !c.PermittedFallback && !p.cfg.Policy.PermittedFallback {
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			return !slices.Contains(c.PermittedACRs, name)
		})
	}
	return p.named(names), true
}

// standing are the candidates of a request that names none.
func (p *Provider) standing(c Client) []acr.ACR {
	if len(c.PermittedACRs) > 0 {
		return p.named(c.PermittedACRs)
	}
	return p.named(p.cfg.Policy.DefaultACRs)
}

func (p *Provider) downgrades(c Client) bool {
	if c.ACRUnmet != "" {
		return c.ACRUnmet == UnmetDowngrade
	}
	return p.cfg.Policy.ACRUnmet == UnmetDowngrade
}

// named returns the ACRs of these names that are known.
func (p *Provider) named(names []string) []acr.ACR {
	var out []acr.ACR
	for _, name := range names {
		if a, ok := p.acrs[name]; ok {
			out = append(out, a)
		}
	}
	return out
}

// acr returns the ACR of a floor. One that is no longer configured cannot be
// met: a floor never vanishes with a name.
func (p *Provider) acr(name string) acr.ACR {
	if a, ok := p.acrs[name]; ok {
		return a
	}
	return acr.ACR{Name: name, Needs: []acr.Need{{}}}
}

// lockedScopes are the ACRs that requested scopes ask for; asked is when the
// person was first asked for consent.
func (p *Provider) lockedScopes(ctx context.Context, r request, asked time.Time) (map[string]acr.ACR, error) {
	known, err := p.catalogue(ctx, r.inQuestion())
	if err != nil {
		return nil, err
	}
	var out map[string]acr.ACR
	for _, name := range r.inQuestion() {
		if lock := known[name].RequiredACR; lock != "" {
			if out == nil {
				out = make(map[string]acr.ACR)
			}
			out[name] = p.scopeACR(known[name].ServiceScope, asked)
		}
	}
	return out, nil
}

// notYet lies behind every proof that can be there.
const notYet = 24 * time.Hour

// scopeACR is what a scope asks for; fresh at consent, only proofs count that
// were made on the consent page, so none before it was shown.
func (p *Provider) scopeACR(s ServiceScope, asked time.Time) acr.ACR {
	a := p.acr(s.RequiredACR)
	if s.FreshAtConsent {
		if a.Since = asked; asked.IsZero() {
			a.Since = p.now().Add(notYet)
		}
	}
	return a
}

// verifyFloors are the ACRs that the person wants to reach to unlock scopes, in
// the form in which the scopes ask for them.
func (p *Provider) verifyFloors(locked map[string]acr.ACR, names []string) []acr.ACR {
	out := p.named(names)
	for _, a := range locked {
		if slices.Contains(names, a.Name) {
			out = append(out, a)
		}
	}
	return out
}

// clientACRs reports ACR names of a client that are not configured.
func (p *Provider) clientACRs(c Client) error {
	for _, name := range append([]string{c.RequiredACR}, c.PermittedACRs...) {
		if _, known := p.acrs[name]; name != "" && !known {
			return fmt.Errorf("there is no ACR %q", name)
		}
	}
	return nil
}
