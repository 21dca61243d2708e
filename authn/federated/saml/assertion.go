package saml

import (
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn/federated"
)

// bearer is the one way to confirm a subject that a browser can use (Profiles
// section 3.3).
const bearer = "urn:oasis:names:tc:SAML:2.0:cm:bearer" //nolint:gosec // a name, no credential

// checkAssertion applies Profiles section 4.1.4.3 and what section 4.1.4.2 says
// an assertion must have.
func (v verdict) checkAssertion(a assertion) error {
	if a.Version != "2.0" || a.ID == "" {
		return federated.Refuse(federated.Malformed, "assertion: version or ID", nil)
	}
	if !a.Issuer.is(v.idp.id) {
		return federated.Refuse(federated.WrongIssuer, "issuer of the assertion", nil)
	}
	if err := v.checkIssued(a.IssueInstant.Time, "assertion"); err != nil {
		return err
	}
	if err := v.checkConditions(a.Conditions); err != nil {
		return err
	}
	if err := v.checkSubject(a.Subject); err != nil {
		return err
	}
	return v.checkLogin(a)
}

// early and late widen a bound by the clock skew, which counts: at exactly that
// distance a time still holds.
func (v verdict) early(notBefore *instant) bool {
	return notBefore != nil && v.now.Add(v.cfg.Skew).Before(notBefore.Time)
}

func (v verdict) late(notOnOrAfter time.Time) bool {
	return v.now.After(notOnOrAfter.Add(v.cfg.Skew))
}

func (v verdict) checkConditions(c *conditions) error {
	if c == nil || c.NotOnOrAfter == nil {
		return federated.Refuse(federated.Expired, "conditions without an end", nil)
	}
	if v.early(c.NotBefore) || v.late(c.NotOnOrAfter.Time) {
		return federated.Refuse(federated.Expired, "conditions until "+c.NotOnOrAfter.Format(time.RFC3339), nil)
	}
	if len(c.Others) > 0 {
		// Core section 2.5.1.1: what is not understood is not fulfilled.
		return federated.Refuse(federated.Malformed, "a condition "+c.Others[0].XMLName.Local, nil)
	}
	if len(c.Audiences) == 0 {
		return federated.Refuse(federated.WrongAudience, "no audience", nil)
	}
	for _, r := range c.Audiences {
		// Core section 2.5.1.4: one of each restriction.
		if !slices.Contains(r.Audiences, v.cfg.EntityID) {
			return federated.Refuse(federated.WrongAudience, fmt.Sprintf("audience %.200q", r.Audiences), nil)
		}
	}
	return nil
}

// checkSubject wants a bearer confirmation, and each of them right.
func (v verdict) checkSubject(s *subject) error {
	if s == nil {
		return federated.Refuse(federated.NoSubject, "no subject", nil)
	}
	found := false
	for _, c := range s.Confirmations {
		if c.Method != bearer {
			continue
		}
		found = true
		if err := v.checkConfirmation(c.Data); err != nil {
			return err
		}
	}
	if !found {
		return federated.Refuse(federated.Malformed, "no bearer confirmation of the subject", nil)
	}
	return nil
}

func (v verdict) checkConfirmation(d *confirmationData) error {
	if d == nil || d.NotOnOrAfter == nil {
		return federated.Refuse(federated.Expired, "a confirmation without an end", nil)
	}
	if err := v.checkRequest(d.InResponseTo); err != nil {
		return err
	}
	if d.Recipient != v.cfg.ACS {
		return federated.Refuse(federated.WrongDestination, fmt.Sprintf("recipient %.200q", d.Recipient), nil)
	}
	if v.early(d.NotBefore) || v.late(d.NotOnOrAfter.Time) {
		return federated.Refuse(federated.Expired, "confirmation until "+d.NotOnOrAfter.Format(time.RFC3339), nil)
	}
	return nil
}

// checkLogin wants to know when the person logged in there, and that it is not
// longer ago than was asked for.
func (v verdict) checkLogin(a assertion) error {
	if len(a.Logins) == 0 {
		return federated.Refuse(federated.Malformed, "no statement of a login", nil)
	}
	for _, login := range a.Logins {
		if login.At.IsZero() || login.At.After(v.now.Add(v.cfg.Skew)) {
			return federated.Refuse(federated.Expired, "login at "+login.At.Format(time.RFC3339), nil)
		}
		if login.Until != nil && v.late(login.Until.Time) {
			return federated.Refuse(federated.Expired, "session until "+login.Until.Format(time.RFC3339), nil)
		}
	}
	if v.asked == nil {
		return nil
	}
	at := a.Logins[0].At
	if v.asked.Fresh && at.Before(v.asked.At.Add(-v.cfg.Skew)) {
		return federated.Refuse(federated.Stale, "no new login (ForceAuthn)", nil)
	}
	if v.asked.Aged && v.now.After(at.Add(v.asked.Old+v.cfg.Skew)) {
		return federated.Refuse(federated.Stale, "login at "+at.Format(time.RFC3339), nil)
	}
	return nil
}

// lastMoment is when the assertion stops being good for anything.
func (v verdict) lastMoment(a assertion) time.Time {
	last := a.Conditions.NotOnOrAfter.Time
	for _, c := range a.Subject.Confirmations {
		if c.Data != nil && c.Data.NotOnOrAfter != nil && c.Data.NotOnOrAfter.After(last) {
			last = c.Data.NotOnOrAfter.Time
		}
	}
	if issued := a.IssueInstant.Add(IssueDelay); issued.After(last) {
		last = issued
	}
	// A second more than any clock that is read for it.
	return last.Add(v.cfg.Skew + time.Second)
}
