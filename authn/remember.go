package authn

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/session"
)

// Bounds of Config.RememberFor.
const (
	leastRemembered = 24 * time.Hour
	mostRemembered  = 365 * 24 * time.Hour
)

// Remember says whether this browser is to be remembered with the next proof of
// a further factor (the box on the page of the code).
func (e *Engine) Remember(ctx context.Context, v Visitor, t Txn, on bool) error {
	p, err := e.position(ctx, v, t)
	if err != nil {
		return err
	}
	if on && !e.mayRemember(p) {
		return outOfStep()
	}
	return e.update(ctx, t, func(g *Progress) { g.Remember = on })
}

// SkipStep gives up the present step, which is an optional link of a chain.
func (e *Engine) SkipStep(ctx context.Context, v Visitor, t Txn) error {
	p, err := e.position(ctx, v, t)
	if err != nil {
		return err
	}
	step, ok := p.prompt()
	if !ok || len(step.Skip) == 0 {
		return outOfStep()
	}
	return e.update(ctx, t, func(g *Progress) {
		for _, key := range step.Skip {
			if !slices.Contains(g.Skipped, key) {
				g.Skipped = append(g.Skipped, key)
			}
		}
		g.Factor, g.Credential, g.Sent, g.Begun = "", "", nil, nil
	})
}

// mayRemember reports whether being remembered could spare this user anything
// here, so that it is offered.
func (e *Engine) mayRemember(p *position) bool {
	return e.cfg.RememberFor != 0 && p.held != nil && asksDevice(p.req)
}

// remembers reports whether a proof of a factor can make a browser remembered.
// What saves a user who has lost the others, a recovery code, makes none.
func (e *Engine) remembers(f acr.Factor) bool {
	return e.cfg.RememberFor != 0 && f != acr.RecoveryCode && (e.cfg.RememberedBy == nil || slices.Contains(e.cfg.RememberedBy, f))
}

// asksDevice reports whether a remembered browser can matter to a requirement.
func asksDevice(r acr.Requirement) bool {
	device := func(a acr.ACR) bool {
		about := func(c acr.Condition) bool { return c.Device != nil }
		return slices.ContainsFunc(a.When, about) || slices.ContainsFunc(a.Needs, func(n acr.Need) bool {
			return slices.Contains(n.AnyOf, acr.Device) || slices.ContainsFunc(n.Unless, about) ||
				slices.ContainsFunc(n.Chain, func(l acr.Link) bool { return l.Factor == acr.Device })
		})
	}
	for _, all := range [][]acr.ACR{r.Candidates, r.Floors, r.UserFloor, r.Fallback} {
		if slices.ContainsFunc(all, device) {
			return true
		}
	}
	for _, a := range r.Scopes {
		if device(a) {
			return true
		}
	}
	return false
}

// recall finds by which of its cookies the browser is remembered for the user.
func (e *Engine) recall(ctx context.Context, p *position) error {
	if e.cfg.RememberFor == 0 || len(p.visitor.Devices) == 0 || !asksDevice(p.req) {
		return nil
	}
	for _, text := range p.visitor.Devices[:min(len(p.visitor.Devices), MostDevices)] {
		d, ok, err := e.deviceOf(ctx, text)
		if err != nil {
			return err
		}
		if ok && d.UserID == p.held.UserID {
			p.device = &d
			return nil
		}
	}
	return nil
}

// deviceOf returns the device of a cookie's "id.secret".
func (e *Engine) deviceOf(ctx context.Context, text string) (Device, bool, error) {
	id, secret, _ := strings.Cut(text, ".")
	if known := uuid.Validate(id) == nil; !known || secret == "" {
		return Device{}, false, nil
	}
	d, err := e.cfg.Devices.Device(ctx, id, e.now())
	if errors.Is(err, ErrNoDevice) {
		return Device{}, false, nil
	}
	if err != nil {
		return Device{}, false, fmt.Errorf("read remembered browser: %w", err)
	}
	// The operator may have shortened the time since.
	life := e.now().Before(d.CreatedAt.Add(e.cfg.RememberFor))
	return d, life && hmac.Equal(d.SecretHash, session.Hash(secret)), nil
}

// remember stores this browser for a user, in the transaction of a proof, in
// place of what it was remembered by before, and returns what the cookie is to
// hold.
func (e *Engine) remember(ctx context.Context, p *position, u User) ([]string, error) {
	var out []string
	v := p.visitor
	for _, text := range v.Devices[:min(len(v.Devices), MostDevices)] {
		d, ok, err := e.deviceOf(ctx, text)
		switch {
		case err != nil:
			return nil, err
		case !ok:
		case d.UserID != u.ID:
			out = append(out, text)
		default:
			if _, err := e.cfg.Devices.DeleteDevice(ctx, u.ID, d.ID); err != nil {
				return nil, fmt.Errorf("forget browser: %w", err)
			}
		}
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	secret, now := NewSecret(), e.now()
	d := Device{
		ID: id, UserID: u.ID, SecretHash: session.Hash(secret), UserAgent: cut(v.UserAgent),
		CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(e.cfg.RememberFor),
	}
	if v.IP.IsValid() {
		d.IP = v.IP.String()
	}
	if err := e.cfg.Devices.AddDevice(ctx, d); err != nil {
		return nil, fmt.Errorf("remember browser: %w", err)
	}
	ev := proved(v, audit.DeviceRemembered, p.txn.ClientID, u.ID, p.held.ID, loginDetail{Credential: DeviceCredential(id), Txn: p.txn.ID})
	if err := e.record(ctx, ev); err != nil {
		return nil, err
	}
	out = append([]string{id + "." + secret}, out...)
	return out[:min(len(out), MostDevices)], nil
}
