package validation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/state"
)

// slot is where further credentials of a kind are enrolled: what stands for the
// attribute path in states, challenges, counters and epochs.
type slot struct {
	kind           EnrolledKind
	state          state.Kind
	path           *Path
	added, removed delivery.NoticeKind
}

// slotOf returns the slot of a kind. Its path is no path of the directory, so no
// state of it opens at a SCIM sub-resource.
func (c *Credentials) slotOf(kind EnrolledKind) slot {
	switch kind {
	case EnrolledPhone:
		return slot{
			kind: kind, state: state.KindPhone, added: delivery.NoticePhoneAdded, removed: delivery.NoticePhoneRemoved,
			path: &Path{Text: "further telephone number", canonical: "extra:phone", channel: delivery.SMS},
		}
	case EnrolledTOTP:
		return slot{
			kind: kind, state: state.KindTOTP, added: delivery.NoticeTOTPAdded, removed: delivery.NoticeTOTPRemoved,
			path: &Path{Text: "further authenticator app", canonical: "extra:totp"},
		}
	default:
		return slot{
			kind: EnrolledEmail, state: state.KindEmail, added: delivery.NoticeEmailAdded, removed: delivery.NoticeEmailRemoved,
			path: &Path{Text: "further e-mail address", canonical: "extra:email", channel: delivery.Email},
		}
	}
}

// Channels are the ways in which codes can be sent to numbers: those of sms and
// voice that are set up.
func (c *Credentials) Channels() []delivery.Channel {
	var out []delivery.Channel
	for _, ch := range []delivery.Channel{delivery.SMS, delivery.Voice} {
		if _, err := c.s.cfg.Delivery.Default(ch); err == nil {
			out = append(out, ch)
		}
	}
	return out
}

// SendsMail reports whether codes can be sent by e-mail.
func (c *Credentials) SendsMail() bool {
	_, err := c.s.cfg.Delivery.Default(delivery.Email)
	return err == nil
}

// NewAddress is an address or number that its owner wants to log in with.
type NewAddress struct {
	Channel delivery.Channel
	Value   string
	// Language is how to address the owner if the record has none.
	Language string
}

// Pending is an enrolment that waits for its code.
type Pending struct {
	State  string // sealed; only the session that began it can finish it
	Kind   EnrolledKind
	Masked string // where the code went
	Digits int    // of the code; 0: not only digits
	// Secret and URI are of an app: what it takes instead of a picture, and what
	// the picture says (Key URI format).
	Secret, URI string
	ExpiresAt   time.Time
}

// StartAddress sends a code to an address or number. The first of its kind goes
// to the directory, as if it were validated through SCIM, the others beside it.
func (c *Credentials) StartAddress(ctx context.Context, o Owner, a NewAddress) (Pending, error) {
	t, err := c.fresh(ctx, o)
	if err != nil {
		return Pending{}, err
	}
	k := c.kindOf(a.Channel)
	out := &sending{kind: k, language: languages(t.User, a.Language)}
	if out.provider, err = c.s.cfg.Delivery.Default(a.Channel); err != nil {
		return Pending{}, notDelivered().Because(err)
	}
	kind := EnrolledEmail
	if k.telephone {
		kind = EnrolledPhone
	}
	if out.path, out.value, err = c.place(ctx, t, kind, a.Value); err != nil {
		return Pending{}, err
	}
	if err := c.s.reachable(ctx, t, out); err != nil {
		return Pending{}, err
	}
	if err := c.s.seal(ctx, t, out); err != nil {
		return Pending{}, err
	}
	if err := c.s.begin(ctx, t, out); err != nil {
		return Pending{}, err
	}
	if err := c.s.deliver(ctx, t, out); err != nil {
		return Pending{}, err
	}
	return c.pendingAddress(out.claims, k, out.token.Reveal()), nil
}

// kindOf is the kind of address that a channel reaches.
func (c *Credentials) kindOf(ch delivery.Channel) *addressKind {
	i := slices.IndexFunc(c.s.kinds, func(k *addressKind) bool { return k.telephone == ch.Telephone() })
	return c.s.kinds[i]
}

func (c *Credentials) pendingAddress(claims state.Claims, k *addressKind, token string) Pending {
	channel, kind := delivery.Email, EnrolledEmail
	if k.telephone {
		channel, kind = delivery.SMS, EnrolledPhone
		if p, err := c.s.cfg.Delivery.Provider(claims.Provider); err == nil {
			channel = p.Channel
		}
	}
	p := Pending{State: token, Kind: kind, Masked: k.mask(claims.Value), ExpiresAt: claims.ExpiresAt}
	if g := c.s.cfg.Delivery.Rules(channel).Generator; g.Numeric() {
		p.Digits = g.Len()
	}
	return p
}

// place finds where a value goes: to the attribute that holds it without being
// validated, else to the first attribute that is empty, else beside them.
func (c *Credentials) place(ctx context.Context, t Target, kind EnrolledKind, value string) (*Path, string, error) {
	slot := c.slotOf(kind)
	if value == "" {
		return nil, "", required(memberValue)
	}
	normal, err := slot.path.normal(value)
	if err != nil {
		return nil, "", err
	}
	has, err := c.cfg.Holdings.Holdings(ctx, t.User.ID)
	if err != nil {
		return nil, "", fmt.Errorf("read credentials: %w", err)
	}
	others := 0
	for _, a := range has.Addresses {
		if a.Kind != kind {
			continue
		}
		if others++; a.Value == normal {
			return nil, "", ErrExtraExists
		}
	}
	var empty *Path
	for _, p := range c.s.cfg.Paths.of(kind) {
		present := p.Get(t.User.Object)
		if present == "" && empty == nil {
			empty = p
		}
		if present == "" || p.comparable(present) != normal {
			continue
		}
		_, done, err := c.s.cfg.Records.Validated(ctx, t.User.ID, p.canonical, normal)
		if err != nil {
			return nil, "", err
		}
		if done {
			return nil, "", ErrExtraExists
		}
		return p, normal, nil
	}
	switch {
	case empty != nil:
		return empty, normal, nil
	case others >= MostExtras:
		return nil, "", ErrTooMany
	}
	return slot.path, normal, nil
}

// of are the paths of a kind.
func (ps *Paths) of(kind EnrolledKind) []*Path {
	if kind == EnrolledPhone {
		return ps.phone
	}
	return ps.email
}

// FinishAddress takes the code of StartAddress, and a name if the owner gave one.
// The recent proof was asked for there, and the state binds both to one session.
func (c *Credentials) FinishAddress(ctx context.Context, o Owner, kind EnrolledKind, token, code, name string) error {
	t, err := c.target(ctx, o)
	if err != nil {
		return err
	}
	channel := delivery.Email
	if kind == EnrolledPhone {
		channel = delivery.SMS
	}
	k := c.kindOf(channel)
	claims, err := c.s.open(ctx, t, k.state, token)
	if err != nil {
		return err
	}
	slot := c.slotOf(kind)
	path, first := byCanonical(k.list, claims.Path)
	if !first && claims.Path != slot.path.canonical {
		return stateInvalid()
	}
	if !first {
		path = slot.path
	}
	p := proof{
		claims: claims, member: memberCode, code: code,
		detail: factorDetail{
			Kind: string(k.state), Path: path.Text, JTI: claims.JTI, Destination: k.mask(claims.Value), Provider: claims.Provider,
		},
		matches:  func() bool { return claims.CodeMatches(code) },
		nextSend: func(ctx context.Context) (time.Duration, error) { return c.s.nextSend(ctx, k, t, claims) },
	}
	if err := c.s.attempt(ctx, t, p); err != nil {
		return err
	}
	return c.s.redeem(ctx, t, p, func(ctx context.Context, user *scim.User) error {
		t.User = user
		if !first {
			return c.writeExtra(ctx, t, k, slot, p, name)
		}
		if err := c.s.writeAddress(ctx, k, t, path, p, user); err != nil {
			return err
		}
		at, ok, err := c.s.cfg.Records.Validated(ctx, user.ID, path.canonical, claims.Value)
		if err != nil || !ok {
			return err
		}
		return c.name(ctx, user.ID, path.enrolled(claims.Value, at).Credential, name)
	})
}

// writeExtra stores a further address or number. The same one cannot be there as
// the value of an attribute meanwhile: one channel is one credential.
func (c *Credentials) writeExtra(ctx context.Context, t Target, k *addressKind, slot slot, p proof, name string) error {
	path, value, err := c.place(ctx, t, slot.kind, p.claims.Value)
	if errors.Is(err, ErrExtraExists) || errors.Is(err, ErrTooMany) {
		return err
	}
	if err != nil {
		return fmt.Errorf("place address: %w", err)
	}
	if path.canonical != slot.path.canonical { // an attribute became free meanwhile
		return accountChanged()
	}
	id, err := c.cfg.Extras.AddExtraAddress(ctx, ExtraAddress{UserID: t.User.ID, Kind: slot.kind, Value: value, CreatedAt: c.s.now()})
	if err != nil {
		return fmt.Errorf("store further address: %w", err)
	}
	if err := c.s.cfg.Records.BumpFactorEpoch(ctx, t.User.ID, slot.path.canonical); err != nil {
		return err
	}
	if err := c.s.cfg.Sends.Succeeded(ctx, t.User.ID, delivery.Key(slot.path.channel, value)); err != nil {
		return err
	}
	if k.telephone {
		if err := c.s.cfg.Outcomes.Verified(ctx, p.claims.JTI); err != nil {
			return err
		}
	}
	if err := c.s.audit(ctx, t, audit.AddressValidated, p.detail); err != nil {
		return err
	}
	if err := c.name(ctx, t.User.ID, ExtraCredential(slot.kind, id), name); err != nil {
		return err
	}
	return c.s.cfg.Follower.announce(ctx, t.Caller, t.User.ID, t.User.Object, slot.added)
}

// name names a credential that was just enrolled, if there is a name.
func (c *Credentials) name(ctx context.Context, userID, credential, name string) error {
	if name = credentialName(name); name == "" {
		return nil
	}
	err := c.cfg.Settings.SetCredential(ctx, userID, credential, func(s *CredentialSetting) error {
		s.Name = name
		return nil
	})
	if err != nil {
		return fmt.Errorf("name credential: %w", err)
	}
	return nil
}
