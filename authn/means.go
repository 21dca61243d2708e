package authn

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// passwordCredential names the password in the ledger; there is one per user.
const passwordCredential = "password"

// means is one way in which a user can prove who they are: a credential, and
// the factor as which it is shown.
type means struct {
	Choice
	of       validation.Enrolled
	channel  delivery.Channel
	provider *delivery.Provider
	auth     Authenticator // of a plugged-in factor
	// any are the credentials of which one is to be shown, where the person does
	// not say which: passkeys.
	any     []string
	setting validation.CredentialSetting
	// confirms tells that it is a value of an administrator, which is no credential.
	confirms bool
	lockedTo time.Time
	closed   bool // for good
}

// isCode reports whether the factor is a code that is sent.
func isCode(f acr.Factor) bool {
	return f == acr.EmailOTP || f == acr.SMSOTP || f == acr.VoiceOTP
}

// channelOf returns the channel of a factor that is sent.
func channelOf(f acr.Factor) delivery.Channel {
	switch f {
	case acr.SMSOTP:
		return delivery.SMS
	case acr.VoiceOTP:
		return delivery.Voice
	default:
		return delivery.Email
	}
}

// factorOf is the reverse of channelOf.
func factorOf(ch delivery.Channel) acr.Factor {
	switch ch {
	case delivery.SMS:
		return acr.SMSOTP
	case delivery.Voice:
		return acr.VoiceOTP
	default:
		return acr.EmailOTP
	}
}

// amrOf are the methods of a factor (RFC 8176 section 2), as its authenticator
// says where it is plugged in.
func (e *Engine) amrOf(f acr.Factor) []string {
	if a := e.plugged[f]; a != nil && a.Kind().AMR != nil {
		return slices.Clone(a.Kind().AMR)
	}
	return f.AMR()
}

// categoryOf is what a plugged-in factor rests on; "": what its name says.
func (e *Engine) categoryOf(f acr.Factor) acr.Category {
	if a := e.plugged[f]; a != nil {
		return a.Kind().Category
	}
	return ""
}

// factorsOf are the factors as which a credential is shown.
func factorsOf(kind validation.EnrolledKind) []acr.Factor {
	switch kind {
	case validation.EnrolledTOTP:
		return []acr.Factor{acr.TOTP}
	case validation.EnrolledPhone:
		return []acr.Factor{acr.SMSOTP, acr.VoiceOTP}
	default:
		return []acr.Factor{acr.EmailOTP}
	}
}

// holdings reads the credentials of a user that exist, whatever the user has
// switched on.
func (e *Engine) holdings(ctx context.Context, u User) (f factors, err error) {
	if f.held, err = e.cfg.Held.Holdings(ctx, u.ID); err != nil {
		return f, fmt.Errorf("read credentials: %w", err)
	}
	r := validation.EnrolledReader{Paths: e.cfg.Paths, Records: e.cfg.Records}
	if f.existing, err = r.Held(ctx, u.ID, u.Object, f.held); err != nil {
		return f, fmt.Errorf("read factors: %w", err)
	}
	for _, a := range e.cfg.Authenticators {
		found, err := a.Credentials(ctx, u, f.held)
		if err != nil {
			return f, fmt.Errorf("read credentials of %s: %w", a.Factor(), err)
		}
		for _, c := range found {
			f.plugged = append(f.plugged, pluggedIn{a, c})
		}
	}
	return f, nil
}

// pluggedIn is a credential of a plugged-in factor.
type pluggedIn struct {
	Authenticator
	Credential
}

// meansOf lists how the credentials can be shown now: those that can be reached
// and that the user has not switched off.
func (e *Engine) meansOf(ctx context.Context, u User, f factors) ([]means, error) {
	var out []means
	for _, c := range f.existing {
		for _, factor := range factorsOf(c.Kind) {
			m := means{Choice: Choice{Factor: factor, Credential: c.Credential, Masked: c.Masked}, of: c, setting: c.Setting}
			if isCode(factor) {
				m.channel = channelOf(factor)
				provider, err := e.cfg.Delivery.Default(m.channel)
				if err != nil || provider.Check(c.Value) != nil {
					continue
				}
				m.provider = provider
			}
			out = append(out, m)
		}
	}
	for _, c := range f.plugged {
		if c.Spent {
			continue
		}
		m := means{Choice: Choice{Factor: c.Factor(), Credential: c.Name, Name: c.Label, Masked: c.Masked}, auth: c.Authenticator}
		m.setting = f.held.Setting(m.Credential)
		out = append(out, m)
	}
	if m, ok := passkeysOf(f.held); ok && e.cfg.Passkeys != nil {
		out = append(out, m)
	}
	out = slices.DeleteFunc(out, func(m means) bool { return m.setting.Off })
	return out, e.closures(ctx, u, out)
}

// passkeysOf are the means of all passkeys that are not switched off: which one
// is shown, the person chooses in the browser.
func passkeysOf(held validation.Holdings) (means, bool) {
	m := means{Choice: Choice{Factor: acr.Passkey}}
	for _, k := range held.Passkeys {
		name := passkeyCredential + k.ID
		s := held.Setting(name)
		if s.Off {
			continue
		}
		m.any = append(m.any, name)
		if s.Preferred != "" {
			m.setting.Preferred = s.Preferred
		}
		for _, at := range []time.Time{s.LastUsedAt, k.LastUsedAt} {
			if at.After(m.setting.LastUsedAt) {
				m.setting.LastUsedAt = at
			}
		}
	}
	return m, len(m.any) > 0
}

// passkeyCredential begins the name of a passkey in the ledger.
const passkeyCredential = "passkey:"

// closures adds which means take no attempt now. Passkeys cannot be guessed.
func (e *Engine) closures(ctx context.Context, u User, all []means) error {
	known := map[string]throttle.Decision{}
	for i := range all {
		m := &all[i]
		if m.setting.Name != "" {
			m.Name = m.setting.Name
		}
		if m.Factor == acr.Passkey {
			continue
		}
		d, ok := known[m.Credential]
		if !ok {
			var err error
			if d, err = e.cfg.Factors.Check(ctx, u.ID, m.Credential); err != nil {
				return err
			}
			known[m.Credential] = d
		}
		if !d.Allowed {
			m.LockedFor, m.lockedTo = d.RetryAfter, e.now().Add(d.RetryAfter)
			m.closed = d.Limit == limitClosed
		}
	}
	return nil
}

// Enrolments returns what a user could show: the password, and second factors
// while they are switched on, but for those that are closed for good. Choices
// are the second factors, as pages offer them.
func (e *Engine) Enrolments(ctx context.Context, u User) ([]acr.Enrolment, []Choice, error) {
	f, err := e.factors(ctx, u)
	if err != nil {
		return nil, nil, err
	}
	var choices []Choice
	for _, m := range f.usable() {
		choices = append(choices, m.Choice)
	}
	return e.enrolments(f), choices, nil
}

// factors is what a user has to log in with.
type factors struct {
	password validation.PasswordState
	held     validation.Holdings
	existing []validation.Enrolled
	plugged  []pluggedIn
	means    []means
	links    []federated.Link
	enabled  bool
}

func (e *Engine) factors(ctx context.Context, u User) (factors, error) {
	f, err := e.holdings(ctx, u)
	if err != nil {
		return f, err
	}
	if f.password, err = e.cfg.Passwords.Password(ctx, u.ID); err != nil {
		return f, fmt.Errorf("read password: %w", err)
	}
	if f.means, err = e.meansOf(ctx, u, f); err != nil {
		return f, err
	}
	f.links = e.openLinks(u.ID, f.held)
	f.enabled = validation.SecondFactorEnabled(u.Object)
	return f, nil
}

// usable are the means that may be shown as second factors.
func (f factors) usable() []means {
	if !f.enabled {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(f.means), func(m means) bool { return m.closed })
}

func (e *Engine) enrolments(f factors) []acr.Enrolment {
	var out []acr.Enrolment
	if f.password.Hash != "" {
		out = append(out, acr.Enrolment{Factor: acr.Password, Credential: passwordCredential})
	}
	for _, l := range f.links {
		out = append(out, acr.Enrolment{Factor: acr.Federated, Credential: linkCredential(l)})
	}
	for _, m := range f.standing() {
		out = append(out, e.enrolmentsOf(m)...)
	}
	return out
}

// standing are the means that decide what is in reach: those that may be shown,
// or, where wrong codes have closed every one for good, those. Nobody is asked
// for them, but neither do they open a way to a weaker level or to an enrolment:
// else whoever knows the password could wear them out.
func (f factors) standing() []means {
	open := f.usable()
	if len(open) > 0 || !f.enabled {
		return open
	}
	return f.means
}

// enrolmentsOf are the credentials that the means may be.
func (e *Engine) enrolmentsOf(m means) []acr.Enrolment {
	names := m.any
	if names == nil {
		names = []string{m.Credential}
	}
	out := make([]acr.Enrolment, len(names))
	for i, name := range names {
		out[i] = acr.Enrolment{Factor: m.Factor, Credential: name, Category: e.categoryOf(m.Factor), LockedTill: m.lockedTo}
	}
	return out
}

// is reports whether the enrolment is one of the credentials of the means.
func (m means) is(u acr.Enrolment) bool {
	return u.Factor == m.Factor && (u.Credential == m.Credential || slices.Contains(m.any, u.Credential))
}

// counted returns the proofs of a ledger whose credential still exists.
func (e *Engine) counted(f factors, ledger []session.Proof) []acr.Proof {
	var out []acr.Proof
	for _, p := range ledger {
		if f.has(p.Factor, p.Credential) {
			p.Category = e.categoryOf(p.Factor)
			out = append(out, p.Proof)
		}
	}
	return out
}

// has reports whether a credential still exists, switched off or not.
func (f factors) has(factor acr.Factor, credential string) bool {
	if strings.HasPrefix(credential, federatedPrefix) {
		return hasLink(f.links, credential)
	}
	switch factor {
	case acr.Password:
		return f.password.Hash != ""
	case acr.Command:
		return true // vouched for elsewhere
	case acr.Passkey:
		return slices.ContainsFunc(f.held.Passkeys, func(k validation.HeldPasskey) bool { return passkeyCredential+k.ID == credential })
	case acr.TOTP, acr.EmailOTP, acr.SMSOTP, acr.VoiceOTP:
		return slices.ContainsFunc(f.existing, func(c validation.Enrolled) bool {
			return c.Credential == credential && slices.Contains(factorsOf(c.Kind), factor)
		})
	default:
		return slices.ContainsFunc(f.plugged, func(c pluggedIn) bool {
			return c.Factor() == factor && c.Name == credential
		})
	}
}
