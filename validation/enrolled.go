package validation

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/throttle"
	"github.com/sallyport-id/sallyport/validation/totp"
)

// EnrolledKind is what an enrolled credential is.
type EnrolledKind string

// The kinds of enrolled credentials.
const (
	EnrolledEmail EnrolledKind = "email"
	EnrolledPhone EnrolledKind = "phone" // reached by SMS and by voice
	EnrolledTOTP  EnrolledKind = "totp"
)

// Enrolled is a credential that a user has proved to hold, as a login sees it.
type Enrolled struct {
	Kind EnrolledKind
	// Credential names this very credential: another value, or the same value
	// proved again, is another one.
	Credential string
	// Factor is its name in epochs and challenges: the canonical attribute path,
	// or "totp". Text is the path as configured, for audit; "" for an app.
	Factor, Text string
	// Value is the normalised destination, Masked what may be shown of it; both
	// are "" for an app.
	Value, Masked string
	// AppID and Digits are the id of an app's enrolment and the length of its
	// codes.
	AppID  string
	Digits int
	// Extra tells that it is a further one, which SCIM does not see.
	Extra bool
	// Setting is what the user has set for it; see EnrolledReader.
	Setting CredentialSetting
}

// EnrolledReader reads what users have enrolled: the app, the address and the
// number that SCIM sees with Enrolled, all with their settings with Held. Every
// field is required for Enrolled, all but Secrets for Held.
type EnrolledReader struct {
	Paths   *Paths
	Records Records
	Secrets totp.Store
}

// Enrolled returns the credentials of a user in the order of the configured
// paths, the app first. user is the present document: a value counts only while
// exactly this value is validated. The switch secondFactorEnabled does not
// matter here; see SecondFactorEnabled. In a transaction of ctx they stay until
// it ends, if the user does.
func (r EnrolledReader) Enrolled(ctx context.Context, userID string, user schema.Object) ([]Enrolled, error) {
	var out []Enrolled
	app, err := r.Secrets.TOTP(ctx, userID)
	switch {
	case err == nil:
		out = append(out, enrolledApp(app.ID, app.Digits))
	case !errors.Is(err, totp.ErrNotEnrolled):
		return nil, fmt.Errorf("read authenticator app: %w", err)
	}
	values, err := r.values(ctx, userID, user)
	return append(out, values...), err
}

// Held returns what Enrolled does and further apps, addresses and numbers, off
// or not, with their settings; has is what the store holds of the user.
func (r EnrolledReader) Held(ctx context.Context, userID string, user schema.Object, has Holdings) ([]Enrolled, error) {
	var out []Enrolled
	if has.App != nil {
		out = append(out, enrolledApp(has.App.ID, has.App.Digits))
	}
	for _, app := range has.Apps {
		e := enrolledApp(app.ID, app.Digits)
		e.Factor, e.Extra = e.Credential, true
		out = append(out, e)
	}
	values, err := r.values(ctx, userID, user)
	if err != nil {
		return nil, err
	}
	out = append(out, values...)
	for _, a := range has.Addresses {
		name := ExtraCredential(a.Kind, a.ID)
		out = append(out, Enrolled{
			Kind: a.Kind, Credential: name, Factor: name, Value: a.Value, Masked: delivery.Mask(channelOfKind(a.Kind), a.Value), Extra: true,
		})
	}
	for i := range out {
		out[i].Setting = has.Setting(out[i].Credential)
	}
	return out, nil
}

func enrolledApp(id string, digits int) Enrolled {
	return Enrolled{Kind: EnrolledTOTP, Credential: ExtraCredential(EnrolledTOTP, id), Factor: factorTOTP, AppID: id, Digits: digits}
}

func channelOfKind(kind EnrolledKind) delivery.Channel {
	if kind == EnrolledPhone {
		return delivery.SMS
	}
	return delivery.Email
}

// values are the validated values of the configured paths, in their order.
func (r EnrolledReader) values(ctx context.Context, userID string, user schema.Object) ([]Enrolled, error) {
	var out []Enrolled
	for _, p := range r.Paths.All() {
		value := p.Get(user)
		if value == "" {
			continue
		}
		normal, err := p.normal(value)
		if err != nil {
			continue // it was never proved
		}
		at, ok, err := r.Records.Validated(ctx, userID, p.canonical, normal)
		if err != nil {
			return nil, fmt.Errorf("read validation of %s: %w", p.canonical, err)
		}
		if ok {
			out = append(out, p.enrolled(normal, at))
		}
	}
	return out, nil
}

// Assigned returns the values of a user that an administrator has set and the
// user has not proved yet. They are no credentials: nothing but confirming them
// may come of it. Credential is the name under which attempts to do so count.
func (r EnrolledReader) Assigned(ctx context.Context, userID string, user schema.Object) ([]Enrolled, error) {
	var out []Enrolled
	for _, p := range r.Paths.All() {
		value := p.Get(user)
		if value == "" {
			continue
		}
		normal, err := p.normal(value)
		if err != nil {
			continue // the rules have changed since it was set
		}
		ok, err := r.Records.Assigned(ctx, userID, p.canonical, normal)
		if err != nil {
			return nil, fmt.Errorf("read whether %s was assigned: %w", p.canonical, err)
		}
		if ok {
			e := p.enrolled(normal, time.Time{})
			e.Credential = throttle.Enrolment(p.canonical)
			out = append(out, e)
		}
	}
	return out, nil
}

func (p *Path) enrolled(value string, at time.Time) Enrolled {
	kind := EnrolledEmail
	if p.channel.Telephone() {
		kind = EnrolledPhone
	}
	return Enrolled{
		Kind: kind, Credential: string(kind) + ":" + p.Key + ":" + strconv.FormatInt(at.UnixMicro(), 10),
		Factor: p.canonical, Text: p.Text, Value: value, Masked: delivery.Mask(channelOfKind(kind), value),
	}
}

// SecondFactorEnabled reports whether the user has switched second factors on.
func SecondFactorEnabled(user schema.Object) bool { return enabledFlag(user) == true }

// KindOf returns the kind of a factor by its name in epochs; false if there is
// no such factor.
func (ps *Paths) KindOf(factor string) (EnrolledKind, bool) {
	if factor == factorTOTP {
		return EnrolledTOTP, true
	}
	p, ok := byCanonical(ps.All(), factor)
	switch {
	case !ok:
		return "", false
	case p.channel.Telephone():
		return EnrolledPhone, true
	}
	return EnrolledEmail, true
}
