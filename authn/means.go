package authn

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/delivery"
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

// amrOf are the methods of a factor (RFC 8176 section 2).
func amrOf(f acr.Factor) []string {
	switch f {
	case acr.Password:
		return []string{"pwd"}
	case acr.SMSOTP:
		return []string{"otp", "sms"}
	case acr.VoiceOTP:
		return []string{"otp", "tel"}
	default:
		return []string{"otp"}
	}
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

// enrolled reads the credentials of a user that exist, whatever the user has
// switched on.
func (e *Engine) enrolled(ctx context.Context, u User) ([]validation.Enrolled, error) {
	r := validation.EnrolledReader{Paths: e.cfg.Paths, Records: e.cfg.Records, Secrets: e.cfg.Secrets}
	found, err := r.Enrolled(ctx, u.ID, u.Object)
	if err != nil {
		return nil, fmt.Errorf("read factors: %w", err)
	}
	return found, nil
}

// meansOf lists how the credentials can be shown now: those that can be reached.
func (e *Engine) meansOf(ctx context.Context, u User, credentials []validation.Enrolled) ([]means, error) {
	var out []means
	for _, c := range credentials {
		d, err := e.cfg.Factors.Check(ctx, u.ID, c.Credential)
		if err != nil {
			return nil, err
		}
		for _, f := range factorsOf(c.Kind) {
			m := means{Choice: Choice{Factor: f, Credential: c.Credential, Masked: c.Masked}, of: c}
			if isCode(f) {
				m.channel = channelOf(f)
				if m.provider, err = e.cfg.Delivery.Default(m.channel); err != nil || m.provider.Check(c.Value) != nil {
					continue
				}
			}
			if !d.Allowed {
				m.LockedFor, m.lockedTo = d.RetryAfter, e.now().Add(d.RetryAfter)
				m.closed = d.Limit == limitClosed
			}
			out = append(out, m)
		}
	}
	return out, nil
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
	return f.enrolments(), choices, nil
}

// factors is what a user has to log in with.
type factors struct {
	password validation.PasswordState
	existing []validation.Enrolled
	means    []means
	enabled  bool
}

func (e *Engine) factors(ctx context.Context, u User) (f factors, err error) {
	if f.password, err = e.cfg.Passwords.Password(ctx, u.ID); err != nil {
		return f, fmt.Errorf("read password: %w", err)
	}
	if f.existing, err = e.enrolled(ctx, u); err != nil {
		return f, err
	}
	if f.means, err = e.meansOf(ctx, u, f.existing); err != nil {
		return f, err
	}
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

func (f factors) enrolments() []acr.Enrolment {
	var out []acr.Enrolment
	if f.password.Hash != "" {
		out = append(out, acr.Enrolment{Factor: acr.Password, Credential: passwordCredential})
	}
	for _, m := range f.usable() {
		out = append(out, m.enrolment())
	}
	return out
}

func (m means) enrolment() acr.Enrolment {
	return acr.Enrolment{Factor: m.Factor, Credential: m.Credential, LockedTill: m.lockedTo}
}

// counted returns the proofs of a ledger whose credential still exists.
func (f factors) counted(ledger []session.Proof) []acr.Proof {
	var out []acr.Proof
	for _, p := range ledger {
		if f.has(p.Factor, p.Credential) {
			out = append(out, p.Proof)
		}
	}
	return out
}

func (f factors) has(factor acr.Factor, credential string) bool {
	if factor == acr.Password {
		return f.password.Hash != ""
	}
	if factor != acr.TOTP && !isCode(factor) {
		return true // vouched for elsewhere
	}
	return slices.ContainsFunc(f.existing, func(c validation.Enrolled) bool {
		return c.Credential == credential && slices.Contains(factorsOf(c.Kind), factor)
	})
}
